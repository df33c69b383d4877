"""Configs as they are shown: pages of a list, and one config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, update

from bifrost_tui.crypto.cipher import Sealed
from bifrost_tui.display import visible
from bifrost_tui.errors import ConfigNotFoundError, DatabaseCorruptError, DatabaseError
from bifrost_tui.store import audit, reading
from bifrost_tui.store.access import seen_scopes
from bifrost_tui.store.audit import FAILED, Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.narrowing import ListQuery, overdue_at, spellings
from bifrost_tui.store.places import hint_context, opened_hint, seal_context
from bifrost_tui.store.references import Dangling, settle, why_dangling
from bifrost_tui.store.requests import Access, ConfigList, Interrupt
from bifrost_tui.store.schema import config
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    Anchor,
    ConfigPage,
    ConfigView,
    Scope,
    Standing,
    State,
)

T = TypeVar("T")
_TYPES = {kind.value: kind for kind in ConfigType}
_Finder = Callable[[Connection, ListQuery], Row[Any] | None]


class ConfigLists:
    """The lists of configs."""

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

    def _reading(
        self,
        access: Access,
        wanted: ConfigList,
        interrupt: Interrupt | None,
        work: Callable[[Connection, ListQuery], T],
    ) -> T:
        """Run a read that first lets the actor into the scope."""
        context = self._context
        return context.guard(
            access,
            Event("config.list", wanted.scope),
            lambda: context.database.read(
                lambda connection: work(connection, self._query(connection, access, wanted)),
                interrupt,
            ),
        )

    def _query(self, connection: Connection, access: Access, wanted: ConfigList) -> ListQuery:
        """Let the actor into the scope of a list, and say what is asked for."""
        context = self._context
        context.enter(connection, access, wanted.scope)
        named = wanted.filter.integration
        return ListQuery(
            scope_id=wanted.scope.id,
            now=context.now(),
            key_ids=context.keyring.key_ids,
            own_only=wanted.own_only,
            filter=wanted.filter,
            order=wanted.order,
            seen=seen_scopes(connection, access),
            spellings=spellings(connection, wanted.scope.id, named) if named else (),
        )

    def _views(self, access: Access, scope: Scope, rows: Iterable[Row[Any]]) -> list[ConfigView]:
        now = self._context.now()
        views: list[ConfigView] = []
        changed: list[tuple[ConfigView, bool]] = []
        for row in rows:
            opens = self._opens(row)
            view = view_of(row, scope, now, opens=opens, mask=self._mask(row))
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

    def _mask(self, row: Row[Any]) -> str | None:
        if not row.has_secret:
            return None
        place = hint_context(row.scope_id, row.id, row.secret_version)
        return opened_hint(self._context.keyring, row.hint or "", row.key_id, place)

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
                    settle(connection, view.scope.id, [view.key])

        try:
            context.database.write_rows(work)
        except DatabaseError:
            # A list must open from a database that cannot be written; the line itself tells.
            return


def view_of(
    row: Row[Any], scope: Scope, now: datetime, *, opens: bool | None, mask: str | None
) -> ConfigView:
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
        mask=mask,
        partial_mask=row.hint is not None,
        refers_to=row.refers_to,
        dangling=why_dangling(Dangling(row.dangling), row.refers_to) if row.dangling else None,
        state=_state(row, kind, now, opens),
        standing=standing,
        integration=row.integration,
        fingerprint=row.fingerprint,
        is_reused=bool(row.reused),
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
    return checked_type(row.key, row.type)


def checked_type(key: object, name: Any) -> ConfigType:
    """Return the type of a name that stands in a row.

    Raises:
        DatabaseCorruptError: there is none that this program knows.

    """
    kind = _TYPES.get(name)
    if kind is not None:
        return kind
    raise DatabaseCorruptError(
        f"{visible(str(key))} has a type that this program does not know:"
        f" {visible(str(name))}. Update the program, or restore a backup."
    )


def _state(row: Row[Any], kind: ConfigType, now: datetime, opens: bool | None) -> State:
    if kind is ConfigType.SECRET_REF and row.dangling:
        return State.DANGLING
    if kind is not ConfigType.SECRET:
        return State.OK
    if not row.has_secret:
        return State.NEEDS_VALUE
    if opens is False:
        return State.UNREADABLE
    return due_state(row.due_at, now)


def due_state(due_at: datetime | None, now: datetime) -> State:
    """Tell whether a secret that can be read is due or overdue."""
    if due_at is not None and due_at <= overdue_at(now):
        return State.OVERDUE
    if due_at is not None and due_at <= now:
        return State.DUE
    return State.OK
