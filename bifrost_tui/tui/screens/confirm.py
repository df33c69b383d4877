"""A question before something is done: what will happen, with the focus on Cancel."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from bifrost_tui.display import visible_lines
from bifrost_tui.tui.widgets.buttons import WordButton


class Confirm(ModalScreen[bool]):
    """A dialog that answers whether to go on."""

    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Do nothing"),
    ]

    def __init__(self, title: str, words: str, verb: str) -> None:
        super().__init__()
        self._title = title
        self._words = words
        self._verb = verb

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(Content(visible_lines(self._words)))
            with Horizontal(classes="buttons gap"):
                yield WordButton("Cancel", id="cancel")
                yield WordButton(self._verb, id="sure", danger=True)

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        self.dismiss(event.button.id == "sure")

    def action_cancel(self) -> None:
        """Do nothing."""
        self.dismiss(False)
