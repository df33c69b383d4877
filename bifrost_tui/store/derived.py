"""What is kept beside the configs and follows from them: looked at anew, and put right.

Looks are short reads, one after another; a mend is one transaction with its audit event, which asks
the rows again under the write lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from bifrost_tui.crypto.cipher import Keyring
from bifrost_tui.store.access import require_all, require_host
from bifrost_tui.store.audit import Event
from bifrost_tui.store.context import StoreContext, folded_name
from bifrost_tui.store.equals import place_of, sealed_of
from bifrost_tui.store.references import dangling
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import GLOBAL, config, organization, scope_summary
from bifrost_tui.store.summaries import counted, kept_counts, recount
from bifrost_tui.store.values import ConfigType

_ROWS = 1000
_CHECK = Event("database.check")


class Kept(StrEnum):
    """What is kept and can be found anew."""

    COUNTS = "counts"
    DUE = "due"
    REFERENCES = "references"
    FINGERPRINTS = "fingerprints"
    GROUPS = "groups"
    NAMES = "names"


def differing(repository: Repository, access: Access, kept: Kept) -> tuple[str, ...]:
    """Return the ids of what is kept differently from what follows from the configs.

    Of counts, those are ids of scopes; of names, of organizations; else of configs.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """
    context = repository._context

    def look(work: Callable[[Connection], Sequence[str]]) -> Sequence[str]:
        def checked(connection: Connection) -> Sequence[str]:
            require_all(connection, access, "check what is kept of every organization")
            return work(connection)

        return context.guard(access, _CHECK, lambda: context.database.read(checked))

    return tuple(_looked(context, kept, look))


def put_right(repository: Repository, access: Access, kept: Kept) -> int:
    """Find anew what is kept, and return how many rows that changed.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations, on the host.

    """
    context = repository._context
    event = Event("database.fix", details={"what": kept.value})

    def allowed(connection: Connection) -> None:
        require_host(access, "A database is mended")
        require_all(connection, access, "mend what is kept of every organization")

    def look(work: Callable[[Connection], Sequence[str]]) -> Sequence[str]:
        def checked(connection: Connection) -> Sequence[str]:
            allowed(connection)
            return work(connection)

        return context.database.read(checked)

    def run() -> int:
        wanted = tuple(_looked(context, kept, look))

        def work(connection: Connection) -> int:
            allowed(connection)
            done = sum(_MENDED[kept](context, connection, some) for some in _batches(wanted))
            if done:
                told = Event("database.fix", details={"what": kept.value, "rows": done})
                context.chain.append(connection, access, told)
            return done

        return context.database.write_rows(work) if wanted else 0

    return context.guard(access, event, run)


def _looked(
    context: StoreContext,
    kept: Kept,
    look: Callable[[Callable[[Connection], Sequence[str]]], Sequence[str]],
) -> Iterator[str]:
    if kept in _AT_ONCE:
        yield from look(_AT_ONCE[kept])
    elif kept is Kept.GROUPS:
        fingerprints = look(_grouped_fingerprints)
        for some in _batches(fingerprints):
            yield from look(partial(_regrouped_ids, context, some))
        yield from look(_grouped_alone)
    else:
        wrong = _late if kept is Kept.DUE else _misprinted
        after = ""
        while after is not None:
            found: list[str] = []
            after = _chunk(look, context, wrong, after, found)
            yield from found


def _chunk(
    look: Callable[[Callable[[Connection], Sequence[str]]], Sequence[str]],
    context: StoreContext,
    wrong: Callable[[StoreContext, Any], dict[str, Any] | None],
    after: str,
    found: list[str],
) -> Any:
    """Look at the next rows, put the wrong ones' ids into ``found``, return where to go on."""
    last: list[str] = []

    def work(connection: Connection) -> list[str]:
        query = _SECRETS.where(config.c.id > after).order_by(config.c.id).limit(_ROWS)
        rows = connection.execute(query).all()
        if len(rows) == _ROWS:
            last.append(rows[-1].id)
        return [row.id for row in rows if wrong(context, row) is not None]

    found += look(work)
    return last[0] if last else None


