"""Ten overdue secrets over three organizations, rotated by keyboard in a real terminal.

Old and new values are then looked for in all that was written to the terminal, in every file of the
home and of the temporary folder, and in the process's own command line.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from bifrost_tui.store.bulk import BulkConfig, write_organization
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import Waiting
from bifrost_tui.terminal import actor_name
from tests.support import opened, secret
from tests.terminal.harness import TerminalSession, sweep

PLACES = (("Acme Dental", 4), ("Bright Logistics", 3), ("Coastal Realty", 3))
KEYS = [f"{name[0].lower()}_key_{at}" for name, count in PLACES for at in range(count)]
OLD = [f"old-value-{at:02}-Wq71Zz05-overdue" for at in range(10)]
NEW = [f"new-value-{at:02}-Hb39Lm62-rotated" for at in range(10)]
COMMAND = [sys.executable, "-m", "bifrost_tui"]
ENTER, TAB, PALETTE = "\r", "\t", "\x10"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An operator's environment over SSH, with a database in which ten secrets are overdue."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir(mode=0o700)
    made = {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "SSH_CONNECTION": "10.1.4.7 50022 10.1.4.1 22",
    }
    me = Access(actor_name(), "10.1.4.7")
    now = datetime.now(UTC)
    values = iter(OLD)
    with create_repository(load_settings(made), me, make_key=True) as repository:
        for at, (name, count) in enumerate(PLACES):
            configs = [
                BulkConfig(
                    secret(f"{name[0].lower()}_key_{key}", next(values), rotate_every_days=30),
                    # In the order of the organizations, the oldest first.
                    now - timedelta(days=90 - 10 * at - key),
                )
                for key in range(count)
            ]
            write_organization(repository, me, name, configs)
    return made


def _begin(session: TerminalSession, waiting: int) -> None:
    session.wait_for("3 organizations")
    session.send(PALETTE)
    session.wait_for("Search for commands")
    session.send("overdue in every")
    session.wait_for("Rotate all that are overdue in every organization")
    session.send(ENTER)
    session.wait_for(f"1 of {waiting}")


def _rotate(session: TerminalSession, at: int) -> None:
    """Give the secret whose turn it is its new value: one paste and one Enter."""
    session.wait_for(f"{KEYS[at]} in ")
    session.paste(NEW[at])
    session.wait_for("fingerprint")
    session.send(ENTER)


def _values(environ: dict[str, str]) -> list[str | None]:
    me = Access(actor_name(), "10.1.4.7")
    found: list[str | None] = []
    with open_repository(load_settings(environ), me) as repository:
        assert repository._context.chain.verify().broken_at is None
        for name, count in PLACES:
            scope = repository.organizations.find(me, name)
            for at in range(count):
                view = repository.configs.get_key(me, scope, f"{name[0].lower()}_key_{at}")
                value = opened(repository, view)
                found.append(value.decode() if value else None)
    return found


def _assert_nowhere(session: TerminalSession, environ: dict[str, str]) -> None:
    assert sweep(session.evidence, ["Coastal Realty"]), "searching works"
    assert sweep(session.evidence, [*OLD, *NEW]) == []
    for root in (Path(environ["HOME"]), Path(environ["TMPDIR"])):
        for path in root.rglob("*"):
            if path.is_file():
                assert sweep(path.read_bytes(), [*OLD, *NEW]) == [], path


def test_ten_overdue_secrets_are_rotated_by_keyboard(environ: dict[str, str]) -> None:
    with TerminalSession(COMMAND, size=(100, 30), env=environ) as session:
        _begin(session, 10)
        for at in range(10):
            _rotate(session, at)
        session.wait_for("10 rotated")
        arguments = Path(f"/proc/{session.pid}/cmdline")
        assert not arguments.exists() or not sweep(arguments.read_bytes(), [*OLD, *NEW])
        session.send(ENTER)
        session.wait_for("10 rotated.")
        session.send("q")
        assert session.wait_exit() == 0
        assert session.attributes_restored()
        _assert_nowhere(session, environ)
    assert _values(environ) == NEW


def test_killed_in_the_middle_the_rest_is_found_again(environ: dict[str, str]) -> None:
    with TerminalSession(COMMAND, size=(100, 30), env=environ) as session:
        _begin(session, 10)
        for at in range(4):
            _rotate(session, at)
        session.wait_for("4 rotated")
        # The fifth is entered and not saved.
        session.wait_for(f"{KEYS[4]} in ")
        session.paste(NEW[4])
        session.wait_for("fingerprint")
        session.signal(signal.SIGKILL)
        session.wait_exit()
        _assert_nowhere(session, environ)
    assert _values(environ) == [*NEW[:4], *OLD[4:]]
    me = Access(actor_name(), "10.1.4.7")
    with open_repository(load_settings(environ), me) as repository:
        assert len(repository.everywhere.waiting(me, Waiting.OVERDUE)) == 6
    with TerminalSession(COMMAND, size=(100, 30), env=environ) as session:
        _begin(session, 6)
        for at in range(4, 10):
            _rotate(session, at)
        session.wait_for("6 rotated")
        session.send(ENTER)
        session.send("q")
        assert session.wait_exit() == 0
        _assert_nowhere(session, environ)
    assert _values(environ) == NEW
