"""A secret's value as code gets it: a ``str`` like any other, but for its ``repr``."""

from __future__ import annotations

from typing import Any, Self

from bifrost_tui.display import MASK


class SecretText(str):
    """A ``str`` whose ``repr`` is a mask, so that no debugger, log or traceback quotes it.

    It is equal to the plain text, and what is made of it (``f"Bearer {key}"``) is plain text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
