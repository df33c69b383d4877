"""The key of a Bifrost platform: what opens the secrets it has stored, and seals some for it.

What is opened goes into an :class:`~bifrost_tui.store.entered.EnteredSecret` and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bifrost_tui.crypto.master_key import read_key_file
from bifrost_tui.crypto.platform import PlatformCipher
from bifrost_tui.display import MASK
from bifrost_tui.errors import MasterKeyError, TransferError
from bifrost_tui.store.entered import EnteredSecret

KEY_VARIABLE = "BIFROST_SOURCE_SECRET_KEY"
"""Holds the platform's own ``BIFROST_SECRET_KEY``, which is none of ours."""
SHORTEST = 32
"""The fewest characters that a platform takes for its key."""
PREFIX = "Z0FBQUFB"
"""What every stored secret begins with: the version and the first zeros of a token's time."""


class StoredSecretError(Exception):
    """A stored secret that the key does not open. It holds nothing of either."""


class PlatformKey:
    """A platform's key. It shows nothing of itself."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: str) -> None:
        self._cipher = PlatformCipher(secret)

    def __repr__(self) -> str:
        return f"<PlatformKey {MASK}>"

    def opened(self, stored: str) -> EnteredSecret | None:
        """Return the value of a stored secret, ready to be kept; ``None`` for an empty one.

        Raises:
            StoredSecretError: this key does not open it, or it is damaged.
            InvalidInputError: it opens, and cannot be the value of a secret here.

        """
        data = self._cipher.unsealed(stored)
        if data is None:
            raise StoredSecretError
        return EnteredSecret.from_bytes(data) if data else None

    def sealed(self, value: bytes) -> str:
        """Return a value as the platform stores it."""
        return self._cipher.sealed(value)


def looks_stored(value: str) -> bool:
    """Tell whether a text has the form of a secret as a platform stores it."""
    return value.startswith(PREFIX)


def source_key(
    path: Path | None = None, environ: Mapping[str, str] | None = None
) -> PlatformKey | None:
    """Return the key from a file, else from ``BIFROST_SOURCE_SECRET_KEY``; ``None`` without.

    Raises:
        TransferError: there is one, and it cannot be used; a file that others can read is refused.

    """
    if path is not None:
        return key_from_file(path)
    environ = os.environ if environ is None else environ
    if KEY_VARIABLE not in environ:
        return None
    return _checked(environ[KEY_VARIABLE], KEY_VARIABLE)


def key_from_file(path: Path, *, shortest: int = 1) -> PlatformKey:
    """Return the key that a file holds: its one line, without blanks around it.

    Raises:
        TransferError: it cannot be read, others can read it, or it holds no key.

    """
    text, problem = "", ""
    try:
        text = read_key_file(path)
    except MasterKeyError as error:
        problem = error.message
    if problem:
        raise TransferError(problem)
    return _checked(text, f"The key file {path}", shortest)


def _checked(text: str, origin: str, shortest: int = 1) -> PlatformKey:
    text = text.strip()
    problem = ""
    if not text:
        problem = "it is empty."
    elif any("\ud800" <= character <= "\udfff" for character in text):
        problem = "the key is not UTF-8 text."
    elif not text.isprintable():
        problem = "it holds more than one line, or what cannot be seen: give one key alone."
    elif len(text) < shortest:
        problem = f"the key has {len(text)} characters; a platform's has {shortest} or more."
    if problem:
        raise TransferError(f"{origin}: {problem}")
    return PlatformKey(text)
