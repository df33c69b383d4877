"""Operators at one secret, one after the other in every order: each is told who came before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import permutations, product

import pytest

from bifrost_tui.clock import iso
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigNotFoundError,
    ConflictError,
)
from bifrost_tui.settings import Settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, OnConflict
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    CAROL,
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
Change = Callable[[Repository, Access, ConfigView], object]


def as_it_is(view: ConfigView, **changed: object) -> ConfigDraft:
    given = {"key": view.key, "type": view.type, "value": view.value, **changed}
    return ConfigDraft(**given)  # type: ignore[arg-type]


def renamed(repository: Repository, access: Access, view: ConfigView) -> object:
    return repository.configs.edit(
        access, view, as_it_is(view, key=f"{view.key}_by_{access.actor}")
    )


def retyped(repository: Repository, access: Access, view: ConfigView) -> object:
    if view.type is ConfigType.SECRET:
        return repository.configs.edit(access, view, plain(view.key, f"of {access.actor}"))
    return repository.configs.edit(access, view, secret(view.key, f"of {access.actor}"))


def rotated(repository: Repository, access: Access, view: ConfigView) -> object:
    if view.type is not ConfigType.SECRET:
        return repository.configs.edit(access, view, plain(view.key, f"now of {access.actor}"))
    return repository.configs.rotate(access, view, EnteredSecret(f"of {access.actor}"))


CHANGES: dict[str, Change] = {
    "rotate": rotated,
    "rename": renamed,
    "describe": lambda r, a, v: r.configs.edit(
        a, v, as_it_is(v, description=f"{v.version} by {a.actor}")
    ),
    "retype": retyped,
    "delete": lambda r, a, v: r.configs.delete(a, v),
}


@pytest.fixture
def acme(repository: Repository) -> Scope:
    for name in ("bob", "carol"):
        add_member(repository, name, Role.OWNER)
    return repository.organizations.add(ALICE, "Acme")


def state(repository: Repository) -> list[tuple[object, ...]]:
    """Return all that is kept of configs, and how many events tell of changes."""
    rows: list[tuple[object, ...]] = by_hand(repository, "SELECT * FROM config ORDER BY id")
    return [*rows, (len([event for event in events(repository) if event[3] == "done"]),)]


def whole(repository: Repository) -> None:
    assert repository._context.chain.verify().broken_at is None
    assert repository._context.database.read(recount) == []


def told(
    repository: Repository,
    change: Callable[[], object],
    by: str,
    at: datetime,
    *,
    deleted: bool = False,
) -> ConflictError:
    """Check that a change is refused with who came before, and changes nothing."""
    before = state(repository)
    with pytest.raises(ConflictError) as raised:
        change()
    error = raised.value
    assert (error.by, error.at, error.deleted) == (by, at, deleted)
    assert f"by {by} at {iso(at)}" in error.message
    assert error.message.startswith("k in Acme was ")
    assert_silent(error, [PLANTED])
    assert state(repository) == before
    return error


@pytest.mark.parametrize(("first", "second"), product(CHANGES, CHANGES))
def test_each_pair_of_changes(
    repository: Repository, acme: Scope, clock: HandClock, first: str, second: str
) -> None:
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    clock.advance(minutes=5)
    at = clock()
    CHANGES[first](repository, BOB, stale)
    clock.advance(minutes=5)
    gone = first == "delete"
    told(repository, lambda: CHANGES[second](repository, ALICE, stale), "bob", at, deleted=gone)
    if not gone:
        # With what is there now, it can be done.
        CHANGES[second](repository, ALICE, repository.configs.current(ALICE, stale))
    whole(repository)


@pytest.mark.parametrize("names", permutations(CHANGES, 3), ids="-".join)
def test_each_triple_of_changes(
    repository: Repository, acme: Scope, clock: HandClock, names: tuple[str, str, str]
) -> None:
    """Two changes, the second by somebody who has seen the first; then one by who has seen none."""
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    last = BOB
    at = clock.advance(minutes=5)
    CHANGES[names[0]](repository, BOB, stale)
    if names[0] != "delete":
        at, last = clock.advance(minutes=5), CAROL
        CHANGES[names[1]](repository, CAROL, repository.configs.current(CAROL, stale))
    gone = "delete" in names[:2]
    error = told(
        repository,
        lambda: CHANGES[names[2]](repository, ALICE, stale),
        last.actor,
        at,
        deleted=gone,
    )
    assert ("k_by_bob" in error.message) == (names[0] == "rename")
    whole(repository)


@pytest.mark.parametrize("name", CHANGES)
def test_another_config_that_had_the_key_is_not_taken_for_it(
    repository: Repository, acme: Scope, clock: HandClock, name: str
) -> None:
    """The key has been others' before and after; only what was done to this one is told."""
    before = repository.configs.add(CAROL, acme, secret("k", "of one before"))
    clock.advance(minutes=1)
    repository.configs.delete(CAROL, before)
    clock.advance(minutes=1)
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    clock.advance(minutes=1)
    renamed(repository, BOB, stale)
    clock.advance(minutes=1)
    after = repository.configs.add(CAROL, acme, secret("k", "of one after"))
    clock.advance(minutes=1)
    repository.configs.delete(CAROL, after)
    at = clock.advance(minutes=1)
    repository.configs.delete(BOB, repository.configs.current(BOB, stale))
    clock.advance(minutes=1)
    repository.configs.add(CAROL, acme, secret("k_by_bob", "of one after that"))
    error = told(
        repository, lambda: CHANGES[name](repository, ALICE, stale), "bob", at, deleted=True
    )
    assert "was deleted, as k_by_bob, by bob" in error.message
    with pytest.raises(ConflictError) as raised:
        repository.configs.current(ALICE, stale)
    assert raised.value.message == error.message
    # Of the one before there is nothing to tell to who has this one in hand.
    by_hand(repository, "DELETE FROM audit_event WHERE sequence > 5")
    with pytest.raises(ConfigNotFoundError, match="does not exist"):
        repository.configs.current(ALICE, stale)


