"""What became of the secrets when the master key was changed."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_tui.store.views import Scope

MOST_NAMED = 10_000
"""As many secrets that could not be re-encrypted are named; all of them are counted."""


@dataclass(frozen=True, slots=True)
class RekeyFailure:
    """A secret that could not be re-encrypted; it was left as it is."""

    scope: Scope
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class RekeyReport:
    """What became of every secret that has a value."""

    key_id: str
    """The newest key."""
    re_encrypted: int
    already: int
    """Secrets that are under the newest key without having been re-encrypted now."""
    failed: tuple[RekeyFailure, ...]
    """Those that could not be, by name: at most :data:`MOST_NAMED` of them."""
    failures: int
    """How many could not be."""
    unused: tuple[str, ...]
    """Keys that nothing is encrypted under any more: they can go."""
    needed: tuple[str, ...]
    """Old keys that secrets are still encrypted under."""
    dry_run: bool = False
    cancelled: bool = False
    left: int = 0
    """Secrets that were not come to, where it was cancelled."""

    @property
    def ok(self) -> bool:
        """Whether everything is under the newest key."""
        return not self.failures and not self.needed and not self.cancelled
