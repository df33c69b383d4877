"""Which pages are held, asked for and let go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_tui.tui.widgets.page_cache import CAPACITY, PageCache


def filled(total: int, *pages: int, size: int = 10) -> PageCache[int]:
    cache: PageCache[int] = PageCache(size)
    cache.reset(total)
    for page in pages:
        assert put(cache, page)
    return cache


def rows_of(cache: PageCache[int], page: int) -> Sequence[int]:
    first, count = cache.span(page)
    return range(first, first + count)


def put(cache: PageCache[int], page: int) -> bool:
    return cache.put(cache.generation, page, rows_of(cache, page))


def test_rows_are_found_by_index_once_their_page_is_there() -> None:
    cache = filled(25, 0, 2)
    assert [cache.row(index) for index in (0, 9, 20, 24)] == [0, 9, 20, 24]
    assert [cache.row(index) for index in (-1, 10, 19, 25)] == [None] * 4


def test_the_last_page_is_as_long_as_the_rest() -> None:
    cache = filled(25)
    assert [cache.span(page) for page in (-1, 0, 2, 3)] == [(-10, 0), (0, 10), (20, 5), (30, 0)]


def test_what_shows_is_asked_for_first_then_the_near_neighbours() -> None:
    assert filled(100).ask(33, 10) == [3, 4, 2]


@pytest.mark.parametrize(
    ("top", "asked"),
    [(50, [5, 4]), (51, [5, 4]), (54, [5, 4]), (55, [5, 6]), (56, [5, 6])],
)
def test_a_neighbour_is_asked_for_within_half_a_page(top: int, asked: list[int]) -> None:
    assert filled(100).ask(top, 1) == asked


def test_the_ends_have_no_neighbours_beyond() -> None:
    assert filled(30).ask(0, 4) == [0]
    assert filled(30).ask(26, 4) == [2]
    assert filled(0).ask(0, 40) == []


def test_an_open_question_is_not_asked_again() -> None:
    cache = filled(100)
    assert cache.ask(0, 4) == [0]
    assert cache.ask(0, 4) == []
    assert put(cache, 0)
    assert cache.ask(0, 4) == []


def test_a_lost_page_is_asked_for_again() -> None:
    cache = filled(100)
    cache.ask(0, 4)
    cache.lose(cache.generation - 1, 0)
    assert cache.ask(0, 4) == []
    cache.lose(cache.generation, 0)
    assert cache.ask(0, 4) == [0]


def test_questions_do_not_pile_up_and_the_next_answer_asks_for_what_shows() -> None:
    cache = filled(1_000_000, size=100)
    for top in range(0, 900_000, 33):
        cache.ask(top, 34)
        assert len(cache.open) <= 4
    for page in cache.open:
        assert put(cache, page)
    assert 8_999 in cache.ask(899_900, 34)


def test_an_answer_of_an_older_generation_is_refused() -> None:
    cache = filled(100)
    old = cache.generation
    cache.ask(0, 4)
    assert cache.reset(100) != old
    assert not cache.put(old, 0, range(10))
    assert cache.row(0) is None
    assert cache.ask(0, 4) == [0]


def test_an_answer_beyond_the_list_is_refused() -> None:
    cache = filled(25)
    assert not cache.put(cache.generation, 3, range(10))
    assert not cache.put(cache.generation, -1, range(10))
    assert cache.held == ()


def test_a_page_takes_no_more_rows_than_it_has() -> None:
    cache = filled(100)
    cache.put(cache.generation, 0, range(50))
    assert cache.row(9) == 9
    assert cache.row(10) is None


def test_few_pages_are_held_and_the_least_used_go_first() -> None:
    cache = filled(1_000)
    for page in range(CAPACITY):
        cache.ask(page * 10 + 2, 1)
        put(cache, page)
    cache.ask(2, 1)
    cache.ask(CAPACITY * 10 + 2, 1)
    put(cache, CAPACITY)
    assert len(cache.held) == CAPACITY
    assert cache.row(0) == 0
    assert cache.row(10) is None


def test_a_page_that_nobody_waits_for_displaces_none() -> None:
    cache = filled(1_000, *range(CAPACITY))
    cache.ask(0, 4)
    put(cache, 50)
    assert set(cache.held) == set(range(CAPACITY))


def test_pages_that_show_stay_however_many_they_are() -> None:
    cache = filled(1_000, size=1)
    cache.ask(0, 40)
    for page in range(40):
        put(cache, page)
    assert cache.held == tuple(range(40))


def test_a_smaller_total_forgets_what_is_beyond_it() -> None:
    cache = filled(100, *range(10))
    cache.set_total(25)
    assert set(cache.held) == {0, 1, 2}
    assert cache.row(24) == 24
    assert cache.row(25) is None


def test_a_larger_total_asks_for_the_page_that_was_the_last() -> None:
    cache = filled(25, 0, 1)
    assert cache.ask(20, 5) == [2]
    cache.set_total(28)
    # The answer to the question of before the new total has five rows; the others are missing.
    cache.put(cache.generation, 2, range(20, 25))
    assert cache.row(24) == 24
    assert cache.ask(20, 5) == [2]
    put(cache, 2)
    assert cache.row(27) == 27
    assert cache.ask(20, 5) == []


def test_an_answer_shorter_than_asked_is_not_asked_for_again() -> None:
    cache = filled(25)
    cache.ask(20, 5)
    cache.put(cache.generation, 2, [20])
    assert cache.row(21) is None
    assert 2 not in cache.ask(20, 5)


def test_a_page_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="one row"):
        PageCache(0)


@given(
    total=st.integers(0, 3_000),
    size=st.integers(1, 120),
    height=st.integers(0, 60),
    moves=st.lists(st.tuples(st.integers(0, 3_000), st.booleans()), max_size=60),
)
@example(total=100, size=2, height=40, moves=[(20, True)])
def test_any_walk_keeps_what_shows_and_little_else(
    total: int, size: int, height: int, moves: list[tuple[int, bool]]
) -> None:
    cache = filled(total, size=size)
    unanswered: set[int] = set()
    for wish, answers in moves:
        top = min(wish, max(total - height, 0))
        asked = cache.ask(top, height)
        assert not unanswered.intersection(asked)
        unanswered.update(asked)
        shows = {index // size for index in range(top, min(top + height, total))}
        assert len(unanswered) <= max(len(shows) + 2, len(unanswered) - len(asked))
        if answers:
            for page in sorted(unanswered):
                assert put(cache, page)
            unanswered.clear()
            # Answers and questions alternate until everything that shows is there.
            while more := cache.ask(top, height):
                for page in more:
                    assert put(cache, page)
            assert shows <= set(cache.held)
            assert all(cache.row(top + at) == top + at for at in range(min(height, total - top)))
        assert len(cache.held) <= max(CAPACITY, len(shows) + 2)
