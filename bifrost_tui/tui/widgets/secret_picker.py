"""A field that takes the key of a secret: typed, or chosen from those that are offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui.widgets.fields import LineInput
from bifrost_tui.tui.widgets.lines import Line

SHOWN = 5
"""How many secrets are offered at once."""


class SecretPicker(Widget):
    """The key of a secret, and beneath it, while it has the focus, the secrets that fit.

    Its screen answers :class:`Wanted` with :meth:`offer`.
    """

    DEFAULT_CSS = """
    SecretPicker {
        height: auto;
        layout: vertical;
        & > _Offered { display: none; height: auto; }
        &.-focused > _Offered { display: block; }
    }
    """

    class Wanted(Message):
        """Something was typed; secrets whose keys hold its words are to be offered."""

        def __init__(self, picker: SecretPicker, text: str) -> None:
            super().__init__()
            self.picker = picker
            self.text = text

        @property
        def control(self) -> SecretPicker:
            """The picker."""
            return self.picker

    class Taken(Message):
        """A secret was chosen."""

        def __init__(self, picker: SecretPicker) -> None:
            super().__init__()
            self.picker = picker

        @property
        def control(self) -> SecretPicker:
            """The picker."""
            return self.picker

    def __init__(self, key: str = "", *, id: str) -> None:  # noqa: A002
        super().__init__(classes="picker")
        self._input = _PickInput(key, placeholder="key of a secret; type to narrow", id=id)
        self._offered = _Offered()

    def compose(self) -> ComposeResult:
        """Lay out the field."""
        yield self._input
        yield self._offered

    @property
    def key(self) -> str:
        """What is entered."""
        return self._input.value.strip()

    @key.setter
    def key(self, key: str) -> None:
        self._input.value = visible(key)

    def ask(self) -> None:
        """Ask anew which secrets are to be offered: what they depend on has changed."""
        # A key that stands there already is where to begin from, not what to narrow to.
        text = "" if self.key == self._offered.chosen_key else self.key
        self.post_message(self.Wanted(self, text))

    def offer(self, text: str, views: Sequence[ConfigView], *, more: bool, note: str = "") -> None:
        """Offer secrets for what was typed; an answer to what was typed before is ignored."""
        if text in (self.key, ""):
            self._offered.show(views, more=more, note=note, key=self.key)

    def on_descendant_focus(self) -> None:
        """Offer while the field has the focus."""
        self.add_class("-focused")
        self.ask()

    def on_descendant_blur(self) -> None:
        """Offer nothing any more."""
        self.remove_class("-focused")

    @on(Input.Changed)
    def _typed(self) -> None:
        if self.has_class("-focused"):
            self.post_message(self.Wanted(self, self.key))

    def move(self, step: int) -> bool:
        """Go to another of those offered; tell whether there is one."""
        return self._offered.move(step)

    def take(self) -> bool:
        """Take the secret that is marked; tell whether there was one to take."""
        view = self._offered.marked
        if view is None:
            return False
        if self.key != view.key:
            self._input.value = view.key
            self._input.action_end()
        self._offered.chosen_key = view.key
        self.post_message(self.Taken(self))
        return True


class _PickInput(LineInput):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next", show=False, tooltip="Go to the next secret offered"),
        Binding("up", "move(-1)", "Before", show=False, tooltip="Go to the secret before"),
        Binding("tab", "take", "Take", show=False, tooltip="Take the secret that is marked"),
    ]

    @property
    def _picker(self) -> SecretPicker:
        picker = self.parent
        assert isinstance(picker, SecretPicker)  # noqa: S101 - only a picker makes one
        return picker

    def action_move(self, step: int) -> None:
        """Go through those offered; beyond the first, to the field before."""
        if not self._picker.move(step) and step < 0:
            self.app.action_focus_previous()

    def action_take(self) -> None:
        """Take the secret that is marked, where something was typed, and go on."""
        if self.value.strip():
            self._picker.take()
        self.app.action_focus_next()

    async def action_submit(self) -> None:
        """Take the secret that is marked, and go on."""
        self._picker.take()
        await super().action_submit()


class _Offered(Line):
    """The secrets offered, one a line."""

    text: reactive[Text] = reactive(Text, layout=True)

    def __init__(self) -> None:
        super().__init__()
        self._views: tuple[ConfigView, ...] = ()
        self._at = 0
        self._more = False
        self._note = ""
        self.chosen_key = ""

    @property
    def marked(self) -> ConfigView | None:
        """The secret that the mark is on."""
        return self._views[self._at] if self._views else None

    def show(self, views: Sequence[ConfigView], *, more: bool, note: str, key: str) -> None:
        """Offer these; the mark is on the one whose key is entered, else on the first."""
        self._views, self._more, self._note = tuple(views), more, note
        keys = [view.key for view in self._views]
        self._at = keys.index(key) if key in keys else 0
        self._draw()

    def move(self, step: int) -> bool:
        """Move the mark; tell whether there is another there."""
        at = self._at + step
        if not 0 <= at < len(self._views):
            return False
        self._at = at
        self._draw()
        return True

    def _draw(self) -> None:
        width = max((len(view.key) for view in self._views), default=0)
        lines = []
        for at, view in enumerate(self._views):
            mark = "▌ " if at == self._at else "  "
            where = "global" if view.scope.is_global else "own"
            bound = f" · {visible(view.integration)}" if view.integration else ""
            lines.append(
                Text.assemble(
                    (mark, "$accent"),
                    f"{visible(view.key):<{min(width, 40)}}",
                    (f"  {where}{bound}", "$muted"),
                )
            )
        if not lines:
            lines.append(Text("  no secret fits", "$muted"))
        if self._more:
            lines.append(Text("  … more: type to narrow", "$muted"))
        if self._note:
            lines.append(Text(f"  {self._note}", "$muted"))
        self.text = Text("\n").join(lines)

    def render(self) -> RenderResult:
        """Draw the lines, each cut at the edge."""
        lines = self.coloured(self.text).split("\n", allow_blank=True)
        for line in lines:
            line.truncate(self.content_size.width, overflow="ellipsis")
        return Text("\n").join(lines)

    def get_content_height(self, *_: object) -> int:
        """Return as many lines as there are."""
        return self.text.plain.count("\n") + 1
