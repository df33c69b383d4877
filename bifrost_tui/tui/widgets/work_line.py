"""One line that says what is being done, with a bar: how far it is."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult

from bifrost_tui.display import visible
from bifrost_tui.tui.widgets.lines import Line

_LEAST = 8
"""The fewest cells of a bar that says anything."""


class WorkLine(Line):
    """``Reading acme.json  ━━━━━────  12,345 of 100,000``; blank where nothing is done.

    It keeps its place, so that nothing moves when something begins.
    """

    def on_mount(self) -> None:
        """Begin with nothing."""
        self._words = ""
        self._done, self._total = 0, 0

    def begin(self, words: str) -> None:
        """Say what begins."""
        self._words = visible(words)
        self._done, self._total = 0, 0
        self.refresh()

    def show(self, done: int, total: int) -> None:
        """Show how many of how many are behind."""
        if self._words:
            self._done, self._total = done, total
            self.refresh()

    def end(self) -> None:
        """Say nothing."""
        self._words = ""
        self.refresh()

    def render(self) -> RenderResult:
        """Draw the words, the bar and the numbers."""
        if not self._words:
            return Text()
        width = self.content_size.width
        numbers = f"  {self._done:,} of {self._total:,}" if self._total else ""
        words = Text(f"{self._words}  ")
        words.truncate(max(width - len(numbers) - _LEAST, 0), overflow="ellipsis")
        room = max(width - words.cell_len - len(numbers), 0)
        full = round(room * self._done / self._total) if self._total else 0
        bar = (("━" * full, "$accent"), ("─" * (room - full), "$muted"))
        return self.coloured(Text.assemble(words, *bar, (numbers, "$muted")))
