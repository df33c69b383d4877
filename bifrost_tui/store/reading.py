"""The queries behind lists: a page at a time, by key, filtered and counted by the database.

Keys alone are walked, in an index; whole rows are fetched only for the lines of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.dialects import contains, equals
from bifrost_tui.store.filters import NO_FILTER, ConfigFilter
from bifrost_tui.store.schema import GLOBAL, config, key_check, scope_summary
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Anchor, Attention

PREVIEW = 256
"""How many characters of a plain value a list fetches."""
TOKEN_CHECKED = 64 * 1024
"""The longest token that a list opens to see whether it can; longer ones are checked alone."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list of configs: whose, which of them, and as of when."""

    scope_id: str
    now: datetime
    key_ids: tuple[str, ...]
    own_only: bool = False
    filter: ConfigFilter = NO_FILTER

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


def unreadable(rows: FromClause, key_ids: tuple[str, ...]) -> ColumnElement[bool]:
    """Return what tells an unreadable secret: found so, or written under a key not at hand."""
    return or_(
        rows.c.unreadable_at.is_not(None),
        and_(rows.c.secret.is_not(None), rows.c.key_id.not_in(key_ids)),
    )


def _conditions(rows: FromClause, query: ListQuery) -> list[ColumnElement[bool]]:
    wanted = query.filter
    found = [contains(rows.c.key, word) for word in wanted.words]
    if wanted.types:
        found.append(rows.c.type.in_(sorted(wanted.types)))
    if wanted.integration is not None:
        found.append(equals(rows.c.integration, wanted.integration))
    for state in sorted(wanted.states - {"own", "inherited", "shadows"}):
        match state:
            case "needs-value":
                found.append(and_(rows.c.type == ConfigType.SECRET, rows.c.secret.is_(None)))
            case "due":
                found.append(rows.c.due_at <= query.now)
            case "overdue":
                found.append(rows.c.due_at <= overdue_at(query.now))
            case "unreadable":
                found.append(unreadable(rows, query.key_ids))
            case _:
                raise AssertionError(state)
    return found


def _keys(query: ListQuery, *more: Any) -> Select[Any]:
    """Return scope and key of every line, without an order; ``more`` narrows by key."""
    parts: list[Select[Any]] = []
    if query.owns:
        own = config.alias("own")
        conditions = [own.c.scope_id == query.scope_id, *_conditions(own, query)]
        if "shadows" in query.filter.states and "own" not in query.filter.states:
            # Global's own configs shadow nothing.
            conditions.append(false() if query.scope_id == GLOBAL else _in_scope(own.c.key, GLOBAL))
        parts.append(_narrowed(own, conditions, more))
    if query.inherits:
        inherited = config.alias("inherited")
        conditions = [
            inherited.c.scope_id == GLOBAL,
            ~_in_scope(inherited.c.key, query.scope_id),
            *_conditions(inherited, query),
        ]
        parts.append(_narrowed(inherited, conditions, more))
    if not parts:
        return select(config.c.scope_id, config.c.key).where(false())
    if len(parts) == 1:
        return parts[0]
    both = union_all(*parts).subquery("both")
    return select(both.c.scope_id, both.c.key)


def _narrowed(rows: FromClause, conditions: list[Any], more: tuple[Any, ...]) -> Select[Any]:
    return select(rows.c.scope_id, rows.c.key).where(
        *conditions, *(narrow(rows.c.key) for narrow in more)
    )


def _in_scope(key: ColumnElement[str], scope_id: str) -> ColumnElement[bool]:
    other = config.alias()
    return exists().where(other.c.scope_id == scope_id, other.c.key == key)


def count(connection: Connection, query: ListQuery) -> int:
    """Count the lines of a list."""
    if not query.filter:
        return _count_all(connection, query)
    lines = _keys(query).subquery("lines")
    return int(connection.execute(select(func.count()).select_from(lines)).scalar_one())


