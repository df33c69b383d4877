"""SQLite: how a file is made, opened, set up and copied, and what its errors say."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bifrost_tui import errors
from bifrost_tui.store import engine as base
from bifrost_tui.store.engine import POOL, Database
from bifrost_tui.store.revision import SCHEMA_NOW

_IMMEDIATE = "BEGIN IMMEDIATE"
"""Deferred, a transaction that reads and then writes can fail at once despite the timeout."""

_READ_ONLY = "read-only"
"""Under which name a connection notes that its file could not be written when it was opened."""

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten, and nothing sorted is spilled to a file.
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    # A commit that was told survives a loss of power.
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
)


class SqliteDatabase(Database):
    """Transactions over an SQLite file, on as many connections as ask at once."""

    dialect: ClassVar[Literal["sqlite", "postgresql"]] = "sqlite"

    def __init__(self, path: Path, url: str) -> None:
        super().__init__(_engine(path), url)
        self._path = path

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._path

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            self._begin(connection, "BEGIN")
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with ExitStack() as stack:
            connection = stack.enter_context(self.engine.begin())
            if connection.info.get(_READ_ONLY):
                # It stays so for a connection, and may be otherwise by now.
                stack.close()
                self.engine.dispose()
                connection = stack.enter_context(self.engine.begin())
            with self._waits():
                self._begin(connection, _IMMEDIATE)
            yield connection

    def _begin(self, connection: Connection, statement: str) -> None:
        """Begin where the driver does not: SQLite's begins no transaction for a read.

        Past SQLAlchemy: its way takes as long as a query, and listening for a beginning makes each
        of its statements slower.
        """
        driver = cast("Any", connection.connection.dbapi_connection)
        driver.execute(statement)
        if self.revision is not None:
            # For two microseconds: a newer program may have come since the last transaction.
            self._stop_in_other_schema(driver.execute(SCHEMA_NOW).fetchall())

    def _damaged(self) -> errors.DatabaseError:
        return _explain_name("SQLITE_CORRUPT", self.shown)

    def _explain_driver(self, error: BaseException) -> errors.DatabaseError | None:
        return _explain(error, self.shown) if isinstance(error, sqlite3.Error) else None


_NO_ROOM = (
    "There is no room left for the database ({shown}). Nothing was changed; free some room and try"
    " again."
)

_TOLD = (
    (
        "SQLITE_BUSY",
        errors.DatabaseBusyError,
        (
            "Another program holds the database ({shown}) and did not let go within"
            " {seconds:.0f} seconds. Nothing was changed; try again."
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
    ("SQLITE_FULL", errors.DatabaseFullError, _NO_ROOM),
    # What readers share beside the write-ahead log has no room: it takes some to read even.
    ("SQLITE_IOERR_SHMSIZE", errors.DatabaseFullError, _NO_ROOM),
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
        errors.DatabaseUnreachableError,
        "The database ({shown}) cannot be opened. Check the rights of the file and its folder.",
    ),
    # It is there and is read: nothing comes back that would make trying again worth it.
    *(
        (
            f"SQLITE_IOERR_{what}",
            errors.DatabaseError,
            "Writing the database ({shown}) failed ({name}). Nothing was changed; check the disk.",
        )
        for what in ("WRITE", "FSYNC", "DIR_FSYNC", "TRUNCATE")
    ),
    (
        "SQLITE_IOERR",
        errors.DatabaseUnreachableError,
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


def _explain(error: sqlite3.Error, shown: str) -> errors.DatabaseError:
    name = getattr(error, "sqlite_errorname", None)
    if name is None and isinstance(error, sqlite3.OperationalError):
        # The driver's own: a text that is not UTF-8. What we write is.
        name = "SQLITE_CORRUPT"
    return _explain_name(name or type(error).__name__, shown)


def _explain_name(name: str, shown: str) -> errors.DatabaseError:
    kind, text = next((kind, text) for prefix, kind, text in _TOLD if name.startswith(prefix))
    return kind(text.format(shown=shown, name=name, seconds=base.BUSY_SECONDS))


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
        seconds = base.BUSY_SECONDS
    # mode=rw: a database that is gone is never made anew, empty, by looking for it.
    uri = f"file:{quote(str(path))}?mode=rw"
    return sqlite3.connect(
        uri, uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
    )


def _engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=partial(open_file, path),
        hide_parameters=True,
        poolclass=QueuePool,
        pool_timeout=base.BUSY_SECONDS,
        **POOL,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: Any) -> None:
        record.info[_READ_ONLY] = not os.access(path, os.W_OK)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        # SQLite's own LIKE folds ASCII only, which is all that keys can hold.

    return engine


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
            _explain(cause, str(target))
            if isinstance(cause, sqlite3.Error)
            else errors.DatabaseError(f"The copy {target} could not be made.")
        )
    if problem is not None:
        target.unlink(missing_ok=True)
        raise problem
