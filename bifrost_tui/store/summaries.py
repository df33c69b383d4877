"""Counts that are kept of each scope, in step with its configs: lists need not count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, config, organization, scope_summary
from bifrost_tui.store.values import ConfigType


def start_summary(connection: Connection, scope_id: str) -> None:
    """Begin the kept counts of a new scope."""
    connection.execute(
        insert(scope_summary).values(scope_id=scope_id, configs=0, secrets=0, needs_value=0)
    )


_COUNT_CHANGE = Quick(
    update(scope_summary)
    .where(scope_summary.c.scope_id == bindparam("scope"))
    .values(
        configs=scope_summary.c.configs + bindparam("more_configs"),
        secrets=scope_summary.c.secrets + bindparam("more_secrets"),
        needs_value=scope_summary.c.needs_value + bindparam("more_needs_value"),
        changed_at=bindparam("now"),
        changed_by=bindparam("actor"),
    )
)


def count_change(
    connection: Connection,
    scope_id: str,
    access: Access,
    now: datetime,
    *,
    configs: int = 0,
    secrets: int = 0,
    needs_value: int = 0,
) -> None:
    """Keep a scope's counts in step with a change, in the change's transaction."""
    _COUNT_CHANGE.run(
        connection,
        {
            "scope": scope_id,
            "more_configs": configs,
            "more_secrets": secrets,
            "more_needs_value": needs_value,
            "now": now,
            "actor": access.actor,
        },
    )


def counted(connection: Connection) -> dict[str, tuple[int, int, int]]:
    """Count configs, secrets and those that need a value, by scope; of none, there is no entry."""
    is_secret = config.c.type == ConfigType.SECRET.value
    rows = connection.execute(
        select(
            config.c.scope_id,
            func.count(),
            func.sum(case((is_secret, 1), else_=0)),
            func.sum(case((is_secret & config.c.secret.is_(None), 1), else_=0)),
        ).group_by(config.c.scope_id)
    )
    return {row[0]: (row[1], int(row[2]), int(row[3])) for row in rows}


def kept_counts(connection: Connection) -> dict[str, tuple[int, int, int]]:
    """Return what is kept of those counts."""
    summary = scope_summary.c
    rows = connection.execute(
        select(summary.scope_id, summary.configs, summary.secrets, summary.needs_value)
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def recount(connection: Connection) -> list[str]:
    """Return the scopes whose kept counts differ from their configs, or are missing; for checks."""
    found, kept = counted(connection), kept_counts(connection)
    scopes = {GLOBAL, *connection.scalars(select(organization.c.id))}
    return sorted(
        [scope for scope in scopes if kept.get(scope) != found.get(scope, (0, 0, 0))]
        + [scope for scope in kept if scope not in scopes]
    )
