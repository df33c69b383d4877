"""The facts of the config under the cursor, in the pane beside its list."""

from __future__ import annotations

from functools import partial

from textual import getters, on

from bifrost_tui.store.views import AuditView, ConfigView, References, Scope
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.widgets.config_facts import ConfigFacts
from bifrost_tui.tui.widgets.paged_table import PagedTable


class CurrentFacts(DataScreen[None]):
    """A list of configs that shows details of the line under its cursor."""

    table = getters.query_one("#configs", PagedTable)
    details = getters.query_one(ConfigFacts)

    _scope: Scope
    _history_of: str | None = None

    def forget_history(self) -> None:
        """Ask anew for what shows of the line under the cursor."""
        self._history_of = None

    @on(PagedTable.RowHighlighted)
    def show_current(self) -> None:
        """Show the facts of the line under the cursor, where there is room for them."""
        view: ConfigView | None = self.table.current
        self.refresh_bindings()
        if not self.details.display:
            return
        if view is None or view.id != self._history_of:
            self._history_of = None
            self.details.show(view, self.bifrost.clock())
        if view is not None and self._history_of is None:
            self._history_of = view.id
            configs, access, within = self.repository.configs, self.access, self._scope
            self.ask(
                lambda: (
                    configs.history(access, view.scope, view.key, 2),
                    configs.references(access, view, within=within),
                ),
                partial(self._show_about, view),
            )

    def _show_about(
        self, view: ConfigView, found: tuple[tuple[AuditView, ...], References]
    ) -> None:
        current: ConfigView | None = self.table.current
        if current is not None and current.id == view.id:
            self.details.show(view, self.bifrost.clock(), *found)

    def on_resize(self) -> None:
        """Fill the details where they have come into view."""
        self._history_of = None
        self.call_after_refresh(self.show_current)
