"""What `doctor` asks of SQLite: its settings, its write-ahead log, and what runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from bifrost_tui.display import visible
from bifrost_tui.errors import DatabaseBusyError, DatabaseError
from bifrost_tui.store.engine import Database
from bifrost_tui.store.schema import VERSION_TABLE, metadata
from bifrost_tui.store.sqlite import prepare_storage
from bifrost_tui.store.troubles import ELSE, Mend, Trouble

LARGE_LOG = 64 * 1024 * 1024
"""A write-ahead log of this size is told: it keeps what was overwritten, and slows reads."""

_TRIGGERS = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"


def settings(database: Database, connection: Connection) -> Iterator[Trouble]:
    """Look at how the file is kept, and whether this build of SQLite does what it is told."""

    def asked(name: str) -> Any:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    if (mode := str(asked("journal_mode"))) != "wal":
        yield Trouble(
            "warning",
            "engine",
            f"The database keeps no write-ahead log (journal mode {visible(mode)}): whoever writes"
            " keeps all others from reading.",
            "",
            Mend.LOG_MODE,
        )
    elif (size := _size_of_log(database)) > LARGE_LOG:
        yield Trouble(
            "warning",
            "engine",
            f"The write-ahead log has {size // 2**20:,} MiB: it keeps what was overwritten, and"
            " makes reads slow.",
            "End programs that have had the database open for long.",
            Mend.CHECKPOINT,
        )
    wanted = {"foreign_keys": 1, "secure_delete": 1, "synchronous": 2}
    refused = [name for name, value in wanted.items() if asked(name) != value]
    if refused:
        yield Trouble(
            "error",
            "engine",
            f"This build of SQLite does not do what it is told: {', '.join(refused)}.",
            "Use a Python with another build of SQLite.",
        )
    if (encoding := str(asked("encoding"))) != "UTF-8":
        yield Trouble(
            "error",
            "engine",
            f"The database keeps its texts in {visible(encoding)}, not in UTF-8. {ELSE}",
            "Export it, make a new one and import it there.",
        )


def _size_of_log(database: Database) -> int:
    if database.path is None:
        return 0
    try:
        real = database.path.resolve()
        return real.with_name(f"{real.name}-wal").stat().st_size
    except OSError:
        return 0


def code(connection: Connection) -> list[str]:
    """Return what runs by itself with changes of our tables."""
    ours = {table.name for table in metadata.sorted_tables} | {VERSION_TABLE}
    rows = connection.exec_driver_sql(_TRIGGERS)
    return [f"trigger {row[0]} of {row[1]}" for row in rows if row[1] in ours]


def keep_log(database: Database) -> None:
    """Let the file keep a write-ahead log.

    Raises:
        DatabaseError: it does not, as on some disks of other hosts, or another program is reading.

    """
    prepare_storage(database)
    mode = database.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar())
    if mode != "wal":
        raise DatabaseError(f"The database ({database.shown}) keeps no write-ahead log here.")


def checkpoint(database: Database) -> None:
    """Move the write-ahead log into the file and empty it.

    Raises:
        DatabaseBusyError: another program is reading.

    """

    def run() -> bool:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            return bool(driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    if database._translated(run):
        raise DatabaseBusyError("Another program is reading the database; try again.")
