"""The master key changed by a command: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.cli import key_rotating
from bifrost_tui.crypto.master_key import MasterKey
from bifrost_tui.store.rekeying import MasterKeys
from tests.support import ALICE, BOB, KEY, NEW_KEY, OTHER_KEY, by_hand, events, planted, secret
from tests.unit.cli_support import Cli, act_as, opened, the_database

pytestmark = pytest.mark.both_engines

OLD, NEW = (MasterKey(key.encode()).key_id for key in (KEY, NEW_KEY))


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """Commands over a database with some secrets under the old key."""
    cli.secrets += planted()
    with opened() as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        for number, value in enumerate(planted()):
            repository.configs.add(ALICE, scope, secret(f"S{number}", value, partial_mask=True))
        repository.configs.add(ALICE, scope, secret("EMPTY"))
    return cli


def give(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", ",".join(keys))


def test_a_rotation_says_what_it_did_and_that_the_old_key_can_go(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, NEW_KEY, KEY)
    assert f"4 secrets under an old key: `bifrost-tui key rotate` encrypts them under {NEW}." in (
        filled("key", "status").err
    )
    before = by_hand(the_database(), "SELECT * FROM config ORDER BY id")
    told = len(events(the_database()))
    ran = filled("key", "rotate", "--dry-run")
    assert f"4 secrets would be re-encrypted under {NEW}; 0 were already." in ran.err
    assert "Nothing was changed." in ran.err
    assert f"Key {OLD} can go afterwards." in ran.err
    assert ran.out == ""
    assert by_hand(the_database(), "SELECT * FROM config ORDER BY id") == before
    assert len(events(the_database())) == told

    ran = filled("key", "rotate")
    assert ran.out == ""
    assert f"4 secrets re-encrypted under {NEW}; 0 were already." in ran.err
    assert f"Key {OLD} can go" in ran.err
    assert "Take it out of BIFROST_SECRET_KEY" in ran.err
    assert f"Key {OLD} is not needed any more" in filled("key", "status").err
    assert "0 secrets re-encrypted" in filled("key", "rotate").err

    give(monkeypatch, KEY)
    assert "does not fit the database" in filled("key", "status", code=1).err
    give(monkeypatch, NEW_KEY)
    assert [view["state"] for view in filled.configs("--org", "Acme").values()] == [
        "needs_value",
        *["ok"] * 4,
    ]
    [use] = filled("key", "status", "--json").json
    assert (use["key_id"], use["secrets"]) == (NEW, 4)
    ran = filled("key", "rotate")
    assert f"Nothing to do: {NEW} is the only master key given" in ran.err
    assert "BIFROST_SECRET_KEY=new,old" in ran.err
    assert "all fit" in filled("audit", "verify").err
    for key in (KEY, NEW_KEY):
        assert key not in ran.err


def test_what_cannot_be_re_encrypted_is_named_and_ends_with_1(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(the_database(), "UPDATE config SET secret = 'gAAAAA' || secret WHERE key = 'S1'")
    give(monkeypatch, OTHER_KEY, KEY)
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "acme")
        repository.configs.add(ALICE, scope, secret("ELSEWHERE", "x-value-of-another-key"))
    give(monkeypatch, NEW_KEY, KEY)
    before = by_hand(the_database(), "SELECT * FROM config WHERE key IN ('S1', 'ELSEWHERE')")
    for arguments in (["--dry-run"], []):
        ran = filled("key", "rotate", *arguments, code=1)
        named = [line.split()[:2] for line in ran.lines[1:]]
        assert named == [["Acme", "ELSEWHERE"], ["Acme", "S1"]]
        assert "which is not at hand" in ran.lines[1]
        assert "its ciphertext is damaged or belongs elsewhere; rotate it" in ran.lines[2]
        assert "2 secrets cannot be re-encrypted, and are as before." in ran.err
        assert f"Keep key {OLD}" in ran.err
    after = by_hand(the_database(), "SELECT * FROM config WHERE key IN ('S1', 'ELSEWHERE')")
    assert after == before
    report = filled("key", "rotate", "--json", code=1).json
    assert (report["re_encrypted"], report["already"], report["failures"]) == (0, 3, 2)
    assert [found["key"] for found in report["failed"]] == ["ELSEWHERE", "S1"]
    assert {found["organization"] for found in report["failed"]} == {"Acme"}
    assert report["unused"] == []
    assert set(report["needed"]) == {OLD, MasterKey(OTHER_KEY.encode()).key_id}

    filled("configs", "rotate", "S1", "--org", "Acme", stdin="a-new-value-of-it")
    filled("configs", "delete", "ELSEWHERE", "--org", "Acme", "--yes")
    assert "0 secrets re-encrypted" in filled("key", "rotate").err
    give(monkeypatch, KEY)
    filled("key", "status", code=1)


def test_many_failures_are_cut_short(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotating, "_SHOWN", 3)
    by_hand(the_database(), "UPDATE config SET secret = substr(secret, 2) WHERE secret <> ''")
    give(monkeypatch, NEW_KEY, KEY)
    ran = filled("key", "rotate", code=1)
    assert len(ran.lines) == 4
    assert "1 more are not listed; --json lists 4 of all." in ran.err


def test_only_an_owner_of_all_organizations_may(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled("members", "add", BOB.actor, "--all-orgs", "--role", "admin")
    give(monkeypatch, NEW_KEY, KEY)
    act_as(monkeypatch, BOB.actor)
    assert "takes an owner of all organizations" in filled("key", "rotate", code=1).err
    assert events(the_database())[-1] == ("key.rotate", None, None, "refused")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_batch_at_hand(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    give(monkeypatch, NEW_KEY, KEY)
    rotate = MasterKeys.rotate

    def interrupted(self: MasterKeys, *args: Any, progress: Any, **more: Any) -> Any:
        def step(done: int, total: int) -> None:
            progress(done, total)
            if done == 2:
                os.kill(os.getpid(), number)

        return rotate(self, *args, progress=step, **{**more, "batch": 2})

    monkeypatch.setattr(MasterKeys, "rotate", interrupted)
    before = signal.getsignal(number)
    ran = filled("key", "rotate", "--json", code=128 + number)
    assert signal.getsignal(number) is before
    report = json.loads(ran.data)
    assert (report["cancelled"], report["re_encrypted"], report["left"]) == (True, 2, 2)
    assert report["needed"] == [OLD]
    assert f"Stopped: 2 secrets re-encrypted under {NEW}, 2 left." in ran.err
    monkeypatch.setattr(MasterKeys, "rotate", rotate)
    assert "2 secrets re-encrypted" in filled("key", "rotate").err


def test_keys_in_a_file_are_named_by_its_path(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.touch(0o600)
    file.write_text(f"{NEW_KEY}\n{KEY}\n")
    monkeypatch.delenv("BIFROST_SECRET_KEY")
    monkeypatch.setenv("BIFROST_SECRET_KEY_FILE", str(file))
    ran = filled("key", "rotate")
    assert str(file) in ran.err.replace("\n", "")
    assert KEY not in ran.err
