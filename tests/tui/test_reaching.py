"""A database that goes away under the screens: it is said, nothing typed is lost, it comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from bifrost_tui.errors import DatabaseUncertainError
from bifrost_tui.settings import Settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.base import LOST, REACHED, STAYS
from bifrost_tui.tui.screens.audit import AuditScreen
from bifrost_tui.tui.screens.config_form import ConfigForm
from bifrost_tui.tui.screens.lock import LockScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.problem import ProblemScreen
from bifrost_tui.tui.screens.queue import QueueScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from tests.relay import Relay, a_relay
from tests.support import (
    ALICE,
    BOB,
    Engine,
    HandClock,
    add_member,
    assert_nowhere,
    counted_ids,
    make_repository,
    make_settings,
    opened,
    plain,
    secret,
)
from tests.tui.screens_support import (
    TYPED,
    assert_no_plaintext,
    choose,
    configurations,
    go_to_field,
    paste,
    press,
    screen_text,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

NEVER = (3600.0,)
"""The next try is made by hand."""


class Line:
    """The database of Alice's app, which can be taken away and brought back."""

    def __init__(self, settings: Settings, relay: Relay | None, theirs: Repository) -> None:
        url = settings.database_url
        self.settings = (
            settings if relay is None else replace(settings, database_url=relay.url(url))
        )
        self.theirs = theirs
        self.mine: Repository | None = None
        self._relay = relay
        self._path = settings.database_path

    @property
    def is_server(self) -> bool:
        return self._relay is not None

    def open(self) -> Repository:
        """Open it as the app does."""
        self.mine = open_repository(self.settings, ALICE, clock=HandClock(), ids=counted_ids())
        return self.mine

    def cut(self) -> None:
        """Take the server away, or the disk of the file."""
        if self._relay is not None:
            self._relay.cut()
        else:
            assert self._path is not None
            self._path.parent.rename(self._path.parent.with_name("away"))
            if self.mine is not None:
                self.mine._context.database.engine.dispose()

    def mend(self) -> None:
        """Bring it back."""
        if self._relay is not None:
            self._relay.mend()
        else:
            assert self._path is not None
            self._path.parent.with_name("away").rename(self._path.parent)

    @property
    def acme(self) -> Scope:
        return self.theirs.organizations.find(BOB, "Acme")


@pytest.fixture
def settings(home: Path) -> Settings:
    return make_settings(home)


@pytest.fixture
def theirs(settings: Settings) -> Iterator[Repository]:
    with make_repository(settings, ids=counted_ids(500)) as repository:
        add_member(repository, "bob", Role.ADMIN)
        acme = repository.organizations.add(BOB, "Acme")
        for draft in (plain("alpha"), plain("bravo"), secret("token", "zQ7-old-token-of-theirs")):
            repository.configs.add(BOB, acme, draft)
        repository.configs.add(BOB, acme, secret("twin", "zQ7-old-token-of-another"))
        yield repository


