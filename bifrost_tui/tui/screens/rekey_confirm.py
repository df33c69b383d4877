"""The question before the master key is rotated: not at all, for a try, or for good."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content

from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.master_key_words import Keys, question_text
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.text_block import TextBlock


class RekeyConfirm(DataModal[str | None]):
    """A dialog that answers ``dry`` for a dry run, ``sure`` to re-encrypt, or nothing."""

    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Re-encrypt nothing"),
    ]

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("Rotate the master key")
            yield TextBlock(Text(question_text(self._keys)))
            with Horizontal(classes="buttons gap"):
                yield WordButton("Cancel", id="cancel")
                yield WordButton("Dry run", id="dry")
                yield WordButton("Re-encrypt", id="sure")

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        chosen = event.button.id
        self.dismiss(None if chosen == "cancel" else chosen)

    def action_cancel(self) -> None:
        """Re-encrypt nothing."""
        self.dismiss(None)
