"""What the doctor looks at on the host's disk: folders, files, copies, what was left, and room."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import time

from bifrost_tui.cli.findings import Finding
from bifrost_tui.display import counted, some_of
from bifrost_tui.errors import BifrostError
from bifrost_tui.settings import DATABASE_VARIABLE, FROM_SYSTEMD, Settings
from bifrost_tui.store.part_files import abandoned_parts, beside, remove_abandoned

_LEAST_FREE = 100 * 1024 * 1024
_DAY = 86_400
_OLD = 30 * _DAY
# What migrations and restores leave behind the name of the database, with the moment.
_COPY = re.compile(r"\.(schema-[0-9]{4}|before-restore)\.[0-9]{8}-[0-9]{6}(\.[0-9]+)?\.bak")
# What is left where the program was killed while it wrote a file beside these.
_UNFINISHED = re.compile(r"\.(.+)\.(?:[a-z0-9_]{8}|[0-9a-f]{16})")
_MOUNTS = Path("/proc/self/mountinfo")
# Their locks are another host's, or none; a write-ahead log needs memory that all its users share.
_NETWORK = re.compile(r"nfs4?|cifs|smb3?|smbfs|afs|9p|ceph|glusterfs|fuse\.(sshfs|s3fs|rclone)")


class NotMendedError(BifrostError):
    """What stands there is not what may be changed without being asked for."""


def folders(settings: Settings) -> Iterator[Finding]:
    """Look at who else gets at the folders."""
    path, ours = settings.database_path, settings.database_from != DATABASE_VARIABLE
    looked_at: dict[Path, bool] = {}
    if path is not None:
        looked_at[path.parent] = ours
        looked_at.setdefault(_resolved(path).parent, False)
    looked_at[settings.folder] = True
    source = settings.key_source
    if source is not None and source.path is not None and source.name != FROM_SYSTEMD:
        looked_at.setdefault(source.path.parent, False)
    for folder, private in looked_at.items():
        mode = _mode(folder)
        # In a folder like /tmp nobody can replace what another user owns.
        if mode & 0o022 and not mode & stat.S_ISVTX:
            yield Finding(
                "error",
                "folder",
                f"{folder} can be written by others (mode {mode & 0o777:04o}): they can replace"
                " what is in it.",
                f"Run: chmod {'700' if private else 'go-w'} {folder}",
                # One that is not ours may be shared with somebody for a reason.
                partial(set_mode, folder, 0o700) if private else None,
            )
        elif mode & 0o077 and private:
            yield Finding(
                "warning",
                "folder",
                f"{folder} is open to others (mode {mode & 0o777:04o}).",
                f"Run: chmod 700 {folder}",
                partial(set_mode, folder, 0o700),
            )


def files(settings: Settings) -> Iterator[Finding]:
    """Look at who else can read the database, its copies and the key, and at the settings file."""
    path = settings.database_path
    if path is not None:
        key = open_key_file(settings)
        for file in (file for file in _of_database(path) if file != key):
            yield from _file(file, mendable=_is_ours(file, path))
        yield from _writable(path)
        yield from _copies(path)
    if key := open_key_file(settings):
        yield Finding(
            "error",
            "key",
            f"The key file {key} is open to others (mode {_mode(key) & 0o777:04o}): it is not read,"
            " and the database stays shut.",
            f"Run: chmod 600 {key}",
            partial(set_mode, key, 0o600),
        )
    preferences = settings.folder / "config.toml"
    mode = _mode(preferences)
    if mode & 0o022:
        yield Finding(
            "warning",
            "file",
            f"{preferences} can be written by others (mode {mode & 0o777:04o}).",
            f"Run: chmod 600 {preferences}",
            partial(set_mode, preferences, 0o600),
        )


def open_key_file(settings: Settings) -> Path | None:
    """Return the key file, where others can read or change it."""
    source = settings.key_source
    if source is None or source.path is None or source.name == FROM_SYSTEMD:
        return None
    mode = _mode(source.path)
    return source.path if mode & 0o077 and stat.S_ISREG(mode) else None


def _file(file: Path, *, mendable: bool) -> Iterator[Finding]:
    status = _status(file)
    if status is None or not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & 0o077:
        yield Finding(
            "error",
            "file",
            f"{file} is open to others (mode {status.st_mode & 0o777:04o}).",
            f"Run: chmod 600 {file}",
            partial(set_mode, file, 0o600) if mendable and not file.is_symlink() else None,
        )
    if status.st_uid not in (os.geteuid(), 0):
        yield Finding(
            "warning",
            "file",
            f"{file} belongs to another user.",
            f"Run as an administrator: chown {os.geteuid()} {file}",
        )


def _writable(path: Path) -> Iterator[Finding]:
    """Look whether changes can be saved; root is refused only where the disk is."""
    file = _resolved(path)
    if not file.is_file():
        return
    try:
        fixed = bool(os.statvfs(file.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return
    closed = [part for part in (file, file.parent) if not os.access(part, os.W_OK)]
    logs = beside(file, ("-wal", "-shm"))
    if fixed:
        yield Finding(
            "error",
            "disk",
            f"The file system of {file.parent} is read-only: nothing can be changed.",
            "Mount it for writing; if the system did that by itself, look for a failing disk.",
        )
    elif closed:
        yield Finding(
            "error",
            "file",
            f"{closed[0]} cannot be written by {_me()}: nothing can be changed.",
            f"Run as its owner: chmod u+w {closed[0]}",
        )
    else:
        # What SQLite makes beside a file that is read-only is so too, and stays so.
        for log in (log for log in logs if log.exists() and not os.access(log, os.W_OK)):
            yield Finding(
                "error",
                "file",
                f"{log} cannot be written by {_me()}: nothing can be changed.",
                f"Run as its owner: chmod 600 {log}",
                partial(set_mode, log, 0o600),
            )
    kind = _file_system(file.parent)
    if _NETWORK.fullmatch(kind):
        yield Finding(
            "error",
            "disk",
            f"{file.parent} is on a network file system ({kind}): SQLite's locks and its"
            " write-ahead log do not hold there, and the database can be damaged.",
            "Move the database to a local disk, or use PostgreSQL.",
        )


def _copies(path: Path) -> Iterator[Finding]:
    """Name copies that migrations and restores made, and nobody has missed since."""
    old = [
        file
        for file in _of_database(path)
        if _COPY.fullmatch(file.name[len(path.name) :]) and _age(file) > _OLD
    ]
    if old:
        names = some_of([file.name for file in old])
        yield Finding(
            "note",
            "copies",
            f"{counted(len(old), 'copy', 'copies')} of the database from before a change of all of"
            f" it {'is' if len(old) == 1 else 'are'} over 30 days old: {names}. What was"
            " deleted or rotated since is still in there, encrypted.",
            f"Remove what you no longer want from {path.parent}.",
        )


def left_over(settings: Settings) -> Iterator[Finding]:
    """Look for files that were never finished, where the program was killed while it wrote."""
    path = settings.database_path
    places = {settings.folder, *([] if path is None else [path.parent])}
    for file in sorted(part for folder in places for part in abandoned_parts(folder)):
        yield _unfinished(file, partial(_remove_parts, file.parent))
    names = {"config.toml", "secret.key", *([] if path is None else [path.name])}
    for file in sorted(file for folder in places for file in _listed(folder)):
        match = _UNFINISHED.fullmatch(file.name)
        status = _status(file, follow=False)
        if match is None or status is None or not stat.S_ISREG(status.st_mode):
            continue
        of_ours = any(match[1] == name or match[1].startswith(f"{name}.") for name in names)
        # A younger one may be written just now.
        if of_ours and status.st_uid == os.geteuid() and _age(file) > _DAY:
            yield _unfinished(file, partial(_remove, file))


def _unfinished(file: Path, mend: Callable[[], str]) -> Finding:
    return Finding(
        "warning",
        "left over",
        f"{file} was being written when the program was stopped, and is in no use.",
        f"Run: rm {file}",
        mend,
    )


def _remove_parts(folder: Path) -> str:
    remove_abandoned(folder)
    return "Done: it was removed."


def disk(settings: Settings) -> Iterator[Finding]:
    """Look for room: a migration first makes a copy of the database."""
    path = settings.database_path
    if path is None or not path.parent.is_dir():
        return
    free = shutil.disk_usage(path.parent).free
    wanted = max(_LEAST_FREE, 2 * sum(map(_size, _of_database(path)[:1])))
    if free < wanted:
        yield Finding(
            "warning",
            "disk",
            f"{free // 2**20:,} MiB are free in {path.parent}; changes and the copy before a"
            f" migration want {wanted // 2**20:,}.",
            "Free some room.",
        )


def set_mode(path: Path, mode: int) -> str:
    """Set the mode of a file or folder of this user's; what is in its place by a trick stays.

    Raises:
        NotMendedError: it is a link, another user's, or has a second name.
        OSError: the system refuses.

    """
    with _own(path) as held:
        # Through the handle: nobody can put another file there between the look and the change.
        os.chmod(held, mode, follow_symlinks=held != path)  # noqa: PTH101
    return f"Done: its mode is {mode & 0o777:04o} now."


def _remove(path: Path) -> str:
    with _own(path):
        path.unlink()
    return "Done: it was removed."


@contextmanager
def _own(path: Path) -> Iterator[Path]:
    """Give a path that stands for a file or folder of this user's, and for no other."""
    as_path: int | None = getattr(os, "O_PATH", None)
    if as_path is None:
        _check_own(path.lstat())
        yield path
        return
    # As a path alone: closing a file that was opened for reading lets go of SQLite's locks on it.
    handle = os.open(path, as_path | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_own(os.fstat(handle))
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _check_own(status: os.stat_result) -> None:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise NotMendedError("It is a link or no file.")
    if status.st_uid != os.geteuid():
        raise NotMendedError("It belongs to another user.")
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        raise NotMendedError("It has a second name (a hard link), and may be another file.")


def _of_database(path: Path) -> list[Path]:
    """Return the database's files, the database first, and everything that is called like it."""
    real = _resolved(path)
    found = {real, *beside(real), *beside(path)}
    found |= {file for file in _listed(path.parent) if file.name.startswith(path.name)} - {path}
    there = sorted(file for file in found if _status(file, follow=False) and file != real)
    return [real, *there] if _status(real) else there


def _is_ours(file: Path, path: Path) -> bool:
    """Tell whether a file has a name that this program or SQLite gives, and no other may have."""
    if file.name.startswith(path.name) and _COPY.fullmatch(file.name[len(path.name) :]):
        return True
    own = (path, _resolved(path))
    return any(file.name == name.name for each in own for name in (each, *beside(each)))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _status(path: Path, *, follow: bool = True) -> os.stat_result | None:
    try:
        return path.stat() if follow else path.lstat()
    except OSError:
        return None


def _mode(path: Path) -> int:
    status = _status(path)
    return status.st_mode if status else 0


def _size(path: Path) -> int:
    status = _status(path)
    return status.st_size if status else 0


def _age(path: Path) -> float:
    status = _status(path, follow=False)
    return time() - status.st_mtime if status else 0.0


def _me() -> str:
    from bifrost_tui.terminal import actor_name

    return actor_name()


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, where the system says so."""
    try:
        device = folder.stat().st_dev
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[2:3] == [number]:
            return after.partition(" ")[0]
    return ""
