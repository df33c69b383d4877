"""The driver under the app: it gives the terminal back in every case, and notices that it is gone.

It also takes pastes whole out of the input, and lets no control character of a widget out.

Private names of Textual are used where it has no public ones; tests/terminal/test_safe_app.py
holds on to each of them.
"""

from __future__ import annotations

import os
import re
import select
import selectors
import signal
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

from rich.segment import Segment
from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.color import Color
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message
from textual.messages import InBandWindowResize

_POLL = 0.1

# A lone escape character is the Escape key once nothing has followed it for this long. SSH sends
# what one key press produces in one packet, so on a slow line it is late as a whole and is not
# torn apart; 50 ms is far above the gaps inside one packet and too short to be felt. Whoever
# sits behind something slower (a serial line, an old tmux) sets ESCDELAY, in milliseconds.
if "ESCDELAY" not in os.environ:
    vars(constants).update(ESCAPE_DELAY=0.05)

SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
"""Between these, a terminal that can collects what it shall show at once."""

_INVISIBLE = frozenset({"\a", SYNC_START, SYNC_END})

_PASTE_START = "\x1b[200~"
_PASTE_END = "\x1b[201~"

# Zero cells wide, every one of them, so that leaving them out moves nothing.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@runtime_checkable
class Owner(Protocol):
    """What the driver tells its app and asks it; any other app is left alone."""

    may_suspend: bool

    def terminal_lost(self, fileno: int) -> None:
        """Take note that the terminal is gone."""

    def redraw(self) -> None:
        """Draw everything anew: the terminal was given away meanwhile."""


class PasteReader:
    """Takes bracketed pastes out of the input, whole and unchanged, before keys are looked for.

    Textual's own parser turns what follows an escape character inside a paste into key presses,
    and misses the end of a paste whose closing marker came in two parts.
    """

    def __init__(self) -> None:
        self._held = ""
        self._parts: list[str] | None = None

    def feed(self, text: str) -> list[str | events.Paste]:
        """Return what has come in, in its order: text that was typed, and pastes."""
        text, self._held = self._held + text, ""
        found: list[str | events.Paste] = []
        while text:
            marker = _PASTE_START if self._parts is None else _PASTE_END
            before, hit, text = text.partition(marker)
            if not hit:
                before, self._held = self._split(before, marker)
            if self._parts is not None:
                self._parts.append(before)
                if hit:
                    found.append(events.Paste("".join(self._parts)))
                    self._parts = None
            else:
                if before:
                    found.append(before)
                if hit:
                    self._parts = []
        return found

    def release(self) -> str:
        """Return what was held as the beginning of a paste, once nothing has followed it."""
        if self._parts is not None:
            return ""
        held, self._held = self._held, ""
        return held

    def _split(self, text: str, marker: str) -> tuple[str, str]:
        """Split off the beginning of a marker that the end of ``text`` may be.

        Between pastes a lone escape character stays where it is: it is the Escape key.
        """
        shortest = 1 if self._parts is not None else 2
        for length in range(len(marker) - 1, shortest - 1, -1):
            if text.endswith(marker[:length]):
                return text[:-length], text[-length:]
        return text, ""


class ControlFilter(LineFilter):
    """The last gate before the terminal: no control character and no link of a widget passes.

    What comes from the database is made visible before it gets here; what a widget draws without
    having asked (what was pasted into a field, say) must not reach the terminal as a sequence.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without what a terminal would obey."""
        if all(text.isprintable() and not (style and style.link) for text, style, _ in segments):
            return segments
        return [
            Segment(
                _CONTROLS.sub("", text),
                style.update_link(None) if style and style.link else style,
            )
            for text, style, _ in segments
        ]


class _Output:
    """The terminal as Textual's writer thread sees it: its loss is reported, not raised there."""

    def __init__(self, fileno: int, lost: Callable[[], None]) -> None:
        self._fileno = fileno
        self._lost = lost
        self._held: list[str] = []

    def fileno(self) -> int:
        return self._fileno

    def write(self, text: str) -> None:
        self._held.append(text)

    def flush(self) -> None:
        data = "".join(self._held).encode("utf-8", "replace")
        self._held.clear()
        try:
            while data:
                try:
                    data = data[os.write(self._fileno, data) :]
                except BlockingIOError:
                    # Whoever shares the terminal with us has made it non-blocking.
                    select.select([], [self._fileno], [])
        except OSError:
            self._lost()


