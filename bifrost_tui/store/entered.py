"""A secret's new value on its way from a keyboard or a pipe into the cipher.

It is write-only: nothing here gives the text back. What may be said about it is said by
:class:`SecretShape`, which holds facts about the value and never a part of it.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import NoReturn

from bifrost_tui.display import MASK
from bifrost_tui.errors import InvalidInputError

VALUE_LIMIT = 1024 * 1024
"""The most bytes that one value may have, in UTF-8."""

_BREAK = re.compile(r"\r\n|\r|\n")
_PEM_END = re.compile(r"-----END ([A-Z0-9 ]{1,60})-----\Z")
_PEM_NAMES = {
    "CERTIFICATE": "certificate",
    "CERTIFICATE REQUEST": "certificate request",
    "PUBLIC KEY": "public key",
    "RSA PUBLIC KEY": "public key",
    "PGP PRIVATE KEY BLOCK": "PGP private key",
}
_LENGTHS = (
    (16, "under 16 characters"),
    (32, "16-31 characters"),
    (64, "32-63 characters"),
    (1024, "64+ characters"),
)


@dataclass(frozen=True, slots=True)
class SecretShape:
    """What may be told about a secret's value: facts, never a part of it."""

    length: str
    """The class of its length, no finer than the ciphertext tells anyway."""
    lines: int
    kind: str
    """What it looks like (``PEM private key``), or nothing."""
    starts_blank: bool
    ends_blank: bool
    """A blank or tab at the end (a newline is told apart)."""
    ends_with_newline: bool
    double_spaced: bool = False
    """Every other line is empty, as where a terminal pasted each CRLF as two line breaks."""


class EnteredSecret:
    """A secret's value as it was entered, byte for byte.

    It can be stored and compared inside the store. It has no way out: ``repr`` and ``str`` are
    masks, and it can neither be copied nor pickled.

    Raises:
        InvalidInputError: the text is empty, over 1 MiB, or no text at all (lone surrogates).

    """

    __slots__ = ("_data",)

    def __init__(self, text: str) -> None:
        self._data = _encoded(text)

    @classmethod
    def from_bytes(cls, data: bytes) -> EnteredSecret:
        """Take a value that came through a pipe; it must be UTF-8, for code reads it as text."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        # Raised outside the handler: the decoder's error holds the value.
        if text is None:
            raise InvalidInputError(
                "The value is not UTF-8 text. Encode it first (base64, for example).",
                field="value",
            )
        return cls(text)

    def __repr__(self) -> str:
        return f"<EnteredSecret {MASK}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an entered secret cannot be copied or pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("an entered secret cannot be copied or pickled")

    def plus(self, text: str) -> EnteredSecret:
        """Return this value with ``text`` at its end, under the same rules; this one stays."""
        return EnteredSecret(self._data.decode("utf-8") + text)

    def without_last(self) -> EnteredSecret | None:
        """Return this value without its last character, or nothing where none is left."""
        rest = self._data.decode("utf-8")[:-1]
        return EnteredSecret(rest) if rest else None

    @property
    def shape(self) -> SecretShape:
        """Facts about the value, for the one who entered it."""
        text = self._data.decode("utf-8")
        body = text.rstrip("\r\n")
        lines = _BREAK.split(body)
        return SecretShape(
            length=next((name for limit, name in _LENGTHS if len(text) < limit), "over 1 kB"),
            lines=len(lines),
            kind=_kind(text),
            starts_blank=text[:1].isspace(),
            ends_blank=body[-1:].isspace(),
            ends_with_newline=body != text,
            double_spaced=len(lines) > 4 and not any(lines[1::2]) and all(lines[::2]),
        )


def entered_bytes(entered: EnteredSecret) -> bytes:
    """Return the value for the cipher; for this package alone, never for a caller of it.

    Beside it only an encrypted bundle takes one: the passphrase that it opens with.
    """
    return entered._data


def same_entered(one: EnteredSecret, other: EnteredSecret) -> bool:
    """Tell whether the same was entered twice."""
    return hmac.compare_digest(one._data, other._data)


def _encoded(text: str) -> bytes:
    problem = None
    data = b""
    if not text:
        problem = "Nothing was entered. A secret's value has at least one character."
    else:
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError:
            problem = "The value holds half a character (a lone surrogate). Enter it again."
    if len(data) > VALUE_LIMIT:
        problem = "The value is over 1 MiB. Keep it in a file and store where it is."
    # Raised outside the handler: the encoder's error holds the value.
    if problem:
        raise InvalidInputError(problem, field="value")
    return data


def _kind(text: str) -> str:
    body = text.strip()
    # Looked for from both ends: one expression over the whole text would take quadratic time.
    if (end := _PEM_END.search(body[-80:])) and _begins(body, end.group(1)):
        name = end.group(1)
        if name in _PEM_NAMES:
            return f"PEM {_PEM_NAMES[name]}"
        return "PEM private key" if name.endswith("PRIVATE KEY") else "PEM"
    return "looks like JSON" if body[:1] + body[1:][-1:] in ("{}", "[]") else ""


def _begins(body: str, name: str) -> bool:
    marker = f"-----BEGIN {name}-----"
    return f"{marker}\n" in body or f"{marker}\r\n" in body
