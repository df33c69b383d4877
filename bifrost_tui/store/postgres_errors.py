"""What a PostgreSQL server and its driver say, in words that hold no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bifrost_tui import errors
from bifrost_tui.settings import DATABASE_VARIABLE


def told(error: Any, shown: str, seconds: float, *, of_connection: bool) -> errors.DatabaseError:
    """Turn an error of the driver into one of ours; its own words may quote a value."""
    if state := error.sqlstate:
        known = next((known for known in _TOLD if state.startswith(known.states)), _REFUSED)
    elif of_connection:
        known = _of_connection(str(error))
    else:
        known, state = _REFUSED, type(error).__name__
    return known.kind(known.text.format(shown=shown, state=state, seconds=seconds))


@dataclass(frozen=True, slots=True)
class _Known:
    """States of an error, by their beginnings, and what they mean to a person."""

    states: tuple[str, ...]
    kind: type[errors.DatabaseError]
    text: str


_GONE = _Known(
    ("08", "57P"),
    errors.DatabaseUnreachableError,
    "The server of the database ({shown}) stopped, or the line to it broke. Nothing was changed;"
    " try again.",
)
_TOLD = (
    _Known(
        ("55P03", "40P01", "40001"),
        errors.DatabaseBusyError,
        "Another program holds the database ({shown}) and did not let go within {seconds:.0f}"
        " seconds. Nothing was changed; try again.",
    ),
    _Known(("57014",), errors.DatabaseInterruptedError, "The read was cancelled."),
    _Known(
        # The second is what a standby says to a transaction that is to write.
        ("25006", "0A000"),
        errors.DatabaseReadOnlyError,
        "The database ({shown}) cannot be written: its server takes no changes now, as a standby"
        " does. Nothing was changed.",
    ),
    _Known(
        ("42501",),
        errors.DatabaseReadOnlyError,
        "The user that connects to the database ({shown}) may not do that there. Nothing was"
        " changed; let the database belong to that user.",
    ),
    _Known(
        ("53100", "53200", "54"),
        errors.DatabaseFullError,
        "The server of the database ({shown}) has no room left ({state}). Nothing was changed; free"
        " some room and try again.",
    ),
    _Known(
        ("53300",),
        errors.DatabaseUnreachableError,
        "The server of the database ({shown}) has no connection left for us. Nothing was changed;"
        " try again.",
    ),
    _Known(
        ("57P03",),
        errors.DatabaseUnreachableError,
        "The server of the database ({shown}) is starting or stopping. Nothing was changed; try"
        " again.",
    ),
    _Known(
        ("28",),
        errors.DatabaseUnreachableError,
        "The server of the database ({shown}) refused the user or the password. Check "
        + DATABASE_VARIABLE
        + ", PGPASSWORD or ~/.pgpass.",
    ),
    _Known(
        ("3D", "3F"),
        errors.DatabaseUnreachableError,
        "The server has no database of that name ({shown}). Make it (createdb), or check "
        + DATABASE_VARIABLE
        + ".",
    ),
    _Known(
        ("XX001", "XX002", "58030"),
        errors.DatabaseCorruptError,
        "The database ({shown}) is damaged ({state}). Leave its files as they are and restore a"
        " backup.",
    ),
    _GONE,
)
_REFUSED = _Known(
    ("",),
    errors.DatabaseError,
    "The database ({shown}) refused ({state}). Nothing was changed.",
)
_UNREACHABLE = _Known(
    (),
    errors.DatabaseUnreachableError,
    "The server of the database ({shown}) cannot be reached. Check that it runs, and "
    + DATABASE_VARIABLE
    + "; then try again.",
)

_SAID = (
    # libpq's own words; a server's come with a state once a connection stands, and without before.
    (("password", "authentication", "pg_hba", "role "), "28000"),
    (("does not exist",), "3D000"),
    (("too many", "remaining connection slots"), "53300"),
    (("starting up", "shutting down", "recovery"), "57P03"),
    (("terminat", "closed", "lost", "consuming input"), "08006"),
)


def _of_connection(text: str) -> _Known:
    """Return what a failure without a state means, by libpq's words; they are not passed on."""
    for words, state in _SAID:
        if any(word in text for word in words):
            return next(known for known in _TOLD if state.startswith(known.states))
    return _UNREACHABLE
