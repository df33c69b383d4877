"""The shortest sequences between two states of a terminal: of its pen, and of its cursor.

Only sequences that every terminal of the last thirty years obeys in the same way are used.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from rich.cells import get_character_cell_size

PLAIN = ""
"""The pen that draws in the terminal's own colours, without attributes."""

RESET = "\x1b[m"

_ON = frozenset({"1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53"})
_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27"}
"""What ends an attribute in every terminal; any other is ended by a reset."""
_ENDED_TOO = {"21": "24"} | _OFF
"""What ends an attribute together with another one: bold with faint, a double line with one."""
_SEEN_ON_BLANKS = frozenset({"4", "5", "6", "7", "8", "9", "21", "51", "52", "53"})
_FOREGROUND = frozenset(map(str, (*range(30, 38), *range(90, 98))))
_BACKGROUND = frozenset(map(str, (*range(40, 48), *range(100, 108))))
_EXTENDED = {"2": 5, "5": 3}
"""How many numbers a colour has: 38;2 and three of the three parts, or 38;5 and its index."""


class Pen(NamedTuple):
    """What a style draws with: attributes, and colours as their codes, empty for the own ones."""

    attributes: frozenset[str]
    foreground: str
    background: str

    @property
    def codes(self) -> str:
        """The numbers that choose this pen after a reset."""
        parts = (*sorted(self.attributes, key=int), self.foreground, self.background)
        return ";".join(part for part in parts if part)


@lru_cache(4096)
def pen_of(codes: str) -> Pen:
    """Read what Textual sends for a style.

    Raises:
        ValueError: there is a code that is not known here.

    """
    attributes: set[str] = set()
    colours = {"3": "", "4": ""}
    numbers = codes.split(";") if codes else []
    at = 0
    while at < len(numbers):
        number = numbers[at]
        length = 1
        if number in {"38", "48"}:
            length = _EXTENDED[numbers[at + 1]]
            colours[number[0]] = ";".join(numbers[at : at + length])
        elif number in {"39", "49"}:
            colours[number[0]] = ""
        elif number in _FOREGROUND:
            colours["3"] = number
        elif number in _BACKGROUND:
            colours["4"] = number
        elif number in _ON:
            attributes.add(number)
        else:
            raise ValueError("an unknown attribute")
        at += length
    return Pen(frozenset(attributes), colours["3"], colours["4"])


@lru_cache(4096)
def on_blanks(codes: str) -> str:
    """Return the pen that draws the same blanks: without what is not seen on them."""
    pen = pen_of(codes)
    seen = pen.attributes & _SEEN_ON_BLANKS
    # Lines and a swapped background are drawn in the foreground's colour.
    return codes if seen else pen._replace(attributes=seen, foreground="").codes


@lru_cache(16384)
def to_draw(before: str | None, wanted: str, *, blanks: bool) -> tuple[str, str]:
    """Return what changes the pen so that it draws as ``wanted`` does, and the pen after that.

    On blanks it may be any pen whose blanks look the same.
    """
    exact = (_change(before, wanted), wanted)
    look = pen_of(wanted)
    if not blanks or before is None or look.attributes & _SEEN_ON_BLANKS:
        return exact
    old = pen_of(before)
    left = old.attributes - _SEEN_ON_BLANKS
    pens = [old._replace(attributes=left, background=look.background)]
    # A field's cursor has mostly the colour of the text in it: swapping colours is shortest.
    # Bold and faint text may have another colour than it was given.
    swapped = old.foreground.startswith("38;2;") and not left & {"1", "2"}
    if swapped and old.foreground[2:] == look.background[2:]:
        pens.append(old._replace(attributes=left | {"7"}))
    ways = [(_change(before, pen.codes), pen.codes) for pen in pens]
    return min((*ways, exact), key=lambda way: len(way[0]))


def _change(before: str | None, after: str) -> str:
    """Return what makes one pen of another."""
    new = pen_of(after)
    full = f"\x1b[0;{new.codes}m" if new.codes else RESET
    if before is None:
        return full
    old = pen_of(before)
    gone = old.attributes - new.attributes
    colours = ((old.foreground, new.foreground), (old.background, new.background))
    if any(name not in _OFF for name in gone) or any(was and not now for was, now in colours):
        return full
    ended = {_OFF[name] for name in gone}
    # What was ended with another one is begun anew.
    kept = {name for name in new.attributes & old.attributes if _ENDED_TOO.get(name) in ended}
    begun = (new.attributes - old.attributes) | kept
    changed = [now for was, now in colours if was != now]
    parts = [*sorted(ended), *sorted(begun, key=int), *changed]
    if not parts:
        return ""
    change = f"\x1b[{';'.join(parts)}m"
    return change if len(change) < len(full) else full


@lru_cache(16384)
def move(before: tuple[int, int] | None, x: int, y: int) -> str:
    """Return what takes the cursor from one cell to another; ``None`` is anywhere."""
    if before == (x, y):
        return ""
    absolute = f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"
    if before is None:
        return absolute
    was_x, was_y = before
    ways = []
    if was_y == y:
        ways.append("\r" if x == 0 else f"\x1b[{x + 1}G")
        ways.append(_steps(x - was_x, "C", "D"))
        if 0 < was_x - x < 4:
            ways.append("\b" * (was_x - x))
    elif was_x == x:
        ways.append(_steps(y - was_y, "B", "A"))
    if x == 0 and 0 < y - was_y < 3:
        # A terminal's line settings may turn a line feed into a return and one, or not.
        ways.append("\r" + "\n" * (y - was_y))
    return min((*ways, absolute), key=len)


def _steps(count: int, forth: str, back: str) -> str:
    number = abs(count)
    return f"\x1b[{number if number > 1 else ''}{forth if count > 0 else back}"


_narrow = {chr(number) for number in range(0x20, 0x7F)}


def are_narrow(text: str) -> bool:
    """Say whether each character takes one cell, in every terminal."""
    if _narrow.issuperset(text):
        return True
    _narrow.update(one for one in text if is_sure(one) and get_character_cell_size(one) == 1)
    return _narrow.issuperset(text)


@lru_cache(4096)
def is_sure(cell: str) -> bool:
    """Say whether every terminal goes on by as many cells as are counted here."""
    if len(cell) != 1 or combining(cell):
        return False
    width = get_character_cell_size(cell)
    if east_asian_width(cell) in "WF":
        # Signs outside the scripts of East Asia are pictures: terminals differ about them.
        return width == 2 and "\u1100" <= cell <= "\uffe6" and not "\u2300" <= cell < "\u2e80"
    return width == 1
