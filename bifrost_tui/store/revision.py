"""The schema that a database has now: a program whose schema is another one changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from bifrost_tui.display import visible
from bifrost_tui.errors import DatabaseError, DatabaseNewerError
from bifrost_tui.store.schema import VERSION_TABLE

SCHEMA_NOW = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a name of ours
"""Asked at the beginning of every transaction, within it: what it sees has that schema."""


def refuse_other_schema(found: Sequence[Sequence[Any]], known: str, shown: str) -> NoReturn:
    """Say that a database has another schema than when this program opened it.

    Raises:
        DatabaseNewerError: a newer program has migrated it.
        DatabaseError: it was replaced by an older one, or by none of ours.

    """
    revision = str(found[0][0]) if len(found) == 1 else ""
    if revision > known:
        raise DatabaseNewerError(
            # What to do comes first: a status line may have room for no more.
            "A newer Bifrost TUI has the database now: start that one. Nothing was changed."
            f" ({shown} was brought to schema {visible(revision)} since this program started, which"
            f" knows {known}.)"
        )
    now = f"has schema {visible(revision)} now" if revision else "names no schema any more"
    raise DatabaseError(
        f"The database ({shown}) {now}; it had {known} when this program started, so another one"
        " was put in its place. Nothing was changed; start the program anew."
    )
