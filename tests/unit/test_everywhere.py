"""Questions across organizations: who is told of which, in which order, and what is left out."""

from __future__ import annotations

import pytest

from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    ConfigLine,
    Scope,
    Standing,
    State,
    Waiting,
)
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    START,
    HandClock,
    add_member,
    by_hand,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

DAVE = Access("dave", "local")
MALLORY = Access("mallory", "10.9.9.9")

Scopes = dict[str, Scope]


@pytest.fixture
def scopes(repository: Repository) -> Scopes:
    """Organizations that were not added in the order of their names."""
    names = ("Coastal", "acme", "Bright", "Dune")
    made = {name: repository.organizations.add(ALICE, name) for name in names}
    return {**made, "Global": GLOBAL_SCOPE}


def named(lines: tuple[ConfigLine, ...]) -> list[tuple[str, str]]:
    return [(line.scope.name, line.key) for line in lines]


def archive(repository: Repository, scope: Scope) -> None:
    repository.organizations.archive(ALICE, scope, 1)


def standings(repository: Repository, access: Access, key: str) -> list[tuple[str, str | None]]:
    lines = repository.everywhere.key(access, key)
    return [(line.scope.name, line.standing.value if line.standing else None) for line in lines]


# One key


def test_a_key_stands_in_each_organization_by_name_and_in_global_first(
    repository: Repository, scopes: Scopes
) -> None:
    for name in ("Coastal", "acme"):
        repository.configs.add(ALICE, scopes[name], secret("token", f"v-{name}"))
    repository.configs.add(ALICE, scopes["Bright"], plain("token_2"))
    assert standings(repository, ALICE, "token") == [
        ("Global", None),
        ("acme", "own"),
        ("Bright", None),
        ("Coastal", "own"),
        ("Dune", None),
    ]
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("token", "v"))
    assert standings(repository, ALICE, "token") == [
        ("Global", "own"),
        ("acme", "shadows"),
        ("Bright", "inherited"),
        ("Coastal", "shadows"),
        ("Dune", "inherited"),
    ]
    assert standings(repository, ALICE, "Token") == [
        (name, None) for name in ("Global", "acme", "Bright", "Coastal", "Dune")
    ]


def test_a_line_tells_of_the_config_that_the_key_stands_for(
    repository: Repository, scopes: Scopes, clock: HandClock
) -> None:
    draft = secret("token", "v", integration="Stripe", rotate_every_days=30)
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, draft)
    clock.advance(days=40)
    other = repository.configs.add(an_admin(repository), scopes["acme"], secret("token"))
    shared, own, inherited = repository.everywhere.key(ALICE, "token")[:3]
    assert shared.config is not None
    assert inherited.config == shared.config
    assert (shared.config.id, shared.config.scope) == (view.id, GLOBAL_SCOPE)
    assert (shared.config.state, shared.config.fingerprint) == (State.OVERDUE, view.fingerprint)
    assert (shared.config.integration, shared.config.rotate_every_days) == ("Stripe", 30)
    assert (shared.config.secret_changed_at, shared.config.due_at) == (START, view.due_at)
    assert own.config is not None
    assert (own.config.id, own.config.scope) == (other.id, scopes["acme"])
    assert (own.config.state, own.config.updated_by) == (State.NEEDS_VALUE, "bob")
    assert own.config.is_secret


def an_admin(repository: Repository) -> Access:
    add_member(repository, "bob", Role.ADMIN)
    return BOB


def test_an_archived_organization_is_left_out(repository: Repository, scopes: Scopes) -> None:
    for name in ("acme", "Bright"):
        repository.configs.add(ALICE, scopes[name], secret("token", "the same"))
        repository.configs.add(ALICE, scopes[name], secret("empty"))
    archive(repository, scopes["Bright"])
    assert [name for name, _ in standings(repository, ALICE, "token")] == [
        *("Global", "acme", "Coastal", "Dune")
    ]
    waiting = repository.everywhere.waiting(ALICE, Waiting.NEEDS_VALUE)
    assert named(waiting) == [("acme", "empty")]
    assert repository.everywhere.waiting(ALICE, Waiting.NEEDS_VALUE, scopes["Bright"]) == ()
    assert repository.everywhere.reused(ALICE) == ()


