"""Databases that are as they were before some work, as often as that is wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.engine import connect
from bifrost_tui.store.migrate import run_migrations
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import VERSION_TABLE, metadata
from tests.databases import SCHEME
from tests.faults.wholeness import values_of
from tests.faults.works import older_scripts
from tests.postgres import Server
from tests.support import ALICE, KEY, HandClock, counted_ids, make_repository


class Files:
    """The database in a home."""

    environ: dict[str, str] = {}

    def __init__(self, home: Path, fill: Callable[[Repository], object]) -> None:
        self.home = home
        self._before = home.with_name(f"{home.name} before")
        self._before.mkdir(mode=0o700)
        with make_repository(self._settings(self._before, KEY)) as repository:
            fill(repository)

    def put_back(self) -> None:
        """Put everything back as it was."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self._before, self.home)

    def settings(self, keys: str = KEY) -> Settings:
        """Return the settings that open it."""
        return self._settings(self.home, keys)

    @staticmethod
    def _settings(home: Path, keys: str) -> Settings:
        return load_settings({"HOME": str(home), KEY_VARIABLE: keys})


class Shelf:
    """The same on a server."""

    def __init__(self, server: Server, home: Path, fill: Callable[[Repository], object]) -> None:
        self.server = server
        self.home = home
        self._name = server.new_database()
        self._rows: dict[str, bytes] = {}
        self.url = server.url(self._name, scheme=SCHEME)
        settings = self.settings()
        with create_repository(settings, ALICE, clock=HandClock(), ids=counted_ids()) as repository:
            fill(repository)
        with server.connect(self._name) as connection:
            for table in metadata.sorted_tables:
                with connection.cursor().copy(f"COPY {table.name} TO STDOUT".encode()) as copy:
                    self._rows[table.name] = b"".join(bytes(part) for part in copy)

    def put_back(self) -> None:
        """Put everything back as it was."""
        with self.server.connect(self._name) as connection, connection.transaction():
            # Nobody asks the log's own guards here.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(f"TRUNCATE {','.join(self._rows)}".encode())
            for table, rows in self._rows.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                    copy.write(rows)

    def settings(self, keys: str = KEY) -> Settings:
        """Return the settings that open it."""
        return load_settings({"HOME": str(self.home), KEY_VARIABLE: keys, **self.environ})

    @property
    def environ(self) -> dict[str, str]:
        """The variables that name it."""
        return {DATABASE_VARIABLE: self.url}


_COLUMNS = (
    "SELECT table_name, string_agg(quote_ident(column_name), ',')"
    " FROM information_schema.columns"
    f" WHERE table_schema = 'public' AND table_name <> '{VERSION_TABLE}' GROUP BY table_name"
)
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_SHAPE = (
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    " UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    " UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace"
    " UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, attcollation::regcollation,"
    " format_type(atttypid, atttypmod)) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0"
    " ORDER BY 1"
)


class OlderShelf:
    """A database of an older schema on a server, with what that knows of its rows."""

    def __init__(
        self, server: Server, home: Path, revision: str, fill: Callable[[Repository], object]
    ) -> None:
        self.server = server
        self.home = home
        self._name = server.new_database()
        with create_repository(
            self.settings, ALICE, clock=HandClock(), ids=counted_ids()
        ) as repository:
            fill(repository)
            self.values = values_of(repository)
        self._older = server.new_database()
        database = connect(server.url(self._older, scheme=SCHEME))
        scripts = older_scripts(revision, home)
        database.write_rows(lambda connection: run_migrations(connection, scripts))
        database.close()
        with (
            server.connect(self._name) as newer,
            server.connect(self._older) as older,
            older.transaction(),
        ):
            # Whatever refers to what comes later.
            older.execute("SET LOCAL session_replication_role = replica")
            for table, columns in older.execute(_COLUMNS).fetchall():
                what = f"COPY {table} ({columns})"
                with (
                    newer.cursor().copy(f"{what} TO STDOUT".encode()) as copy,
                    older.cursor().copy(f"{what} FROM STDIN".encode()) as pasted,
                ):
                    for part in copy:
                        pasted.write(part)

    def put_back(self) -> None:
        """Put another copy of it in the place of the one that is there."""
        self.server.drop(self._name)
        self._name = self.server.new_database(template=self._older)

    def contents(self) -> dict[str, object]:
        """Return all rows, and how tables are made; whoever changes them is waited for."""
        found: dict[str, object] = {}
        with self.server.connect(self._name) as connection, connection.transaction():
            # What a killed program asked for last may be under way yet.
            connection.execute(f"LOCK TABLE {VERSION_TABLE} IN ACCESS EXCLUSIVE MODE".encode())
            for (table,) in connection.execute(_TABLES).fetchall():
                asked = f"COPY (SELECT * FROM {table} r ORDER BY r) TO STDOUT (FORMAT csv, HEADER)"
                with connection.cursor().copy(asked.encode()) as copy:
                    found[table] = b"".join(bytes(part) for part in copy)
            found["shape"] = connection.execute(_SHAPE.encode()).fetchall()
        return found

    @property
    def revision(self) -> str:
        """The schema that the database names."""
        with self.server.connect(self._name) as connection:
            asked = f"SELECT version_num FROM {VERSION_TABLE}"
            [(found,)] = connection.execute(asked.encode()).fetchall()
        return str(found)

    @property
    def url(self) -> str:
        """What names the copy that is there now."""
        return self.server.url(self._name, scheme=SCHEME)

    @property
    def settings(self) -> Settings:
        """The settings that open it."""
        return load_settings(
            {"HOME": str(self.home), KEY_VARIABLE: KEY, DATABASE_VARIABLE: self.url}
        )
