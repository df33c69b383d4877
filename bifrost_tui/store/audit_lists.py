"""The audit log as it is looked at: pages of it, one event, its end, whether the chain is whole.

Owners and admins of all organizations see every event; those of some organizations see what was
done in these; members see none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.types import NullType

from bifrost_tui.errors import AccessDeniedError, InvalidInputError, NotFoundError
from bifrost_tui.store import audit_reading
from bifrost_tui.store.access import managed_scopes, may_manage, require_all
from bifrost_tui.store.audit import Event
from bifrost_tui.store.audit_filters import NO_AUDIT_FILTER, AuditFilter
from bifrost_tui.store.context import StoreContext, every_organization
from bifrost_tui.store.requests import Access, Interrupt
from bifrost_tui.store.restored import why_head_is_gone
from bifrost_tui.store.schema import audit_event
from bifrost_tui.store.views import GLOBAL_SCOPE, AuditDetails, ChainReport, Head, Scope

T = TypeVar("T")

NO_MOMENT = datetime.min.replace(tzinfo=UTC)
"""The time of an event whose time is none: something else wrote into the log."""

_LIST, _VERIFY, _EXPORT = "audit.list", "audit.verify", "audit.export"
_EXPORTED = 2_000
_COLUMNS = [
    # As it stands there: a line that somebody damaged keeps no other from coming.
    type_coerce(column, NullType).label(column.name) if column.name != "sequence" else column
    for column in audit_event.c
]


class AuditLog:
    """The log, for one actor at a time."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def page(
        self,
        access: Access,
        wanted: AuditFilter = NO_AUDIT_FILTER,
        *,
        before: int | None = None,
        above: int | None = None,
        skip: int = 0,
        limit: int = 100,
        interrupt: Interrupt | None = None,
    ) -> tuple[AuditDetails, ...]:
        """Return events, newest first: the next after the one numbered ``before``.

        With ``above`` they are those next to that number instead, on the side of the newer ones.
        ``skip`` leaves out so many before the first.

        Raises:
            AccessDeniedError: the actor is neither owner nor admin there, or anywhere.
            OrganizationNotFoundError: no such organization, or none for this actor.

        """

        def work(connection: Connection, seen: tuple[str, ...] | None) -> tuple[AuditDetails, ...]:
            query = audit_reading.log_query(connection, wanted, seen)
            if query is None:
                return ()
            found = audit_reading.sequences(
                connection, query, before=before, above=above, skip=skip, limit=limit
            )
            return tuple(_details(row) for row in _rows(connection, found))

        return self._reading(access, wanted, work, interrupt)

    def count(
        self,
        access: Access,
        wanted: AuditFilter = NO_AUDIT_FILTER,
        *,
        before: int | None = None,
        interrupt: Interrupt | None = None,
    ) -> int:
        """Count the events that a filter lets through."""

        def work(connection: Connection, seen: tuple[str, ...] | None) -> int:
            query = audit_reading.log_query(connection, wanted, seen)
            return 0 if query is None else audit_reading.count(connection, query, before)

        return self._reading(access, wanted, work, interrupt)

    def get(self, access: Access, sequence: int) -> AuditDetails:
        """Return all about one event.

        Raises:
            NotFoundError: there is none of that number, or none for this actor.

        """

        def work(connection: Connection, seen: tuple[str, ...] | None) -> AuditDetails | None:
            rows = _rows(connection, [sequence])
            if rows and (seen is None or rows[0].organization_id in seen):
                return _details(rows[0])
            return None

        found = self._reading(access, NO_AUDIT_FILTER, work)
        if found is None:
            raise NotFoundError(f"There is no event {sequence} for you in the log.")
        return found

    def scopes(self, access: Access) -> tuple[Scope, ...]:
        """Return the scopes whose log is the actor's to look at, by name, archived ones too."""

        def work(connection: Connection, seen: tuple[str, ...] | None) -> tuple[Scope, ...]:
            found = every_organization(connection)
            if seen is None:
                return (*found, GLOBAL_SCOPE)
            return tuple(scope for scope in found if scope.id in seen)

        return self._reading(access, NO_AUDIT_FILTER, work)

    def may_list(self, access: Access, scope: Scope | None = None) -> bool:
        """Tell whether an actor may look at the log of a scope, or at any; asking is no attempt."""
        managed = self._context.database.read(lambda c: managed_scopes(c, access))
        if managed is None:
            return True
        return bool(managed) if scope is None else scope.id in managed

    def may_verify(self, access: Access) -> bool:
        """Tell whether an actor may look at all of the log; asking is no attempt."""
        return self._context.database.read(lambda c: managed_scopes(c, access)) is None

    def actors(self, access: Access) -> tuple[str, ...]:
        """Return who has done something that the actor may see: to choose from."""
        return self._texts(access, "actor")

    def actions(self, access: Access) -> tuple[str, ...]:
        """Return what has been done, by name, that the actor may see: to choose from."""
        return self._texts(access, "action")

    def _texts(self, access: Access, name: str) -> tuple[str, ...]:
        def work(connection: Connection, seen: tuple[str, ...] | None) -> tuple[str, ...]:
            column = audit_event.c[name]
            if seen is None:
                return tuple(audit_reading.distinct(connection, column))
            # The newest of their organizations: an index of the others would tell of others.
            query = audit_reading.log_query(connection, NO_AUDIT_FILTER, seen)
            if query is None:
                return ()
            found = audit_reading.sequences(
                connection, query, before=None, above=None, skip=0, limit=_EXPORTED
            )
            return tuple(sorted({str(getattr(row, name)) for row in _rows(connection, found)}))

        return self._reading(access, NO_AUDIT_FILTER, work)

    # The whole of it

    def head(self, access: Access) -> Head:
        """Return where the log ends, to be kept elsewhere.

        Raises:
            AccessDeniedError: that takes an owner or an admin of all organizations.

        """
        self._for_all(access)
        return self._context.chain.head()

    def verify(
        self,
        access: Access,
        *,
        head: Head | None = None,
        progress: Callable[[int, int], object] | None = None,
        interrupt: Interrupt | None = None,
    ) -> ChainReport:
        """Check the chain from its first event to its last; see :meth:`.AuditChain.verify`.

        Where the head does not hold because a backup was restored since, that is said.

        Raises:
            AccessDeniedError: that takes an owner or an admin of all organizations.

        """
        self._for_all(access)
        report = self._context.chain.verify(head=head, progress=progress, interrupt=interrupt)
        if head is None or report.broken_at is None:
            return report
        chain = self._context.chain

        def work(connection: Connection) -> str:
            # Only where all that fits not is the head: a log that was changed has no excuse.
            is_head = report.head is None or report.checked == chain.last(connection)
            return why_head_is_gone(connection, head) if is_head else ""

        gone = self._context.database.read(work)
        return replace(report, why=f"{report.why} {gone}") if gone else report

    def _for_all(self, access: Access) -> None:
        context = self._context

        def work(connection: Connection) -> None:
            require_all(connection, access, "check the audit log")

        context.guard(access, Event(_VERIFY), lambda: context.database.read(work))

    def export(
        self, access: Access, wanted: AuditFilter = NO_AUDIT_FILTER
    ) -> tuple[int, Iterator[AuditDetails]]:
        """Tell the log of an export; return how many events it has, and these, oldest first.

        What is told meanwhile is not among them.
        """
        context = self._context
        scopes = wanted.scopes or ()
        told = scopes[0] if len(scopes) == 1 else None

        def start() -> tuple[int, int]:
            def work(connection: Connection) -> tuple[int, int]:
                seen = self._seen(connection, access, wanted)
                before = context.chain.last(connection) + 1
                query = audit_reading.log_query(connection, wanted, seen)
                found = 0 if query is None else audit_reading.count(connection, query, before)
                facts = {"events": found, **_facts(wanted)}
                context.chain.append(connection, access, Event(_EXPORT, told, details=facts))
                return found, before

            return context.database.write_rows(work)

        total, before = context.guard(access, Event(_EXPORT, told), start)
        return total, self._exported(access, wanted, before)

    def _exported(self, access: Access, wanted: AuditFilter, before: int) -> Iterator[AuditDetails]:
        last = -(2**62)

        def work(connection: Connection, seen: tuple[str, ...] | None) -> tuple[AuditDetails, ...]:
            query = audit_reading.log_query(connection, wanted, seen)
            if query is None:
                return ()
            found = audit_reading.sequences(
                connection, query, before=before, above=last, skip=0, limit=_EXPORTED
            )
            return tuple(_details(row) for row in _rows(connection, found))

        while rows := self._reading(access, wanted, work):
            yield from reversed(rows)
            last = rows[0].sequence

    # Who may

    def _reading(
        self,
        access: Access,
        wanted: AuditFilter,
        work: Callable[[Connection, tuple[str, ...] | None], T],
        interrupt: Interrupt | None = None,
    ) -> T:
        context = self._context
        scopes = wanted.scopes or ()
        event = Event(_LIST, scopes[0] if len(scopes) == 1 else None)

        def entered(connection: Connection) -> T:
            return work(connection, self._seen(connection, access, wanted))

        return context.guard(access, event, lambda: context.database.read(entered, interrupt))

    def _seen(
        self, connection: Connection, access: Access, wanted: AuditFilter
    ) -> tuple[str, ...] | None:
        """Return the scopes whose events are told; ``None`` means every event."""
        managed = managed_scopes(connection, access)
        if managed is not None and not managed:
            raise AccessDeniedError(
                f"{access.actor} may not see the audit log: that takes an owner or an admin of an"
                " organization."
            )
        if wanted.scopes is None:
            return None if managed is None else tuple(sorted(managed))
        for scope in wanted.scopes:
            if managed is None or scope.id in managed:
                continue
            found, role = self._context.enter(connection, access, scope)
            if not may_manage(role):
                raise AccessDeniedError(
                    f"{access.actor} may not see the audit log of {found.name}: that takes an"
                    " owner or an admin of it."
                )
        return tuple(sorted({scope.id for scope in wanted.scopes}))


