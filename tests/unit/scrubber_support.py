"""A slow scrubber to compare with: it looks at the whole text anew each time, byte by byte."""

from __future__ import annotations

import json
import string
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MARK = b"[REDACTED]"
HEAD = 1024
CRLF = b"\r\n"

UNRESERVED = string.ascii_letters + string.digits + "-._~"
BASE64 = string.ascii_letters + string.digits + "+/=-_"
BASH = set("\t\n !\"$&'()*,;<>?[\\]^`{|}")
BASH_NAMES = dict(zip("\a\b\x1b\f\n\r\t\v'\\", "abEfnrtv'\\", strict=True))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def percent(text: str, safe: str, blank: str = "%20", digits: str = "02X") -> str:
    keep = UNRESERVED + safe
    return "".join(
        chr(byte) if chr(byte) in keep else blank if byte == 32 else f"%{byte:{digits}}"
        for byte in encoded(text)
    )


def json_strings(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        inner = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield inner
        yield "".join("\\/" if character == "/" else character for character in inner)
        yield "".join(
            f"\\u{ord(character):04x}" if character in "<>&\u2028\u2029" else character
            for character in inner
        )


def bash(text: str) -> Iterator[str]:
    bare = ["\\" + character if character in BASH else character for character in text]
    home = [
        "\\~" if character == "~" and (not at or text[at - 1] in ":=") else bare[at]
        for at, character in enumerate(text)
    ]
    yield "".join(bare)
    yield "".join(home)
    yield ("\\" if text.startswith("#") else "") + "".join(home)
    for beyond in (False, True):
        yield "".join(
            f"\\{BASH_NAMES[character]}"
            if character in BASH_NAMES
            else "".join(f"\\{byte:03o}" for byte in encoded(character))
            if character < " " or character == "\x7f" or (beyond and character > "\x7f")
            else character
            for character in text
        )


def markup(text: str, quotes: str = '"', apostrophe: str = "'") -> str:
    names = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': quotes, "'": apostrophe}
    return "".join(names.get(character, character) for character in text)


def literal_strings(text: str) -> Iterator[str]:
    unix = text.replace("\r\n", "\n")
    yield from (text, unix, text.replace("\n", "\r\n"), unix.replace("\n", "\r\n"))
    if "\n" in text:
        yield from (line for line in unix.split("\n") if len(line) >= 16 and set(line) <= {*BASE64})
    for digits in ("02X", "02x"):
        yield percent(text, "", digits=digits)
        yield percent(text, "/", digits=digits)
        yield percent(text, "!*'()", digits=digits)
        yield percent(text, "", "+", digits)
    for once in json_strings(text):
        yield once
        yield from json_strings(once)
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield from bash(text)
    for quotes in ('"', "&quot;", "&#34;"):
        yield markup(text, quotes)
        if quotes != '"':
            yield from (markup(text, quotes, name) for name in ("&#x27;", "&#39;", "&apos;"))
    yield encoded(text).hex()
    yield encoded(text).hex().upper()
    yield repr(text)[1:-1]
    yield repr(encoded(text))[2:-1]


def base64_strings(data: bytes) -> Iterator[bytes]:
    """Yield the characters that are the same whatever stands beside the data."""
    for before in range(3):
        for altchars in (b"+/", b"-_"):
            around = [
                b64encode(side * before + data + side * 3, altchars) for side in (b"\x00", b"\xff")
            ]
            same = [one for one, other in zip(*around, strict=True) if one == other]
            yield bytes(same).rstrip(b"=") if 61 in same else bytes(same)


@dataclass(frozen=True)
class Written:
    """A value's forms."""

    literal: frozenset[bytes]
    base64: frozenset[bytes]


def written(values: Iterable[str]) -> Written:
    """Return the forms of all the values."""
    literal: set[bytes] = set()
    base64: set[bytes] = set()
    for value in values:
        short = value.rstrip("\r\n")
        for text in (value, short) if len(short) >= 4 else (value,):
            literal.update(map(encoded, literal_strings(text)))
            base64.update(base64_strings(encoded(text)))
    return Written(
        frozenset(form for form in literal if len(form) >= 4),
        frozenset(form for form in base64 if len(form) >= 4),
    )


def walk(text: bytes, start: int, form: bytes, *, broken: bool) -> tuple[int, int, bool]:
    """Return how much of the form stands there, where that ends, and whether the text ended it."""
    at = end = start
    count = line = breaks = 0
    while count < len(form):
        if at == len(text):
            return count, end, True
        if broken and count and text[at] in CRLF:
            length = len(text[at:]) - len(text[at:].lstrip(CRLF))
            if length > 16 or (breaks and line < 32):
                break
            at, line, breaks = at + length, 0, breaks + 1
        elif text[at] == form[count]:
            at, count, line = at + 1, count + 1, line + 1
            end = at
        else:
            break
    return count, end, False


class Seen:
    """What a whole text has of all forms, and what at its end may become one."""

    def __init__(self, text: bytes, forms: Written, head: int = HEAD) -> None:
        self.spans: list[tuple[int, int]] = []
        self.tails: list[tuple[int, int, int]] = []
        for broken, group in ((False, forms.literal), (True, forms.base64)):
            for form in group:
                start = text.find(form[:1])
                while start >= 0:
                    count, end, ended = walk(text, start, form, broken=broken)
                    if count >= min(len(form), head):
                        self.spans.append((start, end))
                        if ended and end < len(text):
                            self.tails.append((end, end, 0))
                    elif ended:
                        self.tails.append((start, end, count))
                    start = text.find(form[:1], start + 1)


def rendered(text: bytes, covered: Iterable[tuple[int, int]]) -> bytes:
    """Return the text with every run of covered bytes replaced by one mark."""
    hidden = bytearray(len(text))
    for start, end in covered:
        hidden[start:end] = b"\x01" * (end - start)
    shown: list[bytes] = []
    for at, byte in enumerate(text):
        if not hidden[at]:
            shown.append(bytes([byte]))
        elif not at or not hidden[at - 1]:
            shown.append(MARK)
    return b"".join(shown)


def reference(text: bytes, forms: Written, *, ended: bool = False, head: int = HEAD) -> bytes:
    """Return what a scrubber makes of the text; ``ended``: as a stream that ends there."""
    seen = Seen(text, forms, head)
    tails = [(start, end) for start, end, count in seen.tails if ended and count >= 4]
    return rendered(text, [*seen.spans, *tails])


class SlowStream:
    """A stream that keeps all it ever got, and knows of each byte whether it was passed on."""

    def __init__(self, forms: Written, head: int = HEAD) -> None:
        self.forms = forms
        self._head = head
        self._text = b""
        self._fate = ""  # of each byte that is decided: "s"hown or "r"eplaced
        self._before = "s"
        self._paused: int | None = None
        self._swallowed: list[tuple[int, int]] = []

    def add(self, forms: Written) -> None:
        """Look for these from now on, in what is held and in what comes."""
        tail = min((start for start, _, _ in self._seen().tails), default=len(self._text))
        self._before = (self._before + self._fate)[tail]
        self._text, self._fate = self._text[tail:], self._fate[tail:]
        self._paused = None if self._paused is None else self._paused - tail
        self._swallowed = [(start - tail, end - tail) for start, end in self._swallowed]
        self.forms = forms

    def feed(self, data: bytes) -> bytes:
        self._text += data
        seen = self._seen()
        tail = min((start for start, _, _ in seen.tails), default=len(self._text))
        return self._decide(self._hidden(seen), tail)

    def pause(self) -> bytes:
        seen = self._seen()
        long = [(start, end) for start, end, count in seen.tails if count >= 4]
        hidden = [*self._hidden(seen), *long]
        self._paused = min((start for start, _ in long), default=None)
        return self._decide(hidden, len(self._text))

    finish = pause

    def _seen(self) -> Seen:
        return Seen(self._text, self.forms, self._head)

    def _hidden(self, seen: Seen) -> list[tuple[int, int]]:
        """Return what is hidden; go on swallowing what a pause cut."""
        if self._paused is not None:
            start, walks = self._paused, []
            for broken, group in ((False, self.forms.literal), (True, self.forms.base64)):
                walks += [walk(self._text, start, form, broken=broken) for form in group]
            self._swallowed.append((start, max(end for _, end, _ in walks)))
            if not any(ended for _, _, ended in walks):
                self._paused = None
        return [*seen.spans, *self._swallowed]

    def _decide(self, hidden: list[tuple[int, int]], limit: int) -> bytes:
        """Decide what stands before the limit, and what is hidden right behind that."""
        passed: list[bytes] = []
        for at in range(len(self._fate), len(self._text)):
            replaced = any(start <= at < end for start, end in hidden)
            if at >= limit and not replaced:
                break
            if not replaced:
                passed.append(self._text[at : at + 1])
            elif (self._before + self._fate)[at] == "s":
                passed.append(MARK)
            self._fate += "r" if replaced else "s"
        return b"".join(passed)
