"""What can be wrong under the rows of a database, and what of it can be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bifrost_tui.display import some_of, visible

ELSE = "Something else than Bifrost TUI did that: find out what."


class Mend(StrEnum):
    """What can be mended under the rows."""

    LOG_MODE = "journal mode"
    CHECKPOINT = "write-ahead log"
    INDEXES = "indexes"
    REINDEX = "index contents"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing about the engine that is not as it should be."""

    level: Literal["error", "warning", "note"]
    check: str
    what: str
    do: str
    mend: Mend | None = None


def some(names: Sequence[str]) -> str:
    """Name the first few, and count the others."""
    return some_of([visible(name) for name in names])
