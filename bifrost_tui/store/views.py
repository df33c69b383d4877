"""What lists and forms are given: frozen, with masks, never a token and never a plaintext."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    DANGLING = "dangling"


class Role(StrEnum):
    """An actor's standing in an organization or in all."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


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

ALL_SCOPES = Scope("all", "All organizations")
"""Where a membership counts that is not of one organization: in all of them and in global."""


@dataclass(frozen=True, slots=True)
class Attention:
    """How many configs of a scope want attention, and why."""

    overdue: int = 0
    due: int = 0
    needs_value: int = 0
    unreadable: int = 0
    dangling: int = 0

    @property
    def total(self) -> int:
        """How many configs want attention in all."""
        return self.overdue + self.due + self.needs_value + self.unreadable + self.dangling

    def __bool__(self) -> bool:
        return self.total > 0


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
    managed: bool = field(default=False, compare=False)
    """Whether its members and its log are the actor's to look at."""


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
    partial_mask: bool
    """Whether the mask of a secret may show its first and last four characters."""
    refers_to: str | None
    """The key of the secret that a reference stands for."""
    dangling: str | None
    """Why a reference gives nothing here, as the end of a sentence."""
    state: State
    standing: Standing
    integration: str | None
    fingerprint: str | None
    is_reused: bool
    """Whether another secret, somewhere, has the same value."""
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

    @property
    def is_reference(self) -> bool:
        """Whether it stands for a secret of another key."""
        return self.type is ConfigType.SECRET_REF


class Waiting(StrEnum):
    """What a secret waits for a new value for."""

    OVERDUE = "overdue"
    DUE = "due"
    """Its rotation period has ended; overdue ones are due too."""
    NEEDS_VALUE = "needs_value"
    EXPOSED = "exposed"
    """Somebody who is no member any more could read the value that it still has."""


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """What a list across organizations tells of one config; of a secret no mask even."""

    id: str
    scope: Scope
    key: str
    type: ConfigType
    state: State
    fingerprint: str | None
    equal_group: str | None
    """Equal for secrets of one value; ``None`` where no other has it."""
    integration: str | None
    rotate_every_days: int | None
    secret_changed_at: datetime | None
    due_at: datetime | None
    updated_at: datetime
    updated_by: str

    @property
    def is_secret(self) -> bool:
        """Whether its value is write-only."""
        return self.type is ConfigType.SECRET


@dataclass(frozen=True, slots=True)
class KeyLine:
    """How a key stands in one scope."""

    scope: Scope
    standing: Standing | None
    """``None`` where the scope neither has the key nor inherits it."""
    config: ConfigLine | None
    """The config that the key stands for: the scope's own, or the global one."""


@dataclass(frozen=True, slots=True)
class EqualGroup:
    """Two or more secrets with the same value."""

    fingerprint: str
    lines: tuple[ConfigLine, ...]


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
    scope: Scope | None = field(default=None, compare=False)
    """The scope as it is now: it may have been renamed or archived since it was opened."""
    managed: bool = field(default=False, compare=False)
    """Whether its members and its log are the actor's to look at."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A place where a secret's value is already kept."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class References:
    """What refers to a secret; only what the actor may see."""

    first: tuple[SecretUse, ...]
    """Global ones first, then by organization and key."""
    total: int

    @property
    def more(self) -> int:
        """How many there are beyond the first few."""
        return self.total - len(self.first)


NO_REFERENCES = References((), 0)


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
class MemberView:
    """An actor's standing in one organization, or in all of them."""

    id: str
    scope: Scope
    """The organization, or :data:`ALL_SCOPES`."""
    actor: str
    role: Role
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    version: int


@dataclass(frozen=True, slots=True)
class RemovedSecret:
    """A secret that goes with the member who created it, and what will miss it."""

    id: str
    version: int
    scope: Scope
    key: str
    references: tuple[SecretUse, ...]
    """References that will give nothing, or another value where ``falls_back``."""
    falls_back: bool
    """Whether a global secret of the same key takes its place."""
    inheritors: tuple[str, ...]
    """Of a global one: the organizations that inherit it now and will miss it."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What comes of a member's removal, before it is done."""

    member: MemberView
    loses: int
    """Organizations, global counted as one, that the actor will see no longer."""
    secrets: tuple[RemovedSecret, ...]
    """What the actor created there: to be deleted, or handed to another member."""
    archived: int
    """How many that the actor created stay as they are: their organization is archived."""
    readable: int
    """Secrets with a value that the actor could read and no longer can, the deleted ones too."""
    heirs: tuple[str, ...]
    """Who is a member wherever those secrets are, and can take them."""


@dataclass(frozen=True, slots=True)
class LeaverView:
    """Somebody who is no member any more of where secrets are that could be read."""

    actor: str
    left_at: datetime
    secrets: int
    """How many of those still have the value that could be read; only what may be seen."""


@dataclass(frozen=True, slots=True)
class Dependents:
    """What is affected when a config is deleted."""

    inherits_instead: bool
    """Its organization will then inherit the global config of that key."""
    inheritors: int
    """For a global config: organizations that inherit it now and will miss it."""
    references: References = NO_REFERENCES
    """What refers to it now."""
    references_dangle: bool = False
    """Whether those then give nothing: no secret of the key is beneath."""


@dataclass(frozen=True, slots=True)
class AuditDetails(AuditView):
    """All about one event of the log."""

    details: Mapping[str, object]
    """What else is told of it, by name; never a value."""
    chain_hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: kept elsewhere, it tells later whether the end has been cut off."""

    sequence: int
    chain_hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.chain_hash}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk along the audit chain found."""

    checked: int
    """How many events fit, from the first on."""
    broken_at: int | None
    """The sequence number of the first event that does not fit."""
    why: str = field(default="", compare=False)
    """What is wrong there, as a sentence."""
    head: Head | None = field(default=None, compare=False)
    """The last event that fits."""
