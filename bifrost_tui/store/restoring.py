"""Restoring: a backup goes into the database of the settings, whole or not at all.

What is there already is written over row by row in one transaction, through its own engine:
whoever has it open sees the old rows until that is committed, and the new ones from then on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from bifrost_tui.clock import Clock, utc_now
from bifrost_tui.crypto.cipher import Keyring
from bifrost_tui.display import counted, visible
from bifrost_tui.errors import (
    AccessDeniedError,
    ConflictError,
    DatabaseCorruptError,
    DatabaseError,
    MasterKeyMissingError,
)
from bifrost_tui.settings import (
    DATABASE_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Settings,
    shown_url,
)
from bifrost_tui.store.access import EVERYWHERE, Role, require_host, role_in
from bifrost_tui.store.audit import RESTORE, AuditChain, Event
from bifrost_tui.store.backup import copied, is_of
from bifrost_tui.store.backup_file import Backup, BackupFacts, UnfitBackupError, opened_backup
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.copying import clear_tables, copy_tables, count_rows
from bifrost_tui.store.differences import Differences, changed_since, compare
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.identity import key_verifiers, open_roots, read_revision
from bifrost_tui.store.migrate import run_migrations
from bifrost_tui.store.opening import add_verifier, load_keyring, open_repository
from bifrost_tui.store.part_files import (
    LOGS,
    beside,
    part_file,
    remove_abandoned,
    sync_file,
)
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.store.schema import member
from bifrost_tui.store.sqlite import prepare_storage
from bifrost_tui.store.views import Head
from bifrost_tui.whole_file import put_in_place


@dataclass(frozen=True, slots=True)
class Restored:
    """What has been done."""

    head: Head
    """Where the log ends now."""
    overwritten: Head | None
    """Where it ended before; ``None`` where there was no database."""
    kept: Path | None
    """A copy of what was there."""
    is_member: bool
    """Whether who has restored it is a member of anything in it."""
    missed: Mapping[str, int]
    """How many secrets are encrypted under each master key that is not at hand."""
    older: Mapping[str, int]
    """How many are under each that is at hand and not the newest."""


class Restoring:
    """A backup that has been checked, and the place that it is to go to."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        clock: Clock,
        backup: Backup,
        keyring: Keyring,
        repository: Repository | None,
        differences: Differences | None,
    ) -> None:
        self._settings = settings
        self._access = access
        self._clock = clock
        self._backup = backup
        self._keyring = keyring
        self._repository = repository
        self.differences = differences
        """What it would overwrite; ``None`` where there is no database yet."""

    @property
    def shown(self) -> str:
        """The place, as people may read it."""
        return shown_url(self._settings.database_url)

    @property
    def notices(self) -> tuple[str, ...]:
        """What opening the database that is there did that its users should know."""
        return () if self._repository is None else self._repository.notices

    @property
    def facts(self) -> BackupFacts:
        """What is in the backup."""
        return self._backup.facts

    def apply(self, progress: Progress | None = None) -> Restored:
        """Restore it, after keeping a copy of what is there.

        Raises:
            ConflictError: the database was changed after it was compared; nothing was restored.
            DatabaseError, ExportError: it could not be done; nothing was changed.

        """
        if self._repository is not None and self.differences is not None:
            return self._over(self._repository._context, self.differences, progress)
        path = self._settings.database_path
        if path is None:
            database = connect(self._settings.database_url)
            try:
                return self._into_new(database, progress)
            finally:
                database.close()
        _make_folder(path.parent)
        remove_abandoned(path.parent)
        _check_left(path)
        with part_file(path.parent) as part:
            database = connect(f"sqlite:///{part}")
            try:
                restored = self._into_new(database, progress)
                prepare_storage(database)
            finally:
                database.close()
            sync_file(part)
            put_in_place(part, path, replace=False)
        return restored

    def _into_new(self, database: Database, progress: Progress | None) -> Restored:
        chain = AuditChain(database, self._backup.root.keys(), self._clock)

        def work(source: Connection, target: Connection) -> Restored:
            database.check_place(target)
            run_migrations(target)
            return self._fill(source, target, chain, None, None, progress)

        return self._both(database, work)

    def _over(
        self, context: StoreContext, differences: Differences, progress: Progress | None
    ) -> Restored:
        database, chain = context.database, context.chain
        kept = self._name_of_copy(database)
        remove_abandoned(kept.parent)

        def work(source: Connection, target: Connection) -> Restored:
            require_owner(target, self._access)
            if since := changed_since(target, differences.head):
                raise ConflictError(
                    f"The database was changed meanwhile ({counted(since, 'event')}). Nothing was"
                    " restored; run the command again to see what it would lose.",
                    by="",
                    at=None,
                    deleted=False,
                )
            overwritten = chain.last_head(target)
            # Behind the write lock: what is kept is all that is overwritten.
            copied(database, part)
            put_in_place(part, kept, replace=False)
            try:
                clear_tables(target)
                return self._fill(source, target, chain, overwritten, kept, progress)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise

        with part_file(kept.parent) as part:
            return self._both(database, work)

    def _both(
        self, database: Database, work: Callable[[Connection, Connection], Restored]
    ) -> Restored:
        """Run a change with one state of the backup at hand."""
        return self._backup.database.read(
            lambda source: database.write_rows(lambda target: work(source, target))
        )

    def _fill(
        self,
        source: Connection,
        target: Connection,
        chain: AuditChain,
        overwritten: Head | None,
        kept: Path | None,
        progress: Progress | None,
    ) -> Restored:
        copy_tables(source, target, progress)
        self._backup.check_unchanged()
        if count_rows(target) != count_rows(source) or (
            chain.last_head(target) != self.facts.head and self.facts.migrated_from is None
        ):
            raise DatabaseError("The backup did not arrive as it is. Nothing was changed.")
        details: dict[str, Any] = {
            "file": str(self._backup.path),
            "head": str(self.facts.head),
            "overwritten": None if overwritten is None else str(overwritten),
            "kept": None if kept is None else str(kept),
        }
        told = {name: value for name, value in details.items() if value is not None}
        chain.append(target, self._access, Event(RESTORE, details=told))
        # What is open under the newest key goes on writing under it.
        add_verifier(target, chain, self._access, self._keyring, self._backup.root)
        found = select(member.c.id).where(member.c.actor == self._access.actor).limit(1)
        by_key = sorted(self.facts.secrets_by_key.items())
        at_hand = self._keyring.key_ids
        return Restored(
            head=chain.last_head(target),
            overwritten=overwritten,
            kept=kept,
            is_member=target.execute(found).first() is not None,
            missed={key_id: number for key_id, number in by_key if key_id not in at_hand},
            older={key_id: number for key_id, number in by_key if key_id in at_hand[1:]},
        )

    def _name_of_copy(self, database: Database) -> Path:
        """Return a new name beside the database, or beside the backup where it is no file."""
        beside = database.path or self._backup.path.with_name("bifrost")
        stamp = self._clock().strftime("%Y%m%d-%H%M%S")
        name = f"{beside.name}.before-restore.{stamp}"
        found, number = beside.with_name(f"{name}.bak"), 1
        while os.path.lexists(found):
            number += 1
            found = beside.with_name(f"{name}.{number}.bak")
        return found


