"""A scroll bar of whole half-blocks that repaints only the cells that change."""

from __future__ import annotations

from typing import Any

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.geometry import Region
from textual.scrollbar import ScrollBar, ScrollBarRender


def thumb(height: int, total: int, top: float) -> tuple[int, int]:
    """Return the start and the length of the thumb, in whole cells; length 0: none.

    It touches an end only where the view does, if there is room to tell.
    """
    last = total - height
    if height < 1 or last <= 0:
        return 0, 0
    length = max(1, height * height // total)
    free = height - length
    if top <= 0:
        return 0, length
    if top >= last:
        return free, length
    return max(0, min(max(round(free * top / last), 1), free - 1)), length


def move_thumb(bar: ScrollBar, position: float) -> None:
    """Put the thumb of ``bar`` where ``position`` is."""
    height, total = bar.window_size, bar.window_virtual_size
    old, length = thumb(height, total, bar.position)
    new, _ = thumb(height, total, position)
    # Quietly: the bar would repaint all of itself for a step that moves nothing.
    bar.set_reactive(ScrollBar.position, position)
    if old != new:
        bar.refresh(Region(0, min(old, new), bar.size.width, abs(old - new) + length))


class ThinBar(ScrollBarRender):
    """Draws a vertical scroll bar; set it as the ``renderer`` of one."""

    @classmethod
    def render_bar(
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        thickness: int = 1,
        vertical: bool = True,  # noqa: ARG003 - Textual's signature
        back_color: Any = None,
        bar_color: Any = None,
    ) -> Segments:
        """Return a line for each of ``size`` cells; what a click does is in their styles."""
        start, length = thumb(size, int(virtual_size), position) if window_size else (0, 0)
        ground = Style(bgcolor=back_color or Color.default())

        def track(click: str) -> Segment:
            return Segment(" " * thickness, ground + Style(meta={"@mouse.down": click}))

        grip = ground + Style(color=bar_color, meta={"@mouse.down": "grab"})
        cells = [track("scroll_up")] * start
        cells += [Segment("▐" * thickness, grip)] * length
        cells += [track("scroll_down")] * (size - start - length)
        return Segments(cells, new_lines=True)
