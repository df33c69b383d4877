"""A database that was made in some locale: texts are ordered and matched as everywhere else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit_filters import AuditFilter
from bifrost_tui.store.filters import parse_filter
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.views import Anchor
from tests.databases import SCHEME
from tests.postgres import Server, running_server
from tests.support import (
    ALICE,
    KEY,
    HandClock,
    counted_ids,
    listed,
    make_repository,
    plain,
    secret,
)

LOCALE = "en_US.UTF-8"
"""Where a comes before B, and what is no letter counts for little."""

NAMES = ["Zeta", "alpha", "Beta", "_x", "x-1", "x1", "Ärger", "ärmel", "straße", "éclair"]
KEYS = ["a", "B", "a_b", "aB", "A_c", "ab", "Ab", "_a", "b_1", "b1"]
INTEGRATIONS = ["slack", "Slack", "ÄPFEL", "äpfel", "s-lack", "Stripe"]


@pytest.fixture(scope="module")
def english() -> Iterator[Server]:
    """A server that knows English."""
    if (program := shutil.which("localedef")) is None:
        pytest.skip("no localedef")
    # Not in pytest's folder, which nobody else may enter: the server is run by somebody else.
    with TemporaryDirectory(prefix="bifrost-locales-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = subprocess.run(
            [program, "-i", "en_US", "-f", "UTF-8", str(folder / LOCALE)],
            capture_output=True,
            check=False,
        )
        if not (folder / LOCALE / "LC_COLLATE").exists():
            pytest.skip(f"no locale {LOCALE}: {made.stderr.decode(errors='replace')}")
        with running_server(folder) as server:
            yield server


@pytest.fixture
def there(english: Server, home: Path) -> Iterator[Repository]:
    """A database in that locale."""
    name = english.new_database(locale=LOCALE)
    with english.connect(name) as connection:
        assert connection.execute("SELECT 'a' < 'B', 'é' ILIKE 'É'").fetchone() == (True, True)
    url = english.url(name, scheme=SCHEME)
    environ = {"HOME": str(home), KEY_VARIABLE: KEY, DATABASE_VARIABLE: url}
    settings = load_settings(environ)
    with create_repository(settings, ALICE, clock=HandClock(), ids=counted_ids()) as repository:
        yield repository
    english.drop(name)


def told(repository: Repository) -> dict[str, Any]:
    """Fill a database, and return all that is in an order or is matched."""
    organizations = repository.organizations
    scopes = {name: organizations.add(ALICE, name) for name in NAMES}
    scope = scopes["Beta"]
    for number, key in enumerate(KEYS):
        name = INTEGRATIONS[number % len(INTEGRATIONS)]
        repository.configs.add(ALICE, scope, plain(key, integration=name))
    for name in NAMES:
        repository.configs.add(ALICE, scopes[name], secret("shared", "of all"))
        repository.members.add(ALICE, scope, f"{name}@x", Role.ADMIN)
        access = Access(f"{name}@x", "local")
        repository.configs.add(access, scope, plain(f"of_{name.encode().hex()}"))

    def found(text: str) -> list[str]:
        return [
            view.key for view in listed(repository, ALICE, ConfigList(scope, parse_filter(text)))
        ]

    wanted = ConfigList(scope)
    log = repository.log
    return {
        "organizations": [line.scope.name for line in organizations.list(ALICE)],
        "keys": found(""),
        "found": {text: found(text) for text in ("a", "B", "_", "integration:slack")},
        "integrations": [found(f"integration:{name}") for name in INTEGRATIONS],
        "pages": [
            [
                view.key
                for view in repository.configs.page(
                    ALICE, wanted, offset=number, limit=3, anchor=Anchor(number, key)
                ).rows
            ]
            for number, key in enumerate(sorted(KEYS))
        ],
        "positions": [repository.configs.position(ALICE, wanted, key) for key in KEYS],
        "members": [view.actor for view in repository.members.list(ALICE, scope)],
        "everywhere": [line.scope.name for line in repository.everywhere.key(ALICE, "shared")],
        "reused": [
            [line.scope.name for line in group.lines]
            for group in repository.everywhere.reused(ALICE)
        ],
        "actors": log.actors(ALICE),
        "log": {
            wanted: [event.sequence for event in log.page(ALICE, wanted)]
            for wanted in (
                *(AuditFilter(actor=actor) for actor in ("ALICE", "AL*", "ärger*", "ÄRGER*")),
                *(AuditFilter(key=key) for key in ("*B*", "A*", "_*")),
            )
        },
    }


def test_it_is_all_as_in_a_file(there: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.mkdir(mode=0o700)
    with make_repository(folder) as repository:
        assert repository._context.database.dialect == "sqlite"
        expected = told(repository)
    assert told(there) == expected
    assert expected["keys"] == sorted(expected["keys"])
    assert expected["organizations"][1:] == sorted(NAMES, key=str.casefold)
