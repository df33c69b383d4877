"""A membership: a new one, or another role for it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.store.views import ALL_SCOPES, MemberView, Role, Scope
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock

_MAY = {
    Role.OWNER: "may do everything",
    Role.ADMIN: "may do everything but give or take the role of an owner",
    Role.MEMBER: "may see it, add configs, and change what they created",
}


class MemberForm(DataModal[MemberView | None]):
    """A dialog that makes somebody a member, or gives a member another role."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "save", "save", id="form.save", tooltip="Save the membership"),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Leave it as it is"),
    ]

    def __init__(self, scope: Scope, view: MemberView | None = None) -> None:
        super().__init__()
        self._scope = view.scope if view is not None else scope
        self._view = view

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        view = self._view
        where = "all organizations" if self._scope == ALL_SCOPES else visible(self._scope.name)
        role = view.role if view is not None else Role.MEMBER
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(
                f"{visible(view.actor)} in {where}" if view else f"Add a member of {where}"
            )
            if view is None:
                yield Field("Actor", LineInput(id="actor", max_length=255), name="actor")
            yield Field("Role", Choice([*Role], role.value, id="role"), name="role")
            yield TextBlock(_may(role), hang=LABEL_WIDTH, id="may")
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin with what is to be entered."""
        self.query_one("#actor" if self._view is None else "#role").focus()

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        self.query_one("#may", TextBlock).show(_may(Role(event.chosen)))

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#field-actor", Field).show_error("")

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Save; the form stays until that has succeeded."""
        members, access, view, scope = (
            self.repository.members,
            self.access,
            self._view,
            self._scope,
        )
        role = Role(self.query_one("#role", Choice).chosen)
        if view is not None:
            self.ask(
                lambda: members.change(access, view, role), self.dismiss, problem=self._refused
            )
            return
        actor = self.query_one("#actor", Input).value.strip()
        self.ask(
            lambda: members.add(access, scope, actor, role), self.dismiss, problem=self._refused
        )

    def _refused(self, error: BifrostError) -> None:
        name = getattr(error, "field", "")
        field = next(iter(self.query(f"#field-{name}").results(Field)), None) if name else None
        if field is not None:
            field.show_error(error.message)
        else:
            self.say_not_done("Not saved.", error)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)


def _may(role: Role) -> Text:
    return Text(f"{'':<{LABEL_WIDTH}}{_MAY[role]}", "$muted")
