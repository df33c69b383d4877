"""An app that sends the terminal only what changes on it, by :mod:`bifrost_tui.tui.wire`.

Private names of Textual are used, as it has no public ones. :func:`fits` looks for each of them;
where one is missing, where Textual is another version, and from the moment on at which anything
goes wrong here, Textual draws by itself as it always does.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import textual
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual import events
from textual.app import App
from textual.screen import Screen

from bifrost_tui.tui.safe_driver import SYNC_END, SYNC_START, SafeDriver

if TYPE_CHECKING:
    from bifrost_tui.tui.wire import Update, Wire

ReturnT = TypeVar("ReturnT")

_VERSION = "8.2.8"

_TORN = 1024
"""From so many bytes on, a terminal that can is asked to show a drawing all at once."""

_PARAMETERS = {
    "textual.app:App._display": "self screen renderable",
    "textual.app:App.post_display_hook": "self",
    "textual._compositor:LayoutUpdate.__init__": "self strips region",
    "textual._compositor:LayoutUpdate.render_segments": "self console",
    "textual._compositor:ChopsUpdate.__init__": "self chops spans chop_ends",
    "textual._compositor:ChopsUpdate.render_segments": "self console",
    "textual.strip:Strip.crop": "self start end",
    "textual.strip:Strip.render_ansi": "style color_system",
    "rich.cells:split_graphemes": "text unicode_version",
    "rich.cells:get_character_cell_size": "character unicode_version",
}
_ATTRIBUTES = (
    "_batch_count",
    "_closed",
    "_driver",
    "_previous_cursor_position",
    "_running",
    "_sync_available",
    "cursor_position",
)


def fits(app: App[Any]) -> bool:
    """Say whether Textual is inside as it was when this was written."""
    try:
        return (
            _is_installed()
            and all(_parameters(name) == names for name, names in _PARAMETERS.items())
            and all(hasattr(app, name) for name in _ATTRIBUTES)
            and "_ansi" in _found("rich.style:Style.__slots__")
            and isinstance(_color_system(app.console), ColorSystem)
        )
    except Exception:  # noqa: BLE001  # whatever has changed, it is not what is expected
        return False


def _is_installed() -> bool:
    # Asking for the version the usual way takes longer than all else that is done here.
    folder = Path(textual.__file__).parents[1]
    return (folder / f"textual-{_VERSION}.dist-info").is_dir() or textual.__version__ == _VERSION


def _parameters(name: str) -> str:
    return " ".join(inspect.signature(_found(name)).parameters)


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    found = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _color_system(console: Console) -> ColorSystem:
    return console._color_system or ColorSystem.TRUECOLOR


class WiredApp(App[ReturnT]):
    """An app that remembers what its terminal shows."""

    _wire: Wire | None = None
    _wire_wanted = True
    _wire_count = -1

    def _start_wire(self) -> None:
        """Draw by what the terminal shows from now on, where that can be done."""
        self._wire_wanted = False
        if fits(self):
            from bifrost_tui.tui.wire import Wire

            self._wire = Wire()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver
        if (
            isinstance(driver, SafeDriver)
            and not driver.is_inline
            and not self._batch_count
            and self._running
            and not self._closed
        ):
            if self._wire_wanted:
                self._start_wire()
            wire = self._wire
            if wire and wire.takes(renderable) and self._draw(wire, driver, renderable):
                self.post_display_hook()
                return
        super()._display(screen, renderable)

    def _draw(self, wire: Wire, driver: SafeDriver, update: Update) -> bool:
        """Send what an update changes; say whether that was done."""
        try:
            if driver.other_writes != self._wire_count:
                self._wire_count = driver.other_writes
                wire.forget()
            cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
            drawn = wire.drawn(update, cursor, _color_system(self.console))
        except Exception:  # noqa: BLE001  # Textual draws instead, and shows what is wrong, if it is
            self._wire = None
            driver.write("\x1b[m")
            # What was drawn before is not known to be there.
            self.refresh()
            return False
        self._previous_cursor_position = cursor
        if drawn:
            torn = self._sync_available and len(drawn) > _TORN
            driver.draw(f"{SYNC_START}{drawn}{SYNC_END}" if torn else drawn)
        return True

    def forget_terminal(self) -> None:
        """Take it that the terminal may show anything."""
        if self._wire is not None:
            self._wire.forget()

    def on_resize(self, event: events.Resize) -> None:
        """Forget what the terminal shows: it may have moved all of it, and back again."""
        if self._wire is not None:
            same = self._wire.size == event.size
            self._wire.forget()
            if same:
                # Textual lays nothing out anew, and so would not draw.
                self.refresh()
