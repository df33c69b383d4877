"""Two operators at two terminals: what one changes shows at the other's, who touches nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bifrost_tui.settings import DATABASE_VARIABLE, load_settings
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.databases import Databases
from tests.support import plain
from tests.terminal.harness import DOWN, TerminalSession

pytestmark = pytest.mark.both_engines

COMMAND = [sys.executable, "-m", "bifrost_tui"]


def test_a_change_of_another_process_shows_and_moves_nothing(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    if engine == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        environ[DATABASE_VARIABLE] = databases.url(tmp_path, empty=True)
    me = Access(actor_name(), "local")
    with create_repository(load_settings(environ), me, make_key=True) as repository:
        acme = repository.organizations.add(me, "Acme")
        for key in ("bravo", "charlie", "delta"):
            repository.configs.add(me, acme, plain(key))

    def change(*words: str) -> None:
        command = [*COMMAND, "configs", *words, "--org", "Acme"]
        done = subprocess.run(
            command, env=environ, capture_output=True, timeout=60, check=False, input=b"x"
        )
        assert done.returncode == 0, done.stderr

    def cursor(session: TerminalSession) -> str:
        return next(line for line in session.lines if line.startswith("▌"))

    with TerminalSession([*COMMAND, "--org", "Acme"], size=(100, 24), env=environ) as session:
        session.wait_for("delta")
        session.send(DOWN)
        session.wait_for(lambda session: "charlie" in cursor(session))
        change("set", "alpha", "--type", "string", "--value", "new")
        session.wait_for("alpha")
        session.wait_for("4 configs")
        assert "charlie" in cursor(session)
        change("delete", "delta", "--yes")
        session.wait_for("3 configs")
        assert "charlie" in cursor(session)
        assert "delta" not in session.screen_text()
        # Nothing is written where nothing changes.
        session.wait_quiet(2.5)
        written = len(session.raw)
        session.wait_quiet(1.5)
        assert len(session.raw) == written
        session.send("q")
        assert session.wait_exit() == 0
