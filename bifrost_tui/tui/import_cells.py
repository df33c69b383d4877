"""How the plan of an import looks: its lines, its sums, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from bifrost_tui.display import counted, visible
from bifrost_tui.store.incoming import Imported, PlanLine, Verdict
from bifrost_tui.store.values import ConfigType
from bifrost_tui.tui.cells import NEEDS_VALUE
from bifrost_tui.tui.widgets.paged_table import Column

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan

_VERDICT = Column("verdict", "Import", 13)
_KEY = Column("key", "Key", 18, grow=3, max_width=48)
_TYPE = Column("type", "Type", 7)
_WHERE = Column("organization", "Organization", 14, grow=2, max_width=32)
_ABOUT = Column("about", "About", 14, grow=5)

VERDICTS = {
    Verdict.REFUSED: ("×", "refused", "$error"),
    Verdict.DIFFERS: ("~", "differs", "$warning"),
    Verdict.OTHER_VALUE: ("▲", "other value", "$warning"),
    Verdict.FILLED: ("✓", "filled", "$success"),
    Verdict.NEW: ("+", "new", "$accent"),
    Verdict.SAME: ("=", "same", "$muted"),
}
"""The verdicts in the order in which they are looked at, each with its glyph, word and colour."""

_RANKS = {verdict: rank for rank, verdict in enumerate(VERDICTS)}
_SUMS = {
    Verdict.REFUSED: ("refused", "refused"),
    Verdict.DIFFERS: ("differs", "differ"),
    Verdict.OTHER_VALUE: ("with another value here", "with other values here"),
    Verdict.FILLED: ("filled", "filled"),
    Verdict.NEW: ("new", "new"),
    Verdict.SAME: ("same", "the same"),
}

Lets = Callable[[PlanLine], bool]


def columns(*, one_scope: bool) -> Sequence[Column]:
    """Return the columns; where all goes into one scope, the heading names it."""
    return (_VERDICT, _KEY, _TYPE, *([] if one_scope else [_WHERE]), _ABOUT)


def arranged(plan: ImportPlan) -> list[PlanLine]:
    """Return what a preview shows: refused first, problems of whole organizations before them."""
    text = ConfigType.STRING
    told = [PlanLine(None, "", text, Verdict.REFUSED, why=why) for why in plan.problems]
    added = [
        PlanLine(name, "", text, Verdict.NEW, why="a new organization")
        for name in plan.new_organizations
    ]
    return sorted([*told, *added, *plan.lines], key=lambda line: _RANKS[line.verdict])


def searched(line: PlanLine) -> str:
    """Return what words of a filter are looked for in."""
    return f"{line.key} {line.organization or 'global'}".casefold()


def filters(rows: Sequence[PlanLine]) -> list[tuple[str, Lets]]:
    """Return what a key goes through: each verdict that there is, and what needs a value."""
    there = {line.verdict for line in rows}
    found: list[tuple[str, Lets]] = [
        (VERDICTS[verdict][1], _having(verdict)) for verdict in VERDICTS if verdict in there
    ]
    if any(line.needs_value for line in rows):
        found.append(("needs value", lambda line: line.needs_value))
    return found


def _having(verdict: Verdict) -> Lets:
    return lambda line: line.verdict is verdict


def cell(line: PlanLine, column: str, note: str = "") -> Text:
    """Return one cell of the preview; ``note`` is what else there is to know of the line."""
    match column:
        case "verdict":
            glyph, word, style = VERDICTS[line.verdict]
            return Text(f"{glyph} {word}", style)
        case "key":
            return Text(visible(line.key))
        case "type":
            reference = line.type is ConfigType.SECRET_REF
            name = "ref" if reference else line.type.value
            return Text(name if line.key else "", "$muted")
        case "organization":
            return where_text(line)
        case "about":
            return about_text(line, note)
        case _:
            raise AssertionError(column)


def where_text(line: PlanLine) -> Text:
    """Name the scope of a line."""
    if line.organization is not None:
        return Text(visible(line.organization))
    return Text("Global" if line.key else "", "bold")


def about_text(line: PlanLine, note: str = "", *, whole: bool = False) -> Text:
    """Say what there is to know of a line: what differs, whether it needs a value, and why.

    ``whole`` says it in words, where there is room for them.
    """
    parts: list[Text] = []
    if line.needs_value:
        parts.append(Text(NEEDS_VALUE, "$accent"))
    # A secret's value is no part of what is overwritten or kept.
    fields = line.fields if line.verdict is Verdict.DIFFERS else _beside_value(line.fields)
    if fields:
        names = ", ".join(name.replace("_", " ") for name in fields)
        parts.append(Text(visible(f"differs in {names}" if whole else names), "$warning"))
    if line.verdict is Verdict.OTHER_VALUE:
        parts.append(Text("keeps the value it has here", "$muted"))
    if line.why:
        refused = line.verdict is Verdict.REFUSED
        parts.append(Text(visible(line.why), "" if refused else "$muted"))
    if note:
        parts.append(Text(visible(note), "$muted"))
    return Text(" · ").join(parts)


def _beside_value(fields: Sequence[str]) -> list[str]:
    return [name for name in fields if name != "value"]


def facts_text(plan: ImportPlan) -> Text:
    """Sum up a plan at the head of its preview."""
    text = Text()
    problems = len(plan.problems)
    for verdict, (_, _, style) in VERDICTS.items():
        number = plan.counts.get(verdict, 0)
        if verdict is Verdict.REFUSED:
            number += problems
        if number:
            words = _SUMS[verdict][number != 1]
            text.append(" · " if text else "").append(f"{number:,} {words}", style)
        if verdict is Verdict.NEW:
            _append_need(text, plan.need_value)
            if added := len(plan.new_organizations):
                text.append(f" · {counted(added, 'new organization')}", "$accent")
    return text or Text("nothing in it", "$muted")


def _append_need(text: Text, number: int) -> None:
    if number:
        text.append(" · " if text else "")
        text.append(f"○ {number:,} {_need(number)}", "$accent")


def _need(number: int) -> str:
    return "needs a value" if number == 1 else "need a value"


def done_lines(done: Imported) -> list[tuple[str, str]]:
    """Say what an import has done, as labels and numbers with words."""
    lines = [
        ("Organizations", done.organizations, "added"),
        ("Configs", done.added, "added"),
        ("", done.changed, "overwritten"),
        ("", done.filled, "given the value that they waited for"),
        ("", done.rotated, "given another value"),
        ("", done.kept, "kept as they are here, though the file differs"),
        ("", done.same, "the same already"),
        ("Secrets", done.need_value, f"{_need(done.need_value)} now"),
    ]
    return [(label, f"{number:,} {words}") for label, number, words in lines if number]


def done_words(name: str, done: Imported) -> str:
    """Say in one line what an import has done."""
    changed = done.changed + done.filled + done.rotated
    parts = [f"{done.added:,} added"] if done.added else []
    parts += [f"{changed:,} changed"] if changed else []
    parts += [f"{done.kept:,} kept"] if done.kept else []
    parts += [f"{done.need_value:,} {_need(done.need_value)}"] if done.need_value else []
    return f"{visible(name)} is imported" + (f": {' · '.join(parts)}" if parts else "")
