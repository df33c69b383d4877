"""Organizations: add, rename, archive, restore, list."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from bifrost_tui.clock import iso
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
)
from bifrost_tui.store import reading
from bifrost_tui.store.access import (
    EVERYWHERE,
    managed_scopes,
    may_manage,
    role_in,
    seen_scopes,
)
from bifrost_tui.store.attention import attention
from bifrost_tui.store.audit import Event
from bifrost_tui.store.context import StoreContext, folded_name
from bifrost_tui.store.narrowing import ListQuery
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, organization, scope_summary
from bifrost_tui.store.summaries import start_summary
from bifrost_tui.store.views import GLOBAL_SCOPE, Attention, OrganizationView, Scope, ScopeCounts

if TYPE_CHECKING:
    from sqlmodel import Session

    from bifrost_tui.store.tables import Organization

LONGEST_NAME = 100
"""The most characters of an organization's name."""


def checked_name(name: str) -> str:
    """Return a name as it is kept: without outer blanks, in composed form.

    Raises:
        InvalidInputError: it is empty, too long, reserved, or holds what cannot be seen.

    """
    tidy = unicodedata.normalize("NFC", name.strip())
    if not tidy:
        raise InvalidInputError("The name is empty. Give the organization a name.", field="name")
    if len(tidy) > LONGEST_NAME:
        raise InvalidInputError(
            f"The name has {len(tidy)} characters; {LONGEST_NAME} is the most.", field="name"
        )
    if visible(tidy) != tidy:
        raise InvalidInputError(
            f"The name holds a character that cannot be seen: {visible(tidy)}", field="name"
        )
    if folded_name(tidy) in (GLOBAL, EVERYWHERE):
        raise InvalidInputError(
            f"{tidy!r} is a word of this program and cannot be an organization's name.",
            field="name",
        )
    return tidy


