"""Data on standard output, words on standard error; no text of the database is obeyed by either."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TextIO
from unicodedata import category, east_asian_width

from bifrost_tui.display import ELLIPSIS, visible
from bifrost_tui.errors import BifrostError

GAP = "  "
_NARROWEST = 6
"""How many cells a column keeps when a table is fitted into a terminal."""
_BUFFERED = 64 * 1024


class OutputError(BifrostError):
    """Standard output does not take what is written."""


def say(text: str) -> None:
    """Write a line of words to standard error; nowhere if that was closed."""
    if sys.stderr is None:
        # Else Python would print among the data.
        return
    try:
        print(visible(text), file=sys.stderr)  # noqa: T201
    except OSError:
        # Nobody is there to be told; what was done is done.
        _drop(sys.stderr)


def complain(message: str) -> None:
    """Write what went wrong to standard error."""
    say(f"bifrost-tui: {message}")


def to_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def emit(data: bytes) -> None:
    """Write data to standard output as it is; nowhere if that was closed.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: its reader is gone; click ends the program quietly.

    """
    if sys.stdout is None:
        return
    problem = None
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = error.strerror
        _drop(sys.stdout)
    if problem is not None:
        raise OutputError(f"Standard output could not be written: {problem}.")


def _drop(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: Python would fail on it once more at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def emit_text(text: str) -> None:
    """Write text for people; what the encoding of the terminal lacks is written out."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    emit(text.encode(encoding, "backslashreplace"))


def json_text(value: Any) -> str:
    """Return a value as JSON that is legible and holds no character a terminal would obey."""
    return re.sub(r"[^ -~\n]", _escaped, json.dumps(value, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return character if visible(character) == character else json.dumps(character)[1:-1]


def emit_json(value: Any) -> None:
    """Write one JSON value, in UTF-8."""
    emit(f"{json_text(value)}\n".encode())


def emit_json_array(objects: Iterable[Any]) -> None:
    """Write a JSON array, an object a line, as its objects come."""
    waiting = "["
    empty = True
    for value in objects:
        waiting += f"{'' if empty else ','}\n{json_text(value)}"
        empty = False
        if len(waiting) > _BUFFERED:
            emit(waiting.encode())
            waiting = ""
    emit(f"{waiting}{'' if empty else chr(10)}]\n".encode())


def emit_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Write names and what they stand for, one a line; those that stand for nothing are left out.

    Nothing is shortened: a terminal wraps what is too long.
    """
    shown = [(name, visible(text)) for name, text in facts if text]
    width = max((len(name) for name, _ in shown), default=0)
    emit_text("".join(f"{name:{width}}{GAP}{text}\n" for name, text in shown))


def emit_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()
) -> None:
    """Write aligned columns; a column that is empty in every row is left out.

    On a terminal, what does not fit is shortened and ends in an ellipsis, so that a row stays a
    line. Into a pipe or a file, everything is written whole. The last column is never padded.
    """
    lines = [[visible(cell) for cell in row] for row in rows]
    kept = [index for index in range(len(header)) if not index or any(row[index] for row in lines)]
    titles = [header[index] for index in kept]
    body = [[row[index] for index in kept] for row in lines]
    widths = [
        max(cells(title), *(cells(row[index]) for row in body)) if body else cells(title)
        for index, title in enumerate(titles)
    ]
    limit = shutil.get_terminal_size().columns if to_terminal() else None
    if limit is not None:
        widths = _fitted(widths, limit)
    right = [title in numbers for title in titles]
    emit_text("".join(_line(row, widths, right, limit) for row in (titles, *body)))


def _fitted(widths: list[int], limit: int) -> list[int]:
    """Take from the widest columns until a row fits, or until none has anything to give."""
    fitted = list(widths)
    over = sum(fitted) + len(GAP) * (len(fitted) - 1) - limit
    while over > 0 and max(fitted) > _NARROWEST:
        widest = fitted.index(max(fitted))
        second = max((width for width in fitted if width < fitted[widest]), default=_NARROWEST)
        less = min(over, max(fitted[widest] - max(second, _NARROWEST), 1))
        fitted[widest] -= less
        over -= less
    return fitted


def _line(
    row: Sequence[str], widths: Sequence[int], right: Sequence[bool], limit: int | None
) -> str:
    last = len(row) - 1
    parts = []
    for index, (text, width) in enumerate(zip(row, widths, strict=True)):
        shown = text if limit is None else shortened(text, width)
        pad = " " * (width - cells(shown)) if right[index] or index != last else ""
        parts.append(pad + shown if right[index] else shown + pad)
    line = GAP.join(parts).rstrip()
    return f"{line if limit is None else shortened(line, limit)}\n"


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1


def shortened(text: str, width: int) -> str:
    """Cut a text to so many cells, the last of them an ellipsis where it was cut."""
    if cells(text) <= width:
        return text
    room = width - 1
    kept = []
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS
