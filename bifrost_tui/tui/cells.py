"""How rows look in the tables: one cell a call, state as glyph and word."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from bifrost_tui.display import age, counted, shorten, visible
from bifrost_tui.store.values import ConfigType, preview
from bifrost_tui.store.views import (
    Attention,
    ConfigLine,
    ConfigView,
    OrganizationView,
    Scope,
    ScopeCounts,
    Standing,
    State,
)
from bifrost_tui.tui.widgets.paged_table import Column

CONFIG_COLUMNS = (
    Column("mark", "", 1, gap=1),
    Column("key", "Key", 20, grow=3, max_width=48),
    Column("type", "Type", 7),
    Column("value", "Value", 14, grow=2, max_width=60),
    Column("scope", "Scope", 10, drop=4),
    Column("integration", "Integration", 13, drop=3),
    Column("fingerprint", "Fingerprint", 12, drop=2),
    Column("age", "Age", 8, right=True),
    Column("by", "By", 9, drop=1),
)
"""The columns of a list of configs; the narrow terminal drops By first, Scope last."""

NEEDS_VALUE = "○ needs value"
UNREADABLE = "× unreadable"
DANGLING = "∅ dangling"
OVERDUE = "▲"
DUE = "◇"
_VALUE_SHOWN = 200

_STANDINGS = {
    Standing.OWN: "own",
    Standing.INHERITED: "inherited",
    Standing.SHADOWS: "shadows",
}


def attention_text(attention: Attention, *, plain: bool = False) -> Text:
    """Say what wants attention: ``▲ 3 overdue  ○ 1 needs value``; nothing where nothing does."""
    text = Text()
    for number, glyph, word, style in (
        (attention.unreadable, "×", "unreadable", "$error"),
        (attention.dangling, "∅", "dangling", "$error"),
        (attention.overdue, OVERDUE, "overdue", "$warning"),
        (attention.due, DUE, "due", "$warning"),
        (
            attention.needs_value,
            "○",
            "needs value" if attention.needs_value == 1 else "need values",
            "$accent",
        ),
    ):
        if number:
            text.append("  " if text else "")
            text.append(f"{glyph} {number:,} {word}", "" if plain else style)
    return text


def scope_text(scope: Scope) -> Text:
    """Name a scope at the head of its list."""
    name = Text(visible(scope.name), "bold")
    return name.append("  archived", "$warning") if scope.archived else name


def counts_text(counts: ScopeCounts, *, own_only: bool, order: str = "") -> Text:
    """Say how many configs a list has; what wants attention stands where no cut reaches it."""
    text = Text(
        f"{counted(counts.effective, 'config')} · {counted(counts.secrets, 'secret')}", "$muted"
    )
    if counts.attention:
        text.append(" · ").append_text(attention_text(counts.attention))
    if inherited := counts.effective - counts.own:
        text.append(f" · {inherited:,} inherited{' hidden' if own_only else ''}", "$muted")
    if order:
        text.append(f" · by {order}", "$accent")
    if not counts.effective:
        text.append(" · press a to add the first")
    return text


def found_text(found: int | None, counts: ScopeCounts | None, *, own_only: bool) -> str:
    """Say how many of how many a filter lets through, as far as the numbers are there."""
    if found is None:
        return ""
    if counts is None:
        return f"{found:,}"
    return f"{found:,} of {counts.own if own_only else counts.effective:,}"


def organization_cell(view: OrganizationView, column: str, now: datetime) -> Text:
    """Return one cell of the list of organizations."""
    match column:
        case "name":
            return Text(visible(view.scope.name), "bold" if view.scope.is_global else "")
        case "configs":
            return Text(f"{view.configs:,}")
        case "secrets":
            return Text(f"{view.secrets:,}" if view.secrets else "")
        case "attention":
            return attention_text(view.attention)
        case "changed":
            return Text(age(view.changed_at, now) if view.changed_at else "", "$muted")
        case "by":
            return Text(visible(view.changed_by or ""), "$muted")
        case _:
            raise AssertionError(column)


def config_cell(view: ConfigView, column: str, now: datetime) -> Text:
    """Return one cell of the list of configs."""
    match column:
        case "key":
            return Text(visible(view.key))
        case "type":
            return Text("ref" if view.is_reference else view.type.value, "$muted")
        case "value":
            return value_text(view)
        case "scope":
            return Text(
                _STANDINGS[view.standing], "" if view.standing is not Standing.OWN else "$muted"
            )
        case "integration":
            return Text(visible(view.integration or ""))
        case "fingerprint":
            return Text(view.fingerprint or "", "$muted")
        case "age":
            return age_text(view, now)
        case "by":
            return Text(visible(view.updated_by), "$muted")
        case _:
            raise AssertionError(column)


def value_text(view: ConfigView) -> Text:
    """Return a value as a line of a list shows it; a secret as its mask or its state."""
    if view.type is ConfigType.SECRET:
        if view.state is State.NEEDS_VALUE:
            return Text(NEEDS_VALUE, "$accent")
        if view.state is State.UNREADABLE:
            return Text(UNREADABLE, "$error")
        return Text(view.mask or "", "$muted")
    if view.type is ConfigType.SECRET_REF:
        target = Text(f"-> {visible(view.refers_to or '')}")
        if view.state is State.DANGLING:
            target = Text.assemble((DANGLING, "$error"), " ", (target.plain, "$muted"))
        return target
    shown = preview(view.type, view.value or "null", cut=view.cut)
    return Text(visible(shorten(shown, _VALUE_SHOWN)))


def age_text(view: ConfigView | ConfigLine, now: datetime) -> Text:
    """Return a secret's age, marked where it is due, or when another config was last changed."""
    then = view.secret_changed_at if view.is_secret else view.updated_at
    if then is None:
        return Text("")
    ago = age(then, now)
    if view.state is State.OVERDUE:
        return Text(f"{OVERDUE} {ago}", "$warning")
    if view.state is State.DUE:
        return Text(f"{DUE} {ago}", "$warning")
    return Text(ago, "$muted")


def waiting_text(line: ConfigLine, now: datetime) -> Text:
    """Say what a secret waits for a new value for: ``▲ 131 d   Stripe   last changed by carol``."""
    if line.state is State.NEEDS_VALUE:
        text = Text(NEEDS_VALUE, "$accent")
    elif line.state is State.UNREADABLE:
        text = Text(UNREADABLE, "$error")
    else:
        ago = age(line.secret_changed_at, now) if line.secret_changed_at else ""
        glyph = {State.OVERDUE: f"{OVERDUE} ", State.DUE: f"{DUE} "}.get(line.state, "")
        text = Text(f"{glyph}{ago}", "$warning" if glyph else "$muted")
    if line.integration:
        text.append(f"   {visible(line.integration)}", "$muted")
    return text.append(f"   by {visible(line.updated_by)}", "$muted")


def line_of(view: ConfigView) -> ConfigLine:
    """Return what a queue takes of a config that stands in a list."""
    return ConfigLine(
        id=view.id,
        scope=view.scope,
        key=view.key,
        type=view.type,
        state=view.state,
        fingerprint=view.fingerprint,
        equal_group=None,
        integration=view.integration,
        rotate_every_days=view.rotate_every_days,
        secret_changed_at=view.secret_changed_at,
        due_at=view.due_at,
        updated_at=view.updated_at,
        updated_by=view.updated_by,
    )


def config_row_style(view: ConfigView) -> str:
    """Dim what is inherited: it is not changed from here."""
    return "$muted" if view.standing is Standing.INHERITED else ""
