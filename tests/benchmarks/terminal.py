"""A terminal for measuring: output is stamped as it comes, and drawn when nothing comes.

The harness of the tests draws as it reads, which takes the processor away from what is measured.
Here a chunk of output is kept with its time; pyte draws it later, and what is then seen on the
screen is dated by the chunk that put it there.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import pyte

WIDTH, HEIGHT = 120, 36
PATIENCE = 30.0

_IDLE = 0.02
_LONGEST_UNDRAWN = 0.5


class Frame(NamedTuple):
    """The screen's text after a chunk of output, and when that came."""

    at: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


Wanted = str | Callable[[Frame], bool]


class _Screen(pyte.Screen):
    def debug(self, *args: object, **kwargs: object) -> None:
        """Skip what pyte does not know."""


class Terminal:
    """A command in a terminal of its own, started now; times are seconds since its start."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (WIDTH, HEIGHT),
    ) -> None:
        width, height = size
        self._screen = _Screen(width, height)
        self._stream = pyte.Stream(self._screen)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._chunks: list[tuple[float, bytes]] = []
        self.written = 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env),
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509 - this process has no threads
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, keys: str) -> float:
        """Press keys; return when."""
        at = self._now()
        os.write(self._master, keys.encode())
        return at

    def wait(self, wanted: Wanted, patience: float = PATIENCE) -> float:
        """Wait until a text is on the screen, or ``wanted`` says yes; return since when it is."""
        return self.watch(wanted, patience)[-1].at

    def watch(self, wanted: Wanted, patience: float = PATIENCE) -> list[Frame]:
        """Return what the screen was from now until a text is on it, or ``wanted`` says yes.

        Raises:
            TimeoutError: that never was, or the command ended.

        """
        there = (lambda frame: wanted in frame.text) if isinstance(wanted, str) else wanted
        frames = [self.frame()]
        undrawn_since = frames[0].at
        deadline = undrawn_since + patience
        while not there(frames[-1]):
            came = self._read(_IDLE)
            if came and self._now() - undrawn_since < _LONGEST_UNDRAWN:
                continue
            for frame in self._draw():
                frames.append(frame)
                if there(frame):
                    return frames
            undrawn_since = self._now()
            if came is None or undrawn_since > deadline:
                raise TimeoutError(f"{wanted!r} never came. On the screen:\n{frames[-1].text}")
        return frames

    def settle(self, quiet: float = 0.25, patience: float = PATIENCE) -> list[Frame]:
        """Wait until nothing has come for a while; return what the screen was meanwhile."""
        deadline = self._now() + patience
        while self._read(quiet) and self._now() < deadline:
            pass
        return self._draw()

    def answer(self, quiet: float, patience: float = 5.0) -> list[Frame]:
        """Wait until something comes, and then until nothing more does."""
        if not self._chunks and not self._read(patience):
            raise TimeoutError(f"Nothing came. On the screen:\n{self.frame().text}")
        return self.settle(quiet)

    def until(self, moment: float) -> None:
        """Take what comes until a moment."""
        while (left := moment - self._now()) > 0:
            self._read(left)

    def frame(self) -> Frame:
        """Return the screen as it was last drawn."""
        return Frame(self._now(), tuple(self._screen.display))

    def peak_memory(self) -> int:
        """Return the most memory that the command ever held, in KiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if found is None:
            raise ValueError("The kernel does not tell.")
        return int(found.group(1))

    def close(self) -> None:
        """Kill the command and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def _now(self) -> float:
        return time.perf_counter() - self.began

    def _read(self, timeout: float) -> bool | None:
        """Take what comes; say whether anything did, None where nothing ever will."""
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return None
        self.written += len(data)
        self._chunks.append((self._now(), data))
        return True

    def _draw(self) -> list[Frame]:
        frames = []
        for at, data in self._chunks:
            text = self._decode(data)
            # pyte takes the end of this one sequence of the kitty keyboard for text.
            self._stream.feed(re.sub(r"\x1b\[[<>=]\d*u", "", text))
            frames.append(Frame(at, tuple(self._screen.display)))
        self._chunks.clear()
        return frames
