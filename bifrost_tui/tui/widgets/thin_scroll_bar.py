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


def move_thumb(bar: ScrollBar, total: int, top: float) -> None:
    """Show on ``bar`` that the view begins at ``top`` of ``total`` lines."""
    height = bar.window_size
    old, old_length = thumb(height, bar.window_virtual_size, bar.position)
    new, new_length = thumb(height, total, top)
    # Quietly: the bar would repaint all of itself for a step that moves nothing.
    bar.set_reactive(ScrollBar.window_virtual_size, total)
    bar.set_reactive(ScrollBar.position, top)
    if (old, old_length) != (new, new_length):
        first = min(old, new)
        end = max(old + old_length, new + new_length)
        bar.refresh(Region(0, first, bar.size.width, end - first))


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
