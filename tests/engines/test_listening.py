"""PostgreSQL tells by itself what others change; a server that goes and comes back is followed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from bifrost_tui.errors import DatabaseUnreachableError
from bifrost_tui.settings import Settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.listening import PostgresWatch
from bifrost_tui.store.live import EVERYTHING, Changes
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.postgres import PostgresDatabase
from bifrost_tui.store.repository import Repository
from tests.relay import Relay, a_relay
from tests.support import (
    ALICE,
    BOB,
    Engine,
    HandClock,
    add_member,
    by_hand,
    counted_ids,
    make_repository,
    make_settings,
    plain,
)

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

AT_ONCE = (0.001, 0.01)


@pytest.fixture
def settings(home: Path) -> Settings:
    return make_settings(home)


@pytest.fixture
def theirs(settings: Settings) -> Iterator[Repository]:
    """Bob's, over the server's own socket: it is never cut off."""
    with make_repository(settings, ids=counted_ids(500)) as repository:
        add_member(repository, "bob", Role.ADMIN)
        yield repository


@pytest.fixture
def relay(theirs: Repository) -> Iterator[Relay]:
    assert Engine.servers is not None
    with a_relay(Engine.servers.server) as relay:
        yield relay


@pytest.fixture
def mine(settings: Settings, relay: Relay) -> Iterator[Repository]:
    """Alice's, over a line that can be cut."""
    cuttable = replace(settings, database_url=relay.url(settings.database_url))
    with open_repository(cuttable, ALICE, clock=HandClock(), ids=counted_ids()) as repository:
        yield repository


class Heard:
    """A watch in its thread, and what it says."""

    def __init__(
        self, mine: Repository, look_anyhow: float = 600, kind: type[PostgresWatch] = PostgresWatch
    ) -> None:
        database = mine._context.database
        assert isinstance(database, PostgresDatabase)
        self.watch = kind(database, pauses=AT_ONCE, look_anyhow=look_anyhow, rest=0.001)
        mine._watches.append(self.watch)
        self._said: SimpleQueue[Changes | bool] = SimpleQueue()

    def begin(self) -> None:
        self.watch.start(self._said.put, self._said.put)

    def next(self) -> Changes | bool:
        """Return what is said next; it is waited for."""
        return self._said.get(timeout=30)

    @property
    def is_silent(self) -> bool:
        return self._said.empty()


@pytest.fixture
def heard(mine: Repository) -> Heard:
    heard = Heard(mine)
    heard.begin()
    return heard


class Counted(PostgresWatch):
    """Counts what it asks, and knows when there is nothing more to read."""

    asked = 0
    resting_after = -1

    def _ask(self, statement: str, values: tuple[object, ...]) -> Any:
        self.asked += 1
        return super()._ask(statement, values)

    def _wait(self) -> None:
        if not self._heard:
            self.resting_after = self.asked
        super()._wait()

    def until_rest(self) -> None:
        """Wait until it waits: what was asked is read."""
        pause = threading.Event()
        for _ in range(10_000):
            if self.resting_after == self.asked:
                return
            pause.wait(0.003)
        raise AssertionError("It asks on and on.")

    def state(self, theirs: Repository) -> str:
        """Return what the server says of its session."""
        assert self._connection is not None
        pid = self._connection.info.backend_pid
        [[state]] = by_hand(theirs, "SELECT state FROM pg_stat_activity WHERE pid = ?", pid)
        return str(state)


def test_what_others_change_is_told(theirs: Repository, heard: Heard) -> None:
    acme = theirs.organizations.add(BOB, "Acme")
    assert heard.next() == Changes(frozenset({acme.id}), organizations=True)
    theirs.configs.add(BOB, acme, plain("A"))
    assert heard.next() == Changes(frozenset({acme.id}))


def test_what_happens_before_the_thread_begins_is_told(
    theirs: Repository, mine: Repository
) -> None:
    heard = Heard(mine)
    acme = theirs.organizations.add(BOB, "Acme")
    heard.begin()
    assert heard.next() == Changes(frozenset({acme.id}), organizations=True)


def test_many_changes_in_a_row_miss_nothing(theirs: Repository, heard: Heard) -> None:
    scopes = [theirs.organizations.add(BOB, f"Acme {number}") for number in range(20)]
    found = Changes()
    while found.scopes != {scope.id for scope in scopes}:
        changes = heard.next()
        assert isinstance(changes, Changes)
        found |= changes


