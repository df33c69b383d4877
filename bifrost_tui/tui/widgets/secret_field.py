"""The field that a secret's value is typed or pasted into: it says facts, never the value.

What it holds it holds as an :class:`EnteredSecret`, which has no way out, so that neither a
message, a representation, a traceback nor the clipboard can give the value away.

A paste reaches it as the terminal sent it: Textual takes out NUL and changes nothing else (seen
in tmux and on a bare pty). Many terminals (tmux, VTE, xterm) send each line break as a bare CR, so
a paste without any LF has its CRs turned into LF; a paste with an LF came untouched and stays as it
is, CRLF and lone CR included. tmux sends CRLF as two CRs, which cannot be told from an empty line:
that is kept and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from unicodedata import category

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.keys import KEY_NAME_REPLACEMENTS
from textual.message import Message
from textual.widget import Widget

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import EnteredSecret, SecretShape

_HINT = "paste or type; it will not be shown"
_PASTE_HELP = "Ctrl+V is not passed on. Paste with the terminal's own key, often Ctrl+Shift+V."
_ESCAPE_REFUSED = (
    "Not taken. The paste holds an escape character, and a terminal does not hand that over whole."
    " The field is empty again. Store the value through the command instead."
)
_NOT_TEXT_REFUSED = (
    "Not taken. The paste holds bytes that are no UTF-8 text. Encode it first (base64, for"
    " example)."
)
_BACKSPACE = frozenset({"backspace", "shift+backspace"})
# Kept from the screen: its binding for Ctrl+C copies what is selected.
_UNANSWERED = frozenset(f"{held}+{letter}" for held in ("ctrl", "super") for letter in "acx")

_CARET = "▏"


@dataclass(frozen=True, slots=True)
class SecretNote:
    """What the store says about the value; the screen asks for it and gives it."""

    fingerprint: str
    warnings: tuple[str, ...] = ()
    """Such as ``the same value as before`` or ``the same value as Global / deploy_key``."""


class FieldLine(NamedTuple):
    """A line that a field says: words, the part of the field's style they have, and a glyph."""

    text: str
    part: str
    glyph: str = " "


class _News(Message):
    def __init__(self, field: SecretField, revision: int) -> None:
        super().__init__()
        self.field = field
        self.revision = revision

    @property
    def control(self) -> SecretField:
        """The field, for the ``on`` decorator."""
        return self.field


