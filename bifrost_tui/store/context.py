"""What every part of the repository works with, and the checks that none of them may forget."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from os import urandom
from typing import TypeVar

from sqlalchemy import Connection, bindparam, or_, select

from bifrost_tui.clock import Clock
from bifrost_tui.crypto.cipher import DatabaseRoot, Keyring
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    OrganizationNotFoundError,
    WrongMasterKeyError,
)
from bifrost_tui.store.access import EVERYWHERE, Role, highest, role_in
from bifrost_tui.store.audit import REFUSED, AuditChain, Event
from bifrost_tui.store.engine import Database
from bifrost_tui.store.fates import archived
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import key_check, member, organization
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

T = TypeVar("T")

# Made once: making a query takes longer than its answer, and every call asks these. A row for each
# membership of the actor that counts here; without one there is none.
_ENTERED = select(
    organization.c.id, organization.c.name, organization.c.archived_at, member.c.role
).join(member, or_(member.c.scope_id == EVERYWHERE, member.c.scope_id == organization.c.id))
_ENTERED = _ENTERED.where(member.c.actor == bindparam("actor"))
_BY_NAME = Quick(_ENTERED.where(organization.c.name_folded == bindparam("wanted")))
_KEY = Quick(select(key_check.c.key_id).where(key_check.c.key_id == bindparam("key")))
_BY_ID = Quick(_ENTERED.where(organization.c.id == bindparam("wanted")))
_ORGANIZATIONS = select(
    organization.c.id, organization.c.name, organization.c.archived_at
).order_by(organization.c.name_folded)


def new_id() -> str:
    """Return a new row's id."""
    return urandom(16).hex()


def folded_name(name: str) -> str:
    """Return a name as names are compared: regardless of case and of composition."""
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFC", folded)


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

    def check_key(self, connection: Connection) -> None:
        """Make sure, within a change, that the key that writes still opens the database.

        Raises:
            WrongMasterKeyError: the master key was changed, and this one let go.

        """
        key_id = self.keyring.newest.key_id
        if not _KEY.rows(connection, {"key": key_id}):
            raise WrongMasterKeyError(
                f"The master key was changed since this program started: {key_id}, which it would"
                " write with, no longer opens the database. Nothing was saved. Start it again with"
                " the new key."
            )

    def enter(self, connection: Connection, access: Access, scope: Scope) -> tuple[Scope, Role]:
        """Let an actor into a scope and return it as it is now, with the actor's role.

        Raises:
            OrganizationNotFoundError: no such organization, or none for this actor.
            AccessDeniedError: the scope is global and the actor is not in every organization.

        """
        if scope.is_global:
            role = role_in(connection, access, scope.id)
            if role is None:
                raise AccessDeniedError(
                    f"{access.actor} may not see the global configs: that takes a membership in"
                    " all organizations. Ask an owner for one."
                )
            return GLOBAL_SCOPE, role
        found = _entered(connection, access, _BY_ID, scope.id)
        if found is None:
            raise missing_organization(connection, access, scope.name)
        return found

    def enter_named(self, connection: Connection, access: Access, name: str) -> Scope:
        """Let an actor into the organization of a name, in any case, and return its scope.

        Raises:
            OrganizationNotFoundError: no such organization, or none for this actor.

        """
        found = _entered(connection, access, _BY_NAME, folded_name(name))
        if found is None:
            raise missing_organization(connection, access, name)
        return found[0]

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
        told = {**(event.details or {}), "why": refusal.message}
        refused = Event(event.action, event.scope, event.key, REFUSED, told)
        self.database.write_rows(lambda connection: self.chain.append(connection, access, refused))
        raise refusal


def _entered(
    connection: Connection, access: Access, query: Quick, wanted: str
) -> tuple[Scope, Role] | None:
    rows = query.rows(connection, {"actor": access.actor, "wanted": wanted})
    role = highest(row.role for row in rows)
    if role is None:
        return None
    row = rows[0]
    return Scope(row.id, row.name, archived=row.archived_at is not None), role


def missing_organization(
    connection: Connection, access: Access, name: str
) -> OrganizationNotFoundError:
    """Say that an organization is not there for this actor, whether or not it exists."""
    return OrganizationNotFoundError(
        f"There is no organization {visible(name)!r} for you. `bifrost-tui orgs list` names yours.",
        refused=role_in(connection, access, EVERYWHERE) is None,
    )


def every_organization(connection: Connection) -> list[Scope]:
    """Return all organizations by name, archived ones too."""
    rows = connection.execute(_ORGANIZATIONS)
    return [Scope(row.id, row.name, archived=row.archived_at is not None) for row in rows]


def open_for_reads(scope: Scope) -> None:
    """Refuse a value of an archived organization.

    Raises:
        AccessDeniedError: it is archived.

    """
    if scope.archived:
        raise AccessDeniedError(
            f"{visible(scope.name)} is archived: none of its values are given out. Restore it"
            " first (`bifrost-tui orgs restore`)."
        )


def open_for_changes(scope: Scope, connection: Connection) -> None:
    """Refuse a change in an archived organization.

    Raises:
        AccessDeniedError: it is archived.

    """
    if scope.archived:
        raise AccessDeniedError(
            f"{scope.name} is archived: nothing in it can be changed. Restore it first"
            f" (`bifrost-tui orgs restore`).{archived(connection, scope)}"
        )
