"""The master keys: which are in use, and everything re-encrypted under the newest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, VerticalScroll

from bifrost_tui.errors import BifrostError
from bifrost_tui.settings import FROM_SYSTEMD, KEY_VARIABLE
from bifrost_tui.tui.base import labelled
from bifrost_tui.tui.master_key_words import (
    FAILED,
    KEYS,
    LABELS,
    Keys,
    Place,
    facts_text,
    failed_cell,
    failed_text,
    key_cell,
    status_words,
    told,
    told_meanwhile,
)
from bifrost_tui.tui.transferring import shown_path
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import PagedTable
from bifrost_tui.tui.widgets.text_block import TextBlock
from bifrost_tui.tui.widgets.work_line import WorkLine
from bifrost_tui.tui.working import Progress, WorkingScreen

if TYPE_CHECKING:
    from bifrost_tui.store.keys import KeyUse
    from bifrost_tui.store.live import Changes
    from bifrost_tui.store.rekeying import RekeyFailure, RekeyReport

_WORDS = """
A master key is named by eight characters from which nothing of it can be learnt.

The newest writes; the others only read. Rotating re-encrypts every secret under the newest,
while everybody goes on working: esc stops after the batch at hand, and it goes on from there.
"""


class MasterKeysScreen(WorkingScreen[None]):
    """The master keys of the database, and the rotation; it goes on while other screens are up."""

    AUTO_FOCUS = ""
    HELP_WORDS = _WORDS
    DEFAULT_CSS = """
    MasterKeysScreen {
        overflow: hidden;
        #keys { height: auto; max-height: 8; }
        #words { height: 1fr; padding: 0 1; margin-top: 1; }
        #told { max-width: 100; }
        #failed { height: 1fr; min-height: 4; margin-top: 1; display: none; }
        #about { height: 2; padding: 0 1; display: none; }
        WorkLine { padding: 0 1; }
        &.-failed {
            #keys { max-height: 5; }
            #words { height: auto; max-height: 7; }
            #failed, #about { display: block; }
            WorkLine { display: none; }
            &.-tall #about { margin-top: 1; }
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "r",
            "rotate",
            "rotate",
            id="keys.rotate",
            tooltip="Re-encrypt all under the newest key; asks first",
        ),
        Binding("escape", "back", "back", id="screen.back", tooltip="Stop; go back"),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    keys_table = getters.query_one("#keys", PagedTable)
    failed_table = getters.query_one("#failed", PagedTable)

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._keys = Keys()
        self._may_rotate = False
        self._report: RekeyReport | None = None

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
        yield PagedTable(KEYS, self._cell, id="keys")
        with VerticalScroll(id="words", can_focus=False):
            yield TextBlock(id="told", hang=LABELS)
        yield PagedTable(FAILED, failed_cell, id="failed")
        yield TextBlock(id="about")
        yield WorkLine()
        yield Status()
        yield KeyBar()

    def _cell(self, use: KeyUse, column: str) -> Text:
        return key_cell(use, column, self._place)

    @property
    def _place(self) -> Place:
        source = self.bifrost.settings.key_source
        if source is None or source.path is None:
            return Place(KEY_VARIABLE, KEY_VARIABLE, f"Set {KEY_VARIABLE}=NEW,OLD in this order.")
        path = shown_path(source.path, self.bifrost.origin)
        two = f"Put its line above the old one in {path}."
        if source.name == FROM_SYSTEMD:
            two = f"Give the {source.name} both, each on its line, the new one first."
        return Place(source.name, path, two)

    def on_mount(self) -> None:
        """Show where we are, and ask which keys are in use."""
        self.heading.left = Text("Master keys", "bold")
        self.heading.right = self.bifrost.context_line()
        self.facts.left = Text("counting the secrets of each key …", "$muted")
        self.keys_table.focus()
        self.reload()

    def reload(self) -> None:
        """Ask again which keys are in use."""
        keys, access = self.repository.master_keys, self.access
        self.ask(lambda: (keys.uses(access), keys.may_rotate(access)), self._know)

    def data_changed(self, changes: Changes) -> None:
        """Count again what others may have written."""
        if not self.is_working:
            self.reload()

    def _know(self, found: tuple[tuple[KeyUse, ...], bool]) -> None:
        uses, self._may_rotate = found
        self._keys = Keys(uses)
        self.keys_table.reset_rows(uses, cursor=max(self.keys_table.cursor, 0))
        self.facts.left = facts_text(self._keys)
        if not self.is_working:
            self._tell()
        self.refresh_bindings()

    def _tell(self) -> None:
        lines = told(self._keys, self._place, self._report, may_rotate=self._may_rotate)
        self._show_lines(lines)

    def _show_lines(self, lines: list[tuple[str, Text | str]]) -> None:
        self.query_one("#told", TextBlock).show(labelled(lines, LABELS))

    # Rotating

    @on(PagedTable.RowSelected)
    def action_rotate(self) -> None:
        """Ask whether and how, then re-encrypt."""
        if reason := self.why_not("rotate"):
            self.say(reason)
            return
        from bifrost_tui.tui.screens.rekey_confirm import RekeyConfirm

        self.query_one(Status).clear()
        self.app.push_screen(RekeyConfirm(self._keys), self._decided)

    def _decided(self, chosen: str | None) -> None:
        if chosen is None:
            return
        keys, access, dry_run = self.repository.master_keys, self.access, chosen == "dry"
        self._show_report(None)

        def question(progress: Progress) -> RekeyReport:
            return keys.rotate(access, dry_run=dry_run, progress=progress, stop=progress.stop)

        words = "Dry run" if dry_run else f"Re-encrypting under {self._keys.newest}"
        self._show_lines(told_meanwhile(dry_run=dry_run))
        self.work(words, question, self._rotated, self._broken_off, saves=True)

    def _rotated(self, report: RekeyReport) -> None:
        self._show_report(report)
        self.say(*status_words(report))
        self.reload()

    def _broken_off(self, error: BifrostError) -> None:
        self.tell_problem(error)
        self.reload()

    def _show_report(self, report: RekeyReport | None) -> None:
        self._report = report
        failed = report.failed if report is not None else ()
        self.set_class(bool(failed), "-failed")
        self.failed_table.reset_rows(failed)
        (self.failed_table if failed else self.keys_table).focus()
        self._tell()

    @on(PagedTable.RowHighlighted, "#failed")
    def _failure_highlighted(self) -> None:
        failure: RekeyFailure | None = self.failed_table.current
        self.query_one("#about", TextBlock).show(failed_text(failure) if failure else Text())

    # Keys

    def key_words(self, action: str, words: str) -> str:
        """Call Enter what it does."""
        if action == "select_cursor":
            return "rotate"
        return super().key_words(action, words)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys that work here; Enter opens no row."""
        found = super().active_bindings
        if (enter := found.get("enter")) is not None and (rotate := found.get("r")) is not None:
            found["enter"] = enter._replace(
                binding=replace(enter.binding, tooltip=rotate.binding.tooltip, show=False)
            )
        return found

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action not in ("rotate", "reload"):
            return ""
        if self.is_working:
            return "One thing after the other: esc stops what is being done."
        if action == "reload":
            return ""
        if not self._keys.all:
            return "It is not known yet which keys are in use."
        if not self._may_rotate:
            return "Only owners of all organizations rotate the master key."
        if not (self._keys.older or self._keys.foreign):
            return "There is one master key at hand: it takes two, the new one first."
        return ""

    def action_reload(self) -> None:
        """Count again."""
        self.query_one(Status).clear()
        self.reload()

    def action_back(self) -> None:
        """Stop what is being done, or go back."""
        if not self.stop_work():
            self.dismiss()
