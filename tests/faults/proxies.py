"""A line to a PostgreSQL server that breaks where a test wants it to."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Self

_COMMIT = b"COMMIT\0"


class Line:
    """Hands on what goes to a server and comes back; both ends are of this host.

    ``breaks`` says of what a client sends whether the line breaks there: with ``after`` the server
    still gets it, and its answer is lost.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.breaks: Callable[[bytes], bool] | None = None
        self.after = False
        self.broken = 0
        self._threads: list[Thread] = []
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        for thread in self._threads:
            thread.join(10)

    def at_commit(self, *, after: bool) -> None:
        """Break at the next COMMIT: before the server has it, or before the client is answered."""
        self.after = after
        self.breaks = lambda data: _COMMIT in data

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            thread = Thread(target=self._hand_on, args=(client,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _hand_on(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._server))
            with server, selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, server)
                selector.register(server, selectors.EVENT_READ, client)
                while True:
                    for key, _ in selector.select():
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not data:
                            return
                        if key.fileobj is client and self.breaks and self.breaks(data):
                            self.breaks = None
                            self.broken += 1
                            if self.after:
                                server.sendall(data)
                                # What it answers is heard, and not handed on.
                                server.recv(65536)
                            return
                        key.data.sendall(data)
