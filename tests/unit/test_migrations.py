"""Schema changes: what the migrations make, and that an upgrade happens whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from bifrost_tui.errors import DatabaseError, DatabaseFullError, DatabaseNotOursError
from bifrost_tui.settings import Settings
from bifrost_tui.store import references
from bifrost_tui.store.audit import AuditChain
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.migrate import SCRIPTS, run_migrations, upgrade
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, metadata
from bifrost_tui.store.sqlite import copy_database
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ChainReport
from tests.next_program import NEXT, next_scripts
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    assert_nowhere,
    assert_silent,
    by_hand,
    database_path,
    events,
    listed,
    make_repository,
    plain,
    planted,
    secret,
)

PLANTED = planted()[0]


def directory(scripts: Path = SCRIPTS) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The shipped migrations and one more."""
    return next_scripts(tmp_path / "100% migrations")


@pytest.fixture
def old(settings: Settings) -> Iterator[Repository]:
    """A database of the shipped schema, with a secret in it."""
    with make_repository(settings) as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", PLANTED))
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("p", "kept"))
        yield repository


def brought_up(
    repository: Repository, scripts: Path, clock: HandClock, revision: str = REVISION
) -> tuple[str, ...]:
    context = repository._context
    chain = AuditChain(context.database, context.root, clock)
    return upgrade(context.database, revision, chain, BOB, clock, scripts)


