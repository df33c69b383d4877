"""What `doctor` asks of a database: is it whole, does it count right, does every secret open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from bifrost_tui.settings import Settings
from bifrost_tui.store import references
from bifrost_tui.store.access import require_all
from bifrost_tui.store.audit import Event
from bifrost_tui.store.engine import connect
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.opening import read_revision
from bifrost_tui.store.organizations import recount
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.schema import REVISION
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Anchor, Scope, State

T = TypeVar("T")
_PAGE = 500
_SECRETS = ConfigFilter(types=frozenset({ConfigType.SECRET}))


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


def is_current(settings: Settings) -> bool:
    """Tell whether the database can be opened as it is, without a migration.

    Raises:
        DatabaseError: it is no database of ours, or a newer program's.

    """
    return schema_revision(settings) == REVISION


def file_problems(settings: Settings) -> int:
    """Let SQLite look through the whole file and return how many problems it found.

    Raises:
        DatabaseError: it is so damaged that it cannot be looked through.

    """
    database = connect(settings.database_url)

    def work(connection: Connection) -> int:
        # The texts may quote what the file holds, so they are counted and not shown.
        found = list(connection.exec_driver_sql("PRAGMA quick_check").scalars())
        return 0 if found == ["ok"] else len(found)

    try:
        return database.read(work)
    finally:
        database.close()


def miscounted(repository: Repository, access: Access) -> int:
    """Return how many scopes' kept counts differ from their configs.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """
    return len(_of_all(repository, access, recount))


def missettled(repository: Repository, access: Access) -> int:
    """Return how many references are kept as what they are not.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """
    return _of_all(repository, access, references.miscounted)


def _of_all(repository: Repository, access: Access, work: Callable[[Connection], T]) -> T:
    context = repository._context

    def checked(connection: Connection) -> T:
        require_all(connection, access, "check what is kept of every organization")
        return work(connection)

    return context.guard(access, Event("database.check"), lambda: context.database.read(checked))


def unreadable_secrets(repository: Repository, access: Access, scope: Scope) -> int:
    """Open every secret of a scope where it lies and return how many do not open."""
    wanted = ConfigList(scope, _SECRETS, own_only=True)
    found, index, anchor = 0, 0, None
    while True:
        rows = repository.configs.page(
            access, wanted, offset=index, limit=_PAGE, anchor=anchor, whole_values=True
        ).rows
        found += sum(row.state is State.UNREADABLE for row in rows)
        if len(rows) < _PAGE:
            return found
        anchor = Anchor(index, rows[0].key)
        index += len(rows)
