"""What an import hands in, what it would do, and what it did.

Apart from the queries, so that the readers of files need no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType


class Untold(StrEnum):
    """What some forms of files have no room for."""

    TYPE = "type"
    DESCRIPTION = "description"
    INTEGRATION = "integration"
    PERIOD = "rotate_every_days"
    MASK = "partial_mask"


@dataclass(frozen=True, slots=True, repr=False)
class IncomingConfig:
    """A config as a file gives it."""

    draft: ConfigDraft
    """For a secret without ``secret``: one whose value does not travel."""
    place: str = ""
    """Where it stands in the file, for messages: ``line 12``."""
    problem: str = ""
    """Why it cannot be imported, where the reader of the file found that already: a sentence that
    holds no value."""
    untold: frozenset[Untold] = frozenset()
    """What this form of file cannot tell: a config that is here keeps it."""

    def __repr__(self) -> str:
        return f"<IncomingConfig {self.draft.key!r} {self.draft.type}>"


@dataclass(frozen=True, slots=True)
class IncomingScope:
    """The configs for one scope."""

    organization: str | None
    """The organization's name; ``None`` for global."""
    configs: Sequence[IncomingConfig]


class Verdict(StrEnum):
    """What becomes of a config that is imported."""

    NEW = "new"
    """It is added; a secret without a value will need one."""
    SAME = "same"
    """It is here already, as it is there. A secret whose value does not travel is not looked at."""
    FILLED = "filled"
    """A secret that needed a value gets one."""
    DIFFERS = "differs"
    """It is here, and something but a secret's value is different: it is asked what to do."""
    OTHER_VALUE = "other value"
    """A secret that is here with another value; it keeps that, unless told otherwise."""
    REFUSED = "refused"
    """It cannot be imported; nothing is, while there is one of these."""


class OnConflict(StrEnum):
    """What is done where a config is here already, and different."""

    OVERWRITE = "overwrite"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What would become of one config."""

    organization: str | None
    """``None`` for global."""
    key: str
    type: ConfigType
    verdict: Verdict
    needs_value: bool = False
    """Whether it will be a secret that needs a value."""
    fields: tuple[str, ...] = ()
    """What is different, by name: ``value``, ``type``, ``description`` …"""
    why: str = ""
    """Why it is refused, or what to know of it (a reference that will give nothing)."""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done."""

    organizations: int = 0
    """How many were added."""
    added: int = 0
    changed: int = 0
    """Overwritten: what differed."""
    filled: int = 0
    """Secrets that needed a value and got one."""
    rotated: int = 0
    """Secrets that had another value and got a new one."""
    kept: int = 0
    """What differed and was left as it is."""
    same: int = 0
    need_value: int = 0
    """Secrets, of those imported, that need a value now."""