@pytest.mark.parametrize("details", ["[]", "7", '{"old_key":', '"\\"old_key\\":"', "null"])
def test_details_that_were_tampered_with_are_passed_over(
    repository: Repository, acme: Scope, clock: HandClock, details: str
) -> None:
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    clock.advance(minutes=1)
    repository.configs.delete(BOB, renamed_view(repository, stale))
    by_hand(repository, "UPDATE audit_event SET details = ? WHERE action = 'config.edit'", details)
    with pytest.raises(ConfigNotFoundError, match="does not exist"):
        repository.configs.rotate(ALICE, stale, EnteredSecret(PLANTED))


def renamed_view(repository: Repository, view: ConfigView) -> ConfigView:
    renamed(repository, BOB, view)
    return repository.configs.current(BOB, view)


@pytest.mark.parametrize("name", CHANGES)
def test_an_archived_organization_is_told_with_who_did_it(
    repository: Repository, acme: Scope, clock: HandClock, name: str
) -> None:
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    at = clock.advance(minutes=5)
    archived = repository.organizations.archive(BOB, acme, 1)
    clock.advance(minutes=5)
    before = state(repository)
    with pytest.raises(AccessDeniedError, match="Acme is archived") as raised:
        CHANGES[name](repository, ALICE, stale)
    assert raised.value.message.endswith(f"bob archived it at {iso(at)}.")
    assert state(repository) == before
    repository.organizations.restore(BOB, archived, 2)
    CHANGES[name](repository, ALICE, stale)


@pytest.mark.parametrize("name", CHANGES)
def test_who_has_removed_whoever_created_it_is_told(
    repository: Repository, acme: Scope, clock: HandClock, name: str
) -> None:
    add_member(repository, "dave", Role.MEMBER, acme)
    stale = repository.configs.add(Access("dave", "local"), acme, secret("k", "first"))
    at = clock.advance(minutes=5)
    [member] = [each for each in repository.members.list(BOB, acme) if each.actor == "dave"]
    repository.members.remove(BOB, repository.members.removal(BOB, member))
    told(repository, lambda: CHANGES[name](repository, ALICE, stale), "bob", at, deleted=True)


def the_import(scope: Scope) -> IncomingScope:
    draft = secret("k", PLANTED, description="of the file")
    return IncomingScope(scope.name, [IncomingConfig(draft)])


