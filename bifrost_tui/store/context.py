"""What every part of the repository works with, and the checks that none of them may forget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection, select

from bifrost_tui.clock import Clock
from bifrost_tui.crypto.cipher import DatabaseRoot, Keyring
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    OrganizationNotFoundError,
)
from bifrost_tui.store.access import EVERYWHERE, Role, role_in
from bifrost_tui.store.audit import REFUSED, AuditChain, Event
from bifrost_tui.store.engine import Database
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import organization
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

T = TypeVar("T")


def new_id() -> str:
    """Return a new row's id."""
    return uuid4().hex


@dataclass(frozen=True)
class StoreContext:
    """The database, its keys and the clock, shared by the parts of one repository."""

    database: Database
    keyring: Keyring
    root: DatabaseRoot
    chain: AuditChain
    clock: Clock
    ids: Callable[[], str] = new_id

    def now(self) -> datetime:
        """Return the present moment."""
        return self.clock()

    def enter(self, connection: Connection, access: Access, scope: Scope) -> tuple[Scope, Role]:
        """Let an actor into a scope and return it as it is now, with the actor's role.

        Raises:
            OrganizationNotFoundError: no such organization, or none for this actor.
            AccessDeniedError: the scope is global and the actor is not in every organization.

        """
        role = role_in(connection, access, scope.id)
        if scope.is_global:
            if role is None:
                raise AccessDeniedError(
                    f"{access.actor} may not see the global configs: that takes a membership in"
                    " all organizations. Ask an owner for one."
                )
            return GLOBAL_SCOPE, role
        row = connection.execute(
            select(organization.c.name, organization.c.archived_at).where(
                organization.c.id == scope.id
            )
        ).one_or_none()
        if row is None or role is None:
            raise missing_organization(connection, access, scope.name)
        return Scope(scope.id, row.name, archived=row.archived_at is not None), role

    def guard(self, access: Access, event: Event, work: Callable[[], T]) -> T:
        """Run a call; a refusal is told in the log before it is told to the caller."""
        try:
            return work()
        except AccessDeniedError as error:
            refusal: BifrostError = error
        except OrganizationNotFoundError as error:
            if not error.refused:
                raise
            refusal = error
        refused = Event(event.action, event.scope, event.key, REFUSED, {"why": refusal.message})
        self.database.write_rows(lambda connection: self.chain.append(connection, access, refused))
        raise refusal


def missing_organization(
    connection: Connection, access: Access, name: str
) -> OrganizationNotFoundError:
    """Say that an organization is not there for this actor, whether or not it exists."""
    return OrganizationNotFoundError(
        f"There is no organization {visible(name)!r} for you. `bifrost-tui orgs list` names yours.",
        refused=role_in(connection, access, EVERYWHERE) is None,
    )


def open_for_changes(scope: Scope) -> None:
    """Refuse a change in an archived organization.

    Raises:
        AccessDeniedError: it is archived.

    """
    if scope.archived:
        raise AccessDeniedError(
            f"{scope.name} is archived: nothing in it can be changed. Restore it first"
            f" (`bifrost-tui orgs restore`)."
        )
