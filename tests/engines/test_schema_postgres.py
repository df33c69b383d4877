"""The schema on PostgreSQL: migrations make what the tables say, whatever they start from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Index, MetaData, text

from bifrost_tui.errors import DatabaseError
from bifrost_tui.settings import Settings
from bifrost_tui.store import migrate
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.migrate import SCRIPTS, run_migrations
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, metadata
from tests.databases import Databases
from tests.support import (
    ALICE,
    HandClock,
    assert_nowhere,
    by_hand,
    listed,
    make_repository,
    make_settings,
    plain,
    planted,
    secret,
)

pytestmark = [pytest.mark.both_engines, pytest.mark.postgresql]

PLANTED = planted()[0]

_OLDER = ["0001", "0002"]

_OURS = f"""
    relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '{VERSION_TABLE}'
"""
_SHAPES = (
    # Columns, whatever their order: a later one stands last.
    f"""
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, o.collname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_collation o ON o.oid = a.attcollation
    WHERE {_OURS} AND NOT a.attisdropped
    """,
    f"""
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
    FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid WHERE {_OURS}
    """,
    f"""
    SELECT c.relname, pg_get_indexdef(i.indexrelid)
    FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid WHERE {_OURS}
    """,
)


def shape(connection: Connection) -> list[set[tuple[Any, ...]]]:
    """Return columns, rules and indexes as the server knows them."""
    return [{tuple(row) for row in connection.execute(text(asked))} for asked in _SHAPES]


def direct() -> MetaData:
    """Return the tables with what is said for SQLite of their indexes said for PostgreSQL too."""
    made = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        copied = table.to_metadata(made)
        for index in copied.indexes:
            where = index.dialect_options["sqlite"]["where"]
            if where is not None:
                copied.indexes.remove(index)
                columns = [copied.c[column.name] for column in index.columns]
                Index(index.name, *columns, unique=index.unique, postgresql_where=where)
    return made


@pytest.fixture
def unmade(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    """A database with nothing in it."""
    database = connect(databases.url(tmp_path / "nothing", empty=True))
    yield database
    database.close()


def until(revision: str, folder: Path) -> Path:
    """Return the shipped migrations up to one of them."""
    scripts = folder / f"migrations until {revision}"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (scripts / "versions").glob("0*.py"):
        if path.name[:4] > revision:
            path.unlink()
    return scripts


@pytest.mark.parametrize("start", ["", *_OLDER])
def test_the_migrations_make_what_the_tables_say(
    unmade: Database, databases: Databases, tmp_path: Path, start: str
) -> None:
    if start:
        scripts = until(start, tmp_path)
        unmade.write_rows(lambda connection: run_migrations(connection, scripts))
        found = unmade.read(
            lambda connection: connection.scalar(
                text("SELECT max(version_num) FROM bifrost_schema")
            )
        )
        assert found == start
    unmade.write_rows(run_migrations)
    wanted = connect(databases.url(tmp_path / "direct", empty=True))
    try:
        wanted.write_rows(direct().create_all)
        expected = wanted.read(shape)
    finally:
        wanted.close()
    assert unmade.read(shape) == expected
    assert sum("WHERE" in definition for _, definition in expected[2]) == 10

    def compared(connection: Connection) -> Any:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return compare_metadata(context, direct())

    assert unmade.read(compared) == []


def test_every_text_that_is_compared_is_ordered_by_code_point(unmade: Database) -> None:
    unmade.write_rows(run_migrations)
    columns, _, _ = unmade.read(shape)
    words = {row[:2]: row[4] for row in columns if row[2].startswith("character varying")}
    assert len(words) == 40
    assert set(words.values()) == {"C"}


# Older databases


@pytest.fixture(params=_OLDER)
def older(
    request: pytest.FixtureRequest, databases: Databases, home: Path, tmp_path: Path
) -> Settings:
    """A database of an older schema, with what both have in it."""
    there = make_settings(home)
    with make_repository(there) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, acme, secret("one", PLANTED))
        repository.configs.add(ALICE, acme, secret("two", PLANTED))
        repository.configs.add(ALICE, acme, plain("p", "kept"))
    folder = tmp_path / "older"
    folder.mkdir(mode=0o700)
    url = databases.url(folder, empty=True)
    database = connect(url)
    scripts = until(request.param, tmp_path)
    database.write_rows(lambda connection: run_migrations(connection, scripts))
    tables = ("audit_event", "key_check", "organization", "scope_summary", "config", "member")
    for table in tables:
        names = database.read(
            lambda connection: connection.scalars(
                text("SELECT column_name FROM information_schema.columns WHERE table_name = :t"),
                {"t": table},  # noqa: B023
            ).all()
        )
        columns = ", ".join(f'"{name}"' for name in names)
        rows = by_hand(there, f"SELECT {columns} FROM {table}")
        marks = ", ".join("?" * len(names))
        for row in rows:
            by_hand(
                make_settings(folder), f"INSERT INTO {table} ({columns}) VALUES ({marks})", *row
            )
    database.close()
    return make_settings(folder)


def version(settings: Settings) -> list[tuple[Any, ...]]:
    return by_hand(settings, f"SELECT * FROM {VERSION_TABLE}")


def test_an_older_database_is_brought_up_and_works(older: Settings, tmp_path: Path) -> None:
    [(found,)] = version(older)
    with open_repository(older, ALICE, clock=HandClock()) as repository:
        assert (
            repository.notices[0] == f"The database was brought from schema {found} to {REVISION}."
        )
        acme = repository.organizations.find(ALICE, "Acme")
        assert [view.key for view in listed(repository, ALICE, acme)] == ["one", "p", "two"]
        if found == "0001":
            [group] = repository.everywhere.reused(ALICE)
            assert [line.key for line in group.lines] == ["one", "two"]
        repository.configs.add(ALICE, acme, secret("new", "value"))
        assert repository._context.chain.verify().broken_at is None
    assert version(older) == [(REVISION,)]
    assert_nowhere([PLANTED], [tmp_path])


def test_an_upgrade_is_one_transaction(
    older: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version(older)
    scripts = until(REVISION, tmp_path)
    (scripts / "versions" / "0004_fails.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0004', '0003'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE more (id integer)')\n"
        "    op.execute('SELECT 1 / 0')\n"
    )
    database = connect(older.database_url)
    try:
        there = database.read(shape)
        with pytest.raises(DatabaseError, match="22012"):
            database.write_rows(lambda connection: run_migrations(connection, scripts))
        assert database.read(shape) == there
    finally:
        database.close()
    assert version(older) == before


def test_an_upgrade_that_cannot_be_told_does_not_happen(
    older: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version(older)
    by_hand(
        older,
        "CREATE TRIGGER no_events BEFORE INSERT ON audit_event"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    with pytest.raises(DatabaseError):
        open_repository(older, ALICE, clock=HandClock())
    assert version(older) == before
    by_hand(older, "DROP TRIGGER no_events")
    open_repository(older, ALICE, clock=HandClock()).close()
    assert version(older) == [(REVISION,)]
    assert migrate.titles(REVISION) == ()
