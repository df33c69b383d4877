"""The engine: transactions over a database, whichever engine keeps it.

What differs from one engine to another stands in :mod:`.sqlite` and :mod:`.postgres`, and within a
query in :mod:`.dialects`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bifrost_tui import errors
from bifrost_tui.settings import postgres_url, shown_url, sqlite_path
from bifrost_tui.store.requests import Interrupt
from bifrost_tui.store.revision import refuse_other_schema
from bifrost_tui.store.schema import DamagedValueError

if TYPE_CHECKING:
    from sqlmodel import Session

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a write waits for another one before it gives up."""

POOL: dict[str, Any] = {"pool_size": 4, "max_overflow": 8}
"""Connections that are kept, and those beyond them while many ask at once."""


class Database(ABC):
    """Transactions over one engine. Every error that leaves is one of ours and holds no value."""

    dialect: ClassVar[Literal["sqlite", "postgresql"]]

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.shown = shown_url(url)
        self.revision: str | None = None
        """The schema that this program works with: no transaction begins in another one."""
        self._waiting: dict[object, float] = {}

    @property
    def path(self) -> Path | None:
        """The database's file; ``None`` where it is none."""
        return None

    def read(self, work: Callable[[Connection], T], interrupt: Interrupt | None = None) -> T:
        """Run a read in one transaction, which sees one state of the database throughout."""

        def run() -> T:
            with self._reading() as connection:
                if interrupt is None:
                    return work(connection)
                with self._interruptible(connection, interrupt):
                    return work(connection)

        return self._translated(run)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run a change in one transaction that holds the write lock from its beginning."""
        from sqlmodel import Session

        def run() -> T:
            with (
                self._writing() as connection,
                Session(connection, expire_on_commit=False) as session,
                session.begin(),
            ):
                return work(session)

        return self._translated(run)

    def write_rows(self, work: Callable[[Connection], T]) -> T:
        """Run a change of many rows in one such transaction, without objects."""

        def run() -> T:
            with self._writing() as connection:
                return work(connection)

        return self._translated(run)

    def is_waiting(self, seconds: float) -> bool:
        """Tell whether a change has waited for as long, for others to let go of the database."""
        longest = min(list(self._waiting.values()), default=None)
        return longest is not None and monotonic() - longest >= seconds

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Let others know that the write lock is asked for while the block runs."""
        mine = object()
        self._waiting[mine] = monotonic()
        try:
            yield
        finally:
            del self._waiting[mine]

    def holds_nothing(self, connection: Connection) -> bool:
        """Tell whether there is a place for a database of ours, and nothing in it yet."""
        return False

    def lock_schema(self, connection: Connection) -> None:
        """Keep readers away where they would be misled, before the schema is changed."""
        return

    def check_place(self, connection: Connection) -> None:
        """Check that a database of ours can be made in what is reached.

        Raises:
            DatabaseError: it cannot, and this is why.

        """
        return

    @abstractmethod
    def _reading(self) -> Any:
        """Return a context: a transaction that sees one state throughout."""

    @abstractmethod
    def _writing(self) -> Any:
        """Return a context: a transaction that holds the write lock, and commits at its end."""

    def _stop_in_other_schema(self, found: Sequence[Sequence[Any]]) -> None:
        """Go on only where the schema that was found is the one that this program works with.

        Raises:
            DatabaseError: it is another one.

        """
        if len(found) != 1 or found[0][0] != self.revision:
            refuse_other_schema(found, self.revision or "", self.shown)

    @contextmanager
    def _interruptible(self, connection: Connection, interrupt: Interrupt) -> Iterator[None]:
        """Let ``interrupt`` reach the driver's connection while the block runs."""
        driver: Any = connection.connection.dbapi_connection
        with interrupt.watching(driver):
            yield

    def _translated(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except UnicodeEncodeError:
            problem: errors.BifrostError = errors.InvalidInputError(
                "The text holds half a character (a lone surrogate). Enter it again.", field="text"
            )
        except errors.BifrostError:
            raise
        except Exception as error:
            if (told := self._told(error)) is None:
                raise
            problem = told
        # Raised outside the handlers: the driver's error holds the statement's values.
        raise problem

    def _told(self, error: Exception) -> errors.BifrostError | None:
        """Turn an error of the database's layers into one of ours; ``None`` where it is no such."""
        if isinstance(error, UnicodeDecodeError):
            # The driver's message quotes the file, and what stands there is no text.
            return self._damaged()
        if isinstance(error, PoolTimeoutError):
            return errors.DatabaseBusyError(
                f"All of this program's connections to the database ({self.shown}) are in use."
                " Nothing was changed; try again."
            )
        if isinstance(error, SQLAlchemyError):
            return self.explain(error)
        # Of statements that are given to the driver itself.
        return self._explain_driver(error)

    def explain(self, error: SQLAlchemyError) -> errors.DatabaseError:
        """Turn a driver's error into one of ours, which names the database and what to do."""
        if isinstance(error, DamagedValueError):
            return self._damaged()
        cause = error.orig if isinstance(error, DBAPIError) else None
        told = None if cause is None else self._explain_driver(cause)
        return told or errors.DatabaseError(
            f"The database ({self.shown}) could not be used: {type(cause or error).__name__}."
        )

    @abstractmethod
    def _damaged(self) -> errors.DatabaseError:
        """Return what says that a row holds what this program never wrote."""

    @abstractmethod
    def _explain_driver(self, error: BaseException) -> errors.DatabaseError | None:
        """Turn an error of the driver itself into one of ours; ``None`` where it is no such."""

    def close(self) -> None:
        """Close every connection; SQLite then moves its write-ahead log into the file."""
        self.engine.dispose()


def connect(url: str) -> Database:
    """Make the engine of a database that exists. Nothing is read yet.

    Raises:
        SettingsError: there is no engine for the URL, or its driver is not installed.

    """
    if (path := sqlite_path(url)) is not None:
        from bifrost_tui.store.sqlite import SqliteDatabase

        return SqliteDatabase(path, url)
    if (address := postgres_url(url)) is not None:
        from bifrost_tui.store.postgres import PostgresDatabase

        return PostgresDatabase(address, url)
    raise errors.SettingsError(f"No engine for {shown_url(url)}.")
