"""The lock through commands: when it comes, and the passphrase that opens it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.support import ALICE, KEY, add_member, assert_nowhere, make_repository
from tests.terminal.harness import TerminalSession, sweep
from tests.unit.cli_support import Cli, opened

pytestmark = pytest.mark.both_engines

MINE = "zQ7-planted-correct-horse"
OTHER = "zQ8-planted-the-next-one"
WRONG = "zQ9-planted-not-the-one"


@pytest.fixture
def cli(cli: Cli) -> Cli:
    cli.secrets += [MINE, OTHER, WRONG]
    return cli


def proves(text: str) -> bool:
    with opened() as repository:
        return repository.presence.proves(ALICE, EnteredSecret(text))


def test_status_says_when_it_locks_and_what_opens(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("lock", "status", "--json").json == {
        "actor": "alice",
        "lock_after": 10,
        "opens": "enter",
    }
    assert "after 10 minutes without a key" in cli("lock", "status").out
    cli("lock", "set", stdin=f"{MINE}\n")
    monkeypatch.setenv("BIFROST_LOCK_AFTER", "0")
    assert "never" in cli("lock", "status").out
    assert cli("lock", "status", "--json").json["opens"] == "passphrase"


def test_a_passphrase_is_set_changed_and_cleared_through_a_pipe(cli: Cli) -> None:
    assert "is set" in cli("lock", "set", stdin=MINE).err
    assert proves(MINE)
    assert "first" not in cli("lock", "set", stdin=f"{MINE}\n{OTHER}\n").err
    assert proves(OTHER)
    assert "Enter opens" in cli("lock", "clear", stdin=f"{OTHER}\n").err
    assert "No passphrase is set" in cli("lock", "clear", code=1).err


@pytest.mark.parametrize(
    ("stdin", "says"),
    [
        (f"{OTHER}\n", "Give the passphrase that is set, then the new one, each as a line."),
        (f"{WRONG}\n{OTHER}\n", "That is not the passphrase that is set."),
        (f"{MINE}\n{OTHER}\nmore\n", "each as a line"),
        (f"{MINE}\nshort\n", "at least 8 characters"),
        (b"\xff\xff\n", "not UTF-8"),
        ("", "each as a line"),
    ],
)
def test_what_cannot_be_taken_changes_nothing(cli: Cli, stdin: str | bytes, says: str) -> None:
    cli("lock", "set", stdin=f"{MINE}\n")
    assert says in cli("lock", "set", stdin=stdin, code=1).err
    assert proves(MINE)


def test_it_is_no_argument(cli: Cli) -> None:
    assert "argument too many" in cli("lock", "set", MINE, code=2).err


def test_at_a_terminal_it_is_asked_for_twice(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setenv("TERM", "xterm-256color")
    me = Access(actor_name(), "local")
    with make_repository(load_settings()) as repository:
        add_member(repository, me.actor, Role.OWNER)
    command = [sys.executable, "-m", "bifrost_tui", "lock", "set"]

    def run(*answers: tuple[str, str], code: int = 0) -> str:
        with TerminalSession(command, size=(100, 24), env=dict(os.environ)) as terminal:
            for question, typed in answers:
                terminal.wait_for(question)
                terminal.send(f"{typed}\r")
            assert terminal.wait_exit() == code, terminal.screen_text()
            assert sweep(terminal.raw, [MINE, OTHER, WRONG]) == []
            return terminal.screen_text()

    new, again, old = "New passphrase", "Once more", "that is set (not shown)"
    assert "not the same" in run((new, MINE), (again, WRONG), code=1)
    assert "is set" in run((new, MINE), (again, MINE))
    assert "is changed" in run((old, MINE), (new, OTHER), (again, OTHER))
    with open_repository(load_settings(), me) as repository:
        assert repository.presence.proves(me, EnteredSecret(OTHER))
    assert_nowhere([MINE, OTHER, WRONG], [home])
