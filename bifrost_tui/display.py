"""What text of the database looks like on a terminal: data, never markup, never a sequence.

Everything that came from a user or the database passes through :func:`visible` on its way to a
screen or to standard output, whatever draws it afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from unicodedata import category

MASK = "•" * 8
"""What stands for every secret, whatever its length."""

ELLIPSIS = "…"

# Controls, format characters (bidirectional overrides, joiners, tags), surrogates, private use,
# unassigned, line and paragraph separators, and every blank that is not the space.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters and marks that draw nothing: Hangul fillers, Khmer inherent vowels, the Braille blank,
# combining grapheme joiner and variation selectors, which also change the width of what stands
# before them.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_PLAIN = re.compile(r"[ -~]*")


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    if character == " ":
        return character
    if category(character) not in _HIDDEN and character not in _BLANK:
        return character
    if named := _NAMED.get(character):
        return named
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    r"""Return ``text`` on one line, with whatever a terminal would obey or hide written out.

    An escape character becomes ``\x1b``, a newline ``\n``, a right-to-left override ``\u202e``.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """Return ``text`` like :func:`visible`, with its line breaks kept."""
    return "\n".join(map(visible, text.split("\n")))


def shorten(text: str, length: int) -> str:
    """Cut ``text`` to ``length`` characters, the last of them an ellipsis where it was cut."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + ELLIPSIS


def some_of(names: Sequence[str], total: int | None = None, most: int = 5) -> str:
    """Name the first few, and count the others: ``a, b and 3 more``.

    With ``total``, which is how many there are, ``names`` are those few.
    """
    shown = names[:most] if total is None else names
    more = (len(names) if total is None else total) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def age(then: datetime, now: datetime) -> str:
    """Say how long ago ``then`` was: ``now``, ``12 min``, ``2 h``, ``97 d``, ``3 y``."""
    past = max(now - then, timedelta(0))
    if past >= timedelta(days=365):
        return f"{past.days // 365} y"
    if past.days:
        return f"{past.days} d"
    minutes = past.seconds // 60
    if minutes >= 60:
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else "now"


def ago(then: datetime, now: datetime) -> str:
    """Say it with the word: ``just now``, ``12 min ago``."""
    past = age(then, now)
    return "just now" if past == "now" else f"{past} ago"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 config``, ``2 configs``, ``12,345 configs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
