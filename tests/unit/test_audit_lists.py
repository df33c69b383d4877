"""The audit log as it is looked at: filters against a model, roles, indexes, heads of the chain."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as engine_event

from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.crypto.derivation import derive
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    DatabaseInterruptedError,
    InvalidInputError,
    NotFoundError,
    OrganizationNotFoundError,
)
from bifrost_tui.store import audit_reading
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit import Event, _bytes
from bifrost_tui.store.audit_filters import (
    NO_AUDIT_FILTER,
    AuditFilter,
    parse_audit_filter,
    parse_when,
)
from bifrost_tui.store.audit_lists import NO_MOMENT, parse_head
from bifrost_tui.store.derived import Kept, differing, put_right
from bifrost_tui.store.engine_checks import mend_engine
from bifrost_tui.store.keys import key_uses
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, Interrupt
from bifrost_tui.store.troubles import Mend
from bifrost_tui.store.views import GLOBAL_SCOPE, ChainReport, Head, Scope
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    START,
    HandClock,
    add_member,
    by_hand,
    events,
    make_repository,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

DORA = Access("dora", "local")
"""A member of Acme."""
MALLORY = Access("mallory", "10.9.9.9")
ACTORS = ("alice", "bob", "carol", "Zoë")
ACTIONS = ("config.add", "config.edit", "secret.read", "member.add", "other")
KEYS = ("stripe_key", "STRIPE_KEY", "smtp", "a_b", "axb", None)
OUTCOMES = ("done", "done", "done", "refused", "failed")


@dataclass(frozen=True)
class Told:
    """An event as the model knows it."""

    sequence: int
    at: datetime
    actor: str
    action: str
    scope: Scope | None
    key: str | None
    outcome: str


class World:
    """A log of a few hundred events of every kind, and the same in plain Python."""

    def __init__(self, home: Path) -> None:
        self.clock = HandClock()
        self.repository = make_repository(home, clock=self.clock)
        organizations = self.repository.organizations
        self.scopes = [organizations.add(ALICE, name) for name in ("Acme", "Acme Two", "Bright")]
        add_member(self.repository, "bob", Role.ADMIN, self.scopes[0])
        add_member(self.repository, "bob", Role.OWNER, self.scopes[2])
        add_member(self.repository, "bob", Role.MEMBER, self.scopes[1])
        add_member(self.repository, "carol", Role.ADMIN)
        add_member(self.repository, "dora", Role.MEMBER, self.scopes[0])
        places = [None, GLOBAL_SCOPE, Scope("", "guessed"), *self.scopes]
        chain, database = self.repository._context.chain, self.repository._context.database
        self.told = [
            Told(number, START, "alice", action, scope, None, "done")
            for number, (action, scope) in enumerate(
                [
                    ("database.create", None),
                    *(("organization.add", scope) for scope in self.scopes),
                ],
                1,
            )
        ]
        for number in range(400):
            # Now and then the clock is set back.
            self.clock.advance(minutes=-40 if number % 50 == 49 else 7)
            told = Told(
                len(self.told) + 1,
                self.clock(),
                ACTORS[number * 7 % 11 % len(ACTORS)],
                ACTIONS[number * 5 % 13 % len(ACTIONS)],
                places[number * 3 % 17 % len(places)],
                KEYS[number * 11 % 19 % len(KEYS)],
                OUTCOMES[number % len(OUTCOMES)],
            )
            access = Access(told.actor, "local")
            event = Event(told.action, told.scope, told.key, told.outcome, {"n": number})
            database.write_rows(lambda connection: chain.append(connection, access, event))  # noqa: B023
            self.told.append(told)

    def expected(self, access: Access, wanted: AuditFilter) -> list[int]:
        """Return what an actor sees through a filter, newest first."""
        seen: set[str] | None = None
        if access == BOB:
            seen = {self.scopes[0].id, self.scopes[2].id}
        if wanted.scopes is not None:
            seen = {scope.id for scope in wanted.scopes}
        return [told.sequence for told in reversed(self.told) if _fits(told, wanted, seen)]


def _fits(told: Told, wanted: AuditFilter, seen: set[str] | None) -> bool:
    return (
        (seen is None or (told.scope is not None and told.scope.id in seen))
        and _text_fits(told.actor, wanted.actor)
        and _text_fits(told.action, wanted.action)
        and _text_fits(told.key, wanted.key)
        and wanted.outcome in (None, told.outcome)
        and (wanted.since is None or told.at >= wanted.since)
        and (wanted.until is None or told.at < wanted.until)
    )


def _text_fits(text: str | None, wanted: str | None) -> bool:
    if wanted is None or "*" not in wanted:
        return wanted in (None, text)
    return text is not None and fnmatchcase(text.lower(), wanted.lower())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with TemporaryDirectory() as folder:
        made = World(Path(folder))
        yield made
        made.repository.close()


TIMES = st.one_of(
    st.none(), st.integers(-100, 3000).map(lambda minutes: START + timedelta(minutes=minutes))
)
FILTERS = st.builds(
    AuditFilter,
    actor=st.sampled_from([None, None, *ACTORS, "*o*", "a*", "nobody"]),
    action=st.sampled_from([None, None, *ACTIONS, "config.*", "*.add", "*", "none.*"]),
    key=st.sampled_from([None, None, *KEYS, "stripe*", "*_*", "A_B*", "none"]),
    outcome=st.sampled_from([None, None, "done", "refused", "failed"]),
    since=TIMES,
    until=TIMES,
)


@settings(max_examples=250, deadline=None)
@given(data=st.data(), wanted=FILTERS)
def test_pages_and_counts_are_those_of_the_model(
    world: World, data: st.DataObject, wanted: AuditFilter
) -> None:
    access = data.draw(st.sampled_from([ALICE, BOB, CAROL]))
    own = [world.scopes[0], world.scopes[2]]
    places = own if access == BOB else [*world.scopes, GLOBAL_SCOPE]
    some = data.draw(st.none() | st.lists(st.sampled_from(places), unique=True))
    wanted = replace(wanted, scopes=None if some is None else tuple(some))
    many = data.draw(st.sampled_from([0, 1, audit_reading.MANY]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_reading, "MANY", many)
        log, expected = world.repository.log, world.expected(access, wanted)
        assert log.count(access, wanted) == len(expected)
        limit = data.draw(st.integers(1, 60))
        found: list[int] = []
        while page := log.page(access, wanted, before=found[-1] if found else None, limit=limit):
            found += [view.sequence for view in page]
        assert found == expected
        # From anywhere, either way.
        before = data.draw(st.integers(-1, 500))
        below = [number for number in expected if number < before]
        skip = data.draw(st.integers(0, 100))
        page = log.page(access, wanted, before=before, skip=skip, limit=limit)
        assert [view.sequence for view in page] == below[skip : skip + limit]
        assert log.count(access, wanted, before=before) == len(below)
        above = data.draw(st.integers(-1, 500))
        up = [number for number in reversed(below) if number > above][skip : skip + limit]
        page = log.page(access, wanted, before=before, above=above, skip=skip, limit=limit)
        assert [view.sequence for view in page] == up[::-1]


def test_each_event_is_shown_to_whom_it_concerns(world: World) -> None:
    log = world.repository.log
    for told in world.told:
        view = log.get(ALICE, told.sequence)
        assert (view.actor, view.action, view.key, view.outcome, view.at) == (
            *(told.actor, told.action, told.key, told.outcome, told.at),
        )
        if told.scope in (world.scopes[0], world.scopes[2]):
            assert log.get(BOB, told.sequence) == view
        else:
            with pytest.raises(NotFoundError):
                log.get(BOB, told.sequence)
    assert dict(log.get(ALICE, 5).details) == {"n": 0}


def test_what_there_is_to_choose_from_is_what_may_be_seen(world: World) -> None:
    log = world.repository.log
    assert set(log.actors(ALICE)) == set(ACTORS)
    assert set(log.actions(CAROL)) >= set(ACTIONS)
    assert "database.create" not in log.actions(BOB)
    assert [scope.name for scope in log.scopes(BOB)] == ["Acme", "Bright"]
    assert [scope.name for scope in log.scopes(ALICE)] == ["Acme", "Acme Two", "Bright", "Global"]
    assert log.may_list(BOB)
    assert log.may_list(BOB, world.scopes[0])
    assert not log.may_list(BOB, world.scopes[1])
    assert not log.may_list(BOB, GLOBAL_SCOPE)
    assert not log.may_list(DORA)
    assert log.may_verify(CAROL)
    assert not log.may_verify(BOB)


# Who may


@pytest.fixture
def acme(repository: Repository) -> Scope:
    scope = repository.organizations.add(ALICE, "Acme")
    add_member(repository, "bob", Role.ADMIN, scope)
    add_member(repository, "dora", Role.MEMBER, scope)
    return scope


@pytest.mark.parametrize("scopes", ["none", "acme", "global"])
@pytest.mark.parametrize("access", [DORA, MALLORY])
def test_who_may_see_no_log_is_refused_and_that_is_told(
    repository: Repository, acme: Scope, access: Access, scopes: str
) -> None:
    wanted = AuditFilter(scopes={"none": None, "acme": (acme,), "global": (GLOBAL_SCOPE,)}[scopes])
    log, before = repository.log, len(events(repository))
    asked: list[Callable[[], object]] = [
        lambda: log.page(access, wanted),
        lambda: log.count(access, wanted),
        lambda: log.export(access, wanted),
        lambda: log.get(access, 1),
        lambda: log.scopes(access),
        lambda: log.actors(access),
        lambda: log.verify(access),
        lambda: log.head(access),
        lambda: key_uses(repository, access),
        *(partial(differing, repository, access, kept) for kept in Kept),
        *(partial(put_right, repository, access, kept) for kept in Kept),
        *(partial(mend_engine, repository, access, what) for what in Mend),
    ]
    for ask in asked:
        with pytest.raises((AccessDeniedError, OrganizationNotFoundError)):
            ask()
        before += 1
        assert len(events(repository)) == before
        assert events(repository)[-1][3] == "refused"


def test_an_admin_of_one_organization_sees_no_other(repository: Repository, acme: Scope) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    log = repository.log
    for scope in (other, GLOBAL_SCOPE):
        with pytest.raises((OrganizationNotFoundError, AccessDeniedError)):
            log.page(BOB, AuditFilter(scopes=(scope,)))
    # That he tried stands in the log of that organization, and not in his.
    assert log.page(ALICE, AuditFilter(scopes=(other,)))[0].outcome == "refused"
    assert {view.organization for view in log.page(BOB)} == {"Acme"}
    for ask in (log.verify, log.head):
        with pytest.raises(AccessDeniedError, match="all organizations"):
            ask(BOB)


def test_a_member_sees_no_history_of_a_key(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, plain("k"))
    assert repository.configs.history(DORA, acme, "k") == ()
    assert [view.action for view in repository.configs.history(BOB, acme, "k")] == ["config.add"]
    repository.configs.add(ALICE, GLOBAL_SCOPE, plain("g"))
    assert repository.configs.history(ALICE, GLOBAL_SCOPE, "g")


def test_a_rename_keeps_the_log_together(repository: Repository, acme: Scope) -> None:
    renamed = repository.organizations.rename(ALICE, acme, 1, "Acme Dental")
    found = repository.log.page(BOB, AuditFilter(scopes=(renamed,)))
    assert [view.organization for view in found] == ["Acme Dental", "Acme"]


# Export


def test_an_export_has_every_event_from_the_oldest_on_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost_tui.store.audit_lists._EXPORTED", 7)
    log = world.repository.log
    wanted = AuditFilter(action="config.*", outcome="done")
    for access in (ALICE, BOB):
        expected = world.expected(access, wanted)[::-1]
        total, found = log.export(access, wanted)
        views = list(found)
        assert [view.sequence for view in views] == expected
        assert total == len(expected)
        [told] = log.page(ALICE, limit=1)
        assert (told.actor, told.action) == (access.actor, "audit.export")
        details = log.get(ALICE, told.sequence).details
        assert details == {"action": "config.*", "outcome": "done", "events": total}
        world.told.append(
            Told(told.sequence, told.at, told.actor, told.action, None, None, told.outcome)
        )
        rows = by_hand(world.repository, "SELECT sequence, chain_hash FROM audit_event")
        assert {(view.sequence, view.chain_hash) for view in views} <= set(rows)


def test_an_export_ends_where_the_log_ended(repository: Repository, acme: Scope) -> None:
    _, found = repository.log.export(ALICE)
    before = len(events(repository))
    repository.configs.add(ALICE, acme, plain("later"))
    assert [view.sequence for view in found] == list(range(1, before))


# Damage


@pytest.mark.sqlite
@pytest.mark.parametrize("at", ["no moment", b"\xff", 7, ""])
def test_a_damaged_line_keeps_no_other_from_coming(
    repository: Repository, acme: Scope, at: object
) -> None:
    by_hand(repository, "UPDATE audit_event SET at = ?, details = '[1', key = ?", at, b"\xff")
    assert_lines_come(repository)


@pytest.mark.postgresql
@pytest.mark.parametrize("at", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
def test_a_moment_beyond_all_of_ours_keeps_no_line_from_coming(
    repository: Repository, acme: Scope, at: str
) -> None:
    by_hand(repository, "UPDATE audit_event SET at = ?, details = '[1'", at)
    assert_lines_come(repository)


def assert_lines_come(repository: Repository) -> None:
    found = repository.log.page(ALICE)
    assert [view.sequence for view in found] == [2, 1]
    assert found[0].at == NO_MOMENT
    assert dict(repository.log.get(ALICE, 2).details) == {"damaged": True}
    assert repository.log.verify(ALICE).broken_at == 1


# The chain: what is wrong, and its head


@pytest.fixture
def told(repository: Repository, acme: Scope) -> Repository:
    for number in range(6):
        repository.configs.add(ALICE, acme, plain(f"k{number}"))
    assert repository.log.verify(ALICE) == ChainReport(8, None)
    return repository


@pytest.mark.parametrize("first", [1, 2, 5, 8])
def test_a_cut_off_end_is_found_by_the_head_that_was_noted(told: Repository, first: int) -> None:
    head = told.log.head(ALICE)
    assert told.log.verify(ALICE, head=head) == ChainReport(8, None)
    by_hand(told, "DELETE FROM audit_event WHERE sequence >= ?", first)
    assert told.log.verify(ALICE) == ChainReport(first - 1, None)
    report = told.log.verify(ALICE, head=head)
    assert report == ChainReport(first - 1, first)
    missing = "1 event is" if first == 8 else f"{9 - first} events are"
    assert report.why == (
        f"Event {first}: the log ends at {first - 1}, the head names 8: {missing} missing."
    )


def test_an_end_that_was_told_anew_is_found_by_the_head(told: Repository, acme: Scope) -> None:
    """Whoever has the key can go on from a cut; the head noted before was another."""
    head = told.log.head(ALICE)
    by_hand(told, "DELETE FROM audit_event WHERE sequence >= 7")
    by_hand(told, "DELETE FROM config WHERE key IN ('k4', 'k5')")
    for number in range(4):
        told.configs.add(ALICE, acme, plain(f"new{number}"))
    assert told.log.verify(ALICE).broken_at is None
    report = told.log.verify(ALICE, head=head)
    assert report == ChainReport(7, 8)
    assert report.why == "Event 8: it is another one than the head names."


def test_a_head_that_was_noted_long_ago_is_still_met(told: Repository, acme: Scope) -> None:
    head = told.log.head(ALICE)
    told.configs.add(ALICE, acme, plain("later"))
    report = told.log.verify(ALICE, head=head)
    assert report == ChainReport(9, None)
    assert report.head == told.log.head(ALICE) != head


@pytest.mark.parametrize(
    ("statement", "report", "why"),
    [
        ("UPDATE audit_event SET actor = 'eve' WHERE sequence = 3", (2, 3), "was changed"),
        ("DELETE FROM audit_event WHERE sequence = 3", (2, 3), "is missing"),
        ("UPDATE audit_event SET sequence = 0 WHERE sequence = 8", (7, 8), "outside the chain"),
        pytest.param(
            "UPDATE audit_event SET key = CAST(x'ff' AS TEXT) WHERE sequence = 6",
            (5, 6),
            "holds what is no text",
            marks=pytest.mark.sqlite,
        ),
    ],
)
def test_a_report_says_what_is_wrong(
    told: Repository, statement: str, report: tuple[int, int], why: str
) -> None:
    by_hand(told, statement)
    found = told.log.verify(ALICE)
    assert found == ChainReport(*report)
    assert why in found.why
    assert f"Event {report[1]}: " in found.why
    assert found.head is not None
    assert found.head.sequence == report[0]


def test_a_walk_tells_how_far_it_is_and_can_be_cancelled(
    told: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost_tui.store.audit._CHUNK", 3)
    steps: list[tuple[int, int]] = []
    told.log.verify(ALICE, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(3, 8), (6, 8), (8, 8)]
    interrupt = Interrupt()

    def stop(done: int, total: int) -> None:
        interrupt.cancel()

    with pytest.raises(DatabaseInterruptedError):
        told.log.verify(ALICE, progress=stop, interrupt=interrupt)


def test_a_head_is_read_as_it_is_printed(told: Repository) -> None:
    head = told.log.head(ALICE)
    assert parse_head(f" {head}\n") == head
    assert str(head) == f"8:{head.chain_hash}"
    assert parse_head(str(head).upper()) == head


@pytest.mark.parametrize("text", ["", "8", "8:", ":" + "a" * 64, "8:" + "g" * 64, "٣:" + "a" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="audit head"):
        parse_head(text)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    sequence=st.integers(1, 2**60),
    at=st.datetimes(min_value=datetime(1000, 1, 1)),  # noqa: DTZ001
    texts=st.tuples(TEXTS, TEXTS, TEXTS, *[st.none() | TEXTS] * 3, TEXTS, TEXTS),
)
def test_the_bytes_that_are_hashed_are_those_of_plain_json(
    sequence: int, at: datetime, texts: tuple[str | None, ...]
) -> None:
    """Logs of every age verify: what is written by hand is what the JSON library writes."""
    moment = at.replace(tzinfo=UTC).isoformat(timespec="microseconds")
    plainly = json.dumps([sequence, moment, *texts], separators=(",", ":")).encode()
    stored = at.isoformat(sep=" ", timespec="microseconds")
    for given_at in (stored, at.isoformat(), at.replace(tzinfo=UTC)):
        assert _bytes([sequence, given_at, *texts, "hash"]) == plainly


@given(secret=st.binary(min_size=32, max_size=32), event=st.binary(max_size=300))
def test_the_chain_is_hmac_sha256(secret: bytes, event: bytes) -> None:
    previous = "0f" * 32
    expected = hmac.new(derive(secret, "audit chain"), previous.encode() + b"\n" + event, sha256)
    assert DatabaseRoot(secret).link(previous, event) == expected.hexdigest()


# Along indexes


def plans(repository: Repository, ask: Any) -> list[str]:
    """Return how SQLite answers what a call asks of the log."""
    asked: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    engine = repository._context.database.engine
    engine_event.listen(engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        engine_event.remove(engine, "before_cursor_execute", hear)
    return [
        line[3]
        for text, values in asked
        if "audit_event" in text
        for line in by_hand(repository, f"EXPLAIN QUERY PLAN {text}", *values)
    ]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(actor="alice"), "ix_audit_event_actor"),
        (AuditFilter(actor="*o*"), "ix_audit_event_actor"),
        (AuditFilter(action="config.add"), "ix_audit_event_action"),
        (AuditFilter(action="config.*"), "ix_audit_event_action"),
        (AuditFilter(key="smtp"), "ix_audit_event_key"),
        (AuditFilter(key="st*"), "ix_audit_event_key"),
        (AuditFilter(outcome="refused"), "ix_audit_event_not_done"),
        (AuditFilter(outcome="done"), "INTEGER PRIMARY KEY"),
        (AuditFilter(since=START), "INTEGER PRIMARY KEY"),
        (AuditFilter(until=START), "INTEGER PRIMARY KEY"),
        (AuditFilter(actor="nobody", action="config.*"), "ix_audit_event_actor"),
        (AuditFilter(actor="alice", key="none"), "ix_audit_event_key"),
        (AuditFilter(actor="alice", since=START), "ix_audit_event_actor"),
        (NO_AUDIT_FILTER, "INTEGER PRIMARY KEY"),
    ],
)
def test_every_filter_is_answered_along_an_index(
    world: World, wanted: AuditFilter, index: str
) -> None:
    log = world.repository.log
    asking = {
        "page": lambda: log.page(ALICE, wanted, before=300, skip=5, limit=5),
        "up": lambda: log.page(ALICE, wanted, above=30, skip=5, limit=5),
        "count": lambda: log.count(ALICE, wanted),
    }
    for ask in asking.values():
        lines = plans(world.repository, ask)
        assert not [line for line in lines if "TEMP B-TREE" in line], lines
        assert not [line for line in lines if line.startswith("SCAN audit_event")], lines
        assert any(index in line for line in lines), lines
        # Where a stretch of time begins is read from the index of moments.
        if wanted.since or wanted.until:
            assert any("COVERING INDEX ix_audit_event_at" in line for line in lines), lines


def test_an_organizations_log_is_answered_along_its_index(world: World) -> None:
    log = world.repository.log
    for access, wanted in (
        (BOB, NO_AUDIT_FILTER),
        (ALICE, AuditFilter(scopes=(world.scopes[1],))),
    ):
        lines = plans(world.repository, lambda: log.page(access, wanted, limit=5))  # noqa: B023
        assert any("ix_audit_event_organization_id (" in line for line in lines), lines
        assert not [line for line in lines if "TEMP B-TREE" in line], lines


# The filter as it is typed

NOW = START
SCOPES = [Scope("1", "Acme"), Scope("2", "Acme Two"), Scope("3", "Bright Co"), GLOBAL_SCOPE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", AuditFilter()),
        ("actor:", AuditFilter()),
        ("actor:alice action:config.*", AuditFilter(actor="alice", action="config.*")),
        ("stripe", AuditFilter(key="*stripe*")),
        ("key:stripe_key outcome:ref", AuditFilter(key="stripe_key", outcome="refused")),
        ('org:"Acme Two"', AuditFilter(scopes=(SCOPES[1],))),
        ('org:"Acme', AuditFilter(scopes=(SCOPES[0],))),
        ("org:acme", AuditFilter(scopes=(SCOPES[0],))),
        ("org:acm", AuditFilter(scopes=(SCOPES[0], SCOPES[1]))),
        ("org:nowhere", AuditFilter(scopes=())),
        ("org:global", AuditFilter(scopes=(GLOBAL_SCOPE,))),
        ("since:7d", AuditFilter(since=NOW - timedelta(days=7))),
        ("since:12h until:30min", AuditFilter(
            since=NOW - timedelta(hours=12), until=NOW - timedelta(minutes=30))),
        ("since:2026-02-01", AuditFilter(since=datetime(2026, 2, 1, tzinfo=UTC))),
        ("until:2026-02-01", AuditFilter(until=datetime(2026, 2, 2, tzinfo=UTC))),
        ("until:2026-02-01T10:00", AuditFilter(until=datetime(2026, 2, 1, 10, tzinfo=UTC))),
        ("since:2026-02-01T10:00+02:00", AuditFilter(since=datetime(2026, 2, 1, 8, tzinfo=UTC))),
    ],
)  # fmt: skip
def test_a_filter_is_read_as_it_is_typed(text: str, expected: AuditFilter) -> None:
    assert parse_audit_filter(text, NOW, SCOPES) == expected


def test_while_one_is_typed_texts_are_found_by_how_they_begin() -> None:
    found = parse_audit_filter("actor:al action:config key:x*", NOW, typing=True)
    assert found == AuditFilter(actor="al*", action="config*", key="x*")


@pytest.mark.parametrize(
    "text",
    ["colour:red", "outcome:maybe", "since:yesterday", "until:7y", "since:0001-01-01T00:00+14:00",
     "since:999999d", "x" * 501, "a\0b", "\ud800"],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_audit_filter(text, NOW)
    assert raised.value.field == "filter"
    assert "\0" not in raised.value.message


@given(st.text(max_size=80))
def test_nothing_that_is_typed_breaks_the_filter(text: str) -> None:
    problem = ""
    try:
        parse_audit_filter(text, NOW, SCOPES, typing=True)
    except BifrostError as error:
        problem = error.message
    assert problem.isprintable()


def test_a_moment_is_told_with_what_it_takes() -> None:
    assert parse_when("2w", NOW, "--since") == NOW - timedelta(weeks=2)
    with pytest.raises(InvalidInputError, match=r"--since: takes how long ago"):
        parse_when("soon", NOW, "--since")


def test_a_filter_matches_nothing_beyond_what_it_says(world: World) -> None:
    """What is a wildcard elsewhere is a character here."""
    for key in ("a_b", "a%b", "[a]_b", "a?b"):
        assert world.repository.log.count(ALICE, AuditFilter(key=f"{key}*")) == (
            world.repository.log.count(ALICE, AuditFilter(key="a_b")) if key == "a_b" else 0
        )


def test_a_head_prints_as_one_word() -> None:
    assert " " not in str(Head(12, "a" * 64))


def test_a_secret_stays_out_of_an_export(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, secret("k", "never-in-the-log-7"))
    _, found = repository.log.export(ALICE)
    assert "never-in-the-log-7" not in repr(list(found))
