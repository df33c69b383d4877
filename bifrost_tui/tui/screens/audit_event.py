"""All about one audit event."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from bifrost_tui.store.views import AuditDetails
from bifrost_tui.tui.audit_cells import facts, told
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal, labelled
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock


class AuditEventScreen(DataModal[None]):
    """A dialog of facts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "close", "close", id="screen.back", tooltip="Close"),
        Binding("j,down", "scroll(1)", "down", show=False, tooltip="Scroll down"),
        Binding("k,up", "scroll(-1)", "up", show=False, tooltip="Scroll up"),
    ]

    def __init__(self, view: AuditDetails) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        view = self._view
        more = told(view)
        width = max(LABEL_WIDTH, *(len(name) + 2 for name, _ in more), 0)
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"Event {view.sequence:,}")
            yield TextBlock(labelled(facts(view, self.bifrost.clock()), width), hang=width)
            if more:
                block = TextBlock(labelled(more, width), hang=width)
                block.add_class("gap")
                yield block
            last = TextBlock(Text.assemble(("Hash in the chain\n", "$muted"), view.chain_hash))
            last.add_class("gap")
            yield last
            yield Status()
        yield KeyBar()

    def action_close(self) -> None:
        """Close the dialog."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
