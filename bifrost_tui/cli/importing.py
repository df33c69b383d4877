"""What an import would do and did: as tables, in words and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING, Any

from bifrost_tui.cli.output import emit, emit_table, json_text, say
from bifrost_tui.display import counted

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan
    from bifrost_tui.store.incoming import Imported, PlanLine

_SHOWN = 20
"""So many configs of one scope that become the same are listed."""
_BUFFERED = 64 * 1024


def emit_preview(plan: ImportPlan) -> None:
    """List what would become of each config, but those that stay as they are."""
    rows = list(_rows(plan.lines))
    if rows:
        emit_table(("ORGANIZATION", "KEY", "TYPE", "WOULD BE", "WHAT", "WHERE"), rows)


def _rows(lines: Iterable[PlanLine]) -> Iterator[tuple[str, ...]]:
    for organization, group in groupby(lines, key=lambda line: line.organization):
        name = organization or "Global"
        seen: Counter[str] = Counter()
        for line in group:
            word = _word(line)
            if line.verdict.value == "same":
                continue
            seen[word] += 1
            if seen[word] <= _SHOWN:
                what = line.why or ", ".join(line.fields)
                yield name, line.key, line.type.value, word, what, line.place
        for word, count in seen.items():
            if count > _SHOWN:
                yield name, f"... {count - _SHOWN:,} more", "", word, "", ""


def _word(line: PlanLine) -> str:
    verdict = line.verdict.value
    if verdict == "filled":
        return "given its value"
    if verdict == "other value":
        return "kept: another value"
    return f"{verdict}, needs a value" if line.needs_value and verdict == "new" else verdict


def tell_sums(plan: ImportPlan, *, replace_secrets: bool) -> None:
    """Say how many configs there are of each kind, and what stands against the import."""
    from bifrost_tui.store.incoming import Verdict

    for problem in plan.problems:
        say(problem)
    if plan.new_organizations:
        count = len(plan.new_organizations)
        shown = ", ".join(plan.new_organizations[:_SHOWN])
        more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
        say(f"{counted(count, 'organization')} would be added: {shown}{more}.")
    counts = plan.counts
    parts = [f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict]]
    say(f"{counted(len(plan.lines), 'config')}: {', '.join(parts)}." if parts else "No configs.")
    if plan.need_value:
        say(f"{counted(plan.need_value, 'secret')} would need a value.")
    if plan.other_values:
        say(
            f"{counted(plan.other_values, 'secret')} here with another value would"
            f" {'be given that of the file' if replace_secrets else 'keep it'}."
        )
    if any(len(row) and row[1].startswith("... ") for row in _rows(plan.lines)):
        say("Not all are listed: --dry-run --json lists them.")


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
