"""PostgreSQL stopped, paused, full, forbidden or cut off: told in words, and nothing is lost."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from bifrost_tui.errors import (
    BifrostError,
    DatabaseError,
    DatabaseReadOnlyError,
    DatabaseUncertainError,
    DatabaseUnreachableError,
)
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.views import ConfigView
from bifrost_tui.terminal import actor_name
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.config_form import ConfigForm
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.conflict import ConflictScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.databases import SCHEME
from tests.faults.proxies import Line
from tests.faults.wholeness import assert_whole, rows_of, values_of
from tests.postgres import Server, running_server
from tests.support import (
    ALICE,
    KEY,
    HandClock,
    add_member,
    assert_silent,
    counted_ids,
    listed,
    plain,
    secret,
)
from tests.terminal.harness import DOWN, ENTER, RIGHT, TAB, TerminalSession, sweep
from tests.tui.screens_support import (
    TYPED,
    app_over,
    assert_no_plaintext,
    choose,
    go_to,
    go_to_field,
    paste,
    press,
    screen_text,
    settled,
    status,
    write,
)

pytestmark = [pytest.mark.xdist_group("server_away"), pytest.mark.timeout(180)]

OLD = "zQ5-the-value-that-was-there"
PASSWORD = "zQp-the-password-of-the-database"
PLANTED = (OLD, TYPED, PASSWORD)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        # What was committed is there after a kill.
        with running_server(None, synchronous_commit="on") as started:
            yield started
    except LookupError as error:
        pytest.skip(str(error))


class There:
    """A database on a server, with one organization and a secret in it."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server = server
        self.name = server.new_database()
        self.home = home
        self.clock = HandClock()
        self.settings = self.settings_of(server.url(self.name, scheme=SCHEME))
        with create_repository(self.settings, ALICE, clock=self.clock, ids=counted_ids()) as made:
            self.acme = made.organizations.add(ALICE, "Acme")
            made.configs.add(ALICE, self.acme, secret("token", OLD))
        self.repository = self.open()

    def settings_of(self, url: str) -> Settings:
        return load_settings(
            {"HOME": str(self.home), "BIFROST_SECRET_KEY": KEY, "BIFROST_DATABASE_URL": url}
        )

    def open(self, settings: Settings | None = None) -> Repository:
        return open_repository(
            settings or self.settings, ALICE, clock=self.clock, ids=counted_ids(5000)
        )

    @contextmanager
    def line(self) -> Iterator[Line]:
        """Reach the database through a line that may break, as long as the block runs."""
        direct = self.settings
        with Line(self.server.port) as line:
            self._reach(line)
            try:
                yield line
            finally:
                self.repository.close()
        self.settings = direct
        self.repository = self.open()

    def _reach(self, line: Line) -> None:
        self.repository.close()
        url = f"{SCHEME}://postgres:{PASSWORD}@127.0.0.1:{line.port}/{self.name}"
        with self.server.connect() as connection:
            connection.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'".encode())
        self.settings = self.settings_of(url)
        self.repository = self.open()

    def view(self, key: str = "token") -> ConfigView:
        return self.repository.configs.get_key(ALICE, self.acme, key)

    def bring(self, *drafts: ConfigDraft) -> None:
        incoming = IncomingScope(self.acme.name, [IncomingConfig(draft) for draft in drafts])
        plan = self.repository.imports.plan(ALICE, [incoming], form="encrypted")
        self.repository.imports.apply(ALICE, plan)

    def rename(self, name: str) -> None:
        here = self.repository.organizations.list(ALICE)[1]
        self.repository.organizations.rename(ALICE, here.scope, here.version, name)

    def values(self) -> dict[str, bytes | None]:
        return {key: value for (_, key), value in values_of(self.repository).items()}


@pytest.fixture
def there(server: Server, home: Path) -> Iterator[There]:
    made = There(server, home)
    try:
        yield made
        assert_whole(made.repository)
    finally:
        made.repository.close()
        server.drop(made.name)


def add(there: There, key: str = "new") -> None:
    there.repository.configs.add(ALICE, there.acme, secret(key, TYPED))


def told(kind: type[DatabaseError], says: str, attempt: Callable[[], object]) -> None:
    """Try what cannot be done: it is told in words, which hold no value and no password."""
    with pytest.raises(kind) as raised:
        attempt()
    assert type(raised.value) is kind
    assert says in str(raised.value)
    assert_silent(raised.value, PLANTED)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


# The store


