"""Verifier rows: how a database tells whether a master key fits it, before anything is read."""

from __future__ import annotations

import hmac
import secrets

from bifrost_tui.crypto.cipher import DatabaseRoot, Keyring, SealContext, Sealed, unseal

_FIELD = "root"


class RootSecret:
    """A database's root on its way from one verifier into another; shows nothing of itself."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "<RootSecret>"

    @classmethod
    def new(cls) -> RootSecret:
        """Make the root of a new database."""
        return cls(secrets.token_bytes(DatabaseRoot.SIZE))

    def same_as(self, other: RootSecret) -> bool:
        """Tell whether this is the root of the same database."""
        return hmac.compare_digest(self._secret, other._secret)

    def seal(self, keyring: Keyring) -> Sealed:
        """Seal the root under the newest key: the verifier row of that key."""
        return keyring.seal(self._secret, _context(keyring.newest.key_id))

    def keys(self) -> DatabaseRoot:
        """Derive what the database needs it for."""
        return DatabaseRoot(self._secret)


def open_verifier(keyring: Keyring, verifier: Sealed) -> RootSecret | None:
    """Open a verifier row; ``None`` where its key is not at hand or the row is damaged."""
    secret = unseal(keyring, verifier, _context(verifier.key_id))
    return None if secret is None else RootSecret(secret)


def _context(key_id: str) -> SealContext:
    return SealContext(scope="database", row_id=key_id, field=_FIELD, version=1)
