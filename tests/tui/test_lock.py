"""The idle lock: nothing of the data shows, nothing typed is lost, and nothing gets past it.

The clock is moved by hand: nothing here waits for time to go by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from bifrost_tui.errors import DatabaseBusyError
from bifrost_tui.settings import ThemeName
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.lock import LockScreen
from bifrost_tui.tui.screens.passphrase import PassphraseForm
from bifrost_tui.tui.screens.setup import SetupScreen
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.support import ALICE, BOB, assert_nowhere
from tests.tui.screens_support import (
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    configurations,
    go_to,
    go_to_field,
    paste,
    press,
    screen_text,
    send_key,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

PHRASE = "zQ8-typed-in-a-test-and-nowhere-else"
"""Among the values that are looked for on every screen."""
WRONG = "zQ9-kept-in-two-places"
ACME = "Acme Dental"
DATA = (ACME, "Bright Logistics", "api_base_url", "stripe_api_key", "sqlite", "bob")


class Idle:
    """A clock of seconds that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with a_world(home) as world:
        yield world
    assert_nowhere([PHRASE, WRONG], [home])


@pytest.fixture
def idle() -> Idle:
    return Idle()


@pytest.fixture
def app(world: World, idle: Idle) -> BifrostApp:
    app = app_over(world, organization=ACME, seconds=idle)
    app.shown_path = "~/…/bifrost.db"
    return app


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What the lock says after its pause, which does not pass here by itself."""
    held: list[Callable[[], None]] = []
    monkeypatch.setattr(LockScreen, "_wait_before", lambda _, answer: held.append(answer))
    return held


async def leave_alone(pilot: Pilot[Any], minutes: float) -> None:
    """Let time go by until the app's one timer has run out."""
    app = pilot.app
    assert isinstance(app, BifrostApp)
    assert isinstance(app._seconds, Idle)
    app._seconds.now += minutes * 60
    app.lock_if_idle()
    await settled(pilot)


def assert_locked(app: BifrostApp) -> None:
    assert isinstance(app.screen, LockScreen), app.screen
    assert app.is_locked
    text = screen_text(app)
    assert "Bifrost TUI" in text
    for word in DATA:
        assert word not in text, word
    assert_no_plaintext(app)


async def test_it_locks_when_no_key_came_for_the_time(app: BifrostApp) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        assert ACME in screen_text(app)
        await leave_alone(pilot, 9.9)
        assert not app.is_locked
        await press(pilot, "down")
        await leave_alone(pilot, 9.9)
        assert not app.is_locked
        await leave_alone(pilot, 0.2)
        assert_locked(app)
        assert "Locked after 10 minutes without a key" in screen_text(app)
        assert "alice" in screen_text(app)
        await press(pilot, "enter")
        assert not app.is_locked
        assert configurations(pilot).table.cursor == 1
        await leave_alone(pilot, 10.1)
        assert_locked(app)


@pytest.mark.parametrize("minutes", [0, 3])
async def test_the_time_is_set(world: World, idle: Idle, minutes: int) -> None:
    app = app_over(world, settings=replace(world.settings, lock_after=minutes), seconds=idle)
    async with app.run_test() as pilot:
        await settled(pilot)
        await leave_alone(pilot, 3.1)
        assert app.is_locked is bool(minutes)
        if minutes:
            assert "after 3 minutes without" in screen_text(app)


async def test_one_timer_waits_for_what_is_left(app: BifrostApp, idle: Idle) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        first = app._idle
        assert first is not None
        assert first._interval == 600
        idle.now += 240
        await press(pilot, "down", "up")
        assert app._idle is first, "a key sets no timer"
        await leave_alone(pilot, 6)
        assert app._idle is not None
        assert app._idle._interval == pytest.approx(240)


@pytest.mark.parametrize("theme", ["dark", "light", "terminal"])
async def test_nothing_of_what_lies_beneath_shows(
    world: World, idle: Idle, theme: ThemeName
) -> None:
    settings = replace(world.settings, theme=theme)
    app = app_over(world, organization=ACME, settings=settings, seconds=idle)
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "a")
        await leave_alone(pilot, 11)
        assert_locked(app)
        await pilot.resize_terminal(100, 30)
        await settled(pilot)
        assert_locked(app)
        # What changes beneath is not painted through it.
        app.screen_stack[1].refresh(layout=True)
        await settled(pilot)
        assert_locked(app)


@pytest.mark.parametrize("key", ["a", "space", "j", "down", "escape", "tab", "question_mark"])
async def test_the_key_that_wakes_it_is_not_obeyed(app: BifrostApp, idle: Idle, key: str) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        screen = configurations(pilot)
        idle.now += 601  # the timer has not run out yet: the machine slept
        await press(pilot, key)
        assert_locked(app)
        await press(pilot, "enter")
        assert app.screen is screen
        assert (screen.table.cursor, len(screen.marks)) == (0, 0)


