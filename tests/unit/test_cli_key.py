"""Keys, setup and locate through commands."""

from __future__ import annotations

import stat
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from tests.support import ALICE, KEY, NEW_KEY, events, secret
from tests.unit.cli_support import Cli, act_as, database_file, opened


@pytest.fixture
def fresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The commands of a user who has nothing yet."""
    act_as(monkeypatch, "alice")
    return Cli(home)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_generate_writes_a_key_into_a_pipe(fresh: Cli) -> None:
    keys = {fresh("key", "generate").data for _ in range(3)}
    assert len(keys) == 3
    for key in keys:
        assert key.endswith(b"\n")
        assert len(urlsafe_b64decode(key.strip() + b"=")) == 32
    assert list(fresh.home.rglob("*")) == []


def test_generate_writes_a_file_once(fresh: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new" / "bifrost.key"
    ran = fresh("key", "generate", "--file", str(file))
    assert ran.out == ""
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    text = file.read_text().strip()
    assert text not in ran.err
    assert f"BIFROST_SECRET_KEY_FILE={file}" in ran.err
    before = file.read_bytes()
    ran = fresh("key", "generate", "--file", str(file), code=1)
    assert "exists. Nothing was written." in ran.err
    assert file.read_bytes() == before


def test_status_counts_secrets_by_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("OLD", "a-value-of-before"))
    [old] = cli("key", "status", "--json").json
    assert old == {
        "key_id": old["key_id"],
        "at_hand": True,
        "writes": True,
        "secrets": 1,
        "source": "BIFROST_SECRET_KEY",
    }
    monkeypatch.setenv("BIFROST_SECRET_KEY", f"{NEW_KEY},{KEY}")
    with opened() as repository:
        repository.configs.add(ALICE, scope, secret("NEW", "a-value-of-now-1"))
        repository.configs.add(ALICE, scope, secret("EMPTY"))
    new, kept = cli("key", "status", "--json").json
    assert (new["writes"], new["secrets"]) == (True, 1)
    assert kept == old | {"writes": False}
    lines = cli("key", "status").lines
    assert lines[0].split() == ["KEY", "AT", "HAND", "WRITES", "SECRETS", "SOURCE"]
    assert lines[2].split() == [old["key_id"], "yes", "no", "1", "BIFROST_SECRET_KEY"]

    monkeypatch.setenv("BIFROST_SECRET_KEY", NEW_KEY)
    ran = cli("key", "status", "--json", code=3)
    missing = ran.json[-1]
    assert missing == old | {"at_hand": False, "writes": False, "source": None}
    assert f"Key {old['key_id']} is not at hand: 1 of the secrets cannot be read." in ran.err
    for text in (KEY, NEW_KEY):
        assert text not in ran.out + ran.err


def test_status_of_nothing_and_of_a_wrong_key(fresh: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no database" in fresh("key", "status", code=1).err
    fresh("setup", "--make-key")
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    assert "does not fit the database" in fresh("key", "status", code=1).err


def test_setup_makes_what_locate_announces(fresh: Cli) -> None:
    before = fresh("locate", "--json").json
    assert (before["database_exists"], before["key_source"]) == (False, None)
    assert "not made yet" in fresh("locate").out
    assert "no master key" in fresh("setup", code=1).err
    assert list(fresh.home.rglob("*")) == []

    ran = fresh("setup", "--make-key")
    database, key_file = Path(before["database_file"]), Path(before["new_key_file"])
    assert str(database) in ran.out
    assert str(key_file) in ran.out
    assert "alice" in ran.out
    assert key_file.read_text().strip() not in ran.out + ran.err
    assert [mode(path) for path in (database, key_file)] == [0o600, 0o600]
    assert [mode(path.parent) for path in (database, key_file)] == [0o700, 0o700]
    after = fresh("locate", "--json").json
    assert after == before | {
        "database_exists": True,
        "key_source": "key file",
        "key_file": str(key_file),
    }
    fresh("orgs", "add", "Acme")
    assert events(database_file())[0][0] == "database.create"

    kept = (database.read_bytes(), key_file.read_bytes())
    assert "exists already" in fresh("setup", "--make-key", code=1).err
    assert (database.read_bytes(), key_file.read_bytes()) == kept


def test_setup_takes_a_key_that_is_there(fresh: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", "too-short")
    assert "too few" in fresh("setup", "--make-key", code=1).err
    assert not load_settings().key_file.exists()
    assert not database_file().exists()
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    ran = fresh("setup", "--make-key")
    assert "BIFROST_SECRET_KEY" in ran.out
    assert KEY not in ran.out + ran.err
    assert not load_settings().key_file.exists()


def test_locate_reads_no_key_and_shows_none(fresh: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    for ran in (fresh("locate"), fresh("locate", "--json")):
        assert KEY not in ran.out + ran.err
        assert "BIFROST_SECRET_KEY" in ran.out
    monkeypatch.delenv("BIFROST_SECRET_KEY")
    monkeypatch.setenv("BIFROST_SECRET_KEY_FILE", "/nowhere/key")
    assert fresh("locate", "--json").json["key_file"] == "/nowhere/key"
    monkeypatch.setenv("BIFROST_THEME", "pink")
    assert "no theme 'pink'" in fresh("locate", code=1).err
