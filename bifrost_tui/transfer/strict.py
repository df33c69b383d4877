"""What every file of configs is held to, whatever its notation: fields, types and exact values.

A value that cannot be taken is a :class:`Wrong` where it stands, so that the rest of the file is
read and everything that is wrong can be said at once. No message holds a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import INT_DIGITS, JSON_DEPTH, ConfigType, checked_key

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""

CONFIG_FIELDS: Final = (
    *("key", "type", "value", "description"),
    *("integration", "rotate_every_days", "partial_mask"),
)
"""The fields of a config in a bundle, in their order."""

TOO_DEEP = f"The value is nested more than {JSON_DEPTH} deep."

_KNOWN = frozenset(CONFIG_FIELDS)
_TYPES: Final[Mapping[str, ConfigType]] = {kind.value: kind for kind in ConfigType}
_KEY = re.compile(r"[A-Za-z0-9_]{1,255}").fullmatch
_SHOWN = 60
_LONGEST_KEY = 255
_NOTHING: Final = object()
_SMALL = 1_000_000
_MOST_MARKS = 16_000_000
"""How many commas and opening brackets a file may have: each may cost a hundred bytes of memory."""


class Wrong:
    """Stands for what cannot be taken, and says why."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


class _WrongError(Exception):
    """Something wrong within a value; caught before it leaves this module."""


def check_parts(text: str) -> None:
    """Refuse a JSON text that would take too much memory, before it is parsed.

    Raises:
        TransferError: it has too many parts.

    """
    if text.count(",") + text.count("[") + text.count("{") > _MOST_MARKS:
        raise TransferError("The file has too many parts. Export it in several files.")


def named(text: str) -> str:
    """Return a name out of a file as a message shows it."""
    return shorten(visible(text), _SHOWN)


