"""A block of text with theme colours, as high as it needs to be."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size

from bifrost_tui.tui.widgets.lines import Line


class TextBlock(Line):
    """Text of several lines, wrapped at the edge; what goes on is set ``hang`` cells in."""

    DEFAULT_CSS = "TextBlock { height: auto; }"

    def __init__(
        self,
        text: Text | None = None,
        *,
        hang: int = 0,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._text = text or Text()
        self._hang = hang

    def show(self, text: Text) -> None:
        """Show another text."""
        self._text = text
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many lines the text takes at this width."""
        return len(self._wrapped(width)) if self._text else 0

    def render(self) -> RenderResult:
        """Draw the text."""
        return Text("\n", no_wrap=True).join(self._wrapped(self.content_size.width))

    def _wrapped(self, width: int) -> list[Text]:
        console, hang = self.app.console, self._hang
        text = self.coloured(self._text)
        text.no_wrap, text.overflow = False, "fold"
        lines: list[Text] = []
        for line in text.split("\n", allow_blank=True):
            if width <= hang * 2 or len(line) <= hang:
                lines += line.wrap(console, max(width, 1)) or [line]
                continue
            label, rest = line[:hang], line[hang:]
            for part in rest.wrap(console, width - hang):
                lines.append(label + part)
                label = Text(" " * hang)
        return lines
