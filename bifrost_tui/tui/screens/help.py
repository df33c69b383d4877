"""Every key that works on a screen, from the bindings themselves."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen

from bifrost_tui.tui.base import LOCK_KEY
from bifrost_tui.tui.widgets.lines import KeyBar
from bifrost_tui.tui.widgets.paged_table import PagedTable
from bifrost_tui.tui.widgets.text_block import TextBlock

_WORDS = """
Secrets are write-only: no key shows or copies a value. Equal values have equal fingerprints.

▲ overdue   ◇ due   ○ needs value   × unreadable   ∅ dangling

The filter takes words of the key, and type: is: integration:
type:secret   is:overdue   is:needs-value   is:inherited   integration:stripe
"""


class HelpScreen(ModalScreen[None]):
    """A dialog that lists the keys of the screen beneath it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "close", tooltip="Close the help"),
        Binding("j,down", "scroll(1)", "down", show=False, tooltip="Scroll down"),
        Binding("k,up", "scroll(-1)", "up", show=False, tooltip="Scroll up"),
        Binding("pagedown,space", "scroll(10)", "page down", show=False, tooltip="A page down"),
        Binding("pageup", "scroll(-10)", "page up", show=False, tooltip="A page up"),
        LOCK_KEY,
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._of = screen
        self._keys = self._found(screen)

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content("Keys")
            lines = Text()
            width = max((len(keys) for keys, _ in self._keys), default=0) + 3
            for keys, does in self._keys:
                lines.append(f"{keys:<{width}}", "$accent").append(f"{does}\n")
            yield TextBlock(lines, hang=width)
            words = getattr(self._of, "HELP_WORDS", _WORDS)
            yield TextBlock(Text(words.strip(), "$muted"))
        yield KeyBar()

    def _found(self, screen: Screen[Any]) -> list[tuple[str, str]]:
        """Return keys and what they do, keys of the same action together."""
        grouped: dict[str, tuple[list[str], str]] = {}
        # What can be done first, how to move about last.
        moving = [isinstance(active.node, PagedTable) for active in screen.active_bindings.values()]
        ordered = sorted(
            zip(moving, screen.active_bindings.items(), strict=True), key=itemgetter(0)
        )
        for _, (key, active) in ordered:
            binding = active.binding
            if not binding.tooltip:
                continue
            keys, _ = grouped.setdefault(binding.action, ([], binding.tooltip))
            shown = self.app.get_key_display(binding.with_key(key))
            if shown not in keys:
                keys.append(shown)
        return [(" ".join(keys), does) for keys, does in grouped.values()]

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
