"""One key in every organization: its lines, its filter, its marks, and the ways from and to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import ConfigLine, KeyLine, Scope
from bifrost_tui.tui.key_lines import parse_key_filter
from bifrost_tui.tui.screens.ask_key import AskKey
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.key_across import KeyAcrossScreen
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from tests.support import ALICE, BOB, add_member, opened, plain, secret
from tests.tui.screens_support import (
    SHARED,
    TYPED,
    World,
    a_world,
    app_of,
    app_over,
    assert_no_plaintext,
    configurations,
    go_to,
    lines_of,
    paste,
    press,
    screen_text,
    settled,
    status,
    write,
)

pytestmark = pytest.mark.both_engines

ACME, BRIGHT, COASTAL, ZURICH = "Acme Dental", "Bright Logistics", "Coastal Realty", "Zürich Käse"
KEY = "backup_key"


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """The story, and a secret of one key in three of its four organizations."""
    with a_world(home) as made:
        now = made.clock.now
        for days, name, value in ((131, BRIGHT, TYPED), (95, COASTAL, TYPED), (1, ACME, SHARED)):
            made.clock.now = now - timedelta(days=days)
            draft = secret(KEY, value, rotate_every_days=90)
            made.repository.configs.add(BOB, made.scope(name), draft)
        made.clock.now = now
        yield made


@asynccontextmanager
async def running(
    world: World, key: str = KEY, *, access: Access = ALICE, height: int = 24
) -> AsyncIterator[Pilot[Any]]:
    """Run the app with the screen of a key, opened as its users do."""
    app = app_over(world, access=access)
    async with app.run_test(size=(100, height)) as pilot:
        await settled(pilot)
        await press(pilot, "K")
        await write(pilot, key)
        await press(pilot, "enter")
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


def across(pilot: Pilot[Any]) -> KeyAcrossScreen:
    screen = pilot.app.screen
    assert isinstance(screen, KeyAcrossScreen), screen
    return screen


def shown(pilot: Pilot[Any]) -> list[str]:
    table = across(pilot).table
    rows: list[KeyLine | None] = [table.row_at(index) for index in range(table.row_count)]
    return [row.scope.name for row in rows if row is not None]


def key_bar(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one(KeyBar).render())


class Queue(Screen[object]):
    """Stands for the rotation queue."""

    given: Sequence[ConfigLine] = ()

    def __init__(self, lines: Sequence[ConfigLine]) -> None:
        super().__init__()
        Queue.given = lines

    def compose(self) -> Any:
        yield Status()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> type[Queue]:
    module = ModuleType("bifrost_tui.tui.screens.queue")
    module.QueueScreen = Queue  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    Queue.given = ()
    return Queue


def queued() -> list[str]:
    return [line.scope.name for line in Queue.given]


# What it says


async def test_each_organization_has_a_line(world: World) -> None:
    async with running(world) as pilot:
        lines = lines_of(app_of(pilot))
        assert "backup_key in 4 organizations" in lines[0]
        assert lines[1].strip() == "3 own · 1 missing · ▲ 2 overdue"
        rows = [line.replace("▌", "").split() for line in lines[4:8]]
    assert [row[:3] for row in rows[:3]] == [
        *(["Acme", "Dental", "own"], ["Bright", "Logistics", "own"], ["Coastal", "Realty", "own"])
    ]
    assert rows[0][4:] == ["1", "d", "bob", "another", "key"]
    assert rows[1][4:] == ["▲", "131", "d", "bob"]
    assert rows[2][4:] == ["▲", "95", "d", "bob", "Bright", "Logistics"]
    assert rows[3] == ["Zürich", "Käse", "missing"]


async def test_what_global_has_stands_first_and_is_inherited(world: World) -> None:
    world.repository.configs.add(ALICE, world.scope("Global"), secret(KEY))
    async with running(world) as pilot:
        assert shown(pilot) == ["Global", ACME, BRIGHT, COASTAL, ZURICH]
        text = screen_text(app_of(pilot))
        assert "3 own · 1 inherited · ▲ 2 overdue  ○ 1 needs value" in text
        assert text.count("shadows") == 3
        assert "Zürich Käse" in text
        assert text.count("○ needs value") == 2


async def test_a_member_of_one_organization_sees_that_one(world: World) -> None:
    dave = Access("dave", "local")
    add_member(world.repository, "dave", Role.MEMBER, world.scope(COASTAL))
    async with running(world, access=dave) as pilot:
        assert shown(pilot) == [COASTAL]
        assert BRIGHT not in screen_text(app_of(pilot))
        assert "another key" not in screen_text(app_of(pilot))


@pytest.mark.sqlite
async def test_a_hostile_name_is_shown_and_not_obeyed(world: World) -> None:
    world.sql("UPDATE organization SET name = '[/x]' || char(27) || '[2J' WHERE name = ?", ZURICH)
    async with running(world) as pilot:
        assert r"[/x]\x1b[2J" in screen_text(app_of(pilot))


# The filter


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("logi", [BRIGHT]),
        ("L re", [COASTAL]),
        ("zürich", [ZURICH]),
        ("is:own", [ACME, BRIGHT, COASTAL]),
        ("is:missing", [ZURICH]),
        ("is:overdue real", [COASTAL]),
        ("is:due", [BRIGHT, COASTAL]),
        ("is:reused", [ACME, BRIGHT, COASTAL]),
        ("is:needs", []),
        ("is:", [ACME, BRIGHT, COASTAL, ZURICH]),
        ("is:own is:missing", []),
    ],
)
async def test_the_filter_narrows_as_it_is_typed(
    world: World, typed: str, found: list[str]
) -> None:
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, typed)
        assert shown(pilot) == found
        if typed != "is:":
            assert f"{len(found)} of 4" in screen_text(app_of(pilot))
        await press(pilot, "enter", "escape")
        assert shown(pilot) == [ACME, BRIGHT, COASTAL, ZURICH]
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, KeyAcrossScreen)


async def test_an_unknown_state_is_named_with_those_there_are(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "is:odd")
        assert "is: takes own, shadows, inherited, missing" in status(pilot)


def test_a_filter_takes_the_beginning_of_just_one_state() -> None:
    assert parse_key_filter("is:over").states == {"overdue"}
    assert parse_key_filter("is:needs_value").states == {"needs-value"}
    assert parse_key_filter("type:x a:b").words == ("type:x", "a:b")
    with pytest.raises(InvalidInputError):
        parse_key_filter("is:x")


# Marks, and the queue


@pytest.mark.usefixtures("queue")
async def test_marked_ones_go_into_the_queue_in_the_order_of_the_list(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "down", "space", "up", "up", "space")
        assert "R queue 2" in key_bar(pilot)
        await press(pilot, "R")
        assert queued() == [ACME, BRIGHT]
        assert all(line.key == KEY for line in Queue.given)


@pytest.mark.usefixtures("queue")
async def test_with_nothing_marked_it_is_the_one_under_the_cursor(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "down", "R")
        assert queued() == [BRIGHT]


@pytest.mark.usefixtures("queue")
async def test_a_range_and_all_of_a_filter_are_marked(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "space", "G", "v")
        assert "R queue 3" in key_bar(pilot)
        await press(pilot, "asterisk")
        assert "R queue" in key_bar(pilot)
        assert "R queue 3" not in key_bar(pilot)
        await press(pilot, "slash")
        await write(pilot, "is:overdue")
        await press(pilot, "enter", "asterisk")
        # What is marked stays so when the filter goes.
        await press(pilot, "escape")
        assert shown(pilot) == [ACME, BRIGHT, COASTAL, ZURICH]
        await press(pilot, "R")
        assert queued() == [BRIGHT, COASTAL]


@pytest.mark.usefixtures("queue")
async def test_marks_go_with_the_secrets_that_were_rotated(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "asterisk", "R")
        view = world.view(BRIGHT, KEY)
        world.repository.configs.rotate(BOB, view, EnteredSecret(f"{TYPED}-new"))
        pilot.app.screen.dismiss((view.id,))
        await settled(pilot)
        assert "R queue 2" in key_bar(pilot)
        assert "▲ 1 overdue" in screen_text(app_of(pilot))
        await press(pilot, "R")
        assert queued() == [ACME, COASTAL]


async def test_marked_ones_are_rotated_one_after_another(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "is:overdue")
        await press(pilot, "enter", "asterisk", "R")
        for number in range(2):
            await paste(pilot, f"{TYPED}-{number}")
            await press(pilot, "enter")
        await press(pilot, "enter")
        assert status(pilot) == "✓ 2 rotated."
        assert "R queue 2" not in key_bar(pilot)
        assert "3 own · 1 missing" in screen_text(app_of(pilot))
        assert "▲" not in screen_text(app_of(pilot))
    for number, name in enumerate((BRIGHT, COASTAL)):
        assert opened(world.repository, world.view(name, KEY)) == f"{TYPED}-{number}".encode()


async def test_where_a_value_is_typed_the_key_is_a_letter(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "R")
        queue = pilot.app.screen
        await press(pilot, "K")
        assert pilot.app.screen is queue
        assert "received" in screen_text(app_of(pilot))
        await press(pilot, "ctrl+u", "escape")
        assert across(pilot).is_attached


async def test_what_cannot_be_marked_says_why(world: World) -> None:
    async with running(world) as pilot:
        for key in ("space", "R"):
            await press(pilot, "G", key)
            assert status(pilot) == "Zürich Käse has no config of this key."
    world.repository.configs.add(ALICE, world.scope("Global"), plain(KEY))
    async with running(world) as pilot:
        await press(pilot, "space")
        assert status(pilot) == "It is no secret in Global; only secrets are rotated."
        await press(pilot, "G", "space")
        assert "inherits it; mark Global's own" in status(pilot)
    async with running(world, "smtp_host") as pilot:
        await press(pilot, "asterisk")
        assert status(pilot) == "There is no secret here that could be marked."


# From it and to it


async def test_enter_opens_the_organization_at_the_key(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "down", "enter")
        assert "Bright Logistics" in lines_of(app_of(pilot))[0]
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == KEY
        view = world.view(BRIGHT, KEY)
        world.repository.configs.delete(ALICE, view)
        await press(pilot, "escape")
        assert across(pilot).table.cursor == 1
        assert "2 own · 2 missing" in screen_text(app_of(pilot))


async def test_from_the_list_of_configs_the_key_is_that_under_the_cursor(world: World) -> None:
    app = app_over(world, organization=COASTAL)
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        await go_to(pilot, KEY)
        await press(pilot, "K")
        assert shown(pilot) == [ACME, BRIGHT, COASTAL, ZURICH]
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)


async def test_from_the_palette_a_key_is_asked_for(world: World) -> None:
    app = app_over(world, organization=COASTAL)
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "one key in every")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, AskKey)
        await write(pilot, "bac")
        assert "backup_key" in screen_text(app)
        await press(pilot, "tab")
        await press(pilot, "enter")
        assert "backup_key in 4 organizations" in screen_text(app)


async def test_only_a_key_that_there_is_is_shown(world: World) -> None:
    async with running(world, "nothing_like_it") as pilot:
        assert isinstance(pilot.app.screen, AskKey)
        assert "There is no key nothing_like_it that you may see." in screen_text(app_of(pilot))
        await press(pilot, *["backspace"] * 15, "enter")
        assert "Type a key." in screen_text(app_of(pilot))
        # Several begin so.
        await write(pilot, "s")
        await press(pilot, "enter")
        assert "There is no key s that" in screen_text(app_of(pilot))
        # Just one does.
        await write(pilot, "tripe_w")
        await press(pilot, "enter")
        assert "stripe_webhook_secret in 4 organizations" in screen_text(app_of(pilot))
        await press(pilot, "K", "escape")
        assert across(pilot).is_attached


def test_keys_are_suggested_as_far_as_they_may_be_seen(world: World) -> None:
    everywhere, bright = world.repository.everywhere, world.scope(BRIGHT)
    add_member(world.repository, "dave", Role.MEMBER, bright)
    dave = Access("dave", "local")
    assert everywhere.keys(ALICE, "s", 3) == ("sendgrid_key", "sentry_dsn", "slack_token")
    # What global has, each organization has.
    assert everywhere.keys(dave, "s", 9) == (
        *("sentry_dsn", "slack_token", "smtp_host", "smtp_port", "support_email"),
    )
    assert everywhere.keys(ALICE, "vpn") == ()
    assert everywhere.keys(Access("mallory", "local"), "") == ()


async def test_a_thousand_organizations_are_marked_and_queued(
    world: World, queue: type[Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    [own] = [
        line for line in world.repository.everywhere.key(ALICE, KEY) if line.scope.name == ACME
    ]
    assert own.config is not None
    many = tuple(
        replace(
            own,
            scope=Scope(f"{at:032}", f"Org {at:04}"),
            config=replace(own.config, id=f"{at:032}"),
        )
        for at in range(1000)
    )
    monkeypatch.setattr(world.repository.everywhere, "key", lambda *_: many)
    async with running(world) as pilot:
        await press(pilot, "asterisk")
        assert "R queue 1,000" in key_bar(pilot)
        await press(pilot, "R")
    assert len(queue.given) == 1000
