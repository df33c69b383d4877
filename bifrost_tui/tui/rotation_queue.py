"""A queue of secrets that are given new values one after another: what stands where in it.

It knows no screen and no database. What was entered for a secret whose save was refused stays with
it, in memory alone, until it is saved or the queue goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.views import ConfigLine, ConfigView


class Step(Enum):
    """How far a secret has come."""

    WAITING = "waiting"
    SAVING = "saving"
    DONE = "done"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(slots=True, eq=False)
class Item:
    """One secret of the queue."""

    line: ConfigLine
    step: Step = Step.WAITING
    view: ConfigView | None = None
    """The secret as it was last read; what a save is measured against."""
    entered: EnteredSecret | None = None
    """What was entered and is not saved."""
    reason: str = ""
    """Why a save was refused."""
    since: datetime | None = None
    """When another did what it was refused for."""
    fingerprint: str | None = None
    """Of the new value."""

    def __repr__(self) -> str:
        return f"<Item {self.line.key!r} {self.step.value}>"


class RotationQueue:
    """Secrets in order, and the place where the keyboard is."""

    def __init__(self, lines: Iterable[ConfigLine]) -> None:
        self.items = [Item(line) for line in lines]
        self.at = 0

    def __len__(self) -> int:
        return len(self.items)

    @property
    def current(self) -> Item | None:
        """The secret whose new value is asked for; ``None`` behind the last one."""
        return self.items[self.at] if self.at < len(self.items) else None

    @property
    def following(self) -> Item | None:
        """The secret that comes next."""
        return next(self._open(self.at + 1), None)

    def of(self, step: Step) -> list[Item]:
        """Return the secrets that have come just so far."""
        return [item for item in self.items if item.step is step]

    @property
    def left(self) -> list[Item]:
        """The secrets that have no new value yet."""
        return [item for item in self.items if item.step not in (Step.DONE, Step.SAVING)]

    @property
    def passed(self) -> int:
        """How many were given a value, or skipped."""
        return len(self.items) - len(self.of(Step.WAITING)) - len(self.of(Step.REFUSED))

    def _open(self, start: int) -> Iterator[Item]:
        done = (Step.DONE, Step.SAVING)
        return (item for item in self.items[start:] if item.step not in done)

    def _go_on(self) -> None:
        following = self.following
        self.at = len(self.items) if following is None else self.items.index(following)

    def take(self, entered: EnteredSecret) -> Item:
        """Take the current secret's new value, to be saved, and go on to the next."""
        item = self.items[self.at]
        item.entered, item.step, item.reason = entered, Step.SAVING, ""
        self._go_on()
        return item

    def skip(self) -> None:
        """Leave the current secret as it is and go on; a refusal stays one."""
        item = self.current
        if item is None:
            return
        if item.step is Step.WAITING:
            item.step = Step.SKIPPED
        self._go_on()

    def back(self) -> bool:
        """Go back to the nearest secret without a new value; tell whether there is one."""
        for at in range(min(self.at, len(self.items)) - 1, -1, -1):
            if self.items[at].step not in (Step.DONE, Step.SAVING):
                self.at = at
                return True
        return False

    def saved(self, item: Item, view: ConfigView) -> None:
        """Note that a new value is kept."""
        item.step, item.entered, item.view = Step.DONE, None, view
        item.fingerprint = view.fingerprint

    def refused(
        self, item: Item, reason: str, view: ConfigView | None, since: datetime | None = None
    ) -> None:
        """Note why a save was refused; ``view`` is the secret as it is now, if it is there."""
        item.step, item.reason, item.view = Step.REFUSED, reason, view
        item.since = since
