"""Files of the host that appear whole or not at all, readable for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from shutil import copyfileobj
from tempfile import mkstemp

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError

_BUFFERED = 256 * 1024
_HANDLES = Path("/proc/self/fd")


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
    handle, temporary = _opened(target)
    try:
        with os.fdopen(handle, "wb") as file:
            buffered = Buffered(_putting(file.write, name))
            yield buffered.write
            buffered.flush()
            problem = failed(file.flush) or failed(lambda: os.fsync(handle))
            if not temporary:
                problem = problem or failed(lambda: _publish(handle, target, replace=replace))
        if temporary:
            problem = problem or failed(lambda: _rename(temporary, target, replace=replace))
        problem = problem or failed(lambda: _sync(target.parent))
        if problem:
            raise ExportError(f"The file {name} could not be written: {problem}.")
    finally:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()


def put_in_place(temporary: Path, target: Path, *, replace: bool) -> None:
    """Give a file that is whole, and on the disk, its name in the same folder.

    Raises:
        FileThereError: there is one of that name, and it shall not be replaced.
        ExportError: it cannot be given that name. Either way nothing has changed.

    """
    name = visible(target.name)
    problem = ""
    try:
        _rename(str(temporary), target, replace=replace)
        temporary.unlink(missing_ok=True)
        _sync(target.parent)
    except FileExistsError:
        raise FileThereError(f"There is a file {name} already.") from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        raise ExportError(f"The file {name} could not be written: {problem}.")


def _opened(target: Path) -> tuple[int, str]:
    """Open an empty file in the folder of another one, for its owner alone; give its name.

    It has none where the system can do without: then nothing is left of it, whatever happens.
    """
    why = ""
    nameless: int | None = getattr(os, "O_TMPFILE", None)
    if nameless is not None and _HANDLES.is_dir():
        with suppress(OSError, ValueError):
            return os.open(target.parent, nameless | os.O_RDWR | os.O_CLOEXEC, 0o600), ""
    try:
        return mkstemp(prefix=_prefix(target), dir=target.parent)
    except OSError as error:
        why = error.strerror or type(error).__name__
    except ValueError:
        why = "It has no such name"
    raise ExportError(f"The file {visible(target.name)} cannot be made: {why}.")


def _prefix(target: Path) -> str:
    return f".{target.name[:60]}."


def _publish(handle: int, target: Path, *, replace: bool) -> None:
    """Give a file that has no name yet its name."""
    try:
        if not replace:
            # Refuses, where a file of that name has come meanwhile.
            _link(handle, target)
            return
        temporary = str(target.with_name(f"{_prefix(target)}{token_hex(8)}"))
        _link(handle, temporary)
    except PermissionError:
        # No links here.
        temporary = _copied(handle, target)
    try:
        _rename(temporary, target, replace=replace)
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


def _link(handle: int, path: str | Path) -> None:
    # Python follows the link that stands for the handle only where a folder is given too.
    os.link(_HANDLES / str(handle), path, src_dir_fd=handle, follow_symlinks=True)


def _copied(handle: int, target: Path) -> str:
    """Copy a file that has no name into one that has; return that."""
    other, temporary = mkstemp(prefix=_prefix(target), dir=target.parent)
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        with os.fdopen(os.dup(handle), "rb") as source, os.fdopen(other, "wb") as copy:
            copyfileobj(source, copy, _BUFFERED)
            copy.flush()
            os.fsync(copy.fileno())
    except BaseException:
        Path(temporary).unlink()
        raise
    return temporary


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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
