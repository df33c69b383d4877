"""A small disk of its own for a test, which can be filled and made read-only: for root alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FILLER = "filler"


class Disk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, *, leave: int = 0) -> None:
        """Fill it, but for so many bytes."""
        with (self.folder / _FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        with (self.folder / _FILLER).open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            # The last page may be there in part.
            with suppress(OSError):
                while True:
                    size += file.write(b"\0" * 512)
            file.truncate(max(0, size - leave))

    def free(self) -> None:
        """Take away what fills it."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def read_only(self, wanted: bool) -> None:
        """Let nothing be written on it, or let it be again."""
        _mount("-o", f"remount,{'ro' if wanted else 'rw'}", str(self.folder))

    @contextmanager
    def failing(self, how: str) -> Iterator[None]:
        """Let it be ``full``, or ``read-only``, as long as the block runs."""
        if how == "full":
            self.fill()
        else:
            self.read_only(True)
        try:
            yield
        finally:
            if how == "full":
                self.free()
            else:
                self.read_only(False)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, megabytes: int = 4) -> Iterator[Disk]:
    """Make a disk of a size, give it, and take it away.

    Raises:
        LookupError: that may not be done here; a test is skipped then.

    """
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        problem = f"no file system may be mounted: {type(error).__name__}"
    else:
        try:
            yield Disk(folder)
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        return
    raise LookupError(problem)
