"""What an import would do and did: as tables, in words and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby, islice
from shlex import quote
from typing import TYPE_CHECKING, Any

from bifrost_tui.cli.output import emit, emit_table, emit_text, json_text, say
from bifrost_tui.display import counted, visible
from bifrost_tui.store.incoming import Verdict

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan
    from bifrost_tui.store.incoming import Imported, PlanLine

_SHOWN = 20
"""So many configs of one scope that become the same are listed."""
_ROWS = 200
"""So many configs are listed in all."""
_REASONS = 50
"""So many reasons against an import are told."""
_BUFFERED = 64 * 1024


def emit_preview(plan: ImportPlan) -> None:
    """List what would become of each config, but those that stay as they are."""
    rows, cut = _rows(plan.lines)
    if rows:
        emit_table(("ORGANIZATION", "KEY", "TYPE", "WHAT", "DIFFERENT", "NOTE", "PLACE"), rows)
    reasons = [] if plan.possible else list(islice(plan.reasons(), _REASONS + 1))
    if reasons:
        more = len(reasons) > _REASONS
        told = "".join(f"  {visible(reason)}\n" for reason in reasons[:_REASONS])
        emit_text(f"Refused:\n{told}{'  ...' + chr(10) if more else ''}")
    if cut or len(reasons) > _REASONS:
        say("Not everything is listed; --dry-run --json lists all.")


def _rows(lines: Iterable[PlanLine]) -> tuple[list[tuple[str, ...]], bool]:
    """Return the rows of a preview, and whether some were left out of it."""
    rows: list[tuple[str, ...]] = []
    cut = False
    for organization, group in groupby(lines, key=lambda line: line.organization):
        name = organization or "Global"
        seen: Counter[str] = Counter()
        listed: Counter[str] = Counter()
        for line in group:
            verdict = line.verdict.value
            if verdict in ("same", "refused"):
                continue
            word = _WORDS.get(verdict, verdict)
            word += ", needs a value" if verdict == "new" and line.needs_value else ""
            seen[word] += 1
            if seen[word] <= (_SHOWN if len(rows) < _ROWS else 0):
                fields = ", ".join(line.fields)
                rows.append((name, line.key, line.type.value, word, fields, line.why, line.place))
                listed[word] += 1
        for word, count in (seen - listed).items():
            cut = True
            rows.append((name, f"... {count:,} more", "", word, "", "", ""))
    return rows, cut


_WORDS = {"filled": "gets its value", "other value": "has another value"}


def tell_sums(plan: ImportPlan, *, replace_secrets: bool) -> None:
    """Say how many configs there are of each kind."""
    if plan.new_organizations:
        count = len(plan.new_organizations)
        shown = ", ".join(plan.new_organizations[:_SHOWN])
        more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
        say(f"{counted(count, 'new organization')}: {shown}{more}.")
    parts = [
        f"{count:,} {(one if count == 1 else many)}"
        for verdict, (one, many) in _SUMS.items()
        if (count := plan.counts[verdict])
    ]
    say(f"{counted(len(plan.lines), 'config')}{': ' if parts else ''}{', '.join(parts)}.")
    if plan.need_value and plan.possible:
        one = plan.need_value == 1
        say(f"{counted(plan.need_value, 'secret')} will need a value{'' if one else ' each'}.")
    if plan.other_values and plan.possible:
        verb = "gets the file's" if replace_secrets else "keeps it"
        if plan.other_values > 1:
            verb = "get the file's" if replace_secrets else "keep theirs"
        say(f"{counted(plan.other_values, 'secret')} here with another value {verb}.")


_SUMS = {
    Verdict.NEW: ("new", "new"),
    Verdict.SAME: ("same", "same"),
    Verdict.FILLED: ("gets its value", "get their value"),
    Verdict.DIFFERS: ("differs", "differ"),
    Verdict.OTHER_VALUE: ("has another value", "have another value"),
    Verdict.REFUSED: ("refused", "refused"),
}


def tell_imported(done: Imported, plan: ImportPlan) -> None:
    """Say what was done, and what is left to do."""
    parts = [
        f"{counted(done.organizations, 'organization')} added" if done.organizations else "",
        f"{counted(done.added, 'config')} added" if done.added else "",
        f"{done.changed:,} overwritten" if done.changed else "",
        f"{counted(done.filled, 'secret')} given a value" if done.filled else "",
        f"{counted(done.rotated, 'secret')} rotated" if done.rotated else "",
        f"{done.kept:,} kept" if done.kept else "",
        f"{done.same:,} as before" if done.same else "",
    ]
    say(f"Imported: {', '.join(part for part in parts if part) or 'nothing'}.")
    if done.need_value:
        where, to = _scope_options(plan)
        verb = "needs" if done.need_value == 1 else "need"
        say(f"{counted(done.need_value, 'secret')} {verb} a value.")
        say(f"  bifrost-tui configs list {where} --needs-value")
        say(f"  bifrost-tui configs rotate KEY {to}")


def _scope_options(plan: ImportPlan) -> tuple[str, str]:
    """Return the options that name where secrets need a value, in a list and for one."""
    names = {line.organization for line in plan.lines if line.needs_value}
    if len(names) != 1:
        return "--all-orgs", "--org NAME"
    [name] = names
    option = "--global" if name is None else f"--org {quote(name)}"
    return option, option


def emit_result(plan: ImportPlan, done: Imported | None) -> None:
    """Write a plan and what was done as a JSON object, a config a line."""
    head: dict[str, Any] = {
        "possible": plan.possible,
        "problems": list(plan.problems),
        "new_organizations": list(plan.new_organizations),
        "counts": {
            verdict.value.replace(" ", "_"): count for verdict, count in plan.counts.items()
        },
        "need_value": plan.need_value,
        "imported": None if done is None else asdict(done),
    }
    text = json_text(head)[:-1] + ', "configs": ['
    empty = True
    for line in plan.lines:
        text += f"{'' if empty else ','}\n{json_text(line_object(line))}"
        empty = False
        if len(text) > _BUFFERED:
            emit(text.encode())
            text = ""
    emit(f"{text}{'' if empty else chr(10)}]}}\n".encode())


def line_object(line: PlanLine) -> dict[str, Any]:
    """Return what would become of one config, as it stands in JSON."""
    return {
        "organization": line.organization,
        "scope": "global" if line.organization is None else "organization",
        "key": line.key,
        "type": line.type.value,
        "verdict": line.verdict.value.replace(" ", "_"),
        "needs_value": line.needs_value,
        "fields": list(line.fields),
        "why": line.why,
        "place": line.place,
    }
