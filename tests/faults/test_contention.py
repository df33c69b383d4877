"""Many operators and workflows at once, in threads and in processes, on both engines."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bifrost_tui.clock import iso
from bifrost_tui.errors import (
    AlreadyExistsError,
    BifrostError,
    ConfigNotFoundError,
    ConflictError,
    DatabaseBusyError,
)
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings
from bifrost_tui.store import engine as engine_module
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft, ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    KEY,
    HandClock,
    add_member,
    by_hand,
    counted_ids,
    events,
    listed,
    make_repository,
    opened,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

ROOT = Path(__file__).parents[2]
ACTORS = (ALICE, BOB, CAROL)
Change = Callable[[Repository, Access, ConfigView], object]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 60.0)


def whole(repository: Repository) -> None:
    """Check what must hold of every database."""
    report = repository._context.chain.verify()
    assert report.broken_at is None
    sequences = [row[0] for row in by_hand(repository, "SELECT sequence FROM audit_event")]
    assert sorted(sequences) == list(range(1, len(sequences) + 1))
    assert repository._context.database.read(recount) == []


def at_once(*works: Callable[[], object]) -> list[BaseException | None]:
    """Do things at the same time, each in a thread; return what was raised by each."""
    together = threading.Barrier(len(works))

    def work(do: Callable[[], object]) -> BaseException | None:
        together.wait(60)
        try:
            do()
        except BaseException as error:  # noqa: BLE001  looked at by the test
            return error
        return None

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(work, works))


# One secret


def as_it_is(view: ConfigView, **changed: Any) -> ConfigDraft:
    return ConfigDraft(**{"key": view.key, "type": view.type, **changed})


def value_of(access: Access) -> str:
    return f"the value of {access.actor}"


CHANGES: dict[str, Change] = {
    "rotate": lambda r, a, v: r.configs.rotate(a, v, EnteredSecret(value_of(a))),
    "rename": lambda r, a, v: r.configs.edit(a, v, as_it_is(v, key=f"k_{a.actor}")),
    "describe": lambda r, a, v: r.configs.edit(a, v, as_it_is(v, description=f"by {a.actor}")),
    "retype": lambda r, a, v: r.configs.edit(a, v, plain(v.key, f"of {a.actor}")),
    "delete": lambda r, a, v: r.configs.delete(a, v),
}


def won(repository: Repository, scope: Scope, name: str, access: Access) -> None:
    """Check that what stands there is what one change has made of it, and nothing else."""
    views = listed(repository, ALICE, scope)
    if name == "delete":
        assert views == ()
        return
    [view] = views
    assert (view.version, view.updated_by) == (2, access.actor)
    assert view.key == (f"k_{access.actor}" if name == "rename" else "k")
    assert view.description == (f"by {access.actor}" if name == "describe" else "")
    if name == "retype":
        assert view.value == f'"of {access.actor}"'
    else:
        expected = value_of(access) if name == "rotate" else "first"
        assert opened(repository, view) == expected.encode()


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.usefixtures("patient")
def test_of_operators_at_one_secret_one_wins_and_the_others_are_told(
    settings: Settings, number: int
) -> None:
    """Each with a program and a clock of its own, all with the same view, at the same time."""
    with ExitStack() as stack:
        first = stack.enter_context(make_repository(settings))
        for name in ("bob", "carol"):
            add_member(first, name, Role.OWNER)
        repositories = [
            stack.enter_context(
                open_repository(
                    settings, ALICE, clock=HandClock(), ids=counted_ids(1000 * (place + 1))
                )
            )
            for place in range(number)
        ]
        clocks = [repository.clock for repository in repositories]
        for hours, clock in enumerate(clocks, 1):
            assert isinstance(clock, HandClock)
            clock.advance(hours=hours)
        first.warm_up()
        for round_, names in enumerate(combinations_with_replacement(CHANGES, number)):
            scope = first.organizations.add(ALICE, f"Customer {round_}")
            view = first.configs.add(ALICE, scope, secret("k", "first"))
            told = at_once(
                *(
                    partial(CHANGES[name], repository, actor, view)
                    for repository, actor, name in zip(repositories, ACTORS, names, strict=False)
                )
            )
            [place] = [place for place, error in enumerate(told) if error is None]
            won(first, scope, names[place], ACTORS[place])
            for error in told[:place] + told[place + 1 :]:
                assert isinstance(error, ConflictError), error
                assert (error.by, error.at) == (ACTORS[place].actor, clocks[place]())
                assert error.deleted == (names[place] == "delete")
                assert f"by {error.by} at {iso(clocks[place]())}" in error.message
        whole(first)


@pytest.mark.usefixtures("patient")
def test_of_two_who_shadow_the_same_key_one_wins(settings: Settings) -> None:
    with make_repository(settings) as one, open_repository(settings, BOB) as other:
        add_member(one, "bob", Role.OWNER)
        one.warm_up()
        for round_ in range(5):
            scope = one.organizations.add(ALICE, f"Customer {round_}")
            told = at_once(
                lambda: one.configs.add(ALICE, scope, secret("k", "of alice")),  # noqa: B023
                lambda: other.configs.add(BOB, scope, secret("k", "of bob")),  # noqa: B023
            )
            [error] = [error for error in told if error is not None]
            assert isinstance(error, AlreadyExistsError), error
            [view] = listed(one, ALICE, scope)
            assert f"by {view.updated_by} at" in error.message
            assert opened(one, view) == f"of {view.updated_by}".encode()
        whole(one)


SETTING = """
import sys
from bifrost_tui.errors import ConflictError
from bifrost_tui.settings import load_settings
from bifrost_tui.store import engine
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.faults.test_contention import ACTORS, CHANGES, mixed

