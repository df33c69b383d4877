"""The rotation queue and the marks that lead into it, by keyboard."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import DatabaseBusyError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView, Waiting
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.queue import QueueScreen
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.support import ALICE, BOB, by_hand, opened, secret
from tests.tui.screens_support import (
    World,
    app_over,
    assert_no_plaintext,
    configurations,
    go_to,
    paste,
    press,
    screen_text,
    send_key,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

ACME = "Acme Dental"
NEW = tuple(f"zQn-planted-new-{number:02}" for number in range(20))


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
        assert not any(value in shown(pilot) for value in NEW)


def shown(pilot: Pilot[Any]) -> str:
    assert isinstance(pilot.app, BifrostApp)
    return screen_text(pilot.app)


async def mark(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await go_to(pilot, key)
        await press(pilot, "space")


def values(world: World, *keys: str) -> list[str | None]:
    """Return what secrets hold now."""
    found = [opened(world.repository, world.view(ACME, key)) for key in keys]
    return [value.decode() if value else None for value in found]


async def test_marked_secrets_are_rotated_one_after_another(world: World) -> None:
    async with running(world) as pilot:
        await mark(pilot, "twilio_token", "stripe_api_key", "deploy_key")
        assert "R queue 3" in shown(pilot)
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, QueueScreen)
        assert "1 of 3" in shown(pilot)
        assert "deploy_key in Acme Dental" in shown(pilot)
        assert "needs value" in shown(pilot)
        for at in range(3):
            await paste(pilot, NEW[at])
            await press(pilot, "enter")
        assert "3 rotated" in shown(pilot)
        assert "done" in shown(pilot)
        await press(pilot, "enter")
        configurations(pilot)
        assert "3 rotated." in shown(pilot)
        assert "queue 3" not in shown(pilot)
    assert values(world, "deploy_key", "stripe_api_key", "twilio_token") == list(NEW[:3])


async def test_skip_back_and_the_summary(world: World) -> None:
    async with running(world) as pilot:
        await mark(pilot, "deploy_key", "stripe_api_key", "twilio_token")
        await press(pilot, "R", "tab")
        assert "2 of 3" in shown(pilot)
        await paste(pilot, NEW[0])
        await press(pilot, "enter", "tab")
        found = shown(pilot)
        assert "1 rotated" in found
        assert "2 skipped" in found
        await press(pilot, "shift+tab")
        assert "twilio_token in Acme Dental" in shown(pilot)
        await press(pilot, "shift+tab")
        assert "deploy_key in Acme Dental" in shown(pilot)
        await paste(pilot, NEW[1])
        await press(pilot, "enter")
        await paste(pilot, NEW[2])
        await press(pilot, "enter", "escape")
        configurations(pilot)
    assert values(world, "deploy_key", "stripe_api_key", "twilio_token") == [
        NEW[1],
        NEW[0],
        NEW[2],
    ]


async def test_twenty_secrets_take_twenty_pastes_and_twenty_enters(world: World) -> None:
    acme = world.scope(ACME)
    for number in range(20):
        world.repository.configs.add(BOB, acme, secret(f"many_{number:02}", f"zQx-{number}"))
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "many")
        await press(pilot, "enter", "asterisk")
        assert "R queue 20" in shown(pilot)
        await press(pilot, "R")
        for number in range(20):
            await paste(pilot, NEW[number])
            await press(pilot, "enter")
        assert "20 rotated" in shown(pilot)
        await press(pilot, "enter")
    assert values(world, *(f"many_{number:02}" for number in range(20))) == list(NEW)


async def test_no_save_makes_the_next_secret_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, begun = threading.Event(), threading.Event()
    rotate = world.repository.configs.rotate

    def held(access: Any, view: ConfigView, entered: EnteredSecret) -> ConfigView:
        begun.set()
        assert go_on.wait(60)
        return rotate(access, view, entered)

    monkeypatch.setattr(world.repository.configs, "rotate", held)
    async with running(world) as pilot:
        await mark(pilot, "deploy_key", "stripe_api_key")
        await press(pilot, "R")
        await paste(pilot, NEW[0])
        send_key(pilot, "enter")
        while not begun.is_set() or "2 of 2" not in shown(pilot):
            await pilot.pause()
        assert "1 being saved" in shown(pilot)
        field = pilot.app.screen.query_one(SecretField)
        assert field.has_focus
        assert field.entered() is None
        send_key(pilot, "z")
        while field.entered() is None:
            await pilot.pause()
        send_key(pilot, "ctrl+u")
        go_on.set()
        await settled(pilot)
        await paste(pilot, NEW[1])
        await press(pilot, "enter", "enter")
    assert values(world, "deploy_key", "stripe_api_key") == [NEW[0], NEW[1]]


async def test_a_refused_save_keeps_what_was_entered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate, problems = world.repository.configs.rotate, [DatabaseBusyError("It is busy.")]

    def once_busy(access: Any, view: ConfigView, entered: EnteredSecret) -> ConfigView:
        if problems:
            raise problems.pop()
        return rotate(access, view, entered)

    monkeypatch.setattr(world.repository.configs, "rotate", once_busy)
    async with running(world) as pilot:
        await mark(pilot, "deploy_key", "stripe_api_key")
        await press(pilot, "R")
        await paste(pilot, NEW[0])
        await press(pilot, "enter")
        assert "deploy_key: It is busy. Go back with shift+tab." in shown(pilot)
        assert "1 refused" in shown(pilot)
        await press(pilot, "shift+tab")
        assert "What you entered is still here" in shown(pilot)
        assert "received" in shown(pilot)
        await press(pilot, "enter")
        await paste(pilot, NEW[1])
        await press(pilot, "enter", "enter")
        configurations(pilot)
    assert values(world, "deploy_key", "stripe_api_key") == [NEW[0], NEW[1]]


async def test_another_operators_change_is_shown_before_it_is_saved_over(world: World) -> None:
    async with running(world) as pilot:
        await mark(pilot, "stripe_api_key")
        await press(pilot, "R")
        view = world.view(ACME, "stripe_api_key")
        world.repository.configs.rotate(BOB, view, EnteredSecret(NEW[5]))
        await paste(pilot, NEW[0])
        await press(pilot, "enter")
        assert "changed by bob just now" in shown(pilot)
        assert "1 refused; shift+tab goes back to it." in shown(pilot)
        assert values(world, "stripe_api_key") == [NEW[5]]
        await press(pilot, "shift+tab")
        assert "last changed by bob" in shown(pilot)
        await press(pilot, "enter", "enter")
        configurations(pilot)
    assert values(world, "stripe_api_key") == [NEW[0]]


async def test_what_has_gone_meanwhile_is_told(world: World) -> None:
    async with running(world) as pilot:
        await mark(pilot, "deploy_key", "stripe_api_key")
        await press(pilot, "R")
        world.repository.configs.delete(BOB, world.view(ACME, "deploy_key"))
        await paste(pilot, NEW[0])
        await press(pilot, "enter")
        assert "deleted by bob just now" in shown(pilot)
        await press(pilot, "tab", "escape")
        configurations(pilot)


async def test_stopping_asks_while_something_is_entered(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "R")
        await paste(pilot, NEW[0])
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, QueueScreen)
        assert "What is entered is not saved." in shown(pilot)
        await press(pilot, "escape")
        configurations(pilot)


async def test_starting_again_finds_the_rest(world: World) -> None:
    def overdue() -> list[str]:
        waiting = world.repository.everywhere.waiting(ALICE, Waiting.OVERDUE)
        return [f"{line.scope.name} / {line.key}" for line in waiting]

    assert overdue() == ["Coastal Realty / crm_password", "Acme Dental / stripe_webhook_secret"]
    async with running(world, within=None) as pilot:
        await press(pilot, "ctrl+p")
        await write(pilot, "overdue in every")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, QueueScreen)
        await paste(pilot, NEW[0])
        await press(pilot, "enter", "escape")
        assert overdue() == ["Acme Dental / stripe_webhook_secret"]
        await press(pilot, "ctrl+p")
        await write(pilot, "overdue in every")
        await press(pilot, "enter")
        assert "1 of 1" in shown(pilot)
        await paste(pilot, NEW[1])
        await press(pilot, "enter", "enter")
        assert overdue() == []
        await press(pilot, "ctrl+p")
        await write(pilot, "overdue in every")
        await press(pilot, "enter")
        assert "Nothing is overdue." in shown(pilot)


# Marks


async def test_only_own_secrets_are_marked(world: World) -> None:
    async with running(world, at="api_base_url") as pilot:
        await press(pilot, "space")
        assert "api_base_url is no secret; only secrets are rotated." in shown(pilot)
        await go_to(pilot, "sentry_dsn")
        await press(pilot, "space")
        assert "sentry_dsn is global: mark it in Global" in shown(pilot)
        assert "queue 1" not in shown(pilot)


async def test_a_range_and_all_of_a_filter(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "v")
        assert "Mark the first of the range" in shown(pilot)
        await mark(pilot, "deploy_key")
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "v")
        # deploy_key, old_ftp_password, sendgrid_key and stripe_api_key; inherited ones are not.
        assert "R queue 4" in shown(pilot)
        await press(pilot, "asterisk")
        assert "R queue 6" in shown(pilot)
        await press(pilot, "asterisk")
        assert "No secret is marked any more." in shown(pilot)
        await press(pilot, "slash")
        await write(pilot, "type:string")
        await press(pilot, "enter", "asterisk")
        assert "The filter leaves no secret in the list." in shown(pilot)


async def test_marks_stay_when_the_list_is_filtered_and_sorted(world: World) -> None:
    async with running(world) as pilot:
        await mark(pilot, "stripe_api_key")
        await press(pilot, "slash")
        await write(pilot, "twilio")
        await press(pilot, "enter", "space")
        assert "R queue 2" in shown(pilot)
        await press(pilot, "escape", "S", "S")
        assert "by age" in shown(pilot)
        assert "R queue 2" in shown(pilot)
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "twilio_token"


async def test_sorting_by_what_is_due(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "S", "S", "S", "g")
        table = configurations(pilot).table
        keys = [row.key for at in range(4) if (row := table.row_at(at)) is not None]
        assert keys[:2] == ["stripe_webhook_secret", "twilio_token"]
        await press(pilot, "S")
        assert "by due" not in shown(pilot)


async def test_the_pane_names_what_refers_to_a_secret(world: World) -> None:
    draft = ConfigDraft("billing", ConfigType.SECRET_REF, "stripe_api_key", integration="Stripe")
    world.repository.configs.add(BOB, world.scope(ACME), draft)
    async with running(world, at="stripe_api_key") as pilot:
        assert "used by billing" in shown(pilot)
    assert by_hand(world.repository, "SELECT count(*) FROM config WHERE key = 'billing'") == [(1,)]
