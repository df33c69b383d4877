"""Lists across organizations: what waits for a new value, what is equal, how one key stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import FOUND
from bifrost_tui.cli.output import emit_json_array, emit_table, say
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.clock import iso
from bifrost_tui.display import age

if TYPE_CHECKING:
    from bifrost_tui.store.views import ConfigLine, KeyLine

CHECKS = frozenset({"due", "overdue"})
"""What ends with 3 where there is any of it."""

NONE = {
    "due": "Nothing is due.",
    "overdue": "Nothing is overdue.",
    "needs_value": "No secret needs a value.",
    "reused": "No two secrets have the same value.",
}
"""What is said where there is none, by option."""

_ALL = 100_000_000


def list_everywhere(states: Sequence[str], key: str | None, *, as_json: bool) -> int:
    """List what one option asks for in every organization; return the exit code.

    Raises:
        click.UsageError: not just one thing is asked for.

    """
    if len(states) + (key is not None) != 1:
        raise click.UsageError(
            "--all-orgs takes just one of --due, --overdue, --needs-value, --reused and --key KEY."
        )
    with opened() as session:
        now = session.repository.clock()
        if key is not None:
            _list_key(session, key, now, as_json=as_json)
            return 0
        [state] = states
        lines = _lines(session, state)
    if as_json:
        emit_json_array(map(line_object, lines))
    elif lines:
        emit_lines(lines, now, grouped=state == "reused")
    else:
        say(NONE[state])
    return FOUND if lines and state in CHECKS else 0


def _lines(session: Session, state: str) -> Sequence[ConfigLine]:
    from bifrost_tui.store.views import Waiting

    everywhere, access = session.repository.everywhere, session.access
    if state == "reused":
        return [line for group in everywhere.reused(access) for line in group.lines]
    return everywhere.waiting(access, Waiting(state), limit=_ALL)


def emit_lines(lines: Sequence[ConfigLine], now: datetime, *, grouped: bool) -> None:
    """Write a table of configs of several organizations."""
    rows = [
        (
            line.scope.name,
            line.key,
            _state(line),
            line.integration or "",
            line.fingerprint or "",
            age(line.secret_changed_at, now) if line.secret_changed_at else "",
            line.updated_by,
        )
        for line in lines
    ]
    header = ("ORGANIZATION", "KEY", "STATE", "INTEGRATION", "FINGERPRINT", "AGE", "BY")
    if grouped:
        # What is equal stands together: one after another with the same fingerprint.
        header = (header[4], *header[:4], *header[5:])
        rows = [(row[4], *row[:4], *row[5:]) for row in rows]
    emit_table(header, rows)


def _list_key(session: Session, key: str, now: datetime, *, as_json: bool) -> None:
    lines = session.repository.everywhere.key(session.access, key)
    # Where global has none, there is nothing to say of it.
    lines = tuple(line for line in lines if line.config or not line.scope.is_global)
    if as_json:
        emit_json_array(key_object(key, line) for line in lines)
        return
    if not lines:
        say("There is no organization for you. `bifrost-tui orgs add NAME` adds one.")
        return
    rows = [(line.scope.name, _standing(line), *_facts(line.config, now)) for line in lines]
    header = ("ORGANIZATION", "SCOPE", "TYPE", "STATE", "INTEGRATION", "FINGERPRINT", "AGE", "BY")
    emit_table(header, rows)


def _facts(line: ConfigLine | None, now: datetime) -> tuple[str, ...]:
    if line is None:
        return ("",) * 6
    return (
        line.type.value,
        _state(line),
        line.integration or "",
        line.fingerprint or "",
        age(line.secret_changed_at or line.updated_at, now),
        line.updated_by,
    )


def _state(line: ConfigLine) -> str:
    return line.state.value.replace("_", " ")


def _standing(line: KeyLine) -> str:
    return line.standing.value if line.standing else "missing"


def line_object(line: ConfigLine) -> dict[str, Any]:
    """Return a config as it stands in JSON in a list across organizations."""
    return {
        "key": line.key,
        "type": line.type.value,
        "state": line.state.value,
        "scope": "global" if line.scope.is_global else "organization",
        "organization": line.scope.organization,
        "integration": line.integration,
        "fingerprint": line.fingerprint,
        "equal_group": line.equal_group,
        "rotate_every_days": line.rotate_every_days,
        "secret_changed_at": _moment(line.secret_changed_at),
        "due_at": _moment(line.due_at),
        "updated_at": iso(line.updated_at),
        "updated_by": line.updated_by,
    }


_FIELDS = (
    *("type", "state", "scope", "integration", "fingerprint", "equal_group"),
    *("rotate_every_days", "secret_changed_at", "due_at", "updated_at", "updated_by"),
)


def key_object(key: str, line: KeyLine) -> dict[str, Any]:
    """Return how a key stands in one organization as JSON; null is what a missing one has not."""
    found = line_object(line.config) if line.config else dict.fromkeys(_FIELDS)
    return {
        **found,
        "key": key,
        "organization": line.scope.organization,
        "standing": _standing(line),
        "shadows": _standing(line) == "shadows",
    }


def _moment(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
