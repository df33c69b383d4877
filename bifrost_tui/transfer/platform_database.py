"""Reading the configs of a Bifrost platform out of its PostgreSQL database, and changing nothing.

One read-only transaction sees one state of it. No password is ever taken from the command line,
where everybody on the host can read it, and none turns up in a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from bifrost_tui.display import ELLIPSIS, counted, shorten, visible
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingScope
from bifrost_tui.store.uncollected import uncollected
from bifrost_tui.transfer.platform_key import PlatformKey
from bifrost_tui.transfer.platform_rows import PlatformRow, Tell, incoming_scopes
from bifrost_tui.transfer.platform_values import parse_json
from bifrost_tui.transfer.strict import Wrong

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")

SCHEMES = ("bifrost+postgresql:", "bifrost+postgres:")
URL_VARIABLE = "BIFROST_SOURCE_DATABASE_URL"
"""Holds the URL of the platform's database, where that has a password in it."""

_SECONDS_TO_CONNECT = 10
_MINUTES_TO_READ = 10
_AT_ONCE = 2000
_LONGEST_VALUE = 8 * 1024 * 1024
"""The most characters of a value as JSON: a megabyte that is all escapes, or encrypted."""
_LONGEST_TEXT = 4096
_LARGEST = 256 * 1024 * 1024
"""The most characters of all values together, as of a file."""

_NO_UTF8 = "The platform's database holds text that is not UTF-8."

_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})
"""The parameters that libpq keeps secret."""

_NEEDED = {
    "organizations": ("id", "name"),
    "configs": ("key", "value", "config_type", "organization_id"),
}
_OPTIONAL = {
    "organizations": ("is_active",),
    "configs": ("description", "integration_id"),
    "integrations": ("id", "name", "is_deleted"),
}


def read_platform_database(
    url: str,
    key: PlatformKey | None = None,
    *,
    prefixed: bool = False,
    tell: Tell | None = None,
    progress: Callable[[int, int], None] | None = None,
    environ: Mapping[str, str] | None = None,
) -> list[IncomingScope]:
    """Return the organizations and configs of a platform's database.

    ``url`` is ``bifrost+postgresql://user@host/database``; with nothing behind the scheme it is
    taken from ``BIFROST_SOURCE_DATABASE_URL``. For the rest see :func:`read_platform`.

    Raises:
        TransferError: it cannot be read, it is no platform's, or there are secrets and no key.

    """
    tell = tell or (lambda _sentence: None)
    step = progress or (lambda _done, _total: None)
    parameters = _parameters(url, os.environ if environ is None else environ)
    with uncollected():
        organizations, inactive, rows, left_out = _with_connection(
            parameters, lambda connection: _everything(connection, step)
        )
    if inactive:
        names = ", ".join(sorted(_shown(name) for name in inactive.values()))
        tell(f"{counted(len(inactive), 'inactive organization')} left out: {shorten(names, 300)}.")
    if left_out:
        tell(f"{counted(left_out, 'config')} of integrations that are deleted left out.")
    taken = [row for row in rows if row.organization_id not in inactive]
    for row in taken:
        if row.organization_id is not None:
            row.organization = organizations.get(row.organization_id)
            if row.organization is None:
                row.refuse("Its organization is not in the platform's table of them.")
    named = tuple(organizations.items())
    with uncollected():
        return incoming_scopes(taken, key, prefixed=prefixed, tell=tell, organizations=named)


# Connecting


