"""An import and an export by keyboard, in a real terminal; then every byte is searched."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

from tests.terminal.harness import TerminalSession, sweep

PLANTED = "planted-in-a-dotenv-file-Qx73Lm"
ENTER, ESC, TAB, RIGHT = "\r", "\x1b", "\t", "\x1b[C"


def test_a_dotenv_file_comes_in_and_a_bundle_goes_out(tmp_path: Path) -> None:
    home, files = tmp_path / "home", tmp_path / "files"
    for folder in (home, files):
        folder.mkdir(mode=0o700)
    (files / "shop.env").write_text(f"BRAND=teal\nDEPLOY_TOKEN={PLANTED}\n")
    (files / "shop.env").chmod(0o600)
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "SSH_CONNECTION": "10.1.4.7 50022 10.1.4.1 22",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "bifrost_tui"]
    with TerminalSession(command, size=(80, 24), env=environ, cwd=files) as session:

        def press(*keys: str, then: str) -> None:
            for key in keys:
                session.send(key)
            session.wait_for(then)

        session.wait_for("Nothing is set up yet")
        press(ENTER, then="Created, with the master key")
        press("a", then="Add an organization")
        press("Acme Dental", ENTER, then="Acme Dental is saved")
        press(ENTER, then="0 configs")

        press("x", then="Export, import · Acme Dental")
        press("i", then="Names begin in")
        press("shop.env", TAB, RIGHT, then="[Acme Dental]")
        press("\x13", then=".env file, into Acme Dental")
        # In no colour, the words say it: which are new, and which of them is a secret.
        session.wait_for("+ new")
        assert "DEPLOY_TOKEN" in session.screen_text()
        press(ENTER, then="[ Cancel ]")
        press(RIGHT, then="[ Import ]")
        press(ENTER, then="shop.env is imported")
        press(ENTER, then="2 configs")

        press("x", then="Export, import")
        press(ENTER, then="acme-dental.json")
        press(ENTER, then="1 secret without its value")
        session.send("q")
        assert session.wait_exit() == 0
        assert sweep(session.evidence, ["DEPLOY_TOKEN"])
        assert sweep(session.evidence, [PLANTED]) == []

    out = files / "acme-dental.json"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    configs = json.loads(out.read_text())["organizations"][0]["configs"]
    assert [(each["key"], each["type"], each["value"]) for each in configs] == [
        ("BRAND", "string", "teal"),
        ("DEPLOY_TOKEN", "secret", None),
    ]
    assert {path.name for path in files.iterdir()} == {"shop.env", "acme-dental.json"}
    for path in (*home.rglob("*"), out):
        if path.is_file():
            assert sweep(path.read_bytes(), [PLANTED]) == [], path.name
