"""An import that is killed has happened or has not, wherever it is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.settings import Settings
from bifrost_tui.store import references
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, OnConflict
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from tests.support import (
    ALICE,
    assert_nowhere,
    by_hand,
    make_repository,
    make_settings,
    plain,
    secret,
)

VALUE = "zQ5-a-value-that-was-on-its-way"
MANY = 2_100
TABLES = ("config", "organization", "scope_summary", "audit_event")

# Killed by itself, at the start of the statement of a number: no matter how fast the machine is.
KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from tests.faults.test_import_killed import bring
from tests.support import ALICE, make_settings
from bifrost_tui.store.opening import open_repository

repository = open_repository(make_settings(Path(sys.argv[1])), ALICE)
left = int(sys.argv[2])
connection = repository._context.database.engine.raw_connection()

def told(_statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def prepare(driver, _record, _proxy):
    driver.set_trace_callback(told if trace else None)

trace = False
connection.close()
event.listen(repository._context.database.engine, "checkout", prepare)

def begin():
    global trace
    trace = True

bring(repository, begin)
print(left, flush=True)
"""


def bring(repository: Repository, begin: Any = None) -> None:
    """Import over what is here, and two organizations beside."""
    drafts: list[ConfigDraft] = [
        plain("differs", "new"),
        secret("empty", VALUE),
        secret("other", VALUE, description="new"),
        *(plain(f"key_{number:05}", "x") for number in range(MANY)),
        *(secret(f"secret_{number:05}", f"{VALUE}-{number % 7}") for number in range(30)),
        ConfigDraft("reference", ConfigType.SECRET_REF, "secret_00001"),
    ]
    few = [secret("own", VALUE), plain("text", "x")]
    scopes = [
        IncomingScope(name, [IncomingConfig(draft) for draft in found])
        for name, found in (("Acme", drafts), ("Bright", few), ("Coastal", few), (None, few))
    ]
    plan = repository.imports.plan(ALICE, scopes, create_organizations=True, form="encrypted")
    if begin is not None:
        begin()
    repository.imports.apply(ALICE, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True)


@pytest.fixture
def filled(home: Path) -> Settings:
    settings = make_settings(home)
    with make_repository(settings) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        for draft in (plain("differs", "old"), secret("empty"), secret("other", "another value")):
            repository.configs.add(ALICE, acme, draft)
        repository.configs.add(ALICE, acme, secret("twin", "another value"))
    return settings


def content(repository: Repository) -> dict[str, list[tuple[Any, ...]]]:
    return {table: by_hand(repository, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def run(home: Path, statement: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(statement)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


# From the first statement of the transaction to its commit, which is among the last: see below.
@pytest.mark.parametrize("statement", [1, 2, 3, 5, 9, 20, 60, 500, 2_050, 2_160, 2_200])
def test_an_import_that_is_killed_has_not_happened(
    filled: Settings, home: Path, statement: int
) -> None:
    with open_repository(filled, ALICE) as repository:
        before = content(repository)
    ended = run(home, statement)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with open_repository(filled, ALICE) as repository:
        assert content(repository) == before
        assert_nowhere([VALUE], [home])
        bring(repository)
        whole(repository)


def test_the_commit_decides(filled: Settings, home: Path, tmp_path: Path) -> None:
    """Killed where it begins to commit, it has not happened; one statement later it has."""
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    ended = run(copy, 1_000_000)
    assert ended.returncode == 0, ended.stderr
    with open_repository(make_settings(copy), ALICE) as repository:
        whole(repository)
    last = 1_000_000 - int(ended.stdout)
    assert last > 2_200
    with open_repository(filled, ALICE) as repository:
        before = content(repository)
    assert run(home, last).returncode == -signal.SIGKILL
    with open_repository(filled, ALICE) as repository:
        assert content(repository) == before
    assert_nowhere([VALUE], [home, copy])


def whole(repository: Repository) -> None:
    asked = repository._context.database.read
    assert asked(recount) == []
    assert asked(references.miscounted) == 0
    assert repository._context.chain.verify().broken_at is None
    lines = repository.organizations.list(ALICE)
    assert [(line.scope.name, line.configs) for line in lines] == [
        ("Global", 2),
        ("Acme", MANY + 35),
        ("Bright", 2),
        ("Coastal", 2),
    ]
    # The twin is alone now, and all others have a group of their value.
    assert by_hand(
        repository, "SELECT key FROM config WHERE secret IS NOT NULL AND equal_group IS NULL"
    ) == [("twin",)]
