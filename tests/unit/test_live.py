"""What others change is noticed, and nothing else is; looking costs next to nothing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui.settings import Settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.live import INTERVAL, Changes, SqliteWatch, Watch
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    add_member,
    assert_nowhere,
    by_hand,
    counted_ids,
    database_path,
    listed,
    make_repository,
    make_settings,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

VALUE = "zQ7-planted-nobody-else"
NOTHING = Changes()


@pytest.fixture
def settings(home: Path) -> Settings:
    return make_settings(home)


@pytest.fixture
def mine(settings: Settings) -> Iterator[Repository]:
    with make_repository(settings) as repository:
        add_member(repository, "bob", Role.ADMIN)
        yield repository
    if settings.database_path is not None:
        assert_nowhere([VALUE], [settings.database_path.parent])


@pytest.fixture
def theirs(mine: Repository, settings: Settings) -> Iterator[Repository]:
    with open_repository(settings, BOB, clock=HandClock(), ids=counted_ids(500)) as repository:
        yield repository


@pytest.fixture
def watch(mine: Repository, theirs: Repository) -> Watch:
    return mine.watch()


def test_what_is_changed_is_told_once(mine: Repository, theirs: Repository, watch: Watch) -> None:
    assert watch.tick() == NOTHING
    acme = theirs.organizations.add(BOB, "Acme")
    assert watch.tick() == Changes(frozenset({acme.id}), organizations=True)
    assert watch.tick() == NOTHING
    view = theirs.configs.add(BOB, acme, plain("A"))
    theirs.configs.add(BOB, GLOBAL_SCOPE, plain("B"))
    assert watch.tick() == Changes(frozenset({acme.id, GLOBAL_SCOPE.id}))
    theirs.configs.delete(BOB, view)
    mine.organizations.rename(ALICE, acme, 1, "Acme Ltd")
    assert watch.tick() == Changes(frozenset({acme.id}), organizations=True)


def test_rotations_are_changes_and_reads_are_none(
    mine: Repository, theirs: Repository, watch: Watch
) -> None:
    acme = theirs.organizations.add(BOB, "Acme")
    view = theirs.configs.add(BOB, acme, secret("KEY", VALUE))
    watch.tick()
    listed(theirs, BOB, acme)
    assert watch.tick() == NOTHING
    theirs.configs.rotate(BOB, view, EnteredSecret(VALUE + "2"))
    assert watch.tick() == Changes(frozenset({acme.id}))


def test_what_is_refused_or_concerns_no_list_is_no_change(mine: Repository, watch: Watch) -> None:
    mine.presence.set(ALICE, EnteredSecret("a long passphrase"))
    mine.presence.proves(ALICE, EnteredSecret("not the passphrase"))
    assert watch.tick() == NOTHING


@pytest.mark.parametrize(
    ("action", "outcome", "told"),
    [
        ("secret.read", "done", False),
        ("secret.inject", "done", False),
        ("secret.handover", "done", False),
        ("secret.export", "done", False),
        ("config.export", "done", False),
        ("config.edit", "refused", False),
        ("key.add", "done", False),
        ("secret.unreadable", "failed", True),
        ("config.import", "done", True),
        ("exposure.add", "done", True),
    ],
)
def test_each_kind_of_event(
    mine: Repository, watch: Watch, action: str, outcome: str, told: bool
) -> None:
    by_hand(
        mine,
        "INSERT INTO audit_event SELECT sequence + 1, at, actor, source, ?, 'x', 'X', 'K', ?,"
        " details, chain_hash FROM audit_event ORDER BY sequence DESC LIMIT 1",
        action,
        outcome,
    )
    assert watch.tick() == (Changes(frozenset({"x"})) if told else NOTHING)


def test_a_member_is_one(mine: Repository, watch: Watch) -> None:
    by_hand(
        mine,
        "INSERT INTO audit_event SELECT sequence + 1, at, actor, source, 'member.remove', 'x', 'X',"
        " NULL, 'done', details, chain_hash FROM audit_event ORDER BY sequence DESC LIMIT 1",
    )
    assert watch.tick() == Changes(frozenset({"x"}), members=True)


@pytest.mark.sqlite
def test_it_holds_no_transaction_open(mine: Repository, watch: Watch) -> None:
    mine.organizations.add(ALICE, "Acme")
    watch.tick()
    path = database_path(make_settings(Path.home()))
    connection = sqlite3.connect(path, timeout=0)
    try:
        # With a reader in the way, the log could not be emptied whole.
        [(busy, left, moved)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert (busy, left, moved) == (0, 0, 0)
    finally:
        connection.close()


@pytest.mark.sqlite
def test_it_outlives_a_database_that_is_held_or_away(
    mine: Repository, settings: Settings, watch: Watch
) -> None:
    acme = mine.organizations.add(ALICE, "Acme")
    path = database_path(settings)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    watch.tick()
    holder.execute("ROLLBACK")
    holder.close()
    assert isinstance(watch, SqliteWatch)
    watch._drop()
    moved = path.rename(path.with_name("elsewhere"))
    assert watch.tick() == NOTHING
    moved.rename(path)
    mine.configs.add(ALICE, acme, plain("A"))
    assert acme.id in watch.tick().scopes


def test_it_tells_from_a_thread_of_its_own_until_it_is_closed(
    mine: Repository, theirs: Repository
) -> None:
    heard: list[tuple[Changes, str]] = []
    arrived = threading.Event()
    watch = mine.watch(interval=0.01)

    def told(changes: Changes) -> None:
        heard.append((changes, threading.current_thread().name))
        arrived.set()

    watch.start(told)
    acme = theirs.organizations.add(BOB, "Acme")
    assert arrived.wait(30)
    assert heard == [(Changes(frozenset({acme.id}), organizations=True), "bifrost-watch")]
    mine.close()
    assert not any(thread.name == "bifrost-watch" for thread in threading.enumerate())
    theirs.configs.add(BOB, acme, plain("A"))
    assert watch.tick() == NOTHING


def test_changes_are_put_together() -> None:
    one, other = Changes(frozenset("a")), Changes(frozenset("b"), members=True)
    assert one | other == Changes(frozenset("ab"), members=True)
    assert not NOTHING
    assert other


@pytest.mark.sqlite
def test_two_looks_fit_into_the_time_in_which_a_change_has_to_show() -> None:
    assert 2 * INTERVAL <= 2


@pytest.mark.sqlite
def test_a_thousand_looks_cost_less_than_a_few_pages(mine: Repository, watch: Watch) -> None:
    acme = mine.organizations.add(ALICE, "Acme")
    for number in range(100):
        mine.configs.add(ALICE, acme, plain(f"K{number:03}"))
    watch.tick()
    listed(mine, ALICE, acme)
    before = time.process_time()
    for _ in range(10):
        listed(mine, ALICE, acme)
    page = (time.process_time() - before) / 10
    before = time.process_time()
    for _ in range(1000):
        watch.tick()
    looks = time.process_time() - before
    print(f"1,000 looks take as long as {looks / page:.1f} pages")
    assert looks < 40 * page