def _parameters(url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what libpq is given.

    Raises:
        TransferError: it is no URL, or a password stands in it and it came from the command line.

    """
    rest = url.partition(":")[2]
    from_variable = not rest.strip("/")
    if from_variable:
        if URL_VARIABLE not in environ:
            raise TransferError(
                f"Give the database as {SCHEMES[0]}//user@host/database, or set {URL_VARIABLE}."
            )
        scheme, _, rest = environ[URL_VARIABLE].strip().partition(":")
        if scheme.lower().removeprefix("bifrost+") not in ("postgresql", "postgres"):
            raise TransferError(f"{URL_VARIABLE} is no URL of a PostgreSQL database.")
    parameters = _parsed(f"postgresql:{rest}")
    if _SECRETS & parameters.keys() and not from_variable:
        raise TransferError(
            "The URL holds a password, and everybody on this host can see it in the list of"
            f" processes. Put it into PGPASSWORD or ~/.pgpass, or the whole URL into {URL_VARIABLE}"
            f" and give {SCHEMES[0]} alone. Nothing was read."
        )
    ours = {"connect_timeout": _SECONDS_TO_CONNECT, "application_name": "bifrost-tui"}
    return ours | parameters | {"client_encoding": "utf8"}


def _parsed(url: str) -> dict[str, Any]:
    psycopg = _driver()
    found = None
    # libpq's error quotes the part at fault, which may be a password.
    with suppress(psycopg.Error, UnicodeError):
        found = dict(psycopg.conninfo.conninfo_to_dict(url))
    if found is None:
        raise TransferError(
            f"That is no URL of a database. Write it as {SCHEMES[0]}//user@host/database"
        )
    return found


def _driver() -> ModuleType:
    """Return psycopg, which only this form of import takes.

    Raises:
        TransferError: it is not installed.

    """
    try:
        import psycopg.conninfo
    except ImportError:
        pass
    else:
        return psycopg
    raise TransferError(
        "Reading a PostgreSQL database takes its driver: pip install 'bifrost-tui[postgres]'"
    )


def _with_connection(parameters: dict[str, Any], work: Callable[[Connection[Any]], T]) -> T:
    """Do something within a read-only transaction; nothing can be changed in it.

    Raises:
        TransferError: the driver or the server failed; what they said may hold a value or a
            password, and is not kept.

    """
    psycopg = _driver()
    connection, problem = None, ""
    try:
        connection = _connect(parameters)
    except (psycopg.Error, UnicodeError) as error:
        problem = _why_no_connection(error, parameters)
    if connection is not None:
        try:
            return work(connection)
        except psycopg.Error as error:
            problem = _why_not_read(error)
        except UnicodeDecodeError:
            problem = _NO_UTF8
        finally:
            connection.close()
    # Raised outside the handlers, as everywhere here.
    raise TransferError(problem)


def _connect(parameters: dict[str, Any]) -> Connection[Any]:
    import psycopg

    connection = psycopg.connect(**parameters, autocommit=True)
    try:
        connection.execute("SET default_transaction_read_only = on")
        connection.execute(f"SET statement_timeout = '{_MINUTES_TO_READ}min'")
        # Rows that a policy hides would be missing without a word; this way it is an error.
        connection.execute("SET row_security = off")
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    except BaseException:
        connection.close()
        raise
    return connection


def _why_no_connection(error: Exception, parameters: Mapping[str, Any]) -> str:
    """Return what libpq or the server said, without a password wherever it may stand in that."""
    said = " ".join(str(error).split())
    for name in _SECRETS & parameters.keys():
        if secret := str(parameters[name]):
            said = said.replace(secret, ELLIPSIS)
    return f"The platform's database cannot be reached: {shorten(visible(said), 300)}"


def _why_not_read(error: Any) -> str:
    if error.sqlstate == "42501":
        return (
            "The platform's database does not let this user read everything that is needed. Grant"
            " SELECT on organizations, configs and integrations, without row policies."
        )
    if error.sqlstate in ("22021", "22P05"):
        return _NO_UTF8
    if error.sqlstate == "57014":
        return f"Reading the platform's database took over {_MINUTES_TO_READ} minutes."
    return f"The platform's database could not be read ({error.sqlstate or 'connection lost'})."


# Reading


@dataclass(frozen=True, slots=True)
class _Columns:
    """What of the platform's tables there is here: versions differ."""

    of: Mapping[str, frozenset[str]]

    def has(self, table: str, *names: str) -> bool:
        return self.of[table].issuperset(names)


def _columns(connection: Connection[Any]) -> _Columns:
    """Look at the tables.

    Raises:
        TransferError: they are not those of a platform.

    """
    found = {}
    for table in _OPTIONAL:
        names = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s)"
            " AND attnum > 0 AND NOT attisdropped",
            (table,),
        )
        found[table] = frozenset(str(row[0]) for row in names)
    missing = [
        f"no table {table}" if not found[table] else f"no column {table}.{name}"
        for table, names in _NEEDED.items()
        for name in (names if found[table] else names[:1])
        if name not in found[table]
    ]
    if missing:
        raise TransferError(
            f"That is no database of a Bifrost platform: it has {', '.join(missing)}, or none that"
            " this user may see."
        )
    return _Columns(found)


