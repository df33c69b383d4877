"""Generate a secret's new value: how long, of what, and which command gets it first."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import (
    BifrostError,
    CommandError,
    ConflictError,
    InvalidInputError,
    UnsavedHandoverError,
)
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.generating import ALPHABETS, USUAL_ALPHABET, USUAL_LENGTH, generated
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.screens.conflict import ConflictScreen, Decision, Way
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.handover import Stop

_NOTE = (
    "The value is random; nobody sees it. A command gets it on its standard input, and it is saved"
    " only if the command ends with exit code 0."
)
_CONFINED = "none over this connection"
_NOTE_CONFINED = (
    "The value is random; nobody sees it. This connection starts no program on the host, so no"
    " command can take the value."
)
_KEPT = 8192
_LINES = 6
_LINE = 70


class _Tail:
    """The end of what a command writes; the thread that runs the command adds to it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._text = ""

    def add(self, text: str) -> None:
        """Add the next piece, and forget the oldest."""
        with self._lock:
            self._text = (self._text + text)[-_KEPT:]

    def lines(self) -> list[str]:
        """Return the last lines that say anything, as they may be shown."""
        with self._lock:
            lines = self._text.replace("\r\n", "\n").split("\n")
        told = [line for line in lines if line.strip()]
        return [shorten(visible(line), _LINE) for line in told[-_LINES:]]


class GenerateScreen(DataModal[ConfigView | None]):
    """A dialog that makes a secret's new value and saves it; nobody sees it."""

    AUTO_FOCUS = "#length"
    DEFAULT_CSS = """
    GenerateScreen {
        & Status { max-height: 8; }
        & #output { margin-top: 1; display: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter,ctrl+s",
            "make",
            "make and save",
            id="form.save",
            tooltip="Make a value, hand it to the command and save it",
        ),
        Binding(
            "escape",
            "leave",
            "cancel",
            id="form.cancel",
            tooltip="Stop the command; or go back, with nothing made",
        ),
    ]

    def __init__(self, view: ConfigView) -> None:
        super().__init__()
        self._view = view
        self._saving = False
        self._stop: Stop | None = None
        self._tail = _Tail()

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        confined = self.access.confined
        no_command = "none, or for example ./set-webhook-key.sh"
        command = LineInput(placeholder=_CONFINED if confined else no_command, id="command")
        command.disabled = confined
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(
                f"Generate {visible(self._view.key)} in {visible(self._view.scope.name)}"
            )
            yield Field("Length", LineInput(str(USUAL_LENGTH), id="length"), name="length")
            yield Field(
                "Alphabet", Choice([*ALPHABETS], USUAL_ALPHABET, id="alphabet"), name="alphabet"
            )
            yield Field("Command", command, name="command")
            note = _NOTE_CONFINED if confined else _NOTE
            yield Static(Content(note), classes="note gap")
            yield TextBlock(id="output")
            yield Status()
        yield KeyBar()

    def on_unmount(self) -> None:
        """Let no command run on that nobody waits for."""
        if self._stop is not None:
            self._stop.stop()

    @on(Input.Submitted)
    def action_make(self) -> None:
        """Make a value, hand it over and save it; the dialog stays until that has succeeded."""
        if self._saving:
            return
        for field in self.query(Field):
            field.show_error("")
        self._show_output([])
        try:
            entered = generated(self._length(), self.query_one("#alphabet", Choice).chosen)
        except InvalidInputError as error:
            self.query_one(f"#field-{error.field}", Field).show_error(error.message)
            self.query_one(f"#{error.field}").focus()
            return
        self._save(self._view, entered)

    def _length(self) -> int:
        text = self.query_one("#length", Input).value.strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidInputError("Write the number of characters in digits.", field="length")
        return int(text)

    def _save(self, view: ConfigView, entered: EnteredSecret) -> None:
        configs, access = self.repository.configs, self.access
        command = self.query_one("#command", Input).value
        self._saving, self._tail = True, _Tail()
        if not command.strip():
            self.query_one(Status).clear()
            self.ask(
                lambda: configs.rotate(access, view, entered, generated=True),
                self.dismiss,
                problem=self._refused,
            )
            return
        from bifrost_tui.store.handover import Handover, Stop

        self._stop = Stop()
        handover = Handover(command, self._tail.add, stop=self._stop)
        self.say("The command is running; esc stops it.")
        self.ask(
            lambda: configs.rotate_through(access, view, entered, handover, generated=True),
            self.dismiss,
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        self._saving, self._stop = False, None
        self._show_output(self._tail.lines())
        if isinstance(error, ConflictError):
            self.query_one(Status).clear()
            self.app.push_screen(
                ConflictScreen(self._view, error, "Generate over it"), self._decided
            )
        elif isinstance(error, CommandError | UnsavedHandoverError):
            self.say(error.message, "error")
        else:
            self.say_not_done("Not saved.", error)

    def _show_output(self, lines: list[str]) -> None:
        output = self.query_one("#output", TextBlock)
        words = Text().append("The command's last lines:\n", "$muted")
        output.show(words.append("\n".join(lines)))
        output.display = bool(lines)
        # A small screen has no room for both.
        self.query_one(".note").display = not lines

    def _decided(self, decision: Decision | None) -> None:
        way, theirs = decision or (Way.BACK, None)
        if theirs is not None and way is not Way.BACK:
            self._view = theirs
        if theirs is not None and way is Way.OVERWRITE:
            self.action_make()
        else:
            self.say("Nothing was made and nothing was saved.", "warning")

    def action_leave(self) -> None:
        """Stop the command; where none runs, leave the value as it is."""
        if self._stop is not None:
            self._stop.stop()
            self.say("The command is being stopped.")
        elif not self._saving:
            self.dismiss(None)
