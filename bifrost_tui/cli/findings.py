"""What the doctor found: how grave, what it is, what to do, and what can be mended at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from bifrost_tui.errors import BifrostError

Level = Literal["error", "warning", "note"]
MENDS = "bifrost-tui doctor --fix mends this"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    level: Level
    """A note is no fault: it says what was not looked at, or what is good to know."""
    check: str
    what: str
    do: str
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """Mends it and returns what was done, as a sentence; ``None`` where nothing can."""
    fixed: bool = False

    @property
    def fixable(self) -> bool:
        """Whether ``doctor --fix`` can mend it."""
        return self.mend is not None

    @property
    def advice(self) -> str:
        """What to do; of what was mended, what was done."""
        if self.mend is None or self.fixed:
            return self.do
        by_hand = self.do.replace("Run: ", "By hand: ", 1)
        return f"{MENDS}. {by_hand}" if by_hand else f"{MENDS}."


def mended(finding: Finding) -> Finding:
    """Mend what can be mended; what cannot says why."""
    if finding.mend is None:
        return finding
    try:
        return replace(finding, do=finding.mend(), fixed=True)
    except BifrostError as error:
        problem = error.message
    except OSError as error:
        problem = f"{error.strerror or type(error).__name__}."
    return replace(finding, do=f"It was not mended: {problem} {finding.do}".rstrip(), mend=None)


def told(error: BifrostError) -> tuple[str, str]:
    """Part a message into what happened and what to do, at its first sentence."""
    what, stop, do = error.message.partition(". ")
    return what + ("." if stop else ""), do or "Mend that and run bifrost-tui doctor again."
