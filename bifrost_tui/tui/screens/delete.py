"""Delete: names scope, key and what depends on it; a secret asks for its key to be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import BifrostError, ConflictError
from bifrost_tui.store.views import ConfigView, Dependents
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.live import Freshness
from bifrost_tui.tui.screens.conflict import ConflictScreen, Decision, Way
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.config_facts import references_text
from bifrost_tui.tui.widgets.fields import LineInput
from bifrost_tui.tui.widgets.lines import Status
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes


class DeleteScreen(DataModal[str | None]):
    """A dialog that deletes one config and returns its key.

    It returns nothing where nothing was done, and no key ("") where another came before us: then
    the list is to be read again.
    """

    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Delete nothing"),
    ]

    def __init__(self, view: ConfigView) -> None:
        super().__init__()
        self._view = view
        self._deleting = False
        self._freshness = Freshness(self, "deleting", lambda: self._deleting)

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        view = self._view
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(
                "Delete a secret" if view.is_secret else f"Delete a config ({view.type.value})"
            )
            yield TextBlock(
                Text.assemble((visible(view.key), "bold"), f" in {visible(view.scope.name)}")
            )
            yield TextBlock(Text("\nIt cannot be brought back."), id="consequences")
            if view.is_secret:
                yield Static(Content("Type the key to delete it"), classes="gap")
                yield LineInput(id="typed")
            yield Status()
            with Horizontal(classes="buttons gap"):
                yield WordButton("Cancel", id="cancel")
                yield WordButton("Delete", id="delete", danger=True)

    def on_mount(self) -> None:
        """Ask what depends on it."""
        self.query_one("#delete", WordButton).disabled = self._view.is_secret
        self.ask(
            lambda: self.repository.configs.dependents(self.access, self._view),
            self._show,
            again=True,
        )

    def _show(self, found: Dependents) -> None:
        view, words = self._view, "\nIt cannot be brought back."
        if found.inherits_instead:
            words += (
                f" {visible(view.scope.name)} will then inherit the global {visible(view.key)}."
            )
        elif found.inheritors:
            words += f" {counted(found.inheritors, 'organization')} will no longer inherit it."
        if found.references.total:
            fate = "will dangle" if found.references_dangle else "will stand for the global one"
            words += f"\n{counted(found.references.total, 'reference')} {fate}:"
            words += f"\n  {references_text(found.references, view.scope)}"
        self.query_one("#consequences", TextBlock).show(Text(words))

    def on_key(self, event: events.Key) -> None:
        """Let typing begin from Cancel: the letters go into the field."""
        fields = self.query("#typed").results(Input)
        field = next(iter(fields), None)
        if field is not None and event.is_printable and event.character and not field.has_focus:
            event.stop()
            field.focus()
            field.insert_text_at_cursor(event.character)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#delete", WordButton).disabled = event.value != self._view.key

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if event.value == self._view.key:
            self._delete(self._view)
        else:
            self.say("That is not its key.", "warning")

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        if event.button.id == "delete":
            self._delete(self._view)
        else:
            self.dismiss(None)

    def data_changed(self, changes: Changes) -> None:
        """Say when the config was changed meanwhile; what is entered stays."""
        self._freshness.check(self._view, changes)

    def _delete(self, view: ConfigView) -> None:
        if self._deleting:
            return
        self._deleting = True
        self.ask(
            lambda: self.repository.configs.delete(self.access, view),
            lambda _: self.dismiss(view.key),
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        self._deleting = False
        if isinstance(error, ConflictError):
            self.app.push_screen(ConflictScreen(self._view, error, "Delete it"), self._decided)
        else:
            self.say_not_done("Not deleted.", error)

    def _decided(self, decision: Decision | None) -> None:
        way, theirs = decision or (Way.BACK, None)
        if theirs is not None and way is Way.OVERWRITE:
            self._delete(theirs)
        else:
            self.dismiss("")

    def action_cancel(self) -> None:
        """Delete nothing."""
        self.dismiss(None)