async def test_no_key_palette_or_help_gets_past_it(app: BifrostApp) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+l")
        assert_locked(app)
        stack = app.screen_stack[:]
        keys = (
            "q",
            "question_mark",
            "ctrl+p",
            "K",
            "ctrl+l",
            "escape",
            "a",
            "r",
            "R",
            "d",
            "ctrl+c",
        )
        for key in keys:
            await press(pilot, key)
            assert app.screen_stack == stack, key
        await paste(pilot, "R\r")
        assert app.screen_stack == stack
        assert app.is_running
        for action in ("quit", "show_keys", "command_palette", "key_across"):
            await app.run_action(action)
        await settled(pilot)
        assert app.screen_stack == stack
        assert app.is_running
        send_key(pilot, "ctrl+q")
    assert app.return_value == 0


async def test_a_form_half_filled_is_as_it_was(app: BifrostApp) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "a")
        await go_to_field(pilot, "key")
        await write(pilot, "new_key")
        await press(pilot, "left")
        form, focused = app.screen, app.focused
        assert isinstance(focused, Input)
        await leave_alone(pilot, 11)
        assert_locked(app)
        await press(pilot, "enter")
        assert app.screen is form
        assert app.focused is focused
        assert (focused.value, focused.cursor_position) == ("new_key", 6)


async def test_a_secret_that_was_entered_is_still_there(app: BifrostApp, world: World) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        field = app.screen.query_one(SecretField)
        revision = field.revision
        await leave_alone(pilot, 11)
        assert_locked(app)
        await press(pilot, "enter")
        assert field.revision == revision
        assert "received" in screen_text(app)
        await press(pilot, "enter")
        configurations(pilot)
        assert world.view(ACME, "stripe_api_key").version > 2


async def test_the_palette_is_there_again(app: BifrostApp) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "theme")
        stack = app.screen_stack[:]
        await leave_alone(pilot, 11)
        assert_locked(app)
        await press(pilot, "enter")
        assert app.screen_stack == stack
        await press(pilot, "escape")
        configurations(pilot)


async def test_an_answer_that_comes_meanwhile_is_given_afterwards(
    app: BifrostApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, arrived = threading.Event(), threading.Event()
    add = world.repository.configs.add

    def slowly(*args: Any, **kwargs: Any) -> Any:
        arrived.set()
        assert go_on.wait(30)
        return add(*args, **kwargs)

    monkeypatch.setattr(world.repository.configs, "add", slowly)
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "a")
        await go_to_field(pilot, "key")
        await write(pilot, "slow_key")
        send_key(pilot, "ctrl+s")
        while not arrived.is_set():
            await pilot.pause()
        app.action_lock_now()
        go_on.set()
        await settled(pilot)
        # It is saved, and the form would have closed whatever stands on top.
        assert_locked(app)
        assert world.view(ACME, "slow_key").key == "slow_key"
        await press(pilot, "enter")
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "slow_key"


async def test_a_notification_waits(app: BifrostApp) -> None:
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        app.notify(f"before {ACME}")
        await settled(pilot)
        await press(pilot, "ctrl+l")
        app.notify(f"meanwhile {ACME}")
        await settled(pilot)
        assert_locked(app)
        assert not app.screen.query("Toast")
        await press(pilot, "enter")
        assert "meanwhile" in screen_text(app)


async def test_a_mouse_that_moves_is_somebody(app: BifrostApp, idle: Idle) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        idle.now += 590
        app.post_message(events.MouseMove(None, 1, 1, 0, 0, 0, False, False, False))
        await settled(pilot)
        await leave_alone(pilot, 1)
        assert not app.is_locked


async def test_time_goes_on_while_the_shell_has_the_terminal(app: BifrostApp, idle: Idle) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        idle.now += 60
        app.redraw()
        assert not app.is_locked
        idle.now += 600
        app.redraw()
        # At once: the screen that was there is not painted again first.
        assert isinstance(app.screen, LockScreen)
        await settled(pilot)
        assert_locked(app)


async def test_a_passphrase_opens_it(
    app: BifrostApp, world: World, answers: list[Callable[[], None]]
) -> None:
    world.repository.presence.set(ALICE, EnteredSecret(PHRASE))
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+l")
        assert "Passphrase" in screen_text(app)
        await press(pilot, "enter")
        assert "Nothing is entered" in screen_text(app)
        await write(pilot, WRONG)
        assert "••••••••" in screen_text(app)
        short = screen_text(app)
        await write(pilot, "some more")
        assert screen_text(app) == short, "the mask says nothing of the length"
        await press(pilot, "enter")
        assert "checking" in screen_text(app)
        await write(pilot, PHRASE)
        await press(pilot, "enter")
        assert_locked(app)  # a guess is not taken before the one before it is answered
        answers.pop()()
        await settled(pilot)
        assert "That is not the passphrase." in screen_text(app)
        assert_locked(app)
        await press(pilot, "ctrl+u")
        await paste(pilot, PHRASE)
        await press(pilot, "enter")
        configurations(pilot)
    told = world.sql(
        "SELECT action, outcome FROM audit_event WHERE action LIKE 'presence.%' ORDER BY sequence"
    )
    assert told == [("presence.set", "done"), ("presence.prove", "refused")]


