"""How the log is read: every filter along an index, newest first, never sorted as a whole.

One condition leads: its index gives the events in their order, one walk for each of its values;
the others are looked at on the way. A stretch of time is a stretch of numbers, for events are
numbered as they are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, func, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.audit import DONE
from bifrost_tui.store.audit_filters import AuditFilter
from bifrost_tui.store.dialects import among, contains, unindexed
from bifrost_tui.store.schema import NOT_DONE, audit_event

MANY = 200
"""Of more values than these no walk is made each."""
_ENOUGH = 2_000
"""As many events of a condition are counted to see which one has the fewest."""

_log = audit_event.c
_sequence = _log.sequence


@dataclass(frozen=True, slots=True)
class _Lead:
    """A condition that an index answers, as one stretch of it for each value."""

    name: str
    stretches: tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A part of the log: which events fit, and along which index they are found."""

    stretches: tuple[ColumnElement[bool], ...]
    """Each is one walk along an index; no event is in two of them."""
    residual: tuple[ColumnElement[bool], ...]
    """What else must hold of an event."""
    first: int
    last: int
    """The numbers between which they are."""


def log_query(
    connection: Connection, wanted: AuditFilter, seen: Sequence[str] | None
) -> LogQuery | None:
    """Choose how a filter is answered; ``None`` where nothing can fit.

    ``seen`` are the ids of the scopes whose events may be told; ``None`` means every event.
    """
    leads: list[_Lead] = []
    others: dict[str, list[ColumnElement[bool]]] = {}
    for name, values in (
        ("key", _values(connection, _log.key, wanted.key)),
        ("organization_id", seen),
        ("actor", _values(connection, _log.actor, wanted.actor)),
        ("action", _values(connection, _log.action, wanted.action)),
    ):
        if values is None:
            continue
        if not values:
            return None
        one = _log[name]
        if len(values) <= MANY:
            leads.append(_Lead(name, tuple(one == value for value in values)))
        others[name] = [among(unindexed(one), values)]
    outcome = wanted.outcome
    if outcome is not None:
        # In the words of its index: planners compare texts.
        others["outcome"] = [_log.outcome == outcome]
        if outcome != DONE:
            leads.append(_Lead("outcome", (and_(NOT_DONE, _log.outcome == outcome),)))
    first, last = _stretch_of_time(connection, wanted.since, wanted.until)
    if wanted.since is not None:
        others["since"] = [unindexed(_log.at) >= wanted.since]
    if wanted.until is not None:
        others["until"] = [unindexed(_log.at) < wanted.until]
    lead = _fewest(connection, leads)
    if lead is not None:
        others.pop(lead.name)
    residual = tuple(condition for conditions in others.values() for condition in conditions)
    return LogQuery(lead.stretches if lead else (), residual, first, last)


def sequences(
    connection: Connection,
    query: LogQuery,
    *,
    before: int | None,
    above: int | None,
    skip: int,
    limit: int,
) -> list[int]:
    """Return numbers of events, newest first: from ``before`` down, or from ``above`` up."""
    last = query.last if before is None else min(query.last, before - 1)
    first = query.first if above is None else max(query.first, above + 1)
    upward = above is not None
    order = _sequence.asc() if upward else _sequence.desc()
    several = len(query.stretches) > 1
    walks: list[Iterable[int]] = []
    for stretch in query.stretches or (None,):
        asked = (
            select(_sequence)
            .where(*_conditions(query, stretch), _sequence >= first, _sequence <= last)
            .order_by(order)
            .limit(skip + limit if several else limit)
        )
        walks.append(connection.scalars(asked if several else asked.offset(skip)).all())
    if several:
        found = list(islice(merge(*walks, reverse=not upward), skip, skip + limit))
    else:
        found = list(walks[0])
    return found[::-1] if upward else found


def count(connection: Connection, query: LogQuery, before: int | None) -> int:
    """Count the events that fit."""
    last = query.last if before is None else min(query.last, before - 1)
    return sum(
        connection.execute(
            select(func.count())
            .select_from(audit_event)
            .where(*_conditions(query, stretch), _sequence >= query.first, _sequence <= last)
        ).scalar_one()
        for stretch in query.stretches or (None,)
    )


def _conditions(
    query: LogQuery, stretch: ColumnElement[bool] | None
) -> tuple[ColumnElement[bool], ...]:
    return query.residual if stretch is None else (stretch, *query.residual)


def _stretch_of_time(
    connection: Connection, since: datetime | None, until: datetime | None
) -> tuple[int, int]:
    """Return the numbers between which every event of a time is, whatever the clock did."""
    first, last = select(func.min(_sequence)), select(func.max(_sequence))
    # From the index of moments alone: along the numbers it might be a walk over everything.
    number = unindexed(_sequence)
    if since is not None:
        first = select(func.min(number)).where(_log.at >= since)
    if until is not None:
        last = select(func.max(number)).where(_log.at < until)
    found = [connection.execute(asked).scalar() for asked in (first, last)]
    # Nothing is between these, where there is no event of that time.
    return (1 if found[0] is None else found[0]), (0 if found[1] is None else found[1])


def _fewest(connection: Connection, leads: list[_Lead]) -> _Lead | None:
    """Return the condition that the fewest events meet, as far as that is soon known."""
    if len(leads) < 2:
        return leads[0] if leads else None
    return min(leads, key=lambda lead: _about(connection, lead))


def _about(connection: Connection, lead: _Lead) -> int:
    found = 0
    for stretch in lead.stretches:
        one: ColumnElement[int] = literal_column("1")
        some = select(one).where(stretch).select_from(audit_event).limit(_ENOUGH)
        found += connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
        if found >= _ENOUGH:
            break
    return found


def _values(
    connection: Connection, one: ColumnElement[Any], wanted: str | None
) -> list[str] | None:
    """Return the values that a text or a pattern stands for; ``None`` where nothing is wanted."""
    if wanted is None:
        return None
    if "*" not in wanted:
        return [wanted]
    pattern = re.compile(".*".join(map(re.escape, wanted.split("*"))), re.IGNORECASE | re.DOTALL)
    return [value for value in distinct(connection, one, wanted) if pattern.fullmatch(value)]


def distinct(connection: Connection, one: ColumnElement[Any], pattern: str = "*") -> list[str]:
    """Return each text of a column once, one leap along its index for each.

    Only those that hold the longest part of a pattern come out.
    """
    begin = select(func.min(one).label("name")).where(one >= "")
    names = begin.cte("names", recursive=True)
    following = select(func.min(one)).where(one > names.c.name)
    names = names.union_all(select(following.scalar_subquery()).where(names.c.name.is_not(None)))
    asked = select(names.c.name).where(names.c.name.is_not(None))
    if part := max(pattern.split("*"), key=len):
        asked = asked.where(contains(names.c.name, part))
    return [str(name) for name in connection.scalars(asked)]
