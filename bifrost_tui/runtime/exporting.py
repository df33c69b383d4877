"""Every value of whole scopes, for an encrypted file: read, opened and told in one transaction.

What is opened goes into a cipher while that transaction lasts, and what the cipher makes of it
leaves only after the commit: no event, no export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, select

from bifrost_tui.crypto.cipher import Sealed
from bifrost_tui.crypto.reading import open_sealed
from bifrost_tui.display import counted, visible
from bifrost_tui.errors import AccessDeniedError, BifrostError, TransferError
from bifrost_tui.store.access import EVERYWHERE, Role, role_in
from bifrost_tui.store.audit import EXPORT, EXPORT_CONFIGS, FAILED, Event
from bifrost_tui.store.config_lists import checked_type
from bifrost_tui.store.context import StoreContext, folded_name, open_for_reads
from bifrost_tui.store.exporting import ExportedScope, counted_scopes, live_scopes
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.store.schema import config
from bifrost_tui.store.stored import context_of, why_unreadable
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

T = TypeVar("T")

FORM = "encrypted"
"""What the events call an encrypted bundle."""

_AT_ONCE = 1000
_ROWS = (
    select(
        config.c.key,
        config.c.type,
        config.c.value,
        config.c.refers_to,
        config.c.integration,
        config.c.description,
        config.c.rotate_every_days,
        config.c.secret,
        config.c.hint,
        config.c.id,
        config.c.secret_version,
        config.c.key_id,
    )
    .where(config.c.scope_id == bindparam("scope"))
    .order_by(config.c.key)
    .execution_options(yield_per=_AT_ONCE)
)


@dataclass(slots=True, repr=False, eq=False)
class OpenedConfig:
    """A config with its value, on its way into a cipher."""

    key: str
    type: ConfigType
    value: str | None
    """Canonical JSON text; ``None`` for a secret and for a reference."""
    refers_to: str | None
    integration: str | None
    description: str
    rotate_every_days: int | None
    partial_mask: bool
    needs_value: bool
    secret: str | None = None
    """A secret's value; ``None`` for one that needs a value."""

    def __repr__(self) -> str:
        return f"<OpenedConfig {self.key!r} {self.type}>"


@dataclass(slots=True)
class Opened:
    """All that is exported, within the one transaction that reads and tells it."""

    scopes: tuple[ExportedScope, ...]
    left_out: tuple[str, ...]
    """Organizations that are archived, where everything was asked for."""
    total: int
    """How many configs there are."""
    done: int = 0
    """How many have been given out so far."""
    secrets: int = 0
    """How many of these were secrets with a value."""
    empty: int = 0
    """How many were secrets without one."""
    _read: Callable[[Opened, Scope], Iterator[OpenedConfig]] = field(repr=False, kw_only=True)

    def rows(self, scope: Scope) -> Iterator[OpenedConfig]:
        """Read a scope's configs by key, once.

        A secret that does not open is left out: the call as a whole ends in an error then.
        """
        return self._read(self, scope)


def export_opened(
    repository: Repository,
    access: Access,
    scopes: Sequence[Scope] | None,
    consume: Callable[[Opened], T],
    *,
    to: str,
    form: str = FORM,
    progress: Progress | None = None,
) -> T:
    """Read whole scopes with the values of their secrets, and return what is made of them.

    ``consume`` is called once, while nothing is committed yet: it reads each scope, and keeps for
    itself what it makes of it. ``scopes`` is ``None`` for all that there is. ``to`` says in the
    events who can open what is written, ``form`` what kind of file that is.

    Raises:
        AccessDeniedError: the actor is no owner of one of the scopes, or came in by a forced
            command; or an organization is archived.
        OrganizationNotFoundError: no such organization, or none for this actor.
        TransferError: secrets do not decrypt; its problems name each.

    """
    context = context_of(repository)
    facts = {"form": form, "to": to}

    def work(connection: Connection) -> T:
        allowed, left_out = _enter(context, connection, access, scopes)
        walk = _Walk(context, connection, access, facts, progress)
        opened = walk.begin(allowed, left_out)
        made = consume(opened)
        if walk.unreadable:
            # Takes back the events of what would have been given out.
            raise _UnreadableError(walk.unreadable)
        return made

    def run() -> tuple[T | None, list[_Unreadable]]:
        try:
            return context.database.write_rows(work), []
        except _UnreadableError as error:
            return None, error.found
        except BifrostError as error:
            # Its traceback holds the frames in which values were opened.
            problem = error.with_traceback(None)
        raise problem

    made, unreadable = context.guard(access, _about(scopes, form), run)
    if unreadable:
        failed = [Event(EXPORT, one.scope, one.key, FAILED) for one in unreadable]
        context.database.write_rows(
            lambda connection: context.chain.append(connection, access, *failed)
        )
        raise _unreadable(unreadable)
    return made  # type: ignore[return-value]


def check_owner(
    repository: Repository, access: Access, scopes: Sequence[Scope] | None, form: str = FORM
) -> None:
    """Refuse at once who may not export so, before anything is asked for.

    Raises:
        AccessDeniedError, OrganizationNotFoundError: as :func:`export_opened`.

    """
    context = context_of(repository)
    context.guard(
        access,
        _about(scopes, form),
        lambda: context.database.read(
            lambda connection: _enter(context, connection, access, scopes)
        ),
    )


