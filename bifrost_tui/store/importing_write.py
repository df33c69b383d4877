"""What was planned, done: in the transaction at hand, once it is sure that the plan still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update

from bifrost_tui.errors import AccessDeniedError, AlreadyExistsError, ConflictError
from bifrost_tui.store import equals, references
from bifrost_tui.store.access import may_manage
from bifrost_tui.store.audit import Event
from bifrost_tui.store.bulk_rows import (
    Row,
    add_organization,
    fill_row,
    given_columns,
    insert_rows,
    manage_all,
    new_row,
    schedule,
    taken_key,
)
from bifrost_tui.store.config_rows import facts
from bifrost_tui.store.context import StoreContext, open_for_changes
from bifrost_tui.store.fates import Fate, fate, taken_by
from bifrost_tui.store.importing_check import known
from bifrost_tui.store.importing_plan import AT_ONCE, ImportPlan, Planned, PlannedScope, chunks
from bifrost_tui.store.incoming import Imported, Verdict
from bifrost_tui.store.places import UNFILLED
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import config
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

_CHUNK = 2000

_CHANGED = (
    *("type", "value", "refers_to", "dangling", "secret_version", "fingerprint", "hint"),
    *("integration", "description", "rotate_every_days", "secret_changed_at", "due_at"),
    *("unreadable_at", "equal_group", "updated_at", "updated_by", "version"),
)
_SEALED = ("secret", "key_id")


def _change_of(names: Sequence[str]) -> Quick:
    changed: dict[Any, Any] = {config.c[name]: bindparam(f"new_{name}") for name in names}
    return Quick(update(config).where(config.c.id == bindparam("its_id")).values(changed))


_CHANGE = _change_of(_CHANGED)
_SEAL = _change_of(_SEALED)


def _named(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return columns by the names that they have in such a change."""
    return [{"its_id": row["id"], **{f"new_{name}": row[name] for name in names}} for row in rows]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen where something is here already."""

    overwrite: bool
    replace_secrets: bool

    def edits(self, entry: Planned) -> bool:
        """Whether what differs beside a secret's value is taken over."""
        return self.overwrite and entry.asks

    def seals(self, entry: Planned) -> bool:
        """Whether a secret that is here gets the value of the file."""
        return entry.verdict is Verdict.FILLED or (
            self.replace_secrets and entry.verdict is Verdict.OTHER_VALUE
        )

    def writes(self, entry: Planned) -> bool:
        """Whether anything of an entry is written."""
        return entry.verdict is Verdict.NEW or self.edits(entry) or self.seals(entry)

    def outcome(self, entry: Planned) -> str:
        """Return what becomes of an entry, as :class:`Imported` counts it."""
        match entry.verdict:
            case Verdict.NEW:
                return "added"
            case Verdict.SAME:
                return "same"
            case Verdict.FILLED:
                return "filled"
            case Verdict.OTHER_VALUE if self.replace_secrets:
                return "rotated"
        return "changed" if self.edits(entry) else "kept"


