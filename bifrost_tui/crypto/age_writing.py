"""Writing age files (age-encryption.org/v1), which other tools open too, a chunk at a time.

To keys, the library does all of it. Under a passphrase it would choose scrypt's cost by timing the
machine at that moment, up to gigabytes, and want all of the text at once; so that head, and the
stream of sealed chunks behind it, are written here, as the format's specification has them.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, Protocol

import pyrage
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bifrost_tui.crypto.age_reading import CHUNK, HEAD, Recipients
from bifrost_tui.errors import TransferError

WORK_FACTOR = 18
"""2**18 blocks of 1 kB, as age(1) has it: 256 MiB and about a second for each guess."""

_LABEL = b"age-encryption.org/v1/scrypt"
_FILE_KEY = _SALT = _NONCE = 16

Put = Callable[[bytes], object]


class Lock(Protocol):
    """What a file is locked with."""

    def seal(self, chunks: Iterable[bytes], put: Put) -> None:
        """Encrypt a text that comes in chunks of any size, and put what becomes of it."""


class PassphraseLock:
    """One passphrase, made costly to guess. Making this takes the second that each guess does."""

    __slots__ = ("_head", "_key")

    def __init__(self, passphrase: bytes, *, work_factor: int | None = None) -> None:
        work_factor = work_factor or WORK_FACTOR
        file_key = secrets.token_bytes(_FILE_KEY)
        salt = secrets.token_bytes(_SALT)
        scrypt = Scrypt(salt=_LABEL + salt, length=32, n=2**work_factor, r=8, p=1)
        wrapped = ChaCha20Poly1305(scrypt.derive(passphrase)).encrypt(bytes(12), file_key, None)
        head = HEAD + b"-> scrypt %s %d\n%s\n---" % (_base64(salt), work_factor, _base64(wrapped))
        mac = hmac.digest(_derived(file_key, b"", b"header"), head, sha256)
        nonce = secrets.token_bytes(_NONCE)
        self._head = head + b" " + _base64(mac) + b"\n" + nonce
        self._key = _derived(file_key, nonce, b"payload")

    def __repr__(self) -> str:
        return "<PassphraseLock>"

    def seal(self, chunks: Iterable[bytes], put: Put) -> None:
        """Encrypt a text, once: a second one under the same key could be told from the first.

        Raises:
            ValueError: that has been done.

        """
        if not self._head:
            raise ValueError("a lock is used once")
        head, self._head = self._head, b""
        put(head)
        cipher = ChaCha20Poly1305(self._key)
        for number, (part, last) in enumerate(_parts(chunks)):
            put(cipher.encrypt(number.to_bytes(11, "big") + bytes([last]), part, None))


class KeyLock:
    """The keys of those who may open the file."""

    __slots__ = ("_recipients",)

    def __init__(self, recipients: Recipients) -> None:
        self._recipients = recipients

    def seal(self, chunks: Iterable[bytes], put: Put) -> None:
        """Encrypt a text.

        Raises:
            TransferError: the library refuses one of the keys.

        """
        source, target = _Source(chunks), _Target(put)
        refused = False
        try:
            pyrage.encrypt_io(source, target, self._recipients.found)
        except pyrage.EncryptError:
            refused = True
        # The library makes a text of what goes wrong in what it calls: here is the error itself.
        if (problem := source.problem or target.problem) is not None:
            raise problem
        if refused:
            raise TransferError("The file cannot be encrypted to one of these keys.")


class _Source:
    """Chunks as a file that is read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._waiting = b""
        self._at = 0
        self.problem: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while self._at >= len(self._waiting):
                self._waiting, self._at = next(self._chunks), 0
        except StopIteration:
            return b""
        except BaseException as error:  # noqa: BLE001  raised anew behind the library
            self.problem = error
            return b""
        begin, self._at = self._at, self._at + size if size >= 0 else len(self._waiting)
        return self._waiting[begin : self._at]


class _Target:
    """What is put, as a file that is written."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self.problem: BaseException | None = None

    def write(self, data: Any) -> int:
        try:
            self._put(bytes(data))
        except BaseException as error:
            self.problem = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


def _parts(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Cut a text into chunks of the format's size, and say of each whether it is the last.

    None is empty, but for that of an empty text.
    """
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > CHUNK:
            yield bytes(waiting[:CHUNK]), False
            del waiting[:CHUNK]
    yield bytes(waiting), True


def _derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(secret)


def _base64(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")
