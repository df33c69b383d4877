"""References to secrets: what each stands for in a scope, why it gives nothing, who refers to what.

A reference is resolved where it is read: the reader's own secret of that key, else the global one.
Why one *dangles* is kept in its row, for its own scope, so that counts come from an index; every
change of a config tells :func:`settle`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from bifrost_tui.display import some_of, visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.dialects import unindexed
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.schema import GLOBAL, config, organization
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, References, Scope, SecretUse


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference, and where it lives."""

    id: str
    scope: Scope
    key: str
    created_by: str


class Dangling(StrEnum):
    """Why a reference gives nothing."""

    MISSING = "missing"
    PLAIN = "plain"
    UNREADABLE = "unreadable"
    NEEDS_VALUE = "needs_value"
    BOUND = "bound"


def why_dangling(why: Dangling, target: str) -> str:
    """Say why a reference to ``target`` gives nothing, as the end of a sentence."""
    return {
        Dangling.MISSING: f"there is no secret {target}",
        Dangling.PLAIN: f"{target} is no secret",
        Dangling.UNREADABLE: f"the secret {target} does not decrypt",
        Dangling.NEEDS_VALUE: f"the secret {target} needs a value",
        Dangling.BOUND: f"the secret {target} is bound to another integration",
    }[why]


_REFERENCE = config
_TARGET = config.alias("target")
_OWN_TARGET = config.alias("own_target")
_OWN = config.alias("own_of_that_key")


def dangling(
    rows: FromClause, scope_id: ColumnElement[str] | str, key_ids: tuple[str, ...] | None = None
) -> ColumnElement[str | None]:
    """Return why the reference in a row gives nothing to a reader in a scope; NULL where it does.

    Without ``key_ids`` only what is kept of readability counts, not which master keys are at hand.
    """
    found = [
        _stands_for(rows, _OWN_TARGET, scope_id, key_ids),
        _stands_for(rows, _TARGET, GLOBAL, key_ids),
    ]
    told = func.nullif(func.coalesce(*found, Dangling.MISSING.value), "")
    return case((rows.c.refers_to.is_not(None), told))


def _stands_for(
    rows: FromClause,
    target: FromClause,
    scope_id: ColumnElement[str] | str,
    key_ids: tuple[str, ...] | None,
) -> ColumnElement[str | None]:
    """Return what is wrong with the config that a reference stands for in one scope.

    Nothing wrong is an empty text; NULL, that there is none.
    """
    unread: ColumnElement[bool] = target.c.unreadable_at.is_not(None)
    if key_ids is not None:
        unread = or_(unread, and_(target.c.secret.is_not(None), target.c.key_id.not_in(key_ids)))
    bound = target.c.integration.is_not(None) & or_(
        rows.c.integration.is_(None),
        func.lower(rows.c.integration) != func.lower(target.c.integration),
    )
    return (
        select(
            case(
                # Plain texts, no members of an enum: see dialects.among().
                (target.c.type != ConfigType.SECRET.value, Dangling.PLAIN.value),
                (unread, Dangling.UNREADABLE.value),
                (target.c.secret.is_(None), Dangling.NEEDS_VALUE.value),
                (bound, Dangling.BOUND.value),
                else_="",
            )
        )
        .where(target.c.scope_id == scope_id, target.c.key == rows.c.refers_to)
        .correlate(rows)
        .scalar_subquery()
    )


# Made once: every change asks them.
_SETTLED: Update = update(config).values(dangling=dangling(config, config.c.scope_id))
_SETTLE_ONE = _SETTLED.where(config.c.id == bindparam("reference"))
_SETTLE_GLOBAL = _SETTLED.where(
    config.c.refers_to.in_(bindparam("targets", expanding=True)),
)
_SETTLE_KEYS = _SETTLED.where(
    config.c.scope_id == bindparam("scope"),
    config.c.key.in_(bindparam("keys", expanding=True)),
    unindexed(config.c.refers_to).is_not(None),
)
_SETTLE_OWN = _SETTLE_GLOBAL.where(config.c.scope_id == bindparam("scope"))
# Of the key of one config that was changed, and of the one that it had before.
_SETTLE_TWO_GLOBAL = _SETTLED.where(
    config.c.refers_to.in_([bindparam("target"), bindparam("other")])
)
_SETTLE_TWO = (
    Quick(_SETTLE_TWO_GLOBAL),
    Quick(_SETTLE_TWO_GLOBAL.where(config.c.scope_id == bindparam("scope"))),
)


def settle(connection: Connection, scope_id: str, keys: Collection[str]) -> None:
    """Say anew why references to these keys dangle, after configs of a scope have changed."""
    is_global, targets = scope_id == GLOBAL, sorted(keys)
    of = {} if is_global else {"scope": scope_id}
    if 1 <= len(targets) <= 2:
        ours = {"target": targets[0], "other": targets[-1], **of}
        _SETTLE_TWO[not is_global].run(connection, ours)
    else:
        statement = _SETTLE_GLOBAL if is_global else _SETTLE_OWN
        connection.execute(statement, {"targets": targets, **of})


def settle_one(connection: Connection, config_id: str) -> None:
    """Say anew why one reference dangles: it is new, or refers to another key."""
    connection.execute(_SETTLE_ONE, {"reference": config_id})


def settle_few(connection: Connection, scope_id: str, keys: Collection[str]) -> None:
    """Say anew why references dangle, after a few configs of a scope were written."""
    settle(connection, scope_id, keys)
    connection.execute(_SETTLE_KEYS, {"scope": scope_id, "keys": sorted(keys)})


