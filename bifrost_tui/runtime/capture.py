"""What leaves an execution by print, standard error and logging: scrubbed, and kept as its log.

While one is there, ``sys.stdout``, ``sys.stderr`` and the handling of log records are ours. What
belongs to no execution (a thread without a context) passes through the scrubber of each.
"""

from __future__ import annotations

import codecs
import io
import logging
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import RLock
from typing import Any, TextIO

from bifrost_tui.clock import Clock, iso
from bifrost_tui.runtime.execution import Running, current
from bifrost_tui.runtime.records import scrubbed_record
from bifrost_tui.scrubbing.scrubber import ScrubbedStream, Scrubber

LINES_KEPT = 10_000
"""The most lines that an execution's log keeps: the newest."""

BEHIND = {"stdout": "stdout", "stderr": "stderr"}
"""Where what is printed on a stream goes on to; what is not named here stays in the log alone."""

_STREAMS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of an execution's log, scrubbed."""

    at: str
    """When, ISO 8601 in UTC."""
    level: str
    """A level of logging, or ``stdout`` or ``stderr`` for what was printed."""
    logger: str | None
    message: str

    def as_json(self) -> dict[str, str | None]:
        """Return it as it stands in JSON."""
        return {
            "at": self.at,
            "level": self.level,
            "logger": self.logger,
            "message": self.message,
        }


class Capture:
    """The log of one execution, and the way of its output to the streams behind."""

    def __init__(
        self,
        scrubber: Scrubber,
        clock: Clock,
        *,
        behind: Mapping[str, str] = BEHIND,
        outer: Capture | None = None,
    ) -> None:
        self.scrubber = scrubber
        self._clock = clock
        self._behind = behind
        self._outer = outer
        self._lock = RLock()
        self._lines: deque[LogLine] = deque(maxlen=LINES_KEPT)
        self._dropped = 0
        self._streams = {name: _Lines(scrubber.stream()) for name in _STREAMS}

    @property
    def lines(self) -> tuple[LogLine, ...]:
        """What was said, in order."""
        with self._lock:
            return tuple(self._lines)

    @property
    def dropped(self) -> int:
        """How many of the oldest lines were let go."""
        return self._dropped

    def scrub(self, data: bytes) -> bytes:
        """Return bytes without a secret of this execution, or of one that it runs within."""
        clean = self.scrubber.scrub(data)
        return self._outer.scrub(clean) if self._outer else clean

    def scrub_text(self, text: str) -> str:
        """Return a text without a secret of this execution, or of one that it runs within."""
        clean = self.scrubber.scrub_text(text)
        return self._outer.scrub_text(clean) if self._outer else clean

    def write(self, name: str, text: str) -> None:
        """Take what was printed on a stream."""
        with self._lock:
            stream = self._streams[name]
            self._pass_on(name, stream.feed(text))
            for line in stream.whole_lines():
                self._keep(name, None, line)

    def record(self, record: logging.LogRecord) -> None:
        """Take a log record, scrubbed already."""
        message = record.getMessage()
        if record.exc_text:
            message = f"{message}\n{record.exc_text}"
        with self._lock:
            self._keep(record.levelname.lower(), record.name, message)

    def finish(self) -> None:
        """Take what was printed without a final newline."""
        with self._lock:
            for name, stream in self._streams.items():
                self._pass_on(name, stream.finish())
                for line in stream.whole_lines(last=True):
                    self._keep(name, None, line)

    def _keep(self, level: str, logger: str | None, message: str) -> None:
        if len(self._lines) == LINES_KEPT:
            self._dropped += 1
        if self._outer is not None:
            message = self._outer.scrub_text(message)
        self._lines.append(LogLine(iso(self._clock()), level, logger, message))

    def _pass_on(self, name: str, text: str) -> None:
        if not text:
            return
        if self._outer is not None:
            self._outer.write(name, text)
        elif name in self._behind:
            _installed.original(self._behind[name]).write(text)


class _Lines:
    """One stream's text, scrubbed, and cut into lines."""

    def __init__(self, stream: ScrubbedStream) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._open = ""

    def feed(self, text: str) -> str:
        return self._taken(self._stream.feed(text.encode("utf-8", "replace")))

    def finish(self) -> str:
        return self._taken(self._stream.finish(), last=True)

    def whole_lines(self, *, last: bool = False) -> Iterator[str]:
        *lines, self._open = self._open.split("\n")
        yield from lines
        if last and self._open:
            yield self._open
            self._open = ""

    def _taken(self, data: bytes, *, last: bool = False) -> str:
        text = self._decode(data, last)
        self._open += text
        return text


