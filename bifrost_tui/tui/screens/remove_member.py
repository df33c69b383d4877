"""Remove a member: what goes with them and what will miss it, first; then delete or hand over."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import BifrostError, ConflictError
from bifrost_tui.store.views import ALL_SCOPES, MemberView, Removal, RemovedSecret
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.fields import Field, LineInput
from bifrost_tui.tui.widgets.lines import Status
from bifrost_tui.tui.widgets.text_block import TextBlock


class RemoveMember(DataModal[int | None]):
    """A dialog that removes one member; it returns how many secrets they could read."""

    AUTO_FOCUS = "#cancel"
    DEFAULT_CSS = """
    RemoveMember #goes { height: auto; max-height: 8; margin: 1 0 0 0; }
    RemoveMember #secrets { padding-left: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", id="form.cancel", tooltip="Remove nobody"),
    ]

    def __init__(self, view: MemberView) -> None:
        super().__init__()
        self._view = view
        self._removal: Removal | None = None
        self._removing = False

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        view = self._view
        where = "all organizations" if view.scope == ALL_SCOPES else visible(view.scope.name)
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("Remove a member")
            yield TextBlock(
                Text.assemble((visible(view.actor), "bold"), f", {view.role.value} of {where}")
            )
            yield TextBlock(Text("\nlooking at what goes with them …", "$muted"), id="told")
            with VerticalScroll(id="goes", can_focus=False) as goes:
                goes.display = False
                yield TextBlock(id="secrets", hang=2)
            heir = Field("Hand them to", LineInput(id="heir", max_length=255), name="heir")
            heir.display = False
            heir.add_class("gap")
            yield heir
            typed = Field("Or delete", LineInput(id="typed", max_length=255), name="typed")
            typed.display = False
            yield typed
            yield Status()
            with Horizontal(classes="buttons gap"):
                yield WordButton("Cancel", id="cancel")
                yield WordButton("Remove", id="remove", danger=True)

    def on_mount(self) -> None:
        """Ask what goes with the member."""
        self.query_one("#remove", WordButton).disabled = True
        self._look()

    def _look(self) -> None:
        self.ask(
            lambda: self.repository.members.removal(self.access, self._view),
            self._show,
            problem=self._cannot,
            again=True,
        )

    def _cannot(self, error: BifrostError) -> None:
        self.query_one("#told", TextBlock).show(Text())
        self.say(error.message, "error")

    def _show(self, removal: Removal) -> None:
        self._removal = removal
        count = len(removal.secrets)
        self.query_one("#told", TextBlock).show(Text("\n" + _told(removal)))
        self.query_one("#goes").display = bool(count)
        self.query_one("#secrets", TextBlock).show(Text("\n").join(map(_line, removal.secrets)))
        self.query_one("#field-heir", Field).display = bool(count and removal.heirs)
        self.query_one("#field-typed", Field).display = bool(count)
        if count:
            names = ", ".join(map(visible, removal.heirs[:6]))
            more = " …" if len(removal.heirs) > 6 else ""
            self.query_one("#heir", LineInput).placeholder = f"{names}{more}"
            self.query_one(
                "#typed", LineInput
            ).placeholder = f"type {visible(self._view.actor)} to delete them for good"
        self._allow()

    def _allow(self) -> None:
        """Let the removal begin once it is said what becomes of the secrets."""
        removal = self._removal
        button = self.query_one("#remove", WordButton)
        if removal is None or self._removing:
            button.disabled = True
            return
        button.disabled = bool(removal.secrets) and not (self._heir() or self._typed_it())

    def _heir(self) -> str:
        return self.query_one("#heir", LineInput).value.strip()

    def _typed_it(self) -> bool:
        return self.query_one("#typed", LineInput).value == self._view.actor

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        for field in self.query(Field):
            field.show_error("")
        self._allow()

    def on_key(self, event: events.Key) -> None:
        """Let typing begin from Cancel: the letters go into the first field."""
        fields = [field for field in self.query(LineInput) if field.parent and field.is_on_screen]
        typing = isinstance(self.focused, LineInput)
        if fields and event.is_printable and event.character and not typing:
            event.stop()
            fields[0].focus()
            fields[0].insert_text_at_cursor(event.character)

    @on(Input.Submitted)
    def _entered(self) -> None:
        self._remove()

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        if event.button.id == "remove":
            self._remove()
        else:
            self.dismiss(None)

    def _remove(self) -> None:
        removal, heir = self._removal, self._heir()
        if removal is None or self._removing:
            return
        if removal.secrets and heir and self._typed_it():
            self.say("Either hand them to somebody or delete them: empty one field.", "warning")
            return
        if removal.secrets and not heir and not self._typed_it():
            self.say("Say who gets the secrets, or type the name to delete them.", "warning")
            return
        self._removing = True
        self._allow()
        self.ask(
            lambda: self.repository.members.remove(self.access, removal, hand_to=heir or None),
            lambda _: self.dismiss(removal.readable),
            problem=self._refused,
        )

    def _refused(self, error: BifrostError) -> None:
        self._removing = False
        self._allow()
        if getattr(error, "field", "") == "hand_to":
            self.query_one("#field-heir", Field).show_error(error.message)
            return
        self.say_not_done("Not removed.", error)
        if isinstance(error, ConflictError) and not error.deleted:
            self._look()

    def action_cancel(self) -> None:
        """Remove nobody."""
        self.dismiss(None)


def _told(removal: Removal) -> str:
    """Say what comes of it."""
    actor = visible(removal.member.actor)
    if not removal.loses:
        return f"{actor} stays a member there by another membership. No secret goes."
    told = f"{actor} could read {counted(removal.readable, 'secret')}"
    told += ", which will wait for new values." if removal.readable else "."
    if removal.archived:
        told += f" {counted(removal.archived, 'secret')} in archived organizations will stay."
    if removal.secrets:
        told += (
            f" These {counted(len(removal.secrets), 'secret')}"
            if (len(removal.secrets) > 1)
            else " This secret"
        )
        told += f" {actor} created there:"
    return told


def _line(each: RemovedSecret) -> Text:
    """Name a secret and every reference and organization that will miss it."""
    line = Text.assemble((visible(each.key), "bold"), (f" in {visible(each.scope.name)}", "$muted"))
    missed = [f"{visible(use.key)} in {visible(use.scope)}" for use in each.references]
    missed += map(visible, each.inheritors)
    if each.falls_back:
        line.append(" · the global one takes its place", "$muted")
        return line
    if missed:
        line.append(" · ").append(f"▲ missed by {', '.join(missed)}", "$warning")
    return line
