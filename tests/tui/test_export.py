"""Exports at the keyboard: what is written, where, and what is never in it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.cli import screens
from bifrost_tui.origin import Origin
from bifrost_tui.store.access import Role
from bifrost_tui.store.requests import Access
from bifrost_tui.tui import app, export_writing
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.confirm import Confirm
from bifrost_tui.tui.screens.export import ExportScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.transfer import TransferScreen
from bifrost_tui.tui.widgets.fields import Choice, LineInput
from tests.support import ALICE, START, events
from tests.tui.screens_support import (
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    choose,
    plaintexts,
    press,
    settled,
    status,
    write,
)
from tests.tui.transfer_support import ACME, enter_file, running, shown, words

pytestmark = pytest.mark.both_engines

DAVE = Access("dave", "10.1.4.9")
CONFINED = replace(ALICE, confined=True)


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(home)
    with a_world(home) as made:
        yield made


def written(path: Path) -> Any:
    """Return a bundle, in which no planted value stands."""
    content = path.read_text()
    for value in plaintexts():
        assert value not in content
    return json.loads(content)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


async def test_an_organization_is_written_without_the_values_of_its_secrets(
    world: World, home: Path
) -> None:
    async with running(world) as pilot:
        await press(pilot, "x")
        shown(pilot, TransferScreen)
        assert "export --encrypted" in words(pilot)
        await press(pilot, "enter")
        assert shown(pilot, ExportScreen).query_one("#file", LineInput).value == "acme-dental.json"
        assert "Names begin in ~" in words(pilot)
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
        assert status(pilot) == (
            "✓ 13 configs written to ~/acme-dental.json · 6 secrets without their values"
        )
    path = home / "acme-dental.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bundle = written(path)
    assert [each["name"] for each in bundle["organizations"]] == [ACME]
    configs = {each["key"]: each for each in bundle["organizations"][0]["configs"]}
    assert configs["max_retries"]["value"] == 3
    assert configs["stripe_api_key"]["value"] is None
    assert configs["stripe_api_key"]["rotate_every_days"] == 90
    assert "smtp_port" not in configs  # inherited
    assert events(world.repository)[-1] == ("config.export", ACME, None, "done")


async def test_all_that_is_managed_is_written_and_what_is_left_out_is_told(
    world: World, home: Path
) -> None:
    async with running(world, organization=None) as pilot:
        await press(pilot, "j", "x", "e")
        await choose(pilot, "what", "all that you manage")
        await press(pilot, "enter")
        assert "of Global and 4 organizations written to ~/bifrost.json" in status(pilot)
        assert "1 archived organization left out" in status(pilot)
    bundle = written(home / "bifrost.json")
    assert [each["key"] for each in bundle["global"]][:2] == ["maintenance", "sentry_dsn"]
    assert "Dune Clinics" not in [each["name"] for each in bundle["organizations"]]


async def test_the_name_follows_the_form_until_it_is_another(world: World, home: Path) -> None:
    async with running(world) as pilot:
        await press(pilot, "x", "e")
        field = shown(pilot, ExportScreen).query_one("#file", LineInput)
        await choose(pilot, "form", "portable YAML")
        assert field.value == "acme-dental.yaml"
        field.value = "mine.yaml"
        await choose(pilot, "form", "portable JSON")
        assert field.value == "mine.json"
        field.value = "mine"
        await choose(pilot, "form", "portable YAML")
        await choose(pilot, "what", "all that you manage")
        assert field.value == "mine"
        await press(pilot, "ctrl+s")
    assert (home / "mine").read_text().startswith("bifrost_tui_bundle: 1\n")


async def test_a_file_that_is_there_is_replaced_only_after_a_question(
    world: World, home: Path
) -> None:
    path = home / "acme-dental.json"
    path.write_text("theirs")
    then = START.timestamp() - 3 * 86400
    os.utime(path, (then, then))
    async with running(world) as pilot:
        told = events(world.repository)
        await press(pilot, "x", "e", "enter")
        shown(pilot, Confirm)
        assert "acme-dental.json already, 6 bytes, written 3 d ago" in words(pilot)
        await press(pilot, "enter")
        shown(pilot, ExportScreen)
        assert path.read_text() == "theirs"
        assert events(world.repository) == told
        await press(pilot, "enter", "right", "enter")
        shown(pilot, ConfigurationsScreen)
    written(path)
    assert names(home) >= {"acme-dental.json"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Give the file a name"),
        ("-", "Give the file a name"),
        ("nowhere/acme.json", "cannot be made: No such file"),
        (".", "is a folder"),
        ("pipe", "is no plain file"),
        ("~nobody-of-that-name/acme.json", "There can be no file of that name"),
        ("x" * 300, "File name too long"),
    ],
)
async def test_what_cannot_be_written_is_told_at_the_field(
    world: World, home: Path, name: str, why: str
) -> None:
    os.mkfifo(home / "pipe")
    async with running(world) as pilot:
        await press(pilot, "x", "e")
        await enter_file(pilot, name)
        field = shown(pilot, ExportScreen).query_one("#file", LineInput)
        assert why in words(pilot)
        assert field.value == name
        assert pilot.app.focused is field
        await write(pilot, "x")
        assert why not in words(pilot)


async def test_a_full_disk_leaves_no_file(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    before = names(home)
    async with running(world) as pilot:
        await press(pilot, "x", "e")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            await press(pilot, "enter")
        assert "No space left on device" in words(pilot)
    assert names(home) == before


async def test_it_is_stopped_and_nothing_is_written(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(world) as pilot:
        await press(pilot, "x", "e")
        screen = shown(pilot, ExportScreen)
        real = export_writing.write

        def stopped(*given: Any) -> None:
            pilot.app.call_from_thread(screen.action_cancel)
            real(*given)

        monkeypatch.setattr(export_writing, "write", stopped)
        await press(pilot, "enter")
        assert status(pilot) == "× Not exported. It was stopped."
        assert not screen.is_working
        await press(pilot, "escape")
        shown(pilot, ConfigurationsScreen)
    assert not (home / "acme-dental.json").exists()


async def test_a_dotenv_file_is_of_one_organization(world: World, home: Path) -> None:
    async with running(world) as pilot:
        await press(pilot, "x", "e")
        await choose(pilot, "form", ".env")
        field = shown(pilot, ExportScreen).query_one("#file", LineInput)
        assert field.value == "acme-dental.env"
        await choose(pilot, "what", "all that you manage")
        await press(pilot, "ctrl+s")
        assert "holds one organization. Choose which." in words(pilot)
        await choose(pilot, "what", ACME)
        await press(pilot, "ctrl+s")
        assert "10 values written to ~/acme-dental.env" in status(pilot)
        assert "7 secrets and references without their values" in status(pilot)
    content = (home / "acme-dental.env").read_text()
    assert "max_retries=3" in content
    assert "smtp_port=587" in content  # inherited
    assert "# stripe_api_key=\n" in content
    for value in plaintexts():
        assert value not in content


# Who may


@pytest.mark.parametrize("organization", [ACME, None])
async def test_members_neither_export_nor_import(world: World, organization: str | None) -> None:
    world.repository.members.add(ALICE, world.scope(ACME), "dave", Role.MEMBER)
    async with running(world, access=DAVE, organization=organization) as pilot:
        await press(pilot, "x")
        where = "in Acme Dental " if organization else ""
        assert status(pilot) == f"Exporting and importing {where}are for owners and admins."
        assert not isinstance(pilot.app.screen, TransferScreen)


async def test_who_manages_one_exports_that_alone(world: World, home: Path) -> None:
    world.repository.members.add(ALICE, world.scope(ACME), "dave", Role.ADMIN)
    async with running(world, access=DAVE, organization=None) as pilot:
        await press(pilot, "x", "e")
        assert shown(pilot, ExportScreen).query_one("#what", Choice).chosen == ACME
        await choose(pilot, "what", "all that you manage")
        await press(pilot, "ctrl+s")
        shown(pilot, OrganizationsScreen)
    bundle = written(home / "bifrost.json")
    assert "global" not in bundle
    assert [each["name"] for each in bundle["organizations"]] == [ACME]


async def test_who_lost_the_role_meanwhile_is_refused(world: World, home: Path) -> None:
    member = world.repository.members.add(ALICE, world.scope(ACME), "dave", Role.ADMIN)
    async with running(world, access=DAVE) as pilot:
        await press(pilot, "x", "e")
        world.repository.members.change(ALICE, member, Role.MEMBER)
        await press(pilot, "enter")
        shown(pilot, ExportScreen)
        assert "that takes an owner or an admin" in words(pilot)
    assert not (home / "acme-dental.json").exists()


async def test_without_a_folder_a_confined_session_is_told_why(world: World) -> None:
    async with running(world, access=CONFINED) as pilot:
        await press(pilot, "x")
        assert "This connection has no folder for files" in status(pilot)


async def test_a_confined_session_stays_in_its_folder(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    async with running(world, access=CONFINED, origin=Origin("alice", True, folder)) as pilot:
        await press(pilot, "x", "e")
        assert "begin in the folder of this connection" in words(pilot)
        for name in ("../out.json", "/etc/out.json", "link", str(tmp_path / "out.json")):
            await enter_file(pilot, name)
            shown(pilot, ExportScreen)
            assert "not one of a plain file in the folder" in words(pilot)
            assert events(world.repository)[-1][0] == "session.command"
        await enter_file(pilot, "acme.json")
        assert "written to acme.json" in status(pilot)
        assert str(tmp_path) not in words(pilot)
    written(folder / "acme.json")
    assert not (tmp_path / "outside").exists()
    assert names(tmp_path) == set()


def test_the_screens_are_given_what_may_be_named(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, seen = Origin("alice", True, home), []

    def shown_app(made: app.BifrostApp, **_: object) -> int:
        seen.append(made.origin)
        return 0

    monkeypatch.setattr(app, "run_app", shown_app)
    monkeypatch.setattr(screens, "check_terminal", lambda: None)
    assert screens.open_screens(origin=origin, settings=world.settings) == 0
    app.run(world.settings, CONFINED)
    assert seen == [origin, Origin(confined=True)]


# How it looks


async def test_a_hostile_name_is_shown_and_not_obeyed(world: World, home: Path) -> None:
    world.repository.organizations.add(ALICE, "[red]Acme[/]")
    async with running(world, organization="[red]Acme[/]") as pilot:
        await press(pilot, "x")
        assert "Export, import · [red]Acme[/]" in words(pilot)
        await press(pilot, "e")
        assert "[[red]Acme[/]]" in words(pilot)
        await press(pilot, "enter")
        assert "0 configs written to ~/red-acme.json" in status(pilot)


STATES: dict[str, tuple[str, ...]] = {
    "choice": ("x",),
    "form": ("x", "e"),
    "problem": ("x", "e", "slash", "x", "enter"),
    "replace": ("x", "e", "enter"),
    "done": ("x", "e", "backspace", "enter"),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("state", STATES)
def test_pictures(
    snap_compare: Any, world: World, home: Path, state: str, size: tuple[int, int]
) -> None:
    path = home / "acme-dental.json"
    path.write_bytes(b"x" * 12_345)
    os.utime(path, (START.timestamp() - 3 * 86400,) * 2)
    shown_app = app_over(world, organization=ACME)

    async def ready(pilot: Any) -> None:
        await settled(pilot)
        await press(pilot, *STATES[state])
        assert_no_plaintext(shown_app)

    assert snap_compare(shown_app, terminal_size=size, run_before=ready)
