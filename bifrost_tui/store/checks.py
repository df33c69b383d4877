"""What `doctor` asks of a database: is it whole, does it count right, does every secret open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from bifrost_tui.errors import BifrostError
from bifrost_tui.settings import Settings
from bifrost_tui.store.access import require_all
from bifrost_tui.store.audit import Event
from bifrost_tui.store.engine import connect
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.identity import schema_revision
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.schema import REVISION, config, organization
from bifrost_tui.store.values import ConfigType, canonical, editable
from bifrost_tui.store.views import GLOBAL_SCOPE, Anchor, Scope, State

_PAGE = 500
_VALUES = 200
_PLAIN = (
    select(config.c.id, config.c.key, config.c.type, config.c.value, organization.c.name)
    .outerjoin(organization, organization.c.id == config.c.organization_id)
    .where(
        config.c.type.in_([kind.value for kind in ConfigType if not kind.startswith("secret")]),
        config.c.value.is_not(None),
    )
    .order_by(config.c.id)
)
_OF_INDEX = re.compile(
    r"row \d+ missing from index |wrong # of entries in index |row \d+ values differ from index "
)
_SECRETS = ConfigFilter(types=frozenset({ConfigType.SECRET}))


def is_current(settings: Settings) -> bool:
    """Tell whether the database can be opened as it is, without a migration.

    Raises:
        DatabaseError: it is no database of ours, or a newer program's.

    """
    return schema_revision(settings) == REVISION


@dataclass(frozen=True, slots=True)
class Due:
    """A database of an older schema, and what the next start would do to it."""

    revision: str
    steps: tuple[str, ...]
    """What changes, a migration each; none where no program of ours wrote that schema."""


def due_migrations(settings: Settings) -> Due | None:
    """Tell what the next start would change; ``None`` where it opens the database as it is.

    Raises:
        DatabaseError: it is no database of ours, or a newer program's.

    """
    revision = schema_revision(settings)
    if revision == REVISION:
        return None
    from bifrost_tui.store.migrate import titles

    return Due(revision, titles(revision))


@dataclass(frozen=True, slots=True)
class FileProblems:
    """How much SQLite has found in its file."""

    number: int
    indexes_only: bool
    """Whether the rows are whole, and only what finds them is not: that can be made anew."""


def file_problems(settings: Settings) -> FileProblems:
    """Let SQLite look through the whole file, with every index and every constraint.

    Raises:
        DatabaseError: it is so damaged that it cannot be looked through.

    """
    database = connect(settings.database_url)

    def work(connection: Connection) -> FileProblems:
        # The texts may quote what the file holds, so they are counted and not shown.
        found = list(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
        if found == ["ok"]:
            return FileProblems(0, indexes_only=False)
        return FileProblems(len(found), all(_OF_INDEX.match(str(text)) for text in found))

    try:
        return database.read(work)
    finally:
        database.close()


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


def damaged_values(repository: Repository, access: Access) -> tuple[str, ...]:
    """Return where values stand that are none of their type, as scope and key.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """
    context = repository._context
    found: list[str] = []
    after: str | None = ""

    def look(connection: Connection) -> str | None:
        require_all(connection, access, "check the values of every organization")
        rows = connection.execute(_PLAIN.where(config.c.id > after).limit(_VALUES)).all()
        found.extend(
            f"{row.name or GLOBAL_SCOPE.name} / {row.key}" for row in rows if not _is_value(row)
        )
        return rows[-1].id if len(rows) == _VALUES else None

    while after is not None:
        # Short reads, a few values each: one may have a MiB.
        after = context.guard(access, Event("database.check"), lambda: context.database.read(look))
    return tuple(found)


def _is_value(row: Any) -> bool:
    kind = ConfigType(row.type)
    try:
        canonical(kind, editable(kind, row.value))
    except (BifrostError, ValueError, TypeError, RecursionError):
        # Its message may quote the value.
        return False
    return True
