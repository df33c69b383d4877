"""What `doctor` asks of a PostgreSQL server: settings, rights, the line to it, and its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection, TextClause, text

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import DatabaseBusyError, DatabaseCorruptError, DatabaseError
from bifrost_tui.store.engine import Database
from bifrost_tui.store.postgres import OLDEST
from bifrost_tui.store.schema import VERSION_TABLE, metadata
from bifrost_tui.store.troubles import ELSE, Mend, Trouble, some

_OURS = (*(table.name for table in metadata.sorted_tables), VERSION_TABLE)

_SETTINGS = text("SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY(:names)")
# What stands in each: bad value, level, what it means.
_WANTED = {
    "fsync": ("error", "a crash of the host can destroy the database"),
    "full_page_writes": ("error", "a crash of the host can destroy the database"),
    "synchronous_commit": ("warning", "a crash can undo changes that were told as saved"),
    "autovacuum": ("warning", "tables grow, and the server stops one day to mend that"),
    "data_checksums": ("note", "a failing disk is not noticed where it damages rows"),
}
_LOGGED = {"log_statement": ("mod", "all"), "log_min_duration_statement": ("0",)}

_ME = text("SELECT rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user")
_STANDBY = text("SELECT pg_is_in_recovery()")
# Neither over a socket nor from the server's own host.
_REMOTE = text(
    "SELECT coalesce(NOT (inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1'"
    " OR inet_server_addr() = inet_client_addr()), FALSE)"
)
_SSL = text("SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()")
_VERIFIED = (b"verify-ca", b"verify-full")

_FROM_OURS = (
    "FROM pg_catalog.pg_class c WHERE c.relname = ANY(:ours)"
    " AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))"
)


def _of_ours(query: str) -> TextClause:
    """Return a query of which $FROM_OURS and $OURS stand for our tables, and for their numbers."""
    numbers = f"(SELECT c.oid {_FROM_OURS})"
    return text(query.replace("$FROM_OURS", _FROM_OURS).replace("$OURS", numbers)).bindparams(
        ours=list(_OURS)
    )


_RIGHTS = _of_ours(
    "SELECT c.relname, pg_has_role(c.relowner, 'USAGE') AS owned, c.relrowsecurity,"
    " has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    " AND (c.relname = 'audit_event' OR (has_table_privilege(c.oid, 'UPDATE')"
    " AND has_table_privilege(c.oid, 'DELETE'))) AS enough $FROM_OURS"
)
_OTHERS = _of_ours(
    "SELECT DISTINCT coalesce(r.rolname, 'PUBLIC') FROM"
    " (SELECT c.relowner, (aclexplode(c.relacl)).grantee $FROM_OURS) given"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid = given.grantee"
    " WHERE given.grantee <> given.relowner AND r.rolname IS DISTINCT FROM current_user"
    " ORDER BY 1"
)
_INVALID = _of_ours(
    "SELECT x.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x"
    " ON x.oid = i.indexrelid WHERE NOT (i.indisvalid AND i.indisready) AND i.indrelid IN $OURS"
    " ORDER BY 1"
)
_UNCHECKED = _of_ours(
    "SELECT conname FROM pg_catalog.pg_constraint WHERE NOT convalidated AND conrelid IN $OURS"
    " ORDER BY 1"
)
_CODE = _of_ours(
    "SELECT 'trigger ' || t.tgname || ' of ' || r.relname FROM pg_catalog.pg_trigger t"
    " JOIN pg_catalog.pg_class r ON r.oid = t.tgrelid"
    " JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid"
    " WHERE NOT t.tgisinternal AND t.tgrelid IN $OURS"
    # Our own, which tells those who listen that there is something to read.
    " AND (t.tgname, r.relname, f.proname)"
    " <> ('tell_of_events', 'audit_event', 'bifrost_tell_of_events')"
    " UNION ALL SELECT 'rule ' || w.rulename || ' of ' || r.relname"
    " FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class r ON r.oid = w.ev_class"
    " WHERE w.ev_class IN $OURS ORDER BY 1"
)
_SWITCHED_OFF = _of_ours(
    "SELECT count(*) FROM pg_catalog.pg_trigger"
    " WHERE tgisinternal AND tgenabled <> 'O' AND tgrelid IN $OURS"
)
_COLLATION = text(
    "SELECT coalesce(datcollversion <> pg_database_collation_actual_version(oid), FALSE)"
    " FROM pg_catalog.pg_database WHERE datname = current_database()"
)
_COLLATED_SINCE = 150_000
_MAY_CHECK = text(
    "SELECT to_regprocedure('bt_index_check(regclass,boolean)') IS NOT NULL AND"
    " has_function_privilege(to_regprocedure('bt_index_check(regclass,boolean)'), 'EXECUTE')"
)
_TREES = _of_ours(
    "SELECT CAST(x.oid AS bigint), x.relname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
    " JOIN pg_catalog.pg_am a ON a.oid = x.relam AND a.amname = 'btree'"
    " WHERE i.indisvalid AND i.indrelid IN $OURS ORDER BY 2"
)
_CHECK = text("SELECT bt_index_check(CAST(CAST(:oid AS oid) AS regclass), TRUE)")


def settings(connection: Connection) -> Iterator[Trouble]:
    """Look at the server, the line to it, and what the user that connects may do."""
    yield from _server(connection)
    yield from _line(connection)
    yield from _user(connection)
    yield from _indexes(connection)


def _server(connection: Connection) -> Iterator[Trouble]:
    made = _driver(connection).info
    if made.server_version < OLDEST:
        yield Trouble(
            "error",
            "engine",
            f"The server is older than PostgreSQL {OLDEST // 10_000}.",
            "Have it brought up to date.",
        )
    names = [*_WANTED, *_LOGGED, "server_encoding", "log_parameter_max_length"]
    rows = connection.execute(_SETTINGS, {"names": names})
    found: dict[str, str] = {row.name: row.setting for row in rows}
    if found.get("server_encoding") != "UTF8":
        encoding = visible(str(found.get("server_encoding")))
        yield Trouble(
            "error",
            "engine",
            f"The database is encoded in {encoding}, and texts here are UTF-8.",
            "Make a new one (createdb -E UTF8 -T template0), and bring everything over.",
        )
    for name, (level, means) in _WANTED.items():
        if found.get(name) == "off":
            yield Trouble(
                "error" if level == "error" else "warning" if level == "warning" else "note",
                "engine",
                f"The server has {name} off: {means}.",
                f"In postgresql.conf: {name} = on"
                if name != "data_checksums"
                else "With the server stopped: pg_checksums --enable",
            )
    logged = [name for name, bad in _LOGGED.items() if found.get(name) in bad]
    if logged and found.get("log_parameter_max_length") != "0":
        yield Trouble(
            "note",
            "engine",
            f"The server writes statements with what they carry into its log ({logged[0]}): keys,"
            " values of configs that are no secrets, and secrets as they are encrypted.",
            "In postgresql.conf: log_parameter_max_length = 0",
        )
    if connection.scalar(_STANDBY):
        yield Trouble(
            "error",
            "engine",
            "The server is a standby, which takes no changes.",
            "Name the primary server in BIFROST_DATABASE_URL.",
        )
    if made.server_version >= _COLLATED_SINCE and connection.scalar(_COLLATION):
        yield Trouble(
            "error",
            "engine",
            "The server's host orders texts differently than when the database was made: what"
            " indexes find may be wrong.",
            "Run in the database: REINDEX DATABASE, then ALTER DATABASE ... REFRESH COLLATION"
            " VERSION",
        )


def _line(connection: Connection) -> Iterator[Trouble]:
    if not connection.scalar(_REMOTE):
        return
    options = {option.keyword: option.val for option in _driver(connection).pgconn.info}
    if not connection.scalar(_SSL):
        yield Trouble(
            "error",
            "engine",
            "The line to the server is not encrypted: whoever is on the way can read and change"
            " what goes over it.",
            "Add to the URL: ?sslmode=verify-full",
        )
    elif options.get(b"sslmode") not in _VERIFIED:
        yield Trouble(
            "warning",
            "engine",
            "The line to the server is encrypted, and nobody checks whose server it is.",
            "Add to the URL: ?sslmode=verify-full&sslrootcert=FILE",
        )


def _driver(connection: Connection) -> Any:
    return cast("Any", connection.connection.dbapi_connection)


def _user(connection: Connection) -> Iterator[Trouble]:
    me = connection.execute(_ME).one()
    if me.rolsuper:
        yield Trouble(
            "warning",
            "engine",
            "The user that connects is a superuser of the server: its password opens everything"
            " there, and runs commands on its host.",
            "Make a user for Bifrost TUI alone, and let the database belong to it.",
        )
    rows = connection.execute(_RIGHTS).all()
    if lacking := sorted(row.relname for row in rows if not row.enough):
        yield Trouble(
            "error",
            "engine",
            f"The user that connects may not read or change {some(lacking)}.",
            "Let the tables belong to that user: ALTER TABLE ... OWNER TO ...",
        )
    elif not all(row.owned for row in rows):
        yield Trouble(
            "note",
            "engine",
            "The tables belong to another user than the one that connects: a newer Bifrost TUI"
            " cannot bring them up to date, nor --fix mend indexes.",
            "Let the tables belong to that user: ALTER TABLE ... OWNER TO ...",
        )
    if hidden := sorted(row.relname for row in rows if row.relrowsecurity):
        yield Trouble(
            "error",
            "schema",
            f"The server hides rows of {some(hidden)} by policies. {ELSE}",
            "Run: ALTER TABLE ... DISABLE ROW LEVEL SECURITY",
        )
    if others := list(connection.scalars(_OTHERS)):
        yield Trouble(
            "warning",
            "engine",
            f"Others have rights on the tables, past Bifrost TUI and its log: {some(others)}.",
            "Run: REVOKE ALL ON ALL TABLES IN SCHEMA ... FROM ...",
        )


def _indexes(connection: Connection) -> Iterator[Trouble]:
    if broken := invalid_indexes(connection):
        yield Trouble(
            "error",
            "schema",
            f"{counted(len(broken), 'index is', 'indexes are')} not valid, so that rows are not"
            f" found or come twice: {some(broken)}.",
            "",
            Mend.REINDEX,
        )
    if names := list(connection.scalars(_UNCHECKED)):
        yield Trouble(
            "warning",
            "schema",
            f"{counted(len(names), 'rule')} of the tables {'was' if len(names) == 1 else 'were'}"
            f" never checked on the rows that are there: {some(names)}. {ELSE}",
            "Run: ALTER TABLE ... VALIDATE CONSTRAINT ...",
        )
    if number := connection.scalar(_SWITCHED_OFF):
        yield Trouble(
            "error",
            "schema",
            f"{counted(number, 'trigger')} that {'holds' if number == 1 else 'hold'} rows of one"
            f" table to those of another {'is' if number == 1 else 'are'} switched off. {ELSE}",
            "Run: ALTER TABLE ... ENABLE TRIGGER ALL",
        )


def invalid_indexes(connection: Connection) -> list[str]:
    """Return the indexes of our tables that the server does not use, or that were not finished."""
    return list(connection.scalars(_INVALID))


def code(connection: Connection) -> list[str]:
    """Return what runs by itself with changes of our tables."""
    return list(connection.scalars(_CODE))


def reindex(connection: Connection) -> None:
    """Make invalid indexes anew, in the transaction at hand."""
    quoted = connection.dialect.identifier_preparer.quote
    for name in invalid_indexes(connection):
        connection.exec_driver_sql(f"REINDEX INDEX {quoted(name)}")


def _check(connection: Connection, oid: int) -> None:
    connection.execute(_CHECK, {"oid": oid})


def damaged_trees(database: Database) -> Iterator[Trouble]:
    """Let the server walk through every index, where its extension amcheck is installed.

    Each is a read of its own, so that nothing waits for long.
    """
    if not database.read(lambda connection: connection.scalar(_MAY_CHECK)):
        return
    trees = database.read(lambda connection: connection.execute(_TREES).all())
    broken = []
    for oid, name in trees:
        try:
            database.read(partial(_check, oid=oid))
        except DatabaseBusyError:
            # It was made just now, or somebody is at it.
            continue
        except DatabaseCorruptError:
            broken.append(name)
        except DatabaseError:
            continue
    if broken:
        yield Trouble(
            "error",
            "database",
            f"{counted(len(broken), 'index is', 'indexes are')} damaged: {some(broken)}.",
            "Have a look at the server's disk; then run REINDEX INDEX for each, or restore a"
            " backup.",
        )
