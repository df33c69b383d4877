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
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import REVISION, VERSION_TABLE, metadata
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
    events,
    listed,
    make_repository,
    opened,
    plain,
    planted,
    secret,
)
from tests.unit.runtime_support import ACME, STRIPE, a_shop

pytestmark = pytest.mark.both_engines

PLANTED = planted()[0]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 60.0)


def dump(repository: Repository) -> list[tuple[Any, ...]]:
    """Return every row of every table."""
    tables = [table.name for table in metadata.sorted_tables]
    return [
        (table, *row)
        for table in (*tables, VERSION_TABLE)
        for row in by_hand(repository, f"SELECT * FROM {table} ORDER BY 1")
    ]


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
        name = "_begin" if database.dialect == "sqlite" else "_begun"
        real = getattr(database, name)

        def begin(*given: Any) -> Any:
            self.asked.set()
            return real(*given)

        monkeypatch.setattr(database, name, begin)


def begun(work: Callable[[], object], database: Database) -> Doing:
    """Begin something beside the test, up to where it asks for a transaction."""
    with pytest.MonkeyPatch.context() as patch:
        begins = Beginning(database, patch)
        doing = Doing(work)
        assert begins.asked.wait(60)
    return doing


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
        before = dump(repository)
        said = following.run(settings, home, "orgs", "list")
        assert f"brought from schema {REVISION} to {NEXT_REVISION}" in said
        migrated = dump(repository)
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
            assert dump(repository) == migrated, name
        # Whoever starts this program anew is told so, too.
        with pytest.raises(DatabaseNewerError, match="written by a newer"):
            open_repository(settings, ALICE)
        following.run(
            settings,
            home,
            *("configs", "set", "p", "--type", "string", "--value", "of the next", "--global"),
        )
        refused(repository.check)
        [(value, colour)] = by_hand(repository, "SELECT value, colour FROM config WHERE key = 'p'")
        assert (value, colour) == ('"of the next"', "red")
        assert opened(repository, view) == b"first"
        following.run(settings, home, "audit", "verify")
    assert_nowhere([PLANTED], [home])


@pytest.mark.timeout(180)
async def test_code_is_given_nothing_when_the_next_program_has_come(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = NextProgram(tmp_path / "next")
    with a_shop(home, monkeypatch) as shop:
        assert await sdk_config.get("stripe_api_key", scope=ACME) == STRIPE
        following.run(settings, home, "orgs", "list")
        migrated = dump(shop.repository)
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
        assert dump(shop.repository) == migrated


@pytest.mark.timeout(180)
def test_writers_that_wait_behind_a_migration_are_refused_and_readers_read_on(
    settings: Settings, home: Path, tmp_path: Path
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
                waiting = [
                    begun(
                        lambda: repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED)),
                        repository._context.database,
                    )
                ]
                if repository._context.database.dialect == "sqlite":
                    assert listed(repository, ALICE, GLOBAL_SCOPE) == (view,)
                else:
                    # Tables that are changed would look empty to them: they wait, too.
                    waiting.append(begun(repository.check, repository._context.database))
            assert process.wait(60) == 0
            for each in waiting:
                refused(each.done)
        assert [row[0] for row in events(repository)] == [
            *(row[0] for row in told),
            "database.migrate",
        ]
        assert opened(repository, view) == b"first"


@pytest.mark.timeout(180)
def test_a_migration_waits_for_who_writes_and_its_copy_has_that_change(
    settings: Settings, tmp_path: Path
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
        chain = AuditChain(database, context.root, clock)
        said: list[str] = []
        migrating = begun(
            lambda: said.extend(upgrade(database, REVISION, chain, ALICE, clock, scripts)), database
        )
        assert by_hand(repository, f"SELECT * FROM {VERSION_TABLE}") == [(REVISION,)]
        release.set()
        writing.done()
        migrating.done()
        database.close()
        assert said[0] == f"The database was brought from schema {REVISION} to {NEXT_REVISION}."
        if settings.database_path is not None:
            [copy] = settings.database_path.parent.glob("*.bak")
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
        assert upgrade(context.database, REVISION, chain, ALICE, clock, scripts) != ()
        assert upgrade(context.database, REVISION, chain, ALICE, clock, scripts) == ()
        if settings.database_path is not None:
            assert len(list(settings.database_path.parent.glob("*.bak"))) == 1
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
        before = dump(repository)
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
        assert dump(repository) == before
