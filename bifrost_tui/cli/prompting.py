"""Asking for a secret at the terminal: nothing is echoed, and a paste is taken whole.

Python's own getpass takes one line of at most 4,095 characters, leaves the other lines of a pasted
key to the shell, and echoes where it finds no terminal. Here the terminal marks a paste (bracketed
paste), every byte is read as it comes, and without a terminal there is no asking.
"""

from __future__ import annotations

import os
import re
import select
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bifrost_tui.cli.signals import ended_tidily
from bifrost_tui.display import visible
from bifrost_tui.errors import InvalidInputError, TerminalError
from bifrost_tui.store.entered import EnteredSecret

_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"
_KEY = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O[A-Za-z])")
_BEGUN_KEY = re.compile(rb"\x1b(\[[0-?]*[ -/]*|O)?\Z")
_MORE_WITHIN = 0.15
"""Seconds in which the next line of a paste that is not marked would have come."""


def ask_secret(
    question: str, *, otherwise: str = "Pipe the value to this command instead."
) -> EnteredSecret | None:
    """Ask for a secret's value; ``None`` where nothing is entered.

    ``otherwise`` says what to do where there is no terminal.

    Raises:
        InvalidInputError: what came cannot be taken whole; nothing of it is kept.
        TerminalError: there is no terminal to ask at, or it went away.
        KeyboardInterrupt: Ctrl+C was pressed.

    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise TerminalError(f"There is no terminal to ask at. {otherwise}") from None
    try:
        with _silent(terminal), _marked_pastes(terminal):
            os.write(terminal, visible(question).encode("utf-8", "replace"))
            try:
                data = _Entry(terminal).read()
            finally:
                with suppress(OSError):
                    os.write(terminal, b"\r\n")
    except (OSError, termios.error):
        data = None
    finally:
        os.close(terminal)
    if data is None:
        raise TerminalError("The terminal went away. Nothing was saved.")
    return EnteredSecret.from_bytes(data) if data else None


@contextmanager
def _silent(terminal: int) -> Iterator[None]:
    """Take the echo, the lines and the signals of the keyboard away, and give them back."""
    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON)
    quiet[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
    # Flushed on the way in, as what was typed before was echoed; on the way out, so that nothing
    # that is left of a paste reaches the shell.
    with ended_tidily():
        termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
        try:
            yield
        finally:
            with suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def _marked_pastes(terminal: int) -> Iterator[None]:
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        yield
        return
    os.write(terminal, b"\x1b[?2004h")
    try:
        yield
    finally:
        with suppress(OSError):
            os.write(terminal, b"\x1b[?2004l")


class _Entry:
    """What is typed and pasted, up to Enter."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._value = bytearray()
        self._waiting = b""

    def read(self) -> bytes:
        while True:
            if self._waiting.startswith(_PASTE_BEGINS):
                self._take_paste()
                continue
            if not self._waiting or _BEGUN_KEY.match(self._waiting):
                self._more()
                continue
            if key := _KEY.match(self._waiting):
                self._waiting = self._waiting[key.end() :]
                continue
            byte, self._waiting = self._waiting[:1], self._waiting[1:]
            if byte in b"\r\n\x04":
                break
            self._take(byte)
        if self._waiting or self._readable():
            raise InvalidInputError(
                "More than one line came, and this terminal does not mark what is pasted. Nothing"
                " was saved. Put the value into a pipe instead.",
                field="value",
            )
        return bytes(self._value)

    def _take(self, byte: bytes) -> None:
        if byte == b"\x03":
            raise KeyboardInterrupt
        if byte in b"\x7f\x08":
            self._value = bytearray(re.sub(rb".[\x80-\xbf]*\Z", b"", self._value, flags=re.DOTALL))
        elif byte == b"\x15":
            self._value.clear()
        elif byte < b" " and byte != b"\t":
            raise InvalidInputError(
                "A control character came, which cannot be entered here. Nothing was saved. Put the"
                " value into a pipe instead.",
                field="value",
            )
        else:
            self._value += byte

    def _take_paste(self) -> None:
        while _PASTE_ENDS not in self._waiting:
            self._more()
        text, _, self._waiting = self._waiting[len(_PASTE_BEGINS) :].partition(_PASTE_ENDS)
        # Most terminals send each line break of a paste as a bare CR.
        self._value += text if b"\n" in text else text.replace(b"\r", b"\n")

    def _more(self) -> None:
        data = os.read(self._terminal, 65536)
        if not data:
            raise OSError
        self._waiting += data

    def _readable(self) -> bool:
        return bool(select.select([self._terminal], [], [], _MORE_WITHIN)[0])