def _everything(
    connection: Connection[Any], progress: Callable[[int, int], None]
) -> tuple[dict[str, str], dict[str, str], list[PlatformRow], int]:
    """Return the active and the inactive organizations, the configs, and how many are left out."""
    columns = _columns(connection)
    return *_organizations(connection, columns), *_rows(connection, columns, progress)


def _organizations(
    connection: Connection[Any], columns: _Columns
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the organizations by their id: active ones, and inactive ones."""
    active = "is_active IS NOT FALSE" if columns.has("organizations", "is_active") else "TRUE"
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for identity, name, is_active in connection.execute(
        # Chosen from the constants above, never from what somebody gave.
        f"SELECT id::text, left(name, {_LONGEST_TEXT}), {active}"  # noqa: S608
        " FROM organizations ORDER BY name, id"
    ):
        found[0 if is_active else 1][identity] = name or ""
    return found


def _rows(
    connection: Connection[Any], columns: _Columns, progress: Callable[[int, int], None]
) -> tuple[list[PlatformRow], int]:
    """Return the configs, and how many were left out since their integration is deleted."""
    bound = columns.has("configs", "integration_id") and columns.has("integrations", "id", "name")
    described = columns.has("configs", "description")
    fields = [
        "c.organization_id::text",
        f"left(c.key, {_LONGEST_TEXT})",
        "lower(c.config_type::text)",
        f"left(c.value::text, {_LONGEST_VALUE + 1})",
        f"left(c.description, {_LONGEST_TEXT})" if described else "NULL",
        f"left(i.name, {_LONGEST_TEXT})" if bound else "NULL",
        "c.integration_id IS NOT NULL" if columns.has("configs", "integration_id") else "FALSE",
        "i.is_deleted" if bound and columns.has("integrations", "is_deleted") else "FALSE",
    ]
    statement = f"SELECT {', '.join(fields)} FROM configs c"  # noqa: S608  as above
    statement += " LEFT JOIN integrations i ON i.id = c.integration_id" if bound else ""
    [total] = connection.execute("SELECT count(*) FROM configs").fetchone() or (0,)
    progress(0, total)
    rows, left_out, size = [], 0, 0
    with connection.cursor(name="bifrost_tui") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(statement + " ORDER BY c.organization_id NULLS FIRST, c.key, 6 NULLS FIRST")
        for number, found in enumerate(cursor, 1):
            size += len(found[3] or "")
            if size > _LARGEST:
                raise TransferError(
                    f"The platform's configs hold over {_LARGEST // 1024**2} MiB: too much for one"
                    " import."
                )
            if found[7]:
                left_out += 1
            else:
                rows.append(_row(found))
            if not number % _AT_ONCE:
                progress(number, total)
    progress(total, total)
    return rows, left_out


def _row(found: tuple[Any, ...]) -> PlatformRow:
    organization_id, key, kind, text, description, integration, has_integration, _deleted = found
    row = PlatformRow(
        key=key or "",
        type=kind or "",
        value=None,
        description=description or "",
        organization_id=organization_id,
        integration=integration,
        place="table configs",
    )
    if has_integration and not integration:
        row.refuse("Its integration is not in the platform's table of them.")
    if text is not None and len(text) > _LONGEST_VALUE:
        row.value = Wrong("It is over 1 MiB.")
    elif text is not None:
        row.value = _unwrapped(text)
    return row


def _unwrapped(text: str) -> Any:
    """Return a value out of the ``{"value": …}`` that it is kept in; a bare one as it is."""
    try:
        value = parse_json(text)
    except TransferError:
        # Its words are about a file.
        return Wrong("It is nested too deep, or no JSON.")
    return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value


def _shown(name: str) -> str:
    return shorten(visible(name), 60)
