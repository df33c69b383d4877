"""Filters: how they are read, and that the database finds what Python finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_tui.errors import AlreadyExistsError, InvalidInputError
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.filters import NO_FILTER, STATES, ConfigFilter, Order, parse_filter
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope, Standing, State
from tests.support import (
    ALICE,
    KEY,
    NEW_KEY,
    HandClock,
    by_hand,
    counted_ids,
    listed,
    make_repository,
    make_settings,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

INTEGRATIONS = (None, "Slack", "slack", "Äpi", "a%b", "x_y", "xzy", "back\\slash")
STEMS = ("stripe_key", "StripeKey", "stripexkey", "a_b", "axb", "A_B", "token", "z9")
STANDINGS = {"own", "inherited", "shadows"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NO_FILTER),
        ("  \t", NO_FILTER),
        ("stripe  Key", ConfigFilter(words=("stripe", "Key"))),
        ("type:secret", ConfigFilter(types=frozenset({ConfigType.SECRET}))),
        ("type:j type:bool", ConfigFilter(types=frozenset({ConfigType.JSON, ConfigType.BOOL}))),
        ("is:overdue", ConfigFilter(states=frozenset({"overdue"}))),
        ("is:needs_value", ConfigFilter(states=frozenset({"needs-value"}))),
        ("is:n is:inh", ConfigFilter(states=frozenset({"needs-value", "inherited"}))),
        ("integration:Slack", ConfigFilter(integration="Slack")),
        ("integration:a:b", ConfigFilter(integration="a:b")),
        ("type: is: integration: nothing:", NO_FILTER),
        (
            "stripe type:secret is:due",
            ConfigFilter(("stripe",), frozenset({ConfigType.SECRET}), frozenset({"due"})),
        ),
    ],
)
def test_a_filter_is_read(text: str, expected: ConfigFilter) -> None:
    assert parse_filter(text) == expected
    assert bool(parse_filter(text)) == (expected != NO_FILTER)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type:s", "type: takes string, int, bool, json, secret, secret_ref"),
        ("type:Secret", "type: takes string"),
        ("is:o", "is: takes own, inherited, shadows, needs-value, due, overdue, unreadable"),
        ("is:gone", "is: takes own"),
        ("color:red", "There is no filter color: ; there are type: is: integration:"),
        (":x", "There is no filter : ;"),
        ("\x1b[31m:x", r"There is no filter \x1b[31m: ;"),
        ("a\ud800", "a character that nothing can hold"),
        ("a\0b", "a character that nothing can hold"),
        ("a" * 501, "more than 500 characters"),
    ],
)
def test_what_is_no_filter_is_told_with_those_there_are(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_filter(text)
    assert says in str(raised.value)
    assert raised.value.field == "filter"


class Ground:
    """A database in which every kind of config occurs, seen with one of its two keys gone."""

    def __init__(self, repository: Repository, scope: Scope, clock: HandClock) -> None:
        self.repository = repository
        self.scope = scope
        self.clock = clock
        self.lists = {
            name: ConfigList(place, own_only=own)
            for name, place, own in (
                ("own and inherited", scope, False),
                ("own", scope, True),
                ("global", GLOBAL_SCOPE, False),
            )
        }
        # Twice: the first time finds the damaged ones.
        for _ in range(2):
            self.all = {
                name: listed(repository, ALICE, wanted) for name, wanted in self.lists.items()
            }

    def found(self, name: str, wanted: ConfigFilter) -> list[str]:
        place = self.lists[name]
        narrowed = ConfigList(place.scope, wanted, own_only=place.own_only)
        views = listed(self.repository, ALICE, narrowed)
        assert self.repository.configs.count(ALICE, narrowed) == len(views)
        for index in {0, len(views) // 2, len(views) - 1} if views else ():
            assert self.repository.configs.position(ALICE, narrowed, views[index].key) == index
        assert set(views) <= set(self.all[name])
        return [view.key for view in views]

    def expected(self, name: str, wanted: ConfigFilter) -> list[str]:
        return [view.key for view in self.all[name] if self.fits(view, wanted)]

    def fits(self, view: ConfigView, wanted: ConfigFilter) -> bool:
        standings = wanted.states & STANDINGS
        return (
            all(word.lower() in view.key.lower() for word in wanted.words)
            and (not wanted.types or view.type in wanted.types)
            and (wanted.integration is None or same_text(wanted.integration, view.integration))
            and (not standings or any(self.holds(view, state) for state in standings))
            and all(self.holds(view, state) for state in wanted.states - STANDINGS)
        )

    def holds(self, view: ConfigView, state: str) -> bool:
        match state:
            case "own":
                return view.standing is not Standing.INHERITED
            case "inherited":
                return view.standing is Standing.INHERITED
            case "shadows":
                return view.standing is Standing.SHADOWS
            case "needs-value":
                return view.is_secret and view.mask is None
            case "due":
                return view.due_at is not None and view.due_at <= self.clock.now
            case "overdue":
                day = timedelta(days=1)
                return view.due_at is not None and view.due_at + day <= self.clock.now
            case "unreadable":
                return view.state is State.UNREADABLE
            case "dangling":
                return view.state is State.DANGLING
            case "reused":
                return view.is_reused
        raise AssertionError(state)


def same_text(one: str, other: str | None) -> bool:
    def fold(text: str) -> str:
        return "".join(c.lower() if c.isascii() else c for c in text)

    return other is not None and fold(one) == fold(other)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    home = tmp_path_factory.mktemp("ground")
    clock, ids = HandClock(), counted_ids()
    with make_repository(make_settings(home, KEY), clock=clock, ids=ids) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        other = repository.organizations.add(ALICE, "Bright")
        fill(repository, [acme, GLOBAL_SCOPE, other], clock, "old")
    both = make_settings(home, f"{NEW_KEY},{KEY}")
    with open_repository(both, ALICE, clock=clock, ids=ids) as repository:
        fill(repository, [acme, GLOBAL_SCOPE, other], clock, "new")
        for statement in (
            "secret = substr(secret, 1, 90) || 'AAAA' || substr(secret, 95) WHERE key LIKE 'new%1'",
            "key_id = 'deadbeef' WHERE key LIKE 'new%2'",
            "key_id = NULL WHERE key LIKE 'new_A_B%3'",
        ):
            by_hand(repository, f"UPDATE config SET {statement} AND secret IS NOT NULL")
    alone = make_settings(home, NEW_KEY)
    with open_repository(alone, ALICE, clock=clock, ids=ids) as repository:
        yield Ground(repository, acme, clock)


def fill(repository: Repository, scopes: list[Scope], clock: HandClock, start: str) -> None:
    """Give scopes configs of every type, age and integration, some with keys in common."""
    number = 0
    for round_ in range(6):
        for stem in STEMS:
            number += 1
            integration = INTEGRATIONS[number % len(INTEGRATIONS)]
            key = f"{start}_{stem}_{round_ % 4}"
            # With three rounds of four shared, every standing comes up in every type.
            for scope in scopes if number % 3 else scopes[number % 2 : number % 2 + 1]:
                new = draft(key, number + len(scope.name), integration)
                with suppress(AlreadyExistsError):
                    # Unlike an operator's, an import's references may dangle.
                    write_configs(repository, ALICE, scope, [BulkConfig(new)])
        clock.advance(hours=12)


def draft(key: str, number: int, integration: str | None) -> ConfigDraft:
    period = (None, 1, 2, 3, 30)[number % 5]
    match number % 8:
        case 0:
            return plain(key, str(number), integration=integration)
        case 1:
            return ConfigDraft(key, ConfigType.INT, value="7", integration=integration)
        case 2:
            return ConfigDraft(key, ConfigType.BOOL, value="on", integration=integration)
        case 3:
            return ConfigDraft(key, ConfigType.JSON, value="{}", integration=integration)
        case 4:
            return secret(key, integration=integration, rotate_every_days=period)
        case 5:
            # Few of them stand for a secret at first; others come, go, and are renamed.
            target = f"{key[:4]}{STEMS[(number + 1) % 3]}_{number % 4}"
            target = f"{key[:4]}token_1" if target == key else target
            return ConfigDraft(key, ConfigType.SECRET_REF, value=target, integration=integration)
    value = f"v{number // 3}"
    return secret(key, value, integration=integration, rotate_every_days=period)


def test_every_kind_of_config_occurs(ground: Ground) -> None:
    for name, views in ground.all.items():
        states = set(STATES)
        if name == "own":
            states -= {"inherited"}
        if name == "global":
            states -= {"inherited", "shadows"}
        for state in states:
            share = [ground.holds(view, state) for view in views]
            assert any(share), (name, state)
            assert state == "own" or not all(share), (name, state)
        assert {view.type for view in views} == set(ConfigType)
        assert {view.integration for view in views} == set(INTEGRATIONS)


@pytest.mark.parametrize("name", ["own and inherited", "own", "global"])
def test_every_set_of_states_finds_what_python_finds(ground: Ground, name: str) -> None:
    for size in (0, 1, 2, 3, len(STATES)):
        for states in combinations(STATES, size):
            wanted = ConfigFilter(states=frozenset(states))
            assert ground.found(name, wanted) == ground.expected(name, wanted), states


@given(
    st.sampled_from(["own and inherited", "own", "global"]),
    st.lists(
        st.sampled_from(
            ["%", "_", "\\", "e_", "E", "x", "stripe", "_b", "key_1", "\\_", "%%", "é"]
        ),
        max_size=2,
    ),
    st.frozensets(st.sampled_from(list(ConfigType)), max_size=3),
    st.frozensets(st.sampled_from(list(STATES)), max_size=2),
    st.none() | st.sampled_from([name.upper() for name in INTEGRATIONS if name] + ["%", "äpi"]),
)
@example("own and inherited", [], frozenset(), frozenset(), "A%B")
@example("own and inherited", [], frozenset(), frozenset(), "Äpi")
def test_every_filter_finds_what_python_finds(
    ground: Ground,
    name: str,
    words: list[str],
    types: frozenset[ConfigType],
    states: frozenset[str],
    integration: str | None,
) -> None:
    wanted = ConfigFilter(tuple(words), types, states, integration)
    assert ground.found(name, wanted) == ground.expected(name, wanted)


@pytest.mark.parametrize(
    ("word", "some"), [("%", False), ("\\", False), ("_", True), ("a_b", True), ("A_B", True)]
)
def test_wildcards_in_a_word_are_characters(ground: Ground, word: str, some: bool) -> None:
    found = ground.found("own", ConfigFilter(words=(word,)))
    assert bool(found) == some
    assert all(word.lower() in key.lower() for key in found)
    assert not any("axb" in key for key in found) or "_b" not in word.lower()


@given(
    st.text(st.characters(codec=None))
    | st.text(st.sampled_from("type:is _%\\own\0\ud800"), max_size=30)
)
@example("is:inherited")
@example("is:shadows is:inherited is:due")
@example("a\0b")
def test_whatever_is_typed_finds_something_or_is_refused(ground: Ground, text: str) -> None:
    try:
        wanted = parse_filter(text)
    except InvalidInputError as error:
        refused = error.field
    else:
        refused = ""
        for name in ground.lists:
            assert ground.found(name, wanted) == ground.expected(name, wanted)
    assert refused in ("", "filter")


@pytest.mark.parametrize("scope", ["Acme", "Global"])
def test_an_integration_is_found_however_it_is_spelled(repository: Repository, scope: str) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    for where, key, integration in (
        *((acme, "a", "Slack"), (acme, "c", "SLACK"), (acme, "e", "Slacker"), (acme, "f", None)),
        *((GLOBAL_SCOPE, "b", "slack"), (GLOBAL_SCOPE, "c", "slack"), (GLOBAL_SCOPE, "d", "x%")),
    ):
        repository.configs.add(ALICE, where, plain(key, integration=integration))
    place = acme if scope == "Acme" else GLOBAL_SCOPE
    for text, keys in (
        ("integration:sLaCk", "abc" if scope == "Acme" else "bc"),
        ("integration:slack c", "c"),
        ("integration:x%", "d"),
        ("integration:sla%", ""),
        ("integration:slack is:shadows", "c" if scope == "Acme" else ""),
        ("integration:slack is:overdue", ""),
    ):
        wanted = ConfigList(place, parse_filter(text))
        rows = repository.configs.page(ALICE, wanted, offset=0, limit=9).rows
        assert "".join(row.key for row in rows) == keys, text
        assert repository.configs.count(ALICE, wanted) == len(keys)
        for order in Order:
            ordered = replace(wanted, order=order)
            rows = repository.configs.page(ALICE, ordered, offset=0, limit=9).rows
            assert sorted(row.key for row in rows) == [*keys]
