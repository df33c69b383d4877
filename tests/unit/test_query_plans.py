"""How lists are answered: along indexes, without sorting, and the same whichever way is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from sqlalchemy import event

from bifrost_tui.demo import build_scale, create_story
from bifrost_tui.demo.scale import BIGGEST
from bifrost_tui.store import reading
from bifrost_tui.store.access import Role
from bifrost_tui.store.filters import parse_filter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.views import GLOBAL_SCOPE, Anchor, Scope, Waiting
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    add_member,
    by_hand,
    make_repository,
    make_settings,
)

FILTERS = [
    "",
    "prod",
    "api key",
    "zzzz",
    "type:secret",
    "type:secret type:json prod",
    "integration:stripe",
    "is:own",
    "is:inherited",
    "is:shadows",
    "is:shadows type:secret",
    "is:own is:inherited",
    "is:needs-value",
]
STATES = [
    "is:due",
    "is:overdue",
    "is:unreadable",
    "is:due is:overdue",
    "is:overdue is:unreadable",
    "is:overdue key",
    "is:due type:secret integration:stripe",
    "is:due is:own",
    "is:due is:inherited",
    "is:due is:shadows",
    "is:unreadable is:shadows is:inherited",
]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with make_repository(tmp_path_factory.mktemp("big")) as repository:
        build_scale(repository, ALICE, 3000, organizations=4, clock=HandClock())
        yield repository


@pytest.fixture
def biggest(big: Repository) -> Scope:
    return big.organizations.find(ALICE, BIGGEST)


def plans(repository: Repository, ask: Callable[[], Any]) -> list[str]:
    """Return each line of how SQLite answers every query over configs that a call asks."""
    asked: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    engine = repository._context.database.engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    tables = ("FROM config", "JOIN config")
    queries = [asking for asking in asked if any(table in asking[0] for table in tables)]
    assert queries
    return [
        line[3]
        for text, values in queries
        for line in by_hand(repository, f"EXPLAIN QUERY PLAN {text}", *values)
    ]


def assert_along_indexes(lines: list[str]) -> None:
    for line in lines:
        assert "TEMP B-TREE FOR ORDER BY" not in line, lines
        assert not line.startswith(("SCAN config", "SCAN own", "SCAN inherited")), lines


@pytest.mark.parametrize(
    ("text", "own_only"),
    # An organization's own inherited ones: none, which is not even looked for.
    sorted({*product(FILTERS, (False, True))} - {("is:inherited", True)}),
)
def test_pages_are_walked_in_the_order_of_an_index(
    big: Repository, biggest: Scope, text: str, own_only: bool
) -> None:
    wanted = ConfigList(biggest, parse_filter(text), own_only=own_only)
    total = big.configs.count(ALICE, wanted)
    places: list[dict[str, Any]] = [
        {"offset": 0, "total": total},
        {"offset": max(total - 10, 0), "total": total},
        {"offset": 700, "anchor": Anchor(690, "m")},
        {"offset": 600, "anchor": Anchor(690, "m")},
        {"offset": 690, "anchor": Anchor(695, "m")},
    ]
    for place in places:
        assert_along_indexes(plans(big, lambda: big.configs.page(ALICE, wanted, limit=10, **place)))  # noqa: B023
    if text not in ("", "is:own"):
        assert_along_indexes(plans(big, lambda: big.configs.count(ALICE, wanted)))
    assert_along_indexes(plans(big, lambda: big.configs.position(ALICE, wanted, "m")))


@pytest.mark.parametrize("text", ["is:due", "is:overdue", "is:unreadable", "is:overdue prod"])
def test_what_is_rare_is_not_looked_for_in_every_row(
    big: Repository, biggest: Scope, text: str
) -> None:
    wanted = ConfigList(biggest, parse_filter(text))
    for ask in (
        lambda: big.configs.count(ALICE, wanted),
        lambda: big.configs.position(ALICE, wanted, "m"),
        lambda: big.configs.page(ALICE, wanted, offset=0, limit=10),
    ):
        lines = plans(big, ask)
        assert_along_indexes(lines)
        whole = [line for line in lines if line.endswith("uq_config_scope_id_key (scope_id=?)")]
        assert whole == []


def test_what_shadows_is_looked_for_along_global(big: Repository, biggest: Scope) -> None:
    wanted = ConfigList(biggest, parse_filter("is:shadows type:secret"))
    for ask in (
        lambda: big.configs.count(ALICE, wanted),
        lambda: big.configs.page(ALICE, wanted, offset=0, limit=10),
    ):
        own = [line for line in plans(big, ask) if line.startswith("SEARCH own")]
        assert own
        assert all("(scope_id=? AND key=?)" in line for line in own), own


def test_what_wants_attention_is_counted_from_the_indexes_of_it(
    big: Repository, biggest: Scope
) -> None:
    for ask in (
        lambda: big.organizations.list(ALICE),
        lambda: big.organizations.counts(ALICE, biggest),
    ):
        lines = plans(big, ask)
        assert_along_indexes(lines)
        marks = [line for line in lines if line.startswith("SEARCH config")]
        assert len(marks) == 4
        assert all("COVERING INDEX" in line for line in marks), lines


# Over every organization


def test_one_key_is_looked_up_in_each_organization(big: Repository) -> None:
    lines = plans(big, lambda: big.everywhere.key(ALICE, "wireless_prod_passphrase_0001"))
    assert_along_indexes(lines)
    assert [line for line in lines if " config " in line] == [
        "SEARCH config USING INDEX uq_config_scope_id_key (scope_id=? AND key=?)",
        "SEARCH config USING INDEX uq_config_scope_id_key (scope_id=? AND key=?) LEFT-JOIN",
    ]
    # Ordered by the index of names.
    assert [line for line in lines if " organization " in line] == [
        "SCAN organization USING INDEX sqlite_autoindex_organization_2"
    ]


def test_references_of_a_global_secret_are_found_by_what_they_refer_to(big: Repository) -> None:
    view = big.configs.get_key(ALICE, GLOBAL_SCOPE, "wireless_dev_passphrase_0000")
    assert big.configs.references(ALICE, view).total == 3
    lines = plans(big, lambda: big.configs.references(ALICE, view))
    assert "SEARCH config USING INDEX ix_config_refers_to (refers_to=?)" in lines
    assert not [line for line in lines if line.startswith("SCAN config")]


def test_groups_of_equal_secrets_are_told_along_their_index(big: Repository) -> None:
    add_member(big, "bob", Role.ADMIN, big.organizations.find(ALICE, BIGGEST))
    for access in (ALICE, BOB):
        lines = plans(big, lambda: big.everywhere.reused(access))  # noqa: B023
        assert_along_indexes(lines)
        assert "SEARCH config USING INDEX ix_config_equal_group (equal_group>?)" in lines


@pytest.mark.parametrize("what", Waiting)
def test_what_waits_is_found_through_an_index_of_it(
    big: Repository, biggest: Scope, what: Waiting
) -> None:
    add_member(big, f"carol-{what}", Role.MEMBER, biggest)
    for access, scope in (
        *((ALICE, None), (ALICE, biggest)),
        (Access(f"carol-{what}", "local"), None),
    ):
        lines = plans(big, lambda: big.everywhere.waiting(access, what, scope))  # noqa: B023
        used = [line for line in lines if " config " in line]
        index = {
            Waiting.NEEDS_VALUE: "ix_config_needs_value",
            # What is kept of those who left leads there, by the ids.
            Waiting.EXPOSED: "autoindex_config_1 (id=?)",
        }.get(what, "ix_config_due_at")
        assert used
        assert all(index in line for line in used), lines
        if what in (Waiting.DUE, Waiting.OVERDUE):
            assert_along_indexes(lines)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("is:dangling", "ix_config_refers_to"),
        ("is:reused", "ix_config_equal_group"),
        ("is:needs-value", "ix_config_needs_value"),
        ("integration:stripe", "ix_config_integration"),
    ],
)
def test_a_state_is_looked_for_along_its_index(
    big: Repository, biggest: Scope, text: str, index: str
) -> None:
    wanted = ConfigList(biggest, parse_filter(text))
    for ask in (
        lambda: big.configs.count(ALICE, wanted),
        lambda: big.configs.position(ALICE, wanted, "m"),
        lambda: big.configs.page(ALICE, wanted, offset=0, limit=10),
    ):
        lines = plans(big, ask)
        assert_along_indexes(lines)
        own = [line for line in lines if line.startswith(("SEARCH own ", "SEARCH inherited "))]
        assert own
        assert all(index in line for line in own), lines


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    settings = make_settings(tmp_path_factory.mktemp("story"))
    clock = HandClock()
    with create_story(settings, ALICE, clock=clock) as repository:
        # Later, with another key lost: much is due, and much does not open.
        clock.advance(days=70)
        lost = "UPDATE config SET key_id = 'lost' WHERE secret IS NOT NULL AND key > 'site'"
        by_hand(repository, lost)
        yield repository


@pytest.mark.parametrize("text", STATES)
def test_few_and_many_lines_of_a_state_are_the_same_lines(
    story: Repository, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = 0
    scopes = [line.scope for line in story.organizations.list(ALICE)]
    for scope in [*scopes, GLOBAL_SCOPE]:
        for own_only in (False, True):
            wanted = ConfigList(scope, parse_filter(text), own_only=own_only)
            ways = []
            for few in (500, 0):
                monkeypatch.setattr(reading, "_FEW", few)
                pages = [
                    story.configs.page(ALICE, wanted, offset=offset, limit=4).rows
                    for offset in range(0, 40, 4)
                ]
                ways.append([view.id for page in pages for view in page])
            assert ways[0] == ways[1]
            assert len(ways[0]) == story.configs.count(ALICE, wanted)
            found += len(ways[0])
    assert found
