"""The audit chain: one event a line, each hashed with the one before it under a key.

The event of a change is written in the change's own transaction: if it cannot be written, the
change does not happen. A changed, removed or reordered event no longer fits the chain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

from bifrost_tui.clock import Clock
from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.errors import DatabaseCorruptError
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.schema import audit_event
from bifrost_tui.store.views import AuditView, ChainReport, Head, Scope

if TYPE_CHECKING:
    from bifrost_tui.store.engine import Database
    from bifrost_tui.store.requests import Access, Interrupt

DONE = "done"
REFUSED = "refused"
FAILED = "failed"

READ = "secret.read"
"""Code was given a secret's value."""
INJECT = "secret.inject"
"""A command was given it."""
HANDOVER = "secret.handover"
"""A command was given a new value that is not kept; of one that is, its rotation tells."""
EXPORT = "secret.export"
"""It went into an encrypted bundle, for whoever can open that."""
READS = (READ, INJECT, EXPORT)
EXPORT_CONFIGS = "config.export"
"""Configs of a scope went into a file: secrets without their values, or each told by itself."""
BACKUP = "database.backup"
"""All of the database was written into a file."""
RESTORE = "database.restore"
"""A backup took the place of all that was there; the log goes on from where that backup ends."""
CHANGES = (
    *("config.add", "config.edit", "config.rotate", "config.delete", "config.import"),
    *("secret.unreadable", "secret.readable"),
)

_START = "0" * 64
_CHUNK = 1000
_MOMENT = len("2026-03-01 09:30:00.000000")
_FIELDS = (
    *("sequence", "at", "actor", "source", "action", "organization_id", "organization", "key"),
    *("outcome", "details", "chain_hash"),
)

# Made once: every change and every read of a secret asks them.
_LAST = Quick(
    select(audit_event.c.sequence, audit_event.c.chain_hash)
    .order_by(audit_event.c.sequence.desc())
    .limit(literal_column("1"))
)
_INSERT = Quick(insert(audit_event))
# The moment as it stands there: what is none has to be found, not to end the walk.
_EVENTS = Quick(
    select(
        *(
            type_coerce(audit_event.c[name], NullType).label(name)
            if name == "at"
            else audit_event.c[name]
            for name in _FIELDS
        )
    )
    .where(audit_event.c.sequence > bindparam("after", type_=Integer))
    .order_by(audit_event.c.sequence)
    .limit(bindparam("most", type_=Integer))
)
_encoded = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii
_NULL = "null"


@dataclass(frozen=True, slots=True)
class Event:
    """What is about to be told: an action and what it was done to. Never a value."""

    action: str
    scope: Scope | None = None
    key: str | None = None
    outcome: str = DONE
    details: Mapping[str, Any] | None = None


