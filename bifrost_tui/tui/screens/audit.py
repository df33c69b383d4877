"""The audit log, newest first: a list of any length, filtered as you type."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.display import counted
from bifrost_tui.errors import BifrostError, InvalidInputError
from bifrost_tui.store.audit_filters import NO_AUDIT_FILTER, parse_audit_filter
from bifrost_tui.store.live import Changes
from bifrost_tui.store.views import AuditDetails, Scope
from bifrost_tui.tui.audit_cells import COLUMNS, cell, filter_for
from bifrost_tui.tui.audit_source import AuditSource
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import PagedTable

PAGE = 100
"""How many lines are asked for at once."""


_WORDS = """
The filter takes parts of keys, and actor: action: org: key: outcome: since: until:
actor:alice   action:config   org:"Acme Inc"   outcome:refused   since:7d   until:2026-03-01
"""


class AuditScreen(DataScreen[None]):
    """The events that the actor may see; of one scope first, where it is opened from there."""

    AUTO_FOCUS = ""
    HELP_WORDS = _WORDS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter by parts of keys, actor: action: org: key: outcome: since: until:",
        ),
        Binding(
            "V",
            "verify",
            "verify",
            id="audit.verify",
            tooltip="Check that no event was changed, removed or put elsewhere",
        ),
        Binding(
            "escape",
            "back",
            "back",
            id="screen.back",
            tooltip="Clear the filter: all that you may see; go back",
        ),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#events", PagedTable)

    def __init__(self, scope: Scope | None = None, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._first = filter_for(scope) if scope is not None else ""
        self._scopes: tuple[Scope, ...] = () if scope is None else (scope,)
        self._may_verify = False
        self._source = AuditSource(NO_AUDIT_FILTER)
        self._generation = 0

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        yield PagedTable[AuditDetails](COLUMNS, self._cell, page_size=PAGE, id="events")
        yield Status()
        yield KeyBar()

    def _cell(self, view: AuditDetails, column: str) -> Text:
        return cell(view, column, self.bifrost.clock())

    def on_mount(self) -> None:
        """Show where we are, and ask for the newest events."""
        self.heading.left = Text("Audit log", "bold")
        self.heading.right = self.bifrost.context_line()
        self.filter_bar.prepare(self._first)
        self.table.focus()
        self._list(self._first)
        log, access = self.repository.log, self.access
        self.ask(lambda: (log.scopes(access), log.may_verify(access)), self._know, again=True)

    def on_unmount(self) -> None:
        """Stop what is still being read."""
        self._source.abandon()

    def _know(self, found: tuple[tuple[Scope, ...], bool]) -> None:
        self._scopes, self._may_verify = found
        self.refresh_bindings()

    # Reading

    def reload(self) -> None:
        """Read the list again, from its newest event on."""
        self._list(self.filter_bar.text)

    def data_changed(self, changes: Changes) -> None:
        """Read the log again where its newest event is looked at; else say that there is more."""
        if self.table.cursor <= 0:
            self.reload()
        else:
            self.say("There are newer events: f5 shows them.")

    def read_anew(self) -> None:
        """Read the list where its newest event is looked at; else only what did not come."""
        if self.table.cursor > 0:
            self.ask_unanswered()
            self.table.ask_again()
        else:
            super().read_anew()

    def _list(self, text: str) -> None:
        try:
            wanted = parse_audit_filter(text, self.bifrost.clock(), self._scopes, typing=True)
        except InvalidInputError as error:
            self.say(error.message, "warning")
            return
        self._source.abandon()
        source = self._source = AuditSource(wanted)
        repository, access = self.repository, self.access
        self.ask(
            lambda: source.page(repository, access, 0, PAGE), partial(self._first_page, source)
        )

    def _first_page(self, source: AuditSource, rows: tuple[AuditDetails, ...]) -> None:
        if source is not self._source:
            return
        source.learn(0, rows)
        # Exact where the page is not full; else until the count arrives, a moment later.
        self._generation = self.table.reset(len(rows))
        self.table.put_page(self._generation, 0, rows)
        self.say_done()
        self.refresh_bindings()
        if len(rows) < PAGE:
            self._counted(source, len(rows))
            return
        repository, access = self.repository, self.access
        self.ask(lambda: source.count(repository, access), partial(self._counted, source))

    def _counted(self, source: AuditSource, total: int) -> None:
        if source is not self._source:
            return
        source.total = total
        if total != self.table.row_count:
            self.table.set_total(total)
        self.facts.left = Text(counted(total, "event"), "$muted")
        self.filter_bar.show_count("")

    @on(PagedTable.PageWanted)
    def _page_wanted(self, event: PagedTable.PageWanted) -> None:
        source, table = self._source, self.table
        if event.generation != self._generation:
            return
        repository, access = self.repository, self.access

        def arrived(rows: tuple[AuditDetails, ...]) -> None:
            source.learn(event.first_index, rows)
            table.put_page(event.generation, event.page, rows)

        def lost(error: BifrostError) -> None:
            table.lose_page(event.generation, event.page)
            if source is self._source:
                self.tell_problem(error)

        self.ask(
            lambda: source.page(repository, access, event.first_index, event.count),
            arrived,
            problem=lost,
        )

    # The filter

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.query_one(Status).clear()
        self._list(event.text)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    # What the keys do

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action == "verify" and not self._may_verify:
            return "Only owners and admins of all organizations can verify the log."
        return ""

    @on(PagedTable.RowSelected)
    def _open(self, event: PagedTable.RowSelected) -> None:
        from bifrost_tui.tui.screens.audit_event import AuditEventScreen

        self.app.push_screen(AuditEventScreen(event.row))

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    def action_verify(self) -> None:
        """Check the chain."""
        from bifrost_tui.tui.screens.verify import VerifyScreen

        self.app.push_screen(VerifyScreen())

    def action_reload(self) -> None:
        """Read the list again."""
        self.reload()

    def action_back(self) -> None:
        """Clear the filter, or go back."""
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        else:
            self.dismiss()
