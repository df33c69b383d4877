"""What is done in processes that are killed: each piece of work from its beginning to its end."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

import bifrost_tui.store.importing_write
import bifrost_tui.store.migrate
import bifrost_tui.store.postgres
import bifrost_tui.store.rekeying
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.engine import connect
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, OnConflict
from bifrost_tui.store.migrate import SCRIPTS, run_migrations
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.schema import VERSION_TABLE
from bifrost_tui.store.values import ConfigType
from tests.faults.killing import Begin
from tests.support import (
    ALICE,
    KEY,
    NEW_KEY,
    HandClock,
    by_hand,
    counted_ids,
    plain,
    secret,
)

VALUE = "zQ5-a-value-that-is-on-its-way"
OTHER = "zQ6-a-value-that-was-there-before"
PLANTED = (VALUE, OTHER)

_LOADED = (bifrost_tui.store.importing_write, psycopg, bifrost_tui.store.rekeying)


BOTH_KEYS = f"{NEW_KEY},{KEY}"


def settings_of(home: Path, url: str | None, keys: str = KEY) -> Settings:
    """Return the settings of a home whose database is there, or on a server."""
    environ = {"HOME": str(home), KEY_VARIABLE: keys}
    return load_settings(environ | ({} if url is None else {DATABASE_VARIABLE: url}))


def _nothing() -> None:
    pass


def opened(settings: Settings) -> Repository:
    """Open a database in such a way that the same work does the same."""
    return open_repository(settings, ALICE, clock=HandClock(), ids=counted_ids(100_000))


def fill(repository: Repository, configs: int, *, references: bool = True) -> None:
    """Bring in so many configs of every kind, in two organizations and global."""
    scopes = []
    for number, name in enumerate(("Acme", "Bright", None)):
        drafts: list[ConfigDraft] = []
        for place in range(number, configs, 3):
            key = f"k{place:06}"
            match place % 4:
                case 0:
                    drafts.append(plain(key, f"text {place}", description="d" * 40))
                case 1:
                    drafts.append(secret(key, f"{OTHER}-{place % 50}", partial_mask=True))
                case 2:
                    drafts.append(secret(key, f"{OTHER}-{place}", rotate_every_days=30))
                case _:
                    drafts.append(secret(key))
        drafts.append(secret("target", OTHER))
        if references:
            drafts.append(ConfigDraft("reference", ConfigType.SECRET_REF, "target"))
        scopes.append(IncomingScope(name, [IncomingConfig(draft) for draft in drafts]))
    bring(repository, scopes)


def bring(repository: Repository, scopes: list[IncomingScope], begin: Begin = _nothing) -> None:
    """Import over what is here."""
    plan = repository.imports.plan(ALICE, scopes, create_organizations=True, form="encrypted")
    begin()
    repository.imports.apply(ALICE, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True)


# Import


def incoming() -> list[IncomingScope]:
    """Return what differs from what :func:`fill` brings, and what is new."""
    drafts: list[ConfigDraft] = []
    drafts += [
        secret(f"k{place:06}", f"{VALUE}-{place % 7}", partial_mask=True)
        for place in range(0, 240, 3)
        if place % 4
    ]
    drafts += [plain(f"new_{place:05}", "x" * 200) for place in range(150)]
    drafts += [secret(f"newer_{place:05}", f"{VALUE}-{place % 9}") for place in range(50)]
    drafts.append(ConfigDraft("ref", ConfigType.SECRET_REF, "newer_00001"))
    few = [secret("own", VALUE), plain("text", "x")]
    return [
        IncomingScope(name, [IncomingConfig(draft) for draft in found])
        for name, found in (("Acme", drafts), ("Coastal", few), (None, few))
    ]


def importing(begin: Begin, home: Path, url: str | None = None) -> None:
    """Import into the database of a home, or of a server."""
    bring(opened(settings_of(home, url)), incoming(), begin)


# Rotation of the master key


def rotating(begin: Begin, home: Path, url: str | None = None, processes: int = 0) -> None:
    """Encrypt everything under the new key."""
    repository = opened(settings_of(home, url, BOTH_KEYS))
    begin()
    rotate(repository, processes)


def rotate(repository: Repository, processes: int = 0) -> None:
    report = repository.master_keys.rotate(ALICE, batch=40, processes=processes)
    assert report.ok, report


# A save


def saving(begin: Begin, home: Path, url: str | None = None) -> None:
    """Save a new value of a secret."""
    repository = opened(settings_of(home, url))
    begin()
    save(repository)


def save(repository: Repository) -> None:
    acme = repository.organizations.find(ALICE, "Acme")
    view = repository.configs.get_key(ALICE, acme, "target")
    repository.configs.rotate(ALICE, view, EnteredSecret(VALUE))


# Migration


def migrating(begin: Begin, home: Path, url: str | None = None) -> None:
    """Open a database of an older schema."""
    settings = settings_of(home, url)
    begin()
    opened(settings)


def older_scripts(revision: str, folder: Path) -> Path:
    """Return the shipped migrations up to one of them."""
    scripts = folder / f"migrations {revision}"
    later = [f"{number:04}*" for number in range(int(revision) + 1, 10)]
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__", *later))
    return scripts


def age(settings: Settings, revision: str, folder: Path) -> None:
    """Make a database one of an older schema, with what that knows of its rows."""
    path = settings.database_path
    assert path is not None
    scripts = older_scripts(revision, folder)
    newer = path.rename(folder / f"newer {revision}.db")
    path.touch(0o600)
    database = connect(settings.database_url)
    database.write_rows(lambda connection: run_migrations(connection, scripts))
    database.close()
    tables = by_hand(path, "SELECT name FROM sqlite_master WHERE type = 'table'")
    for (table,) in tables:
        if table == VERSION_TABLE:
            continue
        columns = [row[1] for row in by_hand(path, f"PRAGMA table_info({table})")]
        rows = by_hand(newer, f"SELECT {','.join(columns)} FROM {table}")
        holders = ",".join("?" * len(columns))
        _insert(path, f"INSERT INTO {table} ({','.join(columns)}) VALUES ({holders})", rows)
    newer.unlink()
    assert by_hand(path, f"SELECT * FROM {VERSION_TABLE}") == [(revision,)]


def _insert(path: Path, statement: str, rows: list[tuple[object, ...]]) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.executemany(statement, rows)
    finally:
        connection.close()
