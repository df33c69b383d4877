"""A master key is changed by keyboard, in a real terminal: stopped in the middle, and gone on.

Then every byte is searched, on the terminal and on the disk.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bifrost_tui.errors import WrongMasterKeyError
from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.keys import make_key_file
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.support import listed, opened, secret
from tests.terminal.harness import ENTER, TerminalSession, sweep

VALUES = ("zQ7-planted-under-the-old-key", "zQ8-planted-there-as-well")
COUNT = 2500
"""Two batches and a half."""
REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.terminal.apps.held_rotation"]
RIGHT, ESC = "\x1b[C", "\x1b"


def test_a_rotation_is_stopped_and_goes_on(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    settings, me = load_settings(environ), Access(actor_name(), "local")
    with create_repository(settings, me, make_key=True) as repository:
        scope = repository.organizations.add(me, "Acme")
        values = (VALUES[at % len(VALUES)] for at in range(COUNT))
        drafts = (secret(f"secret_{at:04}", value) for at, value in enumerate(values))
        write_configs(repository, me, scope, map(BulkConfig, drafts))
    old_key = settings.key_file.read_text()
    new_id = make_key_file(tmp_path / "new.key")
    new_key = (tmp_path / "new.key").read_text()
    settings.key_file.write_text(new_key + old_key)

    with TerminalSession(COMMAND, size=(100, 30), env=environ, cwd=REPOSITORY) as session:

        def press(*keys: str, then: str) -> None:
            for key in keys:
                session.send(key)
            session.wait_for(then)

        session.wait_for("Acme")
        press("M", then=f"re-encrypt {COUNT:,} secrets under {new_id}")
        press("r", then="[ Cancel ]")
        press(RIGHT, then="[ Dry run ]")
        press(ENTER, then=f"{COUNT:,} would be re-encrypted")
        press("r", then="[ Cancel ]")
        press(RIGHT, RIGHT, then="[ Re-encrypt ]")
        press(ENTER, then=f"1,000 of {COUNT:,}")
        press(ESC, then="Stopped with 1,000 secrets re-encrypted; r goes on from there")
        session.wait_for(f"Go on (r): re-encrypt {COUNT - 1000:,} secrets")
        press("r", then="[ Cancel ]")
        press(RIGHT, RIGHT, ENTER, then=f"{COUNT - 1000:,} secrets re-encrypted under {new_id}")
        session.wait_for("can go: nothing is encrypted under it any more")
        press("q", then="")
        assert session.wait_exit() == 0
        assert session.attributes_restored()
        assert sweep(session.evidence, [new_id])
        assert sweep(session.evidence, [*VALUES, old_key.strip(), new_key.strip()]) == []

    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert sweep(path.read_bytes(), VALUES) == [], path
    settings = load_settings(environ)
    settings.key_file.write_text(old_key)
    with pytest.raises(WrongMasterKeyError):
        open_repository(settings, me)
    settings.key_file.write_text(new_key)
    _assert_values(settings, me)


def _assert_values(settings: Settings, me: Access) -> None:
    with open_repository(settings, me) as repository:
        views = listed(repository, me, repository.organizations.find(me, "Acme"))
        assert len(views) == COUNT
        for view in (views[0], views[1001], views[-1]):
            value = VALUES[int(view.key[-4:]) % len(VALUES)]
            assert opened(repository, view) == value.encode()
