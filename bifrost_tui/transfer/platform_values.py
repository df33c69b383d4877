"""Values as a Bifrost platform keeps them, natively or as strings: what they are here as text."""

from __future__ import annotations

import json
import re
from typing import Any

from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.values import INT_DIGITS, ConfigType, canonical

_WORDS = {"true": "true", "false": "false"}


class Refused:
    """Stands in parsed JSON for what is refused there, with the reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class RefusedError(Exception):
    """A value that does not fit its type; the reason holds nothing of it."""


def parse_json(text: str) -> Any:
    """Parse JSON; what JSON of ours may not hold becomes :class:`Refused` where it stands.

    Raises:
        TransferError: it is none, or nested too deep.

    """
    problem, parsed = "", None
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_float,
            parse_int=_int,
            parse_constant=lambda _name: Refused("it holds NaN or Infinity, which is no JSON."),
        )
    except json.JSONDecodeError as error:
        words = f"{error.msg[:1].lower()}{error.msg[1:]}"
        problem = f"This is no JSON: {words}, line {error.lineno}, column {error.colno}."
    except RecursionError:
        problem = "The JSON is nested too deep."
    # Raised outside the handlers: the parser's error holds the text.
    if problem:
        raise TransferError(problem)
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Refused("an object names something twice.")


def _float(text: str) -> Any:
    number = float(text)
    # The same rule as for a JSON value that is entered, at the price of a comparison for most.
    if repr(number) == text or _exact(text):
        return number
    return Refused("a number in it would lose digits: keep it as a string.")


def _exact(text: str) -> bool:
    try:
        canonical(ConfigType.JSON, text)
    except InvalidInputError:
        return False
    return True


def _int(text: str) -> Any:
    if len(text) > INT_DIGITS:
        return Refused(f"a number in it has more than {INT_DIGITS} digits.")
    return int(text)


def stand_in(kind: ConfigType) -> str:
    """Return some value of a type, so that the rest of a draft can be looked at."""
    return {ConfigType.INT: "0", ConfigType.BOOL: "false", ConfigType.JSON: "null"}.get(kind, "")


def plain_text(kind: ConfigType, value: Any) -> str:
    """Return a value that is stored natively or as a string, as text that a form would take."""
    if isinstance(value, Refused):
        raise RefusedError(value.reason)
    if value is None and kind is not ConfigType.JSON:
        raise RefusedError("there is none.")
    if kind is ConfigType.JSON:
        return _json_text(value)
    if kind is ConfigType.STRING:
        if not isinstance(value, str):
            raise RefusedError(f"it is {kind_of(value)}, no text.")
        return value
    if kind is ConfigType.BOOL:
        if isinstance(value, bool):
            return "true" if value else "false"
        word = _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
        if word is None:
            raise RefusedError("it is neither true nor false.")
        return word
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return _int_text(value)
    raise RefusedError(f"it is {kind_of(value)}, no whole number.")


def _int_text(value: str) -> str:
    """Return a text that is a whole number."""
    text = value.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise RefusedError("it is a text that is no whole number.")
    if len(text) > INT_DIGITS:
        raise RefusedError(f"it has more than {INT_DIGITS} digits.")
    return text


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        if _is_json(value):
            return value
        raise RefusedError("it is a text that is no JSON.")
    text, problem = "", ""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_refuse)
    except RefusedError as error:
        problem = str(error)
    except RecursionError:
        problem = "it is nested too deep."
    if problem:
        raise RefusedError(problem)
    return text


def _refuse(value: object) -> Any:
    raise RefusedError(value.reason if isinstance(value, Refused) else "it is no JSON.")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def kind_of(value: object) -> str:
    """Say what kind of thing a value is, and nothing of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list) else "JSON"
