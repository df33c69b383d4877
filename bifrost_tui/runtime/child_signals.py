"""Signals while a child runs: they go on to the child, and what becomes of it decides."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from subprocess import Popen
from types import FrameType, TracebackType
from typing import Any, Self

from bifrost_tui.runtime.child_terminal import ChildTerminal

_PASSED_ON = frozenset(
    [
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ]
)
_TO_END = _PASSED_ON - {signal.SIGUSR1, signal.SIGUSR2}
_BY_KEY = frozenset([signal.SIGINT, signal.SIGQUIT])


class Child:
    """A child and the signals that come while it runs; with a terminal it leads a session.

    A signal that was ignored when we were started stays so, for the child too.
    """

    def __init__(self, terminal: ChildTerminal | None) -> None:
        self._terminal = terminal
        self._process: Popen[bytes] | None = None
        self._early: list[int] = []
        self._told = 0.0
        self._to_stop = False
        self._continued = False
        self._before: dict[int, Any] = {}
        read, write = os.pipe()
        self.woken = FileIO(read, "r")
        """What can be read from once a signal has come."""
        self._wake = FileIO(write, "w")
        os.set_blocking(read, False)
        os.set_blocking(write, False)

    def __enter__(self) -> Self:
        self._wake_before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        handlers: dict[int, Callable[[int, FrameType | None], None]]
        handlers = dict.fromkeys(_PASSED_ON, self._pass_on)
        if self._terminal is not None:
            handlers |= {
                signal.SIGWINCH: self._resized,
                signal.SIGTSTP: self._note_stop,
                signal.SIGCONT: self._note_continued,
            }
        for number, handler in handlers.items():
            # None is a handler that Python does not know.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, handler)
        # Were it ignored, the end of the child would be too. A closed stream must not end us here.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake_before)
        self.woken.close()
        self._wake.close()

    def started(self, start: Callable[[], Popen[bytes]]) -> Popen[bytes]:
        """Start the child; it gets the signals that came before it was there, too."""
        process = start()
        self._process = process
        for number in self._early:
            self._send(number)
        return process

    def ended(self) -> bool:
        """Attend to the signals that came; say whether the child has ended."""
        while self.woken.read(512):
            pass
        process, terminal = self._process, self._terminal
        if process is None:
            return False
        if terminal is not None and process.returncode is None:
            self._follow_jobs(terminal)
        if process.poll() is None:
            return False
        if terminal is not None:
            terminal.child_ended()
        return True

    def told_to_end(self, after: float) -> bool:
        """Say whether a signal to end came after that time."""
        return self._told > after

    def _follow_jobs(self, terminal: ChildTerminal) -> None:
        """Stop and go on with the job that we are part of: the child is in a session of its own."""
        if self._to_stop:
            self._to_stop = False
            terminal.give_back_keys()
            # The signal of the key would be lost: nobody in its session could continue it.
            self._send(signal.SIGSTOP)
            handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, handler)
            self._continued = True
        if self._continued:
            self._continued = False
            terminal.copy_size()
            terminal.take_keys()
            self._send(signal.SIGCONT)
        elif terminal.keys is not None and terminal.keys.held:
            terminal.take_keys()

    # Handlers act at once where they can: the loop may be in the middle of a long write.

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _TO_END:
            self._told = time.monotonic()
        if self._process is None:
            self._early.append(number)
        elif self._terminal is not None or number not in _BY_KEY or not _in_foreground():
            self._send(number)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        if self._terminal is not None:
            self._terminal.copy_size()

    def _note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._to_stop = True

    def _note_continued(self, _number: int, _frame: FrameType | None) -> None:
        self._continued = True

    def _send(self, number: int) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if self._terminal is not None:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _in_foreground() -> bool:
    """Say whether our group has the terminal's keys: the child, in the same group, has them too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
