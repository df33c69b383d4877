"""Changing the master key: every secret is encrypted anew under the newest one, while others work.

A batch is read, re-encrypted and put back in a short transaction of its own, with its event. It
can end anywhere and be run again: what is done is told by the key that a row is under. At the end,
under the write lock, what was written under an old key meanwhile is done too, and the old keys
that nothing is under any more are taken out of those that open the database.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter

from sqlalchemy import Connection, delete, select

from bifrost_tui.crypto.rekeying import Done, Rekeyer
from bifrost_tui.errors import AccessDeniedError, DatabaseError
from bifrost_tui.store import rekeying_rows as rows
from bifrost_tui.store.access import EVERYWHERE, Role, role_in
from bifrost_tui.store.audit import DONE, FAILED, Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.key_uses import KeyUse, key_uses, secrets_under
from bifrost_tui.store.places import SECRET_FIELD
from bifrost_tui.store.rekeying_report import MOST_NAMED, RekeyFailure, RekeyReport
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.store.schema import key_check
from bifrost_tui.store.stored import why_unreadable

__all__ = ["BATCH", "KeyUse", "MasterKeys", "RekeyFailure", "RekeyReport"]

ACTION = "key.rotate"

BATCH = 4000
"""As many secrets are put back in one transaction."""

_PASSES = 20
"""After so many walks, others write under the old key faster than this goes."""

_KEYLESS = "it names no master key that it was written under"


@dataclass
class _Sums:
    """How far it is."""

    re_encrypted: int = 0
    moved: int = 0
    """Rows that had changed before they were put back, in this pass."""
    unopened: dict[str, rows.Unopened] = field(default_factory=dict)
    """Some of the secrets that did not open, by id."""
    not_opened: Counter[str | None] = field(default_factory=Counter)
    """How many did not, by the key that they are under."""

    def failed(self, found: dict[str, rows.Unopened]) -> None:
        """Take secrets in that did not open."""
        self.not_opened.update(one.key_id for one in found.values())
        if len(self.unopened) < MOST_NAMED:
            self.unopened |= found

    def anew(self, key_ids: Collection[str]) -> None:
        """Forget what did not open under some keys: it is tried again."""
        self.unopened = {
            its_id: one for its_id, one in self.unopened.items() if one.key_id not in key_ids
        }
        for key_id in key_ids:
            self.not_opened.pop(key_id, None)


class MasterKeys:
    """The master keys of one database, and how everything comes under the newest of them."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def uses(self, access: Access) -> tuple[KeyUse, ...]:
        """Return the keys at hand, newest first, then those that are in use and not at hand.

        Raises:
            AccessDeniedError: that takes an owner or an admin of all organizations.

        """
        return key_uses(self._context, access)

    def may_rotate(self, access: Access) -> bool:
        """Tell whether the master key is the actor's to change."""
        return self._context.database.read(lambda connection: not _refusal(connection, access))

    def rotate(
        self,
        access: Access,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        batch: int = BATCH,
        processes: int | None = None,
    ) -> RekeyReport:
        """Encrypt everything under the newest key, and let the old keys go that nothing needs.

        A dry run opens every secret and changes nothing. When ``stop`` is set, it ends after the
        batch at hand. It can be run again at any time, and goes on where it was. ``processes`` is
        how many others help; without it, as many as are worth it.

        Raises:
            AccessDeniedError: that takes an owner of all organizations, on the host.
            WrongMasterKeyError: the newest key was itself taken out of use meanwhile.
            DatabaseError: it could not go on; what is done stays done.

        """
        run = _Rotation(self._context, access, progress, stop or threading.Event(), batch)
        details = {"key_id": self._context.keyring.newest.key_id}
        work = run.rehearse if dry_run else run.run
        return self._context.guard(access, Event(ACTION, details=details), lambda: work(processes))


