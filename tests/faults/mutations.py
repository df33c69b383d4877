"""Files made wrong, in the ways in which files go wrong and in those that people think of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b"'", b":", b",", b"-", b"#", b"=", b"\n", b"\r\n", b"\r"),
    *(b"null", b"true", b"NaN", b"Infinity", b"-0", b"1e999", b"1e-999", b"0.1", b"9" * 1100),
    *(b"~", b"yes", b"0x10", b"1_000", b"2026-01-01", b"60:60", b"<<: *a", b"&a", b"*a", b"\t"),
    *(b"!!python/name:os", b"!!binary", b"? ", b"---\n", b"...\n", b"%YAML 1.1\n", b"|\n", b">-\n"),
    *(b"|9\n", b"@", b"`", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xc0\x80", b"\xed\xa0\x80"),
    *(b"\0", b"\x1b[31m", b"\x7f", b"\\ud800", b"\\u0000", b"\\x41", b"\\", b"\xc2\x85"),
    *(b"\xe2\x80\xa8", b"\xe2\x80\xae", b"[/x]", b"export ", b"${A:-${B}}", b"KEY", b"=''", b'="'),
    *(b"='\\", b"secret", b"secret_ref", b"int", b"", b'"key"', b'"value"', b'"type"', b'"items"'),
    *(b'"organizations"', b'"global"', b'"config_type"', b"Z0FBQUFB", b"../../etc"),
    *(b"age-encryption.org/v1\n", b"-> X25519 ", b"-> scrypt AAAA 63\n"),
)
"""What means something in one of the forms."""

VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**40,
        2**63,
        "",
        " ",
        "x",
        "A" * 300,
        "\x1b]0;x\x07",
        "\ud800",
        "\0",
    ),
    *(
        [],
        {},
        [[]],
        {"value": None},
        {"value": "x"},
        {"a": {"b": [1, "\u202e", 1e300]}},
        "5",
        "true",
    ),
    *(
        "secret",
        "secret_ref",
        "string",
        "int",
        "bool",
        "json",
        "A",
        "Acme",
        "acme",
        "global",
        "GLOBAL",
    ),
    *(
        "ZÜRICH & SÖHNE",
        "Zu\u0308rich",
        "Z0FBQUFBQm",
        "x" * 70_000,
        "2",
        2,
        "[bold]",
        "../x",
        "a\nb",
    ),
)
NAMES = (
    "key",
    "value",
    "type",
    "config_type",
    "name",
    "configs",
    "organization_name",
    "x",
    "",
    "\0",
)

DEPTHS = (b"[", b'{"a":', b"- ", b"  ", b"(", b"&a [*a, ", b'"', b"\\", b" ", b"\t#", b"'\n")
"""What means more, the more there is of it."""


def mutated(
    data: bytes, others: Sequence[bytes], source: random.Random, *, deepest: int = 20_000
) -> tuple[bytes, bool]:
    """Return a file made wrong in one to four ways, and whether every byte stayed in its place.

    ``others`` are what parts are taken from.
    """
    moved = False
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 4))):
        change, moves = source.choice(_CHANGES)
        data = change(data, others, source, deepest)
        moved = moved or moves
    return data, not moved


Change = Callable[[bytes, Sequence[bytes], random.Random, int], bytes]


def _cut(data: bytes, source: random.Random) -> tuple[int, int]:
    """Return the bounds of a part, more often a short one."""
    start = source.randrange(len(data) + 1)
    return start, min(len(data), start + int(len(data) ** source.random()))


def _flip(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    wrong = bytearray(data)
    for _ in range(source.randint(1, 4)):
        if wrong:
            wrong[source.randrange(len(wrong))] ^= 1 << source.randrange(8)
    return bytes(wrong)


def _end(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    return data[: source.randrange(len(data) + 1)]


def _drop(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    start, end = _cut(data, source)
    return data[:start] + data[end:]


def _repeat(data: bytes, _others: Sequence[bytes], source: random.Random, deepest: int) -> bytes:
    start, end = _cut(data, source)
    times = source.choice((2, 2, 3, 100))
    part = data[start:end] * min(times, 1 + deepest // max(end - start, 1))
    return data[:start] + part + data[end:]


def _splice(data: bytes, others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    other = source.choice(others)
    start, end = _cut(other, source)
    at, until = _cut(data, source)
    return data[:at] + other[start:end] + data[until:]


def _insert(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    at = source.randrange(len(data) + 1)
    return data[:at] + source.choice(TOKENS) + data[at:]


def _replace(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    """Put a token where there is another one."""
    found = [token for token in TOKENS if token and token in data]
    if not found:
        return data
    token = source.choice(found)
    parts = data.split(token)
    at = source.randrange(1, len(parts))
    new = source.choice(TOKENS)
    return token.join(parts[:at]) + new + token.join(parts[at:])


def _deepen(data: bytes, _others: Sequence[bytes], source: random.Random, deepest: int) -> bytes:
    at = source.randrange(len(data) + 1)
    part = source.choice((*DEPTHS, source.choice(TOKENS)))
    times = min(source.choice((50, 101, 1000, deepest)), deepest // max(len(part), 1))
    return data[:at] + part * times + data[at:]


def _shuffle(data: bytes, _others: Sequence[bytes], source: random.Random, _deepest: int) -> bytes:
    lines = data.splitlines(keepends=True)
    for _ in range(source.randint(1, 3)):
        if len(lines) > 1:
            one, other = source.randrange(len(lines)), source.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _graft(data: bytes, _others: Sequence[bytes], source: random.Random, deepest: int) -> bytes:
    """Put something else into the place of a part of a JSON text."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return _replace(data, _others, source, deepest)
    for _ in range(source.randint(1, 3)):
        parent, name = _part(whole, source)
        if parent is None:
            break
        new = source.choice((*VALUES, whole if source.random() < 0.1 else None))
        if source.random() < 0.2:
            del parent[name]
        elif isinstance(parent, dict) and source.random() < 0.2:
            parent[source.choice(NAMES)] = parent.pop(name)
        else:
            parent[name] = json.loads(json.dumps(new))
    text = json.dumps(whole, ensure_ascii=source.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _part(whole: Any, source: random.Random) -> tuple[Any, Any]:
    """Return an object or array, and the name or index of something in it."""
    parts = []
    level = [whole]
    while level:
        inner = [each for each in level if isinstance(each, dict | list) and each]
        parts += inner
        level = [
            below for each in inner for below in (each.values() if isinstance(each, dict) else each)
        ]
    if not parts:
        return None, None
    parent = source.choice(parts)
    return parent, source.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))


_CHANGES: tuple[tuple[Change, bool], ...] = (
    (_flip, False),
    (_flip, False),
    (_end, False),
    (_drop, True),
    (_repeat, True),
    (_splice, True),
    (_insert, False),
    (_insert, False),
    (_replace, True),
    (_replace, True),
    (_deepen, True),
    (_shuffle, True),
    *([(_graft, True)] * 5),
)
