"""The queries behind lists: a page at a time, by key, filtered and counted by the database.

Keys alone are walked, in an index; whole rows are fetched only for the lines of the page. The own
and the inherited keys are each walked in order and merged, so nothing is sorted and a page ends
the walk. What few rows have (overdue, unreadable) is found through its own index instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.dialects import among, unindexed
from bifrost_tui.store.filters import NO_FILTER, ConfigFilter, Order
from bifrost_tui.store.narrowing import RARE_STATES, ListQuery, conditions, ordering, rare, reused
from bifrost_tui.store.references import dangling
from bifrost_tui.store.schema import GLOBAL, config, key_check, scope_summary
from bifrost_tui.store.views import Anchor

PREVIEW = 256
"""How many characters of a plain value a list fetches."""
TOKEN_CHECKED = 64 * 1024
"""The longest token that a list opens to see whether it can; longer ones are checked alone."""

_FEW = 500
"""As many lines of a state are fetched and sorted; more are met soon enough by a walk by key."""
_OWN_ONLY = ConfigFilter(states=frozenset({"own"}))

# Made once: an alias of a table with many columns takes longer to make than its query to answer.
_OWN = config.alias("own")
_INHERITED = config.alias("inherited")
_OTHER = config.alias("other")

_Narrowing = Callable[[ColumnElement[str]], ColumnElement[bool]]


def _parts(query: ListQuery, *narrowings: _Narrowing, by_state: bool = False) -> list[Select[Any]]:
    """Return scope and key of every line, in selects that have no line in common, without an order.

    They are found through the index of keys, or, where ``by_state``, through that of a state.
    """
    parts: list[Select[Any]] = []

    def add(rows: FromClause, scope_id: str, *more: ColumnElement[bool]) -> None:
        scope, key = rows.c.scope_id, rows.c.key
        every = select(scope, key).where(*conditions(rows, query), *more)
        # Of one spelling, an index has the keys in order.
        some = [every.where(rows.c.integration == spelling) for spelling in query.spellings]
        for lines in [every] if query.filter.integration is None else some:
            if by_state:
                narrowed = [narrowing(unindexed(key)) for narrowing in narrowings]
                found = lines.where(unindexed(scope) == scope_id, *narrowed)
                parts.extend(found.where(state) for state in rare(rows, query))
            else:
                narrowed = [narrowing(key) for narrowing in narrowings]
                parts.append(lines.where(scope == scope_id, *narrowed))

    if query.owns:
        if "shadows" not in query.filter.states or "own" in query.filter.states:
            add(_OWN, query.scope_id)
        elif query.scope_id != GLOBAL:
            # Global's own configs shadow nothing.
            parts.append(_shadowing(query, narrowings))
    if query.inherits:
        add(_INHERITED, GLOBAL, ~_in_scope(_INHERITED.c.key, query.scope_id))
    return parts or [select(_OWN.c.scope_id, _OWN.c.key).where(false())]


def _shadowing(query: ListQuery, narrowings: tuple[_Narrowing, ...]) -> Select[Any]:
    """Return the own lines that shadow a global one, walked along the global ones: they are few."""
    own = exists().where(
        _OWN.c.scope_id == query.scope_id,
        _OWN.c.key == _INHERITED.c.key,
        *conditions(_OWN, query),
    )
    if query.filter.integration is not None:
        own = own.where(among(_OWN.c.integration, query.spellings))
    return select(literal(query.scope_id).label("scope_id"), _INHERITED.c.key).where(
        _INHERITED.c.scope_id == GLOBAL,
        *(narrowing(_INHERITED.c.key) for narrowing in narrowings),
        own,
    )


def _keys(query: ListQuery, *narrowings: _Narrowing) -> Select[Any]:
    """Return scope and key of every line, without an order; ``narrowings`` narrow by key."""
    parts = _parts(query, *narrowings)
    if len(parts) == 1:
        return parts[0]
    both = union_all(*parts).subquery("both")
    return select(both.c.scope_id, both.c.key)


def _in_scope(key: ColumnElement[str], scope_id: str) -> ColumnElement[bool]:
    return exists().where(_OTHER.c.scope_id == scope_id, _OTHER.c.key == key)


def _is_rare(query: ListQuery) -> bool:
    """Tell whether a state of the filter has an index of its own."""
    return bool(query.filter.states & RARE_STATES)


def count(connection: Connection, query: ListQuery) -> int:
    """Count the lines of a list."""
    if query.filter in (NO_FILTER, _OWN_ONLY):
        return _count_all(connection, query)
    return _count(connection, _parts(query, by_state=_is_rare(query)))


def _count(connection: Connection, parts: list[Select[Any]]) -> int:
    counts = [
        part.with_only_columns(func.count(), maintain_column_froms=True).scalar_subquery()
        for part in parts
    ]
    return int(connection.execute(select(sum(counts[1:], start=counts[0]))).scalar_one())


def _pairs(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[str, int]:
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
    shadowing = select(_OWN.c.key).where(_OWN.c.scope_id == near, _in_scope(_OWN.c.key, far))
    return own + inherited - _count(connection, [shadowing])


def position(connection: Connection, query: ListQuery, key: str) -> int:
    """Count the lines that stand before a key."""
    if query.order is not Order.KEY:
        return _position_in_order(connection, query, key)
    return _count(connection, _parts(query, lambda column: column < key, by_state=_is_rare(query)))


def _position_in_order(connection: Connection, query: ListQuery, key: str) -> int:
    lines = _lines(query)
    this = by_key(connection, query, key)
    if this is None:
        return 0
    place = tuple_(*ordering(config, query.order))
    before = select(*ordering(_OTHER, query.order)).where(_OTHER.c.id == this.id)
    counted = select(func.count()).select_from(lines).where(place < before.scalar_subquery())
    return int(connection.execute(counted).scalar_one())


def _lines(query: ListQuery) -> FromClause:
    """Return the rows of a list, to be ordered by what only the rows have."""
    keys = _keys(query).subquery("lines")
    here = and_(config.c.scope_id == keys.c.scope_id, config.c.key == keys.c.key)
    return keys.join(config, here)


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
    columns = _columns(query, whole_values)
    rows: Sequence[Row[Any]]
    if query.order is not Order.KEY:
        ordered = select(*columns).select_from(_lines(query))
        ordered = ordered.order_by(*ordering(config, query.order)).limit(limit).offset(offset)
        return list(connection.execute(ordered))
    if _is_rare(query) and (few := _few(connection, query)) is not None:
        wanted = set(few[offset : offset + limit])
        if not wanted:
            return []
        near = config.c.scope_id.in_([query.scope_id, GLOBAL])
        found = select(*columns).where(near, among(config.c.key, [key for key, _ in wanted]))
        rows = [row for row in connection.execute(found) if (row.key, row.scope_id) in wanted]
    else:
        lines = _placed(query, offset, limit, anchor, total).subquery("lines")
        here = and_(config.c.scope_id == lines.c.scope_id, config.c.key == lines.c.key)
        rows = connection.execute(select(*columns).select_from(lines).join(config, here)).all()
    # Keys are ASCII: every engine and Python order them alike.
    return sorted(rows, key=lambda row: str(row.key))


def _few(connection: Connection, query: ListQuery) -> list[tuple[str, str]] | None:
    """Return key and scope of every line, where a state's own index finds that they are few."""
    lines = union_all(*_parts(query, by_state=True)).limit(_FEW + 1)
    found = [(row.key, row.scope_id) for row in connection.execute(lines)]
    return sorted(found) if len(found) <= _FEW else None


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
    made = _made_one(query.scope_id, query.key_ids, query.seen, query.own_only)
    return connection.execute(made, {"wanted": config_id}).one_or_none()


