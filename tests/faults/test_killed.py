"""Whoever is killed at work leaves it done or not done, and it can be done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui.errors import WrongMasterKeyError
from bifrost_tui.settings import Settings
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import REVISION, VERSION_TABLE
from tests.faults import works
from tests.faults.killing import Forks, moments
from tests.faults.wholeness import assert_whole, rows_of, same_again, values_of
from tests.support import assert_nowhere, by_hand, database_path, make_repository, make_settings

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("killed")]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.faults.works") as started:
        yield started


class Homes:
    """A home as it is before some work, and copies of it to do the work in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.before = folder / "before"
        self.before.mkdir(mode=0o700)

    @property
    def settings(self) -> Settings:
        return make_settings(self.before)

    def copy(self, name: str = "copy") -> Path:
        """Return a new copy; the one before it of that name is gone."""
        home = self._folder / name
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.before, home)
        return home


@pytest.fixture
def homes(tmp_path: Path) -> Homes:
    return Homes(tmp_path)


def test_an_import_that_is_killed_has_happened_or_has_not(homes: Homes, forks: Forks) -> None:
    with make_repository(homes.settings) as repository:
        works.fill(repository, 600)
        before = rows_of(repository)
    home = homes.copy()
    whole = forks.run(home, "importing")
    with works.opened(make_settings(home)) as repository:
        assert_whole(repository)
        done = same_again(repository)
    killed = happened = 0
    for moment in moments(whole, "import"):
        home = homes.copy()
        ended = forks.run(home, "importing", kill=moment)
        killed += ended.code != 0
        settings = make_settings(home)
        with works.opened(settings) as repository:
            assert_whole(repository)
            if rows_of(repository) == before:
                works.bring(repository, works.incoming())
                assert_whole(repository)
            else:
                happened += 1
            assert same_again(repository) == done, moment
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(moments(whole, "import"))
    print(f"imports: {killed} killed, {happened} had happened")


@pytest.mark.parametrize("processes", [0, 2])
def test_a_rotation_of_the_master_key_that_is_killed_goes_on(
    homes: Homes, forks: Forks, processes: int
) -> None:
    with make_repository(homes.settings) as repository:
        works.fill(repository, 600)
        values = values_of(repository)
    home = homes.copy()
    whole = forks.run(home, "rotating", None, processes)
    with works.opened(works.settings_of(home, None, works.BOTH_KEYS)) as repository:
        assert_whole(repository)
        done = same_again(repository)
    assert done["values"] == values
    assert len(done["key_check"]) == 1
    killed = half = 0
    every = moments(whole, f"rotation {processes}")
    for moment in every:
        home = homes.copy()
        killed += forks.run(home, "rotating", None, processes, kill=moment).code != 0
        with works.opened(works.settings_of(home, None, works.BOTH_KEYS)) as repository:
            assert_whole(repository)
            assert values_of(repository) == values
            half += len(set(keys_of(repository))) > 1
            works.rotate(repository)
            assert_whole(repository)
            assert same_again(repository) == done, moment
            assert_told(repository)
        with pytest.raises(WrongMasterKeyError):
            works.opened(make_settings(home))
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(every)
    print(f"rotations with {processes} processes: {killed} killed, {half} half done")


def keys_of(repository: Repository) -> list[str]:
    """Return the master key that each secret is under."""
    rows = by_hand(repository, "SELECT key_id FROM config WHERE secret IS NOT NULL")
    return [key_id for (key_id,) in rows]


def assert_told(repository: Repository) -> None:
    """Check that each secret was told of once, in the batch that it was re-encrypted with."""
    told = [
        json.loads(details)
        for (details,) in by_hand(
            repository, "SELECT details FROM audit_event WHERE action = 'key.rotate'"
        )
    ]
    batches = [event["re_encrypted"] for event in told if "already" not in event]
    assert sum(batches) == len(keys_of(repository))
    assert told[-1]["already"] + told[-1]["re_encrypted"] == len(keys_of(repository))


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_migration_that_is_killed_has_happened_or_has_not(
    homes: Homes, forks: Forks, tmp_path: Path, revision: str
) -> None:
    with make_repository(homes.settings) as repository:
        works.fill(repository, 1500, references=revision > "0001")
    works.age(homes.settings, revision, tmp_path)
    path = database_path(homes.settings)
    tables = [
        name for (name,) in by_hand(path, "SELECT name FROM sqlite_master WHERE type='table'")
    ]

    def content(path: Path) -> list[object]:
        return [by_hand(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables[1:]]

    before = content(path)
    home = homes.copy()
    whole = forks.run(home, "migrating")
    with works.opened(make_settings(home)) as repository:
        assert_whole(repository)
        done = same_again(repository)
    killed = happened = 0
    for moment in moments(whole, revision):
        home = homes.copy()
        ended = forks.run(home, "migrating", kill=moment)
        killed += ended.code != 0
        settings = make_settings(home)
        path = database_path(settings)
        [(found,)] = by_hand(path, f"SELECT * FROM {VERSION_TABLE}")
        if found == revision:
            assert content(path) == before
        else:
            assert found == REVISION
            happened += 1
        for copy in path.parent.glob("*.bak"):
            # What is there under the name of a copy is one.
            assert by_hand(copy, "PRAGMA integrity_check") == [("ok",)], moment
            assert content(copy) == before, moment
        with works.opened(settings) as repository:
            assert_whole(repository)
            assert same_again(repository) == done
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(moments(whole, revision))
    print(f"migrations from {revision}: {killed} killed, {happened} had happened")
