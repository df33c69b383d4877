"""What becomes of each config that is imported: compared with what is here, changing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    InvalidInputError,
    OrganizationNotFoundError,
)
from bifrost_tui.store import equals
from bifrost_tui.store.access import EVERYWHERE, may_manage, role_in
from bifrost_tui.store.context import StoreContext, folded_name, open_for_changes
from bifrost_tui.store.drafts import CheckedDraft, checked_draft
from bifrost_tui.store.importing_plan import VALUE, Planned, PlannedScope, chunks
from bifrost_tui.store.importing_references import note_references
from bifrost_tui.store.importing_untold import completed
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, Verdict
from bifrost_tui.store.organizations import LONGEST_NAME, checked_name
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, config, scope_summary
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

_KNOWN = select(
    config.c.id,
    config.c.key,
    config.c.type,
    config.c.value,
    config.c.refers_to,
    config.c.integration,
    config.c.description,
    config.c.rotate_every_days,
    config.c.secret.is_(None).label("empty"),
    config.c.secret_version,
    config.c.key_id,
    config.c.fingerprint,
    config.c.hint,
    config.c.secret_changed_at,
    config.c.due_at,
    config.c.unreadable_at,
    config.c.equal_group,
    config.c.version,
).where(
    config.c.scope_id == bindparam("scope"),
    config.c.key.in_(bindparam("keys", expanding=True)),
)
_SEALED = select(
    config.c.id, config.c.scope_id, config.c.secret, config.c.secret_version, config.c.key_id
).where(config.c.id.in_(bindparam("ids", expanding=True)))
_CONFIGS = select(scope_summary.c.configs).where(scope_summary.c.scope_id == bindparam("scope"))


def known(connection: Connection, scope_id: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return what a scope has of some keys, by key: everything but tokens."""
    rows = connection.execute(_KNOWN, {"scope": scope_id, "keys": list(keys)})
    return {row.key: row for row in rows}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where configs are wanted, and what was asked for beside."""

    into: Scope | None
    create_organizations: bool


class Refusals:
    """Attempts that the log has to tell of."""

    def __init__(self) -> None:
        self.told: list[tuple[Scope, str]] = []

    def add(self, scope: Scope, error: BifrostError) -> str:
        """Keep a refusal, where it is one, and return what it says."""
        if isinstance(error, AccessDeniedError) or getattr(error, "refused", False):
            self.told.append((scope, error.message))
        return error.message


class Checker:
    """The comparison of all that is imported, in one read transaction."""

    def __init__(
        self,
        context: StoreContext,
        connection: Connection,
        access: Access,
        wanted: Wanted,
        step: Callable[[int], object],
    ) -> None:
        self._context = context
        self._connection = connection
        self._access = access
        self._wanted = wanted
        self._step = step
        self.refusals = Refusals()
        self.problems: list[str] = []

    def run(self, scopes: Sequence[IncomingScope]) -> list[PlannedScope]:
        """Return what becomes of everything, in the order in which it is shown."""
        found: list[PlannedScope] = []
        seen: set[str] = set()
        for incoming in scopes:
            planned = self._scope(incoming.organization)
            name = folded_name(planned.scope.name) if not planned.scope.is_global else GLOBAL
            if name in seen:
                planned.new = False
                planned.problem = (
                    f"{_named(planned.scope.name)} is given twice; names of organizations differ"
                    " in more than case."
                )
            seen.add(name)
            if planned.problem:
                self.problems.append(planned.problem)
            planned.entries = self._checked(incoming.configs, planned)
            found.append(planned)
        for planned in found:
            if not planned.problem and not planned.new:
                self._compare(planned)
        found.sort(key=lambda each: (not each.scope.is_global, folded_name(each.scope.name)))
        note_references(self._connection, found)
        return found

    # Scopes

    def _scope(self, name: str | None) -> PlannedScope:
        into = self._wanted.into
        if into is not None:
            scope = into
        elif name is None:
            scope = GLOBAL_SCOPE
        else:
            return self._organization(name)
        try:
            return PlannedScope(self._entered(scope))
        except (AccessDeniedError, OrganizationNotFoundError) as error:
            return PlannedScope(scope, problem=self.refusals.add(scope, error))

    def _organization(self, name: str) -> PlannedScope:
        nowhere = Scope("", _named(name))
        problem = ""
        try:
            found = self._context.enter_named(self._connection, self._access, name)
            return PlannedScope(self._entered(found))
        except OrganizationNotFoundError as error:
            if not self._wanted.create_organizations:
                short = OrganizationNotFoundError(
                    f"There is no organization {_named(name)!r} for you. Create missing"
                    " organizations, or import into another one.",
                    refused=error.refused,
                )
                told = self.refusals.add(nowhere, short)
                return PlannedScope(nowhere, problem=told, missing=True)
        except AccessDeniedError as error:
            problem = self.refusals.add(nowhere, error)
        return PlannedScope(nowhere, problem=problem) if problem else self._new(name)

    def _entered(self, scope: Scope) -> Scope:
        here, role = self._context.enter(self._connection, self._access, scope)
        if not may_manage(role):
            raise AccessDeniedError(
                f"{self._access.actor} may not import into {here.name}: that takes an owner or an"
                " admin."
            )
        open_for_changes(here, self._connection)
        return here

    def _new(self, name: str) -> PlannedScope:
        nowhere = Scope("", _named(name))
        if not may_manage(role_in(self._connection, self._access, EVERYWHERE)):
            problem = AccessDeniedError(
                f"{self._access.actor} may not add {nowhere.name}: that takes an owner or an admin"
                " of all organizations."
            )
            return PlannedScope(nowhere, problem=self.refusals.add(nowhere, problem))
        try:
            return PlannedScope(Scope("", checked_name(name)), new=True)
        except InvalidInputError as error:
            return PlannedScope(nowhere, problem=f"{nowhere.name!r} can be no name: {error}")

    # Configs

    def _checked(self, configs: Iterable[IncomingConfig], planned: PlannedScope) -> list[Planned]:
        found = [_checked(incoming) for incoming in configs]
        found.sort(key=_key)
        last = None
        for entry in found:
            if entry.verdict is not Verdict.REFUSED:
                if entry.key == last:
                    _refuse(entry, f"{entry.key} is given twice.")
                elif planned.problem:
                    _refuse(entry, planned.problem)
            last = entry.key
        if planned.problem or planned.new:
            self._step(len(found))
        return found

    def _compare(self, planned: PlannedScope) -> None:
        scope_id = planned.scope.id
        if not self._connection.execute(_CONFIGS, {"scope": scope_id}).scalar_one_or_none():
            self._step(len(planned.entries))
            return
        for some in chunks(planned.entries):
            rows = known(self._connection, scope_id, [entry.key for entry in some])
            if rows:
                self._compare_some(some, rows)
            self._step(len(some))

    def _compare_some(self, entries: Sequence[Planned], rows: Mapping[str, Any]) -> None:
        alike: list[tuple[Planned, Any]] = []
        for entry in entries:
            row = rows.get(entry.key)
            if row is None or entry.verdict is Verdict.REFUSED:
                continue
            entry.id, entry.version = row.id, row.version
            if entry.untold:
                entry.checked = completed(entry.draft, row, entry.untold)
                entry.type = entry.checked.type
            checked = entry.draft
            if (row.type == ConfigType.SECRET) is not (checked.type is ConfigType.SECRET):
                _refuse(entry, _mixed(row.type, checked.type))
                continue
            entry.fields = differing(row, checked)
            entry.verdict = Verdict.DIFFERS if entry.fields else Verdict.SAME
            if checked.type is not ConfigType.SECRET:
                continue
            entry.empty = bool(row.empty) and checked.secret is None
            if checked.secret is None:
                continue
            if row.empty:
                _valued(entry, Verdict.FILLED)
            elif row.fingerprint == self._context.root.fingerprint(entry.value):
                alike.append((entry, row))
            else:
                _valued(entry, Verdict.OTHER_VALUE)
        if alike:
            self._compare_values(alike)

    def _compare_values(self, alike: Sequence[tuple[Planned, Any]]) -> None:
        """Compare values where they lie: a fingerprint is too short to be believed."""
        ids = [row.id for _, row in alike]
        tokens = {row.id: row for row in self._connection.execute(_SEALED, {"ids": ids})}
        keyring = self._context.keyring
        for entry, _ in alike:
            token = tokens[entry.id]
            sealed, place = equals.sealed_of(token), equals.place_of(token)
            if not keyring.holds(sealed, place, entry.value):
                _valued(entry, Verdict.OTHER_VALUE)
                if not keyring.opens(sealed, place):
                    entry.why = "The secret here does not decrypt, so that it is not compared."


def _key(entry: Planned) -> str:
    return entry.key


def _named(name: str) -> str:
    return shorten(visible(name), LONGEST_NAME)


def _refuse(entry: Planned, why: str) -> None:
    entry.verdict, entry.why, entry.empty, entry.fields = Verdict.REFUSED, why, False, ()


def _valued(entry: Planned, verdict: Verdict) -> None:
    entry.verdict, entry.fields = verdict, (VALUE, *entry.fields)


def _mixed(here: str, there: ConfigType) -> str:
    if here == ConfigType.SECRET:
        return (
            f"It is a secret here and {_kind(there)} in the file. Delete the secret first, or give"
            " it another key in the file."
        )
    return (
        f"It is {_kind(ConfigType(here))} here and a secret in the file. Make it a secret here"
        " first, or give it another key in the file."
    )


def _kind(kind: ConfigType) -> str:
    if kind is ConfigType.SECRET_REF:
        return "a reference"
    return f"{'an' if kind is ConfigType.INT else 'a'} {kind}"


def _checked(incoming: IncomingConfig) -> Planned:
    draft = incoming.draft
    why = incoming.problem
    if not why:
        try:
            checked = checked_draft(draft)
        except InvalidInputError as error:
            why = error.message
        else:
            empty = checked.type is ConfigType.SECRET and checked.secret is None
            place = incoming.place
            return Planned(
                checked.key,
                checked.type,
                Verdict.NEW,
                checked,
                place,
                empty=empty,
                untold=incoming.untold,
            )
    key = shorten(visible(draft.key), 255)
    return Planned(key, draft.type, Verdict.REFUSED, None, incoming.place, why=why)


def differing(row: Any, checked: CheckedDraft) -> tuple[str, ...]:
    """Return what of a config a draft would change, by name: a secret's value is not looked at."""
    found = []
    if row.type != checked.type.value:
        found.append("type")
    if row.value != checked.value or row.refers_to != checked.refers_to:
        found.append(VALUE)
    if row.description != checked.description:
        found.append("description")
    if row.integration != checked.integration:
        found.append("integration")
    if row.rotate_every_days != checked.rotate_every_days:
        found.append("rotate_every_days")
    if (row.hint is not None) is not checked.partial_mask:
        found.append("partial_mask")
    return tuple(found)
