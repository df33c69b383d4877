"""Exporting: what a scope has of its own, key by key, without a secret's value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, select

from bifrost_tui.errors import AccessDeniedError
from bifrost_tui.store.access import managed_scopes, may_manage
from bifrost_tui.store.audit import EXPORT_CONFIGS, Event
from bifrost_tui.store.config_lists import checked_type
from bifrost_tui.store.context import StoreContext, every_organization
from bifrost_tui.store.importing import counting
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.store.schema import config, scope_summary
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

T = TypeVar("T")

_ROWS = Quick(
    select(
        config.c.key,
        config.c.type,
        config.c.value,
        config.c.refers_to,
        config.c.integration,
        config.c.description,
        config.c.rotate_every_days,
        config.c.hint.is_not(None).label("partial_mask"),
        config.c.secret.is_(None).label("empty"),
    )
    .where(config.c.scope_id == bindparam("scope"))
    .order_by(config.c.key)
)
_COUNTS = select(scope_summary.c.scope_id, scope_summary.c.configs)
_CHUNK = 1000
_SECRET = ConfigType.SECRET


class ExportedConfig(NamedTuple):
    """One config as it leaves: a secret without its value."""

    key: str
    type: ConfigType
    value: str | None
    """Canonical JSON text; ``None`` for a secret and for a reference."""
    refers_to: str | None
    """The key of the secret that a reference stands for."""
    integration: str | None
    description: str
    rotate_every_days: int | None
    partial_mask: bool
    needs_value: bool


@dataclass(frozen=True, slots=True)
class ExportedScope:
    """A scope that is exported, and how many configs it has."""

    scope: Scope
    count: int


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: one state of the database, as long as it is read."""

    scopes: tuple[ExportedScope, ...]
    """Global first, then organizations by name."""
    left_out: tuple[str, ...]
    """Archived organizations, where all that the actor manages are exported."""
    _connection: Connection = field(repr=False)
    _step: Callable[[int], object] = field(repr=False)

    @property
    def total(self) -> int:
        """How many configs there are in all."""
        return sum(each.count for each in self.scopes)

    def rows(self, scope: Scope) -> Iterator[ExportedConfig]:
        """Return the configs of one of the scopes, by key."""
        if all(each.scope.id != scope.id for each in self.scopes):
            raise ValueError("this scope is not exported")
        make = ExportedConfig
        with closing(_ROWS.stream(self._connection, {"scope": scope.id}, _CHUNK)) as parts:
            for some in parts:
                for (
                    key,
                    kind,
                    value,
                    refers_to,
                    integration,
                    description,
                    days,
                    mask,
                    empty,
                ) in some:
                    known = checked_type(key, kind)
                    needs_value = known is _SECRET and bool(empty)
                    yield make(
                        key,
                        known,
                        value,
                        refers_to,
                        integration,
                        description,
                        days,
                        bool(mask),
                        needs_value,
                    )
                self._step(len(some))


class Exports:
    """What leaves the database, for one actor at a time."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def portable(
        self,
        access: Access,
        scopes: Sequence[Scope] | None,
        consume: Callable[[Export], T],
        *,
        form: str,
        inherited: bool = False,
        progress: Progress | None = None,
    ) -> T:
        """Tell the log of an export, then hand it to ``consume``; return what that returns.

        All that ``consume`` reads is one state of the database. Without ``scopes`` it is every
        scope that the actor manages, archived organizations left out. ``form`` names the kind of
        file in the log. With ``inherited``, global comes first even where it is not the actor's to
        export: everybody in an organization sees what it inherits.

        Raises:
            AccessDeniedError: the actor is neither owner nor admin there, or anywhere.
            OrganizationNotFoundError: no such organization, or none for this actor.

        """
        context = self._context

        def tell(connection: Connection) -> tuple[list[Scope], tuple[str, ...]]:
            found, left_out = self._wanted(connection, access, scopes)
            more = {"inherited": True} if inherited else {}
            told = [
                Event(
                    EXPORT_CONFIGS, each.scope, details={"count": each.count, "form": form, **more}
                )
                for each in counted_scopes(connection, found)
            ]
            context.chain.append(connection, access, *told)
            return found, left_out

        def read(connection: Connection) -> T:
            # What was told of, and no other: one may have been added meanwhile.
            found, _ = self._wanted(connection, access, told)
            if inherited and not any(scope.is_global for scope in found):
                found = [GLOBAL_SCOPE, *found]
            exported = counted_scopes(connection, found)
            step = counting(progress, sum(each.count for each in exported))
            return consume(Export(exported, left_out, connection, step))

        about = scopes[0] if scopes is not None and len(scopes) == 1 else None
        event = Event(EXPORT_CONFIGS, about, details={"form": form})
        told, left_out = context.guard(access, event, lambda: context.database.write_rows(tell))
        return context.guard(access, event, lambda: context.database.read(read))

    def _wanted(
        self, connection: Connection, access: Access, scopes: Sequence[Scope] | None
    ) -> tuple[list[Scope], tuple[str, ...]]:
        if scopes is None:
            return _managed(connection, access)
        return [self._entered(connection, access, scope) for scope in _once(scopes)], ()

    def _entered(self, connection: Connection, access: Access, scope: Scope) -> Scope:
        here, role = self._context.enter(connection, access, scope)
        if not may_manage(role):
            raise AccessDeniedError(
                f"{access.actor} may not export {here.name}: that takes an owner or an admin."
            )
        return here


def counted_scopes(connection: Connection, scopes: Iterable[Scope]) -> tuple[ExportedScope, ...]:
    """Return scopes with how many configs each has."""
    counts = {row.scope_id: row.configs for row in connection.execute(_COUNTS)}
    return tuple(ExportedScope(scope, counts.get(scope.id, 0)) for scope in scopes)


def _once(scopes: Sequence[Scope]) -> list[Scope]:
    return list({scope.id: scope for scope in scopes}.values())


def _managed(connection: Connection, access: Access) -> tuple[list[Scope], tuple[str, ...]]:
    managed = managed_scopes(connection, access)
    if managed is not None and not managed:
        raise AccessDeniedError(
            f"{access.actor} may not export: that takes an owner or an admin of an organization."
        )
    return live_scopes(connection, managed)


def live_scopes(
    connection: Connection, among: Collection[str] | None = None
) -> tuple[list[Scope], tuple[str, ...]]:
    """Return global and the organizations by name, and the names of those that are archived.

    Without ``among``, all; else only the organizations of these ids.
    """
    found = every_organization(connection)
    if among is not None:
        found = [scope for scope in found if scope.id in among]
    live = [scope for scope in found if not scope.archived]
    left_out = tuple(scope.name for scope in found if scope.archived)
    return live if among is not None else [GLOBAL_SCOPE, *live], left_out
