"""Moments as a PostgreSQL server gives them; imported with its driver, and only then."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

_OID = psycopg.adapters.types["timestamptz"].oid
_FAST: Any = psycopg.adapters.get_loader(_OID, Format.TEXT)


class MomentLoader(Loader):
    """Reads a moment; one that Python has no place for comes as a text, which tells the damage.

    The driver would end the whole read at it, an audit log's for one line.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._load = _FAST(oid, context).load

    def load(self, data: Buffer) -> Any:
        """Return the moment, or the server's words for it."""
        try:
            return self._load(data)
        except psycopg.DataError:
            return bytes(data).decode()


def give(connection: psycopg.Connection[Any]) -> None:
    """Let a connection read moments so."""
    connection.adapters.register_loader(_OID, MomentLoader)
