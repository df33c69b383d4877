"""Where the columns of a table are, and how its cells become few runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from bifrost_tui.tui.widgets.table_line import Column, Run, fit, join, lay_out, line, text_runs
from bifrost_tui.tui.widgets.thin_scroll_bar import thumb

NULL = Style.null()
RED = Style.parse("red")
DIM = Style.parse("dim")
ON_BLUE = Style.parse("on blue")

columns = st.lists(
    st.builds(
        Column,
        name=st.uuids().map(str),
        title=st.just(""),
        width=st.integers(1, 30),
        grow=st.integers(0, 4),
        drop=st.integers(0, 4),
        max_width=st.integers(0, 40),
        gap=st.integers(0, 3),
    ),
    min_size=1,
    max_size=10,
)


def names(placed: list[tuple[Column, int]]) -> list[str]:
    return [column.name for column, _ in placed]


def total_of(placed: list[tuple[Column, int]]) -> int:
    return sum(width for _, width in placed) + sum(column.gap for column, _ in placed[:-1])


@given(columns=columns, room=st.integers(-3, 200))
def test_columns_never_need_more_than_the_room(columns: list[Column], room: int) -> None:
    assert total_of(lay_out(columns, room)) <= max(room, 0)


@given(columns=columns, room=st.integers(-3, 200))
def test_columns_keep_their_order(columns: list[Column], room: int) -> None:
    kept = names(lay_out(columns, room))
    assert kept == [column.name for column in columns if column.name in kept]


@given(columns=columns, room=st.integers(-3, 200))
def test_columns_go_in_their_order_and_only_those_that_may(
    columns: list[Column], room: int
) -> None:
    placed = lay_out(columns, room)
    gone = [column for column in columns if column.name not in names(placed)]
    stay = [column for column, _ in placed]
    if any(not column.drop for column in gone):
        assert not any(column.drop for column in stay)
    for column in gone:
        if column.drop:
            assert all(not other.drop or other.drop >= column.drop for other in stay)


@given(columns=columns, room=st.integers(-3, 200))
def test_no_column_goes_while_all_fit(columns: list[Column], room: int) -> None:
    needed = total_of([(column, column.width) for column in columns])
    placed = lay_out(columns, room)
    if needed <= room:
        assert names(placed) == names([(column, 0) for column in columns])
        for column, width in placed:
            assert width >= column.width
            if not column.grow:
                assert width == column.width
            if column.max_width:
                assert width <= max(column.width, column.max_width)


@given(columns=columns, room=st.integers(0, 200))
def test_growing_columns_take_all_that_is_left(columns: list[Column], room: int) -> None:
    placed = lay_out(columns, room)
    if any(column.grow and not column.max_width for column, _ in placed):
        needed = total_of([(column, column.width) for column, _ in placed])
        if needed <= room:
            assert total_of(placed) == room


def test_the_room_left_over_is_shared() -> None:
    placed = lay_out([Column("a", "", 5, grow=1), Column("b", "", 5, grow=3)], 22)
    assert [width for _, width in placed] == [8, 12]


def test_what_a_full_column_leaves_goes_to_the_others() -> None:
    placed = lay_out([Column("a", "", 5, grow=1, max_width=6), Column("b", "", 5, grow=1)], 40)
    assert [width for _, width in placed] == [6, 32]


def test_of_equal_columns_the_last_goes_first() -> None:
    equal = [Column("a", "", 5, drop=1), Column("b", "", 5, drop=1), Column("c", "", 5)]
    assert names(lay_out(equal, 12)) == ["a", "c"]


def test_columns_that_must_stay_are_cut_at_the_edge() -> None:
    stay = [Column("a", "", 5), Column("b", "", 5), Column("c", "", 5)]
    assert [width for _, width in lay_out(stay, 9)] == [5, 2]
    assert lay_out(stay, 0) == []
    assert lay_out([], 10) == []


def shown(runs: list[Run]) -> str:
    return "".join(text for text, _ in runs)


@pytest.mark.parametrize(
    ("text", "width", "right", "expected"),
    [
        ("abc", 5, False, "abc  "),
        ("abc", 5, True, "  abc"),
        ("abc", 3, False, "abc"),
        ("abcd", 3, False, "ab…"),
        ("abcd", 3, True, "ab…"),
        ("abcd", 1, False, "…"),
        ("abcd", 0, False, ""),
        ("", 2, False, "  "),
        ("日本語", 6, False, "日本語"),
        ("日本語", 5, False, "日本…"),
        ("日本語", 4, False, "日… "),
        ("日本語", 4, True, " 日…"),
        ("a b c", 3, False, "a… "),
        ("日本語", 7, True, " 日本語"),
        ("[/x]", 4, False, "[/x]"),
    ],
)
def test_text_is_cut_and_filled(text: str, width: int, right: bool, expected: str) -> None:
    assert shown(fit([(text, NULL)], width, NULL, right=right)) == expected


@given(
    texts=st.lists(st.text(st.sampled_from("ab 日…é•\u0301"), max_size=8), max_size=5),
    width=st.integers(0, 20),
    right=st.booleans(),
)
def test_a_cell_is_exactly_as_wide_as_its_column(texts: list[str], width: int, right: bool) -> None:
    runs = fit([(text, NULL) for text in texts], width, NULL, right=right)
    assert cell_len(shown(runs)) == width


def test_a_cut_falls_where_it_must_among_several_runs() -> None:
    assert fit([("ab", RED), ("cd", DIM), ("ef", NULL)], 4, NULL) == [
        ("ab", RED),
        ("c…", DIM),
    ]
    assert fit([("abc", RED), ("d", DIM)], 3, NULL) == [("ab…", RED)]


def resolve(style: str | Style) -> Style:
    return style if isinstance(style, Style) else Style.parse(style)


def test_spans_become_runs_over_the_style_of_the_text() -> None:
    text = Text("abcdef", style="dim")
    text.stylize("red", 2, 4)
    text.stylize("bold", 3, 99)
    red = Style.parse("red")
    bold = Style.parse("bold")
    assert list(text_runs(text, NULL, resolve)) == [
        ("ab", DIM),
        ("c", DIM + red),
        ("d", DIM + red + bold),
        ("ef", DIM + bold),
    ]


def test_control_characters_are_written_out_wherever_they_stand() -> None:
    text = Text.assemble("a\x1b[31m", ("b\nc", "red"), "\u202e")
    assert shown(list(text_runs(text, NULL, resolve))) == r"a\x1b[31mb\nc\u202e"


def test_blanks_cost_no_run_of_their_own() -> None:
    runs = [("  ", NULL), ("a", RED), ("  ", NULL), ("b", RED), (" ", DIM), ("c", NULL)]
    assert [(text, style) for text, style, _ in join(runs)] == [("  a  b ", RED), ("c", NULL)]


@pytest.mark.parametrize("marked", ["on blue", "underline", "reverse", "strike", "overline"])
def test_blanks_that_can_be_seen_keep_their_style(marked: str) -> None:
    style = Style.parse(marked)
    assert len(join([("a", NULL), ("  ", style), ("b", NULL)])) == 3
    assert len(join([("a", style), ("  ", NULL), ("b", style)])) == 3


words = st.text(st.sampled_from("ab "), min_size=0, max_size=4)
styles = st.sampled_from([NULL, RED, DIM, ON_BLUE, Style.parse("underline")])


@given(runs=st.lists(st.tuples(words, styles), max_size=12))
def test_joined_runs_show_what_the_single_ones_did(runs: list[Run]) -> None:
    def cells(shown: list[Run]) -> list[tuple[str, object]]:
        return [
            (character, (style.bgcolor, style.underline) if character == " " else style)
            for text, style in shown
            for character in text
        ]

    joined = [(text, style or NULL) for text, style, _ in join(runs)]
    assert cells(joined) == cells(runs)


def test_a_line_has_its_width_whatever_fits() -> None:
    a, b = Column("a", "", 3, gap=1), Column("b", "", 4)

    def cell(column: Column) -> list[Run]:
        return [(column.name * 9, NULL)]

    placed = [(a, 3), (b, 4)]
    assert line([("> ", NULL)], placed, cell, 14, NULL).text == "> aa… bbb…    "
    assert line([("> ", NULL)], placed, cell, 10, NULL).text == "> aa… bbb…"
    assert line([("> ", NULL)], [], cell, 1, NULL).text == ">"
    assert line([("> ", NULL)], [], cell, 0, NULL).text == ""


def test_the_thumb_is_as_long_as_what_shows_of_all() -> None:
    assert thumb(20, 40, 0) == (0, 10)
    assert thumb(20, 40, 20) == (10, 10)
    assert thumb(20, 40, 10) == (5, 10)
    assert thumb(20, 20, 0) == (0, 0)
    assert thumb(0, 20, 0) == (0, 0)


@given(height=st.integers(1, 60), total=st.integers(0, 1_000_000), share=st.floats(0, 1))
def test_the_thumb_touches_an_end_only_where_the_view_does(
    height: int, total: int, share: float
) -> None:
    last = total - height
    top = round(share * last) if last > 0 else 0
    start, length = thumb(height, total, top)
    if last <= 0:
        assert length == 0
        return
    assert 1 <= length <= height
    assert 0 <= start <= height - length
    assert top != 0 or start == 0
    assert top != last or start == height - length
    if height - length >= 2 and 0 < top < last:
        assert 0 < start < height - length
