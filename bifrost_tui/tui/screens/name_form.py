"""The name of an organization: a new one, or another one for it."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.store.views import OrganizationView, Scope
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.widgets.fields import Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status


class NameForm(DataModal[Scope | None]):
    """A dialog with one field; Enter saves it."""

    AUTO_FOCUS = "#name"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "save", "save", id="form.save", tooltip="Save the name"),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Leave it as it is"),
    ]

    def __init__(self, view: OrganizationView | None = None) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        old = self._view.scope.name if self._view else ""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(
                f"Rename {visible(old)}" if self._view else "Add an organization"
            )
            yield Field("Name", LineInput(old, id="name"), name="name")
            yield Status()
        yield KeyBar()

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Save; the form stays until that has succeeded."""
        name = self.query_one("#name", Input).value
        organizations, access, view = self.repository.organizations, self.access, self._view
        self.ask(
            lambda: (
                organizations.add(access, name)
                if view is None
                else organizations.rename(access, view.scope, view.version, name)
            ),
            self.dismiss,
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        if getattr(error, "field", "") == "name":
            self.query_one(Field).show_error(error.message)
        else:
            self.say_not_done("Not saved.", error)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
