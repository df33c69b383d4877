"""Two operators at the same config: the second is told who came first, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bifrost_tui.errors import ConfigNotFoundError, ConflictError
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    add_member,
    assert_silent,
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
Change = Callable[[Repository, ConfigView], object]

CHANGES: dict[str, Change] = {
    "edit": lambda r, v: r.configs.edit(ALICE, v, secret("k", PLANTED)),
    "edit to plain": lambda r, v: r.configs.edit(ALICE, v, plain("k", PLANTED)),
    "rename": lambda r, v: r.configs.edit(ALICE, v, secret("renamed")),
    "rotate": lambda r, v: r.configs.rotate(ALICE, v, EnteredSecret(PLANTED)),
    "delete": lambda r, v: r.configs.delete(ALICE, v),
}


@pytest.fixture
def acme(repository: Repository) -> Scope:
    add_member(repository, "bob", Role.ADMIN)
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def stale(repository: Repository, acme: Scope) -> ConfigView:
    return repository.configs.add(ALICE, acme, secret("k", "first"))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_between_is_told_and_never_overwritten(
    repository: Repository, acme: Scope, stale: ConfigView, clock: HandClock, name: str
) -> None:
    at = clock.advance(hours=2, minutes=5)
    theirs = repository.configs.rotate(BOB, stale, EnteredSecret("second"))
    clock.advance(hours=1)
    before = events(repository)

    with pytest.raises(ConflictError) as raised:
        CHANGES[name](repository, stale)
    error = raised.value
    assert (error.by, error.at, error.deleted) == ("bob", at, False)
    assert str(error) == (
        "k in Acme was changed by bob at 2026-03-01T11:35:00Z, after you opened it."
        " Nothing was saved."
    )
    assert_silent(error, [PLANTED])
    assert listed(repository, ALICE, acme) == (theirs,)
    assert opened(repository, theirs) == b"second"
    assert events(repository) == before

    # With what is there now, it can be done again.
    CHANGES[name](repository, theirs)


@pytest.mark.parametrize("name", CHANGES)
def test_a_deletion_in_between_is_told(
    repository: Repository, acme: Scope, stale: ConfigView, clock: HandClock, name: str
) -> None:
    at = clock.advance(days=1)
    repository.configs.delete(BOB, stale)
    clock.advance(days=1)
    before = events(repository)
    with pytest.raises(ConflictError) as raised:
        CHANGES[name](repository, stale)
    error = raised.value
    assert (error.by, error.at, error.deleted) == ("bob", at, True)
    assert str(error) == "k in Acme was deleted by bob at 2026-03-02T09:30:00Z. Nothing was saved."
    assert_silent(error, [PLANTED])
    assert listed(repository, ALICE, acme) == ()
    assert events(repository) == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_config_under_the_old_key_is_another_one(
    repository: Repository, acme: Scope, stale: ConfigView, name: str
) -> None:
    repository.configs.delete(BOB, stale)
    new = repository.configs.add(BOB, acme, secret("k", "of the new one"))
    with pytest.raises(ConflictError) as raised:
        CHANGES[name](repository, stale)
    assert raised.value.deleted
    assert listed(repository, ALICE, acme) == (new,)


def test_a_config_that_never_was_is_not_found(
    repository: Repository, acme: Scope, stale: ConfigView
) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    view = repository.configs.add(ALICE, other, secret("k", "first"))
    by_hand(repository, "DELETE FROM config WHERE id = ?", view.id)
    with pytest.raises(ConfigNotFoundError, match="k in Bright does not exist"):
        repository.configs.rotate(ALICE, view, EnteredSecret("new"))


def test_an_organization_changed_in_between_is_told(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    at = clock.advance(minutes=1)
    renamed = repository.organizations.rename(BOB, acme, 1, "Apex")
    changes: list[Callable[[int], object]] = [
        lambda version: repository.organizations.rename(ALICE, acme, version, "Other"),
        lambda version: repository.organizations.archive(ALICE, acme, version),
        lambda version: repository.organizations.restore(ALICE, acme, version),
    ]
    before = events(repository)
    for change in changes:
        with pytest.raises(ConflictError, match="Apex was changed by bob at 2026") as raised:
            change(1)
        assert (raised.value.by, raised.value.at, raised.value.deleted) == ("bob", at, False)
    assert events(repository) == before
    assert [view.scope for view in repository.organizations.list(ALICE)][1:] == [renamed]
    for version, change in enumerate(changes, 2):
        change(version)
