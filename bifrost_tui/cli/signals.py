"""Signals to end, as exceptions: what was begun is then put back in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn


@contextmanager
def ended_tidily() -> Iterator[None]:
    """Let a signal to end come as an exception, for as long as the block runs."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    # What is ignored stays ignored: nohup asks for that.
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Stopping:
    """Whether it is to end after what is at hand, and by which signal."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int = 0

    @property
    def code(self) -> int:
        """The exit code of a program that ends so."""
        return 128 + self.number


@contextmanager
def stopped_between() -> Iterator[Stopping]:
    """Let a signal to end wait until what is at hand is done; a second one ends at once."""
    stopping = Stopping()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in heeded}

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.number = number
        stopping.event.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in heeded:
        signal.signal(each, stop)
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
