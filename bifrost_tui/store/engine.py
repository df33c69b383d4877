"""The engine: how a database is reached, and all that differs from one engine to another."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bifrost_tui import errors
from bifrost_tui.settings import shown_url, sqlite_path
from bifrost_tui.store.requests import Interrupt
from bifrost_tui.store.revision import SCHEMA_NOW, refuse_other_schema
from bifrost_tui.store.schema import DamagedValueError

if TYPE_CHECKING:
    from sqlmodel import Session

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a write waits for another one before it gives up."""

_IMMEDIATE = "BEGIN IMMEDIATE"
"""Deferred, a transaction that reads and then writes can fail at once despite the timeout."""

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten, and nothing sorted is spilled to a file.
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    # A commit that was told survives a loss of power.
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
)


class Database:
    """Transactions over one engine. Every error that leaves is one of ours and holds no value."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.shown = shown_url(url)
        self.path = sqlite_path(url)
        self.revision: str | None = None
        """The schema that this program works with: no transaction begins in another one."""

    def read(self, work: Callable[[Connection], T], interrupt: Interrupt | None = None) -> T:
        """Run a read in one transaction, which sees one state of the database throughout."""
        return self._translated(lambda: self._read(work, interrupt))

    def _read(self, work: Callable[[Connection], T], interrupt: Interrupt | None) -> T:
        with self.engine.connect() as connection, connection.begin():
            self._begin(connection, "BEGIN")
            if interrupt is None:
                return work(connection)
            with interrupt.watching(cast("Any", connection.connection.dbapi_connection)):
                return work(connection)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run a change in one transaction that holds the write lock from its beginning."""
        from sqlmodel import Session

        def run() -> T:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                self._begin(session.connection(), _IMMEDIATE)
                return work(session)

        return self._translated(run)

    def write_rows(self, work: Callable[[Connection], T]) -> T:
        """Run a change of many rows in one such transaction, without objects."""

        def run() -> T:
            with self.engine.begin() as connection:
                self._begin(connection, _IMMEDIATE)
                return work(connection)

        return self._translated(run)

    def _begin(self, connection: Connection, statement: str) -> None:
        """Begin where the driver does not: SQLite's begins no transaction for a read.

        Past SQLAlchemy: its way takes as long as a query, and listening for a beginning makes each
        of its statements slower.
        """
        if self.path is not None:
            driver = cast("Any", connection.connection.dbapi_connection)
            driver.execute(statement)
            if self.revision is not None:
                # Two microseconds: a newer program may have come since the last transaction.
                found = driver.execute(SCHEMA_NOW).fetchall()
                if found != [(self.revision,)]:
                    refuse_other_schema(found, self.revision, self.shown)

    def _translated(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except SQLAlchemyError as error:
            problem: errors.BifrostError = self.explain(error)
        except sqlite3.Error as error:
            # From the beginning of a transaction, which is told to the driver itself.
            problem = _explain_sqlite(error, self.shown)
        except UnicodeEncodeError:
            problem = errors.InvalidInputError(
                "The text holds half a character (a lone surrogate). Enter it again.", field="text"
            )
        except UnicodeDecodeError:
            # SQLite's message quotes the file, and what stands there is no text.
            problem = _explain_sqlite_name("SQLITE_CORRUPT", self.shown)
        # Raised outside the handlers: the driver's error holds the statement's values.
        raise problem

    def explain(self, error: SQLAlchemyError) -> errors.DatabaseError:
        """Turn a driver's error into one of ours, which names the database and what to do."""
        if isinstance(error, DamagedValueError):
            return _explain_sqlite_name("SQLITE_CORRUPT", self.shown)
        cause = error.orig if isinstance(error, DBAPIError) else None
        if isinstance(cause, sqlite3.Error):
            return _explain_sqlite(cause, self.shown)
        return errors.DatabaseError(
            f"The database ({self.shown}) could not be used: {type(cause or error).__name__}."
        )

    def close(self) -> None:
        """Close every connection; SQLite then moves its write-ahead log into the file."""
        self.engine.dispose()


_TOLD = (
    (
        "SQLITE_BUSY",
        errors.DatabaseBusyError,
        (
            "Another program holds the database ({shown}) and did not let go within"
            f" {BUSY_SECONDS:.0f} seconds. Nothing was changed; try again."
        ),
    ),
    (
        "SQLITE_LOCKED",
        errors.DatabaseBusyError,
        "Another program holds the database ({shown}). Nothing was changed; try again.",
    ),
    (
        "SQLITE_READONLY",
        errors.DatabaseReadOnlyError,
        (
            "The database ({shown}) cannot be written. Nothing was changed; check the rights of the"
            " file and of its folder."
        ),
    ),
    (
        "SQLITE_FULL",
        errors.DatabaseFullError,
        (
            "There is no room left for the database ({shown}). Nothing was changed; free some room"
            " and try again."
        ),
    ),
    (
        "SQLITE_CORRUPT",
        errors.DatabaseCorruptError,
        "The database ({shown}) is damaged. Leave the file as it is and restore a backup.",
    ),
    (
        "SQLITE_NOTADB",
        errors.DatabaseCorruptError,
        (
            "The file ({shown}) is no SQLite database, or its head is damaged. Leave it as it is;"
            " check the path, or restore a backup."
        ),
    ),
    ("SQLITE_INTERRUPT", errors.DatabaseInterruptedError, "The read was cancelled."),
    (
        "SQLITE_CANTOPEN",
        errors.DatabaseError,
        "The database ({shown}) cannot be opened. Check the rights of the file and its folder.",
    ),
    (
        "SQLITE_IOERR",
        errors.DatabaseError,
        (
            "Reading or writing the database ({shown}) failed ({name}). Nothing was changed; check"
            " the disk."
        ),
    ),
    (
        "",
        errors.DatabaseError,
        "The database ({shown}) refused ({name}). Nothing was changed.",
    ),
)


def _explain_sqlite(error: sqlite3.Error, shown: str) -> errors.DatabaseError:
    name = getattr(error, "sqlite_errorname", None)
    if name is None and isinstance(error, sqlite3.OperationalError):
        # The driver's own: a text that is not UTF-8. What we write is.
        name = "SQLITE_CORRUPT"
    return _explain_sqlite_name(name or type(error).__name__, shown)


def _explain_sqlite_name(name: str, shown: str) -> errors.DatabaseError:
    kind, text = next((kind, text) for prefix, kind, text in _TOLD if name.startswith(prefix))
    return kind(text.format(shown=shown, name=name))


def connect(url: str) -> Database:
    """Make the engine of a database that exists. Nothing is read yet."""
    path = sqlite_path(url)
    if path is None:
        raise errors.SettingsError(f"No engine for {shown_url(url)}.")
    return Database(_sqlite_engine(path), url)


def create_file(path: Path) -> None:
    """Make an empty database file, mode 0600, in a folder of mode 0700 where that is new.

    Raises:
        DatabaseError: it is there already, or cannot be made.

    """
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        there = os.path.lexists(path)
        problem = "exists already" if there else f"cannot be made: {error.strerror}"
    if problem:
        raise errors.DatabaseError(f"The file {path} {problem}.")


def open_file(path: Path, seconds: float | None = None) -> sqlite3.Connection:
    """Open an SQLite file past SQLAlchemy; ``seconds`` is how long to wait for others."""
    if seconds is None:
        seconds = BUSY_SECONDS
    # mode=rw: a database that is gone is never made anew, empty, by looking for it.
    uri = f"file:{quote(str(path))}?mode=rw"
    return sqlite3.connect(
        uri, uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
    )


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://", creator=partial(open_file, path), hide_parameters=True, **_pool()
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        # SQLite's own LIKE folds ASCII only, which is all that keys can hold.

    return engine


def _pool() -> dict[str, Any]:
    from sqlalchemy import QueuePool

    return {"poolclass": QueuePool, "pool_size": 4, "max_overflow": 8}


def prepare_storage(database: Database) -> None:
    """Set what a new database keeps for good: on SQLite, the write-ahead log."""
    if database.path is None:
        return

    def run() -> None:
        with database.engine.connect() as connection:
            # Not within a transaction, so past SQLAlchemy's own BEGIN.
            driver = connection.connection.dbapi_connection
            driver.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]

    database._translated(run)


def copy_database(database: Database, target: Path) -> None:
    """Write a consistent copy of an SQLite database into a new file, mode 0600.

    Raises:
        DatabaseError: the copy could not be made whole; then there is none.

    """
    create_file(target)

    def run() -> None:
        with database.engine.connect() as connection:
            source = connection.connection.dbapi_connection
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)  # type: ignore[union-attr]

    problem = None
    try:
        run()
    except (sqlite3.Error, SQLAlchemyError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        problem = (
            _explain_sqlite(cause, str(target))
            if isinstance(cause, sqlite3.Error)
            else errors.DatabaseError(f"The copy {target} could not be made.")
        )
    if problem is not None:
        target.unlink(missing_ok=True)
        raise problem