class _Rotation:
    """One run."""

    def __init__(
        self,
        context: StoreContext,
        access: Access,
        progress: Progress | None,
        stop: threading.Event,
        batch: int,
    ) -> None:
        self._context = context
        self._access = access
        self._progress = progress or _nobody
        self._stop = stop
        self._batch = batch
        self._newest = context.keyring.newest.key_id
        self._old = [key_id for key_id in context.keyring.key_ids if key_id != self._newest]
        self._rekeyer = Rekeyer.of(context.keyring, SECRET_FIELD)
        self._sums = _Sums()
        self._total = self._seen = 0

    # The two ways through

    def run(self, processes: int | None) -> RekeyReport:
        """Re-encrypt everything."""
        problem: DatabaseError | None = None
        try:
            self._begin()
            return self._run(processes)
        except DatabaseError as error:
            problem = error
        if self._sums.re_encrypted:
            raise type(problem)(
                f"{problem.message} Before that, {self._sums.re_encrypted:,} secrets were"
                " re-encrypted and stay so; running it again goes on."
            )
        raise problem

    def _run(self, processes: int | None) -> RekeyReport:
        for _ in range(_PASSES):
            self._walk(processes, self._put)
            if self._stop.is_set():
                return self._write(self._cancelled)
            report = self._write(self._finish)
            if report is not None:
                self._tidy()
                return report
        return self._write(self._close)

    def rehearse(self, processes: int | None) -> RekeyReport:
        """Open everything, and say what would become of it."""
        self._begin()

        def opened(_batch: rows.Batch, done: list[Done]) -> int:
            return sum(new is not None for new in done)

        self._walk(processes, opened)
        return self._context.database.read(lambda connection: self._report(connection, dry=True))

    def _begin(self) -> None:
        found = self._context.database.read(self._allowed)
        self._total = sum(found.get(key_id, 0) for key_id in self._old)
        self._progress(0, self._total)

    def _allowed(self, connection: Connection) -> dict[str, int]:
        self._check(connection)
        return secrets_under(connection)

    def _check(self, connection: Connection) -> None:
        if refusal := _refusal(connection, self._access):
            raise AccessDeniedError(refusal)

    def _walk(self, processes: int | None, each: Callable[[rows.Batch, list[Done]], int]) -> None:
        """Go through all that is not under the newest key, once."""
        sums = self._sums
        sums.moved, sums.unopened, sums.not_opened = 0, {}, Counter()
        self._seen = sums.re_encrypted
        walk = rows.Walk(self._context.database, self._old, self._batch)
        number = rows.processes_for(self._total) if processes is None else processes
        with closing(rows.re_encrypted(walk.batches(), self._rekeyer, number)) as made:
            for batch, done in made:
                if self._stop.is_set():
                    return
                failed = rows.unopened(batch, done)
                sums.failed(failed)
                put = each(batch, done)
                sums.re_encrypted += put
                sums.moved += len(batch) - len(failed) - put
                self._seen += len(batch)
                self._progress(self._seen, max(self._total, self._seen))

    # In a transaction each

    def _write(self, work: Callable[[Connection], RekeyReport | None]) -> RekeyReport:
        return self._context.database.write_rows(work)  # type: ignore[return-value]

    def _put(self, batch: rows.Batch, done: list[Done]) -> int:
        return self._context.database.write_rows(
            lambda connection: self._put_back(connection, batch, done)
        )

    def _put_back(self, connection: Connection, batch: rows.Batch, done: list[Done]) -> int:
        self._check(connection)
        self._context.check_key(connection)
        number = rows.put(connection, self._newest, batch, done)
        if number:
            self._tell(connection, DONE, re_encrypted=number)
        return number

    def _finish(self, connection: Connection) -> RekeyReport | None:
        """Do what others have written meanwhile, and let keys go; nothing where that is much."""
        self._check(connection)
        self._context.check_key(connection)
        batch = rows.remaining(connection, self._old, self._batch + 1)
        if len(batch) > self._batch:
            tried = sum(self._sums.not_opened[key_id] for key_id in self._old)
            if self._sums.moved or tried != self._count_old(connection):
                return None
        else:
            # What did not open may have got another value, or be gone.
            self._sums.anew(self._old)
            done = self._rekeyer.run(rows.jobs_of(batch))
            self._sums.failed(rows.unopened(batch, done))
            self._sums.re_encrypted += self._put_back(connection, batch, done)
        return self._close(connection)

    def _count_old(self, connection: Connection) -> int:
        found = secrets_under(connection)
        return sum(found.get(key_id, 0) for key_id in self._old)

    def _close(self, connection: Connection) -> RekeyReport:
        report = self._report(connection)
        self._tell(
            connection,
            FAILED if report.failures else DONE,
            re_encrypted=report.re_encrypted,
            already=report.already,
            failed=report.failures,
            ended=self._retire(connection, report),
        )
        return report

    def _cancelled(self, connection: Connection) -> RekeyReport:
        report = self._report(connection, cancelled=True)
        self._tell(connection, DONE, re_encrypted=report.re_encrypted, left=report.left)
        return report

    def _retire(self, connection: Connection, report: RekeyReport) -> list[str]:
        """Take keys out of those that open the database; return which."""
        known = {row.key_id for row in connection.execute(select(key_check.c.key_id))}
        gone = sorted(known.intersection(report.unused))
        for key_id in gone:
            connection.execute(delete(key_check).where(key_check.c.key_id == key_id))
        return gone

    def _tell(self, connection: Connection, outcome: str, **details: object) -> None:
        told = Event(ACTION, outcome=outcome, details={"key_id": self._newest, **details})
        self._context.chain.append(connection, self._access, told)

    # What is told of it

    def _report(
        self, connection: Connection, *, dry: bool = False, cancelled: bool = False
    ) -> RekeyReport:
        cancelled = cancelled or (dry and self._stop.is_set())
        sums, found = self._sums, secrets_under(connection)
        here = found.get(self._newest, 0)
        absent = {key_id for key_id in found if key_id not in (self._newest, *self._old)}
        unopened = dict(islice(sums.unopened.items(), MOST_NAMED))
        if absent and len(unopened) < MOST_NAMED:
            unopened |= rows.under(connection, absent, MOST_NAMED - len(unopened))
        remain = {key_id: found[key_id] for key_id in self._old if key_id in found}
        failed = sum(sums.not_opened[key_id] for key_id in self._old)
        left = sum(remain.values()) - failed - (sums.re_encrypted if dry else 0)
        if dry and not cancelled:
            # Of these, all the others would be under the newest.
            remain = {key_id: count for key_id, count in sums.not_opened.items() if key_id}
        stay = absent | remain.keys()
        return RekeyReport(
            key_id=self._newest,
            re_encrypted=sums.re_encrypted,
            already=here if dry else max(here - sums.re_encrypted, 0),
            failed=self._failures(connection, unopened),
            failures=sums.not_opened.total() + sum(found[key_id] for key_id in absent),
            unused=tuple(self._unused(connection, stay)),
            needed=tuple(sorted(stay)),
            dry_run=dry,
            cancelled=cancelled,
            left=max(left, 0) if cancelled else 0,
        )

    def _failures(
        self, connection: Connection, unopened: dict[str, rows.Unopened]
    ) -> tuple[RekeyFailure, ...]:
        scope_of = rows.scopes_of(connection, {one.scope_id for one in unopened.values()})
        failures = [
            RekeyFailure(scope_of(one.scope_id), one.key, self._why(one.key_id))
            for one in unopened.values()
        ]
        return tuple(sorted(failures, key=attrgetter("scope.name", "key")))

    def _why(self, key_id: str | None) -> str:
        return _KEYLESS if key_id is None else why_unreadable(self._context.keyring, key_id)

    def _unused(self, connection: Connection, stay: set[str]) -> list[str]:
        """Return the old keys that can go: those given, and older ones that are not at hand.

        One that came after the newest key is of somebody who is about to write under it.
        """
        known = {
            row.key_id: row.created_at
            for row in connection.execute(select(key_check.c.key_id, key_check.c.created_at))
        }
        since = known.get(self._newest)
        older = [
            key_id
            for key_id, at in sorted(known.items())
            if key_id not in (self._newest, *self._old) and since is not None and at < since
        ]
        return [key_id for key_id in (*self._old, *older) if key_id not in stay]

    def _tidy(self) -> None:
        """Let what was overwritten leave the write-ahead log, if nobody else reads from it."""
        if self._sums.re_encrypted:
            rows.tidy(self._context.database)


def _refusal(connection: Connection, access: Access) -> str:
    """Say why the master key is not an actor's to change, if that is so."""
    if access.confined:
        return "The master key is changed by whoever runs the host, on the host."
    if role_in(connection, access, EVERYWHERE) is not Role.OWNER:
        return (
            f"{access.actor} may not change the master key: that takes an owner of all"
            " organizations."
        )
    return ""


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody."""
