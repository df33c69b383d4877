"""Pages of a long list: from whatever known place they are walked to, they are the plain slice."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from bifrost_tui.store.filters import NO_FILTER, ConfigFilter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.schema import config, scope_summary
from bifrost_tui.store.views import GLOBAL_SCOPE, Anchor, Scope
from tests.support import ALICE, START, counted_ids, make_repository

pytestmark = pytest.mark.both_engines

OWN, INHERITED, SHARED = 3_000, 2_000, 500
"""How many configs stand only here, only in global, and in both."""
LINES = OWN + INHERITED

NARROW = ConfigFilter(words=("7",))
STANDING = ConfigFilter(states=frozenset({"inherited"}))


class Long:
    """A list of thousands of lines, and what every page of it must be."""

    def __init__(self, repository: Repository, scope: Scope) -> None:
        self.repository = repository
        self.scope = scope
        numbers = random.Random(1).sample(range(10**6), LINES)
        keys = [f"{random.Random(number).choice('kKz_')}{number:06}" for number in numbers]
        self.own, self.inherited = keys[:OWN], keys[OWN:]
        self.lists = {
            (False, NO_FILTER): sorted(keys),
            (True, NO_FILTER): sorted(self.own),
            (False, NARROW): sorted(key for key in keys if "7" in key),
            (False, STANDING): sorted(self.inherited),
        }
        shared = self.own[:SHARED]
        ids = counted_ids(10**6)

        def fill(connection: Connection) -> None:
            for place, held in ((scope, self.own), (GLOBAL_SCOPE, [*self.inherited, *shared])):
                rows = [self.row(ids(), place, key) for key in held]
                connection.execute(insert(config), rows)
                connection.execute(
                    update(scope_summary)
                    .where(scope_summary.c.scope_id == place.id)
                    .values(configs=len(rows))
                )

        repository._context.database.write_rows(fill)

    def row(self, row_id: str, scope: Scope, key: str) -> dict[str, object]:
        return {
            "id": row_id,
            "organization_id": None if scope.is_global else scope.id,
            "scope_id": scope.id,
            "key": key,
            "type": "int",
            "value": "7",
            "secret_version": 0,
            "description": "",
            "created_at": START,
            "created_by": "alice",
            "updated_at": START,
            "updated_by": "alice",
            "version": 1,
        }

    def page(
        self,
        which: tuple[bool, ConfigFilter],
        offset: int,
        limit: int,
        anchor: int | None,
        total: bool,
    ) -> list[str]:
        keys = self.lists[which]
        wanted = ConfigList(self.scope, which[1], own_only=which[0])
        found = self.repository.configs.page(
            ALICE,
            wanted,
            offset=offset,
            limit=limit,
            anchor=None if anchor is None else Anchor(anchor, keys[anchor]),
            total=len(keys) if total else None,
        )
        assert found.offset == offset
        return [view.key for view in found.rows]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    with make_repository(tmp_path_factory.mktemp("long")) as repository:
        yield Long(repository, repository.organizations.add(ALICE, "Acme"))


whiches = st.sampled_from(
    [(False, NO_FILTER), (True, NO_FILTER), (False, NARROW), (False, STANDING)]
)
ALL = (False, NO_FILTER)


@settings(max_examples=250)
@given(
    whiches,
    st.integers(0, LINES + 10),
    st.integers(0, 60),
    st.none() | st.integers(0, LINES - 1),
    st.none() | st.integers(-70, 70),
    st.booleans(),
)
@example(ALL, 10, 20, 15, None, False)
@example(ALL, 10, 20, 10, None, False)
@example(ALL, 10, 20, 11, None, False)
@example(ALL, 10, 20, 30, None, False)
@example(ALL, 4990, 20, 4995, None, True)
@example(ALL, 4990, 5, 4999, None, True)
@example(ALL, LINES - 1, 1, None, None, True)
@example(ALL, 0, 60, 1, None, True)
def test_every_page_is_the_plain_slice(
    long: Long,
    which: tuple[bool, ConfigFilter],
    offset: int,
    limit: int,
    anchor: int | None,
    near: int | None,
    total: bool,
) -> None:
    keys = long.lists[which]
    offset = min(offset, len(keys) + 10)
    if near is not None:
        anchor = offset + near
    if anchor is not None:
        anchor = min(max(anchor, 0), len(keys) - 1)
    assert long.page(which, offset, limit, anchor, total) == keys[offset : offset + limit]


@given(whiches, st.integers(0, LINES - 1), st.text("kKz_0123456789A", max_size=7))
def test_every_key_has_the_place_that_it_would_be_sorted_to(
    long: Long, which: tuple[bool, ConfigFilter], index: int, key: str
) -> None:
    keys = long.lists[which]
    wanted = ConfigList(long.scope, which[1], own_only=which[0])
    known = keys[index % len(keys)]
    assert long.repository.configs.position(ALICE, wanted, known) == index % len(keys)
    before = sum(other < key for other in keys)
    assert long.repository.configs.position(ALICE, wanted, key) == before


def test_every_list_is_counted(long: Long) -> None:
    for (own_only, wanted), keys in long.lists.items():
        found = long.repository.configs.count(
            ALICE, ConfigList(long.scope, wanted, own_only=own_only)
        )
        assert found == len(keys)
    assert long.repository.organizations.counts(ALICE, long.scope).effective == LINES


@pytest.mark.parametrize("step", [37, 250])
def test_a_walk_upwards_from_the_end_meets_every_line_once(long: Long, step: int) -> None:
    keys = long.lists[ALL]
    end, walked, anchor = len(keys), list[str](), None
    while end:
        start = max(end - step, 0)
        page = long.page(ALL, start, end - start, anchor, total=anchor is None)
        walked[:0] = page
        end, anchor = start, start
    assert walked == keys


def test_an_anchor_that_is_no_longer_true_gives_lines_of_the_list_in_order(long: Long) -> None:
    wanted = ConfigList(long.scope)
    keys = long.lists[ALL]
    for offset, index in ((5, 10), (5, 4000), (4000, 4010), (4000, 100), (0, 3)):
        for stale in (keys[0], keys[2], keys[-1], "", "zzz"):
            found = long.repository.configs.page(
                ALICE, wanted, offset=offset, limit=20, anchor=Anchor(index, stale)
            )
            shown = [view.key for view in found.rows]
            assert len(shown) <= 20
            assert not shown or shown == keys[keys.index(shown[0]) :][: len(shown)]
