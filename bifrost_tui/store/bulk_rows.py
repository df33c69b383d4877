"""Rows of configs for the short way into the database: made, sealed, counted and inserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from bifrost_tui.errors import AccessDeniedError, AlreadyExistsError
from bifrost_tui.store.access import EVERYWHERE, may_manage, role_in
from bifrost_tui.store.audit import Event
from bifrost_tui.store.context import StoreContext, folded_name
from bifrost_tui.store.dialects import among
from bifrost_tui.store.drafts import CheckedDraft
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.organizations import Organizations
from bifrost_tui.store.places import UNFILLED, hint_context, seal_context, sealed_hint
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import config, organization
from bifrost_tui.store.summaries import start_summary
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

Row = dict[str, Any]
"""The columns of a config, by name."""

# The columns that only a secret fills. A plain row leaves them out: a quarter of the time saved.
_NO_SECRET = dict.fromkeys(
    ("secret", "key_id", "fingerprint", "hint", "secret_changed_at", "due_at", "unreadable_at")
)

_PLAIN = (
    *("id", "organization_id", "scope_id", "key", "type", "value", "refers_to", "integration"),
    *("description", "rotate_every_days", "secret_version"),
    *("created_at", "created_by", "updated_at", "updated_by", "version"),
)


def _insertion(names: Iterable[str]) -> Quick:
    return Quick(insert(config).values({name: bindparam(name) for name in names}))


# Past SQLAlchemy, which takes as long around each row as the engine takes for it.
_INSERT_PLAIN = _insertion(_PLAIN)
_INSERT_SECRET = _insertion([*_PLAIN, *_NO_SECRET])


def with_ids(repository: Repository, ids: Callable[[], str] | None) -> StoreContext:
    """Return what the repository works with, with other ids where they are given."""
    context = repository._context
    return context if ids is None else replace(context, ids=ids)


def manage_all(connection: Connection, access: Access, verb: str) -> None:
    """Let in who manages every organization.

    Raises:
        AccessDeniedError: the actor does not.

    """
    if not may_manage(role_in(connection, access, EVERYWHERE)):
        raise AccessDeniedError(
            f"{access.actor} may not {verb}: that takes an owner or an admin of all organizations."
        )


def add_organization(
    context: StoreContext, connection: Connection, access: Access, new: Scope
) -> None:
    """Add an organization, with its event and its kept counts."""
    Organizations._free(connection, new.name, None)
    now = context.chain.append(connection, access, Event("organization.add", new))
    names = {"name": new.name, "name_folded": folded_name(new.name)}
    row = {"id": new.id, **names, **written(now, access.actor)}
    connection.execute(insert(organization), row)
    start_summary(connection, new.id)


def new_row(config_id: str, scope: Scope, checked: CheckedDraft, at: datetime, actor: str) -> Row:
    """Return the row of a new config, without the value of a secret."""
    row: Row = {
        "id": config_id,
        "organization_id": None if scope.is_global else scope.id,
        "scope_id": scope.id,
        "secret_version": 0,
        **given_columns(checked),
        **written(at, actor),
    }
    if checked.type is ConfigType.SECRET:
        row |= _NO_SECRET
        row["hint"] = UNFILLED if checked.partial_mask else None
    return row


def given_columns(checked: CheckedDraft) -> Row:
    """Return the columns that a draft fills."""
    return {
        "key": checked.key,
        "type": checked.type.value,
        "value": checked.value,
        "refers_to": checked.refers_to,
        "integration": checked.integration,
        "description": checked.description,
        "rotate_every_days": checked.rotate_every_days,
    }


def written(at: datetime, actor: str) -> Row:
    """Return the columns that say who made a row, and when."""
    return {
        "created_at": at,
        "created_by": actor,
        "updated_at": at,
        "updated_by": actor,
        "version": 1,
    }


def give_value(row: Row, fingerprint: str, at: datetime) -> None:
    """Let a secret have got a value at a moment."""
    row["secret_version"] += 1
    row["fingerprint"] = fingerprint
    row["secret_changed_at"] = at
    row["unreadable_at"] = None
    schedule(row)


def schedule(row: Row) -> None:
    """Say when a secret is due."""
    changed, period = row["secret_changed_at"], row["rotate_every_days"]
    row["due_at"] = changed + timedelta(days=period) if changed and period else None


def fill_row(context: StoreContext, row: Row, secret: EnteredSecret, at: datetime) -> None:
    """Let a secret have got a value that was entered, and put it into its row, encrypted."""
    value = entered_bytes(secret)
    give_value(row, context.root.fingerprint(value), at)
    seal_row(context, row, value)


def seal_row(context: StoreContext, row: Row, value: bytes) -> None:
    """Put a secret's value into its row, encrypted, and its partial mask where one is asked for."""
    place = seal_context(row["scope_id"], row["id"], row["secret_version"])
    sealed = context.keyring.seal(value, place)
    row["secret"], row["key_id"] = sealed.token, sealed.key_id
    if row["hint"] is not None:
        place = hint_context(row["scope_id"], row["id"], row["secret_version"])
        row["hint"] = sealed_hint(context.keyring, value, place)


def counts_of(rows: list[Row]) -> Counter[str]:
    """Count rows as they are kept for a scope."""
    secrets = [row for row in rows if row["type"] == ConfigType.SECRET]
    empty = sum(row["secret"] is None for row in secrets)
    return Counter(configs=len(rows), secrets=len(secrets), needs_value=empty)


def insert_rows(
    context: StoreContext, connection: Connection, scope: Scope, rows: list[Row]
) -> set[str]:
    """Write rows of one scope; return the fingerprints of their secrets.

    Which of these are equal to others is for :func:`.equals.regroup` to find, when all is written.

    Raises:
        AlreadyExistsError: a key is taken, or is given twice; nothing is written then.

    """
    problem: Exception | None = None
    # What a savepoint takes back can still be asked about. Of other errors (a full disk) the engine
    # may have taken back everything already: there is no savepoint then to go back to.
    savepoint = connection.begin_nested()
    try:
        for secret, insertion in ((False, _INSERT_PLAIN), (True, _INSERT_SECRET)):
            if some := [row for row in rows if ("secret" in row) is secret]:
                insertion.run_many(connection, some)
        savepoint.commit()
    except _dbapi(connection).IntegrityError as error:
        problem = error
        savepoint.rollback()
    # Raised outside the handler: the driver's error may quote the rows.
    if problem is None:
        return {row["fingerprint"] for row in rows if row.get("fingerprint")}
    if (key := taken_key(connection, scope, rows)) is None:
        raise context.database.explain(IntegrityError("", None, problem))
    raise AlreadyExistsError(
        f"{key} exists in {scope.name} already, or is given twice. Nothing was saved.", field="key"
    )


def _dbapi(connection: Connection) -> Any:
    return connection.dialect.loaded_dbapi


def taken_key(connection: Connection, scope: Scope, rows: list[Row]) -> str | None:
    """Return the first key of some rows that is there already, or given twice."""
    keys = Counter(row["key"] for row in rows)
    known = connection.scalars(
        select(config.c.key).where(config.c.scope_id == scope.id, among(config.c.key, keys))
    )
    keys.update(known)
    return next((key for key, times in keys.items() if times > 1), None)
