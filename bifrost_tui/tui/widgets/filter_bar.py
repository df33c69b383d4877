"""The filter of a list: it is there while it is used, and says how many lines are left."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static


class FilterBar(Horizontal):
    """``/ stripe   5 of 42``; posts every change, and when it is left.

    It is empty until it is prepared or opened: a start does not wait for what nobody sees yet.
    """

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

    def prepare(self, text: str = "") -> None:
        """Lay out the bar, so that it opens at once; with a text it is there from the start."""
        self.set_class(bool(text) or self.has_class("-open"), "-open")
        # Whoever quits at once is gone before this is called.
        if self.is_attached and not self.children:
            from bifrost_tui.tui.widgets.fields import LineInput

            self.mount(
                Static("/", classes="filter--slash"),
                LineInput(text, max_length=500),
                Static("", classes="filter--count", markup=False),
            )

    @property
    def text(self) -> str:
        """What is filtered for."""
        return self.query_one(Input).value if self.children else ""

    def open(self) -> None:
        """Show the bar and take the keyboard."""
        self.prepare()
        self.add_class("-open")
        self.query_one(Input).focus()

    def show_count(self, words: str) -> None:
        """Say how many lines are left."""
        if self.children:
            self.query_one(".filter--count", Static).update(Content(words))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave()

    def action_clear(self) -> None:
        """Take the filter away."""
        if self.text:
            self.query_one(Input).value = ""
        self.remove_class("-open")
        self.show_count("")
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Give the keyboard back to the list; a filter that is set stays."""
        if not self.text:
            self.remove_class("-open")
        self.post_message(self.Left())
