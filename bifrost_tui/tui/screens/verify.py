"""The walk along the audit chain: how far it is, what it found, and the head to note down."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.store.requests import Interrupt
from bifrost_tui.store.views import ChainReport
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.widgets.lines import KeyBar, ProgressLine, Status
from bifrost_tui.tui.widgets.text_block import TextBlock
from bifrost_tui.tui.working import Steps

_NOTE = (
    "Its head now. Note it where nobody can change it: given to `bifrost-tui audit verify --from`,"
    " it also finds an end that was cut off."
)


class VerifyScreen(DataModal[None]):
    """A dialog with a bar; leaving it stops the walk."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,enter",
            "close",
            "stop",
            key_display="esc",
            id="screen.back",
            tooltip="Stop, or close",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._interrupt = Interrupt()
        self._walked = Steps(self, self._show)
        self._ended = False

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("Verify the audit log")
            yield TextBlock(Text("Counting the events …", "$muted"), id="found")
            yield ProgressLine(id="bar", classes="gap")
            head = TextBlock(id="head")
            head.add_class("gap")
            yield head
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.query_one("#head").display = False
        log, access, interrupt = self.repository.log, self.access, self._interrupt
        self.ask(
            lambda: log.verify(access, progress=self._walked, interrupt=interrupt),
            self._found,
            problem=self._failed,
        )

    def on_unmount(self) -> None:
        """Stop the walk."""
        self._interrupt.cancel()

    def _show(self, done: int, total: int) -> None:
        self.query_one("#bar", ProgressLine).show(done, total)
        words = f"{done:,} of {counted(total, 'event')} checked"
        self.query_one("#found", TextBlock).show(Text(words, "$muted"))

    def _found(self, report: ChainReport) -> None:
        self._end()
        if report.broken_at is None:
            words = Text(f"✓ {counted(report.checked, 'event')} checked; all fit.", "$success")
        else:
            words = Text(f"× {visible(report.why)}", "$error")
            words.append(f"\n{counted(report.checked, 'event')} before it fit.", "$muted")
        self.query_one("#found", TextBlock).show(words)
        if report.broken_at is None and report.head is not None:
            head = self.query_one("#head", TextBlock)
            head.display = True
            head.show(Text(_NOTE, "$muted").append(f"\n\n{report.head}", ""))

    def _failed(self, error: BifrostError) -> None:
        self._end()
        self.query_one("#found").display = False
        self.tell_problem(error)

    def _end(self) -> None:
        self._ended = True
        self.query_one("#bar").display = False
        self.refresh_bindings()

    def key_words(self, action: str, words: str) -> str:
        """Call the key what it does now."""
        return "close" if action == "close" and self._ended else words

    def action_close(self) -> None:
        """Stop the walk, or close the dialog."""
        self.dismiss(None)
