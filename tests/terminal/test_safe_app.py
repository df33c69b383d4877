"""The base of the app in a real terminal: whatever ends it, nothing stays behind."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Protocol

import pyte
import pytest
import textual
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.app import App, ComposeResult
from textual.color import Color
from textual.drivers import _writer_thread, linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message_pump import MessagePump
from textual.widgets import Input, Label, ProgressBar, TextArea
from textual.worker import WorkerFailed

from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.safe_app import SafeApp
from bifrost_tui.tui.safe_driver import ControlFilter, PasteReader, SafeDriver
from tests.terminal.harness import CTRL_C, ESCAPE, PATIENCE, TAB, TerminalSession, sweep

REPOSITORY = Path(__file__).parents[2]
THROWAWAY = REPOSITORY / "tests/terminal/apps/throwaway.py"

LOCAL = "planted-local-7Qx9Zr2m"
MESSAGE = "planted-message-4Kw8Bn5t"
INPUT = "planted-input-9Lp3Vd6s"
PLANTED = [LOCAL, MESSAGE]

F2, F3, F4, F5, F6, F10 = "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[17~", "\x1b[21~"
CTRL_X = "\x18"
SHIFT_HOME = "\x1b[1;2H"

MOUSE_MODES = {9, 1000, 1001, 1002, 1003, 1005, 1006, 1015, 1016}
CURSOR, LINE_WRAP = 25, 7

START = ["mount", "compose-app", "css", "driver-start"]
"""Scenarios that fail before the screen is there."""

TEXTUAL_VARIABLES = {
    "TEXTUAL": "devtools,debug",
    "TEXTUAL_LOG": "log.txt",
    "TEXTUAL_DEBUG": "1",
    "TEXTUAL_SCREENSHOT": "0",
    "TEXTUAL_SCREENSHOT_LOCATION": ".",
    "TEXTUAL_SCREENSHOT_FILENAME": "picture.svg",
    "TEXTUAL_PRESS": "f10",
    "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver",
    "TEXTUAL_SHOW_RETURN": "1",
    "TEXTUAL_ALLOW_SIGNALS": "1",
    "PYTHONASYNCIODEBUG": "1",
}


class Launch(Protocol):
    """Starts the throwaway app in a terminal."""

    def __call__(
        self,
        *arguments: str,
        variables: dict[str, str] | None = None,
        hang_up: Literal["usual", "ignored", "blocked"] = "usual",
        shell: bool = False,
    ) -> TerminalSession: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Everything that the app might take for a place to write to."""
    return tmp_path


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY),
        "PLANTED_LOCAL": LOCAL,
        "PLANTED_MESSAGE": MESSAGE,
        "PLANTED_INPUT": INPUT,
    }


@pytest.fixture
def launch(home: Path, environment: dict[str, str]) -> Iterator[Launch]:
    with ExitStack() as stack:

        def start(
            *arguments: str,
            variables: dict[str, str] | None = None,
            hang_up: Literal["usual", "ignored", "blocked"] = "usual",
            shell: bool = False,
        ) -> TerminalSession:
            command = [sys.executable, "-W", "error", str(THROWAWAY), *arguments]
            if shell:
                command = ["bash", "--norc", "--noprofile", "-i"]
            session = TerminalSession(
                command, env=environment | (variables or {}), cwd=home, hang_up=hang_up
            )
            return stack.enter_context(session)

        yield start


def assert_given_back(session: TerminalSession) -> None:
    """The terminal is as it was found, with nothing of a screen on it."""
    modes = session.private_modes()
    assert modes.pop(CURSOR) is True
    assert modes.pop(LINE_WRAP) is True
    assert modes.pop(1049) is False
    assert not any(modes.values()), modes
    assert session.keyboard_depth() == 0
    assert session.attributes_restored()
    # Also in a terminal that has no alternate screen.
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(re.sub(rb"\x1b\[<\d*u", b"", session.raw))
    for shown in ("ready", INPUT):
        assert shown not in session.screen_text()
        assert shown not in "\n".join(screen.display)


def assert_no_files(home: Path) -> None:
    assert [path.name for path in home.rglob("*")] == []


