"""The dialog that generates a value: what reaches the command, the database and the screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import DatabaseBusyError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.conflict import ConflictScreen
from bifrost_tui.tui.screens.generate import GenerateScreen
from bifrost_tui.tui.screens.help import HelpScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from tests.support import BOB, assert_nowhere, events, opened
from tests.tui.screens_support import (
    OLD,
    TYPED,
    World,
    app_of,
    choose,
    go_to_field,
    paste,
    press,
    send_key,
    settled,
    status,
    write,
)
from tests.tui.test_operations import ACME, focus, refuse, running, shown, words
from tests.unit.test_handover import gone

pytestmark = pytest.mark.both_engines

KEY = "stripe_api_key"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


async def to_the_dialog(pilot: Pilot[Any], command: str = "") -> GenerateScreen:
    """Open the dialog over the config at the cursor and type a command."""
    await press(pilot, "r", "ctrl+g")
    screen = shown(pilot, GenerateScreen)
    if command:
        await go_to_field(pilot, "command")
        await write(pilot, command)
    return screen


def held(world: World, key: str = KEY) -> bytes:
    value = opened(world.repository, world.view(ACME, key))
    assert value is not None
    return value


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds, while a command runs."""
    for _ in range(2000):
        if holds():
            return
        await asyncio.wait_for(asyncio.to_thread(Path("/").exists), 10)
        await pilot._wait_for_screen()
    raise AssertionError("it does not come to be")


@pytest.mark.sqlite
async def test_a_value_is_generated_without_a_command(world: World) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot)
        assert focus(pilot) == "length"
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
        value = held(world).decode()
        assert re.fullmatch("[A-Za-z0-9]{32}", value)
        assert "is rotated · fingerprint" in status(pilot)
        assert value not in words(pilot)
    assert_nowhere([value], [world.settings.database_path.parent])  # type: ignore[union-attr]


async def test_length_and_alphabet_are_obeyed(world: World) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot)
        await press(pilot, "backspace", "backspace")
        await write(pilot, "64")
        await choose(pilot, "alphabet", "hex")
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
    assert re.fullmatch(rb"[0-9a-f]{64}", held(world))


@pytest.mark.parametrize("text", ["", "0", "7", "many", "1025", "-40", "9" * 30])
async def test_a_length_that_cannot_be_is_said(world: World, text: str) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot)
        await press(pilot, "backspace", "backspace")
        await write(pilot, text)
        await press(pilot, "ctrl+s")
        shown(pilot, GenerateScreen)
        assert "×" in words(pilot)
        assert focus(pilot) == "length"
    assert held(world) == OLD.encode()


async def test_a_value_reaches_the_command_and_the_database(world: World, folder: Path) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot, "cat > got; echo thanks")
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
        value = (folder / "got").read_bytes()
        assert held(world) == value
        assert value.decode() not in words(pilot)
    assert events(world.repository)[-1][0] == "config.rotate"


async def test_a_failure_is_shown_without_the_value(world: World, folder: Path) -> None:
    async with running(world, at=KEY) as pilot:
        command = r"cat > got; cat got; printf ' [/x]\033[2J\nno\n'; seq 90; echo end; exit 3"
        await to_the_dialog(pilot, command)
        await press(pilot, "enter")
        shown(pilot, GenerateScreen)
        assert "The command failed with exit code 3. Nothing was saved." in status(pilot)
        seen = words(pilot)
        assert "end" in seen
        assert "90" in seen
        assert "no" in seen
        assert "[REDACTED]" not in seen
        assert (folder / "got").read_text() not in seen
        # What was typed is still there, and what is run next has an output of its own.
        await write(pilot, "; ls")
        for _ in range(len(command) + 4):
            send_key(pilot, "backspace")
        await write(pilot, r"cat; printf ' [/x]\033[2J\n'; exit 4")
        await press(pilot, "ctrl+s")
        assert r"[REDACTED] [/x]\x1b[2J" in words(pilot)
        assert "exit code 4" in status(pilot)
        await press(pilot, "escape")
        shown(pilot, RotateScreen)
        await press(pilot, "escape")
        shown(pilot, ConfigurationsScreen)
    assert held(world) == OLD.encode()
    assert events(world.repository)[-1][0] == "secret.handover"


