"""Which key shall be shown in every organization: typed, with suggestions."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal
from bifrost_tui.tui.widgets.fields import Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock

_SUGGESTED = 6


class AskKey(DataModal[str | None]):
    """A dialog with one field; gives the key that was chosen."""

    AUTO_FOCUS = "#key"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,ctrl+s",
            "choose",
            "show",
            id="form.save",
            tooltip="Show it in every organization",
        ),
        Binding("tab", "complete", "complete", tooltip="Take the first key that is suggested"),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Go back"),
    ]

    key = getters.query_one("#key", LineInput)

    def __init__(self) -> None:
        super().__init__()
        self._suggested: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("One key in every organization")
            yield Field("Key", LineInput(id="key", max_length=255), name="key")
            yield TextBlock(id="suggested")
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Suggest the first keys that there are."""
        self._ask_for("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(Field).show_error("")
        self._ask_for(event.value.strip())

    def _ask_for(self, begun: str) -> None:
        everywhere, access = self.repository.everywhere, self.access
        self.ask(lambda: everywhere.keys(access, begun, _SUGGESTED), partial(self._suggest, begun))

    def _suggest(self, begun: str, found: tuple[str, ...]) -> None:
        if begun != self.key.value.strip():
            return
        self._suggested = found
        lines = Text("\n").join(
            Text(" " * LABEL_WIDTH).append(visible(key), "" if index == 0 else "$muted")
            for index, key in enumerate(found)
        )
        self.query_one("#suggested", TextBlock).show(lines)

    def action_complete(self) -> None:
        """Take the first key that is suggested."""
        if self._suggested:
            self.key.value = self._suggested[0]
            self.key.cursor_position = len(self.key.value)

    @on(Input.Submitted)
    def action_choose(self) -> None:
        """Take the key that is typed; or the only one that begins so."""
        typed = self.key.value.strip()
        self.ask(
            lambda: self.repository.everywhere.keys(self.access, typed, 2),
            partial(self._chosen, typed),
        )

    def _chosen(self, typed: str, found: tuple[str, ...]) -> None:
        if typed in found:
            self.dismiss(typed)
        elif typed and len(found) == 1:
            self.dismiss(found[0])
        else:
            said = visible(typed)
            self.query_one(Field).show_error(
                f"There is no key {said} that you may see. Type one that there is."
                if typed
                else "Type a key."
            )

    def action_cancel(self) -> None:
        """Go back."""
        self.dismiss(None)