@pytest.mark.parametrize(
    ("scenario", "says"),
    {
        "handler": "ValueError\n  at __main__:{line} in fail",
        "chain": "LookupError",
        "thread-worker": "ValueError\n  at __main__:{line} in fail",
        "async-worker": "ValueError\n  at __main__:{line} in fail",
        "render": "ValueError\n  at __main__:{line} in fail",
        "compose": "ValueError\n  at __main__:{line} in fail",
        "timer": "ValueError\n  at __main__:{line} in fail",
        "call-later": "ValueError\n  at __main__:{line} in fail",
        "unmount": "at __main__:{line} in fail",
        "mount": "ValueError\n  at __main__:{line} in fail",
        "compose-app": "ValueError\n  at __main__:{line} in fail",
        "css": "textual.css",
        "rich-error": "RichError\n",
        "panic": "An error of the terminal.\n",
        "driver-start": "ValueError",
        "driver-input": "at __main__:{line} in fail",
    }.items(),
)
def test_a_crash_shows_where_and_no_value(
    launch: Launch, home: Path, scenario: str, says: str
) -> None:
    session = launch(scenario)
    if scenario not in START:
        session.wait_for("ready")
        session.send(F2)
    assert session.wait_exit() == 1
    line = THROWAWAY.read_text().split("raise ValueError")[0].count("\n") + 1
    assert session.screen_text().startswith("Bifrost TUI had to stop: ")
    assert says.format(line=line) in session.screen_text()
    assert "what was typed and not saved is gone" in session.screen_text()
    assert session.screen_text().count("had to stop") == 1
    assert sweep(session.evidence, PLANTED) == []
    assert_given_back(session)
    assert_no_files(home)


def test_textual_itself_shows_values_when_it_crashes(launch: Launch) -> None:
    """Without this the test above could pass because it looks in the wrong place."""
    session = launch("stock")
    session.wait_for("ready")
    session.send(F2)
    session.wait_exit()
    assert {finding.split(" of ")[1] for finding in sweep(session.evidence, PLANTED)} == {
        repr(LOCAL),
        repr(MESSAGE),
    }


def test_the_causes_of_a_crash_are_named(launch: Launch) -> None:
    session = launch("chain")
    session.wait_for("ready")
    session.send(F2)
    assert session.wait_exit() == 1
    assert "LookupError" in session.lines[0]
    assert "in fail_in_chain" in session.lines[1]
    assert session.lines[2] == "  because of ValueError"


def test_our_own_errors_show_their_message_as_text(launch: Launch) -> None:
    session = launch("ours")
    session.wait_for("ready")
    session.send(F2)
    assert session.wait_exit() == 1
    assert r"The database is gone: \x1b[31mlook for it." in session.screen_text()
    assert_given_back(session)


@pytest.mark.parametrize(
    ("scenario", "says", "code"),
    [
        ("task", "A task failed: ValueError", 1),
        ("loop-callback", "A task failed: ValueError", 1),
        ("thread", "A thread failed: ValueError", 0),
        ("finalizer", "A finalizer failed: ValueError", 0),
        ("log", "", 0),
        ("system-exit", "", 1),
        ("system-exit-number", "", 5),
        ("interrupt", "", 130),
        ("message", r"A last\x1b[31m word", 0),
        ("code", "", 4),
    ],
)
def test_other_ends_show_no_value_either(
    launch: Launch, home: Path, scenario: str, says: str, code: int
) -> None:
    session = launch(scenario)
    session.wait_for("ready")
    session.send(F2)
    assert session.wait_exit() == code
    assert session.lines[0] == says
    assert sweep(session.evidence, PLANTED) == []
    assert_given_back(session)
    assert_no_files(home)


def test_a_normal_end_says_nothing(launch: Launch, home: Path) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(F10)
    assert session.wait_exit() == 0
    assert session.screen_text().strip() == ""
    assert_given_back(session)
    assert_no_files(home)