class Organizations:
    """The organizations of one database, for one actor at a time."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def list(self, access: Access, *, archived: bool = False) -> tuple[OrganizationView, ...]:
        """Return global, where the actor may see it, and the actor's organizations by name.

        ``archived`` returns the archived ones instead.
        """
        return self._context.database.read(lambda c: self._list(c, access, archived))

    def _list(
        self, connection: Connection, access: Access, archived: bool
    ) -> tuple[OrganizationView, ...]:
        context = self._context
        seen = seen_scopes(connection, access)
        managed = managed_scopes(connection, access)
        marks = attention(connection, context.now(), context.keyring.key_ids, seen)
        query = (
            select(
                organization.c.id,
                organization.c.name,
                organization.c.archived_at,
                organization.c.updated_at,
                organization.c.updated_by,
                organization.c.version,
                scope_summary,
            )
            .join(scope_summary, scope_summary.c.scope_id == organization.c.id)
            .where(
                organization.c.archived_at.is_not(None)
                if archived
                else organization.c.archived_at.is_(None)
            )
            .order_by(organization.c.name_folded)
        )
        found: list[OrganizationView] = []
        if seen is None and not archived:
            kept = connection.execute(
                select(scope_summary).where(scope_summary.c.scope_id == GLOBAL)
            ).one()
            found.append(
                OrganizationView(
                    scope=GLOBAL_SCOPE,
                    configs=kept.configs,
                    secrets=kept.secrets,
                    attention=marks.get(GLOBAL, Attention()),
                    changed_at=kept.changed_at,
                    changed_by=kept.changed_by,
                    version=0,
                    managed=managed is None,
                )
            )
        found += [
            OrganizationView(
                scope=Scope(row.id, row.name, archived=row.archived_at is not None),
                configs=row.configs,
                secrets=row.secrets,
                attention=marks.get(row.id, Attention()),
                changed_at=row.changed_at or row.updated_at,
                changed_by=row.changed_by or row.updated_by,
                version=row.version,
                managed=managed is None or row.id in managed,
            )
            for row in connection.execute(query)
            if seen is None or row.id in seen
        ]
        return tuple(found)

    def find(self, access: Access, name: str) -> Scope:
        """Return the scope of a name, in any case.

        Raises:
            OrganizationNotFoundError: no such organization, or none for this actor.

        """

        def work(connection: Connection) -> Scope:
            return self._context.enter_named(connection, access, name)

        return self._context.guard(
            access,
            Event("organization.open", Scope("", visible(name)[:LONGEST_NAME])),
            lambda: self._context.database.read(work),
        )

    def counts(self, access: Access, scope: Scope) -> ScopeCounts:
        """Return what the head of a scope's list says."""
        context = self._context

        def work(connection: Connection) -> ScopeCounts:
            here, role = context.enter(connection, access, scope)
            now, key_ids = context.now(), context.keyring.key_ids
            kept = connection.execute(
                select(scope_summary).where(scope_summary.c.scope_id == scope.id)
            ).one()
            marks = attention(connection, now, key_ids, {scope.id})
            query = ListQuery(scope.id, now, key_ids)
            return ScopeCounts(
                effective=reading.count(connection, query),
                own=kept.configs,
                secrets=kept.secrets,
                attention=marks.get(scope.id, Attention()),
                scope=here,
                managed=may_manage(role),
            )

        return context.guard(
            access, Event("organization.open", scope), lambda: context.database.read(work)
        )

    def add(self, access: Access, name: str) -> Scope:
        """Add an organization.

        Raises:
            InvalidInputError, AlreadyExistsError: the name cannot be used.
            AccessDeniedError: the actor may not manage organizations.

        """
        tidy = checked_name(name)
        new = Scope(self._context.ids(), tidy)

        def work(session: Session) -> Scope:
            from bifrost_tui.store.tables import Organization

            connection = session.connection()
            self._manage(connection, access, EVERYWHERE, "add organizations")
            self._free(connection, tidy, None)
            now = self._context.chain.append(connection, access, Event("organization.add", new))
            session.add(
                Organization(
                    id=new.id,
                    name=tidy,
                    name_folded=folded_name(tidy),
                    created_at=now,
                    created_by=access.actor,
                    updated_at=now,
                    updated_by=access.actor,
                )
            )
            session.flush()
            start_summary(connection, new.id)
            return new

        return self._write(access, Event("organization.add", new), work)

    def rename(self, access: Access, scope: Scope, version: int, name: str) -> Scope:
        """Give an organization another name.

        That takes a role in all of them: names are shared, and whether one is taken tells of
        organizations that others may not know of.

        Raises:
            ConflictError: it was changed since ``version`` was read.

        """
        tidy = checked_name(name)

        def work(session: Session) -> Scope:
            row = self._fetch(session, access, scope, version, "rename it", EVERYWHERE)
            self._free(session.connection(), tidy, row.id)
            old = row.name
            row.name, row.name_folded = tidy, folded_name(tidy)
            renamed = Scope(row.id, tidy, scope.archived)
            self._touch(
                session, access, row, Event("organization.rename", renamed, details={"old": old})
            )
            return renamed

        return self._write(access, Event("organization.rename", scope), work)

    def archive(self, access: Access, scope: Scope, version: int) -> Scope:
        """Take an organization out of use: nothing in it is lost, nothing can be changed."""
        return self._set_archived(access, scope, version, archived=True)

    def restore(self, access: Access, scope: Scope, version: int) -> Scope:
        """Take an archived organization into use again."""
        return self._set_archived(access, scope, version, archived=False)

    def _set_archived(self, access: Access, scope: Scope, version: int, *, archived: bool) -> Scope:
        action = "organization.archive" if archived else "organization.restore"

        def work(session: Session) -> Scope:
            row = self._fetch(session, access, scope, version, action.rpartition(".")[2] + " it")
            changed = Scope(row.id, row.name, archived=archived)
            now = self._touch(session, access, row, Event(action, changed))
            row.archived_at = now if archived else None
            return changed

        return self._write(access, Event(action, scope), work)

    def _write(self, access: Access, event: Event, work: Callable[[Session], Scope]) -> Scope:
        database = self._context.database
        return self._context.guard(access, event, lambda: database.write(work))

    def _fetch(
        self,
        session: Session,
        access: Access,
        scope: Scope,
        version: int,
        verb: str,
        managed: str | None = None,
    ) -> Organization:
        from bifrost_tui.store.tables import Organization

        if scope.is_global:
            raise InvalidInputError(f"{scope.name} is no organization.", field="name")
        self._context.enter(session.connection(), access, scope)
        self._manage(session.connection(), access, managed or scope.id, verb)
        row = session.get_one(Organization, scope.id)
        if row.version != version:
            raise ConflictError(
                f"{row.name} was changed by {row.updated_by} at {iso(row.updated_at)}."
                " Look at it again before you change it.",
                by=row.updated_by,
                at=row.updated_at,
                deleted=False,
            )
        return row

    def _touch(self, session: Session, access: Access, row: Organization, event: Event) -> datetime:
        now = self._context.chain.append(session.connection(), access, event)
        row.updated_at, row.updated_by = now, access.actor
        row.version += 1
        return now

    @staticmethod
    def _manage(connection: Connection, access: Access, scope_id: str, verb: str) -> None:
        role = role_in(connection, access, scope_id)
        if not may_manage(role):
            of = " of all organizations" if scope_id == EVERYWHERE else ""
            raise AccessDeniedError(
                f"{access.actor} may not {verb}: that takes an owner or an admin{of}."
            )

    @staticmethod
    def _free(connection: Connection, name: str, but_id: str | None) -> None:
        row = connection.execute(
            select(organization.c.id, organization.c.name, organization.c.archived_at).where(
                organization.c.name_folded == folded_name(name)
            )
        ).one_or_none()
        if row is not None and row.id != but_id:
            archived = " (archived)" if row.archived_at else ""
            raise AlreadyExistsError(
                f"There is an organization {row.name!r}{archived} already; names differ in more"
                " than case.",
                field="name",
            )