class AuditChain:
    """Appends to the log and checks it."""

    def __init__(self, database: Database, root: DatabaseRoot, clock: Clock) -> None:
        self._database = database
        self._root = root
        self._clock = clock

    def append(self, connection: Connection, access: Access, *events: Event) -> datetime:
        """Write events into the transaction at hand and return the moment they carry."""
        last = _LAST.rows(connection, {})
        # A text whatever stands there: what was tampered with is for verify() to find.
        sequence, chain_hash = (last[0][0], str(last[0][1])) if last else (0, _START)
        now = self._clock()
        for told in events:
            sequence += 1
            row: dict[str, Any] = {
                "sequence": sequence,
                "at": now,
                "actor": access.actor,
                "source": access.source,
                "action": told.action,
                "organization_id": told.scope.id if told.scope else None,
                "organization": told.scope.name if told.scope else None,
                "key": told.key,
                "outcome": told.outcome,
                "details": _encoded(told.details or {}),
            }
            chain_hash = self._root.link(chain_hash, _bytes([*row.values(), None]))
            _INSERT.run(connection, {**row, "chain_hash": chain_hash})
        return now

    def verify(
        self,
        *,
        head: Head | None = None,
        progress: Callable[[int, int], object] | None = None,
        interrupt: Interrupt | None = None,
    ) -> ChainReport:
        """Walk the whole chain and report the first event that does not fit.

        With a ``head`` that was noted earlier the log must still hold that event as it was: this
        finds an end that has been cut off, which a chain alone cannot know of. ``progress`` is told
        how many events are checked and how many there are.

        Raises:
            DatabaseInterruptedError: it was cancelled.

        """
        total = self._count() if progress else 0
        checked, previous = 0, _START
        limit, link = _CHUNK, self._root.link
        while True:
            chunk = self._chunk(checked, limit, interrupt)
            if chunk is None and limit > 1:
                limit = 1  # one of them cannot be read: which?
                continue
            if chunk is None:
                return _report(checked, previous, "it holds what is no text")
            for row in chunk:
                if row[0] != checked + 1:
                    return _report(checked, previous, "it is missing")
                try:
                    expected = link(previous, _bytes(row))
                except (AttributeError, TypeError, ValueError):
                    expected = ""  # it holds what no event can
                if row[-1] != expected:
                    return _report(checked, previous, "it, or what stood before it, was changed")
                checked, previous = checked + 1, expected
                if head is not None and checked == head.sequence and head.chain_hash != expected:
                    return _report(checked - 1, "", "it is another one than the head names")
            if progress:
                progress(checked, max(total, checked))
            if len(chunk) < limit:
                return self._end(checked, previous, head)

    def _end(self, checked: int, previous: str, head: Head | None) -> ChainReport:
        # Rows with numbers that the walk passed over stand outside the chain. Events that others
        # appended meanwhile have higher ones.
        if self._count(checked) != checked:
            return _report(checked, previous, "an event that is none stands outside the chain")
        if head is not None and head.sequence > checked:
            missing = head.sequence - checked
            return _report(
                checked,
                previous,
                f"the log ends at {checked}, the head names {head.sequence}:"
                f" {missing:,} {'event is' if missing == 1 else 'events are'} missing",
            )
        return ChainReport(checked, None, head=Head(checked, previous))

    def last(self, connection: Connection) -> int:
        """Return the number of the last event; 0 of an empty log."""
        last = _LAST.rows(connection, {})
        return last[0][0] if last else 0

    def head(self) -> Head:
        """Return the last event's number and hash; of an empty log, those that it starts from."""
        return self._database.read(self.last_head)

    def last_head(self, connection: Connection) -> Head:
        """Return the same within the transaction at hand."""
        last = _LAST.rows(connection, {})
        return Head(last[0][0], str(last[0][1])) if last else Head(0, _START)

    def _chunk(self, after: int, limit: int, interrupt: Interrupt | None) -> list[Any] | None:
        """Return the next events as they stand there; ``None`` where one cannot be read."""
        values = {"after": after, "most": limit}
        try:
            return self._database.read(
                lambda connection: _EVENTS.tuples(connection, values), interrupt
            )
        except DatabaseCorruptError:
            return None

    def _count(self, last: int | None = None) -> int:
        query = select(func.count()).select_from(audit_event)
        if last is not None:
            query = query.where(audit_event.c.sequence <= last)
        return self._database.read(lambda connection: connection.execute(query).scalar_one())


def _report(checked: int, previous: str, why: str) -> ChainReport:
    """Say that the event after those checked does not fit."""
    head = Head(checked, previous) if previous else None
    return ChainReport(checked, checked + 1, f"Event {checked + 1}: {why}.", head)


def recent(connection: Connection, scope: Scope, key: str, limit: int) -> tuple[AuditView, ...]:
    """Return a key's last events in one scope, newest first: of its reads only the last one."""
    told = select(audit_event).where(
        audit_event.c.organization_id == scope.id, audit_event.c.key == key
    )
    newest = audit_event.c.sequence.desc()
    reads = [
        row
        for action in READS
        for row in connection.execute(
            told.where(audit_event.c.action == action).order_by(newest).limit(1)
        )
    ]
    reads = sorted(reads, key=_sequence)[-1:]
    changes = told.where(audit_event.c.action.in_(CHANGES)).order_by(newest)
    found = [*reads, *connection.execute(changes.limit(max(limit - len(reads), 1)))]
    return tuple(
        AuditView(
            sequence=row.sequence,
            at=row.at,
            actor=row.actor,
            source=row.source,
            action=row.action,
            organization=row.organization,
            key=row.key,
            outcome=row.outcome,
        )
        for row in sorted(found, key=_sequence, reverse=True)[:limit]
    )


def _sequence(row: Row[Any]) -> int:
    return int(row.sequence)


def _bytes(row: Sequence[Any]) -> bytes:
    """Return an event as the bytes that are hashed: a JSON array in ASCII, without blanks.

    The same on every engine. Written by hand, for a walk over a million of them; what follows the
    fields is left out.
    """
    sequence, at, actor, source, action, scope, name, key, outcome, details, _ = row
    if type(at) is str and len(at) == _MOMENT and at[10] == " ":
        # SQLite's text of a moment needs no reading.
        at = f'"{at[:10]}T{at[11:]}+00:00"'
    else:
        at = _moment(at)
    return (
        f"[{sequence},{at},{_quoted(actor)},{_quoted(source)},{_quoted(action)},"
        f"{_NULL if scope is None else _quoted(scope)},{_NULL if name is None else _quoted(name)},"
        f"{_NULL if key is None else _quoted(key)},{_quoted(outcome)},{_quoted(details)}]"
    ).encode("ascii")


def _moment(at: Any) -> str:
    """Return a moment as it is hashed."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return f'"{at.astimezone(UTC).isoformat(timespec="microseconds")}"'
