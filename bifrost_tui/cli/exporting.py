"""Files that appear whole or not at all, and progress for whoever watches."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bifrost_tui.cli.output import emit
from bifrost_tui.cli.session import opened, this_origin
from bifrost_tui.display import visible
from bifrost_tui.errors import AccessDeniedError
from bifrost_tui.whole_file import Buffered, ExportError, FileThereError, check_target, whole_file

__all__ = ["ExportError", "host_file", "progress", "written"]

_BAR = 30
_AFTER = 0.3
"""Seconds before a bar is drawn: what is done sooner needs none."""


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
    if target is None:
        buffered = Buffered(emit)
        yield buffered.write
        buffered.flush()
        return
    check_target(target)
    if not force and os.path.lexists(target):
        raise FileThereError(
            f"There is a file {visible(target.name)} already. --force replaces it."
        )
    with whole_file(target, replace=force) as write:
        yield write


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
