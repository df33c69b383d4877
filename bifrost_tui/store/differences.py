"""What a database has that a backup has not: what restoring the backup would lose.

Both are read once, in the order of their rows' ids, so that it takes the same memory however many
rows there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from bifrost_tui.store.audit import READS
from bifrost_tui.store.schema import audit_event, config, member, organization
from bifrost_tui.store.views import Head

NAMED = 5
"""So many of each kind are named."""

_CHUNK = 1000
_START = "0" * 64
_EVERYWHERE = {"global": "Global", "all": "All organizations"}


@dataclass(frozen=True, slots=True)
class Lost:
    """One thing that is not in the backup as it is here, and who changed it last."""

    name: str
    by: str | None
    at: datetime | None


@dataclass(slots=True)
class Losses:
    """How many of one kind there are, and the first of them."""

    count: int = 0
    secrets: int = 0
    """How many of them are secrets."""
    named: list[Lost] = field(default_factory=list)


@dataclass(slots=True)
class Compared:
    """How the rows of one kind differ."""

    added: Losses = field(default_factory=Losses)
    """They are here alone."""
    changed: Losses = field(default_factory=Losses)
    deleted: Losses = field(default_factory=Losses)
    """They are in the backup alone."""

    def __bool__(self) -> bool:
        return bool(self.added.count or self.changed.count or self.deleted.count)


@dataclass(frozen=True, slots=True)
class Differences:
    """How a database differs from a backup."""

    head: Head
    """Where the log ends here."""
    common: int
    """The last event that both have; heads that were noted up to it go on to hold."""
    events: int
    """How many events are here alone: those after the common one."""
    only_in_backup: int
    """How many are in the backup alone."""
    organizations: Compared
    configs: Compared
    members: Compared

    def __bool__(self) -> bool:
        """Whether restoring would change anything."""
        return bool(
            self.events or self.only_in_backup or self.organizations or self.configs or self.members
        )


def compare(here: Connection, there: Connection) -> Differences:
    """Say how the database ``here`` differs from the backup ``there``."""
    mine, theirs = _last(here), _last(there)
    common = _common(here, there, min(mine.sequence, theirs.sequence))
    names = _names(there) | _names(here)
    kinds = {
        table.name: _compared(here, there, table, names) for table in (organization, config, member)
    }
    return Differences(
        head=mine,
        common=common,
        events=mine.sequence - common,
        only_in_backup=theirs.sequence - common,
        organizations=kinds["organization"],
        configs=kinds["config"],
        members=kinds["member"],
    )


def changed_since(connection: Connection, head: Head) -> int:
    """Return how many events there are after a head that are no reads, or if it is gone, all."""
    if _hash(connection, head.sequence) != head.chain_hash:
        return _last(connection).sequence or 1
    changes = select(func.count()).where(
        audit_event.c.sequence > head.sequence, audit_event.c.action.not_in(READS)
    )
    return connection.execute(changes).scalar_one()


def _last(connection: Connection) -> Head:
    newest: Any = audit_event.c.sequence.desc()
    asked = select(audit_event.c.sequence, audit_event.c.chain_hash).order_by(newest).limit(1)
    row = connection.execute(asked).first()
    return Head(0, _START) if row is None else Head(row.sequence, str(row.chain_hash))


def _hash(connection: Connection, sequence: int) -> str | None:
    if not sequence:
        return _START
    asked = select(audit_event.c.chain_hash).where(audit_event.c.sequence == sequence)
    return connection.execute(asked).scalar()


def _common(here: Connection, there: Connection, last: int) -> int:
    """Return the last event that is the same in both: a hash stands for all before it."""
    first = 0
    while first < last:
        middle = (first + last + 1) // 2
        if _hash(here, middle) == _hash(there, middle):
            first = middle
        else:
            last = middle - 1
    return first


def _names(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(organization.c.id, organization.c.name))
    return {row.id: row.name for row in rows} | _EVERYWHERE


_SHOWN = {
    # What names a row, whose it is, and what tells two states of it apart.
    "organization": ("name", None),
    "config": ("key", "scope_id"),
    "member": ("actor", "scope_id"),
}


def _compared(here: Connection, there: Connection, table: Table, names: dict[str, str]) -> Compared:
    compared = Compared()
    for mine, theirs in _side_by_side(_rows(here, table), _rows(there, table)):
        row = mine if mine is not None else theirs
        if mine is None:
            losses = compared.deleted
        elif theirs is None:
            losses = compared.added
        elif _state(mine) != _state(theirs):
            losses = compared.changed
        else:
            continue
        losses.count += 1
        losses.secrets += getattr(row, "type", None) == "secret"
        if len(losses.named) < NAMED:
            losses.named.append(_lost(here, row, table, names, deleted=mine is None))
    return compared


def _state(row: Any) -> tuple[Any, ...]:
    return (row.version, row.updated_at, row.updated_by, getattr(row, "secret_version", None))


def _rows(connection: Connection, table: Table) -> Iterator[Any]:
    wanted = ("id", *filter(None, _SHOWN[table.name]), "version", "updated_at", "updated_by")
    more = ("type", "secret_version") if table is config else ()
    query: Select[Any] = select(*(table.c[name] for name in (*wanted, *more))).order_by(table.c.id)
    query = query.execution_options(stream_results=True, yield_per=_CHUNK)
    with connection.execute(query) as found:
        for some in found.partitions(_CHUNK):
            yield from some


def _side_by_side(one: Iterable[Any], other: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Return the rows of two orders in pairs of one id; ``None`` where one has no such row."""
    ones, others = iter(one), iter(other)
    mine, theirs = next(ones, None), next(others, None)
    while mine is not None or theirs is not None:
        if theirs is None or (mine is not None and mine.id < theirs.id):
            yield mine, None
            mine = next(ones, None)
        elif mine is None or theirs.id < mine.id:
            yield None, theirs
            theirs = next(others, None)
        else:
            yield mine, theirs
            mine, theirs = next(ones, None), next(others, None)


def _lost(
    here: Connection, row: Any, table: Table, names: dict[str, str], *, deleted: bool
) -> Lost:
    shown, place = _SHOWN[table.name]
    name = str(getattr(row, shown))
    if place is not None:
        scope_id = getattr(row, place)
        name = f"{names.get(scope_id, scope_id)} / {name}"
    if not deleted:
        return Lost(name, row.updated_by, row.updated_at)
    told = _deleted(here, row, table)
    return Lost(name, told.actor if told else None, told.at if told else None)


def _deleted(here: Connection, row: Any, table: Table) -> Any:
    """Return the event that tells who deleted a row, as far as the log can say."""
    if table is not config:
        return None
    newest: Any = audit_event.c.sequence.desc()
    asked = select(audit_event.c.actor, audit_event.c.at).where(
        audit_event.c.organization_id == row.scope_id,
        audit_event.c.key == row.key,
        audit_event.c.action == "config.delete",
    )
    return here.execute(asked.order_by(newest).limit(1)).first()
