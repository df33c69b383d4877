"""References and partial masks by keyboard, and what is then in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.carry import CarryScreen
from bifrost_tui.tui.screens.config_form import ConfigForm
from tests.support import ALICE, BOB
from tests.tui.screens_support import (
    World,
    app_over,
    assert_no_plaintext,
    choose,
    configurations,
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


@asynccontextmanager
async def running(
    world: World, within: str | None = ACME, *, at: str | None = None
) -> AsyncIterator[Pilot[Any]]:
    app = app_over(world, organization=within)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        if at is not None:
            await go_to(pilot, at)
        yield pilot
        assert_no_plaintext(app)


def shown(pilot: Pilot[Any]) -> str:
    """Return the screen as text."""
    assert isinstance(pilot.app, BifrostApp)
    return screen_text(pilot.app)


def refer(world: World, key: str, target: str, integration: str | None = None) -> None:
    draft = ConfigDraft(key, ConfigType.SECRET_REF, target, integration=integration)
    world.repository.configs.add(BOB, world.scope(ACME), draft)


async def fill_in(pilot: Pilot[Any], key: str) -> None:
    """Open the form and choose the type of a reference."""
    await press(pilot, "a")
    await go_to_field(pilot, "key")
    await write(pilot, key)
    await choose(pilot, "type", "secret_ref")
    await go_to_field(pilot, "value-secret_ref")


async def test_a_reference_is_chosen_from_what_is_offered(world: World) -> None:
    async with running(world) as pilot:
        await fill_in(pilot, "dsn")
        found = shown(pilot)
        assert "sentry_dsn" in found.split("Value")[-1]
        assert "old_ftp_password" in found
        await write(pilot, "sen")
        assert "deploy_key" not in shown(pilot).split("Value")[-1].split("Descr")[0]
        await press(pilot, "tab", "ctrl+s")
        configurations(pilot)
    view = world.view(ACME, "dsn")
    assert (view.refers_to, view.dangling) == ("sentry_dsn", None)


async def test_arrows_go_through_what_is_offered(world: World) -> None:
    async with running(world) as pilot:
        await fill_in(pilot, "copy")
        # deploy_key stands first, by key.
        await press(pilot, "down", "enter")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "integration"
        await press(pilot, "up", "up", "up")
        assert pilot.app.focused.id == "type"
        await press(pilot, "ctrl+s")
    assert world.view(ACME, "copy").refers_to == "old_ftp_password"


async def test_bound_secrets_are_offered_to_their_integration(world: World) -> None:
    async with running(world) as pilot:
        await fill_in(pilot, "billing")
        await write(pilot, "stripe")
        assert "no secret fits" in shown(pilot)
        assert "bound ones are offered once" in shown(pilot)
        await go_to_field(pilot, "integration")
        await write(pilot, "Stripe")
        await press(pilot, "up")
        assert "stripe_webhook_secret" in shown(pilot)
        await press(pilot, "tab", "ctrl+s")
        configurations(pilot)
    view = world.view(ACME, "billing")
    assert (view.refers_to, view.integration) == ("stripe_api_key", "Stripe")


async def test_what_is_no_secret_is_told_under_its_field(world: World) -> None:
    async with running(world) as pilot:
        await fill_in(pilot, "billing")
        await write(pilot, "smtp_host")
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ConfigForm)
        assert "smtp_host is a string; a reference stands for a secret" in shown(pilot)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "value-secret_ref"
        await press(pilot, "escape", "escape")


async def test_renaming_asks_and_takes_references_along(world: World) -> None:
    refer(world, "billing", "stripe_api_key", "Stripe")
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "e")
        await go_to_field(pilot, "key")
        await write(pilot, "_2")
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, CarryScreen)
        assert "Acme Dental / billing" in shown(pilot)
        await press(pilot, "escape")
        assert "Not saved. What you typed is still here." in shown(pilot)
        await press(pilot, "ctrl+s", "right", "enter")
        configurations(pilot)
    assert world.view(ACME, "billing").refers_to == "stripe_api_key_2"


async def test_references_can_be_left_to_dangle(world: World) -> None:
    refer(world, "billing", "twilio_token")
    async with running(world, at="twilio_token") as pilot:
        await press(pilot, "e")
        await go_to_field(pilot, "key")
        await write(pilot, "_2")
        await press(pilot, "ctrl+s", "right", "right", "enter")
        configurations(pilot)
        assert "∅ 1 dangling" in shown(pilot)
        await go_to(pilot, "billing")
        await press(pilot, "enter")
        assert "∅ dangling: there is no secret twilio_token" in shown(pilot)
        await press(pilot, "escape")


async def test_details_and_deletion_name_references(world: World) -> None:
    refer(world, "billing", "stripe_api_key", "Stripe")
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "enter")
        assert "Used by       billing" in shown(pilot)
        await press(pilot, "escape", "d")
        assert "1 reference will dangle" in shown(pilot)
        await press(pilot, "escape")


async def test_a_partial_mask_begins_with_the_next_value(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "e")
        await choose(pilot, "partial_mask", "first and last four, from the next value")
        await press(pilot, "ctrl+s")
        assert world.view(ACME, "stripe_api_key").mask == "••••••••"
        await press(pilot, "r")
        await paste(pilot, "sk-pNOBODY-nobody-z789")
        await press(pilot, "enter")
        configurations(pilot)
        assert "sk-p••••z789" in shown(pilot)
        assert "NOBODY" not in shown(pilot)
        await press(pilot, "e")
        await choose(pilot, "partial_mask", "no")
        await press(pilot, "ctrl+s")
        assert "sk-p" not in shown(pilot)
    view = world.repository.configs.get_key(ALICE, world.scope(ACME), "stripe_api_key")
    assert not view.partial_mask
