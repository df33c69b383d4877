"""What a secret field is told about the value in it, asked of the store while it is entered."""

from __future__ import annotations

from typing import Any

from bifrost_tui.errors import BifrostError
from bifrost_tui.store.views import Scope, SecretReport
from bifrost_tui.tui.base import DataScreen
from bifrost_tui.tui.widgets.secret_field import SecretField, SecretNote


def note_of(report: SecretReport) -> SecretNote:
    """Turn the store's report into the field's words."""
    warnings = ["the same value as before"] if report.same_as_before else []
    warnings += [f"the same value as {use.scope} / {use.key}" for use in report.used_at]
    if report.used_more:
        warnings.append(f"and in {report.used_more} more places")
    return SecretNote(report.fingerprint, tuple(warnings))


class SecretNotes:
    """Asks about each value that a field holds; never two questions at once."""

    def __init__(
        self, screen: DataScreen[Any], field: SecretField, scope: Scope, config_id: str | None
    ) -> None:
        self._screen = screen
        self._field = field
        self._scope = scope
        self._config_id = config_id
        self._asking = False

    def changed(self) -> None:
        """Ask about what the field holds now, unless an answer is still awaited."""
        entered = self._field.entered()
        if entered is None or self._asking:
            return
        revision = self._field.revision
        screen = self._screen
        self._asking = True

        def answered(report: SecretReport) -> None:
            self._asking = False
            if revision == self._field.revision:
                self._field.show_note(revision, note_of(report))
            else:
                self.changed()

        def failed(error: BifrostError) -> None:
            self._asking = False
            screen.tell_problem(error)

        screen.ask(
            lambda: screen.repository.configs.inspect(
                screen.access, self._scope, self._config_id, entered
            ),
            answered,
            problem=failed,
        )
