"""Pages of a long list: which are held, which are asked for, which are let go.

Knows no screen. A view shows some rows of a list that may be any length; only the pages near the
view are kept, and only a few questions are ever open at once, however fast the view moves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

RowT = TypeVar("RowT")

CAPACITY = 12
"""How many pages are held, unless more show at once."""

_SPARE = 2
"""How many questions may be open beyond one for every page that shows."""


@dataclass(frozen=True, slots=True)
class _Page(Generic[RowT]):
    rows: tuple[RowT, ...]
    asked: int


class PageCache(Generic[RowT]):
    """The rows of a list of ``total`` rows, by pages of ``page_size``.

    Every :meth:`reset` starts a new generation; an answer to a question of an older one is
    refused.
    """

    def __init__(self, page_size: int, capacity: int = CAPACITY) -> None:
        if page_size < 1:
            raise ValueError("a page holds one row at least")
        self.page_size = page_size
        self.capacity = capacity
        self.generation = 0
        self.total = 0
        self._pages: OrderedDict[int, _Page[RowT]] = OrderedDict()
        self._open: dict[int, int] = {}
        self._visible: range = range(0)
        self._near: set[int] = set()

    @property
    def held(self) -> tuple[int, ...]:
        """The pages held, the one to go first first."""
        return tuple(self._pages)

    @property
    def open(self) -> tuple[int, ...]:
        """The pages asked for and not answered yet, oldest first."""
        return tuple(self._open)

    def reset(self, total: int) -> int:
        """Forget every page and open question; return the new generation."""
        self.generation += 1
        self.total = max(total, 0)
        self._pages.clear()
        self._open.clear()
        self._visible = range(0)
        self._near.clear()
        return self.generation

    def set_total(self, total: int) -> None:
        """Take another total; pages that are wholly beyond it go."""
        self.total = max(total, 0)
        for page in [page for page in self._pages if not self.span(page)[1]]:
            del self._pages[page]
        for page in [page for page in self._open if not self.span(page)[1]]:
            del self._open[page]

    def span(self, page: int) -> tuple[int, int]:
        """Return the first index of ``page`` and how many rows it has; none beyond the total."""
        first = page * self.page_size
        return first, max(0, min(self.page_size, self.total - first)) if page >= 0 else 0

    def row(self, index: int) -> RowT | None:
        """Return the row at ``index``, or None while it is not held."""
        if not 0 <= index < self.total:
            return None
        page, offset = divmod(index, self.page_size)
        held = self._pages.get(page)
        return held.rows[offset] if held is not None and offset < len(held.rows) else None

    def ask(self, top: int, height: int) -> list[int]:
        """Say what shows now; return the pages to ask for, most urgent first.

        They are those that show, and a neighbour that the view is within half a page of. A page
        with an open question is not asked for again. Few questions are open at a time: a view
        that moves on faster than answers come asks again at the next answer, for what shows then.
        """
        bottom = min(top + height, self.total)
        self._visible = self._pages_of(max(top, 0), bottom)
        half = self.page_size // 2
        ahead = self._pages_of(bottom, min(bottom + half, self.total))
        behind = self._pages_of(max(top - half, 0), top)
        wanted = list(dict.fromkeys((*self._visible, *ahead, *reversed(behind))))
        self._near = set(wanted)
        for page in reversed(wanted):
            if page in self._pages:
                self._pages.move_to_end(page)
        room = max(0, len(self._visible) + _SPARE - len(self._open))
        asked = [page for page in wanted if self._is_due(page)][:room]
        for page in asked:
            self._open[page] = self.span(page)[1]
        return asked

    def put(self, generation: int, page: int, rows: Sequence[RowT]) -> bool:
        """Take an answer; return whether it was one of this generation and of this list."""
        count = self.span(page)[1]
        if generation != self.generation or not count:
            return False
        # What was asked for, not what came, says whether the page is complete: rows deleted
        # meanwhile must not make it ask for ever.
        asked = self._open.pop(page, count)
        self._pages[page] = _Page(tuple(rows[: self.page_size]), asked)
        # What nobody waits for any more may stay where there is room, and goes first.
        self._pages.move_to_end(page, last=page in self._near)
        # What would at once be asked for again stays, however little room there is.
        for old in [page for page in self._pages if page not in self._near]:
            if len(self._pages) <= self.capacity:
                break
            del self._pages[old]
        return True

    def lose(self, generation: int, page: int) -> None:
        """Close a question that will have no answer, so that it may be asked again."""
        if generation == self.generation:
            self._open.pop(page, None)

    def _is_due(self, page: int) -> bool:
        held = self._pages.get(page)
        return page not in self._open and (held is None or held.asked < self.span(page)[1])

    def _pages_of(self, first: int, end: int) -> range:
        if end <= first:
            return range(0)
        return range(first // self.page_size, (end - 1) // self.page_size + 1)
