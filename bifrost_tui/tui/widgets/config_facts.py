"""What is known about one config, in a few lines: the pane under a list."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive

from bifrost_tui.clock import iso
from bifrost_tui.display import age, some_of, visible
from bifrost_tui.store.views import (
    NO_REFERENCES,
    AuditView,
    ConfigView,
    References,
    Scope,
    Standing,
    State,
)
from bifrost_tui.tui.cells import DANGLING, DUE, NEEDS_VALUE, OVERDUE, UNREADABLE
from bifrost_tui.tui.widgets.lines import Line

_DID = {
    "config.add": "added",
    "config.edit": "edited",
    "config.rotate": "rotated",
    "config.delete": "deleted",
    "config.import": "imported",
    "secret.unreadable": "found unreadable",
    "secret.readable": "found readable again",
    "secret.read": "read",
    "secret.inject": "given to a command",
    "secret.export": "exported, encrypted",
}


def period_text(view: ConfigView, now: datetime) -> str:
    """Say when a secret's rotation period ends: ``rotates every 90 d, next in 78 d``."""
    if view.rotate_every_days is None:
        return ""
    words = f"rotates every {view.rotate_every_days:,} d"
    if view.due_at is None:
        return words
    if view.state is State.OVERDUE:
        return f"{OVERDUE} {words}, overdue for {age(view.due_at, now)}"
    if view.state is State.DUE:
        return f"{DUE} {words}, due now"
    return f"{words}, next in {age(now, view.due_at)}"


def event_text(event: AuditView, now: datetime) -> str:
    """Tell one event: ``12 d ago rotated by bob from 10.1.4.7``."""
    did = _DID.get(event.action, event.action)
    refused = "" if event.outcome in ("done", "failed") else f" ({event.outcome})"
    ago = age(event.at, now)
    ago = "just now" if ago == "now" else f"{ago} ago"
    return f"{ago} {did}{refused} by {visible(event.actor)} from {visible(event.source)}"


def standing_text(view: ConfigView) -> str:
    """Say where a config stands, in words."""
    if view.standing is Standing.INHERITED:
        return "inherited from Global"
    if view.standing is Standing.SHADOWS:
        return f"own config of {visible(view.scope.name)}, shadows the global one"
    return "global" if view.scope.is_global else f"own config of {visible(view.scope.name)}"


def state_text(view: ConfigView) -> Text:
    """Say what is wrong with a secret or a reference, or nothing."""
    if view.state is State.DANGLING:
        return Text(f"{DANGLING}: {visible(view.dangling or '')}", "$error")
    if view.state is State.NEEDS_VALUE:
        return Text(f"{NEEDS_VALUE}: press r to enter one", "$accent")
    if view.state is State.UNREADABLE:
        return Text(
            f"{UNREADABLE}: no master key at hand opens it, or it is damaged; rotate it, or give"
            " the key that it was written with",
            "$error",
        )
    return Text()


def references_text(found: References, scope: Scope) -> str:
    """Name what refers to a secret of a scope: ``billing_api_key, Acme / hook and 3 more``."""
    if not found.total:
        return ""
    names = [
        visible(use.key if use.scope == scope.name else f"{use.scope} / {use.key}")
        for use in found.first
    ]
    return some_of(names, found.total)


class ConfigFacts(Line):
    """The pane under the list: shown where the terminal is wide and tall enough."""

    DEFAULT_CSS = """
    ConfigFacts {
        height: 6;
        padding: 0 1;
        border-top: solid $foreground 20%;
        display: none;
        &:ansi { border-top: solid ansi_bright_black; }
    }
    """

    text: reactive[Text] = reactive(Text)

    def show(
        self,
        view: ConfigView | None,
        now: datetime,
        history: tuple[AuditView, ...] = (),
        found: References = NO_REFERENCES,
    ) -> None:
        """Show a config and its last events; nothing where there is none."""
        if view is None:
            self.text = Text()
            return
        first = Text.assemble((visible(view.key), "bold"), "   ")
        first.append(
            " · ".join(
                part
                for part in (
                    view.type.value,
                    visible(view.integration or ""),
                    standing_text(view),
                    period_text(view, now),
                )
                if part
            ),
            "$muted",
        )
        lines = [first]
        if state := state_text(view):
            lines.append(state)
        lines.append(
            Text(
                visible(view.description) or "no description", "" if view.description else "$muted"
            )
        )
        lines.append(
            Text(
                f"created {iso(view.created_at)[:10]} by {visible(view.created_by)}"
                f" · changed {iso(view.updated_at)[:10]} by {visible(view.updated_by)}",
                "$muted",
            )
        )
        used = references_text(found, view.scope)
        if view.is_reference and view.state is not State.DANGLING:
            lines.insert(1, Text(f"stands for {visible(view.refers_to or '')}", "$muted"))
        elif used:
            lines.insert(1, Text(f"used by {used}", "$muted"))
        if history:
            lines.append(Text(" · ".join(event_text(event, now) for event in history), "$muted"))
        self.text = Text("\n").join(lines[:5])

    def render(self) -> RenderResult:
        """Draw the lines, each cut at the edge."""
        lines = self.coloured(self.text).split("\n", allow_blank=True)
        for line in lines:
            line.truncate(self.content_size.width, overflow="ellipsis")
        return Text("\n").join(lines)
