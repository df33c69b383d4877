"""The secret field: what it takes, what it says, and that nothing gives the value away."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Input, Static

from bifrost_tui.store.entered import VALUE_LIMIT, entered_bytes
from bifrost_tui.tui.widgets.secret_field import SecretField, SecretNote
from tests.tui.screens_support import paste, press, settled

SECRET = "zQ7-nobody-else-writes-this"
PEM = "".join(
    ["-----BEGIN PRIVATE KEY-----\n", *(["MIIEvQIBADAN\n"] * 25), "-----END PRIVATE KEY-----\n"]
)


class FieldApp(App[None]):
    """The field between two others, on a screen where many keys mean something."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"note('{key}')", key)
            for key in ("q", "d", "slash", "space", "A", "alt+q", "escape", "f5", "down", "enter")
        ),
        Binding("p", "note('p')", "p", priority=True),
    ]
    CSS = "Screen { padding: 0 2; }"

    def __init__(self, empty_text: str | None = None) -> None:
        super().__init__()
        self.field = (
            SecretField(id="secret")
            if empty_text is None
            else SecretField(empty_text=empty_text, id="secret")
        )
        self.noted: list[str] = []
        self.changes: list[int] = []
        self.submits: list[int] = []
        self.pastes = 0
        self.keys: list[str] = []

    def compose(self) -> ComposeResult:
        yield Input(id="before")
        yield self.field
        yield Input(id="after")
        yield Static("a label to select", id="label")

    def on_mount(self) -> None:
        self.field.focus()

    def action_note(self, key: str) -> None:
        self.noted.append(key)

    def on_secret_field_changed(self, message: SecretField.Changed) -> None:
        assert message.field is message.control is self.field
        self.changes.append(message.revision)

    def on_secret_field_submitted(self, message: SecretField.Submitted) -> None:
        assert message.field is message.control is self.field
        self.submits.append(message.revision)

    def on_paste(self) -> None:
        self.pastes += 1

    def on_key(self, event: events.Key) -> None:
        self.keys.append(event.key)


def held(field: SecretField) -> str | None:
    secret = field.entered()
    return None if secret is None else entered_bytes(secret).decode()


def drawn(field: SecretField) -> list[str]:
    """Return what the field has on the screen, bar and margin included."""
    size = field.outer_size
    strips = field.render_lines(Region(0, 0, size.width, size.height))
    return [strip.text.rstrip() for strip in strips]


async def press_character(pilot: Pilot[None], key: str, character: str | None) -> None:
    pilot.app.post_message(events.Key(key, character))
    await settled(pilot)


# What it takes


async def test_it_starts_empty_and_says_so() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await settled(pilot)
        assert app.field.is_empty
        assert app.field.entered() is None
        assert drawn(app.field) == [
            "▌ ▏ nothing entered yet",
            "▌   paste or type; it will not be shown",
        ]


async def test_typed_characters_are_kept_in_order() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, *"q d/A+", "space", "_", "é")
        await press_character(pilot, "grinning_face", "😀")
        assert held(app.field) == "q d/A+ _é😀"
        assert app.changes == list(range(1, 11))
        assert not app.field.is_empty


@pytest.mark.parametrize(
    ("key", "character"),
    [
        ("no_break_space", "\u00a0"),
        ("zero_width_joiner", "\u200d"),
        ("shift+space", " "),
        ("\ue000", "\ue000"),
    ],
)
async def test_typed_characters_that_are_not_seen_are_not_lost(key: str, character: str) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press_character(pilot, key, character)
        assert held(app.field) == character


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (PEM, PEM),
        (PEM.replace("\n", "\r"), PEM),
        (PEM.replace("\n", "\r\n"), PEM.replace("\n", "\r\n")),
        ("a\rb", "a\nb"),
        ("a\r", "a\n"),
        ("a\r\rb", "a\n\nb"),
        ("a\r\nb\rc", "a\r\nb\rc"),
        ("a\nb\rc\r", "a\nb\rc\r"),
        ("  a\t b \t", "  a\t b \t"),
        ("\n\n", "\n\n"),
        ("\ta\x7fb\x15c\x0b\u2028", "\ta\x7fb\x15c\x0b\u2028"),
        ("é€😀e\u0301", "é€😀e\u0301"),
        ("[/x][b]{}", "[/x][b]{}"),
    ],
)
async def test_a_paste_is_taken_whole(sent: str, expected: str) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, sent)
        assert held(app.field) == expected
        assert app.changes == [1]


