"""What an import would do and did: as tables, in words and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby, islice
from shlex import quote
from typing import TYPE_CHECKING, Any

from bifrost_tui.cli.output import emit, emit_table, emit_text, json_text, say
from bifrost_tui.display import counted, some_of, visible
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
    preview = _Preview(plan)
    if preview.rows:
        emit_table(("ORGANIZATION", "KEY", "TYPE", "WHAT", "PLACE"), preview.rows)
    for title, sentences in (("Mind", preview.notes), ("Refused", preview.reasons)):
        if sentences:
            told = "".join(f"  {visible(sentence)}\n" for sentence in sentences)
            emit_text(f"{title}:\n{told}")
    if preview.cut:
        say("Not everything is listed; --dry-run --json lists all.")


class _Preview:
    """What of a plan is listed."""

    def __init__(self, plan: ImportPlan) -> None:
        self.rows: list[tuple[str, ...]] = []
        self.notes: list[str] = []
        """What to know of configs that can be imported."""
        self.cut = False
        """Whether something is left out."""
        for organization, group in groupby(plan.lines, key=lambda line: line.organization):
            self._take(organization or "Global", group)
        found = [] if plan.possible else list(islice(plan.reasons(), _REASONS + 1))
        self.cut = self.cut or len(found) > _REASONS
        self.reasons = found[:_REASONS]
        """What stands against the import."""

    def _take(self, name: str, lines: Iterable[PlanLine]) -> None:
        seen: Counter[str] = Counter()
        listed: Counter[str] = Counter()
        for line in lines:
            if line.verdict in (Verdict.SAME, Verdict.REFUSED):
                continue
            if line.why:
                self._note(f"{name} / {line.key}", line)
            word = _word(line)
            seen[word] += 1
            if seen[word] <= (_SHOWN if len(self.rows) < _ROWS else 0):
                listed[word] += 1
                self.rows.append((name, line.key, line.type.value, _what(word, line), line.place))
        for word, count in (seen - listed).items():
            self.cut = True
            self.rows.append((name, f"... {count:,} more", "", word, ""))

    def _note(self, which: str, line: PlanLine) -> None:
        if len(self.notes) == _REASONS:
            self.cut = True
            return
        place = f" ({line.place})" if line.place else ""
        self.notes.append(f"{which}{place}: {line.why}")


def _what(word: str, line: PlanLine) -> str:
    """Say what becomes of a config, and by name what is different."""
    valued = line.verdict in _WORDS
    names = [_FIELDS.get(field, field) for field in line.fields if field != "value" or not valued]
    if not names:
        return word
    return f"{word}{', differs' if valued else ''}: {', '.join(names)}"


def _word(line: PlanLine) -> str:
    word = _WORDS.get(line.verdict, line.verdict.value)
    return f"{word}, needs a value" if line.verdict is Verdict.NEW and line.needs_value else word


_WORDS = {Verdict.FILLED: "gets its value", Verdict.OTHER_VALUE: "has another value"}
_FIELDS = {"rotate_every_days": "rotation", "partial_mask": "mask"}


def tell_sums(plan: ImportPlan, *, replace_secrets: bool) -> None:
    """Say how many configs there are of each kind."""
    if plan.new_organizations:
        count = len(plan.new_organizations)
        shown = some_of(plan.new_organizations, most=_SHOWN)
        say(f"{counted(count, 'new organization')}: {shown}.")
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
