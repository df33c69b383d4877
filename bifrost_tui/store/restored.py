"""What the log tells of backups that were restored: heads that were noted before hold no longer."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from bifrost_tui.clock import iso
from bifrost_tui.display import visible
from bifrost_tui.store.audit import DONE, RESTORE
from bifrost_tui.store.schema import audit_event
from bifrost_tui.store.views import Head


def why_head_is_gone(connection: Connection, head: Head) -> str:
    """Say which restored backup took the place of the event that a head names; or nothing.

    It is the first that ends before that event, of those that stood in place of a longer log.
    """
    asked = (
        select(audit_event)
        .where(audit_event.c.action == RESTORE, audit_event.c.outcome == DONE)
        .order_by(audit_event.c.sequence)
    )
    for row in connection.execute(asked):
        ended, overwritten = (_number(row.details, name) for name in ("head", "overwritten"))
        if ended is not None and overwritten is not None and ended < head.sequence <= overwritten:
            return (
                f"A backup was restored in its place: event {row.sequence:,}, by"
                f" {visible(row.actor)} at {iso(row.at)}, took a log that ended at"
                f" {overwritten:,} back to {ended:,}."
            )
    return ""


def _number(details: Any, name: str) -> int | None:
    """Return the number of a head in an event's details."""
    try:
        return int(json.loads(details)[name].partition(":")[0])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