class Writer:
    """One import, in one transaction."""

    def __init__(
        self,
        context: StoreContext,
        connection: Connection,
        access: Access,
        plan: ImportPlan,
        choice: Choice,
        step: Callable[[int], object],
    ) -> None:
        self._context = context
        self._connection = connection
        self._access = access
        self._plan = plan
        self._choice = choice
        self._step = step
        self._fingerprints: set[str] = set()

    def run(self) -> Imported:
        """Write everything and return what was done."""
        self._context.check_key(self._connection)
        done: Counter[str] = Counter()
        for planned in self._plan._scopes:
            scope = self._add(planned) if planned.new else self._still(planned)
            done["organizations"] += planned.new
            counts = Counter(map(self._choice.outcome, planned.entries))
            done.update(counts)
            self._write(scope, planned, counts)
        equals.regroup(self._connection, self._context.keyring, self._fingerprints)
        return Imported(**done, need_value=self._plan.need_value)

    # Does what was planned upon still stand?

    def _add(self, planned: PlannedScope) -> Scope:
        manage_all(self._connection, self._access, "add organizations")
        new = Scope(self._context.ids(), planned.scope.name)
        taken = False
        try:
            add_organization(self._context, self._connection, self._access, new)
        except AlreadyExistsError:
            taken = True
        if taken:
            raise _changed(f"There is an organization {new.name!r} by now.")
        return new

    def _still(self, planned: PlannedScope) -> Scope:
        here, role = self._context.enter(self._connection, self._access, planned.scope)
        if not may_manage(role):
            raise AccessDeniedError(
                f"{self._access.actor} may not import into {here.name}: that takes an owner or an"
                " admin."
            )
        open_for_changes(here, self._connection)
        if here.name != planned.scope.name:
            raise _changed(f"{planned.scope.name} is called {here.name} now.")
        return here

    def _rows(self, scope: Scope, entries: Sequence[Planned]) -> dict[str, Any]:
        """Return the configs that are here, as they were when it was planned."""
        rows = known(self._connection, scope.id, [entry.key for entry in entries])
        for entry in entries:
            row = rows.get(entry.key)
            if row is None or (row.id, row.version) != (entry.id, entry.version):
                last = fate(self._connection, scope, entry.key, entry.id or "")
                raise _changed(f"{entry.key} in {scope.name} was {last}.", last)
        return rows

    # Writing

    def _write(self, scope: Scope, planned: PlannedScope, counts: Counter[str]) -> None:
        new = [entry for entry in planned.entries if entry.verdict is Verdict.NEW]
        here = [entry for entry in planned.entries if entry.verdict is not Verdict.NEW]
        written = sum(counts[name] for name in ("added", "changed", "filled", "rotated"))
        if not written:
            for some in chunks(here):
                self._rows(scope, some)
                self._step(len(some))
            return
        told = {name: count for name, count in sorted(counts.items()) if count}
        details = {"count": written, "form": self._plan.form, **told}
        now = self._tell(Event("config.import", scope, details=details))
        filled = 0
        for some in chunks(here):
            rows = self._rows(scope, some)
            self._change(scope, [(entry, rows[entry.key]) for entry in some], now)
            filled += sum(entry.verdict is Verdict.FILLED for entry in some)
            self._step(len(some))
        for some in chunks(new, _CHUNK):
            self._insert(scope, some, now)
            self._step(len(some))
        secrets = [entry for entry in new if entry.type is ConfigType.SECRET]
        empty = sum(entry.empty for entry in secrets)
        count_change(
            self._connection,
            scope.id,
            self._access,
            now,
            configs=len(new),
            secrets=len(secrets),
            needs_value=empty - filled,
        )
        if written > AT_ONCE:
            references.settle_written(self._connection, scope.id)
            return
        changed = [each.key for each in planned.entries if self._choice.writes(each)]
        references.settle_few(self._connection, scope.id, changed)

    def _insert(self, scope: Scope, entries: Sequence[Planned], now: datetime) -> None:
        ids, actor = self._context.ids, self._access.actor
        rows = []
        told = []
        for entry in entries:
            checked = entry.draft
            row = new_row(ids(), scope, checked, now, actor)
            if checked.secret is not None:
                fill_row(self._context, row, checked.secret, now)
                told.append(self._filled(scope, row))
            rows.append(row)
        taken = False
        try:
            self._fingerprints |= insert_rows(self._context, self._connection, scope, rows)
        except AlreadyExistsError:
            taken = True
        if taken:
            key = taken_key(self._connection, scope, rows)
            last = taken_by(self._connection, scope, key)
            raise _changed(f"{key} in {scope.name} was {last}.", last)
        self._tell(*told)

    def _change(self, scope: Scope, pairs: Sequence[tuple[Planned, Any]], now: datetime) -> None:
        rows: list[Row] = []
        told: list[Event] = []
        left: set[str] = set()
        for entry, found in pairs:
            edits, seals = self._choice.edits(entry), self._choice.seals(entry)
            if not (edits or seals):
                continue
            row = {**found._mapping, "scope_id": scope.id, "dangling": None}
            row["updated_at"], row["updated_by"] = now, self._access.actor
            row["version"] += 1
            if edits:
                told.append(self._edit(scope, row, entry))
            if seals:
                old, secret = row["fingerprint"], entry.secret
                fill_row(self._context, row, secret, now)
                self._fingerprints.add(row["fingerprint"])
                left.update({row["equal_group"]} - {None})
                row["equal_group"] = None
                told.append(self._filled(scope, row, old))
            rows.append(row)
        if not rows:
            return
        _CHANGE.run_many(self._connection, _named(rows, _CHANGED))
        if sealed := [row for row in rows if "secret" in row]:
            _SEAL.run_many(self._connection, _named(sealed, _SEALED))
        for group in sorted(left):
            equals.leave(self._connection, group)
        self._tell(*told)

    def _edit(self, scope: Scope, row: Row, entry: Planned) -> Event:
        """Take over what differs beside a secret's value; return what tells of it."""
        before = facts(row.__getitem__)
        row.update(given_columns(entry.draft))
        # As with every change of a mask: nothing is shown of a value that was hidden until now.
        row["hint"] = (row["hint"] or UNFILLED) if entry.draft.partial_mask else None
        schedule(row)
        after = facts(row.__getitem__)
        changed = [name for name in after if after[name] != before[name]]
        details = {"type": row["type"], "changed": changed, "form": self._plan.form}
        return Event("config.edit", scope, entry.key, details=details)

    def _filled(self, scope: Scope, row: Row, old: str | None = None) -> Event:
        """Return what tells that a secret got the value that came with it."""
        details = {"type": row["type"], "form": self._plan.form}
        details["fingerprint"] = row["fingerprint"]
        if old is not None:
            details["old_fingerprint"] = old
        action = "config.import" if old is None else "config.rotate"
        return Event(action, scope, row["key"], details=details)

    def _tell(self, *told: Event) -> datetime:
        return self._context.chain.append(self._connection, self._access, *told)


def _changed(what: str, last: Fate | None = None) -> ConflictError:
    return ConflictError(
        f"{what} Nothing was imported; look again at what the import would do.",
        by=last.by if last else "",
        at=last.at if last else None,
        deleted=False,
    )
