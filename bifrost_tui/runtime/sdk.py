"""``config``: how code reads, sets, lists and deletes what operators keep.

Every call goes to the database in a thread; nothing is cached, so that the call after a rotation
sees the new value.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from bifrost_tui.display import MASK, visible
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    BifrostError,
    ConfigNotFoundError,
    ConflictError,
    InvalidInputError,
)
from bifrost_tui.runtime import opened
from bifrost_tui.runtime.execution import Running, current
from bifrost_tui.runtime.reader import Purpose, Reader, Reading, Value, missing
from bifrost_tui.runtime.secret_text import SecretText
from bifrost_tui.runtime.values import typed
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType, decoded
from bifrost_tui.store.views import GLOBAL_SCOPE, Anchor, ConfigView, Scope

GLOBAL = "global"
"""What ``scope`` takes for the configs of every organization."""

_PAGE = 500
_ATTEMPTS = 5


class _Missing(Enum):
    MISSING = "no default"

    def __repr__(self) -> str:
        return "<no default>"


MISSING = _Missing.MISSING


class ConfigValues(dict[str, Any]):
    """The effective values of a scope by key, with a mask for every secret.

    ``values["api_url"]`` and ``values.api_url`` are the same.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no config {name}") from None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a call works: with which reader, in which scope, for what."""

    reader: Reader
    scope: Scope | str
    purpose: Purpose
    running: Running | None

    def found(self) -> Scope:
        """Return the scope itself; a name is looked up."""
        if isinstance(self.scope, Scope):
            return self.scope
        return self.reader.repository.organizations.find(self.reader.access, self.scope)


class Config:
    """The configs of an organization, for code.

    Within an execution, calls are for its organization. Elsewhere ``scope`` names one. ``scope``
    is an organization's name, or ``"global"``. Reads cascade: the organization's own config, else
    the global one. Writes touch the one scope given.
    """

    async def get(
        self,
        key: str,
        default: Any = MISSING,
        *,
        scope: str | None = None,
        integration: str | None = None,
    ) -> Value:
        """Return a value, decrypted and in its type; a secret as a ``str`` with a masked ``repr``.

        Reading a secret is an audit event, written before the value is handed out.

        Raises:
            ConfigNotFoundError: there is no such config and no default; also a ``KeyError``.
            SecretUnreadableError, SecretNeedsValueError: it is there and has no value to give.
            AccessDeniedError: it is bound to another integration, or not for this actor.
            OrganizationNotFoundError: no such organization, or none for this actor.

        """
        place, reading = await self._read([key], scope, integration)
        if key in reading.values:
            return _given(place, reading, key)
        if default is not MISSING:
            return default
        raise missing(key, reading.scope)

    async def get_many(
        self,
        keys: Sequence[str],
        *,
        scope: str | None = None,
        integration: str | None = None,
    ) -> dict[str, Value]:
        """Return several values by key, all or none, in one transaction.

        Raises:
            ConfigNotFoundError: one of them is not there; and what :meth:`get` raises.

        """
        place, reading = await self._read([*keys], scope, integration)
        for key in keys:
            if key not in reading.values:
                raise missing(key, reading.scope)
        return {key: _given(place, reading, key) for key in keys}

    async def set(
        self,
        key: str,
        value: Any,
        is_secret: bool = False,
        *,
        scope: str | None = None,
        is_reference: bool = False,
        replace_secret: bool = False,
        integration: str | None = None,
        description: str | None = None,
        rotate_every_days: int | None = None,
        partial_mask: bool | None = None,
    ) -> None:
        """Add a config, or give one a new value; what else is known of it stays.

        A plain value is stored in its type: ``str``, ``bool``, ``int``, and all else that JSON
        can say as JSON. With ``is_reference`` the value is the key of a secret, which reading this
        config gives from then on. Plain text where a secret or a reference stands, or that was
        read as a secret, is refused unless ``replace_secret`` says that it shall be so from now on.

        Raises:
            InvalidInputError: the value or the key cannot be kept as it is.
            AccessDeniedError: not for this actor.
            ConflictError: others kept changing it meanwhile.

        """
        place = await self._place(scope, None)
        if is_secret and is_reference:
            raise InvalidInputError(
                f"{key}: either is_secret or is_reference; a reference has no value of its own.",
                field="type",
            )
        if (is_secret or is_reference) and not isinstance(value, str):
            what = "a secret is text" if is_secret else "a reference is the key of a secret"
            raise InvalidInputError(
                f"{key}: {what}; give a str, not {type(value).__name__}.", field="value"
            )
        if isinstance(value, SecretText) and not (is_secret or replace_secret):
            raise InvalidInputError(
                f"{key}: this value was read as a secret; pass is_secret=True to keep it as one.",
                field="value",
            )
        if is_secret:
            if place.running is not None:
                place.running.register(value)
            wanted = ConfigDraft(key, ConfigType.SECRET, secret=EnteredSecret(value))
        elif is_reference:
            wanted = ConfigDraft(key, ConfigType.SECRET_REF, value)
        else:
            kind, text = typed(key, value)
            wanted = ConfigDraft(key, kind, text)
        wanted = replace(
            wanted,
            integration=integration,
            description=description or "",
            rotate_every_days=rotate_every_days,
            partial_mask=bool(partial_mask),
        )
        given = frozenset(
            name
            for name, what in (
                ("integration", integration),
                ("description", description),
                ("rotate_every_days", rotate_every_days),
                ("partial_mask", partial_mask),
            )
            if what is not None
        )
        await asyncio.to_thread(_set, place, wanted, given, replace_secret)

    async def list(self, *, scope: str | None = None) -> ConfigValues:
        """Return every effective value by key, with a mask for every secret."""
        place = await self._place(scope, None)
        return await asyncio.to_thread(_list, place)

    async def delete(self, key: str, *, scope: str | None = None) -> bool:
        """Delete a config of the scope itself, never an inherited one; tell whether it was there.

        Raises:
            AccessDeniedError: not for this actor.

        """
        place = await self._place(scope, None)
        return await asyncio.to_thread(_delete, place, key)

    async def close(self) -> None:
        """Close this process's database; the next call opens it anew, by the settings then."""
        await asyncio.to_thread(opened.close)

    async def _read(
        self, keys: builtins.list[str], scope: str | None, integration: str | None
    ) -> tuple[_Place, Reading]:
        place = await self._place(scope, integration)
        reading = await asyncio.to_thread(place.reader.read, place.scope, keys, place.purpose)
        return place, reading

    async def _place(self, scope: str | None, integration: str | None) -> _Place:
        running = current()
        if running is not None:
            return _Place(
                running.reader, _within(running, scope), running.purpose(integration), running
            )
        if scope is None:
            raise BifrostError(
                "No execution runs here, so there is no organization to work for: name one,"
                ' scope="…", or call this within a workflow.'
            )
        reader = opened.ready()
        if reader is None:
            reader = await asyncio.to_thread(opened.reader)
        named: Scope | str = GLOBAL_SCOPE if scope == GLOBAL else scope
        return _Place(reader, named, Purpose(integration=integration), None)


