"""The audit chain: one event a line, each hashed with the one before it under a key.

The event of a change is written in the change's own transaction: if it cannot be written, the
change does not happen. A changed, removed or reordered event no longer fits the chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, literal_column, select, type_coerce
from sqlalchemy.types import NullType

from bifrost_tui.clock import Clock
from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.schema import audit_event
from bifrost_tui.store.views import AuditView, ChainReport, Scope

if TYPE_CHECKING:
    from bifrost_tui.store.engine import Database
    from bifrost_tui.store.requests import Access

DONE = "done"
REFUSED = "refused"
FAILED = "failed"

READ = "secret.read"
"""Code was given a secret's value."""
INJECT = "secret.inject"
"""A command was given it."""
HANDOVER = "secret.handover"
"""A command was given a new value that is not kept; of one that is, its rotation tells."""
READS = (READ, INJECT)
CHANGES = (
    *("config.add", "config.edit", "config.rotate", "config.delete", "config.import"),
    *("secret.unreadable", "secret.readable"),
)

_START = "0" * 64
_CHUNK = 1000

# Made once: every change and every read of a secret asks them.
_LAST = Quick(
    select(audit_event.c.sequence, audit_event.c.chain_hash)
    .order_by(audit_event.c.sequence.desc())
    .limit(literal_column("1"))
)
_INSERT = Quick(insert(audit_event))
_encoded = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_hashed = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


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
            chain_hash = self._root.link(chain_hash, _bytes(row))
            _INSERT.run(connection, {**row, "chain_hash": chain_hash})
        return now

    def verify(self) -> ChainReport:
        """Walk the whole chain and report the first event that does not fit."""
        checked, previous = 0, _START
        while True:
            chunk = self._chunk(checked)
            for row in chunk:
                expected = self._expected(previous, row)
                fits = row["sequence"] == checked + 1 and row["chain_hash"] == expected
                if expected is None or not fits:
                    return ChainReport(checked, checked + 1)
                checked, previous = checked + 1, expected
            if len(chunk) < _CHUNK:
                # Rows with numbers that the walk passed over stand outside the chain. Events that
                # others appended meanwhile have higher ones.
                strays = self._count(checked) != checked
                return ChainReport(checked, checked + 1 if strays else None)

    def _expected(self, previous: str, row: Mapping[str, Any]) -> str | None:
        """Return the hash that a row must have; ``None`` where it holds what no event can."""
        try:
            return self._root.link(previous, _bytes(row))
        except (AttributeError, TypeError, ValueError):
            return None

    def _chunk(self, after: int) -> list[Any]:
        # The moment as it stands there: what is none has to be found, not to end the walk.
        columns = [
            type_coerce(column, NullType).label("at") if column is audit_event.c.at else column
            for column in audit_event.c
        ]
        query = (
            select(*columns)
            .where(audit_event.c.sequence > after)
            .order_by(audit_event.c.sequence)
            .limit(_CHUNK)
        )
        return self._database.read(lambda connection: list(connection.execute(query).mappings()))

    def _count(self, last: int) -> int:
        from sqlalchemy import func

        query = select(func.count()).where(audit_event.c.sequence <= last)
        return self._database.read(lambda connection: connection.execute(query).scalar_one())


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


def _bytes(row: Mapping[str, Any]) -> bytes:
    """Return an event as the bytes that are hashed: the same on every engine."""
    at = row["at"]
    if isinstance(at, str):
        at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    fields = [
        row["sequence"],
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        row["actor"],
        row["source"],
        row["action"],
        row["organization_id"],
        row["organization"],
        row["key"],
        row["outcome"],
        row["details"],
    ]
    return _hashed(fields).encode("ascii")
