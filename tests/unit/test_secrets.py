"""Secrets in the repository: kept byte for byte, found nowhere, and open in their place alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from bifrost_tui.display import MASK
from bifrost_tui.store.entered import VALUE_LIMIT, EnteredSecret
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.reading import TOKEN_CHECKED
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope, State
from tests.support import (
    ALICE,
    assert_nowhere,
    by_hand,
    events,
    listed,
    opened,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

PLANTED = planted()[0]
PEM = "-----BEGIN PRIVATE KEY-----\r\n" + "MIIEvQIBADAN\r\n" * 25 + "-----END PRIVATE KEY-----\r\n"

UNREADABLE = ConfigFilter(states=frozenset({"unreadable"}))


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.mark.parametrize(
    "value",
    [
        "x",
        " leading and trailing \t",
        "\n\nbetween newlines\n\n",
        "one\r\ntwo\r\n",
        "old mac\r",
        PEM,
        PEM.replace("\r\n", "\n"),
        MASK,
        "[SECRET]",
        "[REDACTED]",
        "null",
        '"quoted" \\ %41 ${HOME} {{x}}',
        "🔑🗝️ пароль \U0010ffff",
        "nul \0 and \x1b[31m escape",
        "\ufeffafter a byte order mark",
        "gAAAAAB",
        "0123456789abcdef" * (VALUE_LIMIT // 16),
        "🔑" * (VALUE_LIMIT // 4),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_secret_is_kept_byte_for_byte(
    repository: Repository, acme: Scope, home: Path, value: str
) -> None:
    data = value.encode()
    ways: list[Callable[[], ConfigView]] = [
        lambda: repository.configs.add(ALICE, acme, secret("added", value)),
        lambda: repository.configs.rotate(
            ALICE, repository.configs.add(ALICE, acme, secret("rotated")), EnteredSecret(value)
        ),
        lambda: repository.configs.edit(
            ALICE, repository.configs.add(ALICE, acme, plain("edited")), secret("edited", value)
        ),
        lambda: repository.configs.rotate(
            ALICE,
            repository.configs.add(ALICE, GLOBAL_SCOPE, secret("bytes", "before")),
            EnteredSecret.from_bytes(data),
        ),
    ]
    for way in ways:
        view = way()
        assert opened(repository, view) == data
        assert (view.value, view.mask, view.state) == (None, MASK, State.OK)
    prints = {view.fingerprint for view in listed(repository, ALICE, acme)}
    assert len(prints) == 1
    if len(value) > 6 and value not in (MASK, "gAAAAAB"):
        assert_nowhere([value[:4096]], [home])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_is_kept_byte_for_byte(repository: Repository, value: str) -> None:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", value))
    assert opened(repository, view) == value.encode()
    repository.configs.delete(ALICE, view)


@pytest.mark.parametrize("value", planted())
def test_a_secret_is_in_no_file_before_during_and_after(
    repository: Repository, acme: Scope, home: Path, value: str
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", value, description="for the sweep"))
    view = repository.configs.rotate(ALICE, view, EnteredSecret(value + "!"))
    assert_nowhere([value], [home])
    repository.configs.delete(ALICE, view)
    assert_nowhere([value], [home])
    repository.close()
    assert_nowhere([value], [home])
    is_file = repository._context.database.path is not None
    assert [path.name for path in home.rglob("bifrost.db*")] == ["bifrost.db"] * is_file


def test_the_sweep_finds_what_is_there(repository: Repository, acme: Scope, home: Path) -> None:
    repository.configs.add(ALICE, acme, plain("k", PLANTED))
    with pytest.raises(AssertionError, match="holds a planted value"):
        assert_nowhere([PLANTED], [home])


def tokens(repository: Repository) -> dict[str, str]:
    return dict(by_hand(repository, "SELECT key, secret FROM config WHERE secret IS NOT NULL"))


def put(repository: Repository, key: str, token: str) -> None:
    by_hand(repository, "UPDATE config SET secret = ? WHERE key = ?", token, key)


def states(repository: Repository, scope: Scope) -> dict[str, State]:
    return {view.key: view.state for view in listed(repository, ALICE, scope)}


def test_an_older_token_of_the_same_row_does_not_open(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    old = [tokens(repository)["k"]]
    for value in ("second", PLANTED):
        view = repository.configs.rotate(ALICE, view, EnteredSecret(value))
        old.append(tokens(repository)["k"])
    for token in old[:-1]:
        put(repository, "k", token)
        assert repository.configs.get(ALICE, acme, view.id).state is State.UNREADABLE
        assert opened(repository, view) is None
    put(repository, "k", old[-1])
    assert repository.configs.get(ALICE, acme, view.id).state is State.OK
    assert opened(repository, view) == PLANTED.encode()


def test_a_token_opens_in_no_other_row_and_no_other_organization(
    repository: Repository, acme: Scope
) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    one = repository.configs.add(ALICE, acme, secret("one", PLANTED))
    repository.configs.add(ALICE, acme, secret("two", "second"))
    repository.configs.add(ALICE, other, secret("three", "third"))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("four", "fourth"))
    token = tokens(repository)["one"]
    for key, scope in (("two", acme), ("three", other), ("four", GLOBAL_SCOPE)):
        put(repository, key, token)
        moved = repository.configs.get_key(ALICE, scope, key)
        assert moved.state is State.UNREADABLE
        assert opened(repository, moved) is None
    # Nor does the row itself, moved into another organization.
    by_hand(
        repository,
        "UPDATE config SET organization_id = ?, scope_id = ? WHERE key = 'one'",
        other.id,
        other.id,
    )
    [moved] = [view for view in listed(repository, ALICE, other) if view.key == "one"]
    assert moved.id == one.id
    assert moved.state is State.UNREADABLE
    assert opened(repository, moved) is None


DAMAGES = [
    lambda token: token[:-1],
    lambda token: token + "\n",
    lambda token: token.swapcase(),
    lambda token: "x",
    lambda token: "",
    lambda token: token.encode(),
    pytest.param(lambda token: "\0" + token, marks=pytest.mark.sqlite),
    lambda token: "é" * len(token),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_secret_is_told_once_and_keeps_nothing_else_from_the_list(
    repository: Repository, acme: Scope, damage: Callable[[str], str | bytes | None]
) -> None:
    repository.configs.add(ALICE, acme, plain("a"))
    repository.configs.add(ALICE, acme, secret("k", PLANTED, rotate_every_days=1))
    repository.configs.add(ALICE, acme, secret("z", "fine"))
    token = tokens(repository)["k"]
    by_hand(repository, "UPDATE config SET secret = ? WHERE key = 'k'", damage(token))
    before = events(repository)

    expected = {"a": State.OK, "k": State.UNREADABLE, "z": State.OK}
    assert states(repository, acme) == states(repository, acme) == expected
    assert events(repository) == [*before, ("secret.unreadable", "Acme", "k", "failed")]
    assert repository.organizations.counts(ALICE, acme).attention.unreadable == 1
    assert repository.configs.count(ALICE, ConfigList(acme, UNREADABLE)) == 1

    put(repository, "k", token)
    assert set(states(repository, acme).values()) == {State.OK}
    assert events(repository)[len(before) + 1 :] == [("secret.readable", "Acme", "k", "done")]
    assert repository.organizations.counts(ALICE, acme).attention.unreadable == 0
    assert repository._context.chain.verify().broken_at is None


def test_a_new_value_makes_a_damaged_secret_whole(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    put(repository, "k", "damaged")
    [view] = listed(repository, ALICE, acme)
    view = repository.configs.edit(ALICE, view, secret("k", description="no new value"))
    assert view.state is State.UNREADABLE
    view = repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    assert view.state is State.OK
    assert repository.organizations.counts(ALICE, acme).attention.unreadable == 0
    assert opened(repository, view) == b"new"


def test_an_inherited_secret_that_does_not_open_is_told_of_global(
    repository: Repository, acme: Scope
) -> None:
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", PLANTED))
    put(repository, "k", "damaged")
    [view] = listed(repository, ALICE, acme)
    assert view.state is State.UNREADABLE
    assert events(repository)[-1] == ("secret.unreadable", "Global", "k", "failed")
    assert repository.organizations.counts(ALICE, GLOBAL_SCOPE).attention.unreadable == 1
    assert repository.organizations.counts(ALICE, acme).attention.unreadable == 0


@pytest.mark.parametrize("key_id", ["deadbeef", None])
def test_a_secret_under_a_key_that_nobody_knows_is_damaged(
    repository: Repository, acme: Scope, key_id: str | None
) -> None:
    repository.configs.add(ALICE, acme, secret("k", PLANTED))
    by_hand(repository, "UPDATE config SET key_id = ?", key_id)
    assert states(repository, acme) == {"k": State.UNREADABLE}
    assert repository.organizations.counts(ALICE, acme).attention.unreadable == 1
    assert repository.configs.count(ALICE, ConfigList(acme, UNREADABLE)) == 1


def test_a_very_long_secret_is_looked_at_when_it_is_opened_alone(
    repository: Repository, acme: Scope
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", "x" * TOKEN_CHECKED))
    token = tokens(repository)["k"]
    put(repository, "k", token[:-4])
    assert states(repository, acme) == {"k": State.OK}
    assert repository.configs.get(ALICE, acme, view.id).state is State.UNREADABLE
    assert states(repository, acme) == {"k": State.UNREADABLE}
    put(repository, "k", token)
    assert repository.configs.get(ALICE, acme, view.id).state is State.OK
    assert states(repository, acme) == {"k": State.OK}


def test_a_list_opens_where_nothing_can_be_written(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, secret("k", PLANTED))
    put(repository, "k", "damaged")
    before = events(repository)
    database = repository._context.database
    statement = "PRAGMA query_only = ON"
    if database.dialect == "postgresql":
        # As a user who may only read.
        statement = "SET ROLE pg_read_all_data"
    database.engine.dispose()
    event.listen(database.engine, "connect", lambda made, _: made.execute(statement))
    assert states(repository, acme) == {"k": State.UNREADABLE}
    assert events(repository) == before


def test_what_was_seen_before_another_change_is_not_noted(
    repository: Repository, acme: Scope
) -> None:
    """A list that found a damaged secret does not mark the value that replaced it meanwhile."""
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    repository.configs._note_readability(ALICE, [(view, True)])
    assert states(repository, acme) == {"k": State.OK}
    assert all(action != "secret.unreadable" for action, *_ in events(repository))
