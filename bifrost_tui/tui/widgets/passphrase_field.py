"""The field of a passphrase: a secret field that does not even say how long it is."""

from __future__ import annotations

from bifrost_tui.display import MASK, visible
from bifrost_tui.tui.widgets.secret_field import FieldLine, SecretField


class PassphraseField(SecretField):
    """A field that shows one constant mask for whatever is entered."""

    DEFAULT_CSS = "PassphraseField { min-height: 1; }"

    def _lines(self) -> list[FieldLine]:
        words = FieldLine("type it; it will not be shown", "hint")
        lines = [words if self.is_empty else FieldLine(MASK, "fact")]
        if self._problem:
            lines.append(FieldLine(visible(self._problem), "problem", "×"))
        return lines
