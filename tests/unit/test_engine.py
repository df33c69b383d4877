"""The engine: what every connection is set to, how transactions begin, and what errors say."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, literal, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from bifrost_tui import errors
from bifrost_tui.settings import Settings
from bifrost_tui.store.engine import BUSY_SECONDS, Database, connect
from bifrost_tui.store.narrowing import ListQuery
from bifrost_tui.store.reading import count
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList, Interrupt
from bifrost_tui.store.schema import config
from bifrost_tui.store.sqlite import create_file
from bifrost_tui.store.tables import Config, Member, Organization
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import (
    ALICE,
    START,
    assert_silent,
    by_hand,
    database_path,
    events,
    plain,
    planted,
)

PLANTED = planted()[0]


@pytest.fixture
def database(repository: Repository) -> Database:
    return repository._context.database


def pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def statements(database: Database, work: Callable[[], object]) -> list[str]:
    """Return what SQLite itself was asked while ``work`` ran, from a connection just made."""
    seen: list[str] = []
    database.close()
    event.listen(database.engine, "connect", lambda made, _: made.set_trace_callback(seen.append))
    work()
    return seen


def test_every_connection_is_set_up(database: Database) -> None:
    expected = {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "secure_delete": 1,
        "synchronous": 2,
        "temp_store": 2,
        "trusted_schema": 0,
        "busy_timeout": int(BUSY_SECONDS * 1000),
    }

    def read(connection: Connection) -> dict[str, object]:
        return {name: pragma(connection, name) for name in expected}

    assert database.read(read) == expected
    assert database.write_rows(read) == expected
    assert database.write(lambda session: read(session.connection())) == expected
    # Several at once: each comes from the pool as a connection of its own.
    with database.engine.connect() as one, database.engine.connect() as other:
        assert one.connection.dbapi_connection is not other.connection.dbapi_connection
        assert read(one) == read(other) == expected


def test_a_row_of_an_organization_that_is_not_there_cannot_be_written(database: Database) -> None:
    insert = text(
        "INSERT INTO config (id, organization_id, scope_id, key, type, secret_version, description,"
        " created_at, created_by, updated_at, updated_by, version)"
        " VALUES ('1', :place, :place, 'k', 'string', 0, '', '', '', '', '', 1)"
    )
    with pytest.raises(errors.DatabaseError, match="SQLITE_CONSTRAINT_FOREIGNKEY"):
        database.write_rows(lambda connection: connection.execute(insert, {"place": "nowhere"}))


def test_a_change_holds_the_write_lock_from_its_beginning(database: Database) -> None:
    def change(session: Any) -> None:
        session.execute(text("SELECT 1"))

    changes: list[Callable[[], object]] = [
        lambda: database.write(change),
        lambda: database.write_rows(lambda connection: connection.execute(text("SELECT 1"))),
    ]
    for work in changes:
        asked = statements(database, work)
        assert [line for line in asked if line.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]
        assert asked[-1] == "COMMIT"
    asked = statements(database, lambda: database.read(lambda connection: None))
    assert "BEGIN" in asked
    assert "BEGIN IMMEDIATE" not in asked


def test_a_read_sees_one_state_throughout(repository: Repository, database: Database) -> None:
    def work(connection: Connection) -> tuple[int, int]:
        query = ListQuery("global", START, ())
        before = count(connection, query)
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("meanwhile"))
        return before, count(connection, query)

    assert database.read(work) == (0, 0)
    assert repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE)) == 1


def test_what_fails_is_undone(repository: Repository, database: Database) -> None:
    class PlannedError(Exception):
        pass

    def rows(connection: Connection) -> None:
        connection.execute(text("DELETE FROM member"))
        raise PlannedError

    def objects(session: Any) -> None:
        rows(session.connection())

    attempts: list[Callable[[], object]] = [
        lambda: database.write_rows(rows),
        lambda: database.write(objects),
    ]
    for attempt in attempts:
        with pytest.raises(PlannedError):
            attempt()
        assert len(repository.organizations.list(ALICE)) == 1


class Interrupted:
    """A read that runs until it is interrupted."""

    ENDLESS = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )

    def __init__(self, database: Database, interrupt: Interrupt) -> None:
        self.began = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, args=(database, interrupt))
        self.thread.start()

    def run(self, database: Database, interrupt: Interrupt) -> None:
        def work(connection: Connection) -> None:
            driver: Any = connection.connection.dbapi_connection
            # Called by SQLite itself once the statement is running.
            driver.set_progress_handler(self.began.set, 1000)
            try:
                connection.execute(self.ENDLESS)
            finally:
                driver.set_progress_handler(None, 0)

        try:
            database.read(work, interrupt)
        except BaseException as error:  # noqa: BLE001  looked at by the test
            self.error = error


@pytest.mark.timeout(30)
def test_a_read_is_cut_short_by_another_thread(repository: Repository, database: Database) -> None:
    interrupt = Interrupt()
    running = Interrupted(database, interrupt)
    assert running.began.wait(20)
    before = interrupt.cancelled
    interrupt.cancel()
    running.thread.join(20)
    assert not running.thread.is_alive()
    assert isinstance(running.error, errors.DatabaseInterruptedError)
    assert (before, interrupt.cancelled) == (False, True)
    # The connection is as good as before, for others.
    assert repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE), Interrupt()) == 0


def test_a_read_that_is_no_longer_wanted_does_not_begin(repository: Repository) -> None:
    interrupt = Interrupt()
    interrupt.cancel()
    with pytest.raises(errors.DatabaseInterruptedError, match="was cancelled"):
        repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE), interrupt)


def test_to_cancel_a_read_that_has_ended_touches_no_other(repository: Repository) -> None:
    interrupt = Interrupt()
    wanted = ConfigList(GLOBAL_SCOPE)
    assert repository.configs.count(ALICE, wanted, interrupt) == 0
    assert interrupt._connection is None
    interrupt.cancel()
    assert repository.configs.count(ALICE, wanted) == 0
    assert len(events(repository)) == 1


CODES = [
    ("SQLITE_BUSY", errors.DatabaseBusyError, "try again"),
    ("SQLITE_BUSY_SNAPSHOT", errors.DatabaseBusyError, "within 5 seconds"),
    ("SQLITE_LOCKED", errors.DatabaseBusyError, "try again"),
    ("SQLITE_READONLY_DBMOVED", errors.DatabaseReadOnlyError, "check the rights"),
    ("SQLITE_FULL", errors.DatabaseFullError, "free some room"),
    ("SQLITE_CORRUPT_INDEX", errors.DatabaseCorruptError, "restore a backup"),
    ("SQLITE_NOTADB", errors.DatabaseCorruptError, "no SQLite database"),
    ("SQLITE_INTERRUPT", errors.DatabaseInterruptedError, "cancelled"),
    ("SQLITE_CANTOPEN_ISDIR", errors.DatabaseUnreachableError, "cannot be opened"),
    ("SQLITE_IOERR_READ", errors.DatabaseUnreachableError, "SQLITE_IOERR_READ"),
    ("SQLITE_IOERR_WRITE", errors.DatabaseError, "Writing the database"),
    ("SQLITE_IOERR_FSYNC", errors.DatabaseError, "SQLITE_IOERR_FSYNC"),
    ("SQLITE_CONSTRAINT_UNIQUE", errors.DatabaseError, "SQLITE_CONSTRAINT_UNIQUE"),
    ("SQLITE_SOMETHING_NEW", errors.DatabaseError, "Nothing was changed"),
]


@pytest.mark.parametrize(("code", "kind", "says"), CODES)
def test_each_error_of_sqlite_is_told_in_words(
    database: Database, code: str, kind: type[errors.DatabaseError], says: str
) -> None:
    cause = sqlite3.OperationalError(PLANTED)
    cause.sqlite_errorname = code
    told = database.explain(OperationalError(PLANTED, (PLANTED,), cause))
    assert type(told) is kind
    assert says in str(told)
    assert code == "SQLITE_INTERRUPT" or str(database.path) in str(told)
    assert_silent(told, [PLANTED])


def test_errors_of_others_are_told_by_their_kind_alone(database: Database) -> None:
    for error in (
        SQLAlchemyError(PLANTED),
        IntegrityError(PLANTED, (PLANTED,), ValueError(PLANTED)),
        OperationalError(PLANTED, (PLANTED,), sqlite3.ProgrammingError(PLANTED)),
    ):
        told = database.explain(error)
        assert type(told) is errors.DatabaseError
        assert_silent(told, [PLANTED])


@pytest.mark.parametrize("value", planted())
@pytest.mark.parametrize("many", [False, True])
def test_an_error_of_the_driver_leaves_nothing_of_a_statements_values(
    database: Database, value: str, many: bool
) -> None:
    rows = [{"id": value, "key": value}, {"id": value, "key": value}]

    def work(connection: Connection) -> None:
        connection.execute(config.insert(), rows if many else rows[0])

    def objects(session: Any) -> None:
        session.add(
            Config(
                id=value,
                scope_id="global",
                key=value,
                type="secret",
                value=value,
                created_at=START,
                created_by=value,
                updated_at=START,
                updated_by=value,
            )
        )

    attempts: list[Callable[[], object]] = [
        lambda: database.write_rows(work),
        lambda: database.write(objects),
    ]
    for attempt in attempts:
        with pytest.raises(errors.DatabaseError) as raised:
            attempt()
        assert_silent(raised.value, [value])
        assert str(database.path) in str(raised.value)


def test_a_text_that_no_driver_takes_is_told_without_it(database: Database) -> None:
    with pytest.raises(errors.InvalidInputError, match="lone surrogate") as raised:
        database.read(lambda connection: connection.execute(select(literal(PLANTED + "\ud800"))))
    assert_silent(raised.value, [PLANTED])


@pytest.mark.parametrize("column", ["created_at", "updated_at", "secret_changed_at", "due_at"])
@pytest.mark.parametrize("value", ["garbage", "2026-13-01 00:00:00", b"\xff", 7])
def test_a_moment_that_is_none_is_told_as_damage(
    repository: Repository, column: str, value: object
) -> None:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    by_hand(repository, f"UPDATE config SET {column} = ?", value)
    with pytest.raises(errors.DatabaseCorruptError, match="is damaged") as raised:
        repository.configs.get(ALICE, GLOBAL_SCOPE, view.id)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("column", ["key", "description", "updated_by", "type"])
def test_a_text_that_is_none_is_told_as_damage(repository: Repository, column: str) -> None:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    by_hand(repository, f"UPDATE config SET {column} = CAST(x'ff2a' AS TEXT)")
    with pytest.raises(errors.DatabaseCorruptError, match="is damaged"):
        repository.configs.get(ALICE, GLOBAL_SCOPE, view.id)


def test_a_type_that_nobody_knows_is_told_with_its_key(repository: Repository) -> None:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    by_hand(repository, "UPDATE config SET type = ?", "new\x1b[31m")
    attempts: list[Callable[[], object]] = [
        lambda: repository.configs.get(ALICE, GLOBAL_SCOPE, view.id),
        lambda: repository.configs.delete(ALICE, view),
    ]
    for attempt in attempts:
        with pytest.raises(errors.DatabaseCorruptError) as raised:
            attempt()
        assert "k has a type that this program does not know: new\\x1b[31m" in str(raised.value)
    assert len(events(repository)) == 2


def test_a_role_that_nobody_knows_gives_no_right(repository: Repository) -> None:
    by_hand(repository, "UPDATE member SET role = 'emperor'")
    assert repository.organizations.list(ALICE) == ()
    with pytest.raises(errors.AccessDeniedError):
        repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE))


def test_of_other_engines_there_is_none() -> None:
    with pytest.raises(errors.SettingsError) as raised:
        connect("mysql://bifrost:hunter2@db/bifrost")
    assert "hunter2" not in str(raised.value)


def test_to_connect_reads_nothing_and_makes_nothing(settings: Settings, home: Path) -> None:
    database = connect(settings.database_url)
    assert list(home.iterdir()) == []
    with pytest.raises(errors.DatabaseError, match="cannot be opened") as raised:
        database.read(lambda connection: None)
    assert str(database_path(settings)) in str(raised.value)
    assert list(home.iterdir()) == []
    database.close()


def test_a_new_file_is_empty_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "new.db"
    create_file(path)
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(errors.DatabaseError, match="exists already"):
        create_file(path)
    with pytest.raises(errors.DatabaseError, match="cannot be made: File exists"):
        create_file(path / "beneath.db")
    with pytest.raises(errors.DatabaseError, match="cannot be made: Not a directory"):
        create_file(path / "far" / "beneath.db")


@pytest.mark.parametrize("table", [Organization, Config, Member])
def test_no_class_of_a_table_shows_what_it_holds(table: type[Any]) -> None:
    row = table(**{name: PLANTED for name in table.model_fields if not name.endswith("_at")})
    assert PLANTED not in f"{row} {row!r} {list(row.__rich_repr__())} {[row]}"
