"""Passphrases that open a locked screen: kept as what scrypt makes of them, never as themselves.

A verifier says how it was made, ``scrypt$15$8$1$salt$hash``, so that a later program can make new
ones at a higher cost and still check these.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_NAME = "scrypt"
_COST, _BLOCK, _LANES = 15, 8, 1
"""2**15 blocks of 1 kB: 32 MiB and about a tenth of a second for each guess."""
_SALT, _LENGTH = 16, 32
_HIGHEST = (18, 16, 4)
"""What a row may ask for: who can write the database must not choose how much memory is taken."""


def make_verifier(passphrase: bytes) -> str:
    """Return what is kept of a passphrase; each time another text."""
    salt = secrets.token_bytes(_SALT)
    made = _derived(passphrase, salt, _COST, _BLOCK, _LANES)
    words = (_NAME, _COST, _BLOCK, _LANES, b64encode(salt).decode(), b64encode(made).decode())
    return "$".join(map(str, words))


def fits(verifier: str, passphrase: bytes) -> bool:
    """Tell whether a passphrase is the one that a verifier was made of.

    Nothing fits what is no verifier.
    """
    read = _read(verifier)
    if read is None:
        return False
    numbers, salt, expected = read
    return hmac.compare_digest(_derived(passphrase, salt, *numbers), expected)


def _read(verifier: str) -> tuple[tuple[int, int, int], bytes, bytes] | None:
    name, *words = verifier.split("$")
    if name != _NAME or len(words) != 5:
        return None
    try:
        cost, block, lanes = (int(word) for word in words[:3])
        salt, expected = (b64decode(word, validate=True) for word in words[3:])
    except (ValueError, binascii.Error):
        return None
    numbers = (cost, block, lanes)
    allowed = all(1 <= number <= most for number, most in zip(numbers, _HIGHEST, strict=True))
    return (numbers, salt, expected) if allowed and len(expected) == _LENGTH else None


def _derived(passphrase: bytes, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    # HMAC fills a short key up with zeros: with an end of its own, no two passphrases are alike.
    ended = passphrase + b"\x01"
    return Scrypt(salt=salt, length=_LENGTH, n=2**cost, r=block, p=lanes).derive(ended)
