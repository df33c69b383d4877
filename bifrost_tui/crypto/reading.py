"""The one way to plaintext. Only the runtime may import it; an import contract says so."""

from __future__ import annotations

from bifrost_tui.crypto.cipher import Keyring, SealContext, Sealed, unseal


def open_sealed(keyring: Keyring, sealed: Sealed, context: SealContext) -> bytes | None:
    """Decrypt a token in its place; ``None`` where no key at hand opens it.

    The caller turns ``None`` into an error that names the config; it is never a value.
    """
    return unseal(keyring, sealed, context)
