"""Roles: who may do what, and that what is hidden reads like what is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    InvalidInputError,
    OrganizationNotFoundError,
)
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    add_member,
    by_hand,
    counted_ids,
    events,
    listed,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

DAVE = Access("dave", "10.1.4.9")
MALLORY = Access("mallory", "10.9.9.9")
"""Nobody's member."""

Call = Callable[[Repository, Access, Scope, ConfigView], object]

READS: dict[str, Call] = {
    "count": lambda r, a, s, v: r.configs.count(a, ConfigList(s)),
    "position": lambda r, a, s, v: r.configs.position(a, ConfigList(s), "k"),
    "page": lambda r, a, s, v: r.configs.page(a, ConfigList(s), offset=0, limit=9),
    "own page": lambda r, a, s, v: r.configs.page(
        a, ConfigList(s, own_only=True), offset=0, limit=9
    ),
    "get": lambda r, a, s, v: r.configs.get(a, s, v.id),
    "get_key": lambda r, a, s, v: r.configs.get_key(a, s, v.key),
    "history": lambda r, a, s, v: r.configs.history(a, s, v.key),
    "integrations": lambda r, a, s, v: r.configs.integrations(a, s),
    "dependents": lambda r, a, s, v: r.configs.dependents(a, replace(v, scope=s)),
    "inspect": lambda r, a, s, v: r.configs.inspect(a, s, v.id, EnteredSecret("new")),
}
COUNTS: Call = lambda r, a, s, v: r.organizations.counts(a, s)  # noqa: E731
CHANGES: dict[str, Call] = {
    "config.add": lambda r, a, s, v: r.configs.add(a, s, plain("new")),
    "config.edit": lambda r, a, s, v: r.configs.edit(a, replace(v, scope=s), secret("k")),
    "config.rotate": lambda r, a, s, v: r.configs.rotate(
        a, replace(v, scope=s), EnteredSecret("new")
    ),
    "config.delete": lambda r, a, s, v: r.configs.delete(a, replace(v, scope=s)),
    "organization.rename": lambda r, a, s, v: r.organizations.rename(a, s, 1, "Renamed"),
    "organization.archive": lambda r, a, s, v: r.organizations.archive(a, s, 1),
    "organization.restore": lambda r, a, s, v: r.organizations.restore(a, s, 1),
}
CALLS: dict[str, tuple[str, Call]] = {
    **{name: ("config.list", call) for name, call in READS.items()},
    "counts": ("organization.open", COUNTS),
    "find": ("organization.open", lambda r, a, s, v: r.organizations.find(a, s.name)),
    **{name: (name, call) for name, call in CHANGES.items()},
}


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def bright(repository: Repository, acme: Scope) -> Scope:
    """An organization that Carol, a member of Acme, must not learn of."""
    scope = repository.organizations.add(ALICE, "Bright")
    add_member(repository, "carol", Role.MEMBER, acme)
    return scope


@pytest.fixture
def hidden(repository: Repository, bright: Scope) -> ConfigView:
    return repository.configs.add(ALICE, bright, secret("k", "hidden"))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("actor", [CAROL, MALLORY], ids=lambda actor: actor.actor)
def test_a_hidden_organization_reads_like_one_that_is_not_there(
    repository: Repository, bright: Scope, hidden: ConfigView, name: str, actor: Access
) -> None:
    action, call = CALLS[name]
    before = events(repository)
    content = by_hand(repository, "SELECT * FROM config")
    missing = Scope("f" * 32, bright.name)

    texts = []
    for there in (True, False):
        if not there:
            # By its name it is looked for too.
            by_hand(repository, "UPDATE organization SET name_folded = 'x' WHERE id = ?", bright.id)
        scope = bright if there else missing
        with pytest.raises(OrganizationNotFoundError) as raised:
            call(repository, actor, scope, hidden)
        texts.append((str(raised.value), raised.value.refused, type(raised.value)))
    assert texts[0] == texts[1]
    assert "There is no organization 'Bright' for you" in texts[0][0]

    assert events(repository)[len(before) :] == [
        (action, "Bright", key, "refused") for key in [event_key(name, hidden)] * 2
    ]
    assert by_hand(repository, "SELECT * FROM config") == content
    assert repository._context.chain.verify().broken_at is None


def event_key(name: str, view: ConfigView) -> str | None:
    if name == "config.add":
        return "new"
    return view.key if name.startswith("config.") else None


