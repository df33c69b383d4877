"""Python values as configs keep them, and as they are given to a command."""

from __future__ import annotations

import json
from typing import Any

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.values import ConfigType


def typed(key: str, value: Any) -> tuple[ConfigType, str]:
    """Return the type that a plain value is kept as, and the text of it as one enters it.

    Raises:
        InvalidInputError: JSON cannot say it.

    """
    if isinstance(value, bool):
        return ConfigType.BOOL, "true" if value else "false"
    if isinstance(value, int):
        return ConfigType.INT, str(value)
    if isinstance(value, str):
        return ConfigType.STRING, str(value)
    problem = ""
    text = ""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        problem = type(value).__name__
    # Raised outside the handler: the encoder's error may hold the value.
    if problem:
        raise InvalidInputError(
            f"{key}: a {problem} cannot be kept as it is; give a str, a number, a bool, or lists"
            " and dictionaries of them.",
            field="value",
        )
    return ConfigType.JSON, text


def text_of(value: Any) -> str:
    """Return a value as an environment variable has it: JSON as JSON, a bool as true or false."""
    if isinstance(value, str):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
