"""The app that sends only what changes, in a real terminal beside one that sends everything."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import textual
from rich.style import Style
from textual import _ansi_sequences
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.strip import Strip

from bifrost_tui.settings import load_settings
from bifrost_tui.store.bulk import BulkConfig, write_organization
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from bifrost_tui.tui import wired_app
from bifrost_tui.tui.safe_driver import SYNC_END, SYNC_START
from bifrost_tui.tui.wired_app import fits
from tests.support import START, plain, secret
from tests.terminal.harness import DOWN, ESCAPE, TAB, TerminalSession, sweep

REPOSITORY = Path(__file__).parents[2]
THROWAWAY = REPOSITORY / "tests/terminal/apps/throwaway.py"
OURS = [sys.executable, "-W", "error", "-m", "bifrost_tui"]
F2, F4, F10 = "\x1bOQ", "\x1bOS", "\x1b[21~"
PAGE_DOWN, HOME = "\x1b[6~", "\x1b[H"
VALUE = "planted-value-8Rt4Yb1n"
ORGANIZATION = "Acme 世界 Dental"
SIZE = (120, 40)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An operator's environment, with a database of more configs than a screen shows."""
    made = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "PS1": "prompt> ",
        "PLANTED_LOCAL": VALUE,
        "PLANTED_MESSAGE": VALUE,
        "PLANTED_INPUT": "typed before",
    }
    me = Access(actor_name(), "local")
    with create_repository(load_settings(made), me, make_key=True) as repository:
        configs = [BulkConfig(secret("first", VALUE), START)]
        configs += [
            BulkConfig(plain(f"key_{number:03}", "世界 é•" * (number % 3)), START)
            for number in range(80)
        ]
        write_organization(repository, me, ORGANIZATION, configs)
    return made


@pytest.fixture
def begin(environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., TerminalSession]]:
    with ExitStack() as stack:

        def start(*command: str) -> TerminalSession:
            session = TerminalSession(command, size=SIZE, env=environ, cwd=tmp_path)
            return stack.enter_context(session)

        yield start


def settle(session: TerminalSession, wanted: str) -> None:
    session.wait_for(wanted)
    session.wait_quiet(0.3)


def same(ours: TerminalSession, theirs: TerminalSession, wanted: str) -> None:
    """Both terminals come to show the same, down to every colour.

    Where the cursor is, hidden, depends on which of several drawings of one key comes last.
    """
    settle(theirs, wanted)
    ours.wait_for(wanted)
    ours.wait_for(lambda ours: ours.looks() == theirs.looks())
    assert ours.place()[2] == theirs.place()[2]


def test_every_screen_is_the_same_and_takes_fewer_bytes(
    begin: Callable[..., TerminalSession],
) -> None:
    pair = begin(*OURS, "--org", ORGANIZATION), begin(*OURS, "--no-wire", "--org", ORGANIZATION)
    same(*pair, "key_001")
    for keys, wanted in (
        (DOWN, "key_001"),
        (DOWN, "key_001"),
        (PAGE_DOWN, "key_040"),
        (HOME, "key_001"),
        ("/", "to the list"),
        ("key_07", "key_079"),
        (ESCAPE, "key_058"),
        ("a", "Add a config"),
        (f"typed{TAB}", "typed"),
        (ESCAPE, "throws away"),
        (ESCAPE, "81 configs"),
        ("?", "Keys"),
        (ESCAPE, "key_058"),
        ("\x10", "Search for commands"),
        ("light", "Theme: light"),
        ("\r", "key_058"),
    ):
        for session in pair:
            session.send(keys)
        same(*pair, wanted)
    for size in ((80, 24), (140, 45), SIZE):
        for session in pair:
            session.resize(*size)
        same(*pair, "key_070")
    ours, theirs = (len(session.raw) for session in pair)
    assert ours < theirs / 3
    for session in pair:
        session.send("q")
        assert session.wait_exit() == 0
        assert sweep(session.evidence, [VALUE]) == []


