"""One list of audit events: its pages, as a table asks for them, from its newest event on."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from bifrost_tui.store.audit_filters import AuditFilter
from bifrost_tui.store.requests import Access, Interrupt
from bifrost_tui.store.views import AuditDetails

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository

_ANCHORS_KEPT = 64
_LOWEST = -(2**62)


class AuditSource:
    """One list, as it is filtered now. Its reads run in threads; its anchors are kept here.

    What is told meanwhile does not move its lines: it begins with the event that was the newest
    when it was first read.
    """

    def __init__(self, wanted: AuditFilter) -> None:
        self.wanted = wanted
        self.interrupt = Interrupt()
        self.total: int | None = None
        self._before: int | None = None
        self._anchors: list[tuple[int, int]] = []

    def abandon(self) -> None:
        """Stop every read of this list: another one is shown now."""
        self.interrupt.cancel()

    def count(self, repository: Repository, access: Access) -> int:
        """Count the events of the list; runs in a thread."""
        return repository.log.count(
            access, self.wanted, before=self._before, interrupt=self.interrupt
        )

    def page(
        self, repository: Repository, access: Access, offset: int, limit: int
    ) -> tuple[AuditDetails, ...]:
        """Fetch some lines, walking from the nearest that is known; runs in a thread."""
        anchors = self._anchors
        at = bisect_right(anchors, (offset, 2**62))
        index, sequence = anchors[at - 1] if at else (0, None)
        before = self._before if sequence is None else sequence + 1
        skip, above = offset - index, None
        behind = [anchor for anchor in anchors[at:] if anchor[0] >= offset + limit]
        if self.total is not None:
            behind.append((self.total, _LOWEST))
        if behind and (up := behind[0][0] - offset - limit) < skip:
            before, skip, above = self._before, max(up, 0), behind[0][1]
        return repository.log.page(
            access,
            self.wanted,
            before=before,
            above=above,
            skip=skip,
            limit=limit,
            interrupt=self.interrupt,
        )

    def learn(self, offset: int, rows: tuple[AuditDetails, ...]) -> None:
        """Keep where a page begins, as a place to walk from."""
        if not rows:
            return
        if offset == 0 and self._before is None:
            self._before = rows[0].sequence + 1
        self._anchors = sorted({*self._anchors[-_ANCHORS_KEPT:], (offset, rows[0].sequence)})
