"""Long work of a screen: in a thread, with a bar that it moves, stopped where it next says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from textual.screen import ScreenResultType

from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.base import Answered, DataScreen
from bifrost_tui.tui.widgets.work_line import WorkLine

T = TypeVar("T")

_STEPS = 200
"""As often a bar is drawn at most: over a slow line each is felt."""


class StoppedError(BifrostError):
    """The user has stopped what was being done."""


class Steps:
    """How far some work is: its thread calls this, which has a bar drawn where it moves."""

    def __init__(self, screen: DataScreen[Any], show: Callable[[int, int], object]) -> None:
        self._screen = screen
        self._show = show
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """Take how many of how many are behind."""
        step = _STEPS * done // max(total, 1)
        if step != self._shown:
            self._shown = step
            self._screen.post_message(Answered(lambda: self._show(done, total)))


class Progress(Steps):
    """Steps that end the work once that is asked for.

    Work that saves as it goes is not ended in the middle of something: it looks at ``stop``.
    """

    def __init__(self, screen: WorkingScreen[Any], *, saves: bool = False) -> None:
        super().__init__(screen, lambda done, total: screen.show_progress(self, done, total))
        self._saves = saves
        self.stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it shall not go on."""
        return self.stop.is_set()

    @property
    def stopping(self) -> str:
        """What is done between being asked to stop and the end."""
        return "Stopping after the batch at hand …" if self._saves else "Stopping …"

    def __call__(self, done: int, total: int) -> None:
        """Take how many of how many are behind.

        Raises:
            StoppedError: it shall not go on, and saves nothing before its end.

        """
        if self.stopped and not self._saves:
            raise StoppedError("It was stopped.")
        super().__call__(done, total)


class WorkingScreen(DataScreen[ScreenResultType]):
    """A screen or dialog with a :class:`WorkLine`; it does one thing at a time."""

    _progress: Progress | None = None

    @property
    def is_working(self) -> bool:
        """Whether something is being done."""
        return self._progress is not None

    def work(
        self,
        words: str,
        question: Callable[[Progress], T],
        answer: Callable[[T], object],
        problem: Callable[[BifrostError], object],
        *,
        saves: bool = False,
    ) -> None:
        """Do something that takes a while; hand over what comes of it.

        ``saves`` says that what is done before it is stopped stays done.
        """
        progress = self._progress = Progress(self, saves=saves)
        self.query_one(WorkLine).begin(words)
        self.refresh_bindings()
        self.ask(
            lambda: question(progress),
            lambda found: self._ended(answer, found),
            problem=lambda error: self._ended(problem, error),
        )

    def _ended(self, then: Callable[[T], object], found: T) -> None:
        self._progress = None
        self.query_one(WorkLine).end()
        then(found)
        self.refresh_bindings()

    def show_progress(self, progress: Progress, done: int, total: int) -> None:
        """Draw how far it is."""
        if progress is self._progress and not progress.stopped:
            self.query_one(WorkLine).show(done, total)

    def stop_work(self) -> bool:
        """Ask what is being done to stop; tell whether there is anything."""
        if self._progress is None:
            return False
        self._progress.stop.set()
        self.query_one(WorkLine).begin(self._progress.stopping)
        return True

    def key_words(self, action: str, words: str) -> str:
        """Say that what leads out stops first."""
        return "stop" if self.is_working and action in ("back", "cancel") else words

    def on_unmount(self) -> None:
        """Let nothing go on that nobody waits for."""
        if self._progress is not None:
            self._progress.stop.set()
