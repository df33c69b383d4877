"""Signals to end, as exceptions: what was begun is then put back in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn


@contextmanager
def ended_tidily() -> Iterator[None]:
    """Let a signal to end come as an exception, for as long as the block runs."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = _heeded(signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    _set(dict.fromkeys(before, end))
    try:
        yield
    finally:
        _set(before)


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
    before = _heeded(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.number = number
        stopping.event.set()
        _set(before)

    _set(dict.fromkeys(before, stop))
    try:
        yield stopping
    finally:
        _set(before)


def _heeded(*numbers: int) -> dict[int, Any]:
    """Return what is done at signals now. What is ignored stays ignored: nohup asks for that."""
    found = {number: signal.getsignal(number) for number in numbers}
    return {number: handler for number, handler in found.items() if handler != signal.SIG_IGN}


def _set(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
