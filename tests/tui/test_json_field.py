"""The JSON field: it points at the error, grows, and shows what would be hidden."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.tui.widgets.json_field import JsonField
from tests.tui.screens_support import press, settled

MESSAGE = "Expecting ',' delimiter: [/x]"


class JsonApp(App[None]):
    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.field = JsonField(text, id="json")

    def compose(self) -> ComposeResult:
        yield Input(id="before")
        yield self.field
        yield Input(id="after")


def drawn(field: JsonField) -> list[str]:
    size = field.outer_size
    return [strip.text for strip in field.render_lines(Region(0, 0, size.width, size.height))]


async def test_it_points_at_an_error_and_says_it_beneath() -> None:
    app = JsonApp('{"a": 1,\n "b" 2}')
    async with app.run_test() as pilot:
        app.field.point_at(2, 6, MESSAGE)
        await settled(pilot)
        assert app.focused is app.field
        assert app.field.cursor_location == (1, 5)
        assert f"× {MESSAGE}" in drawn(app.field)[-1]
        assert not any(MESSAGE in line for line in drawn(app.field)[:-1])


@pytest.mark.parametrize("keys", [["x"], ["backspace"], ["enter"], ["delete"]])
async def test_the_message_goes_with_the_next_edit_and_not_before(keys: list[str]) -> None:
    app = JsonApp('{"a" 1}')
    async with app.run_test() as pilot:
        app.field.focus()
        await press(pilot, "space")
        # The news of that edit is still on its way when the message is set.
        app.field.insert(" ")
        app.field.point_at(1, 6, MESSAGE)
        await settled(pilot)
        await press(pilot, "left", "right", "up", "tab", "shift+tab")
        assert MESSAGE in drawn(app.field)[-1]
        app.field.move_cursor((0, 3))
        await press(pilot, *keys)
        assert MESSAGE not in "".join(drawn(app.field))


async def test_the_message_goes_when_another_text_is_loaded_or_an_edit_is_undone() -> None:
    app = JsonApp("[1 2]")
    async with app.run_test() as pilot:
        app.field.point_at(1, 4, MESSAGE)
        app.field.text = "[]"
        await settled(pilot)
        assert MESSAGE not in "".join(drawn(app.field))
        app.field.insert("x")
        await settled(pilot)
        app.field.point_at(1, 1, MESSAGE)
        app.field.undo()
        await settled(pilot)
        assert MESSAGE not in "".join(drawn(app.field))


@pytest.mark.parametrize(
    ("line", "column", "place"),
    [(1, 1, (0, 0)), (0, 0, (0, 0)), (9, 9, (1, 3)), (1, 99, (0, 2)), (2, 4, (1, 3))],
)
async def test_a_place_outside_the_text_is_the_nearest_inside(
    line: int, column: int, place: tuple[int, int]
) -> None:
    app = JsonApp("{}\n abc"[:6])
    async with app.run_test() as pilot:
        app.field.point_at(line, column, "wrong")
        await settled(pilot)
        assert app.field.cursor_location == place


@pytest.mark.parametrize(
    "text", ['{"a" 1}', '{\r\n\r\n  "é😀": tru\r\n}', '["\u2028",\r x]', '["\x0b\x85\u200d" 1]']
)
async def test_it_points_where_python_says_the_error_is(text: str) -> None:
    app = JsonApp(text)
    async with app.run_test() as pilot:
        with pytest.raises(json.JSONDecodeError) as raised:
            json.loads(app.field.text)
        wrong = raised.value
        app.field.point_at(wrong.lineno, wrong.colno, wrong.msg)
        await settled(pilot)
        lines = app.field.text.split("\n")
        row, column = app.field.cursor_location
        assert sum(len(line) + 1 for line in lines[:row]) + column == wrong.pos


async def test_the_error_is_scrolled_into_view() -> None:
    app = JsonApp("[\n" + "1,\n" * 40 + "]")
    async with app.run_test() as pilot:
        app.field.point_at(42, 1, "wrong")
        await settled(pilot)
        assert app.field.scroll_offset.y > 20


@pytest.mark.parametrize(
    ("lines", "height"), [(1, 4), (4, 4), (5, 5), (10, 10), (11, 10), (90, 10)]
)
async def test_it_grows_with_its_text_and_then_scrolls(lines: int, height: int) -> None:
    app = JsonApp("\n".join(["1"] * lines))
    async with app.run_test() as pilot:
        await settled(pilot)
        assert app.field.content_size.height == height
        assert app.field.show_vertical_scrollbar == (lines > 10)


async def test_it_grows_while_typing() -> None:
    app = JsonApp("")
    async with app.run_test() as pilot:
        app.field.focus()
        await press(pilot, *["enter"] * 6)
        await settled(pilot)
        assert app.field.content_size.height == 7


@pytest.mark.parametrize(("key", "focused"), [("tab", "after"), ("shift+tab", "before")])
async def test_tab_leaves(key: str, focused: str) -> None:
    app = JsonApp("[]")
    async with app.run_test() as pilot:
        app.field.focus()
        await press(pilot, key)
        assert app.focused is not None
        assert app.focused.id == focused
        assert app.field.text == "[]"


async def test_the_cursor_does_not_blink() -> None:
    app = JsonApp("[]")
    async with app.run_test() as pilot:
        app.field.focus()
        await settled(pilot)
        assert not app.field.cursor_blink


async def test_markup_is_text() -> None:
    text = '["[/x][b]y[/b]"]'
    app = JsonApp(text)
    async with app.run_test() as pilot:
        await settled(pilot)
        assert text in drawn(app.field)[1]


async def test_what_a_terminal_would_obey_is_written_out_however_it_comes_in() -> None:
    obeyed = "\x1b]52;c;x\x07\x7f\x9b\u202e\U000e0001"
    written = "\\u001b]52;c;x\\u0007\\u007f\\u009b\\u202e\\udb40\\udc01"
    app = JsonApp(obeyed)
    async with app.run_test() as pilot:
        assert app.field.text == written
        app.field.text = obeyed
        assert app.field.text == written
        app.field.load_text("")
        app.field.insert(obeyed)
        assert app.field.text == written
        app.field.clear()
        app.field.focus()
        await settled(pilot)
        app.post_message(events.Paste(obeyed))
        await settled(pilot)
        assert app.field.text == written
        app.field.clear()
        app.post_message(events.Key("right_to_left_override", "\u202e"))
        app.post_message(events.Key("no_break_space", "\u00a0"))
        await settled(pilot)
        assert "\u202e" not in app.field.text
        assert written in JsonField(obeyed).text


def test_line_breaks_are_of_one_kind() -> None:
    assert JsonField("[\r\n1,\r2\n]").text == "[\n1,\n2\n]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from([None, 2, "\t"]))
def test_the_value_stays_the_same_and_nothing_hidden_is_left(
    value: object, indent: int | str | None
) -> None:
    text = JsonField(json.dumps(value, ensure_ascii=False, indent=indent)).text
    assert json.loads(text) == value
    assert all(visible(character) == character for character in text if character not in "\n\t")