@pytest.mark.parametrize("scenario", ["none", "modal"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_give_the_terminal_back(launch: Launch, number: int, scenario: str) -> None:
    session = launch(scenario)
    session.wait_for("ready")
    if scenario == "modal":
        session.send(F2)
        session.wait_for("modal")
    session.signal(number)
    assert session.wait_exit() == 128 + number
    assert session.screen_text().strip() == ""
    assert_given_back(session)


def test_a_signal_that_comes_early_gives_the_terminal_back(launch: Launch) -> None:
    session = launch("none")
    session.wait_for(lambda session: b"\x1b[?1049h" in session.raw)
    session.signal(signal.SIGTERM)
    assert session.wait_exit() == 143
    assert_given_back(session)


@pytest.mark.parametrize("scenario", ["stuck", "driver-stuck"])
def test_a_signal_ends_an_app_that_hangs(launch: Launch, scenario: str) -> None:
    session = launch(scenario)
    session.wait_for("ready")
    session.wait_quiet(0.2)
    session.send(F2)
    session.wait_quiet(0.2)
    session.signal(signal.SIGTERM)
    assert session.wait_exit() == 143
    assert_given_back(session)


def test_a_signal_ends_an_app_whose_terminal_takes_no_more(launch: Launch) -> None:
    session = launch("flood")
    session.wait_for("ready")
    session.send(F2)
    status = Path(f"/proc/{session.pid}/stat")

    def used() -> int:
        return sum(map(int, status.read_text().rpartition(")")[2].split()[11:13]))

    # Nothing is read any more. Once every queue is full, the app stands still.
    deadline = time.monotonic() + PATIENCE
    before = -1
    while (now := used()) != before:
        assert time.monotonic() < deadline
        before = now
        with pytest.raises(AssertionError):
            session.wait_exit(0.5, reading=False)
    session.signal(signal.SIGTERM)
    assert session.wait_exit(reading=False) == 143
    assert session.attributes_restored()


@pytest.mark.parametrize("scenario", ["none", "modal"])
@pytest.mark.parametrize("hang_up", ["usual", "ignored", "blocked"])
def test_a_terminal_that_goes_away_ends_the_process(
    launch: Launch,
    home: Path,
    hang_up: Literal["usual", "ignored", "blocked"],
    scenario: str,
) -> None:
    session = launch(scenario, hang_up=hang_up)
    session.wait_for("ready")
    if scenario == "modal":
        session.send(F2)
        session.wait_for("modal")
    # At rest, when reading alone can tell.
    session.wait_quiet(0.3)
    session.hangup()
    assert session.wait_exit() == 129
    assert_no_files(home)


def test_variables_of_textual_have_no_effect(launch: Launch, home: Path) -> None:
    session = launch("none", variables=TEXTUAL_VARIABLES)
    session.wait_for("ready")
    session.send(f"typed{CTRL_C}")
    session.wait_for("typed")
    session.send(F10)
    assert session.wait_exit() == 0
    assert "returned" not in session.screen_text()
    assert_given_back(session)
    assert_no_files(home)


def test_they_have_none_even_where_nobody_removed_them(launch: Launch, home: Path) -> None:
    session = launch("none", variables={**TEXTUAL_VARIABLES, "KEEP_TEXTUAL_VARIABLES": "1"})
    session.wait_for("ready")
    session.send("typed")
    session.wait_for("typed")
    session.send(F10)
    assert session.wait_exit() == 0
    assert "returned" not in session.screen_text()
    assert_no_files(home)


def test_without_the_mouse_no_mouse_mode_is_touched(launch: Launch) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(F10)
    assert session.wait_exit() == 0
    assert not MOUSE_MODES & session.private_modes().keys()


def test_with_the_mouse_every_mode_is_turned_off_again(launch: Launch) -> None:
    session = launch("none", "--mouse")
    session.wait_for("ready")
    modes = session.private_modes()
    assert modes[1000]
    assert modes[1006]
    # A terminal that offers to report its size, which Textual would take as a call for more.
    session.send("\x1b[?2048;2$y" + ESCAPE)
    session.wait_for("escape")
    session.send(F10)
    assert session.wait_exit() == 0
    assert b"?2048" not in session.raw
    assert b"?1016" not in session.raw
    assert_given_back(session)


def test_nothing_is_copied(launch: Launch) -> None:
    session = launch("none", "--mouse")
    session.wait_for("ready")
    session.send(F5)
    session.wait_for("copied ''")
    # In a field, with all of it selected.
    session.send(SHIFT_HOME + CTRL_C)
    # With the mouse: pressed on the first line, drawn over it, released.
    session.send("\x1b[<0;1;1M\x1b[<32;5;1M\x1b[<32;9;1M\x1b[<0;9;1m" + CTRL_C)
    session.send(TAB + CTRL_C)
    session.send(SHIFT_HOME + CTRL_X)
    session.wait_quiet(0.3)
    session.send(F10)
    assert session.wait_exit() == 0
    # Operating system commands: the clipboard, the title, links, the shape of the pointer.
    assert b"\x1b]" not in session.raw
    assert b"\x9d" not in session.raw.replace("❝".encode(), b"")
    assert [found for found in sweep(session.evidence, [INPUT]) if "base64" in found] == []


def test_no_pictures(launch: Launch, home: Path) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(F3)
    session.send(F6)
    session.wait_for("Quit")
    assert "Leave Bifrost TUI" in session.screen_text()
    assert "Screenshot" not in session.screen_text()
    assert "Theme" not in session.screen_text()
    session.send("screenshot")
    session.wait_for("No matches found")
    session.signal(signal.SIGTERM)
    assert session.wait_exit() == 143
    assert_no_files(home)


def test_a_field_at_rest_sends_nothing(launch: Launch) -> None:
    session = launch("none")
    session.wait_for("ready")
    # A cursor that blinks is written every half second.
    session.wait_quiet(1.6)


def test_escape_answers_and_sequences_stay_whole(launch: Launch) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(ESCAPE)
    session.wait_for("escape")


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(b"\xe9\xff", id="not UTF-8"),
        pytest.param(b"\x1b[99999999999u", id="no character"),
        pytest.param(b"\x1b[1114112u", id="beyond Unicode"),
        pytest.param(b"\x1b[?2048;2$y\x1b[?2026;9$y", id="reports"),
        pytest.param(b"\x1b[48;24;80;480;800t", id="size report"),
        pytest.param(b"\x1b]52;c;eHh4\x07", id="clipboard report"),
    ],
)
def test_strange_input_does_no_harm(launch: Launch, keys: bytes) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(keys)
    session.wait_quiet(0.2)
    session.send(ESCAPE)
    session.wait_for("escape")
    session.send(F10)
    assert session.wait_exit() == 0
    assert_given_back(session)


