"""A new value handed to a command, on its standard input and nowhere else.

What the command writes is passed on without the value in it. The command leads a session of its
own: it has no terminal to ask at, and it can be stopped with all that it has started.
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO

from bifrost_tui.errors import CommandError, HandoverError
from bifrost_tui.scrubbing.scrubber import ScrubbedStream, Scrubber
from bifrost_tui.store.entered import EnteredSecret, entered_bytes

LIMIT = 300.0
"""Seconds that a command may take, where nothing else is said."""

UNSHOWN = "(What it writes is not shown: so short a value could not be found in it.)\n"
"""What is told instead of what a command writes."""

_SHELL = "/bin/sh"
_OURS = "BIFROST_"
_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.05
"""Seconds after which it is asked whether the command has ended or is to be stopped."""
_PAUSE = 0.1
"""Seconds without more until what may be the beginning of the value is no longer waited for."""
_LINGER = 0.2
"""Seconds without more, after the command's end, until no more is waited for."""
_LONGEST_LINGER = 2.0
_GRACE = 1.0
"""Seconds that a command has to end by itself once it is told to."""

_UNCLEAR = (
    " Nothing was saved. Where the command has passed the value on already, the two sides differ:"
    " mend what failed, and rotate once more."
)


class Stop:
    """A handle with which another thread stops a command."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the command is no longer wanted."""
        return self._event.is_set()

    def stop(self) -> None:
        """Stop the command with all that it has started."""
        self._event.set()