def schema(path: Path) -> dict[str, str]:
    rows = by_hand(path, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.bak"))


def dump(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


def test_the_newest_migration_is_the_revision_that_the_program_knows() -> None:
    found = [script.revision for script in directory().walk_revisions()]
    assert directory().get_heads() == [REVISION]
    # They are compared as texts: older is less.
    assert all(re.fullmatch(r"\d{4}", revision) for revision in found)
    assert found == sorted(found, reverse=True)
    names = [path.name for path in sorted((SCRIPTS / "versions").glob("0*.py"))]
    assert [name[:4] for name in names] == sorted(found)


def test_the_migrations_make_what_the_tables_say(old: Repository, tmp_path: Path) -> None:
    with old._context.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    # What the comparison does not see: conditions of indexes, checks, orders of columns.
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    metadata.create_all(engine)
    engine.dispose()
    path = old._context.database.path
    assert path is not None
    made = schema(path)
    del made[VERSION_TABLE]
    assert parts(made) == parts(schema(tmp_path / "direct.db"))


def parts(made: dict[str, str]) -> dict[str, set[str]]:
    """Return what stands in each statement, whatever the order of a table's constraints."""
    return {
        name: set(re.split(r", (?=CONSTRAINT|UNIQUE|[a-z_]+ [A-Z])", text.rstrip(") ")))
        if text.startswith("CREATE TABLE")
        else {text}
        for name, text in made.items()
    }


def test_an_upgrade_keeps_a_copy_and_is_told(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    path = database_path(settings)
    before = dump(path)
    first, second = brought_up(old, scripts, clock)
    [copy] = backups(path)
    assert copy.name == "bifrost.db.schema-0003.20260301-093000.bak"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert dump(copy) == before
    assert first == "The database was brought from schema 0003 to 0004."
    assert second == f"A copy of the database as it was is kept as {copy}."

    assert by_hand(path, f"SELECT * FROM {VERSION_TABLE}") == [("0004",)]
    assert by_hand(path, "SELECT key, colour FROM config") == [("k", "red"), ("p", "red")]
    assert by_hand(path, "SELECT id FROM extra") == [(7,)]
    assert events(old)[-1] == ("database.migrate", None, None, "done")
    [(actor, details)] = by_hand(
        path, "SELECT actor, details FROM audit_event ORDER BY sequence DESC LIMIT 1"
    )
    assert (actor, details) == ("bob", '{"from":"0003","to":"0004"}')
    assert old._context.chain.verify() == ChainReport(4, None)
    assert_nowhere([PLANTED], [path.parent])
    assert {child.name for child in path.parent.iterdir() if "bak" in child.name} == {copy.name}


def test_a_copy_is_a_database_that_opens(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    brought_up(old, scripts, clock)
    old.close()
    path = database_path(settings)
    [copy] = backups(path)
    copy.replace(path)
    with open_repository(settings, ALICE) as repository:
        assert [view.key for view in listed(repository, ALICE, GLOBAL_SCOPE)] == ["k", "p"]
        assert repository._context.chain.verify() == ChainReport(3, None)


def test_opening_an_older_database_brings_it_up_and_says_so(
    old: Repository, settings: Settings, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.close()
    for module in ("identity", "opening"):
        monkeypatch.setattr(f"bifrost_tui.store.{module}.REVISION", "0004")
    monkeypatch.setattr("bifrost_tui.store.migrate.upgrade", partial(upgrade, scripts=scripts))
    for opening in range(2):
        with open_repository(settings, ALICE, clock=HandClock()) as repository:
            assert len(repository.notices) == (0 if opening else 2)
            assert len(listed(repository, ALICE, GLOBAL_SCOPE)) == 2 + opening
            repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"new{opening}"))
    assert len(backups(database_path(settings))) == 1


FAILURES = {
    "a statement": 'op.execute("INSERT INTO nowhere VALUES (1)")',
    "a constraint": "op.execute(\"UPDATE config SET scope_id = 'x'\")",
    "the script": 'raise RuntimeError("planned")',
    "the data": 'op.execute("INSERT INTO config SELECT * FROM config")',
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock, failure: str
) -> None:
    path = database_path(settings)
    before = dump(path)
    script = dedent(NEXT) + "    " + FAILURES[failure] + "\n"
    (scripts / "versions" / "0004_next.py").write_text(script)
    with pytest.raises((DatabaseError, RuntimeError)) as raised:
        brought_up(old, scripts, clock)
    assert isinstance(raised.value, DatabaseError) or failure == "the script"
    assert_silent(raised.value, [PLANTED])
    assert dump(path) == before
    [copy] = backups(path)
    assert dump(copy) == before
    assert old._context.chain.verify() == ChainReport(3, None)
    old.configs.add(ALICE, GLOBAL_SCOPE, plain("still_writable"))


def test_several_migrations_are_one_transaction(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    before = dump(database_path(settings))
    third = NEXT.replace("0004", "0005").replace("0003", "0004")
    third = (
        third.split("def upgrade")[0] + "def upgrade():\n        raise RuntimeError('planned')\n"
    )
    (scripts / "versions" / "0005_last.py").write_text(dedent(third))
    with pytest.raises(RuntimeError, match="planned"):
        brought_up(old, scripts, clock)
    assert dump(database_path(settings)) == before


def test_an_upgrade_that_cannot_be_told_does_not_happen(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    path = database_path(settings)
    by_hand(
        path,
        "CREATE TRIGGER unwritable BEFORE INSERT ON audit_event"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    before = dump(path)
    with pytest.raises(DatabaseError):
        brought_up(old, scripts, clock)
    assert dump(path) == before


def test_without_a_copy_there_is_no_upgrade(
    old: Repository,
    settings: Settings,
    scripts: Path,
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = database_path(settings)
    before = dump(path)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DatabaseError, match="could not be kept: Not permitted") as raised:
        brought_up(old, scripts, clock)
    assert str(path) in str(raised.value)
    assert dump(path) == before
    assert {child.name for child in path.parent.iterdir()} <= {
        path.name + end for end in ("", "-wal", "-shm")
    }


def test_a_copy_is_not_written_over_and_what_is_left_of_one_goes(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    """Processes that were ended in the same second, and one that is at work."""
    path = database_path(settings)
    before = dump(path)
    for end in (".bak", "-2.bak"):
        path.with_name(f"bifrost.db.schema-0003.20260301-093000{end}").write_text("of another")
    gone = subprocess.Popen(["true"])
    gone.wait()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        parts = [
            f"bifrost.db.schema-0003.x.{pid}.part"
            for pid in (os.getpid(), gone.pid, other.pid, "x")
        ]
        for name in parts:
            path.with_name(name).write_text("half of a copy")
        told = brought_up(old, scripts, clock)
        other.communicate()
    kept = path.with_name("bifrost.db.schema-0003.20260301-093000-3.bak")
    assert told[1] == f"A copy of the database as it was is kept as {kept}."
    assert dump(kept) == before
    assert {copy.read_text() for copy in backups(path) if copy != kept} == {"of another"}
    assert [child.name for child in sorted(path.parent.glob("*.part"))] == sorted(parts[2:])


def test_a_copy_that_does_not_fit_is_taken_away(
    old: Repository, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy.db"
    real = sqlite3.connect

    def small(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*given, **named)
        if given[0] == target:
            connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(DatabaseFullError) as raised:
        copy_database(old._context.database, target)
    assert str(target) in str(raised.value)
    assert_silent(raised.value, [PLANTED])
    assert list(tmp_path.glob("copy*")) == []


def test_the_second_of_two_processes_upgrades_nothing(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    """Both saw the old schema; the second got the write lock when the first was done."""
    brought_up(old, scripts, clock)
    told = events(old)
    clock.advance(seconds=1)
    brought_up(old, scripts, clock)
    assert events(old) == told


def test_a_schema_that_no_migration_starts_from_is_refused_before_a_copy(
    old: Repository, settings: Settings, scripts: Path, clock: HandClock
) -> None:
    before = dump(database_path(settings))
    for revision in ("0000", "", "\x1b[31m"):
        with pytest.raises(DatabaseNotOursError, match="which no Bifrost TUI wrote") as raised:
            brought_up(old, scripts, clock, revision)
        assert "\x1b" not in str(raised.value)
    assert dump(database_path(settings)) == before
    assert backups(database_path(settings)) == []


def test_migrations_say_nothing(
    old: Repository,
    scripts: Path,
    clock: HandClock,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    brought_up(old, scripts, clock)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelname != "INFO"]


def test_a_database_that_is_in_use_is_copied_whole(
    old: Repository, settings: Settings, tmp_path: Path
) -> None:
    """With its newest changes in the write-ahead log alone."""
    database: Database = connect(settings.database_url)
    assert (database_path(settings).parent / "bifrost.db-wal").stat().st_size > 0
    copy_database(database, tmp_path / "copy.db")
    database.close()
    assert dump(tmp_path / "copy.db") == dump(database_path(settings))
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


# From the first schema


@pytest.fixture
def first(settings: Settings, tmp_path: Path) -> Path:
    """A database of schema 0001, with equal secrets in it, and two whose fingerprints coincide."""
    scripts = tmp_path / "first migration"
    later = shutil.ignore_patterns("__pycache__", "0002*", "0003*")
    shutil.copytree(SCRIPTS, scripts, ignore=later)
    with make_repository(settings) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        for scope, key, value in (
            *((GLOBAL_SCOPE, "a", PLANTED), (acme, "b", PLANTED), (acme, "c", "alone")),
            *((acme, "d", "one of two"), (acme, "e", "the other"), (acme, "empty", None)),
        ):
            repository.configs.add(ALICE, scope, secret(key, value))
        repository.configs.add(ALICE, acme, plain("p", "kept"))
    path = database_path(settings)
    by_hand(path, "UPDATE config SET fingerprint = 'c0c0c0c0' WHERE key IN ('d', 'e')")
    newer = path.rename(tmp_path / "newer.db")
    path.touch(0o600)
    database = connect(settings.database_url)
    database.write_rows(lambda connection: run_migrations(connection, scripts))
    database.close()
    copy_common_rows(newer, path)
    assert by_hand(path, f"SELECT * FROM {VERSION_TABLE}") == [("0001",)]
    return path


def copy_common_rows(source: Path, target: Path) -> None:
    """Copy what both schemas have."""
    connection = sqlite3.connect(target)
    try:
        with connection:
            connection.execute("ATTACH ? AS newer", [str(source)])
            tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
                columns = ",".join(row[1] for row in rows)
                if table != VERSION_TABLE:
                    select = f"SELECT {columns} FROM newer.{table}"
                    connection.execute(f"INSERT INTO main.{table} ({columns}) {select}")
    finally:
        connection.close()


def test_a_database_of_the_first_schema_opens_and_works(first: Path, settings: Settings) -> None:
    with open_repository(settings, ALICE, clock=HandClock()) as repository:
        assert repository.notices[0] == "The database was brought from schema 0001 to 0003."
        acme = repository.organizations.find(ALICE, "Acme")
        assert [(view.key, view.is_reused) for view in listed(repository, ALICE, acme)] == [
            *(("a", True), ("b", True), ("c", False), ("d", False), ("e", False)),
            *(("empty", False), ("p", False)),
        ]
        [group] = repository.everywhere.reused(ALICE)
        assert [line.key for line in group.lines] == ["a", "b"]
        assert repository._context.database.read(references.miscounted) == 0
        draft = ConfigDraft("ref", ConfigType.SECRET_REF, value="a")
        assert repository.configs.add(ALICE, acme, draft).dangling is None
        repository.configs.add(ALICE, acme, secret("again", "alone"))
        assert len(repository.everywhere.reused(ALICE)) == 2
        assert repository._context.chain.verify().broken_at is None
    assert_nowhere([PLANTED], [first.parent])
    [copy] = backups(first)
    assert by_hand(copy, f"SELECT * FROM {VERSION_TABLE}") == [("0001",)]


def test_secrets_that_no_key_at_hand_opens_are_in_no_group_after_an_upgrade(
    first: Path, settings: Settings
) -> None:
    by_hand(first, "UPDATE config SET key_id = 'lost' WHERE key = 'a'")
    with open_repository(settings, ALICE, clock=HandClock()) as repository:
        assert repository.everywhere.reused(ALICE) == ()


def test_a_database_of_the_first_schema_becomes_like_a_new_one(
    first: Path, settings: Settings, tmp_path: Path
) -> None:
    open_repository(settings, ALICE, clock=HandClock()).close()
    assert parts(schema(first)) == parts(schema(tmp_path / "newer.db"))
