"""The last question before an import: what becomes of configs that differ from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content

from bifrost_tui.display import counted, visible
from bifrost_tui.store.incoming import OnConflict
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal
from bifrost_tui.tui.import_cells import facts_text
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.fields import Choice, Field
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan

_KEEP, _REPLACE = "kept", "replaced"


class ImportDecision(NamedTuple):
    """How to import."""

    on_conflict: OnConflict | None
    replace_secrets: bool


class ImportConfirm(DataModal[ImportDecision | None]):
    """A dialog that asks whether and how to import."""

    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Import nothing"),
    ]

    def __init__(self, file: str, plan: ImportPlan) -> None:
        super().__init__()
        self._file = file
        self._plan = plan

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        plan = self._plan
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"Import {visible(self._file)}")
            yield TextBlock(facts_text(plan))
            if plan.differing:
                yield TextBlock(Text(f"\n{_differing(plan.differing)}"))
            if plan.other_values:
                field = Field(
                    "Other values", Choice([_KEEP, _REPLACE], _KEEP, id="values"), name="values"
                )
                field.add_class("gap")
                yield field
                yield TextBlock(
                    Text(
                        f"{'':<{LABEL_WIDTH}}those of secrets that are here with another one",
                        "$muted",
                    ),
                    hang=LABEL_WIDTH,
                )
            with Horizontal(classes="buttons gap"):
                yield WordButton("Cancel", id="cancel")
                if plan.differing:
                    yield WordButton("Keep", id="keep")
                    yield WordButton("Overwrite", id="overwrite", danger=True)
                else:
                    yield WordButton("Import", id="import")

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        match event.button.id:
            case "keep":
                self._decide(OnConflict.KEEP)
            case "overwrite":
                self._decide(OnConflict.OVERWRITE)
            case "import":
                self._decide(None)
            case _:
                self.dismiss(None)

    def _decide(self, on_conflict: OnConflict | None) -> None:
        asked = next(iter(self.query("#values").results(Choice)), None)
        self.dismiss(ImportDecision(on_conflict, asked is not None and asked.chosen == _REPLACE))

    def action_cancel(self) -> None:
        """Import nothing."""
        self.dismiss(None)


def _differing(number: int) -> str:
    """Say what is asked about what differs."""
    verb, them = ("differs", "it") if number == 1 else ("differ", "them")
    return (
        f"{counted(number, 'config')} {verb} from the file. Keep {them} as here, or overwrite"
        f" {them}? No value of a secret is changed by that."
    )
