"""How values come in: from standard input byte for byte, or asked for without an echo."""

from __future__ import annotations

import os
import select
import sys
import time

import click

from bifrost_tui.cli.output import say
from bifrost_tui.display import counted
from bifrost_tui.errors import InvalidInputError, TerminalError
from bifrost_tui.store.entered import VALUE_LIMIT, EnteredSecret, SecretShape

_CLOSING = 0.2
"""Seconds within which sshd closes what it reads from, after what it writes to."""


def from_terminal() -> bool:
    """Tell whether standard input is a terminal, so that somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def piped_secret() -> EnteredSecret:
    """Read a secret's value from standard input, byte for byte.

    Raises:
        InvalidInputError: nothing came, or it cannot be a value.
        TerminalError: the connection that it came over broke off.

    """
    return EnteredSecret.from_bytes(_piped())


def piped_text() -> str:
    """Read a plain value from standard input, byte for byte.

    Raises:
        InvalidInputError: it is no text.
        TerminalError: the connection that it came over broke off.

    """
    data = _piped()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # Raised outside the handler: the decoder's error holds the value.
    raise InvalidInputError(
        "The value is not UTF-8 text. Encode it first (base64, for example).", field="value"
    )


def _piped() -> bytes:
    if sys.stdin is None:
        return b""
    data = sys.stdin.buffer.read(VALUE_LIMIT + 1)
    if hung_up():
        raise TerminalError("The connection ended before the value did. Nothing was saved.")
    return data


def hung_up() -> bool:
    """Tell whether standard input has ended because an SSH client is gone.

    That looks like the end of the value, of which half may have come. But with the client goes
    whoever reads what we write, at the same moment.
    """
    if "SSH_CONNECTION" not in os.environ:
        return False
    try:
        numbers = {stream.fileno() for stream in (sys.stdout, sys.stderr)}
    except (AttributeError, OSError, ValueError):
        return False
    poller = select.poll()
    for number in numbers:
        # That nobody reads any more is reported unasked.
        poller.register(number, 0)
    until = time.monotonic() + _CLOSING
    while numbers and (left := until - time.monotonic()) > 0:
        for number, mask in poller.poll(left * 1000):
            if mask & (select.POLLERR | select.POLLHUP):
                numbers.discard(number)
            poller.unregister(number)
    return not numbers


def entered_secret(question: str) -> EnteredSecret | None:
    """Take a secret's value from standard input, or ask for it where that is a terminal.

    ``None`` where nothing was entered when asked.
    """
    if not from_terminal():
        return piped_secret()
    from bifrost_tui.cli.prompting import ask_secret

    return ask_secret(question)


def answer(question: str) -> str:
    """Ask a question on standard error and return the line that is typed."""
    click.echo(question, err=True, nl=False)
    return sys.stdin.readline().rstrip("\n")


def tell_shape(shape: SecretShape, fingerprint: str) -> None:
    """Say what kind of value was received, and what may be a mistake in it."""
    facts = [counted(shape.lines, "line"), shape.length]
    facts += [shape.kind] if shape.kind else []
    say(f"Received: {', '.join(facts)}; fingerprint {fingerprint}.")
    warnings = (
        (shape.starts_blank, "starts with a blank"),
        (shape.ends_blank, "ends with a blank"),
        (shape.ends_with_newline, "ends with a newline"),
        (shape.double_spaced, "has an empty line after each line"),
    )
    if said := [text for holds, text in warnings if holds]:
        say(f"Mind that the value {' and '.join(said)}; it is kept as it is.")
