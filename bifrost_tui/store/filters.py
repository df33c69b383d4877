"""The filter over a list of configs, as it is typed: words, and ``name:value`` pairs.

``stripe key type:secret is:overdue`` finds the overdue secrets whose key holds both words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.values import ConfigType

STATES = {
    "own": "the organization's own",
    "inherited": "global ones that it inherits",
    "shadows": "own ones that shadow a global one",
    "needs-value": "secrets without a value",
    "due": "secrets whose rotation period has ended, overdue ones too",
    "overdue": "secrets past their rotation period",
    "unreadable": "secrets that no key at hand opens",
    "dangling": "references to a secret that cannot be read",
    "reused": "secrets whose value another secret has too",
}
"""What may stand after ``is:``, and what it finds."""

_LONGEST = 500


class Order(StrEnum):
    """What a list is ordered by; lines that are equal in it follow by key."""

    KEY = "key"
    INTEGRATION = "integration"
    AGE = "age"
    """The oldest value first; after the secrets what else there is, by its last change."""
    DUE = "due"
    """What is due first; what is never due comes last."""


@dataclass(frozen=True, slots=True)
class ConfigFilter:
    """What a list is narrowed to; everything given must hold."""

    words: tuple[str, ...] = ()
    """Parts of the key, in any case."""
    types: frozenset[ConfigType] = field(default_factory=frozenset)
    states: frozenset[str] = field(default_factory=frozenset)
    integration: str | None = None
    offered_to: str | None = None
    """Secrets that are bound to no integration, or to this one."""

    def __bool__(self) -> bool:
        named = self.integration is not None or self.offered_to is not None
        return bool(self.words or self.types or self.states or named)


NO_FILTER = ConfigFilter()
"""Narrows nothing."""


def parse_filter(text: str) -> ConfigFilter:
    """Read a filter as it is typed.

    A pair that is not finished (``type:``) narrows nothing yet.

    Raises:
        InvalidInputError: an unknown pair, type or state; the message names those there are.

    """
    if len(text) > _LONGEST:
        raise InvalidInputError(
            f"The filter has more than {_LONGEST} characters. Shorten it.", field="filter"
        )
    # No engine searches for these: SQLite ends a pattern at the first NUL.
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInputError(
            "The filter holds a character that nothing can hold. Enter it again.", field="filter"
        )
    words: list[str] = []
    types: set[ConfigType] = set()
    states: set[str] = set()
    integration: str | None = None
    for part in text.split():
        name, colon, value = part.partition(":")
        if not colon:
            words.append(part)
        elif not value:
            continue
        elif name == "type":
            types.add(ConfigType(_known("type", value, list(ConfigType))))
        elif name == "is":
            states.add(_known("is", value.replace("_", "-"), list(STATES)))
        elif name == "integration":
            integration = value
        else:
            raise InvalidInputError(
                f"There is no filter {ascii(name)[1:-1]}: ; there are type: is: integration:",
                field="filter",
            )
    return ConfigFilter(tuple(words), frozenset(types), frozenset(states), integration)


def _known(name: str, value: str, known: list[str]) -> str:
    """Accept a value, or the beginning of just one while it is being typed."""
    if value in known:
        return value
    if len(near := [candidate for candidate in known if candidate.startswith(value)]) == 1:
        return near[0]
    raise InvalidInputError(f"{name}: takes {', '.join(known)}", field="filter")