def test_a_long_paste_arrives_whole_and_presses_no_keys(launch: Launch) -> None:
    session = launch("paste")
    session.wait_for("ready")
    session.send(ESCAPE)
    session.wait_for("escape")
    text = "\x1b[31m line \x1bOQ \x1b[21~ \x1b\x1b[ \u00e9\u4e16 \n" * 8000 + "the\x1bend"
    session.paste(text)
    session.wait_for(f"pasted {len(text)} {text[-9:].replace(chr(10), chr(13))!r}")


def test_no_widget_sends_a_terminal_sequence(launch: Launch) -> None:
    nasty = "a\x1b[31mb\x07c\x9bd\u202ee\x1b]52;c;eHh4\x07f\x1b]0;title\x1b\\g\x08h\x7fi\x1b(0j"
    session = launch("controls", variables={"NASTY": nasty})
    session.wait_for("a[31mbcde]52;c;eHh4f")
    session.wait_for(r"a\x1b[31mb\x07c\x9bd\u202ee")
    session.wait_quiet(0.3)
    assert b"\x1b]" not in session.raw
    assert b"\x1b(" not in session.raw
    assert b"\x1b[31mb" not in session.raw
    left = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", session.raw.decode())
    assert re.findall("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", left) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_the_shell_gets_the_terminal_and_gives_it_back(launch: Launch) -> None:
    session = launch(shell=True, variables={"PS1": "prompt> "})
    session.wait_for("prompt>")
    session.send(f"'{sys.executable}' -W error '{THROWAWAY}' none; echo code $?\r")
    session.wait_for("ready")
    session.send(F4)
    session.wait_for("Stopped")
    assert "ready" not in session.screen_text()
    assert session.private_modes()[1049] is False
    assert session.private_modes()[CURSOR] is True
    assert session.keyboard_depth() == 0
    session.send("echo here $((40 + 2))\r")
    session.wait_for("here 42")
    session.send("fg\r")
    session.wait_for("ready")
    assert "here 42" not in session.screen_text()
    session.send(ESCAPE)
    session.wait_for("escape")
    session.send(F10)
    session.wait_for(lambda session: session.screen_text().rstrip().endswith("prompt>"))
    assert "here 42" in session.screen_text()
    session.send("echo there $((40 + 3)); exit\r")
    session.wait_exit()
    assert "there 43" in session.screen_text()
    assert session.private_modes()[CURSOR] is True


