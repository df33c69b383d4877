"""The small widgets: lines, the bar of keys, fields, buttons, the filter."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput, TextField
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.text_block import TextBlock
from tests.tui.screens_support import HOSTILE, paste, press, settled, write


class WidgetApp(App[None]):
    """Some widgets one beneath the other; what they say is noted."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "nothing", "add"),
        Binding("e", "nothing", "edit"),
        Binding("r", "never", "rotate"),
        Binding("x", "nothing", "hidden", show=False),
        Binding("f2", "nothing", "export and import"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("f1", "commands", "commands", key_display="^p"),
    ]

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self._made = widgets
        self.noted: list[Any] = []

    def compose(self) -> ComposeResult:
        yield from self._made

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "never" else True

    def action_nothing(self) -> None:
        self.noted.append("nothing")

    def on_choice_changed(self, message: Choice.Changed) -> None:
        assert message.control is message.choice
        self.noted.append(message.chosen)

    def on_word_button_pressed(self, message: WordButton.Pressed) -> None:
        assert message.control is message.button
        self.noted.append(message.button.id)

    def on_text_field_submitted(self) -> None:
        self.noted.append("submitted")

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.noted.append(message.text)

    def on_filter_bar_left(self) -> None:
        self.noted.append("left")


def drawn(pilot: Pilot[Any]) -> list[str]:
    strips = pilot.app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def is_shown(widget: Widget) -> bool:
    return bool(widget.display)


# Lines


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (30, "left end             right end"),
        (19, "left end  right end"),
        (18, "left end  right e…"),
        (12, "left end  r…"),
        (11, "left end"),
        (6, "left …"),
    ],
)
async def test_the_right_end_of_a_line_gives_way(width: int, expected: str) -> None:
    line = SplitLine()
    async with WidgetApp(line).run_test(size=(width, 3)) as pilot:
        line.left, line.right = Text("left end"), Text("right end")
        await settled(pilot)
        assert drawn(pilot)[0] == expected


async def test_a_line_counts_cells() -> None:
    line = SplitLine()
    async with WidgetApp(line).run_test(size=(12, 3)) as pilot:
        line.left, line.right = Text("歯科歯科"), Text("ab")
        await settled(pilot)
        assert drawn(pilot)[0] == "歯科歯科  ab"


async def test_a_status_shows_only_what_can_be_seen() -> None:
    status = Status()
    async with WidgetApp(status).run_test(size=(40, 6)) as pilot:
        assert not is_shown(status)
        status.say(f"Saved {HOSTILE}", "success")
        await settled(pilot)
        text = "".join(drawn(pilot))
        assert text.startswith("✓ Saved [/x][red]b[/]")
        assert "\\x1b[31mR" in text
        assert text.isprintable()
        status.clear()
        assert not is_shown(status)


async def bar(width: int) -> str:
    async with WidgetApp(KeyBar()).run_test(size=(width, 3)) as pilot:
        await settled(pilot)
        return drawn(pilot)[-1]


async def test_the_bar_shows_what_is_bound() -> None:
    line = await bar(80)
    assert line.startswith("a add   r rotate   ")
    assert line.endswith("? help  ^p commands")
    assert "hidden" not in line


@pytest.mark.parametrize("width", range(19, 60))
async def test_the_bar_drops_keys_from_the_right_and_keeps_the_way_to_help(width: int) -> None:
    line = await bar(width)
    assert line.endswith("? help  ^p commands")
    assert len(line) <= width
    front = line.removesuffix("? help  ^p commands").strip()
    known = "a add  r rotate"
    assert known.startswith(front.replace("   ", "  ")), front


async def test_a_block_wraps_beside_its_labels() -> None:
    block = TextBlock(Text("Name  one two three\nOther x"), hang=6)
    async with WidgetApp(block, Status()).run_test(size=(14, 8)) as pilot:
        await settled(pilot)
        assert block.size.height == 3
        assert drawn(pilot)[:3] == ["Name  one two", "      three", "Other x"]


# Fields


async def test_a_choice_goes_round() -> None:
    choice = Choice(["one", "two", "three"], "one", id="choice")
    app = WidgetApp(choice)
    async with app.run_test(size=(40, 4)) as pilot:
        choice.focus()
        await press(pilot, "right", "l", "space", "left", "h")
        assert app.noted == ["two", "three", "one", "three", "two"]
        assert drawn(pilot)[0] == " one  [two]  three"


@pytest.mark.parametrize("text", ["", "one", "a\r\nb\rc\n", " \t x \n\n", "\u202e\x1b[31m"])
async def test_text_that_was_not_changed_is_what_was_given(text: str) -> None:
    field = TextField(text)
    async with WidgetApp(field).run_test(size=(40, 12)) as pilot:
        field.focus()
        await press(pilot, "down", "end", "x", "backspace")
        assert field.entered == text
        assert "".join(drawn(pilot)).isprintable()


