"""Backups: one state of the whole database in one SQLite file, while others go on working.

A backup holds what the database holds: secrets encrypted, and no master key. It has its name when
it has been checked to be whole, and the log tells of it before there is anything to tell.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError, TransferError
from bifrost_tui.store.access import require_all, require_host
from bifrost_tui.store.audit import BACKUP, FAILED, Event
from bifrost_tui.store.backup_file import BackupFacts, UnfitBackupError, opened_backup
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.copying import copy_into_file, count_rows
from bifrost_tui.store.engine import Database
from bifrost_tui.store.part_files import beside, part_file, remove_abandoned, sync_file
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.whole_file import FileThereError, check_target, put_in_place


class Backups:
    """Copies of the whole database, for one actor at a time."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def make(
        self,
        access: Access,
        target: Path,
        *,
        replace: bool = False,
        copying: Progress | None = None,
        checking: Progress | None = None,
    ) -> BackupFacts:
        """Write a backup, check it, and give it its name; return what is in it.

        Raises:
            AccessDeniedError: that takes an owner or an admin of all organizations, on the host.
            FileThereError: there is a file of that name, and it shall not be replaced.
            ExportError, TransferError, DatabaseError: it could not be made; there is none.

        """
        context = self._context
        self._check_place(target, replace=replace)
        remove_abandoned(target.parent)
        with part_file(target.parent) as part:
            context.guard(access, Event(BACKUP), lambda: self._tell(access, target))
            try:
                rows = copied(context.database, part, copying)
                facts = self._checked(access, part, rows, checking)
                put_in_place(part, target, replace=replace)
            except BifrostError as error:
                self._tell_failure(access, target, error)
                raise
        return facts

    def _check_place(self, target: Path, *, replace: bool) -> None:
        check_target(target)
        database = self._context.database.path
        if database is not None and is_of(database, target):
            raise FileThereError(f"{visible(target.name)} is the database itself. Name another.")
        if not replace and os.path.lexists(target):
            raise FileThereError(f"There is a file {visible(target.name)} already.")

    def _tell(self, access: Access, target: Path) -> None:
        chain = self._context.chain

        def work(connection: Connection) -> None:
            require_host(access, "A backup is made")
            require_all(connection, access, "make a backup")
            details = {"file": str(target), "after": chain.last(connection)}
            chain.append(connection, access, Event(BACKUP, details=details))

        self._context.database.write_rows(work)

    def _tell_failure(self, access: Access, target: Path, error: BifrostError) -> None:
        context = self._context
        details = {"file": str(target), "why": error.message}
        told = Event(BACKUP, outcome=FAILED, details=details)
        with suppress(BifrostError):
            context.database.write_rows(lambda c: context.chain.append(c, access, told))

    def _checked(
        self, access: Access, part: Path, rows: dict[str, int], checking: Progress | None
    ) -> BackupFacts:
        context = self._context
        checked = opened_backup(
            part,
            context.keyring,
            context.clock,
            access,
            workplace=part.parent,
            checking=checking,
        )
        why = ""
        try:
            with checked as backup:
                if backup.database.read(count_rows) == rows:
                    return backup.facts
                why = "it has not as many rows as the database has."
        except TransferError as error:
            # Of the copy, which has the faults of the database and a name that nobody knows.
            why = error.why if isinstance(error, UnfitBackupError) else error.message
        raise TransferError(
            f"No backup was made: {why} Keep a copy of the database as it is, and see what"
            " `bifrost-tui doctor` says."
        )


def is_of(database: Path, target: Path) -> bool:
    """Tell whether a file is a database's, or one that SQLite keeps beside it."""
    for other in (database, *beside(database)):
        with suppress(OSError):
            if target == other or target.samefile(other):
                return True
    return False


def copied(database: Database, part: Path, copying: Progress | None = None) -> dict[str, int]:
    """Write one state of a database into an empty file; return how many rows its tables have.

    Raises:
        TransferError: the file cannot be written.
        DatabaseError: the database cannot be read.

    """

    def work(connection: Connection) -> dict[str, int]:
        # What it reads first is the state that it sees to its end, whatever others write.
        rows = count_rows(connection)
        copy_into_file(connection, part, copying)
        return rows

    rows = database.read(work)
    sync_file(part)
    return rows
