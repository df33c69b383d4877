"""PostgreSQL databases for tests that hold for both engines: ready at once, and as new each time.

A database is made once and used by one test after another. What a test wrote is deleted after it
and what a new database holds is put back, which takes a twentieth of making one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, load_settings
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, metadata
from tests.postgres import Keeper

SCHEME = "postgresql+psycopg"

_OTHERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND"
    " backend_type = 'client backend'"
)
_SHAPE = (
    "SELECT string_agg(x, ',' ORDER BY x) FROM (SELECT relname || relkind::text"
    " || relnatts AS x FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    # Those of references have the number of one among their names.
    " UNION ALL SELECT regexp_replace(tgname, '\\d+$', '') || tgenabled::text FROM pg_trigger"
    " UNION ALL SELECT conname FROM pg_constraint) AS everything"
)


class Databases:
    """The databases of one test process; those of a test are known by its homes."""

    def __init__(self, server: Keeper) -> None:
        self.server = server
        self._ready: list[str] = []
        self._used: dict[Path, str] = {}
        self._is_empty: set[str] = set()
        self._is_there: set[Path] = set()
        self._rows: dict[str, bytes] = {}
        self._shape: Any = None

    def url(self, home: Path, *, empty: bool = False) -> str:
        """Return the URL of a home's database: one that is set up, or one with nothing in it."""
        if home not in self._used:
            for gone in [each for each in self._is_there if not each.exists()]:
                # Of a story that has ended, in a test of many.
                self._is_there.discard(gone)
                self._give_back(self._used.pop(gone))
            self._used[home] = self._taken(empty)
            if home.exists() and not empty:
                self._is_there.add(home)
        return self.server.url(self._used[home], scheme=SCHEME)

    def _taken(self, empty: bool) -> str:
        if not empty and self._ready:
            return self._ready.pop()
        name = self.server.new_database()
        if empty:
            self._is_empty.add(name)
        else:
            self._set_up(name)
        return name

    def _set_up(self, name: str) -> None:
        from tests.support import ALICE, KEY, HandClock

        settings = load_settings(
            {
                "HOME": "/nowhere",
                KEY_VARIABLE: KEY,
                DATABASE_VARIABLE: self.server.url(name, scheme=SCHEME),
            }
        )
        create_repository(settings, ALICE, clock=HandClock(), ids=lambda: "0" * 32).close()
        if not self._rows:
            with self.server.connect(name) as connection:
                self._shape = connection.execute(_SHAPE).fetchone()
                for table in metadata.sorted_tables:
                    with connection.cursor().copy(f"COPY {table.name} TO STDOUT".encode()) as copy:
                        self._rows[table.name] = b"".join(bytes(part) for part in copy)
        else:
            # Under the root of the first one, so that all are alike.
            assert self._put_back(name)

    def contents(self, path: Path) -> dict[str, bytes]:
        """Return the tables of the databases whose homes are a folder, or in it, as they lie."""
        found = {}
        for home, name in self._used.items():
            if home != path and path not in home.parents:
                continue
            with self.server.connect(name) as connection:
                for table in metadata.sorted_tables if name not in self._is_empty else ():
                    command = f"COPY {table.name} TO STDOUT WITH (FORMAT binary)"
                    with connection.cursor().copy(command.encode()) as copy:
                        data = b"".join(bytes(part) for part in copy)
                    found[f"the table {table.name} of {name}"] = data
        return found

    def release(self) -> None:
        """Take back the databases of a test, and make them as new."""
        for name in self._used.values():
            self._give_back(name)
        self._used.clear()
        self._is_there.clear()

    def _give_back(self, name: str) -> None:
        if name in self._is_empty or not self._put_back(name):
            self.server.drop(name)
        else:
            self._ready.append(name)

    def _put_back(self, name: str) -> bool:
        with suppress(psycopg.Error), self.server.connect(name) as connection:
            connection.execute(_OTHERS)
            if connection.execute(_SHAPE).fetchone() != self._shape:
                return False
            with connection.transaction():
                for table in reversed(metadata.sorted_tables):
                    connection.execute(f"DELETE FROM {table.name}".encode())
                for name_of, rows in self._rows.items():
                    with connection.cursor().copy(f"COPY {name_of} FROM STDIN".encode()) as copy:
                        copy.write(rows)
                found = connection.execute(f"SELECT * FROM {VERSION_TABLE}".encode()).fetchall()
            return [tuple(row) for row in found] == [(REVISION,)]
        return False
