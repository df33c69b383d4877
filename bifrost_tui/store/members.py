"""Members: who may do what in which organization; added, given another role, listed.

Owners manage everybody, admins everybody but owners, members nobody. There is always an owner of
all organizations: the last one is neither removed nor given a lower role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from bifrost_tui.clock import iso
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    MemberNotFoundError,
)
from bifrost_tui.origin import ACTOR_LIMIT
from bifrost_tui.store import exposures
from bifrost_tui.store.access import (
    EVERYWHERE,
    Role,
    highest,
    managed_scopes,
    may_grant,
    may_manage,
    role_in,
)
from bifrost_tui.store.actor import checked_name
from bifrost_tui.store.audit import Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.dialects import among
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import member, organization
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE, MemberView, Scope

T = TypeVar("T")

_MEMBERS = (
    select(member, organization.c.name, organization.c.archived_at)
    .outerjoin(organization, organization.c.id == member.c.organization_id)
    .order_by(
        organization.c.name_folded.is_not(None),
        organization.c.name_folded,
        member.c.actor,
    )
)


class MemberRows:
    """What listing, adding and removing members have in common."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def _guarded(
        self, access: Access, action: str, scope: Scope, actor: str, work: Callable[[], T]
    ) -> T:
        """Run a call whose refusal is told with whose membership it was about."""
        about = {"member": visible(actor)[:ACTOR_LIMIT]} if actor else None
        return self._context.guard(access, Event(action, told_scope(scope), details=about), work)

    def _manager(self, connection: Connection, access: Access, scope: Scope) -> tuple[Scope, Role]:
        """Let an actor manage the members of a scope; return it as it is, and the actor's role.

        Raises:
            OrganizationNotFoundError: no such organization, or none for this actor.
            AccessDeniedError: that takes an owner or an admin.

        """
        role: Role | None
        if scope.id in (ALL_SCOPES.id, GLOBAL_SCOPE.id):
            # Who is in global is in all.
            scope, role = ALL_SCOPES, role_in(connection, access, EVERYWHERE)
        else:
            scope, role = self._context.enter(connection, access, scope)
        if role is None or not may_manage(role):
            raise AccessDeniedError(
                f"{access.actor} may not see or change the members of {_of(scope)}: that takes an"
                " owner or an admin of it."
            )
        return scope, role

    def _fetch(
        self, connection: Connection, access: Access, view: MemberView
    ) -> tuple[MemberView, Role]:
        """Return a membership as it is now, and the role of who asks, when that may change it."""
        scope, role = self._manager(connection, access, view.scope)
        row = connection.execute(_MEMBERS.where(member.c.id == view.id)).one_or_none()
        if row is None or row.scope_id != scope.id:
            raise ConflictError(
                f"{visible(view.actor)} is no member of {_of(scope)} any more. Nothing was"
                " changed.",
                by="",
                at=None,
                deleted=True,
            )
        found = view_of(row)
        if found.version != view.version:
            raise ConflictError(
                f"The membership of {visible(found.actor)} in {_of(scope)} was changed by"
                f" {visible(found.updated_by)} at {iso(found.updated_at)}. Nothing was changed;"
                " look at it again.",
                by=found.updated_by,
                at=found.updated_at,
                deleted=False,
            )
        if not may_grant(role, found.role):
            raise AccessDeniedError(
                f"{access.actor} may not change the membership of an owner: that takes an owner."
            )
        return found, role

    @staticmethod
    def _keep_an_owner(connection: Connection, leaving: MemberView) -> None:
        """Refuse what would leave nobody to own the database."""
        if leaving.scope != ALL_SCOPES or leaving.role is not Role.OWNER:
            return
        others = connection.execute(
            select(func.count())
            .select_from(member)
            .where(
                member.c.scope_id == EVERYWHERE,
                member.c.role == Role.OWNER.value,
                member.c.id != leaving.id,
            )
        ).scalar_one()
        if not others:
            raise InvalidInputError(
                f"{visible(leaving.actor)} is the last owner of all organizations. Make somebody"
                " else an owner first (`bifrost-tui members add`).",
                field="role",
            )


