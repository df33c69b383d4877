"""Members at the keyboard: given roles, removed with what goes with them, what they could read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.store.access import Role
from bifrost_tui.store.live import Changes
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ALL_SCOPES, Waiting
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.member_form import MemberForm
from bifrost_tui.tui.screens.members import MembersScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.queue import QueueScreen
from bifrost_tui.tui.screens.remove_member import RemoveMember
from bifrost_tui.tui.widgets.buttons import WordButton
from tests.support import ALICE, events, listed, opened, secret
from tests.tui.screens_support import (
    SHARED,
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    paste,
    press,
    screen_text,
    settled,
    status,
    write,
)

pytestmark = pytest.mark.both_engines

ACME = "Acme Dental"
DAVE = Access("dave", "10.1.4.9")
ERIN = Access("erin", "10.1.4.10")


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """The story, and two members of one organization; Dave has created secrets there."""
    with a_world(home) as made:
        now, repository = made.clock.now, made.repository
        made.clock.now = now - timedelta(days=40)
        acme = made.scope(ACME)
        repository.members.add(ALICE, acme, "dave", Role.MEMBER)
        made.clock.now = now - timedelta(days=9)
        repository.members.add(ALICE, acme, "erin", Role.ADMIN)
        for key in ("datadog_key", "pager_token"):
            repository.configs.add(DAVE, acme, secret(key, SHARED))
        draft = ConfigDraft("alerting_key", ConfigType.SECRET_REF, value="pager_token")
        repository.configs.add(ERIN, acme, draft)
        made.clock.now = now
        yield made


@asynccontextmanager
async def running(
    world: World,
    *,
    access: Access = ALICE,
    organization: str | None = ACME,
    size: tuple[int, int] = (100, 30),
) -> AsyncIterator[Pilot[Any]]:
    """Run the app with the screen of an organization's members, opened as its users do."""
    app = app_over(world, access=access, organization=organization)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "m")
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


def members(pilot: Pilot[Any]) -> MembersScreen:
    screen = pilot.app.screen
    assert isinstance(screen, MembersScreen), screen
    return screen


def shown(pilot: Pilot[Any]) -> list[str]:
    table = members(pilot).table
    rows = [table.row_at(index) for index in range(table.row_count)]
    return [f"{row.actor} {row.role} {row.scope.name}" for row in rows if row is not None]


def text(pilot: Pilot[Any]) -> str:
    app = pilot.app
    assert isinstance(app, BifrostApp)
    return screen_text(app)


async def go_to_member(pilot: Pilot[Any], actor: str) -> None:
    names = [line.split()[0] for line in shown(pilot)]
    await press(pilot, "g", *["j"] * names.index(actor))


EVERYONE = [
    *("alice owner All organizations", "bob admin All organizations"),
    "carol admin All organizations",
]


async def test_members_of_an_organization_and_of_all(world: World) -> None:
    async with running(world) as pilot:
        assert shown(pilot) == [*EVERYONE, "dave member Acme Dental", "erin admin Acme Dental"]
        assert "Members of Acme Dental" in text(pilot)
        assert "5 members · 1 owner" in text(pilot)
        await press(pilot, "slash")
        await write(pilot, "admin acme")
        assert shown(pilot) == ["erin admin Acme Dental"]
        await press(pilot, "escape")
        assert len(shown(pilot)) == 5
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ConfigurationsScreen)


async def test_from_the_organizations_global_stands_for_all(world: World) -> None:
    async with running(world, organization=None) as pilot:
        assert shown(pilot) == EVERYONE
        await press(pilot, "escape", "j", "m")
        assert "Members of Acme Dental" in text(pilot)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, OrganizationsScreen)


async def test_somebody_becomes_a_member(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "frank")
        assert "may see it, add configs" in text(pilot)
        await press(pilot, "tab", "left")
        assert "may do everything but give or take" in text(pilot)
        await press(pilot, "enter")
        assert "frank is saved as admin" in status(pilot)
        assert shown(pilot)[-1] == "frank admin Acme Dental"
        current = members(pilot).table.current
        assert current is not None
        assert current.actor == "frank"
        assert current.created_by == "alice"


