"""`doctor --fix` mends what is safe to mend, tells each mend in the log, and leaves the rest."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bifrost_tui.cli import doctor_files, doctor_host
from bifrost_tui.cli.doctor_files import NotMendedError, set_mode
from bifrost_tui.errors import AccessDeniedError, DatabaseBusyError, DatabaseReadOnlyError
from bifrost_tui.runtime.private_files import PrivateFiles
from bifrost_tui.settings import load_settings
from bifrost_tui.store import sqlite_checks
from bifrost_tui.store.access import Role
from bifrost_tui.store.derived import Kept, put_right
from bifrost_tui.store.engine import Database
from bifrost_tui.store.engine_checks import mend_engine
from bifrost_tui.store.part_files import part_file
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.troubles import Mend
from bifrost_tui.store.values import ConfigType
from tests.support import ALICE, NEW_KEY, add_member, by_hand, events, planted, secret
from tests.unit.cli_support import Cli, act_as, database_file, opened
from tests.unit.doctor_support import fixed, found, make_well

COPY = ".schema-0001.20260101-000000.bak"


@pytest.fixture
def well(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """A user with a key file and a database with secrets in it, and nothing wrong."""
    cli = make_well(home, monkeypatch)
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        other = repository.organizations.add(ALICE, "Globex")
        repository.configs.add(ALICE, other, secret("SAME", planted()[0], rotate_every_days=90))
        repository.configs.add(ALICE, other, secret("EMPTY"))
        repository.configs.add(ALICE, acme, ConfigDraft("REF", ConfigType.SECRET_REF, value="KEY"))
        view = repository.configs.get_key(ALICE, other, "EMPTY")
        repository.configs.delete(ALICE, view)
    yield cli
    cli.search(cli("audit", "verify"))


def fixes() -> list[str]:
    return [action for action, *_ in events(database_file()) if action == "database.fix"]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# Files and folders


def test_modes_are_set_and_nothing_is_told_twice(well: Cli) -> None:
    database, settings = database_file(), load_settings()
    preferences = settings.folder / "config.toml"
    preferences.write_text('theme = "light"\n')
    files = [database, Path(f"{database}{COPY}"), settings.key_file, preferences]
    for file in files:
        file.touch()
        file.chmod(0o666)
    folders = [database.parent, settings.folder]
    for folder in folders:
        folder.chmod(0o777)
    before = events(database)
    found_first = well("doctor", "--json", code=3).json
    assert [mode(file) for file in files] == [0o666] * 4
    assert all(finding["fixable"] for finding in found_first)
    assert len(fixed(well)) == len(found_first) == 6
    assert [mode(file) for file in files] == [0o600] * 4
    assert [mode(folder) for folder in folders] == [0o700] * 2
    assert fixed(well) == []
    assert well("doctor").err.startswith("All is well")
    # They are the host's, not the database's.
    assert events(database) == before


def test_what_was_mended_is_said(well: Cli) -> None:
    database_file().chmod(0o644)
    ran = well("doctor", "--fix")
    assert ran.lines == [
        f"mended   file: {database_file()} is open to others (mode 0644).",
        "         Done: its mode is 0600 now.",
    ]
    assert ran.err.startswith("1 mended. All is well")


def test_files_that_are_not_ours_by_name_are_told_and_left(well: Cli) -> None:
    file = Path(f"{database_file()}.from-bob")
    file.touch(0o644)
    file.chmod(0o644)
    assert found(well)["file"]["do"] == f"Run: chmod 600 {file}"
    assert fixed(well, code=3) == [("file", False)]
    assert mode(file) == 0o644


def test_what_a_link_points_at_is_left(well: Cli, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o644)
    link = Path(f"{database_file()}{COPY}")
    link.symlink_to(elsewhere)
    assert fixed(well, code=3) == [("file", False)]
    assert mode(elsewhere) == 0o644
    with pytest.raises(FileNotFoundError):
        set_mode(tmp_path / "gone", 0o600)
    with pytest.raises((NotMendedError, OSError)):
        set_mode(link, 0o600)
    assert mode(elsewhere) == 0o644


def test_a_file_with_a_second_name_is_left(well: Cli, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o644)
    Path(f"{database_file()}{COPY}").hardlink_to(elsewhere)
    (finding,) = well("doctor", "--fix", "--json", code=3).json
    assert finding["fixed"] is finding["fixable"] is False
    assert "It was not mended: It has a second name" in finding["do"]
    assert mode(elsewhere) == 0o644


def test_another_users_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotMendedError, match="another user"):
        set_mode(file, 0o600)
    assert mode(file) == 0o644


def test_a_database_behind_a_link_is_mended_where_it_is(
    well: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    moved = database_file().rename(real / "data.db")
    link = tmp_path / "link.db"
    link.symlink_to(moved)
    monkeypatch.setenv("BIFROST_DATABASE_URL", f"sqlite:///{link}")
    moved.chmod(0o644)
    assert fixed(well) == [("file", True)]
    assert mode(moved) == 0o600


def test_a_lock_on_the_database_outlives_a_look_at_its_file(well: Cli) -> None:
    with closing(sqlite3.connect(database_file(), isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        database_file().chmod(0o644)
        set_mode(database_file(), 0o600)
        other = sqlite3.connect(database_file(), isolation_level=None, timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        held.execute("ROLLBACK")


def test_unfinished_files_of_ours_are_removed_when_they_are_old(well: Cli) -> None:
    folder, name = database_file().parent, database_file().name
    ours = folder / f".{name}.copy.0123456789abcdef"
    young = folder / f".{name}.{'f' * 16}"
    foreign = folder / ".something.0123456789abcdef"
    for file in (ours, young, foreign):
        file.touch(0o600)
    for file in (ours, foreign):
        os.utime(file, (0, 0))
    assert "in no use" in found(well)["left over"]["what"]
    assert ours.exists()
    assert fixed(well) == [("left over", True)]
    assert not ours.exists()
    assert young.exists()
    assert foreign.exists()


def test_backups_that_were_never_finished(well: Cli) -> None:
    folder = database_file().parent
    part = folder / f".bifrost-{'0' * 16}.part"
    beside = folder / f"{part.name}-journal"
    part.touch(0o600)
    beside.touch(0o600)
    with part_file(folder) as used:
        assert str(part) in found(well)["left over"]["what"]
        assert fixed(well) == [("left over", True)]
        assert used.exists()
    assert not part.exists()
    assert not beside.exists()


def test_private_folders_of_runs_that_are_gone(well: Cli, tmp_path: Path) -> None:
    shared = doctor_host._SHARED_MEMORY
    abandoned, linked = shared / f".bifrost-{'a' * 32}", shared / f".bifrost-{'b' * 32}"
    abandoned.mkdir(mode=0o700)
    (abandoned / "value").touch(0o600)
    kept = tmp_path / "kept"
    kept.mkdir()
    linked.symlink_to(kept)
    os.utime(abandoned, (0, 0))
    os.utime(kept, (0, 0))
    assert "1 file with values" in found(well)["left over"]["what"]
    assert fixed(well) == [("left over", True)]
    assert not abandoned.exists()
    assert kept.exists()


def test_a_private_folder_in_use_is_nothing_that_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_host, "_SHARED_MEMORY", tmp_path)
    with PrivateFiles({}) as files:
        files._storage = tmp_path
        files.add(tmp_path / "value", b"v")
        (folder,) = tmp_path.glob(".bifrost-*")
        os.utime(folder, (0, 0))
        assert list(doctor_host.left_by_runs({})) == []
        os.close(files._held.pop())
        (finding,) = doctor_host.left_by_runs({})
        assert str(folder) in finding.what


# What is kept in the database

DAMAGES = {
    "counts": "UPDATE scope_summary SET configs = configs + 1, secrets = 7",
    "due dates": "UPDATE config SET due_at = '2020-01-01 00:00:00.000000'",
    "references": "UPDATE config SET dangling = 'bound' WHERE key = 'REF'",
    "fingerprints": "UPDATE config SET fingerprint = '0000000' || rowid WHERE key = 'KEY'",
    "equal values": "UPDATE config SET equal_group = NULL WHERE key = 'SAME'",
    "names": "UPDATE organization SET name_folded = 'x' || name_folded",
}
COLUMNS = {
    "config": "id, due_at, dangling, fingerprint, equal_group, value, secret, version",
    "scope_summary": "scope_id, configs, secrets, needs_value",
    "organization": "id, name, name_folded, version",
}


def kept() -> list[object]:
    """Return what stands in the tables, kept and entered."""
    return [
        by_hand(database_file(), f"SELECT {columns} FROM {table} ORDER BY 1")
        for table, columns in COLUMNS.items()
    ]


@pytest.mark.parametrize("check", DAMAGES)
def test_what_follows_from_the_configs_is_put_right(well: Cli, check: str) -> None:
    before, told = kept(), len(events(database_file()))
    by_hand(database_file(), DAMAGES[check])
    damaged = kept()
    assert damaged != before
    if check == "names":
        names = well("doctor", "--json", code=3).json
        assert [finding["check"] for finding in names] == ["names"]
    else:
        assert check in {finding["check"] for finding in well("doctor", "--json", code=3).json}
    assert kept() == damaged
    assert (check, True) in fixed(well)
    assert kept() == before
    assert len(events(database_file())) > told
    assert fixed(well) == []
    assert well("doctor").err.startswith("All is well")


def test_all_at_once_each_with_its_own_event(well: Cli) -> None:
    before = kept()
    for damage in DAMAGES.values():
        by_hand(database_file(), damage)
    by_hand(database_file(), "DELETE FROM scope_summary WHERE scope_id <> 'global'")
    by_hand(
        database_file(),
        "INSERT INTO scope_summary (scope_id, configs, secrets, needs_value) VALUES ('x', 1, 1, 1)",
    )
    done = fixed(well)
    assert sorted(check for check, _ in done) == sorted(DAMAGES)
    assert kept() == before
    assert len(fixes()) == len(DAMAGES)
    said = by_hand(database_file(), "SELECT details FROM audit_event WHERE action = 'database.fix'")
    assert '{"rows":4,"what":"counts"}' in {text for (text,) in said}


def test_a_mend_that_fails_is_told_and_the_others_are_done(
    well: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(database_file(), DAMAGES["counts"])
    database_file().chmod(0o644)

    def refuse(*_: object) -> None:
        raise DatabaseReadOnlyError("The database cannot be written. Nothing was changed.")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write_rows", refuse)
        findings = well("doctor", "--fix", "--json", code=3).json
    assert [(each["check"], each["fixed"]) for each in findings] == [
        ("file", True),
        ("counts", False),
    ]
    assert findings[1]["do"].startswith("It was not mended: The database cannot be written.")
    assert fixes() == []
    assert fixed(well) == [("counts", True)]


def test_who_may_not_look_may_not_mend(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(database_file(), DAMAGES["counts"])
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        add_member(repository, "dora", Role.ADMIN, acme)
    act_as(monkeypatch, "dora")
    before = kept()
    by_hand(database_file(), "DROP INDEX ix_config_due_at")
    findings = well("doctor", "--fix", "--json", code=3).json
    assert [(each["check"], each["fixable"]) for each in findings] == [
        ("schema", False),
        ("audit", False),
    ]
    assert "owner or an admin" in findings[0]["do"]
    assert kept() == before
    assert fixes() == []
    act_as(monkeypatch, "alice")


def test_who_is_confined_mends_nothing_and_that_is_told(well: Cli) -> None:
    by_hand(database_file(), DAMAGES["counts"])
    confined = Access("alice", "10.1.4.7", confined=True)
    with opened() as repository:
        for ask in (
            lambda: put_right(repository, confined, Kept.COUNTS),
            lambda: mend_engine(repository, confined, Mend.INDEXES),
        ):
            with pytest.raises(AccessDeniedError, match="on the host"):
                ask()
            assert events(database_file())[-1][::3] == ("database.fix", "refused")


# The engine


def test_a_lost_write_ahead_log_comes_back(well: Cli) -> None:
    by_hand(database_file(), "PRAGMA journal_mode = DELETE")
    assert "journal mode delete" in found(well)["engine"]["what"]
    assert by_hand(database_file(), "PRAGMA journal_mode") == [("delete",)]
    assert fixed(well) == [("engine", True)]
    assert by_hand(database_file(), "PRAGMA journal_mode") == [("wal",)]
    assert len(fixes()) == 1


def test_a_large_log_is_moved_into_the_file(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_checks, "LARGE_LOG", 1000)
    log = Path(f"{database_file()}-wal")
    with closing(sqlite3.connect(database_file(), isolation_level=None)) as other:
        other.execute("UPDATE config SET description = 'd'")
        assert log.stat().st_size > 1000
        assert "write-ahead log" in found(well)["engine"]["what"]
        other.execute("BEGIN")
        other.execute("SELECT * FROM config").fetchall()
        monkeypatch.setattr("bifrost_tui.store.engine.BUSY_SECONDS", 0.05)
        (finding,) = well("doctor", "--fix", "--json", code=3).json
        assert "Another program is reading the database" in finding["do"]
        assert [each[3] for each in events(database_file())[-2:]] == ["done", "failed"]
        other.execute("COMMIT")
        assert fixed(well) == [("engine", True)]
        assert log.stat().st_size == 0


def test_an_index_that_lost_rows_is_made_anew(well: Cli) -> None:
    with closing(sqlite3.connect(database_file())) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'WHERE due_at IS NOT NULL', '')"
            " WHERE name = 'ix_config_due_at'"
        )
        connection.commit()
    assert "all of them in indexes" in found(well)["database"]["what"]
    assert fixed(well) == [("database", True)]
    assert fixed(well) == []
    assert len(fixes()) == 1


def test_lost_indexes_are_made(well: Cli) -> None:
    by_hand(database_file(), "DROP INDEX ix_config_due_at")
    by_hand(database_file(), "DROP INDEX uq_config_scope_id_key")
    finding = found(well)["schema"]
    assert finding["level"] == "error"
    assert "2 indexes: ix_config_due_at, uq_config_scope_id_key." in finding["what"]
    assert fixed(well) == [("schema", True)]
    assert by_hand(
        database_file(), "SELECT count(*) FROM sqlite_master WHERE name LIKE '%scope_id_key'"
    ) == [(1,)]
    assert fixed(well) == []


def test_what_cannot_be_mended_is_left_as_it_is(well: Cli) -> None:
    by_hand(database_file(), "CREATE TRIGGER spy AFTER UPDATE ON config BEGIN SELECT 1; END")
    by_hand(database_file(), "UPDATE member SET role = 'king'")
    before = kept()
    act = {finding["check"]: finding for finding in well("doctor", "--json", code=3).json}
    assert "trigger spy of config" in act["schema"]["what"]
    assert "a member has a role that there is not" in act["rows"]["what"]
    assert "no owner of all organizations" in act["members"]["what"]
    assert not any(each["fixable"] for each in act.values())
    assert not any(done for _, done in fixed(well, code=3))
    assert kept() == before
    by_hand(database_file(), "UPDATE member SET role = 'owner'")
    by_hand(database_file(), "DROP TRIGGER spy")
    by_hand(
        database_file(),
        "INSERT INTO exposure (actor, config_id, secret_version, left_at)"
        " VALUES ('bob', 'gone', 1, '2026-01-01 00:00:00.000000')",
    )
    assert "exposure names a row of config that is not there" in found(well)["rows"]["what"]
    by_hand(database_file(), "DELETE FROM exposure")
    with closing(sqlite3.connect(database_file())) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT ck_config_scope CHECK', '--')"
            " WHERE name = 'config'"
        )
        connection.commit()
    by_hand(database_file(), "UPDATE config SET scope_id = 'global' WHERE key = 'PLAIN'")
    told = [each["what"] for each in well("doctor", "--json", code=3).json]
    assert "do not hold rows to ck_config_scope any more" in told[0]
    assert "1 row breaks a rule: ck_config_scope." in told[1]
    assert "kept counts of 2 scopes" in told[2]
    by_hand(database_file(), "UPDATE config SET scope_id = organization_id WHERE key = 'PLAIN'")
    by_hand(database_file(), "ALTER TABLE presence DROP COLUMN verifier")
    assert "presence.verifier" in found(well)["schema"]["what"]
    by_hand(database_file(), "DROP TABLE presence")
    assert "the table presence" in found(well)["schema"]["what"]
    assert fixed(well, code=3) == [("schema", False)]


@pytest.mark.parametrize("value", ["no JSON", "5", "[", chr(34), "null"])
def test_values_that_are_none_of_their_type(
    well: Cli, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost_tui.store.checks._VALUES", 1)
    for number, (kind, good) in enumerate(
        [("int", "17"), ("bool", "true"), ("json", '{"a": [1, null]}'), ("string", 'ä\n"')]
    ):
        well("configs", "set", f"V{number}", "--org", "Acme", "--type", kind, "--value", good)
    assert well("doctor", "--json").json == []
    by_hand(database_file(), "UPDATE config SET value = ? WHERE key = 'V1'", value)
    finding = found(well)["values"]
    assert "1 value is not of its type: Acme / V1." in finding["what"]
    assert fixed(well, code=3) == [("values", False)]


def test_what_could_not_be_looked_at_is_no_finding(
    well: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_file().chmod(0o644)

    def busy(*_: object) -> None:
        raise DatabaseBusyError("Another program holds the database. Try again.")

    monkeypatch.setattr("bifrost_tui.store.checks.file_problems", busy)
    ran = well("doctor", code=1)
    assert "is open to others" in ran.out
    assert ran.err == "bifrost-tui: Another program holds the database. Try again.\n"


def test_keys_that_could_go(well: Cli) -> None:
    file = load_settings().key_file
    old = file.read_text().strip()
    file.write_text(f"{old}\n{NEW_KEY}\n")
    (finding,) = well("doctor", "--json").json
    assert (finding["level"], finding["check"]) == ("note", "key")
    assert "no secret is encrypted under it" in finding["what"]
    file.write_text(f"{NEW_KEY}\n{old}\n")
    (finding,) = well("doctor", "--json").json
    assert "2 secrets are still encrypted under it" in finding["what"]
    assert "key rotate" in finding["do"]


def test_old_copies_are_good_to_know(well: Cli) -> None:
    copy = Path(f"{database_file()}{COPY}")
    copy.touch(0o600)
    assert well("doctor", "--json").json == []
    os.utime(copy, (0, 0))
    (finding,) = well("doctor", "--json").json
    assert (finding["level"], finding["check"]) == ("note", "copies")
    assert copy.name in finding["what"]


# The host


def test_what_runs_code_in_other_programs(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/tmp/x.so")
    assert found(well)["environment"]["do"] == "Run: unset LD_PRELOAD"
    monkeypatch.delenv("LD_PRELOAD")
    open_one = well.home / "code"
    open_one.mkdir()
    open_one.chmod(0o777)
    monkeypatch.setattr(doctor_host, "_places", lambda: [str(open_one), str(well.home)])
    finding = found(well)["environment"]
    assert finding["level"] == "error"
    assert str(open_one) in finding["what"]
    monkeypatch.setattr(doctor_host, "_places", list)
    monkeypatch.setattr(doctor_host, "given_core_limit", lambda: (-1, -1))
    (finding,) = well("doctor", "--json").json
    assert (finding["level"], finding["check"]) == ("note", "core files")


def test_passwords_of_the_environment(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    well.secrets.append("hunter2hunter2")
    monkeypatch.setenv("PGPASSWORD", "hunter2hunter2")
    assert "PGPASSWORD" in found(well)["environment"]["what"]
    monkeypatch.delenv("PGPASSWORD")
    settings = load_settings()
    for url in (
        "postgresql://bob:hunter2hunter2@host/db",
        "postgresql+psycopg:///db?host=h&password=hunter2hunter2",
    ):
        (finding,) = doctor_host.environment(settings, (), {"BIFROST_DATABASE_URL": url})
        assert "BIFROST_DATABASE_URL" in finding.what
        assert "hunter2" not in finding.what + finding.do
    bare = {"BIFROST_DATABASE_URL": "postgresql://bob@host/db?sslmode=verify-full"}
    assert list(doctor_host.environment(settings, (), bare)) == []


def test_a_network_file_system(well: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = database_file().parent.stat().st_dev
    mounts = tmp_path / "mountinfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(f"36 35 {number} / /home rw,relatime - nfs4 server:/home rw\n")
    monkeypatch.setattr(doctor_files, "_MOUNTS", mounts)
    assert "network file system (nfs4)" in found(well)["disk"]["what"]


@pytest.mark.parametrize(
    "text", ["dev-secret-key-change-in-production-must-be-32-chars", "abcabc" * 8]
)
def test_keys_that_can_be_guessed(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = home / "given.key"
    file.write_text(text)
    file.chmod(0o600)
    monkeypatch.setenv("BIFROST_SECRET_KEY_FILE", str(file))
    cli = make_well(home, monkeypatch, key=False)
    ran = cli("doctor", "--json", code=3)
    (finding,) = ran.json
    assert (finding["level"], finding["check"]) == ("error", "key")
    assert "can be guessed" in finding["what"]
    assert text not in ran.out


def test_nothing_can_be_written(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != database_file() and allowed(path, mode)
    )
    assert "cannot be written by" in found(well)["file"]["what"]
    assert fixed(well, code=3) == [("file", False)]


@pytest.mark.skipif(os.geteuid() == 0, reason="the rights of a file do not bind root")
def test_a_read_only_file_is_told_and_left(well: Cli) -> None:
    by_hand(database_file(), DAMAGES["counts"])
    database_file().chmod(0o400)
    findings = well("doctor", "--fix", "--json", code=3).json
    assert "cannot be written by" in findings[0]["what"]
    assert not any(each["fixed"] for each in findings)
    assert mode(database_file()) == 0o400
    database_file().chmod(0o600)
    # SQLite's own files beside it had its mode.
    assert fixed(well) == [("file", True)] * 2 + [("counts", True)]
