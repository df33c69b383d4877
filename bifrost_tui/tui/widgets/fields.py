"""Fields of forms: a label, what is entered, and beneath it what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea
from textual.widgets.text_area import Edit, EditResult

from bifrost_tui.display import visible

_TYPED = frozenset({"slash", "backslash", "minus", "plus", "at", "underscore"})


class Field(Widget):
    """One row of a form: its label at the left, its widget at the right, its error beneath."""

    DEFAULT_CSS = """
    Field {
        layout: horizontal;
        height: auto;
        & > .field--label { width: 14; color: $text-muted; }
        & > Vertical { width: 1fr; height: auto; }
        & .field--error { display: none; color: $text-error; width: 1fr; }
        &.-wrong .field--error { display: block; }
        &.-focused > .field--label { color: $text; text-style: bold; }
        & Input { padding: 0; width: 1fr; }
    }
    """

    def __init__(self, label: str, *widgets: Widget, name: str, hint: str = "") -> None:
        super().__init__(name=name, id=f"field-{name}")
        self._label = label
        self._widgets = widgets
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Lay out the row."""
        yield Static(Content(self._label), classes="field--label")
        with Vertical():
            yield from self._widgets
            yield Static("", classes="field--error", markup=False)

    # By a class: the pseudo-class :focus-within is not looked at again for a label beside.

    @on(DescendantFocus)
    def _entered(self) -> None:
        self.add_class("-focused")

    @on(DescendantBlur)
    def _left(self) -> None:
        self.remove_class("-focused")

    @classmethod
    def point_at(cls, screen: Screen[Any], name: str, message: str) -> None:
        """Say what is wrong beneath the field of a name, and go there."""
        screen.query_one(f"#field-{name}", cls).show_error(message)
        screen.query_one(f"#{name}").focus()

    def show_error(self, message: str) -> None:
        """Say what is wrong, beneath the widget; nothing takes it back."""
        self.query_one(".field--error", Static).update(
            Content(f"× {visible(message)}") if message else ""
        )
        self.set_class(bool(message), "-wrong")


class LineInput(Input):
    """A one-line input that neither blinks nor has borders."""

    ALLOW_SELECT = False

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        max_length: int = 0,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(
            visible(value),
            placeholder=placeholder,
            max_length=max_length,
            compact=True,
            select_on_focus=False,
            id=id,
            classes=classes,
        )
        self.cursor_blink = False

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Tell the bar of keys what is typed here; Textual forgets some names of punctuation."""
        return super().check_consume_key(key, character) or key in _TYPED


class TextField(TextArea):
    """An editor for plain text of one or many lines; Enter goes on, Ctrl+J breaks the line.

    A paste stays whole. What a terminal would obey or hide is drawn as a stand-in, one cell each;
    the text itself stays as it is.
    """

    DEFAULT_CSS = """
    TextField {
        height: auto;
        min-height: 1;
        max-height: 8;
        border: none;
        padding: 0;
        &:focus { border: none; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j", "break_line", "Break line", show=False, tooltip="Begin another line"),
    ]

    class Submitted(Message):
        """Enter was pressed."""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            text,
            id=id,
            tab_behavior="focus",
            highlight_cursor_line=False,
            compact=True,
            soft_wrap=True,
        )
        self.cursor_blink = False
        self._given = text
        self._loaded = self.text

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Tell the bar of keys what is typed here; Textual forgets some names of punctuation."""
        return super().check_consume_key(key, character) or key in _TYPED

    @property
    def entered(self) -> str:
        """What is entered; byte for byte what was given where nothing was changed."""
        return self._given if self.text == self._loaded else self.text

    def replace_all(self, text: str) -> None:
        """Take another text in place of the whole."""
        self.load_text(text)
        self._given, self._loaded = text, self.text

    def get_line(self, line_index: int) -> Text:
        """Draw a line with a stand-in for each character that must not reach the terminal."""
        line = super().get_line(line_index)
        plain = "".join(
            character if visible(character) == character or character == "\t" else "·"
            for character in line.plain
        )
        return Text(plain, end="", no_wrap=True)

    def edit(self, edit: Edit) -> EditResult:
        """Change the text; a paste's line breaks may come as bare returns."""
        if "\n" not in edit.text:
            edit.text = edit.text.replace("\r", "\n")
        return super().edit(edit)

    def action_break_line(self) -> None:
        """Begin another line."""
        self.insert("\n")

    async def _on_key(self, event: object) -> None:
        from textual.events import Key

        assert isinstance(event, Key)  # noqa: S101 - Textual hands keys to this handler
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted())
            return
        await super()._on_key(event)


class Choice(Widget, can_focus=True):
    """A choice among a few words on one line; the left and right keys go through them."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice--chosen", "choice--other"}
    DEFAULT_CSS = """
    Choice {
        height: 1;
        width: 1fr;
        & > .choice--chosen { text-style: bold; color: $text-accent; }
        & > .choice--other { color: $text-muted; }
        &:focus > .choice--chosen { text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "choose(-1)", "Before", show=False, tooltip="Choose the one before"),
        Binding("right,l,space", "choose(1)", "Next", show=False, tooltip="Choose the next one"),
    ]

    chosen: reactive[str] = reactive("")

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: Choice, chosen: str) -> None:
            super().__init__()
            self.choice = choice
            self.chosen = chosen

        @property
        def control(self) -> Choice:
            """The widget in which it was chosen."""
            return self.choice

    def __init__(
        self,
        words: Sequence[str],
        chosen: str,
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._words = tuple(words)
        self.set_reactive(Choice.chosen, chosen)

    def action_choose(self, step: int) -> None:
        """Go ``step`` words on, and round."""
        at = (self._words.index(self.chosen) + step) % len(self._words)
        self.chosen = self._words[at]
        self.post_message(self.Changed(self, self.chosen))

    def render(self) -> RenderResult:
        """Draw every word, the chosen one between marks."""
        line = Text(no_wrap=True)
        for word in self._words:
            chosen = word == self.chosen
            found = self.get_component_rich_style("choice--chosen" if chosen else "choice--other")
            # Without its ground: the colours of the field's own show through.
            style = Style(color=found.color, bold=found.bold, dim=found.dim, reverse=found.reverse)
            line.append("[" if chosen else " ", style).append(word, style)
            line.append("]" if chosen else " ", style).append(" ")
        return line
