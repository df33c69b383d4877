"""The filter of a list: it is there while it is used, and says how many lines are left."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from bifrost_tui.tui.widgets.fields import LineInput


class FilterBar(Horizontal):
    """``/ stripe   5 of 42``; posts every change, and when it is left."""

    DEFAULT_CSS = """
    FilterBar {
        display: none;
        width: auto;
        height: 1;
        margin-left: 2;
        &.-open { display: block; }
        & > .filter--slash { width: 2; color: $text-accent; }
        & > LineInput { width: 26; padding: 0; }
        & > .filter--count { width: auto; padding-left: 2; color: $text-muted; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", key_display="esc", tooltip="Clear the filter"),
        Binding(
            "down,tab,enter", "leave", "to the list", key_display="enter", tooltip="To the list"
        ),
    ]

    class Changed(Message):
        """The filter's text is another."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The keyboard goes back to the list."""

    def compose(self) -> ComposeResult:
        """Lay out the bar."""
        yield Static("/", classes="filter--slash")
        yield LineInput(max_length=500)
        yield Static("", classes="filter--count", markup=False)

    @property
    def text(self) -> str:
        """What is filtered for."""
        return self.query_one(LineInput).value

    def open(self) -> None:
        """Show the bar and take the keyboard."""
        self.add_class("-open")
        self.query_one(LineInput).focus()

    def show_count(self, words: str) -> None:
        """Say how many lines are left."""
        self.query_one(".filter--count", Static).update(Content(words))

    @on(LineInput.Changed)
    def _changed(self, event: LineInput.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(LineInput.Submitted)
    def _submitted(self, event: LineInput.Submitted) -> None:
        event.stop()
        self.action_leave()

    def action_clear(self) -> None:
        """Take the filter away."""
        field = self.query_one(LineInput)
        if field.value:
            field.value = ""
        self.remove_class("-open")
        self.show_count("")
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Give the keyboard back to the list; a filter that is set stays."""
        if not self.text:
            self.remove_class("-open")
        self.post_message(self.Left())
