"""Values in private files that a command finds by links, and that are gone after the run.

They are gone too where this process is killed: a second one waits for its end, whatever the end is.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

from bifrost_tui.display import visible
from bifrost_tui.errors import CommandError

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # what is put there is in a folder of its own


class _Entry(NamedTuple):
    folder: str
    link: str
    target: str


class PrivateFiles:
    """The files of one run: there while this is entered, on memory-backed storage if there is any.

    Enter it before any thread is started.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._memory = _Memory()
        self._storage = self._memory.folder(environ)
        self._on_disk = False
        self._entries: list[_Entry] = []
        self._held: list[int] = []
        self._pipe = -1
        self._watcher = 0

    def __enter__(self) -> Self:
        read, self._pipe = os.pipe()
        ready, is_ready = os.pipe()
        # They stay blocked in the watcher: it ends when its work is done.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._watcher = os.fork()
            if not self._watcher:
                _watch(read, is_ready)
            os.close(is_ready)
            is_ready = -1
            # From then on a signal to our group does not end it with us.
            os.read(ready, 1)
        except OSError as error:
            os.close(self._pipe)
            reason = visible(error.strerror or "unknown reason")
            raise CommandError(f"No process to remove the files can be made: {reason}.") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for end in (read, ready, is_ready):
                if end >= 0:
                    os.close(end)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for entry in self._entries:
            _remove(entry)
        self._entries.clear()
        for handle in self._held:
            os.close(handle)
        self._held.clear()
        os.close(self._pipe)
        with suppress(ChildProcessError):
            os.waitpid(self._watcher, 0)

    @property
    def on_disk(self) -> bool:
        """Whether a file had to be put on a disk: there is no memory-backed storage here."""
        return self._on_disk

    def add(self, path: Path, data: bytes) -> None:
        """Put a value into a private file and make ``path`` a link to it.

        Raises:
            CommandError: something is at ``path`` already, or nothing can be put there.

        """
        # A folder that is a link may be pointed elsewhere meanwhile.
        link = Path(os.path.realpath(path.parent), path.name)
        _require_free(link, visible(str(path)))
        storage = self._storage
        if storage is None:
            storage = link.parent
            self._on_disk = self._on_disk or not self._memory.holds(storage)
        folder = storage / f".bifrost-{secrets.token_hex(16)}"
        entry = _Entry(str(folder), str(link), str(folder / link.name))
        self._entries.append(entry)
        # The one that removes it hears of it before it is there.
        self._tell("\0".join(entry))
        problem = ""
        try:
            folder.mkdir(mode=0o700)
            # Whatever the umask takes away; the same for the file.
            folder.chmod(0o700)
            self._held.append(_held(folder))
            _write(entry.target, data)
            link.symlink_to(entry.target)
        except OSError as error:
            problem = error.strerror or "unknown reason"
        if problem:
            raise CommandError(f"{visible(str(path))} cannot be written: {visible(problem)}.")

    def _tell(self, text: str) -> None:
        data = memoryview(os.fsencode(text) + b"\0\0")
        while data:
            try:
                data = data[os.write(self._pipe, data) :]
            except OSError:
                # It is gone; what ends in an orderly way is removed all the same.
                raise CommandError("What removes the files of --file has ended.") from None


def _held(folder: Path) -> int:
    """Lock a folder as long as this process lives: who finds it unlocked, finds it left over."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return handle


def _require_free(link: Path, shown: str) -> None:
    if not link.name:
        raise CommandError(f"{shown} is a folder. Name a file that is not there yet.")
    if os.path.lexists(link):
        raise CommandError(f"{shown} is there already and is not overwritten. Name another path.")
    if not link.parent.is_dir():
        raise CommandError(f"The folder of {shown} does not exist.")
    if not os.access(link.parent, os.W_OK | os.X_OK):
        raise CommandError(f"The folder of {shown} cannot be written to.")


def _write(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123  # there is no path to it yet
        os.fchmod(file.fileno(), 0o600)
        file.write(data)


def _remove(entry: _Entry) -> None:
    """Remove a link that is still ours, and the folder with all that the command put there."""
    with suppress(OSError):
        link = Path(entry.link)
        if str(link.readlink()) == entry.target:
            link.unlink()
    shutil.rmtree(entry.folder, ignore_errors=True)


class _Memory:
    """Which file systems are kept in memory."""

    def __init__(self) -> None:
        self._devices: set[str] = set()
        with suppress(OSError):
            for line in _MOUNTS.read_text(errors="replace").splitlines():
                before, _, after = line.partition(" - ")
                if after.partition(" ")[0] in _IN_MEMORY:
                    self._devices.add(before.split()[2])

    def holds(self, folder: Path) -> bool:
        """Say whether a folder is kept in memory."""
        try:
            device = folder.stat().st_dev
        except OSError:
            return False
        return f"{os.major(device)}:{os.minor(device)}" in self._devices

    def folder(self, environ: Mapping[str, str]) -> Path | None:
        """Return a folder kept in memory that this user can make folders in."""
        given = environ.get("XDG_RUNTIME_DIR", "")
        candidates = [Path(given)] if given.startswith("/") else []
        for folder in (*candidates, _SHARED_MEMORY):
            if folder.is_dir() and self.holds(folder) and os.access(folder, os.W_OK | os.X_OK):
                return folder
        return None


def _watch(pipe: int, is_ready: int) -> NoReturn:
    """Wait until nobody holds the other end of the pipe any more; remove what was named there.

    In a process of its own, which does not return. It closes ``is_ready`` once it is in a group of
    its own.
    """
    try:
        os.setsid()
        os.close(is_ready)
        os.chdir("/")
        _close_all_but(pipe)
        data = b""
        while more := os.read(pipe, 65536):
            data += more
        for record in data.split(b"\0\0")[:-1]:
            _remove(_Entry(*map(os.fsdecode, record.split(b"\0"))))
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    try:
        # As many as there are: the limit may be a billion.
        numbers = [int(path.name) for path in Path("/dev/fd").iterdir()]
    except (OSError, ValueError):
        numbers = list(range(4096))
    for number in numbers:
        if number != kept:
            with suppress(OSError):
                os.close(number)
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number not in {kept, null}:
            os.dup2(null, number)
