"""The audit log on the screen: what is listed, its filter, one event, the chain; and pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import DatabaseBusyError
from bifrost_tui.settings import ThemeName
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit import Event
from bifrost_tui.store.requests import Access
from bifrost_tui.tui.audit_source import AuditSource
from bifrost_tui.tui.screens.audit import PAGE, AuditScreen
from bifrost_tui.tui.screens.audit_event import AuditEventScreen
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.verify import VerifyScreen
from tests.support import ALICE, BOB, add_member, events, plain
from tests.tui.screens_support import (
    HOSTILE,
    World,
    a_world,
    app_of,
    app_over,
    assert_no_plaintext,
    press,
    screen_text,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

ACME, BRIGHT = "Acme Dental", "Bright Logistics"
DORA = Access("dora", "10.1.4.9")
ERIN = Access("erin", "10.1.4.10")


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with a_world(home) as made:
        tell(made)
        yield made


def tell(world: World) -> None:
    """Let some be refused and something fail; Erin looks after Acme alone."""
    repository, acme = world.repository, world.scope(ACME)
    add_member(repository, "dora", Role.MEMBER, acme)
    add_member(repository, "erin", Role.ADMIN, acme)
    view = world.view(ACME, "smtp_host")
    for work in (
        lambda: repository.configs.delete(DORA, view),
        lambda: repository.organizations.find(DORA, BRIGHT),
    ):
        with pytest.raises(Exception, match=r"dora|no organization"):
            work()
    by_code = Event(
        "secret.read",
        acme,
        "stripe_api_key",
        details={"workflow": "charge_card", "execution": "e41c", "reads": 318},
    )
    world.clock.advance(minutes=12)
    context = repository._context
    context.database.write_rows(lambda c: context.chain.append(c, BOB, by_code))
    failed = replace(by_code, key="old_ftp_password", outcome="failed", details={})
    context.database.write_rows(lambda c: context.chain.append(c, BOB, failed))
    world.clock.advance(minutes=3)


def tell_many(world: World, number: int) -> None:
    context = world.repository._context
    many = [Event("test.event", key=f"key_{at}") for at in range(number)]
    context.database.write_rows(lambda c: context.chain.append(c, ALICE, *many))


@asynccontextmanager
async def running(
    world: World,
    *,
    organization: str | None = None,
    size: tuple[int, int] = (120, 36),
    access: Access = ALICE,
) -> AsyncIterator[Pilot[int]]:
    app = app_over(world, organization=organization, access=access)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


def log_of(pilot: Pilot[int]) -> AuditScreen:
    screen = pilot.app.screen
    assert isinstance(screen, AuditScreen), screen
    return screen


def text_of(pilot: Pilot[int]) -> str:
    return screen_text(app_of(pilot))


def numbers(screen: AuditScreen) -> list[int | None]:
    rows = [screen.table.row_at(at) for at in range(screen.table.row_count)]
    return [row.sequence if row else None for row in rows]


def current(screen: AuditScreen) -> int:
    row = screen.table.current
    assert row is not None
    return int(row.sequence)


async def test_l_shows_the_whole_log_newest_first(world: World) -> None:
    total = len(events(world.repository))
    async with running(world) as pilot:
        await press(pilot, "l")
        screen = log_of(pilot)
        assert numbers(screen) == list(range(total, 0, -1))
        text = text_of(pilot)
        assert f"{total} events" in text
        assert "▲ failed" in text
        assert "× refused" in text
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, OrganizationsScreen)


async def test_from_an_organization_it_is_filtered_to_it_until_esc(world: World) -> None:
    async with running(world, organization=ACME) as pilot:
        await press(pilot, "l")
        screen = log_of(pilot)
        assert screen.filter_bar.text == 'org:"Acme Dental"'
        assert 'org:"Acme Dental"' in text_of(pilot)
        rows = [screen.table.row_at(at) for at in range(screen.table.row_count)]
        assert {row.organization for row in rows if row} == {ACME}
        await press(pilot, "escape")
        assert screen.table.row_count == len(events(world.repository))
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("actor:do", 2),
        ("outcome:ref", 2),
        ("outcome:refused org:acme", 1),
        ("secret.r", 0),
        ("action:secret.r", 2),
        ("ftp outcome:failed", 2),
        ("since:1h", 4),
        ("until:1h actor:dora", 0),
        ("org:nowhere", 0),
    ],
)
async def test_the_filter_narrows_as_it_is_typed(world: World, typed: str, expected: int) -> None:
    async with running(world) as pilot:
        await press(pilot, "l", "slash")
        await write(pilot, typed)
        assert log_of(pilot).table.row_count == expected
        await press(pilot, "enter")
        assert log_of(pilot).focused is log_of(pilot).table


async def test_the_help_tells_the_filter_of_the_log(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "l", "question_mark")
        assert 'org:"Acme Inc"' in text_of(pilot)
        assert "Check that no event was changed" in text_of(pilot)


async def test_a_filter_that_cannot_be_says_what_there_is(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "l", "slash")
        await write(pilot, "colour:red")
        assert "There is no filter colour: ; there are actor:" in text_of(pilot)
        await press(pilot, "escape")
        assert "There is no filter" not in text_of(pilot)
        # Nothing that was typed is an attempt.
        assert events(world.repository)[-1][0] == "secret.read"


async def test_enter_shows_all_about_an_event(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "l", "down", "enter")
        assert isinstance(pilot.app.screen, AuditEventScreen)
        text = text_of(pilot)
        for fact in ("2026-03-01T09:42:00Z   3 min ago", "charge_card", "318", "10.1.4.7"):
            assert fact in text
        [(chain_hash,)] = world.sql(
            "SELECT chain_hash FROM audit_event ORDER BY sequence DESC LIMIT 1 OFFSET 1"
        )
        assert chain_hash in text
        await press(pilot, "escape")
        log_of(pilot)


async def test_an_admin_of_one_organization_sees_its_events_and_cannot_verify(
    world: World,
) -> None:
    async with running(world, access=ERIN) as pilot:
        await press(pilot, "l")
        screen = log_of(pilot)
        rows = [screen.table.row_at(at) for at in range(screen.table.row_count)]
        assert {row.organization for row in rows if row} == {ACME}
        await press(pilot, "V")
        assert "Only owners and admins of all organizations" in text_of(pilot)
        log_of(pilot)
        await press(pilot, "slash")
        await write(pilot, "org:bright")
        assert screen.table.row_count == 0
    assert "refused" not in [event[3] for event in events(world.repository)[-1:]]


@pytest.mark.parametrize("organization", [None, ACME])
async def test_for_who_may_see_no_log_the_key_is_greyed_and_says_why(
    world: World, organization: str | None
) -> None:
    before = events(world.repository)
    async with running(world, access=DORA, organization=organization) as pilot:
        active = pilot.app.screen.active_bindings["l"]
        assert not active.enabled
        await press(pilot, "l")
        assert "owners and admins." in text_of(pilot)
        assert not isinstance(pilot.app.screen, AuditScreen)
    assert events(world.repository) == before


async def test_details_of_a_config_tell_a_member_no_history(world: World) -> None:
    async with running(world, access=DORA, organization=ACME) as pilot:
        await press(pilot, "enter")
        assert "ago" not in text_of(pilot)


async def test_a_long_log_is_walked_to_its_end_and_back(world: World) -> None:
    tell_many(world, 5 * PAGE)
    total = len(events(world.repository))
    async with running(world) as pilot:
        await press(pilot, "l")
        screen = log_of(pilot)
        assert screen.table.row_count == total
        assert current(screen) == total
        await press(pilot, "G")
        assert current(screen) == 1
        await press(pilot, *["pageup"] * 6)
        assert current(screen) == screen.table.row_count - screen.table.cursor
        await press(pilot, "g")
        assert current(screen) == total
        # What is told meanwhile waits for F5.
        world.repository.configs.add(ALICE, world.scope(ACME), plain("later"))
        await press(pilot, "G", "g")
        assert current(screen) == total
        await press(pilot, "f5")
        assert current(screen) == total + 1


@pytest.mark.parametrize("known", ["nothing", "total", "pages"])
def test_a_source_gives_each_page_from_wherever_it_walks(world: World, known: str) -> None:
    tell_many(world, 300)
    total = len(events(world.repository))
    source = AuditSource(log_filter())
    first = source.page(world.repository, ALICE, 0, 10)
    source.learn(0, first)
    world.repository.configs.add(ALICE, world.scope(ACME), plain("later"))
    if known != "nothing":
        source.total = source.count(world.repository, ALICE)
        assert source.total == total
    offsets = [200, 40, 290, 120, total - 5, 205, 0, 60]
    for offset in offsets:
        rows = source.page(world.repository, ALICE, offset, 10)
        assert [row.sequence for row in rows] == [
            number for number in range(total - offset, total - offset - 10, -1) if number > 0
        ][: total - offset] or offset == total - 5
        if known == "pages":
            source.learn(offset, rows)


def log_filter() -> Any:
    from bifrost_tui.store.audit_filters import NO_AUDIT_FILTER

    return NO_AUDIT_FILTER


async def test_a_page_that_cannot_be_read_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_many(world, 3 * PAGE)

    def busy(*_: object) -> None:
        raise DatabaseBusyError("Another program holds the database.")

    async with running(world) as pilot:
        await press(pilot, "l")
        with monkeypatch.context() as patch:
            patch.setattr(AuditSource, "page", busy)
            await press(pilot, "G")
            assert "Another program holds the database." in text_of(pilot)
        await press(pilot, "g", "G")
        assert current(log_of(pilot)) == 1


@pytest.mark.sqlite
async def test_hostile_text_in_the_log_is_shown_and_not_obeyed(world: World) -> None:
    world.sql("UPDATE audit_event SET key = ?, actor = ?, organization = ?", *[HOSTILE] * 3)
    world.sql("UPDATE audit_event SET details = ?", '{"[/x]\\u001b[31m": "[red]\\u202e"}')
    async with running(world) as pilot:
        await press(pilot, "l", "enter")
        text = text_of(pilot)
        assert "\x1b" not in text
        assert "[/x]" in text
        assert "\\u202e" in text


# The chain


async def test_v_verifies_and_shows_the_head(world: World) -> None:
    head = world.repository.log.head(ALICE)
    async with running(world) as pilot:
        await press(pilot, "l", "V")
        assert isinstance(pilot.app.screen, VerifyScreen)
        text = text_of(pilot)
        assert f"✓ {head.sequence} events checked; all fit." in text
        assert str(head) in text
        await press(pilot, "escape")
        log_of(pilot)


async def test_v_names_the_first_event_that_does_not_fit(world: World) -> None:
    world.sql("UPDATE audit_event SET actor = 'eve' WHERE sequence = 7")
    async with running(world) as pilot:
        await press(pilot, "l", "V")
        text = text_of(pilot)
        assert "× Event 7: it, or what stood before it, was changed." in text
        assert "6 events before it fit." in text


async def test_leaving_stops_the_walk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bifrost_tui.store.audit._CHUNK", 1)
    async with running(world) as pilot:
        await press(pilot, "l")
        screen = VerifyScreen()
        shown: list[int] = []
        monkeypatch.setattr(screen._walked, "_show", lambda done, total: shown.append(done))
        # The first news of the walk comes when it has been left already.
        walked = screen._walked

        def walk(done: int, total: int) -> None:
            screen._interrupt.cancel()
            walked(done, total)

        monkeypatch.setattr(screen, "_walked", walk)
        await pilot.app.push_screen(screen)
        await settled(pilot)
        assert shown == [1]
        await press(pilot, "escape")
        log_of(pilot)


async def test_how_far_the_walk_is_is_shown(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "l", "V")
        screen = pilot.app.screen
        assert isinstance(screen, VerifyScreen)
        screen.query_one("#bar").display = True
        screen._show(1234, 5000)
        await settled(pilot)
        assert "1,234 of 5,000 events checked" in text_of(pilot)


# Pictures

Steps = Callable[[Pilot[Any], World], Awaitable[None]]


async def _log(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l", "down")


async def _filtered(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "j", "enter", "l")
    await press(pilot, "slash")
    await write(pilot, " outcome:refused")
    await press(pilot, "enter")


async def _nothing(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l", "slash")
    await write(pilot, "actor:nobody")


async def _event(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l", "down", "enter")


async def _refused(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l", "slash")
    await write(pilot, "actor:dora")
    await press(pilot, "enter", "enter")


async def _whole(pilot: Pilot[Any], world: World) -> None:
    # The root of the pictures' database is fixed, and so is the head.
    await press(pilot, "l", "V")


async def _broken(pilot: Pilot[Any], world: World) -> None:
    world.sql("DELETE FROM audit_event WHERE sequence = 7")
    await press(pilot, "l", "V")


async def _walking(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l", "V")
    screen = pilot.app.screen
    assert isinstance(screen, VerifyScreen)
    screen.query_one("#bar").display = True
    screen.query_one("#head").display = False
    screen._ended = False
    screen.refresh_bindings()
    screen._show(412_000, 1_000_000)


async def _no_log(pilot: Pilot[Any], world: World) -> None:
    await press(pilot, "l")


SCENES: dict[str, tuple[Steps, Access]] = {
    "log": (_log, ALICE),
    "filtered": (_filtered, ALICE),
    "nothing": (_nothing, ALICE),
    "event": (_event, ALICE),
    "refused": (_refused, ALICE),
    "whole": (_whole, ALICE),
    "broken": (_broken, ALICE),
    "walking": (_walking, ALICE),
    "no_log": (_no_log, DORA),
}
SIZES = ((80, 24), (120, 36), (200, 60))


def _pictures() -> list[Any]:
    found: list[tuple[str, tuple[int, int], ThemeName]] = [
        (name, size, "dark")
        for name in SCENES
        for size in SIZES
        if size != SIZES[2] or name in ("log", "event", "whole")
    ]
    found += [
        (name, SIZES[0], theme) for name in ("log", "whole") for theme in ("light", "terminal")
    ]
    return [
        pytest.param(
            *picture,
            id=f"{picture[0]}-{picture[1][0]}x{picture[1][1]}"
            + ("" if picture[2] == "dark" else f"-{picture[2]}"),
        )
        for picture in found
    ]


@pytest.mark.sqlite
@pytest.mark.parametrize(("name", "size", "theme"), _pictures())
def test_picture(
    name: str,
    size: tuple[int, int],
    theme: ThemeName,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    snap_compare: Callable[..., bool],
) -> None:
    for variable in ("NO_COLOR", "TEXTUAL_THEME", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    steps, access = SCENES[name]
    looked: list[str] = []
    with a_world(home) as world:
        tell(world)
        app = app_over(world, access=access, settings=replace(world.settings, theme=theme))

        async def play(pilot: Pilot[Any]) -> None:
            await settled(pilot)
            await steps(pilot, world)
            await settled(pilot)
            assert_no_plaintext(app)
            looked.append(name)

        same = snap_compare(app, terminal_size=size, run_before=play)
        assert looked == [name], app._exception
        assert app._exception is None
        assert same
