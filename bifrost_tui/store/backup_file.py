"""A backup as a file: an SQLite database of ours that is whole, or it is no backup.

It is looked at where it lies and nothing is written to it. Only of an older schema a copy is made,
hidden and for its owner alone, and brought to the schema of this program.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, func, select
from sqlalchemy.pool import StaticPool

from bifrost_tui.crypto.cipher import Keyring
from bifrost_tui.crypto.verifier import RootSecret
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseNewerError,
    DatabaseNotOursError,
    TransferError,
)
from bifrost_tui.store.audit import AuditChain
from bifrost_tui.store.copying import copy_into_file, count_rows
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.identity import key_verifiers, open_roots, read_revision
from bifrost_tui.store.key_uses import secrets_under
from bifrost_tui.store.part_files import LOGS, beside, part_file
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, audit_event, config, metadata
from bifrost_tui.store.sqlite import SqliteDatabase
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.views import Head

if TYPE_CHECKING:
    from bifrost_tui.clock import Clock
    from bifrost_tui.store.requests import Access, Progress


_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What is in a backup."""

    organizations: int
    configs: int
    secrets: int
    members: int
    events: int
    head: Head
    """Where its log ends."""
    at: datetime | None
    """When that was."""
    key_ids: tuple[str, ...]
    """The master keys that open it; none of them is in it."""
    secrets_by_key: Mapping[str, int]
    """How many secrets are encrypted under each master key."""
    migrated_from: str | None = None
    """Its own schema, where that is older than the program's."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that has been checked, and is open to be read."""

    path: Path
    database: Database
    root: RootSecret
    facts: BackupFacts
    looked_at: tuple[int, ...]
    """What tells the file that was checked from another, or from what became of it."""

    def check_unchanged(self) -> None:
        """Make sure that the file still is the one that was checked.

        Raises:
            UnfitBackupError: it is not.

        """
        try:
            same = _mark(self.path.stat()) == self.looked_at
        except OSError:
            same = False
        if not same:
            raise UnfitBackupError(self.path, "it was changed or replaced just now.")


