"""Files of the host that appear whole or not at all, readable for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError

_BUFFERED = 256 * 1024


class ExportError(BifrostError):
    """A file cannot be written."""


class FileThereError(ExportError):
    """There is a file of that name, and nobody has said that it may be replaced."""


class Buffered:
    """Hands small pieces on in large ones."""

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self._put = put
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self._waiting.extend(data)
        if len(self._waiting) > _BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Hand on what waits."""
        self._put(bytes(self._waiting))
        self._waiting.clear()


@contextmanager
def whole_file(target: Path, *, replace: bool) -> Iterator[Callable[[bytes], None]]:
    """Give what writes into a file that is there once all is written.

    Raises:
        FileThereError: there is one, and it shall not be replaced.
        ExportError: it cannot be written. Either way nothing has changed.

    """
    name = visible(target.name)
    check_target(target)
    if os.path.lexists(target) and not replace:
        raise FileThereError(f"There is a file {name} already.")
    handle, temporary = _temporary(target)
    try:
        with os.fdopen(handle, "wb") as file:
            buffered = Buffered(_putting(file.write, name))
            yield buffered.write
            buffered.flush()
            problem = failed(file.flush) or failed(lambda: os.fsync(file.fileno()))
        problem = problem or failed(lambda: _rename(temporary, target, replace=replace))
        if problem:
            raise ExportError(f"The file {name} could not be written: {problem}.")
    finally:
        with suppress(OSError):
            Path(temporary).unlink()


def check_target(target: Path) -> None:
    """Make sure that a file is not written in place of anything else.

    Raises:
        ExportError: there is a folder, a device or the like of that name.

    """
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        # Nothing there; or what will be told when the file is made.
        return
    if stat.S_ISDIR(mode):
        raise ExportError(f"{visible(target.name)} is a folder. Name a file.")
    if not stat.S_ISREG(mode):
        raise ExportError(f"{visible(target.name)} is no plain file. Give another name.")


def _temporary(target: Path) -> tuple[int, str]:
    """Make an empty file beside another one, readable for its owner alone."""
    why = ""
    try:
        return mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        why = error.strerror or type(error).__name__
    except ValueError:
        why = "It has no such name"
    raise ExportError(f"The file {visible(target.name)} cannot be made: {why}.")


def _putting(write: Callable[[bytes], object], name: str) -> Callable[[bytes], None]:
    def put(data: bytes) -> None:
        if problem := failed(lambda: write(data)):
            raise ExportError(f"The file {name} could not be written: {problem}.")

    return put


def failed(work: Callable[[], object]) -> str:
    """Do something with a file; return why it failed."""
    try:
        work()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _rename(temporary: str, target: Path, *, replace: bool) -> None:
    if replace:
        Path(temporary).replace(target)
    else:
        try:
            # Refuses, where a file of that name has come meanwhile.
            os.link(temporary, target)
        except PermissionError:
            # No links on this kind of disk.
            Path(temporary).rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
