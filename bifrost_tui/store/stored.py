"""Configs as they are stored, tokens included: for the runtime alone; an import contract says so.

A token opens nowhere but in its place, and only :mod:`bifrost_tui.crypto.reading` opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, or_, select

from bifrost_tui.crypto.cipher import Keyring, SealContext, Sealed
from bifrost_tui.store.config_lists import type_of
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import GLOBAL, config
from bifrost_tui.store.values import ConfigType

_AT_ONCE = 500
"""As many keys are looked up in one query."""

_COLUMNS = (
    config.c.id,
    config.c.scope_id,
    config.c.key,
    config.c.type,
    config.c.value,
    config.c.secret,
    config.c.secret_version,
    config.c.key_id,
    config.c.integration,
    config.c.refers_to,
)

# Made once: making a query takes longer than its answer. Two comparisons, not a list of two: the
# unique index of scope and key then answers each for itself.
_ALL = select(*_COLUMNS).where(
    or_(config.c.scope_id == bindparam("scope"), config.c.scope_id == bindparam("beneath"))
)
_ONE = Quick(_ALL.where(config.c.key == bindparam("key")))
_SOME = _ALL.where(config.c.key.in_(bindparam("keys", expanding=True)))


def context_of(repository: Repository) -> StoreContext:
    """Return the open database and its keys behind a repository."""
    return repository._context


def why_unreadable(keyring: Keyring, key_id: str) -> str:
    """Say why a token that was written under a master key does not open."""
    if key_id in keyring.key_ids:
        return "its ciphertext is damaged or belongs elsewhere; rotate it"
    return f"it was written under master key {key_id}, which is not at hand"


@dataclass(frozen=True, slots=True, repr=False)
class StoredConfig:
    """What stands in one row."""

    key: str
    type: ConfigType
    is_global: bool
    value: str | None
    """Canonical JSON text; ``None`` for a secret."""
    sealed: Sealed | None
    """A secret's token; ``None`` while it needs a value, and for other types."""
    place: SealContext
    integration: str | None
    refers_to: str | None
    """The key of the secret that a reference stands for."""

    @property
    def is_secret(self) -> bool:
        """Whether its value is write-only."""
        return self.type is ConfigType.SECRET

    @property
    def gives_secret(self) -> bool:
        """Whether reading it gives a secret's value: its own, or that which it stands for."""
        return self.is_secret or self.refers_to is not None

    def __repr__(self) -> str:
        return f"<StoredConfig {self.key!r} {self.type}>"


def effective(
    connection: Connection, scope_id: str, keys: Sequence[str] | None = None
) -> dict[str, StoredConfig]:
    """Return what keys stand for in a scope, by key: its own config, else the global one.

    Without ``keys``, every config that the scope has or inherits.
    """
    found: dict[str, StoredConfig] = {}
    for row in _rows(connection, scope_id, keys):
        if row.key not in found or row.scope_id == scope_id:
            found[row.key] = _stored(row)
    return found


def referred(
    connection: Connection, scope_id: str, stored: Mapping[str, StoredConfig], *, complete: bool
) -> dict[str, StoredConfig]:
    """Return what the references among configs stand for in a scope, by key of the secret.

    ``complete`` says that all that the scope has or inherits is among them.
    """
    wanted = {config.refers_to for config in stored.values() if config.refers_to is not None}
    found = {key: stored[key] for key in wanted if key in stored}
    missing = sorted(wanted - found.keys())
    if missing and not complete:
        found |= effective(connection, scope_id, missing)
    return found


def _rows(
    connection: Connection, scope_id: str, keys: Sequence[str] | None
) -> Iterator[Row[*tuple[object, ...]]]:
    scopes = {"scope": scope_id, "beneath": GLOBAL}
    if keys is None:
        yield from connection.execute(_ALL, scopes)
    elif len(keys) == 1:
        yield from _ONE.rows(connection, {**scopes, "key": keys[0]})
    else:
        for some in _batches(keys):
            yield from connection.execute(_SOME, {**scopes, "keys": some})


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _stored(row: Row[*tuple[object, ...]]) -> StoredConfig:
    return StoredConfig(
        key=row.key,
        type=type_of(row),
        is_global=row.scope_id == GLOBAL,
        value=row.value,
        sealed=Sealed(row.secret, row.key_id) if row.secret is not None else None,
        place=seal_context(row.scope_id, row.id, row.secret_version),
        integration=row.integration,
        refers_to=row.refers_to,
    )
