"""Who acts, from where, and what the actor's role allows. The repository asks at every call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bifrost_tui.errors import AccessDeniedError
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, member
from bifrost_tui.store.views import Role

__all__ = [
    "EVERYWHERE",
    "Role",
    "highest",
    "managed_scopes",
    "may_change",
    "may_grant",
    "may_manage",
    "require_all",
    "role_in",
    "seen_scopes",
]

EVERYWHERE = "all"
"""The ``scope_id`` of a membership that counts in every organization and in global."""


_RANK = {Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}


# Made once: every call asks it.
_ROLES = select(member.c.role).where(
    member.c.actor == bindparam("actor"),
    member.c.scope_id.in_(bindparam("scopes", expanding=True)),
)
_MEMBERSHIPS = Quick(
    select(member.c.scope_id, member.c.role).where(member.c.actor == bindparam("actor"))
)


def role_in(connection: Connection, access: Access, scope_id: str) -> Role | None:
    """Return the actor's role in a scope; ``None`` where the actor is no member."""
    scopes = [EVERYWHERE] if scope_id in (GLOBAL, EVERYWHERE) else [EVERYWHERE, scope_id]
    roles = connection.scalars(_ROLES, {"actor": access.actor, "scopes": scopes}).all()
    return highest(roles)


def highest(roles: Iterable[str]) -> Role | None:
    """Return the role among several that gives the most rights; ``None`` of none.

    A role that nobody knows gives no right.
    """
    known = [Role(role) for role in roles if role in _RANK]
    return max(known, key=_RANK.__getitem__, default=None)


def seen_scopes(connection: Connection, access: Access) -> frozenset[str] | None:
    """Return the ids of the scopes that an actor may see; ``None`` means every one."""
    known = {row.scope_id for row in _memberships(connection, access) if row.role in _RANK}
    return None if EVERYWHERE in known else frozenset(known)


def _memberships(connection: Connection, access: Access) -> list[Any]:
    return _MEMBERSHIPS.rows(connection, {"actor": access.actor})


def managed_scopes(connection: Connection, access: Access) -> frozenset[str] | None:
    """Return the ids of the scopes whose log and members are an actor's to look at.

    ``None`` means every scope, and what belongs to none.
    """
    found = _memberships(connection, access)
    managed = {row.scope_id for row in found if may_manage(highest([row.role]))}
    return None if EVERYWHERE in managed else frozenset(managed)


def may_change(role: Role, access: Access, created_by: str) -> bool:
    """Tell whether a config may be changed: members change those they created."""
    return role is not Role.MEMBER or created_by == access.actor


def may_manage(role: Role | None) -> bool:
    """Tell whether a role is that of an owner or an admin: members, the log, export and import."""
    return role in (Role.OWNER, Role.ADMIN)


def may_grant(role: Role | None, *roles: Role) -> bool:
    """Tell whether a role may give, change or take away roles: those of owners are for owners."""
    return role is Role.OWNER or (role is Role.ADMIN and Role.OWNER not in roles)


def require_host(access: Access, what: str) -> None:
    """Refuse what is for the host's own account alone; ``what`` is done, to what.

    Raises:
        AccessDeniedError: the actor came by a forced command.

    """
    if access.confined:
        raise AccessDeniedError(f"{what} by whoever runs the host, on the host.")


def require_all(connection: Connection, access: Access, what: str) -> None:
    """Refuse what is for the owners and admins of all organizations alone.

    Raises:
        AccessDeniedError: the actor is none.

    """
    if managed_scopes(connection, access) is not None:
        raise AccessDeniedError(
            f"{access.actor} may not {what}: that takes an owner or an admin of all organizations."
        )