def test_a_member_of_one_organization_is_told_of_that_one(
    repository: Repository, scopes: Scopes
) -> None:
    add_member(repository, "carol", Role.MEMBER, scopes["Bright"])
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("token", "shared"))
    repository.configs.add(ALICE, scopes["acme"], secret("token", "equal"))
    assert standings(repository, CAROL, "token") == [("Bright", "inherited")]
    repository.configs.add(ALICE, scopes["Bright"], secret("token", "equal"))
    [line] = repository.everywhere.key(CAROL, "token")
    assert line.standing is Standing.SHADOWS
    # Whom its value is shared with is not hers to know.
    assert line.config is not None
    assert line.config.equal_group is None
    assert repository.everywhere.reused(CAROL) == ()
    repository.configs.add(ALICE, scopes["Bright"], secret("again", "equal"))
    [line] = repository.everywhere.key(CAROL, "token")
    assert line.config is not None
    assert line.config.equal_group is not None
    [group] = repository.everywhere.reused(CAROL)
    assert named(group.lines) == [("Bright", "again"), ("Bright", "token")]


def test_nobody_is_told_of_nothing(repository: Repository, scopes: Scopes) -> None:
    for scope in (GLOBAL_SCOPE, scopes["acme"]):
        repository.configs.add(ALICE, scope, secret("token", "v"))
        repository.configs.add(ALICE, scope, secret("empty"))
    everywhere = repository.everywhere
    assert everywhere.key(MALLORY, "token") == ()
    assert everywhere.reused(MALLORY) == ()
    for what in Waiting:
        assert everywhere.waiting(MALLORY, what) == ()
        assert everywhere.waiting(MALLORY, what, scopes["acme"]) == ()


# What waits


def test_what_is_due_comes_in_the_order_in_which_it_fell_due(
    repository: Repository, scopes: Scopes, clock: HandClock
) -> None:
    for days, name, key in (
        *((30, "acme", "late"), (20, "Coastal", "later"), (20, "Bright", "b")),
        *((20, "Bright", "a"), (31, "Global", "today"), (400, "Dune", "not_yet")),
    ):
        draft = secret(key, f"v-{name}-{key}", rotate_every_days=days)
        repository.configs.add(ALICE, scopes[name], draft)
    repository.configs.add(ALICE, scopes["Dune"], secret("never", "v"))
    clock.advance(days=31)
    overdue = [("Bright", "a"), ("Bright", "b"), ("Coastal", "later"), ("acme", "late")]
    everywhere = repository.everywhere
    assert named(everywhere.waiting(ALICE, Waiting.OVERDUE)) == overdue
    due = everywhere.waiting(ALICE, Waiting.DUE)
    assert named(due) == [*overdue, ("Global", "today")]
    assert [line.state for line in due] == [State.OVERDUE] * 4 + [State.DUE]
    assert named(everywhere.waiting(ALICE, Waiting.DUE, limit=2)) == overdue[:2]
    assert named(everywhere.waiting(ALICE, Waiting.DUE, scopes["Bright"])) == overdue[:2]
    assert named(everywhere.waiting(ALICE, Waiting.DUE, GLOBAL_SCOPE)) == [("Global", "today")]


def test_what_needs_a_value_comes_by_organization_and_key(
    repository: Repository, scopes: Scopes
) -> None:
    for name in ("Coastal", "Global", "acme"):
        for key in ("b", "a"):
            repository.configs.add(ALICE, scopes[name], secret(key))
        repository.configs.add(ALICE, scopes[name], secret("full", f"v-{name}"))
        repository.configs.add(ALICE, scopes[name], plain("plain"))
    waiting = repository.everywhere.waiting(ALICE, Waiting.NEEDS_VALUE)
    assert named(waiting) == [
        (name, key) for name in ("Global", "acme", "Coastal") for key in ("a", "b")
    ]


