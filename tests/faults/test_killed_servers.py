"""The same on PostgreSQL, where the program may be killed, or the server under it.

The server keeps what is committed, as one does that is not made for tests; killed, it starts again
on the files that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import metadata
from tests.databases import SCHEME
from tests.faults import works
from tests.faults.killing import KILLS, By, Forks, moments
from tests.faults.wholeness import assert_whole, rows_of, same_again, values_of
from tests.postgres import LASTING, Server, running_server
from tests.support import ALICE, KEY, HandClock, assert_nowhere, counted_ids

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("killed_servers")]

KINDS = (By.STATEMENT, By.TIME)
TIMES = KILLS if KILLS > 15 else 6
"""A server takes a second or two to come back."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        with running_server(**LASTING) as started:
            yield started
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.faults.works") as started:
        yield started


class Shelf:
    """A database that is as it was before some work, as often as that is wanted."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server = server
        self.home = home
        self._name = server.new_database()
        self._rows: dict[str, bytes] = {}
        self.url = server.url(self._name, scheme=SCHEME)
        settings = works.settings_of(home, self.url)
        with create_repository(settings, ALICE, clock=HandClock(), ids=counted_ids()) as repository:
            works.fill(repository, 600)
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

    def opened(self, keys: str) -> Repository:
        return works.opened(works.settings_of(self.home, self.url, keys))


@pytest.fixture(scope="module")
def shelf(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(server, tmp_path_factory.mktemp("home"))


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
    with shelf.opened(keys) as repository:
        assert_whole(repository)
        done = same_again(repository)
    killed = happened = uncertain = 0
    every = moments(whole, f"{work} {victim}", TIMES, KINDS)
    for moment in every:
        shelf.put_back()
        with shelf.opened(keys) as repository:
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
        with shelf.opened(keys) as repository:
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
