"""The doctor finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from bifrost_tui.cli.base import Start
from bifrost_tui.settings import load_settings
from bifrost_tui.store import migrate
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from tests.support import ALICE, KEY, NEW_KEY, by_hand, events, planted, secret
from tests.unit.cli_support import Cli, database_file, days_ago, opened
from tests.unit.doctor_support import found, make_well

NAMES = ("Globex", "Initech")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def well(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A user with a key file and a database with a secret in it, and nothing wrong."""
    return make_well(home, monkeypatch)


def test_nothing_is_found_where_all_is_well(well: Cli) -> None:
    before = events(database_file())
    ran = well("doctor")
    assert ran.out == ""
    assert ran.err.startswith("All is well: ")
    assert well("doctor", "--json").json == []
    assert events(database_file()) == before


@pytest.mark.parametrize("suffix", ["", ".schema-0000.20260101-000000.bak"])
def test_a_file_that_others_can_read(well: Cli, suffix: str) -> None:
    file = Path(f"{database_file()}{suffix}")
    file.touch()
    file.chmod(0o640)
    checks = found(well)
    assert checks["file"]["level"] == "error"
    assert checks["file"]["do"] == f"bifrost-tui doctor --fix mends this. By hand: chmod 600 {file}"
    file.chmod(0o600)
    well("doctor")


