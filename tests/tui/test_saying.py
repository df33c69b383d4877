"""The word that something is done comes with the list that shows it: the next key means that line.

Whoever knows the keys types the next one at that word, and it must not be about another line.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import BifrostError, DatabaseBusyError, DatabaseUnreachableError
from bifrost_tui.store.live import Changes
from bifrost_tui.tui.live import DataChanged
from bifrost_tui.tui.widgets.lines import Status
from bifrost_tui.tui.widgets.paged_table import PagedTable
from tests.tui.screens_support import (
    TYPED,
    World,
    choose,
    configurations,
    go_to,
    go_to_field,
    paste,
    press,
    send_key,
    settled,
    status,
    write,
)
from tests.tui.test_operations import ACME, refuse, running

pytestmark = pytest.mark.both_engines

Said = list[tuple[str, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Return what is said to be done, each time with the line that the cursor stands on then."""
    found: Said = []
    say = Status.say

    def heard(self: Status, words: str, kind: str = "") -> None:
        if kind == "success":
            row = self.screen.query_one(PagedTable).current
            scope = getattr(row, "scope", None)
            name = getattr(row, "key", "") or getattr(row, "actor", "")
            found.append((words, name or getattr(scope, "name", "")))
        say(self, words, kind)

    monkeypatch.setattr(Status, "say", heard)
    return found


async def add_text(pilot: Pilot[Any], key: str) -> None:
    """Fill the form of a new config; it is not saved yet."""
    await press(pilot, "a")
    await write(pilot, key)
    await choose(pilot, "type", "string")
    await go_to_field(pilot, "value-string")
    await write(pilot, "Moin")


async def test_a_config(world: World, said: Said) -> None:
    async with running(world) as pilot:
        await add_text(pilot, "brand_new")
        await press(pilot, "ctrl+s")
        assert said == [("brand_new in Acme Dental is saved", "brand_new")]
        await press(pilot, "d", "right", "enter")
        words, stands_on = said[-1]
        assert words == "brand_new in Acme Dental is deleted"
        assert stands_on != "brand_new"
    assert ("brand_new",) not in world.sql("SELECT key FROM config")


async def test_a_rotation(world: World, said: Said) -> None:
    async with running(world) as pilot:
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        [(words, key)] = said
        assert words.startswith("stripe_api_key in Acme Dental is rotated · fingerprint ")
        assert key == "stripe_api_key"


async def test_an_organization(world: World, said: Said) -> None:
    async with running(world, None) as pilot:
        await press(pilot, "a")
        await write(pilot, "Elm Street")
        await press(pilot, "enter", "e")
        await write(pilot, " Bakery")
        await press(pilot, "ctrl+s", "z", "right", "enter")
    assert said[:2] == [
        ("Elm Street is saved", "Elm Street"),
        ("Elm Street Bakery is saved", "Elm Street Bakery"),
    ]
    assert said[2][0] == "Elm Street Bakery is archived"
    assert said[2][1] != "Elm Street Bakery"


async def test_a_member(world: World, said: Said) -> None:
    async with running(world) as pilot:
        await press(pilot, "m", "a")
        await write(pilot, "frank")
        await press(pilot, "enter")
        assert said == [("frank is saved as member", "frank")]


async def test_a_queue(world: World, said: Said) -> None:
    async with running(world) as pilot:
        await go_to(pilot, "deploy_key")
        await press(pilot, "R")
        await paste(pilot, TYPED)
        await press(pilot, "enter", "escape")
        assert said[-1] == ("1 rotated.", "deploy_key")
        current = configurations(pilot).table.current
        assert current is not None
        assert current.fingerprint


class Held:
    """A question that is held back until it may be answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        question = getattr(where, name)

        def held(*arguments: Any, **options: Any) -> Any:
            self.asked.set()
            assert self.go_on.wait(20)
            return question(*arguments, **options)

        monkeypatch.setattr(where, name, held)


async def save_held(pilot: Pilot[Any], world: World, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Save the form, and hold the list back that would show it."""
    held = Held(monkeypatch, world.repository.configs, "position")
    send_key(pilot, "ctrl+s")
    while not held.asked.is_set():
        await pilot.pause()
    return held


async def test_nothing_is_said_before_the_list_is_read(
    world: World, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as pilot:
        await add_text(pilot, "brand_new")
        held = await save_held(pilot, world, monkeypatch)
        await pilot.pause()
        assert said == []
        assert status(pilot) == ""
        held.go_on.set()
        await settled(pilot)
        assert said == [("brand_new in Acme Dental is saved", "brand_new")]


async def test_what_others_change_meanwhile_does_not_keep_it_from_its_line(
    world: World, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL the word of one's own change comes back within milliseconds."""
    async with running(world) as pilot:
        await add_text(pilot, "zzz_last")
        held = await save_held(pilot, world, monkeypatch)
        changes = Changes(frozenset({world.scope(ACME).id}))
        pilot.app.post_message(DataChanged(changes))
        await pilot.pause()
        held.go_on.set()
        await settled(pilot)
        assert said == [("zzz_last in Acme Dental is saved", "zzz_last")]
        current = configurations(pilot).table.current
        assert current is not None
        assert current.key == "zzz_last"
        # Once it is there, the cursor is the operator's again.
        await press(pilot, "g")
        pilot.app.post_message(DataChanged(changes))
        await settled(pilot)
        assert configurations(pilot).table.cursor == 0


@pytest.mark.parametrize(
    ("error", "tail"),
    [
        (
            DatabaseUnreachableError("The server is gone. Try again."),
            "The server is gone. What shows is as it was; trying again …",
        ),
        (DatabaseBusyError("Others are at work."), "Others are at work."),
    ],
)
async def test_where_the_list_cannot_be_read_both_are_said(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BifrostError, tail: str
) -> None:
    async with running(world) as pilot:
        await add_text(pilot, "brand_new")
        with monkeypatch.context() as patch:
            patch.setattr(world.repository.configs, "position", refuse(error))
            await press(pilot, "ctrl+s")
        assert status(pilot) == f"× brand_new in Acme Dental is saved. {tail}"
    assert world.view(ACME, "brand_new").value == '"Moin"'


async def test_a_second_read_in_vain_does_not_take_the_word_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as pilot:
        await add_text(pilot, "brand_new")
        away = refuse(DatabaseUnreachableError("The server is gone. Try again."))
        with monkeypatch.context() as patch:
            for what in ("position", "page", "count", "history"):
                patch.setattr(world.repository.configs, what, away)
            await press(pilot, "ctrl+s")
            pilot.app.post_message(DataChanged(Changes(frozenset({world.scope(ACME).id}))))
            await settled(pilot)
            await press(pilot, "f5")
            assert status(pilot).startswith("× brand_new in Acme Dental is saved. The server is")


async def test_a_filter_that_is_none_does_not_swallow_it(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "slash")
        await write(pilot, "type:none")
        await press(pilot, "enter")
        await add_text(pilot, "brand_new")
        await press(pilot, "ctrl+s")
        assert status(pilot).startswith("▲ brand_new in Acme Dental is saved. ")
        assert "type:" in status(pilot)
