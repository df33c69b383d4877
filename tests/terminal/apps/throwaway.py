"""A small app on the safe base that fails, or does what must not work, when it is told to.

It is run as a program in a terminal: ``throwaway.py SCENARIO [--mouse]``. It starts as the real
entry point does. What must not show up anywhere is in two variables of its environment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

from bifrost_tui.errors import BifrostError, TerminalError
from bifrost_tui.terminal import clear_textual_environment, harden_process, require_terminal

harden_process()
if "KEEP_TEXTUAL_VARIABLES" not in os.environ:
    clear_textual_environment(os.environ)
try:
    require_terminal(sys.__stdin__, sys.__stdout__, sys.__stderr__, os.environ)
except TerminalError as error:
    print(error, file=sys.stderr)
    sys.exit(1)

from rich.text import Text  # noqa: E402
from textual.app import App, ComposeResult, RenderResult  # noqa: E402
from textual.binding import Binding  # noqa: E402
from textual.containers import Vertical  # noqa: E402
from textual.events import Key, Mount, Paste, Unmount  # noqa: E402
from textual.screen import ModalScreen  # noqa: E402
from textual.widget import Widget  # noqa: E402
from textual.widgets import Input, Label, Static, TextArea  # noqa: E402

from bifrost_tui.tui.safe_app import SafeApp, run_app  # noqa: E402
from bifrost_tui.tui.safe_driver import SafeDriver  # noqa: E402
from bifrost_tui.tui.wire import Wire  # noqa: E402

SCENARIO = sys.argv[1]


def fail() -> None:
    """Raise an exception whose message and whose frame hold what must not be shown."""
    typed = os.environ["PLANTED_LOCAL"]
    raise ValueError(f"not a number: {os.environ['PLANTED_MESSAGE']} {typed}")


def fail_in_chain() -> None:
    """Raise an exception because of another, each with a text of its own."""
    try:
        fail()
    except ValueError as error:
        raise LookupError(os.environ["PLANTED_MESSAGE"]) from error


class RichError(Exception):
    """An error that brings its own drawing, as Textual's errors of style sheets do."""

    def __rich__(self) -> Text:
        return Text(os.environ["PLANTED_MESSAGE"])


class Finalized:
    """Something whose finalizer fails."""

    def __del__(self) -> None:
        fail()


class Bad(Widget):
    """A widget that fails while it is drawn."""

    def render(self) -> RenderResult:
        """Fail."""
        fail()
        return ""


class BadCompose(Widget):
    """A widget that fails while it is put together."""

    def compose(self) -> ComposeResult:
        """Fail."""
        fail()
        yield from ()


class Leaving(Static):
    """A widget that fails when it is taken away."""

    def on_unmount(self, _event: Unmount) -> None:
        """Fail."""
        fail()


class Modal(ModalScreen[None]):
    """A screen above the others."""

    def compose(self) -> ComposeResult:
        """Show that it is there."""
        yield Label("modal")


