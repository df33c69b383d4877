"""The app under every screen: nothing of what it holds leaves by a crash, a signal or a key.

Textual assumes a developer at a local terminal. Here an operator sits behind SSH, with secrets
under the keys. Whatever ends the program, the terminal is given back as it was found, no message
of an exception is shown and no file is written.

Private names of Textual are used where it has no public ones; tests/terminal/test_safe_app.py
holds on to each of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import selectors
import signal
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, TypeVar, cast

from rich.console import RenderableType
from rich.segment import Segment
from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.app import App, SystemCommand
from textual.color import Color
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message
from textual.messages import InBandWindowResize
from textual.notifications import SeverityLevel
from textual.reactive import Reactive
from textual.screen import Screen
from textual.types import CSSPathType
from textual.widget import Widget
from textual.worker import WorkerFailed

from bifrost_tui.display import visible_lines
from bifrost_tui.terminal import failure, install_hooks

ReturnT = TypeVar("ReturnT")

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_HANDLED = (*_ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)

_GRACE = 5.0
"""Seconds that are left, after a signal, to a save that is under way; then the process ends."""

_POLL = 0.1

_ADVICE = (
    "What was saved is saved; what was typed and not saved is gone.\n"
    "Start bifrost-tui again. If this comes back, report the lines above:\n"
    "they name places in the program and hold no value."
)

# The second lock behind terminal.clear_textual_environment, for a process in which Textual was
# imported before that ran: these are read when they are needed.
vars(constants).update(
    DEBUG=False, DRIVER=None, LOG_FILE=None, PRESS="", SCREENSHOT_DELAY=-1, SHOW_RETURN=False
)

# A lone escape character is the Escape key once nothing has followed it for this long. SSH sends
# what one key press produces in one packet, so on a slow line it is late as a whole and is not
# torn apart; 50 ms is far above the gaps inside one packet and too short to be felt. Whoever
# sits behind something slower (a serial line, an old tmux) sets ESCDELAY, in milliseconds.
if "ESCDELAY" not in os.environ:
    vars(constants).update(ESCAPE_DELAY=0.05)

_PASTE_START = "\x1b[200~"
_PASTE_END = "\x1b[201~"

# Zero cells wide, every one of them, so that leaving them out moves nothing.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


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
        self._safe_app = app if isinstance(app, SafeApp) else None
        self._output = self._file.fileno() if self._file is not None else 2
        self._file = cast("Any", _Output(self._output, self._lost))
        self._drawing = False
        self._continued = False

    def write(self, data: str) -> None:
        """Write to the terminal while it is ours."""
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


class SafeApp(App[ReturnT]):
    """An app that ends safely, copies nothing, takes no pictures and sends little over the line."""

    ALLOW_SELECT = False
    ENABLE_SELECT_AUTO_SCROLL = False

    def __init__(self, css_path: CSSPathType | None = None, ansi_color: bool | None = None) -> None:
        super().__init__(css_path=css_path, ansi_color=ansi_color)
        self.features = frozenset()
        self.devtools = None
        self.animation_level = "none"
        self._control_filter = ControlFilter()
        self._crash: str | None = None
        self._crash_shown = False
        self._notes: list[str] = []
        self._task_failed = False
        self._finished = False
        self._ended_by = 0
        self._ending = threading.Event()

    # What goes to the terminal

    def get_driver_class(self) -> type[Driver]:
        """Return our driver."""
        return SafeDriver

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters of what is drawn, and ours behind them."""
        return [*super().get_line_filters(), self._control_filter]

    def _register(self, parent: DOMNode, *widgets: Widget, **where: Any) -> list[Widget]:
        # A blinking cursor and links that light up under the mouse send kilobytes for nothing.
        # Every widget passes here before it is mounted, Textual's own included.
        for widget in widgets:
            for name in ("auto_links", "cursor_blink"):
                reactive = getattr(type(widget), name, None)
                if isinstance(reactive, Reactive):
                    widget.set_reactive(reactive, False)
        return super()._register(parent, *widgets, **where)

    def redraw(self) -> None:
        """Draw everything: the terminal was given away and shows nothing of it any more."""
        self.refresh()

    def _set_pointer_shape(self, shape: str) -> None:
        pass

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,  # widgets pass it on as True
    ) -> None:
        """Show a notification: text, never markup."""
        super().notify(
            visible_lines(message),
            title=visible_lines(title),
            severity=severity,
            timeout=timeout,
            markup=False,
        )

    # What would carry something out

    def copy_to_clipboard(self, text: str) -> None:
        """Copy nothing: neither into the terminal's clipboard nor into one of our own."""

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open nothing: the browser would be the server's."""

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Take no picture."""

    def save_screenshot(
        self,
        filename: str | None = None,
        path: str | None = None,
        time_format: str | None = None,
    ) -> str:
        """Write no picture and return no name."""
        return ""

    def deliver_screenshot(
        self,
        filename: str | None = None,
        path: str | None = None,
        time_format: str | None = None,
    ) -> str | None:
        """Write no picture."""
        return None

    def deliver_text(self, *_: Any, **__: Any) -> None:
        """Write no file: the transfer package does, and asks first."""

    def deliver_binary(self, *_: Any, **__: Any) -> None:
        """Write no file."""

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer to show the keys and to quit; Textual's others are not for here."""
        if screen.query("HelpPanel"):
            yield SystemCommand("Keys", "Hide the keys", self.action_hide_help_panel)
        else:
            yield SystemCommand("Keys", "Show this screen's keys", self.action_show_help_panel)
        yield SystemCommand("Quit", "Leave Bifrost TUI", self.action_quit)

    def action_help_quit(self) -> None:
        """Say how to quit: Ctrl+C does not."""
        for key, active in self.active_bindings.items():
            if active.binding.action in {"quit", "app.quit"}:
                self.notify(f"Press {self.get_key_display(active.binding) or key} to quit.")
                return

    def action_suspend_process(self) -> None:
        """Give the terminal to the shell until it continues us."""
        if isinstance(self._driver, SafeDriver):
            self._driver.suspend()

    # How it ends

    def panic(self, *renderables: RenderableType) -> None:
        """End after an error that brings its own text, without showing that."""
        self._end_with("An error of the terminal.")

    def _handle_exception(self, error: Exception) -> None:
        if self._exception is None:
            # Only test runners look at it, to raise it again.
            self._exception = error
            self._exception_event.set()
        self._end_with(failure(_unwrapped(error)))

    def _fatal_error(self) -> None:
        error = sys.exc_info()[1]
        self._end_with("An error." if error is None else failure(_unwrapped(error)))

    def _end_with(self, what: str) -> None:
        self._return_code = 1
        if self._crash is None:
            self._crash = what
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        if self._crash is None:
            self._exit_renderables[:] = [
                visible_lines(item) if isinstance(item, str) else item
                for item in self._exit_renderables
            ]
            super()._print_error_renderables()
            return
        self._exit_renderables.clear()
        if not self._crash_shown:
            self._crash_shown = True
            _say(f"Bifrost TUI had to stop: {self._crash}\n{_ADVICE}")

    def note(self, text: str) -> None:
        """Keep what is to be said once the screen is gone; say it if it is gone already."""
        if self._finished:
            _say(text)
        else:
            self._notes.append(text)

    def terminal_lost(self, fileno: int) -> None:
        """End because there is no terminal any more; called from the driver's threads."""
        if not self._ended_by:
            # What is still to be written goes nowhere, and in peace.
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, fileno)
                os.close(nowhere)
        self._end_by(signal.SIGHUP)

    def end_by_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """Leave because of a signal: what is being saved is saved first."""
        self._end_by(number)
        if self._loop is None:
            raise SystemExit(128 + number)

    def _end_by(self, number: int) -> None:
        if self._ended_by:
            return
        self._ended_by = number
        self._ending.set()
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self.exit(return_code=128 + self._ended_by)

    def _watch_over_end(self) -> None:
        """End the process if leaving takes too long: the terminal is stuck, or a thread is."""
        self._ending.wait()
        time.sleep(_GRACE)
        if isinstance(self._driver, SafeDriver):
            restoring = threading.Thread(target=self._driver.restore_at_once, daemon=True)
            restoring.start()
            restoring.join(1)
        os._exit(128 + self._ended_by)

    def _loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what asyncio would log with a traceback: a task that failed and was never asked."""
        if isinstance(error := context.get("exception"), Exception):
            self._task_failed = True
            self.note(f"A task failed: {failure(error)}")

    def _stopped_by(self, error: BaseException) -> None:
        """Take an exception that ended the event loop."""
        if isinstance(error, SystemExit):
            self._return_code = error.code if isinstance(error.code, int) else int(bool(error.code))
        elif isinstance(error, KeyboardInterrupt):
            self._return_code = 128 + signal.SIGINT
        else:
            self._return_code = 1
            self._crash = self._crash or failure(_unwrapped(error))

    def _finish(self) -> int:
        """Give the terminal back if that has not happened, say what is left to say."""
        driver = self._driver
        if isinstance(driver, SafeDriver):
            driver.close()
        self._print_error_renderables()
        self._finished = True
        for text in self._notes:
            _say(text)
        if self._ended_by:
            return 128 + self._ended_by
        return self._return_code or int(self._crash is not None or self._task_failed)


def run_app(app: SafeApp[Any], *, mouse: bool) -> int:
    """Run ``app`` and return the exit code of the process.

    0 is a normal end, 1 a failure, 128 and the signal's number an end by a signal: 143 for SIGTERM,
    129 for SIGHUP and for a terminal that has gone.
    """
    install_hooks(app.note)
    # Nobody reads logs here, and records quote messages of exceptions.
    logging.disable(logging.CRITICAL)
    before = {number: signal.getsignal(number) for number in _HANDLED}
    for number in _ENDING:
        signal.signal(number, app.end_by_signal)
    threading.Thread(target=app._watch_over_end, name="bifrost-end", daemon=True).start()
    try:
        with asyncio.Runner(debug=False) as runner:
            runner.get_loop().set_exception_handler(app._loop_failed)
            runner.run(app.run_async(mouse=mouse))
    except BaseException as error:  # noqa: BLE001  # whatever it is, its message is not shown
        app._stopped_by(error)
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
    return app._finish()


def _unwrapped(error: BaseException) -> BaseException:
    """Return what a worker failed with; the wrapper quotes its message."""
    return error.error if isinstance(error, WorkerFailed) else error


def _say(text: str) -> None:
    with suppress(AttributeError, OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201