def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Wrong:
    """Return an object's names and values, if no name comes twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return Wrong(f"An object names '{named(name)}' twice.")
        seen.add(name)
    raise AssertionError("a name comes twice")


def exact_int(text: str) -> int | Wrong:
    """Return the number that digits stand for."""
    if len(text) > INT_DIGITS:
        return Wrong(f"A number has more than {INT_DIGITS} digits. Write it as a string.")
    return int(text)


def exact_float(text: str) -> float | Wrong:
    """Return the number that a decimal fraction stands for, if it loses no digits."""
    number = float(text)
    if repr(number) == text:
        return number
    try:
        exact = Decimal(text)
    except InvalidOperation:
        # An exponent beyond what even a decimal can have.
        exact = Decimal("nan")
    if number in (float("inf"), float("-inf")) or Decimal(repr(number)) != exact:
        return Wrong("A number would lose digits. Write it as a string, in quotes.")
    return number


def no_constant(text: str) -> Wrong:
    """Refuse what stands for no number."""
    return Wrong(f"{text} is no JSON. Use null, or a string.")


def incoming(fields: Mapping[str, Any], place: str, *, secrets: bool = False) -> IncomingConfig:
    """Return a config as the fields of a file give it, with what is wrong with it.

    ``secrets`` tells that the file may hold the values of secrets.
    """
    # This is done a hundred thousand times: what is in order takes the shortest way.
    get = fields.get
    key, given, value = get("key"), get("type"), get("value", _NOTHING)
    kind = _TYPES.get(given) if type(given) is str else None
    if kind is None or value is _NOTHING or type(key) is not str or not _KEY(key):
        return _refused(fields, place, _identity_problem(fields))
    description, integration, days, mask = "", None, None, False
    if len(fields) > 3:
        description, integration = get("description", ""), get("integration")
        days, mask = get("rotate_every_days"), get("partial_mask", False)
        problem = _rest_problem(fields, kind, description, integration, days, mask)
        if problem:
            return _refused(fields, place, problem)
    text: str | None = None
    secret: EnteredSecret | None = None
    if kind is ConfigType.STRING and type(value) is str:
        text = value
    elif kind is ConfigType.SECRET:
        if value is not None:
            secret, problem = _secret(value, secrets=secrets)
            if problem:
                return _refused(fields, place, problem)
    else:
        text, problem = _plain(kind, value)
        if problem:
            return _refused(fields, place, problem)
    return IncomingConfig(
        ConfigDraft(key, kind, text, secret, integration, description, days, mask), place
    )


def _refused(fields: Mapping[str, Any], place: str, problem: str) -> IncomingConfig:
    """Return what is listed of a config that cannot be taken: the rest may be of any type."""
    key = fields.get("key")
    kind = fields.get("type")
    shown = visible(key[:_LONGEST_KEY])[:_LONGEST_KEY] if isinstance(key, str) else ""
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    return IncomingConfig(ConfigDraft(shown, known or ConfigType.STRING, ""), place, problem)


def _identity_problem(fields: Mapping[str, Any]) -> str:
    """Say what is wrong with what every config has."""
    if problem := _key_problem(fields.get("key")):
        return problem
    given = fields.get("type")
    if not isinstance(given, str):
        return _wrong(given) or "It has no type, which is a word such as string or secret."
    if given not in _TYPES:
        return f"There is no type '{named(given)}'. The types are {', '.join(_TYPES)}."
    return "It has no value; that of a secret is null."


def _rest_problem(
    fields: Mapping[str, Any],
    kind: ConfigType,
    description: Any,
    integration: Any,
    days: Any,
    mask: Any,
) -> str:
    """Say what is wrong with what a config may have."""
    if not fields.keys() <= _KNOWN:
        unknown = next(name for name in fields if name not in _KNOWN)
        return f"It has a field '{named(unknown)}', which a config does not have."
    if type(description) is not str:
        return _wrong(description) or "Its description is no text."
    if integration is not None and type(integration) is not str:
        return _wrong(integration) or "Its integration is no text."
    if days is not None and type(days) is not int:
        return _wrong(days) or "Its rotate_every_days is no whole number."
    if type(mask) is not bool:
        return _wrong(mask) or "Its partial_mask is neither true nor false."
    if kind is not ConfigType.SECRET and (mask or days is not None):
        return "Only a secret has rotate_every_days and partial_mask."
    return ""


def _key_problem(key: Any) -> str:
    if not isinstance(key, str):
        return _wrong(key) or "It has no key, or one that is no text."
    problem = ""
    try:
        checked_key(key)
    except InvalidInputError as error:
        problem = error.message
    return problem


def _wrong(value: Any) -> str:
    return value.why if isinstance(value, Wrong) else ""


def _plain(kind: ConfigType, value: Any) -> tuple[str | None, str]:
    """Return the text of a plain value or a reference, or what is wrong with it."""
    given = type(value)
    if kind is ConfigType.STRING:
        if given is str:
            return value, ""
    elif kind is ConfigType.INT:
        if given is int:
            if -_SMALL < value < _SMALL:
                return str(value), ""
            return _big(value)
    elif kind is ConfigType.BOOL:
        if given is bool:
            return "true" if value else "false", ""
    elif kind is ConfigType.SECRET_REF:
        if given is str:
            return value, ""
    else:
        return _json(value)
    return None, _wrong(value) or f"Its value is {_described(value)}; {_EXPECTED[kind]}"


_EXPECTED: Final[Mapping[ConfigType, str]] = {
    ConfigType.STRING: "that of a string is text, in quotes.",
    ConfigType.INT: "that of an int is a whole number without quotes.",
    ConfigType.BOOL: "that of a bool is true or false without quotes.",
    ConfigType.SECRET_REF: "that of a secret_ref is the key of a secret, in quotes.",
}


def _described(value: Any) -> str:
    """Name the kind of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _big(value: int) -> tuple[str | None, str]:
    try:
        text = str(value)
    except ValueError:
        text = ""
    if not text or len(text) > INT_DIGITS:
        return None, f"The number has more than {INT_DIGITS} digits. Keep it as a string."
    return text, ""


def _json(value: Any) -> tuple[str | None, str]:
    try:
        return _DUMP(value), ""
    except _WrongError as error:
        problem = str(error)
    except (RecursionError, ValueError):
        problem = TOO_DEEP
    return None, problem


def _tell(value: Any) -> None:
    raise _WrongError(value.why)


_DUMP = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    separators=(",", ":"),
    allow_nan=False,
    default=_tell,
).encode


def _secret(value: Any, *, secrets: bool) -> tuple[EnteredSecret | None, str]:
    if value is None:
        return None, ""
    if not secrets:
        return None, (
            "It is a secret with a value, and a portable bundle holds none: write null. If that is"
            " the real value, replace it where it comes from."
        )
    if not isinstance(value, str):
        return None, _wrong(value) or "The value of a secret is text or null."
    problem = ""
    try:
        return EnteredSecret(value), ""
    except InvalidInputError as error:
        problem = error.message
    return None, problem
