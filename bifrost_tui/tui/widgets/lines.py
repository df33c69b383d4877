"""Single lines: two ends that share the room, the bar of keys, and what was just done."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.binding import ActiveBinding
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from bifrost_tui.display import visible

_AT_THE_END = ("help", "commands")
_STYLES = ("accent", "muted", "error", "warning", "success", "bold")


class Line(Widget):
    """The base of what is drawn on one line with theme colours named as ``$muted``."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{name}" for name in _STYLES}
    DEFAULT_CSS = """
    Line {
        height: 1;
        width: 1fr;
        /* Textual takes this from the style alone, not from the text. */
        text-wrap: nowrap;
        text-overflow: ellipsis;
        & > .line--accent { color: $text-accent; }
        & > .line--muted { color: $text-muted; }
        & > .line--error { color: $text-error; }
        & > .line--warning { color: $text-warning; }
        & > .line--success { color: $text-success; }
        & > .line--bold { text-style: bold; }
        &:ansi > .line--muted { text-style: dim; }
    }
    """

    def coloured(self, text: Text) -> Text:
        """Return a text with its ``$name`` styles turned into the theme's."""
        done = Text(text.plain, style=self._style(text.style), no_wrap=True, overflow="ellipsis")
        for span in text.spans:
            done.stylize(self._style(span.style), span.start, span.end)
        return done

    def _style(self, style: object) -> str:
        name = str(style)
        if not name.startswith("$"):
            return name
        # Whole, so that a translucent colour is mixed with what it stands on; its ground stays out.
        found = self.get_component_rich_style(f"line--{name[1:]}")
        return str(Style(color=found.color, bold=found.bold, dim=found.dim))


class SplitLine(Line):
    """A line with something at each end; where both do not fit, the right end gives way."""

    left: reactive[Text] = reactive(Text)
    right: reactive[Text] = reactive(Text)

    def render(self) -> RenderResult:
        """Draw both ends with the room between them."""
        width = self.content_size.width
        left, right = self.coloured(self.left), self.coloured(self.right)
        room = width - left.cell_len
        if room < 2 + right.cell_len:
            right.truncate(max(room - 2, 0), overflow="ellipsis")
            if right.cell_len < 2:
                right = Text()
        left.truncate(width, overflow="ellipsis")
        gap = width - left.cell_len - right.cell_len
        return Text.assemble(left, " " * max(gap, 0), right, no_wrap=True)


class Status(Line):
    """What was just done, or why it was not: one line that stays until there is other news."""

    DEFAULT_CSS = """
    Status {
        display: none;
        height: auto;
        max-height: 4;
        text-wrap: wrap;
        text-overflow: fold;
        &.-said { display: block; }
    }
    """

    said: reactive[Text] = reactive(Text, layout=True)

    def say(self, words: str, kind: str = "") -> None:
        """Show words; ``kind`` is ``success``, ``warning``, ``error`` or nothing."""
        glyph = {"success": "✓ ", "warning": "▲ ", "error": "× "}.get(kind, "")
        self.said = Text(f"{glyph}{visible(words)}", f"${kind}" if kind else "$muted")
        self.set_class(bool(words), "-said")

    def clear(self) -> None:
        """Show nothing."""
        if self.has_class("-said"):
            self.said = Text()
            self.remove_class("-said")

    def render(self) -> RenderResult:
        """Draw the words, wrapped where a line is too short for them."""
        return self.coloured(self.said)


class ProgressLine(Line):
    """A bar as wide as its room: how much of something is behind."""

    def on_mount(self) -> None:
        """Begin with nothing."""
        self._share = 0.0

    def show(self, done: int, total: int) -> None:
        """Show how many of how many are behind."""
        self._share = done / total if total else 1.0
        self.refresh()

    def render(self) -> Text:
        """Draw the bar."""
        width = self.content_size.width
        full = round(width * self._share)
        return self.coloured(
            Text.assemble(("━" * full, "$accent"), ("─" * (width - full), "$muted"))
        )


class KeyBar(Line):
    """The few keys that matter here, from the bindings themselves; what cannot be done is dim.

    Where the room ends, keys are left out from the right; help and palette stay at the end.
    """

    DEFAULT_CSS = """
    KeyBar { dock: bottom; }
    """

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self._drawn = ""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.is_attached:
            text = self._keys()
            if (drawn := repr(text)) != self._drawn:
                self._drawn = drawn
                self.refresh()

    def _keys(self) -> list[tuple[str, str, bool]]:
        seen: set[str] = set()
        keys = []
        for active in sorted(self.screen.active_bindings.values(), key=self._rank):
            binding = active.binding
            if binding.show and binding.action not in seen:
                seen.add(binding.action)
                display = self.app.get_key_display(binding)
                keys.append((display, binding.description, active.enabled))
        return keys

    def _rank(self, active: ActiveBinding) -> int:
        """Put Enter first, then the screen's keys, those of the field at hand, those of all."""
        if active.binding.key == "enter":
            return 0
        return 1 if active.node is self.screen else 3 if active.node is self.app else 2

    def render(self) -> RenderResult:
        """Draw the keys that fit."""
        width = self.content_size.width
        keys = self._keys()
        end = self._row([key for key in keys if key[1] in _AT_THE_END], 2)
        front = [key for key in keys if key[1] not in _AT_THE_END]
        room = width - (end.cell_len + 2 if end else 0)
        line = self._row(front, 3)
        while front and line.cell_len > room:
            line = self._row(front, 2)
            if line.cell_len > room:
                front.pop()
                line = self._row(front, 2)
        gap = width - line.cell_len - end.cell_len
        return Text.assemble(line, " " * max(gap, 0), end, no_wrap=True)

    def _row(self, keys: list[tuple[str, str, bool]], gap: int) -> Text:
        return Text(" " * gap).join(self._key(*key) for key in keys)

    def _key(self, key: str, description: str, enabled: bool) -> Text:
        if not enabled:
            return self.coloured(Text(f"{key} {description}", "$muted"))
        text = Text.assemble((key, "$accent"), " ", description)
        return self.coloured(text)
