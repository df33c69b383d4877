"""The cipher of one field of one row: a Fernet key of its own, and tokens that fit nowhere else."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

from bifrost_tui.crypto.derivation import derive, hmac_states
from bifrost_tui.crypto.master_key import MasterKey

HINT_FIELD = "hint"
"""The field of a partial mask: the one token that is opened to be shown."""


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a token belongs; it opens nowhere else.

    ``version`` counts the values that the field has had, so that an older token of the same row,
    put back, does not open either.
    """

    scope: str
    row_id: str
    field: str
    version: int

    def parts(self) -> tuple[str, ...]:
        """Return the context as the texts that go into the key derivation."""
        return ("row", self.scope, self.row_id, self.field, str(self.version))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A Fernet token and the id of the master key that it was written under."""

    token: str
    key_id: str


class Keyring:
    """The master keys at hand, newest first: the first writes, all read."""

    __slots__ = ("_keys", "newest")

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        self.newest = keys[0]

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(self._keys)}>"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys at hand, newest first."""
        return tuple(self._keys)

    @property
    def guessable(self) -> tuple[str, ...]:
        """The ids of those that others could have too."""
        return tuple(key_id for key_id, key in self._keys.items() if key.is_guessable)

    def key(self, key_id: str) -> MasterKey | None:
        """Return the key of that id, where it is at hand."""
        return self._keys.get(key_id)

    def seal(self, value: bytes, context: SealContext) -> Sealed:
        """Encrypt a value for the one place that the context names, under the newest key."""
        token = _fernet(self.newest, context).encrypt(value)
        return Sealed(token.decode("ascii"), self.newest.key_id)

    def opens(self, sealed: Sealed, context: SealContext) -> bool:
        """Tell whether a token opens in its place, and give nothing of it away."""
        return unseal(self, sealed, context) is not None

    def holds(self, sealed: Sealed, context: SealContext, value: bytes) -> bool:
        """Tell whether a token opens in its place and holds just this value."""
        found = unseal(self, sealed, context)
        return found is not None and hmac.compare_digest(found, value)

    def same(
        self, one: Sealed, its_place: SealContext, other: Sealed, others_place: SealContext
    ) -> bool:
        """Tell whether two tokens open, each in its place, and hold the same value."""
        found = unseal(self, one, its_place)
        return found is not None and self.holds(other, others_place, found)

    def fingerprint(self, sealed: Sealed, context: SealContext, root: DatabaseRoot) -> str | None:
        """Return the fingerprint of what a token holds; ``None`` where it does not open."""
        found = unseal(self, sealed, context)
        return None if found is None else root.fingerprint(found)

    def hint(self, sealed: Sealed, context: SealContext) -> str | None:
        """Return the partial mask that a token of a hint holds; ``None`` where it does not open.

        Raises:
            ValueError: the context is of another field; no other is opened here.

        """
        if context.field != HINT_FIELD:
            raise ValueError("only a hint is opened to be shown")
        found = unseal(self, sealed, context)
        return None if found is None else found.decode("utf-8")


def unseal(keyring: Keyring, sealed: Sealed, context: SealContext) -> bytes | None:
    """Decrypt a token in its place; ``None`` where no key at hand opens it.

    For this package alone: who may have plaintext calls :mod:`bifrost_tui.crypto.reading`.
    """
    key = keyring.key(sealed.key_id)
    if key is None or not _canonical(sealed.token):
        return None
    try:
        return _fernet(key, context).decrypt(sealed.token)
    except (InvalidToken, ValueError):
        return None


def _fernet(key: MasterKey, context: SealContext) -> Fernet:
    return Fernet(urlsafe_b64encode(key.derive(*context.parts())))


def _canonical(token: str) -> bool:
    """Refuse other spellings of a token: base64 decoding forgives blanks and stray last bits."""
    try:
        return urlsafe_b64encode(urlsafe_b64decode(token)).decode("ascii") == token
    except (binascii.Error, ValueError):
        return False


class DatabaseRoot:
    """A database's own random secret: the keys of its fingerprints and of its audit chain.

    It is kept sealed under every master key in use, so that fingerprints stay equal and the chain
    stays whole when the master key is changed.
    """

    __slots__ = ("_fingerprints", "_inner", "_outer")

    SIZE = 32

    def __init__(self, secret: bytes) -> None:
        # Made once: a walk along the chain hashes a million events.
        self._inner, self._outer = hmac_states(derive(secret, "audit chain"))
        self._fingerprints = derive(secret, "fingerprints")

    def __repr__(self) -> str:
        return "<DatabaseRoot>"

    def fingerprint(self, value: bytes) -> str:
        """Return eight characters that are equal for equal values."""
        return hmac.new(self._fingerprints, value, sha256).hexdigest()[:8]

    def link(self, previous: str, event: bytes) -> str:
        """Return the hash that chains an event to the one before it, as 64 hex characters."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(previous.encode() + b"\n" + event)
        outer.update(inner.digest())
        return outer.hexdigest()
