"""Many configs in one transaction: for imports, for the demo, and for tests of both.

The rules are those of one config's change, and so are tokens, fingerprints, kept counts and audit
events; only the way into the database is shorter. A call happens as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from bifrost_tui.errors import AccessDeniedError
from bifrost_tui.store import equals, references
from bifrost_tui.store.access import may_manage
from bifrost_tui.store.audit import Event
from bifrost_tui.store.bulk_rows import (
    Row,
    add_organization,
    counts_of,
    fill_row,
    insert_rows,
    manage_all,
    new_row,
    with_ids,
)
from bifrost_tui.store.context import StoreContext, open_for_changes
from bifrost_tui.store.drafts import checked_draft
from bifrost_tui.store.organizations import checked_name
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.views import Scope

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class BulkConfig:
    """A config to be written, and since when it is as it is, and by whom, where that is known."""

    draft: ConfigDraft
    at: datetime | None = None
    by: str | None = None


def write_configs(
    repository: Repository,
    access: Access,
    scope: Scope,
    configs: Iterable[BulkConfig],
    *,
    ids: Callable[[], str] | None = None,
) -> int:
    """Write new configs into a scope, told by one audit event; return how many they were.

    They are taken one after another and not kept, so they may be more than memory holds. Given in
    the order of their keys, and with ``ids`` that ascend, they are written fastest.

    Raises:
        InvalidInputError, AlreadyExistsError: one of them cannot be saved; then none is.
        AccessDeniedError: the actor may not import into the scope, or it is archived.

    """
    context = with_ids(repository, ids)

    def work(connection: Connection) -> int:
        now_scope, role = context.enter(connection, access, scope)
        open_for_changes(now_scope, connection)
        if not may_manage(role):
            raise AccessDeniedError(
                f"{access.actor} may not import into {now_scope.name}: that takes an owner or an"
                " admin."
            )
        return _write(context, connection, access, now_scope, configs)

    return context.guard(
        access, Event("config.import", scope), lambda: context.database.write_rows(work)
    )


def write_organization(
    repository: Repository,
    access: Access,
    name: str,
    configs: Iterable[BulkConfig],
    *,
    ids: Callable[[], str] | None = None,
) -> Scope:
    """Add an organization together with its configs: both are there afterwards, or neither.

    Raises:
        InvalidInputError, AlreadyExistsError: the name or a config cannot be saved.
        AccessDeniedError: the actor may not manage organizations.

    """
    context = with_ids(repository, ids)
    new = Scope(context.ids(), checked_name(name))

    def work(connection: Connection) -> Scope:
        manage_all(connection, access, "add organizations")
        add_organization(context, connection, access, new)
        _write(context, connection, access, new, configs)
        return new

    return context.guard(
        access, Event("organization.add", new), lambda: context.database.write_rows(work)
    )


def _write(
    context: StoreContext,
    connection: Connection,
    access: Access,
    scope: Scope,
    configs: Iterable[BulkConfig],
) -> int:
    context.check_key(connection)
    now = context.now()
    counts = counts_of([])
    fingerprints: set[str] = set()
    rows = (_row(context, scope, given, now, access.actor) for given in configs)
    while chunk := list(islice(rows, _CHUNK)):
        fingerprints |= insert_rows(context, connection, scope, chunk)
        counts.update(counts_of(chunk))
    told = Event("config.import", scope, details={"count": counts["configs"]})
    at = context.chain.append(connection, access, told)
    count_change(connection, scope.id, access, at, **counts)
    equals.regroup(connection, context.keyring, fingerprints)
    references.settle_written(connection, scope.id)
    return counts["configs"]


def _row(context: StoreContext, scope: Scope, given: BulkConfig, now: datetime, actor: str) -> Row:
    checked = checked_draft(given.draft)
    at = given.at or now
    row = new_row(context.ids(), scope, checked, at, given.by or actor)
    if checked.secret is not None:
        fill_row(context, row, checked.secret, at)
    return row
