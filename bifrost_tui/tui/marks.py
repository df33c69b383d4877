"""The secrets of a list that are marked for the rotation queue."""

from __future__ import annotations

from collections.abc import Iterable

from bifrost_tui.store.views import ConfigLine, ConfigView, Standing
from bifrost_tui.tui.cells import line_of

MOST = 10_000
"""As many secrets can be marked."""


def markable(view: ConfigView) -> bool:
    """Tell whether a line of a list can be marked: a secret of the scope itself."""
    return view.is_secret and view.standing is not Standing.INHERITED


class Marks:
    """Marked secrets, by id; they stay when the list is filtered or read again."""

    def __init__(self) -> None:
        self._lines: dict[str, ConfigLine] = {}
        self.last: int | None = None
        """The index of the line that was marked last, in the list as it is now."""

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, config_id: object) -> bool:
        return config_id in self._lines

    @property
    def lines(self) -> list[ConfigLine]:
        """What is marked, by key."""
        return sorted(self._lines.values(), key=lambda line: line.key)

    def toggle(self, view: ConfigView) -> None:
        """Mark a secret, or take its mark away."""
        if view.id in self._lines:
            del self._lines[view.id]
        elif len(self._lines) < MOST:
            self._lines[view.id] = line_of(view)

    def add(self, views: Iterable[ConfigView]) -> int:
        """Mark what can be marked, up to the most; return how many marks are new."""
        before = len(self._lines)
        for view in views:
            if markable(view) and len(self._lines) < MOST:
                self._lines.setdefault(view.id, line_of(view))
        return len(self._lines) - before

    def drop(self, ids: Iterable[str]) -> None:
        """Take marks away."""
        for config_id in ids:
            self._lines.pop(config_id, None)

    def clear(self) -> None:
        """Take all marks away."""
        self._lines.clear()
