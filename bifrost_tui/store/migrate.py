"""Schema changes: Alembic's migrations, shipped in the package and run when they are due."""

from __future__ import annotations

import glob
import os
from itertools import count
from pathlib import Path
from typing import Any

from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, String, column, select, table

from bifrost_tui.clock import Clock
from bifrost_tui.crypto.cipher import Keyring
from bifrost_tui.display import visible
from bifrost_tui.errors import DatabaseError, DatabaseNotOursError
from bifrost_tui.store.audit import AuditChain, Event
from bifrost_tui.store.engine import Database
from bifrost_tui.store.equals import group_all
from bifrost_tui.store.requests import Access
from bifrost_tui.store.revision import refuse_other_schema
from bifrost_tui.store.schema import VERSION_TABLE
from bifrost_tui.store.sqlite import copy_database

SCRIPTS = Path(__file__).parent / "migrations"

_GROUPS_SINCE = "0002"
"""The schema that first knew groups of equal secrets."""

_PART = ".part"

_REVISION = select(column("version_num", String)).select_from(table(VERSION_TABLE))


def upgrade(
    database: Database,
    revision: str,
    chain: AuditChain,
    access: Access,
    clock: Clock,
    scripts: Path = SCRIPTS,
    *,
    keyring: Keyring | None = None,
    keep_copy: bool = True,
) -> tuple[str, ...]:
    """Bring an older database to this program's schema, after a backup copy of its file.

    All of it is one transaction: it has happened or it has not. The copy is made within it, with
    every change that others made before; none is kept of what is a copy already. Returns what users
    should know. What only the values tell is found with ``keyring``.

    Raises:
        DatabaseNewerError: a program that is newer still came first.
        DatabaseNotOursError: no migration starts from the revision that the database names.

    """
    directory = ScriptDirectory.from_config(_alembic(scripts))
    newest = directory.get_current_head()
    if revision not in {script.revision for script in directory.walk_revisions()}:
        raise DatabaseNotOursError(
            f"The database ({database.shown}) has schema {visible(revision)!r}, which no Bifrost"
            " TUI wrote. Nothing was changed; restore a backup."
        )
    # Whatever schema stands there when this one gets the write lock.
    database.revision = None

    def work(connection: Connection) -> tuple[str, ...]:
        database.lock_schema(connection)
        now = connection.scalar(_REVISION)
        if now == newest:
            # Another process came first while this one waited for the write lock.
            return ()
        if str(now) > str(newest):
            refuse_other_schema([(now,)], str(newest), database.shown)
        notices = [f"The database was brought from schema {now} to {newest}."]
        if keep_copy and database.path is not None:
            stamp = clock().strftime("%Y%m%d-%H%M%S")
            backup = kept_copy(database, database.path, f"schema-{now}.{stamp}")
            notices.append(f"A copy of the database as it was is kept as {backup}.")
        run_migrations(connection, scripts)
        if keyring is not None and str(now) < _GROUPS_SINCE:
            group_all(connection, keyring)
        chain.append(
            connection,
            access,
            Event("database.migrate", details={"from": now, "to": newest}),
        )
        return tuple(notices)

    return database.write_rows(work)


def titles(revision: str, scripts: Path = SCRIPTS) -> tuple[str, ...]:
    """Say what each migration after a revision changes; of an unknown revision, nothing."""
    walked = list(ScriptDirectory.from_config(_alembic(scripts)).walk_revisions())
    names = [script.revision for script in walked]
    if revision not in names:
        return ()
    return tuple(
        f"{script.revision}: {script.doc}" for script in reversed(walked[: names.index(revision)])
    )


def kept_copy(database: Database, path: Path, what: str) -> Path:
    """Keep a copy of a database beside it, and return its name. It has that once it is whole.

    Raises:
        DatabaseError: the copy could not be made; then there is none.

    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.*{_PART}"):
        # Of a process that was ended: as large as the database, and of no use.
        if not _is_at_work(left):
            left.unlink(missing_ok=True)
    part = path.with_name(f"{path.name}.{what}.{os.getpid()}{_PART}")
    copy_database(database, part)
    kept = path.with_name(f"{path.name}.{what}.bak")
    numbers = count(2)
    while os.path.lexists(kept):
        # Of a process that was ended in this very second: it is not written over.
        kept = path.with_name(f"{path.name}.{what}-{next(numbers)}.bak")
    problem = ""
    try:
        part.rename(kept)
        return kept
    except OSError as error:
        problem = error.strerror or type(error).__name__
    part.unlink(missing_ok=True)
    raise DatabaseError(f"The copy {kept} could not be kept: {problem}. Nothing was changed.")


def _is_at_work(part: Path) -> bool:
    """Tell whether the process that writes a copy is there, or may be."""
    pid = part.name.removesuffix(_PART).rpartition(".")[2]
    if not pid.isdecimal():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def run_migrations(connection: Connection, scripts: Path = SCRIPTS) -> None:
    """Run the migrations that are due, in the transaction at hand."""
    configuration = _alembic(scripts)
    directory = ScriptDirectory.from_config(configuration)

    def steps(revision: Any, _context: Any) -> Any:
        return directory._upgrade_revs("head", revision)

    with EnvironmentContext(configuration, directory, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            transactional_ddl=True,
            transaction_per_migration=False,
        )
        environment.run_migrations()


def _alembic(scripts: Path) -> AlembicConfig:
    configuration = AlembicConfig()
    configuration.set_main_option("script_location", str(scripts).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration
