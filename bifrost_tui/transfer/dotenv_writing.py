"""Writing .env files, for python-dotenv and its like, and for a shell's `set -a; . FILE`.

Both read what is bare or stands in single quotes, and most of what stands in double quotes. What
they would read differently comes last, below a line that is a comment to the one and a syntax error
to the other: no shell gets as far as a `$(…)` whose quotes mean something else to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bifrost_tui.display import visible
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import Export, ExportedConfig

STOP = (
    "\f#) Below are values for dotenv readers alone. A shell ends here with a syntax error, as it"
    " would misread them.\n"
)
"""A form feed is a blank to dotenv and a letter to a shell, which then stumbles over the bracket.
Nothing else may be told from a comment by a shell and not by dotenv."""

_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_SINGLE = re.compile(r"['\r]|\\\\|\\\Z")
_NOT_IN_DOUBLE = re.compile(r"[$`\r]")
_EXPANDED = re.compile(r"\$\{[^}]*\}")
_ESCAPED = {"\\": r"\\", '"': r"\"", "\r": r"\r"}
_IN_JSON = {"'": r"\u0027", "\\\\": r"\u005c"}


@dataclass(slots=True)
class Written:
    """What was written into a .env file."""

    values: int = 0
    empty: int = 0
    """Secrets and references, which are commented lines without a value."""
    inherited: int = 0
    """How many of the values are global's."""
    not_for_shells: list[str] = field(default_factory=list)
    """The keys of what only dotenv readers read."""
    expanded: list[str] = field(default_factory=list)
    """The keys of values with a ``${…}``, which some readers put something else for."""


def write_dotenv(export: Export, put: Callable[[bytes], None]) -> Written:
    """Write what an application would get, except for secrets, as a .env file.

    The export is of one scope, or of global and an organization that inherits from it. Of a key
    that both have, the organization's is written.
    """
    done = Written()
    *inherited, own = (each.scope for each in export.scopes)
    shadowing: set[str] = set()
    last: list[str] = []
    for scope in (own, *inherited):
        put(f"# {_title(scope, own)}\n".encode())
        for row in export.rows(scope):
            if scope is not own and row.key in shadowing:
                continue
            if inherited:
                shadowing.add(row.key)
            about = f"# {visible(row.description)}\n" if row.description else ""
            if row.type in (ConfigType.SECRET, ConfigType.SECRET_REF):
                done.empty += 1
                put(f"{about}{_empty(row)}".encode())
                continue
            done.values += 1
            done.inherited += scope is not own
            if _EXPANDED.search(row.value or ""):
                done.expanded.append(row.key)
            quoted, both = _quoted(row)
            text = f"{about}{row.key}={quoted}\n"
            if both and _NAME.fullmatch(row.key):
                put(text.encode())
            else:
                done.not_for_shells.append(row.key)
                last.append(text)
    if last:
        put("".join([STOP, *last]).encode())
    return done


def _title(scope: Scope, own: Scope) -> str:
    if scope is not own:
        return f"Global, inherited by {visible(own.name)}"
    return visible(scope.name)


def _empty(row: ExportedConfig) -> str:
    stands = f"# {row.key} stands for the secret {row.refers_to}.\n" if row.refers_to else ""
    return f"{stands}# {row.key}=\n"


def _quoted(row: ExportedConfig) -> tuple[str, bool]:
    """Return a value in quotes, and whether a shell reads the same."""
    value = row.value or ""
    if row.type is ConfigType.STRING:
        text = str(json.loads(value))
        found = next(_both(text), None)
        return (found, True) if found is not None else (_double(text), False)
    # The same JSON, in characters that mean nothing to anybody.
    escaped = re.sub(r"'|\\\\", lambda match: _IN_JSON[match.group()], value)
    found = next((quoted for text in (value, escaped) for quoted in _both(text)), None)
    return (found, True) if found is not None else (_double(value), False)


def _both(text: str) -> Iterator[str]:
    """Yield the ways to write a text that both dotenv and a shell read as it is, plainest first."""
    if _BARE.fullmatch(text):
        yield text
    if not _NOT_IN_SINGLE.search(text):
        yield f"'{text}'"
    if not _NOT_IN_DOUBLE.search(text):
        yield _double(text)


def _double(text: str) -> str:
    return '"' + re.sub(r'[\\"\r]', lambda match: _ESCAPED[match.group()], text) + '"'
