"""Opening age files (age-encryption.org/v1), and the keys of those who may.

A file may come from anybody: its head is looked at before anything is worked out by it, so that it
can choose neither how long that takes nor how much memory.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyrage

from bifrost_tui.errors import TransferError, WrongPassphraseError

HEAD = b"age-encryption.org/v1\n"
CHUNK = 64 * 1024
"""As much of the text is sealed at a time."""

HIGHEST_WORK_FACTOR = 20
"""What a file may ask for: 1 GiB and some seconds."""

_LONGEST_HEAD = 64 * 1024
_MOST_KEYS = 100
_ARMORED = b"-----BEGIN AGE ENCRYPTED FILE-----"
_ARMOR_ENDS = b"-----END AGE ENCRYPTED FILE-----"
_STANZA = re.compile(rb"^-> (\S+)((?: \S+)*)$", re.MULTILINE)
_NUMBER = re.compile(rb"[1-9][0-9]?")
_AGE_KEY = re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]+", re.IGNORECASE)
_SSH_KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OTHER_SSH_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_TRIES = 20

_DAMAGED = "The file is damaged: it is encrypted with age, and its head is none."
_CHANGED = (
    "The file does not open: it is damaged, cut short or changed since it was written. Copy it"
    " anew from where it was made."
)


class LockedBy(StrEnum):
    """What opens a file."""

    PASSPHRASE = "passphrase"  # noqa: S105  a word
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class AgeFile:
    """An encrypted file whose head can be worked with."""

    data: bytes = field(repr=False)
    locked_by: LockedBy


class Identities:
    """The secret keys that may open a file. Shows nothing of them."""

    __slots__ = ("found",)

    def __init__(self, found: list[Any]) -> None:
        self.found = found

    def __repr__(self) -> str:
        return f"<{len(self.found)} identities>"


@dataclass(frozen=True, slots=True)
class Recipients:
    """The public keys that a file is encrypted to."""

    found: tuple[Any, ...] = field(repr=False)
    names: tuple[str, ...]


def is_age(data: bytes) -> bool:
    """Tell whether a file begins as an age file does, bare or armored."""
    return data.startswith(HEAD) or data[:4096].lstrip().startswith(_ARMORED)


def age_file(data: bytes) -> AgeFile:
    """Look at a file's head.

    Raises:
        TransferError: it is damaged, or asks for too much.

    """
    binary = data if data.startswith(HEAD) else _unarmored(data)
    end = binary.find(b"\n---", 0, _LONGEST_HEAD)
    if not binary.startswith(HEAD) or end < 0:
        raise TransferError(_DAMAGED)
    stanzas = _STANZA.findall(binary, len(HEAD), end)
    if not stanzas:
        raise TransferError(_DAMAGED)
    locks = [(kind, words) for kind, words in stanzas if kind == b"scrypt"]
    if not locks:
        return AgeFile(binary, LockedBy.KEYS)
    words = locks[0][1].split()
    if len(stanzas) > 1 or len(words) != 2 or not _NUMBER.fullmatch(words[1]):
        raise TransferError(_DAMAGED)
    if int(words[1]) > HIGHEST_WORK_FACTOR:
        raise TransferError(
            f"The file asks for 2**{int(words[1])} rounds of scrypt to try a passphrase; at most"
            f" 2**{HIGHEST_WORK_FACTOR} are taken. Nothing was tried. `age -d` opens it, if you"
            " trust who made it."
        )
    return AgeFile(binary, LockedBy.PASSPHRASE)


def open_with_passphrase(file: AgeFile, passphrase: bytes) -> bytes:
    """Return the text of a file.

    Raises:
        TransferError: the passphrase is another one, or the file is damaged.

    """
    text, problem = passphrase.decode("utf-8"), ""
    for _ in range(_TRIES):
        try:
            return bytes(pyrage.passphrase.decrypt(file.data, text))
        except pyrage.DecryptError as error:
            problem = str(error)
        # By timing the machine in one moment, the library may take for too much what is not.
        if not problem.startswith("Excessive work"):
            break
    if problem.startswith("Excessive work"):
        raise TransferError(
            "This machine is too slow, or too busy, to try a passphrase on this file. Try again."
        )
    if problem in _NO_KEY_FITS:
        raise WrongPassphraseError("The passphrase does not open the file. Nothing was read.")
    raise TransferError(_CHANGED)


def open_with_keys(file: AgeFile, keys: Identities) -> bytes:
    """Return the text of a file.

    Raises:
        TransferError: none of the keys opens it, or the file is damaged.

    """
    try:
        return bytes(pyrage.decrypt(file.data, keys.found))
    except pyrage.DecryptError as error:
        problem = str(error)
    if problem in _NO_KEY_FITS:
        raise TransferError(
            "The file is encrypted to other keys than those of the identity. Nothing was read."
        )
    raise TransferError(_CHANGED)


_NO_KEY_FITS = ("Decryption failed", "No matching keys found")


def read_identities(data: bytes) -> Identities:
    """Return the secret keys of a file: age identities, or one OpenSSH key that is not locked.

    Raises:
        TransferError: it is none of these. Nothing of it is repeated.

    """
    if data.lstrip().startswith(_SSH_KEY):
        return Identities([_ssh_identity(data)])
    if is_age(data):
        raise TransferError(
            "The identity is encrypted itself. Decrypt it first, with `age -d`, into a file that"
            " only you can read."
        )
    if _OTHER_SSH_KEY.search(data[:4096]):
        raise TransferError(
            "The identity is a private key in another form than OpenSSH's. `ssh-keygen -p -f COPY`"
            " writes a copy of it in that one."
        )
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines or len(lines) > _MOST_KEYS or not all(map(_AGE_KEY.fullmatch, lines)):
        raise TransferError(
            "The identity is none: it has lines of AGE-SECRET-KEY-1…, as `bifrost-tui key pair`"
            " writes them, or is an OpenSSH key."
        )
    found = [_made(pyrage.x25519.Identity.from_str, line) for line in lines]
    if None in found:
        raise TransferError(
            f"Line {found.index(None) + 1} of the identity's keys is damaged: its check does not"
            " fit."
        )
    return Identities(found)


def _ssh_identity(data: bytes) -> Any:
    found = _made(pyrage.ssh.Identity.from_buffer, data)
    if found is None:
        raise TransferError(
            "The OpenSSH key cannot be used: it is locked with a passphrase, damaged, or neither"
            " ed25519 nor RSA. `ssh-keygen -p -N '' -f COPY` makes a copy without a passphrase."
        )
    return found


def read_recipients(lines: list[str]) -> Recipients:
    """Return the public keys that lines hold: of age (``age1…``) or of OpenSSH.

    Raises:
        TransferError: one of them is none, or there is none at all.

    """
    found: list[Any] = []
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if _AGE_KEY.search(text) or "PRIVATE KEY" in text:
            raise TransferError(
                f"Recipient {number} is a secret key: it stays with whoever opens the file. Give"
                " the public one (age1…, or the line of a .pub file)."
            )
        kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
        recipient = _made(kind.from_str, text)
        if recipient is None:
            raise TransferError(
                f"Recipient {number} is no public key that is known here: age1…, ssh-ed25519 … or"
                " ssh-rsa …."
            )
        found.append(recipient)
        names.append(text.split()[1][-12:] if text.startswith("ssh-") else text)
    if not found:
        raise TransferError("There is no recipient. Give a public key: age1…, or ssh-ed25519 ….")
    if len(found) > _MOST_KEYS:
        raise TransferError(f"There are more than {_MOST_KEYS} recipients.")
    return Recipients(tuple(found), tuple(names))


def _made(make: Any, given: Any) -> Any:
    """Make a key of the library's; ``None`` where it refuses. What it says may quote the key."""
    try:
        return make(given)
    except (pyrage.IdentityError, pyrage.RecipientError, ValueError):
        return None


def new_identity() -> tuple[str, str]:
    """Return a new pair of keys: the secret one, and the public one that belongs to it."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def _unarmored(data: bytes) -> bytes:
    lines = data.strip().splitlines()
    problem = len(lines) < 3 or lines[0] != _ARMORED or lines[-1] != _ARMOR_ENDS
    try:
        found = b"" if problem else b64decode(b"".join(lines[1:-1]), validate=True)
    except ValueError:
        found = b""
    if not found:
        raise TransferError(_DAMAGED)
    return found
