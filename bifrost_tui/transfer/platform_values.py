"""Values as a Bifrost platform keeps them, natively or as strings: what they are here as text."""

from __future__ import annotations

import json
import re
from typing import Any

from bifrost_tui.errors import TransferError
from bifrost_tui.store.values import INT_DIGITS, ConfigType
from bifrost_tui.transfer.strict import Wrong, exact_float, exact_int, no_constant, paired

_WORDS = {"true": "true", "false": "false"}

_PARSE = json.JSONDecoder(
    object_pairs_hook=paired,
    parse_float=exact_float,
    parse_int=exact_int,
    parse_constant=no_constant,
).decode


class RefusedError(Exception):
    """A value that does not fit its type; the reason holds nothing of it."""


def parse_json(text: str) -> Any:
    """Parse JSON; what is refused in it becomes a ``Wrong`` where it stands.

    Raises:
        TransferError: it is none, or nested too deep.

    """
    problem, parsed = "", None
    try:
        parsed = _PARSE(text)
    except json.JSONDecodeError as error:
        words = f"{error.msg[:1].lower()}{error.msg[1:]}"
        problem = f"This is no JSON: {words}, line {error.lineno}, column {error.colno}."
    except RecursionError:
        problem = "The JSON is nested too deep."
    # Raised outside the handlers: the parser's error holds the text.
    if problem:
        raise TransferError(problem)
    return parsed


def stand_in(kind: ConfigType) -> str:
    """Return some value of a type, so that the rest of a draft can be looked at."""
    return {ConfigType.INT: "0", ConfigType.BOOL: "false", ConfigType.JSON: "null"}.get(kind, "")


def plain_text(kind: ConfigType, value: Any) -> str:
    """Return a value that is stored natively or as a string, as text that a form would take."""
    if isinstance(value, Wrong):
        raise RefusedError(value.why)
    if value is None and kind is not ConfigType.JSON:
        raise RefusedError("There is none.")
    if kind is ConfigType.JSON:
        return _json_text(value)
    if kind is ConfigType.STRING:
        if not isinstance(value, str):
            raise RefusedError(f"It is {kind_of(value)}, no text.")
        return value
    if kind is ConfigType.BOOL:
        if isinstance(value, bool):
            return "true" if value else "false"
        word = _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
        if word is None:
            raise RefusedError("It is neither true nor false.")
        return word
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return _int_text(value)
    raise RefusedError(f"It is {kind_of(value)}, no whole number.")


def _int_text(value: str) -> str:
    """Return a text that is a whole number."""
    text = value.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise RefusedError("It is a text that is no whole number.")
    if len(text) > INT_DIGITS:
        raise RefusedError(f"It has more than {INT_DIGITS} digits.")
    return text


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        if _is_json(value):
            return value
        raise RefusedError("It is a text that is no JSON.")
    text, problem = "", ""
    try:
        text = _DUMP(value)
    except RefusedError as error:
        problem = str(error)
    except RecursionError:
        problem = "It is nested too deep."
    if problem:
        raise RefusedError(problem)
    return text


def _refuse(value: object) -> Any:
    raise RefusedError(value.why if isinstance(value, Wrong) else "It is no JSON.")


_DUMP = json.JSONEncoder(ensure_ascii=False, default=_refuse).encode


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
