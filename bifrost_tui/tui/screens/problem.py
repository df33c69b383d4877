"""The database cannot be opened: what is wrong, where, and what to do."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine
from bifrost_tui.tui.widgets.text_block import TextBlock


class ProblemScreen(DataScreen[None]):
    """A screen with one message; the program ends with exit code 1 after it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "again", "try again", id="problem.again", tooltip="Try again"),
        Binding("q", "leave", "quit", id="app.quit", tooltip="Leave the program"),
    ]

    def __init__(self, error: BifrostError) -> None:
        super().__init__()
        self._error = error

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Vertical(classes="page"):
            yield TextBlock(Text("The database was not opened", "$error"))
            yield TextBlock(Text("\n" + visible(self._error.message)))
        yield KeyBar()

    def on_mount(self) -> None:
        """Say where we are."""
        heading = self.query_one("#heading", SplitLine)
        heading.left = Text("Bifrost TUI", "bold")
        heading.right = self.bifrost.context_line()

    def action_again(self) -> None:
        """Try to open it again."""
        self.bifrost.open_again()

    def action_leave(self) -> None:
        """Leave the program."""
        self.app.exit(1)
