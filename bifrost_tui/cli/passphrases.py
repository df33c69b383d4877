"""What opens encrypted bundles: passphrases, asked for or out of a file, and the files of keys."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bifrost_tui.cli.exporting import host_file
from bifrost_tui.cli.session import this_origin
from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.entered import EnteredSecret, same_entered

if TYPE_CHECKING:
    from bifrost_tui.transfer.sealed import Identities

_LIMIT = 64 * 1024
_FILE = "Name a file that holds it, with --passphrase-file FILE."


def new_passphrase(file: str | None) -> EnteredSecret:
    """Take a passphrase for a new bundle: out of a file, or typed twice.

    Raises:
        InvalidInputError: there is none, or two that are not the same.
        TransferError: the file cannot be used.
        TerminalError: there is no terminal to ask at.

    """
    if file is not None:
        return _of_file(file, "export")
    first = _asked("A passphrase for the bundle (not shown): ")
    if not same_entered(first, _asked("Once more (not shown): ")):
        raise InvalidInputError(
            "The two are not the same. Nothing was exported.", field="passphrase"
        )
    return first


def given_passphrase(file: str | None) -> EnteredSecret:
    """Take the passphrase of a bundle: out of a file, or typed once.

    Raises:
        InvalidInputError: there is none.
        TransferError: the file cannot be used.
        TerminalError: there is no terminal to ask at.

    """
    if file is not None:
        return _of_file(file, "import")
    return _asked("The passphrase of the bundle (not shown): ")


def given_identities(file: str) -> Identities:
    """Read the secret keys of a file.

    Raises:
        TransferError: the file cannot be used, or holds none.

    """
    from bifrost_tui.transfer.sealed import read_identities

    return read_identities(_private(file, "identity", "import"))


def _asked(question: str) -> EnteredSecret:
    from bifrost_tui.cli.prompting import ask_secret

    entered = ask_secret(question, otherwise=_FILE)
    if entered is None:
        raise InvalidInputError("Nothing was entered.", field="passphrase")
    return entered


def _of_file(file: str, command: str) -> EnteredSecret:
    data = _private(file, "passphrase", command)
    # Of an editor or an echo, not of the passphrase.
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    if not data:
        raise InvalidInputError("The file of the passphrase is empty.", field="passphrase")
    return EnteredSecret.from_bytes(data)


def _private(file: str, what: str, command: str) -> bytes:
    """Read what nobody else can read, looked at and read through one descriptor."""
    path = host_file(file, command)
    if path is None:
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(_LIMIT + 1)
    else:
        data = _read(path, what)
    if len(data) > _LIMIT:
        _refuse(what, "it is over 64 KiB")
    return data


def _read(path: Path, what: str) -> bytes:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    problem, handle = "", -1
    try:
        handle = os.open(path, flags | (os.O_NOFOLLOW if this_origin().confined else 0))
    except OSError as error:
        problem = (error.strerror or "").lower()
    if problem:
        _refuse(what, f"{path.name}: {problem}")
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            _refuse(what, f"{path.name} is no plain file")
        if facts.st_mode & 0o077:
            _refuse(
                what,
                f"{path.name} is open to others (mode {facts.st_mode & 0o777:04o}). Run:"
                f" chmod 600 {path.name}",
            )
        if facts.st_uid not in (os.geteuid(), 0):
            _refuse(what, f"{path.name} belongs to another user")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(_LIMIT + 1)
    finally:
        os.close(handle)


def _refuse(what: str, problem: str) -> NoReturn:
    raise TransferError(f"The file of the {what} cannot be used: {problem}.")