async def test_a_paste_goes_to_the_end_of_what_is_held() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "a")
        await paste(pilot, "b\r\nc")
        await press(pilot, "d")
        assert held(app.field) == "ab\r\ncd"


async def test_an_empty_paste_changes_nothing() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, "")
        assert app.field.is_empty
        assert app.changes == []


async def test_backspace_removes_the_last_character_and_ctrl_u_all() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, "é😀\r\n")
        for left in ("é😀\r", "é😀", "é"):
            await press(pilot, "backspace")
            assert held(app.field) == left
        await press_character(pilot, "shift+backspace", None)
        assert app.field.is_empty
        assert app.changes == [1, 2, 3, 4, 5]
        await press(pilot, "backspace", "ctrl+u")
        assert app.changes == [1, 2, 3, 4, 5]

        await paste(pilot, PEM)
        await press(pilot, "ctrl+u")
        assert app.field.is_empty
        assert app.changes == [1, 2, 3, 4, 5, 6, 7]


async def test_enter_submits_and_adds_nothing() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "enter", "a", "enter")
        assert app.submits == [0, 1]
        assert held(app.field) == "a"
        assert app.noted == []


@pytest.mark.parametrize(("key", "focused"), [("tab", "after"), ("shift+tab", "before")])
async def test_tab_leaves(key: str, focused: str) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "a", key)
        assert app.focused is not None
        assert app.focused.id == focused
        assert held(app.field) == "a"


@pytest.mark.parametrize("key", ["escape", "f5", "down"])
async def test_keys_that_are_not_the_fields_reach_the_screen(key: str) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "a", key)
        assert app.noted == [key]
        assert held(app.field) == "a"


async def test_a_letter_with_alt_is_a_command_and_no_character() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press_character(pilot, "alt+q", "q")
        assert app.noted == ["alt+q"]
        assert app.field.is_empty


async def test_typed_characters_reach_neither_the_screen_nor_another_field() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "q", "d", "slash", "space", "A", "p")
        await paste(pilot, "qd/")
        assert app.noted == []
        assert app.keys == []
        assert app.pastes == 0
        assert [field.value for field in app.query(Input)] == ["", ""]
        app.set_focus(None)
        await press(pilot, "q", "d", "slash", "space", "A")
        assert app.noted == ["q", "d", "slash", "space", "A"]


async def test_the_footer_does_not_offer_keys_that_the_field_takes() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await settled(pilot)
        offered = set(app.active_bindings)
        assert offered.isdisjoint({"q", "d", "slash", "space", "A", "ctrl+c"})
        assert offered >= {"escape", "f5", "tab", "ctrl+u", "backspace"}
        app.set_focus(None)
        assert set(app.active_bindings) >= {"q", "d", "slash", "space", "A", "ctrl+c"}


@pytest.mark.parametrize(
    ("key", "character"),
    [
        *((f"ctrl+{letter}", chr(ord(letter) - 96)) for letter in "abcdefgklnorstvwxyz"),
        ("ctrl+@", "\x00"),
        ("delete", None),
        ("left", None),
        ("super+c", None),
        ("f1", None),
    ],
)
async def test_control_keys_add_and_copy_nothing(key: str, character: str | None) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, SECRET)
        await press_character(pilot, key, character)
        assert held(app.field) == SECRET
        assert app.clipboard == ""
        assert app.changes == [1]


async def test_ctrl_v_says_how_to_paste() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        app.copy_to_clipboard("from elsewhere")
        await press(pilot, "ctrl+v")
        assert app.field.is_empty
        assert "terminal's own key" in "\n".join(drawn(app.field))


# What it refuses


async def test_a_paste_over_the_limit_is_refused_as_a_whole() -> None:
    app = FieldApp()
    async with app.run_test(size=(100, 24)) as pilot:
        await press(pilot, "a")
        await paste(pilot, "b" * VALUE_LIMIT)
        assert held(app.field) == "a"
        assert app.changes == [1]
        assert drawn(app.field) == [
            "▌ ▏ received · under 16 characters",
            "▌ × Not taken. The value is over 1 MiB. Keep it in a file and store where it is.",
        ]
        await press(pilot, "b")
        assert held(app.field) == "ab"
        assert drawn(app.field)[1:] == ["▌"]


