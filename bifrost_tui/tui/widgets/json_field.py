"""The field for a JSON value: an editor that points at the error."""

from __future__ import annotations

import json

from textual.content import Content
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult

from bifrost_tui.display import visible


class JsonField(TextArea):
    r"""An editor for JSON that grows from 4 to 10 lines and leaves Tab to the form.

    What a terminal would obey or hide is written as a JSON escape (``\u202e``) as soon as it
    comes in: inside a JSON string that is the same value, and it can be seen.
    """

    DEFAULT_CSS = """
    JsonField {
        height: auto;
        /* 4 to 10 lines, and the border. */
        min-height: 6;
        max-height: 12;
        border-subtitle-align: left;
        border-subtitle-color: $text-error;
    }
    """

    def __init__(
        self,
        text: str = "",
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(
            _written(text),
            name=name,
            id=id,
            classes=classes,
            disabled=disabled,
            tab_behavior="focus",
            highlight_cursor_line=False,
        )
        # Each blink would go over the wire.
        self.cursor_blink = False
        self._wrong: str | None = None

    def point_at(self, line: int, column: int, message: str) -> None:
        """Move the cursor to an error, counted from 1, and say beneath it what is wrong."""
        self._wrong = self.text
        self.border_subtitle = Content(f"× {visible(message)}")
        self.focus()
        self.move_cursor(min((max(line - 1, 0), max(column - 1, 0)), self.document.end))

    def load_text(self, text: str) -> None:
        """Replace the text, with hidden characters written out."""
        super().load_text(_written(text))

    def edit(self, edit: Edit) -> EditResult:
        """Change the text, with hidden characters written out."""
        edit.text = _written(edit.text)
        return super().edit(edit)

    def on_text_area_changed(self) -> None:
        """Take the message back once the text is another."""
        # Compared, because the news of an earlier edit may arrive after the message was set.
        if self._wrong is not None and self.text != self._wrong:
            self._wrong = None
            self.border_subtitle = ""


def _written(text: str) -> str:
    """Return ``text`` with one kind of line break and every hidden character as an escape."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character if character in "\n\t" or visible(character) == character else _escape(character)
        for character in lines
    )


def _escape(character: str) -> str:
    if ord(character) < 0x80:
        return f"\\u{ord(character):04x}"
    return json.dumps(character)[1:-1]
