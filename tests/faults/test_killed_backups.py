"""Whoever is killed making or restoring a backup leaves the old or the new, and nothing between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui.store.part_files import abandoned_parts
from bifrost_tui.store.repository import Repository
from tests.databases import Databases
from tests.faults import backup_works, works
from tests.faults.killing import By, Forks, Moment, moments
from tests.faults.wholeness import Rows, assert_whole, rows_of
from tests.support import ALICE, assert_nowhere, database_path, make_repository, make_settings

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("killed")]

CONFIGS = 400


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.faults.backup_works") as started:
        yield started


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A home with a backup, after which the database has gone on."""
    home = tmp_path / "before"
    home.mkdir(mode=0o700)
    with make_repository(make_settings(home)) as repository:
        filled(repository, home)
    return home


def filled(repository: Repository, home: Path) -> None:
    works.fill(repository, CONFIGS)
    backup_works.folder_of(home).mkdir(mode=0o700)
    repository.backups.make(ALICE, backup_works.old_backup(home))
    works.bring(repository, works.incoming())


def copy(home: Path) -> Path:
    copied = home.with_name("copy")
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(home, copied)
    return copied


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def but_the_log(rows: Rows) -> Rows:
    return {table: found for table, found in rows.items() if table != "audit_event"}


def actions(rows: Rows, last: int) -> list[str]:
    return [row[4] for row in rows["audit_event"][-last:]]


def test_a_backup_that_is_killed_is_there_whole_or_not_at_all(before: Path, forks: Forks) -> None:
    with works.opened(make_settings(before)) as repository:
        rows = but_the_log(rows_of(repository))
    whole = forks.run(copy(before), "backing_up")
    killed = left = 0
    every = moments(whole, "backup")
    for moment in every:
        home = copy(before)
        killed += forks.run(home, "backing_up", kill=moment).code != 0
        folder = backup_works.folder_of(home)
        left += len(abandoned_parts(folder))
        for name in visible(folder):
            place = home / f"restored {name}"
            place.mkdir()
            backup_works.restore(make_settings(place), folder / name)
            with works.opened(make_settings(place)) as restored:
                assert_whole(restored)
                if name == "new.db":
                    assert but_the_log(rows_of(restored)) == rows
        with works.opened(make_settings(home)) as repository:
            assert_whole(repository)
            assert but_the_log(rows_of(repository)) == rows
            repository.backups.make(ALICE, folder / "another.db")
        # What was left is gone.
        assert all(not path.name.startswith(".") for path in folder.iterdir()), moment
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(every)
    print(f"backups: {killed} killed, {left} left something hidden")


def test_a_restore_that_is_killed_has_happened_or_has_not(before: Path, forks: Forks) -> None:
    with works.opened(make_settings(before)) as repository:
        old = rows_of(repository)
    home = copy(before)
    whole = forks.run(home, "restoring")
    with works.opened(make_settings(home)) as repository:
        new = but_the_log(rows_of(repository))
    killed = happened = 0
    # The last statements are those of the commit.
    ends = [Moment(By.STATEMENT, whole.statements - number) for number in range(4)]
    every = [*moments(whole, "restore"), *ends]
    for moment in every:
        home = copy(before)
        killed += forks.run(home, "restoring", kill=moment).code != 0
        settings = make_settings(home)
        folder = database_path(settings).parent
        kept = [name for name in visible(folder) if "before-restore" in name]
        with works.opened(settings) as repository:
            assert_whole(repository)
            found = rows_of(repository)
            if found == old:
                assert len(kept) <= 1
                backup_works.restore(settings, backup_works.old_backup(home))
                found = rows_of(repository)
            else:
                happened += 1
                assert len(kept) == 1
            assert but_the_log(found) == new, moment
            assert actions(found, 2) == ["database.backup", "database.restore"]
            assert_whole(repository)
        for name in kept:
            place = home / f"from {name}"
            place.mkdir()
            backup_works.restore(make_settings(place), folder / name)
            with works.opened(make_settings(place)) as restored:
                assert but_the_log(rows_of(restored)) == but_the_log(old)
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(every)
    print(f"restores: {killed} killed, {happened} had happened")


def test_a_database_that_a_killed_restore_was_to_make_is_there_whole_or_not_at_all(
    before: Path, forks: Forks
) -> None:
    shutil.rmtree(before / ".local")
    whole = forks.run(copy(before), "restoring")
    killed = happened = 0
    every = moments(whole, "restore anew")
    for moment in every:
        home = copy(before)
        killed += forks.run(home, "restoring", kill=moment).code != 0
        settings = make_settings(home)
        path = database_path(settings)
        if path.exists():
            happened += 1
        else:
            backup_works.restore(settings, backup_works.old_backup(home))
            assert visible(path.parent) == [path.name]
            assert abandoned_parts(path.parent) == []
        with works.opened(settings) as repository:
            assert_whole(repository)
            assert actions(rows_of(repository), 2) == ["database.backup", "database.restore"]
        assert_nowhere(works.PLANTED, [home])
    assert killed >= 0.6 * len(every)
    print(f"new databases: {killed} killed, {happened} were there")


def test_a_restore_on_a_server_that_is_killed_has_happened_or_has_not(
    before: Path, forks: Forks, databases: Databases
) -> None:
    file = backup_works.old_backup(before)
    url = databases.url(before, empty=True)
    settings = works.settings_of(before, url)
    try:
        shutil.copy(file, backup_works.new_backup(before))
        whole = forks.run(before, "restoring", url)
        with works.opened(settings) as repository:
            works.bring(repository, works.incoming())
        killed = 0
        every = moments(whole, "restore on a server", kinds=(By.STATEMENT, By.TIME))
        for moment in every:
            with works.opened(settings) as repository:
                old = rows_of(repository)
                killed += forks.run(before, "restoring", url, kill=moment).code != 0
                assert_whole(repository)
                found = rows_of(repository)
                if found == old:
                    backup_works.restore(settings, file)
                    found = rows_of(repository)
                assert actions(found, 2) == ["database.backup", "database.restore"], moment
                repository.organizations.add(ALICE, "Another")
        assert killed >= 0.5 * len(every)
        assert_nowhere(works.PLANTED, [before])
    finally:
        databases.release()
    print(f"restores on a server: {killed} killed")
