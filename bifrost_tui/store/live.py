"""What others change, noticed within a moment and for next to nothing.

Nothing changes without an event in the audit log, so the log is read on from the last event seen,
once something says that there may be more. SQLite counts the commits of other connections; asking
for the count takes microseconds. PostgreSQL tells by itself: :mod:`.listening`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Protocol

from bifrost_tui.store.audit import DONE, EXPORT_CONFIGS, HANDOVER, READS, RESTORE
from bifrost_tui.store.engine import Database
from bifrost_tui.store.schema import GLOBAL
from bifrost_tui.store.sqlite import open_file

INTERVAL = 1.0
"""Seconds between two looks: a change shows within two, on a slow machine too."""

_MIGRATED = "database.migrate"
_NO_CHANGE = frozenset({*READS, HANDOVER, EXPORT_CONFIGS})
_OF_NO_LIST = ("presence", "database", "key", "audit")

_SINCE = (
    "SELECT action, organization_id, outcome, max(sequence) FROM audit_event"
    " WHERE sequence > ? GROUP BY action, organization_id, outcome"
)
_LAST = "SELECT sequence, chain_hash FROM audit_event ORDER BY sequence DESC LIMIT 1"
_THIS = "SELECT sequence, chain_hash FROM audit_event WHERE sequence = ?"

Ask = Callable[[str, tuple[object, ...]], Sequence[Sequence[Any]]]
"""Runs a statement, whose parameters stand as ``?``, and returns all of its rows."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed, roughly: enough to know which lists to read again."""

    scopes: frozenset[str] = frozenset()
    """The ids of the scopes with a config that was changed; global's among them."""
    organizations: bool = False
    members: bool = False
    migrated: bool = False
    """The schema is another one: this program can go on no longer, and says so."""

    def __bool__(self) -> bool:
        return bool(self.scopes) or self.organizations or self.members or self.migrated

    def __or__(self, other: Changes) -> Changes:
        return Changes(
            self.scopes | other.scopes,
            self.organizations or other.organizations,
            self.members or other.members,
            self.migrated or other.migrated,
        )


EVERYTHING = Changes(frozenset({GLOBAL}), organizations=True, members=True)
"""A backup took the place of what was there: every list may be another."""


class Watch(Protocol):
    """Tells of changes until it is closed."""

    def start(
        self,
        told: Callable[[Changes], object],
        reached: Callable[[bool], object] | None = None,
    ) -> None:
        """Begin to tell, in a thread of its own; also when a server is lost, and reached again."""

    def tick(self) -> Changes:
        """Look once, and return what was changed since the last look."""

    def close(self) -> None:
        """Stop telling."""


class LogReader:
    """Reads the audit log on from the last event that was seen."""

    def __init__(self) -> None:
        self._seen: Sequence[Any] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is an event to read on from."""
        return self._seen is not None

    def begin(self, ask: Ask) -> None:
        """Take what stands there as seen."""
        self._seen = next(iter(ask(_LAST, ())), None)

    def read_on(self, ask: Ask) -> Changes:
        """Return what the events since say was changed."""
        seen = self._seen
        if seen is None or [tuple(row) for row in ask(_THIS, (seen[0],))] != [tuple(seen)]:
            # Another history than the one that was followed: a backup was restored.
            self.begin(ask)
            return EVERYTHING
        rows = ask(_SINCE, (seen[0],))
        if rows:
            self._seen = next(iter(ask(_THIS, (max(row[3] for row in rows),))), None)
        return _changes((row[0], row[1], row[2]) for row in rows)


class SqliteWatch:
    """Looks at an SQLite file, on a connection of its own that never holds a transaction open."""

    def __init__(self, database: Database, interval: float = INTERVAL) -> None:
        self._database = database
        self._interval = interval
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._log = LogReader()
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        # From now on, and not from when the thread gets to it.
        self.tick()

    def start(
        self,
        told: Callable[[Changes], object],
        reached: Callable[[bool], object] | None = None,
    ) -> None:
        """Begin to tell, in a thread of its own; of a file nobody is told that it is reached."""

        def run() -> None:
            while not self._stop.wait(self._interval):
                if changes := self.tick():
                    told(changes)

        self._thread = Thread(target=run, name="bifrost-watch", daemon=True)
        self._thread.start()

    def tick(self) -> Changes:
        """Look once; what a busy or broken database does not say now is asked for next time."""
        with self._lock:
            if self._stop.is_set():
                return Changes()
            try:
                return self._look()
            except sqlite3.Error:
                self._drop()
                return Changes()

    def _look(self) -> Changes:
        if self._connection is None:
            assert self._database.path is not None  # noqa: S101 - made for SQLite alone
            self._connection = open_file(self._database.path, seconds=0)
        [(version,)] = self._connection.execute("PRAGMA data_version").fetchall()
        if version == self._version:
            return Changes()
        # What is read is of one moment, and read at once: nothing is held.
        self._connection.execute("BEGIN")
        try:
            changes = self._log.read_on(self._ask) if self._log.has_begun else Changes()
            if not self._log.has_begun:
                self._log.begin(self._ask)
        finally:
            self._connection.execute("ROLLBACK")
        self._version = version
        return changes

    def _ask(self, statement: str, values: tuple[object, ...]) -> Sequence[Sequence[Any]]:
        assert self._connection is not None  # noqa: S101 - it has just been opened
        return self._connection.execute(statement, values).fetchall()

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        # The count of another connection begins anew; the sequence does not.
        self._connection = self._version = None

    def close(self) -> None:
        """Stop telling."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._drop()


def _changes(events: Iterable[tuple[str, str | None, str]]) -> Changes:
    found = Changes()
    for action, scope_id, outcome in events:
        if action == RESTORE and outcome == DONE:
            return EVERYTHING
        noun = action.partition(".")[0]
        found |= Changes(migrated=action == _MIGRATED)
        # That a secret does not open is told as a failure, and shows in the list.
        if action in _NO_CHANGE or noun in _OF_NO_LIST or (outcome != DONE and noun != "secret"):
            continue
        scopes = frozenset() if scope_id is None else frozenset({scope_id})
        found |= Changes(scopes, organizations=noun == "organization", members=noun == "member")
    return found
