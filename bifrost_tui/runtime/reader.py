"""Reading values: the one place where plaintext leaves the store, each time with its event.

A read of secrets and its audit events are one transaction that ends before a value is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection

from bifrost_tui.crypto.reading import open_sealed
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    ConfigNotFoundError,
    DanglingReferenceError,
    InvalidInputError,
    SecretNeedsValueError,
    SecretUnreadableError,
)
from bifrost_tui.runtime.secret_text import SecretText
from bifrost_tui.store.actor import Access
from bifrost_tui.store.audit import DONE, FAILED, READ, REFUSED, Event
from bifrost_tui.store.context import open_for_reads
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.stored import StoredConfig, context_of, effective, referred, why_unreadable
from bifrost_tui.store.values import KEY_RULE, checked_key, decoded
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

_Read = TypeVar("_Read")

Value = Any
"""A config's value: a :class:`SecretText`, ``str``, ``int``, ``bool``, or what JSON stands for."""

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Purpose:
    """What values are read for; it goes into the events."""

    action: str = READ
    integration: str | None = None
    """The integration that the reader acts for; secrets bound to another are refused."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Such as the id of the execution."""

    def fits(self, integration: str) -> bool:
        """Tell whether this acts for an integration, in whatever case that is written."""
        return (self.integration or "").casefold() == integration.casefold()


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """The values that were found, by key, and which of them are secrets."""

    scope: Scope
    values: Mapping[str, Value]
    secrets: frozenset[str]
    withheld: tuple[str, ...] = ()
    """Secrets of other integrations, left out where all that there is was asked for."""

    def __repr__(self) -> str:
        return f"<Reading of {len(self.values)} values>"


class Reader:
    """Reads values from one repository for one actor. Safe to use from several threads."""

    def __init__(self, repository: Repository, access: Access) -> None:
        self.repository = repository
        self.access = access
        self._context = context_of(repository)
        # Threads of one process queue here; on SQLite's own lock they would sleep and poll.
        self._turn = Lock()
        # Keys that were secrets when last seen: these go straight to the read that is audited.
        self._were_secrets: set[tuple[str, str]] = set()

    def read(self, scope: Scope | str, keys: Sequence[str], purpose: Purpose) -> Reading:
        """Read what keys stand for in a scope, all or none; a key that is not there is left out.

        ``scope`` may be an organization's name. Secrets are audited, one event each.

        Raises:
            AccessDeniedError: the actor, or the purpose's integration, may not read one of them.
            OrganizationNotFoundError: no such organization, or none for this actor.
            SecretUnreadableError, SecretNeedsValueError: a value cannot be given.

        """
        wanted = [key for key in dict.fromkeys(keys) if _may_exist(key)]
        name = scope if isinstance(scope, str) else scope.id
        if not any((name, key) in self._were_secrets for key in wanted):
            found = self._guarded(scope, wanted, purpose, lambda: self._read_plain(scope, wanted))
            if found is not None:
                return found
        reading = self._audited(scope, wanted, purpose)
        self._were_secrets.update((name, key) for key in reading.secrets)
        return reading

    def read_all(self, scope: Scope | str, purpose: Purpose) -> Reading:
        """Read every effective value of a scope; secrets of other integrations are withheld.

        Raises:
            AccessDeniedError: the actor may not read here.
            OrganizationNotFoundError: no such organization, or none for this actor.
            SecretUnreadableError, SecretNeedsValueError: a value cannot be given.

        """
        return self._audited(scope, None, purpose)

    def _audited(self, scope: Scope | str, keys: Sequence[str] | None, purpose: Purpose) -> Reading:
        reading, problem = self._guarded(
            scope, keys, purpose, lambda: self._read_audited(scope, keys, purpose)
        )
        if problem is not None:
            # After the commit: what was refused or failed stands in the log.
            raise problem
        return reading

    def _guarded(
        self,
        scope: Scope | str,
        keys: Sequence[str] | None,
        purpose: Purpose,
        read: Callable[[], _Read],
    ) -> _Read:
        named = Scope("", visible(scope)[:_LONGEST_NAME]) if isinstance(scope, str) else scope
        key = keys[0] if keys and len(keys) == 1 else None
        event = Event(purpose.action, named, key, details=dict(purpose.facts))
        return self._context.guard(self.access, event, read)

    def _read_plain(self, scope: Scope | str, keys: Sequence[str]) -> Reading | None:
        """Read plain values; ``None`` where there is a secret among them."""

        def work(connection: Connection) -> Reading | None:
            here = self._enter(connection, scope)
            stored = effective(connection, here.id, keys)
            if any(config.gives_secret for config in stored.values()):
                return None
            return Reading(
                here, {key: _plain(config) for key, config in stored.items()}, frozenset()
            )

        return self._context.database.read(work)

    def _read_audited(
        self, scope: Scope | str, keys: Sequence[str] | None, purpose: Purpose
    ) -> tuple[Reading, BifrostError | None]:
        context = self._context

        def work(connection: Connection) -> tuple[Reading, BifrostError | None]:
            here = self._enter(connection, scope)
            stored = effective(connection, here.id, keys)
            complete = keys is None
            targets = referred(connection, here.id, stored, complete=complete)
            withheld = _withheld(stored.values(), targets, purpose) if complete else []
            for key in withheld:
                del stored[key]
            values, events, problem = self._open(here, stored.values(), targets, purpose)
            if events:
                context.chain.append(connection, self.access, *events)
            secrets = frozenset(key for key, config in stored.items() if config.gives_secret)
            return Reading(here, values, secrets, tuple(sorted(withheld))), problem

        with self._turn:
            return context.database.write_rows(work)

    def _enter(self, connection: Connection, scope: Scope | str) -> Scope:
        context = self._context
        if isinstance(scope, str):
            here = context.enter_named(connection, self.access, scope)
        else:
            here, _role = context.enter(connection, self.access, scope)
        open_for_reads(here)
        return here

    def _open(
        self,
        here: Scope,
        stored: Collection[StoredConfig],
        targets: Mapping[str, StoredConfig],
        purpose: Purpose,
    ) -> tuple[dict[str, Value], list[Event], BifrostError | None]:
        """Decrypt, or say what stands against it; a problem with one leaves no value of any."""
        values: dict[str, Value] = {}
        read: list[Event] = []
        failed: list[Event] = []
        first: BifrostError | None = None
        for config in stored:
            if not config.gives_secret:
                values[config.key] = _plain(config)
                continue
            target = config if config.refers_to is None else targets.get(config.refers_to)
            opened = self._value(here, config, target, purpose)
            if isinstance(opened, BifrostError):
                first = first or opened
                outcome = REFUSED if isinstance(opened, AccessDeniedError) else FAILED
                failed.append(_event(here, config, target, purpose, outcome))
            else:
                values[config.key] = opened
                read.append(_event(here, config, target, purpose, DONE))
        if first is not None:
            return {}, failed, first
        return values, read, None

    def _value(
        self, here: Scope, config: StoredConfig, target: StoredConfig | None, purpose: Purpose
    ) -> SecretText | BifrostError:
        named = f"{config.key} in {_where(config, here)}"
        if config.refers_to is not None:
            named += f" refers to {config.refers_to}, which"
        if target is None:
            return DanglingReferenceError(
                f"{named} is not there. Add that secret, or choose another for {config.key}."
            )
        if not target.is_secret:
            kind = "a reference itself" if target.refers_to else f"a {target.type}"
            return DanglingReferenceError(
                f"{named} is {kind} and no secret. Choose a secret for {config.key}."
            )
        for bound in (config.integration, target.integration):
            if bound is not None and not purpose.fits(bound):
                asked = f"for {visible(purpose.integration)}" if purpose.integration else "for none"
                return AccessDeniedError(
                    f"{named} is bound to the integration {visible(bound)} and was asked {asked}."
                    " Name that integration to read it."
                )
        if target.sealed is None:
            return SecretNeedsValueError(
                f"{named} needs a value: it was never filled. Give it one with"
                f" `bifrost-tui configs rotate {target.key}{_option(target, here)}`."
            )
        keyring = self._context.keyring
        opened = open_sealed(keyring, target.sealed, target.place)
        if opened is None:
            cause = why_unreadable(keyring, target.sealed.key_id)
            return SecretUnreadableError(f"{named} does not decrypt: {cause}.")
        return SecretText(opened.decode("utf-8"))


