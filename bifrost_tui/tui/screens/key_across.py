"""One key in every organization: where it is own, inherited or missing, how old, equal to whose.

From here marked ones go into the rotation queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.views import ConfigLine, KeyLine
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.key_lines import (
    COLUMNS,
    KeyFilter,
    cell,
    counts_text,
    equal_to,
    parse_key_filter,
    row_style,
    why_no_mark,
)
from bifrost_tui.tui.queueing import say_rotated
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import PagedTable

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes


class KeyAcrossScreen(DataScreen[None]):
    """How one key stands in each organization that the actor may see."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "R",
            "queue",
            "queue",
            id="configs.queue",
            tooltip="Rotate the marked secrets one after another",
        ),
        Binding(
            "space",
            "mark",
            "mark",
            id="configs.mark",
            tooltip="Mark the secret for the queue, or take its mark away",
        ),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter by words of the organization's name, and is:",
        ),
        Binding(
            "v",
            "mark_range",
            "mark range",
            show=False,
            id="configs.mark_range",
            tooltip="Mark the secrets from the one marked last to this one",
        ),
        Binding(
            "asterisk",
            "mark_all",
            "mark all",
            show=False,
            key_display="*",
            id="configs.mark_all",
            tooltip="Mark every secret of the list as it is filtered; again takes all marks away",
        ),
        Binding("escape", "back", "back", id="screen.back", tooltip="Clear the filter, go back"),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#across", PagedTable)

    def __init__(self, key: str, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._key = key
        self._all: tuple[KeyLine, ...] = ()
        self._shown: tuple[KeyLine, ...] = ()
        self._found: tuple[KeyLine, ...] = ()
        self._equals: dict[str, str] = {}
        self._filter = KeyFilter()
        self._marked: set[str] = set()
        self._last_marked: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        yield PagedTable[KeyLine](COLUMNS, self._cell, row_style=row_style, id="across")
        yield Status()
        yield KeyBar()

    def _cell(self, line: KeyLine, column: str) -> Text:
        return cell(line, column, self.bifrost.clock(), self._marked, self._equals)

    def on_mount(self) -> None:
        """Show which key this is, and ask for its lines."""
        self.heading.left = Text(visible(self._key), "bold")
        self.heading.right = self.bifrost.context_line()
        self.table.focus()
        self.reload()

    # Reading

    def reload(self) -> None:
        """Read the lines again; the cursor and the marks stay."""
        self.ask(lambda: self.repository.everywhere.key(self.access, self._key), self._reloaded)

    def data_changed(self, changes: Changes) -> None:
        """Read the lines again; what is the same is not drawn again."""
        self.ask(
            lambda: self.repository.everywhere.key(self.access, self._key),
            lambda found: self._show(found) if found != self._found else None,
        )

    def _reloaded(self, found: tuple[KeyLine, ...]) -> None:
        self._show(found)
        self.say_done()

    def _show(self, found: tuple[KeyLine, ...]) -> None:
        self._found = found
        before = {line.config.id: line.config for line in self._all if line.config}
        # Where global has none, there is nothing to say of it.
        self._all = tuple(line for line in found if line.config or not line.scope.is_global)
        self._equals = equal_to(self._all)
        # A mark goes with the secret that it was set for, and with its rotation.
        self._marked = {
            config.id
            for config in self._markable(self._all)
            if config.id in self._marked
            if before[config.id].secret_changed_at == config.secret_changed_at
        }
        organizations = sum(not line.scope.is_global for line in self._all)
        self.heading.left = Text.assemble(
            (visible(self._key), "bold"), f" in {counted(organizations, 'organization')}"
        )
        self.facts.left = counts_text(self._all)
        self._narrow()
        self.call_after_refresh(self.filter_bar.prepare)

    def _narrow(self) -> None:
        current: KeyLine | None = self.table.current
        self._shown = tuple(line for line in self._all if self._filter.fits(line))
        scopes = [line.scope for line in self._shown]
        at = scopes.index(current.scope) if current and current.scope in scopes else 0
        self.table.reset_rows(self._shown, cursor=at)
        found = f"{len(self._shown):,} of {len(self._all):,}" if self._filter else ""
        self.filter_bar.show_count(found)
        self.refresh_bindings()

    @on(PagedTable.RowHighlighted)
    def _row_highlighted(self) -> None:
        self.refresh_bindings()

    # The filter

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        try:
            self._filter = parse_key_filter(event.text)
        except InvalidInputError as error:
            self.say(error.message, "warning")
            return
        self.query_one(Status).clear()
        self._narrow()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    # Marks

    def key_words(self, action: str, words: str) -> str:
        """Say for how many secrets the queue is."""
        return f"{words} {len(self._marked):,}" if action == "queue" and self._marked else words

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action in ("mark_all", "mark_range") and not self._markable(self._shown):
            return "There is no secret here that could be marked."
        if action == "mark" or (action == "queue" and not self._marked):
            # Asked once more while the screen goes, when the table has gone before it.
            return why_no_mark(self.table.current) if self.query(PagedTable) else ""
        return ""

    @staticmethod
    def _markable(lines: Iterable[KeyLine]) -> list[ConfigLine]:
        return [line.config for line in lines if line.config and not why_no_mark(line)]

    def action_mark(self) -> None:
        """Mark the secret under the cursor, or take its mark off, and go down."""
        current: KeyLine | None = self.table.current
        if current is None or current.config is None:
            return
        self._marked ^= {current.config.id}
        self._last_marked = current.config.id
        self.table.action_cursor_down()
        self._marks_changed()

    def action_mark_range(self) -> None:
        """Mark from the line that was marked last to the one under the cursor."""
        at = self.table.cursor
        places = [place for place, line in enumerate(self._shown) if self._is_last_marked(line)]
        if not places:
            self.say("Mark the first of the range with space, then press v on the last.")
            return
        first, last = sorted((places[0], at))
        ids = [config.id for config in self._markable(self._shown[first : last + 1])]
        if ids:
            self._marked.update(ids)
            self._last_marked = ids[-1] if last == at else ids[0]
        self._marks_changed()

    def _is_last_marked(self, line: KeyLine) -> bool:
        return any(config.id == self._last_marked for config in self._markable([line]))

    def action_mark_all(self) -> None:
        """Mark all that the filter lets through; where all of it is marked, none."""
        ids = {config.id for config in self._markable(self._shown)}
        self._marked = self._marked - ids if ids <= self._marked else self._marked | ids
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.table.refresh_rows()
        self.refresh_bindings()

    # Where to from here

    def action_queue(self) -> None:
        """Rotate what is marked, or the secret under the cursor."""
        from bifrost_tui.tui.screens.queue import QueueScreen

        current: KeyLine | None = self.table.current
        wanted = self._marked or {current.config.id if current and current.config else ""}
        queued = [config for config in self._markable(self._all) if config.id in wanted]

        self.app.push_screen(QueueScreen(queued), partial(say_rotated, self, self.reload))

    @on(PagedTable.RowSelected)
    async def _open(self, event: PagedTable.RowSelected) -> None:
        from bifrost_tui.tui.screens.configurations import ConfigurationsScreen

        screen = ConfigurationsScreen(event.row.scope, classes=self.bifrost.size_classes())
        await self.app.push_screen(screen, lambda _: self.reload())
        screen.call_later(partial(screen.reload, self._key))

    def action_reload(self) -> None:
        """Read the list again."""
        self.reload()

    def action_back(self) -> None:
        """Clear the filter, or go back."""
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        else:
            self.dismiss()
