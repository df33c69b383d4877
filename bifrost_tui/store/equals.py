"""Groups of secrets that have the same value, kept with every change of one.

A fingerprint of eight characters finds the candidates; the values themselves decide. A group is
named by the fingerprint, with a number behind it where two values happen to share one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update

from bifrost_tui.crypto.cipher import Keyring, Sealed
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.schema import config

_AT_ONCE = 500
_SEALED = (
    config.c.id,
    config.c.scope_id,
    config.c.secret,
    config.c.secret_version,
    config.c.key_id,
    config.c.fingerprint,
    config.c.equal_group,
)

# Made once: every new value asks these.
_ALIKE = select(*_SEALED).where(
    config.c.fingerprint == bindparam("wanted"),
    config.c.secret.is_not(None),
    config.c.id != bindparam("but"),
)
_SHARED = select(config.c.fingerprint).group_by(config.c.fingerprint).having(func.count() > 1)
_IN_GROUP = (
    select(config.c.id)
    .where(config.c.equal_group == bindparam("wanted"), config.c.id != bindparam("but"))
    .limit(2)
)
_PUT = (
    update(config)
    .where(config.c.id.in_(bindparam("ids", expanding=True)))
    .values(equal_group=bindparam("group"))
)


def join(
    connection: Connection, keyring: Keyring, config_id: str, fingerprint: str, value: bytes
) -> str | None:
    """Return the group of a new value, others of that value put into it; ``None`` if it is alone.

    Each of the others is opened and compared where it lies.
    """
    alike = connection.execute(_ALIKE, {"wanted": fingerprint, "but": config_id}).all()
    # One of a group speaks for all of it.
    groups = {row.equal_group for row in alike} - {None}
    equal = [row for row in alike if row.equal_group is None and _holds(keyring, row, value)]
    for group in sorted(groups):
        if any(_holds(keyring, row, value) for row in alike if row.equal_group == group):
            _put(connection, [row.id for row in equal], group)
            return str(group)
    if not equal:
        return None
    group = _name(fingerprint, equal, alike)
    _put(connection, [row.id for row in equal], group)
    return group


def leave(connection: Connection, group: str | None, *, but: str = "") -> None:
    """Dissolve a group that one has left (``but``: it is not written yet), if one is left in it."""
    if group is None:
        return
    left = connection.scalars(_IN_GROUP, {"wanted": group, "but": but}).all()
    if len(left) == 1:
        _put(connection, left, None)


def regroup(connection: Connection, keyring: Keyring, fingerprints: Collection[str]) -> None:
    """Find the groups anew among secrets with these fingerprints, after many were written."""
    wanted = sorted(fingerprints)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        _regroup_each(connection, keyring, _SHARED.where(config.c.fingerprint.in_(some)))


def group_all(connection: Connection, keyring: Keyring) -> None:
    """Find every group, in a database that kept none."""
    _regroup_each(connection, keyring, _SHARED.where(config.c.fingerprint >= ""))


def _regroup_each(connection: Connection, keyring: Keyring, shared: Select[Any]) -> None:
    for fingerprint in connection.scalars(shared).all():
        alike = connection.execute(_ALIKE, {"wanted": fingerprint, "but": ""}).all()
        _regroup(connection, keyring, fingerprint, alike)


def _regroup(
    connection: Connection, keyring: Keyring, fingerprint: str, alike: Collection[Any]
) -> None:
    groups: list[list[Any]] = []
    for row in alike:
        same = (each for each in groups if _same(keyring, each[0], row))
        if (found := next(same, None)) is None:
            groups.append([row])
        else:
            found.append(row)
    for group in groups:
        # A group of one stays as it is: what cannot be opened cannot be compared.
        if len(group) > 1:
            name = _name(fingerprint, group, alike)
            _put(connection, [row.id for row in group if row.equal_group != name], name)


def _holds(keyring: Keyring, row: Any, value: bytes) -> bool:
    return keyring.holds(sealed_of(row), place_of(row), value)


def _same(keyring: Keyring, one: Any, other: Any) -> bool:
    return keyring.same(sealed_of(one), place_of(one), sealed_of(other), place_of(other))


def _name(fingerprint: str, equal: Collection[Any], alike: Collection[Any]) -> str:
    own = {row.equal_group for row in equal} - {None}
    if own:
        return str(min(own))
    taken = {row.equal_group for row in alike}
    names = [fingerprint, *(f"{fingerprint}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _put(connection: Connection, ids: Collection[str], group: str | None) -> None:
    wanted = sorted(ids)
    for start in range(0, len(wanted), _AT_ONCE):
        connection.execute(_PUT, {"ids": wanted[start : start + _AT_ONCE], "group": group})


def sealed_of(row: Any) -> Sealed:
    """Return the token that stands in a row."""
    return Sealed(row.secret, row.key_id)


def place_of(row: Any) -> Any:
    """Return where that token belongs."""
    return seal_context(row.scope_id, row.id, row.secret_version)
