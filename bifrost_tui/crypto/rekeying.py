"""Tokens from under one master key to under another: a token goes in and a token comes out.

Nothing here gives a value out. It is what :mod:`.cipher` does, token by token, without what makes
that slow for a hundred thousand of them: keys are extracted once, and a value is not unpadded only
to be padded again. Tests hold the two against each other.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from hmac import compare_digest
from os import urandom
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bifrost_tui.crypto.cipher import HINT_FIELD, Keyring
from bifrost_tui.crypto.derivation import (
    HMAC_INNER,
    HMAC_OUTER,
    hmac_states,
    length_prefixed,
    row_context,
)
from bifrost_tui.errors import MasterKeyError

Job = tuple[str, str, int, str, str, str | None]
"""One secret: scope, row, version of the value, id of the master key, token, token of the hint."""

Done = tuple[str, str | None] | None
"""Its new token and that of its hint; ``None`` where the old one does not open in its place."""

_VERSION = 0x80
_HEAD = 9
"""Bytes before the IV: version and time."""
_MAC = 32
_BLOCK = 16
_SHORTEST = _HEAD + _BLOCK + _BLOCK + _MAC
_PADS = [bytes([length]) * length for length in range(_BLOCK + 1)]
_TO_URL = bytes.maketrans(b"+/", b"-_")
# The other alphabet's two letters are none of a token.
_FROM_URL = bytes.maketrans(b"-_+/", b"+/\0\0")
_REST = bytes(sha256().block_size - _BLOCK)
_INNER_REST, _OUTER_REST = _REST.translate(HMAC_INNER), _REST.translate(HMAC_OUTER)


class Rekeyer:
    """Re-encrypts tokens under the newest of some master keys."""

    __slots__ = ("_field", "_hint", "_newest", "_old", "_own")

    def __init__(self, keys: Mapping[str, bytes], newest: str, field: str) -> None:
        self._own = dict(keys), newest, field
        self._old = {key_id: _expander(key) for key_id, key in keys.items()}
        self._newest = self._old[newest]
        self._field, self._hint = length_prefixed((field,)), length_prefixed((HINT_FIELD,))

    def __repr__(self) -> str:
        return f"<Rekeyer {', '.join(self._old)}>"

    @classmethod
    def of(cls, keyring: Keyring, field: str) -> Rekeyer:
        """Take the keys at hand; ``field`` is the field that secrets are sealed for."""
        keys = {
            key_id: key.extracted()
            for key_id in keyring.key_ids
            if (key := keyring.key(key_id)) is not None
        }
        return cls(keys, keyring.newest.key_id, field)

    def parts(self) -> tuple[dict[str, bytes], str, str]:
        """Return what another process makes the same of: keys, for a pipe and nothing else."""
        return self._own

    def run(self, jobs: Sequence[Job]) -> list[Done]:
        """Re-encrypt tokens, each in its place; the time of encryption in them stays.

        Raises:
            MasterKeyError: the library does not do what is counted on; no token is given back.

        """
        noise = urandom(2 * _BLOCK * len(jobs))
        scoped, versioned = cache(row_context), cache(_counted)
        newest, at, checked = self._newest, 0, False
        # One for all of them: making one takes as long as encrypting with it.
        cipher = Cipher(AES128(bytes(_BLOCK)), CBC(bytes(_BLOCK)))
        done: list[Done] = []
        for scope, row, version, key_id, token, hint in jobs:
            moved: Done = None
            if (old := self._old.get(key_id)) is not None:
                data = row.encode()
                place = scoped(scope) + len(data).to_bytes(4, "big") + data
                counted = versioned(version)
                context = place + self._field + counted
                new = _moved(cipher, token, old(context), newest(context), noise[at : at + _BLOCK])
                at += _BLOCK
                if new is not None and not checked:
                    _check(old(context), token, newest(context), new)
                    checked = True
                shown = hint
                if new is not None and hint:
                    context = place + self._hint + counted
                    # A hint that does not open shows nothing; then it says so.
                    fresh = noise[at : at + _BLOCK]
                    shown = _moved(cipher, hint, old(context), newest(context), fresh) or ""
                    at += _BLOCK
                moved = None if new is None else (new, shown)
            done.append(moved)
        return done


def _counted(version: int) -> bytes:
    return length_prefixed((str(version),))


def _expander(extracted: bytes) -> Callable[[bytes], bytes]:
    """Return what derives a key of 32 bytes for a context: the second half of HKDF (RFC 5869)."""
    inner, outer = hmac_states(extracted)

    def expand(context: bytes) -> bytes:
        one, two = inner.copy(), outer.copy()
        one.update(context + b"\x01")
        two.update(one.digest())
        return two.digest()

    return expand


def _moved(cipher: Any, token: str, old: bytes, new: bytes, noise: bytes) -> str | None:
    """Return a token under another Fernet key; ``None`` where it does not open."""
    try:
        text = token.encode("ascii").translate(_FROM_URL)
        data = a2b_base64(text)
    except (AttributeError, ValueError):
        return None
    size = len(data)
    if size < _SHORTEST or data[0] != _VERSION or (size - _SHORTEST) % _BLOCK:
        return None
    # Decoding forgives other spellings, which are none of ours.
    if b2a_base64(data, newline=False) != text:
        return None
    if not compare_digest(_mac(old, data[:-_MAC]), data[-_MAC:]):
        return None
    # The cipher's own IV is always zero. The token's, decrypted as the first block, is thrown away;
    # noise, encrypted as the first block, is the new token's.
    cipher.algorithm.key = old[_BLOCK:]
    padded: bytes = cipher.decryptor().update(data[_HEAD:-_MAC])[_BLOCK:]
    length = padded[-1]
    if not 1 <= length <= _BLOCK or not padded.endswith(_PADS[length]):
        return None
    cipher.algorithm.key = new[_BLOCK:]
    made: bytes = data[:_HEAD] + cipher.encryptor().update(noise + padded)
    return b2a_base64(made + _mac(new, made), newline=False).translate(_TO_URL).decode("ascii")


def _check(old: bytes, token: str, new: bytes, made: str) -> None:
    """Open one of many as everybody does: a cipher whose key can be set is none of its promises."""
    with suppress(InvalidToken):
        # Neither value gets a name: a traceback would hold it.
        one, other = (Fernet(urlsafe_b64encode(key)).decrypt for key in (old, new))
        if compare_digest(one(token), other(made)):
            return
    raise MasterKeyError(
        "The installed version of the library `cryptography` does not do what re-encrypting counts"
        " on. Nothing was changed; install the versions that requirements.lock names."
    )


def _mac(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA256 under the first half of a Fernet key, in half the library's time."""
    half = key[:_BLOCK]
    inner = sha256(half.translate(HMAC_INNER) + _INNER_REST + data)
    return sha256(half.translate(HMAC_OUTER) + _OUTER_REST + inner.digest()).digest()
