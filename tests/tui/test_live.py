"""What another operator changes shows in the screens of this one, and moves nothing of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from textual._context import NoActiveAppError
from textual.pilot import Pilot
from textual.widgets import Input

from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.live import Changes
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.live import DataChanged
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.widgets.paged_table import PagedTable
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.next_program import NextProgram
from tests.support import ALICE, BOB, START, counted_ids, plain
from tests.tui.screens_support import (
    TYPED,
    World,
    app_over,
    assert_no_plaintext,
    configurations,
    go_to,
    go_to_field,
    lines_of,
    paste,
    press,
    screen_text,
    settled,
    write,
)

pytestmark = pytest.mark.both_engines

ACME, BRIGHT = "Acme Dental", "Bright Logistics"
NEW = "zQ8-typed-in-a-test-and-nowhere-else"


@pytest.fixture
def theirs(world: World) -> Iterator[Repository]:
    ids = counted_ids(9000)
    with open_repository(world.settings, BOB, clock=world.clock, ids=ids) as repository:
        yield repository


Play = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture
def noticed(world: World) -> Play:
    """Look once for what others changed, as the app does every second."""
    watch = world.repository.watch()

    async def look(pilot: Pilot[Any]) -> None:
        if changes := watch.tick():
            pilot.app.post_message(DataChanged(changes))
        await settled(pilot)

    return look


def app_in(world: World, organization: str | None = ACME) -> BifrostApp:
    return app_over(world, organization=organization)


def text(key: str, value: str = "a") -> ConfigDraft:
    return ConfigDraft(key, ConfigType.STRING, value)


def works(app: BifrostApp, key: str) -> bool:
    return app.screen.active_bindings[key].enabled


def theirs_now(theirs: Repository, organization: str, key: str) -> ConfigView:
    return theirs.configs.get_key(BOB, theirs.organizations.find(BOB, organization), key)


async def test_a_new_config_shows_and_the_cursor_stays(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "sendgrid_key")
        await press(pilot, "space", "up")
        table = configurations(pilot).table
        at, marks = table.cursor, len(configurations(pilot).marks)
        theirs.configs.add(BOB, theirs.organizations.find(BOB, ACME), text("aaa_first"))
        assert "aaa_first" not in screen_text(app)
        await noticed(pilot)
        assert "aaa_first" in screen_text(app)
        assert "18 configs" in screen_text(app)
        assert table.cursor == at + 1
        assert table.current is not None
        assert table.current.key == "sendgrid_key"
        assert len(configurations(pilot).marks) == marks == 1


async def test_a_filter_and_its_count_stay(world: World, theirs: Repository, noticed: Play) -> None:
    app = app_in(world)
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "slash")
        await write(pilot, "stripe")
        assert "2 of 17" in screen_text(app)
        theirs.configs.add(BOB, theirs.organizations.find(BOB, ACME), text("stripe_region"))
        await noticed(pilot)
        assert "3 of 18" in screen_text(app)
        assert isinstance(app.focused, Input)
        await write(pilot, "_r")
        assert "1 of 18" in screen_text(app)


async def test_a_long_list_stays_where_it_was_scrolled(
    world: World, theirs: Repository, noticed: Play
) -> None:
    scope = world.scope(BRIGHT)
    configs = [BulkConfig(plain(f"k{number:04}"), START) for number in range(450)]
    write_configs(world.repository, ALICE, scope, configs)
    app = app_in(world, BRIGHT)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "G", *["pageup"] * 10, "up", "up")
        table = configurations(pilot).table
        offset, current, total = table.scroll_offset.y, table.current, table.row_count
        assert current is not None
        theirs.configs.add(BOB, scope, text("zzz_last"))
        await noticed(pilot)
        assert table.row_count == total + 1
        assert table.scroll_offset.y == offset
        assert table.current is not None
        assert table.current.key == current.key


async def test_a_deleted_config_goes(world: World, theirs: Repository, noticed: Play) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "max_retries")
        theirs.configs.delete(BOB, theirs_now(theirs, ACME, "max_retries"))
        await noticed(pilot)
        assert "max_retries" not in screen_text(app)
        assert configurations(pilot).table.cursor > 0


async def test_another_organization_is_nothing_to_this_list(
    world: World, theirs: Repository, noticed: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_in(world)
    async with app.run_test() as pilot:
        await settled(pilot)
        theirs.configs.add(BOB, theirs.organizations.find(BOB, BRIGHT), text("elsewhere"))

        def fail(*_: object, **__: object) -> None:
            raise AssertionError("read again")

        monkeypatch.setattr(configurations(pilot), "_list", fail)
        await noticed(pilot)


async def test_the_organizations_follow_and_draw_only_what_differs(
    world: World, theirs: Repository, noticed: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_in(world, None)
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "down", "down")
        table = app.screen.query_one(PagedTable)
        before = table.current
        theirs.organizations.add(BOB, "Aardvark Zoo")
        await noticed(pilot)
        assert "Aardvark Zoo" in screen_text(app)
        assert table.current == before
        drawn: list[object] = []
        monkeypatch.setattr(table, "reset_rows", lambda *args, **_: drawn.append(args))
        app.post_message(DataChanged(Changes(frozenset({"elsewhere"}))))
        await settled(pilot)
        assert drawn == []


async def test_an_open_organization_has_its_new_name_and_says_when_it_is_archived(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "sendgrid_key")
        scope = theirs.organizations.find(BOB, ACME)
        scope = theirs.organizations.rename(BOB, scope, 1, "Acme Smiles")
        await noticed(pilot)
        assert lines_of(app)[0].startswith(" Acme Smiles ")
        assert works(app, "r")
        theirs.organizations.archive(BOB, scope, 2)
        await noticed(pilot)
        assert lines_of(app)[0].startswith(" Acme Smiles  archived ")
        assert not works(app, "r")
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "sendgrid_key"


async def test_the_log_follows_where_its_newest_event_is_looked_at(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "l")
        scope = theirs.organizations.find(BOB, ACME)
        theirs.configs.add(BOB, scope, text("aaa_first"))
        await noticed(pilot)
        assert "aaa_first" in screen_text(app)
        await press(pilot, "down", "down")
        table = app.screen.query_one(PagedTable)
        before = table.current
        theirs.configs.add(BOB, scope, text("aaa_second"))
        await noticed(pilot)
        assert "aaa_second" not in screen_text(app)
        assert "There are newer events: f5 shows them." in screen_text(app)
        assert table.current == before
        await press(pilot, "f5")
        assert "aaa_second" in screen_text(app)


async def test_one_key_everywhere_follows(world: World, theirs: Repository, noticed: Play) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "smtp_host")
        await press(pilot, "K", "down")
        table = app.screen.query_one(PagedTable)
        before = table.current
        assert before is not None
        theirs.configs.add(BOB, theirs.organizations.find(BOB, BRIGHT), text("smtp_host"))
        await noticed(pilot)
        assert "2 own" in screen_text(app)
        assert table.current is not None
        assert table.current.scope == before.scope
        # What lay hidden beneath is read when it shows again.
        theirs.configs.add(BOB, theirs.organizations.find(BOB, ACME), text("aaa_first"))
        await noticed(pilot)
        await press(pilot, "escape")
        assert "aaa_first" in screen_text(app)


async def test_an_open_form_says_so_and_keeps_what_was_typed(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "greeting")
        await press(pilot, "e")
        await go_to_field(pilot, "description")
        await write(pilot, "half")
        field = app.focused
        assert isinstance(field, Input)
        view = theirs_now(theirs, ACME, "greeting")
        theirs.configs.edit(BOB, view, text("greeting", "Moin"))
        await noticed(pilot)
        assert "▲ changed by bob just now: saving will ask" in screen_text(app)
        assert field.value == "half"
        assert app.focused is field
        await press(pilot, "ctrl+s")
        assert "Another change came between" in screen_text(app)


async def test_the_field_of_a_secret_keeps_what_was_entered(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        field = app.screen.query_one(SecretField)
        revision = field.revision
        view = theirs_now(theirs, ACME, "stripe_api_key")
        theirs.configs.rotate(BOB, view, EnteredSecret(NEW + "2"))
        await noticed(pilot)
        assert "changed by bob just now: saving will ask" in screen_text(app)
        assert field.revision == revision
        assert_no_plaintext(app)


@pytest.mark.parametrize("opens", ["e", "r", "d", "enter"])
async def test_what_is_deleted_meanwhile_is_said(
    world: World, theirs: Repository, noticed: Play, opens: str
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "sendgrid_key")
        await press(pilot, opens)
        theirs.configs.delete(BOB, theirs_now(theirs, ACME, "sendgrid_key"))
        await noticed(pilot)
        assert "sendgrid_key was deleted by bob just now" in screen_text(app)


async def test_details_show_the_config_as_it_is_now(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "greeting")
        await press(pilot, "enter")
        theirs.configs.edit(BOB, theirs_now(theirs, ACME, "greeting"), text("greeting", "Moin"))
        await noticed(pilot)
        assert "Moin" in "\n".join(screen_text(app).splitlines()[8:28])
        assert "Köln" not in screen_text(app)


async def test_who_loses_an_organization_is_brought_back(
    world: World, theirs: Repository, noticed: Play
) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "a")
        world.sql("DELETE FROM member WHERE actor = 'alice'")
        world.sql(
            "INSERT INTO audit_event SELECT sequence + 1, at, 'bob', source, 'member.remove',"
            " NULL, NULL, NULL, 'done', details, chain_hash FROM audit_event"
            " ORDER BY sequence DESC LIMIT 1"
        )
        await noticed(pilot)
        assert isinstance(app.screen, OrganizationsScreen)
        assert len(app.screen_stack) == 1
        assert f"There is no organization '{ACME}' for you." in screen_text(app)


async def test_behind_the_lock_it_waits(world: World, theirs: Repository, noticed: Play) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+l")
        for key in ("aaa_first", "aaa_second"):
            theirs.configs.add(BOB, theirs.organizations.find(BOB, ACME), text(key))
            await noticed(pilot)
        assert app.is_locked
        assert "aaa" not in screen_text(app)
        assert len(app._held_back) == 1
        await press(pilot, "enter")
        assert "aaa_second" in screen_text(app)


async def test_own_changes_say_nothing(world: World, noticed: Play) -> None:
    app = app_in(world)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        said = screen_text(app).splitlines()[-2]
        await noticed(pilot)
        assert screen_text(app).splitlines()[-2] == said
        assert "changed by" not in screen_text(app)


async def test_a_newer_program_that_has_come_is_told_and_what_was_typed_stays(
    world: World, noticed: Play, home: Path, tmp_path: Path
) -> None:
    """Nobody has to press a key for it; what is pressed then harms nothing."""
    following = NextProgram(tmp_path / "next")
    app = app_in(world)
    words = "A newer Bifrost TUI has the database now: start that one."
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        following.run(world.settings, home, "orgs", "list")
        migrated = world.sql("SELECT * FROM config ORDER BY id")
        await noticed(pilot)
        assert words in screen_text(app)
        assert isinstance(app.focused, SecretField)
        await press(pilot, "enter")
        assert f"Not saved. {words}" in screen_text(app)
        assert not app.screen.query_one(SecretField).is_empty
        assert_no_plaintext(app)
        await press(pilot, "escape", "escape", "R")
        assert words in screen_text(app)
        await press(pilot, "escape")
        assert world.sql("SELECT * FROM config ORDER BY id") == migrated


async def test_a_newer_program_that_came_while_locked_is_told_when_it_opens(
    world: World, noticed: Play, home: Path, tmp_path: Path
) -> None:
    following = NextProgram(tmp_path / "next")
    app = app_in(world)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+l")
        following.run(world.settings, home, "orgs", "list")
        await noticed(pilot)
        assert "A newer Bifrost TUI" not in screen_text(app)
        await press(pilot, "enter")
        assert "A newer Bifrost TUI has the database now" in screen_text(app)


async def test_a_question_outlives_its_screen(world: World) -> None:
    app = app_in(world)
    async with app.run_test() as pilot:
        await settled(pilot)
        screen, closed, found = configurations(pilot), Event(), Future[Repository]()

        def question() -> None:
            closed.wait()
            try:
                found.set_result(screen.repository)
            except NoActiveAppError as error:
                found.set_exception(error)

        screen.ask(question, lambda _: None)
        await app.pop_screen()
        assert not screen.is_attached
        closed.set()
        assert await asyncio.wrap_future(found) is world.repository
        await settled(pilot)
