"""What `doctor` asks of the engine under the database: its settings, and that all is there.

Looks are short reads. What can be mended is named by a :class:`Mend`, and mended for owners and
admins of all organizations alone, with an event in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import CheckConstraint, Connection, Index, Table, func, inspect, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from bifrost_tui.display import counted
from bifrost_tui.errors import BifrostError
from bifrost_tui.store import sqlite_checks
from bifrost_tui.store.access import EVERYWHERE, Role, require_all, require_host
from bifrost_tui.store.audit import FAILED, Event
from bifrost_tui.store.engine import Database
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import config, member, metadata
from bifrost_tui.store.sqlite_checks import checkpoint, keep_log
from bifrost_tui.store.troubles import ELSE, Mend, Trouble, some
from bifrost_tui.store.values import ConfigType


def troubles(repository: Repository) -> tuple[Trouble, ...]:
    """Look at the engine's settings, at tables and indexes, and at what all rows must keep."""
    database = repository._context.database
    found: list[Trouble] = []
    if database.dialect == "sqlite":
        found += database.read(lambda connection: [*sqlite_checks.settings(database, connection)])
        found += database.read(lambda connection: [*_objects(connection, sqlite_checks.code)])
    else:
        from bifrost_tui.store import postgres_checks

        found += database.read(lambda connection: [*postgres_checks.settings(connection)])
        found += postgres_checks.damaged_trees(database)
        found += database.read(lambda connection: [*_objects(connection, postgres_checks.code)])
    if not database.read(_lost_columns):
        found += database.read(lambda connection: [*_rules(connection)])
    return tuple(found)


# Tables, indexes, triggers


def _objects(connection: Connection, code: Callable[[Connection], list[str]]) -> Iterator[Trouble]:
    """Look whether every table and index is there, and nothing that runs by itself."""
    missing = missing_indexes(connection)
    lost = _lost_columns(connection)
    if not lost and (rules := _lost_rules(connection)):
        yield Trouble(
            "error",
            "schema",
            f"The tables do not hold rows to {some(rules)} any more. {ELSE}",
            "Restore a backup, or export everything and import it into a new database.",
        )
    if lost:
        yield Trouble(
            "error",
            "schema",
            f"The database lacks {some(lost)}. {ELSE}",
            "Restore a backup.",
        )
    if missing:
        names = some([str(index.name) for index in missing])
        yield Trouble(
            "error" if any(index.unique for index in missing) else "warning",
            "schema",
            f"The database lacks {counted(len(missing), 'index', 'indexes')}: {names}. {ELSE}",
            "",
            None if lost else Mend.INDEXES,
        )
    if added := code(connection):
        yield Trouble(
            "error",
            "schema",
            f"Code runs in the database with changes of its tables: {some(added)}. {ELSE}",
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


def _lost_rules(connection: Connection) -> list[str]:
    there = inspect(connection)
    lost = []
    for table in metadata.sorted_tables:
        names = {each["name"] for each in there.get_check_constraints(table.name)}
        names |= {each["name"] for each in there.get_foreign_keys(table.name)}
        wanted = {str(check.name) for check in _checks(table)}
        wanted |= {str(key.name) for key in table.foreign_key_constraints}
        lost += sorted(wanted - names)
    return lost


def _checks(table: Table) -> list[CheckConstraint]:
    inner = (each for column in table.columns for each in column.constraints)
    return [each for each in (*table.constraints, *inner) if isinstance(each, CheckConstraint)]


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


# What all rows keep


def _rules(connection: Connection) -> Iterator[Trouble]:
    """Look at rules that no constraint of a table can hold, or that one was taken from."""
    for told, number in _broken(connection):
        if number:
            yield Trouble(
                "error",
                "rows",
                f"{counted(number, 'row')} {'breaks' if number == 1 else 'break'} a rule: {told}."
                f" {ELSE}",
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
        for check in _checks(table):
            query = select(func.count()).select_from(table).where(text(f"NOT ({check.sqltext})"))
            yield f"{check.name}", int(connection.execute(query).scalar_one())
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
        require_host(access, "A database is mended")
        require_all(connection, access, "mend the database")
        if what is Mend.INDEXES:
            for index in missing_indexes(connection):
                # As SQLite has it: in these words of ours the engines do not differ.
                statement = str(CreateIndex(index).compile(dialect=sqlite.dialect()))
                connection.exec_driver_sql(statement)
        elif what is Mend.REINDEX:
            _reindex(context.database, connection)
        context.chain.append(connection, access, event)

    context.guard(access, event, lambda: context.database.write_rows(work))
    # What is done within no transaction comes when its event is written.
    if what in _OUTSIDE:
        try:
            _OUTSIDE[what](context.database)
        except BifrostError:
            failed = replace(event, outcome=FAILED)
            context.database.write_rows(
                lambda connection: context.chain.append(connection, access, failed)
            )
            raise


def _reindex(database: Database, connection: Connection) -> None:
    if database.dialect == "sqlite":
        connection.exec_driver_sql("REINDEX")
    else:
        from bifrost_tui.store.postgres_checks import reindex

        reindex(connection)


_OUTSIDE: dict[Mend, Callable[[Database], None]] = {
    Mend.LOG_MODE: keep_log,
    Mend.CHECKPOINT: checkpoint,
}
