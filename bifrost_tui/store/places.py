"""Where tokens of a config belong, and the partial mask that may be kept beside one."""

from __future__ import annotations

from bifrost_tui.crypto.cipher import HINT_FIELD, Keyring, SealContext, Sealed
from bifrost_tui.display import MASK

SECRET_FIELD = "secret"  # noqa: S105  the name of a column

PARTIAL_FROM = 16
"""The fewest characters of a value whose mask may show some of it."""
_SHOWN = 4

UNFILLED = ""
"""The hint of a secret that asks for a partial mask and has no value that may show one."""


def seal_context(scope_id: str, config_id: str, secret_version: int) -> SealContext:
    """Return where a config's token belongs."""
    return SealContext(scope_id, config_id, SECRET_FIELD, secret_version)


def hint_context(scope_id: str, config_id: str, secret_version: int) -> SealContext:
    """Return where the token of a config's partial mask belongs."""
    return SealContext(scope_id, config_id, HINT_FIELD, secret_version)


def sealed_hint(keyring: Keyring, value: bytes, place: SealContext) -> str:
    """Return the token of a value's partial mask; :data:`UNFILLED` where it may show none.

    The first and last four characters are shown, of values of sixteen characters or more, where
    each of them can be seen in a line.
    """
    text = value.decode("utf-8")
    ends = text[:_SHOWN], text[-_SHOWN:]
    if len(text) < PARTIAL_FROM or not all(end.isascii() and end.isprintable() for end in ends):
        return UNFILLED
    return keyring.seal(_MIDDLE.join(ends).encode(), place).token


def opened_hint(keyring: Keyring, hint: str, key_id: str, place: SealContext) -> str:
    """Return the mask that a hint stands for: constant where it shows nothing."""
    if not hint:
        return MASK
    return keyring.hint(Sealed(hint, key_id), place) or MASK


_MIDDLE = MASK[:_SHOWN]
