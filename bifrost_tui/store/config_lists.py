"""Configs as they are shown: pages of a list, one config, and facts about a new value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, select, update

from bifrost_tui.crypto.cipher import SealContext, Sealed
from bifrost_tui.display import MASK, visible
from bifrost_tui.errors import ConfigNotFoundError, DatabaseCorruptError, DatabaseError
from bifrost_tui.store import audit, reading
from bifrost_tui.store.access import seen_scopes
from bifrost_tui.store.audit import FAILED, Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.requests import Access, ConfigList, Interrupt
from bifrost_tui.store.schema import GLOBAL, config, organization
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    Anchor,
    AuditView,
    ConfigPage,
    ConfigView,
    Dependents,
    Scope,
    SecretReport,
    SecretUse,
    Standing,
    State,
)

SECRET_FIELD = "secret"  # noqa: S105  the name of a column
_USES_SHOWN = 5

T = TypeVar("T")
_Finder = Callable[[Connection, reading.ListQuery], Row[Any] | None]


def seal_context(scope_id: str, config_id: str, secret_version: int) -> SealContext:
    """Return where a config's token belongs."""
    return SealContext(scope_id, config_id, SECRET_FIELD, secret_version)


class ConfigLists:
    """What can be asked about configs."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def count(self, access: Access, wanted: ConfigList, interrupt: Interrupt | None = None) -> int:
        """Count the lines of a list."""
        return self._reading(access, wanted, interrupt, reading.count)

    def position(
        self,
        access: Access,
        wanted: ConfigList,
        key: str,
        interrupt: Interrupt | None = None,
    ) -> int:
        """Return the place that a key has, or would have, in a list."""
        return self._reading(
            access,
            wanted,
            interrupt,
            lambda connection, query: reading.position(connection, query, key),
        )

    def page(
        self,
        access: Access,
        wanted: ConfigList,
        *,
        offset: int,
        limit: int,
        anchor: Anchor | None = None,
        total: int | None = None,
        whole_values: bool = False,
        interrupt: Interrupt | None = None,
    ) -> ConfigPage:
        """Fetch the lines ``offset`` to ``offset + limit`` of a list, ordered by key.

        A known ``anchor`` or ``total`` near them saves the walk from the start. A secret that does
        not open is told in its line and once in the log; it keeps no other line from coming.
        """
        rows = self._reading(
            access,
            wanted,
            interrupt,
            lambda connection, query: reading.page(
                connection,
                query,
                offset=offset,
                limit=limit,
                anchor=anchor,
                total=total,
                whole_values=whole_values,
            ),
        )
        return ConfigPage(offset, tuple(self._views(access, wanted.scope, rows)))

    def get(self, access: Access, scope: Scope, config_id: str) -> ConfigView:
        """Return one config of a scope, or one that it inherits, with its whole plain value.

        Raises:
            ConfigNotFoundError: it is not there (any more).

        """
        return self._one(
            access, scope, lambda connection, query: reading.one(connection, query, config_id)
        )

    def get_key(
        self, access: Access, scope: Scope, key: str, *, own_only: bool = False
    ) -> ConfigView:
        """Return what a key stands for in a scope: its own config, else the global one.

        Raises:
            ConfigNotFoundError: there is none.

        """
        return self._one(
            access,
            scope,
            lambda connection, query: reading.by_key(connection, query, key),
            key=key,
            own_only=own_only,
        )

    def _one(
        self, access: Access, scope: Scope, find: _Finder, *, key: str = "", own_only: bool = False
    ) -> ConfigView:
        row = self._reading(access, ConfigList(scope, own_only=own_only), None, find)
        if row is None:
            named = f"{key} in {scope.name}" if key else f"This config of {scope.name}"
            raise ConfigNotFoundError(f"{named} does not exist (any more).")
        return self._views(access, scope, [row])[0]

    def history(
        self, access: Access, scope: Scope, key: str, limit: int = 3
    ) -> tuple[AuditView, ...]:
        """Return a key's last audit events in one scope, newest first."""
        return self._reading(
            access,
            ConfigList(scope),
            None,
            lambda connection, _query: audit.recent(connection, scope, key, limit),
        )

    def integrations(self, access: Access, scope: Scope) -> tuple[str, ...]:
        """Return the integrations that configs of a scope, or its inherited ones, belong to."""
        column = config.c.integration

        def work(connection: Connection, _query: reading.ListQuery) -> tuple[str, ...]:
            found = connection.scalars(
                select(column)
                .where(config.c.scope_id.in_([scope.id, GLOBAL]), column.is_not(None))
                .distinct()
                .order_by(column)
                .limit(200)
            )
            return tuple(name for name in found if name)

        return self._reading(access, ConfigList(scope), None, work)

    def dependents(self, access: Access, view: ConfigView) -> Dependents:
        """Return what will miss a config when it is deleted."""

        def work(connection: Connection, _query: reading.ListQuery) -> Dependents:
            if not view.scope.is_global:
                found = connection.execute(
                    select(config.c.id).where(config.c.scope_id == GLOBAL, config.c.key == view.key)
                ).first()
                return Dependents(inherits_instead=found is not None, inheritors=0)
            everyone = connection.execute(
                select(func.count())
                .select_from(organization)
                .where(organization.c.archived_at.is_(None))
            ).scalar_one()
            shadowing = connection.execute(
                select(func.count())
                .select_from(config)
                .join(organization, organization.c.id == config.c.scope_id)
                .where(config.c.key == view.key, organization.c.archived_at.is_(None))
            ).scalar_one()
            return Dependents(inherits_instead=False, inheritors=everyone - shadowing)

        return self._reading(access, ConfigList(view.scope), None, work)

    def inspect(
        self, access: Access, scope: Scope, config_id: str | None, entered: EnteredSecret
    ) -> SecretReport:
        """Say what is known about a new value: its fingerprint, and where it is already kept.

        Only scopes that the actor may see are named. A match of fingerprints is confirmed on the
        values themselves.
        """
        context = self._context
        value = entered_bytes(entered)
        fingerprint = context.root.fingerprint(value)

        def work(connection: Connection, _query: reading.ListQuery) -> SecretReport:
            seen = seen_scopes(connection, access)
            rows = connection.execute(
                select(config, organization.c.name)
                .outerjoin(organization, organization.c.id == config.c.organization_id)
                .where(
                    config.c.fingerprint == fingerprint,
                    config.c.secret.is_not(None),
                    *([] if seen is None else [config.c.scope_id.in_(sorted(seen))]),
                )
                .order_by(config.c.scope_id != scope.id, organization.c.name, config.c.key)
                .limit(200)
            ).all()
            equal = [
                row
                for row in rows
                if context.keyring.holds(
                    Sealed(row.secret, row.key_id),
                    seal_context(row.scope_id, row.id, row.secret_version),
                    value,
                )
            ]
            uses = [
                SecretUse(row.name or GLOBAL_SCOPE.name, row.key)
                for row in equal
                if row.id != config_id
            ]
            return SecretReport(
                fingerprint=fingerprint,
                same_as_before=len(uses) != len(equal),
                used_at=tuple(uses[:_USES_SHOWN]),
                used_more=max(len(uses) - _USES_SHOWN, 0),
            )

        return self._reading(access, ConfigList(scope), None, work)

    def _reading(
        self,
        access: Access,
        wanted: ConfigList,
        interrupt: Interrupt | None,
        work: Callable[[Connection, reading.ListQuery], T],
    ) -> T:
        """Run a read that first lets the actor into the scope."""
        context = self._context
        query = reading.ListQuery(
            scope_id=wanted.scope.id,
            now=context.now(),
            key_ids=context.keyring.key_ids,
            own_only=wanted.own_only,
            filter=wanted.filter,
        )

        def entered(connection: Connection) -> T:
            context.enter(connection, access, wanted.scope)
            return work(connection, query)

        return context.guard(
            access,
            Event("config.list", wanted.scope),
            lambda: context.database.read(entered, interrupt),
        )

    def _views(self, access: Access, scope: Scope, rows: Iterable[Row[Any]]) -> list[ConfigView]:
        now = self._context.now()
        views: list[ConfigView] = []
        changed: list[tuple[ConfigView, bool]] = []
        for row in rows:
            opens = self._opens(row)
            view = view_of(row, scope, now, opens=opens)
            views.append(view)
            # A key that is only not at hand may come back; one that no verifier knows does not.
            at_hand = row.key_id in self._context.keyring.key_ids
            damaged = opens is False and (at_hand or not row.key_known)
            if opens is not None and damaged is not (row.unreadable_at is not None):
                changed.append((view, damaged))
        if changed:
            self._note_readability(access, changed)
        return views

    def _opens(self, row: Row[Any]) -> bool | None:
        """Tell whether a row's token opens; ``None`` where that was not looked at."""
        if not row.has_secret:
            return None
        if row.token is None:
            return False if row.unreadable_at is not None else None
        return self._context.keyring.opens(
            Sealed(row.token, row.key_id), seal_context(row.scope_id, row.id, row.secret_version)
        )

    def _note_readability(self, access: Access, changed: list[tuple[ConfigView, bool]]) -> None:
        """Keep and tell which tokens were found damaged, or whole again."""
        context = self._context

        def work(connection: Connection) -> None:
            now = context.now()
            for view, damaged in changed:
                marked = config.c.unreadable_at
                done = connection.execute(
                    update(config)
                    .where(
                        config.c.id == view.id,
                        config.c.version == view.version,
                        marked.is_(None) if damaged else marked.is_not(None),
                    )
                    .values(unreadable_at=now if damaged else None)
                )
                if done.rowcount:
                    action = "secret.unreadable" if damaged else "secret.readable"
                    outcome = FAILED if damaged else audit.DONE
                    told = Event(action, view.scope, view.key, outcome)
                    context.chain.append(connection, access, told)

        try:
            context.database.write_rows(work)
        except DatabaseError:
            # A list must open from a database that cannot be written; the line itself tells.
            return


