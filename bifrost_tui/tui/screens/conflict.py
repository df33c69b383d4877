"""Another operator's change came between: whose, when, and what to do about it."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from bifrost_tui.display import ago, shorten, visible
from bifrost_tui.errors import BifrostError, ConflictError, NotFoundError
from bifrost_tui.store.values import preview
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.lines import Status


class Way(Enum):
    """What to do about a conflict."""

    BACK = "back"
    THEIRS = "theirs"
    OVERWRITE = "overwrite"


Decision = tuple[Way, ConfigView | None]


class ConflictScreen(DataModal[Decision | None]):
    """A dialog that shows the other change; the focus stands on going back."""

    AUTO_FOCUS = "#back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", tooltip="Back, with nothing saved and nothing lost"),
    ]

    def __init__(
        self, mine: ConfigView, error: ConflictError, verb: str, *, look: str = "Look at theirs"
    ) -> None:
        super().__init__()
        self._look = look
        self._mine = mine
        self._error = error
        self._verb = verb
        self._theirs: ConfigView | None = None

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        error = self._error
        when = ago(error.at, self.bifrost.clock()) if error.at else "just now"
        did = "deleted" if error.deleted else "changed"
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("Another change came between")
            yield Static(
                Content(
                    f"{visible(self._mine.key)} in {visible(self._mine.scope.name)} was {did} by"
                    f" {visible(error.by)} {when}, after you opened it. Nothing of yours is saved"
                    " yet, and nothing is lost."
                )
            )
            yield Static("", id="changes", classes="gap", markup=False)
            yield Status()
            with Horizontal(classes="buttons gap"):
                yield WordButton("Back", id="back")
                yield WordButton(self._look, id="theirs")
                yield WordButton(self._verb, id="overwrite", danger=True)

    def on_mount(self) -> None:
        """Ask for the config as it is now."""
        self.query_one("#theirs", WordButton).disabled = True
        self.query_one("#overwrite", WordButton).disabled = True
        if self._error.deleted:
            # What was typed can still be added anew.
            self.query_one("#theirs", WordButton).display = False
            self.query_one("#overwrite", WordButton).display = False
            return
        mine = self._mine
        self.ask(
            lambda: self.repository.configs.current(self.access, mine),
            self._show,
            problem=self._failed,
            again=True,
        )

    def _failed(self, error: BifrostError) -> None:
        words = error.message
        if isinstance(error, NotFoundError):
            words = "It is deleted now."
        elif isinstance(error, ConflictError) and error.at is not None:
            when = ago(error.at, self.bifrost.clock())
            words = f"It is deleted now: by {visible(error.by)} {when}."
        self.say(words, "error")

    def _show(self, theirs: ConfigView) -> None:
        self._theirs = theirs
        lines = [f"{name:<14}{old} -> {new}" for name, old, new in differences(self._mine, theirs)]
        words = "\n".join(lines) or "Nothing that can be shown differs."
        self.query_one("#changes", Static).update(Content(words))
        self.query_one("#theirs", WordButton).disabled = False
        self.query_one("#overwrite", WordButton).disabled = False

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        self.dismiss((Way(event.button.id), self._theirs))

    def action_back(self) -> None:
        """Go back; nothing is saved and nothing is lost."""
        self.dismiss((Way.BACK, None))


def differences(mine: ConfigView, theirs: ConfigView) -> list[tuple[str, str, str]]:
    """Return what differs between two versions, by name; of a secret its fingerprint."""

    def value(view: ConfigView) -> str:
        if view.value is None:
            return view.fingerprint or "no value"
        return shorten(visible(preview(view.type, view.value, cut=False)), 40)

    pairs = (
        ("Key", visible(mine.key), visible(theirs.key)),
        ("Type", mine.type.value, theirs.type.value),
        ("Fingerprint" if theirs.value is None else "Value", value(mine), value(theirs)),
        ("Rotate every", _days(mine), _days(theirs)),
        ("Integration", visible(mine.integration or "any"), visible(theirs.integration or "any")),
        (
            "Description",
            shorten(visible(mine.description), 30) or "none",
            shorten(visible(theirs.description), 30) or "none",
        ),
    )
    return [(name, old, new) for name, old, new in pairs if old != new]


def _days(view: ConfigView) -> str:
    return f"{view.rotate_every_days} d" if view.rotate_every_days else "never"
