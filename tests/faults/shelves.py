"""Databases that are as they were before some work, as often as that is wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import metadata
from tests.databases import SCHEME
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
