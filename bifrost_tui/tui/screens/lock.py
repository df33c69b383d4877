"""The lock: it stands before everything and shows nothing of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.renderables.blank import Blank

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError
from bifrost_tui.settings import lock_words
from bifrost_tui.tui.base import DataModal, labelled
from bifrost_tui.tui.widgets.fields import Field
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.passphrase_field import PassphraseField
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.text_block import TextBlock


class LockScreen(DataModal[None]):
    """A screen that opens with Enter, or with the actor's passphrase where one is set.

    A dialog, so that no key of the app comes through it; but opaque.
    """

    AUTO_FOCUS = ""  # a field that is hidden must not take keys
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="lock.open", tooltip="Open the screens again"),
        Binding(
            "ctrl+q",
            "leave",
            "leave the program",
            key_display="^q",
            id="lock.leave",
            tooltip="Leave the program; what was typed and not saved is gone",
        ),
    ]

    field = getters.query_one(PassphraseField)

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self._minutes = minutes
        self._asking = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        after = f" {lock_words(self._minutes)}" if self._minutes else ""
        yield SplitLine(id="heading", classes="heading")
        with Vertical(classes="page"):
            yield TextBlock(Text(f"Locked{after}", "bold"))
            yield TextBlock(Text("What was typed is still there.\n", "$muted"))
            yield TextBlock(labelled([("Actor", visible(self.access.actor))]))
            yield TextBlock(id="opens")
            yield Field("Passphrase", PassphraseField(), name="passphrase")
            yield Status()
        yield KeyBar()

    def render(self) -> Any:
        """Draw the ground, and never what lies beneath."""
        return Blank(self.styles.background)

    def on_mount(self) -> None:
        """Find out what opens it."""
        self.query_one("#heading", SplitLine).left = Text("Bifrost TUI", "bold")
        self.query_one("#field-passphrase").display = False
        self._ask_what_opens()

    def _ask_what_opens(self, *, pressed: bool = False) -> None:
        if not self.bifrost.is_open:
            # Nothing is open that could be guarded, and nobody can be asked.
            self._show(wanted=False, pressed=pressed)
            return
        self._asking = True
        self.ask(
            lambda: self.repository.presence.is_set(self.access),
            lambda wanted: self._show(wanted=wanted, pressed=pressed),
            problem=self._failed,
        )

    def _show(self, *, wanted: bool, pressed: bool) -> None:
        self._asking = False
        self.query_one(Status).clear()
        self.query_one("#field-passphrase").display = wanted
        if wanted:
            self.query_one("#opens", TextBlock).show(Text())
            self.field.focus()
        elif pressed:
            self.dismiss(None)
        else:
            self.query_one("#opens", TextBlock).show(labelled([("Opens", "with enter")]))

    def _failed(self, error: BifrostError) -> None:
        self._asking = False
        self.say(f"{error.message} Enter tries again.", "error")

    @on(SecretField.Submitted)
    def action_open(self) -> None:
        """Open the screens, if whoever is there proves to be the actor."""
        if self._asking:
            return
        if not self.query_one("#field-passphrase").display:
            # Asked anew: a passphrase may have been set meanwhile.
            self._ask_what_opens(pressed=True)
            return
        entered = self.field.entered()
        if entered is None:
            self.field.show_problem("Nothing is entered.")
            return
        self._asking = True
        self.field.clear()
        self.say("checking …")
        presence, access = self.repository.presence, self.access
        self.ask(
            lambda: presence.proves(access, entered),
            lambda right: self.dismiss(None) if right else self._wait_before(self._refuse),
            problem=lambda error: self._wait_before(partial(self._failed, error)),
        )

    def _wait_before(self, answer: Callable[[], None]) -> None:
        # Whoever guesses waits; whoever mistyped hardly notices.
        self.set_timer(self.bifrost.WRONG_PAUSE, answer)

    def _refuse(self) -> None:
        self._asking = False
        self.query_one(Status).clear()
        self.field.show_problem("That is not the passphrase. The audit log says that it was tried.")

    def action_leave(self) -> None:
        """Leave the program."""
        self.app.exit(0)
