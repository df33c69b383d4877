"""Questions across every organization that an actor may see, each answered from an index.

One key in all of them; what waits for a new value; which secrets have the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from bifrost_tui.store.access import Role, highest, role_in, seen_scopes
from bifrost_tui.store.config_lists import due_state, type_of
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.dialects import among, unindexed
from bifrost_tui.store.exposures import exposed
from bifrost_tui.store.narrowing import needs_value, overdue_at, reused
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, config, member, organization
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    ConfigLine,
    EqualGroup,
    KeyLine,
    Scope,
    Standing,
    State,
    Waiting,
)

_ORGANIZATION = (
    organization.c.id.label("of"),
    organization.c.name,
    organization.c.name_folded,
)
_LINE = (
    config.c.id,
    config.c.scope_id,
    config.c.key,
    config.c.type,
    config.c.secret.is_not(None).label("has_secret"),
    config.c.key_id,
    config.c.unreadable_at,
    config.c.dangling,
    config.c.fingerprint,
    config.c.integration,
    config.c.rotate_every_days,
    config.c.secret_changed_at,
    config.c.due_at,
    config.c.updated_at,
    config.c.updated_by,
)


def _facts(seen: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """Return the columns of a line; that a value is equal to one in a scope not seen is untold."""
    group: ColumnElement[Any] = config.c.equal_group
    if seen is not None:
        group = case((reused(config, seen), group)).label("equal_group")
    return [*_LINE, group]


class Everywhere:
    """What can be asked of all organizations at once; archived ones are left out."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def key(self, access: Access, key: str) -> tuple[KeyLine, ...]:
        """Return how one key stands in each organization, and in global where that may be seen.

        Organizations are ordered by name; one that neither has nor inherits the key is there too.
        """
        return self._context.database.read(lambda c: self._key(c, access, key))

    def _key(self, connection: Connection, access: Access, key: str) -> tuple[KeyLine, ...]:
        seen = seen_scopes(connection, access)
        shared = connection.execute(
            select(*_facts(seen)).where(config.c.scope_id == GLOBAL, config.c.key == key)
        ).one_or_none()
        found: list[KeyLine] = []
        line = self._lines()
        beneath = line(shared, GLOBAL_SCOPE) if shared is not None else None
        if seen is None:
            found.append(KeyLine(GLOBAL_SCOPE, Standing.OWN if beneath else None, beneath))
        here = and_(config.c.scope_id == organization.c.id, config.c.key == key)
        facts = _facts(seen)
        query = select(*_ORGANIZATION, *facts).select_from(organization.outerjoin(config, here))
        for row in connection.execute(_open(query, seen).order_by(organization.c.name_folded)):
            scope = Scope(row.of, row.name)
            if row.id is None:
                found.append(KeyLine(scope, Standing.INHERITED if beneath else None, beneath))
            else:
                standing = Standing.SHADOWS if beneath else Standing.OWN
                found.append(KeyLine(scope, standing, line(row, scope)))
        return tuple(found)

    def keys(self, access: Access, begun: str, limit: int = 8) -> tuple[str, ...]:
        """Return the first keys that begin like this, each once: suggestions while one is typed."""
        return self._context.database.read(lambda c: self._keys(c, access, begun, limit))

    def _keys(
        self, connection: Connection, access: Access, begun: str, limit: int
    ) -> tuple[str, ...]:
        key, seen = config.c.key, seen_scopes(connection, access)
        query = (
            select(key)
            .distinct()
            .select_from(config.outerjoin(organization, organization.c.id == config.c.scope_id))
            # No key holds a character beyond these.
            .where(key >= begun, key < f"{begun}~", organization.c.archived_at.is_(None))
            .order_by(key)
            .limit(limit)
        )
        if seen is not None:
            told = sorted({*seen, GLOBAL}) if seen else []
            query = query.where(among(config.c.scope_id, told))
        return tuple(connection.scalars(query))

    def waiting(
        self,
        access: Access,
        what: Waiting,
        scope: Scope | None = None,
        *,
        left: str | None = None,
        limit: int = 10_000,
    ) -> tuple[ConfigLine, ...]:
        """Return the secrets that wait for a new value and are the actor's to change.

        What is due comes in the order in which it fell due, the others by organization and key.
        ``scope`` narrows to one, ``left`` to what one who is no member any more could read.
        """
        return self._context.database.read(
            lambda c: self._waiting(c, access, what, scope, left, limit)
        )

    def _waiting(
        self,
        connection: Connection,
        access: Access,
        what: Waiting,
        scope: Scope | None,
        left: str | None,
        limit: int,
    ) -> tuple[ConfigLine, ...]:
        now, facts = self._context.now(), _facts(seen_scopes(connection, access))
        orders: list[ColumnElement[Any]]
        # What is due is found through an index of its own, what needs a value through that of its
        # scope.
        scope_id: ColumnElement[str] = config.c.scope_id
        if what is Waiting.NEEDS_VALUE:
            wanted = needs_value(config)
            orders = [organization.c.name_folded.is_not(None), organization.c.name_folded]
        elif what is Waiting.EXPOSED:
            wanted = exposed(left)
            orders = [organization.c.name_folded.is_not(None), organization.c.name_folded]
            scope_id = unindexed(scope_id)
        else:
            wanted = config.c.due_at <= (overdue_at(now) if what is Waiting.OVERDUE else now)
            orders = [config.c.due_at, organization.c.name_folded]
            scope_id = unindexed(scope_id)
        query = (
            select(*_ORGANIZATION, *facts)
            .select_from(config.outerjoin(organization, organization.c.id == config.c.scope_id))
            .where(wanted, organization.c.archived_at.is_(None))
            .where(*_changeable(connection, access, scope_id))
        )
        if scope is not None:
            query = query.where(scope_id == scope.id)
        rows = connection.execute(query.order_by(*orders, config.c.key).limit(limit))
        line = self._lines()
        return tuple(line(row, _scope(row)) for row in rows)

    def reused(self, access: Access) -> tuple[EqualGroup, ...]:
        """Return every group of two or more secrets with the same value, as far as may be seen."""
        return self._context.database.read(lambda c: self._reused(c, access))

    def _reused(self, connection: Connection, access: Access) -> tuple[EqualGroup, ...]:
        seen = seen_scopes(connection, access)
        query = (
            select(*_ORGANIZATION, *_facts(seen))
            .select_from(config.outerjoin(organization, organization.c.id == config.c.scope_id))
            .where(config.c.equal_group >= "", organization.c.archived_at.is_(None))
            .order_by(
                config.c.equal_group,
                organization.c.name_folded.is_not(None),
                organization.c.name_folded,
                config.c.key,
            )
        )
        if seen is not None:
            query = query.where(among(unindexed(config.c.scope_id), sorted(seen)))
        line = self._lines()
        groups = [
            EqualGroup(str(name)[:8], tuple(line(row, _scope(row)) for row in rows))
            for name, rows in groupby(connection.execute(query), lambda row: row.equal_group)
        ]
        return tuple(group for group in groups if len(group.lines) > 1)

    def _lines(self) -> Callable[[Row[Any], Scope], ConfigLine]:
        """Return what makes lines of rows, as of now."""
        return partial(_line, self._context.now(), frozenset(self._context.keyring.key_ids))


