"""Rotate one secret: what it is, a field for the new value, Enter saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from bifrost_tui.display import age, visible
from bifrost_tui.errors import BifrostError, ConflictError
from bifrost_tui.store.views import ConfigView, State
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal, labelled
from bifrost_tui.tui.cells import NEEDS_VALUE
from bifrost_tui.tui.live import Freshness
from bifrost_tui.tui.screens.conflict import ConflictScreen, Decision, Way
from bifrost_tui.tui.secret_notes import SecretNotes
from bifrost_tui.tui.widgets.config_facts import period_text, state_text
from bifrost_tui.tui.widgets.fields import Field
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes


class RotateScreen(DataModal[ConfigView | None]):
    """A dialog that gives a secret a new value."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "save", "save", id="form.save", tooltip="Save the new value"),
        Binding(
            "ctrl+g",
            "generate",
            "generate",
            id="rotate.generate",
            tooltip="Generate a value, and hand it to a command",
        ),
        Binding(
            "escape",
            "leave",
            "cancel",
            id="form.cancel",
            tooltip="Leave the value as it is; asked for twice when one was entered",
        ),
    ]

    field = getters.query_one(SecretField)

    def __init__(self, view: ConfigView) -> None:
        super().__init__()
        self._view = view
        self._saving = False
        self._freshness = Freshness(self, "saving", lambda: self._saving)
        self._leaving = False

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        verb = "Rotate" if self._view.mask else "Fill"
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(
                f"{verb} {visible(self._view.key)} in {visible(self._view.scope.name)}"
            )
            yield TextBlock(id="facts", hang=LABEL_WIDTH)
            yield Field("New value", SecretField(), name="value")
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what is known about the value that goes."""
        self._notes = SecretNotes(self, self.field, self._view.scope, self._view.id)
        self._show_facts()
        self.field.focus()

    def _show_facts(self) -> None:
        view, now = self._view, self.bifrost.clock()
        pairs: list[tuple[str, Text | str]] = []
        if view.state is State.NEEDS_VALUE:
            pairs.append(("State", Text(NEEDS_VALUE, "$accent")))
        elif state := state_text(view):
            pairs.append(("State", state))
        if view.fingerprint and view.secret_changed_at:
            ago = age(view.secret_changed_at, now)
            old = "entered just now" if ago == "now" else f"{ago} old"
            pairs.append(("Value now", f"fingerprint {view.fingerprint} · {old}"))
        if period := period_text(view, now):
            pairs.append(("Rotation", period))
        pairs.append(("Integration", visible(view.integration or "any")))
        if view.description:
            pairs.append(("Description", visible(view.description)))
        self.query_one("#facts", TextBlock).show(labelled(pairs))

    @on(SecretField.Changed)
    def _changed(self) -> None:
        self._leaving = False
        self._notes.changed()
        self.refresh_bindings()

    def why_not(self, action: str) -> str:
        """Say why no value can be generated now."""
        if action == "generate" and self.is_mounted and not self.field.is_empty:
            return "A value is entered already. ^u clears it, and ^g then generates one."
        return ""

    @on(SecretField.Submitted)
    def _entered(self, event: SecretField.Submitted) -> None:
        if event.revision == self.field.revision:
            self.action_save()
        else:
            self.field.show_problem("More was typed after Enter. Check, and press Enter again.")

    def data_changed(self, changes: Changes) -> None:
        """Say when the config was changed meanwhile; what is entered stays."""
        self._freshness.check(self._view, changes)

    def action_save(self) -> None:
        """Save the new value; the field stays until that has succeeded."""
        self._save(self._view)

    def _save(self, view: ConfigView) -> None:
        entered = self.field.entered()
        if self._saving:
            return
        if entered is None:
            self.field.show_problem("Nothing is entered. Paste the new value, or press Esc.")
            return
        self._saving = True
        self.query_one(Status).clear()
        self.ask(
            lambda: self.repository.configs.rotate(self.access, view, entered),
            self.dismiss,
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        self._saving = False
        if isinstance(error, ConflictError):
            self.app.push_screen(
                ConflictScreen(self._view, error, "Save mine over it"), self._decided
            )
        else:
            self.say_not_done("Not saved.", error)

    def _decided(self, decision: Decision | None) -> None:
        way, theirs = decision or (Way.BACK, None)
        if theirs is not None and way is not Way.BACK:
            self._view = theirs
            self._show_facts()
        if theirs is not None and way is Way.OVERWRITE:
            self._save(theirs)
        else:
            self.say("Not saved. What you entered is still here.", "warning")

    def action_generate(self) -> None:
        """Make a value instead of entering one."""
        if not self._saving:
            from bifrost_tui.tui.screens.generate import GenerateScreen

            self.app.push_screen(GenerateScreen(self._view), self._generated)

    def _generated(self, view: ConfigView | None) -> None:
        if view is not None:
            self.dismiss(view)

    def action_leave(self) -> None:
        """Leave the value as it is; when one was entered, only at the second time."""
        if self._saving:
            return
        if not self.field.is_empty and not self._leaving:
            self._leaving = True
            self.say("Not saved yet. Enter saves; esc once more throws it away.", "warning")
            return
        self.dismiss(None)
