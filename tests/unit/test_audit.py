"""The audit chain: nothing happens untold, and what is changed in it afterwards is found."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect

from bifrost_tui.crypto.verifier import RootSecret
from bifrost_tui.errors import BifrostError, DatabaseError, OrganizationNotFoundError
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit import AuditChain, Event
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.schema import metadata
from bifrost_tui.store.views import GLOBAL_SCOPE, ChainReport, ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    KEY,
    NEW_KEY,
    HandClock,
    add_member,
    assert_silent,
    by_hand,
    events,
    make_settings,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

PLANTED = planted()[0]
TABLES = (
    *("organization", "config", "scope_summary", "member", "audit_event", "key_check"),
    *("exposure", "presence"),
)


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def told(repository: Repository, acme: Scope, clock: HandClock) -> Repository:
    """A repository with eight events in its log."""
    for number in range(6):
        clock.advance(minutes=1)
        repository.configs.add(ALICE, acme, plain(f"k{number}"))
    assert repository._context.chain.verify() == ChainReport(8, None)
    return repository


def content(repository: Repository) -> dict[str, list[tuple[Any, ...]]]:
    return {name: by_hand(repository, f"SELECT * FROM {name} ORDER BY 1") for name in TABLES}


CHANGES = {
    "sequence": "99",
    "at": "'2026-03-01 09:32:00.000001'",
    "actor": "'bob'",
    "source": "'10.1.4.7'",
    "action": "'config.delete'",
    "organization_id": "NULL",
    "organization": "'Bright'",
    "key": "'other'",
    "outcome": "'refused'",
    "details": "'{}'",
    "chain_hash": "(SELECT chain_hash FROM audit_event WHERE sequence = 4)",
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_event_is_found(told: Repository, column: str) -> None:
    assert set(CHANGES) == set(metadata.tables["audit_event"].columns.keys())
    by_hand(told, f"UPDATE audit_event SET {column} = {CHANGES[column]} WHERE sequence = 5")
    assert told._context.chain.verify() == ChainReport(4, 5)


@pytest.mark.sqlite  # its columns take anything; another engine's take what fits
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "no moment"),
        ("at", ""),
        ("at", 7),
        ("at", b"2026"),
        ("details", b"\xff"),
        ("key", b"\xff\xfe"),
    ],
)
def test_an_event_whose_columns_hold_what_is_none_is_found(
    told: Repository, column: str, value: object
) -> None:
    by_hand(told, f"UPDATE audit_event SET {column} = ? WHERE sequence = 5", value)
    assert told._context.chain.verify() == ChainReport(4, 5)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", ""),
        ("organization", "\x1b[31m"),
        ("chain_hash", ""),
        ("chain_hash", "é" * 64),
    ],
)
def test_an_event_that_nobody_could_have_written_is_found(
    told: Repository, column: str, value: object
) -> None:
    by_hand(told, f"UPDATE audit_event SET {column} = ? WHERE sequence = 5", value)
    assert told._context.chain.verify() == ChainReport(4, 5)


@pytest.mark.parametrize("value", ["é" * 64, "", "7"])
def test_work_goes_on_after_an_event_that_was_tampered_with(
    told: Repository, acme: Scope, value: object
) -> None:
    by_hand(told, "UPDATE audit_event SET chain_hash = ? WHERE sequence = 8", value)
    told.configs.add(ALICE, acme, plain("new"))
    assert len(events(told)) == 9
    assert told._context.chain.verify() == ChainReport(7, 8)


@pytest.mark.parametrize("sequence", [1, 2, 5, 7])
def test_a_deleted_event_is_found(told: Repository, sequence: int) -> None:
    by_hand(told, "DELETE FROM audit_event WHERE sequence = ?", sequence)
    assert told._context.chain.verify() == ChainReport(sequence - 1, sequence)


@pytest.mark.parametrize("sequence", [1, 5, 7])
def test_a_deleted_event_is_found_when_the_rest_is_numbered_anew(
    told: Repository, sequence: int
) -> None:
    by_hand(told, "DELETE FROM audit_event WHERE sequence = ?", sequence)
    # In two steps: no number may be there twice in between, in whichever order rows are changed.
    by_hand(told, "UPDATE audit_event SET sequence = -sequence WHERE sequence > ?", sequence)
    by_hand(told, "UPDATE audit_event SET sequence = -sequence - 1 WHERE sequence < 0")
    assert told._context.chain.verify() == ChainReport(sequence - 1, sequence)


@pytest.mark.parametrize("first", [8, 3])
def test_what_is_left_of_a_log_that_was_cut_off_still_verifies(
    told: Repository, first: int
) -> None:
    """A chain does not know its end; the README says so, and how many were checked tells."""
    by_hand(told, "DELETE FROM audit_event WHERE sequence >= ?", first)
    assert told._context.chain.verify() == ChainReport(first - 1, None)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (4, 5), (2, 8)])
def test_reordered_events_are_found(told: Repository, one: int, other: int) -> None:
    for before, after in ((one, -1), (other, one), (-1, other)):
        by_hand(told, "UPDATE audit_event SET sequence = ? WHERE sequence = ?", after, before)
    assert told._context.chain.verify() == ChainReport(one - 1, one)


@pytest.mark.parametrize("sequence", [9, 10, 0, -5])
def test_an_inserted_event_is_found(told: Repository, sequence: int) -> None:
    """The last one again, under another number: before, after and far away from the others."""
    by_hand(
        told,
        "INSERT INTO audit_event SELECT ?, at, actor, source, action, organization_id,"
        " organization, key, outcome, details, chain_hash FROM audit_event WHERE sequence = 8",
        sequence,
    )
    assert told._context.chain.verify() == ChainReport(8, 9)


def test_an_event_chained_without_the_key_is_found(told: Repository) -> None:
    """Whoever knows how it is done and has another root cannot append either."""
    forger = AuditChain(told._context.database, RootSecret.new().keys(), HandClock())
    told._context.database.write_rows(
        lambda connection: forger.append(connection, BOB, Event("config.add"))
    )
    assert told._context.chain.verify() == ChainReport(8, 9)


def test_an_event_hashed_in_the_open_is_found(told: Repository) -> None:
    [row] = by_hand(told, "SELECT * FROM audit_event WHERE sequence = 8")
    text = json.dumps([9, *row[1:10]]).encode()
    for digest in (sha256(text), hmac.new(row[10].encode(), text, sha256)):
        by_hand(
            told,
            "INSERT INTO audit_event VALUES (9, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *row[1:10],
            digest.hexdigest(),
        )
        assert told._context.chain.verify() == ChainReport(8, 9)
        by_hand(told, "DELETE FROM audit_event WHERE sequence = 9")


def test_an_empty_log_is_whole_and_has_nothing(told: Repository) -> None:
    by_hand(told, "DELETE FROM audit_event")
    assert told._context.chain.verify().checked == 0


def test_a_long_chain_is_walked_to_its_end(repository: Repository) -> None:
    context = repository._context
    many = [Event("test.event", details={"number": number}) for number in range(2500)]
    context.database.write_rows(lambda connection: context.chain.append(connection, ALICE, *many))
    assert repository._context.chain.verify() == ChainReport(2501, None)
    for sequence in (999, 1000, 1001, 2000, 2501):
        by_hand(
            repository,
            "UPDATE audit_event SET details = details || ' ' WHERE sequence = ?",
            sequence,
        )
        assert repository._context.chain.verify() == ChainReport(sequence - 1, sequence)
        by_hand(
            repository,
            "UPDATE audit_event SET details = trim(details) WHERE sequence = ?",
            sequence,
        )
    by_hand(repository, "DELETE FROM audit_event WHERE sequence = 1001")
    assert repository._context.chain.verify() == ChainReport(1000, 1001)


def test_an_event_told_during_the_walk_breaks_nothing(told: Repository, home: Path) -> None:
    """Between the last page of the walk and its check of the count, another process appends."""
    seen: list[str] = []

    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "count" in statement and not seen:
            seen.append(statement)
            with open_repository(make_settings(home), BOB) as other:
                context = other._context
                context.database.write_rows(
                    lambda connection: context.chain.append(connection, BOB, Event("test.event"))
                )

    event.listen(told._context.database.engine, "before_cursor_execute", meanwhile)
    assert told._context.chain.verify() == ChainReport(8, None)
    assert seen
    assert told._context.chain.verify() == ChainReport(9, None)


def test_a_moment_is_told_in_utc_whatever_the_clock_says(repository: Repository) -> None:
    context = repository._context
    there = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    chain = AuditChain(context.database, context.root, lambda: there)
    context.database.write_rows(
        lambda connection: chain.append(connection, ALICE, Event("test.event"))
    )
    [(at,)] = by_hand(repository, "SELECT at FROM audit_event WHERE action = 'test.event'")
    assert datetime.fromisoformat(at).replace(tzinfo=UTC) == there
    assert repository._context.chain.verify() == ChainReport(2, None)


def test_the_chain_stays_whole_when_the_master_key_is_changed(told: Repository, home: Path) -> None:
    told.close()
    for keys in (f"{NEW_KEY},{KEY}", NEW_KEY):
        with open_repository(make_settings(home, keys), ALICE) as repository:
            repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"k{len(keys)}"))
            assert repository._context.chain.verify().broken_at is None
            assert repository._context.chain.verify().checked == len(events(repository))


Action = Callable[[Repository, Scope, ConfigView], object]
ACTIONS: dict[str, Action] = {
    "add": lambda r, s, v: r.configs.add(ALICE, s, plain("new", PLANTED)),
    "add secret": lambda r, s, v: r.configs.add(ALICE, s, secret("new", PLANTED)),
    "edit": lambda r, s, v: r.configs.edit(ALICE, v, plain("k", PLANTED)),
    "edit secret": lambda r, s, v: r.configs.edit(ALICE, v, secret("k", PLANTED)),
    "rotate": lambda r, s, v: r.configs.rotate(ALICE, v, EnteredSecret(PLANTED)),
    "delete": lambda r, s, v: r.configs.delete(ALICE, v),
    "add organization": lambda r, s, v: r.organizations.add(ALICE, "New"),
    "rename organization": lambda r, s, v: r.organizations.rename(ALICE, s, 1, "New"),
    "archive organization": lambda r, s, v: r.organizations.archive(ALICE, s, 1),
    "restore organization": lambda r, s, v: r.organizations.restore(ALICE, s, 1),
}

TRIGGERS = (
    "CREATE TRIGGER unwritable BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER unwritable AFTER INSERT ON audit_event BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
)


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("trigger", TRIGGERS, ids=["abort", "rollback"])
def test_what_cannot_be_told_does_not_happen(
    repository: Repository, acme: Scope, name: str, trigger: str
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", "kept"))
    before = content(repository)
    by_hand(repository, trigger)
    with pytest.raises(DatabaseError) as raised:
        ACTIONS[name](repository, acme, view)
    assert_silent(raised.value, [PLANTED])
    assert content(repository) == before
    by_hand(repository, "DROP TRIGGER unwritable")
    ACTIONS[name](repository, acme, view)
    assert len(content(repository)["audit_event"]) == len(before["audit_event"]) + 1


def test_an_attempt_that_cannot_be_told_is_refused_all_the_same(
    repository: Repository, acme: Scope
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", "kept"))
    add_member(repository, "bob", Role.MEMBER, acme)
    before = content(repository)
    by_hand(repository, TRIGGERS[0])
    mallory = Access("mallory", "10.9.9.9")
    attempts: list[Callable[[], object]] = [
        lambda: repository.configs.count(mallory, ConfigList(acme)),
        lambda: repository.organizations.find(mallory, "Acme"),
        lambda: repository.configs.delete(mallory, view),
        lambda: repository.configs.delete(BOB, view),
    ]
    for attempt in attempts:
        with pytest.raises(BifrostError):
            attempt()
    by_hand(repository, "DROP TRIGGER unwritable")
    assert content(repository) == before
    with pytest.raises(OrganizationNotFoundError):
        attempts[0]()


def test_a_new_master_key_that_cannot_be_told_is_not_let_in(
    repository: Repository, acme: Scope, home: Path
) -> None:
    before = content(repository)
    by_hand(repository, TRIGGERS[0])
    with pytest.raises(DatabaseError):
        open_repository(make_settings(home, f"{NEW_KEY},{KEY}"), ALICE)
    assert content(repository) == before


def test_events_of_one_transaction_are_told_together_or_not_at_all(told: Repository) -> None:
    context = told._context

    def work(connection: Any) -> None:
        context.chain.append(connection, ALICE, Event("one"), Event("two"))
        context.chain.append(connection, ALICE, Event("three"))
        raise KeyError

    with pytest.raises(KeyError):
        context.database.write_rows(work)
    assert told._context.chain.verify() == ChainReport(8, None)
    context.database.write_rows(
        lambda connection: context.chain.append(connection, ALICE, Event("one"), Event("two"))
    )
    assert told._context.chain.verify() == ChainReport(10, None)


def test_the_tables_here_are_all_there_are(repository: Repository) -> None:
    found = repository._context.database.read(
        lambda connection: inspect(connection).get_table_names()
    )
    assert set(found) == {*TABLES, "bifrost_schema"}