def parse_head(text: str) -> Head:
    """Read a head as it was printed.

    Raises:
        InvalidInputError: it is none.

    """
    number, colon, chain_hash = text.strip().partition(":")
    chain_hash = chain_hash.lower()
    hexadecimal = len(chain_hash) == 64 and set(chain_hash) <= set("0123456789abcdef")
    if not colon or not hexadecimal or not number.isascii() or not number.isdigit():
        raise InvalidInputError(
            "A head is a number, a colon and 64 characters, as `bifrost-tui audit head` prints it.",
            field="head",
        )
    return Head(int(number[:18]), chain_hash)


def _rows(connection: Connection, numbers: list[int]) -> list[Any]:
    """Return whole events, in the order of their numbers' list."""
    found = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        asked = select(*_COLUMNS).where(audit_event.c.sequence.in_(some))
        found.update({row.sequence: row for row in connection.execute(asked)})
    return [found[number] for number in numbers if number in found]


def _details(row: Any) -> AuditDetails:
    return AuditDetails(
        sequence=row.sequence,
        at=_moment(row.at),
        actor=str(row.actor),
        source=str(row.source),
        action=str(row.action),
        organization=None if row.organization is None else str(row.organization),
        key=None if row.key is None else str(row.key),
        outcome=str(row.outcome),
        details=_parsed(row.details),
        chain_hash=str(row.chain_hash),
    )


def _moment(at: Any) -> datetime:
    try:
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return NO_MOMENT


def _parsed(details: Any) -> Mapping[str, Any]:
    """Return facts as they were told; of what is none, that it is not."""
    try:
        found = json.loads(details)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"damaged": True}


def _facts(wanted: AuditFilter) -> dict[str, Any]:
    """Return what was asked for, as facts of an event."""
    facts: dict[str, Any] = {
        name: value
        for name in ("actor", "action", "key", "outcome")
        if (value := getattr(wanted, name)) is not None
    }
    for name in ("since", "until"):
        moment = getattr(wanted, name)
        if moment is not None:
            facts[name] = moment.isoformat()
    if wanted.scopes is not None and len(wanted.scopes) != 1:
        facts["organizations"] = len(wanted.scopes)
    return facts