class _Stream(io.TextIOBase):
    """What ``sys.stdout`` or ``sys.stderr`` is while an execution runs."""

    def __init__(self, name: str, original: TextIO) -> None:
        self._name = name
        self.original = original

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes a str, not {type(text).__name__}")
        running = current()
        if running is not None:
            running.capture.write(self._name, text)
        else:
            self.original.write(_installed.scrubbed(text))
        return len(text)

    def flush(self) -> None:
        self.original.flush()

    def close(self) -> None:
        # The stream behind is another's to close, and may be closed when this one goes.
        pass

    def isatty(self) -> bool:
        return self.original.isatty()

    def fileno(self) -> int:
        return self.original.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.original, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self.original, "errors", None)

    @property
    def buffer(self) -> io.BufferedIOBase:
        return _Bytes(self)


class _Bytes(io.BufferedIOBase):
    """The bytes beneath a stream; what is written here is scrubbed as well."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        taken = bytes(data)
        self._stream.write(taken.decode("utf-8", "replace"))
        return len(taken)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        pass

    def writable(self) -> bool:
        return True


class _Installation:
    """Our place in this process, taken while at least one execution runs."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._active: list[Scrubber] = []
        self._originals: dict[str, TextIO] = {}
        self._handle: Callable[[logging.Logger, logging.LogRecord], None] | None = None

    def original(self, name: str) -> TextIO:
        """Return the stream behind ours; after the end, the stream as it is."""
        stream: TextIO = self._originals.get(name) or getattr(sys, name)
        return stream

    def scrubbed(self, text: str) -> str:
        """Return a text of no execution, scrubbed for each."""
        for scrubber in self._scrubbers():
            text = scrubber.scrub_text(text)
        return text

    def _scrubbers(self) -> Iterable[Scrubber]:
        with self._lock:
            return list(self._active)

    def enter(self, scrubber: Scrubber) -> None:
        """Take the place, if it is not taken, for one more execution."""
        with self._lock:
            if not self._active:
                self._take()
            self._active.append(scrubber)

    def leave(self, scrubber: Scrubber) -> None:
        """Give the place back with the last execution."""
        with self._lock:
            self._active.remove(scrubber)
            if not self._active:
                self._give_back()

    def _take(self) -> None:
        for name in _STREAMS:
            stream = getattr(sys, name)
            if stream is not None:
                self._originals[name] = stream
                setattr(sys, name, _Stream(name, stream))
        self._handle = original = logging.Logger.handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            self._handled(original, logger, record)

        setattr(logging.Logger, "handle", handle)  # noqa: B010 - mypy takes it for a mistake

    def _give_back(self) -> None:
        for name, stream in self._originals.items():
            # Whoever has put another stream there since keeps it.
            if isinstance(getattr(sys, name), _Stream):
                setattr(sys, name, stream)
        self._originals.clear()
        if self._handle is not None:
            setattr(logging.Logger, "handle", self._handle)  # noqa: B010 - as above
            self._handle = None

    def _handled(
        self,
        original: Callable[[logging.Logger, logging.LogRecord], None],
        logger: logging.Logger,
        record: logging.LogRecord,
    ) -> None:
        running = current()
        scrubbers = [running.capture] if running is not None else self._scrubbers()
        for scrubber in scrubbers:
            record = scrubbed_record(record, scrubber)
        if running is not None:
            running.capture.record(record)
        original(logger, record)


_installed = _Installation()


@contextmanager
def captured(running: Running) -> Iterator[None]:
    """Capture what an execution says while the block runs.

    What it leaves behind is scrubbed for as long as it is there: a task that it started and did
    not wait for holds on to the execution, and asyncio logs its exception when it lets go of it.
    """
    _installed.enter(running.scrubber)
    weakref.finalize(running, _installed.leave, running.scrubber).atexit = False
    try:
        yield
    finally:
        # A stream behind that is closed must not keep the result from its caller.
        with suppress(OSError, ValueError):
            running.capture.finish()
