"""The lines of a table in the colours of the theme, kept as long as they stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.cache import LRUCache
from textual.color import TRANSPARENT, Color
from textual.filter import LineFilter
from textual.scroll_view import ScrollView
from textual.strip import Strip

from bifrost_tui.display import visible
from bifrost_tui.tui.widgets.page_cache import RowT
from bifrost_tui.tui.widgets.table_line import Column, Run, lay_out, line, text_runs

CURSOR = "cursor"
BLURRED = "cursor-blurred"

_LEAD = 2  # the cursor's bar and a blank
_LOADING = "·"
_BAR = "▌"
_KEPT = 512
_NO_DIM = Style(dim=False)


class _Frame(NamedTuple):
    """What all the lines of a table have in common."""

    width: int = 0
    left: int = 0
    room: int = 0
    base: Style = Style.null()
    background: Color = TRANSPARENT
    filters: tuple[LineFilter, ...] = ()


class LinePainter(Generic[RowT]):
    """Draws the rows and the titles of the table that it is given.

    Colours come from the table's component classes ``paged-table--…``.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[RowT, str], Text],
        row_style: Callable[[RowT], str] | None,
    ) -> None:
        self._columns = tuple(columns)
        self._cells = cells
        self._row_style = row_style
        self._placed: list[tuple[Column, int]] = []
        self._frame = _Frame()
        self._is_current = False
        self._looks: dict[str, Style] = {}
        self._rows: LRUCache[tuple[int, str], Strip] = LRUCache(_KEPT)
        self._others: dict[str, Strip] = {}

    def look_again(self) -> None:
        """See whether the table's frame or colours are others before the next line is drawn."""
        self._is_current = False

    def forget(self) -> None:
        """Draw everything anew: the colours have changed."""
        self.look_again()
        self._rows.clear()
        self._others.clear()
        self._looks.clear()

    def forget_rows(self, indices: Iterable[int] | None = None) -> None:
        """Draw these rows anew, or all: what they say has changed."""
        if indices is None:
            self._rows.clear()
        else:
            for index in indices:
                for state in ("", CURSOR, BLURRED):
                    self._rows.discard((index, state))

    def prepare(self, table: ScrollView) -> None:
        """Take the table's frame and colours as they are now."""
        if self._is_current and table.outer_size.width == self._frame.width:
            return
        frame = _Frame(
            width=table.outer_size.width,
            left=table.styles.gutter.left,
            room=table.scrollable_content_region.width,
            base=table.rich_style,
            background=table.background_colors[1],
            filters=tuple(table.get_line_filters()),
        )
        if frame != self._frame:
            self.forget()
            self._frame = frame
            self._placed = lay_out(self._columns, frame.room - _LEAD)
        self._is_current = True

    def blank(self) -> Strip:
        """Return the line of no row."""
        strip = self._others.get("blank")
        if strip is None:
            strip = self._others["blank"] = self._framed(Strip.blank(0, self._frame.base))
        return strip

    def titles(self, table: ScrollView) -> Strip:
        """Return the line of titles."""
        strip = self._others.get("titles")
        if strip is None:
            style = self._frame.base + self._look(table, "$header")

            def title(column: Column) -> list[Run]:
                return [(visible(column.title), style)]

            lead = [(" " * _LEAD, style)]
            strip = self._framed(line(lead, self._placed, title, self._frame.room, style))
            self._others["titles"] = strip
        return strip

    def row(self, table: ScrollView, index: int, row: RowT | None, state: str) -> Strip:
        """Return a row's line; ``state`` is empty, :data:`CURSOR` or :data:`BLURRED`."""
        key = (-1 if row is None else index, state)
        strip = self._rows.get(key)
        if strip is None:
            strip = self._rows[key] = self._framed(self._draw(table, row, state))
        return strip

    def _draw(self, table: ScrollView, row: RowT | None, state: str) -> Strip:
        base = self._frame.base
        flat = False
        if state:
            base += self._look(table, f"${state}")
            # Of sixteen colours few can be read on another: glyphs and words carry the state.
            ground = base.bgcolor
            flat = table.app.native_ansi_color and ground is not None and not ground.is_default

        def look(name: str | Style) -> Style:
            if not state:
                return self._look(table, name)
            if name == "$muted":
                return Style.null()  # where the cursor is, everything is to be read
            style = self._look(table, name) + _NO_DIM
            return style.without_color if flat else style

        bar = base + (look("$accent") if state == CURSOR else self._look(table, "$muted"))
        lead: list[Run] = [(_BAR, bar) if state else (" ", base), (" ", base)]
        if row is None:
            lead.append((_LOADING, base + look("$muted")))
            return line(lead, [], lambda _: [], self._frame.room, base)
        own = base + look(self._row_style(row)) if self._row_style else base

        def cell(column: Column) -> Iterable[Run]:
            return text_runs(self._cells(row, column.name), own, look)

        return line(lead, self._placed, cell, self._frame.room, base)

    def _framed(self, strip: Strip) -> Strip:
        width, left, room, base, background, filters = self._frame
        strip = strip.crop_pad(room, left, width - left - room, base)
        # Kept as they go to the screen: this way the strips remember their bytes, too.
        for line_filter in filters:
            strip = strip.apply_filter(line_filter, background)
        return strip

    def _look(self, table: ScrollView, name: str | Style) -> Style:
        if isinstance(name, Style):
            return name
        look = self._looks.get(name)
        if look is None:
            look = Style.null()
            for word in name.split():
                look += _component(table, word[1:]) if word[0] == "$" else Style.parse(word)
            self._looks[name] = look
        return look


def _component(table: ScrollView, name: str) -> Style:
    component = f"paged-table--{name}"
    full = table.get_component_rich_style(component)
    # Words take the ground of the line they are in, the cursor's too.
    ground = full.bgcolor if name in ("header", CURSOR, BLURRED) else None
    text_style = table.get_component_styles(component).text_style
    return Style(color=full.color, bgcolor=ground) + text_style