def test_without_a_shell_it_is_not_suspended(launch: Launch) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.send(F4)
    session.signal(signal.SIGTSTP)
    session.send(ESCAPE)
    session.wait_for("escape")
    session.send(F10)
    assert session.wait_exit() == 0
    assert_given_back(session)


def test_a_stop_that_cannot_be_handled_leaves_the_terminal_right(launch: Launch) -> None:
    session = launch("none")
    session.wait_for("ready")
    session.wait_quiet(0.2)
    stat = Path(f"/proc/{session.pid}/stat")
    session.signal(signal.SIGSTOP)
    session.wait_for(lambda _: stat.read_text().rpartition(")")[2].split()[0] == "T")
    before = len(session.raw)
    session.signal(signal.SIGCONT)
    # What is typed before the terminal is taken again is dropped with what the shell left.
    session.wait_for(lambda session: b"ready" in session.raw[before:].partition(b"\x1b[?1049h")[2])
    session.send(ESCAPE)
    session.wait_for("escape")
    session.send(F10)
    assert session.wait_exit() == 0
    assert_given_back(session)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"TERM": "dumb"}, "its type (TERM) is dumb"),
        ({"TERM": ""}, "its type (TERM) is not set"),
        ({"PYTHONIOENCODING": "latin-1"}, "standard error is in iso8859-1"),
    ],
)
def test_a_terminal_that_cannot_draw_is_told_in_one_sentence(
    launch: Launch, variables: dict[str, str], says: str
) -> None:
    session = launch("none", variables=variables)
    assert session.wait_exit() == 1
    text = "".join(line.ljust(80) for line in session.screen_text().split("\n")).strip()
    assert says in text
    assert "bifrost-tui configs list" in text
    assert text.count(". ") == 0
    assert text.endswith(".")
    assert b"\x1b" not in session.raw


def test_the_c_locale_will_do(launch: Launch) -> None:
    session = launch("none", variables={"LC_ALL": "C", "LANG": "C"})
    session.wait_for("ready")
    session.send(F10)
    assert session.wait_exit() == 0


def test_no_terminal_is_told_in_one_sentence(home: Path, environment: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, str(THROWAWAY), "none"],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("The screens need a terminal")
    assert result.stderr.count("\n") == 1


# Without a terminal


class Fields(SafeApp[None]):
    def compose(self) -> ComposeResult:
        yield Label("[/x] a label", markup=False)
        yield Input()
        yield TextArea()
        yield ProgressBar(total=3)

    def action_fail(self) -> None:
        raise ValueError(MESSAGE)


async def test_every_widget_is_quiet() -> None:
    app = Fields()
    async with app.run_test() as pilot:
        assert app.animation_level == "none"
        assert not app.query_one(Input).cursor_blink
        assert not app.query_one(TextArea).cursor_blink
        app.query_one(Input).focus()
        await pilot.pause()
        assert app.query_one(Input)._cursor_visible
        await app.mount(Input(id="later"))
        assert not app.query_one("#later", Input).cursor_blink
        assert not any(widget.auto_links for widget in app.query("*"))
        assert not app.screen.auto_links
        assert not app.ALLOW_SELECT


async def test_notifications_are_text() -> None:
    app = Fields()
    async with app.run_test(notifications=True) as pilot:
        app.screen.notify("[/x] and [b]\x1b", title="[/y]\x07")
        app.action_help_quit()
        await pilot.pause()
        texts = [notification.message for notification in app._notifications]
        assert texts == [r"[/x] and [b]\x1b", "Press ^q to quit."]
        assert not any(notification.markup for notification in app._notifications)


async def test_tests_still_see_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    app = Fields()

    async def crash() -> None:
        async with app.run_test() as pilot:
            app.call_later(app.action_fail)
            await pilot.pause()

    with pytest.raises(ValueError, match=MESSAGE):
        await crash()
    assert app.return_code == 1
    assert sweep(capsys.readouterr().err.encode(), PLANTED) == []


