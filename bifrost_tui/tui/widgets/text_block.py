"""A block of text with theme colours, as high as it needs to be."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult

from bifrost_tui.tui.widgets.lines import Line


class TextBlock(Line):
    """Text of several lines, wrapped at the edge."""

    DEFAULT_CSS = "TextBlock { height: auto; }"

    def __init__(self, text: Text | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._text = text or Text()

    def show(self, text: Text) -> None:
        """Show another text."""
        self._text = text
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        """Draw the text."""
        text = self.coloured(self._text)
        text.no_wrap, text.overflow = False, "fold"
        return text
