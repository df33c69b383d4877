"""Imports at the keyboard: the preview first, then all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

from bifrost_tui.origin import Origin
from bifrost_tui.store.incoming import Verdict
from bifrost_tui.store.live import Changes
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import State
from bifrost_tui.transfer.platform_key import KEY_VARIABLE, PlatformKey
from bifrost_tui.tui import import_cells
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.import_confirm import ImportConfirm
from bifrost_tui.tui.screens.import_done import ImportDone
from bifrost_tui.tui.screens.import_file import ImportScreen
from bifrost_tui.tui.screens.import_preview import ImportPreview
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.queue import QueueScreen
from bifrost_tui.tui.widgets.fields import LineInput
from tests.support import ALICE, events, listed, opened, secret
from tests.tui.screens_support import (
    HOSTILE,
    OLD,
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    choose,
    press,
    settled,
    status,
    write,
)
from tests.tui.transfer_support import (
    ACME,
    bundle,
    config,
    enter_file,
    rows,
    running,
    shown,
    text,
    words,
)

pytestmark = pytest.mark.both_engines

CONFINED = replace(ALICE, confined=True)
PASSPHRASE = "zQ8-correct-horse-battery"

NEW = config("brand_colour", "string", "teal")
WAITING = config("mailgun_key", "secret", integration="Mailgun")
OTHER = config("max_retries", "int", 4)
SAME = config("booking_enabled", "bool", True)
REFUSED = config("greeting", "secret")
"""A string in Acme Dental."""


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(home)
    with a_world(home) as made:
        yield made


def stored(world: World, name: str = ACME) -> dict[str, str | None]:
    """Return the plain values of a scope, and the states of its secrets."""
    return {
        view.key: view.state.value if view.is_secret else view.value
        for view in listed(world.repository, ALICE, world.scope(name))
        if view.scope.name == name
    }


async def preview(pilot: Any, *keys: str, file: str = "acme.json") -> ImportPreview:
    """Go on to the preview of a file."""
    await press(pilot, "x", "i", *keys)
    await enter_file(pilot, file)
    return shown(pilot, ImportPreview)


# The preview


async def test_a_preview_says_what_would_be_done_and_nothing_is(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW, WAITING, OTHER, SAME, REFUSED]})
    before, told = stored(world), events(world.repository)
    async with running(world) as pilot:
        await preview(pilot)
        assert rows(pilot) == [
            ("refused", ACME, "greeting"),
            ("differs", ACME, "max_retries"),
            ("new", ACME, "brand_colour"),
            ("new", ACME, "mailgun_key"),
            ("same", ACME, "booking_enabled"),
        ]
        said = words(pilot)
        assert "Import acme.json, portable bundle, into Acme Dental" in said
        assert "1 refused · 1 differs · 2 new · ○ 1 needs a value · 1 same" in said
        assert "It is a string here and a secret in the file" in said
        await press(pilot, "j")
        assert "max_retries in Acme Dental" in words(pilot)
        assert "differs in value" in words(pilot)
        await press(pilot, "enter")
        assert "Nothing can be imported while something is refused." in status(pilot)
        await press(pilot, "escape")
        assert shown(pilot, ImportScreen).query_one("#file", LineInput).value == "acme.json"
        await press(pilot, "escape")
        shown(pilot, ConfigurationsScreen)
    assert (stored(world), events(world.repository)) == (before, told)


async def test_kinds_are_shown_alone_and_keys_are_filtered(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW, WAITING, OTHER, SAME], "Bright Logistics": [NEW]})
    async with running(world) as pilot:
        screen = await preview(pilot)
        seen = []
        for _ in range(5):
            await press(pilot, "f")
            seen.append([key for _, _, key in rows(pilot)])
        assert seen == [
            ["max_retries"],
            ["brand_colour", "mailgun_key", "brand_colour"],
            ["booking_enabled"],
            ["mailgun_key"],
            [line.key for line in screen._prepared.rows],
        ]
        await press(pilot, "f")
        assert "only differs: 1 of 5" in words(pilot)
        await press(pilot, "escape", "slash")
        await write(pilot, "bright brand")
        assert rows(pilot) == [("new", "Bright Logistics", "brand_colour")]
        await press(pilot, "enter", "escape")
        assert len(rows(pilot)) == 5
        await press(pilot, "slash")
        await write(pilot, "nothing-like-this")
        assert "Nothing of this kind." in words(pilot)


async def test_what_is_here_already_is_not_imported_again(world: World, home: Path) -> None:
    bundle(home, {ACME: [SAME]})
    async with running(world) as pilot:
        await preview(pilot)
        await press(pilot, "i")
        assert "there is nothing to import" in status(pilot)


# Importing


async def test_an_import_leads_into_the_queue(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW, WAITING, SAME]})
    async with running(world) as pilot:
        await preview(pilot)
        await press(pilot, "enter")
        shown(pilot, ImportConfirm)
        await press(pilot, "enter")  # Cancel has the focus
        shown(pilot, ImportPreview)
        await press(pilot, "i", "right", "enter")
        shown(pilot, ImportDone)
        assert "acme.json is imported" in words(pilot)
        assert "2 added" in words(pilot)
        assert "1 needs a value now" in words(pilot)
        await press(pilot, "R")
        screen = shown(pilot, QueueScreen)
        # deploy_key needs one too, and is not of this file.
        assert "mailgun_key" in text(pilot)
        assert "deploy_key" not in text(pilot)
        await press(pilot, "escape")
        assert screen is not pilot.app.screen
        assert "brand_colour" in text(pilot)
    assert stored(world)["brand_colour"] == '"teal"'
    assert stored(world)["mailgun_key"] == "needs_value"
    assert ("config.import", ACME, None, "done") in events(world.repository)


@pytest.mark.parametrize(("keys", "kept"), [(("right",), True), (("right", "right"), False)])
async def test_what_differs_is_kept_or_overwritten(
    world: World, home: Path, keys: tuple[str, ...], kept: bool
) -> None:
    bundle(home, {ACME: [NEW, OTHER]})
    async with running(world) as pilot:
        await preview(pilot)
        await press(pilot, "i", *keys, "enter")
        shown(pilot, ImportDone)
        assert ("1 kept" if kept else "1 overwritten") in words(pilot)
        await press(pilot, "enter")
        shown(pilot, ConfigurationsScreen)
        kept_or_changed = "1 kept" if kept else "1 changed"
        assert status(pilot) == f"✓ acme.json is imported: 1 added · {kept_or_changed}"
    assert stored(world)["max_retries"] == ("3" if kept else "4")


async def test_what_changed_meanwhile_is_planned_again(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW, OTHER]})
    async with running(world) as pilot:
        screen = await preview(pilot)
        draft = ConfigDraft("brand_colour", ConfigType.STRING, "red")
        world.repository.configs.add(ALICE, world.scope(ACME), draft)
        screen.data_changed(Changes(scopes=frozenset({world.scope(ACME).id})))
        assert "changed by others just now" in status(pilot)
        await press(pilot, "i", "right", "enter")
        shown(pilot, ImportPreview)
        assert "It is planned again: look at it." in status(pilot)
        assert rows(pilot)[0] == ("differs", ACME, "brand_colour")
        assert stored(world)["max_retries"] == "3"
        await press(pilot, "f5")
        assert "Planned again" in status(pilot)
        await press(pilot, "i", "right", "right", "enter")
        shown(pilot, ImportDone)
    assert stored(world)["brand_colour"] == '"teal"'


async def test_a_stopped_import_changes_nothing(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(home, {ACME: [NEW, WAITING]})
    before = stored(world)
    async with running(world) as pilot:
        screen = await preview(pilot)
        apply = world.repository.imports.apply

        def stopped(*given: Any, progress: Callable[[int, int], None], **more: Any) -> Any:
            pilot.app.call_from_thread(screen.action_back)
            return apply(*given, progress=progress, **more)

        monkeypatch.setattr(world.repository.imports, "apply", stopped)
        await press(pilot, "i", "right", "enter")
        assert status(pilot) == "× Not imported. It was stopped."
        shown(pilot, ImportPreview)
    assert stored(world) == before


async def test_a_preview_locks_and_is_there_again(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW, WAITING]})
    async with running(world) as pilot:
        screen = await preview(pilot)
        await press(pilot, "j", "i", "ctrl+l")
        assert "mailgun_key" not in text(pilot)
        assert ACME not in text(pilot)
        assert "acme.json" not in text(pilot)
        await press(pilot, "enter")
        shown(pilot, ImportConfirm)
        await press(pilot, "escape")
        assert screen.table.cursor == 1


async def test_one_thing_is_done_after_the_other(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW]})
    async with running(world) as pilot:
        screen = await preview(pilot)
        from bifrost_tui.tui.working import Progress

        screen._progress = Progress(screen)
        screen.show_progress(screen._progress, 1, 2)
        for key in ("enter", "i", "f5"):
            await press(pilot, key)
            shown(pilot, ImportPreview)
        assert "esc stops what is being done" in status(pilot)
        screen._progress = None


# Organizations


async def test_an_unknown_organization_is_refused_until_it_shall_be_added(
    world: World, home: Path
) -> None:
    bundle(home, {"Elm Bakery": [NEW, WAITING], ACME: [SAME]})
    async with running(world, organization=None) as pilot:
        await preview(pilot)
        assert rows(pilot)[0][0] == "refused"
        assert "Elm Bakery" in words(pilot)
        await press(pilot, "i")
        assert "while something is refused" in status(pilot)
        await press(pilot, "escape")
        await choose(pilot, "missing", "add missing ones")
        await press(pilot, "ctrl+s")
        assert rows(pilot)[0] == ("new", "Elm Bakery", "")
        assert "1 new organization" in words(pilot)
        await press(pilot, "i", "right", "enter")
        assert "Organizations 1 added" in words(pilot)
        await press(pilot, "escape")
        shown(pilot, OrganizationsScreen)
        assert "Elm Bakery" in text(pilot)
    assert stored(world, "Elm Bakery") == {"brand_colour": '"teal"', "mailgun_key": "needs_value"}


async def test_a_bundle_of_one_goes_into_the_organization_at_hand(world: World, home: Path) -> None:
    bundle(home, {"Elm Bakery": [NEW]})
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await choose(pilot, "into", ACME)
        await enter_file(pilot, "acme.json")
        assert "into Acme Dental" in words(pilot)
        await press(pilot, "i", "right", "enter", "enter")
    assert stored(world)["brand_colour"] == '"teal"'


async def test_a_bundle_of_several_does_not_go_into_one(world: World, home: Path) -> None:
    bundle(home, {"Elm Bakery": [NEW], "Oak": [NEW]})
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await choose(pilot, "into", ACME)
        await enter_file(pilot, "acme.json")
        shown(pilot, ImportScreen)
        assert "which cannot all go into Acme Dental" in words(pilot)


# What cannot be read


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("", b"", "Give the name of a file"),
        ("nowhere.json", None, "No such file"),
        ("~nobody-of-that-name/acme.json", None, "There can be no file of that name"),
        (".", None, "is a folder"),
        ("bifrost+postgresql://host/db", None, "is for the command: bifrost-tui import"),
        ("broken.json", b'{"bifrost_tui_bundle": 1, "organ', ""),
        ("broken.json", f'{{"{TYPED}": 1}}'.encode(), ""),
        ("broken.yaml", b"a: &b [*b]", ""),
        ("broken.env", b"=\x00\n", "names no organization"),
    ],
)
async def test_what_cannot_be_read_is_told_and_the_name_stays(
    world: World, home: Path, name: str, content: bytes | None, why: str
) -> None:
    if content:
        (home / name).write_bytes(content)
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await enter_file(pilot, name)
        screen = shown(pilot, ImportScreen)
        assert screen.query_one("#file", LineInput).value == name
        assert "× " in words(pilot)
        assert why in words(pilot)


async def test_all_problems_of_a_file_are_shown(world: World, home: Path) -> None:
    lines = "".join(f"line {number} is none\n" for number in range(60))
    (home / "broken.env").write_text(lines)
    async with running(world, size=(80, 24)) as pilot:
        await press(pilot, "x", "i")
        await choose(pilot, "into", ACME)
        await enter_file(pilot, "broken.env")
        assert "× Line 2 is no KEY=value" in words(pilot)
        assert words(pilot).count("Line 1 is no") == 1
        await press(pilot, "tab", "tab", "tab", "down")
        assert "Line 10 is no" in words(pilot)
        await enter_file(pilot, "nowhere.env")
        assert "Line 2" not in words(pilot)


async def test_a_confined_session_reads_from_its_folder(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    bundle(tmp_path, {ACME: [NEW]}).rename(tmp_path / "outside.json")
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    bundle(folder, {ACME: [NEW]})
    origin = Origin("alice", True, folder)
    async with running(world, access=CONFINED, origin=origin) as pilot:
        await press(pilot, "x", "i")
        for name in ("../outside.json", "link.json", str(tmp_path / "outside.json")):
            await enter_file(pilot, name)
            shown(pilot, ImportScreen)
            assert "not one of a plain file in the folder" in words(pilot)
        await enter_file(pilot, "acme.json")
        shown(pilot, ImportPreview)
        assert str(tmp_path) not in text(pilot)


# .env files


async def test_keys_of_a_dotenv_file_become_secrets_by_a_key(world: World, home: Path) -> None:
    path = home / "acme.env"
    path.write_text(f"BRAND=teal\nDEPLOY_TOKEN={TYPED}\nMOTTO='two words'\n")
    path.chmod(0o644)
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await enter_file(pilot, "acme.env")
        assert "A .env file names no organization" in words(pilot)
        await choose(pilot, "into", ACME)
        await enter_file(pilot, "acme.env")
        screen = shown(pilot, ImportPreview)
        assert "Others can read acme.env" in status(pilot)
        kinds = {line.key: line.type for line in screen._shown}
        assert kinds == {"BRAND": "string", "DEPLOY_TOKEN": "secret", "MOTTO": "string"}
        await press(pilot, "j", "space")
        assert "DEPLOY_TOKEN in Acme Dental" in words(pilot)
        assert "looks like a secret" in words(pilot)
        assert {line.type.value for line in screen._shown} == {"string"}
        await press(pilot, "space", "j", "space")
        assert [line.key for line in screen._shown if line.type is ConfigType.SECRET] == [
            "DEPLOY_TOKEN",
            "MOTTO",
        ]
        await press(pilot, "i", "right", "enter")
        assert "3 added" in words(pilot)
        await press(pilot, "escape")
    assert stored(world)["BRAND"] == '"teal"'
    assert stored(world)["DEPLOY_TOKEN"] == State.OK
    assert opened(world.repository, world.view(ACME, "DEPLOY_TOKEN")) == TYPED.encode()
    assert opened(world.repository, world.view(ACME, "MOTTO")) == b"two words"


async def test_only_keys_of_a_dotenv_file_are_chosen(world: World, home: Path) -> None:
    bundle(home, {ACME: [NEW]})
    async with running(world) as pilot:
        screen = await preview(pilot)
        assert "space" not in screen.active_bindings
        await press(pilot, "space")
        assert rows(pilot) == [("new", ACME, "brand_colour")]


# Encrypted bundles, and a platform's


def encrypted(folder: Path) -> Path:
    inside = bundle(
        folder,
        {
            ACME: [
                config("stripe_api_key", "secret", TYPED, integration="Stripe"),
                config("deploy_key", "secret", TYPED, description="For the new booking site."),
                config("paypal_key", "secret", TYPED),
            ]
        },
    )
    path = folder / "acme.age"
    path.write_bytes(pyrage.passphrase.encrypt(inside.read_bytes(), PASSPHRASE))
    inside.unlink()
    return path


async def test_an_encrypted_bundle_asks_for_its_passphrase(world: World, home: Path) -> None:
    encrypted(home)
    world.repository.configs.edit(
        ALICE,
        world.view(ACME, "stripe_api_key"),
        ConfigDraft("stripe_api_key", ConfigType.SECRET, integration="Stripe"),
    )
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        assert "Passphrase" not in words(pilot)
        await enter_file(pilot, "acme.age")
        assert "It is an encrypted bundle. Enter its passphrase." in status(pilot)
        await write(pilot, "zQ8-another-one")
        await press(pilot, "enter")
        assert "The passphrase does not open the file" in words(pilot)
        assert "zQ8-another-one" not in text(pilot)
        await press(pilot, "ctrl+u")
        await write(pilot, PASSPHRASE)
        assert PASSPHRASE not in text(pilot)
        await press(pilot, "enter")
        assert rows(pilot) == [
            ("other value", ACME, "stripe_api_key"),
            ("filled", ACME, "deploy_key"),
            ("new", ACME, "paypal_key"),
        ]
        assert "keeps the value it has here" in words(pilot)
        await press(pilot, "i", "right", "enter")
        assert "1 given the value that they waited for" in words(pilot)
        await press(pilot, "escape")
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == OLD.encode()
    for key in ("deploy_key", "paypal_key"):
        assert opened(world.repository, world.view(ACME, key)) == TYPED.encode()
    assert PASSPHRASE not in repr(world.sql("SELECT * FROM audit_event"))


async def test_other_values_replace_those_here_where_that_is_chosen(
    world: World, home: Path
) -> None:
    encrypted(home)
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await enter_file(pilot, "acme.age")
        await write(pilot, PASSPHRASE)
        await press(pilot, "enter", "i")
        await choose(pilot, "values", "replaced")
        await press(pilot, "tab", "tab", "tab", "enter")
        shown(pilot, ImportDone)
        assert "1 given another value" in words(pilot)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == TYPED.encode()


async def test_a_platforms_export_is_opened_with_the_key_of_the_environment(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "a-platform-key-of-no-platform-at-all-0123"
    items = [
        {"key": "brand", "value": "teal", "config_type": "string", "organization_name": ACME},
        {
            "key": "paypal_key",
            "value": PlatformKey(key).sealed(TYPED.encode()),
            "config_type": "secret",
            "organization_name": ACME,
        },
    ]
    content = {
        "bifrost_export_version": "1.0",
        "entity_type": "configs",
        "contains_encrypted_values": True,
        "items": items,
        "colour": "blue",
    }
    (home / "platform.json").write_text(json.dumps(content))
    async with running(world) as pilot:
        await press(pilot, "x", "i")
        await enter_file(pilot, "platform.json")
        shown(pilot, ImportScreen)
        assert KEY_VARIABLE in words(pilot)
        monkeypatch.setenv(KEY_VARIABLE, key)
        await press(pilot, "enter")
        assert "platform's configs" in words(pilot)
        assert "The field colour of the file is not taken" in status(pilot)
        await press(pilot, "i", "right", "enter", "enter")
    assert opened(world.repository, world.view(ACME, "paypal_key")) == TYPED.encode()


# How it looks


async def test_what_a_file_holds_is_shown_and_not_obeyed(world: World, home: Path) -> None:
    evil = "[red]Elm[/]"
    bundle(home, {evil: [config("k", "string", "x"), config(HOSTILE, "string", "x")]})
    async with running(world) as pilot:
        await preview(pilot)
        assert evil in text(pilot)
        assert "\x1b" not in text(pilot)
        await press(pilot, "j")
        assert "\x1b" not in text(pilot)


def test_every_verdict_has_a_look_and_every_sum_a_word() -> None:
    assert set(import_cells.VERDICTS) == set(import_cells._SUMS) == set(Verdict)


async def test_thousands_of_lines_are_looked_through(world: World, home: Path) -> None:
    many = [config(f"key_{number:06}", "string", "x") for number in range(3000)]
    bundle(home, {ACME: many})
    async with running(world) as pilot:
        screen = await preview(pilot)
        assert screen.table.row_count == 3000
        await press(pilot, "G")
        assert "key_002999" in words(pilot)
        await press(pilot, "i", "right", "enter", "enter")
        assert "3,000 added" in status(pilot)


def put(name: str, content: str) -> None:
    """Write a file that others cannot read."""
    Path(name).write_text(content)
    Path(name).chmod(0o600)


async def nothing(_pilot: Any) -> None:
    """Stay where it begins."""


async def typed_passphrase(pilot: Any) -> None:
    await enter_file(pilot, "acme.age")
    await write(pilot, PASSPHRASE)


async def refused(pilot: Any) -> None:
    bundle(Path.cwd(), {ACME: [NEW, WAITING, OTHER, SAME, REFUSED], "Elm Bakery": [NEW]})
    await enter_file(pilot, "acme.json")


async def several(pilot: Any) -> None:
    bundle(Path.cwd(), {ACME: [NEW, WAITING, OTHER, SAME], "Bright Logistics": [NEW, WAITING]})
    await enter_file(pilot, "acme.json")


async def asked(pilot: Any) -> None:
    await several(pilot)
    await press(pilot, "i")


async def asked_for_values(pilot: Any) -> None:
    await typed_passphrase(pilot)
    await press(pilot, "enter", "i")


async def done(pilot: Any) -> None:
    await asked(pilot)
    await press(pilot, "right", "right", "enter")


async def help_(pilot: Any) -> None:
    await several(pilot)
    await press(pilot, "question_mark")


async def dotenv(pilot: Any) -> None:
    put("acme.env", f"BRAND=teal\nDEPLOY_TOKEN={TYPED}\nSENDGRID_KEY={TYPED}\n")
    await choose(pilot, "into", ACME)
    await enter_file(pilot, "acme.env")
    await press(pilot, "j", "space")


async def problems(pilot: Any) -> None:
    put("acme.env", "".join(f"line {number}\n" for number in range(40)))
    await choose(pilot, "into", ACME)
    await enter_file(pilot, "acme.env")


async def working(pilot: Any) -> None:
    await several(pilot)
    screen = shown(pilot, ImportPreview)
    from bifrost_tui.tui.widgets.work_line import WorkLine

    line = screen.query_one(WorkLine)
    line.begin("Importing")
    line.show(31_415, 100_000)
    await settled(pilot)


STATES = {
    "form": nothing,
    "passphrase": typed_passphrase,
    "problems": problems,
    "refused": refused,
    "several": several,
    "dotenv": dotenv,
    "working": working,
    "asked": asked,
    "asked_for_values": asked_for_values,
    "done": done,
    "help": help_,
}


@pytest.mark.sqlite
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("state", STATES)
def test_pictures(
    snap_compare: Any, world: World, home: Path, state: str, size: tuple[int, int]
) -> None:
    if state in ("passphrase", "asked_for_values"):
        encrypted(home)
    world.repository.configs.add(ALICE, world.scope(ACME), secret("k" * 40, TYPED))
    app = app_over(world, organization=ACME)

    async def ready(pilot: Any) -> None:
        await settled(pilot)
        await press(pilot, "x", "i")
        await STATES[state](pilot)
        assert_no_plaintext(app)

    assert snap_compare(app, terminal_size=size, run_before=ready)
