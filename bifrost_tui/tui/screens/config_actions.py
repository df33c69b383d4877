"""What can be done to the configs of a list: opened, added, edited, shadowed, rotated, deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import getters, on
from textual.binding import Binding, BindingType

from bifrost_tui.errors import BifrostError, NotFoundError
from bifrost_tui.store.views import ConfigView, Scope, ScopeCounts
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.transferring import open_transfer, why_no_transfer
from bifrost_tui.tui.widgets.paged_table import PagedTable


class ConfigActions(DataScreen[None]):
    """The keys for the config under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "add", id="configs.add", tooltip="Add a config"),
        Binding("e", "edit", "edit", id="configs.edit", tooltip="Edit the config"),
        Binding(
            "r", "rotate", "rotate", id="configs.rotate", tooltip="Give the secret a new value"
        ),
        Binding("d", "delete", "delete", id="configs.delete", tooltip="Delete the config"),
    ]

    table = getters.query_one("#configs", PagedTable)

    _scope: Scope
    _counts: ScopeCounts | None

    def reload(self, key: str | None = None) -> None:
        """Read the list again."""
        raise NotImplementedError

    def why_not_people(self, action: str) -> str:
        """Say why the members and the log are not to be looked at here, and files not written."""
        managed = self._counts is not None and self._counts.managed
        if action == "transfer":
            return why_no_transfer(self.bifrost, managed=managed, where=self._scope.name)
        if managed or action not in ("members", "log"):
            return ""
        what = "members of" if action == "members" else "audit log of"
        are = "are" if action == "members" else "is"
        return f"The {what} {self._scope.name} {are} for its owners and admins."

    def action_members(self) -> None:
        """Show the members of the organization."""
        from bifrost_tui.tui.screens.members import MembersScreen

        screen = MembersScreen(self._scope, classes=self.bifrost.size_classes())
        self.app.push_screen(screen, lambda _: self.reload())

    def action_log(self) -> None:
        """Show what was done in this scope."""
        from bifrost_tui.tui.screens.audit import AuditScreen

        screen = AuditScreen(self._scope, classes=self.bifrost.size_classes())
        self.app.push_screen(screen, lambda _: self.reload())

    def action_transfer(self) -> None:
        """Export this scope, or import into it."""
        open_transfer(self, self._scope, self.reload)

    @on(PagedTable.RowSelected)
    def action_open(self) -> None:
        """Show all about the config."""
        from bifrost_tui.tui.screens.details import DetailsScreen

        self._with_whole(
            lambda view: self.app.push_screen(DetailsScreen(view, self._scope), self._after_details)
        )

    def _after_details(self, action: str | None) -> None:
        if action:
            self.run_worker(self.run_action(f"screen.{action}"), exit_on_error=True)

    def action_add(self) -> None:
        """Add a config."""
        from bifrost_tui.tui.screens.config_form import ConfigForm

        self.app.push_screen(ConfigForm(self._scope), self._saved)

    def action_edit(self) -> None:
        """Edit the config under the cursor."""
        self._open_form(shadow=False)

    def action_shadow(self) -> None:
        """Add a config of this organization with the key of an inherited one."""
        self._open_form(shadow=True)

    def _open_form(self, *, shadow: bool) -> None:
        from bifrost_tui.tui.screens.config_form import ConfigForm

        def show(view: ConfigView) -> None:
            self.app.push_screen(ConfigForm(self._scope, view, shadow=shadow), self._saved)

        self._with_whole(show)

    def action_rotate(self) -> None:
        """Give the secret under the cursor a new value."""
        from bifrost_tui.tui.screens.rotate import RotateScreen

        self._with_whole(
            lambda view: self.app.push_screen(RotateScreen(view), partial(self._saved, "rotated"))
        )

    def action_delete(self) -> None:
        """Delete the config under the cursor, after a question."""
        from bifrost_tui.tui.screens.delete import DeleteScreen

        self._with_whole(lambda view: self.app.push_screen(DeleteScreen(view), self._deleted))

    def _with_whole(self, then: Callable[[ConfigView], object]) -> None:
        """Fetch the config under the cursor as it is now, with its whole value."""
        current: ConfigView | None = self.table.current
        if current is None:
            return
        if not current.cut:
            # At once, so that what is typed next finds the form; a newer version is a conflict.
            then(current)
            return

        def gone(error: BifrostError) -> None:
            if isinstance(error, NotFoundError):
                self.reload()
            self.tell_problem(error)

        self.ask(
            lambda: self.repository.configs.get(self.access, self._scope, current.id),
            then,
            problem=gone,
        )

    def _saved(self, *outcome: object) -> None:
        view = outcome[-1]
        if isinstance(view, ConfigView):
            word = outcome[0] if len(outcome) > 1 else "saved"
            tail = f" · fingerprint {view.fingerprint}" if view.fingerprint else ""
            self.say_once_shown(f"{view.key} in {view.scope.name} is {word}{tail}")
            self.reload(view.key)

    def _deleted(self, key: str | None) -> None:
        if key:
            self.say_once_shown(f"{key} in {self._scope.name} is deleted")
        if key is not None:
            self.reload()