@pytest.mark.parametrize("name", CALLS)
def test_an_owner_who_mistypes_is_no_attempt(
    repository: Repository, hidden: ConfigView, name: str
) -> None:
    before = events(repository)
    with pytest.raises(OrganizationNotFoundError) as raised:
        CALLS[name][1](repository, ALICE, Scope("f" * 32, "Brihgt"), hidden)
    assert not raised.value.refused
    assert events(repository) == before


@pytest.mark.parametrize("name", [*READS, "counts", *list(CHANGES)[:4]])
@pytest.mark.parametrize("actor", [CAROL, MALLORY], ids=lambda actor: actor.actor)
def test_global_is_for_members_of_all(
    repository: Repository, bright: Scope, name: str, actor: Access
) -> None:
    view = repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "hidden"))
    before = events(repository)
    action, call = CALLS[name]
    with pytest.raises(AccessDeniedError, match=f"{actor.actor} may not see the global") as raised:
        call(repository, actor, GLOBAL_SCOPE, view)
    assert isinstance(raised.value, PermissionError)
    assert events(repository)[len(before) :] == [
        (action, "Global", event_key(name, view), "refused")
    ]
    assert listed(repository, ALICE, GLOBAL_SCOPE) == (view,)


def test_a_refusal_is_told_with_who_and_from_where(
    repository: Repository, hidden: ConfigView
) -> None:
    with pytest.raises(OrganizationNotFoundError):
        repository.configs.delete(MALLORY, hidden)
    [told] = by_hand(
        repository,
        "SELECT actor, source, action, key FROM audit_event WHERE outcome = 'refused'",
    )
    assert told == ("mallory", "10.9.9.9", "config.delete", "k")


