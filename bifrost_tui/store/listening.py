"""PostgreSQL's own word that something was changed: a connection that listens, and waits.

A trigger of the audit log notifies a channel, without data. Nothing is asked while nothing happens,
but for one look a minute: for notifications that a pooler between us and the server has kept.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from bifrost_tui.errors import DatabaseError
from bifrost_tui.store.live import Changes, LogReader
from bifrost_tui.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    import psycopg

PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each new try to reach a server that is gone; the last one again and again."""

LOOK_ANYHOW = 60.0
"""Seconds after which the log is looked at though nothing was heard."""

REST = 0.3
"""Seconds after a change in which others wait: many at once are told as one."""

_PATIENCE = 1.0
"""Seconds that closing waits for a thread that may be waiting for the server."""

_CHANNEL = (
    "SELECT 'bifrost_' || left(encode(sha256(convert_to(nspname, 'UTF8')), 'hex'), 32)"
    " FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE pg_class.oid = to_regclass('audit_event')"
)


class PostgresWatch:
    """Listens on a connection of its own, which never holds a transaction open."""

    def __init__(
        self,
        database: PostgresDatabase,
        *,
        pauses: Sequence[float] = PAUSES,
        look_anyhow: float = LOOK_ANYHOW,
        rest: float = REST,
    ) -> None:
        self._database = database
        self._errors: tuple[type[Exception], ...] = (database.driver.Error, OSError)
        self._pauses = pauses
        self._look_anyhow = look_anyhow
        self._rest = rest
        self._connection: psycopg.Connection[Any] | None = None
        self._heard = False
        self._log = LogReader()
        self._lock = Lock()
        self._stop = Event()
        self._woken, self._waker = socket.socketpair()
        self._thread: Thread | None = None
        # From now on; where that cannot be read, all may be new once it can.
        with suppress(DatabaseError):
            database.read(
                lambda connection: self._log.begin(
                    lambda statement, values: connection.exec_driver_sql(
                        _marked(statement), values
                    ).all()
                )
            )

    def start(
        self,
        told: Callable[[Changes], object],
        reached: Callable[[bool], object] | None = None,
    ) -> None:
        """Begin to tell, in a thread of its own; also when the server is lost, and reached again.

        Of a server that is reached again at once nobody is told.
        """

        def run() -> None:
            with suppress(_ClosedError):
                self._follow(told, reached or (lambda _: None))
            self._end()

        self._thread = Thread(target=run, name="bifrost-watch", daemon=True)
        self._thread.start()

    def _follow(self, told: Callable[[Changes], object], reached: Callable[[bool], object]) -> None:
        tries = 0
        while True:
            try:
                changes = self._look()
                if tries > 1:
                    reached(True)
                tries = 0
                if changes:
                    told(changes)
                    self._pause(self._rest)
                self._wait()
            except self._errors:
                self._drop()
                tries += 1
                if tries == 2:
                    reached(False)
                self._pause(self._pauses[min(tries, len(self._pauses)) - 1])

    def tick(self) -> Changes:
        """Look once; what an unreachable server does not say now is asked for next time."""
        with self._lock:
            try:
                return self._look()
            except _ClosedError:
                return Changes()
            except self._errors:
                self._drop()
                return Changes()

    def _look(self) -> Changes:
        if self._stop.is_set():
            raise _ClosedError
        if self._connection is None:
            self._listen()
        self._heard = False
        return self._log.read_on(self._ask)

    def _listen(self) -> None:
        connection = self._connection = self._database.open()
        connection.add_notify_handler(self._hear)
        row = connection.execute(_CHANNEL).fetchone()
        if row is not None:
            connection.execute(b'LISTEN "%s"' % row[0].encode())

    def _hear(self, _: object) -> None:
        # It came with the answer to a question, which may be older.
        self._heard = True

    def _ask(self, statement: str, values: tuple[object, ...]) -> Sequence[Sequence[Any]]:
        assert self._connection is not None  # noqa: S101 - it has just been opened
        return self._connection.execute(_marked(statement).encode(), values).fetchall()

    def _wait(self) -> None:
        """Wait until there may be something to read."""
        connection = self._connection
        if connection is None or self._heard:
            return
        with DefaultSelector() as selector:
            selector.register(self._woken, EVENT_READ)
            selector.register(connection.fileno(), EVENT_READ)
            selector.select(self._look_anyhow)
        if self._stop.is_set():
            raise _ClosedError
        connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            pass

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _ClosedError

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self._errors):
                connection.close()

    def close(self) -> None:
        """Stop telling; a thread that still waits for the server ends by itself."""
        self._stop.set()
        with suppress(OSError):
            self._waker.send(b"!")
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        else:
            with self._lock:
                self._end()

    def _end(self) -> None:
        self._drop()
        self._woken.close()
        self._waker.close()


class _ClosedError(Exception):
    """The watch was closed; caught in this module."""


def _marked(statement: str) -> str:
    """Return a statement with its parameters as the driver wants them."""
    return statement.replace("?", "%s")
