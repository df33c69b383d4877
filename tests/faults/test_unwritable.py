"""Locked, read-only, full, failing: each is told in words, and nothing has changed or leaked."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bifrost_tui.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
)
from bifrost_tui.settings import Settings
from bifrost_tui.store import engine as engine_module
from bifrost_tui.store import sqlite as sqlite_module
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope, State
from tests.support import (
    ALICE,
    KEY,
    NEW_KEY,
    assert_nowhere,
    assert_silent,
    by_hand,
    database_path,
    listed,
    make_repository,
    make_settings,
    plain,
    planted,
    secret,
)

PLAIN, SECRET = planted()[0], planted()[2]
LONG = PLAIN * 3000
TABLES = ("organization", "config", "scope_summary", "member", "audit_event", "key_check")


def _import(repository: Repository, *drafts: ConfigDraft) -> None:
    incoming = IncomingScope("acme", [IncomingConfig(draft) for draft in drafts])
    plan = repository.imports.plan(ALICE, [incoming], form="encrypted")
    repository.imports.apply(ALICE, plan, replace_secrets=True)


Change = Callable[[Repository, Scope, ConfigView], object]
CHANGES: dict[str, Change] = {
    "add": lambda r, s, v: r.configs.add(ALICE, s, plain("new", LONG)),
    "add secret": lambda r, s, v: r.configs.add(ALICE, s, secret("new", SECRET + LONG)),
    "edit": lambda r, s, v: r.configs.edit(ALICE, v, plain("k", LONG)),
    "edit secret": lambda r, s, v: r.configs.edit(ALICE, v, secret("k", SECRET + LONG)),
    "rotate": lambda r, s, v: r.configs.rotate(ALICE, v, EnteredSecret(SECRET + LONG)),
    "import": lambda r, s, v: _import(r, plain("new", LONG), secret("newer", SECRET + LONG)),
    "import secret": lambda r, s, v: _import(r, secret("k", SECRET + LONG)),
    "delete": lambda r, s, v: r.configs.delete(ALICE, v),
    "add organization": lambda r, s, v: r.organizations.add(ALICE, "New"),
    "rename organization": lambda r, s, v: r.organizations.rename(ALICE, s, 1, "New"),
    "archive organization": lambda r, s, v: r.organizations.archive(ALICE, s, 1),
}
GROWING = ["add", "add secret", "edit", "edit secret", "rotate", "import", "import secret"]


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def view(repository: Repository, acme: Scope) -> ConfigView:
    return repository.configs.add(ALICE, acme, secret("k", SECRET))


def content(repository: Repository) -> dict[str, list[tuple[Any, ...]]]:
    return {name: by_hand(repository, f"SELECT * FROM {name} ORDER BY 1") for name in TABLES}


@contextmanager
def every_connection(repository: Repository, *pragmas: str) -> Iterator[None]:
    """Set something on every new connection, as a disk or a file's rights would."""
    engine = repository._context.database.engine

    def prepare(made: Any, _record: Any) -> None:
        for pragma in pragmas:
            made.execute(f"PRAGMA {pragma}")

    engine.dispose()
    event.listen(engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(engine, "connect", prepare)
        engine.dispose()


def fails(
    repository: Repository, kind: type[DatabaseError], says: str, attempt: Callable[[], object]
) -> None:
    """Try something that cannot be written: it is told, nothing leaks and nothing has changed."""
    before = content(repository)
    path = repository._context.database.path
    assert path is not None
    with pytest.raises(kind) as raised:
        attempt()
    assert type(raised.value) is kind
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert "Nothing was changed" in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert_silent(raised.value, [PLAIN, SECRET])
    assert content(repository) == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_read_only_database_is_told_and_still_read(
    repository: Repository, acme: Scope, view: ConfigView, name: str
) -> None:
    with every_connection(repository, "query_only = ON"):
        fails(
            repository,
            DatabaseReadOnlyError,
            "check the rights of the file and of its folder",
            lambda: CHANGES[name](repository, acme, view),
        )
        assert listed(repository, ALICE, acme) == (view,)
    CHANGES[name](repository, acme, view)
    assert repository._context.chain.verify().broken_at is None


@pytest.mark.parametrize("name", GROWING)
def test_a_full_disk_is_told_and_what_was_there_is_kept(
    repository: Repository, acme: Scope, view: ConfigView, home: Path, name: str
) -> None:
    [(pages,)] = by_hand(repository, "PRAGMA page_count")
    with every_connection(repository, f"max_page_count = {pages}"):
        fails(
            repository,
            DatabaseFullError,
            "free some room and try again",
            lambda: CHANGES[name](repository, acme, view),
        )
        assert listed(repository, ALICE, acme) == (view,)
    CHANGES[name](repository, acme, view)
    assert repository._context.chain.verify().broken_at is None
    if "secret" in name or name == "rotate":
        assert_nowhere([SECRET, PLAIN], [home])


@pytest.mark.parametrize("name", GROWING)
def test_a_write_that_fails_on_the_disk_is_told_and_undone(
    repository: Repository, acme: Scope, view: ConfigView, name: str
) -> None:
    """The write-ahead log may not grow: the system refuses to write beyond a limit."""
    repository.warm_up()
    path = repository._context.database.path
    assert path is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, hard))
    try:
        before = content(repository)
        with pytest.raises(DatabaseError) as raised:
            CHANGES[name](repository, acme, view)
        told = raised.value
        after = content(repository)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert after == before
    assert str(path) in str(told)
    assert "check the disk" in str(told) or isinstance(told, DatabaseFullError)
    assert_silent(told, [PLAIN, SECRET])
    CHANGES[name](repository, acme, view)
    assert repository._context.chain.verify().broken_at is None


