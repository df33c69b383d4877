"""What the references of an import will stand for, so that those which give nothing are told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from bifrost_tui.store.drafts import CheckedDraft
from bifrost_tui.store.importing_plan import PlannedScope, chunks
from bifrost_tui.store.incoming import Verdict
from bifrost_tui.store.references import Dangling, same_integration, why_dangling
from bifrost_tui.store.schema import GLOBAL, config
from bifrost_tui.store.values import ConfigType

_TARGETS = select(
    config.c.scope_id,
    config.c.key,
    config.c.type,
    config.c.integration,
    config.c.secret.is_(None).label("empty"),
    config.c.unreadable_at.is_not(None).label("unreadable"),
).where(
    config.c.scope_id.in_(bindparam("scopes", expanding=True)),
    config.c.key.in_(bindparam("keys", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class _Target:
    secret: bool
    integration: str | None
    empty: bool
    unreadable: bool = False


def note_references(connection: Connection, scopes: Sequence[PlannedScope]) -> None:
    """Say of each reference that will give nothing why: it may be imported nevertheless."""
    shared = next((each for each in scopes if each.scope.is_global), None)
    for planned in scopes:
        referring = [
            entry
            for entry in planned.entries
            if entry.type is ConfigType.SECRET_REF and entry.verdict is not Verdict.REFUSED
        ]
        for some in chunks(referring):
            keys = {str(entry.draft.refers_to) for entry in some}
            targets = _targets(connection, planned, shared, keys)
            for entry in some:
                why = _dangling(entry.draft, targets)
                if why is not None:
                    told = why_dangling(why, str(entry.draft.refers_to))
                    entry.why = f"It will give nothing: {told}."


def _targets(
    connection: Connection, planned: PlannedScope, shared: PlannedScope | None, keys: set[str]
) -> dict[str, _Target]:
    """Return what keys will stand for in a scope: its own config, else the global one."""
    found: dict[tuple[str, str], _Target] = {}
    scopes = sorted({planned.scope.id, GLOBAL})
    for row in connection.execute(_TARGETS, {"scopes": scopes, "keys": sorted(keys)}):
        is_secret = row.type == ConfigType.SECRET
        target = _Target(is_secret, row.integration, bool(row.empty), bool(row.unreadable))
        found[row.scope_id, row.key] = target
    for each in {id(one): one for one in (shared, planned) if one is not None}.values():
        for entry in each.entries:
            if entry.key in keys and entry.verdict in (Verdict.NEW, Verdict.FILLED):
                checked = entry.draft
                is_secret = checked.type is ConfigType.SECRET
                found[each.scope.id, entry.key] = _Target(
                    is_secret, checked.integration, checked.secret is None
                )
    return {
        key: target
        for scope_id in (GLOBAL, planned.scope.id)
        for (owner, key), target in found.items()
        if owner == scope_id
    }


def _dangling(checked: CheckedDraft, targets: Mapping[str, _Target]) -> Dangling | None:
    target = targets.get(str(checked.refers_to))
    if target is None:
        return Dangling.MISSING
    if not target.secret:
        return Dangling.PLAIN
    if target.unreadable:
        return Dangling.UNREADABLE
    if target.empty:
        return Dangling.NEEDS_VALUE
    if target.integration is not None and not same_integration(
        target.integration, checked.integration
    ):
        return Dangling.BOUND
    return None