async def test_escape_stops_a_running_command(world: World, folder: Path) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot, "cat >/dev/null; echo begun; touch begun; sleep 300")
        send_key(pilot, "enter")
        await until(pilot, (folder / "begun").exists)
        await until(pilot, lambda: "The command is running; esc stops it." in words(pilot))
        # Neither Enter nor the keys of the dialog begin it once more.
        send_key(pilot, "enter")
        send_key(pilot, "escape")
        await settled(pilot)
        shown(pilot, GenerateScreen)
        assert "The command was stopped. Nothing was saved." in status(pilot)
        assert "begun" in words(pilot)
    assert held(world) == OLD.encode()
    assert [event[0] for event in events(world.repository)].count("secret.handover") == 1


async def test_leaving_the_program_stops_the_command(world: World, folder: Path) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot, "cat >/dev/null; echo $$ > begun; exec sleep 300")
        send_key(pilot, "enter")
        await until(pilot, lambda: (folder / "begun").exists() and bool(_number(folder)))
    assert await asyncio.to_thread(gone, int(_number(folder)))
    assert held(world) == OLD.encode()


def _number(folder: Path) -> str:
    return (folder / "begun").read_text().strip()


async def test_an_entered_value_is_not_thrown_away(world: World) -> None:
    async with running(world, at=KEY) as pilot:
        await press(pilot, "r")
        await paste(pilot, TYPED)
        await press(pilot, "ctrl+g")
        shown(pilot, RotateScreen)
        assert "A value is entered already. ^u clears it" in status(pilot)
        await press(pilot, "ctrl+u", "ctrl+g")
        shown(pilot, GenerateScreen)


async def test_the_help_names_the_key(world: World) -> None:
    async with running(world, at=KEY) as pilot:
        await press(pilot, "r")
        app_of(pilot).action_show_keys()
        await settled(pilot)
        shown(pilot, HelpScreen)
        assert re.search(r"\^g +Generate a value, and hand it to a command", words(pilot))


async def test_a_change_in_between_is_shown_before_anything_is_run(
    world: World, folder: Path
) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot, "cat > got")
        draft = ConfigDraft(KEY, ConfigType.SECRET, description="Theirs.")
        world.repository.configs.edit(BOB, world.view(ACME, KEY), draft)
        await press(pilot, "enter")
        shown(pilot, ConflictScreen)
        assert not (folder / "got").exists()
        await press(pilot, "escape")
        assert "Nothing was made and nothing was saved." in status(pilot)
        await press(pilot, "enter", "right", "right", "enter")
        shown(pilot, ConfigurationsScreen)
    assert held(world) == (folder / "got").read_bytes()
    assert world.view(ACME, KEY).description == "Theirs."


async def test_a_value_that_could_not_be_saved_is_said_whole(world: World, folder: Path) -> None:
    async with running(world, at=KEY, size=(80, 24)) as pilot:
        await to_the_dialog(pilot, "cat > got; while ! [ -e go ]; do sleep 0.01; done")
        send_key(pilot, "enter")
        await until(pilot, (folder / "got").exists)
        world.repository.configs.rotate(BOB, world.view(ACME, KEY), EnteredSecret(TYPED))
        (folder / "go").touch()
        await settled(pilot)
        shown(pilot, GenerateScreen)
        assert "The command has taken a value of stripe_api_key" in status(pilot)
        seen = " ".join(re.sub(r"[│▌]", " ", words(pilot)).split())
        assert "given another value by bob" in seen
        assert "that makes and hands over another value." in seen
    assert held(world) == TYPED.encode()


async def test_a_database_that_is_held_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world, at=KEY) as pilot:
        await to_the_dialog(pilot)
        with monkeypatch.context() as patch:
            patch.setattr(world.repository.configs, "rotate", refuse(DatabaseBusyError("Held.")))
            await press(pilot, "enter")
        assert "Not saved. Held." in status(pilot)
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
    assert held(world) != OLD.encode()