def test_each_is_given_what_is_theirs_to_change(repository: Repository, scopes: Scopes) -> None:
    """Members what they created; owners and admins everything where they are it."""
    add_member(repository, "bob", Role.MEMBER)
    add_member(repository, "carol", Role.MEMBER, scopes["acme"])
    add_member(repository, "carol", Role.ADMIN, scopes["Bright"])
    add_member(repository, "dave", Role.MEMBER, scopes["acme"])
    add_member(repository, "dave", Role.MEMBER)
    by_hand(repository, "UPDATE member SET role = 'keeper' WHERE actor = 'dave' AND scope_id='all'")
    for actor, name in (
        *((ALICE, "Global"), (ALICE, "acme"), (ALICE, "Bright"), (BOB, "Global")),
        *((BOB, "Coastal"), (CAROL, "acme"), (DAVE, "acme")),
    ):
        repository.configs.add(actor, scopes[name], secret(f"of_{actor.actor}"))
    found = {
        access.actor: named(repository.everywhere.waiting(access, Waiting.NEEDS_VALUE))
        for access in (ALICE, BOB, CAROL, DAVE)
    }
    assert len(found["alice"]) == 7
    assert found["bob"] == [("Global", "of_bob"), ("Coastal", "of_bob")]
    assert found["carol"] == [("acme", "of_carol"), ("Bright", "of_alice")]
    # A role that nobody knows gives no right.
    assert found["dave"] == [("acme", "of_dave")]


# Groups of equal secrets


def test_groups_are_told_whole_global_first(repository: Repository, scopes: Scopes) -> None:
    for name, key, value in (
        *(("Coastal", "k", "one"), ("acme", "k", "one"), ("Global", "z", "one")),
        *(("acme", "b", "two"), ("acme", "a", "two"), ("Dune", "k", "alone")),
    ):
        repository.configs.add(ALICE, scopes[name], secret(key, value))
    groups = repository.everywhere.reused(ALICE)
    assert sorted(named(group.lines) for group in groups) == [
        [("Global", "z"), ("acme", "k"), ("Coastal", "k")],
        [("acme", "a"), ("acme", "b")],
    ]
    for group in groups:
        assert {line.fingerprint for line in group.lines} == {group.fingerprint}
        assert len({line.equal_group for line in group.lines}) == 1
    assert [group.fingerprint for group in groups] == sorted(group.fingerprint for group in groups)


def test_only_the_states_that_are_kept_are_told(
    repository: Repository, scopes: Scopes, clock: HandClock
) -> None:
    acme = scopes["acme"]
    repository.configs.add(ALICE, acme, secret("full", "v"))
    repository.configs.add(ALICE, acme, plain("text"))
    draft = ConfigDraft("ref", ConfigType.SECRET_REF, value="full")
    repository.configs.add(ALICE, acme, draft)

    def state(key: str) -> State:
        line = repository.everywhere.key(ALICE, key)[1].config
        assert line is not None
        return line.state

    assert [state(key) for key in ("full", "text", "ref")] == [State.OK] * 3
    view = repository.configs.get_key(ALICE, acme, "full")
    repository.configs.delete(ALICE, view)
    assert state("ref") is State.DANGLING
    repository.configs.add(ALICE, acme, secret("full", "v"))
    by_hand(repository, "UPDATE config SET key_id = 'lost' WHERE key = 'full'")
    assert state("full") is State.UNREADABLE
    by_hand(repository, "UPDATE config SET unreadable_at = updated_at, key_id = NULL")
    assert state("full") is State.UNREADABLE


def test_a_rotation_is_seen_everywhere_at_once(repository: Repository, scopes: Scopes) -> None:
    views = [
        repository.configs.add(ALICE, scopes[name], secret("token", "the same"))
        for name in ("acme", "Bright")
    ]
    repository.configs.rotate(ALICE, views[0], EnteredSecret("another"))
    lines = repository.everywhere.key(ALICE, "token")
    found = [line.config for line in lines if line.config]
    assert [line.equal_group for line in found] == [None, None]
    assert found[0].fingerprint != found[1].fingerprint