_SECRETS = select(
    config.c.id,
    config.c.scope_id,
    config.c.type,
    config.c.secret,
    config.c.secret_version,
    config.c.key_id,
    config.c.fingerprint,
    config.c.equal_group,
    config.c.secret_changed_at,
    config.c.rotate_every_days,
    config.c.due_at,
).where(or_(config.c.type == ConfigType.SECRET.value, config.c.due_at.is_not(None)))


def _late(_context: StoreContext, row: Any) -> dict[str, Any] | None:
    """Return what a row should say of when it is due, where it says something else."""
    changed, period = row.secret_changed_at, row.rotate_every_days
    due = None
    if row.type == ConfigType.SECRET and changed and period:
        try:
            due = changed + timedelta(days=period)
        except OverflowError:
            # No period of ours is that long; there is nothing to put right to.
            return None
    return None if due == row.due_at else {"due_at": due}


def _misprinted(context: StoreContext, row: Any) -> dict[str, Any] | None:
    """Return the fingerprint of a row's value, where it keeps another; unopened, it is kept."""
    if row.secret is None or row.key_id is None:
        return None
    found = context.keyring.fingerprint(sealed_of(row), place_of(row), context.root)
    return None if found in (None, row.fingerprint) else {"fingerprint": found}


def _mend_rows(
    wrong: Callable[[StoreContext, Any], dict[str, Any] | None],
) -> Callable[[StoreContext, Connection, Sequence[str]], int]:
    def mend(context: StoreContext, connection: Connection, ids: Sequence[str]) -> int:
        done = 0
        for row in connection.execute(_SECRETS.where(config.c.id.in_(ids))).all():
            if (values := wrong(context, row)) is not None:
                connection.execute(update(config).where(config.c.id == row.id).values(values))
                done += 1
        return done

    return mend


# Counts


def _recount(_context: StoreContext, connection: Connection, scopes: Sequence[str]) -> int:
    found, kept = counted(connection), kept_counts(connection)
    real = {GLOBAL, *connection.scalars(select(organization.c.id))}
    done = 0
    for scope in scopes:
        configs, secrets, empty = found.get(scope, (0, 0, 0))
        values = {"configs": configs, "secrets": secrets, "needs_value": empty}
        here = scope_summary.c.scope_id == scope
        if scope not in real:
            connection.execute(delete(scope_summary).where(here))
        elif scope not in kept:
            connection.execute(insert(scope_summary).values(scope_id=scope, **values))
        elif kept[scope] != (configs, secrets, empty):
            connection.execute(update(scope_summary).where(here).values(values))
        else:
            continue
        done += 1
    return done


# References


def _missettled(connection: Connection) -> list[str]:
    told, now = config.c.dangling, dangling(config, config.c.scope_id)
    return list(
        connection.scalars(
            select(config.c.id)
            .where(or_(config.c.refers_to.is_not(None), told.is_not(None)))
            .where(func.coalesce(told, "") != func.coalesce(now, ""))
        )
    )


def _resettle(_context: StoreContext, connection: Connection, ids: Sequence[str]) -> int:
    now = dangling(config, config.c.scope_id)
    done = connection.execute(update(config).where(config.c.id.in_(ids)).values(dangling=now))
    return done.rowcount


# Names


def _misnamed(connection: Connection) -> list[str]:
    rows = connection.execute(
        select(organization.c.id, organization.c.name, organization.c.name_folded)
    )
    return [row.id for row in rows if folded_name(row.name) != row.name_folded]


def _rename(_context: StoreContext, connection: Connection, ids: Sequence[str]) -> int:
    rows = connection.execute(
        select(organization.c.id, organization.c.name).where(organization.c.id.in_(ids))
    ).all()
    done = 0
    for row in rows:
        folded = folded_name(row.name)
        other = select(organization.c.id).where(
            organization.c.name_folded == folded, organization.c.id != row.id
        )
        if connection.execute(other).first() is None:
            here = organization.c.id == row.id
            connection.execute(update(organization).where(here).values(name_folded=folded))
            done += 1
    return done


# Groups of equal values


def _grouped_fingerprints(connection: Connection) -> list[str]:
    shared = (
        select(config.c.fingerprint)
        .where(config.c.fingerprint.is_not(None))
        .group_by(config.c.fingerprint)
        .having(func.count() > 1)
    )
    grouped = select(config.c.fingerprint).where(
        config.c.equal_group.is_not(None), config.c.fingerprint.is_not(None)
    )
    return sorted({*connection.scalars(shared), *connection.scalars(grouped.distinct())})


