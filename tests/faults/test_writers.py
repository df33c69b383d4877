"""Several writers at once, and one that is killed: no change fails, none is lost, none is half."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from bifrost_tui.errors import ConflictError
from bifrost_tui.settings import KEY_VARIABLE, Settings
from bifrost_tui.store import engine as engine_module
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import (
    ALICE,
    KEY,
    by_hand,
    database_path,
    events,
    listed,
    make_repository,
    opened,
    plain,
    secret,
)

ROOT = Path(__file__).parents[2]
TIMES = 150


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: what a deferred transaction breaks on does not wait."""
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 60.0)


SETTING = """
import sys
from sqlalchemy import text
from bifrost_tui.settings import load_settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.store import engine
from tests.support import ALICE, plain, secret

engine.BUSY_SECONDS = 60.0
repository = open_repository(load_settings(), ALICE)
repository.warm_up()
print("ready", flush=True)
sys.stdin.readline()
"""

COUNTING = """
def work(connection):
    [(number,)] = connection.execute(text("SELECT value FROM config WHERE key = 'counter'"))
    change = text("UPDATE config SET value = :next WHERE key = 'counter'")
    connection.execute(change, {"next": str(int(number) + 1)})

for _ in range(TIMES):
    repository._context.database.write_rows(work)
repository.close()
"""

WORKING = """
for number in range(TIMES):
    key = f"{sys.argv[1]}_{number}"
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret(key, key))
    if number % 3 == 0:
        view = repository.configs.rotate(ALICE, view, EnteredSecret(key + "!"))
    if number % 5 == 0:
        repository.configs.delete(ALICE, view)
repository.close()
"""

ENDLESS = """
number = 0
while True:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret(f"k{number}", "value"))
    view = repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    number += 1
    print(number, flush=True)
"""


def start(home: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another process on the database; it waits for :func:`go` with its work."""
    return subprocess.Popen(
        [sys.executable, "-c", SETTING + script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), KEY_VARIABLE: KEY, "PYTHONPATH": str(ROOT)},
    )


def go(*processes: subprocess.Popen[str]) -> None:
    """Let processes that wait begin, all at once."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def whole(repository: Repository) -> None:
    """Check what must hold of every database."""
    assert repository._context.chain.verify().broken_at is None
    assert repository._context.database.read(recount) == []
    assert by_hand(repository, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.timeout(300)
def test_two_processes_that_read_and_then_write_lose_nothing(
    settings: Settings, home: Path
) -> None:
    with make_repository(settings) as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("counter"))
        by_hand(repository, "UPDATE config SET value = '0'")
    script = COUNTING.replace("TIMES", str(TIMES))
    processes = [start(home, script) for _ in range(2)]
    go(*processes)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert by_hand(database_path(settings), "SELECT value FROM config") == [(str(2 * TIMES),)]


@pytest.mark.timeout(300)
def test_two_processes_at_work_keep_every_change_and_one_chain(
    settings: Settings, home: Path
) -> None:
    make_repository(settings).close()
    times = 60
    script = WORKING.replace("TIMES", str(times))
    processes = [start(home, script, name) for name in ("one", "two")]
    go(*processes)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    with open_repository(settings, ALICE) as repository:
        kept = {
            f"{name}_{number}": f"{name}_{number}" + ("" if number % 3 else "!")
            for name in ("one", "two")
            for number in range(times)
            if number % 5
        }
        views = listed(repository, ALICE, GLOBAL_SCOPE)
        assert {view.key for view in views} == set(kept)
        for view in views:
            assert opened(repository, view) == kept[view.key].encode()
        assert len(events(repository)) == 1 + 2 * (times + times // 3 + times // 5)
        whole(repository)


@pytest.mark.timeout(300)
def test_threads_of_one_process_lose_nothing(settings: Settings) -> None:
    """As many as the screens may have at work, over one pool of connections."""
    problems: list[BaseException] = []
    with make_repository(settings, ids=None) as repository:
        repository.warm_up()
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("counter"))
        by_hand(repository, "UPDATE config SET value = '0'")
        together = threading.Barrier(4)

        def count(connection: object) -> None:
            execute = connection.execute  # type: ignore[attr-defined]
            [(number,)] = execute(text("SELECT value FROM config WHERE key = 'counter'"))
            execute(
                text("UPDATE config SET value = :next WHERE key = 'counter'"),
                {"next": str(int(number) + 1)},
            )

        def work(name: str) -> None:
            try:
                together.wait(120)
                for number in range(40):
                    repository._context.database.write_rows(count)
                    view = repository.configs.add(
                        ALICE, GLOBAL_SCOPE, secret(f"{name}{number}", name)
                    )
                    assert repository.configs.get(ALICE, GLOBAL_SCOPE, view.id) == view
            except BaseException as error:  # noqa: BLE001  looked at below
                problems.append(error)

        threads = [threading.Thread(target=work, args=(f"t{number}_",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        assert problems == []
        assert not any(thread.is_alive() for thread in threads)
        counter = by_hand(repository, "SELECT value FROM config WHERE key = 'counter'")
        assert counter == [("160",)]
        assert repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE)) == 161
        assert len(events(repository)) == 162
        whole(repository)


def test_of_two_operators_at_one_secret_one_is_told(settings: Settings) -> None:
    """Each with a connection of its own, both with the same view, at the same time."""
    with make_repository(settings) as one, open_repository(settings, ALICE) as other:
        one.warm_up()
        for number in range(15):
            view = one.configs.add(ALICE, GLOBAL_SCOPE, secret(f"k{number}", "first"))
            together = threading.Barrier(2)
            told: list[str] = []

            def work(repository: Repository, value: str) -> None:
                together.wait(120)  # noqa: B023  the thread ends within the round
                try:
                    repository.configs.rotate(ALICE, view, EnteredSecret(value))  # noqa: B023
                    told.append(value)  # noqa: B023
                except ConflictError:
                    told.append("conflict")  # noqa: B023

            threads = [
                threading.Thread(target=work, args=given)
                for given in ((one, "of one"), (other, "of the other"))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            assert told.count("conflict") == 1
            [winner] = [value for value in told if value != "conflict"]
            assert opened(one, view) is not None
            assert opened(one, one.configs.get(ALICE, GLOBAL_SCOPE, view.id)) == winner.encode()
        whole(one)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [1, 7])
def test_a_process_that_is_killed_leaves_every_change_that_it_told(
    settings: Settings, home: Path, after: int
) -> None:
    make_repository(settings).close()
    with start(home, ENDLESS) as process:
        go(process)
        assert process.stdout is not None
        while int(process.stdout.readline()) < after:
            pass
        process.kill()
        told = after + process.stdout.read().count("\n")
    with open_repository(settings, ALICE) as repository:
        views = listed(repository, ALICE, GLOBAL_SCOPE)
        assert told <= len(views) <= told + 1
        rotated = [view.version for view in views].count(2)
        assert told <= rotated
        # One event each: adding, rotating, and the database's beginning.
        assert len(events(repository)) == 1 + len(views) + rotated
        whole(repository)
