"""Pictures of every screen and state, compared with those that somebody looked at.

``pytest tests/tui/test_snapshots.py --snapshot-update`` takes them anew; look at each one then.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import BifrostError, DatabaseFullError
from bifrost_tui.runtime.reader import Purpose, Reader
from bifrost_tui.settings import KEY_VARIABLE, Settings, ThemeName, load_settings
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui.app import BifrostApp
from tests.support import ALICE, BOB, KEY, OTHER_KEY, secret
from tests.tui.screens_support import (
    OLD,
    PEM,
    SHARED,
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    choose,
    go_to,
    go_to_field,
    paste,
    press,
    settled,
    write,
)

SMALL, USUAL, BIG = (80, 24), (120, 36), (200, 60)
THEMED = ("organizations", "configurations", "add_secret", "configurations_unreadable")


class Stage:
    """What a scene is played with: the world, the app over it and its keyboard."""

    def __init__(self, world: World, app: BifrostApp, patch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.app = app
        self.patch = patch
        self.ended = threading.Event()
        self._pilot: Pilot[Any] | None = None

    @property
    def pilot(self) -> Pilot[Any]:
        """The keyboard, once the app runs."""
        assert self._pilot is not None
        return self._pilot

    async def play(self, pilot: Pilot[Any], steps: Callable[[Stage], Awaitable[None]]) -> None:
        """Play a scene."""
        self._pilot = pilot
        await steps(self)

    async def press(self, *keys: str) -> None:
        """Press keys, each once all is settled."""
        await press(self.pilot, *keys)

    async def go_to(self, key: str) -> None:
        """Put the cursor on a config."""
        await settled(self.pilot)
        await go_to(self.pilot, key)

    async def write(self, field: str, text: str) -> None:
        """Type into a field of a form."""
        await go_to_field(self.pilot, field)
        await write(self.pilot, text)

    async def paste(self, text: str) -> None:
        """Paste into what has the focus."""
        await paste(self.pilot, text)


Steps = Callable[[Stage], Awaitable[None]]
Opener = Callable[[Stage], Repository]


@dataclass(frozen=True)
class Scene:
    """How a picture comes about."""

    steps: Steps
    organization: str | None
    story: bool
    settings: Callable[[Settings], Settings] | None
    opener: Opener | None


SCENES: dict[str, Scene] = {}


def scene(
    *,
    within: str | None = None,
    story: bool = True,
    settings: Callable[[Settings], Settings] | None = None,
    opener: Opener | None = None,
) -> Callable[[Steps], Steps]:
    """Register a scene under its function's name; ``within`` opens an organization first."""

    def register(steps: Steps) -> Steps:
        SCENES[steps.__name__] = Scene(steps, within, story, settings, opener)
        return steps

    return register


def _pictures() -> Iterator[Any]:
    for name in SCENES:
        sizes = [SMALL, USUAL, *([BIG] if name in ("organizations", "configurations") else [])]
        for size in sizes:
            yield pytest.param(name, size, "dark", id=f"{name}-{size[0]}x{size[1]}")
        for theme in ("light", "terminal") if name in THEMED else ():
            yield pytest.param(name, SMALL, theme, id=f"{name}-80x24-{theme}")


# Before there is a database, and where it does not open


def _first_run(environ: dict[str, str]) -> Callable[[Settings], Settings]:
    # A home that is nowhere, so that its path in the picture is always the same.
    return lambda _: load_settings({"HOME": "/nowhere/alice", **environ})


def _as_the_settings_say(stage: Stage) -> Repository:
    return open_repository(stage.app.settings, ALICE, clock=stage.world.clock)


def _waits_for_ever(stage: Stage) -> Repository:
    stage.ended.wait()
    raise BifrostError("The app has ended.")


@scene(settings=_first_run({KEY_VARIABLE: KEY}), opener=_as_the_settings_say)
async def setup_with_a_key(stage: Stage) -> None:
    await settled(stage.pilot)


@scene(settings=_first_run({}), opener=_as_the_settings_say)
async def setup_makes_a_key(stage: Stage) -> None:
    await settled(stage.pilot)


@scene(settings=_first_run({}), opener=_as_the_settings_say)
async def setup_refused(stage: Stage) -> None:
    await settled(stage.pilot)
    await choose(stage.pilot, "way", "use a key file")
    await press(stage.pilot, "ctrl+s")


@scene(settings=lambda settings: _keyed(settings, OTHER_KEY), opener=_as_the_settings_say)
async def problem_wrong_key(stage: Stage) -> None:
    await settled(stage.pilot)


