"""A table of any length that draws the lines that show and holds the pages around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Self

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip

from bifrost_tui.tui.widgets.line_painter import BLURRED, CURSOR, LinePainter
from bifrost_tui.tui.widgets.page_cache import PageCache, RowT
from bifrost_tui.tui.widgets.table_line import Column
from bifrost_tui.tui.widgets.table_style import PARTS, STYLE
from bifrost_tui.tui.widgets.thin_scroll_bar import ThinBar, move_thumb

__all__ = ["Column", "PagedTable", "current_row"]


class PagedTable(ScrollView, Generic[RowT], can_focus=True, inherit_bindings=False):
    """Rows of one line each, drawn as they show and asked for by the page.

    ``cells`` gives the text of a row's column. Its spans, and what ``row_style`` gives for a
    whole row, may name plain styles (``dim``, ``bold``) and ``$error``, ``$warning``,
    ``$success``, ``$accent`` and ``$muted``, which follow the theme. Control characters are
    written out.

    The titles stand in the padding above the rows, so that the scroll bar spans the rows alone;
    without that padding there are no titles. A border, an outline, a tint or an opacity is not
    drawn: they are for what is around the table.
    """

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"paged-table--{name}" for name in PARTS}
    DEFAULT_CSS = STYLE

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(keys, action, label, show=name == "open", id=f"table.{name}", tooltip=tooltip)
        for name, keys, action, label, tooltip in (
            ("up", "up,k", "cursor_up", "Up", "Go to the row above"),
            ("down", "down,j", "cursor_down", "Down", "Go to the row below"),
            ("page_up", "pageup,ctrl+b", "cursor_page(-1)", "Page up", "Go a page up"),
            ("page_down", "pagedown,ctrl+f", "cursor_page(1)", "Page down", "Go a page down"),
            ("first", "home,g", "cursor_first", "First", "Go to the first row"),
            ("last", "end,G", "cursor_last", "Last", "Go to the last row"),
            ("open", "enter", "select_cursor", "open", "Open the row under the cursor"),
        )
    ]

    cursor: reactive[int] = reactive(-1, repaint=False, init=False)
    """The index of the row under the cursor; -1 where there are no rows."""

    class PageWanted(Message):
        """A page that is not at hand is about to show; answer with :meth:`PagedTable.put_page`."""

        def __init__(
            self, table: PagedTable[Any], generation: int, page: int, first_index: int, count: int
        ) -> None:
            super().__init__()
            self.table = table
            self.generation = generation
            self.page = page
            self.first_index = first_index
            self.count = count

        @property
        def control(self) -> PagedTable[Any]:
            """The table that asks."""
            return self.table

    class RowMessage(Message):
        """The base of what is said about one row; ``row`` is None while it is not loaded."""

        def __init__(self, table: PagedTable[Any], index: int, row: Any) -> None:
            super().__init__()
            self.table = table
            self.index = index
            self.row = row

        @property
        def control(self) -> PagedTable[Any]:
            """The table that the row is in."""
            return self.table

    class RowHighlighted(RowMessage):
        """The cursor is on another row, or the row under it has arrived."""

    class RowSelected(RowMessage):
        """A row was opened."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[RowT, str], Text],
        *,
        row_style: Callable[[RowT], str] | None = None,
        page_size: int = 100,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        self._pages: PageCache[RowT] = PageCache(page_size)
        self._rows: Sequence[RowT] | None = None
        """All of them, where they are at hand."""
        self._painter = LinePainter(columns, cells, row_style)
        super().__init__(name=name, id=id, classes=classes)
        self.auto_links = False  # links would repaint the table at every move of the mouse
        self._cursor_stays = False
        self._will_ask = False
        self._click_opened = False

    # What the screen says

    @property
    def row_count(self) -> int:
        """How many rows there are, loaded or not."""
        return self._pages.total

    @property
    def current(self) -> RowT | None:
        """The row under the cursor; None where there is none, or while it is not loaded."""
        return self.row_at(self.cursor)

    def row_at(self, index: int) -> RowT | None:
        """Return the row at ``index``, or None while it is not loaded."""
        return self._pages.row(index)

    def reset(self, total: int, *, cursor: int = 0) -> int:
        """Forget every row, take ``total`` as their number and ask for what shows.

        Returns the new generation: answers to what was asked before are ignored.
        """
        self._rows = None
        return self._reset(total, cursor)

    def _reset(self, total: int, cursor: int) -> int:
        generation = self._pages.reset(total)
        self._total_changed(cursor)
        self.refresh_rows()
        return generation

    def reset_rows(self, rows: Sequence[RowT], *, cursor: int = 0) -> None:
        """Take other rows, all of them at hand: what shows is there at once."""
        self._rows = rows
        generation, size = self._reset(len(rows), cursor), self._pages.page_size
        top = self.scroll_offset.y
        for page in sorted({at // size for at in (top, top + self.size.height, self.cursor)}):
            self.put_page(generation, page, rows[page * size : (page + 1) * size])

    def set_total(self, total: int) -> None:
        """Take another number of rows; those loaded and the cursor stay."""
        first_changed = min(total, self.row_count)
        self._pages.set_total(total)
        self._total_changed(self.cursor)
        self._refresh_lines((max(first_changed - self.scroll_offset.y, 0), self.size.height))

    def put_page(self, generation: int, page: int, rows: Sequence[RowT]) -> None:
        """Take the rows of a page that was asked for."""
        if not self._pages.put(generation, page, rows):
            return
        first, count = self._pages.span(page)
        self._redraw(range(first, first + count))
        if first <= self.cursor < first + count:
            self.post_message(self.RowHighlighted(self, self.cursor, self.current))
        self._ask()

    def lose_page(self, generation: int, page: int) -> None:
        """Say that a page asked for will not come: it is asked for again when it next matters."""
        self._pages.lose(generation, page)

    def ask_again(self) -> None:
        """Ask for the pages that show and did not come."""
        self._ask()

    def refresh_row(self, index: int) -> None:
        """Draw one row anew: what its cells say has changed."""
        self._redraw(range(index, index + 1))

    def refresh_rows(self) -> None:
        """Draw every row anew: what their cells say has changed."""
        self._painter.forget_rows()
        self._refresh_lines((0, self.size.height))

    # The cursor and the view

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return min(max(cursor, 0), self.row_count - 1)

    def watch_cursor(self, old: int, new: int) -> None:
        """Move the bar, and the view where it must."""
        top = self.scroll_offset.y
        self._refresh_lines((old - top, 1), (new - top, 1))
        self._reveal()
        self.post_message(self.RowHighlighted(self, new, self.current))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Redraw the rows; take the cursor along where it would leave the view."""
        self._show_position(new_value)
        if round(old_value) == round(new_value):
            return
        height = self.size.height
        self._refresh_lines((0, height))
        if not self._cursor_stays and height:
            top = round(new_value)
            self.cursor = min(max(self.cursor, top), top + height - 1)
        self._ask()

    def scroll_to(self, x: float | None = None, y: float | None = None, **options: Any) -> None:
        """Scroll at once and to whole rows, whatever asks: every step of an animation is a page."""
        options["animate"] = False
        super().scroll_to(x, None if y is None else round(y), **options)

    def on_mount(self) -> None:
        """Give the scroll bar its shape."""
        self.vertical_scrollbar.renderer = ThinBar  # type: ignore[misc] # as Textual documents

    def on_resize(self) -> None:
        """Keep the cursor in view and ask for what shows now."""
        self._reveal()
        self._ask()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; open the row on its second click, or if the cursor was there."""
        y = event.y - self.styles.gutter.top
        index = self.scroll_offset.y + y
        if not 0 <= y < self.size.height or index >= self.row_count:
            return
        again = event.chain > 1
        if again and self._click_opened:
            return
        self._click_opened = again or index == self.cursor
        self.cursor = index
        if self._click_opened:
            self.action_select_cursor()

    def action_cursor_up(self) -> None:
        """Go to the row above."""
        self.cursor -= 1

    def action_cursor_down(self) -> None:
        """Go to the row below."""
        self.cursor += 1

    def action_cursor_page(self, pages: int) -> None:
        """Go up or down by what shows, less a line that stays to read on from."""
        step = pages * max(1, self.size.height - 1)
        self._scroll_steadily(self.scroll_offset.y + step)
        self.cursor += step

    def action_cursor_first(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_cursor_last(self) -> None:
        """Go to the last row."""
        self.cursor = self.row_count - 1

    def action_select_cursor(self) -> None:
        """Open the row under the cursor, once it is there."""
        if (row := self.current) is not None:
            self.post_message(self.RowSelected(self, self.cursor, row))

    def _total_changed(self, cursor: int) -> None:
        size = Size(0, self.row_count)
        if self.styles.auto_dimensions:
            self.virtual_size = size
        else:
            # Quietly: a layout of the screen would end in the same places.
            self.set_reactive(PagedTable.virtual_size, size)
            self._show_position(self.scroll_y)
        if self.size.height:
            self._scroll_steadily(self.scroll_offset.y)  # which may be beyond the end now
        self.cursor = cursor
        self._reveal()
        self._ask()

    def _show_position(self, top: float) -> None:
        if self.show_vertical_scrollbar:
            move_thumb(self.vertical_scrollbar, self.row_count, top)

    def _scroll_steadily(self, top: int) -> None:
        self._cursor_stays = True
        try:
            self.scroll_to(y=top, force=True)
        finally:
            self._cursor_stays = False

    def _reveal(self) -> None:
        height, top = self.size.height, self.scroll_offset.y
        if height and self.cursor >= 0 and not top <= self.cursor < top + height:
            self.scroll_to(y=min(self.cursor, max(top, self.cursor - height + 1)), force=True)

    def _ask(self) -> None:
        # In a moment: who resets the table may have the first page at hand.
        if not self._will_ask:
            self._will_ask = True
            self.call_later(self._ask_now)

    def _ask_now(self) -> None:
        self._will_ask = False
        if not self.size.height:
            return  # the first layout asks
        generation = self._pages.generation
        for page in self._pages.ask(self.scroll_offset.y, self.size.height):
            first, count = self._pages.span(page)
            if self._rows is not None:
                self.put_page(generation, page, self._rows[first : first + count])
            else:
                self.post_message(self.PageWanted(self, generation, page, first, count))

    # Drawing

    def notify_style_update(self) -> None:
        """Forget what was drawn in the old colours."""
        super().notify_style_update()
        self._painter.forget()

    def refresh(self, *regions: Region, **options: Any) -> Self:
        """Draw the table anew, or only ``regions`` of it."""
        if not regions:
            self._painter.look_again()
        return super().refresh(*regions, **options)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw the rows, and the titles above them."""
        painter, pages = self._painter, self._pages
        painter.prepare(self)
        top = self.scroll_offset.y
        bottom = min(top + self.size.height, pages.total)
        cursor, state = self.cursor, CURSOR if self.has_focus else BLURRED
        titles = top - 1 if self.styles.padding.top else None
        first = top - self.styles.gutter.top + crop.y
        strips = []
        for index in range(first, first + crop.height):
            if top <= index < bottom:
                row = pages.row(index)
                strips.append(painter.row(self, index, row, state if index == cursor else ""))
            else:
                strips.append(painter.titles(self) if index == titles else painter.blank())
        if crop.column_span != (0, self.outer_size.width):
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Draw the row at ``y`` alone."""
        return self.render_lines(Region(0, y + self.styles.gutter.top, self.outer_size.width, 1))[0]

    def _redraw(self, indices: range) -> None:
        self._painter.forget_rows(indices)
        self._refresh_lines((indices.start - self.scroll_offset.y, len(indices)))

    def _refresh_lines(self, *lines: tuple[int, int]) -> None:
        # Not the scroll bar beside them, nor the titles: both stay as they are.
        body = self.scrollable_content_region.size.region
        regions = [body.intersection(Region(0, y, body.width, count)) for y, count in lines]
        if regions := [region for region in regions if region]:
            self.refresh(*regions)


def current_row(screen: Screen[Any]) -> Any:
    """Return the row under the cursor of a screen's table; ``None`` where there is none.

    A screen is asked what its keys do once more while it goes, when the table has gone before it.
    """
    try:
        # One that was found is kept; `query` would look at every widget, for every key.
        return screen.query_one(PagedTable).current
    except NoMatches:
        return None