def _mark(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


class UnfitBackupError(TransferError):
    """A file cannot be restored. ``why`` says what is the matter, as the rest of a sentence."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{_name(path)} cannot be restored: {why} Nothing was changed.")
        self.why = why


def _name(path: Path) -> str:
    return visible(path.name)


@contextmanager
def opened_backup(
    path: Path,
    keyring: Keyring,
    clock: Clock,
    access: Access,
    *,
    workplace: Path,
    checking: Progress | None = None,
) -> Iterator[Backup]:
    """Check a backup from its first byte to its last event, and open it.

    ``workplace`` is a folder in which a copy can be made where the schema is older.

    Raises:
        TransferError: it is no backup, it is damaged, it was changed by hand, a newer program
            wrote it, or no master key at hand opens it.

    """
    looked_at = _checked_file(path)
    database = _AsItIs(path)
    try:
        with _told(path):
            revision = _checked_revision(database, path)
            root = _fitting_root(database, keyring, path)
            _check_chain(database, root, clock, path, checking)
        if revision == REVISION:
            with _told(path):
                facts = database.read(lambda connection: _facts(connection, path))
            yield Backup(path, database, root, facts, looked_at)
            return
        with (
            part_file(workplace) as copy,
            _brought_up(database, copy, revision, root, keyring, clock, access) as newer,
        ):
            with _told(path):
                facts = newer.read(lambda connection: _facts(connection, path, revision))
            yield Backup(path, newer, root, facts, looked_at)
    finally:
        database.close()


def _checked_file(path: Path) -> tuple[int, ...]:
    """Refuse what can be seen without SQLite, and quickly: a folder, a link, a file that was cut.

    Returns what tells the file from another.

    Raises:
        TransferError: it is no file that a backup could be.

    """
    why = ""
    head, size = b"", 0
    looked_at: tuple[int, ...] = ()
    try:
        # Neither through a link nor waiting for somebody to write into a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            state = os.fstat(handle)
            looked_at = _mark(state)
            if stat.S_ISREG(state.st_mode):
                head, size = os.read(handle, _HEADER), state.st_size
            else:
                why = "it is no plain file."
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        why = "it is a link; name the file itself." if path.is_symlink() else ""
        why = why or f"{getattr(error, 'strerror', None) or 'there is no such file'}."
    why = why or _of_bytes(head, size)
    if why:
        raise UnfitBackupError(path, why)
    for other in beside(path, LOGS):
        if other.exists() and other.stat().st_size:
            raise UnfitBackupError(
                path,
                f"there is a {visible(other.name)}, so it is a database in use."
                " `bifrost-tui backup` makes a backup of one.",
            )
    return looked_at


def _of_bytes(head: bytes, size: int) -> str:
    """Say what is wrong with a file by its first bytes and its length; nothing if they fit."""
    if not head.startswith(_MAGIC) or len(head) < _HEADER:
        return "it is no backup of Bifrost TUI."
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    if page < 512 or size % page:
        return "it is damaged or was cut off."
    # The number of pages counts only where what wrote last kept it.
    if head[24:28] == head[92:96] and size != page * pages:
        return "it is damaged or was cut off."
    return ""


class _AsItIs(SqliteDatabase):
    """An SQLite file that nothing is written to, and nothing beside it.

    It may lie where nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        Database.__init__(self, _engine(path), f"sqlite:///{path}")
        self._path = path


def _engine(path: Path) -> Engine:
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"

    def creator() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return create_engine("sqlite://", creator=creator, hide_parameters=True, poolclass=StaticPool)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say of the backup what is said of a database: it is another file that has to be seen to."""
    why = ""
    try:
        yield
    except DatabaseNewerError:
        why = "a newer Bifrost TUI made it. Update the program."
    except DatabaseNotOursError:
        why = "it is no backup of Bifrost TUI."
    except DatabaseCorruptError:
        why = "it is damaged."
    except DatabaseError as error:
        why = f"it cannot be read ({error.message.rstrip('.')})."
    if why:
        raise UnfitBackupError(path, why)


def _checked_revision(database: Database, path: Path) -> str:
    def work(connection: Connection) -> str:
        revision = read_revision(connection, database)
        # What it says may quote what the file holds, and is not shown.
        for pragma, fine in (("integrity_check(1)", [("ok",)]), ("foreign_key_check", [])):
            if [tuple(row) for row in connection.exec_driver_sql(f"PRAGMA {pragma}")] != fine:
                raise UnfitBackupError(
                    path, "it is damaged: SQLite finds that its parts do not fit."
                )
        known = {*metadata.tables, VERSION_TABLE}
        asked = "SELECT type, tbl_name, name FROM sqlite_master"
        for kind, table, _ in connection.exec_driver_sql(asked):
            if kind not in ("table", "index") or (table not in known):
                raise UnfitBackupError(path, "it holds what no Bifrost TUI put there.")
        return revision

    return database.read(work)


def _fitting_root(database: Database, keyring: Keyring, path: Path) -> RootSecret:
    found = database.read(key_verifiers)
    for root in open_roots(keyring, found):
        return root
    ids = ", ".join(visible(verifier.key_id) for verifier in found) or "unknown"
    raise UnfitBackupError(
        path,
        f"its master key is not at hand. It was made under key {ids}; at hand is"
        f" {', '.join(keyring.key_ids)}. To restore it, give that key too, the newest first.",
    )


def _check_chain(
    database: Database, root: RootSecret, clock: Clock, path: Path, checking: Progress | None
) -> None:
    report = AuditChain(database, root.keys(), clock).verify(progress=checking)
    if report.broken_at is not None:
        raise UnfitBackupError(path, f"its audit log does not fit. {report.why}")
    if not report.checked:
        raise UnfitBackupError(path, "its audit log is empty.")


@contextmanager
def _brought_up(
    database: Database,
    copy: Path,
    revision: str,
    root: RootSecret,
    keyring: Keyring,
    clock: Clock,
    access: Access,
) -> Iterator[Database]:
    """Copy an older backup and bring the copy to the schema of this program."""
    from bifrost_tui.store.migrate import upgrade

    database.read(lambda connection: _copied(connection, copy))
    newer = connect(f"sqlite:///{copy}")
    try:
        chain = AuditChain(newer, root.keys(), clock)
        upgrade(newer, revision, chain, access, clock, keyring=keyring, keep_copy=False)
        yield newer
    finally:
        newer.close()


def _copied(connection: Connection, copy: Path) -> None:
    # The transaction has to have read before it sees one state.
    connection.execute(select(func.count()).select_from(audit_event))
    copy_into_file(connection, copy)


def _facts(connection: Connection, path: Path, revision: str | None = None) -> BackupFacts:
    """Count what is in a backup, and see whether it is what its own counts say."""
    for table in metadata.sorted_tables:
        found = connection.exec_driver_sql(f'PRAGMA table_xinfo("{table.name}")')
        if {row[1] for row in found} != {column.name for column in table.columns}:
            raise UnfitBackupError(path, "its tables are not those of Bifrost TUI.")
    if recount(connection):
        raise UnfitBackupError(
            path, "the counts that it keeps differ from its configs: it was changed by hand."
        )
    rows = count_rows(connection)
    newest: Any = audit_event.c.sequence.desc()
    last = connection.execute(select(audit_event).order_by(newest).limit(1)).one()
    secrets = select(func.count()).select_from(config).where(config.c.type == "secret")
    return BackupFacts(
        organizations=rows["organization"],
        configs=rows["config"],
        secrets=connection.execute(secrets).scalar_one(),
        members=rows["member"],
        events=rows["audit_event"],
        head=Head(last.sequence, last.chain_hash),
        at=last.at,
        key_ids=tuple(verifier.key_id for verifier in key_verifiers(connection)),
        secrets_by_key=secrets_under(connection),
        migrated_from=revision,
    )
