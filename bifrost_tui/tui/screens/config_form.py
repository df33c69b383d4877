"""Add and edit: a field for each type, errors under their fields, nothing typed is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import DescendantBlur
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AlreadyExistsError,
    BifrostError,
    ConflictError,
    InvalidInputError,
    ReferencedError,
)
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.integrations import USUAL_INTEGRATIONS
from bifrost_tui.store.live import Changes
from bifrost_tui.store.periods import checked_period
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType, checked_key
from bifrost_tui.store.views import ConfigPage, ConfigView, Scope
from bifrost_tui.tui.base import DataModal
from bifrost_tui.tui.live import Freshness
from bifrost_tui.tui.screens.carry import CarryScreen
from bifrost_tui.tui.screens.conflict import ConflictScreen, Way
from bifrost_tui.tui.secret_notes import SecretNotes
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput, TextField
from bifrost_tui.tui.widgets.json_field import JsonField
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.secret_picker import SHOWN, SecretPicker
from bifrost_tui.tui.widgets.value_fields import ValueFields

_NO, _YES = "no", "first and last four, from the next value"


class ConfigForm(DataModal[ConfigView | None]):
    """A dialog with the fields of one config; it closes when the config is saved."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+s",
            "save",
            "save",
            key_display="^s",
            id="form.save",
            tooltip="Save the config",
        ),
        Binding(
            "escape",
            "leave",
            "cancel",
            id="form.cancel",
            tooltip="Leave the form; asked for twice when something was typed",
        ),
        Binding("down", "app.focus_next", "next field", show=False, tooltip="Go to the next field"),
        Binding(
            "up", "app.focus_previous", "field before", show=False, tooltip="Go to the field before"
        ),
    ]

    kind_choice = getters.query_one("#type", Choice)
    values = getters.query_one(ValueFields)
    secret = getters.query_one(SecretField)

    def __init__(
        self, scope: Scope, view: ConfigView | None = None, *, shadow: bool = False
    ) -> None:
        super().__init__()
        self._scope = scope
        self._view = None if shadow else view
        self._given = view
        self._shadow = shadow
        self._saving = False
        self._freshness = Freshness(self, "saving", lambda: self._saving)
        self._asked_at: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay out the form."""
        given, kind = self._given, self._given.type if self._given else ConfigType.STRING
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(self._title())
            yield Field(
                "Key",
                LineInput(given.key if given else "", placeholder="letters, digits, _", id="key"),
                name="key",
            )
            yield Field("Type", Choice([*map(str, ConfigType)], str(kind), id="type"), name="type")
            yield Field(
                "Value",
                ValueFields(given, kind, empty_secret=self._empty_secret()),
                name="value",
            )
            yield Field(
                "Rotate every",
                LineInput(
                    str(given.rotate_every_days) if given and given.rotate_every_days else "",
                    placeholder="days; empty for never",
                    id="rotate_every_days",
                ),
                name="rotate_every_days",
            )
            yield Field(
                "Integration",
                LineInput(
                    (given.integration or "") if given else "", placeholder="any", id="integration"
                ),
                name="integration",
            )
            yield Field(
                "Partial mask",
                Choice(
                    [_NO, _YES], _YES if given and given.partial_mask else _NO, id="partial_mask"
                ),
                name="partial_mask",
            )
            yield Field(
                "Description",
                LineInput(given.description if given else "", id="description"),
                name="description",
            )
            yield Status()
            yield Static(Content(self._hint()), classes="note gap")
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the fields of the type and stand in the first that is to be filled."""
        config_id = self._view.id if self._view is not None else None
        self._notes = SecretNotes(self, self.secret, self._scope, config_id)
        self._show_type(self._kind)
        self._start = self._typed()
        (self.query_one("#key") if self._given is None else self.values.widget()).focus()
        known = partial(self.repository.configs.integrations, self.access, self._scope)
        self.ask(known, self._suggest, again=True)

    def _title(self) -> str:
        if self._view is not None:
            return f"Edit {visible(self._view.key)} in {visible(self._scope.name)}"
        if self._shadow and self._given is not None:
            return f"Shadow {visible(self._given.key)} in {visible(self._scope.name)}"
        return f"Add a config to {visible(self._scope.name)}"

    def _empty_secret(self) -> str:
        if self._view is not None and self._view.mask:
            return "unchanged: the value it has is kept"
        return "nothing entered yet"

    def _hint(self) -> str:
        return "tab goes to the next field · left and right choose · ^j breaks a line"

    @property
    def _kind(self) -> ConfigType:
        return ConfigType(self.kind_choice.chosen)

    def _suggest(self, known: tuple[str, ...]) -> None:
        words = sorted({*map(visible, known), *USUAL_INTEGRATIONS}, key=str.casefold)
        self.query_one("#integration", Input).suggester = SuggestFromList(
            words, case_sensitive=False
        )

    # What is typed

    @on(Choice.Changed, "#type")
    def _type_chosen(self, event: Choice.Changed) -> None:
        self._show_type(ConfigType(event.chosen))

    def _show_type(self, kind: ConfigType) -> None:
        self.values.show(kind)
        for field in ("rotate_every_days", "partial_mask"):
            self.query_one(f"#field-{field}").display = kind is ConfigType.SECRET
        self._error("value", "")

    @on(SecretPicker.Wanted)
    def _offer(self, event: SecretPicker.Wanted) -> None:
        """Offer secrets that the config may stand for: not those of another integration."""
        integration = self._line("integration").strip()
        offered = ConfigFilter(
            words=tuple(event.text.split()),
            types=frozenset({ConfigType.SECRET}),
            offered_to=integration,
        )
        note = "" if integration else "bound ones are offered once their integration is entered"

        def answered(page: ConfigPage) -> None:
            rows = page.rows[:SHOWN]
            event.picker.offer(event.text, rows, more=len(page.rows) > SHOWN, note=note)

        repository, access, wanted = self.repository, self.access, ConfigList(self._scope, offered)
        self.ask(
            lambda: repository.configs.page(access, wanted, offset=0, limit=SHOWN + 1), answered
        )

    @on(SecretField.Changed)
    def _secret_changed(self) -> None:
        self._notes.changed()

    @on(TextField.Submitted)
    @on(Input.Submitted)
    @on(SecretField.Submitted)
    def _next_field(self) -> None:
        self.app.action_focus_next()

    @on(DescendantBlur)
    def _field_left(self, event: DescendantBlur) -> None:
        """Check a field when it is left; what is wrong is said while it is fresh."""
        if event.widget.id == "key":
            self._check("key", lambda: checked_key(self._key) if self._key else None)
        elif event.widget.id == "rotate_every_days":
            self._check("rotate_every_days", self._period)

    def _check(self, field: str, rule: Callable[[], object]) -> None:
        try:
            rule()
        except InvalidInputError as error:
            self._error(field, error.message)
        else:
            self._error(field, "")

    def _error(self, field: str, message: str) -> None:
        self.query_one(f"#field-{field}", Field).show_error(message)

    @property
    def _key(self) -> str:
        return self._line("key").strip()

    def _line(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value

    def _period(self) -> int | None:
        return checked_period(self._line("rotate_every_days"))

    def _typed(self) -> tuple[object, ...]:
        """Return all that could be lost, to be compared; of a secret only whether there is one."""
        lines = tuple(
            self._line(field)
            for field in ("key", "rotate_every_days", "integration", "description")
        )
        chosen = self.query_one("#partial_mask", Choice).chosen
        return (*lines, self._kind, self.values.plain(), self.secret.revision, chosen)

    def _draft(self) -> ConfigDraft:
        secret = self._kind is ConfigType.SECRET
        return ConfigDraft(
            key=self._key,
            type=self._kind,
            value=self.values.plain(),
            secret=self.secret.entered() if secret else None,
            integration=self._line("integration"),
            description=self._line("description"),
            rotate_every_days=self._period() if secret else None,
            partial_mask=secret and self.query_one("#partial_mask", Choice).chosen == _YES,
        )

    def data_changed(self, changes: Changes) -> None:
        """Say when the config was changed meanwhile; what is entered stays."""
        self._freshness.check(self._view, changes)

    def action_save(self) -> None:
        """Save; the form stays until that has succeeded."""
        self._save(self._view)

    def _save(self, view: ConfigView | None, *, carry: bool | None = None) -> None:
        if self._saving:
            return
        for field in self.query(Field):
            field.show_error("")
        self.query_one(Status).clear()
        try:
            draft = self._draft()
            if self._kind is not ConfigType.SECRET or draft.secret is None:
                self._refuse_lost_secret(draft)
        except InvalidInputError as error:
            self._refused(view, error)
            return
        self._saving = True
        configs, access, scope = self.repository.configs, self.access, self._scope
        self.ask(
            lambda: (
                configs.add(access, scope, draft)
                if view is None
                else configs.edit(access, view, draft, carry_references=carry)
            ),
            self.dismiss,
            problem=partial(self._refused, view),
        )

    def _refuse_lost_secret(self, draft: ConfigDraft) -> None:
        """Keep a secret from vanishing because the type was changed after it was typed."""
        if draft.type is not ConfigType.SECRET and not self.secret.is_empty:
            raise InvalidInputError(
                "A secret was entered, but the type is another. Choose the type secret, or clear"
                " what was entered there.",
                field="type",
            )

    def _refused(self, view: ConfigView | None, error: BifrostError) -> None:
        self._saving = False
        if isinstance(error, ConflictError):
            self._conflict(error)
        elif isinstance(error, ReferencedError) and error.field == "key":
            self._ask_about_references(view, error)
        elif isinstance(error, InvalidInputError | AlreadyExistsError):
            self._point_at(error)
        else:
            self.say_not_done("Not saved.", error)

    def _point_at(self, error: InvalidInputError | AlreadyExistsError) -> None:
        field = error.field
        line = getattr(error, "line", None)
        if field == "value" and self._kind is ConfigType.JSON and line is not None:
            column = getattr(error, "column", None) or 1
            # The border has no room for the whole message.
            self._error("value", error.message)
            where = f"line {line}, column {column}"
            self.query_one("#value-json", JsonField).point_at(line, column, where)
            return
        if not self.query(f"#field-{field}"):
            self.say_not_done("Not saved.", error)
            return
        self._error(field, error.message)
        widget = self.values.widget() if field == "value" else self.query_one(f"#{field}")
        widget.focus()

    def _ask_about_references(self, view: ConfigView | None, error: ReferencedError) -> None:
        def decided(carry: bool | None) -> None:
            if carry is None:
                self.say("Not saved. What you typed is still here.", "warning")
            else:
                self._save(view, carry=carry)

        self.app.push_screen(CarryScreen(error.references, self._key), decided)

    def _conflict(self, error: ConflictError) -> None:
        view = self._view
        if view is None:
            self.say_not_done("Not saved.", error)
            return

        def decided(way: tuple[Way, ConfigView | None] | None) -> None:
            if error.deleted:
                # There is nothing left to edit: what was typed is saved as a new config.
                self._view = None
                self.query_one(".dialog").border_title = Content(self._title())
                self.say("Not saved. It is deleted; ^s adds it anew.", "warning")
            elif way is None or way[0] is Way.BACK:
                self.say("Not saved. What you typed is still here.", "warning")
            elif way[0] is Way.OVERWRITE:
                self._save(way[1])
            else:
                self._take(way[1])

        self.app.push_screen(
            ConflictScreen(view, error, "Overwrite theirs", look="Take theirs"), decided
        )

    def _take(self, theirs: ConfigView | None) -> None:
        """Go on from the other operator's version."""
        if theirs is None:
            self.dismiss(None)
            return
        self._view = self._given = theirs
        self._saving = False
        self.query_one("#key", Input).value = visible(theirs.key)
        self.kind_choice.chosen = str(theirs.type)
        self.values.load(theirs)
        self._show_type(theirs.type)
        self.query_one("#partial_mask", Choice).chosen = _YES if theirs.partial_mask else _NO
        period = theirs.rotate_every_days
        self.query_one("#rotate_every_days", Input).value = str(period) if period else ""
        self.query_one("#integration", Input).value = visible(theirs.integration or "")
        self.query_one("#description", Input).value = visible(theirs.description)
        self._start = self._typed()
        self.say(f"This is {theirs.updated_by}'s version now.", "success")

    def action_leave(self) -> None:
        """Leave the form; when something was typed, only at the second time."""
        if self._saving:
            return
        typed = self._typed()
        # The second press counts only while nothing was typed in between.
        if typed not in (self._start, self._asked_at):
            self._asked_at = typed
            self.say(
                "Not saved yet. ^s saves; esc once more throws away what you typed.", "warning"
            )
            return
        self.dismiss(None)
