"""PostgreSQL: how a server is reached, how transactions begin and end, and what its errors say.

A write holds one lock of ours from its beginning, as it does on SQLite: nobody else writes
meanwhile, and the audit log grows by one event after another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from sqlalchemy import Connection, Engine, QueuePool, RootTransaction, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bifrost_tui import errors
from bifrost_tui.settings import DATABASE_VARIABLE
from bifrost_tui.store import engine as base
from bifrost_tui.store.engine import POOL, Database
from bifrost_tui.store.requests import Interrupt
from bifrost_tui.store.revision import SCHEMA_NOW
from bifrost_tui.store.schema import VERSION_TABLE

if TYPE_CHECKING:
    import psycopg

LOCK = 0x62696672_6F737431
"""The number of the lock that every write of ours holds: ``bifrost1`` in ASCII."""

OLDEST = 130_000
"""The oldest server that is used, as the server numbers itself."""

_TABLES = text(
    "SELECT count(*) FROM pg_catalog.pg_class"
    " WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
    " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
)
_ENCODING = text("SHOW server_encoding")
_SCHEMA = text("SELECT current_schema()")

# Before its snapshot is taken it waits for who changes the schema, and until its end nobody does:
# a table that is rewritten meanwhile would look empty to it.
_READ = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    " SET LOCAL lock_timeout = {milliseconds};"
    " LOCK TABLE {table} IN ACCESS SHARE MODE"
)
_READ_ANY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# READ COMMITTED: what stands behind the lock is looked at when the lock is there, not before.
_WRITE = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    " SET LOCAL lock_timeout = {milliseconds};"
    " SELECT pg_advisory_xact_lock({lock})"
)

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "bifrost-tui",
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What a connection is made with, where the URL says nothing else."""

_CANCEL_SECONDS = 2.0

_QUIET, _SILENCE = logging.getLogger("psycopg"), logging.NullHandler()


class _LostError(Exception):
    """The connection went while COMMIT was under way; caught before it leaves this module."""


