"""This program and the next one side by side: the older one stops, says why and harms nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bifrost_tui import config as sdk_config
from bifrost_tui.errors import BifrostError, DatabaseError, DatabaseNewerError
from bifrost_tui.settings import Settings
from bifrost_tui.store import engine as engine_module
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit import AuditChain, Event
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.migrate import upgrade
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.schema import REVISION, VERSION_TABLE
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.terminal import actor_name
from tests.next_program import NEXT_REVISION, NextProgram, next_scripts
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    database_path,
    events,
    listed,
    make_repository,
    opened,
    plain,
    planted,
    secret,
)
from tests.unit.runtime_support import ACME, STRIPE, a_shop

PLANTED = planted()[0]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 60.0)


def dump(settings: Settings) -> list[tuple[Any, ...]]:
    """Return every row of every table."""
    path = database_path(settings)
    tables = by_hand(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [(table, *row) for (table,) in tables for row in by_hand(path, f"SELECT * FROM {table}")]


def refused(work: Callable[[], object]) -> DatabaseNewerError:
    with pytest.raises(DatabaseNewerError, match=f"brought to schema {NEXT_REVISION}") as raised:
        work()
    assert str(raised.value).startswith(
        "A newer Bifrost TUI has the database now: start that one. Nothing was changed."
    )
    assert_silent(raised.value, [PLANTED])
    return raised.value


class Beginning:
    """Tells when a database is about to ask for the write lock."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = threading.Event()
        real = database._begin

        def begin(*given: Any) -> None:
            self.asked.set()
            real(*given)

        monkeypatch.setattr(database, "_begin", begin)


