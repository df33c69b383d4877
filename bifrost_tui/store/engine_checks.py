"""What `doctor` asks of the engine under the database: its settings, and that all is there.

Looks are short reads. What can be mended is named by a :class:`Mend`, and mended for owners and
admins of all organizations alone, with an event in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, Index, func, inspect, select

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import AccessDeniedError, DatabaseBusyError
from bifrost_tui.store.access import EVERYWHERE, Role, require_all
from bifrost_tui.store.audit import Event
from bifrost_tui.store.engine import Database, prepare_storage
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import VERSION_TABLE, config, member, metadata
from bifrost_tui.store.values import ConfigType

LARGE_LOG = 64 * 1024 * 1024
"""A write-ahead log of this size is told: it keeps what was overwritten, and slows reads."""

_NAMED = 5
_ELSE = "Something else than Bifrost TUI did that: find out what."


class Mend(StrEnum):
    """What can be mended under the rows."""

    LOG_MODE = "journal mode"
    CHECKPOINT = "write-ahead log"
    INDEXES = "indexes"
    REINDEX = "index contents"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing about the engine that is not as it should be."""

    level: Literal["error", "warning", "note"]
    check: str
    what: str
    do: str
    mend: Mend | None = None


def troubles(repository: Repository) -> tuple[Trouble, ...]:
    """Look at the engine's settings, at tables and indexes, and at what all rows must keep."""
    database = repository._context.database

    def work(connection: Connection) -> list[Trouble]:
        return [
            *_engine(database, connection),
            *_objects(connection),
            *_rules(connection),
        ]

    return tuple(database.read(work))


def _engine(database: Database, connection: Connection) -> Iterator[Trouble]:
    yield from _sqlite(database, connection)


def _sqlite(database: Database, connection: Connection) -> Iterator[Trouble]:
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
            f"The database keeps its texts in {visible(encoding)}, not in UTF-8. {_ELSE}",
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


# Tables, indexes, triggers


def _objects(connection: Connection) -> Iterator[Trouble]:
    """Look whether every table and index is there, and nothing that runs by itself."""
    missing = missing_indexes(connection)
    lost = _lost_columns(connection)
    if lost:
        yield Trouble(
            "error",
            "schema",
            f"The database lacks {_some(lost)}. {_ELSE}",
            "Restore a backup.",
        )
    if missing:
        names = _some([str(index.name) for index in missing])
        yield Trouble(
            "error" if any(index.unique for index in missing) else "warning",
            "schema",
            f"The database lacks {counted(len(missing), 'index', 'indexes')}: {names}. {_ELSE}",
            "",
            None if lost else Mend.INDEXES,
        )
    if added := sorted(_triggers(connection)):
        yield Trouble(
            "error",
            "schema",
            f"Code runs in the database with changes of its tables: {_some(added)}. {_ELSE}",
            "Drop what you do not know.",
        )


def _lost_columns(connection: Connection) -> list[str]:
    there = inspect(connection)
    tables = set(there.get_table_names())
    lost = []
    for table in metadata.sorted_tables:
        if table.name not in tables:
            lost.append(f"the table {table.name}")
            continue
        columns = {column["name"] for column in there.get_columns(table.name)}
        lost += [
            f"{table.name}.{column.name}" for column in table.columns if column.name not in columns
        ]
    return lost


def missing_indexes(connection: Connection) -> list[Index]:
    """Return the indexes that should be there and are not."""
    there = inspect(connection)
    tables = set(there.get_table_names())
    missing: list[Index] = []
    for table in metadata.sorted_tables:
        if table.name in tables:
            names = {index["name"] for index in there.get_indexes(table.name)}
            missing += [index for index in table.indexes if index.name not in names]
    return sorted(missing, key=lambda index: str(index.name))


def _triggers(connection: Connection) -> list[str]:
    ours = {table.name for table in metadata.sorted_tables} | {VERSION_TABLE}
    rows = connection.exec_driver_sql(
        "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    )
    return [f"trigger {row[0]} of {row[1]}" for row in rows if row[1] in ours]


def _some(names: list[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


# What all rows keep


def _rules(connection: Connection) -> Iterator[Trouble]:
    """Look at rules that no constraint of a table can hold, or that one was taken from."""
    for told, number in _broken(connection):
        if number:
            yield Trouble(
                "error",
                "rows",
                f"{counted(number, 'row')} {'breaks' if number == 1 else 'break'} a rule: {told}."
                f" {_ELSE}",
                "Restore a backup, or remove what was added.",
            )
    owners = select(func.count()).where(
        member.c.scope_id == EVERYWHERE, member.c.role == Role.OWNER.value
    )
    if not connection.scalar(owners):
        yield Trouble(
            "warning",
            "members",
            "There is no owner of all organizations: nobody can make another one.",
            "Restore a backup from before that.",
        )


def _broken(connection: Connection) -> Iterator[tuple[str, int]]:
    def number(*where: Any) -> int:
        return int(connection.execute(select(func.count()).where(*where)).scalar_one())

    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.alias("parent")
            here = key.parent
            query = (
                select(func.count())
                .select_from(table.outerjoin(parent, here == parent.c[key.column.name]))
                .where(here.is_not(None), parent.c[key.column.name].is_(None))
            )
            found = int(connection.execute(query).scalar_one())
            yield f"{table.name} names a row of {key.column.table.name} that is not there", found
    types = [kind.value for kind in ConfigType]
    roles = [role.value for role in Role]
    is_secret = config.c.type == ConfigType.SECRET.value
    yield "a config has a type that there is not", number(config.c.type.not_in(types))
    yield "a member has a role that there is not", number(member.c.role.not_in(roles))
    yield (
        "a secret has a value and no key, fingerprint or age, or the other way round",
        number(
            is_secret,
            (config.c.secret.is_(None) != config.c.key_id.is_(None))
            | (config.c.secret.is_(None) != config.c.fingerprint.is_(None))
            | (config.c.secret.is_(None) != config.c.secret_changed_at.is_(None)),
        ),
    )
    yield (
        "a config that is no secret has no value",
        number(
            config.c.type.in_(types),
            ~is_secret,
            config.c.type != ConfigType.SECRET_REF.value,
            config.c.value.is_(None),
        ),
    )


# Mending


def mend_engine(repository: Repository, access: Access, what: Mend) -> None:
    """Mend something under the rows.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations, on the host.
        DatabaseError: it could not be mended.

    """
    context = repository._context
    event = Event("database.fix", details={"what": what.value})

    def work(connection: Connection) -> None:
        if access.confined:
            raise AccessDeniedError("A database is mended by whoever runs the host, on the host.")
        require_all(connection, access, "mend the database")
        if what is Mend.INDEXES:
            for index in missing_indexes(connection):
                index.create(connection)
        elif what is Mend.REINDEX:
            connection.exec_driver_sql("REINDEX")
        context.chain.append(connection, access, event)

    context.guard(access, event, lambda: context.database.write_rows(work))
    # What is done within no transaction comes when its event is written.
    if what in _OUTSIDE:
        _OUTSIDE[what](context.database)


def _checkpoint(database: Database) -> None:
    def run() -> bool:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            return bool(driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    if database._translated(run):
        raise DatabaseBusyError("Another program is reading the database; try again.")


_OUTSIDE: dict[Mend, Callable[[Database], None]] = {
    Mend.LOG_MODE: prepare_storage,
    Mend.CHECKPOINT: _checkpoint,
}
