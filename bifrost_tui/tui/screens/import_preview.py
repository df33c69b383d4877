"""What an import would do, config by config; then it is done, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError, ConflictError
from bifrost_tui.store.incoming import Imported, PlanLine, Verdict
from bifrost_tui.store.live import Changes
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui import import_cells
from bifrost_tui.tui.import_reading import (
    DOTENV,
    FORMS,
    Prepared,
    plan_again,
    prepare,
)
from bifrost_tui.tui.screens.import_confirm import ImportConfirm, ImportDecision
from bifrost_tui.tui.screens.import_done import ImportDone
from bifrost_tui.tui.transferring import Finished, host_path
from bifrost_tui.tui.widgets.filter_bar import FilterBar
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.paged_table import PagedTable, current_row
from bifrost_tui.tui.widgets.text_block import TextBlock
from bifrost_tui.tui.widgets.work_line import WorkLine
from bifrost_tui.tui.working import Progress, WorkingScreen

_WORDS = """
Nothing is changed before you import; then all of it is, or none.

× refused   ~ differs   ▲ other value   ✓ filled   + new   = same   ○ needs value

A secret that is here is never emptied or changed by a file without its value.
"""
_SUSPECTED = "looks like a secret"


class ImportPreview(WorkingScreen[Finished | None]):
    """The plan of an import as a list, what is refused first."""

    AUTO_FOCUS = ""
    HELP_WORDS = _WORDS
    DEFAULT_CSS = """
    ImportPreview #about { height: 2; padding: 0 1; margin-top: 1; }
    ImportPreview WorkLine { padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "i",
            "import",
            "import",
            show=False,
            id="import.do",
            tooltip="Import it, after a question",
        ),
        Binding(
            "space",
            "secret",
            "secret",
            id="import.secret",
            tooltip="Make the key a secret, or a string again",
        ),
        Binding(
            "f",
            "narrow",
            "only",
            id="import.show",
            tooltip="Show one kind alone: what is refused, what differs …; then all",
        ),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            id="list.filter",
            tooltip="Filter by parts of the key and the organization",
        ),
        Binding("f5", "plan", "plan again", show=False, id="list.reload", tooltip="Plan it again"),
        Binding("escape", "back", "back", id="screen.back", tooltip="Stop; back to the file"),
    ]

    heading = getters.query_one("#heading", SplitLine)
    facts = getters.query_one("#facts", SplitLine)
    filter_bar = getters.query_one(FilterBar)
    table = getters.query_one("#plan", PagedTable)

    def __init__(self, prepared: Prepared, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._prepared = prepared
        self._filters = import_cells.filters(prepared.rows)
        self._narrowed = ""
        self._shown: Sequence[PlanLine] = ()

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield SplitLine(id="heading", classes="heading")
        with Horizontal(classes="facts"):
            yield SplitLine(id="facts")
            yield FilterBar()
        columns = import_cells.columns(one_scope=self._one_scope is not None)
        yield PagedTable[PlanLine](columns, self._cell, row_style=_row_style, id="plan")
        yield TextBlock(id="about")
        yield WorkLine()
        yield Status()
        yield KeyBar()

    @property
    def _one_scope(self) -> str | None:
        """The scope that all goes into, where it is one."""
        into = self._prepared.request.into
        return into.name if into is not None else self._prepared.read.scope

    def _cell(self, line: PlanLine, column: str) -> Text:
        return import_cells.cell(line, column, self._note(line))

    def _note(self, line: PlanLine) -> str:
        if line.key not in self._prepared.read.suspected:
            return ""
        return _SUSPECTED if line.type is not ConfigType.SECRET else ""

    def on_mount(self) -> None:
        """Show what would be done."""
        self.heading.right = self.bifrost.context_line()
        self.table.focus()
        self._show(self._prepared)
        if notices := self._prepared.read.notices:
            self.say(" ".join(notices), "warning")
        self.call_after_refresh(self.filter_bar.prepare)

    def _show(self, prepared: Prepared) -> None:
        current: PlanLine | None = self.table.current
        self._prepared = prepared
        self._filters = import_cells.filters(prepared.rows)
        if self._narrowed not in dict(self._filters):
            self._narrowed = ""
        heading = Text.assemble(
            "Import ", (visible(prepared.request.file), "bold"), f", {FORMS[prepared.read.form]}"
        )
        if self._one_scope is not None:
            heading.append(", into ").append(visible(self._one_scope), "bold")
        self.heading.left = heading
        self.facts.left = import_cells.facts_text(prepared.plan)
        self._narrow(current)

    def _narrow(self, keep: PlanLine | None) -> None:
        words = self.filter_bar.text.casefold().split()
        lets = dict(self._filters).get(self._narrowed)
        rows = self._prepared.rows
        if words:
            pairs = list(zip(rows, self._prepared.texts, strict=True))
            for word in words:
                pairs = [pair for pair in pairs if word in pair[1]]
            rows = [line for line, _ in pairs]
        if lets is not None:
            rows = [line for line in rows if lets(line)]
        self._shown = rows
        self.table.reset_rows(rows, cursor=_index(rows, keep))
        found = f"{len(rows):,} of {len(self._prepared.rows):,}"
        self.filter_bar.show_count(found if words else "")
        alone = Text(f"only {self._narrowed}: {found}" if self._narrowed else "", "$muted")
        self.facts.right = Text() if words else alone
        self._row_highlighted()

    @on(PagedTable.RowHighlighted)
    def _row_highlighted(self) -> None:
        line: PlanLine | None = self.table.current
        about = self.query_one("#about", TextBlock)
        if line is None:
            about.show(Text("Nothing of this kind.", "$muted"))
        else:
            about.show(_told(line, self._note(line)))
        self.refresh_bindings()

    # What others do meanwhile

    def data_changed(self, changes: Changes) -> None:
        """Say that the plan may be of yesterday."""
        if not self.is_working:
            self.say("Something was changed by others just now: f5 plans it again.", "warning")

    def read_anew(self) -> None:
        """Leave the plan as it is: what was changed meanwhile stops the import, and it says so."""

    def action_plan(self) -> None:
        """Plan again what was read."""
        self._plan("Planned again; look at it once more.", "success")

    def _plan(self, words: str, kind: str) -> None:
        if self.is_working:
            return
        repository, access, old = self.repository, self.access, self._prepared

        def planned(found: Prepared) -> None:
            self._show(found)
            self.say(words, kind)

        self.work(
            "Planning",
            lambda progress: plan_again(repository, access, old, progress),
            planned,
            self.tell_problem,
        )

    # The filter

    def action_filter(self) -> None:
        """Filter the list."""
        self.filter_bar.open()

    @on(FilterBar.Changed)
    def _filter_changed(self) -> None:
        self._narrow(self.table.current)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    def action_narrow(self) -> None:
        """Show the next of the kinds that there are, alone; after the last, all."""
        self._narrowed = self._next_kind()
        self._narrow(self.table.current)

    def _next_kind(self) -> str:
        names = ["", *dict(self._filters)]
        return names[(names.index(self._narrowed) + 1) % len(names)]

    # Keys

    def key_words(self, action: str, words: str) -> str:
        """Say what is shown, and what Enter does."""
        if action == "select_cursor":
            return "import"
        if action == "narrow":
            following = self._next_kind()
            return f"only {following}" if following else "all"
        return super().key_words(action, words)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys that work here; Enter opens no row."""
        found = super().active_bindings
        if (enter := found.get("enter")) is not None and "i" in found:
            tooltip = found["i"].binding.tooltip
            found["enter"] = enter._replace(binding=replace(enter.binding, tooltip=tooltip))
        return found

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show no key for secrets where the file says which there are."""
        if action == "secret" and self._prepared.read.form != DOTENV:
            return False
        return super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        if action in ("import", "secret", "plan") and self.is_working:
            return "One thing after the other: esc stops what is being done."
        if action == "import":
            return self._why_not_import()
        if action == "secret":
            line: PlanLine | None = current_row(self)
            return "" if line is not None and line.key else "There is no key under the cursor."
        return ""

    def _why_not_import(self) -> str:
        plan = self._prepared.plan
        if plan.refused or plan.problems:
            return "Nothing can be imported while something is refused. Mend the file, or go back."
        if plan.changes_nothing:
            return "All of it is here already: there is nothing to import."
        return ""

    def action_secret(self) -> None:
        """Make the key under the cursor a secret, or a string again."""
        line: PlanLine | None = self.table.current
        if line is None or self.is_working:
            return
        old = self._prepared
        request = replace(old.request, secrets=old.read.secrets ^ {line.key})
        repository, access = self.repository, self.access

        def question(progress: Progress) -> Prepared:
            # Read again: what was a secret's has no way back into a string.
            path = host_path(self, request.name, "import")
            return prepare(repository, access, request, path, progress)

        self.work("Planning", question, self._show, self.tell_problem)

    # Importing

    @on(PagedTable.RowSelected)
    def action_import(self) -> None:
        """Ask whether and how, then import."""
        if reason := self.why_not("import"):
            self.say(reason)
            return
        prepared = self._prepared
        self.query_one(Status).clear()
        self.app.push_screen(
            ImportConfirm(prepared.request.file, prepared.plan), partial(self._decided, prepared)
        )

    def _decided(self, prepared: Prepared, decision: ImportDecision | None) -> None:
        if decision is None or prepared is not self._prepared:
            return
        imports, access = self.repository.imports, self.access

        def question(progress: Progress) -> tuple[Imported, frozenset[tuple[str | None, str]]]:
            done = imports.apply(
                access,
                prepared.plan,
                on_conflict=decision.on_conflict,
                replace_secrets=decision.replace_secrets,
                progress=progress,
            )
            waiting = (line for line in prepared.plan.lines if line.needs_value)
            return done, frozenset((line.organization, line.key) for line in waiting)

        self.work("Importing", question, lambda found: self._imported(*found), self._refused)

    def _imported(self, done: Imported, waiting: frozenset[tuple[str | None, str]]) -> None:
        name = self._prepared.request.file
        words = import_cells.done_words(name, done)

        def left(queue: bool | None) -> None:
            self.dismiss(Finished(words, done, waiting, bool(queue)))

        self.app.push_screen(ImportDone(name, done, len(waiting)), left)

    def _refused(self, error: BifrostError) -> None:
        if isinstance(error, ConflictError):
            self._plan(f"Not imported. {error.message} It is planned again: look at it.", "warning")
        else:
            self.say_not_done("Not imported.", error)

    def action_back(self) -> None:
        """Stop what is being done; clear the filter; go back to the file."""
        if self.stop_work():
            return
        if self.filter_bar.text:
            self.filter_bar.action_clear()
        elif self._narrowed:
            self._narrowed = ""
            self._narrow(self.table.current)
        else:
            self.dismiss(None)


def _index(rows: Sequence[PlanLine], wanted: PlanLine | None) -> int:
    """Return where a line is; of another plan, where its key is; else the first."""
    for at, line in enumerate(rows):
        if line is wanted:
            return at
    if wanted is not None:
        for at, line in enumerate(rows):
            if line.key == wanted.key and line.organization == wanted.organization:
                return at
    return 0


def _row_style(line: PlanLine) -> str:
    return "$muted" if line.verdict is Verdict.SAME else ""


def _told(line: PlanLine, note: str) -> Text:
    """Say all there is to know of the line under the cursor."""
    text = Text().append(visible(line.key), "bold")
    where = import_cells.where_text(line).plain
    if line.key:
        text.append(f" in {where}", "$muted")
    elif where:
        text.append(where, "bold")
    if line.place:
        text.append(f" · {visible(line.place)}", "$muted")
    about = import_cells.about_text(line, note, whole=True)
    return text.append(" · " if text and about else "").append_text(about)
