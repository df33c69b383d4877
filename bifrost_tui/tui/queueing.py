"""What leads into the rotation queue from anywhere: all that waits for a new value."""

from __future__ import annotations

from collections.abc import Callable
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
        screen.app.push_screen(QueueScreen(lines), left)

    def left(done: tuple[str, ...] | None) -> None:
        if done:
            screen.say(f"{len(done):,} rotated.", "success")
        if after is not None:
            after()

    screen.ask(lambda: screen.repository.everywhere.waiting(screen.access, what, scope), found)
