"""The rotation queue: one secret after another, each saved while the next is entered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from bifrost_tui.display import age, ago, visible
from bifrost_tui.errors import (
    BifrostError,
    ConflictError,
    DatabaseUncertainError,
    DatabaseUnreachableError,
)
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.views import ConfigLine, ConfigView
from bifrost_tui.tui.base import LABEL_WIDTH, DataScreen, labelled
from bifrost_tui.tui.cells import waiting_text
from bifrost_tui.tui.live import Freshness
from bifrost_tui.tui.rotation_queue import Item, RotationQueue, Step
from bifrost_tui.tui.secret_notes import SecretNotes
from bifrost_tui.tui.widgets.config_facts import period_text, state_text
from bifrost_tui.tui.widgets.fields import Field
from bifrost_tui.tui.widgets.lines import KeyBar, ProgressLine, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import Column, PagedTable
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes

_UNKNOWN = "The connection was lost; whether it was saved is not known"
_COLUMNS = (
    Column("step", "", 1, gap=1),
    Column("organization", "Organization", 16, grow=2, max_width=30),
    Column("key", "Key", 20, grow=3, max_width=40),
    Column("said", "", 22, grow=3),
)
_GLYPHS = {
    Step.WAITING: (" ", ""),
    Step.SAVING: ("·", "$muted"),
    Step.DONE: ("✓", "$success"),
    Step.SKIPPED: ("-", "$muted"),
    Step.REFUSED: ("×", "$error"),
}


class QueueScreen(DataScreen[tuple[str, ...]]):
    """New values for many secrets; it returns the ids of those that have one now."""

    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    QueueScreen {
        & > #queue { height: 1fr; }
        & > #now { height: auto; padding: 0 1; margin-top: 1; }
        & > ProgressLine { margin: 0 1 1 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "go_on",
            "save, next",
            id="queue.enter",
            tooltip="Save what is entered and go on; at the end, close the summary",
        ),
        Binding("tab", "skip", "skip", id="queue.skip", tooltip="Leave this secret as it is"),
        Binding(
            "shift+tab",
            "back",
            "back",
            id="queue.back",
            tooltip="Go back to one that was skipped or refused",
        ),
        Binding(
            "escape",
            "stop",
            "stop",
            id="queue.stop",
            tooltip="Stop here: what was saved is saved",
        ),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    table = getters.query_one("#queue", PagedTable)
    field = getters.query_one(SecretField)

    def __init__(self, lines: Sequence[ConfigLine]) -> None:
        super().__init__()
        self._queue = RotationQueue(lines)
        self._notes: SecretNotes | None = None
        self._shown: Item | None = None
        self._stopping = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        yield ProgressLine()
        yield SplitLine(id="facts", classes="facts")
        table: PagedTable[Item] = PagedTable(_COLUMNS, self._cell, id="queue")
        table.can_focus = False
        yield table
        with Vertical(id="now"):
            yield TextBlock(id="about", hang=LABEL_WIDTH)
            yield Field("New value", SecretField(), name="value")
        yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the first secret."""
        self.table.reset_rows(self._queue.items)
        self._show()

    # What is shown

    def _cell(self, item: Item, column: str) -> Text:
        match column:
            case "step":
                return Text(*_GLYPHS[item.step])
            case "organization":
                return Text(visible(item.line.scope.name))
            case "key":
                return Text(visible(item.line.key))
            case _:
                return self._said(item)

    def _said(self, item: Item) -> Text:
        match item.step:
            case Step.SAVING:
                return Text("saving …", "$muted")
            case Step.SKIPPED:
                return Text("skipped", "$muted")
            case Step.REFUSED:
                return Text(visible(self._why(item)), "$error")
            case Step.DONE:
                old = f"{item.line.fingerprint} -> " if item.line.fingerprint else ""
                return Text(f"{old}{item.fingerprint}", "$muted")
            case Step.WAITING:
                return waiting_text(item.line, self.bifrost.clock())

    def _show(self) -> None:
        """Show where the queue stands: the current secret, or what has become of all."""
        queue, item = self._queue, self._queue.current
        self.heading.left = Text("Rotation queue", "bold")
        place = f"{queue.at + 1} of {len(queue)}" if item else "done"
        self.heading.right = Text(place, "$muted")
        self.query_one(ProgressLine).show(queue.passed, len(queue))
        self.facts.left = self._counts()
        self.query_one("#now").display = item is not None
        self.table.cursor = min(queue.at, len(queue) - 1)
        if item is not self._shown:
            self._shown = item
            self._stopping = False
            self._open(item)
        self.refresh_bindings()

    def _counts(self) -> Text:
        told = Text()
        for step, word, style in (
            (Step.DONE, "rotated", "$success"),
            (Step.SAVING, "being saved", "$muted"),
            (Step.SKIPPED, "skipped", "$muted"),
            (Step.REFUSED, "refused", "$error"),
            (Step.WAITING, "to go", "$muted"),
        ):
            if number := len(self._queue.of(step)):
                told.append(" · " if told else "", "$muted").append(f"{number:,} {word}", style)
        return told

    def _open(self, item: Item | None) -> None:
        if item is None:
            self._notes = None
            self.set_focus(None)
            if refused := self._queue.of(Step.REFUSED):
                them = "it" if len(refused) == 1 else "them"
                self.say(f"{len(refused):,} refused; shift+tab goes back to {them}.", "error")
            return
        self._notes = SecretNotes(self, self.field, item.line.scope, item.line.id)
        if item.entered is not None:
            self.field.hold(item.entered)
        else:
            self.field.clear()
        self.field.focus()
        self._show_about(item)
        if item.step is Step.REFUSED:
            told = _UNKNOWN if item.reason == _UNKNOWN else f"Not saved: {self._why(item)}"
            self.say(f"{told}. What you entered is still here.", "error")
        for wanted in (item, self._queue.following):
            if wanted is not None and wanted.view is None:
                self._read(wanted)

    def _read(self, item: Item) -> None:
        """Read a secret as it is now; what a save is measured against must be fresh."""

        def answered(view: ConfigView) -> None:
            if item.view is None:
                item.view = view
            if item is self._shown:
                self._show_about(item)

        line = item.line
        self.ask(
            lambda: self.repository.configs.get(self.access, line.scope, line.id),
            answered,
            problem=partial(self._lost, item),
        )

    def _lost(self, item: Item, error: BifrostError) -> None:
        if isinstance(error, DatabaseUnreachableError):
            # Its turn stays: it is read once the database is reached again.
            self.tell_problem(error)
            return
        self._queue.refused(item, _reason(error), None)
        self._redraw(item)
        if item is self._shown:
            self.say(error.message, "error")
        self._show()

    def _show_about(self, item: Item) -> None:
        line, view, now = item.line, item.view, self.bifrost.clock()
        pairs: list[tuple[str, Text | str]] = [
            (
                "Secret",
                Text.assemble((visible(line.key), "bold"), f" in {visible(line.scope.name)}"),
            )
        ]
        if view is not None:
            told = [visible(view.integration or "")]
            if view.fingerprint and view.secret_changed_at:
                told.append(f"fingerprint {view.fingerprint}, {age(view.secret_changed_at, now)}")
            told.append(period_text(view, now))
            told.append(f"last changed by {visible(view.updated_by)}")
            state = state_text(view) if view.mask is None else Text()
            pairs.append(("Now", state or Text(" · ".join(part for part in told if part))))
            if view.description:
                pairs.append(("Description", visible(view.description)))
        self.query_one("#about", TextBlock).show(labelled(pairs))

    def _redraw(self, item: Item) -> None:
        self.table.refresh_row(self._queue.items.index(item))

    # What is entered

    @on(SecretField.Changed)
    def _changed(self) -> None:
        self._stopping = False
        if self._notes is not None:
            self._notes.changed()

    @on(SecretField.Submitted)
    def _entered(self, event: SecretField.Submitted) -> None:
        if event.revision != self.field.revision:
            self.field.show_problem("More was typed after Enter. Check, and press Enter again.")
            return
        entered, item = self.field.entered(), self._queue.current
        if item is None:
            return
        if entered is None:
            self.field.show_problem("Nothing is entered. Paste the new value, or skip with Tab.")
            return
        self.query_one(Status).clear()
        self._queue.take(entered)
        self._save(item, entered)
        self._redraw(item)
        self._show()

    def _save(self, item: Item, entered: EnteredSecret) -> None:
        """Save in the background; the next secret does not wait for it."""
        configs, access, line, view = self.repository.configs, self.access, item.line, item.view

        def question() -> ConfigView:
            fresh = view or configs.get(access, line.scope, line.id)
            return configs.rotate(access, fresh, entered)

        self.ask(question, partial(self._saved, item), problem=partial(self._refused, item))

    def _saved(self, item: Item, view: ConfigView) -> None:
        self._queue.saved(item, view)
        self._redraw(item)
        self._show()

    def _why(self, item: Item) -> str:
        when = f" {ago(item.since, self.bifrost.clock())}" if item.since else ""
        return f"{item.reason}{when}"

    def _refused(self, item: Item, error: BifrostError) -> None:
        # A conflict is shown; whoever goes back to it and saves again saves over it.
        since = error.at if isinstance(error, ConflictError) else None
        self._queue.refused(item, _reason(error), None, since)
        self._redraw(item)
        if isinstance(error, ConflictError) and error.deleted:
            item.entered = None
        if self._queue.current is not None:
            self.say(f"{item.line.key}: {self._why(item)}. Go back with shift+tab.", "error")
        self._show()
        if self._queue.current is None:
            self._open(None)

    def data_changed(self, changes: Changes) -> None:
        """Say when the secret whose turn it is was changed meanwhile; what is entered stays."""
        item, following = self._queue.current, self._queue.following
        if following is not None and following.view is not None:
            # Read ahead, and nobody has seen it yet.
            following.view = None
            self._read(following)
        if item is not None and item.view is not None:
            moved_on = partial(lambda item: item is not self._queue.current, item)
            Freshness(self, "saving", moved_on).check(item.view, changes)

    def read_anew(self) -> None:
        """Read what could not be read; what is entered stays."""
        for item in (self._queue.current, self._queue.following):
            if item is not None and item.view is None:
                self._read(item)
        super().read_anew()

    # What the keys do

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if not self.is_attached:
            return ""
        if action == "skip" and self._queue.current is None:
            return "There is nothing left to skip."
        if action == "back" and not any(
            item in self._queue.left for item in self._queue.items[: self._queue.at]
        ):
            return "Nothing before this was skipped or refused."
        return ""

    def action_skip(self) -> None:
        """Leave the current secret as it is."""
        item = self._queue.current
        if item is None:
            return
        if not self.field.is_empty and not self._stopping:
            self._stopping = True
            self.say("Not saved yet. Enter saves; tab once more leaves it as it is.", "warning")
            return
        item.entered = None
        self._queue.skip()
        self._redraw(item)
        self.query_one(Status).clear()
        self._show()

    def action_back(self) -> None:
        """Go back to what was skipped or refused."""
        item = self._queue.current
        if item is not None:
            item.entered = self.field.entered()
        self.query_one(Status).clear()
        self._queue.back()
        self._show()

    def key_words(self, action: str, words: str) -> str:
        """Say what Enter does now."""
        return "close" if action == "go_on" and self._queue.current is None else words

    def action_go_on(self) -> None:
        """Close the summary; before the end, the field takes Enter itself."""
        if self._queue.current is None:
            self.action_stop()
        else:
            self.field.focus()

    def action_stop(self) -> None:
        """Stop; asked for twice while something is entered or being saved."""
        saving = len(self._queue.of(Step.SAVING))
        typed = self._queue.current is not None and not self.field.is_empty
        kept = any(item.entered is not None for item in self._queue.of(Step.REFUSED))
        if (saving or typed or kept) and not self._stopping:
            self._stopping = True
            what = f"{saving} still being saved." if saving else "What is entered is not saved."
            self.say(f"{what} The same key once more leaves the queue.", "warning")
            return
        self.dismiss(tuple(item.line.id for item in self._queue.of(Step.DONE)))


def _reason(error: BifrostError) -> str:
    """Say in few words why a save was refused."""
    if isinstance(error, ConflictError):
        did = "deleted" if error.deleted else "changed"
        return f"{did} by {error.by}"
    if isinstance(error, DatabaseUncertainError):
        return _UNKNOWN
    return error.message.rstrip(".")
