"""Questions that are asked although standard input is a pipe: at the terminal itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO, TextIOWrapper
from pathlib import Path

import click

from bifrost_tui.cli.entering import answer, from_terminal

Ask = Callable[[str], str]
"""Asks a question and returns the line that is typed."""

_TERMINAL = Path("/dev/tty")


@contextmanager
def asker(*, piped: bool) -> Iterator[Ask | None]:
    """Give what asks a question; ``None`` where there is nobody to ask.

    ``piped`` says that standard input is for data, so that the terminal itself is asked.
    """
    if not piped:
        yield answer if from_terminal() else None
        return
    try:
        handle = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        handle = -1
    if handle < 0:
        yield None
        return
    with TextIOWrapper(FileIO(handle, "r"), errors="replace") as terminal:

        def ask(question: str) -> str:
            click.echo(question, err=True, nl=False)
            return terminal.readline().rstrip("\n")

        yield ask
