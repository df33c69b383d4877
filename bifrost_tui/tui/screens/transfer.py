"""Export or import: the question that comes first, and what the screens leave to commands."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content

from bifrost_tui.display import visible
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal, labelled
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.lines import KeyBar
from bifrost_tui.tui.widgets.text_block import TextBlock

_EXPORT = "writes configs into a file. Secrets go without their values."
_IMPORT = "reads a file, and shows what it would change before anything is."
_COMMANDS = (
    "Screens read no secret: bundles with the secrets' values, and those for a platform, are"
    " written by bifrost-tui export --encrypted and --platform."
)


class TransferScreen(DataModal[str | None]):
    """A dialog that answers ``export`` or ``import``."""

    AUTO_FOCUS = "#export"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "choose('export')", "export", id="transfer.export", tooltip="Write a file"),
        Binding("i", "choose('import')", "import", id="transfer.import", tooltip="Read a file"),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Do neither"),
    ]

    def __init__(self, scope: Scope | None) -> None:
        super().__init__()
        self._scope = scope

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            name = f" · {visible(self._scope.name)}" if self._scope is not None else ""
            dialog.border_title = Content(f"Export, import{name}")
            yield TextBlock(labelled([("Export", _EXPORT), ("Import", _IMPORT)]), hang=LABEL_WIDTH)
            note = TextBlock(Text(_COMMANDS, "$muted"))
            note.add_class("gap")
            yield note
            with Horizontal(classes="buttons gap"):
                yield WordButton("Export", id="export")
                yield WordButton("Import", id="import")
                yield WordButton("Cancel", id="cancel")
        yield KeyBar()

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        way = event.button.id
        self.dismiss(None if way == "cancel" else way)

    def action_choose(self, way: str) -> None:
        """Answer."""
        self.dismiss(way)

    def action_cancel(self) -> None:
        """Do neither."""
        self.dismiss(None)