async def test_what_cannot_be_saved_stays_in_the_form(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "dave")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, MemberForm)
        assert "dave is a member of Acme Dental already" in text(pilot)
        await write(pilot, "2")
        assert "already" not in text(pilot)
        await press(pilot, "enter")
        assert "dave2 is saved as member" in status(pilot)


async def test_another_role(world: World) -> None:
    async with running(world) as pilot:
        await go_to_member(pilot, "dave")
        await press(pilot, "e", "left", "enter")
        assert "dave is saved as admin" in status(pilot)
        await go_to_member(pilot, "alice")
        await press(pilot, "enter", "right", "enter")
        assert "alice is the last owner" in text(pilot)
        await press(pilot, "escape")
        assert shown(pilot)[0] == EVERYONE[0]


async def test_an_admin_leaves_owners_alone(world: World) -> None:
    world.repository.members.add(ALICE, world.scope(ACME), "olga", Role.OWNER)
    async with running(world, access=ERIN) as pilot:
        await go_to_member(pilot, "olga")
        await press(pilot, "d")
        assert "that takes an owner" in status(pilot)
        assert pilot.app.screen.query_one("#remove", WordButton).disabled
        await press(pilot, "escape")
        assert "olga owner Acme Dental" in shown(pilot)


async def test_what_goes_with_a_member_is_shown_and_handed_over(world: World) -> None:
    async with running(world) as pilot:
        await go_to_member(pilot, "dave")
        await press(pilot, "d")
        dialog = text(pilot)
        assert "dave, member of Acme Dental" in dialog
        assert "datadog_key in Acme Dental" in dialog
        assert "missed by alerting_key in Acme Dental" in dialog
        button = pilot.app.screen.query_one("#remove", WordButton)
        assert button.disabled
        await write(pilot, "frank")
        await press(pilot, "enter")
        assert "frank is not a member wherever those secrets are" in text(pilot)
        await press(pilot, *["backspace"] * 5)
        assert button.disabled
        await write(pilot, "erin")
        await press(pilot, "enter")
        assert "dave is removed · press R to rotate" in status(pilot)
        assert "dave" not in " ".join(shown(pilot))
        assert "that dave could read" in text(pilot)
    kept = {
        view.key: view.created_by for view in listed(world.repository, ALICE, world.scope(ACME))
    }
    assert kept["datadog_key"] == kept["pager_token"] == "erin"


async def test_deleting_what_they_created_asks_for_the_name(world: World) -> None:
    async with running(world) as pilot:
        await go_to_member(pilot, "dave")
        await press(pilot, "d", "tab", "tab")
        await write(pilot, "dav")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, RemoveMember)
        await write(pilot, "e")
        await press(pilot, "enter")
        assert "dave is removed" in status(pilot)
    left = {view.key: view.state for view in listed(world.repository, ALICE, world.scope(ACME))}
    assert "datadog_key" not in left
    assert left["alerting_key"] == "dangling"
    assert events(world.repository)[-3:] == [
        ("config.delete", ACME, "datadog_key", "done"),
        ("config.delete", ACME, "pager_token", "done"),
        ("member.remove", ACME, None, "done"),
    ]


async def test_what_changed_meanwhile_is_shown_again(world: World) -> None:
    async with running(world) as pilot:
        await go_to_member(pilot, "dave")
        await press(pilot, "d")
        world.repository.configs.add(DAVE, world.scope(ACME), secret("one_more"))
        await write(pilot, "erin")
        await press(pilot, "enter")
        assert "The secrets that dave created have changed" in text(pilot)
        assert "one_more in Acme Dental" in text(pilot)
        await press(pilot, "enter")
        assert "dave is removed" in status(pilot)


