"""Bytes on their way between a child and our own streams, with a scrubber between."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from io import FileIO
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bifrost_tui.scrubbing.scrubber import ScrubbedStream

CHUNK = 64 * 1024
PAUSE = 0.1
"""Seconds without more until what may be the beginning of a secret is no longer waited for."""
LINGER = 0.2
"""Seconds without more, after the child's end, until no more is waited for."""

_LOOK_AGAIN = 1.0


class Watched(Protocol):
    """What the loop asks about the child."""

    @property
    def woken(self) -> FileIO:
        """What can be read from once a signal has come."""

    def ended(self) -> bool:
        """Attend to the signals that came; say whether the child has ended."""

    def told_to_end(self, after: float) -> bool:
        """Say whether a signal to end came after that time."""


class Flow:
    """Bytes on their way from one file to another, scrubbed where a stream is given.

    It reads only while nothing waits to be written: a slow reader slows the writer down, and
    nothing counts as late that only was not fetched yet. ``at_end`` is called once, when all is
    passed on or nothing can be any more.
    """

    def __init__(
        self,
        source: FileIO | None,
        sink: FileIO,
        *,
        stream: ScrubbedStream | None = None,
        data: bytes = b"",
        at_end: Callable[[], None],
    ) -> None:
        self.held = False
        """Whether it has to wait with reading: the source is another's for now."""
        self._source = source
        self._sink = sink
        self._stream = stream
        self._waiting = memoryview(data)
        self._at_end = at_end
        self._since = time.monotonic()
        self._paused = False

    @property
    def done(self) -> bool:
        """Whether nothing more will pass."""
        return self._source is None and not self._waiting

    def wants(self) -> tuple[int, int] | None:
        """Return the file that it waits for, and for what."""
        if self._waiting:
            return self._sink.fileno(), select.POLLOUT
        if self._source is None or self.held:
            return None
        return self._source.fileno(), select.POLLIN

    def due(self, ended: float | None) -> float | None:
        """Return when it stops waiting for more, given when the child has ended."""
        if self._waiting or self._source is None:
            return None
        times: list[float] = []
        if self._stream is not None and self._stream.holds and not self._paused:
            times.append(self._since + PAUSE)
        if ended is not None:
            times.append(max(self._since, ended) + LINGER)
        return min(times, default=None)

    def go_on(self) -> None:
        """Write or read: what it has waited for is there."""
        if self._waiting:
            self._write()
        else:
            self._read()
        self._since = time.monotonic()

    def rest(self, now: float, ended: float | None) -> None:
        """Act on nothing having come up to now."""
        if ended is not None and now >= max(self._since, ended) + LINGER:
            self.finish()
        elif self._stream is not None:
            self._paused = True
            self._waiting = memoryview(self._stream.pause())

    def finish(self) -> None:
        """Read no more, and pass on the rest."""
        self._source = None
        if self._stream is not None:
            self._waiting = memoryview(bytes(self._waiting) + self._stream.finish())
        if self.done:
            self._at_end()

    def drop(self) -> None:
        """Pass nothing on any more."""
        if not self.done:
            self._source, self._waiting = None, memoryview(b"")
            self._at_end()

    def _write(self) -> None:
        try:
            # So much fits without blocking into what is ready to be written to. Our own streams
            # cannot be made non-blocking: others have them too.
            written = self._sink.write(self._waiting[: select.PIPE_BUF])
        except OSError:
            self.drop()
            return
        self._waiting = self._waiting[written or 0 :]
        if self.done:
            self._at_end()

    def _read(self) -> None:
        assert self._source is not None  # noqa: S101  # it would not have been waited for
        try:
            data = self._source.read(CHUNK)
        except OSError:
            # A terminal ends this way.
            data = b""
        if data is None:
            return
        if not data:
            self.finish()
            return
        self._paused = False
        self._waiting = memoryview(data if self._stream is None else self._stream.feed(data))


def relay(child: Watched, *, outputs: list[Flow], inputs: list[Flow]) -> None:
    """Pass everything on until the child has ended and nothing more comes out of it.

    A process that the child has left behind does not hold this up once it is silent, nor does a
    reader that takes nothing once a signal tells us to end.
    """
    ended: float | None = None
    while True:
        # Before it is asked: a signal that comes after the end counts as one.
        now = time.monotonic()
        if child.ended() and ended is None:
            ended = now
        flows = [flow for flow in outputs if not flow.done]
        times: list[float] = []
        if ended is None:
            flows += [flow for flow in inputs if not flow.done]
        elif not flows:
            return
        elif child.told_to_end(after=ended):
            if now >= ended + LINGER:
                return
            times.append(ended + LINGER)
        times += [due for flow in flows if (due := flow.due(ended)) is not None]
        # A shell gives its terminal to a running job without telling it.
        times += [now + _LOOK_AGAIN for flow in flows if flow.held]
        ready, now = _wait(child.woken, flows, min(times, default=None))
        for flow in flows:
            wanted = flow.wants()
            if wanted is not None and ready.get(wanted[0], 0) & ~_other(wanted[1]):
                flow.go_on()
            elif (due := flow.due(ended)) is not None and now >= due:
                flow.rest(now, ended)


def _wait(woken: FileIO, flows: list[Flow], until: float | None) -> tuple[dict[int, int], float]:
    """Wait until something can be done; return which files are ready, and the time then."""
    masks = {woken.fileno(): select.POLLIN}
    for flow in flows:
        if (wanted := flow.wants()) is not None:
            masks[wanted[0]] = masks.get(wanted[0], 0) | wanted[1]
    poller = select.poll()
    for fileno, mask in masks.items():
        poller.register(fileno, mask)
    timeout = None if until is None else max(0, math.ceil((until - time.monotonic()) * 1000))
    return dict(poller.poll(timeout)), time.monotonic()


def _other(mask: int) -> int:
    return select.POLLIN if mask == select.POLLOUT else select.POLLOUT
