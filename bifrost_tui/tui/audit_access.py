"""Whether the log may be looked at from a screen, and the way there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bifrost_tui.store.views import Scope
from bifrost_tui.tui.base import DataScreen


class LogDoor:
    """The key of a screen that leads to the log; it is greyed once that is known to be shut."""

    def __init__(self, screen: DataScreen[Any], scope: Scope | None = None) -> None:
        self._screen = screen
        self._scope = scope
        self._shut = False

    def look(self) -> None:
        """Ask whether it is open."""
        screen = self._screen
        screen.ask(lambda: screen.repository.log.may_list(screen.access, self._scope), self._known)

    def _known(self, is_open: bool) -> None:
        if self._shut is is_open:
            self._shut = not is_open
            self._screen.refresh_bindings()

    @property
    def why_not(self) -> str:
        """Why the log cannot be looked at; empty where it can."""
        if not self._shut:
            return ""
        of_whom = f" of {self._scope.name}" if self._scope else ""
        return f"The audit log{of_whom} is for its owners and admins."

    def open(self, after: Callable[[], object]) -> None:
        """Show the log."""
        from bifrost_tui.tui.screens.audit import AuditScreen

        app = self._screen.bifrost

        def back(_: None) -> None:
            after()

        app.push_screen(AuditScreen(self._scope, classes=app.size_classes()), back)
