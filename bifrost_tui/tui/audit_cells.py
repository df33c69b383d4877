"""How audit events look: one cell of a line a call, and all the facts of one event."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rich.text import Text

from bifrost_tui.clock import iso
from bifrost_tui.display import age, visible
from bifrost_tui.store.views import AuditDetails, Scope
from bifrost_tui.tui.widgets.paged_table import Column

COLUMNS = (
    Column("age", "Age", 6, right=True),
    Column("actor", "Actor", 8, grow=1, max_width=20),
    Column("action", "Action", 18, grow=1, max_width=24),
    Column("organization", "Organization", 12, grow=2, max_width=36, drop=2),
    Column("key", "Key", 24, grow=3, max_width=40),
    Column("outcome", "Outcome", 9),
    Column("source", "From", 14, drop=1),
)
"""The columns of the log; the narrow terminal drops From first, then Organization."""

_GLYPHS = {"refused": ("× refused", "$error"), "failed": ("▲ failed", "$warning")}


def cell(view: AuditDetails, column: str, now: datetime) -> Text:
    """Return one cell of the log."""
    match column:
        case "age":
            return Text(age(view.at, now), "$muted")
        case "actor":
            return Text(visible(view.actor))
        case "action":
            return Text(visible(view.action))
        case "organization":
            return Text(visible(view.organization or ""))
        case "key":
            return Text(visible(view.key or ""))
        case "outcome":
            return outcome_text(view.outcome)
        case "source":
            return Text(visible(view.source), "$muted")
        case _:
            raise AssertionError(column)


def outcome_text(outcome: str) -> Text:
    """Say how an attempt ended, with its glyph; of what was done, nothing."""
    if outcome == "done":
        return Text("")
    words, style = _GLYPHS.get(outcome, (visible(outcome), "$error"))
    return Text(words, style)


def facts(view: AuditDetails, now: datetime) -> list[tuple[str, Text | str]]:
    """Return all that an event tells, as names and texts."""
    damaged = view.at == datetime.min.replace(tzinfo=UTC)
    ago = age(view.at, now)
    when = "damaged" if damaged else f"{iso(view.at)}   {'now' if ago == 'now' else f'{ago} ago'}"
    pairs: list[tuple[str, Text | str]] = [
        ("Time", when),
        ("Actor", visible(view.actor)),
        ("From", visible(view.source)),
        ("Action", visible(view.action)),
        ("Organization", visible(view.organization or "none")),
    ]
    if view.key is not None:
        pairs.append(("Key", visible(view.key)))
    pairs.append(("Outcome", outcome_text(view.outcome) or Text("done")))
    return pairs


def told(view: AuditDetails) -> list[tuple[str, Text | str]]:
    """Return what else an event tells, by the names that it was told under."""
    return [
        (visible(name.replace("_", " ")), visible(_fact(value)))
        for name, value in view.details.items()
    ]


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def filter_for(scope: Scope) -> str:
    """Return the filter that narrows the log to one scope."""
    return f'org:"{scope.name}"'
