"""What lists and forms are given: frozen, with masks, never a token and never a plaintext."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bifrost_tui.store.values import ConfigType


class State(StrEnum):
    """How a config stands; anything but ``ok`` wants attention."""

    OK = "ok"
    NEEDS_VALUE = "needs_value"
    DUE = "due"
    OVERDUE = "overdue"
    UNREADABLE = "unreadable"


class Standing(StrEnum):
    """What a config is to the organization whose list it stands in."""

    OWN = "own"
    INHERITED = "inherited"
    SHADOWS = "shadows"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a config lives: one organization, or global. Comes from the repository."""

    id: str
    name: str
    archived: bool = False

    @property
    def is_global(self) -> bool:
        """Whether this is the scope of every organization."""
        return self.id == "global"

    @property
    def organization(self) -> str | None:
        """The organization's name; ``None`` for global."""
        return None if self.is_global else self.name


GLOBAL_SCOPE = Scope("global", "Global")


@dataclass(frozen=True, slots=True)
class Attention:
    """How many configs of a scope want attention, and why."""

    overdue: int = 0
    due: int = 0
    needs_value: int = 0
    unreadable: int = 0

    def __bool__(self) -> bool:
        return bool(self.overdue or self.due or self.needs_value or self.unreadable)


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """One line of the list of organizations; global is one of them."""

    scope: Scope
    configs: int
    secrets: int
    attention: Attention
    changed_at: datetime | None
    changed_by: str | None
    version: int


@dataclass(frozen=True, slots=True)
class ConfigView:
    """One config as it may be shown."""

    id: str
    scope: Scope
    key: str
    type: ConfigType
    value: str | None
    """Canonical JSON text, or its first characters where ``cut``; ``None`` for a secret."""
    cut: bool
    mask: str | None
    """What stands for a secret's value; ``None`` for other types and where there is no value."""
    state: State
    standing: Standing
    integration: str | None
    fingerprint: str | None
    description: str
    rotate_every_days: int | None
    secret_changed_at: datetime | None
    due_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    version: int

    @property
    def is_secret(self) -> bool:
        """Whether its value is write-only."""
        return self.type is ConfigType.SECRET


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in a list that is known: the row at ``index`` has this key."""

    index: int
    key: str


@dataclass(frozen=True, slots=True)
class ConfigPage:
    """Some lines of a list, one after another, from ``offset`` on."""

    offset: int
    rows: tuple[ConfigView, ...]


@dataclass(frozen=True, slots=True)
class ScopeCounts:
    """What the head of a list says about its scope."""

    effective: int
    """Own and inherited configs: the lines of the list without a filter."""
    own: int
    secrets: int
    """Secrets among the own configs."""
    attention: Attention


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A place where a secret's value is already kept."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class SecretReport:
    """What the store says about a new value before it is saved."""

    fingerprint: str
    same_as_before: bool
    used_at: tuple[SecretUse, ...]
    """The first few other places; only those that the actor may see."""
    used_more: int


@dataclass(frozen=True, slots=True)
class AuditView:
    """One event of the log."""

    sequence: int
    at: datetime
    actor: str
    source: str
    action: str
    organization: str | None
    key: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Dependents:
    """What is affected when a config is deleted."""

    inherits_instead: bool
    """Its organization will then inherit the global config of that key."""
    inheritors: int
    """For a global config: organizations that inherit it now and will miss it."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk along the audit chain found."""

    checked: int
    broken_at: int | None
    """The sequence number of the first event that does not fit."""
