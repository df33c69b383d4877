"""The repository that the SDK works with in this process: opened once, at the first call."""

from __future__ import annotations

import atexit
import os
from threading import Lock

from bifrost_tui.runtime.reader import Reader
from bifrost_tui.settings import load_settings
from bifrost_tui.store.actor import Access
from bifrost_tui.store.opening import open_repository
from bifrost_tui.terminal import actor_name, session_source


class _Opened:
    def __init__(self) -> None:
        self.lock = Lock()
        self.reader: Reader | None = None

    def forget(self) -> None:
        # Connections do not survive a fork: the child opens its own, the parent keeps these.
        self.lock, self.reader = Lock(), None


_opened = _Opened()


def reader() -> Reader:
    """Return the reader of this process; blocks while the database is opened.

    The settings are those of the environment at the first call, the actor is the login name.

    Raises:
        BifrostError: the settings, the key or the database cannot be used.

    """
    with _opened.lock:
        if _opened.reader is None:
            access = Access(actor_name(), session_source(os.environ))
            _opened.reader = Reader(open_repository(load_settings(), access), access)
        return _opened.reader


def ready() -> Reader | None:
    """Return the reader where it is open already."""
    return _opened.reader


def close() -> None:
    """Close the database; the next call opens it anew, by the settings as they are then."""
    with _opened.lock:
        if _opened.reader is not None:
            _opened.reader.repository.close()
            _opened.reader = None


atexit.register(close)
os.register_at_fork(after_in_child=_opened.forget)