async def test_a_paste_of_many_lines_stays_whole() -> None:
    field = TextField()
    app = WidgetApp(field)
    async with app.run_test(size=(40, 12)) as pilot:
        field.focus()
        await paste(pilot, "one\rtwo\r\rthree")
        assert field.entered == "one\ntwo\n\nthree"
        assert drawn(pilot)[:4] == ["one", "two", "", "three"]
        await press(pilot, "enter")
        assert app.noted == ["submitted"]
        assert field.entered == "one\ntwo\n\nthree"


async def test_a_field_takes_another_text() -> None:
    field = TextField("old")
    async with WidgetApp(field).run_test(size=(40, 12)):
        field.replace_all("new\r\ntext")
        assert field.entered == "new\r\ntext"


async def test_keys_typed_into_a_field_are_no_commands() -> None:
    line = LineInput()
    app = WidgetApp(line, KeyBar())
    async with app.run_test(size=(60, 4)) as pilot:
        line.focus()
        await write(pilot, "a?e/x_r")
        assert line.value == "a?e/x_r"
        assert app.noted == []
        assert "add" not in drawn(pilot)[-1]


async def test_a_field_says_what_is_wrong() -> None:
    app = WidgetApp()
    async with app.run_test(size=(60, 6)) as pilot:
        field = Field("Key", LineInput(HOSTILE, id="key"), name="key")
        await app.mount(field)
        await settled(pilot)
        assert "".join(drawn(pilot)).isprintable()
        field.show_error("[b]no[/b] \x1b[31m")
        await settled(pilot)
        assert drawn(pilot)[1].strip() == "× [b]no[/b] \\x1b[31m"
        field.show_error("")
        await settled(pilot)
        assert "×" not in "".join(drawn(pilot))


async def test_a_field_marks_where_the_keyboard_is() -> None:
    first = Field("One", LineInput(), name="one")
    second = Field("Two", LineInput(), name="two")
    async with WidgetApp(first, second).run_test() as pilot:
        first.query_one(Input).focus()
        await settled(pilot)
        assert [field.has_class("-focused") for field in (first, second)] == [True, False]
        await press(pilot, "tab")
        assert [field.has_class("-focused") for field in (first, second)] == [False, True]


# Buttons


async def test_buttons_are_pressed_by_keyboard() -> None:
    buttons = (WordButton("Cancel", id="cancel"), WordButton("Delete", id="delete", danger=True))
    app = WidgetApp(*buttons)
    async with app.run_test(size=(30, 4)) as pilot:
        buttons[0].focus()
        await press(pilot, "enter", "right", "space", "left", "enter")
        assert app.noted == ["cancel", "delete", "cancel"]
        assert drawn(pilot)[:2] == ["[ Cancel ]", "  Delete"]


async def test_a_disabled_button_is_passed_over() -> None:
    buttons = [WordButton(word, id=word) for word in ("one", "two", "three")]
    app = WidgetApp(*buttons)
    async with app.run_test(size=(30, 5)) as pilot:
        buttons[1].disabled = True
        buttons[0].focus()
        await press(pilot, "right", "enter")
        await pilot.click("#two")
        await pilot.click("#three")
        assert app.noted == ["three", "three"]


# The filter


async def test_the_filter_tells_every_change_and_when_it_is_left() -> None:
    bar_of_filter = FilterBar()
    app = WidgetApp(bar_of_filter)
    async with app.run_test(size=(60, 4)) as pilot:
        assert not is_shown(bar_of_filter)
        bar_of_filter.open()
        await settled(pilot)
        await write(pilot, "ab")
        assert app.noted == ["a", "ab"]
        bar_of_filter.show_count("2 of 42")
        await settled(pilot)
        assert drawn(pilot)[0].split() == ["/", "ab", "2", "of", "42"]
        await press(pilot, "enter")
        assert app.noted[2:] == ["left"]
        assert is_shown(bar_of_filter)
        await press(pilot, "escape")
        assert app.noted[3:] in (["", "left"], ["left", ""])
        assert bar_of_filter.text == ""
        assert not is_shown(bar_of_filter)


async def test_an_empty_filter_goes_when_it_is_left() -> None:
    bar_of_filter = FilterBar()
    app = WidgetApp(bar_of_filter)
    async with app.run_test(size=(60, 4)) as pilot:
        bar_of_filter.open()
        await press(pilot, "down")
        assert app.noted == ["left"]
        assert not is_shown(bar_of_filter)


def test_a_filter_bar_that_is_gone_is_left_alone() -> None:
    bar = FilterBar()
    bar.prepare()
    assert not bar.children