engine.BUSY_SECONDS = 60.0
[access] = [actor for actor in ACTORS if actor.actor == sys.argv[1]]
repository = open_repository(load_settings(), access)
repository.warm_up()
view = repository.configs.get_key(access, GLOBAL_SCOPE, "k")
print("ready", flush=True)
sys.stdin.readline()
"""

CHANGING = """
try:
    CHANGES[sys.argv[2]](repository, access, view)
    print("won", flush=True)
except ConflictError as error:
    print(error.by, error.deleted, flush=True)
repository.close()
"""

MIXED = """
mixed(repository, access, int(sys.argv[2]), int(sys.argv[3]))
repository.close()
print("done", flush=True)
"""


class Processes:
    """Other programs on the same database; they begin together."""

    def __init__(self, settings: Settings, home: Path, script: str) -> None:
        self._script = SETTING + script
        self._environ = {
            **os.environ,
            "HOME": str(home),
            KEY_VARIABLE: KEY,
            DATABASE_VARIABLE: settings.database_url,
            "PYTHONPATH": str(ROOT),
        }
        self._running: list[subprocess.Popen[str]] = []

    def add(self, *arguments: str) -> None:
        self._running.append(
            subprocess.Popen(
                [sys.executable, "-c", self._script, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=self._environ,
            )
        )

    def run(self) -> list[str]:
        """Let all begin at once; return the last word of each."""
        for process in self._running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in self._running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=200)[0].strip() for process in self._running]
        assert [process.returncode for process in self._running] == [0] * len(said)
        return said


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "names", [("rotate", "delete"), ("rename", "rotate"), ("delete", "rename", "rotate")]
)
def test_of_processes_at_one_secret_one_wins_and_the_others_are_told(
    settings: Settings, home: Path, names: tuple[str, ...]
) -> None:
    with make_repository(settings) as repository:
        for name in ("bob", "carol"):
            add_member(repository, name, Role.OWNER)
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
        processes = Processes(settings, home, CHANGING)
        for actor, name in zip(ACTORS, names, strict=False):
            processes.add(actor.actor, name)
        said = processes.run()
        place = said.index("won")
        won(repository, GLOBAL_SCOPE, names[place], ACTORS[place])
        told = f"{ACTORS[place].actor} {names[place] == 'delete'}"
        assert said[:place] + said[place + 1 :] == [told] * (len(names) - 1)
        whole(repository)


# Everything at once


def mixed(repository: Repository, access: Access, seed: int, times: int) -> dict[str, int]:
    """Do one thing after another, as operators and workflows do; what others did first is told.

    A counter is counted up with what the SDK does: read, and set where nobody came between.
    """
    dice = random.Random(seed)
    configs, done = repository.configs, {"counted": 0, "conflicts": 0}
    organizations = [view.scope for view in repository.organizations.list(access)]
    for number in range(times):
        scope = dice.choice(organizations)
        try:
            match dice.randrange(8):
                case 0:
                    key = f"{access.actor}_{seed}_{number}"
                    configs.add(access, scope, secret(key, key))
                case 1:
                    view = dice.choice(listed(repository, access, scope))
                    if view.is_secret and view.key != "k":
                        configs.rotate(access, view, EnteredSecret(f"{view.key}!"))
                case 2:
                    view = dice.choice(listed(repository, access, scope))
                    if view.key not in ("k", "counter") and "counted_" not in view.key:
                        configs.delete(access, view)
                case 3:
                    view = configs.get_key(access, scope, "shared")
                    configs.edit(access, view, plain("shared", f"{access.actor} {number}"))
                case 4:
                    repository.organizations.list(access)
                    configs.page(access, ConfigList(scope), offset=0, limit=20)
                case _:
                    view = configs.get_key(access, GLOBAL_SCOPE, "counter")
                    assert view.value is not None
                    more = str(int(view.value) + 1)
                    draft = ConfigDraft("counter", ConfigType.INT, value=more)
                    configs.edit(access, view, draft)
                    done["counted"] += 1
        except (ConflictError, ConfigNotFoundError, AlreadyExistsError, IndexError):
            done["conflicts"] += 1
    with_count = plain(f"counted_{access.actor}_{seed}", str(done["counted"]))
    configs.add(access, GLOBAL_SCOPE, with_count)
    return done


def a_market(repository: Repository) -> None:
    for name in ("bob", "carol"):
        add_member(repository, name, Role.OWNER)
    add = repository.configs.add
    add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
    add(ALICE, GLOBAL_SCOPE, plain("shared"))
    add(ALICE, GLOBAL_SCOPE, ConfigDraft("counter", ConfigType.INT, value="0"))
    for name in ("Acme", "Bright"):
        add(ALICE, repository.organizations.add(ALICE, name), plain("shared"))


def balanced(repository: Repository) -> None:
    """Check that nothing told as done was lost: the counter, and every row against the log."""
    views = {view.key: view for view in listed(repository, ALICE, GLOBAL_SCOPE)}
    counted = [int(str(view.value).strip('"')) for key, view in views.items() if "counted_" in key]
    assert views["counter"].value == str(sum(counted))
    assert sum(counted) > 0
    told: dict[tuple[Any, ...], int] = {}
    for action, organization, key, outcome in events(repository):
        if outcome == "done" and action.startswith("config."):
            step = {"config.add": 1, "config.delete": -1}.get(action, 0)
            told[organization, key] = told.get((organization, key), 0) + step
    assert set(told.values()) <= {0, 1}
    scopes = [view.scope for view in repository.organizations.list(ALICE)]
    there = {
        (scope.name, view.key)
        for scope in scopes
        for view in listed(repository, ALICE, ConfigList(scope, own_only=True))
    }
    assert there == {place for place, number in told.items() if number}
    for scope in scopes:
        for view in listed(repository, ALICE, ConfigList(scope, own_only=True)):
            if view.is_secret and view.key != "k":
                assert opened(repository, view) in (view.key.encode(), f"{view.key}!".encode())
    whole(repository)


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("patient")
def test_threads_of_one_program_lose_nothing(settings: Settings) -> None:
    with make_repository(settings, ids=None) as repository:
        a_market(repository)
        repository.warm_up()
        told = at_once(
            *(partial(mixed, repository, actor, seed, 25) for seed, actor in enumerate(ACTORS * 2))
        )
        assert told == [None] * 6
        balanced(repository)


@pytest.mark.timeout(300)
def test_processes_lose_nothing(settings: Settings, home: Path) -> None:
    with make_repository(settings, ids=None) as repository:
        a_market(repository)
        processes = Processes(settings, home, MIXED)
        for seed, actor in enumerate(ACTORS):
            processes.add(actor.actor, str(seed), "40")
        assert processes.run() == ["done"] * 3
        balanced(repository)


# Waiting, and no longer


@pytest.fixture
def held(settings: Settings) -> Any:
    """A repository whose write lock another program holds, until it is released."""

    class Held:
        def __init__(self) -> None:
            self.repository = make_repository(settings)
            self.entered, self.release = threading.Event(), threading.Event()
            self.other = open_repository(settings, ALICE)
            self.thread = threading.Thread(target=self.hold)

        def hold(self) -> None:
            self.other._context.database.write_rows(self.work)

        def work(self, _connection: object) -> None:
            self.entered.set()
            assert self.release.wait(60)

        def begin(self) -> None:
            self.thread.start()
            assert self.entered.wait(60)

        def end(self) -> None:
            self.release.set()
            if self.thread.ident is not None:
                self.thread.join(60)
            self.other.close()
            self.repository.close()

    held = Held()
    try:
        yield held
    finally:
        held.end()


def test_a_write_waits_with_a_limit_and_then_says_so(
    held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = held.repository._context.database
    view = held.repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
    held.begin()
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.05)
    database.close()  # its next connection waits that short
    with pytest.raises(DatabaseBusyError, match="Nothing was changed; try again"):
        held.repository.configs.rotate(ALICE, view, EnteredSecret("second"))
    assert not database.is_waiting(0)
    # Whoever reads does not wait, and sees what was there before.
    assert listed(held.repository, ALICE, GLOBAL_SCOPE) == (view,)
    held.release.set()
    held.thread.join(60)
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 60.0)
    database.close()
    held.repository.configs.rotate(ALICE, view, EnteredSecret("second"))


def test_a_write_that_waits_is_known_to(held: Any) -> None:
    database = held.repository._context.database
    engine_module.BUSY_SECONDS, before = 60.0, engine_module.BUSY_SECONDS
    try:
        held.begin()
        waiting = threading.Thread(
            target=lambda: held.repository.configs.add(ALICE, GLOBAL_SCOPE, plain("p"))
        )
        waiting.start()
        while not database.is_waiting(0):
            pass
        assert not database.is_waiting(60)
        held.release.set()
        waiting.join(60)
        assert not database.is_waiting(0)
    finally:
        engine_module.BUSY_SECONDS = before
    assert [view.key for view in listed(held.repository, ALICE, GLOBAL_SCOPE)] == ["p"]


def test_threads_that_find_no_connection_are_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.05)
    with make_repository(settings) as repository:
        database = repository._context.database
        most = engine_module.POOL["pool_size"] + engine_module.POOL["max_overflow"]
        together, release = threading.Barrier(most + 1), threading.Event()

        def hold(_connection: object) -> None:
            together.wait(60)
            assert release.wait(60)

        threads = [threading.Thread(target=database.read, args=(hold,)) for _ in range(most)]
        for thread in threads:
            thread.start()
        together.wait(60)
        calls: list[Callable[[], object]] = [
            repository.check,
            lambda: repository.configs.add(ALICE, GLOBAL_SCOPE, plain("p")),
        ]
        try:
            for call in calls:
                with pytest.raises(DatabaseBusyError, match=r"connections .* are in use") as raised:
                    call()
                assert isinstance(raised.value, BifrostError)
        finally:
            release.set()
            for thread in threads:
                thread.join(60)
        for call in calls:
            call()


def test_what_has_been_read_or_refused_holds_no_transaction(settings: Settings) -> None:
    """Nothing is open between two calls, whether they ended well or not."""
    with make_repository(settings) as repository, open_repository(settings, ALICE) as other:
        view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
        repository.configs.rotate(ALICE, view, EnteredSecret("second"))
        calls: list[Callable[[], object]] = [
            lambda: repository.configs.rotate(ALICE, view, EnteredSecret("third")),
            lambda: repository.configs.add(BOB, GLOBAL_SCOPE, plain("p")),
            lambda: repository._context.database.read(
                lambda connection: connection.execute(text("SELECT nothing FROM nowhere"))
            ),
        ]
        for call in calls:
            with pytest.raises(BifrostError):
                call()
        listed(repository, ALICE, GLOBAL_SCOPE)
        pool: Any = repository._context.database.engine.pool
        assert pool.checkedout() == 0
        if repository._context.database.dialect == "postgresql":
            states = by_hand(
                other,
                "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state LIKE '%transaction%' GROUP BY state",
            )
            assert states == []
            assert by_hand(other, "SELECT * FROM pg_locks WHERE locktype = 'advisory'") == []
        else:
            assert by_hand(other, "PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
