"""The same on PostgreSQL, where the program may be killed, or the server under it.

The server keeps what is committed, as one does that is not made for tests; killed, it starts again
on the files that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import REVISION
from tests.faults import works
from tests.faults.killing import KILLS, By, Ended, Forks, Moment, moments
from tests.faults.shelves import OlderShelf, Shelf
from tests.faults.wholeness import assert_whole, rows_of, same_again, values_of
from tests.postgres import Server
from tests.support import KEY, assert_nowhere

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("killed_servers")]

KINDS = (By.STATEMENT, By.TIME)
TIMES = KILLS if KILLS > 15 else 6
"""A server takes a second or two to come back."""


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.faults.works") as started:
        yield started


@pytest.fixture(scope="module")
def shelf(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(server, tmp_path_factory.mktemp("home"), lambda made: works.fill(made, 600))


Again = Callable[[Repository], Any]
WORKS: dict[str, tuple[str, Again]] = {
    "importing": (KEY, lambda repository: works.bring(repository, works.incoming())),
    "rotating": (works.BOTH_KEYS, works.rotate),
    "saving": (KEY, works.save),
}


@pytest.mark.parametrize("victim", ["program", "server"])
@pytest.mark.parametrize("work", WORKS)
def test_what_is_killed_has_happened_or_has_not(
    shelf: Shelf, forks: Forks, work: str, victim: str
) -> None:
    keys, again = WORKS[work]
    server = shelf.server
    shelf.put_back()
    whole = forks.run(shelf.home, work, shelf.url)
    with works.opened(shelf.settings(keys)) as repository:
        assert_whole(repository)
        done = same_again(repository)
    killed = happened = uncertain = 0
    every = moments(whole, f"{work} {victim}", TIMES, KINDS)
    for moment in every:
        shelf.put_back()
        with works.opened(shelf.settings(keys)) as repository:
            before = rows_of(repository)
            values = values_of(repository)
        if victim == "program":
            ended = forks.run(shelf.home, work, shelf.url, kill=moment)
            killed += ended.code != 0
        else:
            ended = forks.run(shelf.home, work, shelf.url, kill=moment, server=server.pid)
            server.killed()
            server.start()
            killed += ended.told != ""
            assert ended.told in ("", "DatabaseUnreachableError", "DatabaseUncertainError"), ended
            uncertain += ended.told == "DatabaseUncertainError"
        with works.opened(shelf.settings(keys)) as repository:
            assert_whole(repository)
            after = rows_of(repository)
            has_happened = same_again(repository) == done
            if work != "rotating":
                # One transaction: all of it, or nothing.
                assert has_happened or after == before, moment
            if victim == "server":
                if ended.told == "":
                    assert has_happened, moment
                elif ended.told == "DatabaseUnreachableError" and work != "rotating":
                    assert "Nothing was changed" in ended.says or "cannot be reached" in ended.says
                    assert after == before, moment
            happened += has_happened
            if work == "rotating":
                assert values_of(repository) == values
            if not has_happened:
                again(repository)
                assert_whole(repository)
            assert same_again(repository) == done, moment
    assert killed >= 0.5 * len(every)
    assert_nowhere(works.PLANTED, [server.folder / "data", shelf.home])
    print(
        f"{work}, {victim} killed: {killed} of {len(every)}, {happened} had happened,"
        f" {uncertain} uncertain"
    )


Migrated = tuple[OlderShelf, Ended, dict[str, object]]


@pytest.fixture(scope="module", params=["0001", "0002"])
def older(
    server: Server,
    forks: Forks,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Migrated:
    """A database of an older schema, how long its migration takes, and what comes of it."""
    revision = request.param
    home = tmp_path_factory.mktemp("older")
    shelf = OlderShelf(
        server, home, revision, lambda made: works.fill(made, 300, references=revision > "0001")
    )
    shelf.put_back()
    assert shelf.revision == revision
    whole = forks.run(home, "migrating", shelf.url)
    done = shelf.contents()
    assert shelf.revision == REVISION
    with works.opened(shelf.settings) as repository:
        assert_whole(repository)
        assert values_of(repository) == shelf.values
    return shelf, whole, done


@pytest.mark.parametrize("victim", ["program", "server"])
def test_a_migration_that_is_killed_has_happened_or_has_not(
    older: Migrated, forks: Forks, victim: str
) -> None:
    shelf, whole, done = older
    server = shelf.server
    shelf.put_back()
    before, revision = shelf.contents(), shelf.revision
    killed = happened = uncertain = 0
    every = moments(whole, f"migration {revision} {victim}", TIMES, KINDS)
    # Hardly one of them is near the end: COMMIT, and what gives the connection back after it.
    every += [Moment(By.STATEMENT, whole.statements - left) for left in (1, 0)]
    for moment in every:
        shelf.put_back()
        if victim == "program":
            ended = forks.run(shelf.home, "migrating", shelf.url, kill=moment)
            killed += ended.code != 0
        else:
            ended = forks.run(shelf.home, "migrating", shelf.url, kill=moment, server=server.pid)
            server.killed()
            server.start()
            killed += ended.told != ""
            assert ended.told in ("", "DatabaseUnreachableError", "DatabaseUncertainError"), ended
            uncertain += ended.told == "DatabaseUncertainError"
        after = shelf.contents()
        has_happened = after == done
        # Rows, tables, indexes, functions: all of it, or nothing.
        assert has_happened or after == before, moment
        happened += has_happened
        if ended.told == "DatabaseUnreachableError":
            assert "Nothing was changed" in ended.says or "cannot be reached" in ended.says
            assert not has_happened, moment
        elif ended.told == "" and ended.code == 0:
            assert has_happened, moment
        with works.opened(shelf.settings) as repository:
            assert bool(repository.notices) is not has_happened, moment
            assert_whole(repository)
            assert values_of(repository) == shelf.values, moment
        assert shelf.contents() == done, moment
    if victim == "server":
        assert uncertain, "no COMMIT was cut off"
    assert killed >= 0.5 * len(every)
    assert_nowhere(works.PLANTED, [server.folder / "data", shelf.home])
    print(
        f"migration from {revision}, {victim} killed: {killed} of {len(every)},"
        f" {happened} had happened, {uncertain} uncertain"
    )
