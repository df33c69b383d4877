"""What others change, carried to the screens that show it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.message import Message

from bifrost_tui.display import ago, visible
from bifrost_tui.errors import AccessDeniedError, BifrostError, ConflictError, NotFoundError
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.locking import LockingApp
from bifrost_tui.tui.widgets.lines import Status
from bifrost_tui.tui.wired_app import ReturnT

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes, Watch
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.views import ConfigView


class DataChanged(Message):
    """Somebody has changed something; the app tells its screens."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self.changes = changes


class LiveApp(LockingApp[ReturnT]):
    """An app whose screens follow what others change."""

    def __init__(self, *, live: bool, **options: Any) -> None:
        super().__init__(**options)
        self._live = live
        self._live_watch: Watch | None = None
        self._while_locked: Changes | None = None

    def prepare_watch(self, repository: Repository) -> None:
        """Note what is known, before the first list is read; runs in any thread."""
        if self._live and self._live_watch is None:
            self._live_watch = repository.watch()

    def start_watch(self, repository: Repository) -> None:
        """Begin to follow what others change."""
        self.prepare_watch(repository)
        if self._live_watch is not None:
            self._live_watch.start(self._tell, self.tell_reached)

    def tell_reached(self, is_reached: bool) -> None:
        """Take that the server was lost, or is reached again; called in the watch's thread."""

    def _tell(self, changes: Changes) -> None:
        # From the thread of the watch; the app may be going just now.
        with suppress(RuntimeError):
            self.post_message(DataChanged(changes))

    def on_data_changed(self, message: DataChanged) -> None:
        """Tell every screen; behind the lock, all at once when it opens."""
        if self.is_locked:
            if self._while_locked is None:
                self.hold_back(self._catch_up)
            self._while_locked = _both(self._while_locked, message.changes)
            return
        for screen in self.screen_stack:
            if isinstance(screen, DataScreen):
                screen.tell_changes(message.changes)
        if message.changes.migrated:
            self._tell_why_not()

    def _tell_why_not(self) -> None:
        """Let the screen before the user say that nothing can be done any more, and why."""
        screens = [screen for screen in self.screen_stack if isinstance(screen, DataScreen)]
        shown = next((screen for screen in reversed(screens) if screen.query(Status)), None)
        if shown is not None:
            shown.ask(shown.repository.check, lambda _: None)

    def _catch_up(self) -> None:
        changes, self._while_locked = self._while_locked, None
        if changes is not None:
            self.on_data_changed(DataChanged(changes))


def _both(one: Changes | None, other: Changes) -> Changes:
    return other if one is None else one | other


class Freshness:
    """Says in a form that the config it is about was changed since, and touches nothing else."""

    def __init__(self, screen: DataScreen[Any], verb: str, busy: Callable[[], bool] = bool) -> None:
        self._screen = screen
        self._verb = verb
        self._busy = busy
        self._told: tuple[str, int, datetime] | None = None

    def check(self, view: ConfigView | None, changes: Changes) -> None:
        """Look whether a config still is what the form was opened with."""
        if view is None or not (view.scope.id in changes.scopes or changes.members):
            return
        screen = self._screen

        def found(now: ConfigView) -> None:
            version = (now.id, now.version, now.updated_at)
            if (
                version != (view.id, view.version, view.updated_at)
                and version != self._told
                and not self._busy()
            ):
                self._told = version
                when = ago(now.updated_at, screen.bifrost.clock())
                did = f"renamed to {visible(now.key)}" if now.key != view.key else "changed"
                by = visible(now.updated_by)
                screen.say(f"{did} by {by} {when}: {self._verb} will ask", "warning")

        def lost(error: BifrostError) -> None:
            if self._busy():
                return
            if words := deleted_words(view, error, screen.bifrost.clock()):
                screen.say(f"{words}: {self._verb} will say so", "warning")

        screen.ask(
            lambda: screen.repository.configs.current(screen.access, view), found, problem=lost
        )


def deleted_words(view: ConfigView, error: BifrostError, now: datetime) -> str:
    """Say who deleted a config and when, as far as it is known; empty where it is still there."""
    if isinstance(error, ConflictError) and error.at is not None:
        return f"{visible(view.key)} was deleted by {visible(error.by)} {ago(error.at, now)}"
    return f"{visible(view.key)} was deleted just now" if isinstance(error, NotFoundError) else ""


def is_shut_out(error: BifrostError) -> bool:
    """Tell whether an error says that the actor may not be here any more."""
    return isinstance(error, AccessDeniedError | NotFoundError)