@contextmanager
def prepared(
    settings: Settings,
    access: Access,
    path: Path,
    *,
    clock: Clock = utc_now,
    checking: Progress | None = None,
) -> Iterator[Restoring]:
    """Check a backup and compare it with what is in its place; nothing is restored yet.

    Raises:
        AccessDeniedError: that takes an owner of all organizations, on the host.
        MasterKeyError: there is no master key, or it does not open the database that is there.
        TransferError: the file is no backup, is damaged, or is of another database.
        DatabaseError: the database that is there cannot be opened.

    """
    require_host(access, "A backup is restored")
    if settings.key_source is None:
        raise MasterKeyMissingError(
            f"There is no master key. Set {KEY_VARIABLE} or {KEY_FILE_VARIABLE} to the one that the"
            " backup was made under: it is not in the backup."
        )
    keyring = load_keyring(settings)
    place = settings.database_path
    if place is not None and is_of(place, path):
        raise UnfitBackupError(path, "it is the database itself.")
    workplace = path.parent if place is None else place.parent
    if place is not None:
        _make_folder(workplace)
    with opened_backup(
        path, keyring, clock, access, workplace=workplace, checking=checking
    ) as backup:
        if _nothing_there(settings):
            yield Restoring(settings, access, clock, backup, keyring, None, None)
            return
        _check_root(settings, keyring, backup)
        with open_repository(settings, access, clock=clock) as repository:
            context = repository._context
            differences = context.guard(
                access, Event(RESTORE), lambda: _compared(context.database, backup, access)
            )
            yield Restoring(settings, access, clock, backup, keyring, repository, differences)


def _compared(database: Database, backup: Backup, access: Access) -> Differences:
    def work(connection: Connection) -> Differences:
        require_owner(connection, access)
        return backup.database.read(lambda there: compare(connection, there))

    return database.read(work)


def require_owner(connection: Connection, access: Access) -> None:
    """Refuse what is for the owners of all organizations alone.

    Raises:
        AccessDeniedError: the actor is none.

    """
    if role_in(connection, access, EVERYWHERE) is not Role.OWNER:
        raise AccessDeniedError(
            f"{access.actor} may not restore a backup over a database: that takes an owner of all"
            " organizations."
        )


def _nothing_there(settings: Settings) -> bool:
    path = settings.database_path
    if path is not None:
        return not os.path.lexists(path)
    database = connect(settings.database_url)
    try:
        return database.read(database.holds_nothing)
    finally:
        database.close()


def _check_root(settings: Settings, keyring: Keyring, backup: Backup) -> None:
    """Make sure that what is there is the database that the backup was made of.

    Raises:
        UnfitBackupError: it is another one, or nobody can tell.

    """
    database = connect(settings.database_url)
    shown = database.shown
    away = (
        "Move that away (with its -wal, if there is one) and run this again: then it is made anew"
        if database.path is not None
        else f"Name an empty database in {DATABASE_VARIABLE}"
    )
    why = ""
    try:
        database.read(lambda connection: read_revision(connection, database))
        roots = open_roots(keyring, database.read(key_verifiers))
        if not any(backup.root.same_as(root) for root in roots):
            why = f"what is there now ({shown}) is another database, or not under this master key."
    except DatabaseCorruptError:
        why = f"what is there now ({shown}) is damaged."
    finally:
        database.close()
    if why:
        raise UnfitBackupError(backup.path, f"{why} {away}.")


def _make_folder(folder: Path) -> None:
    why = ""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        why = error.strerror or type(error).__name__
    if why:
        raise DatabaseError(f"The folder {visible(str(folder))} cannot be made: {why}.")


def _check_left(path: Path) -> None:
    """Refuse to make a file beside what was left of another one of that name."""
    for other in beside(path, LOGS):
        if os.path.lexists(other):
            raise DatabaseError(
                f"There is no {visible(path.name)}, and what belonged to one: {other}. Move that"
                " away first. Nothing was changed."
            )