async def test_a_paste_up_to_the_limit_is_taken() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, "é" * (VALUE_LIMIT // 2 - 1))
        await paste(pilot, "ab")
        await press(pilot, "c")
        assert held(app.field) == "é" * (VALUE_LIMIT // 2 - 1) + "ab"
        assert app.changes == [1, 2]
        assert "× Not taken." in drawn(app.field)[1]


async def test_half_a_character_is_refused() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, "a\ud800")
        assert app.field.is_empty
        assert "lone surrogate" in "\n".join(drawn(app.field))


async def test_a_paste_with_an_escape_character_leaves_nothing() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "^", "x")
        await paste(pilot, "abc\x1bdef")
        assert app.field.is_empty
        assert app.changes == [1, 2, 3]
        assert "escape character" in "\n".join(drawn(app.field))


async def test_a_paste_that_was_no_text_is_refused_whole() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "^", "x")
        await paste(pilot, "abc\ufffddef")
        assert app.changes == [1, 2]
        assert "no UTF-8 text" in "\n".join(drawn(app.field))


# What it says


async def show(text: str, note: SecretNote | None = None, width: int = 80) -> list[str]:
    app = FieldApp()
    async with app.run_test(size=(width, 24)) as pilot:
        await paste(pilot, text)
        app.field.show_note(app.field.revision, note)
        await settled(pilot)
        lines = drawn(app.field)
        assert len(lines) == app.field.outer_size.height
        return [line.removeprefix("▌").removeprefix(" ").rstrip() for line in lines]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hunter2", ["▏ received · under 16 characters", ""]),
        ("a" * 16, ["▏ received · 16-31 characters", ""]),
        ('{"key": 1}', ["▏ received · under 16 characters · looks like JSON", ""]),
        ("a\nb", ["▏ received · 2 lines · under 16 characters", ""]),
        (PEM.strip(), ["▏ received · 27 lines · PEM private key", ""]),
        (
            PEM,
            ["▏ received · 27 lines · PEM private key", "  ends with a newline; kept as it is"],
        ),
        (" a", ["▏ received · under 16 characters", "  starts with a blank; kept as it is"]),
        ("a\t", ["▏ received · under 16 characters", "  ends with a blank; kept as it is"]),
        (
            "\ta \n",
            [
                "▏ received · under 16 characters",
                "  starts with a blank, ends with a blank and a newline; kept as it is",
            ],
        ),
        (
            "a\r\rb\r\rc",
            [
                "▏ received · 5 lines · under 16 characters",
                "▲ every other line is empty; a terminal may have doubled the breaks",
            ],
        ),
    ],
)
async def test_it_says_what_came(text: str, lines: list[str]) -> None:
    assert await show(text) == lines


async def test_the_note_of_the_store_is_added() -> None:
    note = SecretNote("9c1d77e2", ("the same value as Global / deploy_key",))
    assert await show(PEM, note) == [
        "▏ received · 27 lines · PEM private key · fingerprint 9c1d77e2",
        "  ends with a newline; kept as it is",
        "▲ the same value as Global / deploy_key",
    ]


async def test_long_warnings_wrap_under_their_words() -> None:
    note = SecretNote("9c1d77e2", ("the same value as Acme Dental / deploy_key",))
    assert await show("a", note, width=32) == [
        "▏ received · under 16",
        "  characters · fingerprint",
        "  9c1d77e2",
        "▲ the same value as Acme",
        "  Dental / deploy_key",
    ]


@pytest.mark.parametrize("width", [1, 4, 5, 6, 10])
async def test_no_width_is_too_small(width: int) -> None:
    assert await show(PEM, SecretNote("9c1d77e2", ("the same value as before",)), width=width)


async def test_words_from_elsewhere_are_neither_markup_nor_sequences() -> None:
    app = FieldApp(empty_text="[b]empty[/x]\x1b]52;c;x\x07")
    async with app.run_test() as pilot:
        await settled(pilot)
        assert drawn(app.field)[0] == "▌ ▏ [b]empty[/x]\\x1b]52;c;x\\x07"
        await press(pilot, "a")
        app.field.show_note(1, SecretNote("[b]\x1b", ("[/x] \u202e\n\x1b[2J",)))
        await settled(pilot)
        assert drawn(app.field)[0].endswith("fingerprint [b]\\x1b")
        assert drawn(app.field)[1] == "▌ ▲ [/x] \\u202e\\n\\x1b[2J"
        app.field.show_problem("[/x]\x1b[2J")
        await settled(pilot)
        assert drawn(app.field)[1] == "▌ × [/x]\\x1b[2J"


