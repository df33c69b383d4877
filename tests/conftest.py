"""Fixtures that every test may ask for; plain functions stand in :mod:`tests.support`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import Connection, Dialect, event
from sqlalchemy.engine import Engine as AnyEngine
from sqlalchemy.util import LRUCache

from bifrost_tui.settings import Settings
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from tests.databases import Databases
from tests.postgres import GivenServer, Keeper, Server, running_server
from tests.support import (
    ALICE,
    Engine,
    HandClock,
    counted_ids,
    make_repository,
    make_settings,
)

# The same examples in every run; HYPOTHESIS_PROFILE=thorough looks for new ones.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


ENGINES = tuple(os.environ.get("BIFROST_TEST_ENGINES", "sqlite postgresql").split())
"""What tests of modules marked ``both_engines`` are run on."""

GIVEN_SERVER = os.environ.get("BIFROST_TEST_POSTGRES", "")
"""The URL of a PostgreSQL server for them, by a role that may make databases; else one is made."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of modules marked ``both_engines`` on each, or on the one they are marked for."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if "both_engines" in marks and "sqlite" not in marks:
        # First, so that it is there before anything is made on it.
        metafunc.fixturenames.insert(0, "engine")
        metafunc.parametrize("engine", ENGINES, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked for the other engine, a test or an example of one."""
    wrong = [item for item in items if _is_for_another_engine(item)]
    if wrong:
        config.hook.pytest_deselected(items=wrong)
        left_out = set(wrong)
        items[:] = [item for item in items if item not in left_out]


def _is_for_another_engine(item: pytest.Item) -> bool:
    given = getattr(item, "callspec", None)
    name = given.params.get("engine") if given is not None else None
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}.get(name or "")
    return other is not None and item.get_closest_marker(other) is not None


class _Compiled(LRUCache[Any, Any]):
    """Compiled statements of all engines of one kind, which every test would compile anew."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_kind(key), value)


def _of_kind(key: tuple[Dialect, *tuple[Any, ...]]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (type(dialect), *rest)


_COMPILED = _Compiled(5000)


@event.listens_for(AnyEngine, "engine_connect")
def _share_compiled(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine that a test is run on; its databases are gone, or as new, afterwards."""
    name: str = getattr(request, "param", "sqlite")
    if name == "sqlite":
        yield name
        return
    servers: Databases = request.getfixturevalue("databases")
    Engine.servers = servers
    try:
        yield name
    finally:
        Engine.servers = None
        servers.release()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """The databases of this process, on a server of its own or on the one that was given."""
    keeper: Keeper = (
        GivenServer(GIVEN_SERVER) if GIVEN_SERVER else request.getfixturevalue("postgres")
    )
    try:
        yield Databases(keeper)
    finally:
        if GIVEN_SERVER:
            keeper.drop_all()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> Path:
    """An empty home, and nothing in the environment that names a place, a key or a database."""
    for name in list(os.environ):
        if name.startswith(("BIFROST_", "XDG_")) or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    for name, value in Engine.environ(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings of a user who has a master key in the environment."""
    return make_settings(home)


@pytest.fixture
def access() -> Access:
    """The owner of the database."""
    return ALICE


@pytest.fixture
def clock() -> HandClock:
    """A clock that is advanced by hand."""
    return HandClock()


@pytest.fixture
def ids() -> Callable[[], str]:
    """Ids one after another, the same in every run."""
    return counted_ids()


@pytest.fixture
def repository(
    settings: Settings, access: Access, clock: HandClock, ids: Callable[[], str]
) -> Iterator[Repository]:
    """An open, new database with its owner in it."""
    with make_repository(settings, access, clock=clock, ids=ids) as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this process, which is there when a test first asks for it."""
    try:
        with running_server() as server:
            yield server
    except LookupError as error:
        pytest.skip(str(error))
