"""A real terminal for tests: a pty whose every byte is kept, and a search for planted values."""

from __future__ import annotations

import base64
import codecs
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self
from urllib.parse import quote, unquote_to_bytes

import pyte

from tests.terminal.painted import Look, Painted

ENTER = "\r"
ESCAPE = "\x1b"
TAB = "\t"
BACKSPACE = "\x7f"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
CTRL_C = "\x03"
CTRL_Z = "\x1a"

PATIENCE = 60.0
"""Seconds until something that has to happen is given up: two slow cores share many tests."""

# A session leader's first terminal becomes its controlling one. Doing this in a process of its own
# keeps the test process, which has threads, from running Python between fork and exec.
_BOOTSTRAP = """
import fcntl, os, signal, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
if terminal > 2:
    os.close(terminal)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if sys.argv[2] == "ignored":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
elif sys.argv[2] == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGCONT})
os.execvp(sys.argv[3], sys.argv[3:])
"""

_ALTERNATE_SCREEN = 1049


class _Screen(Painted):
    """A painted screen, with the alternate screen that it lacks."""

    _kept: tuple[Any, Any] | None = None

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        super().set_mode(*modes, **kwargs)
        if kwargs.get("private") and _ALTERNATE_SCREEN in modes and self._kept is None:
            self._kept = (deepcopy(self.buffer), deepcopy(self.cursor))
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and _ALTERNATE_SCREEN in modes and self._kept is not None:
            hidden = self.cursor.hidden
            (self.buffer, self.cursor), self._kept = self._kept, None
            self.cursor.hidden = hidden
            self.dirty.update(range(self.lines))