HOLDING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def another_holds(path: Path) -> Iterator[None]:
    """Let another process hold the write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("go\n")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, repository: Repository) -> Repository:
    """A repository that waits for a lock no longer than a blink."""
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.02)
    repository._context.database.close()
    return repository


def test_a_database_that_another_holds_is_told_and_still_read(
    impatient: Repository, acme: Scope, view: ConfigView
) -> None:
    path = impatient._context.database.path
    assert path is not None
    with another_holds(path):
        for change in CHANGES.values():
            fails(
                impatient,
                DatabaseBusyError,
                "did not let go within 0 seconds. Nothing was changed; try again.",
                lambda change=change: change(impatient, acme, view),  # type: ignore[misc]
            )
        assert listed(impatient, ALICE, acme) == (view,)
    CHANGES["rotate"](impatient, acme, view)
    assert impatient._context.chain.verify().broken_at is None


def test_a_damaged_secret_is_shown_while_another_holds_the_database(
    impatient: Repository, acme: Scope, view: ConfigView
) -> None:
    by_hand(impatient, "UPDATE config SET secret = 'damaged'")
    path = impatient._context.database.path
    assert path is not None
    before = content(impatient)
    with another_holds(path):
        [shown] = listed(impatient, ALICE, acme)
        assert shown.state is State.UNREADABLE
    assert content(impatient) == before


def test_a_new_master_key_waits_until_it_can_be_written(
    impatient: Repository, acme: Scope, home: Path
) -> None:
    path = impatient._context.database.path
    assert path is not None
    both = make_settings(home, f"{NEW_KEY},{KEY}")
    with another_holds(path):
        fails(impatient, DatabaseBusyError, "try again", lambda: open_repository(both, ALICE))
    open_repository(both, ALICE).close()


def test_a_new_database_that_does_not_fit_is_not_there_afterwards(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = (*sqlite_module._PRAGMAS, "PRAGMA max_page_count = 8")
    monkeypatch.setattr(sqlite_module, "_PRAGMAS", pragmas)
    with pytest.raises(DatabaseFullError) as raised:
        create_repository(settings, ALICE)
    assert str(database_path(settings)) in str(raised.value)
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the rights of a file do not bind root")
def test_rights_of_the_file_count(settings: Settings) -> None:
    with make_repository(settings) as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    path = database_path(settings)
    path.chmod(0o400)
    with (
        open_repository(settings, ALICE) as repository,
        pytest.raises(DatabaseReadOnlyError, match="check the rights"),
    ):
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("l"))
    path.chmod(0o000)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_repository(settings, ALICE)