def test_each_actor_is_listed_what_is_theirs(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    add_member(repository, "bob", Role.ADMIN)
    add_member(repository, "dave", Role.MEMBER, bright)
    names = {
        actor.actor: [view.scope.name for view in repository.organizations.list(actor)]
        for actor in (ALICE, BOB, CAROL, DAVE, MALLORY)
    }
    assert names == {
        "alice": ["Global", "Acme", "Bright"],
        "bob": ["Global", "Acme", "Bright"],
        "carol": ["Acme"],
        "dave": ["Bright"],
        "mallory": [],
    }


@pytest.mark.parametrize(
    ("role", "everywhere"), [(role, everywhere) for role in Role for everywhere in (True, False)]
)
def test_what_each_role_may_change(
    repository: Repository, acme: Scope, role: Role, everywhere: bool
) -> None:
    add_member(repository, "dave", role, None if everywhere else acme)
    scopes = [acme, GLOBAL_SCOPE] if everywhere else [acme]
    for scope in scopes:
        theirs = repository.configs.add(ALICE, scope, secret("k", "of alice"))
        own = repository.configs.add(DAVE, scope, secret("own", "of dave"))
        own = repository.configs.rotate(DAVE, own, EnteredSecret("new"))
        own = repository.configs.edit(DAVE, own, secret("own", description="changed"))
        repository.configs.delete(DAVE, own)
        changes: list[Callable[[ConfigView], object]] = [
            lambda view: repository.configs.rotate(DAVE, view, EnteredSecret("new")),
            lambda view: repository.configs.edit(DAVE, view, secret("k", description="d")),
            lambda view: repository.configs.delete(DAVE, view),
        ]
        for change in changes:
            theirs = repository.configs.get(ALICE, scope, theirs.id)
            if role is Role.MEMBER:
                says = f"dave may change only what dave created in {scope.name}; k was created by"
                with pytest.raises(AccessDeniedError, match=says):
                    change(theirs)
                assert repository.configs.get(ALICE, scope, theirs.id) == theirs
            else:
                change(theirs)
        left = {view.key for view in listed(repository, ALICE, scope)}
        assert left == ({"k"} if role is Role.MEMBER else set())


def test_what_was_created_counts_not_what_was_changed(repository: Repository, acme: Scope) -> None:
    add_member(repository, "dave", Role.MEMBER, acme)
    view = repository.configs.add(DAVE, acme, plain("k"))
    view = repository.configs.edit(ALICE, view, plain("k", "by alice"))
    assert (view.created_by, view.updated_by) == ("dave", "alice")
    assert repository.configs.edit(DAVE, view, plain("k", "by dave")).value == '"by dave"'


@pytest.mark.parametrize("role", list(Role))
def test_who_may_manage_organizations(repository: Repository, acme: Scope, role: Role) -> None:
    bright = repository.organizations.add(ALICE, "Bright")
    add_member(repository, "bob", role)
    add_member(repository, "dave", role, acme)
    organizations = repository.organizations
    attempts: list[tuple[bool, str, Callable[[], object]]] = [
        (True, "add organizations", lambda: organizations.add(BOB, "Of Bob")),
        (False, "add organizations", lambda: organizations.add(DAVE, "Of Dave")),
        (True, "rename it", lambda: organizations.rename(BOB, bright, 1, "Bob's")),
        # A name that is taken would tell him of an organization that is hidden from him.
        (False, "rename it", lambda: organizations.rename(DAVE, acme, 1, "Bob's")),
        (True, "archive it", lambda: organizations.archive(BOB, bright, 2)),
        (True, "archive it", lambda: organizations.archive(DAVE, acme, 1)),
        (True, "restore it", lambda: organizations.restore(BOB, bright, 3)),
        (True, "restore it", lambda: organizations.restore(DAVE, acme, 2)),
    ]
    for allowed, verb, attempt in attempts:
        before = events(repository)
        if allowed and role is not Role.MEMBER:
            attempt()
            continue
        with pytest.raises(AccessDeniedError, match=f"may not {verb}: that takes an owner or an"):
            attempt()
        assert events(repository)[len(before) :][0][3] == "refused"
        assert len(events(repository)) == len(before) + 1


def test_the_higher_of_two_roles_counts(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, plain("k"))
    everywhere = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    add_member(repository, "dave", Role.MEMBER)
    add_member(repository, "dave", Role.ADMIN, acme)
    assert repository.configs.edit(DAVE, view, plain("k", "new")).value == '"new"'
    with pytest.raises(AccessDeniedError):
        repository.configs.edit(DAVE, everywhere, plain("k", "new"))


def test_the_scope_of_all_is_no_place_for_configs(repository: Repository, acme: Scope) -> None:
    """``all`` is what a membership everywhere is written as, and nothing else."""
    with pytest.raises(OrganizationNotFoundError):
        repository.configs.add(ALICE, Scope("all", "all"), plain("k"))
    with pytest.raises(OrganizationNotFoundError):
        repository.configs.count(ALICE, ConfigList(Scope("all", "all")))


def test_nothing_is_changed_in_an_archived_organization(
    repository: Repository, acme: Scope
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", "kept"))
    archived = repository.organizations.archive(ALICE, acme, 1)
    before = events(repository)
    changes: list[Callable[[], object]] = [
        lambda: repository.configs.add(ALICE, acme, plain("new")),
        lambda: repository.configs.edit(ALICE, view, secret("k2")),
        lambda: repository.configs.rotate(ALICE, view, EnteredSecret("new")),
        lambda: repository.configs.delete(ALICE, view),
    ]
    for change in changes:
        with pytest.raises(AccessDeniedError, match="Acme is archived: nothing in it can be"):
            change()
    assert [outcome for *_, outcome in events(repository)[len(before) :]] == ["refused"] * 4
    assert listed(repository, ALICE, archived) == (replace(view, scope=archived),)
    restored = repository.organizations.restore(ALICE, archived, 2)
    assert restored == acme
    repository.configs.delete(ALICE, view)


def test_an_actor_whose_name_is_no_text_is_nobody(repository: Repository, acme: Scope) -> None:
    with pytest.raises(BifrostError):
        repository.configs.count(Access("a\udcff", "local"), ConfigList(acme))
    with pytest.raises(InvalidInputError):
        repository.organizations.find(ALICE, "Acme\udcff")


def test_ids_do_not_tell_who_else_is_there(repository: Repository, acme: Scope) -> None:
    """By another organization's id and any name, nothing is learnt of it either."""
    add_member(repository, "carol", Role.MEMBER, acme)
    bright = repository.organizations.add(ALICE, "Bright")
    texts = set()
    for scope_id in (bright.id, counted_ids(10**9)(), "", "'; --"):
        with pytest.raises(OrganizationNotFoundError) as raised:
            repository.organizations.counts(CAROL, Scope(scope_id, "Guess"))
        texts.add(str(raised.value))
    assert len(texts) == 1
    assert "Bright" not in texts.pop()
