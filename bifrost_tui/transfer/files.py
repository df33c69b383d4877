"""Taking in a file that may be anything: a link, a device, a pipe, far too big."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import NoReturn

from bifrost_tui.errors import TransferError

FILE_LIMIT = 256 * 1024 * 1024
"""The most bytes that a file may have that is imported."""

_CHUNK = 1024 * 1024
_TOO_BIG = "is over 256 MiB. Export it in several files, an organization each"


def read_file(path: Path, *, follow: bool = True) -> bytes:
    """Return what a plain file holds; ``follow`` says whether it may be reached by a link.

    Raises:
        TransferError: there is none, or it is anything else, or over 256 MiB.

    """
    # Opening a pipe would wait for whoever writes into it.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    name, problem, handle = path.name, "", -1
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "it has no such name"
    if problem:
        raise TransferError(f"The file {name} cannot be read: {problem}.")
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            _refuse(f"{name} is {_kind(facts.st_mode)}. Name a plain file, or - for standard input")
        if facts.st_size > FILE_LIMIT:
            _refuse(f"The file {name} {_TOO_BIG}")
        return _read(handle, f"The file {name}")
    finally:
        os.close(handle)


def read_standard_input() -> bytes:
    """Return what comes in by standard input, to its end.

    Raises:
        TransferError: it is over 256 MiB, or cannot be read.

    """
    if sys.stdin is None:
        _refuse("There is no standard input")
    # Click's tests hand in a buffer that is no file.
    stream = sys.stdin.buffer
    problem, data = "", b""
    try:
        data = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        _refuse(f"Standard input cannot be read: {problem}")
    if len(data) > FILE_LIMIT:
        _refuse(f"Standard input {_TOO_BIG}")
    return data


def _read(handle: int, what: str) -> bytes:
    parts: list[bytes] = []
    size, problem = 0, ""
    try:
        while part := os.read(handle, _CHUNK):
            size += len(part)
            # It may grow while it is read, and some say that they are empty.
            if size > FILE_LIMIT:
                break
            parts.append(part)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        _refuse(f"{what} cannot be read: {problem}")
    if size > FILE_LIMIT:
        _refuse(f"{what} {_TOO_BIG}")
    return b"".join(parts)


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((name for test, name in kinds if test(mode)), "no plain file")


def _refuse(problem: str) -> NoReturn:
    raise TransferError(f"{problem}.")
