"""A small world that is the same in every run, and the app over it.

Its picture may be taken: ids, fingerprints, ages and the path on the screen never change.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Connection
from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.message_pump import MessagePump
from textual.pilot import Pilot

from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.crypto.verifier import RootSecret
from bifrost_tui.settings import KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.copying import clear_tables, copy_tables
from bifrost_tui.store.engine import connect
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.input_order import OrderedApp
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.widgets.lines import Status
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    KEY,
    START,
    HandClock,
    add_member,
    by_hand,
    counted_ids,
    database_path,
    listed,
    make_settings,
    secret,
)

OLD = "zQ7-stripe-value-nobody-else-writes"
"""The value that Acme Dental's stripe_api_key has."""
TYPED = "zQ8-typed-in-a-test-and-nowhere-else"
"""What tests type or paste as a new value."""
SHARED = "zQ9-kept-in-two-places"
"""The value of slack_token in Bright Logistics."""
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvPLANTEDqqqz0lineone\nMIIEvPLANTEDqqqz0linetwo\n"
    "-----END PRIVATE KEY-----\n"
)
_OTHERS = tuple(f"zQx-planted-{number:02}" for number in range(12))

LONG = "Practice rooms are opened by the first to arrive. " * 12
HOSTILE = "[/x][red]b[/] \x1b[31mR\x1b]52;c;aGk=\x07 a\nb \u202eevil\x9b2J \x00"
"""Markup, colours, a clipboard write, a line break, a right-to-left override, a C1 control."""

_DAY = timedelta(days=1)


def plaintexts() -> tuple[str, ...]:
    """Return every secret value that is in the world or typed into it, line by line."""
    whole = (OLD, TYPED, SHARED, PEM, *_OTHERS)
    return tuple(line for value in whole for line in value.splitlines() if "-----" not in line)


class World:
    """An open repository of the story, its settings and its clock."""

    def __init__(self, settings: Settings, *, story: bool = True) -> None:
        self.settings = settings
        self.clock = HandClock()
        if (path := settings.database_path) is None:
            _bring(_database(story=story), settings)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            path.touch(0o600, exist_ok=False)
            path.write_bytes(_database(story=story))
        self.repository = self.open()

    def open(self) -> Repository:
        """Open the database once more; ids go on from far beyond the story's."""
        return open_repository(self.settings, ALICE, clock=self.clock, ids=counted_ids(5000))

    def scope(self, name: str) -> Scope:
        """Return an organization's scope, or global's."""
        return scope_of(self.repository, name)

    def view(self, organization: str, key: str) -> ConfigView:
        """Return a config as the repository gives it."""
        return self.repository.configs.get_key(ALICE, self.scope(organization), key)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL past the program."""
        return by_hand(self.repository, statement, *values)


@contextmanager
def a_world(home: Path, *, story: bool = True) -> Iterator[World]:
    """Make a world in a home, and close it."""
    world = World(make_settings(home), story=story)
    try:
        yield world
    finally:
        world.repository.close()


def scope_of(repository: Repository, name: str) -> Scope:
    """Return the scope of a name."""
    return GLOBAL_SCOPE if name == "Global" else repository.organizations.find(ALICE, name)


@cache
def _database(*, story: bool) -> bytes:
    """Return the database of the world, made once and then copied."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # Fingerprints come from the database's root, which is random.
        root = RootSecret(bytes(range(DatabaseRoot.SIZE)))
        patch.setattr(RootSecret, "new", lambda: root)
        # In a file, whichever engine the test at hand is run on.
        settings = load_settings({"HOME": folder, KEY_VARIABLE: KEY})
        clock = HandClock(START - 500 * _DAY)
        with create_repository(settings, ALICE, clock=clock, ids=counted_ids()) as repository:
            if story:
                _tell(repository, clock)
        return database_path(settings).read_bytes()


