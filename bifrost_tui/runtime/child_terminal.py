"""A terminal for a child, kept like ours: its settings, its size, and every key."""

from __future__ import annotations

import os
import termios
import tty
from contextlib import suppress
from fcntl import ioctl
from io import FileIO
from types import TracebackType
from typing import Any, Self

from bifrost_tui.runtime.relay import Flow

_OUTPUT_FLAGS = 1


class ChildTerminal:
    """A pseudo-terminal for a child; while it is entered, ours passes keys on as they are.

    ``shown`` is the stream of ours that shows what is written to it, ``keyboard`` the one that
    keys come from, where that is a terminal too.

    Raises:
        OSError: the system makes no pseudo-terminal.

    """

    def __init__(self, *, shown: int, keyboard: int | None) -> None:
        near, far = os.openpty()
        self.near = FileIO(near, "r+")
        # Kept open until the child has ended: what it writes last is not lost, and it may close
        # its streams and open /dev/tty again.
        self.far = FileIO(far, "r+")
        self.output: Flow | None = None
        self.keys: Flow | None = None
        self._shown = shown
        self._keyboard = keyboard
        self._before: list[Any] | None = None
        os.set_blocking(near, False)
        with suppress(OSError, termios.error):
            self._copy_settings(shown if keyboard is None else keyboard)
        self.copy_size()

    def __enter__(self) -> Self:
        self.take_keys()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.give_back_keys()

    def _copy_settings(self, own: int) -> None:
        # Started in the background, we would find how the shell has it while it reads a line.
        settings = termios.tcgetattr(own if _is_ours(own) else self.far.fileno())
        if self._keyboard is None:
            # Our terminal stays as it is, and would add to each line what this one has added.
            settings[_OUTPUT_FLAGS] &= ~termios.OPOST
        termios.tcsetattr(self.far.fileno(), termios.TCSANOW, settings)

    def take_control(self) -> None:
        """Become what this terminal controls; in the child alone, which leads its session."""
        ioctl(self.far.fileno(), termios.TIOCSCTTY, 0)

    def copy_size(self) -> None:
        """Make it as large as ours; the child is told by the system."""
        with suppress(OSError, ValueError):
            size = ioctl(self._shown, termios.TIOCGWINSZ, bytes(8))
            ioctl(self.near.fileno(), termios.TIOCSWINSZ, size)

    def take_keys(self) -> None:
        """Have our terminal pass on every key, unless it is another job's for now."""
        if self._keyboard is None or self.keys is None:
            return
        self.keys.held = not _is_ours(self._keyboard)
        if self.keys.held:
            return
        with suppress(OSError, termios.error):
            if self._before is None:
                self._before = termios.tcgetattr(self._keyboard)
            # At once, and with what was typed ahead.
            tty.setraw(self._keyboard, termios.TCSANOW)

    def give_back_keys(self) -> None:
        """Put our terminal back as it was, unless it is another job's by now."""
        if self._keyboard is None or self._before is None or not _is_ours(self._keyboard):
            return
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._keyboard, termios.TCSANOW, self._before)

    def child_ended(self) -> None:
        """Let what is read from it end where the output does."""
        self.far.close()

    def hang_up(self) -> None:
        """Take it away; the child is told by the system."""
        self.far.close()
        self.near.close()
        for flow in (self.output, self.keys):
            if flow is not None:
                flow.drop()


def _is_ours(terminal: int) -> bool:
    """Say whether this process may read a terminal and set it up, as far as job control goes."""
    try:
        # It says 0 for a group outside of our process namespace.
        return os.tcgetpgrp(terminal) in {0, os.getpgrp()}
    except OSError:
        # It does not control our session, so nobody is told off for using it.
        return True
