"""Log records and exceptions without a secret in any part of them."""

from __future__ import annotations

import copy
import logging
import traceback
from typing import Any, Protocol

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_DEEP = 50


class Scrubs(Protocol):
    """What takes secrets out of a text."""

    def scrub(self, data: bytes) -> bytes:
        """Return bytes without secrets."""

    def scrub_text(self, text: str) -> str:
        """Return a text without secrets."""


def scrubbed_record(record: logging.LogRecord, scrubber: Scrubs) -> logging.LogRecord:
    """Return a record whose message, arguments, exception and extras hold no secret.

    Arguments are worked into the message, an exception into its text: what a handler could quote
    from them is gone.
    """
    clean = copy.copy(record)
    clean.msg = scrubber.scrub_text(_message(record))
    clean.args = None
    if record.exc_info:
        clean.exc_text = scrubber.scrub_text(exception_text(record.exc_info[1]))
        clean.exc_info = None
    elif record.exc_text:
        clean.exc_text = scrubber.scrub_text(record.exc_text)
    if record.stack_info:
        clean.stack_info = scrubber.scrub_text(record.stack_info)
    for name in set(vars(record)) - _STANDARD:
        setattr(clean, name, without_secrets(getattr(record, name), scrubber))
    return clean


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - any object may be an argument; logging forgives them all
        return f"{record.msg} {record.args}"


def exception_text(error: BaseException | None) -> str:
    """Return an exception's traceback with its whole chain, as text that is not yet scrubbed."""
    return "".join(traceback.format_exception(error)).rstrip("\n") if error else ""


def without_secrets(value: Any, scrubber: Scrubs, depth: int = 0) -> Any:
    """Return a value of any kind without secrets; what cannot be looked into becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return scrubber.scrub_text(str(value))
    if isinstance(value, bytes | bytearray):
        return scrubber.scrub(bytes(value))
    if depth < _DEEP:
        if isinstance(value, dict):
            return {
                without_secrets(key, scrubber, depth + 1): without_secrets(
                    inner, scrubber, depth + 1
                )
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [without_secrets(inner, scrubber, depth + 1) for inner in value]
    text = repr(value)
    clean = scrubber.scrub_text(text)
    return value if clean == text and isinstance(value, int | float) else clean
