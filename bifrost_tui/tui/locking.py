"""The idle lock: after a time without a key nothing of the data stays on the screen.

What lies beneath the lock goes on living: forms keep what was typed, and what is being saved is
saved. Only answers wait: they would open and close screens, and one of those is the lock.

Private names of Textual are used where it has no public ones; tests/tui/test_lock.py holds on to
each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events
from textual._context import active_app
from textual.notifications import SeverityLevel

from bifrost_tui.clock import uptime
from bifrost_tui.tui.input_order import OrderedApp
from bifrost_tui.tui.wired_app import ReturnT

if TYPE_CHECKING:
    from textual.timer import Timer

    from bifrost_tui.tui.screens.lock import LockScreen

Seconds = Callable[[], float]


class LockingApp(OrderedApp[ReturnT]):
    """An app that locks its screens when nobody has touched a key, or the mouse, for a time."""

    WRONG_PAUSE = 1.0
    """Seconds before a wrong passphrase is answered."""

    def __init__(self, *, lock_after: int, seconds: Seconds = uptime) -> None:
        super().__init__()
        self.lock_after = lock_after
        self._seconds = seconds
        self._touched = seconds()
        self._idle: Timer | None = None
        self._lock: LockScreen | None = None
        self._held_back: list[Callable[[], object]] = []

    @property
    def is_locked(self) -> bool:
        """Whether the lock stands before everything else."""
        return self._lock is not None

    @property
    def _seconds_left(self) -> float:
        return self._touched + self.lock_after * 60 - self._seconds()

    def on_mount(self) -> None:
        """Begin to count."""
        self._touched = self._seconds()
        self._look_again()

    def _look_again(self) -> None:
        # One timer, set anew only when it has run out: a key costs a look at the clock.
        if self.lock_after:
            self._idle = self.set_timer(max(self._seconds_left, 0.1), self.lock_if_idle)

    def lock_if_idle(self) -> None:
        """Lock if the time is over; else look again when it may be."""
        if not self._lock_when_due() and not self.is_locked:
            self._look_again()

    def _lock_when_due(self) -> bool:
        due = bool(self.lock_after) and not self.is_locked and self._seconds_left <= 0
        if due:
            self._lock_screens(idle=True)
        return due

    async def on_event(self, event: events.Event) -> None:
        """Count what the user does. What wakes a screen that should be locked is not obeyed."""
        if isinstance(event, events.InputEvent) and not event.is_forwarded:
            if self._lock_when_due():
                return
            self._touched = self._seconds()
        await super().on_event(event)

    def redraw(self) -> None:
        """Draw everything, or the lock: time goes on while the shell has the terminal."""
        # The driver calls this from outside of the app's own tasks.
        token = active_app.set(self)
        try:
            self._lock_when_due()
        finally:
            active_app.reset(token)
        super().redraw()

    def action_lock_now(self) -> None:
        """Lock the screens."""
        if not self.is_locked:
            self._lock_screens(idle=False)

    def _lock_screens(self, *, idle: bool) -> None:
        from bifrost_tui.tui.screens.lock import LockScreen

        if self._idle is not None:
            self._idle.stop()
        self._lock = LockScreen(self.lock_after if idle else 0)
        self.push_screen(self._lock, self._unlocked)

    def _unlocked(self, _: None) -> None:
        self._lock = None
        self._touched = self._seconds()
        self._look_again()
        waiting, self._held_back = self._held_back, []
        for deliver in waiting:
            self.call_later(deliver)

    def hold_back(self, deliver: Callable[[], object]) -> None:
        """Keep what would open, close or show something until the lock is gone."""
        self._held_back.append(deliver)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification, after the lock."""
        if self.is_locked:
            self.hold_back(
                lambda: self.notify(message, title=title, severity=severity, timeout=timeout)
            )
        else:
            super().notify(message, title=title, severity=severity, timeout=timeout)

    def _refresh_notifications(self) -> None:
        # Those that were shown before the lock do not come with it.
        if not self.is_locked:
            super()._refresh_notifications()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let no action of the app past the lock."""
        return not self.is_locked

    def may_deliver(self, screen: Any) -> bool:
        """Tell whether an answer may go to a screen now."""
        return self._lock is None or screen is self._lock
