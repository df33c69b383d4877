"""The master key: what counts as one, and how it is read from text or from a file."""

from __future__ import annotations

import os
import secrets
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

from bifrost_tui.crypto.derivation import derive, extracted
from bifrost_tui.display import MASK
from bifrost_tui.errors import MasterKeyMissingError, MasterKeyRefusedError
from bifrost_tui.settings import FROM_SYSTEMD, KeySource

SHORTEST = 32
"""The fewest characters that a master key may have."""

_FEWEST_DIFFERENT = 6
"""Of 32 random digits, one in ten million draws has fewer different ones."""

_PUBLISHED = frozenset({"3cc1eff1"})
"""The id of the example key that a Bifrost platform comes with."""

_BYTE_ORDER_MARK = "\ufeff"
_FILE_LIMIT = 64 * 1024
_RULE = (
    f"A master key has {SHORTEST} characters or more; `bifrost-tui key generate` makes a good one."
)


class MasterKey:
    """One master key. Shows its ``key_id`` and never itself."""

    __slots__ = ("_secret", "key_id")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.key_id = derive(secret, "key id", length=4).hex()
        """Eight characters that name the key; nothing of the key can be learnt from them."""

    def __repr__(self) -> str:
        return f"<MasterKey {self.key_id} {MASK}>"

    @property
    def is_guessable(self) -> bool:
        """Whether it is a published example, or of so few characters that nobody drew it."""
        return self.key_id in _PUBLISHED or len(set(self._secret)) < _FEWEST_DIFFERENT

    def derive(self, *context: str, length: int = 32) -> bytes:
        """Derive a key for one purpose (HKDF-SHA256, RFC 5869)."""
        return derive(self._secret, *context, length=length)

    def extracted(self) -> bytes:
        """Return what every key is expanded from; for this package alone."""
        return extracted(self._secret)


def generate_master_key() -> str:
    """Return a new random master key: 256 bits as 43 characters of urlsafe base64."""
    return urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def load_master_keys(source: KeySource) -> tuple[MasterKey, ...]:
    """Read the master keys that a source holds, newest first.

    Raises:
        MasterKeyMissingError: the source names no file that is there.
        MasterKeyRefusedError: a key is empty, short, damaged or given twice, or the file is open
            to others.

    """
    if source.path is not None:
        text = read_key_file(source.path, credential=source.name == FROM_SYSTEMD)
        return _parse(text.split("\n"), str(source.path), "line")
    return _parse((source.text or "").split(","), source.name, "key")


def _parse(parts: list[str], origin: str, noun: str) -> tuple[MasterKey, ...]:
    keys: list[MasterKey] = []
    several = len(parts) > 1
    for number, part in enumerate(parts, 1):
        text = part.strip()
        if not text and noun == "line":
            continue
        where = f"{noun} {number} of {origin}" if several else origin
        if problem := _problem(text):
            raise MasterKeyRefusedError(f"{where}: {problem} {_RULE}")
        key = MasterKey(text.encode("utf-8"))
        if key.key_id in {earlier.key_id for earlier in keys}:
            raise MasterKeyRefusedError(f"{where}: the same key is given twice. Remove one.")
        keys.append(key)
    if not keys:
        raise MasterKeyRefusedError(f"{origin}: it is empty. {_RULE}")
    return tuple(keys)


def _problem(text: str) -> str:
    if not text:
        return "the key is empty."
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "the key is not UTF-8 text."
    if not text.isprintable():
        return "the key holds a character that cannot be seen."
    if len(text) < SHORTEST:
        return f"the key has {len(text)} characters, too few."
    return ""


def read_key_file(path: Path, *, credential: bool = False) -> str:
    """Read a key file that nobody else can read; looked at and read through one descriptor.

    Raises:
        MasterKeyMissingError: it is not there.
        MasterKeyRefusedError: it is open to others, or no text.

    """
    try:
        # Without waiting: a pipe would otherwise keep the program until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        try:
            _check_key_file(path, os.fstat(descriptor), credential=credential)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_FILE_LIMIT + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise MasterKeyMissingError(f"The key file {path} does not exist.") from None
    except OSError as error:
        raise MasterKeyRefusedError(
            f"The key file {path} cannot be read: {error.strerror}."
        ) from None
    if len(data) > _FILE_LIMIT:
        raise MasterKeyRefusedError(f"The key file {path} is over 64 KiB: it holds no key.")
    try:
        return data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        pass
    raise MasterKeyRefusedError(f"The key file {path} is not UTF-8 text. {_RULE}")


def _check_key_file(path: Path, status: os.stat_result, *, credential: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MasterKeyRefusedError(f"The key file {path} is no regular file.")
    # systemd hands a credential to a unit's user through the group bits of an access list; its
    # folder is closed to everybody else.
    others = 0o037 if credential else 0o077
    if status.st_mode & others:
        raise MasterKeyRefusedError(
            f"The key file {path} is open to others (mode {status.st_mode & 0o777:04o})."
            f" Run: chmod 600 {path}"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise MasterKeyRefusedError(f"The key file {path} belongs to another user.")


def write_key_file(path: Path, key: str) -> None:
    """Write a new key file, mode 0600 in a folder of mode 0700, whole or not at all.

    Raises:
        MasterKeyRefusedError: there is a file already, or it cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if os.path.lexists(path):
            raise MasterKeyRefusedError(
                f"The key file {path} exists. Nothing was written."
            ) from None
        raise MasterKeyRefusedError(
            f"The key file {path} cannot be written: {error.strerror}."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise MasterKeyRefusedError(
            f"The key file {path} cannot be written: {error.strerror}."
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