def test_a_restart_between_two_reads_is_noticed_by_nobody(there: There) -> None:
    for again in (there.server.kill, there.server.stop):
        before = listed(there.repository, ALICE, there.acme)
        again()
        there.server.start()
        assert listed(there.repository, ALICE, there.acme) == before


def test_a_restart_before_a_change_is_noticed_by_nobody(there: There) -> None:
    there.repository.warm_up()
    there.server.stop()
    there.server.start()
    add(there)
    assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}


def test_a_connection_that_is_ended_in_a_change_has_changed_nothing(there: There) -> None:
    before = rows_of(there.repository)

    def work(connection: Any) -> None:
        connection.exec_driver_sql("DELETE FROM config")
        with there.server.connect() as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{there.name}'".encode()
            )
        connection.exec_driver_sql("SELECT 1")

    told(
        DatabaseUnreachableError,
        "stopped, or the line to it broke. Nothing was changed; try again.",
        lambda: there.repository._context.database.write_rows(work),
    )
    assert rows_of(there.repository) == before
    add(there)


def test_a_server_that_is_stopped_is_told_and_everything_goes_on_when_it_is_back(
    there: There,
) -> None:
    before = rows_of(there.repository)
    there.server.stop()
    try:
        for attempt in (
            lambda: add(there),
            lambda: listed(there.repository, ALICE, there.acme),
            there.open,
            there.repository._context.chain.verify,
        ):
            told(DatabaseUnreachableError, "cannot be reached. Check that it runs", attempt)
    finally:
        there.server.start()
    assert rows_of(there.repository) == before
    add(there)


@pytest.mark.parametrize("after", [False, True])
def test_a_line_that_breaks_in_a_commit_leaves_it_open_and_nothing_is_doubled(
    there: There, after: bool
) -> None:
    with there.line() as line:
        line.at_commit(after=after)
        told(
            DatabaseUncertainError,
            "It is not known whether it was: look before you do it again.",
            lambda: add(there),
        )
        assert line.broken == 1
        assert ("new" in there.values()) is after
        if after:
            with pytest.raises(BifrostError, match="exists"):
                add(there)
        else:
            add(there)
        assert there.values()["new"] == TYPED.encode()
        assert len(listed(there.repository, ALICE, there.acme)) == 2