def _pairs(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _count_all(connection: Connection, query: ListQuery) -> int:
    """Count an unfiltered list from the kept counts: none of its lines is touched."""
    kept = _pairs(
        connection,
        select(scope_summary.c.scope_id, scope_summary.c.configs).where(
            scope_summary.c.scope_id.in_([query.scope_id, GLOBAL])
        ),
    )
    own = kept.get(query.scope_id, 0)
    if not query.inherits:
        return own
    inherited = kept.get(GLOBAL, 0)
    # Shadowing is counted from the shorter side.
    near, far = (GLOBAL, query.scope_id) if inherited <= own else (query.scope_id, GLOBAL)
    rows = config.alias("near")
    shadowing = (
        select(func.count())
        .select_from(rows)
        .where(rows.c.scope_id == near, _in_scope(rows.c.key, far))
    )
    return own + inherited - int(connection.execute(shadowing).scalar_one())


def position(connection: Connection, query: ListQuery, key: str) -> int:
    """Count the lines that stand before a key."""
    lines = _keys(query, lambda column: column < key).subquery("lines")
    return int(connection.execute(select(func.count()).select_from(lines)).scalar_one())


def page(
    connection: Connection,
    query: ListQuery,
    *,
    offset: int,
    limit: int,
    anchor: Anchor | None = None,
    total: int | None = None,
    whole_values: bool = False,
) -> list[Row[Any]]:
    """Fetch some lines, walking from the nearest place known: the start, an anchor or the end."""
    lines = _placed(query, offset, limit, anchor, total).subquery("lines")
    walked = (
        select(*_columns(query, whole_values))
        .select_from(lines)
        .join(config, and_(config.c.scope_id == lines.c.scope_id, config.c.key == lines.c.key))
        .order_by(config.c.key)
    )
    return list(connection.execute(walked))


def _placed(
    query: ListQuery, offset: int, limit: int, anchor: Anchor | None, total: int | None
) -> Select[Any]:
    last = offset + limit
    from_anchor = abs(offset - anchor.index) if anchor else offset + 1
    from_end = total - last if total is not None and total >= last else None
    if from_end is not None and from_end < min(offset, from_anchor):
        keys = _keys(query)
        return keys.order_by(keys.selected_columns.key.desc()).limit(limit).offset(from_end)
    if anchor is None or from_anchor >= offset:
        keys = _keys(query)
        return keys.order_by(keys.selected_columns.key).limit(limit).offset(offset)
    known = anchor.key
    if offset >= anchor.index:
        keys = _keys(query, lambda column: column >= known)
        skip = offset - anchor.index
        return keys.order_by(keys.selected_columns.key).limit(limit).offset(skip)
    before = _keys(query, lambda column: column < known)
    backwards = before.order_by(before.selected_columns.key.desc())
    if last <= anchor.index:
        return backwards.limit(limit).offset(anchor.index - last)
    # The anchor stands within the page: walk back to its first line, and on from there.
    start = backwards.with_only_columns(before.selected_columns.key).limit(1)
    first = func.coalesce(start.offset(anchor.index - offset - 1).scalar_subquery(), "")
    keys = _keys(query, lambda column: column >= first)
    return keys.order_by(keys.selected_columns.key).limit(limit)


def one(connection: Connection, query: ListQuery, config_id: str) -> Row[Any] | None:
    """Fetch one config of the list's scope, or an inherited one, with its whole value."""
    scopes = [query.scope_id] if query.own_only else [query.scope_id, GLOBAL]
    return connection.execute(
        select(*_columns(query, whole=True)).where(
            config.c.id == config_id, config.c.scope_id.in_(scopes)
        )
    ).one_or_none()


def by_key(connection: Connection, query: ListQuery, key: str) -> Row[Any] | None:
    """Fetch the config that a key stands for: the scope's own, else the global one."""
    scopes = [query.scope_id] if query.own_only else [query.scope_id, GLOBAL]
    found = connection.execute(
        select(*_columns(query, whole=True)).where(
            config.c.key == key, config.c.scope_id.in_(scopes)
        )
    ).all()
    return max(found, key=lambda row: row.scope_id == query.scope_id, default=None)


def _columns(query: ListQuery, whole: bool) -> list[Any]:
    value = config.c.value if whole else func.substr(config.c.value, 1, PREVIEW)
    secret = config.c.secret
    token = secret if whole else case((func.length(secret) <= TOKEN_CHECKED, secret))
    shadows = (
        literal(False)
        if query.scope_id == GLOBAL
        else and_(config.c.scope_id != GLOBAL, _in_scope(config.c.key, GLOBAL))
    )
    return [
        config.c.id,
        config.c.scope_id,
        config.c.key,
        config.c.type,
        value.label("value"),
        (func.coalesce(func.length(config.c.value), 0) > PREVIEW).label("long"),
        token.label("token"),
        config.c.secret.is_not(None).label("has_secret"),
        config.c.secret_version,
        config.c.key_id,
        exists().where(key_check.c.key_id == config.c.key_id).label("key_known"),
        config.c.fingerprint,
        config.c.integration,
        config.c.description,
        config.c.rotate_every_days,
        config.c.secret_changed_at,
        config.c.due_at,
        config.c.unreadable_at,
        config.c.created_at,
        config.c.created_by,
        config.c.updated_at,
        config.c.updated_by,
        config.c.version,
        shadows.label("shadows"),
    ]


def attention(
    connection: Connection, now: datetime, key_ids: tuple[str, ...], scope_id: str | None = None
) -> dict[str, Attention]:
    """Count what wants attention in each scope, or in one, from indexes alone."""
    narrow = [] if scope_id is None else [config.c.scope_id == scope_id]

    def grouped(*where: Any) -> dict[str, int]:
        query = (
            select(config.c.scope_id, func.count())
            .where(*where, *narrow)
            .group_by(config.c.scope_id)
        )
        return _pairs(connection, query)

    late = overdue_at(now)
    overdue = grouped(config.c.due_at <= late)
    due = grouped(config.c.due_at > late, config.c.due_at <= now)
    damaged = grouped(config.c.unreadable_at.is_not(None))
    # Only keys that wrote something and are not at hand; usually there is none.
    missing = connection.scalars(
        select(key_check.c.key_id).where(key_check.c.key_id.not_in(key_ids))
    ).all()
    locked = (
        grouped(config.c.key_id.in_(missing), config.c.unreadable_at.is_(None)) if missing else {}
    )
    empty = _pairs(
        connection,
        select(scope_summary.c.scope_id, scope_summary.c.needs_value).where(
            *([] if scope_id is None else [scope_summary.c.scope_id == scope_id])
        ),
    )
    return {
        scope: Attention(
            overdue=overdue.get(scope, 0),
            due=due.get(scope, 0),
            needs_value=empty.get(scope, 0),
            unreadable=damaged.get(scope, 0) + locked.get(scope, 0),
        )
        for scope in {*overdue, *due, *damaged, *locked, *empty}
    }
