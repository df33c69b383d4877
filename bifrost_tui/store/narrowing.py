"""What a list of configs is narrowed to and ordered by, as conditions and orders of a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, FromClause, and_, exists, func, literal_column, or_, select
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.dialects import among, contains, equals
from bifrost_tui.store.filters import NO_FILTER, ConfigFilter, Order
from bifrost_tui.store.references import dangling
from bifrost_tui.store.schema import GLOBAL, config

DAY = timedelta(days=1)

RARE_STATES = frozenset({"due", "overdue", "unreadable", "dangling", "reused"})
"""States that few configs are in; each has an index of its own."""

_EQUAL = config.alias("equal")
# In the words of its index: planners compare texts.
_IS_SECRET: ColumnElement[str] = literal_column("'secret'")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list of configs: whose, which of them, in which order, and as of when."""

    scope_id: str
    now: datetime
    key_ids: tuple[str, ...]
    own_only: bool = False
    filter: ConfigFilter = NO_FILTER
    order: Order = Order.KEY
    seen: frozenset[str] | None = None
    """The scopes whose secrets may be told to be equal; ``None`` means every one."""
    spellings: tuple[str, ...] = ()
    """How the integration of the filter is spelled where the list looks."""

    @property
    def inherits(self) -> bool:
        """Whether global configs stand in the list too."""
        if self.own_only or self.scope_id == GLOBAL:
            return False
        states = self.filter.states
        return not states & {"own", "shadows"} or "inherited" in states

    @property
    def owns(self) -> bool:
        """Whether the scope's own configs stand in the list."""
        return "inherited" not in self.filter.states or bool(
            self.filter.states & {"own", "shadows"}
        )


def overdue_at(now: datetime) -> datetime:
    """Return the moment before which a rotation period must have ended to be overdue.

    A secret is due on the day on which its age reaches its period, overdue from the next.
    """
    return now - DAY


def needs_value(rows: FromClause) -> ColumnElement[bool]:
    """Return what tells a secret without a value."""
    return and_(rows.c.type == _IS_SECRET, rows.c.secret.is_(None))


def unreadable(rows: FromClause, key_ids: tuple[str, ...]) -> ColumnElement[bool]:
    """Return what tells an unreadable secret: found so, or written under a key not at hand."""
    return or_(
        rows.c.unreadable_at.is_not(None),
        and_(rows.c.secret.is_not(None), rows.c.key_id.not_in(key_ids)),
    )


def reused(rows: FromClause, seen: frozenset[str] | None) -> ColumnElement[bool]:
    """Return what tells a secret whose value another has, in a scope that may be told of."""
    shared = rows.c.equal_group >= ""
    if seen is None:
        return shared
    return and_(
        shared,
        exists().where(
            _EQUAL.c.equal_group == rows.c.equal_group,
            _EQUAL.c.id != rows.c.id,
            among(_EQUAL.c.scope_id, sorted(seen)),
        ),
    )


def spellings(connection: Connection, scope_id: str, name: str) -> tuple[str, ...]:
    """Return how an integration is spelled in a scope and in global: names match in any case.

    An index finds each of these at once; the names that there are, one leap each, are few.
    """
    of_scope = config.c.scope_id.in_(sorted({scope_id, GLOBAL}))
    column = config.c.integration
    begin = select(func.min(column).label("name")).where(of_scope, column >= "")
    names = begin.cte("names", recursive=True)
    following = select(func.min(column)).where(of_scope, column > names.c.name)
    names = names.union_all(select(following.scalar_subquery()).where(names.c.name.is_not(None)))
    return tuple(connection.scalars(select(names.c.name).where(equals(names.c.name, name))))


def conditions(rows: FromClause, query: ListQuery) -> list[Any]:
    """Return what every line of a list fits, but for its integration."""
    wanted = query.filter
    found: list[Any] = [contains(rows.c.key, word) for word in wanted.words]
    if wanted.types:
        found.append(rows.c.type.in_(sorted(kind.value for kind in wanted.types)))
    if wanted.offered_to is not None:
        bound = rows.c.integration
        found.append(or_(bound.is_(None), equals(bound, wanted.offered_to)))
    for state in sorted(wanted.states - {"own", "inherited", "shadows"}):
        match state:
            case "needs-value":
                found.append(needs_value(rows))
            case "due":
                found.append(rows.c.due_at <= query.now)
            case "overdue":
                found.append(rows.c.due_at <= overdue_at(query.now))
            case "unreadable":
                found.append(unreadable(rows, query.key_ids))
            case "dangling":
                # What is kept in the row knows no master key that is not at hand, and of a global
                # one how it stands in global, not here.
                why = dangling(rows, query.scope_id, query.key_ids)
                found.append(and_(rows.c.refers_to >= "", why.is_not(None)))
            case "reused":
                found.append(reused(rows, query.seen))
            case _:
                raise AssertionError(state)
    return found


def rare(rows: FromClause, query: ListQuery) -> list[ColumnElement[bool]]:
    """Return what the index of a state answers at once; each line of the list fits just one."""
    states = query.filter.states
    if states & {"due", "overdue"}:
        return [rows.c.due_at <= (overdue_at(query.now) if "overdue" in states else query.now)]
    if "dangling" in states:
        return [rows.c.refers_to >= ""]
    if "reused" in states:
        return [rows.c.equal_group >= ""]
    # Not "other than": an index knows what lies between, before and after the keys at hand.
    edges = [None, *sorted(query.key_ids), None]
    between = [
        and_(*([rows.c.key_id > low] if low else []), *([rows.c.key_id < high] if high else []))
        for low, high in pairwise(edges)
    ]
    return [rows.c.unreadable_at.is_not(None), and_(rows.c.unreadable_at.is_(None), or_(*between))]


def ordering(rows: FromClause, order: Order) -> list[ColumnElement[Any]]:
    """Return what lines are ordered by, first to last, each ascending and never NULL."""
    key = rows.c.key
    match order:
        case Order.KEY:
            return [key]
        case Order.INTEGRATION:
            name = rows.c.integration
            return [name.is_(None), func.lower(func.coalesce(name, "")), key]
        case Order.AGE:
            changed = rows.c.secret_changed_at
            return [changed.is_(None), func.coalesce(changed, rows.c.updated_at), key]
        case Order.DUE:
            due = rows.c.due_at
            return [due.is_(None), func.coalesce(due, rows.c.updated_at), key]
