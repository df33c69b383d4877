"""The cipher of a Bifrost platform, whose data comes in and goes out: one key for every secret.

A stored secret is urlsafe base64 of a Fernet token, so base64 twice.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bifrost_tui.display import MASK

_SALT = b"bifrost_secrets_v1"
_INFO = b"bifrost-secrets-encryption"


class PlatformCipher:
    """What a platform's secret key makes of values. It shows nothing of the key."""

    __slots__ = ("_fernet",)

    def __init__(self, secret: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=_INFO)
        self._fernet = Fernet(urlsafe_b64encode(derived.derive(secret.encode("utf-8"))))

    def __repr__(self) -> str:
        return f"<PlatformCipher {MASK}>"

    def unsealed(self, stored: str) -> bytes | None:
        """Decrypt a stored secret; ``None`` where the key does not open it, or it is damaged."""
        try:
            return self._fernet.decrypt(urlsafe_b64decode(stored.encode("ascii")))
        except (InvalidToken, ValueError):
            return None

    def sealed(self, value: bytes) -> str:
        """Return a value as the platform stores it."""
        return urlsafe_b64encode(self._fernet.encrypt(value)).decode("ascii")
