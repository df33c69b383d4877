"""Import: which file, and where it goes; then it is read, and what it would do is shown."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    TransferError,
    WrongPassphraseError,
)
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal
from bifrost_tui.tui.import_reading import (
    ImportRequest,
    PassphraseWantedError,
    Prepared,
    prepare,
)
from bifrost_tui.tui.transferring import Finished, here, host_path
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.passphrase_field import PassphraseField
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.text_block import TextBlock
from bifrost_tui.tui.widgets.work_line import WorkLine
from bifrost_tui.tui.working import Progress, WorkingScreen

_AS_IT_SAYS = "as the file says"
_HERE, _MISSING = "only those here", "add missing ones"
_MOST = 200
_DATABASES = ("bifrost+postgresql:", "bifrost+postgres:")


class _Problems(VerticalScroll):
    """What is wrong with a file, to be scrolled through."""

    def scroll_to(self, x: float | None = None, y: float | None = None, **options: Any) -> None:
        # At once: every step of an animation would go over the wire.
        options["animate"] = False
        super().scroll_to(x, y, **options)


class ImportScreen(DataModal[Finished | None], WorkingScreen[Finished | None]):
    """A dialog that reads a file; the preview of what it would do comes after it."""

    AUTO_FOCUS = "#file"
    DEFAULT_CSS = """
    ImportScreen #problems { height: auto; max-height: 8; margin-top: 1; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,ctrl+s",
            "save",
            "preview",
            id="form.save",
            tooltip="Read the file and show what it would change",
        ),
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Stop, or import nothing"),
    ]

    def __init__(self, scope: Scope | None) -> None:
        super().__init__()
        self._scope = scope

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        scope = self._scope
        into = [_AS_IT_SAYS, *([shorten(visible(scope.name), 28)] if scope is not None else [])]
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("Import")
            yield Field("File", LineInput(id="file", max_length=4096), name="file")
            yield Field("Into", Choice(into, _AS_IT_SAYS, id="into"), name="into")
            yield Field("Organizations", Choice([_HERE, _MISSING], _HERE, id="missing"), name="new")
            yield Field("Passphrase", PassphraseField(id="passphrase"), name="passphrase")
            yield TextBlock(hang=LABEL_WIDTH, id="note")
            yield WorkLine()
            yield Status()
            with _Problems(id="problems"):
                yield TextBlock(id="list", hang=2)
        yield KeyBar()

    def on_mount(self) -> None:
        """Say what can be read."""
        self.query_one("#field-passphrase").display = False
        where = "the folder of this connection" if self.bifrost.origin.confined else here()
        words = (
            "A portable or encrypted bundle, a .env file, or a platform's configs."
            f" Names begin in {where}."
        )
        self.query_one("#note", TextBlock).show(Text(f"{'':<{LABEL_WIDTH}}{words}", "$muted"))

    @on(Input.Changed)
    def _typed(self) -> None:
        # Another file may need no passphrase.
        self.query_one("#field-passphrase").display = False
        self.query_one("#passphrase", PassphraseField).clear()
        self._clear()

    @on(Choice.Changed)
    @on(SecretField.Changed)
    def _changed(self) -> None:
        self._clear()

    def _clear(self) -> None:
        for field in self.query(Field):
            field.show_error("")
        self._show_problems(())

    def _show_problems(self, problems: tuple[str, ...]) -> None:
        lines = [f"× {visible(problem)}" for problem in problems[:_MOST]]
        if more := len(problems) - len(lines):
            lines.append(f"  and {more:,} more")
        self.query_one("#list", TextBlock).show(Text("\n".join(lines), "$error"))
        self.query_one("#problems").display = bool(lines)

    @on(Input.Submitted)
    @on(SecretField.Submitted)
    def action_save(self) -> None:
        """Read the file; the dialog stays beneath what it would do."""
        if self.is_working:
            return
        self.query_one(Status).clear()
        self._clear()
        name = self.query_one("#file", LineInput).value.strip()
        if not name or name == "-":
            Field.point_at(self, "file", "Give the name of a file.")
            return
        if name.startswith(_DATABASES):
            Field.point_at(
                self, "file", "A platform's database is for the command: bifrost-tui import."
            )
            return
        request = ImportRequest(
            name,
            None if self.query_one("#into", Choice).chosen == _AS_IT_SAYS else self._scope,
            create=self.query_one("#missing", Choice).chosen == _MISSING,
            passphrase=self.query_one("#passphrase", PassphraseField).entered(),
        )
        repository, access = self.repository, self.access

        def question(progress: Progress) -> Prepared:
            path = host_path(self, name, "import")
            return prepare(repository, access, request, path, progress)

        self.work(f"Reading {name}", question, self._prepared, self._refused)

    def _prepared(self, found: Prepared) -> None:
        from bifrost_tui.tui.screens.import_preview import ImportPreview

        screen = ImportPreview(found, classes=self.bifrost.size_classes())
        self.app.push_screen(screen, self._previewed)

    def _previewed(self, finished: Finished | None) -> None:
        if finished is not None:
            self.dismiss(finished)

    def _refused(self, error: BifrostError) -> None:
        if isinstance(error, PassphraseWantedError):
            self.query_one("#field-passphrase").display = True
            Field.point_at(self, "passphrase", "")
            self.say(error.message)
            return
        name = "passphrase" if isinstance(error, WrongPassphraseError) else ""
        name = name or getattr(error, "field", "")
        if isinstance(error, AccessDeniedError | TransferError):
            name = name or "file"
        if name in ("file", "into", "passphrase"):
            Field.point_at(self, name, error.message)
        else:
            self.say(f"Not read. {error.message}", "error")
        problems = tuple(getattr(error, "problems", ()))
        self._show_problems(tuple(each for each in problems if each not in error.message))

    def action_cancel(self) -> None:
        """Stop, or import nothing."""
        if not self.stop_work():
            self.dismiss(None)
