"""One list of configs: its pages, as a table asks for them, and what may be done to a line."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from bifrost_tui.store.requests import Access, ConfigList, Interrupt
from bifrost_tui.store.views import Anchor, ConfigPage, ConfigView, Scope, Standing

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository

_ANCHORS_KEPT = 64
_ON_A_LINE = ("open", "edit", "rotate", "delete", "shadow", "mark", "queue")


class ConfigSource:
    """One list, as it is filtered now. Its reads run in threads; its anchors are kept here."""

    def __init__(self, wanted: ConfigList) -> None:
        self.wanted = wanted
        self.interrupt = Interrupt()
        self.total: int | None = None
        self._anchors: list[tuple[int, str]] = []

    def abandon(self) -> None:
        """Stop every read of this list: another one is shown now."""
        self.interrupt.cancel()

    def page(self, repository: Repository, access: Access, offset: int, limit: int) -> ConfigPage:
        """Fetch some lines; runs in a thread."""
        return repository.configs.page(
            access,
            self.wanted,
            offset=offset,
            limit=limit,
            anchor=self._nearest(offset),
            total=self.total,
            interrupt=self.interrupt,
        )

    def learn(self, page: ConfigPage) -> None:
        """Keep where a page begins, as a place to walk from."""
        if not page.rows:
            return
        self._anchors.append((page.offset, page.rows[0].key))
        self._anchors = sorted(set(self._anchors[-_ANCHORS_KEPT:]))

    def _nearest(self, offset: int) -> Anchor | None:
        at = bisect_left(self._anchors, (offset, ""))
        near = self._anchors[max(at - 1, 0) : at + 1]
        if not near:
            return None
        index, key = min(near, key=lambda known: abs(known[0] - offset))
        return Anchor(index, key)


def why_not(action: str, scope: Scope, view: ConfigView | None) -> str:
    """Say why an action on the line of ``view`` cannot be, if it cannot."""
    if action not in (*_ON_A_LINE, "add"):
        return ""
    if scope.archived and action != "open":
        return f"{scope.name} is archived; restore it first."
    if action == "add":
        return ""
    if view is None:
        return "There is no config under the cursor."
    inherited = view.standing is Standing.INHERITED
    if action == "shadow":
        return "" if inherited else f"{view.key} is this scope's own; there is nothing to shadow."
    if inherited and action in ("edit", "rotate", "delete"):
        return f"{view.key} is global: press s to shadow it here, or change it in Global."
    if action == "rotate" and not view.is_secret:
        return f"{view.key} is no secret; only secrets are rotated. Press e to edit it."
    return ""
