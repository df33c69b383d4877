"""What the screens do, by keyboard alone, and what is then in the database."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from sqlite3 import connect
from typing import Any, TypeVar

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from bifrost_tui.errors import BifrostError, DatabaseBusyError, DatabaseCorruptError
from bifrost_tui.store import engine
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigPage, ConfigView, ScopeCounts, Standing, State
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.config_form import ConfigForm
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.conflict import ConflictScreen
from bifrost_tui.tui.screens.delete import DeleteScreen
from bifrost_tui.tui.screens.details import DetailsScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from bifrost_tui.tui.widgets.fields import TextField
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.support import ALICE, BOB, database_path, listed, opened, plain
from tests.tui.screens_support import (
    HOSTILE,
    OLD,
    PEM,
    TYPED,
    World,
    app_of,
    app_over,
    assert_no_plaintext,
    choose,
    configurations,
    go_to,
    go_to_field,
    lines_of,
    paste,
    press,
    screen_text,
    send_key,
    settled,
    status,
    write,
)

pytestmark = pytest.mark.both_engines

ScreenT = TypeVar("ScreenT", bound=Screen[Any])
ACME = "Acme Dental"


@asynccontextmanager
async def running(
    world: World,
    within: str | None = ACME,
    *,
    size: tuple[int, int] = (120, 36),
    at: str | None = None,
) -> AsyncIterator[Pilot[Any]]:
    """Run the app, in an organization and with the cursor on a key; afterwards look for leaks."""
    app = app_over(world, organization=within)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        if at is not None:
            await go_to(pilot, at)
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


def shown(pilot: Pilot[Any], kind: type[ScreenT]) -> ScreenT:
    screen = pilot.app.screen
    assert isinstance(screen, kind), screen
    return screen


def words(pilot: Pilot[Any]) -> str:
    """Return all that is on the screen, lines joined as they were wrapped."""
    return screen_text(app_of(pilot))


def focus(pilot: Pilot[Any]) -> str:
    return getattr(pilot.app.focused, "id", None) or ""


def keys(pilot: Pilot[Any]) -> list[str]:
    table = configurations(pilot).table
    rows = (table.row_at(index) for index in range(table.row_count))
    return [row.key for row in rows if row is not None]


def everything(world: World) -> tuple[ConfigView, ...]:
    return listed(world.repository, ALICE, world.scope(ACME))


def refuse(error: BifrostError) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


def bob_edits(world: World, key: str, value: str) -> None:
    view = world.view(ACME, key)
    world.repository.configs.edit(BOB, view, ConfigDraft(key, view.type, value))


# Adding and editing


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        (ConfigType.STRING, "Guten Tag", '"Guten Tag"'),
        (ConfigType.INT, "-42", "-42"),
        (ConfigType.JSON, '{"a": [1, null]}', '{"a":[1,null]}'),
    ],
)
async def test_plain_configs_are_added(
    world: World, kind: ConfigType, typed: str, kept: str
) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "brand_new")
        await choose(pilot, "type", kind.value)
        await go_to_field(pilot, f"value-{kind.value}")
        await paste(pilot, typed)
        await go_to_field(pilot, "description")
        await write(pilot, "For q? and a/b")
        await press(pilot, "ctrl+s")
        assert "brand_new in Acme Dental is saved" in status(pilot)
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "brand_new"
    view = world.view(ACME, "brand_new")
    assert (view.type, view.value, view.description) == (kind, kept, "For q? and a/b")


async def test_a_bool_is_added(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "brand_new")
        await choose(pilot, "type", "bool")
        await choose(pilot, "value-bool", "true")
        await press(pilot, "ctrl+s")
    assert world.view(ACME, "brand_new").value == "true"


async def test_a_secret_is_added_as_it_was_pasted(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "tls_key")
        await choose(pilot, "type", "secret")
        await go_to_field(pilot, "value-secret")
        await paste(pilot, PEM)
        assert_no_plaintext(app_of(pilot))
        await go_to_field(pilot, "rotate_every_days")
        await write(pilot, "90")
        await go_to_field(pilot, "integration")
        await write(pilot, "Stripe")
        await press(pilot, "ctrl+s")
        assert "fingerprint" in status(pilot)
    view = world.view(ACME, "tls_key")
    assert (view.rotate_every_days, view.integration, view.value) == (90, "Stripe", None)
    assert opened(world.repository, view) == PEM.encode()


async def test_a_secret_may_be_added_empty(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "later")
        await choose(pilot, "type", "secret")
        await press(pilot, "ctrl+s")
    assert world.view(ACME, "later").state is State.NEEDS_VALUE


async def test_an_edit_that_leaves_the_secret_empty_keeps_its_value(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "e")
        assert focus(pilot) == "value-secret"
        assert "unchanged: the value it has is kept" in words(pilot)
        await go_to_field(pilot, "description")
        await write(pilot, " Twice.")
        await press(pilot, "ctrl+s")
    view = world.view(ACME, "stripe_api_key")
    assert view.description == "Charges cards for the booking site. Twice."
    assert opened(world.repository, view) == OLD.encode()


async def test_an_edit_with_a_new_value_replaces_the_secret(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "e")
        await paste(pilot, TYPED)
        await press(pilot, "ctrl+s")
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == TYPED.encode()


async def test_another_type_for_a_secret_needs_a_new_value(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "e")
        await choose(pilot, "type", "int")
        await press(pilot, "ctrl+s")
        shown(pilot, ConfigForm)
        assert "This is no int" in words(pilot)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == OLD.encode()


async def test_a_plain_config_does_not_take_the_secret_that_was_typed_first(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "mixed_up")
        await choose(pilot, "type", "secret")
        await go_to_field(pilot, "value-secret")
        await paste(pilot, TYPED)
        await choose(pilot, "type", "string")
        await press(pilot, "ctrl+s")
        shown(pilot, ConfigForm)
        assert "A secret was entered, but the type is another" in words(pilot)
        assert focus(pilot) == "type"
        await choose(pilot, "type", "secret")
        await press(pilot, "ctrl+s")
    assert opened(world.repository, world.view(ACME, "mixed_up")) == TYPED.encode()


async def test_an_unchanged_string_is_saved_byte_for_byte(world: World) -> None:
    text = "one\r\ntwo\rthree\n\tfour  "
    scope = world.scope(ACME)
    world.repository.configs.add(ALICE, scope, plain("crlf", text))
    before = world.view(ACME, "crlf").value
    async with running(world, at="crlf") as pilot:
        await press(pilot, "e")
        await go_to_field(pilot, "description")
        await write(pilot, "x")
        await press(pilot, "ctrl+s")
    after = world.view(ACME, "crlf")
    assert (after.value, after.description) == (before, "x")


# A failed save keeps what was typed


async def fill_secret_form(pilot: Pilot[Any], key: str) -> None:
    await press(pilot, "a")
    await write(pilot, key)
    await choose(pilot, "type", "secret")
    await go_to_field(pilot, "value-secret")
    await paste(pilot, TYPED)
    await go_to_field(pilot, "description")
    await write(pilot, "kept")
    await press(pilot, "ctrl+s")


def assert_form_kept(pilot: Pilot[Any], key: str) -> None:
    form = shown(pilot, ConfigForm)
    assert form.query_one("#key", Input).value == key
    assert form.query_one("#description", Input).value == "kept"
    assert not form.query_one(SecretField).is_empty


@pytest.mark.sqlite  # the server's own lock: tests/engines
async def test_a_form_survives_a_locked_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.01)
    world.repository.close()
    world.repository = world.open()
    async with running(world) as pilot:
        with closing(connect(database_path(world.settings), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await fill_secret_form(pilot, "held_up")
            assert "Not saved. Another program holds the database" in status(pilot)
            assert_form_kept(pilot, "held_up")
            other.execute("ROLLBACK")
        await press(pilot, "ctrl+s")
        shown(pilot, ConfigurationsScreen)
    assert opened(world.repository, world.view(ACME, "held_up")) == TYPED.encode()


async def test_a_form_survives_a_key_that_is_taken(world: World) -> None:
    async with running(world) as pilot:
        await fill_secret_form(pilot, "greeting")
        assert "greeting exists in Acme Dental already" in words(pilot)
        assert focus(pilot) == "key"
        assert_form_kept(pilot, "greeting")
        await write(pilot, "_2")
        await press(pilot, "ctrl+s")
    assert opened(world.repository, world.view(ACME, "greeting_2")) == TYPED.encode()


async def test_escape_asks_before_typed_text_is_thrown_away(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "half")
        await press(pilot, "escape")
        assert "esc once more" in status(pilot)
        await write(pilot, "_way")
        await press(pilot, "escape")
        form = shown(pilot, ConfigForm)
        assert form.query_one("#key", Input).value == "half_way"
        await press(pilot, "escape")
        shown(pilot, ConfigurationsScreen)
        await press(pilot, "a", "escape")
        shown(pilot, ConfigurationsScreen)
    assert not [
        view for view in listed(world.repository, ALICE, world.scope(ACME)) if view.key == "half"
    ]


async def test_escape_never_quits(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "escape")
        shown(pilot, OrganizationsScreen)
        await press(pilot, "escape", "escape")
        shown(pilot, OrganizationsScreen)
        assert pilot.app.is_running
        assert pilot.app._exit is False


# Another operator's change


@pytest.fixture
async def editing(world: World) -> AsyncIterator[Pilot[Any]]:
    """A form in which 9 was typed for max_retries, after which Bob has saved 5."""
    async with running(world, at="max_retries") as pilot:
        await press(pilot, "e")
        await go_to_field(pilot, "value-int")
        await press(pilot, "backspace", "9")
        bob_edits(world, "max_retries", "5")
        await press(pilot, "ctrl+s")
        shown(pilot, ConflictScreen)
        assert focus(pilot) == "back"
        yield pilot


async def test_back_from_a_conflict_keeps_both(world: World, editing: Pilot[Any]) -> None:
    await press(editing, "enter")
    form = shown(editing, ConfigForm)
    assert form.query_one("#value-int", Input).value == "9"
    assert "What you typed is still here" in status(editing)
    assert world.view(ACME, "max_retries").value == "5"


async def test_theirs_can_be_taken(world: World, editing: Pilot[Any]) -> None:
    await press(editing, "right", "enter")
    form = shown(editing, ConfigForm)
    assert form.query_one("#value-int", Input).value == "5"
    assert "bob's version" in status(editing)
    await press(editing, "ctrl+s")
    assert world.view(ACME, "max_retries").updated_by == "alice"


async def test_theirs_can_be_overwritten(world: World, editing: Pilot[Any]) -> None:
    await press(editing, "right", "right", "enter")
    shown(editing, ConfigurationsScreen)
    assert world.view(ACME, "max_retries").value == "9"


async def test_what_another_has_deleted_is_added_anew(world: World) -> None:
    async with running(world, at="max_retries") as pilot:
        await press(pilot, "e")
        await go_to_field(pilot, "value-int")
        await press(pilot, "backspace", "9")
        world.repository.configs.delete(BOB, world.view(ACME, "max_retries"))
        await press(pilot, "ctrl+s")
        assert "deleted by bob" in words(pilot)
        await press(pilot, "enter")
        shown(pilot, ConfigForm)
        assert "adds it anew" in status(pilot)
        await press(pilot, "ctrl+s")
        shown(pilot, ConfigurationsScreen)
    view = world.view(ACME, "max_retries")
    assert (view.value, view.created_by) == ("9", "alice")


async def test_a_conflict_keeps_the_secret_that_was_entered(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "r")
        await paste(pilot, TYPED)
        view = world.view(ACME, "stripe_api_key")
        world.repository.configs.edit(BOB, view, ConfigDraft(view.key, view.type))
        await press(pilot, "enter")
        shown(pilot, ConflictScreen)
        await press(pilot, "escape")
        assert not shown(pilot, RotateScreen).field.is_empty
        assert opened(world.repository, world.view(ACME, "stripe_api_key")) == OLD.encode()
        await press(pilot, "enter", "right", "right", "enter")
        shown(pilot, ConfigurationsScreen)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == TYPED.encode()


# Rotating and deleting


async def test_enter_saves_a_rotation(world: World) -> None:
    async with running(world, at="stripe_webhook_secret") as pilot:
        await press(pilot, "r")
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        assert "is rotated" in status(pilot)
        assert "▲" not in "".join(
            line for line in lines_of(app_of(pilot)) if "stripe_webhook" in line
        )
    view = world.view(ACME, "stripe_webhook_secret")
    assert opened(world.repository, view) == TYPED.encode()
    assert (view.state, view.updated_by) == (State.OK, "alice")


async def test_a_rotation_that_fails_keeps_the_value(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "r", "enter")
        assert "Nothing is entered" in words(pilot)
        await paste(pilot, TYPED)
        with monkeypatch.context() as patch:
            patch.setattr(
                world.repository.configs, "rotate", refuse(DatabaseBusyError("It is held."))
            )
            await press(pilot, "enter")
        assert "Not saved. It is held." in status(pilot)
        assert not shown(pilot, RotateScreen).field.is_empty
        await press(pilot, "escape")
        assert "esc once more" in status(pilot)
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == TYPED.encode()


async def test_a_secret_is_deleted_once_its_key_is_typed(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        await press(pilot, "d")
        assert focus(pilot) == "cancel"
        await write(pilot, "stripe_api_ke")
        await press(pilot, "enter")
        assert "That is not its key" in status(pilot)
        shown(pilot, DeleteScreen)
        await write(pilot, "y")
        await press(pilot, "enter")
        assert "is deleted" in status(pilot)
        assert "stripe_api_key" not in keys(pilot)


async def test_enter_on_a_question_to_delete_cancels(world: World) -> None:
    async with running(world, at="max_retries") as pilot:
        await press(pilot, "d")
        assert focus(pilot) == "cancel"
        await press(pilot, "enter")
        assert "max_retries" in keys(pilot)
        await press(pilot, "d", "right", "enter")
        assert "max_retries" not in keys(pilot)


async def test_what_another_has_deleted_leaves_the_list(world: World) -> None:
    async with running(world, at="max_retries") as pilot:
        await press(pilot, "d")
        world.repository.configs.delete(BOB, world.view(ACME, "max_retries"))
        await press(pilot, "right", "enter")
        shown(pilot, ConflictScreen)
        await press(pilot, "enter")
        assert "max_retries" not in keys(pilot)


# The list


async def test_a_filter_narrows_as_it_is_typed(world: World) -> None:
    async with running(world) as pilot:
        count = len(keys(pilot))
        await press(pilot, "slash")
        await write(pilot, "stripe")
        assert keys(pilot) == ["stripe_api_key", "stripe_webhook_secret"]
        assert f"2 of {count}" in words(pilot)
        await write(pilot, " is:overdue")
        assert keys(pilot) == ["stripe_webhook_secret"]
        await press(pilot, "enter")
        await press(pilot, "escape")
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "stripe_webhook_secret"
        assert len(keys(pilot)) == count
        await press(pilot, "slash")
        await write(pilot, "type:json")
        assert keys(pilot) == ["opening_hours"]


async def test_a_filter_counts_what_is_left_whichever_count_comes_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as pilot:
        before = len(keys(pilot))
        await press(pilot, "slash")
        await write(pilot, "max_ret")
        await press(pilot, "enter", "d", "right")
        go_on, counts = threading.Event(), world.repository.organizations.counts

        def late(*arguments: Any) -> ScopeCounts:
            assert go_on.wait(20)
            return counts(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(world.repository.organizations, "counts", late)
            send_key(pilot, "enter")
            while isinstance(pilot.app.screen, DeleteScreen) or keys(pilot):
                await pilot.pause()
            go_on.set()
            await settled(pilot)
        assert f"0 of {before - 1}" in words(pilot)


async def test_a_bad_filter_says_why_and_keeps_the_list(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "stripe")
        await write(pilot, " is:wrong")
        assert "is: takes own, inherited" in status(pilot)
        assert keys(pilot) == ["stripe_api_key", "stripe_webhook_secret"]
        await press(pilot, "escape")
        assert len(keys(pilot)) > 2


async def test_an_inherited_config_is_shadowed(world: World) -> None:
    async with running(world, at="smtp_port") as pilot:
        await press(pilot, "s")
        await go_to_field(pilot, "value-int")
        await press(pilot, "backspace", "8", "ctrl+s")
    view = world.view(ACME, "smtp_port")
    assert (view.value, view.standing) == ("588", Standing.SHADOWS)
    assert world.view("Global", "smtp_port").value == "587"


@pytest.mark.parametrize("key", ["e", "r", "d"])
async def test_an_inherited_config_cannot_be_changed_from_here(world: World, key: str) -> None:
    async with running(world, at="sentry_dsn") as pilot:
        await press(pilot, key)
        shown(pilot, ConfigurationsScreen)
        assert "sentry_dsn is global: press s" in status(pilot)
        await press(pilot, "enter")
        shown(pilot, DetailsScreen)
        await press(pilot, key)
        shown(pilot, DetailsScreen)
        assert "sentry_dsn is global: press s" in status(pilot)


@pytest.mark.parametrize(
    ("at", "key", "reason"),
    [
        ("greeting", "r", "greeting is no secret"),
        ("greeting", "s", "nothing to shadow"),
    ],
)
async def test_a_greyed_key_gives_its_reason(world: World, at: str, key: str, reason: str) -> None:
    async with running(world, at=at) as pilot:
        await press(pilot, key)
        assert reason in status(pilot)


async def test_details_lead_on(world: World) -> None:
    async with running(world, at="greeting") as pilot:
        await press(pilot, "enter")
        shown(pilot, DetailsScreen)
        await press(pilot, "e")
        shown(pilot, ConfigForm)
        await press(pilot, "escape")
        shown(pilot, ConfigurationsScreen)


@pytest.mark.parametrize("key", ["o", "escape"])
async def test_back_to_the_organizations(world: World, key: str) -> None:
    async with running(world) as pilot:
        await press(pilot, key)
        shown(pilot, OrganizationsScreen)


async def test_an_unreadable_secret_keeps_no_other_row_from_coming(world: World) -> None:
    world.sql("UPDATE config SET secret = 'gAAAAno' WHERE key = 'sendgrid_key'")
    async with running(world) as pilot:
        lines = lines_of(app_of(pilot))
        assert sum("× unreadable" in line for line in lines[3:]) == 2
        assert any("support_email" in line for line in lines)
        assert len(keys(pilot)) == 17


async def test_a_list_longer_than_a_page(world: World) -> None:
    scope = world.scope("Zürich Käse")
    rows = [
        (f"row{number:029}", scope.id, scope.id, f"key_{number:04}", f'"{number}"')
        for number in range(1, 1201)
    ]
    marks = ", ".join(
        "(?, ?, ?, ?, 'string', ?, 0, '', '2026-01-01 00:00:00', 'bob', '2026-01-01 00:00:00',"
        " 'bob', 1)"
        for _ in rows
    )
    world.sql(
        "INSERT INTO config (id, organization_id, scope_id, key, type, value, secret_version,"
        f" description, created_at, created_by, updated_at, updated_by, version) VALUES {marks}",
        *(value for row in rows for value in row),
    )
    world.sql("UPDATE scope_summary SET configs = 1200 WHERE scope_id = ?", scope.id)
    async with running(world, "Zürich Käse", size=(80, 24)) as pilot:
        table = configurations(pilot).table
        assert table.row_count == 1205
        await press(pilot, "G")
        assert table.current is not None
        assert table.current.key == "support_email"
        await press(pilot, "pageup")
        height = table.size.height
        assert table.current is not None
        assert table.current.key == f"key_{1200 - (height - 1) + 5:04}"
        await press(pilot, "g", "pagedown", "pagedown")
        assert table.current is not None
        assert table.current.key == f"key_{1 + 2 * (height - 1):04}"
        await press(pilot, "slash")
        await write(pilot, "999")
        assert "1 of 1,205" in words(pilot)
        await press(pilot, "escape")
        assert table.current is not None
        assert table.current.key == "key_0999"


async def test_a_read_that_fails_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(world) as pilot:
        with monkeypatch.context() as patch:
            patch.setattr(
                world.repository.configs, "page", refuse(DatabaseCorruptError("It is damaged."))
            )
            await press(pilot, "f5")
        assert "It is damaged." in status(pilot)
        assert len(keys(pilot)) == 17


async def test_a_slow_read_leaves_the_keyboard_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as pilot:
        go_on, asked, page = threading.Event(), threading.Event(), world.repository.configs.page

        def slow(*arguments: Any, **options: Any) -> ConfigPage:
            asked.set()
            assert go_on.wait(20)
            return page(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(world.repository.configs, "page", slow)
            await pilot.press("f5")
            await pilot.press("down", "down")
            assert configurations(pilot).table.cursor == 2
            await pilot.press("a")
            shown(pilot, ConfigForm)
            await pilot.press("x")
            go_on.set()
            await settled(pilot)
        assert asked.is_set()
        assert shown(pilot, ConfigForm).query_one("#key", Input).value == "x"
        await press(pilot, "escape", "escape")
        assert len(keys(pilot)) == 17


# Organizations


async def test_an_organization_is_added_renamed_archived_and_restored(world: World) -> None:
    async with running(world, None) as pilot:
        await press(pilot, "a")
        await write(pilot, "Elm Street")
        await press(pilot, "enter")
        screen = shown(pilot, OrganizationsScreen)
        assert "Elm Street is saved" in status(pilot)
        await press(pilot, "e")
        await write(pilot, " Bakery")
        await press(pilot, "ctrl+s")
        assert screen.table.current is not None
        assert screen.table.current.scope.name == "Elm Street Bakery"
        await press(pilot, "z", "enter")
        assert not world.scope("Elm Street Bakery").archived
        await press(pilot, "z", "right", "enter")
        assert world.scope("Elm Street Bakery").archived
        await press(pilot, "Z")
        await press(pilot, "down")
        assert screen.table.current is not None
        assert screen.table.current.scope.name == "Elm Street Bakery"
        await press(pilot, "z")
        assert not world.scope("Elm Street Bakery").archived


async def test_a_name_that_is_taken_keeps_the_form(world: World) -> None:
    async with running(world, None) as pilot:
        await press(pilot, "a")
        await write(pilot, "ACME dental")
        await press(pilot, "enter")
        assert pilot.app.screen.query_one("#name", Input).value == "ACME dental"
        assert "already" in words(pilot)


async def test_global_is_neither_renamed_nor_archived(world: World) -> None:
    async with running(world, None) as pilot:
        for key in ("e", "z"):
            await press(pilot, key)
            shown(pilot, OrganizationsScreen)
            assert "cannot be renamed or archived" in status(pilot)


async def test_an_archived_organization_is_read_only(world: World) -> None:
    async with running(world, "Dune Clinics") as pilot:
        for key in ("a", "e", "d"):
            await press(pilot, key)
            shown(pilot, ConfigurationsScreen)
            assert "Dune Clinics is archived" in status(pilot)
        await press(pilot, "enter")
        shown(pilot, DetailsScreen)


# Text from the database is data


def assert_tame(app: BifrostApp) -> None:
    """Look at what goes to the terminal: no control character and nothing that turns text."""
    for line in lines_of(app):
        bad = [character for character in line if not character.isprintable()]
        assert not bad, f"{bad} in {line!r}"


def hostile_text(world: World) -> str:
    """Return what is hostile and can stand in the database: none of a server's can hold a NUL."""
    return HOSTILE if world.settings.database_path else HOSTILE.replace("\0", "")


