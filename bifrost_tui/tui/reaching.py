"""A database that goes away while its lists are on the screen, and comes back.

Whichever read or save fails first says so; from then on it is tried in the background until it can
be read. Nothing that was typed is touched.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from textual.message import Message
from textual.timer import Timer

from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.live import LiveApp
from bifrost_tui.tui.wired_app import ReturnT

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository


class Lost(Message):
    """The watch of the database has lost its server."""


class MayBeBack(Message):
    """The watch has its server back."""


class Tried(Message):
    """It was tried to read the database."""

    def __init__(self, *, reached: bool) -> None:
        super().__init__()
        self.reached = reached


class ReachingApp(LiveApp[ReturnT]):
    """An app that goes on without its database for a while, and says so."""

    TRY_AFTER: ClassVar[tuple[float, ...]] = (0.5, 1.0, 2.0, 3.0)
    """Seconds before each new try; the last one again and again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lost = False
        self._tries = 0
        self._next_try: Timer | None = None
        self._trying = False

    @property
    def repository(self) -> Repository:
        """The open database."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """Whether the database is open."""
        return False

    @property
    def is_lost(self) -> bool:
        """Whether the database cannot be reached, as far as is known."""
        return self._lost

    def database_lost(self) -> None:
        """Say on every screen that the database is lost, and try until it is not."""
        if self._lost or not self.is_open:
            return
        self._lost, self._tries = True, 0
        for screen in self._data_screens():
            screen.database_lost()
        self._try_later()

    def _data_screens(self) -> list[DataScreen[Any]]:
        return [screen for screen in self.screen_stack if isinstance(screen, DataScreen)]

    def tell_reached(self, is_reached: bool) -> None:
        """Take what the watch found out, in its thread."""
        self._post(MayBeBack() if is_reached else Lost())

    def _post(self, message: Message) -> None:
        # From another thread; the app may be going just now.
        with suppress(RuntimeError):
            self.post_message(message)

    def on_lost(self) -> None:
        """Do as if somebody had asked for something."""
        self.database_lost()

    def on_may_be_back(self) -> None:
        """Try at once."""
        if self._lost:
            self._try()

    def _try_later(self) -> None:
        pauses = self.TRY_AFTER
        self._next_try = self.set_timer(pauses[min(self._tries, len(pauses) - 1)], self._try)
        self._tries += 1

    def _try(self) -> None:
        if self._next_try is not None:
            self._next_try.stop()
        if self._trying:
            return
        self._trying = True
        repository = self.repository

        def work() -> None:
            try:
                repository.reach()
            except BifrostError:
                self._post(Tried(reached=False))
            else:
                self._post(Tried(reached=True))

        # Not among the workers: leaving the program does not wait for a server.
        Thread(target=work, name="bifrost-reach", daemon=True).start()

    def on_tried(self, message: Tried) -> None:
        """Go on, or try again later."""
        self._trying = False
        if not message.reached:
            self._try_later()
            return
        self._lost = False
        for screen in self._data_screens():
            if self.may_deliver(screen):
                screen.database_reached()
            else:
                self.hold_back(screen.database_reached)
