"""The organizations: global first, each with its counts and what wants attention."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.transferring import TRANSFER_KEY, open_transfer, why_no_transfer
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import Column, PagedTable

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.views import ConfigPage, OrganizationView, Scope

    _Opened = tuple[Repository, tuple[OrganizationView, ...], tuple[Scope, ConfigPage] | None]

_COLUMNS = (
    Column("name", "Name", 18, grow=3, max_width=48),
    Column("configs", "Configs", 8, right=True),
    Column("secrets", "Secrets", 8, right=True, drop=2),
    Column("attention", "Attention", 32, grow=2),
    Column("changed", "Changed", 8, right=True),
    Column("by", "By", 10, drop=1),
)


_KEYS = frozenset(
    ("rename", "archive", "add", "archived", "queue", "members", "log", "transfer", "master_keys")
)
"""What there may be a reason against."""


class OrganizationsScreen(DataScreen[None]):
    """The list of organizations, where the day begins."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "add", id="organizations.add", tooltip="Add an organization"),
        Binding("e", "rename", "rename", id="organizations.edit", tooltip="Rename it"),
        Binding(
            "z",
            "archive",
            "archive",
            id="organizations.archive",
            tooltip="Archive it, or restore an archived one",
        ),
        Binding(
            "m",
            "members",
            "members",
            id="organizations.members",
            tooltip="Show the members of the organization, or of all",
        ),
        Binding(
            "R",
            "queue",
            "queue",
            id="organizations.queue",
            tooltip="Rotate all that is overdue in the organization, one after another",
        ),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter the list",
        ),
        Binding("l", "log", "audit", id="screen.log", tooltip="Look at the audit log"),
        TRANSFER_KEY,
        Binding(
            "M",
            "master_keys",
            "master keys",
            id="organizations.keys",
            tooltip="Show the master keys in use; re-encrypt under the newest",
        ),
        Binding(
            "Z",
            "archived",
            "archived",
            show=False,
            id="organizations.archived",
            tooltip="Show the archived organizations, or the others again",
        ),
        Binding("f5", "reload", "reload", show=False, id="list.reload", tooltip="Read it again"),
        Binding("escape", "back", "back", show=False, id="screen.back", tooltip="Clear the filter"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#organizations", PagedTable)

    def __init__(
        self, *, open_name: str | None = None, said: str = "", classes: str | None = None
    ) -> None:
        """Show the organizations, or open one of them; ``said`` is said once they show."""
        super().__init__(classes=classes)
        self._open_name = open_name
        self._all: tuple[OrganizationView, ...] = ()
        self._archived = False
        self._loaded = False
        self._manages_all = False
        self.say_once_shown(said)

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        yield PagedTable(_COLUMNS, self._cell, id="organizations")
        yield Status()
        yield KeyBar()

    def _cell(self, view: OrganizationView, column: str) -> Text:
        from bifrost_tui.tui.cells import organization_cell

        return organization_cell(view, column, self.bifrost.clock())

    def on_mount(self) -> None:
        """Paint first; ask for the data then."""
        self.heading.left = Text("Bifrost TUI", "bold")
        self.heading.right = self.bifrost.context_line()
        self.table.focus()
        if self.bifrost.is_open:
            self.reload()
        else:
            self.facts.left = Text("opening the database …", "$muted")
            self.call_after_refresh(self._open)

    def _open(self) -> None:
        app = self.bifrost

        def question() -> _Opened:
            repository = app.open_database()
            organizations = repository.organizations
            if self._open_name is None:
                return repository, organizations.list(app.access), None
            from bifrost_tui.store.requests import ConfigList
            from bifrost_tui.tui.screens.configurations import PAGE

            scope = organizations.find(app.access, self._open_name)
            wanted = ConfigList(scope)
            page = repository.configs.page(app.access, wanted, offset=0, limit=PAGE)
            return repository, (), (scope, page)

        self.ask(question, lambda found: self._opened(*found), problem=app.database_failed)

    def _opened(
        self,
        repository: Repository,
        found: tuple[OrganizationView, ...],
        named: tuple[Scope, ConfigPage] | None,
    ) -> None:
        self.bifrost.database_opened(repository)
        self.heading.right = self.bifrost.context_line()
        if named is not None:
            self.facts.left = Text()
            self._enter(*named)
        else:
            self._show(found)
        for notice in repository.notices:
            self.say(notice)

    def reload(self, name: str = "") -> None:
        """Read the list; the cursor stays on its organization, or goes to ``name``."""
        archived = self._archived
        self.ask(
            lambda: self.repository.organizations.list(self.access, archived=archived),
            partial(self._reloaded, name),
        )

    def data_changed(self, changes: Changes) -> None:
        """Read the list again, for its counts too; what is the same is not drawn again."""
        if self._loaded:
            archived = self._archived
            self.ask(
                lambda: self.repository.organizations.list(self.access, archived=archived),
                lambda found: self._show(found) if found != self._all else None,
            )

    def read_anew(self) -> None:
        """Read the list, which may not have come yet."""
        self._loaded = self._loaded or not self.is_hidden
        super().read_anew()

    def _reloaded(self, name: str, found: tuple[OrganizationView, ...]) -> None:
        self._show(found, name)
        self.say_done()

    def _show(self, found: tuple[OrganizationView, ...], name: str = "") -> None:
        self._loaded = True
        self._all = found
        if not self._archived:
            self._manages_all = any(view.scope.is_global and view.managed for view in found)
        current = self.table.current
        self._narrow(name or (current.scope.name if current else None))

    def _narrow(self, keep: str | None) -> None:
        wanted = self.filter_bar.text.casefold().split()
        shown = tuple(
            view for view in self._all if all(word in view.scope.name.casefold() for word in wanted)
        )
        names = [view.scope.name for view in shown]
        self.table.reset_rows(shown, cursor=names.index(keep) if keep in names else 0)
        self.filter_bar.show_count(f"{len(shown)} of {len(self._all)}" if wanted else "")
        self._show_facts()
        self.refresh_bindings()
        self.call_after_refresh(self.filter_bar.prepare)

    def _show_facts(self) -> None:
        organizations = [view for view in self._all if not view.scope.is_global]
        noun = "archived organization" if self._archived else "organization"
        facts = Text(counted(len(organizations), noun), "$muted")
        if marked := sum(1 for view in self._all if view.attention):
            facts.append(f" · {marked} {'needs' if marked == 1 else 'need'} attention", "$warning")
        if self._archived:
            facts.append(" · Z shows the others again")
        elif self._loaded and not organizations:
            facts.append(" · press a to add the first")
        self.facts.left = facts

    @on(PagedTable.RowHighlighted)
    def _row_highlighted(self) -> None:
        self.refresh_bindings()

    @on(PagedTable.RowSelected)
    def _row_selected(self, event: PagedTable.RowSelected) -> None:
        self._enter(event.row.scope)

    def _enter(self, scope: Scope, first: ConfigPage | None = None) -> None:
        from bifrost_tui.tui.screens.configurations import ConfigurationsScreen

        # Back from there, the counts may be others.
        screen = ConfigurationsScreen(scope, first=first, classes=self.bifrost.size_classes())
        self.app.push_screen(screen, lambda _: self.reload())

    @on(FilterBar.Changed)
    def _filter_changed(self) -> None:
        current = self.table.current
        self._narrow(current.scope.name if current else None)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action not in _KEYS:
            return ""
        if not self._loaded:
            return "The database is not open yet."
        managed = any(view.managed for view in self._all)
        if action == "log":
            return "" if managed else "The audit log is for owners and admins."
        if action == "transfer":
            return why_no_transfer(self.bifrost, managed=managed)
        if action == "master_keys":
            if self.access.confined:
                return "Master keys are for those who have the host: not over this connection."
            managed = self._manages_all
            return "" if managed else "Master keys are for owners and admins of all organizations."
        view: OrganizationView | None = self.table.current
        if action in ("add", "archived"):
            return ""
        if view is None:
            return "There is no organization under the cursor."
        if action == "members" and not view.managed:
            return f"The members of {view.scope.name} are for its owners and admins."
        if action == "queue" and not view.attention.overdue:
            return f"Nothing is overdue in {view.scope.name}."
        if view.scope.is_global and action in ("rename", "archive"):
            return "Global belongs to every organization: it cannot be renamed or archived."
        if action == "rename" and view.scope.archived:
            return "Restore it first (z)."
        return ""

    def action_members(self) -> None:
        """Show the members of the organization under the cursor."""
        from bifrost_tui.tui.screens.members import MembersScreen

        view: OrganizationView | None = self.table.current
        if view is not None:
            screen = MembersScreen(view.scope, classes=self.bifrost.size_classes())
            self.app.push_screen(screen, lambda _: self.reload())

    def action_log(self) -> None:
        """Show the log of all that the actor may see."""
        from bifrost_tui.tui.screens.audit import AuditScreen

        screen = AuditScreen(classes=self.bifrost.size_classes())
        self.app.push_screen(screen, lambda _: self.reload())

    def action_transfer(self) -> None:
        """Export or import; the organization under the cursor is the one at hand."""
        view: OrganizationView | None = self.table.current
        at_hand = view.scope if view is not None and view.managed else None
        open_transfer(self, at_hand, self.reload)

    def action_master_keys(self) -> None:
        """Show the master keys in use."""
        self.bifrost.show_master_keys(self.reload)

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    def action_back(self) -> None:
        """Clear the filter; never quit."""
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        elif self._archived:
            self.action_archived()
        self.query_one(Status).clear()

    def action_reload(self) -> None:
        """Read the list again."""
        self.reload()

    def action_archived(self) -> None:
        """Show the archived organizations, or the others again."""
        self._archived = not self._archived
        self.reload()

    def action_add(self) -> None:
        """Ask for a name and add an organization."""
        from bifrost_tui.tui.screens.name_form import NameForm

        self.app.push_screen(NameForm(), self._named)

    def action_rename(self) -> None:
        """Ask for another name."""
        from bifrost_tui.tui.screens.name_form import NameForm

        self.app.push_screen(NameForm(self.table.current), self._named)

    def _named(self, scope: Scope | None) -> None:
        if scope is not None:
            self._archived = False
            self.say_once_shown(f"{scope.name} is saved")
            self.reload(scope.name)

    def action_queue(self) -> None:
        """Rotate all that is overdue in the organization under the cursor."""
        from bifrost_tui.store.views import Waiting
        from bifrost_tui.tui.queueing import queue_waiting

        view: OrganizationView | None = self.table.current
        if view is not None:
            queue_waiting(self, Waiting.OVERDUE, view.scope, self.reload)

    def action_archive(self) -> None:
        """Archive the organization under the cursor, or restore it."""
        view: OrganizationView | None = self.table.current
        if view is None:
            return
        if view.scope.archived:
            self._set_archived(view, archived=False)
            return
        from bifrost_tui.tui.screens.confirm import Confirm

        name = visible(view.scope.name)
        self.app.push_screen(
            Confirm(
                "Archive an organization",
                f"{name} and its {counted(view.configs, 'config')} stay as they are, out of the"
                " list. Nothing in it can be changed until it is restored (Z shows the archived).",
                "Archive",
            ),
            lambda sure: self._set_archived(view, archived=True) if sure else None,
        )

    def _set_archived(self, view: OrganizationView, *, archived: bool) -> None:
        organizations = self.repository.organizations
        change = organizations.archive if archived else organizations.restore

        def done(scope: Scope) -> None:
            self.say_once_shown(f"{scope.name} is {'archived' if archived else 'restored'}")
            self.reload()

        def failed(error: BifrostError) -> None:
            self.tell_problem(error)
            self.reload()

        self.ask(lambda: change(self.access, view.scope, view.version), done, problem=failed)