def test_folders(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = database_file().parent
    folder.chmod(0o755)
    assert found(well)["folder"]["level"] == "warning"
    folder.chmod(0o777)
    assert found(well)["folder"]["level"] == "error"
    folder.chmod(0o755)
    # A folder of the user's own choice may be seen, not changed, by others.
    monkeypatch.setenv("BIFROST_DATABASE_URL", f"sqlite:///{database_file()}")
    well("doctor")
    folder.chmod(0o775)
    assert "chmod go-w" in found(well)["folder"]["do"]


def test_a_key_file_that_others_can_read(well: Cli) -> None:
    load_settings().key_file.chmod(0o644)
    checks = found(well)
    assert "mode 0644" in checks["key"]["what"]
    assert "chmod 600" in checks["key"]["do"]


def test_a_key_in_the_environment(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    text = load_settings().key_file.read_text().strip()
    well.secrets.append(text)
    load_settings().key_file.unlink()
    monkeypatch.setenv("BIFROST_SECRET_KEY", text)
    checks = found(well)
    assert list(checks) == ["environment"]
    assert "BIFROST_SECRET_KEY_FILE" in checks["environment"]["do"]
    assert "warning  environment: " in well("doctor", code=3).out


def test_debug_variables(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    checks = found(well, start=Start(cleared={"TEXTUAL_LOG": "1"}))
    assert checks["environment"]["do"] == "Run: unset PYTHONDEVMODE TEXTUAL_LOG"


def test_no_database_no_key_wrong_key(
    well: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BIFROST_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert found(well)["database"]["do"] == "Run: bifrost-tui setup"
    monkeypatch.delenv("BIFROST_DATABASE_URL")
    file = tmp_path / "other.key"
    file.write_text(KEY)
    file.chmod(0o600)
    monkeypatch.setenv("BIFROST_SECRET_KEY_FILE", str(file))
    checks = found(well)
    assert "does not fit the database" in checks["key"]["what"]
    monkeypatch.setenv("BIFROST_SECRET_KEY_FILE", str(tmp_path / "gone.key"))
    assert "key" in found(well)


def test_a_damaged_file_and_another_programs(well: Cli) -> None:
    file = database_file()
    by_hand(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    whole = file.read_bytes()
    # A page in the middle of the file.
    file.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    assert found(well)["database"]["level"] == "error"
    file.write_bytes(b"no database at all" * 100)
    assert "no SQLite database" in found(well)["database"]["what"]


def test_counts_and_chain(well: Cli) -> None:
    by_hand(database_file(), "UPDATE scope_summary SET configs = configs + 1")
    by_hand(database_file(), "UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3")
    checks = found(well)
    assert "2 scopes" in checks["counts"]["what"]
    assert "from event 3 on" in checks["audit"]["what"]


def test_an_older_schema_is_told_and_not_migrated(
    well: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(database_file(), "UPDATE bifrost_schema SET version_num = '0001'")
    migrations = []

    def upgrade(*given: object) -> tuple[str, ...]:
        migrations.append(given)
        return ()

    monkeypatch.setattr(migrate, "upgrade", upgrade)
    older = found(well)["schema"]
    assert older["level"] == "warning"
    assert "after a copy of the file beside it" in older["do"]
    assert older["do"].index("0002: ") < older["do"].index("0003: ")
    well("doctor", "--fix", code=3)
    assert migrations == []
    assert by_hand(database_file(), "SELECT version_num FROM bifrost_schema") == [("0001",)]
    by_hand(database_file(), "UPDATE bifrost_schema SET version_num = '0000'")
    assert "which no Bifrost TUI wrote" in found(well)["schema"]["what"]
    by_hand(database_file(), "UPDATE bifrost_schema SET version_num = '9999'")
    assert "newer Bifrost TUI" in found(well)["database"]["what"]


def test_secrets_that_want_something(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bifrost_tui.store.checks._PAGE", 1)
    with opened(days_ago(100)) as repository:
        globex, scope = (repository.organizations.add(ALICE, name) for name in NAMES)
        for late in (globex, scope):
            for number in range(2):
                draft = secret(f"LATE{number}", "a-late-value-123", rotate_every_days=30)
                repository.configs.add(ALICE, late, draft)
        repository.configs.add(
            ALICE, scope, secret("DUE", "a-due-value-1234", rotate_every_days=100)
        )
        repository.configs.add(ALICE, scope, secret("EMPTY"))
        repository.configs.add(ALICE, scope, secret("LONG", "x" * 60_000))
    for key in ("KEY", "LONG"):
        by_hand(database_file(), "UPDATE config SET secret = 'A' || secret WHERE key = ?", key)
    checks = found(well)
    assert checks["overdue"]["what"] == (
        "4 secrets are overdue for rotation: Globex (2), Initech (2)."
    )
    assert checks["due"]["what"] == "1 secret is due for rotation: Initech (1)."
    assert checks["needs_value"]["what"] == "1 secret needs a value: Initech (1)."
    assert checks["unreadable"]["what"] == "2 secrets cannot be read: Acme (1), Initech (1)."
    assert checks["unreadable"]["level"] == "error"
    assert [checks[name]["level"] for name in ("overdue", "due", "needs_value")] == ["warning"] * 3


def test_a_key_that_is_not_at_hand(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    old = load_settings().key_file.read_text().strip()
    file = load_settings().key_file
    file.write_text(f"{NEW_KEY}\n{old}\n")
    with opened():
        pass
    well("doctor")
    file.write_text(f"{NEW_KEY}\n")
    checks = found(well)
    assert "1 secret cannot be read without it" in checks["key"]["what"]
    assert "Acme (1)" in checks["unreadable"]["what"]


def test_a_disk_that_is_nearly_full(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 20 * 2**20))
    assert found(well)["disk"]["what"].startswith("20 MiB are free in ")


def test_settings_that_cannot_be_used(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_DATABASE_URL", "mysql://user:hunter2hunter2@host/db")
    well.secrets.append("hunter2hunter2")
    assert list(found(well)) == ["settings"]


def test_references_that_give_nothing_are_named(well: Cli) -> None:
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        draft = ConfigDraft("REF", ConfigType.SECRET_REF, value="KEY")
        repository.configs.add(ALICE, acme, draft)
        well("doctor")
        view = repository.configs.get_key(ALICE, acme, "KEY")
        for at in range(6):
            extra = ConfigDraft(f"REF_{at}", ConfigType.SECRET_REF, value="KEY")
            repository.configs.add(ALICE, acme, extra)
        repository.configs.delete(ALICE, view)
    finding = found(well)["dangling"]
    assert finding["level"] == "error"
    assert finding["what"].startswith(
        "7 references give nothing: Acme / REF (there is no secret KEY), Acme / REF_0 ("
    )
    assert finding["what"].endswith(" and 2 more.")
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, acme, secret("KEY", planted()[0]))
    well("doctor")


def test_a_reference_kept_as_what_it_is_not(well: Cli) -> None:
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        draft = ConfigDraft("REF", ConfigType.SECRET_REF, value="KEY")
        repository.configs.add(ALICE, acme, draft)
    by_hand(database_file(), "UPDATE config SET dangling = 'missing' WHERE key = 'REF'")
    checks = found(well)
    assert checks["references"]["level"] == "error"
    assert checks["references"]["what"].startswith("1 reference is kept as what it is not:")