def settle_written(connection: Connection, scope_id: str) -> None:
    """Say anew why references dangle, after many configs of a scope were written."""
    if scope_id == GLOBAL:
        connection.execute(_SETTLED.where(config.c.refers_to.is_not(None)))
        return
    # The scope's rows are few beside the references of all scopes.
    here = unindexed(config.c.refers_to).is_not(None)
    connection.execute(_SETTLED.where(config.c.scope_id == scope_id, here))


def miscounted(connection: Connection) -> int:
    """Return how many references are kept as what they are not; for checks."""
    told, now = config.c.dangling, dangling(config, config.c.scope_id)
    return int(
        connection.execute(
            select(func.count())
            .select_from(config)
            .where(config.c.refers_to.is_not(None))
            .where(func.coalesce(told, "") != func.coalesce(now, ""))
        ).scalar_one()
    )


def check_target(
    connection: Connection, scope: Scope, refers_to: str, integration: str | None
) -> None:
    """Refuse a reference that would give nothing from the start, or no secret.

    A secret that needs a value, or does not decrypt now, can be referred to: it may yet.

    Raises:
        InvalidInputError: there is no such secret for the scope, or it is bound elsewhere.

    """
    found = connection.execute(
        select(config.c.type, config.c.integration, config.c.scope_id)
        .where(config.c.key == refers_to, config.c.scope_id.in_([scope.id, GLOBAL]))
        .order_by((config.c.scope_id == GLOBAL).asc())
        .limit(1)
    ).one_or_none()
    where = "" if scope.is_global else " and no global one"
    if found is None:
        raise InvalidInputError(
            f"There is no secret {refers_to} in {scope.name}{where}. Add the secret first, or"
            " choose another.",
            field="value",
        )
    if found.type != ConfigType.SECRET:
        kind = "a reference itself" if found.type == ConfigType.SECRET_REF else f"a {found.type}"
        raise InvalidInputError(
            f"{refers_to} is {kind}; a reference stands for a secret. Choose a secret.",
            field="value",
        )
    bound = found.integration
    if bound is not None and not same_integration(bound, integration):
        raise InvalidInputError(
            f"{refers_to} is bound to the integration {visible(bound)}. Give the reference that"
            " integration, or choose another secret.",
            field="integration",
        )


def same_integration(bound: str, integration: str | None) -> bool:
    """Tell whether a reference has the integration that its secret is bound to."""
    return (integration or "").casefold() == bound.casefold()


def referring(scope_id: str, key: str, seen: frozenset[str] | None) -> Select[Any]:
    """Return the references that the secret of a scope and key is read through.

    Of an organization's own secret: the organization's references, and the global ones that it
    inherits. Of a global one: every reference whose scope has no own config of that key.
    """
    rows = _REFERENCE
    query = select(rows.c.id, rows.c.scope_id, rows.c.key, rows.c.created_by).where(
        rows.c.refers_to == key
    )
    if scope_id == GLOBAL:
        hidden = exists().where(_OWN.c.scope_id == rows.c.scope_id, _OWN.c.key == key)
        query = query.where(or_(rows.c.scope_id == GLOBAL, ~hidden))
    else:
        shadowed = exists().where(_OWN.c.scope_id == scope_id, _OWN.c.key == rows.c.key)
        inherited = and_(rows.c.scope_id == GLOBAL, ~shadowed)
        query = query.where(or_(rows.c.scope_id == scope_id, inherited))
    return query if seen is None else query.where(rows.c.scope_id.in_(sorted({*seen, scope_id})))


def references(
    connection: Connection, scope: Scope, key: str, seen: frozenset[str] | None, shown: int
) -> References:
    """Return what refers to a secret: the first few by name, and how many there are."""
    found = referring(scope.id, key, seen).subquery("found")
    rows = connection.execute(
        select(found.c.key, organization.c.name, func.count().over().label("total"))
        .select_from(found)
        .outerjoin(organization, organization.c.id == found.c.scope_id)
        .order_by(organization.c.name_folded.is_not(None), organization.c.name_folded, found.c.key)
        .limit(shown)
    ).all()
    uses = tuple(SecretUse(row.name or GLOBAL_SCOPE.name, row.key) for row in rows)
    return References(uses, rows[0].total if rows else 0)


def all_referring(connection: Connection, scope: Scope, key: str) -> list[Reference]:
    """Return every reference whose value a secret is; inherited ones, which stay, are left out."""
    found = referring(scope.id, key, None).subquery("found")
    rows = connection.execute(
        select(found, organization.c.name, organization.c.archived_at)
        .outerjoin(organization, organization.c.id == found.c.scope_id)
        .order_by(organization.c.name_folded, found.c.key)
        .where(found.c.scope_id == scope.id if not scope.is_global else true())
    )
    return [
        Reference(
            row.id,
            GLOBAL_SCOPE
            if row.scope_id == GLOBAL
            else Scope(row.scope_id, row.name, archived=row.archived_at is not None),
            row.key,
            row.created_by,
        )
        for row in rows
    ]


def named(found: Sequence[Reference]) -> str:
    """Name the first few references, and count the others."""
    return some_of([f"{each.scope.name} / {each.key}" for each in found])


def point(
    connection: Connection, reference: Reference, key: str, now: datetime, actor: str
) -> None:
    """Let a reference stand for a secret of another key."""
    connection.execute(
        update(config)
        .where(config.c.id == reference.id)
        .values(refers_to=key, updated_at=now, updated_by=actor, version=config.c.version + 1)
    )