class SecretField(Widget, can_focus=True):
    """A field that takes a secret's value and shows what kind of value came, never the value.

    It is drawn in a column of glyphs and a column of words, with a bar at the left while it has
    the focus. Its caret stands still.
    """

    ALLOW_SELECT = False

    BINDINGS: ClassVar[list[BindingType]] = [
        # For the footer and the help; the keys are answered in on_key, in the order typed.
        Binding("backspace", "clear_last", "Clear the last character", show=False),
        Binding("ctrl+u", "clear_all", "clear"),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "secret-field--hint",
        "secret-field--fact",
        "secret-field--warning",
        "secret-field--problem",
        "secret-field--caret",
    }

    DEFAULT_CSS = """
    SecretField {
        width: 1fr;
        height: auto;
        min-height: 2;
        padding: 0 0 0 1;
        border-left: blank;
        pointer: text;
        &:focus { border-left: outer $accent; }
        & .secret-field--hint { color: $text-muted; }
        & .secret-field--warning { color: $text-warning; }
        & .secret-field--problem { color: $text-error; }
        & .secret-field--caret { color: $text-accent; }
    }
    """

    class Changed(_News):
        """Another value is held, or none; ``revision`` tells it from every earlier one."""

    class Submitted(_News):
        """Enter was pressed while the value of ``revision`` was held."""

    def __init__(
        self,
        *,
        empty_text: str = "nothing entered yet",
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._empty_text = empty_text
        self._secret: EnteredSecret | None = None
        self._revision = 0
        self._note: SecretNote | None = None
        self._problem = ""
        self._said = self._lines()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held."""
        return self._secret is None

    @property
    def revision(self) -> int:
        """Which of the values held so far is held now."""
        return self._revision

    def entered(self) -> EnteredSecret | None:
        """Return what is held, ready for the store, or nothing where the field is empty."""
        return self._secret

    def show_note(self, revision: int, note: SecretNote | None) -> None:
        """Show what the store says about the value of ``revision``, if that is still held."""
        if revision == self._revision and self._secret is not None:
            self._note = note
            self._say()

    def show_problem(self, message: str) -> None:
        """Show an error in place of the warnings, until the next change."""
        self._problem = message
        self._say()

    def clear(self) -> None:
        """Drop what is held, with everything said about it."""
        if self._secret is None:
            self.show_problem("")
        else:
            self._hold(None)

    def hold(self, secret: EnteredSecret) -> None:
        """Hold a value that was entered before and is not saved yet."""
        self._hold(secret)

    def action_clear_last(self) -> None:
        """Drop the last character."""
        if self._secret is not None:
            self._hold(self._secret.without_last())

    def action_clear_all(self) -> None:
        """Drop what is held."""
        self.clear()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Tell the footer which keys never reach the screen while this field has the focus."""
        # Textual finds no character for the keys that it renames, "slash" among them.
        renamed = character is None and key in KEY_NAME_REPLACEMENTS.values()
        return renamed or key in _UNANSWERED or _is_typed(key, character)

    def on_key(self, event: events.Key) -> None:
        """Take a typed character; keep every key that is the field's own from the screen."""
        if _is_typed(event.key, event.character):
            self._take(event.character or "")
        elif event.key in _BACKSPACE:
            self.action_clear_last()
        elif event.key == "ctrl+u":
            self.action_clear_all()
        elif event.key == "enter":
            self.post_message(self.Submitted(self, self._revision))
        elif event.key == "ctrl+v":
            self.show_problem(_PASTE_HELP)
        elif event.key not in _UNANSWERED:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Take a paste whole, or nothing of it."""
        event.stop()
        event.prevent_default()
        # Emptied: the event outlives this call.
        text, event.text = _as_copied(event.text), ""
        if "\x1b" in text:
            # What follows an escape arrives as keys before the paste does: what is held is not it.
            self.clear()
            self.show_problem(_ESCAPE_REFUSED)
        elif "\ufffd" in text:
            self.show_problem(_NOT_TEXT_REFUSED)
        elif text:
            self._take(text)

    def on_unmount(self) -> None:
        """Drop what is held when the screen goes."""
        self._secret = None
        self._note = None

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many lines the words take at this width."""
        return len(self._wrapped(width))

    def render(self) -> Content:
        """Draw what is said, with the caret where the field has the focus."""
        return Content("\n").join(self._wrapped(self.content_size.width))

    def _take(self, text: str) -> None:
        held = self._secret
        try:
            secret = EnteredSecret(text) if held is None else held.plus(text)
        except InvalidInputError as error:
            self.show_problem(f"Not taken. {error.message}")
        else:
            self._hold(secret)

    def _hold(self, secret: EnteredSecret | None) -> None:
        self._secret = secret
        self._revision += 1
        self._note = None
        self._problem = ""
        self._say()
        self.post_message(self.Changed(self, self._revision))

    def _say(self) -> None:
        lines = self._lines()
        # Most keys change nothing that is said: then nothing is drawn.
        if lines != self._said:
            self._said = lines
            self.refresh(layout=True)

    def _lines(self) -> list[FieldLine]:
        problem = [FieldLine(visible(self._problem), "problem", "×")] if self._problem else []
        if self._secret is None:
            return [
                FieldLine(visible(self._empty_text), "hint"),
                *(problem or [FieldLine(_HINT, "hint")]),
            ]
        shape = self._secret.shape
        facts = ["received", *_facts(shape)]
        warnings = []
        if shape.double_spaced:
            warnings.append("every other line is empty; a terminal may have doubled the breaks")
        if self._note is not None:
            facts.append(f"fingerprint {visible(self._note.fingerprint)}")
            warnings.extend(map(visible, self._note.warnings))
        lines = [FieldLine(" · ".join(facts), "fact")]
        if edges := _edges(shape):
            lines.append(FieldLine(f"{edges}; kept as it is", "fact"))
        return lines + (problem or [FieldLine(warning, "warning", "▲") for warning in warnings])

    def _wrapped(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for text, part, glyph in self._said:
            style = self.get_visual_style(f"secret-field--{part}")
            mark = Content.styled(glyph, style)
            if not lines and self.has_focus:
                mark = Content.styled(_CARET, self.get_visual_style("secret-field--caret"))
            for words in Content.styled(text, style).wrap(max(width - 2, 2)):
                lines.append(Content.assemble(mark, " ", words))
                mark = Content(" ")
        return lines


def _is_typed(key: str, character: str | None) -> bool:
    """Whether a key is a character of the value: neither a control nor held with another key."""
    return (
        character is not None
        and len(character) == 1
        and category(character) != "Cc"
        and key.rpartition("+")[0] in ("", "shift")
    )


def _as_copied(text: str) -> str:
    """Return a paste with the line breaks that it had before the terminal, as far as it shows."""
    return text if "\n" in text else text.replace("\r", "\n")


def _facts(shape: SecretShape) -> list[str]:
    several = shape.lines > 1
    return [
        *([counted(shape.lines, "line")] if several else []),
        *([shape.length] if not (several and shape.kind) else []),
        *([shape.kind] if shape.kind else []),
    ]


def _edges(shape: SecretShape) -> str:
    ends = [
        *(["a blank"] if shape.ends_blank else []),
        *(["a newline"] if shape.ends_with_newline else []),
    ]
    return ", ".join(
        [
            *(["starts with a blank"] if shape.starts_blank else []),
            *([f"ends with {' and '.join(ends)}"] if ends else []),
        ]
    )
