"""What wants attention in each scope, counted from indexes alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.dialects import among, unindexed
from bifrost_tui.store.narrowing import overdue_at
from bifrost_tui.store.references import dangling
from bifrost_tui.store.schema import config, key_check, scope_summary
from bifrost_tui.store.views import Attention


def attention(
    connection: Connection,
    now: datetime,
    key_ids: tuple[str, ...],
    scopes: Collection[str] | None = None,
) -> dict[str, Attention]:
    """Count what wants attention in each scope, or in some, from indexes alone."""
    rare = unindexed(config.c.scope_id)

    def grouped(scope: ColumnElement[str], *where: Any) -> dict[str, int]:
        mine = [] if scopes is None else [among(scope, sorted(scopes))]
        return _pairs(connection, select(scope, func.count()).where(*where, *mine).group_by(scope))

    late = overdue_at(now)
    overdue = grouped(rare, config.c.due_at <= late)
    due = grouped(rare, config.c.due_at > late, config.c.due_at <= now)
    damaged = grouped(rare, config.c.unreadable_at.is_not(None))
    # Only keys that wrote something and are not at hand; usually there is none.
    missing = connection.scalars(
        select(key_check.c.key_id).where(key_check.c.key_id.not_in(key_ids))
    ).all()
    not_at_hand = among(config.c.key_id, missing), config.c.unreadable_at.is_(None)
    locked = grouped(config.c.scope_id, *not_at_hand) if missing else {}
    dangles = grouped(rare, config.c.dangling >= "")
    if missing:
        # What hangs on the keys at hand is kept nowhere; every reference is looked at.
        now_dangling = dangling(config, config.c.scope_id, key_ids).is_not(None)
        dangles = grouped(rare, config.c.refers_to >= "", now_dangling)
    empty = _pairs(
        connection,
        select(scope_summary.c.scope_id, scope_summary.c.needs_value).where(
            *([] if scopes is None else [among(scope_summary.c.scope_id, sorted(scopes))])
        ),
    )
    return {
        scope: Attention(
            overdue=overdue.get(scope, 0),
            due=due.get(scope, 0),
            needs_value=empty.get(scope, 0),
            unreadable=damaged.get(scope, 0) + locked.get(scope, 0),
            dangling=dangles.get(scope, 0),
        )
        for scope in {*overdue, *due, *damaged, *locked, *empty, *dangles}
    }


def _pairs(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}