def _nobody(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Which command is to take a value, and who is told what it writes.

    ``told`` is called in the thread that hands over, with text in which the value is replaced and
    control characters are not. ``environ`` is the environment of the command; what begins with
    ``BIFROST_`` is left out of it.
    """

    command: str = field(repr=False)
    told: Callable[[str], object] = _nobody
    limit: float = LIMIT
    stop: Stop = field(default_factory=Stop)
    environ: Mapping[str, str] | None = field(default=None, repr=False)


def hand_over(entered: EnteredSecret, handover: Handover) -> None:
    """Give a value to ``/bin/sh -c COMMAND``, byte for byte and then no more, and see it end well.

    A process that the command has left behind is waited for only while it writes.

    Raises:
        CommandError: the command cannot be started; nothing was handed over.
        HandoverError: it failed, did not read the whole value, took too long or was stopped.

    """
    # Before the command runs: of a long value this takes a while. The value itself stands in no
    # frame that an error comes through.
    stream = _scrubbed(entered)
    with _pipe() as (value_in, value_out), _pipe() as (words_in, words_out):
        process = _started(handover, value_in, words_out)
        words_out.close()
        run = _Run(process, handover, stream, entered, (value_in, value_out), words_in)
        try:
            run.to_the_end()
        finally:
            run.leave_nothing()
    problem = run.problem()
    if problem:
        raise HandoverError(problem + _UNCLEAR, code=run.code)


def _scrubbed(entered: EnteredSecret) -> ScrubbedStream | None:
    """Return what takes the value out of a text; nothing where it is too short to be found."""
    scrubber = Scrubber()
    return scrubber.stream() if scrubber.add(entered_bytes(entered).decode("utf-8")) else None


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    read, write = os.pipe()
    with FileIO(read, "r") as reading, FileIO(write, "w") as writing:
        yield reading, writing


def _started(handover: Handover, stdin: FileIO, output: FileIO) -> subprocess.Popen[bytes]:
    given = os.environ if handover.environ is None else handover.environ
    environ = {name: text for name, text in given.items() if not name.startswith(_OURS)}
    if not handover.command.strip():
        raise CommandError("The command is empty. Give one, or none at all. Nothing was saved.")
    if handover.stop.stopped:
        raise CommandError("The command was not run. Nothing was saved.")
    try:
        return subprocess.Popen(  # noqa: S603  # running the user's command is the purpose
            [_SHELL, "-c", handover.command],
            stdin=stdin,
            stdout=output,
            # One pipe for both keeps the order of what is written.
            stderr=output,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        problem = f"The command cannot be run: {error.strerror or 'unknown reason'}."
    except ValueError:
        problem = "The command cannot be run: it holds a NUL character or half a character."
    # Raised outside the handlers: the error may hold the command.
    raise CommandError(f"{problem} Nothing was saved.")


class _Run:
    """A command on its way from its start to its end."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        handover: Handover,
        stream: ScrubbedStream | None,
        entered: EnteredSecret,
        ends: tuple[FileIO, FileIO],
        words: FileIO,
    ) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._process = process
        self._handover = handover
        # Our reading end stays open: what is left in the pipe at the end was not taken.
        self._unread, self._sink = ends
        self._words = words
        self._waiting = memoryview(entered_bytes(entered))
        self._began = self._last = time.monotonic()
        self._paused = False
        self._told_to_end: float | None = None
        self._why = ""
        self._taken = False
        self.code: int | None = None
        """The exit code, or minus a signal; ``None`` where we have ended it."""
        # Of the command's standard input only this end: the other one is shared with it.
        for end in (self._sink, words):
            os.set_blocking(end.fileno(), False)

    def __repr__(self) -> str:
        return "<_Run>"

    def to_the_end(self) -> None:
        """Pass on what is to be passed on until the command has ended."""
        if self._stream is None:
            self._handover.told(UNSHOWN)
        while not self._ended():
            self._write()
            self._check()
            self._pass_on(self._wait(_LOOK_AGAIN))
        self._taken = not self._waiting and not self._left()
        if self._told_to_end is not None:
            # What it has started may listen less than it does.
            self._signal(signal.SIGKILL)
        self._process.wait()
        self._drain()
        self._tell(self._stream.finish() if self._stream else b"", final=True)

    def problem(self) -> str:
        """Say what went wrong; nothing where the command has taken the value."""
        if self._why:
            return self._why
        code = self._process.returncode
        self.code = code
        if code < 0:
            return f"The command was ended by {_name(-code) or f'signal {-code}'}."
        if code > 128 and (signal_name := _name(code - 128)):
            return f"The command failed with exit code {code}, as after {signal_name}."
        if code:
            return f"The command failed with exit code {code}."
        if not self._taken:
            return "The command ended without having read the whole value."
        return ""

    def leave_nothing(self) -> None:
        """End the command with all that it has started, if it still runs."""
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _ended(self) -> bool:
        if not hasattr(os, "waitid"):
            # Python on macOS before 3.13.
            return self._process.poll() is not None
        # It is not reaped yet: until then its number, and that of its group, is its own.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def _check(self) -> None:
        """Tell the command to end when it is time; and end it where it does not listen."""
        now = time.monotonic()
        if self._told_to_end is None:
            if self._handover.stop.stopped:
                self._why = "The command was stopped."
            elif now >= self._began + self._handover.limit:
                limit = f"{self._handover.limit:g}"
                self._why = f"The command did not end within {limit} seconds and was stopped."
            else:
                return
            self._told_to_end = now
            self._signal(signal.SIGTERM)
        elif now >= self._told_to_end + _GRACE:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _wait(self, seconds: float) -> bool:
        """Wait until something can be read or written; tell whether it can be read."""
        poller = select.poll()
        if not self._words.closed:
            poller.register(self._words, select.POLLIN)
        if self._waiting:
            poller.register(self._sink, select.POLLOUT)
        ready = dict(poller.poll(seconds * 1000))
        return not self._words.closed and self._words.fileno() in ready

    def _write(self) -> None:
        if self._sink.closed:
            return
        if self._waiting:
            self._waiting = self._waiting[self._sink.write(self._waiting) or 0 :]
        if not self._waiting:
            self._sink.close()

    def _left(self) -> bool:
        """Tell whether something of the value lies unread in the pipe."""
        poller = select.poll()
        poller.register(self._unread, select.POLLIN)
        return any(mask & select.POLLIN for _, mask in poller.poll(0))

    def _pass_on(self, ready: bool) -> bool:
        """Pass on what was written; tell whether anything was."""
        now = time.monotonic()
        if not ready:
            # Nothing may stay held back that is not the value after all.
            if self._stream and not self._paused and now >= self._last + _PAUSE:
                self._paused = True
                self._tell(self._stream.pause())
            return False
        data = self._words.read(_CHUNK)
        if data is None:
            return False
        if not data:
            self._words.close()
            return False
        self._last, self._paused = now, False
        if self._stream:
            self._tell(self._stream.feed(data))
        return True

    def _drain(self) -> None:
        """Pass on what is still to come once the command has ended."""
        ended = time.monotonic()
        while not self._words.closed:
            now = time.monotonic()
            if now >= min(max(self._last, ended) + _LINGER, ended + _LONGEST_LINGER):
                return
            self._pass_on(self._wait(_LOOK_AGAIN))

    def _tell(self, data: bytes, *, final: bool = False) -> None:
        if text := self._decoder.decode(data, final):
            self._handover.told(text)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