def _line(now: datetime, key_ids: frozenset[str], row: Row[Any], scope: Scope) -> ConfigLine:
    kind, due_at = type_of(row), row.due_at
    # As it is kept: no token is opened for a line among thousands.
    state = State.OK
    if kind is ConfigType.SECRET:
        if not row.has_secret:
            state = State.NEEDS_VALUE
        elif row.unreadable_at is not None or row.key_id not in key_ids:
            state = State.UNREADABLE
        elif due_at is not None:
            state = due_state(due_at, now)
    elif row.dangling:
        state = State.DANGLING
    return ConfigLine(
        id=row.id,
        scope=scope,
        key=row.key,
        type=kind,
        state=state,
        fingerprint=row.fingerprint,
        equal_group=row.equal_group,
        integration=row.integration,
        rotate_every_days=row.rotate_every_days,
        secret_changed_at=row.secret_changed_at,
        due_at=due_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def _open(query: Select[Any], seen: frozenset[str] | None) -> Select[Any]:
    query = query.where(organization.c.archived_at.is_(None))
    return query if seen is None else query.where(among(organization.c.id, sorted(seen)))


def _scope(row: Row[Any]) -> Scope:
    return GLOBAL_SCOPE if row.scope_id == GLOBAL else Scope(row.scope_id, row.name)


def _changeable(
    connection: Connection, access: Access, scope_id: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """Return what narrows to the configs that an actor may change."""
    everywhere = role_in(connection, access, GLOBAL)
    own = config.c.created_by == access.actor
    if everywhere in (Role.OWNER, Role.ADMIN):
        return []
    rows = connection.execute(
        select(member.c.scope_id, member.c.role).where(member.c.actor == access.actor)
    ).all()
    roles = {row.scope_id: highest([row.role]) for row in rows}
    managed = sorted(scope for scope, role in roles.items() if role in (Role.OWNER, Role.ADMIN))
    seen = sorted(scope for scope, role in roles.items() if role is not None)
    member_of = literal(True) if everywhere is Role.MEMBER else among(scope_id, seen)
    return [or_(among(scope_id, managed), and_(own, member_of))]