def _keyed(settings: Settings, key: str) -> Settings:
    assert settings.key_source is not None
    return replace(settings, key_source=replace(settings.key_source, text=key))


@scene(opener=_waits_for_ever)
async def organizations_opening(stage: Stage) -> None:
    await stage.pilot.pause()
    await stage.pilot.pause()


# The organizations


@scene()
async def organizations(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("down")


@scene(story=False)
async def organizations_empty(stage: Stage) -> None:
    await settled(stage.pilot)


@scene()
async def organizations_filter(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("slash", "i", "s", "t")


@scene()
async def organizations_archived(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("Z")


@scene()
async def organizations_greyed_key(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("e")


@scene()
async def confirm_archive(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("down", "z")


@scene()
async def name_form_error(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("name", "acme dental")
    await stage.press("enter")


@scene()
async def name_form_rename(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("down", "e")


@scene()
async def help_organizations(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("question_mark")


@scene()
async def palette(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("down", "ctrl+p")
    await write(stage.pilot, "ar")


# The configs


@scene(within="Acme Dental")
async def configurations(stage: Stage) -> None:
    await stage.go_to("stripe_api_key")


@scene(within="Zürich Käse")
async def configurations_inherited_alone(stage: Stage) -> None:
    await settled(stage.pilot)


@scene(within="Zürich Käse")
async def configurations_empty(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("i")


@scene(within="Acme Dental")
async def configurations_filter(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("slash")
    await write(stage.pilot, "stripe is:overdue")


@scene(within="Acme Dental")
async def configurations_filter_error(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("slash")
    await write(stage.pilot, "stripe is:odd")


@scene(within="Acme Dental")
async def configurations_filter_finds_nothing(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("slash")
    await write(stage.pilot, "paypal")
    await stage.press("enter")


@scene(within="Acme Dental")
async def configurations_inherited_hidden(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("i")


@scene(within="Dune Clinics")
async def configurations_archived(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")


@scene(within="Acme Dental")
async def configurations_unreadable(stage: Stage) -> None:
    await stage.go_to("old_ftp_password")


@scene(within="Acme Dental")
async def configurations_greyed_key(stage: Stage) -> None:
    await stage.go_to("smtp_port")
    await stage.press("e")


@scene()
async def configurations_global(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("enter")


@scene(within="Acme Dental")
async def help_configurations(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("question_mark")


# Forms


@scene(within="Acme Dental")
async def add_string(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")


@scene(within="Acme Dental")
async def add_string_lines(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "motd")
    await go_to_field(stage.pilot, "value-string")
    await stage.paste("Welcome\nto the practice\nGrüße · 歯科へようこそ\x1b[31m\n\n")


async def _add(stage: Stage, kind: ConfigType, key: str = "new_key") -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", key)
    await choose(stage.pilot, "type", kind.value)


@scene(within="Acme Dental")
async def add_int(stage: Stage) -> None:
    await _add(stage, ConfigType.INT)


@scene(within="Acme Dental")
async def add_int_error(stage: Stage) -> None:
    await _add(stage, ConfigType.INT)
    await stage.write("value-int", "12 dozen")
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def add_bool(stage: Stage) -> None:
    await _add(stage, ConfigType.BOOL)
    await go_to_field(stage.pilot, "value-bool")
    await stage.press("right")


@scene(within="Acme Dental")
async def add_json(stage: Stage) -> None:
    await _add(stage, ConfigType.JSON)


@scene(within="Acme Dental")
async def add_json_error(stage: Stage) -> None:
    await _add(stage, ConfigType.JSON)
    await go_to_field(stage.pilot, "value-json")
    await stage.paste('{\n  "mon": [8, 17],\n  "tue": [8, 17\n}\n')
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def add_secret(stage: Stage) -> None:
    await _add(stage, ConfigType.SECRET)
    await go_to_field(stage.pilot, "value-secret")


@scene(within="Acme Dental")
async def add_key_error(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "api key")
    await stage.press("tab")


@scene(within="Acme Dental")
async def add_duplicate(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "greeting")
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def add_escape_asks(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "half")
    await stage.press("escape")


@scene(within="Acme Dental")
async def edit_json(stage: Stage) -> None:
    await stage.go_to("opening_hours")
    await stage.press("e")


@scene(within="Acme Dental")
async def edit_secret(stage: Stage) -> None:
    await stage.go_to("stripe_api_key")
    await stage.press("e")


@scene(within="Acme Dental")
async def shadow(stage: Stage) -> None:
    await stage.go_to("smtp_port")
    await stage.press("s")


# What the secret field says


async def _edit_stripe(stage: Stage, value: str) -> None:
    await stage.go_to("stripe_api_key")
    await stage.press("e")
    await go_to_field(stage.pilot, "value-secret")
    await stage.paste(value)


@scene(within="Acme Dental")
async def secret_received(stage: Stage) -> None:
    await _edit_stripe(stage, TYPED)


@scene(within="Acme Dental")
async def secret_same_as_before(stage: Stage) -> None:
    await _edit_stripe(stage, OLD)


@scene(within="Acme Dental")
async def secret_used_elsewhere(stage: Stage) -> None:
    await _edit_stripe(stage, SHARED)


@scene(within="Acme Dental")
async def secret_pem(stage: Stage) -> None:
    await _edit_stripe(stage, PEM.rstrip("\n"))


@scene(within="Acme Dental")
async def secret_ends_with_newline(stage: Stage) -> None:
    await _edit_stripe(stage, f" {TYPED}\n")


# Rotating


@scene(within="Acme Dental")
async def rotate_empty(stage: Stage) -> None:
    await stage.go_to("stripe_webhook_secret")
    await stage.press("r", "enter")


@scene(within="Acme Dental")
async def rotate_entered(stage: Stage) -> None:
    await stage.go_to("stripe_webhook_secret")
    await stage.press("r")
    await stage.paste(TYPED)


@scene(within="Acme Dental")
async def rotate_fills(stage: Stage) -> None:
    await stage.go_to("deploy_key")
    await stage.press("r")


@scene(within="Acme Dental")
async def rotate_refused(stage: Stage) -> None:
    def full(*_: object) -> None:
        raise DatabaseFullError(
            "There is no room left for the database. Nothing was changed; free some room and try"
            " again."
        )

    stage.patch.setattr(stage.world.repository.configs, "rotate", full)
    await rotate_entered(stage)
    await stage.press("enter")


@scene(within="Acme Dental")
async def rotated(stage: Stage) -> None:
    await rotate_entered(stage)
    stage.world.clock.advance(seconds=5)
    await stage.press("enter")


@scene(within="Acme Dental")
async def generate_start(stage: Stage) -> None:
    await stage.go_to("stripe_webhook_secret")
    await stage.press("r", "ctrl+g")


@scene(within="Acme Dental")
async def generate_refused(stage: Stage) -> None:
    await generate_start(stage)
    await stage.press("backspace", "backspace", "9", "enter")


@scene(within="Acme Dental")
async def generate_failed(stage: Stage) -> None:
    await generate_start(stage)
    command = "v=$(cat); echo 'setting the key at Stripe'; echo \"sent: $v\"; echo refused; exit 3"
    await stage.write("command", command)
    await stage.press("enter")


@scene(within="Acme Dental")
async def generate_entered_already(stage: Stage) -> None:
    await rotate_entered(stage)
    await stage.press("ctrl+g")


# Another operator came between


def _bob_edits(world: World, key: str, **changes: Any) -> None:
    view = world.view("Acme Dental", key)
    draft = ConfigDraft(
        view.key,
        view.type,
        integration=view.integration,
        description=view.description,
        rotate_every_days=view.rotate_every_days,
    )
    world.repository.configs.edit(BOB, view, replace(draft, **changes))
    world.clock.advance(minutes=12)


@scene(within="Acme Dental")
async def conflict_edit(stage: Stage) -> None:
    await stage.go_to("max_retries")
    await stage.press("e")
    await stage.write("value-int", "9")
    _bob_edits(stage.world, "max_retries", value="5", description="Twice is not enough.")
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def conflict_rotate(stage: Stage) -> None:
    await rotate_entered(stage)
    _bob_edits(stage.world, "stripe_webhook_secret", rotate_every_days=30)
    await stage.press("enter")


@scene(within="Acme Dental")
async def conflict_deleted(stage: Stage) -> None:
    await stage.go_to("max_retries")
    await stage.press("e")
    await stage.write("value-int", "9")
    world = stage.world
    world.repository.configs.delete(BOB, world.view("Acme Dental", "max_retries"))
    world.clock.advance(minutes=12)
    await stage.press("ctrl+s")


# Deleting


@scene(within="Acme Dental")
async def delete_config(stage: Stage) -> None:
    await stage.go_to("smtp_host")
    await stage.press("d")


@scene(within="Acme Dental")
async def delete_secret(stage: Stage) -> None:
    await stage.go_to("stripe_api_key")
    await stage.press("d")


@scene(within="Acme Dental")
async def delete_secret_typed(stage: Stage) -> None:
    await stage.go_to("stripe_api_key")
    await stage.press("d")
    await write(stage.pilot, "stripe_api_key")


@scene()
async def delete_inherited_by_others(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("enter")
    await stage.go_to("sentry_dsn")
    await stage.press("d")


# Details


def _details(key: str) -> Steps:
    async def steps(stage: Stage) -> None:
        await stage.go_to(key)
        await stage.press("enter")

    return steps


for _name, _key in (
    ("string", "greeting"),
    ("long", "house_rules"),
    ("json", "opening_hours"),
    ("overdue", "stripe_webhook_secret"),
    ("needs_value", "deploy_key"),
    ("unreadable", "old_ftp_password"),
    ("inherited", "sentry_dsn"),
):
    _steps = _details(_key)
    _steps.__name__ = f"details_{_name}"
    scene(within="Acme Dental")(_steps)


# References


def _refer(stage: Stage) -> None:
    """Let three references stand for secrets, one of which then goes."""
    world = stage.world
    acme = world.scope("Acme Dental")
    for key, target, integration in (
        ("billing_api_key", "stripe_api_key", "Stripe"),
        ("error_reporting_dsn", "sentry_dsn", None),
        ("filing_key", "court_token", None),
        ("payment_processor_key", "stripe_api_key", "Stripe"),
    ):
        draft = ConfigDraft(key, ConfigType.SECRET_REF, target, integration=integration)
        write_configs(world.repository, BOB, acme, [BulkConfig(draft)])


@scene(within="Acme Dental")
async def references(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("stripe_api_key")


@scene(within="Acme Dental")
async def references_dangling(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("filing_key")


@scene()
async def organizations_dangling(stage: Stage) -> None:
    _refer(stage)
    await settled(stage.pilot)
    await stage.press("f5", "down")


@scene(within="Acme Dental")
async def details_used(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("stripe_api_key")
    await stage.press("enter")


@scene(within="Acme Dental")
async def details_reference(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("billing_api_key")
    await stage.press("enter")


@scene(within="Acme Dental")
async def details_dangling(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("filing_key")
    await stage.press("enter")


@scene(within="Acme Dental")
async def add_reference(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "billing_api_key")
    await choose(stage.pilot, "type", "secret_ref")
    await go_to_field(stage.pilot, "value-secret_ref")


@scene(within="Acme Dental")
async def add_reference_bound(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "billing_api_key")
    await choose(stage.pilot, "type", "secret_ref")
    await stage.write("integration", "Stripe")
    await stage.press("up")
    await write(stage.pilot, "str")
    await stage.press("down")


@scene(within="Acme Dental")
async def add_reference_refused(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("a")
    await stage.write("key", "billing_api_key")
    await choose(stage.pilot, "type", "secret_ref")
    await stage.write("value-secret_ref", "depot")
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def delete_referenced(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("stripe_api_key")
    await stage.press("d")


@scene(within="Acme Dental")
async def rename_referenced(stage: Stage) -> None:
    _refer(stage)
    await stage.press("f5")
    await stage.go_to("stripe_api_key")
    await stage.press("e")
    await stage.write("key", "_2")
    await stage.press("ctrl+s")


@scene(within="Acme Dental")
async def partial_mask(stage: Stage) -> None:
    world = stage.world
    view = world.view("Acme Dental", "stripe_api_key")
    draft = ConfigDraft(view.key, view.type, integration="Stripe", partial_mask=True)
    asked = world.repository.configs.edit(BOB, view, draft)
    world.repository.configs.rotate(BOB, asked, EnteredSecret("sk-pNOBODY-nobody-z789"))
    await stage.press("f5")
    await stage.go_to("stripe_api_key")


@scene(within="Acme Dental")
async def edit_partial_mask(stage: Stage) -> None:
    await stage.go_to("stripe_api_key")
    await stage.press("e")
    await choose(stage.pilot, "partial_mask", "first and last four, from the next value")


@scene(within="Acme Dental")
async def details_read(stage: Stage) -> None:
    """Of all that code has read of it, the last time is told."""
    reader = Reader(stage.world.repository, ALICE)
    for minutes in (90, 65):
        stage.world.clock.advance(minutes=-minutes)
        reader.read(
            stage.world.scope("Acme Dental"), ["stripe_api_key"], Purpose(integration="Stripe")
        )
        stage.world.clock.advance(minutes=minutes)
    await stage.press("f5")
    await _details("stripe_api_key")(stage)


# Marks and the queue


async def _marked(stage: Stage, *keys: str) -> None:
    for key in keys:
        await stage.go_to(key)
        await stage.press("space")


@scene(within="Acme Dental")
async def configurations_marked(stage: Stage) -> None:
    await _marked(stage, "stripe_webhook_secret", "twilio_token", "deploy_key")


@scene(within="Acme Dental")
async def configurations_sorted(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("S", "S", "S", "g")


@scene(within="Acme Dental")
async def queue_start(stage: Stage) -> None:
    await _marked(stage, "deploy_key", "sendgrid_key", "stripe_webhook_secret", "twilio_token")
    await stage.press("R")


@scene(within="Acme Dental")
async def queue_middle(stage: Stage) -> None:
    await queue_start(stage)
    await stage.paste(TYPED)
    await stage.press("enter", "tab")
    await stage.paste("zQx-planted-in-a-queue")


@scene(within="Acme Dental")
async def queue_problem(stage: Stage) -> None:
    await queue_start(stage)
    await stage.press("tab")
    view = stage.world.view("Acme Dental", "sendgrid_key")
    stage.world.repository.configs.rotate(BOB, view, EnteredSecret("zQx-planted-by-another"))
    await stage.paste(TYPED)
    await stage.press("enter", "shift+tab")


@scene(within="Acme Dental")
async def queue_summary(stage: Stage) -> None:
    await queue_start(stage)
    await stage.paste(TYPED)
    await stage.press("enter", "tab")
    view = stage.world.view("Acme Dental", "stripe_webhook_secret")
    stage.world.repository.configs.rotate(BOB, view, EnteredSecret("zQx-planted-by-another"))
    await stage.paste("zQx-planted-in-a-queue")
    await stage.press("enter")
    await stage.paste("zQx-planted-at-its-end")
    await stage.press("enter")


@scene()
async def queue_everywhere(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("ctrl+p")
    await write(stage.pilot, "overdue in every")
    await stage.press("enter")


# One key in every organization


def _keep_everywhere(world: World, key: str, *, in_global: bool = False) -> None:
    """Keep a secret of one key in several organizations, in two of them with the same value."""
    now, configs = world.clock.now, world.repository.configs
    for days, actor, name, value in (
        *((200, ALICE, "Global", f"{TYPED}-global"), (131, BOB, "Bright Logistics", TYPED)),
        *((95, BOB, "Coastal Realty", TYPED), (1, ALICE, "Acme Dental", SHARED)),
    ):
        if name != "Global" or in_global:
            world.clock.now = now - timedelta(days=days)
            draft = secret(key, value, integration="Backup", rotate_every_days=90)
            configs.add(actor, world.scope(name), draft)
    world.clock.now = now


async def _open_across(stage: Stage, key: str) -> None:
    await settled(stage.pilot)
    await stage.press("K")
    await write(stage.pilot, key)
    await stage.press("enter")


@scene()
async def ask_key(stage: Stage) -> None:
    await settled(stage.pilot)
    await stage.press("K")
    await write(stage.pilot, "s")


@scene()
async def ask_key_error(stage: Stage) -> None:
    await _open_across(stage, "sttripe")


@scene()
async def key_across(stage: Stage) -> None:
    _keep_everywhere(stage.world, "backup_key")
    await _open_across(stage, "backup_key")
    await stage.press("down")


@scene()
async def key_across_marked_filtered(stage: Stage) -> None:
    _keep_everywhere(stage.world, "backup_key", in_global=True)
    await _open_across(stage, "backup_key")
    await stage.press("slash")
    await write(stage.pilot, "is:overdue")
    await stage.press("enter", "asterisk", "down")


@scene(within="Acme Dental")
async def key_across_plain(stage: Stage) -> None:
    """From the list of configs, of a key that is no secret; a key that does nothing says why."""
    await stage.go_to("smtp_host")
    await stage.press("K", "down", "space")


# The pictures


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
    wanted = SCENES[name]
    looked: list[str] = []
    with a_world(home, story=wanted.story) as world:
        settings = wanted.settings(world.settings) if wanted.settings else world.settings

        def opener() -> Repository:
            return wanted.opener(stage) if wanted.opener else world.repository

        app = app_over(
            world,
            settings=replace(settings, theme=theme),
            organization=wanted.organization,
            opener=opener,
        )
        stage = Stage(world, app, monkeypatch)

        async def play(pilot: Pilot[Any]) -> None:
            await stage.play(pilot, wanted.steps)
            assert_no_plaintext(app)
            looked.append(name)

        leave = app.exit

        def exit_app(*arguments: Any, **options: Any) -> None:
            # What still waits for the app's end is let go.
            stage.ended.set()
            leave(*arguments, **options)

        monkeypatch.setattr(app, "exit", exit_app)
        same = snap_compare(app, terminal_size=size, run_before=play)
        assert looked == [name], app._exception
        assert app._exception is None
        assert same
