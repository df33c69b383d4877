"""Files that appear whole or not at all, and progress for whoever watches."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from bifrost_tui.cli.output import emit
from bifrost_tui.cli.session import opened, this_origin
from bifrost_tui.errors import AccessDeniedError, BifrostError

_BUFFERED = 256 * 1024
_BAR = 30
_AFTER = 0.3
"""Seconds before a bar is drawn: what is done sooner needs none."""


class ExportError(BifrostError):
    """A file cannot be written."""


def host_file(name: str, command: str) -> Path | None:
    """Return the file of the host that a command names; nothing for ``-``, standard output.

    Raises:
        AccessDeniedError: it is not for this session; that is told in the log.

    """
    if name == "-":
        return None
    try:
        return this_origin().path(name)
    except AccessDeniedError as error:
        refused = error
    from bifrost_tui.store.sessions import tell_refused

    with opened() as session:
        tell_refused(session.repository, session.access, command)
    raise refused


@contextmanager
def written(target: Path | None, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """Give what writes into a file that is there once all is written; without one, to the output.

    Raises:
        ExportError: the file is there already, or cannot be written; then nothing has changed.

    """
    waiting = bytearray()

    def buffered(put: Callable[[bytes], object]) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            waiting.extend(data)
            if len(waiting) > _BUFFERED:
                put(bytes(waiting))
                waiting.clear()

        return write

    if target is None:
        yield buffered(emit)
        emit(bytes(waiting))
        return
    name = target.name
    if target.is_dir():
        raise ExportError(f"{name} is a folder. Name a file.")
    if os.path.lexists(target) and not force:
        raise ExportError(f"There is a file {name} already. --force replaces it.")
    handle, temporary = _temporary(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield buffered(_putting(file.write, name))
            _putting(file.write, name)(bytes(waiting))
            problem = _failed(file.flush) or _failed(lambda: os.fsync(file.fileno()))
        problem = problem or _failed(lambda: _rename(temporary, target, force=force))
        if problem:
            raise ExportError(f"The file {name} could not be written: {problem}.")
    finally:
        with suppress(OSError):
            Path(temporary).unlink()


def _temporary(target: Path) -> tuple[int, str]:
    """Make an empty file beside another one, readable for its owner alone."""
    problem = ""
    try:
        return mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        problem = f"The file {target.name} cannot be made: {error.strerror}."
    raise ExportError(problem)


def _putting(write: Callable[[bytes], object], name: str) -> Callable[[bytes], None]:
    def put(data: bytes) -> None:
        if problem := _failed(lambda: write(data)):
            raise ExportError(f"The file {name} could not be written: {problem}.")

    return put


def _failed(work: Callable[[], object]) -> str:
    """Do something with a file; return why it failed."""
    try:
        work()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _rename(temporary: str, target: Path, *, force: bool) -> None:
    if force:
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


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give what shows how far something is, on standard error where that is a terminal."""
    error = sys.stderr
    if error is None or not error.isatty():
        yield lambda _done, _total: None
        return
    begun = time.monotonic()
    drawn = -1

    def step(done: int, all_of_it: int) -> None:
        nonlocal drawn
        percent = 100 * done // max(all_of_it, 1)
        if percent == drawn or time.monotonic() - begun < _AFTER:
            return
        drawn = percent
        full = _BAR * percent // 100
        bar = f"{'#' * full}{'.' * (_BAR - full)}"
        with suppress(OSError):
            error.write(f"\r{label}  {bar}  {percent:3} %  {done:,} of {all_of_it:,}")
            error.flush()

    try:
        yield step
    finally:
        if drawn >= 0:
            with suppress(OSError):
                error.write("\r\x1b[K")
                error.flush()
