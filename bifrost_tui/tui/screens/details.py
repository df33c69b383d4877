"""All about one config: its whole plain value, its facts, its last audit events."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from bifrost_tui.clock import iso
from bifrost_tui.display import visible, visible_lines
from bifrost_tui.errors import BifrostError, ConfigNotFoundError
from bifrost_tui.store.values import editable
from bifrost_tui.store.views import AuditView, ConfigView, References, Scope, Standing
from bifrost_tui.tui.base import LABEL_WIDTH, DataModal, labelled
from bifrost_tui.tui.live import deleted_words
from bifrost_tui.tui.widgets.config_facts import (
    event_text,
    period_text,
    references_text,
    standing_text,
    state_text,
)
from bifrost_tui.tui.widgets.lines import KeyBar, Status
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.live import Changes

_LONGEST_SHOWN = 20_000
_REFERENCES_SHOWN = 12


class DetailsScreen(DataModal[str | None]):
    """A dialog of facts; the keys of the list work here too, and close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "then('edit')", "edit", id="configs.edit", tooltip="Edit the config"),
        Binding(
            "r",
            "then('rotate')",
            "rotate",
            id="configs.rotate",
            tooltip="Give the secret a new value",
        ),
        Binding("d", "then('delete')", "delete", id="configs.delete", tooltip="Delete the config"),
        Binding(
            "s",
            "then('shadow')",
            "shadow",
            id="configs.shadow",
            tooltip="Shadow the inherited config",
        ),
        Binding("escape,enter", "close", "close", id="screen.back", tooltip="Close"),
        Binding("j,down", "scroll(1)", "down", show=False, tooltip="Scroll down"),
        Binding("k,up", "scroll(-1)", "up", show=False, tooltip="Scroll up"),
    ]

    def __init__(self, view: ConfigView, within: Scope | None = None) -> None:
        """Show a config as it stands in the list of ``within``, without it in its own scope's."""
        super().__init__()
        self._view = view
        self._within = within or view.scope

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(visible(self._view.key))
            yield TextBlock(id="facts", hang=LABEL_WIDTH)
            yield Static(id="value", classes="gap", markup=False)
            yield TextBlock(id="history")
            yield Status()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what is known, and ask for the events and for what refers to it."""
        self._show_all()

    def data_changed(self, changes: Changes) -> None:
        """Show the config as it is now; references and events may be others too."""
        view, within = self._view, self._within

        def gone(error: BifrostError) -> None:
            if words := deleted_words(view, error, self.bifrost.clock()):
                self.say(words, "warning")

        def look() -> ConfigView:
            with suppress(ConfigNotFoundError):
                return self.repository.configs.get(self.access, within, view.id)
            # That says who deleted it, and when.
            return self.repository.configs.current(self.access, view)

        self.ask(
            look,
            self._take,
            problem=gone,
        )

    def _take(self, view: ConfigView) -> None:
        self._view = view
        self._show_all()
        self.refresh_bindings()

    def _show_all(self) -> None:
        self._show_facts(None)
        view = self._view
        if view.value is not None:
            shown = visible_lines(editable(view.type, view.value))
            if len(shown) > _LONGEST_SHOWN:
                shown = shown[:_LONGEST_SHOWN] + "\n… cut here; the command shows it whole"
            self.query_one("#value", Static).update(Content(shown))
        else:
            self.query_one("#value", Static).display = False
        configs, within = self.repository.configs, self._within
        self.ask(
            lambda: (
                configs.history(self.access, view.scope, view.key, 5),
                configs.references(self.access, view, within=within, shown=_REFERENCES_SHOWN),
            ),
            lambda found: self._show_found(*found),
        )

    def _show_facts(self, found: References | None) -> None:
        view, now = self._view, self.bifrost.clock()
        pairs: list[tuple[str, Text | str]] = [
            ("Scope", standing_text(view)),
            ("Type", view.type.value),
        ]
        if view.is_secret:
            pairs.append(("Value", state_text(view) or Text(view.mask or "")))
            if view.fingerprint:
                pairs.append(("Fingerprint", view.fingerprint))
            if view.secret_changed_at:
                pairs.append(("Value since", iso(view.secret_changed_at)))
            if period := period_text(view, now):
                pairs.append(("Rotation", period))
            if found is not None:
                pairs.append(("Used by", references_text(found, view.scope) or "no reference"))
        if view.is_reference:
            pairs.append(("Stands for", state_text(view) or Text(visible(view.refers_to or ""))))
        pairs += [
            ("Integration", visible(view.integration or "any")),
            ("Description", visible(view.description or "none")),
            ("Created", f"{iso(view.created_at)} by {visible(view.created_by)}"),
            ("Changed", f"{iso(view.updated_at)} by {visible(view.updated_by)}"),
        ]
        self.query_one("#facts", TextBlock).show(labelled(pairs))

    def _show_found(self, history: tuple[AuditView, ...], found: References) -> None:
        self._show_facts(found)
        now = self.bifrost.clock()
        lines = Text("\n").join(Text(event_text(event, now), "$muted") for event in history)
        facts = self.query_one("#history", TextBlock)
        facts.add_class("gap")
        facts.show(lines)

    def why_not(self, action: str) -> str:
        """Say why a key does nothing here."""
        inherited = self._view.standing is Standing.INHERITED
        if action.startswith("then"):
            return self._why_not_then(action.partition("'")[2].rstrip("')"), inherited)
        return ""

    def _why_not_then(self, verb: str, inherited: bool) -> str:
        key = self._view.key
        if verb == "shadow":
            return "" if inherited else f"{key} is this scope's own; there is nothing to shadow."
        if inherited:
            return f"{key} is global: press s to shadow it here, or change it in Global."
        if verb == "rotate" and not self._view.is_secret:
            return f"{key} is no secret; only secrets are rotated. Press e to edit it."
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out what cannot be done with this config."""
        name = f"{action}('{parameters[0]}')" if action == "then" else action
        return None if self.why_not(name) else True

    def action_then(self, verb: str) -> None:
        """Close, and do it in the list."""
        self.dismiss(verb)

    def action_close(self) -> None:
        """Close the dialog."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
