"""What the doctor looks at around the program: the environment, and what runs have left behind."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import time

from bifrost_tui.cli.findings import Finding
from bifrost_tui.display import counted
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_FILE_VARIABLE, KEY_VARIABLE, Settings
from bifrost_tui.terminal import given_core_limit

_DEBUGGING = (
    "LD_AUDIT",
    "LD_PRELOAD",
    "PYTHONASYNCIODEBUG",
    "PYTHONBREAKPOINT",
    "PYTHONDEBUG",
    "PYTHONDEVMODE",
    "PYTHONDUMPREFS",
    "PYTHONDUMPREFSFILE",
    "PYTHONINSPECT",
    "PYTHONSTARTUP",
    "PYTHONTRACEMALLOC",
    "PYTHONVERBOSE",
)
_PASSWORD = re.compile(r"postgres[a-z+]*:(//[^/@]*:[^/@]+@|[^?]*\?(.*&)?password=)")
_NAMED = 5
_MINUTE = 60
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where `run --file` keeps its private folders
_PRIVATE = re.compile(r"\.bifrost-[0-9a-f]{32}")


def environment(
    settings: Settings, cleared: Collection[str], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Look for what lets others read along."""
    source = settings.key_source
    if source is not None and source.name == KEY_VARIABLE:
        yield Finding(
            "warning",
            "environment",
            f"The master key stands in {KEY_VARIABLE}: whatever runs as this user can read it from"
            " the shell that set it (/proc/PID/environ), and every program started there gets it.",
            f"Put it into a file of mode 0600, name that in {KEY_FILE_VARIABLE}, and unset it.",
        )
    passwords = [name for name in ("PGPASSWORD",) if environ.get(name)]
    if _PASSWORD.match(environ.get(DATABASE_VARIABLE, "")):
        passwords.append(DATABASE_VARIABLE)
    if passwords:
        yield Finding(
            "warning",
            "environment",
            f"The database's password stands in {' and '.join(passwords)}: whatever runs as this"
            " user can read it there.",
            "Put it into ~/.pgpass, mode 0600, and take it out of the variable.",
        )
    found = sorted({*cleared, *(name for name in _DEBUGGING if environ.get(name))})
    if found:
        yield Finding(
            "warning",
            "environment",
            f"Debug variables are set: {', '.join(found)}. They can make programs write down what"
            " is typed, or run other code inside them.",
            f"Run: unset {' '.join(found)}",
        )
    yield from _code(_places())
    yield from _core_files()


def _places() -> list[str]:
    return list(dict.fromkeys(sys.path))


def _code(places: Collection[str]) -> Iterator[Finding]:
    """Look at who else can change the code that Python runs here."""
    open_ones = []
    for place in places:
        with suppress(OSError):
            status = os.stat(place or ".")  # noqa: PTH116  # an empty one is the folder at hand
            writable = status.st_mode & 0o002 or (
                status.st_mode & 0o020 and _has_others(status.st_gid)
            )
            if writable and not status.st_mode & stat.S_ISVTX:
                open_ones.append(str(Path(place).absolute()))
    if open_ones:
        yield Finding(
            "error",
            "environment",
            f"Python takes code from where others can put it: {', '.join(open_ones[:_NAMED])}. That"
            " code is given every value.",
            f"Run: chmod go-w {' '.join(open_ones[:_NAMED])}; or take it out of PYTHONPATH.",
        )


def _has_others(group: int) -> bool:
    """Tell whether a group is known to have members beside this user and root."""
    import grp
    import pwd

    try:
        members = set(grp.getgrgid(group).gr_mem)
        return bool(members - {"root", pwd.getpwuid(os.geteuid()).pw_name})
    except KeyError:
        return False


def _core_files() -> Iterator[Finding]:
    limit = given_core_limit()
    if limit is None or limit[0] == 0:
        return
    yield Finding(
        "note",
        "core files",
        "The limit of core files is not 0: Bifrost TUI itself leaves none, but a command of `run`"
        " that crashes may leave its memory, with the values in it, on the disk.",
        "Run in the shell that starts it: ulimit -c 0",
    )


def left_by_runs(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look for private folders of runs that are gone: there are values in them."""
    given = environ.get("XDG_RUNTIME_DIR", "")
    places = [Path(given)] if given.startswith("/") else []
    folders = []
    for place in dict.fromkeys((*places, _SHARED_MEMORY)):
        with suppress(OSError):
            folders += [each for each in place.iterdir() if _PRIVATE.fullmatch(each.name)]
    for folder in sorted(folders):
        if _abandoned(folder):
            with suppress(OSError):
                files = len(os.listdir(folder))  # noqa: PTH208  # names are not looked at
                yield Finding(
                    "error",
                    "left over",
                    f"{folder} holds {counted(files, 'file')} with values, of a run that is gone.",
                    f"Run: rm -r {folder} - and rotate what others may have read.",
                    partial(_remove, folder),
                )


def _abandoned(folder: Path) -> bool:
    """Tell whether no run has a folder any more: each holds a lock on its own."""
    handle = -1
    try:
        status = folder.lstat()
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        # A younger one may be about to be locked.
        if not own or time() - status.st_mtime < _MINUTE:
            return False
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        if handle >= 0:
            os.close(handle)


def _remove(folder: Path) -> str:
    # Follows no link, also where one is put in its place meanwhile.
    shutil.rmtree(folder)
    return "Done: it was removed."
