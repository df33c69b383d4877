"""The configs of one organization: a list of any length, filtered as you type, with details."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.errors import BifrostError, InvalidInputError
from bifrost_tui.store.filters import Order, parse_filter
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    ConfigPage,
    ConfigView,
    Scope,
    ScopeCounts,
)
from bifrost_tui.tui.cells import (
    CONFIG_COLUMNS,
    config_cell,
    config_row_style,
    counts_text,
    found_text,
    scope_text,
)
from bifrost_tui.tui.config_source import ConfigSource, why_not
from bifrost_tui.tui.live import is_shut_out
from bifrost_tui.tui.marks import Marks
from bifrost_tui.tui.screens.config_actions import ConfigActions
from bifrost_tui.tui.screens.current_facts import CurrentFacts
from bifrost_tui.tui.screens.marked_list import MarkedList
from bifrost_tui.tui.transferring import TRANSFER_KEY
from bifrost_tui.tui.widgets.config_facts import ConfigFacts
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import PagedTable, current_row

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes

PAGE = 100
"""How many lines are asked for at once."""


class ConfigurationsScreen(MarkedList, CurrentFacts, ConfigActions):
    """The list of an organization's configs, inherited ones among its own."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter by words of the key, type: is: integration:",
        ),
        Binding("l", "log", "audit", id="screen.log", tooltip="Look at the audit log"),
        TRANSFER_KEY,
        Binding(
            "o,escape",
            "back",
            "organizations",
            key_display="o",
            id="screen.back",
            tooltip="Back to the organizations; Esc clears a filter first",
        ),
        Binding(
            "s",
            "shadow",
            "shadow",
            id="configs.shadow",
            tooltip="Shadow the inherited config with one of this organization",
        ),
        Binding(
            "i",
            "inherited",
            "inherited",
            show=False,
            id="configs.inherited",
            tooltip="Hide the inherited configs, or show them again",
        ),
        Binding(
            "S",
            "sort",
            "sort",
            show=False,
            id="configs.sort",
            tooltip="Order by key, by integration, by age, by what is due",
        ),
        Binding(
            "m",
            "members",
            "members",
            show=False,
            id="configs.members",
            tooltip="Show the members of the organization",
        ),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#configs", PagedTable)

    def __init__(
        self, scope: Scope, *, first: ConfigPage | None = None, classes: str | None = None
    ) -> None:
        super().__init__(classes=classes)
        self._first = first
        self._scope = scope
        self._own_only = False
        self._order = Order.KEY
        self.marks = Marks()
        self._source = ConfigSource(ConfigList(scope))
        self._generation = 0
        self._counts: ScopeCounts | None = None
        self._counts_due = False
        self._going_to: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        yield PagedTable[ConfigView](
            CONFIG_COLUMNS,
            self._cell,
            row_style=config_row_style,
            page_size=PAGE,
            id="configs",
        )
        yield ConfigFacts()
        yield Status()
        yield KeyBar()

    def _cell(self, view: ConfigView, column: str) -> Text:
        if column == "mark":
            return Text("+" if view.id in self.marks else "", "$accent")
        return config_cell(view, column, self.bifrost.clock())

    def on_mount(self) -> None:
        """Show where we are, and ask for the first lines."""
        self.heading.left = scope_text(self._scope)
        self.heading.right = self.bifrost.context_line()
        self.table.focus()
        self._counts_due = True
        if self._first is not None:
            self._first_page(self._source, (0, self._first))
        else:
            self._list(None, quiet=False)

    def on_unmount(self) -> None:
        """Stop what is still being read."""
        self._source.abandon()

    # Reading

    def reload(self, key: str | None = None) -> None:
        """Read counts and list again; the cursor stays on its key, or goes to ``key``."""
        self.forget_history()
        self._counts_due = True
        self._going_to = key or getattr(self.table.current, "key", None)
        self._list(self._going_to, quiet=False)

    def _read_counts(self) -> None:
        """Read the counts where they are due: the lines come first."""
        if self._counts_due:
            self._counts_due = False
            self.ask(
                lambda: self.repository.organizations.counts(self.access, self._scope),
                self._show_counts,
            )

    def data_changed(self, changes: Changes) -> None:
        """Read counts and list again, where they may be others; the cursor stays on its key."""
        if self._concerns(changes):
            self.forget_history()
            self._counts_due = True
            self._follow()

    def _concerns(self, changes: Changes) -> bool:
        mine = {self._scope.id, GLOBAL_SCOPE.id} & changes.scopes
        return bool(mine) or changes.members or changes.organizations

    def _follow(self) -> None:
        # Where the list is on its way to a line, that one is not lost.
        live = self._going_to is None
        key = getattr(self.table.current, "key", None) if live else self._going_to
        self._list(key, quiet=False, live=live)

    def _list(self, key: str | None, *, quiet: bool, live: bool = False) -> None:
        """Show the list as it is filtered now, from the line of ``key`` on where it is given."""
        try:
            wanted = ConfigList(
                self._scope,
                parse_filter(self.filter_bar.text),
                own_only=self._own_only,
                order=self._order,
            )
        except InvalidInputError as error:
            if not live:
                self._going_to = None
                self.say(self.after_done(error.message), "warning")
            self._read_counts()
            return
        if quiet:
            self.query_one(Status).clear()
        self._source.abandon()
        self.marks.last = None
        source = self._source = ConfigSource(wanted)
        repository, access = self.repository, self.access

        # Not loaded yet, it has no key to find it by.
        standing = max(self.table.cursor, 0) if live else 0

        def question() -> tuple[int, ConfigPage]:
            at = standing
            if key is not None:
                at = repository.configs.position(access, wanted, key, source.interrupt)
            return at, source.page(repository, access, at - at % PAGE, PAGE)

        def lost(error: BifrostError) -> None:
            self._going_to = None
            if is_shut_out(error) and self in self.app.screen_stack:
                self.bifrost.leave_organization(error)
            else:
                self.tell_problem(error)

        answer = partial(self._followed, source, key) if live else partial(self._first_page, source)
        self.ask(question, answer, problem=lost)

    def _followed(
        self, source: ConfigSource, key: str | None, found: tuple[int, ConfigPage]
    ) -> None:
        current: ConfigView | None = self.table.current
        if source is self._source and current is not None and current.key != key:
            # The cursor was moved while the list was read.
            self._follow()
        else:
            self._first_page(source, found, least=self.table.row_count)

    def _first_page(
        self, source: ConfigSource, found: tuple[int, ConfigPage], *, least: int = 0
    ) -> None:
        if source is not self._source:
            return
        at, page = found
        self._going_to = None
        source.learn(page)
        # Exact where the page is not full; else until the count arrives, a moment later.
        end = page.offset + len(page.rows)
        least = max(end, least) if len(page.rows) == PAGE else end
        self._generation = self.table.reset(least, cursor=at)
        self.table.put_page(self._generation, page.offset // PAGE, page.rows)
        self.say_done()
        self.call_after_refresh(self.filter_bar.prepare)
        self.call_after_refresh(self._read_counts)
        if len(page.rows) < PAGE and page.rows:
            self._counted(source, least)
            return
        self.ask(
            lambda: self.repository.configs.count(self.access, source.wanted, source.interrupt),
            partial(self._counted, source),
        )

    def _counted(self, source: ConfigSource, total: int) -> None:
        if source is not self._source:
            return
        source.total = total
        if total != self.table.row_count:
            self.table.set_total(total)
        self._show_found()
        self.show_current()

    def _show_counts(self, counts: ScopeCounts) -> None:
        self._counts = counts
        if counts.scope is not None and counts.scope != self._scope:
            self._scope = counts.scope
            self.heading.left = scope_text(self._scope)
        order = "" if self._order is Order.KEY else self._order.value
        self.facts.left = counts_text(counts, own_only=self._own_only, order=order)
        self._show_found()
        self.refresh_bindings()

    def _show_found(self) -> None:
        """Say how many of how many the filter lets through; either number may come first."""
        found = self._source.total if self._source.wanted.filter else None
        self.filter_bar.show_count(found_text(found, self._counts, own_only=self._own_only))

    @on(PagedTable.PageWanted)
    def _page_wanted(self, event: PagedTable.PageWanted) -> None:
        source, table = self._source, self.table
        if event.generation != self._generation:
            return
        repository, access = self.repository, self.access

        def arrived(page: ConfigPage) -> None:
            source.learn(page)
            table.put_page(event.generation, event.page, page.rows)

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
        # Back from a filter, the cursor stays where the filter had led.
        current: ConfigView | None = self.table.current
        self._list(current.key if current and not event.text.strip() else None, quiet=True)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    # What the keys do

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        current = current_row(self) if self.is_attached else None
        return (
            self.why_not_people(action)
            or why_not(action, self._scope, current)
            or self.why_not_mark(action, current)
        )

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    def action_inherited(self) -> None:
        """Hide the inherited configs, or show them again."""
        if self._scope.is_global:
            self.say("Global inherits nothing.")
            return
        self._own_only = not self._own_only
        self.reload()

    def action_sort(self) -> None:
        """Order the list by the next of what it can be ordered by."""
        orders = list(Order)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self.reload()

    def action_reload(self) -> None:
        """Read the list again."""
        self.reload()

    def action_back(self) -> None:
        """Clear the filter, or go back to the organizations."""
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        else:
            self.dismiss()
