"""A line to a PostgreSQL server that tests can cut, and mend again; the server goes on meanwhile.

Whoever is behind it finds what one finds whose server has stopped: what is open ends, and nothing
new is let in. A server that others use too need not be stopped for it.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock, Thread
from urllib.parse import quote

import pytest

from tests.postgres import Keeper, Server

_CHUNK = 65536


class Relay:
    """A socket in a folder of its own that leads to the server's."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._name = f".s.PGSQL.{server.port}"
        self._folder = folder
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._lock = Lock()

    def url(self, url: str) -> str:
        """Return a URL of the server's own socket as one over this line."""
        own, ours = (quote(str(folder), safe="") for folder in (self._server.folder, self._folder))
        assert own in url
        return url.replace(own, ours)

    def mend(self) -> None:
        """Let whoever asks reach the server."""
        listener = self._listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._folder / self._name))
        listener.listen(16)
        self._begin(self._accept, listener)

    def cut(self) -> None:
        """End every connection, and let nobody in."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is None:
            return
        (self._folder / self._name).unlink()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        listener.close()

    def drop(self) -> None:
        """End every connection; new ones are let in."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: object, *given: object) -> None:
        thread = Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._server.folder / self._name))
                with self._lock:
                    is_late = self._listener is not listener
                    self._open |= set() if is_late else {near, far}
                if is_late:
                    near.close()
                    far.close()
                    return
                self._begin(self._carry, near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        back = Thread(target=self._pour, args=(far, near), daemon=True)
        back.start()
        self._pour(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    @staticmethod
    def _pour(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(_CHUNK):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def a_relay(server: Keeper) -> Iterator[Relay]:
    """Make a line that is whole, and take it away."""
    if not isinstance(server, Server):
        pytest.skip("no line is laid to a server that was given")
    # Short: the path of a socket has 107 characters at most.
    folder = Path(mkdtemp(prefix="bifrost-line-"))
    relay = Relay(server, folder)
    try:
        relay.mend()
        yield relay
        relay.cut()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
