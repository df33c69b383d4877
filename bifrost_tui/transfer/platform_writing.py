"""Writing configs as a Bifrost platform's JSON, secrets encrypted under its key: the way back.

A platform has no references, so each becomes a secret with the value that it stands for. All is
held back until every secret's event is committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from bifrost_tui.display import visible
from bifrost_tui.errors import TransferError
from bifrost_tui.runtime.exporting import Opened, OpenedConfig, export_opened
from bifrost_tui.store.actor import Access
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope
from bifrost_tui.transfer.files import FILE_LIMIT
from bifrost_tui.transfer.platform import VERSION, VERSION_FIELD
from bifrost_tui.transfer.platform_key import PlatformKey

FORM = "platform"
"""What the events call the form."""
TO = "a Bifrost platform"
"""Who can open it, in the events."""

_SECRET = ConfigType.SECRET.value
_MISREAD = ('"', '{"value":')
"""How JSON begins that a platform or an import would read as something else."""


@dataclass(slots=True)
class WrittenPlatform:
    """What a platform's file holds, and what it could not take along."""

    scopes: int = 0
    configs: int = 0
    secrets: int = 0
    """How many secrets have their value in it, references among them."""
    empty: int = 0
    """How many travel without one, for they need one."""
    references: int = 0
    """How many references became secrets."""
    dangling: list[str] = field(default_factory=list)
    """Those of them that stand for nothing in the file, which need a value there."""
    periods: int = 0
    """How many secrets have a rotation period, which a platform does not know."""
    left_out: tuple[str, ...] = ()
    """Archived organizations, where everything was asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class _Kept:
    """What references of the same scope, or of an organization, may stand for."""

    stored: str | None
    """A secret as the platform stores it; ``None`` for one without a value and for plain ones."""
    integration: str | None


def write_platform(
    repository: Repository,
    access: Access,
    scopes: Sequence[Scope] | None,
    key: PlatformKey,
    put: Callable[[bytes], object],
    progress: Callable[[int, int], object] | None = None,
) -> WrittenPlatform:
    """Write whole scopes as a platform's export; ``scopes`` is ``None`` for all that there is.

    Raises:
        AccessDeniedError, OrganizationNotFoundError: the actor may not; nothing was read.
        TransferError: a secret does not decrypt, or it is more than an import takes.

    """
    lines: list[bytes] = []

    def consume(opened: Opened) -> WrittenPlatform:
        return _Writer(key, lines).run(opened)

    made = export_opened(repository, access, scopes, consume, to=TO, form=FORM, progress=progress)
    head = {
        VERSION_FIELD: VERSION,
        "entity_type": "configs",
        "contains_encrypted_values": made.secrets > 0,
        "item_count": made.configs,
    }
    put(json.dumps(head)[:-1].encode() + b', "items": [')
    for number, line in enumerate(lines):
        put((b",\n" if number else b"\n") + line)
    put(b"\n]}\n")
    return made


class _Writer:
    """Makes a line of every config; what is opened goes no further than into the cipher."""

    def __init__(self, key: PlatformKey, lines: list[bytes]) -> None:
        self._key = key
        self._lines = lines
        self._size = 0
        self._made = WrittenPlatform()
        self._global: dict[str, _Kept] = {}
        self._inherited: list[OpenedConfig] = []
        """Global references, which an organization's own secret may stand behind."""

    def run(self, opened: Opened) -> WrittenPlatform:
        # Global comes first: references of organizations may stand for what is there.
        for each in opened.scopes:
            self._scope(opened, each.scope)
        self._made.scopes = len(opened.scopes)
        self._made.left_out = opened.left_out
        self._made.configs = len(self._lines)
        return self._made

    def _scope(self, opened: Opened, scope: Scope) -> None:
        kept: dict[str, _Kept] = {}
        references: list[OpenedConfig] = []
        for config in opened.rows(scope):
            self._made.periods += config.rotate_every_days is not None
            if config.type is ConfigType.SECRET_REF:
                kept[config.key] = _Kept(None, None)
                references.append(config)
                continue
            stored = None
            if config.type is ConfigType.SECRET:
                if config.secret is not None:
                    stored = self._key.sealed(config.secret.encode("utf-8"))
                self._count(stored)
                value = json.dumps(stored)
            else:
                value = _plain(config)
            kept[config.key] = _Kept(stored, config.integration)
            self._write(scope, config, config.type.value, value)
        if scope.is_global:
            self._global, self._inherited = kept, references
        else:
            references += self._shadowed(kept)
        for config in references:
            self._reference(scope, config, kept)

    def _shadowed(self, kept: dict[str, _Kept]) -> Iterator[OpenedConfig]:
        """Give the inherited references that stand for a secret of the organization's own."""
        for config in self._inherited:
            if config.key not in kept and config.refers_to in kept:
                yield config

    def _reference(self, scope: Scope, config: OpenedConfig, kept: dict[str, _Kept]) -> None:
        """Write a reference as a secret: with its own scope's value, else the global one."""
        target = config.refers_to or ""
        found = kept.get(target) or self._global.get(target)
        stored = found.stored if found is not None else None
        if found is not None and found.integration is not None:
            bound_elsewhere = (config.integration or "").lower() != found.integration.lower()
            stored = None if bound_elsewhere else stored
        self._made.references += 1
        if stored is None:
            self._made.dangling.append(f"{config.key} in {visible(scope.name)}")
        self._count(stored)
        self._write(scope, config, _SECRET, json.dumps(stored))

    def _count(self, stored: str | None) -> None:
        self._made.secrets += stored is not None
        self._made.empty += stored is None

    def _write(self, scope: Scope, config: OpenedConfig, kind: str, value: str) -> None:
        fields = {
            "config_type": kind,
            "description": config.description or None,
            "organization_id": None if scope.is_global else _identity(scope.id),
            "organization_name": scope.organization,
            "integration_name": config.integration,
        }
        line = f'{{"key": "{config.key}", "value": {value}, {json.dumps(fields)[1:]}'.encode(
            "ascii"
        )
        self._size += len(line) + 2
        if self._size > FILE_LIMIT:
            raise TransferError(
                f"The file would be over {FILE_LIMIT >> 20} MiB, and nothing was exported. Export"
                " fewer organizations at a time, with --org."
            )
        self._lines.append(line)


def _plain(config: OpenedConfig) -> str:
    """Return a plain value as JSON that holds nothing but ASCII."""
    value = config.value or "null"
    if config.type is ConfigType.JSON and value.startswith(_MISREAD):
        return json.dumps(value)
    return value if value.isascii() and value.isprintable() else json.dumps(json.loads(value))


def _identity(scope_id: str) -> str:
    """Return an organization's id as the platform writes its own.

    It means nothing there. But where a platform finds neither name nor id, it takes a config as
    global, and says so only where an id was given.
    """
    try:
        return str(UUID(scope_id))
    except ValueError:
        return scope_id