def view_of(row: Row[Any], scope: Scope, now: datetime, *, opens: bool | None) -> ConfigView:
    """Make what is shown of a row, as it stands in the list of ``scope``."""
    kind = type_of(row)
    inherited = row.scope_id != scope.id
    standing = Standing.INHERITED if inherited else Standing.OWN
    if row.shadows:
        standing = Standing.SHADOWS
    return ConfigView(
        id=row.id,
        scope=GLOBAL_SCOPE if inherited else scope,
        key=row.key,
        type=kind,
        value=row.value,
        cut=bool(row.long) and row.value is not None and len(row.value) <= reading.PREVIEW,
        mask=MASK if row.has_secret else None,
        state=_state(row, kind, now, opens),
        standing=standing,
        integration=row.integration,
        fingerprint=row.fingerprint,
        description=row.description,
        rotate_every_days=row.rotate_every_days,
        secret_changed_at=row.secret_changed_at,
        due_at=row.due_at,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        version=row.version,
    )


def type_of(row: Any) -> ConfigType:
    """Return the type of a row.

    Raises:
        DatabaseCorruptError: it has none that this program knows.

    """
    if row.type in set(ConfigType):
        return ConfigType(row.type)
    raise DatabaseCorruptError(
        f"{visible(str(row.key))} has a type that this program does not know:"
        f" {visible(str(row.type))}. Update the program, or restore a backup."
    )


def _state(row: Row[Any], kind: ConfigType, now: datetime, opens: bool | None) -> State:
    if kind is not ConfigType.SECRET:
        return State.OK
    if not row.has_secret:
        return State.NEEDS_VALUE
    if opens is False:
        return State.UNREADABLE
    if row.due_at is not None and row.due_at <= reading.overdue_at(now):
        return State.OVERDUE
    if row.due_at is not None and row.due_at <= now:
        return State.DUE
    return State.OK