async def test_pictures_for_tests_still_work_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Fields()
    async with app.run_test() as pilot:
        assert app.export_screenshot().startswith("<svg")
        assert app.save_screenshot(str(tmp_path / "picture.svg")) == ""
        assert app.deliver_screenshot(str(tmp_path / "picture.svg")) is None
        app.action_screenshot()
        app.deliver_text(__file__, save_directory=str(tmp_path))
        app.deliver_binary(__file__, save_directory=str(tmp_path))
        app.open_url("https://example.org")
        app.copy_to_clipboard(LOCAL)
        assert app.clipboard == ""
        await pilot.pause()
    assert_no_files(tmp_path)


async def test_the_palette_offers_nothing_that_writes() -> None:
    app = Fields()
    async with app.run_test() as pilot:
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert titles == ["Keys", "Quit"]
        app.action_show_help_panel()
        await pilot.pause()
        helps = [command.help for command in app.get_system_commands(app.screen)]
        assert helps[0] == "Hide the keys"


# The paste reader


def _fed(chunks: list[str]) -> tuple[str, list[str]]:
    """Return what was typed and what was pasted, in the end."""
    reader = PasteReader()
    typed = ""
    pasted: list[str] = []
    for chunk in chunks:
        for part in reader.feed(chunk):
            if isinstance(part, events.Paste):
                pasted.append(part.text)
            else:
                typed += part
    return typed + reader.release(), pasted


PASTE = "\x1b[200~{}\x1b[201~"


def test_pastes_are_taken_out_of_what_is_typed() -> None:
    stream = "ab" + PASTE.format("x\x1b[31my\x00\r\n") + "c" + PASTE.format("") + "\x1b[A"
    assert _fed([stream]) == ("abc\x1b[A", ["x\x1b[31my\x00\r\n", ""])


def test_a_paste_may_come_in_pieces() -> None:
    stream = "a" + PASTE.format("one\x1b[2 two") + "b"
    start = stream.index("\x1b")
    for at in range(len(stream)):
        # Torn after its very first character, the opening marker is left to Textual's parser.
        if at != start + 1:
            assert _fed([stream[:at], stream[at:]]) == ("ab", ["one\x1b[2 two"])


def test_a_lone_escape_is_passed_on_at_once() -> None:
    reader = PasteReader()
    assert reader.feed("\x1b") == ["\x1b"]
    assert reader.feed("\x1b[20") == []
    assert reader.release() == "\x1b[20"
    assert reader.release() == ""


@given(
    st.lists(st.text("ab\x1b[01~\r é", max_size=8), max_size=6),
    st.lists(st.integers(2, 9), min_size=1),
)
def test_nothing_is_lost_between_keys_and_pastes(texts: list[str], sizes: list[int]) -> None:
    clean = [text for text in texts if not re.search("\x1b\\[20?[01]?~?", text)]
    clean = [text.replace("\x1b", "") for text in clean]
    stream = "".join(
        PASTE.format(text) if index % 2 else f"{text}." for index, text in enumerate(clean)
    )
    assert _fed([stream]) == (
        "".join(f"{text}." for text in clean[::2]),
        clean[1::2],
    )
    chunks: list[str] = []
    rest = stream
    for size in sizes * (len(stream) + 1):
        # A chunk does not end in the first character of a marker, see above.
        end = size + rest[:size].endswith("\x1b")
        chunks.append(rest[:end])
        rest = rest[end:]
        if not rest:
            break
    assert _fed(chunks) == _fed([stream])


# The last gate


def test_the_filter_removes_what_a_terminal_obeys() -> None:
    style = Style(bold=True, link="https://example.org/\x1b]0;x\x07")
    segments = [Segment("a\x1b[1m\x9b\u202eb", style), Segment("plain"), Segment("•▲✓", style)]
    cleaned = ControlFilter().apply(segments, Color(0, 0, 0))
    assert [segment.text for segment in cleaned] == ["a[1mb", "plain", "•▲✓"]
    assert all(not (segment.style and segment.style.link) for segment in cleaned)
    assert cleaned[0].style is not None
    assert cleaned[0].style.bold
    assert sum(segment.cell_length for segment in segments) == sum(
        segment.cell_length for segment in cleaned
    )


