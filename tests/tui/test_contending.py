"""What a screen says when others are at the same thing, and that nothing typed is ever lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from bifrost_tui.store import engine
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui import base
from bifrost_tui.tui.live import DataChanged
from bifrost_tui.tui.screens.config_form import ConfigForm
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.conflict import ConflictScreen
from bifrost_tui.tui.screens.delete import DeleteScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.support import BOB, CAROL, opened
from tests.tui.screens_support import (
    TYPED,
    World,
    app_over,
    assert_no_plaintext,
    go_to,
    paste,
    press,
    screen_text,
    send_key,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

ACME, KEY = "Acme Dental", "stripe_api_key"
THEIRS = "zQ9-kept-in-two-places"


@asynccontextmanager
async def running(world: World, *keys: str) -> AsyncIterator[Pilot[Any]]:
    """Run the app with the cursor on a secret, and press keys."""
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await go_to(pilot, KEY)
        await press(pilot, *keys)
        yield pilot
        assert_no_plaintext(app)


def words(pilot: Pilot[Any]) -> str:
    """Return all that stands on the screen, lines and borders taken away."""
    return " ".join(screen_text(pilot.app).replace("│", " ").split())  # type: ignore[arg-type]


async def noticed(pilot: Pilot[Any], world: World, watch: Any) -> None:
    """Look once for what others changed, as the app does every second."""
    pilot.app.post_message(DataChanged(watch.tick()))
    await settled(pilot)


def field(pilot: Pilot[Any]) -> SecretField:
    return pilot.app.screen.query_one(SecretField)


def rename(repository: Repository, view: ConfigView, key: str) -> ConfigView:
    draft = ConfigDraft(
        key,
        ConfigType.SECRET,
        integration=view.integration or "",
        description=view.description,
        rotate_every_days=view.rotate_every_days,
    )
    return repository.configs.edit(BOB, view, draft)


FORMS: dict[str, tuple[type[Screen[Any]], str]] = {
    "e": (ConfigForm, "saving"),
    "r": (RotateScreen, "saving"),
    "d": (DeleteScreen, "deleting"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_renamed_under_an_open_form_is_said_with_who_and_when(
    world: World, form: str
) -> None:
    other, watch = world.open(), world.repository.watch()
    screen, verb = FORMS[form]
    async with running(world, form) as pilot:
        renamed = rename(other, world.view(ACME, KEY), "stripe_new_key")
        world.clock.advance(minutes=7)
        await noticed(pilot, world, watch)
        assert f"renamed to stripe_new_key by bob 7 min ago: {verb} will ask" in words(pilot)
        assert isinstance(pilot.app.screen, screen)
        # Whoever renamed it is one, whoever changed it last another.
        other.configs.rotate(CAROL, renamed, EnteredSecret(THEIRS))
        await noticed(pilot, world, watch)
        assert f"renamed to stripe_new_key by carol just now: {verb} will ask" in words(pilot)
    other.close()


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_deleted_under_an_open_form_is_said_with_who_and_when(
    world: World, form: str
) -> None:
    other, watch = world.open(), world.repository.watch()
    screen, verb = FORMS[form]
    async with running(world, form) as pilot:
        other.configs.delete(BOB, rename(other, world.view(ACME, KEY), "stripe_new_key"))
        world.clock.advance(hours=3)
        await noticed(pilot, world, watch)
        assert f"{KEY} was deleted by bob 3 h ago: {verb} will say so" in words(pilot)
        assert isinstance(pilot.app.screen, screen)
    other.close()


async def test_a_rotation_of_what_was_renamed_asks_and_then_saves_over_it(world: World) -> None:
    other = world.open()
    async with running(world, "r") as pilot:
        await paste(pilot, TYPED)
        rename(other, world.view(ACME, KEY), "stripe_new_key")
        world.clock.advance(minutes=7)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ConflictScreen)
        assert "was changed by bob 7 min ago, after you opened it" in words(pilot)
        assert "Key stripe_api_key -> stripe_new_key" in words(pilot)
        await press(pilot, "right", "right", "enter")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert opened(other, world.view(ACME, "stripe_new_key")) == TYPED.encode()
    other.close()


async def test_an_edit_of_what_was_renamed_and_deleted_keeps_all_and_adds_it_anew(
    world: World,
) -> None:
    other = world.open()
    async with running(world, "e") as pilot:
        await paste(pilot, TYPED)
        other.configs.delete(BOB, rename(other, world.view(ACME, KEY), "stripe_new_key"))
        world.clock.advance(minutes=7)
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ConflictScreen)
        assert "was deleted by bob 7 min ago" in words(pilot)
        await press(pilot, "enter")
        assert pilot.app.screen.query_one("#key", Input).value == KEY
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert opened(other, world.view(ACME, KEY)) == TYPED.encode()
    other.close()


async def test_what_is_deleted_while_the_conflict_is_shown_is_said(world: World) -> None:
    other = world.open()
    async with running(world, "r") as pilot:
        await paste(pilot, TYPED)
        renamed = rename(other, world.view(ACME, KEY), "stripe_new_key")
        current = world.repository.configs.current

        def late(access: Any, view: ConfigView) -> ConfigView:
            other.configs.delete(CAROL, renamed)
            return current(access, view)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.repository.configs, "current", late)
            await press(pilot, "enter")
        assert "It is deleted now: by carol just now." in words(pilot)
        await press(pilot, "escape")
        assert not field(pilot).is_empty
    other.close()


async def test_an_organization_archived_under_an_open_form_is_said_with_who_did_it(
    world: World,
) -> None:
    other = world.open()
    async with running(world, "r") as pilot:
        await paste(pilot, TYPED)
        other.organizations.archive(BOB, world.scope(ACME), 1)
        await press(pilot, "enter")
        assert "Not saved. Acme Dental is archived" in words(pilot)
        assert "bob archived it at 2026-03-01T09:30:00Z" in words(pilot)
        assert not field(pilot).is_empty
    other.close()


async def test_a_key_taken_under_an_open_form_is_said_with_who_took_it(world: World) -> None:
    other = world.open()
    async with running(world, "a") as pilot:
        await write(pilot, "fresh_key")
        draft = ConfigDraft("fresh_key", ConfigType.STRING, "of bob")
        other.configs.add(BOB, world.scope(ACME), draft)
        await press(pilot, "ctrl+s")
        assert "fresh_key exists in Acme Dental already" in words(pilot)
        assert "It was last changed by bob at 2026-03-01T09:30:00Z" in words(pilot)
        assert pilot.app.screen.query_one("#key", Input).value == "fresh_key"
    other.close()


IN_TRANSACTION = (
    "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
    " AND state LIKE 'idle in transaction%'"
)


def transactions(repository: Repository) -> int:
    """Return how many connections are held, by whatever."""
    pool: Any = repository._context.database.engine.pool
    return int(pool.checkedout())


@pytest.mark.parametrize("keys", ["e", "r", "d", "a", "m", "x", "question_mark", "K"])
async def test_an_open_form_holds_nothing(world: World, keys: str) -> None:
    """However long it stands there: others write, and what they leave behind can be tidied away."""
    other = world.open()
    async with running(world, keys) as pilot:
        assert transactions(world.repository) == 0
        view = other.configs.rotate(BOB, world.view(ACME, KEY), EnteredSecret(THEIRS))
        if world.settings.database_path is not None:
            assert world.sql("PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
        else:
            assert world.sql(IN_TRANSACTION) == []
        assert opened(other, view) == THEIRS.encode()
        assert pilot.app.is_running
    other.close()


# Another program that holds the database


async def test_a_save_that_waits_says_so_and_ends_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "WAITS_FOR", 0.05)
    entered, release = threading.Event(), threading.Event()

    def hold(_connection: object) -> None:
        entered.set()
        assert release.wait(60)

    other = world.open()
    async with running(world, "r") as pilot:
        await paste(pilot, TYPED)
        holding = threading.Thread(target=other._context.database.write_rows, args=(hold,))
        holding.start()
        try:
            assert await asyncio.to_thread(entered.wait, 60)
            send_key(pilot, "enter")
            while not (said := "Waiting: another program is changing" in words(pilot)):
                await pilot.pause()
            assert said
            assert not field(pilot).is_empty
            assert_no_plaintext(pilot.app)  # type: ignore[arg-type]
        finally:
            release.set()
            await asyncio.to_thread(holding.join)
        await settled(pilot)
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
        assert "is rotated" in words(pilot)
        assert "Waiting" not in words(pilot)
    other.close()
    assert opened(world.repository, world.view(ACME, KEY)) == TYPED.encode()


async def test_a_save_that_waited_too_long_says_so_and_keeps_what_was_typed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "WAITS_FOR", 0.01)
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    entered, release = threading.Event(), threading.Event()

    def hold(_connection: object) -> None:
        entered.set()
        assert release.wait(60)

    mine, other = world.open(), world.open()
    monkeypatch.setattr(world, "repository", mine)
    async with running(world, "r") as pilot:
        await paste(pilot, TYPED)
        holding = threading.Thread(target=other._context.database.write_rows, args=(hold,))
        holding.start()
        try:
            assert await asyncio.to_thread(entered.wait, 60)
            await press(pilot, "enter")
            assert "Not saved. Another program holds the database" in words(pilot)
            assert "Waiting" not in words(pilot)
            assert not field(pilot).is_empty
        finally:
            release.set()
            await asyncio.to_thread(holding.join)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)
    assert opened(mine, world.view(ACME, KEY)) == TYPED.encode()
    mine.close()
    other.close()
