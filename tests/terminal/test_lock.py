"""The lock in a real terminal: nothing of the data is left on it, and nothing typed is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bifrost_tui.settings import load_settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.support import plain, secret
from tests.terminal.harness import ENTER, TAB, TerminalSession, sweep

ORGANIZATION, KEY, VALUE = "Zebra Planted Ltd", "planted_key_of_zebra", "planted-plain-value"
HALF = "half_typed_key"
SECRET = "zQ7-planted-secret-value"
PHRASE, WRONG = "zQ8-planted-passphrase", "zQ9-planted-wrong-one"
LOCK_NOW, CLEAR = "\x0c", "\x15"
COMMAND = [sys.executable, "-m", "bifrost_tui", "--org", ORGANIZATION]


def test_a_locked_terminal_shows_nothing_and_loses_nothing(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    me = Access(actor_name(), "local")
    with create_repository(load_settings(environ), me, make_key=True) as repository:
        scope = repository.organizations.add(me, ORGANIZATION)
        repository.configs.add(me, scope, plain(KEY, VALUE))
        repository.configs.add(me, scope, secret("another_planted_key", SECRET))
        repository.presence.set(me, EnteredSecret(PHRASE))
    shown = [ORGANIZATION, KEY, VALUE, "another_planted_key", "bifrost.db", HALF]
    with TerminalSession(COMMAND, size=(100, 30), env=environ) as session:
        session.wait_for(KEY)
        session.send("a")
        session.wait_for(f"Add a config to {ORGANIZATION}")
        session.send(HALF)
        session.wait_for(HALF)
        # Both at once: the second key does not reach the form either.
        session.send(f"{LOCK_NOW}x")
        session.wait_for("Passphrase")
        session.wait_quiet(0.3)
        before = len(session.raw)
        session.send(f"{TAB}{WRONG}{ENTER}")
        session.wait_for("That is not the passphrase.")
        session.resize(90, 28)
        session.wait_quiet(0.3)
        since = session.raw[before:]
        for text in (session.screen_text().encode(), since):
            assert sweep(text, shown) == []
        session.send(CLEAR)
        session.paste(PHRASE)
        session.send(ENTER)
        session.wait_for(HALF)
        assert f"{HALF}x" not in session.screen_text()
        assert ORGANIZATION in session.screen_text()
        session.send("yz")
        session.wait_for(f"{HALF}yz")
        session.send(LOCK_NOW)
        session.wait_for("Passphrase")
        session.send("\x11")
        assert session.wait_exit() == 0
        assert session.attributes_restored()
        assert sweep(session.raw, [SECRET, PHRASE, WRONG]) == []
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert sweep(path.read_bytes(), [SECRET, PHRASE, WRONG]) == [], path
