"""The passphrase of the lock: the one that is set, a new one, and the new one again."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.widgets.fields import Field
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.passphrase_field import PassphraseField
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.text_block import TextBlock

_WORDS = (
    "It opens your locked screens; no secret is encrypted under it. To take it away:"
    " bifrost-tui lock clear.\n"
)


class PassphraseForm(DataModal[bool | None]):
    """A dialog that sets the actor's passphrase."""

    AUTO_FOCUS = ""  # a field that is hidden must not take keys
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+s,enter",
            "save",
            "save",
            key_display="^s",
            id="form.save",
            tooltip="Set the passphrase; Enter goes on to the next field first",
        ),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Leave it as it is"),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("The passphrase of the lock")
            yield TextBlock(Text(_WORDS, "$muted"))
            for label, name in (("Set now", "current"), ("New", "passphrase"), ("Again", "again")):
                yield Field(label, PassphraseField(id=name), name=name)
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Ask for the one that is set, where there is one."""
        self.query_one("#field-current").display = False
        self._saving = True
        self.ask(lambda: self.repository.presence.is_set(self.access), self._found, again=True)

    def _found(self, there: bool) -> None:
        self._saving = False
        self.query_one("#field-current").display = there
        self._field("current" if there else "passphrase").focus()

    def _field(self, name: str) -> PassphraseField:
        return self.query_one(f"#{name}", PassphraseField)

    @on(SecretField.Submitted)
    def _entered(self, event: SecretField.Submitted) -> None:
        if event.field.id == "again":
            self.action_save()
        else:
            self.app.action_focus_next()

    def action_save(self) -> None:
        """Set it; the dialog stays until that has succeeded."""
        if self._saving:
            return
        for field in self.query(Field):
            field.show_error("")
        new, again = (self._field(name).entered() for name in ("passphrase", "again"))
        if new is None:
            Field.point_at(self, "passphrase", "Nothing is entered.")
            return
        from bifrost_tui.store.entered import same_entered

        if again is None or not same_entered(new, again):
            self._field("again").clear()
            Field.point_at(self, "again", "It is not the same. Enter the new one once more.")
            return
        self._saving = True
        current = self._field("current").entered()
        presence, access = self.repository.presence, self.access
        self.ask(
            lambda: presence.set(access, new, current=current),
            lambda _: self.dismiss(True),
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        self._saving = False
        name = getattr(error, "field", "")
        if name in ("current", "passphrase"):
            Field.point_at(self, name, error.message)
        else:
            self.say_not_done("Not set.", error)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
