"""Keys derived from keys: HKDF-SHA256 (RFC 5869) over a context that cannot be read two ways."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from _hashlib import HASH

_APPLICATION = "bifrost-tui"
_VERSION = "1"

HMAC_INNER, HMAC_OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
"""What each byte of an HMAC's key becomes on both sides (RFC 2104), for ``bytes.translate``."""


def length_prefixed(parts: tuple[str, ...]) -> bytes:
    """Join texts so that no two lists of them give the same bytes: a length before each."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(data).to_bytes(4, "big") + data for data in encoded)


def derive(secret: bytes, *context: str, length: int = 32) -> bytes:
    """Derive ``length`` bytes of key from a random secret, for the one purpose named."""
    info = length_prefixed((_APPLICATION, _VERSION, *context))
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def extracted(secret: bytes) -> bytes:
    """Return the first half of HKDF, which is the same for every context."""
    return hmac.digest(bytes(SHA256.digest_size), secret, "sha256")


def hmac_states(key: bytes) -> tuple[HASH, HASH]:
    """Return the two states of SHA-256 that a key of up to 64 bytes leads to (RFC 2104).

    Copies of them give HMAC-SHA256 in half the time that the library takes with the key.
    """
    block = key.ljust(sha256().block_size, b"\0")
    return sha256(block.translate(HMAC_INNER)), sha256(block.translate(HMAC_OUTER))


_FIELD_OF_ROW = length_prefixed((_APPLICATION, _VERSION, "row"))


def row_context(*parts: str) -> bytes:
    """Return the context that belongs to one field of one row, as the second half wants it."""
    return _FIELD_OF_ROW + length_prefixed(parts)