@pytest.mark.parametrize("name", CHANGES)
def test_an_import_over_what_was_changed_is_told_who_did(
    repository: Repository, acme: Scope, clock: HandClock, name: str
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", "first"))
    plan = repository.imports.plan(ALICE, (the_import(acme),), form="portable")
    at = clock.advance(minutes=5)
    CHANGES[name](repository, BOB, view)
    clock.advance(minutes=5)
    error = told(
        repository,
        lambda: repository.imports.apply(
            ALICE, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True
        ),
        "bob",
        at,
    )
    assert "Nothing was imported" in error.message
    did = {"delete": "deleted", "rename": "renamed to k_by_bob"}.get(name, "changed")
    assert error.message.startswith(f"k in Acme was {did} by bob")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_was_imported_over_is_told(
    repository: Repository, acme: Scope, clock: HandClock, name: str
) -> None:
    stale = repository.configs.add(ALICE, acme, secret("k", "first"))
    plan = repository.imports.plan(BOB, (the_import(acme),), form="portable")
    at = clock.advance(minutes=5)
    repository.imports.apply(BOB, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True)
    clock.advance(minutes=5)
    told(repository, lambda: CHANGES[name](repository, ALICE, stale), "bob", at)


def test_an_import_of_what_was_added_meanwhile_is_told_who_did(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    plan = repository.imports.plan(ALICE, (the_import(acme),), form="portable")
    at = clock.advance(minutes=5)
    repository.configs.add(BOB, acme, secret("k", "of bob"))
    error = told(repository, lambda: repository.imports.apply(ALICE, plan), "bob", at)
    assert error.message.startswith("k in Acme was added by bob")


def test_of_two_who_shadow_the_same_the_second_is_told_who_was_first(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    shared = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "of everybody"))
    at = clock.advance(minutes=5)
    own = repository.configs.add(BOB, acme, secret("k", "of bob"))
    clock.advance(minutes=5)
    before = state(repository)
    with pytest.raises(AlreadyExistsError, match="k exists in Acme already") as raised:
        repository.configs.add(ALICE, acme, secret("k", PLANTED))
    assert raised.value.message.endswith(f"It was last changed by bob at {iso(at)}.")
    other = repository.configs.add(ALICE, acme, secret("other", "x"))
    before = state(repository)
    with pytest.raises(AlreadyExistsError, match=f"by bob at {iso(at)}"):
        repository.configs.edit(ALICE, other, as_it_is(other, key="k"))
    assert state(repository) == before
    # What it shadows is another one: neither stands in the other's way.
    repository.configs.rotate(ALICE, shared, EnteredSecret("of everybody, new"))
    repository.configs.rotate(BOB, own, EnteredSecret("of bob, new"))


@pytest.fixture
def other(repository: Repository, settings: Settings, clock: HandClock) -> Iterator[Repository]:
    with open_repository(settings, BOB, clock=clock) as made:
        yield made


@pytest.mark.parametrize(("first", "second"), product(CHANGES, CHANGES))
def test_each_pair_over_two_connections(
    repository: Repository,
    other: Repository,
    acme: Scope,
    clock: HandClock,
    first: str,
    second: str,
) -> None:
    """Each program has read the list itself; a change of one is seen by the other at once."""
    repository.configs.add(ALICE, acme, secret("k", "first"))
    [mine], [theirs] = listed(repository, ALICE, acme), listed(other, BOB, acme)
    at = clock.advance(minutes=5)
    CHANGES[first](other, BOB, theirs)
    told(
        repository,
        lambda: CHANGES[second](repository, ALICE, mine),
        "bob",
        at,
        deleted=first == "delete",
    )
    for view in listed(repository, ALICE, acme):
        if view.is_secret:
            expected = b"of bob" if first == "rotate" else b"first"
            assert opened(repository, view) == expected


@pytest.mark.parametrize("name", ["rotate", "rename", "describe", "retype", "add"])
def test_what_is_saved_is_told_as_saved_whatever_comes_next(
    repository: Repository,
    other: Repository,
    acme: Scope,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Another deletes it before this one has looked at it again."""
    view = repository.configs.add(ALICE, acme, secret("k", "first"))
    database = repository._context.database
    real = database.write

    def write(work: Callable[[object], object]) -> object:
        done = real(work)
        for each in listed(other, BOB, acme):
            other.configs.delete(BOB, each)
        return done

    monkeypatch.setattr(database, "write", write)
    if name == "add":
        saved = repository.configs.add(ALICE, acme, secret("new", "first"))
        assert (saved.key, saved.version) == ("new", 1)
    else:
        made = CHANGES[name](repository, ALICE, view)
        assert isinstance(made, ConfigView)
        assert (made.version, made.updated_by) == (2, "alice")
    assert listed(repository, ALICE, acme) == ()