@pytest.fixture
def line(settings: Settings, theirs: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(BifrostApp, "TRY_AFTER", NEVER)
    if Engine.servers is None:
        yield Line(settings, None, theirs)
    else:
        with a_relay(Engine.servers.server) as relay:
            yield Line(settings, relay, theirs)


@asynccontextmanager
async def running(
    line: Line, organization: str | None = "Acme", *, live: bool = False
) -> AsyncIterator[tuple[BifrostApp, Pilot[Any]]]:
    """Run the app; no plaintext is in it at the end."""
    app = BifrostApp(
        line.settings,
        ALICE,
        organization=organization,
        clock=HandClock(),
        opener=line.open,
        seconds=float,
        live=live,
    )
    try:
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            yield app, pilot
            assert_no_plaintext(app)
        assert app._exception is None
    finally:
        app.close_database()
    if line.settings.database_path is not None:
        assert_nowhere([TYPED], [line.settings.database_path.parent])


def lost(app: BifrostApp) -> bool:
    return app.is_lost


def locked(app: BifrostApp) -> bool:
    return app.is_locked


def words(app: BifrostApp) -> str:
    """Return the screen's text without its line breaks."""
    return " ".join(screen_text(app).split())


async def until(pilot: Pilot[Any], happened: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    while not happened():
        await pilot.pause(0.005)
    await settled(pilot)


async def try_again(app: BifrostApp, pilot: Pilot[Any]) -> None:
    """Do what the timer does."""
    app._try()
    await until(pilot, lambda: not app._trying)


async def back(line: Line, app: BifrostApp, pilot: Pilot[Any]) -> None:
    line.mend()
    await try_again(app, pilot)
    assert not lost(app)


async def test_a_list_keeps_what_it_shows_and_follows_what_happened(line: Line) -> None:
    async with running(line) as (app, pilot):
        await press(pilot, "down")
        line.cut()
        await press(pilot, "f5")
        assert "alpha" in words(app)
        assert STAYS in words(app)
        assert lost(app)
        await try_again(app, pilot)
        assert lost(app)
        assert STAYS in words(app)
        line.mend()
        line.theirs.configs.add(BOB, line.acme, plain("aaa_new"))
        await try_again(app, pilot)
        assert f"✓ {REACHED}" in screen_text(app)
        assert "aaa_new" in screen_text(app)
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "bravo"
        # The list behind it has its new counts too.
        await press(pilot, "escape")
        assert "5" in screen_text(app)


async def test_a_form_keeps_all_that_was_typed_and_saves_it_later(line: Line) -> None:
    async with running(line) as (app, pilot):
        await press(pilot, "a")
        await write(pilot, "fresh_key")
        await choose(pilot, "type", "secret")
        await go_to_field(pilot, "value-secret")
        await paste(pilot, TYPED)
        await go_to_field(pilot, "description")
        await write(pilot, "half")
        line.cut()
        await press(pilot, "ctrl+s")
        assert "× Not saved. The " in screen_text(app)
        assert lost(app)
        form = app.screen
        assert isinstance(form, ConfigForm)
        assert form.query_one("#key", Input).value == "fresh_key"
        assert form.query_one("#description", Input).value == "half"
        await back(line, app, pilot)
        assert REACHED in screen_text(app)
        assert form.query_one("#description", Input).value == "half"
        await press(pilot, "ctrl+s")
        assert "fresh_key in Acme is saved" in screen_text(app)
    view = line.theirs.configs.get_key(BOB, line.acme, "fresh_key")
    assert view.description == "half"
    assert opened(line.theirs, view) == TYPED.encode()


async def test_the_field_of_a_secret_keeps_what_was_pasted(line: Line) -> None:
    async with running(line) as (app, pilot):
        await press(pilot, "down", "down", "r")
        await paste(pilot, TYPED)
        line.cut()
        await press(pilot, "enter")
        assert isinstance(app.screen, RotateScreen)
        assert "× Not saved." in screen_text(app)
        await press(pilot, "enter")
        assert "× Not saved." in screen_text(app)
        await back(line, app, pilot)
        await press(pilot, "enter")
        assert "token in Acme is rotated" in screen_text(app)
    view = line.theirs.configs.get_key(BOB, line.acme, "token")
    assert opened(line.theirs, view) == TYPED.encode()


async def test_the_queue_keeps_its_turn_and_what_was_entered(line: Line) -> None:
    async with running(line) as (app, pilot):
        await press(pilot, "down", "down", "space", "space", "R")
        assert isinstance(app.screen, QueueScreen)
        line.cut()
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        text = screen_text(app)
        assert "1 refused" in text
        assert "twin in Acme" in text
        await back(line, app, pilot)
        await paste(pilot, f"{TYPED}2")
        await press(pilot, "enter", "shift+tab")
        assert "token in Acme" in screen_text(app)
        await press(pilot, "enter")
        assert "2 rotated" in screen_text(app)
    for key, value in (("token", TYPED), ("twin", f"{TYPED}2")):
        view = line.theirs.configs.get_key(BOB, line.acme, key)
        assert opened(line.theirs, view) == value.encode()


async def test_the_lock_stays_locked_and_opens_later(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LockScreen, "_wait_before", lambda _, answer: answer())
    line.theirs.presence.set(ALICE, EnteredSecret(TYPED))
    async with running(line) as (app, pilot):
        await press(pilot, "ctrl+l")
        line.cut()
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        assert locked(app)
        assert "alpha" not in screen_text(app)
        assert "Enter tries again" in words(app)
        if line.is_server:
            line.theirs.configs.add(BOB, line.acme, plain("aaa_new"))
        await back(line, app, pilot)
        assert locked(app)
        assert "alpha" not in screen_text(app)
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        assert not locked(app)
        assert "alpha" in screen_text(app)
        assert ("aaa_new" in screen_text(app)) == line.is_server


async def test_the_audit_log_stays_where_it_is(line: Line) -> None:
    async with running(line) as (app, pilot):
        await press(pilot, "l", "down", "down")
        screen = app.screen
        assert isinstance(screen, AuditScreen)
        at = screen.table.current
        line.cut()
        app.database_lost()
        await settled(pilot)
        assert LOST in screen_text(app)
        assert screen.table.current == at
        await back(line, app, pilot)
        assert REACHED in screen_text(app)
        assert screen.table.current == at


async def test_a_screen_that_opens_meanwhile_is_filled_later(line: Line) -> None:
    async with running(line) as (app, pilot):
        line.cut()
        await press(pilot, "l")
        assert STAYS in words(app)
        await back(line, app, pilot)
        text = screen_text(app)
        assert "config.add" in text
        assert "V verify" in text
        assert app.screen.active_bindings["V"].enabled


async def test_what_is_not_known_stays_to_be_read(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(line) as (app, pilot):
        assert line.mine is not None

        def deleting(*_: object) -> None:
            raise DatabaseUncertainError("It is not known whether it was saved: look.")

        monkeypatch.setattr(line.mine.configs, "delete", deleting)
        await press(pilot, "d")
        app.screen.query_one("#delete").focus()
        await press(pilot, "enter")
        assert "It is not known" in screen_text(app)
        assert lost(app)
        await try_again(app, pilot)
        assert not lost(app)
        assert "It is not known" in screen_text(app)


async def test_a_database_that_is_away_at_the_start_is_tried_again(line: Line) -> None:
    if not line.is_server:
        pytest.skip("a file that is away is one that is to be made")
    line.cut()
    async with running(line) as (app, pilot):
        assert isinstance(app.screen, ProblemScreen)
        assert "cannot be reached" in words(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, ProblemScreen)
        line.mend()
        await press(pilot, "enter")
        assert configurations(pilot).table.row_count == 4
        assert isinstance(app.screen_stack[-2], OrganizationsScreen)
        assert app.failure is None


async def test_nobody_needs_to_press_a_key(line: Line) -> None:
    if not line.is_server:
        pytest.skip("a file is looked at when something is asked for")
    async with running(line, live=True) as (app, pilot):
        line.cut()
        await until(pilot, lambda: lost(app))
        assert LOST in screen_text(app)
        line.theirs.configs.add(BOB, line.acme, plain("aaa_new"))
        line.mend()
        await until(pilot, lambda: not lost(app))
        assert REACHED in screen_text(app)
        assert "aaa_new" in screen_text(app)
        line.theirs.configs.add(BOB, line.acme, plain("aab_newer"))
        await until(pilot, lambda: "aab_newer" in screen_text(app))
