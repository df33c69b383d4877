"""The ways in which a secret's value may be written in a text: as it is, quoted, or encoded.

A form is a byte string that stands for the value alone, whatever is written around it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from typing import NoReturn
from urllib.parse import quote_from_bytes, quote_plus

from bifrost_tui.display import MASK

SHORTEST = 4
"""Values of fewer characters, and forms of fewer bytes, would be found everywhere."""

_WHOLE_LINE = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_SHELL = re.compile(r"[\t\n !\"$&'()*,;<>?\[\\\]^`{|}]")
_TILDE = re.compile(r"(?:^|(?<=[:=]))~")
_CONTROL = re.compile(r"[\x00-\x1f\x7f'\\]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_CONTROL_NAMES = {
    "\x07": "\\a",
    "\x08": "\\b",
    "\x1b": "\\E",
    "\x0c": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\x0b": "\\v",
    "'": "\\'",
    "\\": "\\\\",
}
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_AS_IN_JAVASCRIPT = "!~*'()"
"""What ``encodeURIComponent`` leaves as it is, besides what is never encoded."""


class Closed:
    """What holds parts of values: it shows none of them, and it can neither be copied nor saved."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {MASK}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")


class Forms(Closed):
    """The forms of one value; those in base64 may have line breaks in them."""

    __slots__ = ("base64", "literal")

    def __init__(self, literal: frozenset[bytes], base64: frozenset[bytes]) -> None:
        self.literal = literal
        self.base64 = base64


def forms_of(value: str) -> Forms:
    """Return every form of a value that has at least ``SHORTEST`` bytes.

    A value that ends with a line break has the forms without it too: a shell drops it.
    """
    # A subclass may have a repr of its own.
    value = str.__str__(value)
    literal: set[bytes] = set()
    base64: set[bytes] = set()
    bare = value.rstrip("\r\n")
    for text in {value, bare if len(bare) >= SHORTEST else value}:
        literal |= {_encoded(form) for form in _literal(text)}
        base64.update(_base64(_encoded(text)))
    return Forms(_searched_for(literal), _searched_for(base64))


def _searched_for(forms: set[bytes]) -> frozenset[bytes]:
    return frozenset(form for form in forms if len(form) >= SHORTEST)


def _encoded(text: str) -> bytes:
    # Half a character has bytes too; refusing it would raise an error that holds the text.
    return text.encode("utf-8", "surrogatepass")


def _literal(text: str) -> Iterator[str]:
    yield from _plain(text)
    yield from _percent(text)
    yield from _json(text)
    yield from _shell(text)
    yield from _markup(text)
    data = _encoded(text)
    yield data.hex()
    yield data.hex().upper()
    yield repr(text)[1:-1]
    yield repr(data)[2:-1]


def _plain(text: str) -> Iterator[str]:
    unix = text.replace("\r\n", "\n")
    yield text
    yield unix
    yield text.replace("\n", "\r\n")
    yield unix.replace("\n", "\r\n")
    lines = unix.split("\n")
    if len(lines) > 1:
        yield from (line for line in lines if _WHOLE_LINE.fullmatch(line))


def _percent(text: str) -> Iterator[str]:
    data = _encoded(text)
    for form in (
        quote_from_bytes(data, safe=""),
        quote_from_bytes(data, safe="/"),
        quote_from_bytes(data, safe=_AS_IN_JAVASCRIPT),
        quote_plus(data),
    ):
        yield form
        yield _PERCENT.sub(lambda found: found[0].lower(), form)


def _json(text: str) -> Iterator[str]:
    once = set(_json_strings(text))
    yield from once
    for form in once:
        yield from _json_strings(form)


def _json_strings(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        form = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield form
        yield form.replace("/", "\\/")
        yield (
            form.replace("<", "\\u003c")
            .replace(">", "\\u003e")
            .replace("&", "\\u0026")
            .replace("\u2028", "\\u2028")
            .replace("\u2029", "\\u2029")
        )


def _shell(text: str) -> Iterator[str]:
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    bare = _SHELL.sub(r"\\\g<0>", text)
    # Bash escapes these two only where a shell would read more than a character in them.
    home = _TILDE.sub(r"\\~", bare)
    yield bare
    yield home
    yield f"\\{home}" if text.startswith("#") else home
    named = _CONTROL.sub(lambda found: _named(found[0]), text)
    yield named
    yield _BEYOND_ASCII.sub(lambda found: _octal(found[0]), named)


def _named(character: str) -> str:
    return _CONTROL_NAMES.get(character) or f"\\{ord(character):03o}"


def _octal(text: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in _encoded(text))


def _markup(text: str) -> Iterator[str]:
    bare = escape(text, quote=False)
    yield bare
    for quotes in ("&quot;", "&#34;"):
        quoted = bare.replace('"', quotes)
        yield quoted
        for apostrophe in ("&#x27;", "&#39;", "&apos;"):
            yield quoted.replace("'", apostrophe)


def _base64(data: bytes) -> Iterator[bytes]:
    """Yield what base64 has of the data, wherever in a longer text the data begins.

    A character holds six bits; the first and the last one may hold bits of what stands beside the
    data, and those are left out.
    """
    for before in range(3):
        first, last = -(-8 * before // 6), 8 * (before + len(data)) // 6
        form = b64encode(bytes(before) + data)[first:last]
        yield form
        yield form.translate(_URLSAFE)