def _bring(content: bytes, settings: Settings) -> None:
    """Put what stands in an SQLite file into the database of the settings, row by row."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "story.db"
        file.write_bytes(content)
        source, target = connect(f"sqlite:///{file}"), connect(settings.database_url)
        try:

            def work(there: Connection) -> None:
                clear_tables(there)
                source.read(lambda here: copy_tables(here, there))

            target.write_rows(work)
        finally:
            source.close()
            target.close()


def _tell(repository: Repository, clock: HandClock) -> None:
    add_member(repository, "bob", Role.ADMIN)
    add_member(repository, "carol", Role.ADMIN)
    names = ("Acme Dental", "Bright Logistics", "Coastal Realty", "Dune Clinics", "Zürich Käse")
    scopes = {name: repository.organizations.add(ALICE, name) for name in names}
    scopes["Global"] = scope_of(repository, "Global")
    for days, actor, name, draft in sorted(_deeds(), key=lambda deed: -deed[0]):
        clock.now = START - days * _DAY
        repository.configs.add(actor, scopes[name], draft)
    clock.now = START - 12 * _DAY
    acme = scopes["Acme Dental"]
    [stripe] = [view for view in listed(repository, BOB, acme) if view.key == "stripe_api_key"]
    repository.configs.rotate(BOB, stripe, _entered(OLD))
    by_hand(repository, "UPDATE config SET secret = 'gAAAAAdamaged' WHERE key = 'old_ftp_password'")
    clock.now = START - timedelta(hours=2)
    for scope in scopes.values():
        listed(repository, ALICE, scope)
    dune = scopes["Dune Clinics"]
    repository.organizations.archive(ALICE, dune, 1)
    clock.now = START


def _entered(value: str) -> Any:
    return secret("any", value).secret


def _deeds() -> list[tuple[int, Access, str, ConfigDraft]]:
    acme, bright, coastal = "Acme Dental", "Bright Logistics", "Coastal Realty"
    values = iter(_OTHERS)
    texts, ints = ConfigType.STRING, ConfigType.INT
    return [
        (400, ALICE, "Global", ConfigDraft("smtp_host", texts, "smtp.example.net")),
        (400, ALICE, "Global", ConfigDraft("smtp_port", ints, "587")),
        (380, ALICE, "Global", ConfigDraft("support_email", texts, "help@example.net")),
        (200, ALICE, "Global", secret("sentry_dsn", next(values), rotate_every_days=365)),
        (90, CAROL, "Global", ConfigDraft("maintenance", ConfigType.BOOL, "false")),
        (
            *(300, ALICE, acme),
            ConfigDraft(
                "api_base_url",
                texts,
                "https://api.acme-dental.example/v2",
                integration="HTTP request",
            ),
        ),
        (300, ALICE, acme, ConfigDraft("booking_enabled", ConfigType.BOOL, "true")),
        (
            *(290, BOB, acme),
            ConfigDraft(
                "opening_hours",
                ConfigType.JSON,
                '{"mon": ["08:00", "17:00"], "tue": ["08:00", "17:00"], "sat": null}',
                description="When the practice answers calls.",
            ),
        ),
        (250, BOB, acme, ConfigDraft("max_retries", ints, "3")),
        (250, BOB, acme, ConfigDraft("greeting", texts, "Grüße aus Köln · 歯科へようこそ")),
        (240, CAROL, acme, ConfigDraft("house_rules", texts, LONG)),
        (230, CAROL, acme, ConfigDraft("smtp_host", texts, "smtp.acme-dental.example")),
        (
            *(222, BOB, acme),
            secret(
                "stripe_api_key",
                next(values),
                integration="Stripe",
                description="Charges cards for the booking site.",
                rotate_every_days=90,
            ),
        ),
        (
            *(97, BOB, acme),
            secret(
                "stripe_webhook_secret", next(values), integration="Stripe", rotate_every_days=90
            ),
        ),
        (60, BOB, acme, secret("sendgrid_key", SHARED, integration="SendGrid")),
        (30, CAROL, acme, secret("twilio_token", next(values), rotate_every_days=30)),
        (20, BOB, acme, secret("deploy_key", description="For the new booking site.")),
        (210, ALICE, acme, secret("old_ftp_password", next(values))),
        (150, CAROL, bright, secret("slack_token", SHARED, integration="Slack")),
        (150, CAROL, bright, ConfigDraft("depot", texts, "Hamburg")),
        (5, ALICE, bright, ConfigDraft("trucks", ints, "37")),
        (180, ALICE, coastal, secret("crm_password", next(values), rotate_every_days=60)),
        (40, ALICE, coastal, ConfigDraft("region", texts, "eu-1")),
        (35, ALICE, "Dune Clinics", ConfigDraft("region", texts, "eu-2")),
        (35, ALICE, "Dune Clinics", secret("vpn_key", next(values))),
    ]


# The app


def app_over(
    world: World,
    *,
    access: Access = ALICE,
    organization: str | None = None,
    opener: Callable[[], Repository] | None = None,
    settings: Settings | None = None,
    seconds: Callable[[], float] = float,
) -> BifrostApp:
    """Return the app over a world; nothing of it is shown yet."""
    return BifrostApp(
        settings or world.settings,
        access,
        organization=organization,
        clock=world.clock,
        opener=opener or (lambda: world.repository),
        seconds=seconds,
        live=False,
    )


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until no worker runs and nothing is left to be handed over or drawn."""
    app, quiet = pilot.app, 0
    # A worker's answer may ask the next question: all must be quiet for a while.
    while quiet < 3 and app._exception is None:
        await _handled(app)
        app.screen._on_timer_update()
        running = [
            asyncio.ensure_future(worker.wait()) for worker in app.workers if not worker.is_finished
        ]
        if running:
            await asyncio.wait(running)
        typed_ahead = isinstance(app, OrderedApp) and app.is_obeying
        busy = running or typed_ahead or any(_is_at_work(pump) for pump in _pumps(app))
        quiet = 0 if busy else quiet + 1


