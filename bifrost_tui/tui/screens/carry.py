"""A secret with references gets another key: whether they follow."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from bifrost_tui.display import visible
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.text_block import TextBlock


class CarryScreen(ModalScreen[bool | None]):
    """A dialog that names the references; it returns whether they follow, or nothing."""

    AUTO_FOCUS = "#back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", tooltip="Back, with nothing saved and nothing lost"),
    ]

    def __init__(self, references: str, key: str) -> None:
        super().__init__()
        self._references = references
        self._key = key

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("References stand for this secret")
            yield TextBlock(Text(visible(self._references)))
            yield TextBlock(
                Text(
                    f"\nTaken along, they stand for {visible(self._key)} from now on. Left, they"
                    " keep the old key, and give nothing unless another secret has it."
                )
            )
            with Horizontal(classes="buttons gap"):
                yield WordButton("Back", id="back")
                yield WordButton("Take them along", id="carry")
                yield WordButton("Leave them", id="leave", danger=True)

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        self.dismiss({"carry": True, "leave": False}.get(event.button.id or ""))

    def action_back(self) -> None:
        """Go back; nothing is saved and nothing is lost."""
        self.dismiss(None)
