"""Base64 with line breaks in it, and forms too long to be searched for as a whole."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

from bifrost_tui.scrubbing.forms import Closed

HEAD = 1024
"""Of a longer form, as many bytes are searched for; the rest is followed."""
APART = 32
"""The fewest characters of base64 between two line breaks."""
LONGEST_BREAK = 16
"""The most carriage returns and newlines that count as one line break."""

_BREAK = re.compile(rb"[\r\n]+")
_BREAKS = b"\r\n"


class Unbroken(NamedTuple):
    """Base64 without its line breaks."""

    characters: bytes
    gaps: list[tuple[int, int]]
    """Before which character a line break stood, and how long it was."""
    whole: bool
    """Whether this is all there is: nothing but the end of the text ended it."""

    def length(self, count: int) -> int:
        """Return how many bytes of the text that many characters take."""
        return count + sum(length for before, length in self.gaps if before < count)

    def line(self, count: int) -> int:
        """Return how many of so many characters stand behind the last line break in them."""
        return count - max((before for before, _ in self.gaps if before < count), default=0)


def unbroken(text: bytes, start: int, size: int) -> Unbroken:
    """Return up to ``size`` characters from ``start``, as far as the line breaks stand apart."""
    characters = text[start : start + size]
    if b"\n" not in characters and b"\r" not in characters and len(characters) < size:
        return Unbroken(characters, [], whole=True)
    parts: list[bytes] = []
    gaps: list[tuple[int, int]] = []
    count, at = 0, start
    while True:
        limit = min(len(text), at + size - count)
        found = _BREAK.search(text, at, limit)
        stop = found.start() if found else limit
        parts.append(text[at:stop])
        count += stop - at
        if not found:
            return Unbroken(b"".join(parts), gaps, whole=stop == len(text))
        end = break_end(text, stop)
        if (gaps and stop - at < APART) or end - stop > LONGEST_BREAK:
            return Unbroken(b"".join(parts), gaps, whole=False)
        if end == len(text):
            return Unbroken(b"".join(parts), gaps, whole=True)
        gaps.append((count, end - stop))
        at = end


def break_end(text: bytes, start: int) -> int:
    """Return where a line break ends, or, of one that is too long, a place that shows it."""
    found = _BREAK.match(text, start, start + LONGEST_BREAK + 1)
    return found.end() if found else start


def before(text: bytes, at: int, count: int) -> int:
    """Return where the character stands that is ``count`` before ``at``, or -1.

    Line breaks are passed over, but no more of them than make one.
    """
    start = at - count
    if start < 0:
        return -1
    skipped = text[start:at]
    if b"\n" not in skipped and b"\r" not in skipped:
        return start
    last = max(0, start - LONGEST_BREAK)
    while count:
        at -= 1
        if at < last:
            return -1
        count -= text[at] not in _BREAKS
    return at


def agreement(one: bytes, other: bytes) -> int:
    """Return how many bytes at their beginnings are the same."""
    agree, differ = 0, min(len(one), len(other))
    if one[:differ] == other[:differ]:
        return differ
    while differ - agree > 1:
        middle = (agree + differ) // 2
        if one[agree:middle] == other[agree:middle]:
            agree = middle
        else:
            differ = middle
    return agree


class LongForm(Closed):
    """A form that is longer than what is searched for; ``broken``: it may have line breaks."""

    __slots__ = ("_again", "_borders", "broken", "data")

    def __init__(self, data: bytes, *, broken: bool) -> None:
        self.data = data
        self.broken = broken
        self._again: int | None = None
        self._borders: array[int] | None = None

    def border(self, size: int) -> int:
        """Return the longest other beginning that the first ``size`` bytes end with.

        Where that is shorter than what is searched for, it is zero.
        """
        if self._again is None:
            self._again = self.data.find(self.data[:HEAD], 1)
        if self._again < 0 or self._again + HEAD > size:
            return 0
        if self._borders is None:
            self._borders = _borders(self.data)
        border = self._borders[size]
        return border if border >= HEAD else 0


def _borders(data: bytes) -> array[int]:
    borders = array("I", bytes(4 * (len(data) + 1)))
    border = 0
    for at in range(1, len(data)):
        while border and data[at] != data[border]:
            border = borders[border]
        border += data[at] == data[border]
        borders[at + 1] = border
    return borders


class Follower(Closed):
    """The place in a text up to which a long form has been found, and the place in the form."""

    __slots__ = ("_line", "_matched", "alive", "at", "form")

    def __init__(self, form: LongForm, at: int, line: int) -> None:
        self.form = form
        self.at = at
        self.alive = True
        self._matched = HEAD
        self._line = line

    def follow(self, text: bytes) -> int:
        """Go on in the text; return up to where it agrees with the form.

        Behind that, ``at`` stands at the end of the text, or before a line break at its end.
        """
        end = self.at
        self._fall_back()
        while self.alive and self.at < len(text):
            if self.form.broken and text[self.at] in _BREAKS:
                after = break_end(text, self.at)
                self.alive = self._line >= APART and after - self.at <= LONGEST_BREAK
                if after == len(text):
                    break
                self.at, self._line = after, 0
                continue
            stop = self._line_end(text)
            count = agreement(text[self.at : stop], self._rest(stop - self.at))
            self.at += count
            self._line += count
            self._matched += count
            if count:
                end = self.at
            self._fall_back(disagrees=self.at < stop)
        return end

    def _line_end(self, text: bytes) -> int:
        found = _BREAK.search(text, self.at) if self.form.broken else None
        return found.start() if found else len(text)

    def _rest(self, count: int) -> bytes:
        return self.form.data[self._matched : self._matched + count]

    def _fall_back(self, *, disagrees: bool = False) -> None:
        """Where the form does not go on as the text does, take it up further back."""
        if disagrees or self._matched == len(self.form.data):
            self._matched = self.form.border(self._matched)
            self.alive = self._matched > 0