def _pumps(app: App[Any]) -> list[MessagePump]:
    widgets = [pump for screen in app.screen_stack for pump in screen.walk_children()]
    return [app, *app.screen_stack, *widgets]


async def _handled(app: App[Any]) -> None:
    """Wait until all that is in the queues of widgets has been handled."""
    turns = 0
    while app._exception is None and any(_is_at_work(pump) for pump in _pumps(app)):
        turns += 1
        # What takes many turns of the loop waits for a thread: leave the processor to it.
        await asyncio.sleep(0 if turns < 50 else 0.001)


def _is_at_work(pump: MessagePump) -> bool:
    """Tell whether a widget does anything else than wait for its next message."""
    if not pump.is_running:  # gone, with what was in its queue
        return False
    queue: Any = pump._message_queue
    return bool(queue.values) or not queue.ready_event._waiters


def send_key(pilot: Pilot[Any], key: str) -> None:
    """Send a key as a terminal does."""
    character = {"space": " ", "slash": "/", "question_mark": "?"}.get(key)
    if len(key) == 1:
        key, character = (key if key.isalnum() else _character_to_key(key)), key
    pilot.app.post_message(events.Key(key, character))


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one after another, each when the one before has done all that it does."""
    for key in keys:
        send_key(pilot, key)
        await settled(pilot)


async def write(pilot: Pilot[Any], text: str) -> None:
    """Type a text into what has the focus."""
    for character in text:
        send_key(pilot, character)
    await settled(pilot)


async def paste(pilot: Pilot[Any], text: str) -> None:
    """Paste a text as a terminal does."""
    pilot.app.post_message(events.Paste(text))
    await settled(pilot)


def configurations(pilot: Pilot[Any]) -> ConfigurationsScreen:
    """Return the screen, which is the list of configs."""
    screen = pilot.app.screen
    assert isinstance(screen, ConfigurationsScreen), screen
    return screen


async def go_to(pilot: Pilot[Any], key: str) -> None:
    """Move the cursor of the list of configs to a key."""
    screen = configurations(pilot)
    await press(pilot, "g")
    while (row := screen.table.current) is not None and row.key != key:
        at = screen.table.cursor
        await press(pilot, "down")
        assert screen.table.cursor > at, f"there is no {key} in the list"


async def go_to_field(pilot: Pilot[Any], field: str) -> None:
    """Go to a field of a form by Tab."""
    for _ in range(12):
        focused = pilot.app.focused
        if focused is not None and focused.id == field:
            return
        await press(pilot, "tab")
    raise AssertionError(f"Tab does not come to {field}")


async def choose(pilot: Pilot[Any], field: str, word: str) -> None:
    """Choose a word in a choice, by keyboard."""
    await go_to_field(pilot, field)
    for _ in range(8):
        if getattr(pilot.app.focused, "chosen", "") == word:
            return
        await press(pilot, "right")
    raise AssertionError(f"{field} has no {word}")


# What is on the screen


def app_of(pilot: Pilot[Any]) -> BifrostApp:
    """Return the app, as what it is."""
    app = pilot.app
    assert isinstance(app, BifrostApp)
    return app


def status(pilot: Pilot[Any]) -> str:
    """Return what the status line of the topmost screen says."""
    return pilot.app.screen.query_one(Status).said.plain


def lines_of(app: BifrostApp) -> list[str]:
    """Return the lines of the screen, as they go to the terminal."""
    return [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]


def screen_text(app: BifrostApp) -> str:
    """Return the screen as text."""
    return "\n".join(lines_of(app))


def assert_no_plaintext(app: BifrostApp) -> None:
    """Look for every planted value in the picture, in the clipboard and in what widgets tell."""
    svg = app.export_screenshot()
    words = html.unescape(re.sub(r"<[^>]*>", "", svg)).replace("\xa0", " ")
    told = repr(list(app.screen.walk_children(with_self=True))) + str(app.screen.tree)
    for value in plaintexts():
        for name, text in (("SVG", svg), ("picture", words), ("widgets", told)):
            assert value not in text, f"the {name} holds a planted value"
            assert value.replace("-", "\u2010") not in text
    assert app._clipboard == ""