class MemberLists(MemberRows):
    """Who is a member, and memberships as they are given and changed."""

    def list(self, access: Access, scope: Scope | None = None) -> tuple[MemberView, ...]:
        """Return the memberships that count in a scope; without one, all that one may manage.

        Members of all organizations come first; they count in each.

        Raises:
            AccessDeniedError: the actor is neither owner nor admin there, or anywhere.

        """
        where = scope or ALL_SCOPES
        return self._guarded(
            access,
            "member.list",
            where,
            "",
            lambda: self._context.database.read(lambda c: self._list(c, access, scope)),
        )

    def _list(
        self, connection: Connection, access: Access, scope: Scope | None
    ) -> tuple[MemberView, ...]:
        query: Select[Any] = _MEMBERS
        if scope is not None:
            here, _role = self._manager(connection, access, scope)
            query = query.where(among(member.c.scope_id, [EVERYWHERE, here.id]))
        else:
            managed = managed_scopes(connection, access)
            if managed is not None and not managed:
                raise AccessDeniedError(
                    f"{access.actor} may see no members: that takes an owner or an admin."
                )
            if managed is not None:
                query = query.where(among(member.c.scope_id, sorted({EVERYWHERE, *managed})))
        return tuple(view_of(row) for row in connection.execute(query))

    def find(self, access: Access, scope: Scope, actor: str) -> MemberView:
        """Return an actor's membership of exactly this scope.

        Raises:
            MemberNotFoundError: the actor has none.

        """

        def work(connection: Connection) -> MemberView:
            here, _role = self._manager(connection, access, scope)
            rows = connection.execute(
                _MEMBERS.where(member.c.actor == actor, member.c.scope_id == here.id)
            ).all()
            if rows:
                return view_of(rows[0])
            why = ""
            if here != ALL_SCOPES and self._has(connection, actor, EVERYWHERE):
                why = " Their membership counts in all organizations: give --all-orgs."
            raise MemberNotFoundError(f"{visible(actor)} is no member of {_of(here)}.{why}")

        return self._guarded(
            access, "member.list", scope, actor, lambda: self._context.database.read(work)
        )

    def manages(self, access: Access, scope: Scope) -> bool:
        """Tell whether an actor may look at the members of a scope; asking is no attempt."""

        def work(connection: Connection) -> bool:
            managed = managed_scopes(connection, access)
            return managed is None or scope.id in managed

        return self._context.database.read(work)

    @staticmethod
    def _has(connection: Connection, actor: str, scope_id: str) -> bool:
        query = select(member.c.id).where(member.c.actor == actor, member.c.scope_id == scope_id)
        return connection.execute(query).first() is not None

    def add(self, access: Access, scope: Scope, actor: str, role: Role) -> MemberView:
        """Make an actor a member of one organization, or of all of them and of global.

        Raises:
            InvalidInputError: the name cannot be an actor's.
            AlreadyExistsError: the actor is a member there.
            AccessDeniedError: who asks may not give this role.

        """
        name, new_id = checked_name(actor), self._context.ids()

        def work(connection: Connection) -> MemberView:
            here, mine = self._manager(connection, access, scope)
            _may_give(access, mine, role)
            if self._has(connection, name, here.id):
                raise AlreadyExistsError(
                    f"{name} is a member of {_of(here)} already. `bifrost-tui members role` gives"
                    " another role.",
                    field="actor",
                )
            everywhere = here == ALL_SCOPES
            told = Event(
                "member.add", told_scope(here), details={"member": name, "role": role.value}
            )
            now = self._context.chain.append(connection, access, told)
            connection.execute(
                insert(member).values(
                    id=new_id,
                    organization_id=None if everywhere else here.id,
                    scope_id=here.id,
                    actor=name,
                    role=role.value,
                    created_at=now,
                    created_by=access.actor,
                    updated_at=now,
                    updated_by=access.actor,
                    version=1,
                )
            )
            exposures.forget_readable(connection, name)
            return self._one(connection, new_id)

        return self._guarded(
            access,
            "member.add",
            scope,
            name,
            lambda: self._context.database.write_rows(work),
        )

    def change(self, access: Access, view: MemberView, role: Role) -> MemberView:
        """Give a member another role.

        Raises:
            ConflictError: it was changed since ``view`` was read.
            InvalidInputError: it is the last owner of all organizations.
            AccessDeniedError: who asks may not give or take these roles.

        """

        def work(connection: Connection) -> MemberView:
            found, mine = self._fetch(connection, access, view)
            _may_give(access, mine, role)
            if role is found.role:
                return found
            self._keep_an_owner(connection, found)
            about = {"member": found.actor, "role": role.value, "old_role": found.role.value}
            told = Event("member.role", told_scope(found.scope), details=about)
            now = self._context.chain.append(connection, access, told)
            connection.execute(
                update(member)
                .where(member.c.id == found.id)
                .values(
                    role=role.value,
                    updated_at=now,
                    updated_by=access.actor,
                    version=found.version + 1,
                )
            )
            return self._one(connection, found.id)

        return self._guarded(
            access,
            "member.role",
            view.scope,
            view.actor,
            lambda: self._context.database.write_rows(work),
        )

    @staticmethod
    def _one(connection: Connection, member_id: str) -> MemberView:
        return view_of(connection.execute(_MEMBERS.where(member.c.id == member_id)).one())


def view_of(row: Row[Any]) -> MemberView:
    """Make what is shown of a membership; a role that nobody knows is the lowest."""
    scope = ALL_SCOPES
    if row.scope_id != EVERYWHERE:
        scope = Scope(row.scope_id, row.name, archived=row.archived_at is not None)
    return MemberView(
        id=row.id,
        scope=scope,
        actor=row.actor,
        role=highest([row.role]) or Role.MEMBER,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        version=row.version,
    )


def _may_give(access: Access, mine: Role, role: Role) -> None:
    if not may_grant(mine, role):
        raise AccessDeniedError(
            f"{access.actor} may not make anybody an owner: that takes an owner."
        )


def told_scope(scope: Scope) -> Scope | None:
    """Return the scope that an event about members names: none where all are meant."""
    return None if scope == ALL_SCOPES else scope


def _of(scope: Scope) -> str:
    return "all organizations" if scope == ALL_SCOPES else visible(scope.name)
