"""The screens of who came in by a forced command: no program, no setup, no place of the host."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.store.requests import Access
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.generate import GenerateScreen
from bifrost_tui.tui.screens.problem import ProblemScreen
from tests.support import ALICE, make_settings, opened
from tests.tui.screens_support import (
    OLD,
    World,
    app_over,
    assert_no_plaintext,
    go_to,
    press,
    send_key,
    settled,
    write,
)
from tests.tui.test_operations import ACME, focus, shown, words

pytestmark = pytest.mark.both_engines

CONFINED = replace(ALICE, confined=True)


def confined(world: World, **more: Any) -> BifrostApp:
    app = app_over(world, access=CONFINED, **more)
    app.shown_host = "vault01"
    return app


def files(folder: Path, name: str) -> list[Path]:
    return list(folder.rglob(name))


async def test_a_value_is_generated_and_handed_to_nobody(world: World, tmp_path: Path) -> None:
    app = confined(world, organization=ACME)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r", "ctrl+g")
        screen = shown(pilot, GenerateScreen)
        assert "none over this connection" in words(pilot)
        assert "This connection starts no program" in words(pilot)
        assert "A command gets it" not in words(pilot)
        # The keys that go from field to field pass it by, and nothing can be typed there.
        passed = []
        for _ in range(4):
            passed.append(focus(pilot))
            await press(pilot, "tab")
        assert set(passed) == {"length", "alphabet"}
        screen.query_one("#command").focus()
        await write(pilot, f"touch {tmp_path}/evidence")
        assert_no_plaintext(app)
        await press(pilot, "ctrl+s")
        if isinstance(pilot.app.screen, GenerateScreen):
            # What was typed went into the length: it is mended, and the rest goes on.
            screen.query_one("#length").value = "32"  # type: ignore[attr-defined]
            await press(pilot, "ctrl+s")
        shown(pilot, ConfigurationsScreen)
        assert_no_plaintext(app)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) != OLD.encode()
    assert files(tmp_path, "evidence") == []


async def test_a_command_that_comes_all_the_same_is_refused(world: World) -> None:
    app = confined(world, organization=ACME)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r", "ctrl+g")
        screen = shown(pilot, GenerateScreen)
        screen.query_one("#command").value = "touch evidence"  # type: ignore[attr-defined]
        await press(pilot, "ctrl+s")
        shown(pilot, GenerateScreen)
        assert "No program is started" in words(pilot)
        assert_no_plaintext(app)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == OLD.encode()


@pytest.mark.sqlite
async def test_the_host_keeps_its_places_to_itself(world: World) -> None:
    app = confined(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "alice · vault01 · key" in words(pilot)
        assert "bifrost.db" not in words(pilot)
    named = BifrostApp(world.settings, CONFINED)
    assert os.uname().nodename in named.context_line().plain
    assert "bifrost.db" in BifrostApp(world.settings, ALICE).context_line().plain


@pytest.mark.sqlite
async def test_a_host_is_not_set_up_from_afar(home: Path) -> None:
    app = BifrostApp(make_settings(home), Access("alice", "10.1.4.7", confined=True))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown(pilot, ProblemScreen)
        assert "Whoever runs the host sets it up" in words(pilot)
        assert str(home) not in words(pilot)
        await press(pilot, "enter")
        shown(pilot, ProblemScreen)
        send_key(pilot, "q")
    assert not files(home, "*")


def test_only_who_is_not_confined_is_suspended(world: World) -> None:
    assert app_over(world).may_suspend
    assert not confined(world).may_suspend