def test_it_asks_nothing_and_holds_nothing_open_while_it_waits(
    theirs: Repository, mine: Repository
) -> None:
    heard = Heard(mine, kind=Counted)
    watch = heard.watch
    assert isinstance(watch, Counted)
    heard.begin()
    watch.until_rest()
    for name in ("Acme", "Globex"):
        before = watch.asked
        assert watch.state(theirs) == "idle"
        assert watch.asked == before
        scope = theirs.organizations.add(BOB, name)
        assert heard.next() == Changes(frozenset({scope.id}), organizations=True)
        watch.until_rest()
        # One look: whether the history is the same, what came since, and what is the last now.
        assert watch.asked - before == 3


def test_a_lost_connection_is_made_anew_without_a_word(
    theirs: Repository, relay: Relay, heard: Heard
) -> None:
    theirs.organizations.add(BOB, "Before")
    assert heard.next()
    relay.drop()
    acme = theirs.organizations.add(BOB, "Acme")
    assert heard.next() == Changes(frozenset({acme.id}), organizations=True)


def test_what_happened_while_the_server_was_away_is_told_afterwards(
    theirs: Repository, mine: Repository, relay: Relay, heard: Heard
) -> None:
    theirs.organizations.add(BOB, "Before")
    assert heard.next()
    relay.cut()
    assert heard.next() is False
    with pytest.raises(DatabaseUnreachableError):
        mine.reach()
    acme = theirs.organizations.add(BOB, "Acme")
    theirs.configs.add(BOB, acme, plain("A"))
    relay.mend()
    assert heard.next() is True
    assert heard.next() == Changes(frozenset({acme.id}), organizations=True)
    assert heard.is_silent
    mine.reach()


def test_a_log_that_went_back_tells_that_everything_may_be_other(
    theirs: Repository, relay: Relay, heard: Heard
) -> None:
    theirs.organizations.add(BOB, "Acme")
    assert heard.next()
    relay.cut()
    assert heard.next() is False
    by_hand(theirs, "DELETE FROM audit_event WHERE action = 'organization.add'")
    relay.mend()
    assert heard.next() is True
    assert heard.next() == EVERYTHING


def test_another_history_of_the_same_length_is_no_continuation(
    theirs: Repository, relay: Relay, heard: Heard
) -> None:
    acme = theirs.organizations.add(BOB, "Acme")
    assert heard.next()
    relay.cut()
    assert heard.next() is False
    by_hand(theirs, "UPDATE audit_event SET chain_hash = ? WHERE action = ?", "0" * 64, "x")
    by_hand(
        theirs,
        "UPDATE audit_event SET chain_hash = ? WHERE action = 'organization.add'",
        "0" * 64,
    )
    theirs.configs.add(BOB, acme, plain("A"))
    relay.mend()
    assert heard.next() is True
    assert heard.next() == EVERYTHING


def test_a_notification_that_was_kept_from_us_is_made_up_for(
    theirs: Repository, mine: Repository
) -> None:
    # As behind a pooler that hands sessions round.
    by_hand(theirs, "ALTER TABLE audit_event DISABLE TRIGGER tell_of_events")
    heard = Heard(mine, look_anyhow=0.05)
    heard.begin()
    acme = theirs.organizations.add(BOB, "Acme")
    assert heard.next() == Changes(frozenset({acme.id}), organizations=True)


def test_closing_does_not_wait_for_a_server_that_is_away(
    mine: Repository, relay: Relay, heard: Heard
) -> None:
    relay.cut()
    assert heard.next() is False
    mine.close()
    assert not any(thread.name == "bifrost-watch" for thread in threading.enumerate())


def test_closing_wakes_what_waits(mine: Repository, theirs: Repository, heard: Heard) -> None:
    theirs.organizations.add(BOB, "Acme")
    assert heard.next()
    mine.close()
    mine.close()
    assert not any(thread.name == "bifrost-watch" for thread in threading.enumerate())
    assert heard.watch.tick() == Changes()


def test_schemas_have_channels_of_their_own(
    theirs: Repository, mine: Repository, settings: Settings, heard: Heard
) -> None:
    by_hand(theirs, "CREATE SCHEMA other")
    from bifrost_tui.store.opening import create_repository

    there = replace(
        settings, database_url=settings.database_url + "&options=-c%20search_path%3Dother"
    )
    with create_repository(there, ALICE, clock=HandClock()) as other:
        other.organizations.add(ALICE, "Elsewhere")
        acme = theirs.organizations.add(BOB, "Acme")
        assert heard.next() == Changes(frozenset({acme.id}), organizations=True)
        channels = {
            row[0]
            for repository in (theirs, other)
            for row in by_hand(
                repository,
                "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid ="
                " relnamespace WHERE pg_class.oid = to_regclass('audit_event')",
            )
        }
        assert channels == {"public", "other"}
    assert heard.is_silent
