"""What an import would do, as it is kept between the preview and the import itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import overload

from bifrost_tui.store.drafts import CheckedDraft
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.incoming import OnConflict, PlanLine, Untold, Verdict
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

AT_ONCE = 500
"""As many keys are looked up in one query."""

VALUE = "value"
"""The name of a value among what differs, whatever kind of value it is."""


class Planned:
    """One config of a plan: its checked draft, and what of the database was planned upon."""

    __slots__ = (
        "checked",
        "empty",
        "fields",
        "id",
        "key",
        "place",
        "type",
        "untold",
        "verdict",
        "version",
        "why",
    )

    def __init__(
        self,
        key: str,
        type: ConfigType,  # noqa: A002  what it is called everywhere
        verdict: Verdict,
        checked: CheckedDraft | None,
        place: str,
        *,
        why: str = "",
        empty: bool = False,
        untold: frozenset[Untold] = frozenset(),
    ) -> None:
        self.key = key
        self.type = type
        self.verdict = verdict
        self.checked = checked
        self.place = place
        self.why = why
        self.empty = empty
        """Whether it will be a secret that needs a value."""
        self.untold = untold
        """What the file could not tell of it."""
        self.id = ""
        self.version = 0
        """The id and the version of the config that is here; none of a new one."""
        self.fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Planned {self.key!r} {self.verdict}>"

    @property
    def draft(self) -> CheckedDraft:
        """The checked draft, which all has that is not refused."""
        if self.checked is None:
            raise ValueError("what is refused has no draft")
        return self.checked

    @property
    def secret(self) -> EnteredSecret:
        """The value that came with a secret, as it was entered."""
        secret = self.draft.secret
        if secret is None:
            raise ValueError("no value came with it")
        return secret

    @property
    def value(self) -> bytes:
        """The value that came with a secret; for this package alone, never for a caller of it."""
        return entered_bytes(self.secret)

    @property
    def asks(self) -> bool:
        """Whether something but a secret's value is different, so that it is asked what to do."""
        if self.verdict is Verdict.DIFFERS:
            return True
        return self.verdict in _VALUED and len(self.fields) > 1

    def line(self, scope: Scope) -> PlanLine:
        """Return it as it is shown."""
        return PlanLine(
            organization=scope.organization,
            key=self.key,
            type=self.type,
            verdict=self.verdict,
            needs_value=self.empty,
            fields=self.fields,
            why=self.why,
            place=self.place,
        )


_VALUED = (Verdict.FILLED, Verdict.OTHER_VALUE)


class PlannedScope:
    """The configs for one scope, in the order of their keys."""

    __slots__ = ("entries", "missing", "new", "problem", "scope")

    def __init__(
        self, scope: Scope, *, new: bool = False, problem: str = "", missing: bool = False
    ) -> None:
        self.scope = scope
        self.missing = missing
        """Whether it is an organization that is not there for the actor and was not to be added."""
        self.new = new
        """Whether it is an organization that is to be added."""
        self.problem = problem
        """Why nothing can be imported into it."""
        self.entries: list[Planned] = []


class ImportPlan:
    """What an import would do with every config, and whether it can be done."""

    def __init__(
        self, scopes: Sequence[PlannedScope], form: str, problems: Sequence[str] = ()
    ) -> None:
        self._scopes = tuple(scopes)
        self.form = form
        self.problems = tuple(problems)
        """Sentences about whole scopes: an unknown organization, no right to import, archived."""
        self.lines: Sequence[PlanLine] = _Lines(self._scopes)
        """A line for each config: global first, organizations by name, then by key."""
        told = Counter(entry.verdict for entry in self._entries())
        self.counts: Mapping[Verdict, int] = {verdict: told[verdict] for verdict in Verdict}
        self.need_value = sum(entry.empty for entry in self._entries())
        """How many will be secrets that need a value."""
        self.differing = sum(entry.asks for entry in self._entries() if entry.fields)
        """How many are here with something different beside a secret's value."""

    def __repr__(self) -> str:
        return f"<ImportPlan of {len(self.lines)} configs>"

    def _entries(self) -> Iterator[Planned]:
        return chain.from_iterable(planned.entries for planned in self._scopes)

    @property
    def new_organizations(self) -> tuple[str, ...]:
        """The organizations that would be added, by name."""
        return tuple(planned.scope.name for planned in self._scopes if planned.new)

    @property
    def missing_organizations(self) -> bool:
        """Whether organizations are not there for the actor, and were not to be added."""
        return any(planned.missing for planned in self._scopes)

    @property
    def refused(self) -> int:
        """How many configs cannot be imported; nothing is, while there is one."""
        return self.counts[Verdict.REFUSED]

    @property
    def other_values(self) -> int:
        """How many secrets are here with another value."""
        return self.counts[Verdict.OTHER_VALUE]

    @property
    def possible(self) -> bool:
        """Whether nothing stands against the import."""
        return not self.problems and not self.refused

    @property
    def changes_nothing(self) -> bool:
        """Whether all of it is here already, as it is there."""
        same = self.counts[Verdict.SAME] == len(self.lines)
        return same and self.possible and not self.new_organizations

    def reasons(self) -> Iterator[str]:
        """Say all that stands against the import, a sentence each."""
        yield from self.problems
        for planned in self._scopes:
            for entry in planned.entries:
                if entry.verdict is Verdict.REFUSED and entry.why != planned.problem:
                    place = f" ({entry.place})" if entry.place else ""
                    yield f"{planned.scope.name} / {entry.key}{place}: {entry.why}"


class _Lines(Sequence[PlanLine]):
    """Lines that are made when they are looked at."""

    def __init__(self, scopes: Sequence[PlannedScope]) -> None:
        self._scopes = scopes
        self._length = sum(len(planned.entries) for planned in scopes)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[PlanLine]:
        for planned in self._scopes:
            for entry in planned.entries:
                yield entry.line(planned.scope)

    @overload
    def __getitem__(self, index: int) -> PlanLine: ...

    @overload
    def __getitem__(self, index: slice) -> list[PlanLine]: ...

    def __getitem__(self, index: int | slice) -> PlanLine | list[PlanLine]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._length))]
        left = index + self._length if index < 0 else index
        if left >= 0:
            for planned in self._scopes:
                if left < len(planned.entries):
                    return planned.entries[left].line(planned.scope)
                left -= len(planned.entries)
        raise IndexError("there is no such line")


def chunks(entries: Sequence[Planned], size: int = AT_ONCE) -> Iterator[Sequence[Planned]]:
    """Return entries in the numbers that are dealt with at once."""
    return (entries[start : start + size] for start in range(0, len(entries), size))


def needs_choice(plan: ImportPlan, on_conflict: OnConflict | None) -> bool:
    """Tell whether it has still to be said what is done with what differs."""
    return plan.differing > 0 and on_conflict is None
