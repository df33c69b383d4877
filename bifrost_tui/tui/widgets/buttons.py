"""Buttons of dialogs: words in a row, without boxes."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class WordButton(Widget, can_focus=True):
    """A button that is a word; Enter or Space presses it, the arrow keys go to the next."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    WordButton {
        width: auto;
        height: 1;
        margin: 0 1 0 0;
        background: $panel;
        &.-danger { color: $text-error; }
        &:focus { background: $accent; color: $background; text-style: bold; }
        &.-danger:focus { background: $error; color: $background; }
        &:disabled { color: $text-disabled; }
        &:ansi { background: ansi_default; }
        &:ansi:focus { background: ansi_default; color: ansi_default; text-style: bold reverse; }
        &:ansi:disabled { text-style: dim; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "press", "press", show=False, tooltip="Press the button"),
        Binding("left,up", "app.focus_previous", "before", show=False),
        Binding("right,down", "app.focus_next", "next", show=False),
    ]

    class Pressed(Message):
        """A button was pressed."""

        def __init__(self, button: WordButton) -> None:
            super().__init__()
            self.button = button

        @property
        def control(self) -> WordButton:
            """The button."""
            return self.button

    def __init__(self, label: str, *, id: str, danger: bool = False) -> None:  # noqa: A002
        super().__init__(id=id, classes="-danger" if danger else None)
        self._label = label

    def render(self) -> RenderResult:
        """Draw the word; the marks tell the focus without colour."""
        left, right = ("[", "]") if self.has_focus else (" ", " ")
        return Content(f"{left} {self._label} {right}")

    def action_press(self) -> None:
        """Say that it was pressed."""
        self.post_message(self.Pressed(self))

    def on_click(self, event: events.Click) -> None:
        """Press it by mouse."""
        event.stop()
        self.action_press()