class PostgresDatabase(Database):
    """Transactions over a PostgreSQL database, on as many connections as ask at once."""

    dialect: ClassVar[Literal["sqlite", "postgresql"]] = "postgresql"

    def __init__(self, address: str, url: str) -> None:
        self._address = address
        self.driver = driver()
        """psycopg itself."""
        super().__init__(_engine(self.open), url)

    def open(self) -> psycopg.Connection[Any]:
        """Open a connection past SQLAlchemy; each statement is its own transaction.

        Raises:
            psycopg.Error: it cannot be opened; :meth:`told` says why in our words.

        """
        from bifrost_tui.store import postgres_moments

        given = self.driver.conninfo.conninfo_to_dict(self._address)
        options = f"{given.pop('options', '')} -c timezone=UTC".strip()
        parameters: dict[str, Any] = {**_DEFAULTS, **given, "options": options}
        parameters["client_encoding"] = "utf8"
        connection: psycopg.Connection[Any] = self.driver.connect(**parameters, autocommit=True)
        postgres_moments.give(connection)
        return connection

    def holds_nothing(self, connection: Connection) -> bool:
        """Tell whether the schema that is used has no table yet."""
        return not connection.scalar(_TABLES)

    def check_place(self, connection: Connection) -> None:
        """Check that a database of ours can be made in what is reached.

        Raises:
            DatabaseError: it cannot, and this is why.

        """
        made = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
        problem = ""
        if made.info.server_version < OLDEST:
            problem = f"has a server before PostgreSQL {OLDEST // 10_000}"
        elif (encoding := connection.scalar(_ENCODING)) != "UTF8":
            problem = f"is encoded in {encoding}, and texts here are UTF-8"
        elif not connection.scalar(_SCHEMA):
            problem = "has no schema that tables could be made in"
        elif not self.holds_nothing(connection):
            problem = "has tables in it already"
        if problem:
            raise errors.DatabaseError(
                f"The database ({self.shown}) {problem}. Nothing was changed; make a new one"
                " (createdb -E UTF8 -T template0) and give its URL."
            )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        # What is no database of ours yet, or none that is open, has no such table.
        statement = _READ_ANY if self.revision is None else self._filled(_READ)
        connection, transaction = self._begun(statement)
        with _ended(connection, transaction):
            yield connection
            # There is nothing to commit: what fails here has read everything.
            with suppress(SQLAlchemyError):
                transaction.commit()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._waits():
            connection, transaction = self._begun(self._filled(_WRITE))
        with _ended(connection, transaction):
            yield connection
            lost = False
            try:
                transaction.commit()
            except SQLAlchemyError:
                if not _is_closed(connection):
                    raise
                lost = True
            if lost:
                raise _LostError

    @staticmethod
    def _filled(statement: str) -> str:
        milliseconds = max(1, round(base.BUSY_SECONDS * 1000))
        return statement.format(milliseconds=milliseconds, lock=LOCK, table=VERSION_TABLE)

    def lock_schema(self, connection: Connection) -> None:
        """Wait until nobody reads any more, before the schema is changed; readers wait then."""
        connection.exec_driver_sql(f"LOCK TABLE {VERSION_TABLE} IN ACCESS EXCLUSIVE MODE")

    def _begun(self, statement: str) -> tuple[Connection, RootTransaction]:
        """Begin a transaction; on a connection that has gone meanwhile, once more on a new one."""
        for is_last in (False, True):
            connection = self.engine.connect()
            try:
                transaction = connection.begin()
                made = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
                # Several statements in one message, which a prepared statement cannot be.
                known = self.revision is not None
                asked = f"{statement}; {SCHEMA_NOW}" if known else statement
                cursor = made.execute(asked.encode(), prepare=False)
                if known:
                    while cursor.nextset():
                        pass
                    self._stop_in_other_schema(cursor.fetchall())
                return connection, transaction
            except BaseException:
                is_gone = _is_closed(connection)
                with _ended(connection, connection.get_transaction()):
                    pass
                if is_last or not is_gone:
                    raise
            # The others have gone with it, or will be found gone.
            self.engine.dispose()
        raise AssertionError("it has begun, or has failed")

    @contextmanager
    def _interruptible(self, connection: Connection, interrupt: Interrupt) -> Iterator[None]:
        cancelling = _Cancelling(cast("Any", connection.connection.dbapi_connection))
        try:
            with interrupt.watching(cancelling):
                yield
        finally:
            cancelling.finish()

    def _told(self, error: Exception) -> errors.BifrostError | None:
        if isinstance(error, _LostError):
            return errors.DatabaseUncertainError(
                f"The connection to the database ({self.shown}) was lost while the change was being"
                " saved. It is not known whether it was: look before you do it again."
            )
        if self._is_of_nul(error):
            return errors.InvalidInputError(
                "The text holds a NUL character, which a PostgreSQL database takes in no text."
                " Enter it again.",
                field="text",
            )
        return super()._told(error)

    def _is_of_nul(self, error: Exception) -> bool:
        """Tell whether the driver refused a text for the one character that no server takes."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return isinstance(cause, self.driver.DataError) and "NUL" in str(cause)

    def _damaged(self) -> errors.DatabaseError:
        return errors.DatabaseCorruptError(
            f"The database ({self.shown}) holds what Bifrost TUI never wrote there. Leave it as it"
            " is and restore a backup."
        )

    def _explain_driver(self, error: BaseException) -> errors.DatabaseError | None:
        return self.told(error) if isinstance(error, self.driver.Error) else None

    def told(self, error: Any) -> errors.DatabaseError:
        """Say in our words what the driver or the server said; theirs may quote a value."""
        from bifrost_tui.store.postgres_errors import told

        of_connection = isinstance(error, self.driver.OperationalError)
        return told(error, self.shown, base.BUSY_SECONDS, of_connection=of_connection)


@contextmanager
def _ended(connection: Connection, transaction: RootTransaction | None) -> Iterator[None]:
    """Take back what was not committed, and give the connection back, or up."""
    try:
        yield
    finally:
        if _is_closed(connection):
            connection.invalidate()
        with suppress(SQLAlchemyError):
            if transaction is not None and transaction.is_active:
                transaction.rollback()
        with suppress(SQLAlchemyError):
            connection.close()


def _is_closed(connection: Connection) -> bool:
    """Tell whether the server, or the line to it, has let go of a connection."""
    if connection.invalidated:
        return True
    with suppress(SQLAlchemyError):
        return bool(cast("Any", connection.connection.dbapi_connection).closed)
    return True


class _Cancelling:
    """Cuts a read short from another thread, without letting whoever asks wait for the server."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._thread: Thread | None = None

    def interrupt(self) -> None:
        """Ask the server to stop what the connection runs."""
        if self._thread is None:
            self._thread = Thread(target=self._cancel, name="bifrost-cancel", daemon=True)
            self._thread.start()

    def _cancel(self) -> None:
        with suppress(Exception):
            # It is a favour: what was not cut short ends by itself.
            self._connection.cancel_safe(timeout=_CANCEL_SECONDS)

    def finish(self) -> None:
        """Wait until no word of it can reach what the connection runs next."""
        if self._thread is not None:
            self._thread.join()


def driver() -> Any:
    """Return psycopg.

    Raises:
        SettingsError: it is not installed.

    """
    try:
        import psycopg.conninfo
    except ImportError:
        pass
    else:
        # Else Python writes what it warns of to the terminal, over the screens.
        _QUIET.addHandler(_SILENCE)
        return psycopg
    raise errors.SettingsError(
        f"{DATABASE_VARIABLE} names a PostgreSQL database, which takes its driver:"
        " pip install 'bifrost-tui[postgres]'"
    )


def _engine(opening: Callable[[], Any]) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=opening,
        hide_parameters=True,
        poolclass=QueuePool,
        # It would be asked for at every connection, and there is none here.
        use_native_hstore=False,
        pool_timeout=base.BUSY_SECONDS,
        **POOL,
    )
