"""What became of a config that somebody had in hand: who changed or deleted it, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from bifrost_tui.clock import iso
from bifrost_tui.errors import ConfigNotFoundError, ConflictError
from bifrost_tui.store.audit import DONE
from bifrost_tui.store.schema import audit_event, config
from bifrost_tui.store.views import ConfigView, Scope

_DELETE, _EDIT = "config.delete", "config.edit"
_OLD_KEY = '"old_key":'


class Fate(NamedTuple):
    """What was done, by whom and when."""

    did: str
    by: str
    at: datetime | None

    def __str__(self) -> str:
        when = f" at {iso(self.at)}" if self.at else ""
        return self.did + (f" by {self.by}{when}" if self.by else "")


def gone(connection: Connection, view: ConfigView) -> ConflictError | ConfigNotFoundError:
    """Say who has deleted a config since it was read, whatever it was called by then."""
    key = view.key
    for event in _since(connection, view):
        if event.action == _DELETE and event.key == key:
            renamed = f", as {key}," if key != view.key else ""
            return ConflictError(
                f"{view.key} in {view.scope.name} was deleted{renamed} by {event.actor} at"
                f" {iso(event.at)}. Nothing was saved.",
                by=event.actor,
                at=event.at,
                deleted=True,
            )
        if event.action == _EDIT and _old_key(event.details) == key:
            key = event.key
    return ConfigNotFoundError(f"{view.key} in {view.scope.name} does not exist.")


def _since(connection: Connection, view: ConfigView) -> Iterable[Row[Any]]:
    """Return what has deleted or renamed configs of a scope since one was read, oldest first."""
    event = audit_event.c
    # By its own event, for clocks of two hosts differ. One that came by the thousand has none.
    own = connection.scalar(
        select(func.min(event.sequence)).where(
            event.organization_id == view.scope.id,
            event.key == view.key,
            event.at == view.updated_at,
        )
    )
    return connection.execute(
        select(event.action, event.key, event.actor, event.at, event.details)
        .where(
            event.organization_id == view.scope.id,
            event.action.in_([_DELETE, _EDIT]),
            event.outcome == DONE,
            event.at >= view.updated_at if own is None else event.sequence >= own,
            (event.action == _DELETE) | event.details.contains(_OLD_KEY),
        )
        .order_by(event.sequence)
    )


def _old_key(details: str) -> object:
    try:
        return json.loads(details).get("old_key")
    except (ValueError, AttributeError):
        return None  # tampered with: for the chain to find


def fate(connection: Connection, scope: Scope, key: str, config_id: str) -> Fate:
    """Return what became of a config of a scope that had a key, or of that key itself."""
    columns = (config.c.key, config.c.updated_by, config.c.updated_at)
    row = connection.execute(select(*columns).where(config.c.id == config_id)).one_or_none()
    if row is not None:
        did = "changed" if row.key == key else f"renamed to {row.key}"
        return Fate(did, row.updated_by, row.updated_at)
    event = audit_event.c
    last = connection.execute(
        select(event.actor, event.at)
        .where(
            event.organization_id == scope.id,
            event.key == key,
            event.action == _DELETE,
            event.outcome == DONE,
        )
        .order_by(event.sequence.desc())
        .limit(1)
    ).one_or_none()
    return Fate("deleted", last.actor, last.at) if last else Fate("deleted", "", None)


def taken_by(connection: Connection, scope: Scope, key: str | None) -> Fate:
    """Return who has added a config of a key, or renamed one to it."""
    row = connection.execute(
        select(config.c.updated_by, config.c.updated_at).where(
            config.c.scope_id == scope.id, config.c.key == key
        )
    ).one_or_none()
    return Fate("added", row.updated_by, row.updated_at) if row else Fate("added", "", None)


def archived(connection: Connection, scope: Scope) -> str:
    """Say who has archived an organization, where the log tells."""
    event = audit_event.c
    last = connection.execute(
        select(event.actor, event.at)
        .where(
            event.organization_id == scope.id,
            event.action == "organization.archive",
            event.outcome == DONE,
        )
        .order_by(event.sequence.desc())
        .limit(1)
    ).one_or_none()
    return f" {last.actor} archived it at {iso(last.at)}." if last else ""
