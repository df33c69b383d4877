"""SQLite files on their way: hidden and for their owner alone, until they are whole.

SQLite needs a name to write to. What a killed process leaves of such a file is found by its name
and by nobody holding it any more, and the next one in that folder removes it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from bifrost_tui.display import visible
from bifrost_tui.whole_file import ExportError

_PATTERN = ".bifrost-*.part"
LOGS = ("-wal", "-journal")
"""How the files are called behind a database's name that SQLite takes for a part of it."""
SIDES = (*LOGS, "-shm")
"""How all files are called that SQLite keeps beside a database, behind its name."""


@contextmanager
def part_file(folder: Path) -> Iterator[Path]:
    """Make an empty file in a folder, which is removed in the end unless it has got a name.

    Raises:
        ExportError: none can be made there.

    """
    path, handle = _made(folder)
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


def _made(folder: Path) -> tuple[Path, int]:
    why = ""
    try:
        while True:
            path = folder / f".bifrost-{token_hex(8)}.part"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(handle, 0o600)
                # Another process looks for files that nobody holds, and may have come first.
                if _is_ours(handle) and path.exists():
                    return path, handle
            except BaseException:
                os.close(handle)
                path.unlink(missing_ok=True)
                raise
            os.close(handle)
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise ExportError(f"No file can be made in {visible(str(folder))}: {why}.")


def _is_ours(handle: int) -> bool:
    """Take a new file for this process; where there are no such locks, it is nobody else's."""
    try:
        _hold(handle)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _hold(handle: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove(path: Path) -> None:
    # The database last: what is left of it is found by its name.
    for each in (*beside(path), path):
        with suppress(OSError):
            each.unlink()


def beside(path: Path, ends: Iterable[str] = SIDES) -> list[Path]:
    """Return the files that SQLite may keep beside a database, whether they are there or not."""
    return [path.with_name(path.name + end) for end in ends]


def abandoned_parts(folder: Path) -> list[Path]:
    """Return the files that processes left here which were killed."""
    try:
        found = sorted(folder.glob(_PATTERN))
    except OSError:
        return []
    return [path for path in found if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
            return False
        _hold(handle)
        return True
    except OSError:
        # Somebody holds it; or there are no such locks, and nobody knows.
        return False
    finally:
        os.close(handle)


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the files that processes left here which were killed; return which these were."""
    found = abandoned_parts(folder)
    for path in found:
        _remove(path)
    return found


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk.

    Raises:
        ExportError: it does not get there.

    """
    why = ""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        why = error.strerror or type(error).__name__
    if why:
        raise ExportError(f"The file could not be written: {why}.")