async def test_a_note_on_an_earlier_value_is_not_shown() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "a", "b")
        app.field.show_note(1, SecretNote("11111111"))
        await settled(pilot)
        assert "fingerprint" not in drawn(app.field)[0]
        app.field.show_note(2, SecretNote("22222222", ("the same value as before",)))
        await settled(pilot)
        assert drawn(app.field)[0].endswith("fingerprint 22222222")
        await press(pilot, "c")
        assert drawn(app.field) == ["▌ ▏ received · under 16 characters", "▌"]
        app.field.clear()
        app.field.show_note(app.field.revision, SecretNote("33333333"))
        await settled(pilot)
        assert "fingerprint" not in "".join(drawn(app.field))


async def test_a_note_can_be_taken_back() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "a")
        app.field.show_note(1, SecretNote("11111111"))
        app.field.show_note(1, None)
        await settled(pilot)
        assert drawn(app.field)[0] == "▌ ▏ received · under 16 characters"


async def test_a_problem_stands_in_place_of_the_warnings_until_the_next_change() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        app.field.show_problem("A value is needed.")
        await settled(pilot)
        assert drawn(app.field) == ["▌ ▏ nothing entered yet", "▌ × A value is needed."]
        await press(pilot, "a")
        assert drawn(app.field) == ["▌ ▏ received · under 16 characters", "▌"]
        app.field.show_problem("Another operator was faster.")
        app.field.show_note(1, SecretNote("11111111", ("the same value as before",)))
        await settled(pilot)
        assert drawn(app.field) == [
            "▌ ▏ received · under 16 characters · fingerprint 11111111",
            "▌ × Another operator was faster.",
        ]
        app.field.clear()
        await settled(pilot)
        assert drawn(app.field)[1] == "▌   paste or type; it will not be shown"
        app.field.show_problem("A value is needed.")
        app.field.clear()
        await settled(pilot)
        assert drawn(app.field)[1] == "▌   paste or type; it will not be shown"
        assert app.changes == [1, 2]


async def test_typing_does_not_show_the_length() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        pictures = []
        for _ in range(31):
            await press(pilot, "x")
            pictures.append((drawn(app.field), app.export_screenshot()))
        lines = [lines for lines, _ in pictures]
        assert lines[:15] == [lines[0]] * 15
        assert lines[15:] == [lines[15]] * 16
        assert lines[0] != lines[15]
        assert pictures[0][1] == pictures[14][1]


async def test_typing_draws_nothing_while_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "x")
        drawings: list[object] = []
        monkeypatch.setattr(app.field, "refresh", lambda *args, **words: drawings.append(words))
        await press(pilot, *"x" * 14)
        assert drawings == []
        await press(pilot, "x")
        assert len(drawings) == 1


async def test_the_focus_is_seen_without_colour_and_the_caret_stands_still() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, "a\n")
        first = drawn(app.field)
        assert [line[0] for line in first] == ["▌", "▌"]
        assert first[0].index("▏") == 2
        await paste(pilot, PEM * 3)
        assert drawn(app.field)[0].index("▏") == 2
        await press(pilot, "tab")
        without = drawn(app.field)
        assert not any("▌" in line or "▏" in line for line in without)
        assert without[0].strip().startswith("received")


async def test_a_click_focuses_it() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await press(pilot, "tab")
        await pilot.click(SecretField)
        assert app.focused is app.field


# What it gives away: nothing


def parts(text: str) -> list[str]:
    return [text[at : at + 5] for at in range(len(text) - 4)]


def shown_by_rich(thing: Any) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(thing)
    return capture.get()


async def test_nothing_that_describes_the_field_holds_the_value() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, SECRET)
        await press(pilot, "tab", "shift+tab")
        app.field.show_note(app.field.revision, SecretNote("9c1d77e2"))
        await settled(pilot)
        field = app.field
        descriptions = {
            "repr": repr(field),
            "str": str(field),
            "rich": shown_by_rich(field),
            "tree": shown_by_rich(field.tree),
            "css tree": shown_by_rich(field.css_tree),
            "app tree": shown_by_rich(app.tree),
            "attributes": pretty_repr(vars(field)),
            "reactives": pretty_repr({name: getattr(field, name) for name in field._reactives}),
            "picture": app.export_screenshot(),
            "picture, simplified": app.export_screenshot(simplify=True),
            "drawn": "\n".join(drawn(field)),
            "tooltip": repr(field.tooltip),
            "clipboard": app.clipboard,
        }
        for name, description in descriptions.items():
            found = [part for part in parts(SECRET) if part in description]
            assert found == [], name
        assert "SecretField" in descriptions["app tree"]
        assert "9c1d77e2" in descriptions["picture"]


