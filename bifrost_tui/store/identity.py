"""What a database says of itself before anything of it is used: its schema, and its master keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, column, inspect, select, table

from bifrost_tui.crypto.cipher import Keyring, Sealed
from bifrost_tui.crypto.verifier import RootSecret, open_verifier
from bifrost_tui.errors import DatabaseMissingError, DatabaseNewerError, DatabaseNotOursError
from bifrost_tui.settings import Settings
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, key_check


def schema_revision(settings: Settings) -> str:
    """Return the schema version of the database of the settings, and change nothing.

    Raises:
        DatabaseError: it is no database of ours, or a newer program's.

    """
    database = connect(settings.database_url)
    try:
        return database.read(lambda connection: read_revision(connection, database))
    finally:
        database.close()


def read_revision(connection: Connection, database: Database) -> str:
    """Return the schema version of a database of ours.

    Raises:
        DatabaseMissingError: its server has a place for it, with nothing in it yet.
        DatabaseNotOursError: it is another program's, or an empty file.
        DatabaseNewerError: a newer program wrote it.

    """
    found = inspect(connection).has_table(VERSION_TABLE)
    versions: list[str] = (
        list(connection.scalars(select(column("version_num")).select_from(table(VERSION_TABLE))))
        if found
        else []
    )
    shown = database.shown
    if not found and database.holds_nothing(connection):
        raise DatabaseMissingError(
            f"There is nothing in the database ({shown}) yet. Run `bifrost-tui` or `bifrost-tui"
            " setup` to set it up."
        )
    if len(versions) != 1 or not versions[0]:
        raise DatabaseNotOursError(
            f"The database ({shown}) was not made by Bifrost TUI. Nothing in it was changed; check"
            " BIFROST_DATABASE_URL."
        )
    revision = versions[0]
    if revision > REVISION:
        raise DatabaseNewerError(
            f"The database ({shown}) was written by a newer Bifrost TUI (schema"
            f" {revision}; this program knows {REVISION}). Nothing was changed; update the program."
        )
    return revision


def key_verifiers(connection: Connection) -> list[Sealed]:
    """Return what each master key opens a database with, the newest key's first."""
    rows = connection.execute(
        select(key_check.c.token, key_check.c.key_id).order_by(key_check.c.created_at.desc())
    )
    return [Sealed(row.token or "", row.key_id) for row in rows if row.key_id]


def open_roots(keyring: Keyring, verifiers: Iterable[Sealed]) -> Iterator[RootSecret]:
    """Give the root of a database from each verifier that a key at hand opens."""
    for verifier in verifiers:
        root = open_verifier(keyring, verifier)
        if root is not None:
            yield root
