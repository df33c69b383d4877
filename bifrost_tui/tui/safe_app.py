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
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import constants
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.reactive import Reactive
from textual.screen import Screen
from textual.types import CSSPathType
from textual.widget import Widget
from textual.worker import WorkerFailed

from bifrost_tui.display import visible_lines
from bifrost_tui.terminal import failure, install_hooks
from bifrost_tui.tui.safe_driver import ControlFilter, SafeDriver
from bifrost_tui.tui.wired_app import ReturnT, WiredApp

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_HANDLED = (*_ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)

_GRACE = 5.0
"""Seconds that are left, after a signal, to a save that is under way; then the process ends."""

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


class SafeApp(WiredApp[ReturnT]):
    """An app that ends safely, copies nothing, takes no pictures and sends little over the line."""

    ALLOW_SELECT = False
    ENABLE_SELECT_AUTO_SCROLL = False

    may_suspend = True
    """Whether the terminal may be given to a shell meanwhile."""

    # Nobody looks for it in a list. ^l, which does this in many a program, locks here, and what
    # opens after that is drawn anew as well.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "redraw", "redraw", id="app.redraw", show=False)
    ]

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

    def action_redraw(self) -> None:
        """Draw everything, for a terminal that others have written to."""
        self.redraw()

    def redraw(self) -> None:
        """Draw everything: the terminal was given away and shows nothing of it any more."""
        self.forget_terminal()
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


def run_app(app: SafeApp[Any], *, mouse: bool, wire: bool = True) -> int:
    """Run ``app`` and return the exit code of the process.

    Without ``wire``, Textual draws by itself: whole regions, whatever stands there already.

    0 is a normal end, 1 a failure, 128 and the signal's number an end by a signal: 143 for SIGTERM,
    129 for SIGHUP and for a terminal that has gone.
    """
    install_hooks(app.note)
    app._wire_wanted = wire
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