def test_after_a_stop_everything_is_drawn_again(begin: Callable[..., TerminalSession]) -> None:
    session = begin(*OURS, "--org", ORGANIZATION)
    settle(session, "key_001")
    before = session.looks()
    stat = Path(f"/proc/{session.pid}/stat")
    session.signal(signal.SIGSTOP)
    session.wait_for(lambda _: stat.read_text().rpartition(")")[2].split()[0] == "T")
    written = len(session.raw)
    session.signal(signal.SIGCONT)
    session.wait_for(lambda session: b"\x1b[?1049h" in session.raw[written:])
    session.wait_for(lambda session: session.looks() == before)
    session.send(DOWN)
    session.wait_for(lambda session: session.looks() != before)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_after_a_suspension_everything_is_drawn_again(
    begin: Callable[..., TerminalSession],
) -> None:
    session = begin("bash", "--norc", "--noprofile", "-i")
    session.wait_for("prompt>")
    session.send(f"'{sys.executable}' -W error '{THROWAWAY}' none\r")
    settle(session, "ready")
    before = session.looks()
    session.send(F4)
    session.wait_for("Stopped")
    session.send("fg\r")
    session.wait_for(lambda session: session.looks() == before)
    session.send(F10)
    session.wait_for(lambda session: "ready" not in session.screen_text())


@pytest.mark.parametrize("how", ["a size that came back", "ctrl+r"])
def test_a_disturbed_terminal_is_drawn_again(
    begin: Callable[..., TerminalSession], how: str
) -> None:
    session = begin(*OURS, "--org", ORGANIZATION)
    settle(session, "key_001")
    before = session.looks()
    session.garble()
    if how == "ctrl+r":
        session.send("\x12")
    else:
        # The terminal has moved what it shows, and has its size again when it is asked for it.
        session.signal(signal.SIGWINCH)
    session.wait_for(lambda session: session.looks() == before)


def test_a_large_drawing_is_shown_at_once_where_the_terminal_can(
    begin: Callable[..., TerminalSession],
) -> None:
    session = begin(*OURS, "--org", ORGANIZATION)
    settle(session, "key_001")
    session.send("\x1b[?2026;2$y")
    written = len(session.raw)
    session.send(DOWN)
    session.wait_quiet(0.3)
    assert len(session.raw) > written
    assert SYNC_START.encode() not in session.raw[written:]
    session.send("a")
    settle(session, "Add a config")
    sent = session.raw[written:]
    assert sent.count(SYNC_START.encode()) == sent.count(SYNC_END.encode()) > 0


def test_what_goes_wrong_in_the_layer_ends_only_the_layer(
    begin: Callable[..., TerminalSession],
) -> None:
    session = begin(sys.executable, "-W", "error", str(THROWAWAY), "wire")
    settle(session, "ready")
    session.send(F2)
    settle(session, "drawn by Textual")
    written = len(session.raw)
    session.send("typed")
    session.wait_for("typed  ")
    session.send("more")
    session.wait_for("typedmore")
    # Textual repaints the field as a whole.
    assert b"typedm" in session.raw[written:]
    session.send(F10)
    assert session.wait_exit() == 0
    assert sweep(session.evidence, [VALUE]) == []


# What is relied upon in Textual


def test_textual_is_as_it_was_read() -> None:
    assert fits(App())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda patch: patch.setattr(wired_app, "_VERSION", "8.2.9"), id="version"),
        pytest.param(
            lambda patch: patch.setattr(wired_app, "_ATTRIBUTES", ("_no_such",)), id="attribute"
        ),
        pytest.param(
            lambda patch: patch.setitem(
                wired_app._PARAMETERS, "textual.app:App._display", "self screen renderable more"
            ),
            id="parameter",
        ),
        pytest.param(lambda patch: patch.delattr(Strip, "render_ansi"), id="missing"),
    ],
)
def test_another_textual_draws_by_itself(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    app: App[None] = App()
    change(monkeypatch)
    assert not fits(app)


def test_private_names_are_there() -> None:
    """Without one of them, the layer would be off without anybody noticing."""
    for owner, name in (
        (App, "_display"),
        (LayoutUpdate, "render_segments"),
        (ChopsUpdate, "render_segments"),
        (Strip, "render_ansi"),
    ):
        assert callable(getattr(owner, name))
    assert "_ansi" in Style.__slots__
    assert textual.__version__ == wired_app._VERSION
    assert (SYNC_START, SYNC_END) == (_ansi_sequences.SYNC_START, _ansi_sequences.SYNC_END)
