"""All rows of a database, from one connection into another, whatever the engines are.

Tokens, hashes and moments arrive as they were, so that secrets open and the audit chain fits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from bifrost_tui.errors import TransferError
from bifrost_tui.store.quick import Quick
from bifrost_tui.store.requests import Progress
from bifrost_tui.store.schema import metadata

TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)
"""Every table of ours but the one of the schema's version; what others refer to comes first."""


_CHUNK = 1000
_PAGES = 1000


def count_rows(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in TABLES
    }


def clear_tables(connection: Connection) -> None:
    """Delete every row; readers go on seeing them until the transaction is committed."""
    for table in reversed(TABLES):
        connection.execute(delete(table))


def copy_tables(source: Connection, target: Connection, progress: Progress | None = None) -> None:
    """Copy every row into empty tables, a thousand at a time, in the transactions at hand."""
    total = sum(count_rows(source).values()) if progress else 0
    done = 0
    # Within SQLite rows go over as they stand there: nothing is read that would have to be written.
    raw = source.dialect.name == target.dialect.name == "sqlite"
    for table in TABLES:
        put = _putting(target, table, raw=raw)
        for rows in _rows(source, table, raw=raw):
            put(rows)
            done += len(rows)
            if progress:
                progress(done, total)


def _rows(source: Connection, table: Table, *, raw: bool) -> Iterator[Sequence[Sequence[Any]]]:
    if not raw:
        query = select(table).execution_options(stream_results=True, yield_per=_CHUNK)
        with source.execute(query) as found:
            yield from found.partitions(_CHUNK)
        return
    cursor: Any = source.connection.cursor()
    try:
        cursor.execute(str(select(table).compile(dialect=source.dialect)))
        while rows := cursor.fetchmany(_CHUNK):
            yield rows
    finally:
        cursor.close()


def _putting(
    target: Connection, table: Table, *, raw: bool
) -> Callable[[Sequence[Sequence[Any]]], object]:
    """Return what puts rows into a table, in the way that its engine is quickest at."""
    cursor: Any = target.connection.cursor()
    if raw:
        text = str(insert(table).compile(dialect=target.dialect))
        return lambda rows: cursor.executemany(text, rows)
    if target.dialect.name == "postgresql":
        return lambda rows: _copy_in(cursor, table, rows)
    names = [column.name for column in table.columns]
    prepared = Quick(insert(table))
    return lambda rows: prepared.run_many(
        target, [dict(zip(names, row, strict=True)) for row in rows]
    )


def _copy_in(cursor: Any, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


# Into a file of SQLite


def copy_into_file(source: Connection, file: Path, progress: Progress | None = None) -> None:
    """Write the state that a transaction sees into an empty file, which then stands alone.

    Raises:
        TransferError: the file cannot be written.

    """
    if source.dialect.name == "sqlite":
        _copy_pages(source, file, progress)
        return
    from bifrost_tui.store.engine import connect
    from bifrost_tui.store.migrate import run_migrations

    copy = connect(f"sqlite:///{file}")
    try:

        def work(target: Connection) -> None:
            run_migrations(target)
            copy_tables(source, target, progress)

        copy.write_rows(work)
    finally:
        copy.close()


def _copy_pages(source: Connection, file: Path, progress: Progress | None) -> None:
    driver: Any = source.connection.dbapi_connection

    def step(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(total - remaining, total)

    with _written(), closing(sqlite3.connect(file, isolation_level=None)) as copy:
        # A file that is not whole is thrown away: nothing would take anything back in it.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        # One after another, and yet of one state: a transaction is open that has read.
        driver.backup(copy, pages=_PAGES, progress=step)
    with _written(), closing(sqlite3.connect(file, isolation_level=None)) as copy:
        # It says of itself that it has a write-ahead log, as the database has.
        copy.execute("PRAGMA locking_mode = EXCLUSIVE")
        copy.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _written() -> Iterator[None]:
    """Say of the file that is written what SQLite says: the database is not at fault."""
    name = ""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if name:
        why = "there is no room left" if name == "SQLITE_FULL" else f"SQLite says {name}"
        raise TransferError(f"The copy of the database could not be written: {why}.")
