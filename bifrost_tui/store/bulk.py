"""Many configs in one transaction: for imports, for the demo, and for tests of both.

The rules are those of one config's change, and so are tokens, fingerprints, kept counts and audit
events; only the way into the database is shorter. A call happens as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from bifrost_tui.errors import AccessDeniedError, AlreadyExistsError, InvalidInputError
from bifrost_tui.store import equals, references
from bifrost_tui.store.access import EVERYWHERE, may_manage, role_in
from bifrost_tui.store.audit import FAILED, AuditChain, Event
from bifrost_tui.store.context import StoreContext, folded_name, open_for_changes
from bifrost_tui.store.drafts import CheckedDraft, checked_draft
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.organizations import (
    Organizations,
    checked_name,
    count_change,
    start_summary,
)
from bifrost_tui.store.places import UNFILLED, hint_context, seal_context, sealed_hint
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.schema import config, organization
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

_CHUNK = 2000

_Row = dict[str, Any]

# The columns that only a secret fills. A plain row leaves them out: a quarter of the time saved.
_NO_SECRET = dict.fromkeys(
    ("secret", "key_id", "fingerprint", "hint", "secret_changed_at", "due_at", "unreadable_at")
)
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
class BulkConfig:
    """A config to be written, and since when it is as it is, and by whom, where that is known."""

    draft: ConfigDraft
    at: datetime | None = None
    by: str | None = None


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
    context = _with_ids(repository, ids)

    def work(connection: Connection) -> int:
        now_scope, role = context.enter(connection, access, scope)
        open_for_changes(now_scope)
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
    context = _with_ids(repository, ids)
    new = Scope(context.ids(), checked_name(name))

    def work(connection: Connection) -> Scope:
        _manage_all(connection, access, "add organizations")
        _add_organization(context, connection, access, new)
        _write(context, connection, access, new, configs)
        return new

    return context.guard(
        access, Event("organization.add", new), lambda: context.database.write_rows(work)
    )


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
    context = _with_ids(repository, ids)

    def work(connection: Connection) -> None:
        _manage_all(connection, access, "replay the past")
        _Replay(context, connection).run(deeds)

    context.guard(access, Event("config.import"), lambda: context.database.write_rows(work))


def _with_ids(repository: Repository, ids: Callable[[], str] | None) -> StoreContext:
    context = repository._context
    return context if ids is None else replace(context, ids=ids)


def _manage_all(connection: Connection, access: Access, verb: str) -> None:
    if not may_manage(role_in(connection, access, EVERYWHERE)):
        raise AccessDeniedError(
            f"{access.actor} may not {verb}: that takes an owner or an admin of all organizations."
        )


def _add_organization(
    context: StoreContext, connection: Connection, access: Access, new: Scope
) -> None:
    Organizations._free(connection, new.name, None)
    now = context.chain.append(connection, access, Event("organization.add", new))
    names = {"name": new.name, "name_folded": folded_name(new.name)}
    row = {"id": new.id, **names, **_written(now, access.actor)}
    connection.execute(insert(organization), row)
    start_summary(connection, new.id)


def _write(
    context: StoreContext,
    connection: Connection,
    access: Access,
    scope: Scope,
    configs: Iterable[BulkConfig],
) -> int:
    now = context.now()
    counts = _counts([])
    rows = (_row(context, scope, given, now, access.actor) for given in configs)
    while chunk := list(islice(rows, _CHUNK)):
        _insert(context, connection, scope, chunk)
        counts.update(_counts(chunk))
    told = Event("config.import", scope, details={"count": counts["configs"]})
    at = context.chain.append(connection, access, told)
    count_change(connection, scope.id, access, at, **counts)
    references.settle_written(connection, scope.id)
    return counts["configs"]


def _row(context: StoreContext, scope: Scope, given: BulkConfig, now: datetime, actor: str) -> _Row:
    checked = checked_draft(given.draft)
    at = given.at or now
    row = _new_row(context.ids(), scope, checked, at, given.by or actor)
    if checked.secret is not None:
        value = entered_bytes(checked.secret)
        _give_value(row, context.root.fingerprint(value), at)
        _seal(context, row, value)
    return row


def _new_row(config_id: str, scope: Scope, checked: CheckedDraft, at: datetime, actor: str) -> _Row:
    row = _given(checked) | _written(at, actor)
    row |= {"id": config_id, "scope_id": scope.id, "secret_version": 0}
    row["organization_id"] = None if scope.is_global else scope.id
    if checked.type is ConfigType.SECRET:
        row |= _NO_SECRET
        row["hint"] = UNFILLED if checked.partial_mask else None
    return row


def _given(checked: CheckedDraft) -> _Row:
    return {
        "key": checked.key,
        "type": checked.type.value,
        "value": checked.value,
        "refers_to": checked.refers_to,
        "integration": checked.integration,
        "description": checked.description,
        "rotate_every_days": checked.rotate_every_days,
    }


def _written(at: datetime, actor: str) -> _Row:
    created = {"created_at": at, "created_by": actor}
    return {**created, "updated_at": at, "updated_by": actor, "version": 1}


def _give_value(row: _Row, fingerprint: str, at: datetime) -> None:
    row["secret_version"] += 1
    row["fingerprint"] = fingerprint
    row["secret_changed_at"] = at
    row["unreadable_at"] = None
    _schedule(row)


def _schedule(row: _Row) -> None:
    changed, period = row["secret_changed_at"], row["rotate_every_days"]
    row["due_at"] = changed + timedelta(days=period) if changed and period else None


def _seal(context: StoreContext, row: _Row, value: bytes) -> None:
    place = seal_context(row["scope_id"], row["id"], row["secret_version"])
    sealed = context.keyring.seal(value, place)
    row["secret"], row["key_id"] = sealed.token, sealed.key_id
    if row["hint"] is not None:
        place = hint_context(row["scope_id"], row["id"], row["secret_version"])
        row["hint"] = sealed_hint(context.keyring, value, place)


def _counts(rows: list[_Row]) -> Counter[str]:
    secrets = [row for row in rows if row["type"] == ConfigType.SECRET]
    empty = sum(row["secret"] is None for row in secrets)
    return Counter(configs=len(rows), secrets=len(secrets), needs_value=empty)


def _insert(context: StoreContext, connection: Connection, scope: Scope, rows: list[_Row]) -> None:
    problem: IntegrityError | None = None
    try:
        # What a savepoint takes back can still be asked about.
        with connection.begin_nested():
            for secret in (False, True):
                if some := [row for row in rows if ("secret" in row) is secret]:
                    connection.execute(insert(config), some)
    except IntegrityError as error:
        problem = error
    # Raised outside the handler: the driver's error holds the rows.
    if problem is None:
        new = {row["fingerprint"] for row in rows if row.get("fingerprint")}
        equals.regroup(connection, context.keyring, new)
        return
    if (key := _taken(connection, scope, rows)) is None:
        raise context.database.explain(problem)
    raise AlreadyExistsError(
        f"{key} exists in {scope.name} already, or is given twice. Nothing was saved.", field="key"
    )


def _taken(connection: Connection, scope: Scope, rows: list[_Row]) -> str | None:
    keys = Counter(row["key"] for row in rows)
    known = connection.scalars(
        select(config.c.key).where(config.c.scope_id == scope.id, config.c.key.in_(keys))
    )
    keys.update(known)
    return next((key for key, times in keys.items() if times > 1), None)


class _Replay:
    """Deeds as they are replayed: rows grow in memory and are sealed and written at the end."""

    def __init__(self, context: StoreContext, connection: Connection) -> None:
        self._moment = context.now()
        chain = AuditChain(context.database, context.root, self._now)
        self._context = replace(context, clock=self._now, chain=chain)
        self._connection = connection
        self._scopes: dict[str | None, Scope] = {None: GLOBAL_SCOPE}
        self._rows: dict[str | None, dict[str, _Row]] = {None: {}}
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
        _add_organization(self._context, self._connection, deed.access, new)
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
            row = _new_row(self._context.ids(), scope, checked, deed.at, deed.access.actor)
            rows[checked.key] = row
            self._fill(row, checked)
            self._tell(deed, Event("config.add", key=checked.key, details=details))
            return
        if row["type"] != checked.type:
            raise InvalidInputError(f"{checked.key} has another type; it is kept.", field="type")
        before = dict(row)
        row.update(_given(checked), updated_at=deed.at, updated_by=deed.access.actor)
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

    def _fill(self, row: _Row, checked: CheckedDraft) -> None:
        if checked.secret is not None:
            self._values[row["id"]] = checked.secret
            fingerprint = self._context.root.fingerprint(entered_bytes(checked.secret))
            _give_value(row, fingerprint, self._moment)
        elif checked.type is ConfigType.SECRET:
            _schedule(row)

    def _tell(self, deed: Deed, event: Event) -> None:
        told = replace(event, scope=self._scopes[deed.organization])
        self._context.chain.append(self._connection, deed.access, told)

    def _write(self, scope: Scope, rows: list[_Row], last: Deed) -> None:
        for row in rows:
            if (entered := self._values.get(row["id"])) is not None:
                _seal(self._context, row, entered_bytes(entered))
                if row["unreadable_at"] is not None:
                    row["secret"] = _damaged(row["secret"])
        _insert(self._context, self._connection, scope, rows)
        references.settle_written(self._connection, scope.id)
        count_change(self._connection, scope.id, last.access, last.at, **_counts(rows))


def _damaged(token: str) -> str:
    """Return a token with one letter changed, which no longer opens."""
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
