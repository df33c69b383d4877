"""The table: what shows is drawn and asked for, whatever the total; keys, mouse, themes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot
from textual.scrollbar import ScrollDown, ScrollTo
from textual.widget import Widget
from textual.widgets import Input, Static

from bifrost_tui.tui.widgets.paged_table import Column, PagedTable
from tests.tui.screens_support import press, settled

MILLION = 1_000_000
COLUMNS = (
    Column("mark", "", 1, gap=1),
    Column("key", "Key", 12, grow=1, max_width=40),
    Column("state", "State", 10),
    Column("scope", "Scope", 9, drop=2),
    Column("age", "Age", 6, right=True),
    Column("by", "By", 6, drop=1),
)
STATES = {
    0: Text("ok", "$success"),
    1: Text.assemble(("▲ ", "$warning"), "due"),
    2: Text("✕ gone", "$error"),
    3: Text("none", "$muted"),
    4: Text("new", "bold $accent"),
}


class TableApp(App[None]):
    """A table over numbers, which answers as long as ``answers`` says so."""

    CSS = "Static { height: 1; } Input { height: 1; border: none; } #narrow { padding: 0 2; }"

    def __init__(self, total: int = MILLION, *, cursor: int = 0, page_size: int = 100) -> None:
        super().__init__()
        self.marked: set[int] = set()
        self.drawn: Counter[int] = Counter()
        self.wanted: list[PagedTable.PageWanted] = []
        self.said: list[tuple[str, int, int | None]] = []
        self.answers = True
        self.table = PagedTable[int](
            COLUMNS, self.cells, row_style=self.row_style, page_size=page_size, id="table"
        )
        self.generation = self.table.reset(total, cursor=cursor)

    def cells(self, row: int, column: str) -> Text:
        match column:
            case "mark":
                self.drawn[row] += 1
                return Text("+" if row in self.marked else "")
            case "key":
                return Text(f"key_{row}")
            case "state":
                return STATES[row % 5]
            case "age":
                return Text(f"{row % 100} d")
            case _:
                return Text(column)

    def row_style(self, row: int) -> str:
        return "dim" if row % 7 == 3 else ""

    def compose(self) -> ComposeResult:
        yield Static("above")
        yield self.table
        yield Input()

    def on_paged_table_page_wanted(self, message: PagedTable.PageWanted) -> None:
        assert message.control is self.table
        self.wanted.append(message)
        if self.answers:
            self.answer(message)

    def answer(self, message: PagedTable.PageWanted) -> None:
        rows = range(message.first_index, message.first_index + message.count)
        self.table.put_page(message.generation, message.page, rows)

    def on_paged_table_row_highlighted(self, message: PagedTable.RowHighlighted) -> None:
        self.said.append(("highlighted", message.index, message.row))

    def on_paged_table_row_selected(self, message: PagedTable.RowSelected) -> None:
        assert message.control is self.table
        self.said.append(("selected", message.index, message.row))

    @property
    def pages(self) -> list[int]:
        return [message.page for message in self.wanted]

    @property
    def top(self) -> int:
        return self.table.scroll_offset.y

    @property
    def height(self) -> int:
        return self.table.size.height


def lines(table: PagedTable[Any]) -> list[str]:
    """What the table draws, the titles first."""
    return [strip.text for strip in table.render_lines(table.outer_size.region)]


def segment(table: PagedTable[Any], y: int, text: str) -> Segment:
    """The first segment of a line that has ``text`` in it."""
    (strip,) = table.render_lines(Region(0, y, table.outer_size.width, 1))
    return next(segment for segment in strip if text in segment.text)


def colour(table: PagedTable[Any], y: int, text: str, *, ground: bool = False) -> str:
    """The colour of ``text`` in a line, or of what is under it."""
    style = segment(table, y, text).style
    assert style is not None
    found = style.bgcolor if ground else style.color
    assert found is not None
    return found.name


def bar(table: PagedTable[Any]) -> str:
    """The scroll bar, from top to bottom."""
    drawn = table.vertical_scrollbar
    return "".join(strip.text for strip in drawn.render_lines(drawn.outer_size.region))


def refreshed(widget: Widget, monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """The regions of a widget that are repainted from now on; everything is an empty one."""
    regions: list[Region] = []
    refresh = widget.refresh

    def spy(*found: Region, **how: bool) -> Widget:
        regions.extend(found or [Region()])
        return refresh(*found, **how)

    monkeypatch.setattr(widget, "refresh", spy)
    return regions


async def settle(pilot: Pilot[None], *keys: str) -> None:
    await press(pilot, *keys)
    await settled(pilot)


# Pages


async def test_only_what_shows_is_asked_for_and_drawn() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.height == 21
        assert app.pages == [0]
        assert (app.wanted[0].first_index, app.wanted[0].count) == (0, 100)
        assert sorted(app.drawn) == list(range(21))
        assert "key_20" in lines(app.table)[21]
        assert app.table.row_at(99) == 99
        assert app.table.row_at(100) is None


async def test_the_next_page_is_asked_for_before_it_shows() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.cursor = 49
        await settled(pilot)
        assert app.pages == [0]
        app.table.cursor = 50
        await settled(pilot)
        assert app.pages == [0, 1]
        assert app.top + app.height < 100


async def test_rows_that_are_not_there_yet_show_a_dot_and_come_later() -> None:
    app = TableApp()
    app.answers = False
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert lines(app.table)[1].strip() == "▌ ·"
        assert lines(app.table)[2].strip() == "·"
        assert app.table.row_at(app.table.cursor) is None
        await settle(pilot, "enter")
        assert app.said == [("highlighted", 0, None)]
        app.answer(app.wanted[0])
        await settled(pilot)
        assert "key_0" in lines(app.table)[1]
        assert app.table.current == 0
        assert app.said == [("highlighted", 0, None), ("highlighted", 0, 0)]


async def test_an_answer_to_an_older_question_is_ignored() -> None:
    app = TableApp()
    app.answers = False
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        old = app.wanted[0]
        generation = app.table.reset(MILLION)
        assert generation != old.generation
        await settled(pilot)
        assert app.pages == [0, 0]
        app.answer(old)
        assert app.table.row_at(0) is None
        app.answer(app.wanted[1])
        assert app.table.row_at(0) == 0


async def test_a_page_at_hand_is_not_asked_for() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.wanted.clear()
        generation = app.table.reset(500, cursor=330)
        app.table.put_page(generation, 3, range(300, 400))
        await settled(pilot)
        assert app.pages == [2]
        assert app.said[-1] == ("highlighted", 330, 330)


async def test_holding_page_down_does_not_pile_up_questions() -> None:
    app = TableApp()
    app.answers = False
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, *["pagedown"] * 60)
        assert app.top == 1200
        assert len(app.wanted) <= 4
        assert 12 not in app.pages
        app.answers = True
        for message in list(app.wanted):
            app.answer(message)
        await settled(pilot)
        await settled(pilot)
        assert app.pages.count(12) == 1
        assert "key_1200" in lines(app.table)[1]
        assert len(app.wanted) <= 8


async def test_a_lost_page_is_asked_for_again() -> None:
    app = TableApp()
    app.answers = False
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "down", "pagedown")
        assert app.pages == [0]
        app.table.lose_page(app.generation, 0)
        await settle(pilot, "pagedown")
        assert app.pages.count(0) == 2


async def test_pages_far_away_are_let_go() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for index in range(0, 5_000, 100):
            app.table.cursor = index
            await settled(pilot)
        held = [page for page in range(60) if app.table.row_at(page * 100) is not None]
        assert len(held) == 12
        assert max(held) >= 49
        await settle(pilot, "g")
        assert app.table.row_at(0) == 0
        assert app.pages.count(0) == 2


# The cursor


async def test_keys_move_the_cursor() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for key, at in (("down", 1), ("j", 2), ("up", 1), ("k", 0), ("k", 0)):
            await settle(pilot, key)
            assert app.table.cursor == at
        assert app.top == 0
        await settle(pilot, *["down"] * 21)
        assert (app.table.cursor, app.top) == (21, 1)
        await settle(pilot, *["up"] * 20)
        assert (app.table.cursor, app.top) == (1, 1)
        await settle(pilot, "up")
        assert (app.table.cursor, app.top) == (0, 0)


@pytest.mark.parametrize(("down", "up"), [("pagedown", "pageup"), ("ctrl+f", "ctrl+b")])
async def test_a_page_key_moves_view_and_cursor_and_keeps_a_line(down: str, up: str) -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "down", "down")
        app.said.clear()
        await settle(pilot, down)
        assert (app.table.cursor, app.top) == (22, 20)
        assert app.said == [("highlighted", 22, 22)]
        await settle(pilot, down)
        assert (app.table.cursor, app.top) == (42, 40)
        await settle(pilot, up, up, up)
        assert (app.table.cursor, app.top) == (0, 0)


@pytest.mark.parametrize(("first", "last"), [("g", "G"), ("home", "end")])
async def test_the_ends_of_a_million_rows_are_one_key_away(first: str, last: str) -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, last)
        assert (app.table.cursor, app.top) == (MILLION - 1, MILLION - 21)
        assert app.table.current == MILLION - 1
        assert "key_999999" in lines(app.table)[-1]
        assert app.pages == [0, 9_999]
        assert sum(app.drawn.values()) <= 21 + 22
        await settle(pilot, "down", "pagedown")
        assert app.table.cursor == MILLION - 1
        await settle(pilot, first)
        assert (app.table.cursor, app.top) == (0, 0)
        assert app.pages == [0, 9_999]


async def test_enter_opens_the_row_under_the_cursor() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "down", "enter")
        assert app.said[-1] == ("selected", 1, 1)


async def test_every_key_has_an_id_and_says_what_it_does() -> None:
    bindings = [
        binding for bindings in TableApp().table._bindings.key_to_bindings.values()
        for binding in bindings
    ]  # fmt: skip
    assert {binding.id for binding in bindings} == {
        f"table.{name}" for name in ("up", "down", "page_up", "page_down", "first", "last", "open")
    }
    assert all(binding.tooltip and binding.description for binding in bindings)
    assert [binding.id for binding in bindings if binding.show] == ["table.open"]


async def test_the_cursor_can_be_set_before_the_table_shows() -> None:
    app = TableApp(cursor=5_000)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert (app.table.cursor, app.top) == (5_000, 4_980)
        assert app.pages[0] == 49
        assert app.said[-1] == ("highlighted", 5_000, 5_000)


async def test_the_cursor_goes_along_when_the_wheel_scrolls() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        wheel = (app.table, 5, 5, 0, 0, 0, False, False, False)
        app.table.post_message(events.MouseScrollDown(*wheel))
        app.table.post_message(events.MouseScrollDown(*wheel))
        await settled(pilot)
        assert (app.table.cursor, app.top) == (4, 4)
        await settle(pilot, *["down"] * 20)
        app.table.post_message(events.MouseScrollUp(*wheel))
        await settled(pilot)
        assert (app.table.cursor, app.top) == (22, 2)


async def test_a_click_moves_the_cursor_and_a_second_opens() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, *["down"] * 25)
        app.said.clear()
        row = app.top + 2
        await pilot.click("#table", offset=(8, 3))
        await pilot.click("#table", offset=(9, 3))
        assert app.said == [("highlighted", row, row), ("selected", row, row)]


async def test_a_double_click_opens_once() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.said.clear()
        for row in (3, 3):  # where the cursor is not, then where it is
            await pilot.click("#table", offset=(8, row + 1), times=2)
            assert [said for said in app.said if said[0] == "selected"] == [("selected", row, row)]
            app.said.clear()


async def test_a_click_beside_the_rows_does_nothing() -> None:
    app = TableApp(3)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.said.clear()
        await pilot.click("#table", offset=(8, 0))
        await pilot.click("#table", offset=(8, 10))
        assert app.said == []


# The total


async def test_an_empty_table_has_no_cursor_and_takes_every_key() -> None:
    app = TableApp(0)
    async with app.run_test(size=(80, 24)) as pilot:
        keys = ("down", "up", "pagedown", "pageup", "g", "G", "enter")
        await settle(pilot, *keys)
        await pilot.click("#table", offset=(8, 3))
        assert (app.table.cursor, app.table.row_count, app.table.current) == (-1, 0, None)
        assert app.pages == []
        assert app.said == []
        assert "Key" in lines(app.table)[0]
        assert not any(line.strip() for line in lines(app.table)[1:])
        assert not bar(app.table).strip()


async def test_an_emptied_table_says_that_no_row_is_left() -> None:
    app = TableApp(5)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.said.clear()
        app.table.reset(0)
        await settled(pilot)
        app.table.reset(5)
        await settled(pilot)
        assert app.said == [
            ("highlighted", -1, None),
            ("highlighted", 0, None),
            ("highlighted", 0, 0),
        ]


async def test_a_total_that_shrinks_takes_the_cursor_along() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.cursor = 130
        await settled(pilot)
        app.table.set_total(110)
        await settled(pilot)
        assert (app.table.cursor, app.table.row_count, app.top) == (109, 110, 89)
        assert app.table.current == 109
        assert app.said[-1] == ("highlighted", 109, 109)
        assert "key_109" in lines(app.table)[-1]
        app.table.set_total(4)
        await settled(pilot)
        assert (app.table.cursor, app.top) == (3, 0)
        assert [line.strip() for line in lines(app.table)[5:]] == [""] * 17


async def test_a_total_that_grows_keeps_rows_and_cursor() -> None:
    app = TableApp(150)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "G")
        app.table.set_total(MILLION)
        await settled(pilot)
        assert (app.table.cursor, app.top) == (149, 129)
        assert app.table.virtual_size.height == MILLION
        await settle(pilot, "down")
        assert app.table.current == 150
        assert app.pages == [0, 1, 1, 2]


async def test_a_total_that_grows_out_of_sight_repaints_no_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = TableApp(100)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        rows = refreshed(app.table, monkeypatch)
        drawn = refreshed(app.table.vertical_scrollbar, monkeypatch)
        app.table.set_total(200)
        await settled(pilot)
        assert (rows, drawn) == ([], [Region(0, 0, 1, 4)])
        app.table.set_total(10)
        await settled(pilot)
        assert rows == [Region(0, 10, 79, 11)]
        assert "key_9" in lines(app.table)[10]
        assert not lines(app.table)[11].strip()


async def test_a_table_may_be_as_high_as_its_rows() -> None:
    app = TableApp(5)
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.styles.height = "auto"
        app.table.styles.max_height = 10
        await settled(pilot)
        assert (app.table.outer_size.height, app.height) == (6, 5)
        app.table.reset(7)
        await settled(pilot)
        assert (app.table.outer_size.height, app.height) == (8, 7)
        app.table.reset(MILLION)
        await settled(pilot)
        assert (app.table.outer_size.height, app.height) == (10, 9)
        await settle(pilot, "G")
        assert "key_999999" in lines(app.table)[-1]


# The scroll bar


async def test_the_scroll_bar_is_exact() -> None:
    app = TableApp(42)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        drawn = app.table.vertical_scrollbar
        assert (drawn.window_virtual_size, drawn.window_size, drawn.size.height) == (42, 21, 21)
        assert drawn.region.y == app.table.region.y + 1
        assert app.table.virtual_size.height == 42
        assert bar(app.table) == "▐" * 10 + " " * 11
        await settle(pilot, "G")
        assert app.top == app.table.max_scroll_y == 21
        assert bar(app.table) == " " * 11 + "▐" * 10
        await settle(pilot, *["up"] * 21)
        assert app.top == 20
        assert bar(app.table) == " " * 10 + "▐" * 10 + " "


async def test_the_scroll_bar_repaints_only_where_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = TableApp(1_000)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        regions = refreshed(app.table.vertical_scrollbar, monkeypatch)
        await settle(pilot, *["down"] * 21)
        assert (app.top, regions) == (1, [Region(0, 0, 1, 2)])
        await settle(pilot, *["down"] * 10)
        assert (app.top, len(regions)) == (11, 1)
        assert bar(app.table).index("▐") == 1


async def test_the_mouse_scrolls_at_once() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.table.post_message(ScrollTo(y=500_000.4, animate=True))
        await settled(pilot)
        assert (app.table.scroll_y, app.table.cursor) == (500_000, 500_000)
        assert "key_500000" in lines(app.table)[1]
        app.table.post_message(ScrollDown())
        await settled(pilot)
        assert app.table.scroll_y == 500_021


# Drawing


async def test_titles_stay_above_the_rows() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "pagedown", "pagedown")
        drawn = lines(app.table)
        assert drawn[0].split() == ["Key", "State", "Scope", "Age", "By"]
        for title, cell in (("Key", "key_40"), ("State", "ok"), ("By", "by")):
            assert drawn[0].index(title) == drawn[1].index(cell)
        assert drawn[0].index("Age") + 3 == drawn[1].index("40 d") + 4
        style = segment(app.table, 0, "Key").style
        assert style is not None
        assert style.bold


async def test_a_cursor_key_repaints_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await settle(pilot, "down")
        app.drawn.clear()
        regions = refreshed(app.table, monkeypatch)
        await settle(pilot, "down")
        assert regions == [Region(0, 1, 79, 1), Region(0, 2, 79, 1)]
        assert app.drawn == {2: 1}
        await settle(pilot, "up")
        assert app.drawn == {2: 1}


async def test_a_line_of_one_style_is_one_segment() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for y, text in ((1, "key_0"), (4, "key_3"), (0, "Key")):
            strips = app.table.render_lines(Region(0, y, 79, 1))
            assert text in strips[0].text
            assert len(strips[0]) <= 4


async def test_changed_rows_are_drawn_anew_when_told() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.marked = {2, 4}
        app.table.refresh_row(2)
        await settled(pilot)
        assert ["+" in line for line in lines(app.table)[1:7]] == [0, 0, 1, 0, 0, 0]
        app.table.refresh_rows()
        await settled(pilot)
        assert ["+" in line for line in lines(app.table)[1:7]] == [0, 0, 1, 0, 1, 0]


async def test_rows_of_a_new_answer_replace_those_drawn() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.table.put_page(app.generation, 0, range(500, 600))
        await settled(pilot)
        assert "key_500" in lines(app.table)[1]
        assert app.said[-1] == ("highlighted", 0, 500)


async def test_columns_go_and_come_with_the_width() -> None:
    app = TableApp()
    async with app.run_test(size=(120, 36)) as pilot:
        for width, titles in (
            (120, ["Key", "State", "Scope", "Age", "By"]),
            (52, ["Key", "State", "Scope", "Age"]),
            (44, ["Key", "State", "Age"]),
            (64, ["Key", "State", "Scope", "Age", "By"]),
        ):
            await pilot.resize_terminal(width, 24)
            await settled(pilot)
            drawn = lines(app.table)
            assert drawn[0].split() == titles
            assert {cell_len(line) for line in drawn} == {width}
            assert drawn[0].index("State") == drawn[1].index("ok")


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (10, 3), (200, 60)])
async def test_no_size_is_too_small_or_too_large(size: tuple[int, int]) -> None:
    app = TableApp(50)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "G")
        await pilot.resize_terminal(*size)
        await settle(pilot, "up", "pageup", "down", "pagedown")
        await pilot.resize_terminal(80, 24)
        await settle(pilot, "G")
        assert app.table.cursor == 49
        assert "▌" in lines(app.table)[-1]
        assert "key_49" in lines(app.table)[-1]


async def test_the_cursor_stays_in_view_when_the_height_changes() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 36)) as pilot:
        await settle(pilot, *["down"] * 30)
        await pilot.resize_terminal(80, 16)
        await settled(pilot)
        assert app.table.cursor == 30
        assert app.top <= 30 < app.top + app.height
        assert any("▌" in line and "key_30" in line for line in lines(app.table))


async def test_text_is_data_and_wide_characters_are_measured() -> None:
    texts = [
        "[/x]", "[red]no[/]", "日本語のとても長い名前です", "\x1b[31mred", "a\nb\tc", "é\u0301",
        "\u202eabc", "x" * 50, "",
    ]  # fmt: skip
    columns = (Column("text", "Text", 14), Column("end", "End", 3))
    table = PagedTable[str](columns, lambda row, name: Text(row if name == "text" else "end"))

    class TextApp(App[None]):
        def compose(self) -> ComposeResult:
            yield table

    app = TextApp()
    async with app.run_test(size=(40, 12)) as pilot:
        table.put_page(table.reset(len(texts)), 0, texts)
        await settled(pilot)
        drawn = lines(table)
        cells = [line[2 : line.index("end")].rstrip() for line in drawn[1:10]]
        assert cells == [
            "[/x]", "[red]no[/]", "日本語のとて…", r"\x1b[31mred", r"a\nb\tc", "é\u0301",
            r"\u202eabc", "x" * 13 + "…", "",
        ]  # fmt: skip
        assert {cell_len(line) for line in drawn} == {40}
        assert {cell_len(line[: line.index("end")]) for line in drawn[1:10]} == {18}


# Colours


async def test_semantic_styles_follow_the_theme() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        names = ("$text-success", "$text-warning", "$text-error")
        for theme in ("textual-dark", "textual-light", "nord"):
            app.theme = theme
            await settled(pilot)
            variables = app.theme_variables
            wanted = [variables[name[1:]].lower() for name in names]
            found = [colour(app.table, y, text) for y, text in ((6, "ok"), (2, "▲"), (3, "✕"))]
            assert found == wanted


async def test_an_ansi_theme_uses_the_terminals_colours() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = "ansi-dark"
        await settled(pilot)
        table = app.table
        found = [colour(table, y, text) for y, text in ((6, "ok"), (2, "▲"), (3, "✕"), (5, "new"))]
        assert found == ["color(2)", "color(3)", "color(1)", "color(2)"]
        assert colour(table, 5, "new", ground=True) == "default"
        muted = segment(table, 4, "none").style
        assert muted is not None
        assert muted.dim
        # On the cursor's ground nothing has a colour of its own: few can be read on white.
        assert colour(table, 1, "▌", ground=True) == "color(7)"
        assert colour(table, 1, "ok") == colour(table, 1, "▌") == "color(0)"
        assert len(table.render_lines(Region(0, 1, 80, 1))[0]) <= 3


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light"])
async def test_the_cursor_can_be_told_from_the_rest(theme: str) -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = theme
        await settle(pilot, "down", "down")
        assert [line[0] for line in lines(app.table)[1:6]] == list("  ▌  ")
        ground = colour(app.table, 3, "key_2", ground=True)
        assert ground != colour(app.table, 2, "key_1", ground=True)
        await settle(pilot, "tab")
        assert not app.table.has_focus
        assert lines(app.table)[3][0] == "▌"
        assert colour(app.table, 3, "key_2", ground=True) != ground


async def test_dim_rows_are_not_dim_under_the_cursor() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = "ansi-dark"
        await settle(pilot, "down", "down")
        dim = segment(app.table, 4, "key_3").style
        assert dim is not None
        assert dim.dim
        await settle(pilot, "down")
        bright = segment(app.table, 4, "key_3").style
        assert bright is not None
        assert not bright.dim


async def test_the_ground_under_the_table_shows_through() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        before = colour(app.table, 2, "key_1", ground=True)
        app.screen.styles.background = "#102030"
        await settled(pilot)
        assert before != "#102030"
        assert colour(app.table, 2, "key_1", ground=True) == "#102030"
        assert colour(app.table, 0, "Key", ground=True) == "#102030"


async def test_padding_around_the_rows_stays_clear() -> None:
    app = TableApp(3)
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.styles.padding = (1, 2, 2, 3)
        await settled(pilot)
        assert app.height == 19
        drawn = lines(app.table)
        assert drawn[0].index("Key") == 7
        assert drawn[1].startswith("   ▌ ")
        assert {cell_len(line) for line in drawn} == {80}
        assert colour(app.table, 1, "key_0", ground=True) != colour(
            app.table, 1, "   ", ground=True
        )
        app.table.reset(MILLION)
        await settled(pilot)
        assert [line.strip() for line in lines(app.table)[-2:]] == ["", ""]
        app.table.styles.padding = 0
        await settled(pilot)
        assert "key_0" in lines(app.table)[0]


async def test_every_message_names_its_table() -> None:
    seen: list[Message] = []

    class Other(TableApp):
        def on_paged_table_row_highlighted(self, message: PagedTable.RowHighlighted) -> None:
            seen.append(message)
            assert message.control is message.table is self.table

    app = Other()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "down")
    assert seen