config = Config()
"""The configs that the calling code may work with."""


def _within(running: Running, scope: str | None) -> Scope:
    if scope is None or scope.strip().casefold() == running.scope.name.casefold():
        return running.scope
    if scope == GLOBAL:
        return GLOBAL_SCOPE
    raise AccessDeniedError(
        f"This execution is for {visible(running.scope.name)}: it has no access to another"
        f" organization ({visible(scope)[:80]}). Run the workflow for that one."
    )


def _given(place: _Place, reading: Reading, key: str) -> Value:
    value = reading.values[key]
    if key in reading.secrets and place.running is not None:
        place.running.register(value)
    return value


def _set(place: _Place, wanted: ConfigDraft, given: frozenset[str], replace_secret: bool) -> None:
    configs, access = place.reader.repository.configs, place.reader.access
    scope = place.found()
    for attempt in range(_ATTEMPTS):
        view = _found(place, scope, wanted.key)
        if view is not None and (view.is_secret or view.is_reference) and not replace_secret:
            _refuse_other(view, wanted.type)
        own = view if view is not None and view.scope.id == scope.id else None
        try:
            if own is None:
                configs.add(access, scope, wanted)
            else:
                configs.edit(access, own, _merged(own, wanted, given))
            return
        except (ConflictError, AlreadyExistsError):
            # Another one was faster; what stands there now is looked at anew.
            if attempt == _ATTEMPTS - 1:
                raise


def _refuse_other(view: ConfigView, wanted: ConfigType) -> None:
    """Refuse what would take the place of a secret, or of a reference to one, unasked."""
    where = f"{view.key} in {visible(view.scope.name)}"
    if view.type is wanted:
        return
    if view.is_reference:
        raise InvalidInputError(
            f"{where} stands for the secret {view.refers_to}: set that one, or pass"
            f" replace_secret=True if {view.key} shall have a value of its own.",
            field="value",
        )
    if wanted is ConfigType.SECRET_REF:
        raise InvalidInputError(
            f"{where} is a secret and would lose its value: pass replace_secret=True if it shall"
            " stand for another from now on.",
            field="value",
        )
    raise InvalidInputError(
        f"{where} is a secret and would be kept as plain text: pass is_secret=True, or"
        " replace_secret=True if it shall be plain from now on.",
        field="value",
    )


def _merged(own: ConfigView, wanted: ConfigDraft, given: frozenset[str]) -> ConfigDraft:
    return replace(
        wanted,
        integration=wanted.integration if "integration" in given else own.integration,
        partial_mask=wanted.partial_mask if "partial_mask" in given else own.partial_mask,
        description=wanted.description if "description" in given else own.description,
        rotate_every_days=(
            wanted.rotate_every_days if "rotate_every_days" in given else own.rotate_every_days
        ),
    )


def _found(place: _Place, scope: Scope, key: str, *, own_only: bool = False) -> ConfigView | None:
    configs, access = place.reader.repository.configs, place.reader.access
    try:
        return configs.get_key(access, scope, key, own_only=own_only)
    except ConfigNotFoundError:
        return None


def _delete(place: _Place, key: str) -> bool:
    configs, access = place.reader.repository.configs, place.reader.access
    scope = place.found()
    for attempt in range(_ATTEMPTS):
        view = _found(place, scope, key, own_only=True)
        if view is None:
            return False
        try:
            configs.delete(access, view)
            return True
        except ConfigNotFoundError:
            return False
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
    return False


def _list(place: _Place) -> ConfigValues:
    configs, access = place.reader.repository.configs, place.reader.access
    wanted, found = ConfigList(place.found()), ConfigValues()
    anchor: Anchor | None = None
    while True:
        offset = len(found)
        page = configs.page(
            access, wanted, offset=offset, limit=_PAGE, anchor=anchor, whole_values=True
        )
        for view in page.rows:
            secret = view.is_secret or view.is_reference
            found[view.key] = MASK if secret else decoded(view.value or "null")
        if len(page.rows) < _PAGE:
            return found
        anchor = Anchor(len(found) - 1, page.rows[-1].key)