def _grouped_alone(connection: Connection) -> list[str]:
    """Return what is in a group and has no value that another could have too."""
    return list(
        connection.scalars(
            select(config.c.id).where(
                config.c.equal_group.is_not(None),
                or_(config.c.fingerprint.is_(None), config.c.secret.is_(None)),
            )
        )
    )


def _regrouped(
    context: StoreContext, connection: Connection, fingerprints: Collection[str]
) -> dict[str, str | None]:
    """Return the groups that secrets with these fingerprints belong to and are not kept in."""
    query = _SECRETS.where(
        config.c.fingerprint.in_(list(fingerprints)), config.c.secret.is_not(None)
    )
    alike: dict[str, list[Any]] = {}
    for row in connection.execute(query.order_by(config.c.id)):
        alike.setdefault(row.fingerprint, []).append(row)
    found: dict[str, str | None] = {}
    for fingerprint, rows in alike.items():
        found |= expected_groups(context.keyring, fingerprint, rows)
    return found


def _regrouped_ids(
    context: StoreContext, fingerprints: Collection[str], connection: Connection
) -> list[str]:
    return list(_regrouped(context, connection, fingerprints))


def expected_groups(
    keyring: Keyring, fingerprint: str, rows: Sequence[Any]
) -> dict[str, str | None]:
    """Return the groups that rows of one fingerprint belong to, where they are kept in others.

    What does not open cannot be compared: it stays where it is, and holds its group's name.
    """
    classes: list[list[Any]] = []
    closed: set[str] = set()
    for row in rows:
        if not keyring.opens(sealed_of(row), place_of(row)):
            closed |= {row.equal_group} - {None}
            continue
        for one in classes:
            if keyring.same(sealed_of(one[0]), place_of(one[0]), sealed_of(row), place_of(row)):
                one.append(row)
                break
        else:
            classes.append([row])
    taken: set[str] = set()
    wrong: dict[str, str | None] = {}
    for one in sorted(classes, key=len, reverse=True):
        group = _group(fingerprint, one, taken, closed)
        taken |= {group} if group else set()
        wrong |= {row.id: group for row in one if row.equal_group != group}
    return wrong


def _group(fingerprint: str, equal: Sequence[Any], taken: set[str], closed: set[str]) -> str | None:
    """Return the name of a group: the one that most of it have already, where that can stay."""
    own = Counter(row.equal_group for row in equal if row.equal_group is not None)
    for name, _ in own.most_common():
        ours = name == fingerprint or name.startswith(f"{fingerprint}-")
        if ours and name not in taken and (len(equal) > 1 or name in closed):
            return str(name)
    if len(equal) == 1:
        return None
    names = [fingerprint, *(f"{fingerprint}-{at}" for at in range(2, len(taken | closed) + 3))]
    return next(name for name in names if name not in taken and name not in closed)


def _regroup(context: StoreContext, connection: Connection, ids: Sequence[str]) -> int:
    prints = connection.scalars(
        select(config.c.fingerprint).where(
            config.c.id.in_(ids), config.c.fingerprint.is_not(None), config.c.secret.is_not(None)
        )
    )
    wanted = _regrouped(context, connection, sorted(set(prints)))
    alone = connection.scalars(
        select(config.c.id).where(
            config.c.id.in_(ids),
            config.c.equal_group.is_not(None),
            or_(config.c.fingerprint.is_(None), config.c.secret.is_(None)),
        )
    )
    wanted |= dict.fromkeys(alone)
    for row_id, group in wanted.items():
        connection.execute(update(config).where(config.c.id == row_id).values(equal_group=group))
    return len(wanted)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


_AT_ONCE: dict[Kept, Callable[[Connection], list[str]]] = {
    Kept.COUNTS: recount,
    Kept.REFERENCES: _missettled,
    Kept.NAMES: _misnamed,
}
_MENDED: dict[Kept, Callable[[StoreContext, Connection, Sequence[str]], int]] = {
    Kept.COUNTS: _recount,
    Kept.DUE: _mend_rows(_late),
    Kept.REFERENCES: _resettle,
    Kept.FINGERPRINTS: _mend_rows(_misprinted),
    Kept.GROUPS: _regroup,
    Kept.NAMES: _rename,
}
