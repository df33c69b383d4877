"""Marks in a list of configs: one, a range, all of a filter; and the queue of what is marked."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import getters
from textual.binding import Binding, BindingType

from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Anchor, ConfigLine, ConfigView
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.cells import line_of
from bifrost_tui.tui.config_source import ConfigSource
from bifrost_tui.tui.marks import MOST, Marks, markable
from bifrost_tui.tui.queueing import say_rotated
from bifrost_tui.tui.widgets.paged_table import PagedTable

_PAGE = 500


class MarkedList(DataScreen[None]):
    """A list of configs whose secrets can be marked for the rotation queue."""

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
            "v",
            "mark_range",
            "mark range",
            show=False,
            id="configs.mark_range",
            tooltip="Mark all from the one marked last to this one",
        ),
        Binding(
            "asterisk",
            "mark_all",
            "mark all",
            show=False,
            key_display="*",
            id="configs.mark_all",
            tooltip="Mark all secrets of the filtered list; again: none",
        ),
    ]

    table = getters.query_one("#configs", PagedTable)

    marks: Marks
    _source: ConfigSource

    def reload(self, key: str | None = None) -> None:
        """Read the list again."""
        raise NotImplementedError

    def key_words(self, action: str, words: str) -> str:
        """Say for how many secrets the queue is."""
        return f"{words} {len(self.marks):,}" if action == "queue" and len(self.marks) else words

    def why_not_mark(self, action: str, view: ConfigView | None) -> str:
        """Say why the secret under the cursor cannot be marked or queued."""
        if action == "queue" and len(self.marks):
            return ""
        if action not in ("mark", "queue"):
            return ""
        if view is None:
            return "There is no config under the cursor."
        if not view.is_secret:
            return f"{view.key} is no secret; only secrets are rotated."
        if not markable(view):
            return f"{view.key} is global: mark it in Global, or press s to shadow it here."
        return ""

    def _marks_changed(self) -> None:
        self.table.refresh_rows()
        self.refresh_bindings()

    def action_mark(self) -> None:
        """Mark the secret under the cursor, or take its mark away, and go down."""
        view: ConfigView | None = self.table.current
        if view is None:
            return
        self.marks.toggle(view)
        self.marks.last = self.table.cursor
        self.table.refresh_row(self.table.cursor)
        self.table.action_cursor_down()
        self.refresh_bindings()

    def action_mark_range(self) -> None:
        """Mark the secrets from the one that was marked last to the cursor."""
        start = self.marks.last
        if start is None or start >= self.table.row_count:
            self.say("Mark the first of the range with space, then press v on the last.")
            return
        first, last = sorted((start, self.table.cursor))
        source, repository, access = self._source, self.repository, self.access
        count = min(last - first + 1, MOST)

        def marked(views: tuple[ConfigView, ...]) -> None:
            self._told(self.marks.add(views))

        self.ask(lambda: source.page(repository, access, first, count).rows, marked)

    def action_mark_all(self) -> None:
        """Mark every own secret of the list as it is filtered; take all marks away if it was so."""
        wanted = self._source.wanted
        kinds = wanted.filter.types
        if kinds and ConfigType.SECRET not in kinds:
            self.say("The filter leaves no secret in the list.")
            return
        secrets = replace(wanted.filter, types=frozenset({ConfigType.SECRET}))
        own = ConfigList(wanted.scope, secrets, own_only=True)

        def marked(views: list[ConfigView]) -> None:
            if new := self.marks.add(views):
                self._told(new)
            elif len(self.marks):
                self.marks.clear()
                self.say("No secret is marked any more.")
            else:
                self.say("There is no secret of its own in the list.")
            self._marks_changed()

        self.ask(lambda: self._all(own), marked)

    def _all(self, wanted: ConfigList) -> list[ConfigView]:
        """Return every line of a list, up to the most that can be marked; runs in a thread."""
        configs, access = self.repository.configs, self.access
        found: list[ConfigView] = []
        anchor: Anchor | None = None
        while len(found) < MOST:
            rows = configs.page(access, wanted, offset=len(found), limit=_PAGE, anchor=anchor).rows
            found += rows
            if len(rows) < _PAGE:
                break
            anchor = Anchor(len(found) - 1, rows[-1].key)
        return found[:MOST]

    def _told(self, new: int) -> None:
        if len(self.marks) >= MOST:
            self.say(f"{MOST:,} secrets are marked; that is the most.", "warning")
        elif new:
            self.say(f"{new:,} more marked: R begins.")
        self._marks_changed()

    def action_queue(self) -> None:
        """Rotate what is marked, or without marks the secret under the cursor."""
        from bifrost_tui.tui.screens.queue import QueueScreen

        view: ConfigView | None = self.table.current
        lines: list[ConfigLine] = self.marks.lines
        if not lines and view is not None:
            lines = [line_of(view)]

        def left(done: tuple[str, ...] | None) -> None:
            self.marks.drop(done or ())
            say_rotated(self, self.reload, done)

        self.app.push_screen(QueueScreen(lines), left)
