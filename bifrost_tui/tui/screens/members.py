"""Members of an organization, or of all: who may do what, and what those who left could read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.display import age, counted, visible
from bifrost_tui.errors import AccessDeniedError, BifrostError, OrganizationNotFoundError
from bifrost_tui.store.views import (
    ALL_SCOPES,
    GLOBAL_SCOPE,
    LeaverView,
    MemberView,
    Role,
    Scope,
    Waiting,
)
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.queueing import queue_waiting
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import Column, PagedTable, current_row

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes

_COLUMNS = (
    Column("actor", "Actor", 20, grow=3, max_width=48),
    Column("role", "Role", 8),
    Column("where", "Organization", 20, grow=2, max_width=40),
    Column("since", "Since", 8, right=True),
    Column("by", "By", 14, drop=1),
)

_Found = tuple[tuple[MemberView, ...], tuple[LeaverView, ...]]


class MembersScreen(DataScreen[None]):
    """Who is a member of one organization, or of all of them."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "add", id="members.add", tooltip="Make somebody a member"),
        Binding("e", "change_role", "role", id="members.edit", tooltip="Give another role"),
        Binding(
            "d",
            "remove",
            "remove",
            id="members.remove",
            tooltip="Remove the member; what goes with them is shown first",
        ),
        Binding(
            "R",
            "queue",
            "queue",
            id="members.queue",
            tooltip="Rotate what those who left could read, one after another",
        ),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter the list by words of the actor, the role or the organization",
        ),
        Binding("escape", "back", "back", id="screen.back", tooltip="Clear the filter, go back"),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#members", PagedTable)

    def __init__(self, scope: Scope, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._scope = ALL_SCOPES if scope == GLOBAL_SCOPE else scope
        self._all: tuple[MemberView, ...] = ()
        self._left: tuple[LeaverView, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        yield PagedTable[MemberView](_COLUMNS, self._cell, row_style=_row_style, id="members")
        yield Status()
        yield KeyBar()

    def _cell(self, view: MemberView, column: str) -> Text:
        if column == "since":
            return Text(age(view.created_at, self.bifrost.clock()))
        texts = {"actor": view.actor, "where": view.scope.name, "by": view.created_by}
        return Text(visible(texts.get(column, view.role.value)))

    def on_mount(self) -> None:
        """Show whose members these are, and ask for them."""
        name = visible(self._scope.name)
        self.heading.left = Text.assemble("Members of ", (name, "bold"))
        if self._scope == ALL_SCOPES:
            self.heading.left = Text.assemble("Members of ", ("all organizations", "bold"))
        self.heading.right = self.bifrost.context_line()
        self.table.focus()
        self.reload()

    # Reading

    def reload(self, actor: str | None = None) -> None:
        """Read the list again; the cursor stays on its member, or goes to ``actor``."""
        self.ask(self._question, partial(self._reloaded, actor), problem=self._refused)

    def _question(self) -> _Found:
        members, access = self.repository.members, self.access
        return members.list(access, self._scope), members.left(access)

    def data_changed(self, changes: Changes) -> None:
        """Read the list again; what is the same is not drawn again."""

        def changed(found: _Found) -> None:
            if found != (self._all, self._left):
                self._show(found)

        self.ask(self._question, changed, problem=self._refused)

    def _refused(self, error: BifrostError) -> None:
        if isinstance(error, (AccessDeniedError, OrganizationNotFoundError)):
            # Nothing of it is theirs to see, any more.
            self._all = ()
            self.table.reset(0)
        self.tell_problem(error)
        self.refresh_bindings()

    def _reloaded(self, actor: str | None, found: _Found) -> None:
        self._show(found, actor)
        self.say_done()

    def _show(self, found: _Found, actor: str | None = None) -> None:
        self._all, self._left = found
        current: MemberView | None = self.table.current
        keep = next((view.id for view in self._all if view.actor == actor), None)
        self._narrow(keep or (current.id if current else None))
        self._show_facts()
        self.call_after_refresh(self.filter_bar.prepare)

    def _narrow(self, keep: str | None) -> None:
        words = self.filter_bar.text.casefold().split()
        shown = tuple(
            view
            for view in self._all
            if all(
                word in f"{view.actor} {view.role.value} {view.scope.name}".casefold()
                for word in words
            )
        )
        ids = [view.id for view in shown]
        self.table.reset_rows(shown, cursor=ids.index(keep) if keep in ids else 0)
        self.filter_bar.show_count(f"{len(ids):,} of {len(self._all):,}" if words else "")
        self.refresh_bindings()

    def _show_facts(self) -> None:
        facts = Text(counted(len(self._all), "member"), "$muted")
        owners = sum(view.role is Role.OWNER for view in self._all)
        facts.append(f" · {counted(owners, 'owner')}", "$muted")
        if self._left:
            secrets = sum(leaver.secrets for leaver in self._left)
            first, more = self._left[0], len(self._left) - 1
            who = visible(first.actor) + (f" and {more:,} more" if more else "")
            words = f"▲ {counted(secrets, 'secret')} that {who} could read"
            facts.append(" · ").append(words, "$warning")
        self.facts.left = facts

    @on(PagedTable.RowHighlighted)
    def _row_highlighted(self) -> None:
        self.refresh_bindings()

    # The filter

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    @on(FilterBar.Changed)
    def _filter_changed(self) -> None:
        current: MemberView | None = self.table.current
        self._narrow(current.id if current else None)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    # Keys

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action == "queue" and not self._left:
            return "Nothing that somebody who left could read is left as it was."
        if action in ("change_role", "remove"):
            view: MemberView | None = current_row(self)
            return "" if view is not None else "There is no member under the cursor."
        return ""

    @on(PagedTable.RowSelected)
    def action_change_role(self) -> None:
        """Give the member under the cursor another role."""
        self._open_form(self.table.current)

    def action_add(self) -> None:
        """Make somebody a member here."""
        self._open_form(None)

    def _open_form(self, view: MemberView | None) -> None:
        from bifrost_tui.tui.screens.member_form import MemberForm

        self.app.push_screen(MemberForm(self._scope, view), self._saved)

    def _saved(self, view: MemberView | None) -> None:
        if view is not None:
            self.say_once_shown(f"{visible(view.actor)} is saved as {view.role.value}")
            self.reload(view.actor)

    def action_remove(self) -> None:
        """Show what goes with the member under the cursor, and remove them."""
        from bifrost_tui.tui.screens.remove_member import RemoveMember

        view: MemberView | None = self.table.current
        if view is not None:
            self.app.push_screen(RemoveMember(view), partial(self._removed, view))

    def _removed(self, view: MemberView, readable: int | None) -> None:
        if readable is None:
            return
        words = f"{visible(view.actor)} is removed"
        if readable:
            words += f" · press R to rotate {counted(readable, 'secret')} that they could read"
        self.say_once_shown(words)
        self.reload()

    def action_queue(self) -> None:
        """Rotate what those who left could read, one after another."""
        queue_waiting(self, Waiting.EXPOSED, after=self.reload)

    def action_reload(self) -> None:
        """Read the list again."""
        self.reload()

    def action_back(self) -> None:
        """Clear the filter, or go back."""
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        else:
            self.dismiss()


def _row_style(view: MemberView) -> str:
    # Who is in all organizations is in this one as well.
    return "$muted" if view.scope == ALL_SCOPES else ""
