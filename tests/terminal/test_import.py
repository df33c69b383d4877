"""Importing at a real terminal: who pipes a file in is asked at the terminal all the same."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.support import listed, plain
from tests.terminal.harness import ENTER, TerminalSession

BUNDLE = """\
bifrost_tui_bundle: 1
program: a test
organizations:
- name: Acme
  configs:
  - {key: LIMIT, type: int, value: 8, description: "a text that is far too long for a line of it"}
  - {key: NEW, type: secret, value: null}
"""


@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_questions_reach_the_terminal(tmp_path: Path, piped: bool) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    me = Access(actor_name(), "local")
    with create_repository(load_settings(environ), me, make_key=True) as repository:
        scope = repository.organizations.add(me, "Acme")
        repository.configs.add(me, scope, plain("LIMIT", "7"))
    file = tmp_path / "all.yaml"
    file.write_text(BUNDLE)
    program = f"{shlex.quote(sys.executable)} -m bifrost_tui import"
    words = f"cat {file} | {program} -" if piped else f"{program} {file}"
    for answers, code in ((["k", ""], 1), (["o", "y"], 0)):
        with TerminalSession(["sh", "-c", words], env=environ) as session:
            session.wait_for("overwrite, keep or stop? [o/k/S]")
            shown = session.screen_text()
            assert all(len(line) <= 80 for line in shown.splitlines())
            assert "2 configs: 1 new, 1 differs." in shown
            session.send(f"{answers[0]}{ENTER}")
            session.wait_for("Import this? [y/N]")
            session.send(f"{answers[1]}{ENTER}")
            session.wait_for("Imported: " if code == 0 else "Nothing was imported.")
            assert session.wait_exit() == code
            assert session.attributes_restored()
    with open_repository(load_settings(environ), me) as repository:
        assert [view.value for view in listed(repository, me, scope)] == ["8", None]