async def test_a_passphrase_set_elsewhere_meanwhile_counts(app: BifrostApp, world: World) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+l")
        assert "with enter" in screen_text(app)
        world.repository.presence.set(ALICE, EnteredSecret(PHRASE))
        await press(pilot, "enter")
        assert_locked(app)
        assert "Passphrase" in screen_text(app)


async def test_a_database_that_fails_opens_nothing(
    app: BifrostApp,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[Callable[[], None]],
) -> None:
    def busy(*_: object) -> bool:
        raise DatabaseBusyError("Another program holds the database.")

    async with app.run_test() as pilot:
        await settled(pilot)
        with monkeypatch.context() as patch:
            patch.setattr(world.repository.presence, "is_set", busy)
            await press(pilot, "ctrl+l", "enter")
            assert_locked(app)
            assert "Another program holds the database. Enter tries again." in screen_text(app)
        await press(pilot, "enter")
        assert not app.is_locked
        world.repository.presence.set(ALICE, EnteredSecret(PHRASE))
        monkeypatch.setattr(world.repository.presence, "proves", busy)
        await press(pilot, "ctrl+l")
        await write(pilot, PHRASE)
        await press(pilot, "enter")
        answers.pop()()
        await settled(pilot)
        assert_locked(app)
        assert "Enter tries again" in screen_text(app)


async def test_a_screen_without_a_database_opens_with_enter(home: Path, idle: Idle) -> None:
    from bifrost_tui.settings import load_settings

    app = BifrostApp(load_settings({"HOME": str(home)}), BOB, seconds=idle)
    async with app.run_test() as pilot:
        await settled(pilot)
        setup = app.screen
        assert isinstance(setup, SetupScreen)
        await leave_alone(pilot, 11)
        assert app.is_locked
        assert "Database" not in screen_text(app)
        assert str(home) not in screen_text(app)
        await press(pilot, "enter")
        assert app.screen is setup


async def test_the_passphrase_is_set_from_the_palette(app: BifrostApp, world: World) -> None:
    presence = world.repository.presence
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "passphrase of the lock")
        await press(pilot, "enter")
        assert isinstance(app.screen, PassphraseForm)
        await write(pilot, WRONG)
        await press(pilot, "tab")
        await write(pilot, PHRASE)
        await press(pilot, "enter")
        assert "It is not the same." in screen_text(app)
        await write(pilot, WRONG)
        await press(pilot, "enter")
        assert "The passphrase is set" in screen_text(app)
        assert presence.proves(ALICE, EnteredSecret(WRONG))
        app._set_passphrase()
        await settled(pilot)
        await write(pilot, PHRASE)
        await press(pilot, "enter")
        await write(pilot, PHRASE)
        await press(pilot, "enter")
        await write(pilot, PHRASE)
        await press(pilot, "ctrl+s")
        assert "That is not the passphrase that is set." in screen_text(app)
        assert_no_plaintext(app)
        await press(pilot, "ctrl+u")
        await write(pilot, WRONG)
        await press(pilot, "ctrl+s")
        configurations(pilot)
        assert presence.proves(ALICE, EnteredSecret(PHRASE))


async def test_dialogs_and_the_help_lock_too(app: BifrostApp) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        for opens in ("a", "question_mark"):
            await press(pilot, opens, "ctrl+l")
            assert_locked(app)
            await press(pilot, "enter", "escape")
            configurations(pilot)


async def test_the_list_beneath_is_read_anew_without_showing(app: BifrostApp, world: World) -> None:
    async with app.run_test() as pilot:
        await settled(pilot)
        draft = ConfigDraft("aaa_first", ConfigType.STRING, "x")
        world.repository.configs.add(ALICE, world.scope(ACME), draft)
        screen = configurations(pilot)
        await press(pilot, "ctrl+l")
        screen.reload()
        await settled(pilot)
        assert_locked(app)
        await press(pilot, "enter")
        assert "aaa_first" in screen_text(app)


@pytest.mark.sqlite
@pytest.mark.parametrize("state", ["enter", "passphrase", "wrong", "form"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_picture(
    state: str,
    size: tuple[int, int],
    theme: ThemeName,
    world: World,
    idle: Idle,
    answers: list[Callable[[], None]],
    snap_compare: Any,
) -> None:
    settings = replace(world.settings, theme=theme)
    app = app_over(world, organization=ACME, settings=settings, seconds=idle)
    app.shown_path = "~/…/bifrost.db"
    if state != "enter":
        world.repository.presence.set(ALICE, EnteredSecret(PHRASE))

    async def play(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        if state == "form":
            app._set_passphrase()
            await settled(pilot)
            await write(pilot, PHRASE)
        else:
            await leave_alone(pilot, 11)
        if state in ("passphrase", "wrong"):
            await write(pilot, WRONG)
        if state == "wrong":
            await press(pilot, "enter")
            answers.pop()()
            await settled(pilot)
        assert_no_plaintext(app)

    assert snap_compare(app, terminal_size=size, run_before=play)