def test_the_filter_leaves_the_rest_alone() -> None:
    segments = [Segment("plain é 世界 •▲✓─│", Style(bold=True)), Segment(" ")]
    assert ControlFilter().apply(segments, Color(0, 0, 0)) is segments


# What is relied upon in Textual


def test_the_version_of_textual_is_the_one_that_was_read() -> None:
    assert textual.__version__ == "8.2.8"


PRIVATE: list[tuple[type[Any], str]] = [
    (App, "_handle_exception"),
    (App, "_fatal_error"),
    (App, "_print_error_renderables"),
    (App, "_register"),
    (App, "_display"),
    (App, "_set_pointer_shape"),
    (App, "_exception_event"),
    (MessagePump, "_close_messages_no_wait"),
    (LinuxDriver, "_run_input_thread"),
    (LinuxDriver, "_sigtstp_application"),
    (LinuxDriver, "_sigcont_application"),
    (LinuxDriver, "_query_in_band_window_resize"),
    (LinuxDriver, "start_application_mode"),
    (LinuxDriver, "stop_application_mode"),
    (LinuxDriver, "run_input_thread"),
]


@pytest.mark.parametrize(("owner", "name"), PRIVATE, ids=str)
def test_a_method_that_is_replaced_is_there_with_the_same_parameters(
    owner: type[Any], name: str
) -> None:
    theirs = getattr(owner, name)
    assert callable(theirs) or isinstance(theirs, property) or name == "_exception_event"
    ours = getattr(SafeApp if issubclass(SafeApp, owner) else SafeDriver, name)
    if inspect.isfunction(theirs):
        named = [
            name
            for name, parameter in inspect.signature(ours).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        assert named == list(inspect.signature(theirs).parameters)[: len(named)]


async def test_attributes_that_are_used_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL", "debug,devtools")
    app = Fields()
    async with app.run_test():
        for name in ("_exception", "_return_code", "_exit_renderables", "_loop", "_driver"):
            assert hasattr(app, name), name
        assert app.features == frozenset()
        assert app.devtools is None
    source = inspect.getsource(LinuxDriver)
    for used in (
        "self._file = sys.__stderr__",
        "self._writer_thread = WriterThread(self._file)",
        "signal.signal(signal.SIGTSTP, self._sigtstp_application)",
        "signal.signal(signal.SIGCONT, self._sigcont_application)",
        "Thread(target=self._run_input_thread",
        "while not self.exit_event.is_set()",
        "self.attrs_before = termios.tcgetattr(self.fileno)",
        "self._must_signal_resume",
        "if not self._mouse:",
    ):
        assert used in source, used
    for method in ("write", "fileno", "flush"):
        assert f"self._file.{method}" in inspect.getsource(_writer_thread.WriterThread)
    assert "self._auto_restart = auto_restart" in inspect.getsource(
        inspect.getmodule(LinuxDriver.__mro__[1]) or linux_driver
    )


@pytest.mark.parametrize(
    "name", ["DEBUG", "DRIVER", "LOG_FILE", "PRESS", "SCREENSHOT_DELAY", "SHOW_RETURN"]
)
def test_switches_are_off_and_read_when_needed(name: str) -> None:
    assert getattr(constants, name) in (False, None, "", -1)
    root = Path(textual.__file__).parent
    readers = [(root / file).read_text() for file in ("app.py", "__init__.py")]
    assert any(f"constants.{name}" in text for text in readers)


def test_escape_is_recognized_quickly() -> None:
    parser = XTermParser()
    list(parser.feed("\x1b"))
    assert parser._awaiting.timeout == constants.ESCAPE_DELAY
    if "ESCDELAY" not in os.environ:
        assert constants.ESCAPE_DELAY == 0.05


def test_errors_of_ours_are_the_only_ones_whose_message_is_shown() -> None:
    for error in (ValueError(MESSAGE), WorkerFailed(ValueError(MESSAGE))):
        app = Fields()
        app._stopped_by(error)
        assert app._crash == "ValueError"
    app = Fields()
    app._stopped_by(WorkerFailed(BifrostError("To be read.")))
    assert app._crash == "To be read."