class Command(Protocol):
    """A process, as far as a terminal looks after it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class TerminalSession:
    """A command in a terminal of its own, which records every byte that the command writes.

    The command is the leader of a new session and the terminal its controlling one. ``hang_up``
    says what the command finds when it starts: SIGHUP as usual, ignored (as under nohup), or
    blocked, so that only reading and writing can tell that the terminal is gone.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        hang_up: Literal["usual", "ignored", "blocked"] = "usual",
    ) -> None:
        columns, rows = size
        self._screen = _Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._undrawn = ""
        self._raw = bytearray()
        self._seen: dict[str, None] = {}
        self._master, self._slave = pty.openpty()
        self._set_size(columns, rows)
        self._attributes_before = termios.tcgetattr(self._slave)
        self._attributes_after: list[Any] | None = None
        os.set_blocking(self._master, False)
        self._process = self._start(command, hang_up, env, cwd)

    def _start(
        self,
        command: Sequence[str | os.PathLike[str]],
        hang_up: str,
        env: Mapping[str, str] | None,
        cwd: Path | None,
    ) -> Command:
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-c", _BOOTSTRAP),
                os.ttyname(self._slave),
                hang_up,
                *(os.fspath(word) for word in command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ if env is None else env),
            cwd=cwd,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the command, which is also the id of its session."""
        return self._process.pid

    @property
    def raw(self) -> bytes:
        """Every byte that was written to the terminal up to now."""
        return bytes(self._raw)

    @property
    def evidence(self) -> bytes:
        """Every byte that was written, and every line that was ever seen to stand on the screen.

        A line is put together from what was written at several times, so that a value may stand
        there whole which was never written whole.
        """
        return b"\n".join([self.raw, *(line.encode() for line in self._seen)])

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without the blanks at their ends."""
        return [line.rstrip() for line in self._screen.display]

    def screen_text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(self.lines)

    def looks(self) -> list[list[Look]]:
        """Return how every cell of the screen looks."""
        return self._screen.looks()

    def place(self) -> tuple[int, int, bool]:
        """Return where the cursor is, and whether it is hidden."""
        return self._screen.place()

    def garble(self) -> None:
        """Write over the screen, as a terminal does that others write to."""
        self._stream.feed("\x1b7\x1b[m\x1b[2Jgarbled\x1b8")

    def private_modes(self) -> dict[int, bool]:
        """Return every private mode of the terminal that was switched, and how it was left."""
        modes: dict[int, bool] = {}
        for numbers, switch in re.findall(rb"\x1b\[\?([\d;]+)([hl])", self._raw):
            modes.update(dict.fromkeys(map(int, numbers.split(b";")), switch == b"h"))
        return modes

    def keyboard_depth(self) -> int:
        """Return how many kitty keyboard modes were pushed and not popped."""
        pushed = len(re.findall(rb"\x1b\[>\d*u", self._raw))
        return pushed - len(re.findall(rb"\x1b\[<\d*u", self._raw))

    def attributes_restored(self) -> bool:
        """Say whether the terminal's line settings are what they were before the command began."""
        after = self._attributes_after
        if after is None:
            after = termios.tcgetattr(self._slave)
        return after == self._attributes_before

    def send(self, keys: str | bytes) -> None:
        """Type ``keys``, as the bytes that a terminal sends for them."""
        data = keys.encode() if isinstance(keys, str) else keys
        deadline = time.monotonic() + PATIENCE
        while data:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(data)} bytes were not taken.\n{self.screen_text()}")
            _, writable, _ = select.select([], [self._master], [], 0.05)
            if writable:
                with suppress(BlockingIOError):
                    data = data[os.write(self._master, data) :]
            self._pump(0)

    def paste(self, text: str, *, newline: str = "\r") -> None:
        """Paste ``text`` in brackets; most terminals send a newline as a carriage return."""
        self.send(f"\x1b[200~{text.replace(chr(10), newline)}\x1b[201~")

    def wait_for(
        self, what: str | Callable[[TerminalSession], bool], timeout: float = PATIENCE
    ) -> None:
        """Wait until a text is on the screen, or until ``what`` says yes."""

        def there() -> bool:
            return what in self.screen_text() if isinstance(what, str) else what(self)

        deadline = time.monotonic() + timeout
        while not there():
            over = self._process.poll() is not None
            more = self._pump(1 if over else 0.05)
            if (over and not more) or time.monotonic() > deadline:
                if there():
                    return
                state = "the command has ended" if over else f"not within {timeout} s"
                raise AssertionError(f"{what!r}: {state}. On the screen:\n{self.screen_text()}")

    @property
    def is_over(self) -> bool:
        """Whether the command has ended."""
        return self._process.poll() is not None

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal; the kernel tells the command."""
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def signal(self, number: int) -> None:
        """Send a signal to the command."""
        os.kill(self.pid, number)

    def hangup(self) -> None:
        """Take the terminal away, as a connection that breaks does."""
        self._pump(0)
        self._close_terminal()

    def wait_quiet(self, seconds: float, timeout: float = PATIENCE) -> None:
        """Wait until nothing has been written for so many seconds."""
        deadline = time.monotonic() + timeout
        while self._pump(seconds):
            if time.monotonic() > deadline:
                raise AssertionError(f"not {seconds} s without output within {timeout} s")

    def wait_exit(self, timeout: float = PATIENCE, *, reading: bool = True) -> int:
        """Wait for the end of the command and return its exit code, negative for a signal.

        ``reading=False`` takes nothing of what is written meanwhile, like a line that is stuck.
        """
        deadline = time.monotonic() + timeout
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no end within {timeout} s. {self.screen_text()}")
            if self._master >= 0 and reading:
                self._pump(0.05)
            else:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.05)
        if self._slave >= 0:
            self._attributes_after = termios.tcgetattr(self._slave)
            # With the last end of the terminal closed, reading ends where the output does.
            os.close(self._slave)
            self._slave = -1
            while self._pump(1):
                pass
        return code

    def close(self) -> None:
        """Kill the command and whatever it has started in its session."""
        for pid in self._session():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._close_terminal()

    def _session(self) -> list[int]:
        members: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, IndexError):
                # The name in brackets may hold blanks and brackets.
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.pid:
                    members.append(int(stat.parent.name))
        return members

    def _close_terminal(self) -> None:
        for fileno in (self._master, self._slave):
            if fileno >= 0:
                os.close(fileno)
        self._master = self._slave = -1

    def _set_size(self, columns: int, rows: int) -> None:
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _pump(self, timeout: float) -> bool:
        """Take what has been written; say whether that was anything."""
        if self._master < 0:
            return False
        readable, _, _ = select.select([self._master], [], [], timeout)
        if not readable:
            return False
        try:
            data = os.read(self._master, 65536)
        except (BlockingIOError, OSError):
            return False
        self._raw += data
        self._draw(self._decode(data))
        return bool(data)

    def _draw(self, text: str) -> None:
        text = self._undrawn + text
        # pyte takes the end of this one sequence of the kitty keyboard for text.
        text = re.sub(r"\x1b\[<\d*u", "", text)
        begun = re.search(r"\x1b(\[(<\d*)?)?\Z", text)
        end = begun.start() if begun else len(text)
        self._undrawn = text[end:]
        self._stream.feed(text[:end])
        for y in sorted(self._screen.dirty):
            if y < self._screen.lines:
                line = self._screen.buffer[y]
                self._seen["".join(line[x].data for x in range(self._screen.columns))] = None
        self._screen.dirty.clear()


_SHORTEST = 6

_SEQUENCES = re.compile(
    rb"(?:\x1b\[|\xc2\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    rb"|(?:\x1b\]|\xc2\x9d).*?(?:\x07|\x1b\\|\xc2\x9c)"  # OSC
    rb"|\x1b[PX^_].*?\x1b\\"  # DCS, SOS, PM, APC
    rb"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
# Line breaks inside encoded text, also where they are written out in a string literal.
_BREAKS = re.compile(rb"\\r\\n|\\[rn]|[\x00-\x20\x7f]")


def sweep(data: bytes, planted: Iterable[str]) -> list[str]:
    """Return each way in which a planted value, or a line of one, stands in ``data``.

    Looked for are: the text as it is, reversed, in UTF-16, escaped as in JSON and in Python,
    percent-encoded, in hexadecimal and in base64, each of them also where terminal sequences or
    line breaks stand in between.

    Raises:
        ValueError: a value is so short that it is found by accident, or not at all.

    """
    stripped = _SEQUENCES.sub(b"", data)
    texts = [data, stripped, _SEQUENCES.sub(b" ", data)]
    texts += [unquote_to_bytes(text) for text in texts]
    # Plus signs are blanks in a form.
    texts.append(unquote_to_bytes(stripped.replace(b"+", b" ")))
    joined = [_BREAKS.sub(b"", text) for text in texts]
    packed = [re.sub(rb"[:\-]", b"", text).lower() for text in joined]
    found: list[str] = []
    for value in planted:
        for part in _parts(value):
            found += [
                f"{form} of {part!r}"
                for form, needle, where in _forms(part)
                if any(
                    needle in text
                    for text in {"text": texts, "joined": joined, "hex": packed}[where]
                )
            ]
    return found


def _parts(value: str) -> list[str]:
    """Return a value and each of its lines that says enough: a screen shows lines apart."""
    if len(value.encode()) < _SHORTEST:
        raise ValueError(f"A planted value needs {_SHORTEST} bytes; {value!r} proves nothing.")
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) < 2:
        return [value]
    return [
        value,
        *(line for line in lines if len(line.encode()) >= 8 and not line.startswith("-----")),
    ]


def _forms(value: str) -> list[tuple[str, bytes, str]]:
    """Return the forms of a value with the kind of text in which each of them is looked for."""
    raw = value.encode("utf-8", "surrogatepass")
    forms = [
        ("plain text", raw, "text"),
        ("plain text in pieces", _BREAKS.sub(b"", raw), "joined"),
        ("reversed text", value[::-1].encode("utf-8", "surrogatepass"), "text"),
        ("reversed bytes", raw[::-1], "text"),
        ("UTF-16 (little endian)", value.encode("utf-16-le", "surrogatepass"), "text"),
        ("UTF-16 (big endian)", value.encode("utf-16-be", "surrogatepass"), "text"),
        ("UTF-32 (little endian)", value.encode("utf-32-le", "surrogatepass"), "text"),
        ("JSON", json.dumps(value)[1:-1].encode(), "text"),
        ("JSON, not ASCII", json.dumps(value, ensure_ascii=False)[1:-1].encode(), "text"),
        ("Python literal", repr(value)[1:-1].encode(), "text"),
        ("Python bytes", repr(raw)[2:-1].encode(), "text"),
        ("percent-encoding", quote(value, safe="").encode(), "text"),
        ("hexadecimal", raw.hex().encode(), "hex"),
        ("hexadecimal of UTF-16", value.encode("utf-16-le", "surrogatepass").hex().encode(), "hex"),
    ]
    encoders = {"base64": base64.b64encode, "urlsafe base64": base64.urlsafe_b64encode}
    for kind, encode in encoders.items():
        for offset in range(3):
            text = encode(bytes(offset) + raw).rstrip(b"=")
            # Only the characters that the value alone decides: none that it shares with what
            # stands before it or, where its last bits do not fill a character, behind it.
            first = (0, 2, 3)[offset]
            last = len(text) - bool((offset + len(raw)) % 3)
            forms.append((f"{kind} (shifted by {offset})", text[first:last], "joined"))
    # A form that changes nothing says nothing that the first of its kind does not.
    unique = {(needle, where): form for form, needle, where in reversed(forms)}
    return [
        (form, needle, where)
        for (needle, where), form in unique.items()
        if len(needle) >= _SHORTEST
    ]
