"""What those who left could read: kept when they leave, until it has another value.

A member reads the secrets of their organizations, and the global ones that at least one of those
inherits; a member of all organizations reads every one. What a removal takes out of reach is kept
with the version of its value, so that a secret that was rotated since is not named any more.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from bifrost_tui.store.access import EVERYWHERE
from bifrost_tui.store.dialects import among
from bifrost_tui.store.schema import GLOBAL, config, exposure, member
from bifrost_tui.store.views import ALL_SCOPES, LeaverView, MemberView

_STANDS = and_(
    config.c.id == exposure.c.config_id, config.c.secret_version == exposure.c.secret_version
)
"""What finds the secrets that still have the value that could be read."""

_OWN = config.alias("own_of_that_key")


def _inherited_by(actor: str, but: str) -> ColumnElement[bool]:
    """Return whether an organization of an actor inherits the global config in a row."""
    shadowed = (
        exists()
        .where(_OWN.c.scope_id == member.c.scope_id, _OWN.c.key == config.c.key)
        .correlate(member, config)
    )
    return (
        exists()
        .where(member.c.actor == actor, member.c.scope_id != EVERYWHERE, member.c.id != but)
        .where(~shadowed)
        .correlate(config)
    )


def _everywhere(actor: str, but: str) -> ColumnElement[bool]:
    return exists().where(
        member.c.actor == actor, member.c.scope_id == EVERYWHERE, member.c.id != but
    )


def readable(actor: str, *, without: str = "") -> ColumnElement[bool]:
    """Return whether an actor may read the secret in a row, now or without one membership."""
    own = (
        exists()
        .where(
            member.c.actor == actor,
            member.c.scope_id == config.c.scope_id,
            member.c.id != without,
        )
        .correlate(config)
    )
    beneath = and_(config.c.scope_id == GLOBAL, _inherited_by(actor, without))
    return and_(config.c.secret.is_not(None), or_(_everywhere(actor, without), own, beneath))


def lost(view: MemberView) -> ColumnElement[bool]:
    """Return whether a row's secret is out of its member's reach once a membership is gone."""
    gone = and_(readable(view.actor), ~readable(view.actor, without=view.id))
    if view.scope == ALL_SCOPES:
        return gone
    return and_(among(config.c.scope_id, [view.scope.id, GLOBAL]), gone)


def count_lost(connection: Connection, view: MemberView) -> int:
    """Return how many secrets a member could read and will not."""
    query = select(func.count()).select_from(config).where(lost(view))
    return int(connection.execute(query).scalar_one())


def keep(connection: Connection, view: MemberView, now: datetime) -> None:
    """Keep what a member can read only by this membership, which is about to go."""
    wanted = lost(view)
    connection.execute(
        delete(exposure).where(
            exposure.c.actor == view.actor,
            exposure.c.config_id.in_(select(config.c.id).where(wanted)),
        )
    )
    connection.execute(
        insert(exposure).from_select(
            ["actor", "config_id", "secret_version", "left_at"],
            select(
                literal(view.actor),
                config.c.id,
                config.c.secret_version,
                literal(now, exposure.c.left_at.type),
            ).where(wanted),
        )
    )


def forget_readable(connection: Connection, actor: str) -> None:
    """Forget what an actor may read again."""
    again = exists().where(config.c.id == exposure.c.config_id, readable(actor))
    connection.execute(delete(exposure).where(exposure.c.actor == actor, again.correlate(exposure)))


def exposed(actor: str | None) -> ColumnElement[bool]:
    """Return whether a row's secret has a value that one who left could read, or anybody who did.

    Who may read it again does not count: that is forgotten when they come back.
    """
    mine = [] if actor is None else [exposure.c.actor == actor]
    # The few that are kept lead to the configs, not every config to what is kept of it.
    kept = select(exposure.c.config_id).where(*mine)
    return and_(config.c.id.in_(kept), exists().where(_STANDS, *mine).correlate(config))


def leavers(
    connection: Connection, where: Collection[ColumnElement[bool]]
) -> tuple[LeaverView, ...]:
    """Return who left, when, and how many secrets wait for a new value, the last one first."""
    last: Any = func.max(exposure.c.left_at, type_=exposure.c.left_at.type)
    rows = connection.execute(
        select(exposure.c.actor, last.label("left_at"), func.count().label("secrets"))
        .select_from(exposure.join(config, _STANDS))
        .where(*where)
        .group_by(exposure.c.actor)
        .order_by(last.desc(), exposure.c.actor)
    )
    return tuple(LeaverView(row.actor, row.left_at, row.secrets) for row in rows)