class SafeDriver(LinuxDriver):
    """Textual's driver, which gives the terminal back in every case and notices that it is gone."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,  # it would log every key to a file
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=False, mouse=mouse, size=size)
        self._safe_app = app if isinstance(app, Owner) else None
        self._output = self._file.fileno() if self._file is not None else 2
        self._file = cast("Any", _Output(self._output, self._lost))
        self._drawing = False
        self._continued = False
        self.other_writes = 0
        """Goes up with all that is written but drawings and what changes nothing on the screen."""

    def write(self, data: str) -> None:
        """Write to the terminal while it is ours."""
        if data not in _INVISIBLE:
            self.other_writes += 1
        self.draw(data)

    def draw(self, data: str) -> None:
        """Write what changes the screen from what it was to what it is, while it is ours."""
        if self._writer_thread is not None:
            super().write(data)

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._drawing = True
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def stop_application_mode(self) -> None:
        """Give the terminal back, with nothing of a screen left on it."""
        if not self._drawing:
            return
        try:
            self.write(self._blank())
            super().stop_application_mode()
        finally:
            self._drawing = False

    def close(self) -> None:
        """Wait until everything is written, the sequences that give the terminal back included."""
        self.stop_application_mode()
        super().close()
        self._writer_thread = None

    def restore_at_once(self) -> None:
        """Give the terminal back past Textual's queue, which may be stuck: the very last thing."""
        if not self._drawing:
            return
        with suppress(termios.error, OSError):
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        mouse = "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l" if self._mouse else ""
        sequence = f"\x1b[?2026l\x1b[?2004l\x1b[?7h{mouse}\x1b[<u{self._blank()}"
        with suppress(OSError):
            os.write(self._output, f"{sequence}\x1b[?1049l\x1b[?25h\x1b[?1004l".encode())

    def _blank(self) -> str:
        """Return what empties the screen, for terminals that have only one and keep it.

        Line by line: some push a screen that is erased at once into the scrollback.
        """
        try:
            lines = os.get_terminal_size(self._output).lines
        except OSError:
            return ""
        return "\x1b[m" + "".join(f"\x1b[{row};1H\x1b[2K" for row in range(1, lines + 1)) + "\x1b[H"

    # Resizes come by signal. Reports of them inside the stream would also turn on smooth scrolling
    # and a mouse mode that Textual never turns off: they are not asked for, and not answered.

    def _query_in_band_window_resize(self) -> None:
        pass

    def process_message(self, message: Message) -> None:
        """Pass on what came from the terminal."""
        if not isinstance(message, InBandWindowResize):
            super().process_message(message)

    def _lost(self) -> None:
        if self._safe_app is not None:
            self._safe_app.terminal_lost(self._output)

    # A handler of a signal runs between any two steps of the main thread, where a lock may be held
    # that writing needs. So all of the work is left to the event loop.

    def _sigtstp_application(self, *_: Any) -> None:
        self._later(self.suspend)

    def _sigcont_application(self, *_: Any) -> None:
        if not self._continued:
            self._continued = True
            self._later(self._retake)

    def _later(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def suspend(self) -> None:
        """Stop the process and give the terminal to the shell, if there is one to take it."""
        if self._safe_app is not None and not self._safe_app.may_suspend:
            return
        if not (self._drawing and self._auto_restart and _under_a_shell()):
            return
        self._app.app_suspend_signal.publish(self._app)
        self.suspend_application_mode()
        self._continued = False
        signal.signal(signal.SIGCONT, self._note_continued)
        os.kill(os.getpid(), signal.SIGSTOP)
        while not self._continued:
            time.sleep(0.01)
        signal.signal(signal.SIGCONT, self._sigcont_application)
        self._continued = False
        self._resume()

    def _note_continued(self, *_: Any) -> None:
        self._continued = True

    def _retake(self) -> None:
        """Take the terminal again after a stop that could not be handled (SIGSTOP)."""
        self._continued = False
        if self._drawing and self._auto_restart:
            self.suspend_application_mode()
            self._resume()

    def _resume(self) -> None:
        self._must_signal_resume = True
        self.resume_application_mode()
        if self._safe_app is not None:
            self._safe_app.redraw()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001  # a thread has nobody to pass it on to
            self._later(partial(self._app._handle_exception, error))

    def run_input_thread(self) -> None:
        """Read the terminal until it is told to stop or there is no terminal any more."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        pastes = PasteReader()
        parser = XTermParser()
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            wait = _POLL
            while not self.exit_event.is_set():
                parts: Sequence[str | events.Paste] = ()
                if selector.select(wait):
                    try:
                        data = os.read(self.fileno, 4096)
                    except BlockingIOError:
                        continue
                    except OSError:
                        data = b""
                    if not data:
                        self._lost()
                        return
                    parts = pastes.feed(decode(data))
                    # The parser tells Escape from the start of a sequence when it is next asked.
                    wait = constants.ESCAPE_DELAY * 1.1
                else:
                    wait = _POLL
                    if held := pastes.release():
                        parts = [held]
                        wait = constants.ESCAPE_DELAY * 1.1
                messages: list[Message] = []
                for part in parts or ("",):
                    try:
                        if isinstance(part, events.Paste):
                            messages.append(part)
                        else:
                            messages += parser.feed(part) if part else parser.tick()
                    except (ValueError, OverflowError):
                        # A sequence whose numbers name no character. The parser cannot go on.
                        parser = XTermParser()
                for message in messages:
                    self.process_message(message)


def _under_a_shell() -> bool:
    """Say whether a shell can continue us: the one that has put us into a job of its own."""
    try:
        parent = os.getppid()
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:
        return False
