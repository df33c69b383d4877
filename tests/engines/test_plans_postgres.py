"""How a PostgreSQL server may answer: the indexes that lists are made for can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from bifrost_tui.store.audit_filters import AuditFilter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.views import Scope, Waiting
from tests.support import ALICE, plain, secret

pytestmark = [pytest.mark.both_engines, pytest.mark.postgresql]


@pytest.fixture
def acme(repository: Repository) -> Scope:
    scope = repository.organizations.add(ALICE, "Acme")
    for number in range(20):
        repository.configs.add(ALICE, scope, plain(f"p{number}", integration="slack"))
        repository.configs.add(ALICE, scope, secret(f"s{number}", "same", rotate_every_days=1))
    return scope


def plans(repository: Repository, ask: Callable[[], Any]) -> str:
    """Return how the server would answer what a call asks, if it had a reason to use indexes."""
    asked: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    engine = repository._context.database.engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    lines = []
    with engine.connect() as connection:
        # Of the session, which ends with it: nothing has begun a transaction.
        connection.execute(text("SET enable_seqscan = off"))
        for statement, values in asked:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                found = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                lines += [row[0] for row in found]
        connection.execute(text("RESET enable_seqscan"))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("names", "uq_organization_name_folded"),
        ("page", "uq_config_scope_id_key"),
        ("history", "ix_audit_event_"),
        ("actor", "ix_audit_event_actor"),
        ("reused", "ix_config_equal_group"),
        ("due", "ix_config_due_at"),
    ],
)
def test_what_is_made_for_a_query_can_be_used(
    repository: Repository, acme: Scope, name: str, index: str
) -> None:
    asks: dict[str, Callable[[], Any]] = {
        "names": lambda: repository.organizations.list(ALICE),
        "page": lambda: repository.configs.page(ALICE, ConfigList(acme), offset=0, limit=5),
        "history": lambda: repository.configs.history(ALICE, acme, "s1"),
        "actor": lambda: repository.log.page(ALICE, AuditFilter(actor="alice")),
        "reused": lambda: repository.everywhere.reused(ALICE),
        "due": lambda: repository.everywhere.waiting(ALICE, Waiting.DUE),
    }
    assert index in plans(repository, asks[name])