async def test_nobody_is_removed_by_going_back(world: World) -> None:
    async with running(world) as pilot:
        before = shown(pilot), events(world.repository)
        await go_to_member(pilot, "dave")
        await press(pilot, "d", "enter")
        assert isinstance(pilot.app.screen, MembersScreen)
        await press(pilot, "d", "escape")
        assert (shown(pilot), events(world.repository)) == before


async def test_what_they_could_read_is_rotated_from_here(world: World) -> None:
    async with running(world) as pilot:
        await press(pilot, "R")
        assert "Nothing that somebody who left" in status(pilot)
        await go_to_member(pilot, "dave")
        await press(pilot, "d")
        await write(pilot, "erin")
        await press(pilot, "enter")
        waiting = world.repository.everywhere.waiting(ALICE, Waiting.EXPOSED)
        assert len(waiting) > 3
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, QueueScreen)
        await paste(pilot, TYPED)
        await press(pilot, "enter")
        await press(pilot, "escape")
        await settled(pilot)
        members(pilot)
        left = world.repository.everywhere.waiting(ALICE, Waiting.EXPOSED)
        assert len(left) == len(waiting) - 1
        [rotated] = {line.id for line in waiting} - {line.id for line in left}
        scope = next(line.scope for line in waiting if line.id == rotated)
        view = world.repository.configs.get(ALICE, scope, rotated)
        assert opened(world.repository, view) == TYPED.encode()


@pytest.mark.parametrize("organization", [ACME, None])
async def test_members_may_not_look(world: World, organization: str | None) -> None:
    async with running(world, access=DAVE, organization=organization) as pilot:
        assert not isinstance(pilot.app.screen, MembersScreen)
        assert "The members of Acme Dental are for its owners and admins." in status(pilot)


async def test_a_role_that_is_taken_away_takes_the_list_with_it(world: World) -> None:
    async with running(world, access=ERIN) as pilot:
        assert len(shown(pilot)) == 5
        [erin] = [v for v in world.repository.members.list(ALICE) if v.actor == "erin"]
        world.repository.members.change(ALICE, erin, Role.MEMBER)
        await press(pilot, "f5")
        assert shown(pilot) == []
        assert "that takes an owner or an admin" in status(pilot)


async def test_what_others_change_shows_and_the_cursor_stays(world: World) -> None:
    async with running(world) as pilot:
        await go_to_member(pilot, "dave")
        repository = world.repository
        repository.members.add(ALICE, world.scope(ACME), "anton", Role.MEMBER)
        members(pilot).data_changed(Changes(members=True))
        await settled(pilot)
        assert shown(pilot)[3] == "anton member Acme Dental"
        current = members(pilot).table.current
        assert current is not None
        assert current.actor == "dave"


async def test_a_hostile_name_is_shown_and_not_obeyed(world: World) -> None:
    world.repository.members.add(ALICE, ALL_SCOPES, "[red]x[/]", Role.MEMBER)
    async with running(world) as pilot:
        assert "[red]x[/]" in text(pilot)
        await go_to_member(pilot, "[red]x[/]")
        await press(pilot, "e")
        assert "[red]x[/] in all organizations" in text(pilot)
        await press(pilot, "escape", "d")
        assert "[red]x[/], member of all organizations" in text(pilot)


def states() -> dict[str, tuple[str, ...]]:
    return {
        "list": (),
        "form": ("a",),
        "remove": ("j", "j", "j", "d"),
    }


@pytest.mark.sqlite
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("state", states())
def test_pictures(snap_compare: Any, world: World, state: str, size: tuple[int, int]) -> None:
    repository = world.repository
    scope = world.scope(ACME)
    gone = repository.members.add(ALICE, scope, "gina", Role.MEMBER)
    repository.members.remove(ALICE, repository.members.removal(ALICE, gone))
    repository.configs.add(DAVE, scope, secret("k" * 40, SHARED))
    app = app_over(world, organization=ACME)

    async def ready(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await press(pilot, "m", *states()[state])
        assert_no_plaintext(app)

    assert snap_compare(app, terminal_size=size, run_before=ready)
