"""The filter over the audit log, as it is typed: ``name:value`` pairs, and parts of keys.

``actor:alice action:config.* org:"Acme Dental" outcome:refused since:7d`` finds what Alice was
refused there within a week.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.audit import DONE, FAILED, REFUSED
from bifrost_tui.store.views import Scope

OUTCOMES = (DONE, REFUSED, FAILED)
"""How an attempt can have ended."""

_NAMES = ("actor", "action", "org", "key", "outcome", "since", "until")
_PARTS = re.compile(r'((?:[^\s":]+:)?)(?:"([^"]*)"?|(\S+)|)(?:\s+|$)')
_AGO = re.compile(r"(\d{1,5})(min|h|d|w)")
_UNITS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What the log is narrowed to; everything given must hold.

    In an actor, an action and a key a ``*`` stands for anything; such a pattern, unlike a whole
    text, fits in any case.
    """

    actor: str | None = None
    action: str | None = None
    key: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    scopes: tuple[Scope, ...] | None = None
    """Only events of these; ``None`` means of all that the actor may look at."""

    def __bool__(self) -> bool:
        return self != NO_AUDIT_FILTER


NO_AUDIT_FILTER = AuditFilter()
"""Narrows nothing."""


def parse_audit_filter(
    text: str, now: datetime, scopes: Sequence[Scope] = (), *, typing: bool = False
) -> AuditFilter:
    """Read a filter as it is typed; ``scopes`` are those that ``org:`` can name a part of.

    A pair that is not finished (``actor:``) narrows nothing yet. While one is ``typing``, an
    actor, an action and a key are found by how they begin.

    Raises:
        InvalidInputError: an unknown pair, outcome or time; the message says what there is.

    """
    if len(text) > _LONGEST or any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise InvalidInputError(
            f"The filter has more than {_LONGEST} characters, or one that nothing can hold.",
            field="filter",
        )
    found: dict[str, str] = {}
    for match in _PARTS.finditer(text.strip()):
        name, value = match[1].removesuffix(":").lower(), match[2] or match[3] or ""
        if not match[1] and value:
            name, value = "key", f"*{value}*"
        if value:
            found[name] = value
    if unknown := next((name for name in found if name not in _NAMES), None):
        raise InvalidInputError(
            f"There is no filter {ascii(unknown)[1:-1]}: ; there are"
            f" {' '.join(f'{name}:' for name in _NAMES)}",
            field="filter",
        )
    if typing:
        for name in ("actor", "action", "key"):
            if name in found and not found[name].endswith("*"):
                found[name] += "*"
    outcome = found.get("outcome")
    return AuditFilter(
        actor=found.get("actor"),
        action=found.get("action"),
        key=found.get("key"),
        outcome=None if outcome is None else checked_outcome(outcome),
        since=parse_when(found["since"], now, "since") if "since" in found else None,
        until=parse_when(found["until"], now, "until") if "until" in found else None,
        scopes=_named(found["org"], scopes) if "org" in found else None,
    )


def checked_outcome(text: str) -> str:
    """Return an outcome, or the one that begins like this."""
    near = [outcome for outcome in OUTCOMES if outcome.startswith(text.lower())]
    if len(near) != 1:
        raise InvalidInputError(f"outcome: takes {', '.join(OUTCOMES)}", field="filter")
    return near[0]


def parse_when(text: str, now: datetime, name: str) -> datetime:
    """Read a moment: ``7d`` or ``12h`` ago, or ISO 8601, in UTC where it names no zone.

    A day that ends (``until``) ends with its last moment.

    Raises:
        InvalidInputError: it is neither.

    """
    problem = InvalidInputError(
        f"{name}: takes how long ago (30min, 12h, 7d, 2w) or a date (2026-03-01, or"
        " 2026-03-01T09:30)",
        field="filter",
    )
    try:
        if ago := _AGO.fullmatch(text.lower()):
            return now - int(ago[1]) * _UNITS[ago[2]]
        moment = datetime.fromisoformat(text)
        if name == "until" and re.fullmatch(r"[\d-]{8,10}", text):
            moment += timedelta(days=1)
        # What has no zone is in UTC; what has one may still be before the first year.
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise problem


def _named(text: str, scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    """Return the scopes whose name holds a text; where one is called just so, that one."""
    wanted = text.casefold()
    found = [scope for scope in scopes if wanted in scope.name.casefold()]
    just = [scope for scope in found if scope.name.casefold() == wanted]
    return tuple(just or found)
