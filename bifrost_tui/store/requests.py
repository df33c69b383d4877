"""What callers hand in: who asks, which list is meant, how a config shall be.

Apart from the queries, so that a screen or a command can be drawn up before the database layer is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from bifrost_tui.errors import DatabaseInterruptedError
from bifrost_tui.store.actor import Access
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.filters import NO_FILTER, ConfigFilter, Order
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

__all__ = ["Access", "ConfigDraft", "ConfigList", "Interrupt", "Progress"]

Progress = Callable[[int, int], object]
"""Is told how many of how many are done."""


@dataclass(frozen=True, slots=True)
class ConfigList:
    """Which list of configs is meant: a scope, with what it inherits, filtered and ordered."""

    scope: Scope
    filter: ConfigFilter = NO_FILTER
    own_only: bool = False
    order: Order = Order.KEY


@dataclass(frozen=True, slots=True, repr=False)
class ConfigDraft:
    """A config as a form or a command gives it.

    ``value`` is the text entered for a plain type, and the key of a secret for a reference to it.
    ``secret`` is the new value of a secret; without one, a new secret needs a value and an existing
    one keeps what it has.
    """

    key: str
    type: ConfigType
    value: str | None = None
    secret: EnteredSecret | None = None
    integration: str | None = None
    description: str = ""
    rotate_every_days: int | None = None
    partial_mask: bool = False
    """Whether a secret's mask may show its first and last four characters, from its next value."""

    def __repr__(self) -> str:
        return f"<ConfigDraft {self.key!r} {self.type}>"


class _Interruptible(Protocol):
    def interrupt(self) -> None: ...


class Interrupt:
    """A handle with which another thread can cut a read short."""

    def __init__(self) -> None:
        self._connection: _Interruptible | None = None
        self._cancelled = False
        # A connection that went back to the pool may already serve another read.
        self._lock = Lock()

    @property
    def cancelled(self) -> bool:
        """Whether the answer is no longer wanted."""
        return self._cancelled

    def cancel(self) -> None:
        """Stop the read; it ends in :class:`~bifrost_tui.errors.DatabaseInterruptedError`."""
        with self._lock:
            self._cancelled = True
            if self._connection is not None:
                self._connection.interrupt()

    @contextmanager
    def watching(self, connection: _Interruptible) -> Iterator[None]:
        """Let :meth:`cancel` reach a driver's connection while the block runs."""
        with self._lock:
            if self._cancelled:
                raise DatabaseInterruptedError("The read was cancelled.")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None