@lru_cache(maxsize=64)
def _made_one(
    scope_id: str, key_ids: tuple[str, ...], seen: frozenset[str] | None, own_only: bool
) -> Select[Any]:
    scopes = [scope_id] if own_only else [scope_id, GLOBAL]
    return select(*_made_columns(scope_id, key_ids, seen, True)).where(
        config.c.id == bindparam("wanted"), config.c.scope_id.in_(scopes)
    )


def by_key(connection: Connection, query: ListQuery, key: str) -> Row[Any] | None:
    """Fetch the config that a key stands for: the scope's own, else the global one."""
    scopes = [query.scope_id] if query.own_only else [query.scope_id, GLOBAL]
    found = connection.execute(
        select(*_columns(query, whole=True)).where(
            config.c.key == key, config.c.scope_id.in_(scopes)
        )
    ).all()
    return max(found, key=lambda row: row.scope_id == query.scope_id, default=None)


def _columns(query: ListQuery, whole: bool) -> tuple[Any, ...]:
    return _made_columns(query.scope_id, query.key_ids, query.seen, whole)


# Made once for what is asked again and again: making them takes longer than the answer.
@lru_cache(maxsize=64)
def _made_columns(
    scope_id: str, key_ids: tuple[str, ...], seen: frozenset[str] | None, whole: bool
) -> tuple[Any, ...]:
    value = config.c.value if whole else func.substr(config.c.value, 1, PREVIEW)
    secret = config.c.secret
    token = secret if whole else case((func.length(secret) <= TOKEN_CHECKED, secret))
    shadows = (
        literal(False)
        if scope_id == GLOBAL
        else and_(config.c.scope_id != GLOBAL, _in_scope(config.c.key, GLOBAL))
    )
    return (
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
        config.c.hint,
        config.c.refers_to,
        dangling(config, scope_id, key_ids).label("dangling"),
        config.c.fingerprint,
        reused(config, seen).label("reused"),
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
    )
