"""What must hold of every database, whatever happened to the program that wrote it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from bifrost_tui.crypto.cipher import HINT_FIELD, SealContext, Sealed
from bifrost_tui.crypto.reading import open_sealed
from bifrost_tui.store import references
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.schema import audit_event, config, metadata
from bifrost_tui.store.summaries import recount
from tests.support import by_hand

Rows = dict[str, list[tuple[Any, ...]]]


def assert_whole(repository: Repository) -> None:
    """Check counts, references, the audit chain and the file."""
    database = repository._context.database
    assert database.read(recount) == []
    assert database.read(references.miscounted) == 0
    report = repository._context.chain.verify()
    assert report.broken_at is None, report
    if database.path is not None:
        assert by_hand(repository, "PRAGMA integrity_check") == [("ok",)]
        assert by_hand(repository, "PRAGMA foreign_key_check") == []


def rows_of(repository: Repository, *tables: Table) -> Rows:
    """Return all that stands in tables, tokens as they are."""
    wanted = tables or tuple(metadata.sorted_tables)

    def work(connection: Any) -> Rows:
        return {
            table.name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in wanted
        }

    return repository._context.database.read(work)


def values_of(repository: Repository) -> dict[tuple[str, str], bytes | None]:
    """Decrypt every secret, as only the runtime may; ``None`` for one that needs a value."""
    found = {}
    keyring = repository._context.keyring
    for row in _configs(repository):
        if row.type != "secret":
            continue
        value = None
        if row.secret is not None:
            place = SealContext(row.scope_id, row.id, "secret", row.secret_version)
            value = open_sealed(keyring, Sealed(row.secret, row.key_id), place)
            assert value is not None, f"{row.key} does not read"
            if row.hint:
                place = SealContext(row.scope_id, row.id, HINT_FIELD, row.secret_version)
                assert keyring.hint(Sealed(row.hint, row.key_id), place)
        found[row.scope_id, row.key] = value
    return found


def _configs(repository: Repository) -> list[Any]:
    query = select(config).order_by(config.c.scope_id, config.c.key)
    return repository._context.database.read(lambda c: list(c.execute(query)))


_RANDOM = {"secret", "hint"}


def same_again(repository: Repository) -> dict[str, Any]:
    """Return what is the same whenever the same is done: all but tokens, opened in their place.

    Events are counted: how many batches there were is told by what was done in each of them.
    """
    rows = [
        tuple(cell for name, cell in row._mapping.items() if name not in _RANDOM)
        for row in _configs(repository)
    ]
    others = [table for table in metadata.sorted_tables if table not in (config, audit_event)]
    kept = rows_of(repository, *others)
    kept["key_check"] = [row[:1] for row in kept["key_check"]]
    return {"config": rows, "values": values_of(repository), **kept}
