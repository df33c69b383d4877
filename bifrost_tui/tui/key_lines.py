"""The lines of one key across organizations: which a filter lets through, and how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from bifrost_tui.display import visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.views import Attention, ConfigLine, KeyLine, Standing, State
from bifrost_tui.tui.cells import DANGLING, NEEDS_VALUE, UNREADABLE, age_text, attention_text
from bifrost_tui.tui.widgets.paged_table import Column

COLUMNS = (
    Column("mark", "", 1, gap=1),
    Column("organization", "Organization", 16, grow=3, max_width=40),
    Column("state", "State", 9),
    Column("fingerprint", "Fingerprint", 13),
    Column("age", "Age", 8, right=True),
    Column("by", "By", 8, drop=1),
    Column("equal", "Same value as", 14, grow=2, max_width=40),
)
"""The columns; the narrow terminal drops By."""

MARK = "+"

STATES = (
    *("own", "shadows", "inherited", "missing"),
    *("overdue", "due", "needs-value", "unreadable", "dangling", "reused"),
)
"""What may stand after ``is:``."""

_ELSEWHERE = "another key"


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """What the list is narrowed to; everything given must hold."""

    words: tuple[str, ...] = ()
    """Parts of the organization's name, in any case."""
    states: frozenset[str] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.words or self.states)

    def fits(self, line: KeyLine) -> bool:
        """Tell whether a line is let through."""
        name = line.scope.name.casefold()
        return all(word in name for word in self.words) and self.states <= states_of(line)


def parse_key_filter(text: str) -> KeyFilter:
    """Read a filter as it is typed: words of the organization's name, and ``is:`` states.

    Raises:
        InvalidInputError: there is no such state; the message names those there are.

    """
    words: list[str] = []
    states: set[str] = set()
    for part in text.split():
        name, colon, value = part.partition(":")
        if name != "is" or not colon:
            words.append(part.casefold())
        elif value:
            states.add(_state(value.replace("_", "-")))
    return KeyFilter(tuple(words), frozenset(states))


def _state(value: str) -> str:
    """Accept a state, or the beginning of just one while it is being typed."""
    near = [state for state in STATES if state.startswith(value)]
    if value in STATES:
        return value
    if len(near) == 1:
        return near[0]
    raise InvalidInputError(f"is: takes {', '.join(STATES)}", field="filter")


def states_of(line: KeyLine) -> frozenset[str]:
    """Return every state that finds a line."""
    if line.config is None or line.standing is None:
        return frozenset({"missing"})
    found = {line.standing.value, line.config.state.value.replace("_", "-")}
    if line.standing is Standing.SHADOWS:
        found.add("own")
    if line.config.state is State.OVERDUE:
        found.add("due")
    if line.config.equal_group is not None:
        found.add("reused")
    return frozenset(found)


def why_no_mark(line: KeyLine | None) -> str:
    """Say why a line cannot be marked, if it cannot."""
    if line is None:
        return "There is no organization under the cursor."
    if line.config is None:
        return f"{line.scope.name} has no config of this key."
    if line.standing is Standing.INHERITED:
        return f"{line.scope.name} inherits it; mark Global's own, which all of them get."
    if not line.config.is_secret:
        return f"It is no secret in {line.scope.name}; only secrets are rotated."
    return ""


def equal_to(lines: Sequence[KeyLine]) -> dict[str, str]:
    """Return, by config, which scope before it has the same value, or that another key has."""
    first: dict[str, KeyLine] = {}
    found: dict[str, str] = {}
    shared: set[str] = set()
    for line in lines:
        config = line.config
        if config is None or config.equal_group is None or line.standing is Standing.INHERITED:
            continue
        before = first.setdefault(config.equal_group, line)
        if before is not line:
            found[config.id] = before.scope.name
            shared.add(config.equal_group)
    for group in first.keys() - shared:
        only = first[group].config
        if only is not None:
            found[only.id] = _ELSEWHERE
    return found


def counts_text(lines: Sequence[KeyLine]) -> Text:
    """Say how many organizations have the key, inherit it and miss it, and what wants attention."""
    own = [line.config for line in lines if line.config and line.config.scope == line.scope]
    organizations = [line for line in lines if not line.scope.is_global]
    inherited = sum(line.standing is Standing.INHERITED for line in organizations)
    missing = sum(line.config is None for line in organizations)
    having = len(organizations) - inherited - missing
    words = f"{having:,} own"
    for number, word in ((inherited, "inherited"), (missing, "missing")):
        words += f" · {number:,} {word}" if number else ""
    text = Text(words, "$muted")
    states = [config.state for config in own]
    marks = Attention(
        overdue=states.count(State.OVERDUE),
        due=states.count(State.DUE),
        needs_value=states.count(State.NEEDS_VALUE),
        unreadable=states.count(State.UNREADABLE),
        dangling=states.count(State.DANGLING),
    )
    return text.append(" · ").append_text(attention_text(marks)) if marks else text


def cell(
    line: KeyLine, column: str, now: datetime, marked: set[str], equals: Mapping[str, str]
) -> Text:
    """Return one cell of the list."""
    config = line.config
    if column == "organization":
        return Text(visible(line.scope.name), "bold" if line.scope.is_global else "")
    if column == "state":
        return Text(line.standing.value if line.standing else "missing")
    if config is None:
        return Text()
    own = line.standing is not Standing.INHERITED
    match column:
        case "mark":
            return Text(MARK if own and config.id in marked else "", "$accent")
        case "fingerprint":
            return _value_text(config)
        case "age":
            return age_text(config, now)
        case "by":
            return Text(visible(config.updated_by), "$muted")
        case "equal":
            same = equals.get(config.id, "") if own else ""
            return Text(visible(same), "$muted" if same == _ELSEWHERE else "$warning")
        case _:
            raise AssertionError(column)


def _value_text(config: ConfigLine) -> Text:
    match config.state:
        case State.NEEDS_VALUE:
            return Text(NEEDS_VALUE, "$accent")
        case State.UNREADABLE:
            return Text(UNREADABLE, "$error")
        case State.DANGLING:
            return Text(DANGLING, "$error")
    # What is no secret has no fingerprint, and stands out beside secrets of the key.
    return Text(config.fingerprint or config.type.value.replace("secret_ref", "ref"), "$muted")


def row_style(line: KeyLine) -> str:
    """Dim what is not the organization's own."""
    return "$muted" if line.standing in (Standing.INHERITED, None) else ""