CHANGES: dict[str, Callable[[There, int], object]] = {
    "add": lambda t, n: add(t, f"new{n}"),
    "edit": lambda t, n: t.repository.configs.edit(
        ALICE, t.view(), secret("token", TYPED, description=str(n))
    ),
    "rotate": lambda t, n: t.repository.configs.rotate(ALICE, t.view(), EnteredSecret(TYPED)),
    "delete": lambda t, n: t.repository.configs.delete(ALICE, t.view(f"spare{n}")),
    "import": lambda t, n: t.bring(secret(f"brought{n}", TYPED), plain(f"text{n}")),
    "add organization": lambda t, n: t.repository.organizations.add(ALICE, f"New {n}"),
    "rename organization": lambda t, n: t.rename(f"Acme {n}"),
    "add member": lambda t, n: t.repository.members.add(ALICE, t.acme, f"bob{n}", Role.ADMIN),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wherever_a_connection_is_ended_it_is_told_truly(
    there: There, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each message to the server of a change, from the first to the last, and after it."""
    change = CHANGES[name]
    for number in range(60):
        there.repository.configs.add(ALICE, there.acme, plain(f"spare{number}"))
    wait, left, ending = psycopg.Connection.wait, 0, False

    def counted(connection: Any, *given: Any, **named: Any) -> Any:
        nonlocal left, ending
        if not ending:
            left -= 1
            if left == 0:
                ending = True
                with there.server.connect() as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                        f" WHERE datname = '{there.name}'".encode()
                    )
                ending = False
        return wait(connection, *given, **named)

    monkeypatch.setattr(psycopg.Connection, "wait", counted)
    number, outcomes = 0, []
    while left <= 0:
        number += 1
        left = 0
        before = rows_of(there.repository)
        left = number
        problem: BifrostError | None = None
        try:
            change(there, number)
        except BifrostError as error:
            problem = error
        is_over, left = left > 0, 0
        changed = rows_of(there.repository) != before
        if problem is None:
            assert changed, number
        elif type(problem) is DatabaseUnreachableError:
            assert "Nothing was changed" in str(problem)
            assert not changed, number
        else:
            assert type(problem) is DatabaseUncertainError, problem
        if problem is not None:
            assert_silent(problem, PLANTED)
        outcomes.append(type(problem).__name__)
        if is_over:
            break
    assert outcomes.count("DatabaseUncertainError") == 1
    assert outcomes.count("DatabaseUnreachableError") > 2


def test_a_standby_is_read_and_refuses_changes(there: There) -> None:
    """A real one: it stands in recovery, waits for more, and answers reads."""
    mark = there.server.folder / "data" / "standby.signal"
    before = rows_of(there.repository)
    there.server.stop()
    mark.touch()
    there.server.start()
    try:
        assert rows_of(there.repository) == before
        told(DatabaseReadOnlyError, "as a standby does", lambda: add(there))
    finally:
        there.server.stop()
        mark.unlink()
        there.server.start()
    add(there)


def test_a_database_that_is_set_to_be_read_is_told(there: There) -> None:
    with there.server.connect() as connection:
        connection.execute(
            f"ALTER DATABASE {there.name} SET default_transaction_read_only = on".encode()
        )
    there.repository.close()
    there.repository = there.open()
    # It is a wish and no bar: our changes say that they are some.
    add(there)


def test_a_server_without_connections_left_is_told(there: There) -> None:
    there.repository.close()
    with ExitStack() as stack:
        with suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(closing(there.server.connect(there.name)))
        told(
            DatabaseUnreachableError,
            "has no connection left for us. Nothing was changed; try again.",
            lambda: add(there),
        )
    add(there)


def test_a_password_that_was_changed_is_told(there: There) -> None:
    with there.line():
        with there.server.connect() as connection:
            connection.execute(b"ALTER USER postgres PASSWORD 'another'")
        # Who is in stays in.
        add(there)
        there.repository.close()
        told(DatabaseUnreachableError, "refused the user or the password", lambda: add(there))
        told(DatabaseUnreachableError, "refused the user or the password", there.open)
        with there.server.connect() as connection:
            connection.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'".encode())
        add(there, "newer")


def test_a_database_that_was_dropped_is_told(server: Server, home: Path) -> None:
    there = There(server, home)
    there.repository.warm_up()
    server.drop(there.name)
    for attempt in (lambda: listed(there.repository, ALICE, there.acme), lambda: add(there)):
        told(DatabaseUnreachableError, "has no database of that name", attempt)
    there.repository.close()


def test_a_server_that_is_paused_is_waited_for(there: There) -> None:
    """What is under way goes on with it, and is done once."""
    there.repository.warm_up()
    there.server.pause()
    saving = Thread(target=add, args=(there,))
    try:
        saving.start()
        url = there.server.url(there.name, scheme=SCHEME) + "&connect_timeout=2"
        told(
            DatabaseUnreachableError,
            "cannot be reached",
            lambda: there.open(there.settings_of(url)),
        )
        assert saving.is_alive()
    finally:
        there.server.go_on()
    saving.join(60)
    assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}


def test_what_the_driver_warns_of_is_not_written_over_the_screens(there: There) -> None:
    """Else Python writes it to standard error, as when a connection goes among many statements."""
    there.repository.warm_up()
    handlers = logging.getLogger("psycopg").handlers
    assert [type(handler) for handler in handlers] == [logging.NullHandler]


# The screens


@asynccontextmanager
async def running(there: There) -> AsyncIterator[Pilot[Any]]:
    app = app_over(there, organization="Acme")  # type: ignore[arg-type]
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        yield pilot
        assert_no_plaintext(app)
        assert OLD not in screen_text(app)
        assert PASSWORD not in screen_text(app)
    assert app._exception is None


async def fill(pilot: Pilot[Any]) -> None:
    await press(pilot, "a")
    await write(pilot, "new")
    await choose(pilot, "type", "secret")
    await go_to_field(pilot, "value-secret")
    await paste(pilot, TYPED)
    await go_to_field(pilot, "description")
    await write(pilot, "kept")


def assert_kept(pilot: Pilot[Any]) -> None:
    form = pilot.app.screen
    assert isinstance(form, ConfigForm)
    assert form.query_one("#key", Input).value == "new"
    assert form.query_one("#description", Input).value == "kept"
    assert not form.query_one(SecretField).is_empty


async def test_a_form_survives_a_server_that_stops(there: There) -> None:
    async with running(there) as pilot:
        await fill(pilot)
        there.server.stop()
        try:
            for _ in range(2):
                await press(pilot, "ctrl+s")
                assert "Not saved. The server of the database" in status(pilot)
                assert "cannot be reached" in status(pilot)
                assert_kept(pilot)
        finally:
            there.server.start()
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}


async def test_a_rotation_survives_a_server_that_stops(there: There) -> None:
    async with running(there) as pilot:
        await go_to(pilot, "token")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        there.server.stop()
        try:
            await press(pilot, "enter")
            assert "cannot be reached" in status(pilot)
            assert isinstance(pilot.app.screen, RotateScreen)
            assert not pilot.app.screen.query_one(SecretField).is_empty
        finally:
            there.server.start()
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert there.values() == {"token": TYPED.encode()}


async def test_a_list_survives_a_server_that_stops(there: There) -> None:
    async with running(there) as pilot:
        there.server.stop()
        try:
            await press(pilot, "slash")
            await write(pilot, "tok")
            await press(pilot, "enter", "enter")
            assert "cannot be reached" in screen_text(_app(pilot)).replace("\n", " ")
        finally:
            there.server.start()
        await press(pilot, "escape", "escape", "f5")
        await go_to(pilot, "token")


def _app(pilot: Pilot[Any]) -> BifrostApp:
    assert isinstance(pilot.app, BifrostApp)
    return pilot.app


@pytest.mark.parametrize("after", [False, True])
async def test_a_form_whose_save_is_uncertain_does_not_save_twice(
    there: There, after: bool
) -> None:
    with there.line() as line:
        async with running(there) as pilot:
            await fill(pilot)
            line.at_commit(after=after)
            await press(pilot, "ctrl+s")
            assert "It is not known whether it was" in status(pilot)
            assert "Not saved" not in status(pilot)
            assert_kept(pilot)
            await press(pilot, "ctrl+s")
            if after:
                assert "new exists in Acme already" in screen_text(_app(pilot))
                assert_kept(pilot)
            else:
                assert isinstance(pilot.app.screen, ConfigurationsScreen)
        assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}


@pytest.mark.parametrize("after", [False, True])
async def test_a_rotation_whose_save_is_uncertain_is_not_done_twice(
    there: There, after: bool
) -> None:
    with there.line() as line:
        async with running(there) as pilot:
            await go_to(pilot, "token")
            await press(pilot, "r")
            await paste(pilot, TYPED)
            line.at_commit(after=after)
            await press(pilot, "enter")
            assert "It is not known whether it was" in status(pilot)
            assert "Not saved" not in status(pilot)
            await press(pilot, "enter")
            wanted = ConflictScreen if after else ConfigurationsScreen
            assert isinstance(pilot.app.screen, wanted)
        [view] = listed(there.repository, ALICE, there.acme)
        assert view.version == 2
        assert there.values() == {"token": TYPED.encode()}


async def test_screens_of_a_server_that_is_paused_obey_and_save_in_the_end(there: There) -> None:
    async with running(there) as pilot:
        await fill(pilot)
        there.server.pause()
        try:
            pilot.app.screen.action_save()  # type: ignore[attr-defined]
            # It waits in a thread; the keyboard does not.
            await pilot.press("tab")
            assert_kept(pilot)
        finally:
            there.server.go_on()
        await settled(pilot)
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}


def test_a_form_in_a_terminal_survives_a_server_that_stops(there: There, tmp_path: Path) -> None:
    add_member(there.repository, actor_name(), Role.OWNER)
    environ = {
        "HOME": str(there.home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        KEY_VARIABLE: KEY,
        DATABASE_VARIABLE: there.server.url(there.name, scheme=SCHEME),
    }
    command = [sys.executable, "-m", "bifrost_tui"]
    with TerminalSession(command, size=(100, 30), env=environ) as session:
        session.wait_for("Acme")
        session.send(DOWN + ENTER)
        session.wait_for("token")
        session.send("a")
        session.wait_for("Add a config to")
        session.send("new" + TAB + RIGHT * 4 + TAB)
        session.wait_for("[secret]")
        session.paste(TYPED)
        session.wait_for("fingerprint")
        there.server.stop()
        try:
            session.send("\x13")
            session.wait_for("cannot be reached")
            assert "fingerprint" in session.screen_text()
        finally:
            there.server.start()
        session.send("\x13")
        session.wait_for("new in Acme is saved")
        session.send("q")
        assert session.wait_exit() == 0
        assert sweep(session.evidence, PLANTED) == []
        assert session.attributes_restored()
    assert there.values() == {"token": OLD.encode(), "new": TYPED.encode()}