async def test_no_message_that_it_posts_holds_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Message] = []
    post = SecretField.post_message

    def record(field: SecretField, message: Message) -> bool:
        posted.append(message)
        return post(field, message)

    app = FieldApp()
    async with app.run_test() as pilot:
        given = events.Paste(SECRET)
        with monkeypatch.context() as context:
            context.setattr(SecretField, "post_message", record)
            app.post_message(given)
            await settled(pilot)
            await press(pilot, "backspace", "enter", "ctrl+c", "ctrl+u")
        kinds = {type(message) for message in posted}
        assert {SecretField.Changed, SecretField.Submitted, events.Paste} <= kinds
        for message in posted:
            said = repr(message) + pretty_repr(getattr(message, "__dict__", {}))
            assert [part for part in parts(SECRET) if part in said] == []
        # The event of the terminal is emptied as well: queues may keep it.
        assert given.text == ""


async def test_its_text_can_be_neither_selected_nor_copied() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, SECRET)
        assert not app.field.allow_select
        await pilot.mouse_down(SecretField, offset=(4, 0))
        await pilot.hover(SecretField, offset=(30, 1))
        await pilot.mouse_up(SecretField, offset=(30, 1))
        await press(pilot, "ctrl+a", "ctrl+c", "ctrl+x")
        assert app.focused is app.field
        assert app.clipboard == ""
        assert app.screen.get_selected_text() is None


async def test_ctrl_c_in_the_field_copies_nothing_selected_elsewhere() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        app.query_one("#label", Static).text_select_all()
        await press(pilot, "ctrl+c", "super+c", "ctrl+x", "ctrl+a")
        assert app.clipboard == ""
        assert app.keys == []
        app.set_focus(None)
        await press(pilot, "ctrl+c")
        assert app.clipboard == "a label to select"


async def test_what_it_holds_is_dropped_with_it() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, SECRET)
        app.field.clear()
        assert app.field.entered() is None
        await paste(pilot, SECRET)
        assert app.field.entered() is not None
        await app.field.remove()
        assert app.field.is_empty
        assert app.field.entered() is None


async def test_what_it_holds_is_dropped_when_the_app_ends() -> None:
    app = FieldApp()
    async with app.run_test() as pilot:
        await paste(pilot, SECRET)
    assert app.field.entered() is None


# On a terminal

PROGRAM = """
import hashlib, sys
from textual.app import App
from bifrost_tui.store.entered import entered_bytes
from bifrost_tui.tui.widgets.secret_field import SecretField

class Program(App):
    def compose(self):
        yield SecretField()

    def on_secret_field_changed(self, message):
        message.field.show_problem("a value came")

    def on_secret_field_submitted(self, message):
        held = message.field.entered()
        with open(sys.argv[1], "w") as file:
            file.write(hashlib.sha256(entered_bytes(held)).hexdigest())
        self.exit()

Program().run(mouse=False)
"""


def read_until(terminal: int, words: bytes | None, output: bytearray) -> None:
    """Read the terminal until the words have come, or to its end."""
    end = time.monotonic() + 60
    while words is None or words not in output:
        assert time.monotonic() < end, bytes(output)
        if select.select([terminal], [], [], 1)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                chunk = b""
            if not chunk:
                assert words is None, bytes(output)
                return
            output += chunk


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(PEM.replace("\n", "\r"), PEM), (PEM.replace("\n", "\r\n"), PEM.replace("\n", "\r\n"))],
    ids=["a terminal that sends CR", "a terminal that sends what was copied"],
)
def test_a_paste_on_a_terminal_arrives_whole_and_is_not_seen(
    sent: str, expected: str, tmp_path: Path
) -> None:
    result = tmp_path / "result"
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TEXTUAL")
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(result)],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=environment | {"TERM": "xterm-256color"},
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    ) as process:
        os.close(inside)
        output = bytearray()
        try:
            read_until(terminal, b"nothing", output)
            os.write(terminal, b"\x1b[200~" + sent.encode() + b"\x1b[201~")
            read_until(terminal, b"a value came", output)
            os.write(terminal, b"\r")
            read_until(terminal, None, output)
            assert process.wait(30) == 0
        finally:
            process.kill()
            os.close(terminal)
    assert result.read_text() == hashlib.sha256(expected.encode()).hexdigest()
    assert b"received" in output
    assert b"MIIEv" not in output
