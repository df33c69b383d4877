"""The master keys at the keyboard: which are in use, and everything re-encrypted under the newest.

The store re-encrypts for real; only what its report says of many failures is made up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from bifrost_tui.errors import DatabaseFullError, WrongMasterKeyError
from bifrost_tui.settings import FROM_SYSTEMD, KEY_FILE_VARIABLE, KeySource, ThemeName
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.keys import KeyUse
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.rekeying import RekeyFailure, RekeyReport
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.master_key_words import Keys, Place, status_words, told
from bifrost_tui.tui.screens.key_across import KeyAcrossScreen
from bifrost_tui.tui.screens.lock import LockScreen
from bifrost_tui.tui.screens.master_keys import MasterKeysScreen
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.rekey_confirm import RekeyConfirm
from tests.support import (
    ALICE,
    BOB,
    KEY,
    NEW_KEY,
    OTHER_KEY,
    add_member,
    assert_nowhere,
    events,
    make_settings,
    opened,
)
from tests.tui.screens_support import (
    HOSTILE,
    OLD,
    SHARED,
    TYPED,
    World,
    a_world,
    app_over,
    assert_no_plaintext,
    lines_of,
    plaintexts,
    press,
    send_key,
    settled,
    status,
    write,
)
from tests.tui.transfer_support import ACME, shown, text, words

pytestmark = pytest.mark.both_engines

FILE = KeySource("key file", path=Path("/home/alice/.config/bifrost-tui/secret.key"))
SMALL, USUAL, BIG = (80, 24), (120, 36), (200, 60)
ROTATE = ("r", "right", "right", "enter")
DRY_RUN = ("r", "right", "enter")
DAMAGED = ("Acme Dental", "old_ftp_password")
Rotate = Callable[..., RekeyReport]


@pytest.fixture
def with_one(home: Path) -> Iterator[World]:
    """The story, opened with its one key."""
    with a_world(home) as made:
        yield made


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """The story, opened with two keys: all of it is under the old one."""
    with a_world(home) as made:
        give_keys(made, NEW_KEY, KEY)
        yield made
    assert_nowhere([*plaintexts(), KEY, NEW_KEY], [home])


def give_keys(world: World, *keys: str) -> None:
    """Open the world with other keys, as somebody does who starts the program again."""
    world.repository.close()
    world.settings = make_settings(Path(world.settings.folder).parents[1], ",".join(keys))
    world.repository = world.open()


def mend(world: World) -> None:
    """Give the one damaged secret of the story a new value."""
    view = world.view(*DAMAGED)
    world.repository.configs.rotate(ALICE, view, EnteredSecret(TYPED))


def under(world: World) -> dict[str, int]:
    """Return how many secrets each key encrypts."""
    return dict(
        world.sql("SELECT key_id, count(*) FROM config WHERE key_id IS NOT NULL GROUP BY key_id")
    )


def use_ids(world: World) -> tuple[str, ...]:
    """Return the ids of the keys, newest first."""
    return tuple(use.key_id for use in world.repository.master_keys.uses(ALICE))


@asynccontextmanager
async def keys_shown(
    world: World, *, access: Access = ALICE, size: tuple[int, int] = (100, 30), **more: Any
) -> AsyncIterator[Pilot[Any]]:
    """Run the app and go to the master keys; look for values and keys at the end."""
    app = app_over(world, access=access, **more)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "M")
        shown(pilot, MasterKeysScreen)
        yield pilot
        assert_no_plaintext(app)
        for key in (KEY, NEW_KEY, OTHER_KEY):
            assert key not in app.export_screenshot().replace("&#160;", " ")
    assert app._exception is None


class Held:
    """A rotation that waits where it tells of its progress, until it is let go."""

    def __init__(
        self,
        world: World,
        patch: pytest.MonkeyPatch,
        *,
        batch: int = 2,
        until_stopped: bool = False,
    ) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.ended = threading.Event()
        rotate = world.repository.master_keys.rotate

        def slowly(*args: Any, progress: Callable[[int, int], object], **more: Any) -> RekeyReport:
            waited_for = more["stop"] if until_stopped else self.go_on

            def told(done: int, total: int) -> None:
                progress(done, total)
                if done:
                    self.reached.set()
                    assert waited_for.wait(30)

            try:
                return rotate(*args, progress=told, batch=batch, processes=0, **more)
            finally:
                self.ended.set()

        patch.setattr(world.repository.master_keys, "rotate", slowly)

    async def begin(self, pilot: Pilot[Any], *keys: str) -> None:
        """Press keys, the last of which begins it, and wait until it is in the middle."""
        await press(pilot, *keys[:-1])
        send_key(pilot, keys[-1])
        await self.wait(pilot)

    async def wait(self, pilot: Pilot[Any]) -> None:
        """Wait until it is in the middle, and that shows."""
        while not self.reached.is_set():
            await pilot.pause()
        await pilot.pause()

    async def end(self, pilot: Pilot[Any]) -> None:
        """Let it go on to its end."""
        self.go_on.set()
        await settled(pilot)


# What is shown


async def test_one_key_says_how_to_give_two(with_one: World) -> None:
    async with keys_shown(with_one) as pilot:
        [key_id] = use_ids(with_one)
        said = words(pilot)
        assert "1 key at hand · 9 secrets" in said
        assert f"{key_id} ✓ yes yes 9 BIFROST_SECRET_KEY" in said
        assert f"{key_id} is the only key at hand. To change it:" in said
        assert "bifrost-tui key generate --file PATH" in said
        assert "Set BIFROST_SECRET_KEY=NEW,OLD in this order." in said
        for key in ("r", "enter"):
            await press(pilot, key)
            assert "it takes two, the new one first" in status(pilot)
            shown(pilot, MasterKeysScreen)
        await press(pilot, "escape")
        shown(pilot, OrganizationsScreen)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (FILE, "Put its line above the old one in /home/alice/.config/bifrost-tui/secret.key."),
        (KeySource(KEY_FILE_VARIABLE, path=Path("/etc/b\x1b[31m.key")), "in /etc/b\\x1b[31m.key."),
        (KeySource(FROM_SYSTEMD, path=Path("/run/credentials/b")), "both, each on its line"),
    ],
)
async def test_how_to_give_two_follows_the_source(
    with_one: World, source: KeySource, said: str
) -> None:
    settings = replace(with_one.settings, key_source=source)
    async with keys_shown(with_one, settings=settings) as pilot:
        assert said in words(pilot)
        assert source.name in words(pilot)


async def test_a_key_that_others_begin_with_is_told(world: World) -> None:
    new, old = use_ids(world)
    give_keys(world, KEY)
    async with keys_shown(world) as pilot:
        said = words(pilot)
        assert f"{new} × no no 0" in said
        assert f"{new} opens the database too, with nothing under it." in said
        assert f"lets go what is older than {old}" in said
        # It came after: whoever has it is about to write.
        await press(pilot, *ROTATE)
        assert f"{new} opens the database too" in words(pilot)


async def test_a_key_that_is_missing_is_told(world: World) -> None:
    world.repository.master_keys.rotate(ALICE, processes=0)
    world.sql("UPDATE config SET key_id = 'ab12cd34' WHERE key = 'slack_token'")
    async with keys_shown(world) as pilot:
        said = words(pilot)
        assert "ab12cd34 × no no 1" in said
        assert "× 1 secret under ab12cd34 cannot be read" in said
        assert "Give that key too" in said


# Rotating


async def test_everything_is_re_encrypted_and_the_old_key_can_go(world: World) -> None:
    mend(world)
    new, old = use_ids(world)
    assert under(world) == {old: 8, new: 1}
    async with keys_shown(world) as pilot:
        assert "▲ 8 under an old key" in words(pilot)
        assert f"Rotate (r): re-encrypt 8 secrets under {new}." in words(pilot)
        await press(pilot, "r")
        asked = shown(pilot, RekeyConfirm)
        assert asked.focused is not None
        assert asked.focused.id == "cancel"
        await press(pilot, "enter")
        assert under(world) == {old: 8, new: 1}
        await press(pilot, *ROTATE)
        assert under(world) == {new: 9}
        said = words(pilot)
        assert status(pilot) == f"✓ 8 secrets re-encrypted under {new}"
        assert "Rotated 8 re-encrypted · 1 already" in said
        assert f"{old} can go: nothing is encrypted under it any more." in said
        await press(pilot, "escape", "M")
        assert f"{old} can go" in words(pilot)
    assert opened(world.repository, world.view(ACME, "stripe_api_key")) == OLD.encode()
    assert opened(world.repository, world.view("Bright Logistics", "slack_token")) == (
        SHARED.encode()
    )
    assert ("key.rotate", None, None, "done") in events(world.repository)
    with pytest.raises(WrongMasterKeyError):
        open_repository(make_settings(Path(world.settings.folder).parents[1], KEY), ALICE)


async def test_what_failed_is_named_and_the_old_key_stays(world: World) -> None:
    new, old = use_ids(world)
    async with keys_shown(world) as pilot:
        await press(pilot, *ROTATE)
        said = words(pilot)
        assert "Rotated 8 re-encrypted · 0 already · × 1 failed" in said
        assert f"{old} cannot go yet." in said
        assert "old_ftp_password in Acme Dental: its ciphertext is damaged" in said
        assert "8 secrets re-encrypted, 1 not" in status(pilot)
        mend(world)
        await press(pilot, "f5", *ROTATE)
        assert f"{old} can go" in words(pilot)
        assert "old_ftp_password" not in text(pilot)
    assert under(world) == {new: 9}


async def test_a_dry_run_changes_nothing(world: World) -> None:
    before = world.sql("SELECT * FROM config ORDER BY id")
    async with keys_shown(world) as pilot:
        await press(pilot, *DRY_RUN)
        assert "Dry run 8 would be re-encrypted · 0 already · × 1 cannot be" in words(pilot)
        assert "old_ftp_password in Acme Dental" in words(pilot)
        assert "Nothing is changed: 8 secrets can be re-encrypted, 1 cannot" in status(pilot)
        assert "Rotate (r): re-encrypt 9 secrets" in words(pilot)
    assert world.sql("SELECT * FROM config ORDER BY id") == before


async def test_a_key_that_still_opens_the_database_is_let_go(world: World) -> None:
    mend(world)
    old = use_ids(world)[1]
    world.sql("DELETE FROM config WHERE key_id = ?", old)
    async with keys_shown(world) as pilot:
        assert f"No secret is under {old} any more" in words(pilot)
        await press(pilot, "enter")
        assert "This makes sure of it" in words(pilot)
        await press(pilot, "right", "right", "enter")
        assert f"{old} can go" in words(pilot)


async def test_escape_stops_it_and_it_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend(world)
    new, old = use_ids(world)
    async with keys_shown(world) as pilot:
        with monkeypatch.context() as patch:
            held = Held(world, patch)
            await held.begin(pilot, *ROTATE)
            assert f"Re-encrypting under {new}" in words(pilot)
            assert "2 of 8" in words(pilot)
            # What was asked before it began comes now.
            shown(pilot, MasterKeysScreen)._know((world.repository.master_keys.uses(ALICE), True))
            await pilot.pause()
            assert "Now Everybody can go on working" in words(pilot)
            assert "▲ 6 under an old key" in words(pilot)
            assert "esc stop" in words(pilot)
            send_key(pilot, "r")
            await pilot.pause()
            assert "esc stops what is being done" in status(pilot)
            send_key(pilot, "escape")
            await pilot.pause()
            assert "Stopping after the batch at hand" in words(pilot)
            await held.end(pilot)
        said = words(pilot)
        assert "Stopped with" in status(pilot)
        assert "r goes on from there" in status(pilot)
        assert "Stopped 2 re-encrypted · 1 already · 6 left" in said
        assert under(world) == {new: 3, old: 6}
        assert f"Go on (r): re-encrypt 6 secrets under {new}. {old} has to stay" in said
        await press(pilot, *ROTATE)
        assert "Rotated 6 re-encrypted · 3 already" in words(pilot)
    assert under(world) == {new: 9}


async def test_an_error_stays_on_the_screen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> RekeyReport:
        raise DatabaseFullError("The disk is full: nothing more is saved. Make room.")

    async with keys_shown(world) as pilot:
        with monkeypatch.context() as patch:
            patch.setattr(world.repository.master_keys, "rotate", full)
            await press(pilot, *ROTATE)
            assert status(pilot) == "× The disk is full: nothing more is saved. Make room."
            assert "▲ 9 under an old key" in words(pilot)
        await press(pilot, *ROTATE)
        assert "8 re-encrypted" in words(pilot)


async def test_keys_that_cannot_be_counted_are_an_error_that_f5_mends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> tuple[KeyUse, ...]:
        raise DatabaseFullError("The database is busy. Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(world.repository.master_keys, "uses", full)
        async with keys_shown(world) as pilot:
            assert status(pilot) == "× The database is busy. Try again."
            await press(pilot, "r")
            assert "not known yet" in status(pilot)
            patch.undo()
            await press(pilot, "f5")
            assert "2 keys at hand" in words(pilot)
            assert status(pilot) == ""


# While it runs


async def test_other_screens_work_while_it_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(world, monkeypatch)
    async with keys_shown(world) as pilot:
        screen = shown(pilot, MasterKeysScreen)
        await held.begin(pilot, *ROTATE)
        pilot.app.push_screen(KeyAcrossScreen("stripe_api_key"))
        while "stripe_api_key in" not in text(pilot):
            await pilot.pause()
        shown(pilot, KeyAcrossScreen)
        assert screen._progress is not None
        await held.end(pilot)
        assert not screen.is_working
        await press(pilot, "escape")
        shown(pilot, MasterKeysScreen)
        assert "8 re-encrypted" in words(pilot)
    assert len(under(world)) == 2


async def test_the_palette_leads_back_to_what_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(world, monkeypatch)
    async with keys_shown(world) as pilot:
        screen = shown(pilot, MasterKeysScreen)
        await held.begin(pilot, *ROTATE)
        pilot.app.push_screen(KeyAcrossScreen("stripe_api_key"))
        await pilot.pause()
        pilot.app.show_master_keys()  # type: ignore[attr-defined]
        while pilot.app.screen is not screen:
            await pilot.pause()
        assert screen.is_working
        await held.end(pilot)
        assert "8 re-encrypted" in words(pilot)


async def test_the_lock_does_not_stop_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(world, monkeypatch)
    async with keys_shown(world) as pilot:
        await held.begin(pilot, *ROTATE)
        send_key(pilot, "ctrl+l")
        await pilot.pause()
        shown(pilot, LockScreen)
        await held.end(pilot)
        shown(pilot, LockScreen)
        for what in (ACME, "old_ftp_password", "re-encrypted", *use_ids(world)):
            assert what not in text(pilot)
        assert len(under(world)) == 2
        await press(pilot, "enter")
        assert "Rotated 8 re-encrypted" in words(pilot)
        assert "old_ftp_password in Acme Dental" in words(pilot)


async def test_leaving_the_program_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mend(world)
    new, old = use_ids(world)
    held = Held(world, monkeypatch, until_stopped=True)
    app = app_over(world)
    async with app.run_test() as pilot:
        await settled(pilot)
        await held.begin(pilot, "M", *ROTATE)
        app.exit()
    assert await asyncio.to_thread(held.ended.wait, 30)
    assert under(world) == {new: 3, old: 6}


# Who may


async def test_an_admin_sees_the_keys_and_rotates_none(world: World) -> None:
    async with keys_shown(world, access=BOB) as pilot:
        assert "2 keys at hand" in words(pilot)
        assert "Owners of all organizations re-encrypt 9 secrets" in words(pilot)
        await press(pilot, "r")
        assert status(pilot) == "Only owners of all organizations rotate the master key."
        await press(pilot, "enter")
        shown(pilot, MasterKeysScreen)


@pytest.mark.parametrize(
    ("role", "where", "confined", "why"),
    [
        (Role.MEMBER, None, False, "for owners and admins of all organizations"),
        (Role.OWNER, ACME, False, "for owners and admins of all organizations"),
        (Role.OWNER, None, True, "not over this connection"),
    ],
)
async def test_the_keys_are_not_for_everybody(
    world: World, role: Role, where: str | None, confined: bool, why: str
) -> None:
    add_member(world.repository, "dave", role, world.scope(where) if where else None)
    app = app_over(world, access=Access("dave", "10.1.4.9", confined))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "M")
        shown(pilot, OrganizationsScreen)
        assert why in status(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "master")
        assert ("which are in use, and rotating" not in text(pilot)) is confined


async def test_the_palette_and_the_help_name_it(world: World) -> None:
    app = app_over(world, organization=ACME)
    async with app.run_test(size=(100, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "master")
        await press(pilot, "enter")
        shown(pilot, MasterKeysScreen)
        await press(pilot, "escape", "escape", "question_mark")
        assert "M Show the master keys in use" in words(pilot)
        await press(pilot, "escape", "ctrl+p")
        await write(pilot, "master")
        assert "Show the master keys in use" in text(pilot)
        await press(pilot, "enter")
        shown(pilot, MasterKeysScreen)
        assert_no_plaintext(app)


# Many failures, and names that are none


def report(failed: int, **more: Any) -> RekeyReport:
    """Return a report with so many failures, the first of them hostile."""
    damaged, missing = (
        "its ciphertext is damaged or belongs elsewhere; rotate it",
        "it was written under master key ab12cd34, which is not at hand",
    )
    failures = [RekeyFailure(Scope("x", HOSTILE), HOSTILE, HOSTILE)]
    failures += [
        RekeyFailure(Scope("x", f"Organization {at // 2:02}"), f"key_{at:03}", why)
        for at, why in zip(range(failed - 1), [damaged, missing] * failed, strict=False)
    ]
    given: dict[str, Any] = {
        "key_id": "9c1d77e2",
        "re_encrypted": 770,
        "already": 404,
        "failed": tuple(failures),
        "failures": failed,
        "unused": (),
        "needed": (),
    }
    return RekeyReport(**(given | more))


async def test_failures_scroll_and_their_names_are_only_text(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        world.repository.master_keys, "rotate", lambda *_, **__: report(60, failures=12_000)
    )
    async with keys_shown(world, size=SMALL) as pilot:
        await press(pilot, *ROTATE)
        assert "× 12,000 failed · the first 60 by name" in words(pilot)
        assert "\\x1b[31mR" in text(pilot)
        assert "\x1b" not in text(pilot)
        assert "\u202e" not in text(pilot)
        await press(pilot, "G")
        assert "key_058 in Organization 29: its ciphertext" in words(pilot)
        await press(pilot, "k")
        assert "key_057 in Organization 28: it was written under master key ab12" in words(pilot)
        assert all(len(line) <= SMALL[0] for line in lines_of(pilot.app))  # type: ignore[arg-type]
        await press(pilot, "escape")
        shown(pilot, OrganizationsScreen)


def test_words_of_several_keys_and_of_a_dry_run_that_was_stopped() -> None:
    uses = (
        KeyUse("new", True, True, 1),
        KeyUse("one", True, False, 2),
        KeyUse("two", True, False, 3),
        KeyUse("ab", False, False, 4),
        KeyUse("cd", False, False, 5),
    )
    place = Place("key file", "~/secret.key", "")
    lines = dict(told(Keys(uses), place, None, may_rotate=True))
    assert "one and two has to stay" not in str(lines["Next"])
    assert "one and two have to stay" in str(lines["Next"])
    assert "9 secrets under ab and cd cannot be read. Give those keys too" in str(lines["Missing"])
    assert lines["From"] == "~/secret.key"
    gone = (uses[0], *(replace(use, secrets=0, opens=False) for use in uses[1:3]))
    lines = dict(told(Keys(gone), place, None, may_rotate=True))
    assert str(lines["Next"]).startswith("one and two can go: nothing is encrypted under them")
    stopped = report(1, dry_run=True, cancelled=True, failures=0)
    assert status_words(stopped) == (
        "The dry run was stopped: so far 770 secrets can be re-encrypted",
        "warning",
    )


# Pictures


def _made_up(world: World, patch: pytest.MonkeyPatch, *uses: KeyUse) -> None:
    patch.setattr(world.repository.master_keys, "uses", lambda _: uses)


async def _several(pilot: Pilot[Any], world: World, patch: pytest.MonkeyPatch) -> None:
    _made_up(world, patch, NEWEST, OLDER, MISSING)
    await press(pilot, "M")


async def _stays(_pilot: Pilot[Any], _world: World, _patch: pytest.MonkeyPatch) -> None:
    """Do nothing more."""


NEWEST = KeyUse("9c1d77e2", True, True, 404)
OLDER = KeyUse("7f3a91c0", True, False, 800)
MISSING = KeyUse("ab12cd34", False, False, 12)
State = Callable[[Pilot[Any], World, pytest.MonkeyPatch], Awaitable[None]]


async def _one(pilot: Pilot[Any], world: World, patch: pytest.MonkeyPatch) -> None:
    _made_up(world, patch, replace(NEWEST, secrets=1204))
    await press(pilot, "M", "r")


async def _asks(pilot: Pilot[Any], world: World, patch: pytest.MonkeyPatch) -> None:
    _made_up(world, patch, NEWEST, OLDER)
    await press(pilot, "M", "r", "right")


async def _failed(pilot: Pilot[Any], world: World, patch: pytest.MonkeyPatch) -> None:
    _made_up(world, patch, NEWEST, replace(OLDER, secrets=18), MISSING)
    patch.setattr(world.repository.master_keys, "rotate", lambda *_, **__: report(30))
    await press(pilot, "M", *ROTATE, "down", "down")


async def _dry_run(pilot: Pilot[Any], _: World, __: pytest.MonkeyPatch) -> None:
    await press(pilot, "M", *DRY_RUN)


async def _done(pilot: Pilot[Any], world: World, _: pytest.MonkeyPatch) -> None:
    mend(world)
    await press(pilot, "M", *ROTATE)


async def _error(pilot: Pilot[Any], world: World, patch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> RekeyReport:
        raise DatabaseFullError(
            "The disk is full: nothing more is saved. Before that, 2,000 secrets were"
            " re-encrypted and stay so; running it again goes on."
        )

    patch.setattr(world.repository.master_keys, "rotate", full)
    await press(pilot, "M", *ROTATE)


async def _help(pilot: Pilot[Any], _: World, __: pytest.MonkeyPatch) -> None:
    await press(pilot, "M", "question_mark")


STATES: dict[str, State] = {
    "one": _one,
    "several": _several,
    "asks": _asks,
    "failed": _failed,
    "dry_run": _dry_run,
    "done": _done,
    "error": _error,
    "help": _help,
}


def _pictures() -> Iterator[Any]:
    for state in STATES:
        for size in (SMALL, USUAL, *([BIG] if state in ("failed", "done") else [])):
            yield pytest.param(state, size, "dark", id=f"{state}-{size[0]}x{size[1]}")
    for theme in ("light", "terminal"):
        yield pytest.param("failed", SMALL, theme, id=f"failed-80x24-{theme}")


@pytest.mark.sqlite
@pytest.mark.parametrize(("state", "size", "theme"), _pictures())
def test_pictures(
    snap_compare: Any,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    size: tuple[int, int],
    theme: ThemeName,
) -> None:
    settings = replace(world.settings, theme=theme, key_source=FILE)
    app = app_over(world, settings=settings)
    app.shown_path = "~/…/bifrost.db"

    async def ready(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await STATES[state](pilot, world, monkeypatch)
        assert_no_plaintext(app)

    assert snap_compare(app, terminal_size=size, run_before=ready)
    assert app._exception is None


@pytest.mark.sqlite
@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("size", [SMALL, USUAL])
def test_pictures_while_it_runs(
    snap_compare: Any,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    stopping: bool,
) -> None:
    held = Held(world, monkeypatch, batch=5)
    app = app_over(world)
    app.shown_path = "~/…/bifrost.db"
    leave = app.exit

    def exit_app(*arguments: Any, **options: Any) -> None:
        held.go_on.set()
        leave(*arguments, **options)

    monkeypatch.setattr(app, "exit", exit_app)

    async def ready(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await held.begin(pilot, "M", *ROTATE)
        if stopping:
            send_key(pilot, "escape")
            await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)
    assert app._exception is None
