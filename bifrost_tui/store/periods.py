"""Rotation periods, in whole days."""

from __future__ import annotations

from bifrost_tui.errors import InvalidInputError

LONGEST_PERIOD = 36500
"""The longest rotation period, in days."""

_RULE = f"Write the period as a whole number of days, 1 to {LONGEST_PERIOD}, or nothing."


def checked_period(text: str) -> int | None:
    """Return a rotation period in days from what was typed; nothing means none.

    Raises:
        InvalidInputError: it is no whole number of days from 1 to 36500.

    """
    tidy = text.strip()
    if not tidy:
        return None
    if tidy.isascii() and tidy.isdecimal() and len(tidy) <= 6:
        return checked_days(int(tidy))
    raise InvalidInputError(_RULE, field="rotate_every_days")


def checked_days(days: int | None) -> int | None:
    """Return a period that keeps the rule.

    Raises:
        InvalidInputError: it is outside 1 to 36500 days.

    """
    if days is not None and not 1 <= days <= LONGEST_PERIOD:
        raise InvalidInputError(_RULE, field="rotate_every_days")
    return days
