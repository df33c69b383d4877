"""The app: it opens the database while the first screen is already there, and owns the themes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from bifrost_tui.clock import Clock, uptime, utc_now
from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError, DatabaseMissingError
from bifrost_tui.origin import Origin
from bifrost_tui.settings import Settings, ThemeName, shown_url
from bifrost_tui.tui.base import LOCK_KEY, DataScreen
from bifrost_tui.tui.locking import Seconds
from bifrost_tui.tui.reaching import ReachingApp
from bifrost_tui.tui.safe_app import run_app
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.themes import OURS
from bifrost_tui.tui.widgets.paged_table import PagedTable

if TYPE_CHECKING:
    from bifrost_tui.store.actor import Access
    from bifrost_tui.store.repository import Repository

_KEY_NAMES = {
    "asterisk": "*",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "question_mark": "?",
    "slash": "/",
}

_WARM_UP_AFTER = 0.5
_POLITE = 0.0005

Opener = Callable[[], "Repository"]

_QUEUES = (
    *(("are overdue", "overdue"), ("are due", "due"), ("need a value", "needs_value")),
    ("those who left could read", "exposed"),
)
"""What the palette offers to rotate everywhere, in words and as the store names it."""


class BifrostApp(ReachingApp[int]):
    """Bifrost TUI over one database, for one actor."""

    TITLE = "Bifrost TUI"
    CSS_PATH = "app.tcss"
    COMMAND_PALETTE_DISPLAY = "^p"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-tall")]

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+q", "quit", "quit", id="app.quit", tooltip="Leave the program", show=False),
        Binding(
            "question_mark",
            "show_keys",
            "help",
            key_display="?",
            id="app.help",
            tooltip="Show every key of this screen",
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "commands",
            key_display="^p",
            id="app.commands",
            tooltip="Find a command by name",
        ),
        Binding(
            "K",
            "key_across",
            "key everywhere",
            id="app.across",
            tooltip="See a config's key in every organization",
            show=False,
        ),
        LOCK_KEY,
    ]

    def __init__(
        self,
        settings: Settings,
        access: Access,
        *,
        origin: Origin | None = None,
        organization: str | None = None,
        clock: Clock = utc_now,
        opener: Opener | None = None,
        seconds: Seconds = uptime,
        live: bool = True,
    ) -> None:
        self._themes: dict[str, Theme] = {str(name): theme for name, theme in OURS.items()}
        # Before all else: a theme that is set later has every style read a second time.
        self.set_reactive(App.theme, settings.theme)
        super().__init__(live=live, lock_after=settings.lock_after, seconds=seconds)
        for theme in OURS.values():
            self.register_theme(theme)
        self.settings = settings
        self.access = access
        self.origin = origin or Origin(confined=access.confined)
        """Which files of the host may be named."""
        self.clock = clock
        self._organization = organization
        self._opener = opener
        self._repository: Repository | None = None
        self.shown_path = ""
        """What stands for the database's path, where not the path itself."""
        self.shown_host = ""
        """What stands for the host's name, where not the name itself."""
        self.may_suspend = not access.confined
        self.failure: BifrostError | None = None

    @property
    def repository(self) -> Repository:
        """The open database; screens that ask for it come after it is open."""
        if self._repository is None:
            raise BifrostError("The database is not open.")
        return self._repository

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return self._repository is not None

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Our own themes alone: the others were never looked at with these screens."""
        return self._themes

    def get_default_screen(self) -> Screen[Any]:
        """Return the first screen; it asks for the database once it is painted."""
        screen = OrganizationsScreen(open_name=self._organization, classes=self.size_classes())
        # Textual leaves this out for a first screen, and then cannot switch from it to another.
        screen._push_result_callback(screen, None)
        return screen

    def size_classes(self) -> str:
        """Return a screen's classes for the terminal's size.

        Textual gives them to a screen that is already there, and then styles it a second time.
        """
        width, height = self.size
        sides = ((width, self.HORIZONTAL_BREAKPOINTS), (height, self.VERTICAL_BREAKPOINTS))
        return " ".join(
            max(point for point in points if point[0] <= size)[1] for size, points in sides
        )

    def open_database(self) -> Repository:
        """Open the database; runs in a thread, and imports what it needs there.

        Raises:
            BifrostError: it cannot be opened.

        """
        if self._opener is not None:
            repository = self._opener()
        else:
            from bifrost_tui.store.opening import open_repository

            repository = open_repository(self.settings, self.access, clock=self.clock)
        self.prepare_watch(repository)
        return repository

    def database_opened(self, repository: Repository) -> None:
        """Take the open database."""
        self._repository = repository
        self.start_watch(repository)
        self._collect_again()
        # What the first change needs is imported once the list stands there.
        self.set_timer(_WARM_UP_AFTER, lambda: self.run_worker(self._warm_up, thread=True))

    def _collect_again(self) -> None:
        # What was imported stays: looking through it would hold up the first list.
        gc.freeze()
        gc.enable()

    def _warm_up(self) -> None:
        # Imports do not wait for anything: a key that is pressed now shall not wait for them.
        before = sys.getswitchinterval()
        sys.setswitchinterval(_POLITE)
        try:
            self.repository.warm_up()
        finally:
            sys.setswitchinterval(before)

    def database_failed(self, error: BifrostError) -> None:
        """Offer the setup where there is nothing yet; else say what is wrong."""
        self._collect_again()
        if isinstance(error, DatabaseMissingError) and not self.access.confined:
            from bifrost_tui.tui.screens.setup import SetupScreen

            self.switch_screen(SetupScreen(open_name=self._organization))
        else:
            from bifrost_tui.tui.screens.problem import ProblemScreen

            self.failure = error
            self.switch_screen(ProblemScreen(error))

    def open_again(self) -> None:
        """Try once more to open the database, and the organization that was asked for."""
        self.failure = None
        self.switch_screen(OrganizationsScreen(open_name=self._organization))

    def context_line(self) -> Text:
        """Say who works against what."""
        path = None if self.access.confined else self.settings.database_path
        if self.access.confined:
            # Where its files are is the host's own affair.
            where = self.shown_host or os.uname().nodename
        else:
            where = self.shown_path or (
                _shortened(path) if path else shown_url(self.settings.database_url)
            )
        engine = "sqlite " if path else ""
        words = f"{visible(self.access.actor)} · {engine}{visible(where)}"
        if self._repository is not None:
            words += f" · key {self._repository.key_id[:4]}"
        return Text(words, "$muted")

    def on_key(self, event: events.Key) -> None:
        """Let the screen say why a key does nothing, once the keys before it have been obeyed."""
        if isinstance(self.screen, DataScreen):
            self.screen.explain_key(event.key)

    def action_show_keys(self) -> None:
        """Show every key of the screen."""
        from bifrost_tui.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what asks the database before it is open; nothing goes past the lock."""
        if action == "key_across" and not self.is_open:
            return None
        return super().check_action(action, parameters)

    def action_key_across(self) -> None:
        """Show the key under the cursor in every organization; ask for one where none is."""
        from bifrost_tui.tui.screens.key_across import KeyAcrossScreen

        table = next(iter(self.screen.query(PagedTable)), None)
        key = getattr(table.current, "key", None) if table is not None else None
        if key is None:
            self._ask_key()
        else:
            self.push_screen(KeyAcrossScreen(key, classes=self.size_classes()))

    def _ask_key(self) -> None:
        from bifrost_tui.tui.screens.ask_key import AskKey
        from bifrost_tui.tui.screens.key_across import KeyAcrossScreen

        def asked(key: str | None) -> None:
            if key is not None:
                self.push_screen(KeyAcrossScreen(key, classes=self.size_classes()))

        self.push_screen(AskKey(), asked)

    def show_master_keys(self, after: Callable[[], None] | None = None) -> None:
        """Show the master keys in use; what is being rotated there goes on being shown."""
        from bifrost_tui.tui.screens.master_keys import MasterKeysScreen

        for screen in self.screen_stack:
            if isinstance(screen, MasterKeysScreen):
                screen.pop_until_active()
                return
        shown = MasterKeysScreen(classes=self.size_classes())
        self.push_screen(shown, (lambda _: after()) if after is not None else None)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer what the keys of the screen do, and the themes, by name."""
        offered: set[str] = set()
        for active in screen.active_bindings.values():
            binding, node = active.binding, active.node
            moves = (binding.id or "").startswith("table.")
            if not (active.enabled and binding.tooltip) or moves or binding.action in offered:
                continue
            offered.add(binding.action)
            if binding.action != "command_palette":
                yield SystemCommand(
                    binding.tooltip,
                    f"key {self.get_key_display(binding)}",
                    partial(self.call_later, self.run_action, binding.action, node),
                )
        if isinstance(screen, DataScreen) and self._repository is not None:
            for words, what in _QUEUES:
                yield SystemCommand(
                    f"Rotate all that {words} in every organization",
                    "the rotation queue",
                    partial(self._queue, screen, what),
                )
        if self.is_open:
            yield SystemCommand("One key in every organization", "asks for the key", self._ask_key)
            if "master_keys" not in offered and not self.access.confined:
                yield SystemCommand(
                    "Master keys: which are in use, and rotating them",
                    "for owners of all organizations",
                    self.show_master_keys,
                )
            yield SystemCommand(
                "Set the passphrase of the lock",
                "asked for where the screens are locked",
                self._set_passphrase,
            )
        for name in OURS:
            yield SystemCommand(
                f"Theme: {name}", "colours of this session", partial(self._set_theme, name)
            )

    def leave_organization(self, error: BifrostError) -> None:
        """Go back to the organizations: this one is none for the actor any more."""
        organizations = next(
            screen for screen in self.screen_stack if isinstance(screen, OrganizationsScreen)
        )
        organizations.pop_until_active()
        organizations.say(error.message, "warning")
        organizations.reload()

    def _set_passphrase(self) -> None:
        from bifrost_tui.tui.screens.passphrase import PassphraseForm

        self.push_screen(PassphraseForm(classes=self.size_classes()), self._passphrase_set)

    def _passphrase_set(self, done: bool | None) -> None:
        if done and isinstance(self.screen, DataScreen):
            self.screen.say("The passphrase is set; it opens the locked screens", "success")

    def _queue(self, screen: DataScreen[Any], what: str) -> None:
        from bifrost_tui.store.views import Waiting
        from bifrost_tui.tui.queueing import queue_waiting

        queue_waiting(screen, Waiting(what), after=getattr(screen, "reload", None))

    def _set_theme(self, name: ThemeName) -> None:
        self.theme = name

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as it is written everywhere: ``enter``, ``esc``, ``^s``, ``pgdn``."""
        if binding.key_display:
            return binding.key_display
        key = binding.key.replace("ctrl+", "^")
        return _KEY_NAMES.get(key, key)

    def close_database(self) -> None:
        """Close the database, where it was opened."""
        if self._repository is not None:
            self._repository.close()


def _shortened(path: Path) -> str:
    """Return a path from the home folder on, its middle left out where it is long."""
    try:
        parts = ("~", *path.relative_to(Path.home()).parts)
    except ValueError:
        parts = path.parts
    if len(parts) > 3:
        return f"{parts[0].rstrip('/')}/…/{parts[-1]}"
    return str(Path(*parts))


def run(
    settings: Settings,
    access: Access,
    *,
    origin: Origin | None = None,
    organization: str | None = None,
    mouse: bool = True,
    wire: bool = True,
    clock: Clock = utc_now,
) -> int:
    """Run the screens until their user leaves, and return the exit code of the process."""
    # Imports make no garbage worth looking for; switched on again when the database is open.
    gc.disable()
    app = BifrostApp(settings, access, origin=origin, organization=organization, clock=clock)
    try:
        code = run_app(app, mouse=mouse, wire=wire)
    finally:
        gc.enable()
        app.close_database()
    if app.failure is not None:
        sys.stderr.write(f"bifrost-tui: {app.failure.message}\n")
        return code or 1
    return code
