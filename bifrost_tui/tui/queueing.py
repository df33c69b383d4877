"""What leads into the rotation queue from anywhere: all that waits for a new value."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bifrost_tui.display import visible
from bifrost_tui.store.views import ConfigLine, Scope, Waiting
from bifrost_tui.tui.base import DataScreen

_NOTHING = {
    Waiting.OVERDUE: "Nothing is overdue.",
    Waiting.DUE: "Nothing is due.",
    Waiting.NEEDS_VALUE: "No secret needs a value.",
    Waiting.EXPOSED: "Nothing that somebody who left could read is left as it was.",
}


def queue_waiting(
    screen: DataScreen[Any],
    what: Waiting,
    scope: Scope | None = None,
    after: Callable[[], object] | None = None,
    only: Callable[[ConfigLine], bool] | None = None,
) -> None:
    """Open the queue of all that waits, in one organization or in all; say where nothing does."""

    def found(lines: tuple[ConfigLine, ...]) -> None:
        from bifrost_tui.tui.screens.queue import QueueScreen

        lines = tuple(filter(only, lines)) if only is not None else lines
        if not lines:
            where = f" {visible(scope.name)}: nothing to do." if scope is not None else ""
            screen.say(f"{_NOTHING[what]}{where}")
            return
        screen.app.push_screen(QueueScreen(lines), partial(say_rotated, screen, after))

    screen.ask(lambda: screen.repository.everywhere.waiting(screen.access, what, scope), found)


def say_rotated(
    screen: DataScreen[Any],
    reload: Callable[[], object] | None,
    done: tuple[str, ...] | None,
) -> None:
    """Say how many the queue has rotated, once the list that it was opened from shows it."""
    if done:
        screen.say_once_shown(f"{len(done):,} rotated.")
    if reload is not None:
        reload()
    else:
        screen.say_done()