class Throwaway(SafeApp[None]):
    """The app."""

    AUTO_FOCUS = "" if SCENARIO == "paste" else "*"
    CSS = "Input, TextArea { height: 3; } Vertical { height: auto; }"
    BINDINGS = [
        Binding("f2", f"scenario('{SCENARIO}')", "Go"),
        Binding("f3", "screenshot", "Picture"),
        Binding("f4", "suspend_process", "Shell"),
        Binding("f5", "copy", "Copy"),
        Binding("f6", "command_palette", "Palette"),
        Binding("f10", "quit", "Quit"),
    ]

    def compose(self) -> ComposeResult:
        """Put the widgets on the screen."""
        yield Static("ready", id="state", markup=False)
        with Vertical():
            yield Input(os.environ["PLANTED_INPUT"], id="input")
            yield TextArea(os.environ["PLANTED_INPUT"], id="area")
        yield Leaving("") if SCENARIO == "unmount" else Static("")
        if SCENARIO == "compose-app":
            fail()

    def on_mount(self, _event: Mount) -> None:
        """Fail at once, in the scenarios of the start."""
        if SCENARIO == "mount":
            fail()
        if SCENARIO == "css":
            self.stylesheet.add_source("Widget { nonsense: " + os.environ["PLANTED_MESSAGE"])
            self.stylesheet.parse()
        if SCENARIO == "controls":
            nasty = os.environ["NASTY"]
            self.query_one("#state", Static).update(Text(nasty))
            self.query_one("#input", Input).value = nasty
            self.query_one("#area", TextArea).text = nasty
            self.query_one("#area", TextArea).border_title = nasty
            self.notify(nasty, title=nasty)

    async def on_key(self, event: Key) -> None:
        """Say which key came, for those that nothing else takes."""
        if event.key == "escape":
            self.query_one("#state", Static).update("escape")

    def on_paste(self, event: Paste) -> None:
        """Say what was pasted where no field has taken it."""
        self.query_one("#state", Static).update(f"pasted {len(event.text)} {event.text[-9:]!r}")

    def action_copy(self) -> None:
        """Try every way of copying."""
        self.copy_to_clipboard(os.environ["PLANTED_INPUT"])
        self.query_one(TextArea).select_all()
        self.query_one(TextArea).action_copy()
        self.query_one(Input).action_copy()
        self.query_one("#state", Static).update(f"copied {self.clipboard!r}")

    async def action_scenario(self, scenario: str) -> None:
        """Do what the scenario says."""
        match scenario:
            case "handler":
                fail()
            case "chain":
                fail_in_chain()
            case "thread-worker":
                self.run_worker(fail, thread=True)
            case "async-worker":
                self.run_worker(self._fail_later())
            case "render":
                await self.mount(Bad())
            case "compose":
                await self.mount(BadCompose())
            case "timer":
                self.set_timer(0.01, fail)
            case "call-later":
                self.call_later(fail)
            case "task":
                task = asyncio.create_task(self._fail_later())
                await asyncio.wait([task])
                del task
                self.exit()
            case "loop-callback":
                asyncio.get_running_loop().call_soon(fail)
                self.set_timer(0.1, self.exit)
            case "thread":
                thread = threading.Thread(target=fail)
                thread.start()
                thread.join()
                self.exit()
            case "finalizer":
                Finalized()
                self.exit()
            case "rich-error":
                raise RichError(os.environ["PLANTED_MESSAGE"])
            case "panic":
                self.panic(os.environ["PLANTED_MESSAGE"])
            case "system-exit":
                sys.exit(os.environ["PLANTED_MESSAGE"])
            case "system-exit-number":
                sys.exit(5)
            case "interrupt":
                raise KeyboardInterrupt(os.environ["PLANTED_MESSAGE"])
            case "unmount" | "log":
                self.exit()
            case "ours":
                raise BifrostError("The database is gone: \x1b[31mlook for it.")
            case "message":
                self.exit(message="A last\x1b[31m word")
            case "code":
                self.exit(return_code=4)
            case "stuck":
                wait_for_ever()
            case "flood":
                self.set_interval(0.001, self.redraw)
            case "modal":
                self.push_screen(Modal())
            case "wire":
                Wire.drawn = fail_in_driver  # type: ignore[assignment,method-assign]
                self.query_one("#state", Static).update("drawn by Textual")

    async def _fail_later(self) -> None:
        await asyncio.sleep(0)
        fail()


class Stock(App[None]):
    """The same failure on Textual's own base: what the tests must be able to see."""

    BINDINGS = [Binding("f2", "go", "Go")]

    def compose(self) -> ComposeResult:
        """Show that it is there."""
        yield Static("ready")

    def action_go(self) -> None:
        """Fail."""
        fail()


def fail_in_driver(*_: object) -> None:
    """Fail, in place of a method of the driver."""
    fail()


def wait_for_ever(*_: object) -> None:
    """Hang, in place of a method of the driver."""
    threading.Event().wait()


if __name__ == "__main__":
    if SCENARIO == "driver-start":
        SafeDriver._enable_bracketed_paste = fail_in_driver  # type: ignore[assignment,method-assign]
    if SCENARIO == "driver-stuck":
        SafeDriver._disable_bracketed_paste = wait_for_ever  # type: ignore[assignment,method-assign]
    if SCENARIO == "driver-input":
        SafeDriver.process_message = fail_in_driver  # type: ignore[assignment,method-assign]
    if SCENARIO == "stock":
        Stock().run(mouse=False)
        sys.exit(1)
    code = run_app(Throwaway(), mouse="--mouse" in sys.argv)
    if SCENARIO == "log":
        logging.getLogger("late").critical(os.environ["PLANTED_MESSAGE"])
    sys.exit(code)