def _about(scopes: Sequence[Scope] | None, form: str) -> Event:
    """Return what a refusal is told of."""
    only = scopes[0] if scopes is not None and len(scopes) == 1 else None
    return Event(EXPORT_CONFIGS, only, details={"form": form})


@dataclass(frozen=True, slots=True)
class _Unreadable:
    scope: Scope
    key: str
    why: str


class _UnreadableError(Exception):
    """Ends the transaction; caught before it leaves this module."""

    def __init__(self, found: list[_Unreadable]) -> None:
        super().__init__()
        self.found = found


class _Walk:
    """Reads rows, opens what is sealed in them, and tells it, a batch at a time."""

    def __init__(
        self,
        context: StoreContext,
        connection: Connection,
        access: Access,
        facts: dict[str, str],
        progress: Progress | None,
    ) -> None:
        self._context = context
        self._connection = connection
        self._access = access
        self._facts = facts
        self._progress = progress
        self.unreadable: list[_Unreadable] = []

    def begin(self, scopes: Sequence[Scope], left_out: tuple[str, ...]) -> Opened:
        counts = counted_scopes(self._connection, scopes)
        total = sum(one.count for one in counts)
        return Opened(counts, left_out, total, _read=self._rows)

    def _rows(self, opened: Opened, scope: Scope) -> Iterator[OpenedConfig]:
        count = 0
        with self._connection.execute(_ROWS, {"scope": scope.id}) as found:
            for rows in found.partitions():
                count += len(rows)
                batch, events = self._batch(opened, scope, rows)
                if events:
                    self._context.chain.append(self._connection, self._access, *events)
                yield from batch
                opened.done += len(rows)
                if self._progress is not None:
                    self._progress(opened.done, max(opened.total, opened.done))
        told = Event(EXPORT_CONFIGS, scope, details={**self._facts, "count": count})
        self._context.chain.append(self._connection, self._access, told)

    def _batch(
        self, opened: Opened, scope: Scope, rows: Sequence[Any]
    ) -> tuple[list[OpenedConfig], list[Event]]:
        batch: list[OpenedConfig] = []
        events: list[Event] = []
        for row in rows:
            key, stored, value, refers_to, integration, description, days, token, hint, *_ = row
            kind = checked_type(key, stored)
            secret = None
            if token is not None:
                if (secret := self._open(scope, row)) is None:
                    continue
                events.append(Event(EXPORT, scope, key))
                opened.secrets += 1
            empty = token is None and kind is ConfigType.SECRET
            opened.empty += empty
            batch.append(
                OpenedConfig(
                    key,
                    kind,
                    value,
                    refers_to,
                    integration,
                    description,
                    days,
                    hint is not None,
                    empty,
                    secret,
                )
            )
        return batch, events

    def _open(self, scope: Scope, row: Any) -> str | None:
        keyring = self._context.keyring
        place = seal_context(scope.id, row.id, row.secret_version)
        found = open_sealed(keyring, Sealed(row.secret, row.key_id), place)
        if found is not None:
            return found.decode("utf-8")
        self.unreadable.append(_Unreadable(scope, row.key, why_unreadable(keyring, row.key_id)))
        return None


def _enter(
    context: StoreContext, connection: Connection, access: Access, scopes: Sequence[Scope] | None
) -> tuple[list[Scope], tuple[str, ...]]:
    """Let an owner in, and return the scopes as they are now, with the names of those left out."""
    if access.confined:
        raise AccessDeniedError(
            "Secrets are not exported over a forced command: whoever exports them can read them"
            " then. Do it with a login on the host, as an owner."
        )
    if scopes is None:
        return _everything(connection, access)
    entered: dict[str, Scope] = {}
    for scope in scopes:
        here, role = context.enter(connection, access, scope)
        if role is not Role.OWNER:
            raise _refused(access, "everywhere" if here.is_global else visible(here.name))
        open_for_reads(here)
        entered[here.id] = here
    ordered = sorted(entered.values(), key=lambda one: (not one.is_global, folded_name(one.name)))
    return ordered, ()


def _everything(connection: Connection, access: Access) -> tuple[list[Scope], tuple[str, ...]]:
    if role_in(connection, access, EVERYWHERE) is not Role.OWNER:
        raise _refused(access, "everywhere")
    return live_scopes(connection)


def _refused(access: Access, where: str) -> AccessDeniedError:
    takes = "an owner of all organizations" if where == "everywhere" else "an owner of it"
    return AccessDeniedError(
        f"{access.actor} may not export the values of secrets"
        f" {'from ' if where != 'everywhere' else ''}{where}: that takes {takes}. A portable bundle"
        " has everything but these."
    )


def _unreadable(found: Sequence[_Unreadable]) -> TransferError:
    """Return the error that names every secret which does not open."""
    problems = tuple(
        f"{one.key} in {visible(one.scope.name)} does not decrypt: {one.why}." for one in found
    )
    return TransferError(
        f"{counted(len(found), 'secret')} cannot be exported, so nothing was. {problems[0]}",
        problems,
    )
