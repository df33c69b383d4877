"""What is written differently for each engine inside a query."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Boolean, String, false, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType


class _AnyCaseLike(FunctionElement[bool]):
    """``LIKE`` that folds ASCII case, which is all that a key can hold."""

    inherit_cache = True
    type = Boolean()


def contains(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Return whether a column holds a word, in any case; the word's wildcards are data."""
    return _AnyCaseLike(column, f"%{_literal(word)}%")


def equals(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Return whether a column is a text, in any case; what is not ASCII has to be the same."""
    return _AnyCaseLike(column, _literal(text))


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _operator(name: str) -> Any:
    def write(element: _AnyCaseLike, compiler: Any, **options: Any) -> str:
        column, pattern = (compiler.process(part, **options) for part in element.clauses)
        return f"({column} {name} {pattern} ESCAPE '\\')"

    return write


# SQLite's own LIKE folds ASCII case; a function around the column would cost thrice the time.
compiles(_AnyCaseLike)(_operator("LIKE"))
compiles(_AnyCaseLike, "postgresql")(_operator("ILIKE"))


def among(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """Return whether a column is one of some texts; of none, it is never.

    SQLAlchemy inspects what an empty list, or a member of an enum, stands for. That fails while
    another thread is importing its ORM, so that neither is given to it.
    """
    return column.in_(list(values)) if values else false()


class _Unindexed(FunctionElement[str]):
    """A column whose own index the planner leaves alone, so that it takes a better one."""

    inherit_cache = True
    type = String()


def unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    """Return a column that is compared and grouped by, and not looked up in an index.

    SQLite, which has no statistics of ours, would rather look at every row of a scope than at the
    few that an index of something rare names. Other engines know better by themselves.
    """
    return _Unindexed(column)


def _column(prefix: str) -> Any:
    def write(element: _Unindexed, compiler: Any, **options: Any) -> str:
        (column,) = element.clauses
        return f"{prefix}{compiler.process(column, **options)}"

    return write


compiles(_Unindexed)(_column(""))
compiles(_Unindexed, "sqlite")(_column("+"))


class ConfigPlace(FunctionElement[Any]):
    """What a walk along all configs goes by: unique, ordered, and near to how they lie.

    On SQLite that is the number of a row: rows that follow each other share pages, and by the ids,
    which are random, each row of a batch would be a page to write. On other engines, the id.
    """

    inherit_cache = True
    type: Any = NullType()


@compiles(ConfigPlace)
def _by_id(_element: ConfigPlace, _compiler: Any, **_options: Any) -> str:
    return "config.id"


@compiles(ConfigPlace, "sqlite")
def _by_row(_element: ConfigPlace, _compiler: Any, **_options: Any) -> str:
    return "config.rowid"


FIRST_PLACE: dict[str, Any] = {"sqlite": -(2**63), "postgresql": ""}
"""What no config stands before."""

PUT_ALL_TOKENS = text(
    "UPDATE config SET secret = new.secret, hint = new.hint, key_id = :new_key"
    " FROM unnest(CAST(:ids AS text[]), CAST(:versions AS integer[]),"
    " CAST(:secret_versions AS integer[]), CAST(:keys AS text[]), CAST(:secrets AS text[]),"
    " CAST(:hints AS text[])) AS new(id, version, secret_version, key_id, secret, hint)"
    " WHERE config.id = new.id AND config.version = new.version"
    " AND config.secret_version = new.secret_version AND config.key_id = new.key_id"
)
"""What re-encrypts many rows of PostgreSQL in one statement: one for each takes twice the time."""

ALONG_IDS = text(
    "SELECT set_config('enable_seqscan', 'off', true),"
    " set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
)
"""Lets PostgreSQL, which may know nothing of a table yet, walk along its ids for this transaction.

Where it takes few rows for wanted, it would rather find and sort all of them for each batch.
"""
