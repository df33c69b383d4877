"""Secrets that are not under the newest master key, a batch at a time: read, and put back.

Between both, others read and write: what has changed meanwhile is not put back.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from bifrost_tui.crypto.rekeying import Done, Job, Rekeyer
from bifrost_tui.crypto.rekeying_worker import Worker, WorkerLostError
from bifrost_tui.store.dialects import (
    ALONG_IDS,
    FIRST_PLACE,
    PUT_ALL_TOKENS,
    ConfigPlace,
    among,
    unindexed,
)
from bifrost_tui.store.engine import Database
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.schema import GLOBAL, config, organization
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope

BATCH_BYTES = 4 * 1024 * 1024
"""As much of tokens goes into one batch, of however few secrets."""

MANY = 10_000
"""Of fewer secrets, other processes would take longer to start than they save."""
MOST_PROCESSES = 2

_STREAMED = 250
_JOB = 6
"""How many columns of a row are a job's; the others follow."""
_COLUMNS = (
    *(config.c.scope_id, config.c.id, config.c.secret_version, config.c.key_id),
    *(config.c.secret, config.c.hint, config.c.version, config.c.key),
    ConfigPlace().label("place"),
)
_IN_PLACE = update(config).where(
    ConfigPlace() == bindparam("its_place"),
    config.c.id == bindparam("its_id"),
    # Whatever changes a value or its mask counts one of these up, or takes another key.
    config.c.version == bindparam("its_version"),
    config.c.secret_version == bindparam("its_secret_version"),
    config.c.key_id == bindparam("its_key"),
)
_NEW: dict[str, Any] = {"secret": bindparam("new_secret"), "key_id": bindparam("new_key")}
_PUT_NAMES = (
    *("new_secret", "new_key", "its_place", "its_id"),
    *("its_version", "its_secret_version", "its_key"),
)
_PUT = Quick(_IN_PLACE.values(**_NEW))
_PUT_HINT = Quick(_IN_PLACE.values(hint=bindparam("new_hint"), **_NEW))

Row = tuple[Any, ...]
Batch = list[Row]


@dataclass(frozen=True, slots=True)
class Unopened:
    """A secret whose token does not open, by where it is."""

    scope_id: str
    key: str
    key_id: str | None


