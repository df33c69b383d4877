"""Export: what, in which form, into which file; secrets go without their values."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import age, counted, shorten, visible
from bifrost_tui.errors import AccessDeniedError, BifrostError
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal
from bifrost_tui.tui.export_writing import (
    DOTENV,
    ENDINGS,
    JSON,
    Exported,
    ExportRequest,
    write_export,
)
from bifrost_tui.tui.screens.confirm import Confirm
from bifrost_tui.tui.transferring import file_stem, here, host_path, shown_path
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock
from bifrost_tui.tui.widgets.work_line import WorkLine
from bifrost_tui.tui.working import Progress, WorkingScreen
from bifrost_tui.whole_file import ExportError, FileThereError, check_target

_ALL = "all that you manage"
_NOTES = {
    DOTENV: "What it gets, inherited ones too; secrets and references as empty comments.",
    "": "Everything but the values of secrets; importing it asks for those.",
}


class ExportScreen(DataModal[str | None], WorkingScreen[str | None]):
    """A dialog that writes a file; it answers with what was written."""

    AUTO_FOCUS = "#file"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "save", "export", id="form.save", tooltip="Write the file"),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Stop, or write nothing"),
    ]

    def __init__(self, scope: Scope | None) -> None:
        super().__init__()
        self._scope = scope
        self._offered = ""

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        scope = self._scope
        names = [shorten(visible(scope.name), 28)] if scope is not None else []
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("Export")
            yield Field("What", Choice([*names, _ALL], [*names, _ALL][0], id="what"), name="what")
            yield Field("Form", Choice([*ENDINGS], JSON, id="form"), name="form")
            yield Field("File", LineInput(id="file", max_length=4096), name="file")
            yield TextBlock(hang=LABEL_WIDTH, id="note")
            yield WorkLine()
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Offer a name for the file."""
        self._offer()

    @property
    def _wanted(self) -> Scope | None:
        """Return what is chosen; ``None`` for all."""
        return None if self.query_one("#what", Choice).chosen == _ALL else self._scope

    @property
    def _form(self) -> str:
        return self.query_one("#form", Choice).chosen

    @on(Choice.Changed)
    def _offer(self) -> None:
        """Follow a choice with the file's name, as far as it is ours or ends as the form before."""
        field, ending = self.query_one("#file", LineInput), ENDINGS[self._form]
        old = Path(self._offered).suffix
        if field.value == self._offered:
            field.value = f"{file_stem(self._wanted)}{ending}"
        elif old and field.value.endswith(old):
            field.value = f"{field.value.removesuffix(old)}{ending}"
        self._offered = f"{file_stem(self._wanted)}{ending}"
        field.cursor_position = len(field.value)
        for each in self.query(Field):
            each.show_error("")
        self._show_note()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#field-file", Field).show_error("")

    def _show_note(self) -> None:
        origin = self.bifrost.origin
        where = "the folder of this connection" if origin.confined else here()
        words = f"{_NOTES.get(self._form, _NOTES[''])} Names begin in {where}."
        self.query_one("#note", TextBlock).show(Text(f"{'':<{LABEL_WIDTH}}{words}", "$muted"))

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Write the file; the dialog stays until that has succeeded."""
        if self.is_working:
            return
        self.query_one(Status).clear()
        name = self.query_one("#file", LineInput).value.strip()
        if not name or name == "-":
            Field.point_at(self, "file", "Give the file a name.")
            return
        if self._wanted is None and self._form == DOTENV:
            Field.point_at(self, "form", "A .env file holds one organization. Choose which.")
            return
        self._export(name, replace=False)

    def _export(self, name: str, *, replace: bool) -> None:
        repository, access = self.repository, self.access
        scope, form = self._wanted, self._form
        target = Path()

        def question(progress: Progress) -> tuple[Path, Exported]:
            nonlocal target
            target = host_path(self, name, "export")
            check_target(target)
            if not replace and os.path.lexists(target):
                raise FileThereError("")
            wanted = ExportRequest(scope, form, target, replace)
            return target, write_export(repository, access, wanted, progress)

        def failed(error: BifrostError) -> None:
            if isinstance(error, FileThereError):
                self._ask_to_replace(name, target)
            elif getattr(error, "field", "") == "file" or isinstance(
                error, AccessDeniedError | ExportError
            ):
                Field.point_at(self, "file", error.message)
            else:
                self.say_not_done("Not exported.", error)

        self.work(f"Writing {name}", question, self._exported, failed)

    def _ask_to_replace(self, name: str, target: Path) -> None:
        try:
            found = target.lstat()
        except OSError:
            facts = ""
        else:
            ago = age(datetime.fromtimestamp(found.st_mtime, UTC), self.bifrost.clock())
            then = "just now" if ago == "now" else f"{ago} ago"
            facts = f", {_size(found.st_size)}, written {then}"
        self.app.push_screen(
            Confirm(
                "Replace a file",
                f"There is a file {visible(name)} already{facts}. It is replaced when all of the"
                " new one is written.",
                "Replace",
            ),
            lambda sure: self._export(name, replace=True) if sure else None,
        )

    def _exported(self, found: tuple[Path, Exported]) -> None:
        target, done = found
        dotenv = self._form == DOTENV
        words = counted(done.configs, "value" if dotenv else "config")
        if self._wanted is None:
            parts = ["Global"] if done.with_global else []
            parts += [counted(done.organizations, "organization")] if done.organizations else []
            words += f" of {' and '.join(parts)}"
        words += f" written to {shown_path(target, self.bifrost.origin)}"
        if done.empty:
            what = ("secret or reference", "secrets and references") if dotenv else ("secret",)
            their = "its value" if done.empty == 1 else "their values"
            words += f" · {counted(done.empty, *what)} without {their}"
        if done.for_readers:
            words += f" · {done.for_readers:,} for dotenv readers, not for shells"
        if done.left_out:
            words += f" · {counted(len(done.left_out), 'archived organization')} left out"
        self.dismiss(words)

    def action_cancel(self) -> None:
        """Stop, or write nothing."""
        if not self.stop_work():
            self.dismiss(None)


def _size(number: int) -> str:
    """Say how long a file is: ``812 bytes``, ``12 kB``."""
    for unit, size in (("MB", 1024**2), ("kB", 1024)):
        if number >= size:
            return f"{number // size:,} {unit}"
    return counted(number, "byte")