class Doing(threading.Thread):
    """Something done beside the test; what comes of it is looked at afterwards."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self._work = work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  looked at by the test
            self.error = error

    def done(self) -> None:
        self.join(90)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


@pytest.mark.timeout(180)
def test_an_older_program_stops_when_the_next_one_has_come(
    settings: Settings, home: Path, tmp_path: Path
) -> None:
    following = NextProgram(tmp_path / "next")
    with make_repository(settings) as repository:
        add_member(repository, actor_name(), Role.OWNER)
        view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
        acme = repository.organizations.add(ALICE, "Acme")
        removal = repository.members.removal(ALICE, repository.members.list(ALICE, None)[0])
        before = dump(settings)
        said = following.run(settings, home, "orgs", "list")
        assert f"brought from schema {REVISION} to {NEXT_REVISION}" in said
        migrated = dump(settings)
        assert migrated != before

        calls: dict[str, Callable[[], object]] = {
            "list": lambda: listed(repository, ALICE, GLOBAL_SCOPE),
            "organizations": lambda: repository.organizations.list(ALICE),
            "history": lambda: repository.configs.history(ALICE, GLOBAL_SCOPE, "k"),
            "audit": repository._context.chain.verify,
            "add": lambda: repository.configs.add(ALICE, acme, secret("new", PLANTED)),
            "edit": lambda: repository.configs.edit(ALICE, view, plain("k", PLANTED)),
            "rotate": lambda: repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED)),
            "delete": lambda: repository.configs.delete(ALICE, view),
            "refused": lambda: repository.configs.add(BOB, GLOBAL_SCOPE, plain("p")),
            "archive": lambda: repository.organizations.archive(ALICE, acme, 1),
            "member": lambda: repository.members.remove(ALICE, removal),
            "check": repository.check,
        }
        for name, call in calls.items():
            refused(call)
            assert dump(settings) == migrated, name
        # Whoever starts this program anew is told so, too.
        with pytest.raises(DatabaseNewerError, match="written by a newer"):
            open_repository(settings, ALICE)
        following.run(
            settings,
            home,
            *("configs", "set", "p", "--type", "string", "--value", "of the next", "--global"),
        )
        refused(repository.check)
        [(value, colour)] = by_hand(
            database_path(settings), "SELECT value, colour FROM config WHERE key = 'p'"
        )
        assert (value, colour) == ('"of the next"', "red")
        assert opened(repository, view) == b"first"
        following.run(settings, home, "audit", "verify")
    assert_nowhere([PLANTED], [home])


@pytest.mark.timeout(180)
async def test_code_is_given_nothing_when_the_next_program_has_come(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = NextProgram(tmp_path / "next")
    with a_shop(home, monkeypatch):
        assert await sdk_config.get("stripe_api_key", scope=ACME) == STRIPE
        following.run(settings, home, "orgs", "list")
        migrated = dump(settings)
        for call in (
            lambda: sdk_config.get("stripe_api_key", scope=ACME),
            lambda: sdk_config.get("missing", "a default", scope=ACME),
            lambda: sdk_config.set("stripe_api_key", PLANTED, is_secret=True, scope=ACME),
            lambda: sdk_config.list(scope=ACME),
            lambda: sdk_config.delete("region", scope=ACME),
        ):
            with pytest.raises(DatabaseNewerError, match="start that one") as raised:
                await call()
            assert_silent(raised.value, [STRIPE, PLANTED])
        assert dump(settings) == migrated


@pytest.mark.timeout(180)
def test_writers_that_wait_behind_a_migration_are_refused_and_readers_read_on(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    following = NextProgram(tmp_path / "next", f"open({str(gate)!r}).read()")
    with make_repository(settings) as repository:
        view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
        repository.warm_up()
        told = events(repository)
        with following.start(settings, home, "orgs", "list") as process:
            # Opened by both ends: the migration is in the middle of its transaction now.
            with gate.open("w"):
                assert listed(repository, ALICE, GLOBAL_SCOPE) == (view,)
                begins = Beginning(repository._context.database, monkeypatch)
                waiting = Doing(
                    lambda: repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED))
                )
                assert begins.asked.wait(60)
                assert listed(repository, ALICE, GLOBAL_SCOPE) == (view,)
            assert process.wait(60) == 0
            refused(waiting.done)
        assert [row[0] for row in events(repository)] == [
            *(row[0] for row in told),
            "database.migrate",
        ]
        assert opened(repository, view) == b"first"


@pytest.mark.timeout(180)
def test_a_migration_waits_for_who_writes_and_its_copy_has_that_change(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts, clock = next_scripts(tmp_path / "scripts"), HandClock()
    entered, release = threading.Event(), threading.Event()
    with make_repository(settings) as repository:
        context = repository._context

        def hold(connection: Connection) -> None:
            entered.set()
            assert release.wait(60)
            context.chain.append(connection, ALICE, Event("config.add", GLOBAL_SCOPE, "late"))

        writing = Doing(lambda: context.database.write_rows(hold))
        assert entered.wait(60)
        database = connect(settings.database_url)
        begins = Beginning(database, monkeypatch)
        chain = AuditChain(database, context.root, clock)
        said: list[str] = []
        migrating = Doing(
            lambda: said.extend(upgrade(database, REVISION, chain, ALICE, clock, scripts))
        )
        assert begins.asked.wait(60)
        assert by_hand(repository, f"SELECT * FROM {VERSION_TABLE}") == [(REVISION,)]
        release.set()
        writing.done()
        migrating.done()
        database.close()
        assert len(said) == 2
        [copy] = database_path(settings).parent.glob("*.bak")
        assert [row[0] for row in events(copy)] == ["database.create", "config.add"]
        assert by_hand(copy, f"SELECT * FROM {VERSION_TABLE}") == [(REVISION,)]
        assert events(repository)[-1][0] == "database.migrate"
        refused(repository.check)


def test_of_two_programs_that_migrate_the_later_one_makes_no_copy(
    settings: Settings, tmp_path: Path
) -> None:
    scripts, clock = next_scripts(tmp_path / "scripts"), HandClock()
    with make_repository(settings) as repository:
        context = repository._context
        chain = AuditChain(context.database, context.root, clock)
        assert len(upgrade(context.database, REVISION, chain, ALICE, clock, scripts)) == 2
        assert upgrade(context.database, REVISION, chain, ALICE, clock, scripts) == ()
        assert len(list(database_path(settings).parent.glob("*.bak"))) == 1
        # One that is newer still has come first.
        by_hand(repository, f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
        with pytest.raises(DatabaseNewerError, match="brought to schema 0999"):
            upgrade(context.database, REVISION, chain, ALICE, clock, scripts)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (f"UPDATE {VERSION_TABLE} SET version_num = '0001'", "has schema 0001 now"),
        (f"UPDATE {VERSION_TABLE} SET version_num = '0\x1b[31m'", "has schema 0"),
        (f"DELETE FROM {VERSION_TABLE}", "names no schema any more"),
        (f"INSERT INTO {VERSION_TABLE} VALUES ('0002')", "names no schema any more"),
    ],
)
def test_an_older_database_put_in_its_place_is_refused(
    settings: Settings, change: str, says: str
) -> None:
    with make_repository(settings) as repository:
        view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "first"))
        by_hand(repository, change)
        before = dump(settings)
        calls: list[Callable[[], object]] = [
            repository.check,
            lambda: repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED)),
        ]
        for call in calls:
            with pytest.raises(DatabaseError, match="start the program anew") as raised:
                call()
            assert says in str(raised.value)
            assert "\x1b" not in str(raised.value)
            assert not isinstance(raised.value, DatabaseNewerError)
            assert isinstance(raised.value, BifrostError)
        assert dump(settings) == before
