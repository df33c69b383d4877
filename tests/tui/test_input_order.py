"""What arrives in one packet, as over a slow line, goes where it would have gone one by one."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widgets import Input, Static

from bifrost_tui.errors import NotFoundError
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui import input_order
from bifrost_tui.tui.input_order import OrderedApp
from bifrost_tui.tui.screens.config_form import ConfigForm
from tests.support import ALICE, opened
from tests.tui.screens_support import World, app_over, configurations, settled

SECRET = "typed-in-one-burst-77"


async def burst(pilot: Pilot[Any], *parts: str | events.Paste) -> None:
    """Send everything at once, as a terminal does with what came in one packet."""
    for part in parts:
        if isinstance(part, events.Paste):
            pilot.app.post_message(part)
        elif part in ("tab", "right", "enter", "ctrl+s", "escape", "backspace"):
            pilot.app.post_message(events.Key(part, None))
        else:
            for character in part:
                pilot.app.post_message(events.Key(character, character))
    app = pilot.app
    assert isinstance(app, OrderedApp)
    while app.is_obeying:
        await asyncio.wait_for(pilot.pause(), 30)
    await settled(pilot)


async def test_a_whole_form_in_one_burst(world: World) -> None:
    app = app_over(world, organization="Acme Dental")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "a", "burst_key", "tab", *["right"] * 4, "tab", SECRET, "ctrl+s")
        assert configurations(pilot).table.current.key == "burst_key"  # type: ignore[union-attr]
        view = world.view("Acme Dental", "burst_key")
        assert view.type is ConfigType.SECRET
        assert opened(world.repository, view) == SECRET.encode()


async def test_a_secret_never_lands_in_the_field_before(world: World) -> None:
    app = app_over(world, organization="Acme Dental")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(
            pilot, "a", "k", "tab", *["right"] * 4, "tab", events.Paste(SECRET), "tab", "30", "tab"
        )
        form = app.screen
        assert isinstance(form, ConfigForm)
        assert {field.id: field.value for field in form.query(Input) if field.value} == {
            "key": "k",
            "rotate_every_days": "30",
        }
        assert not form.secret.is_empty
        assert SECRET not in app.export_screenshot()


async def test_letters_behind_a_key_that_opens_are_no_commands(world: World) -> None:
    app = app_over(world, organization="Acme Dental")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        # Taken for commands of the list, this would ask to delete and quit.
        await burst(pilot, "a", "daq", "escape", "escape")
        assert app.is_running
        configurations(pilot)
        with pytest.raises(NotFoundError):
            world.repository.configs.get_key(ALICE, world.scope("Acme Dental"), "daq")


async def test_a_key_whose_widget_goes_does_not_hold_up_the_next(world: World) -> None:
    app = app_over(world, organization="Acme Dental")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for _ in range(3):
            await burst(pilot, "a", "escape", "a", "escape")
        configurations(pilot)


class Hanging(Static, can_focus=True):
    """A widget whose handler of a key does not end."""

    async def on_key(self, event: events.Key) -> None:
        if event.key == "h":
            await asyncio.Event().wait()


class HangingApp(OrderedApp[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+t", "note", priority=True)]

    def __init__(self) -> None:
        super().__init__()
        self.noted = 0
        self.noted_twice = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Hanging("hangs")

    def action_note(self) -> None:
        self.noted += 1
        if self.noted == 2:
            self.noted_twice.set()


async def test_a_widget_that_hangs_does_not_take_the_keyboard_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(input_order, "_GLANCE", 0.01)
    monkeypatch.setattr(input_order, "_PATIENCE", 3)
    app = HangingApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        for key in ("h", "ctrl+t", "ctrl+t"):
            app.post_message(events.Key(key, None))
        await app.noted_twice.wait()
        for task in asyncio.all_tasks():
            if "Hanging()" in task.get_name():
                task.cancel()
