"""What an import has done, and the way to the secrets that need a value."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from bifrost_tui.display import visible
from bifrost_tui.store.incoming import Imported
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal, labelled
from bifrost_tui.tui.import_cells import done_lines
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock


class ImportDone(DataModal[bool]):
    """A dialog with the summary; it answers whether to go on into the queue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "close", "close", id="screen.back", tooltip="Back to the list"),
        Binding(
            "R",
            "queue",
            "queue",
            id="import.queue",
            tooltip="Give the secrets that need one a value, one after another",
        ),
    ]

    def __init__(self, file: str, done: Imported, waiting: int) -> None:
        super().__init__()
        self._file = file
        self._done = done
        self._without_value = waiting

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"{visible(self._file)} is imported")
            facts: list[tuple[str, Text | str]] = [*done_lines(self._done)]
            yield TextBlock(labelled(facts), hang=LABEL_WIDTH)
            yield Status()
        yield KeyBar()

    def key_words(self, action: str, words: str) -> str:
        """Say for how many secrets the queue is."""
        return (
            f"{words} {self._without_value:,}"
            if action == "queue" and self._without_value
            else words
        )

    def why_not(self, action: str) -> str:
        """Say why there is no queue."""
        return (
            "No secret of it needs a value."
            if action == "queue" and not self._without_value
            else ""
        )

    def action_close(self) -> None:
        """Go back to the list."""
        self.dismiss(False)

    def action_queue(self) -> None:
        """Go on into the queue."""
        self.dismiss(True)
