"""A backup that is restored under open screens: they follow it, and keep what was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from bifrost_tui.store.restoring import prepared
from bifrost_tui.tui.live import DataChanged
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.support import ALICE, plain
from tests.tui.screens_support import (
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    go_to,
    go_to_field,
    paste,
    press,
    screen_text,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

ACME = "Acme Dental"


@pytest.fixture
def world(home: Path) -> Any:
    with a_world(home) as world:
        world.repository.backups.make(ALICE, home / "backup.db")
        acme = world.repository.organizations.find(ALICE, ACME)
        world.repository.configs.add(ALICE, acme, plain("only_here", "x"))
        view = world.repository.configs.get_key(ALICE, acme, "greeting")
        world.repository.configs.edit(ALICE, view, plain("greeting", "changed since"))
        yield world


async def restored(world: World, home: Path, pilot: Pilot[Any]) -> None:
    """Restore the backup, as another process does, and let the screens notice."""
    watch = world.repository.watch()
    with prepared(world.settings, ALICE, home / "backup.db", clock=world.clock) as found:
        found.apply()
    pilot.app.post_message(DataChanged(watch.tick()))
    await settled(pilot)


async def test_lists_show_what_was_restored(world: World, home: Path) -> None:
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "only_here" in screen_text(app)
        await restored(world, home, pilot)
        assert "only_here" not in screen_text(app)
        assert "changed since" not in screen_text(app)


async def test_a_form_on_a_row_that_is_gone_says_so_and_keeps_what_was_typed(
    world: World, home: Path
) -> None:
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "only_here")
        await press(pilot, "e")
        await go_to_field(pilot, "description")
        await write(pilot, "half")
        field = app.focused
        assert isinstance(field, Input)
        await restored(world, home, pilot)
        assert "only_here was deleted just now: saving will say so" in screen_text(app)
        await press(pilot, "ctrl+s")
        assert field.value == "half"
        assert "only_here" in screen_text(app)


async def test_a_form_on_a_row_that_is_another_asks(world: World, home: Path) -> None:
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "greeting")
        await press(pilot, "e")
        await go_to_field(pilot, "description")
        await write(pilot, "half")
        await restored(world, home, pilot)
        assert "saving will ask" in screen_text(app)
        await press(pilot, "ctrl+s")
        assert "Another change came between" in screen_text(app)


async def test_a_secret_that_was_entered_stays_for_the_conflict(world: World, home: Path) -> None:
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        revision = app.screen.query_one(SecretField).revision
        await restored(world, home, pilot)
        assert app.screen.query_one(SecretField).revision == revision
        assert_no_plaintext(app)