def missing(key: str, scope: Scope) -> ConfigNotFoundError:
    """Return the error for a key that a scope neither has nor inherits."""
    if not _may_exist(key):
        return ConfigNotFoundError(f"There is no config {visible(key)[:80]!r}. {KEY_RULE}")
    if scope.is_global:
        return ConfigNotFoundError(
            f"There is no global config {key}. Add it with"
            f" `bifrost-tui configs set {key} --global`."
        )
    return ConfigNotFoundError(
        f"There is no config {key} in {visible(scope.name)}, and no global one. Add it with"
        f" `bifrost-tui configs set {key} --org {visible(scope.name)!r}`, or in the screens (a)."
    )


def _where(config: StoredConfig, here: Scope) -> str:
    return GLOBAL_SCOPE.name if config.is_global else here.name


def _option(config: StoredConfig, here: Scope) -> str:
    return " --global" if config.is_global else f" --org {visible(here.name)!r}"


def _may_exist(key: str) -> bool:
    try:
        return bool(checked_key(key))
    except InvalidInputError:
        return False


def _plain(config: StoredConfig) -> Value:
    return decoded(config.value or "null")


def _withheld(
    stored: Collection[StoredConfig], targets: Mapping[str, StoredConfig], purpose: Purpose
) -> list[str]:
    """Return the keys of what is bound to other integrations, itself or what it stands for."""

    def fits(config: StoredConfig | None) -> bool:
        bound = None if config is None else config.integration
        return bound is None or purpose.fits(bound)

    return [
        config.key
        for config in stored
        if config.gives_secret and not (fits(config) and fits(targets.get(config.refers_to or "")))
    ]


def _event(
    here: Scope, config: StoredConfig, target: StoredConfig | None, purpose: Purpose, outcome: str
) -> Event:
    """Return the event of a read: of the secret itself, whatever it was read through."""
    read = target or config
    details = dict(purpose.facts)
    if read.is_global and not here.is_global:
        details["from"] = "global"
    if config.refers_to is not None:
        details["reference"] = config.key
    if purpose.integration:
        details["integration"] = purpose.integration
    return Event(purpose.action, here, read.key, outcome, details)
