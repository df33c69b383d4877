"""Typed values: what a config of each type may hold, in one canonical form (JSON text)."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import VALUE_LIMIT

KEY_RULE = "A key has 1 to 255 characters, only letters A-Z and a-z, digits and the underscore."
INT_DIGITS = 1000
"""The most digits of an int: a limit on work, far above any use."""
JSON_DEPTH = 100
"""How deep objects and arrays may stand in each other."""

_KEY = re.compile(r"[A-Za-z0-9_]{1,255}")
_INT = re.compile(r"[+-]?[0-9]+")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class ConfigType(StrEnum):
    """The types that a config may have."""

    STRING = "string"
    INT = "int"
    BOOL = "bool"
    JSON = "json"
    SECRET = "secret"  # noqa: S105  the name of a type
    SECRET_REF = "secret_ref"  # noqa: S105  the name of a type


def checked_key(key: str) -> str:
    """Return a key that keeps the rule.

    Raises:
        InvalidInputError: it does not, and this is why.

    """
    if _KEY.fullmatch(key):
        return key
    if not key:
        problem = "The key is empty."
    elif len(key) > 255:
        problem = f"The key has {len(key)} characters."
    else:
        wrong = next(character for character in key if not _KEY.fullmatch(character))
        shown = "a blank" if wrong == " " else ascii(wrong)
        problem = f"The key holds {shown}."
    raise InvalidInputError(f"{problem} {KEY_RULE}", field="key")


def canonical(kind: ConfigType, text: str) -> str:
    """Check what was entered for a plain type and return it as canonical JSON text.

    Raises:
        InvalidInputError: it is no value of that type; for JSON with line and column.

    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        size = -1
    if size < 0:
        _refuse("The value holds half a character (a lone surrogate). Enter it again.")
    if size > VALUE_LIMIT:
        _refuse("The value is over 1 MiB. Keep it in a file and store where it is.")
    match kind:
        case ConfigType.STRING:
            if "\0" in text:
                _refuse("The value holds a NUL character, which a string cannot have.")
            return _dump(text)
        case ConfigType.INT:
            return _canonical_int(text)
        case ConfigType.BOOL:
            return _canonical_bool(text)
        case ConfigType.JSON:
            return _canonical_json(text)
        case ConfigType.SECRET | ConfigType.SECRET_REF:
            raise AssertionError(f"a {kind} has no plain value")


def decoded(value: str) -> Any:
    """Return what canonical text stands for, as Python's own type."""
    return json.loads(value)


def editable(kind: ConfigType, value: str) -> str:
    """Return canonical text as a person edits it: a string bare, JSON indented."""
    if kind is ConfigType.STRING:
        return str(json.loads(value))
    if kind is ConfigType.JSON:
        return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    return value


def preview(kind: ConfigType, value: str, *, cut: bool) -> str:
    """Return canonical text as a list shows it; ``cut`` says that ``value`` is only its start."""
    if kind is not ConfigType.STRING:
        return value
    if not cut:
        return str(json.loads(value))
    # The cut may have gone through an escape: at most six characters are lost with it.
    for length in range(len(value), max(len(value) - 7, 0), -1):
        try:
            return str(json.loads(value[:length] + '"'))
        except json.JSONDecodeError:
            continue
    return ""


# Made once: making one takes longer than what it writes.
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _refuse(message: str, line: int | None = None, column: int | None = None) -> NoReturn:
    raise InvalidInputError(message, field="value", line=line, column=column)


def _canonical_int(text: str) -> str:
    digits = text.strip()
    if not _INT.fullmatch(digits):
        _refuse("This is no int. Write a whole number in digits, such as 42 or -7.")
    if len(digits) > INT_DIGITS:
        _refuse(f"The number has more than {INT_DIGITS} digits. Keep it as a string.")
    return str(int(digits))


def _canonical_bool(text: str) -> str:
    word = text.strip().lower()
    if word in _TRUE:
        return "true"
    if word in _FALSE:
        return "false"
    return _refuse("This is no bool. Write true or false.")


class _RefusedError(Exception):
    """A rule of ours that a JSON text breaks; caught before it leaves this module."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _RefusedError(f"An object names {ascii(name)[:60]} twice.")
        found[name] = value
    return found


def _float(text: str) -> float:
    number = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        # An exponent beyond what even a decimal can have.
        exact = Decimal("nan")
    if number in (float("inf"), float("-inf")) or Decimal(repr(number)) != exact:
        raise _RefusedError(
            f"The number {text[:40]} would lose digits. Write it as a string, in quotes."
        )
    return number


def _int(text: str) -> int:
    if len(text) > INT_DIGITS:
        raise _RefusedError(f"A number has more than {INT_DIGITS} digits. Write it as a string.")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise _RefusedError(f"{text} is no JSON. Use null, or a string.")


def _canonical_json(text: str) -> str:
    problem, line, column, parsed = "", None, None, None
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_float=_float,
            parse_int=_int,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
        problem = f"This is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        problem += f", line {line}, column {column}."
    except _RefusedError as error:
        problem = str(error)
    except RecursionError:
        problem = f"The JSON is nested more than {JSON_DEPTH} deep."
    # Raised outside the handlers: the parser's error holds the text.
    if not problem and _deeper(parsed, JSON_DEPTH):
        problem = f"The JSON is nested more than {JSON_DEPTH} deep."
    if not problem:
        written = _dump(parsed)
        if not _surrogate(written):
            return written
        problem = "A string in the JSON holds half a character (a lone surrogate)."
    return _refuse(problem, line, column)


def _surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _deeper(value: Any, depth: int) -> bool:
    """Tell whether containers stand deeper in each other than ``depth``, without recursion."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)