def processes_for(number: int) -> int:
    """Return how many other processes are worth starting for so many secrets."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(cores, MOST_PROCESSES) if number >= MANY and cores > 1 else 0


class Walk:
    """The secrets that are under other keys, one after another."""

    def __init__(self, database: Database, key_ids: Collection[str], size: int) -> None:
        self._database = database
        self._size = size
        key, place = unindexed(config.c.key_id), ConfigPlace()
        # What is written meanwhile stands behind, or is found at the end.
        self._query = Quick(
            select(*_COLUMNS)
            .where(
                place > bindparam("after"),
                config.c.secret.is_not(None),
                or_(key.is_(None), *(key == bindparam(f"key_{at}") for at in range(len(key_ids)))),
            )
            .order_by(place)
            .limit(bindparam("most", type_=Integer))
        )
        self._keys = {f"key_{at}": key_id for at, key_id in enumerate(key_ids)}

    def batches(self) -> Iterator[Batch]:
        """Return batch after batch, each as it is when it is asked for."""
        after = FIRST_PLACE[self._database.dialect]
        while batch := self._database.read(lambda connection: self._batch(connection, after)):  # noqa: B023
            yield batch
            after = batch[-1][8]

    def _batch(self, connection: Connection, after: str) -> Batch:
        found: Batch = []
        size = 0
        values = {**self._keys, "after": after, "most": self._size}
        if connection.dialect.name == "postgresql":
            connection.execute(ALONG_IDS)
        with closing(self._query.stream(connection, values, _STREAMED)) as parts:
            for part in parts:
                found += part
                size += sum(len(str(row[4])) for row in part)
                if size >= BATCH_BYTES:
                    break
        return found


def jobs_of(batch: Batch) -> list[Job]:
    """Return what is to be re-encrypted of a batch."""
    return [row[:_JOB] for row in batch]


def re_encrypted(
    batches: Iterator[Batch], rekeyer: Rekeyer, processes: int
) -> Generator[tuple[Batch, list[Done]]]:
    """Return each batch with what became of it; others are worked on while that is looked at."""
    workers = _workers(rekeyer, processes)
    running: deque[tuple[Worker, Batch]] = deque()
    try:
        for worker in list(workers):
            if (batch := next(batches, None)) is not None and not _given(worker, batch):
                yield batch, rekeyer.run(jobs_of(batch))
            elif batch is not None:
                running.append((worker, batch))
        ahead = next(batches, None)
        while running:
            worker, batch = running.popleft()
            done = _taken(worker)
            if done is not None and ahead is not None and _given(worker, ahead):
                running.append((worker, ahead))
                ahead = None
            yield batch, rekeyer.run(jobs_of(batch)) if done is None else done
            if ahead is None:
                ahead = next(batches, None)
        # Without a worker, or when all of them were lost.
        while ahead is not None:
            yield ahead, rekeyer.run(jobs_of(ahead))
            ahead = next(batches, None)
    finally:
        for worker in workers:
            worker.close()


def _workers(rekeyer: Rekeyer, number: int) -> list[Worker]:
    found: list[Worker] = []
    with suppress(WorkerLostError):
        for _ in range(number):
            found.append(Worker(rekeyer))  # noqa: PERF401  those before are kept
    return found


def _given(worker: Worker, batch: Batch) -> bool:
    try:
        worker.give(jobs_of(batch))
    except WorkerLostError:
        return False
    return True


def _taken(worker: Worker) -> list[Done] | None:
    try:
        return worker.take()
    except WorkerLostError:
        return None


def put(connection: Connection, key_id: str, batch: Batch, done: list[Done]) -> int:
    """Put new tokens into the rows that are still as they were; return how many these are."""
    if connection.dialect.name == "postgresql":
        return _put_at_once(connection, key_id, batch, done)
    plain: list[Row] = []
    hinted: list[Row] = []
    for row, new in zip(batch, done, strict=True):
        if new is None:
            continue
        values = (new[0], key_id, row[8], row[1], row[6], row[2], row[3])
        if row[5]:
            hinted.append((*values, new[1]))
        else:
            plain.append(values)
    number = _PUT.run_rows(connection, _PUT_NAMES, plain) if plain else 0
    if hinted:
        number += _PUT_HINT.run_rows(connection, (*_PUT_NAMES, "new_hint"), hinted)
    return number


def _put_at_once(connection: Connection, key_id: str, batch: Batch, done: list[Done]) -> int:
    pairs = [(row, new) for row, new in zip(batch, done, strict=True) if new is not None]
    values = {
        "new_key": key_id,
        "ids": [row[1] for row, _ in pairs],
        "versions": [row[6] for row, _ in pairs],
        "secret_versions": [row[2] for row, _ in pairs],
        "keys": [row[3] for row, _ in pairs],
        "secrets": [new[0] for _, new in pairs],
        "hints": [new[1] for _, new in pairs],
    }
    return connection.execute(PUT_ALL_TOKENS, values).rowcount if pairs else 0


def unopened(batch: Batch, done: list[Done]) -> dict[str, Unopened]:
    """Return of a batch, by id, what did not open."""
    if None not in done:
        return {}
    return {
        row[1]: Unopened(row[0], row[7], row[3])
        for row, new in zip(batch, done, strict=True)
        if new is None
    }


def remaining(connection: Connection, key_ids: Collection[str], most: int) -> Batch:
    """Return rows that are under some keys, found by the keys: for when they are few."""
    query = select(*_COLUMNS).where(among(config.c.key_id, key_ids), config.c.secret.is_not(None))
    return [tuple(row) for row in connection.execute(query.limit(most))]


def under(connection: Connection, key_ids: Collection[str], most: int) -> dict[str, Unopened]:
    """Return by id where secrets under some keys are, by scope and key."""
    query = (
        select(config.c.id, config.c.scope_id, config.c.key, config.c.key_id)
        .where(among(config.c.key_id, key_ids))
        .order_by(config.c.scope_id, config.c.key)
        .limit(most)
    )
    return {
        row.id: Unopened(row.scope_id, row.key, row.key_id) for row in connection.execute(query)
    }


def scopes_of(connection: Connection, ids: Collection[str]) -> Callable[[str], Scope]:
    """Return what gives the scope of an id."""
    found = {GLOBAL: GLOBAL_SCOPE}
    wanted = sorted(set(ids) - {GLOBAL})
    for start in range(0, len(wanted), _STREAMED):
        query = select(organization.c.id, organization.c.name, organization.c.archived_at).where(
            among(organization.c.id, wanted[start : start + _STREAMED])
        )
        for row in connection.execute(query):
            found[row.id] = Scope(row.id, row.name, archived=row.archived_at is not None)
    return lambda scope_id: found.get(scope_id, Scope(scope_id, scope_id))


def tidy(database: Database) -> None:
    """Let overwritten tokens leave SQLite's write-ahead log, unless somebody reads from it now."""
    if database.path is None:
        return
    with suppress(sqlite3.Error, SQLAlchemyError), database.engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        [waits] = driver.execute("PRAGMA busy_timeout").fetchone()
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            driver.execute(f"PRAGMA busy_timeout = {waits}")
