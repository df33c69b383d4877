"""Asking for a secret at a real terminal: no echo, whole pastes, and the terminal given back."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.support import KEY, assert_nowhere, opened, planted, secret
from tests.terminal.harness import TerminalSession, sweep

ME = Access(actor_name(), "local")
FIRST = "the-first-value-123"
ASKED = "not shown"
TYPED, PEM, *_ = planted()

Act = Callable[[TerminalSession], None]


@pytest.fixture
def home_with_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setenv("TERM", "xterm-256color")
    with create_repository(load_settings(), ME) as repository:
        scope = repository.organizations.add(ME, "Acme")
        repository.configs.add(ME, scope, secret("KEY", FIRST))
    return home


def held() -> bytes | None:
    with open_repository(load_settings(), ME) as repository:
        scope = repository.organizations.find(ME, "Acme")
        return opened(repository, repository.configs.get_key(ME, scope, "KEY"))


def at_terminal(
    act: Act, *args: str, waiting_for: str = ASKED, code: int = 0, **environ: str
) -> str:
    """Run a command, act when it asks, and return what is on the screen afterwards."""
    command = [sys.executable, "-m", "bifrost_tui", *(args or ("configs", "rotate", "KEY"))]
    with TerminalSession([*command, "--org", "Acme"], env={**os.environ, **environ}) as terminal:
        terminal.wait_for(waiting_for)
        act(terminal)
        found = terminal.wait_exit()
        assert found == code, terminal.screen_text()
        assert terminal.attributes_restored()
        assert terminal.private_modes().get(2004, False) is False
        assert sweep(terminal.evidence, [TYPED, PEM, FIRST]) == []
        return " ".join(terminal.screen_text().split())


def typed(keys: str | bytes) -> Act:
    return lambda terminal: terminal.send(keys)


def test_a_typed_value_is_not_echoed_and_loses_its_newline(home_with_key: Path) -> None:
    said = at_terminal(typed(f"{TYPED}\r"))
    assert "New value of KEY in Acme (not shown)" in said
    assert "Rotated KEY in Acme." in said
    assert held() == TYPED.encode()
    assert_nowhere([TYPED], [home_with_key])


@pytest.mark.parametrize("newline", ["\r", "\n", "\r\n"])
def test_a_paste_is_taken_whole(home_with_key: Path, newline: str) -> None:
    def paste(terminal: TerminalSession) -> None:
        terminal.paste(PEM, newline=newline)
        terminal.send("\r")

    assert "3 lines, 64+ characters, PEM private key" in at_terminal(paste)
    # Where the terminal sent line feeds, they are as they were.
    expected = PEM if newline != "\r\n" else PEM.replace("\n", "\r\n")
    assert held() == expected.encode()
    assert_nowhere([PEM], [home_with_key])


def test_a_long_line_is_taken_whole(home_with_key: Path) -> None:
    """A terminal in its usual mode cuts a line at 4,095 characters."""
    long = TYPED + "x" * 20_000
    at_terminal(typed(f"{long}\r"))
    assert held() == long.encode()


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        (f"{TYPED}xé\x7f\x7f\r", TYPED),
        (f"wrong\x15{TYPED}\r", TYPED),
        (f"{TYPED}\x1b[D\x1bOA\x1b[3~\r", TYPED),
        (f"{TYPED}\ttab\x04", f"{TYPED}\ttab"),
    ],
)
def test_keys_that_edit(home_with_key: Path, keys: str, kept: str) -> None:
    at_terminal(typed(keys))
    assert held() == kept.encode()


def test_lines_of_an_unmarked_paste_do_not_reach_the_shell(home_with_key: Path) -> None:
    said = at_terminal(typed(PEM.replace("\n", "\r")), code=1, TERM="dumb")
    assert "More than one line came" in said
    assert held() == FIRST.encode()


def test_control_characters_are_refused(home_with_key: Path) -> None:
    assert "control character" in at_terminal(typed("abc\x1bx\r"), code=1)
    assert held() == FIRST.encode()


def test_nothing_entered_changes_nothing(home_with_key: Path) -> None:
    assert "nothing was changed" in at_terminal(typed("\r"), code=1)
    said = at_terminal(typed("\r"), "configs", "set", "KEY", "--description", "new")
    assert "Changed KEY (secret) in Acme." in said
    assert held() == FIRST.encode()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (typed(f"{TYPED}\x03"), 130),
        (lambda terminal: terminal.signal(signal.SIGTERM), 128 + signal.SIGTERM),
        (lambda terminal: terminal.signal(signal.SIGHUP), 128 + signal.SIGHUP),
    ],
)
def test_leaving_gives_the_terminal_back(home_with_key: Path, act: Act, code: int) -> None:
    at_terminal(act, code=code)
    assert held() == FIRST.encode()


def test_deleting_a_secret_takes_its_key(home_with_key: Path) -> None:
    delete = ("configs", "delete", "KEY")
    asked = "Type KEY to delete it"
    assert "Nothing was deleted." in at_terminal(typed("y\r"), *delete, waiting_for=asked, code=1)
    assert "Nothing was deleted." in at_terminal(typed("\x04"), *delete, waiting_for=asked, code=1)
    at_terminal(typed("\x03"), *delete, waiting_for=asked, code=130)
    assert held() == FIRST.encode()
    assert "Deleted KEY in Acme." in at_terminal(typed("KEY\r"), *delete, waiting_for=asked)


def test_deleting_another_type_takes_a_yes(home_with_key: Path) -> None:
    at_terminal(
        lambda _: None, "configs", "set", "A", "--type", "int", "--value", "1", waiting_for="Added"
    )
    delete = ("configs", "delete", "A")
    asked = "Delete it? [y/N]"
    assert "Nothing was deleted." in at_terminal(typed("\r"), *delete, waiting_for=asked, code=1)
    assert "Deleted A in Acme." in at_terminal(typed("y\r"), *delete, waiting_for=asked)


def test_a_master_key_is_not_shown_on_a_terminal(home_with_key: Path) -> None:
    command = [sys.executable, "-m", "bifrost_tui", "key", "generate"]
    with TerminalSession(command) as terminal:
        assert terminal.wait_exit() == 2
        assert "--file PATH" in " ".join(terminal.screen_text().split())