@pytest.fixture
def hostile(world: World) -> World:
    text = hostile_text(world)
    in_json = HOSTILE.replace("\0", "")
    world.sql("UPDATE organization SET name = ? WHERE name = 'Acme Dental'", f"Acme{text}")
    world.sql(
        "UPDATE config SET description = ?, integration = ?, updated_by = ?, created_by = ?",
        *(text, text[:90], text[:40], text[:40]),
    )
    for kind, value in (("string", in_json), ("json", {"a": in_json})):
        world.sql("UPDATE config SET value = ? WHERE type = ?", json.dumps(value), kind)
    world.sql("UPDATE config SET key = ? WHERE key = 'greeting'", f"greeting{text}")
    world.sql("UPDATE config SET key = ? WHERE key = 'sendgrid_key'", f"sendgrid{text}")
    world.sql("UPDATE audit_event SET actor = ?, source = ?", text[:40], text[:40])
    return world


async def walk(pilot: Pilot[Any], *steps: str) -> None:
    app = pilot.app
    assert isinstance(app, BifrostApp)
    for step in steps:
        await press(pilot, step)
        assert_tame(app)


async def test_hostile_text_in_lists_and_dialogs(hostile: World) -> None:
    async with running(hostile, None) as pilot:
        assert_tame(app_of(pilot))
        await walk(pilot, "down", "e", "escape", "z", "escape", "ctrl+p", "escape")
        await walk(pilot, "question_mark", "escape", "enter")
        screen = configurations(pilot)
        looked = 0
        for index in range(screen.table.row_count):
            assert screen.table.cursor == index
            row = screen.table.current
            assert row is not None
            if row.key.startswith(("greeting", "opening", "sendgrid", "smtp_host", "smtp_port")):
                looked += 1
                for key in ("enter", "e", "d", "r", "s"):
                    await walk(pilot, key)
                    if pilot.app.screen is not screen:
                        await walk(pilot, "escape")
                    assert pilot.app.screen is screen
            await walk(pilot, "down")
        assert looked == 5


