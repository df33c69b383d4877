"""Members: added, given roles, removed with what they created, and what they could read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    BifrostError,
    ConflictError,
    InvalidInputError,
    MemberNotFoundError,
    OrganizationNotFoundError,
)
from bifrost_tui.runtime.reader import Purpose, Reader
from bifrost_tui.store import references
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE, MemberView, Scope, SecretUse, Waiting
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    HandClock,
    assert_nowhere,
    assert_silent,
    by_hand,
    events,
    listed,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

DAVE = Access("dave", "10.1.4.9")
PLANTED = planted()


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def bright(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Bright")


@pytest.fixture
def bob(repository: Repository, acme: Scope) -> MemberView:
    """Bob, a member of Acme."""
    return repository.members.add(ALICE, acme, "bob", Role.MEMBER)


def reference(key: str, target: str) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.SECRET_REF, value=target)


def standing(repository: Repository, access: Access, scope: Scope | None = None) -> list[str]:
    return [
        f"{view.actor} {view.role} {view.scope.name}"
        for view in repository.members.list(access, scope)
    ]


def waiting(repository: Repository, access: Access = ALICE, left: str | None = None) -> list[str]:
    lines = repository.everywhere.waiting(access, Waiting.EXPOSED, left=left)
    return [f"{line.scope.name}/{line.key}" for line in lines]


def whole(repository: Repository) -> None:
    """Everything that is kept beside the rows is in step with them."""
    assert repository._context.database.read(recount) == []
    assert repository._context.database.read(references.miscounted) == 0
    assert repository._context.chain.verify().broken_at is None


# Given and changed


def test_who_makes_the_database_owns_it(repository: Repository) -> None:
    assert standing(repository, ALICE) == ["alice owner All organizations"]
    [view] = repository.members.list(ALICE)
    assert (view.created_by, view.version, view.scope) == ("alice", 1, ALL_SCOPES)


def test_members_are_listed_by_place_and_name(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    for scope, actor, role in (
        *((bright, "dave", Role.ADMIN), (acme, "carol", Role.OWNER), (acme, "bob", Role.MEMBER)),
        (ALL_SCOPES, "zoe", Role.MEMBER),
    ):
        repository.members.add(ALICE, scope, actor, role)
    everyone = ["alice owner All organizations", "zoe member All organizations"]
    assert standing(repository, ALICE) == [
        *everyone,
        *("bob member Acme", "carol owner Acme", "dave admin Bright"),
    ]
    # Who is in all organizations is in each.
    assert standing(repository, ALICE, bright) == [*everyone, "dave admin Bright"]
    assert standing(repository, ALICE, GLOBAL_SCOPE) == everyone
    # Others see what they manage, and who else sees it.
    assert standing(repository, DAVE) == [*everyone, "dave admin Bright"]
    with pytest.raises(OrganizationNotFoundError):
        repository.members.list(DAVE, acme)
    assert [repository.members.manages(DAVE, scope) for scope in (acme, bright, GLOBAL_SCOPE)] == [
        *(False, True, False),
    ]


def test_members_of_members_are_nobodys_business(repository: Repository, bob: MemberView) -> None:
    acme, before = bob.scope, events(repository)
    mine = repository.members
    attempts: dict[str, Callable[[], object]] = {
        "member.list": lambda: mine.list(BOB, acme),
        "member.add": lambda: mine.add(BOB, acme, "eve", Role.MEMBER),
        "member.role": lambda: mine.change(BOB, bob, Role.OWNER),
        "member.remove": lambda: mine.removal(BOB, bob),
    }
    for action, attempt in attempts.items():
        with pytest.raises(AccessDeniedError, match="that takes an owner or an admin of it"):
            attempt()
        assert events(repository)[-1] == (action, "Acme", None, "refused")
    with pytest.raises(AccessDeniedError, match="may see no members"):
        mine.list(BOB)
    assert not mine.manages(BOB, acme)
    assert len(events(repository)) == len(before) + 5
    assert standing(repository, ALICE)[1:] == ["bob member Acme"]


def test_admins_leave_owners_alone(repository: Repository, acme: Scope) -> None:
    owner = repository.members.add(ALICE, acme, "olga", Role.OWNER)
    repository.members.add(ALICE, acme, "bob", Role.ADMIN)
    for attempt in (
        lambda: repository.members.add(BOB, acme, "eve", Role.OWNER),
        lambda: repository.members.change(BOB, owner, Role.MEMBER),
        lambda: repository.members.removal(BOB, owner),
        lambda: repository.members.add(BOB, ALL_SCOPES, "eve", Role.MEMBER),
    ):
        with pytest.raises(AccessDeniedError):
            attempt()
        assert events(repository)[-1][3] == "refused"
    eve = repository.members.add(BOB, acme, "eve", Role.MEMBER)
    with pytest.raises(AccessDeniedError, match="may not make anybody an owner"):
        repository.members.change(BOB, eve, Role.OWNER)
    eve = repository.members.change(BOB, eve, Role.ADMIN)
    assert (eve.role, eve.version, eve.updated_by) == (Role.ADMIN, 2, "bob")
    repository.members.remove(BOB, repository.members.removal(BOB, eve))
    assert "eve admin Acme" not in standing(repository, ALICE)


def test_the_last_owner_stays(repository: Repository) -> None:
    [alice] = repository.members.list(ALICE)
    before = by_hand(repository, "SELECT * FROM member")
    for attempt in (
        lambda: repository.members.removal(ALICE, alice),
        lambda: repository.members.change(ALICE, alice, Role.ADMIN),
    ):
        with pytest.raises(InvalidInputError, match="alice is the last owner of all org"):
            attempt()
    assert by_hand(repository, "SELECT * FROM member") == before
    second = repository.members.add(ALICE, ALL_SCOPES, "bob", Role.OWNER)
    removal = repository.members.removal(ALICE, second)
    alice = repository.members.change(BOB, alice, Role.ADMIN)
    # Between looking and doing, bob has become the last one.
    with pytest.raises(AccessDeniedError):
        repository.members.remove(ALICE, removal)
    with pytest.raises(InvalidInputError, match="bob is the last owner"):
        repository.members.remove(BOB, removal)


def test_an_owner_of_one_organization_is_not_the_owner_of_the_database(
    repository: Repository, acme: Scope
) -> None:
    view = repository.members.add(ALICE, acme, "bob", Role.OWNER)
    [alice, _bob] = repository.members.list(ALICE)
    with pytest.raises(InvalidInputError, match="last owner"):
        repository.members.removal(ALICE, alice)
    repository.members.remove(BOB, repository.members.removal(BOB, view))
    assert standing(repository, ALICE) == ["alice owner All organizations"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "has 1 to 255"),
        ("  ", "has 1 to 255"),
        ("a" * 256, "has 1 to 255"),
        (" bob", "no blanks around"),
        ("-bob", "no dash"),
        ("b\x1b[31mob", "cannot be seen"),
        ("b\nob", "cannot be seen"),
    ],
)
def test_a_name_that_is_none(repository: Repository, name: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        repository.members.add(ALICE, ALL_SCOPES, name, Role.MEMBER)
    assert standing(repository, ALICE) == ["alice owner All organizations"]


def test_twice_a_member_of_one_place(repository: Repository, bob: MemberView) -> None:
    with pytest.raises(AlreadyExistsError, match="bob is a member of Acme already"):
        repository.members.add(ALICE, bob.scope, "bob", Role.ADMIN)
    repository.members.add(ALICE, ALL_SCOPES, "bob", Role.MEMBER)
    with pytest.raises(AlreadyExistsError, match="of all organizations already"):
        repository.members.add(ALICE, GLOBAL_SCOPE, "bob", Role.MEMBER)


def test_who_is_looked_for(repository: Repository, bob: MemberView, bright: Scope) -> None:
    assert repository.members.find(ALICE, bob.scope, "bob") == bob
    with pytest.raises(MemberNotFoundError, match="bob is no member of Bright"):
        repository.members.find(ALICE, bright, "bob")
    with pytest.raises(MemberNotFoundError, match="give --all-orgs"):
        repository.members.find(ALICE, bright, "alice")


def test_what_another_changed_meanwhile(repository: Repository, bob: MemberView) -> None:
    changed = repository.members.change(ALICE, bob, Role.ADMIN)
    with pytest.raises(ConflictError, match="was changed by alice"):
        repository.members.change(ALICE, bob, Role.MEMBER)
    assert repository.members.change(ALICE, changed, Role.ADMIN) == changed
    repository.members.remove(ALICE, repository.members.removal(ALICE, changed))
    for attempt in (
        lambda: repository.members.change(ALICE, changed, Role.MEMBER),
        lambda: repository.members.removal(ALICE, changed),
    ):
        with pytest.raises(ConflictError, match="bob is no member of Acme any more") as raised:
            attempt()
        assert raised.value.deleted


def test_every_change_is_told_with_whom_it_was_about(
    repository: Repository, bob: MemberView
) -> None:
    changed = repository.members.change(ALICE, bob, Role.ADMIN)
    repository.members.remove(ALICE, repository.members.removal(ALICE, changed))
    told = by_hand(
        repository,
        "SELECT action, organization, details FROM audit_event WHERE action LIKE 'member.%'"
        " ORDER BY sequence",
    )
    assert told == [
        ("member.add", "Acme", '{"member":"bob","role":"member"}'),
        ("member.role", "Acme", '{"member":"bob","old_role":"member","role":"admin"}'),
        ("member.remove", "Acme", '{"member":"bob","role":"admin"}'),
    ]


def test_a_role_counts_from_the_next_call_on(repository: Repository, bob: MemberView) -> None:
    view = repository.configs.add(ALICE, bob.scope, plain("k"))
    with pytest.raises(AccessDeniedError):
        repository.configs.edit(BOB, view, plain("k", "b"))
    changed = repository.members.change(ALICE, bob, Role.ADMIN)
    view = repository.configs.edit(BOB, view, plain("k", "b"))
    repository.members.remove(ALICE, repository.members.removal(ALICE, changed))
    with pytest.raises(OrganizationNotFoundError):
        repository.configs.edit(BOB, view, plain("k", "c"))
    with pytest.raises(OrganizationNotFoundError):
        Reader(repository, BOB).read("Acme", ["k"], Purpose())


# Removed


def test_what_goes_with_a_member_is_named_first(
    repository: Repository, bob: MemberView, bright: Scope
) -> None:
    acme = bob.scope
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("beneath", PLANTED[0]))
    for key in ("api_key", "beneath", "unused"):
        repository.configs.add(BOB, acme, secret(key, PLANTED[1]))
    repository.configs.add(BOB, acme, plain("region"))
    repository.configs.add(ALICE, acme, reference("billing", "api_key"))
    repository.configs.add(ALICE, acme, reference("other", "beneath"))
    repository.configs.add(ALICE, acme, secret("of_alice", PLANTED[2]))
    before = by_hand(repository, "SELECT * FROM config"), events(repository)

    removal = repository.members.removal(ALICE, bob)
    assert removal.member == bob
    assert (removal.loses, removal.archived, removal.readable) == (1, 0, 4)
    assert [
        (each.key, each.references, each.falls_back, each.inheritors) for each in removal.secrets
    ] == [
        ("api_key", (SecretUse("Acme", "billing"),), False, ()),
        ("beneath", (SecretUse("Acme", "other"),), True, ()),
        ("unused", (), False, ()),
    ]
    assert removal.heirs == ("alice",)
    assert (by_hand(repository, "SELECT * FROM config"), events(repository)) == before

    repository.members.remove(ALICE, removal)
    left = {view.key: view.state for view in listed(repository, ALICE, acme)}
    assert sorted(left) == ["beneath", "billing", "of_alice", "other", "region"]
    assert left["billing"] == "dangling"
    assert events(repository)[len(before[1]) :] == [
        *(("config.delete", "Acme", key, "done") for key in ("api_key", "beneath", "unused")),
        ("member.remove", "Acme", None, "done"),
    ]
    # What was deleted needs no new value; what stays, and was inherited, does.
    assert waiting(repository) == ["Acme/of_alice"]
    assert standing(repository, ALICE) == ["alice owner All organizations"]
    whole(repository)


def test_a_global_secret_is_missed_in_each_organization_that_inherits_it(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    bob = repository.members.add(ALICE, ALL_SCOPES, "bob", Role.MEMBER)
    repository.configs.add(BOB, GLOBAL_SCOPE, secret("shared", PLANTED[0]))
    repository.configs.add(ALICE, bright, secret("shared", PLANTED[1]))
    repository.configs.add(ALICE, acme, reference("ref", "shared"))
    repository.configs.add(ALICE, bright, reference("ref", "shared"))
    removal = repository.members.removal(ALICE, bob)
    assert removal.loses == 3
    [each] = removal.secrets
    assert (each.scope, each.inheritors) == (GLOBAL_SCOPE, ("Acme",))
    assert each.references == (SecretUse("Acme", "ref"),)
    repository.members.remove(ALICE, removal)
    assert listed(repository, ALICE, GLOBAL_SCOPE) == ()
    assert waiting(repository) == ["Bright/shared"]
    whole(repository)


def test_secrets_are_handed_to_another_member(
    repository: Repository, bob: MemberView, bright: Scope
) -> None:
    acme = bob.scope
    view = repository.configs.add(BOB, acme, secret("api_key", PLANTED[0]))
    repository.members.add(ALICE, acme, "carol", Role.MEMBER)
    repository.members.add(ALICE, bright, "dave", Role.ADMIN)
    removal = repository.members.removal(ALICE, bob)
    assert removal.heirs == ("alice", "carol")
    for nobody in ("dave", "bob", "eve", ""):
        with pytest.raises(InvalidInputError, match="is not a member wherever those secrets are"):
            repository.members.remove(ALICE, removal, hand_to=nobody)
    assert "bob member Acme" in standing(repository, ALICE)

    repository.members.remove(ALICE, removal, hand_to="carol")
    [kept] = listed(repository, ALICE, acme)
    assert (kept.created_by, kept.updated_by, kept.version) == ("carol", "alice", view.version + 1)
    assert (kept.fingerprint, kept.secret_changed_at) == (view.fingerprint, view.secret_changed_at)
    told = by_hand(repository, "SELECT details FROM audit_event WHERE action = 'config.edit'")
    assert told == [
        ('{"changed":["created_by"],"created_by":"carol","old_created_by":"bob","type":"secret"}',)
    ]
    # It is hers to change now.
    repository.configs.rotate(CAROL, kept, EnteredSecret(PLANTED[1]))
    whole(repository)


def test_what_changed_since_the_preview_is_seen_again_first(
    repository: Repository, bob: MemberView
) -> None:
    view = repository.configs.add(BOB, bob.scope, secret("a", PLANTED[0]))
    removal = repository.members.removal(ALICE, bob)
    repository.configs.rotate(BOB, view, EnteredSecret(PLANTED[1]))
    before = by_hand(repository, "SELECT * FROM config")
    with pytest.raises(ConflictError, match="secrets that bob created have changed"):
        repository.members.remove(ALICE, removal)
    removal = repository.members.removal(ALICE, bob)
    repository.configs.add(BOB, bob.scope, secret("b"))
    with pytest.raises(ConflictError, match="look again"):
        repository.members.remove(ALICE, removal)
    assert by_hand(repository, "SELECT * FROM config WHERE key = 'a'") == before
    assert repository.members.find(ALICE, bob.scope, "bob") == bob


def test_who_keeps_another_membership_there_loses_nothing(
    repository: Repository, bob: MemberView, bright: Scope
) -> None:
    acme = bob.scope
    repository.configs.add(BOB, acme, secret("a", PLANTED[0]))
    everywhere = repository.members.add(ALICE, ALL_SCOPES, "bob", Role.ADMIN)
    repository.configs.add(BOB, bright, secret("b", PLANTED[0]))
    repository.configs.add(BOB, GLOBAL_SCOPE, secret("c", PLANTED[0]))
    repository.configs.add(BOB, acme, secret("d", PLANTED[0]))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("d", PLANTED[0]))

    removal = repository.members.removal(ALICE, bob)
    assert (removal.loses, removal.secrets, removal.readable) == (0, (), 0)
    removal = repository.members.removal(ALICE, everywhere)
    assert [(each.scope.name, each.key) for each in removal.secrets] == [
        ("Global", "c"),
        ("Bright", "b"),
    ]
    # Acme is still his, with what it inherits: the global d, which Acme shadows, is not.
    assert removal.readable == 2
    repository.members.remove(ALICE, removal)
    assert sorted(view.key for view in listed(repository, BOB, acme)) == ["a", "d"]
    assert waiting(repository) == ["Global/d"]
    whole(repository)


def test_archived_organizations_stay_as_they_are(
    repository: Repository, bob: MemberView, bright: Scope
) -> None:
    repository.configs.add(BOB, bob.scope, secret("a", PLANTED[0]))
    archived = repository.organizations.archive(ALICE, bob.scope, 1)
    [_alice, bob] = repository.members.list(ALICE)
    removal = repository.members.removal(ALICE, bob)
    assert (removal.secrets, removal.archived, removal.readable) == ((), 1, 1)
    repository.members.remove(ALICE, removal)
    assert [view.key for view in listed(repository, ALICE, archived)] == ["a"]
    assert (waiting(repository), repository.members.left(ALICE)) == ([], ())
    # Restored, it wants a new value.
    repository.organizations.restore(ALICE, archived, 2)
    assert waiting(repository) == ["Acme/a"]


# What those who left could read


def test_what_a_member_could_read_waits_until_it_is_rotated(
    repository: Repository, bob: MemberView, bright: Scope, clock: HandClock, home: Path
) -> None:
    acme = bob.scope
    mine = repository.configs.add(ALICE, acme, secret("own", PLANTED[0]))
    repository.configs.add(ALICE, acme, secret("empty"))
    repository.configs.add(ALICE, acme, plain("plain"))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", PLANTED[1]))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("own", PLANTED[2]))
    repository.configs.add(ALICE, bright, secret("hidden", PLANTED[0]))
    left_at = clock.advance(days=1)
    removal = repository.members.removal(ALICE, bob)
    assert removal.readable == 2
    repository.members.remove(ALICE, removal)

    assert waiting(repository) == waiting(repository, left="bob") == ["Global/shared", "Acme/own"]
    assert waiting(repository, left="carol") == []
    [leaver] = repository.members.left(ALICE)
    assert (leaver.actor, leaver.left_at, leaver.secrets) == ("bob", left_at, 2)

    # An edit that keeps the value changes nothing of that.
    mine = repository.configs.edit(ALICE, mine, secret("own", description="kept"))
    assert len(waiting(repository)) == 2
    mine = repository.configs.rotate(ALICE, mine, EnteredSecret("new"))
    assert waiting(repository) == ["Global/shared"]
    [shared] = [v for v in listed(repository, ALICE, GLOBAL_SCOPE) if v.key == "shared"]
    repository.configs.delete(ALICE, shared)
    assert (waiting(repository), repository.members.left(ALICE)) == ([], ())
    assert_nowhere(PLANTED, [home])


def test_who_comes_back_is_waited_for_no_more(repository: Repository, bob: MemberView) -> None:
    acme = bob.scope
    repository.configs.add(ALICE, acme, secret("own", PLANTED[0]))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", PLANTED[1]))
    repository.members.remove(ALICE, repository.members.removal(ALICE, bob))
    other = repository.organizations.add(ALICE, "Other")
    assert waiting(repository) == ["Global/shared", "Acme/own"]
    repository.members.add(ALICE, other, "bob", Role.MEMBER)
    assert waiting(repository) == ["Acme/own"]
    repository.members.add(ALICE, ALL_SCOPES, "bob", Role.MEMBER)
    assert waiting(repository) == []


def test_others_see_of_it_what_is_theirs(repository: Repository, bob: MemberView) -> None:
    acme = bob.scope
    repository.members.add(ALICE, acme, "carol", Role.ADMIN)
    repository.members.add(ALICE, acme, "dave", Role.MEMBER)
    repository.configs.add(ALICE, acme, secret("own", PLANTED[0]))
    repository.configs.add(DAVE, acme, secret("of_dave", PLANTED[0]))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", PLANTED[1]))
    repository.members.remove(CAROL, repository.members.removal(CAROL, bob))
    assert waiting(repository, CAROL) == ["Acme/of_dave", "Acme/own"]
    assert [leaver.secrets for leaver in repository.members.left(CAROL)] == [2]
    assert waiting(repository, DAVE) == ["Acme/of_dave"]
    assert repository.members.left(DAVE) == ()
    assert waiting(repository) == ["Global/shared", "Acme/of_dave", "Acme/own"]


# Whole or not at all


def test_a_removal_that_cannot_be_told_does_not_happen(
    repository: Repository, bob: MemberView
) -> None:
    repository.configs.add(BOB, bob.scope, secret("a", PLANTED[0]))
    repository.configs.add(BOB, bob.scope, reference("r", "a"))
    removal = repository.members.removal(ALICE, bob)
    tables = ("config", "member", "exposure", "scope_summary", "audit_event")
    by_hand(
        repository,
        "CREATE TRIGGER closed BEFORE INSERT ON audit_event WHEN NEW.action = 'member.remove'"
        " BEGIN SELECT RAISE(ABORT, 'closed'); END",
    )
    before = [by_hand(repository, f"SELECT * FROM {table}") for table in tables]
    for hand_to in (None, "alice"):
        with pytest.raises(BifrostError) as raised:
            repository.members.remove(ALICE, removal, hand_to=hand_to)
        assert_silent(raised.value, PLANTED)
        assert [by_hand(repository, f"SELECT * FROM {table}") for table in tables] == before
    by_hand(repository, "DROP TRIGGER closed")
    repository.members.remove(ALICE, removal)
    whole(repository)


def test_many_secrets_go_in_one_step(repository: Repository, bob: MemberView) -> None:
    acme = bob.scope
    many = (BulkConfig(secret(f"k{number:04}"), by=BOB.actor) for number in range(1100))
    write_configs(repository, ALICE, acme, many)
    repository.configs.add(BOB, acme, secret("full", PLANTED[0]))
    repository.configs.add(ALICE, acme, secret("equal", PLANTED[0]))
    removal = repository.members.removal(ALICE, bob)
    assert len(removal.secrets) == 1101
    repository.members.remove(ALICE, removal)
    [kept] = listed(repository, ALICE, acme)
    assert (kept.key, kept.is_reused) == ("equal", False)
    whole(repository)


def test_a_view_of_another_place_removes_nobody(
    repository: Repository, bob: MemberView, bright: Scope
) -> None:
    moved = replace(bob, scope=bright)
    with pytest.raises(ConflictError, match="bob is no member of Bright"):
        repository.members.removal(ALICE, moved)
    assert repository.members.find(ALICE, bob.scope, "bob") == bob
