"""Removing a member: what goes with them, shown first; deleted, or handed to another member.

The secrets that the member created, where they will see nothing any more, go in the same
transaction; what they could read is kept as *to be rotated*. In archived organizations nothing is
changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update

from bifrost_tui.display import visible
from bifrost_tui.errors import ConflictError, InvalidInputError
from bifrost_tui.store import equals, exposures, references
from bifrost_tui.store.access import EVERYWHERE, managed_scopes
from bifrost_tui.store.audit import Event
from bifrost_tui.store.config_lists import type_of
from bifrost_tui.store.context import every_organization
from bifrost_tui.store.dialects import among
from bifrost_tui.store.members import MemberLists, told_scope
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, config, member, organization
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    ALL_SCOPES,
    GLOBAL_SCOPE,
    LeaverView,
    MemberView,
    Removal,
    RemovedSecret,
    Scope,
)

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Lost:
    """Where an actor will be no member any more."""

    scopes: dict[str, Scope]
    archived: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Created:
    """A secret that the member created, as far as its removal needs it."""

    id: str
    version: int
    scope: Scope
    key: str
    empty: bool
    group: str | None


class Members(MemberLists):
    """Who is a member of what."""

    def removal(self, access: Access, view: MemberView) -> Removal:
        """Say what comes of removing a member, and change nothing.

        Raises:
            ConflictError: it was changed since ``view`` was read.
            InvalidInputError: it is the last owner of all organizations.
            AccessDeniedError: who asks may not remove this member.

        """

        def work(connection: Connection) -> Removal:
            found, _role = self._fetch(connection, access, view)
            self._keep_an_owner(connection, found)
            lost = _lost(connection, found)
            created = _created(connection, found.actor, lost)
            return Removal(
                member=found,
                loses=len(lost.scopes),
                secrets=tuple(_missed(connection, created)),
                archived=_kept_archived(connection, found.actor, lost),
                readable=exposures.count_lost(connection, found),
                heirs=_heirs(connection, found.actor, {each.scope.id for each in created}),
            )

        return self._guarded(
            access,
            "member.remove",
            view.scope,
            view.actor,
            lambda: self._context.database.read(work),
        )

    def remove(self, access: Access, removal: Removal, *, hand_to: str | None = None) -> None:
        """Remove a member as it was previewed; the secrets created there go, or go to another.

        Raises:
            ConflictError: the membership or those secrets have changed since.
            InvalidInputError: ``hand_to`` is no member wherever those secrets are.
            AccessDeniedError: who asks may not remove this member.

        """
        view = removal.member

        def work(connection: Connection) -> None:
            found, _role = self._fetch(connection, access, view)
            self._keep_an_owner(connection, found)
            lost = _lost(connection, found)
            created = _created(connection, found.actor, lost)
            if {(each.id, each.version) for each in created} != {
                (each.id, each.version) for each in removal.secrets
            }:
                raise ConflictError(
                    f"The secrets that {visible(found.actor)} created have changed since you"
                    " looked. Nothing was changed; look again.",
                    by="",
                    at=None,
                    deleted=False,
                )
            exposures.keep(connection, found, self._context.now())
            if hand_to is None:
                self._delete(connection, access, found.actor, created)
            elif created:
                self._hand_over(connection, access, found.actor, created, hand_to)
            connection.execute(delete(member).where(member.c.id == found.id))
            about: dict[str, object] = {"member": found.actor, "role": found.role.value}
            if created:
                about |= {"handed" if hand_to is not None else "deleted": len(created)}
                about |= {} if hand_to is None else {"to": hand_to}
            told = Event("member.remove", told_scope(found.scope), details=about)
            self._context.chain.append(connection, access, told)

        self._guarded(
            access,
            "member.remove",
            view.scope,
            view.actor,
            lambda: self._context.database.write_rows(work),
        )

    def _delete(
        self, connection: Connection, access: Access, actor: str, created: list[_Created]
    ) -> None:
        now = self._tell(connection, access, "config.delete", created, removed=actor)
        for some in _chunks([each.id for each in created]):
            connection.execute(delete(config).where(among(config.c.id, some)))
        for group in sorted({each.group for each in created if each.group}):
            equals.leave(connection, group)
        for scope in {each.scope.id for each in created}:
            keys = [each.key for each in created if each.scope.id == scope]
            for some in _chunks(keys):
                references.settle(connection, scope, some)
        if now is None:
            return
        counts = Counter(each.scope.id for each in created)
        empty = Counter(each.scope.id for each in created if each.empty)
        for scope, count in counts.items():
            count_change(
                connection,
                scope,
                access,
                now,
                configs=-count,
                secrets=-count,
                needs_value=-empty[scope],
            )

    def _hand_over(
        self,
        connection: Connection,
        access: Access,
        actor: str,
        created: list[_Created],
        hand_to: str,
    ) -> None:
        scopes = {each.scope.id for each in created}
        if hand_to not in _heirs(connection, actor, scopes):
            raise InvalidInputError(
                f"{visible(hand_to)} is not a member wherever those secrets are. Hand them to"
                " somebody who is, or make them a member first.",
                field="hand_to",
            )
        changed = {"changed": ["created_by"], "created_by": hand_to, "old_created_by": actor}
        now = self._tell(connection, access, "config.edit", created, **changed)
        if now is None:
            return
        for some in _chunks([each.id for each in created]):
            connection.execute(
                update(config)
                .where(among(config.c.id, some))
                .values(
                    created_by=hand_to,
                    updated_at=now,
                    updated_by=access.actor,
                    version=config.c.version + 1,
                )
            )
        for scope in scopes:
            count_change(connection, scope, access, now)

    def _tell(
        self,
        connection: Connection,
        access: Access,
        action: str,
        created: list[_Created],
        **details: object,
    ) -> datetime | None:
        about = {"type": ConfigType.SECRET.value, **details}
        told = [Event(action, each.scope, each.key, details=about) for each in created]
        return self._context.chain.append(connection, access, *told) if told else None

    def left(self, access: Access) -> tuple[LeaverView, ...]:
        """Return who left, and how many secrets that they could read still have that value.

        Only secrets of scopes that the actor manages are counted; ``everywhere.exposed`` lists
        them.
        """

        def work(connection: Connection) -> tuple[LeaverView, ...]:
            managed = managed_scopes(connection, access)
            mine = [] if managed is None else [among(config.c.scope_id, sorted(managed))]
            open_ones = ~exists().where(
                organization.c.id == config.c.scope_id, organization.c.archived_at.is_not(None)
            )
            return exposures.leavers(connection, [*mine, open_ones])

        return self._context.database.read(work)


def _lost(connection: Connection, view: MemberView) -> _Lost:
    """Return where an actor will be no member any more once a membership is gone."""
    others = set(
        connection.scalars(
            select(member.c.scope_id).where(member.c.actor == view.actor, member.c.id != view.id)
        )
    )
    if EVERYWHERE in others:
        return _Lost({}, frozenset())
    if view.scope != ALL_SCOPES:
        archived = frozenset({view.scope.id} if view.scope.archived else ())
        return _Lost({view.scope.id: view.scope}, archived)
    scopes = {one.id: one for one in every_organization(connection) if one.id not in others}
    archived = frozenset(key for key, scope in scopes.items() if scope.archived)
    return _Lost({GLOBAL: GLOBAL_SCOPE, **scopes}, archived)


def _created(connection: Connection, actor: str, lost: _Lost) -> list[_Created]:
    """Return the secrets that an actor created in scopes that are lost and not archived."""
    rows = connection.execute(
        select(
            config.c.id,
            config.c.version,
            config.c.scope_id,
            config.c.key,
            config.c.type,
            config.c.secret.is_(None).label("empty"),
            config.c.equal_group,
        )
        .where(config.c.created_by == actor, config.c.type == ConfigType.SECRET.value)
        .where(*_one_scope(lost))
        .order_by(config.c.key)
    )
    found = [
        _Created(
            row.id,
            row.version,
            lost.scopes[row.scope_id],
            row.key,
            bool(row.empty),
            row.equal_group,
        )
        for row in rows
        if row.scope_id in lost.scopes.keys() - lost.archived and type_of(row)
    ]
    return sorted(found, key=lambda each: (not each.scope.is_global, each.scope.name, each.key))


def _one_scope(lost: _Lost) -> list[ColumnElement[bool]]:
    return [config.c.scope_id == next(iter(lost.scopes))] if len(lost.scopes) == 1 else []


def _kept_archived(connection: Connection, actor: str, lost: _Lost) -> int:
    if not lost.archived:
        return 0
    query = (
        select(func.count())
        .select_from(config.join(organization, organization.c.id == config.c.scope_id))
        .where(
            organization.c.archived_at.is_not(None),
            config.c.created_by == actor,
            config.c.type == ConfigType.SECRET.value,
        )
    )
    if len(lost.scopes) == 1:
        query = query.where(config.c.scope_id == next(iter(lost.scopes)))
    return int(connection.execute(query).scalar_one())


def _missed(connection: Connection, created: list[_Created]) -> Iterable[RemovedSecret]:
    """Say of each secret what will miss it."""
    referred: set[str] = set()
    beneath: set[str] = set()
    for some in _chunks([each.key for each in created]):
        wanted = among(config.c.refers_to, some)
        referred |= set(connection.scalars(select(config.c.refers_to).where(wanted).distinct()))
        shared = select(config.c.key).where(config.c.scope_id == GLOBAL, among(config.c.key, some))
        beneath |= set(connection.scalars(shared.where(config.c.type == ConfigType.SECRET.value)))
    for each in created:
        found = (
            references.references(connection, each.scope, each.key, None, 1_000_000).first
            if each.key in referred
            else ()
        )
        yield RemovedSecret(
            id=each.id,
            version=each.version,
            scope=each.scope,
            key=each.key,
            references=found,
            falls_back=not each.scope.is_global and each.key in beneath,
            inheritors=_inheritors(connection, each.key) if each.scope.is_global else (),
        )


def _inheritors(connection: Connection, key: str) -> tuple[str, ...]:
    own = exists().where(config.c.scope_id == organization.c.id, config.c.key == key)
    return tuple(
        connection.scalars(
            select(organization.c.name)
            .where(organization.c.archived_at.is_(None), ~own)
            .order_by(organization.c.name_folded)
        )
    )


def _heirs(connection: Connection, actor: str, scopes: Collection[str]) -> tuple[str, ...]:
    """Return who else is a member in each of some scopes, by name."""
    if not scopes:
        return ()
    rows = connection.execute(
        select(member.c.actor, member.c.scope_id).where(member.c.actor != actor)
    ).all()
    memberships: dict[str, set[str]] = {}
    for row in rows:
        memberships.setdefault(row.actor, set()).add(row.scope_id)
    return tuple(
        sorted(
            name
            for name, found in memberships.items()
            if EVERYWHERE in found or set(scopes) <= found
        )
    )


def _chunks(items: list[str]) -> Iterable[list[str]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