async def test_hostile_text_in_a_conflict(hostile: World) -> None:
    [name] = [row[0] for row in hostile.sql("SELECT name FROM organization ORDER BY name LIMIT 1")]
    async with running(hostile, None) as pilot:
        await press(pilot, "down", "enter")
        await go_to(pilot, "opening_hours")
        await press(pilot, "e")
        await go_to_field(pilot, "description")
        await press(pilot, "x")
        hostile.sql(
            "UPDATE config SET version = 7, description = ?, key = ? WHERE key = 'opening_hours'",
            hostile_text(hostile)[::-1],
            f"opening{hostile_text(hostile)}",
        )
        await press(pilot, "ctrl+u")
        await walk(pilot, "ctrl+s")
        shown(pilot, ConflictScreen)
        await walk(pilot, "right", "enter", "tab", "tab")
        shown(pilot, ConfigForm)
    assert name.startswith("Acme[/x]")


@pytest.mark.parametrize("field", ["key", "value-string", "description", "integration"])
async def test_hostile_text_that_is_pasted(world: World, field: str) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await go_to_field(pilot, field)
        await paste(pilot, HOSTILE)
        assert_tame(app_of(pilot))
        await walk(pilot, "ctrl+s", "escape")
        shown(pilot, ConfigForm)


async def test_a_secret_leaves_no_trace_on_any_screen(world: World) -> None:
    async with running(world, at="stripe_api_key") as pilot:
        app = pilot.app
        assert isinstance(app, BifrostApp)
        await press(pilot, "r")
        await write(pilot, TYPED[:20])
        await paste(pilot, TYPED[20:])
        for key in ("ctrl+c", "ctrl+x", "ctrl+a", "super+c"):
            await press(pilot, key)
            assert_no_plaintext(app)
        field = app.screen.query_one(SecretField)
        for widget in (field, *field.walk_children(Widget)):
            assert TYPED[:20] not in repr(widget) + str(vars(widget))
        assert app._clipboard == ""
        await press(pilot, "enter")
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == TYPED.encode()


async def test_a_text_field_keeps_lines(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "motd")
        await go_to_field(pilot, "value-string")
        await write(pilot, "one")
        await press(pilot, "ctrl+j")
        await write(pilot, "two")
        assert pilot.app.screen.query_one("#value-string", TextField).entered == "one\ntwo"
        await press(pilot, "ctrl+s")
    assert world.view(ACME, "motd").value == '"one\\ntwo"'


async def test_a_list_shows_without_any_colour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "stripe")  # fewer rows than room
        assert "stripe_api_key" in words(pilot)
