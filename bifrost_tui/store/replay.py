"""The past, replayed: for the demo, and for tests that need a story."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store import equals, references
from bifrost_tui.store.audit import FAILED, AuditChain, Event
from bifrost_tui.store.bulk_rows import (
    Row,
    add_organization,
    counts_of,
    give_value,
    given_columns,
    insert_rows,
    manage_all,
    new_row,
    schedule,
    seal_row,
    with_ids,
)
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.drafts import CheckedDraft, checked_draft
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.organizations import checked_name
from bifrost_tui.store.removal import Members
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

# What an event may say has changed, by column.
_FACTS = {
    "value": "value",
    "refers_to": "refers_to",
    "secret_version": "secret",
    "integration": "integration",
    "description": "description",
    "rotate_every_days": "rotate_every_days",
}


@dataclass(frozen=True, slots=True)
class Damaged:
    """The finding that the secret of a key does not open: its token is damaged from then on."""

    key: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did in the past, in an organization or, without one, in global.

    A draft was saved: as a new config, or over the one that its key had. Without anything saved,
    the organization was added.
    """

    at: datetime
    access: Access
    organization: str | None
    what: ConfigDraft | Damaged | None = None


def replay(
    repository: Repository,
    access: Access,
    deeds: Iterable[Deed],
    *,
    ids: Callable[[], str] | None = None,
) -> None:
    """Let deeds of the past have been done: rows, times and audit events are as if at that time.

    They are given in the order of their times, and every organization is added before it is used.
    Who did them need not be a member.

    Raises:
        InvalidInputError, AlreadyExistsError: one of them cannot be done; then none is.
        AccessDeniedError: the actor may not manage every organization.

    """
    context = with_ids(repository, ids)

    def work(connection: Connection) -> None:
        manage_all(connection, access, "replay the past")
        _Replay(context, connection).run(deeds)

    context.guard(access, Event("config.import"), lambda: context.database.write_rows(work))


class _Replay:
    """Deeds as they are replayed: rows grow in memory and are sealed and written at the end."""

    def __init__(self, context: StoreContext, connection: Connection) -> None:
        self._moment = context.now()
        chain = AuditChain(context.database, context.root, self._now)
        self._context = replace(context, clock=self._now, chain=chain)
        self._connection = connection
        self._scopes: dict[str | None, Scope] = {None: GLOBAL_SCOPE}
        self._rows: dict[str | None, dict[str, Row]] = {None: {}}
        self._last: dict[str | None, Deed] = {}
        self._values: dict[str, EnteredSecret] = {}

    def _now(self) -> datetime:
        return self._moment

    def run(self, deeds: Iterable[Deed]) -> None:
        """Do everything, then write the rows as they have become."""
        for deed in deeds:
            self._moment = deed.at
            match deed.what:
                case None:
                    self._add_organization(deed)
                case Damaged(key):
                    self._damage(deed, key)
                case draft:
                    self._save(deed, checked_draft(draft))
        for name, deed in self._last.items():
            self._write(self._scopes[name], list(self._rows[name].values()), deed)

    def _add_organization(self, deed: Deed) -> None:
        new = Scope(self._context.ids(), checked_name(deed.organization or ""))
        add_organization(self._context, self._connection, deed.access, new)
        self._scopes[deed.organization] = new
        self._rows[deed.organization] = {}

    def _damage(self, deed: Deed, key: str) -> None:
        self._rows[deed.organization][key]["unreadable_at"] = deed.at
        self._tell(deed, Event("secret.unreadable", key=key, outcome=FAILED))

    def _save(self, deed: Deed, checked: CheckedDraft) -> None:
        rows = self._rows[deed.organization]
        details: dict[str, Any] = {"type": checked.type.value}
        row = rows.get(checked.key)
        self._last[deed.organization] = deed
        if row is None:
            scope = self._scopes[deed.organization]
            row = new_row(self._context.ids(), scope, checked, deed.at, deed.access.actor)
            rows[checked.key] = row
            self._fill(row, checked)
            self._tell(deed, Event("config.add", key=checked.key, details=details))
            return
        if row["type"] != checked.type:
            raise InvalidInputError(f"{checked.key} has another type; it is kept.", field="type")
        before = dict(row)
        row.update(given_columns(checked), updated_at=deed.at, updated_by=deed.access.actor)
        row["version"] += 1
        self._fill(row, checked)
        changed = [name for name in _FACTS if row[name] != before[name]]
        if changed == ["secret_version"]:
            details["fingerprint"] = row["fingerprint"]
            details["old_fingerprint"] = before["fingerprint"]
            self._tell(deed, Event("config.rotate", key=checked.key, details=details))
        else:
            details["changed"] = [_FACTS[name] for name in changed]
            self._tell(deed, Event("config.edit", key=checked.key, details=details))

    def _fill(self, row: Row, checked: CheckedDraft) -> None:
        if checked.secret is not None:
            self._values[row["id"]] = checked.secret
            fingerprint = self._context.root.fingerprint(entered_bytes(checked.secret))
            give_value(row, fingerprint, self._moment)
        elif checked.type is ConfigType.SECRET:
            schedule(row)

    def _tell(self, deed: Deed, event: Event) -> None:
        told = replace(event, scope=self._scopes[deed.organization])
        self._context.chain.append(self._connection, deed.access, told)

    def _write(self, scope: Scope, rows: list[Row], last: Deed) -> None:
        for row in rows:
            if (entered := self._values.get(row["id"])) is not None:
                seal_row(self._context, row, entered_bytes(entered))
                if row["unreadable_at"] is not None:
                    row["secret"] = _damaged(row["secret"])
        new = insert_rows(self._context, self._connection, scope, rows)
        equals.regroup(self._connection, self._context.keyring, new)
        references.settle_written(self._connection, scope.id)
        count_change(self._connection, scope.id, last.access, last.at, **counts_of(rows))


def _damaged(token: str) -> str:
    """Return a token with one letter changed, which no longer opens."""
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]


def members_at(repository: Repository, moment: datetime, ids: Callable[[], str]) -> Members:
    """Return the members as they were changed at another moment than now, with ids of one's own."""
    context = repository._context
    chain = AuditChain(context.database, context.root, lambda: moment)
    return Members(replace(context, chain=chain, clock=lambda: moment, ids=ids))
