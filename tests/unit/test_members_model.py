"""The table of roles, as a simple model of it, against the repository over random stories.

Whatever random actors with random memberships try: what the table allows is done, what it does not
is refused, and each attempt has its event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    BifrostError,
    InvalidInputError,
    OrganizationNotFoundError,
)
from bifrost_tui.runtime.reader import Purpose, Reader
from bifrost_tui.store import references
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.views import (
    ALL_SCOPES,
    GLOBAL_SCOPE,
    ConfigView,
    MemberView,
    Scope,
    Waiting,
)
from tests.support import (
    Engine,
    assert_nowhere,
    assert_silent,
    by_hand,
    counted_ids,
    events,
    forms,
    make_repository,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

T = TypeVar("T")

MARK = "zQ7-of-the-roles-and-never-seen-again"
MARKS = [*forms(MARK).values()]

ACTORS = tuple(Access(name, "10.1.4.7") for name in ("alice", "bob", "carol", "dave", "eve"))
ALICE = ACTORS[0]
KEYS = ("a", "b", "c")
RANK = {Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}

actors = st.sampled_from(ACTORS)
# Most of what happens to members is allowed; the rest are attempts.
managers = st.just(ALICE) | st.just(ALICE) | actors
keys = st.sampled_from(KEYS)
roles = st.sampled_from(list(Role))
places = st.integers(0, 3)
picks = st.integers(0, 99)


@dataclass
class Held:
    """What the model knows of a config."""

    view: ConfigView
    created_by: str
    is_secret: bool
    value: int
    """Counts its values; 0 is none."""


class Story(RuleBasedStateMachine):
    """Random actors with random memberships, each attempt compared with the table."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.repository = make_repository(Path(self.folder.name), ids=counted_ids())
        self.scopes: list[Scope] = [GLOBAL_SCOPE]
        self.members: dict[tuple[str, str], tuple[Role, MemberView]] = {}
        self.configs: dict[tuple[str, str], Held] = {}
        self.exposed: dict[tuple[str, str, str], int] = {}
        self.events = 0

    @initialize(
        given=st.lists(
            st.tuples(st.sampled_from(ACTORS[1:]), places, roles),
            min_size=3,
            max_size=7,
            unique_by=lambda each: each[:2],
        ),
        made=st.lists(
            st.tuples(actors, places, keys),
            min_size=5,
            max_size=9,
            unique_by=lambda each: each[1:],
        ),
    )
    def begin(
        self, given: list[tuple[Access, int, Role]], made: list[tuple[Access, int, str]]
    ) -> None:
        [view] = self.repository.members.list(ALICE)
        self.members[ALICE.actor, ALL_SCOPES.id] = (Role.OWNER, view)
        for name in ("Acme", "Bright", "Coast"):
            self.scopes.append(self.repository.organizations.add(ALICE, name))
        self.events = len(events(self.repository))
        for who, place, role in given:
            self.add_member(ALICE, place, who, role)
        for who, place, key in made:
            self.add_config(who, place, key, True, True)

    # The table

    def role(self, actor: str, scope: Scope) -> Role | None:
        found = [
            role
            for (name, place), (role, _) in self.members.items()
            if name == actor and place in (ALL_SCOPES.id, scope.id)
        ]
        return max(found, key=RANK.__getitem__, default=None)

    def in_all(self, actor: str) -> bool:
        return (actor, ALL_SCOPES.id) in self.members

    def hidden(self, actor: str, scope: Scope) -> type[BifrostError] | None:
        if self.role(actor, scope) is not None:
            return None
        all_of_them = scope in (GLOBAL_SCOPE, ALL_SCOPES)
        return AccessDeniedError if all_of_them else OrganizationNotFoundError

    def unmanaged(self, actor: str, scope: Scope) -> type[BifrostError] | None:
        hidden = self.hidden(actor, scope)
        return hidden or (AccessDeniedError if self.role(actor, scope) is Role.MEMBER else None)

    def unchangeable(self, actor: str, held: Held) -> type[BifrostError] | None:
        hidden = self.hidden(actor, held.view.scope)
        if hidden is not None:
            return hidden
        own = held.created_by == actor or self.role(actor, held.view.scope) is not Role.MEMBER
        return None if own else AccessDeniedError

    def reads(self, actor: str, held: Held, without: str = "") -> bool:
        """Whether an actor may read a config in an execution of any organization."""
        mine = {
            place
            for (name, place), (_, view) in self.members.items()
            if name == actor and view.id != without
        }
        scope = held.view.scope
        if ALL_SCOPES.id in mine or scope.id in mine:
            return True
        return scope.is_global and any((place, held.view.key) not in self.configs for place in mine)

    def attempt(
        self,
        action: str,
        call: Callable[[], T],
        expected: type[BifrostError] | None,
        *,
        told: bool = True,
        told_when_refused: bool = True,
    ) -> T | None:
        """Do what must come out as expected, with its event, or its refusal's, and no other."""
        result = None
        if expected is None:
            result = call()
        else:
            with pytest.raises(BifrostError) as raised:
                call()
            assert type(raised.value) is expected, raised.value
            assert_silent(raised.value, [MARK])
        new = events(self.repository)[self.events :]
        self.events += len(new)
        if expected is None:
            assert [event[0] for event in new][-1:] == ([action] if told else []), new
            assert all(event[3] == "done" for event in new)
        elif expected in (AccessDeniedError, OrganizationNotFoundError) and told_when_refused:
            assert [(event[0], event[3]) for event in new] == [(action, "refused")], new
        else:
            assert new == []
        return result

    def scope(self, place: int) -> Scope:
        return self.scopes[place]

    def place(self, place: int) -> Scope:
        """Return where a membership may be: an organization, or all."""
        return self.scopes[place] if place else ALL_SCOPES

    def pick(self, number: int) -> Held:
        return list(self.configs.values())[number % len(self.configs)]

    # Configs

    @rule(access=actors, place=places, key=keys, is_secret=st.booleans(), full=st.booleans())
    def add_config(self, access: Access, place: int, key: str, is_secret: bool, full: bool) -> None:
        scope = self.scope(place)
        expected = self.hidden(access.actor, scope)
        if expected is None and (scope.id, key) in self.configs:
            expected = AlreadyExistsError
        draft = secret(key, MARK if full else None) if is_secret else plain(key)
        view = self.attempt(
            "config.add", lambda: self.repository.configs.add(access, scope, draft), expected
        )
        if view is not None:
            assert view.created_by == access.actor
            value = int(is_secret and full)
            self.configs[scope.id, key] = Held(view, access.actor, is_secret, value)

    @precondition(lambda self: any(held.is_secret for held in self.configs.values()))
    @rule(access=actors, number=picks)
    def rotate(self, access: Access, number: int) -> None:
        secrets = [held for held in self.configs.values() if held.is_secret]
        held = secrets[number % len(secrets)]
        view = self.attempt(
            "config.rotate",
            lambda: self.repository.configs.rotate(access, held.view, EnteredSecret(MARK)),
            self.unchangeable(access.actor, held),
        )
        if view is not None:
            held.view, held.value = view, held.value + 1

    @precondition(lambda self: self.configs)
    @rule(access=actors, number=picks)
    def delete(self, access: Access, number: int) -> None:
        held = self.pick(number)
        expected = self.unchangeable(access.actor, held)
        self.attempt(
            "config.delete", lambda: self.repository.configs.delete(access, held.view), expected
        )
        if expected is None:
            self.drop(held.view.scope.id, held.view.key)

    def drop(self, place: str, key: str) -> None:
        del self.configs[place, key]
        for who in [each for each in self.exposed if each[1:] == (place, key)]:
            del self.exposed[who]

    @rule(access=actors, place=places)
    def look(self, access: Access, place: int) -> None:
        scope = self.scope(place)
        page = self.attempt(
            "config.list",
            lambda: self.repository.configs.page(access, ConfigList(scope), offset=0, limit=50),
            self.hidden(access.actor, scope),
            told=False,
        )
        if page is not None:
            effective = {key for (where, key) in self.configs if where in (scope.id, "global")}
            assert {view.key for view in page.rows} == effective
            assert not [mark for mark in MARKS if mark in repr(page).encode()]

    @rule(access=actors, place=st.integers(1, 3), key=keys)
    def read(self, access: Access, place: int, key: str) -> None:
        """In an execution, every member reads."""
        scope = self.scope(place)
        held = self.configs.get((scope.id, key)) or self.configs.get(("global", key))
        empty = held is not None and held.is_secret and not held.value
        if empty:
            return
        reading = self.attempt(
            "secret.read",
            lambda: Reader(self.repository, access).read(scope.name, [key], Purpose()),
            self.hidden(access.actor, scope),
            told=held is not None and held.is_secret,
        )
        if reading is not None and held is not None:
            assert (key in reading.secrets) == held.is_secret

    # Members

    @rule(access=managers, place=places, who=actors, role=roles)
    def add_member(self, access: Access, place: int, who: Access, role: Role) -> None:
        scope = self.place(place)
        expected = self.unmanaged(access.actor, scope)
        mine = self.role(access.actor, scope)
        if expected is None and role is Role.OWNER and mine is not Role.OWNER:
            expected = AccessDeniedError
        if expected is None and (who.actor, scope.id) in self.members:
            expected = AlreadyExistsError
        view = self.attempt(
            "member.add",
            lambda: self.repository.members.add(access, scope, who.actor, role),
            expected,
        )
        if view is not None:
            self.members[who.actor, scope.id] = (role, view)
            for held in self.configs.values():
                if self.reads(who.actor, held):
                    self.exposed.pop((who.actor, held.view.scope.id, held.view.key), None)

    @precondition(lambda self: self.exposed)
    @rule(number=picks, place=places)
    def come_back(self, number: int, place: int) -> None:
        who = sorted(name for name, _, _ in self.exposed)[number % len(self.exposed)]
        self.add_member(ALICE, place, Access(who, "10.1.4.7"), Role.MEMBER)

    def membership(self, number: int) -> tuple[str, Scope, Role, MemberView]:
        (actor, _), (role, view) = list(self.members.items())[number % len(self.members)]
        return actor, view.scope, role, view

    def leaving(self, access: Access, scope: Scope, role: Role) -> type[BifrostError] | None:
        """What stands against a role being taken away."""
        expected = self.unmanaged(access.actor, scope)
        mine = self.role(access.actor, scope)
        if expected is None and role is Role.OWNER and mine is not Role.OWNER:
            expected = AccessDeniedError
        return expected

    def is_last(self, scope: Scope, role: Role) -> bool:
        owners = [
            name
            for (name, place), (each, _) in self.members.items()
            if place == ALL_SCOPES.id and each is Role.OWNER
        ]
        return scope == ALL_SCOPES and role is Role.OWNER and len(owners) == 1

    @rule(access=actors, number=picks, new=roles)
    def change_role(self, access: Access, number: int, new: Role) -> None:
        actor, scope, role, view = self.membership(number)
        expected = self.leaving(access, scope, role)
        mine = self.role(access.actor, scope)
        if expected is None and new is Role.OWNER and mine is not Role.OWNER:
            expected = AccessDeniedError
        if expected is None and new is not role and self.is_last(scope, role):
            expected = InvalidInputError
        changed = self.attempt(
            "member.role",
            lambda: self.repository.members.change(access, view, new),
            expected,
            told=new is not role,
        )
        if changed is not None:
            self.members[actor, scope.id] = (new, changed)

    @rule(access=managers, number=picks, heir=st.none() | actors)
    def remove(self, access: Access, number: int, heir: Access | None) -> None:
        actor, scope, role, view = self.membership(number)
        expected = self.leaving(access, scope, role)
        if expected is None and self.is_last(scope, role):
            expected = InvalidInputError
        removal = self.attempt(
            "member.remove",
            lambda: self.repository.members.removal(access, view),
            expected,
            told=False,
        )
        if removal is None:
            return
        lost = self.lost(actor, scope)
        gone = {
            place: held
            for place, held in self.configs.items()
            if place[0] in lost and held.created_by == actor and held.is_secret
        }
        assert {(each.scope.id, each.key) for each in removal.secrets} == set(gone)
        places = {place for place, _ in gone}
        heirs = {
            name
            for name in {name for name, _ in self.members} - {actor}
            if places
            and (self.in_all(name) or all((name, place) in self.members for place in places))
        }
        assert set(removal.heirs) == heirs
        unread = [
            held
            for held in self.configs.values()
            if held.value and self.reads(actor, held) and not self.reads(actor, held, view.id)
        ]
        assert removal.readable == len(unread)
        refused = heir is not None and bool(gone) and heir.actor not in heirs
        self.attempt(
            "member.remove",
            lambda: self.repository.members.remove(
                access, removal, hand_to=heir.actor if heir else None
            ),
            InvalidInputError if refused else None,
        )
        if refused:
            return
        del self.members[actor, scope.id]
        for held in unread:
            self.exposed[actor, held.view.scope.id, held.view.key] = held.value
        for place, held in gone.items():
            if heir is None:
                self.drop(*place)
            else:
                held.created_by = heir.actor
                held.view = self.fresh(held)

    def fresh(self, held: Held) -> ConfigView:
        """Return a config's line by whoever may see it: the last owner there is."""
        owner = next(name for (name, place) in self.members if place == ALL_SCOPES.id)
        return self.repository.configs.get(Access(owner, "local"), held.view.scope, held.view.id)

    def lost(self, actor: str, scope: Scope) -> set[str]:
        others = {place for (name, place) in self.members if name == actor and place != scope.id}
        if ALL_SCOPES.id in others:
            return set()
        if scope != ALL_SCOPES:
            return {scope.id}
        return {each.id for each in self.scopes} - others

    @rule(access=actors, place=places)
    def list_members(self, access: Access, place: int) -> None:
        scope = self.place(place)
        found = self.attempt(
            "member.list",
            lambda: self.repository.members.list(access, scope),
            self.unmanaged(access.actor, scope),
            told=False,
        )
        if found is not None:
            assert {(view.actor, view.role) for view in found} == {
                (name, role)
                for (name, where), (role, _) in self.members.items()
                if where in (ALL_SCOPES.id, scope.id)
            }

    # Organizations

    @rule(access=actors, place=st.integers(1, 3), back=st.booleans())
    def archive_and_restore(self, access: Access, place: int, back: bool) -> None:
        scope = self.scope(place)
        expected = self.unmanaged(access.actor, scope)
        organizations = self.repository.organizations
        [[version]] = by_hand(
            self.repository, "SELECT version FROM organization WHERE id = ?", scope.id
        )
        done = self.attempt(
            "organization.archive",
            lambda: organizations.archive(access, scope, version),
            expected,
        )
        if done is not None:
            organizations.restore(access, done, version + 1)
            self.events += 1

    @rule(access=actors)
    def see_what_is_mine(self, access: Access) -> None:
        """Lists hold what the actor is a member of, and cost no event."""
        listed = self.repository.organizations.list(access)
        assert [view.scope.name for view in listed] == sorted(
            (scope.name for scope in self.scopes if self.role(access.actor, scope) is not None),
            key=lambda name: (name != "Global", name),
        )
        for name in KEYS:
            lines = self.repository.everywhere.key(access, name)
            assert {line.scope.name for line in lines} == {view.scope.name for view in listed}
        assert len(events(self.repository)) == self.events

    @invariant()
    def nothing_of_a_value_is_anywhere(self) -> None:
        assert_nowhere([MARK], [Path(self.folder.name)])

    @invariant()
    def what_could_be_read_waits(self) -> None:
        owner = next(
            (
                name
                for (name, place), (role, _) in self.members.items()
                if place == ALL_SCOPES.id and role is Role.OWNER
            ),
            None,
        )
        if owner is None:
            return
        lines = self.repository.everywhere.waiting(Access(owner, "local"), Waiting.EXPOSED)
        assert {(line.scope.id, line.key) for line in lines} == {
            (place, key)
            for (_, place, key), value in self.exposed.items()
            if (place, key) in self.configs and self.configs[place, key].value == value
        }

    def teardown(self) -> None:
        database = self.repository._context.database
        assert database.read(recount) == []
        assert database.read(references.miscounted) == 0
        assert self.repository._context.chain.verify().broken_at is None
        self.repository.close()
        self.folder.cleanup()


def test_the_repository_allows_what_the_table_allows() -> None:
    # A server answers later than a file: fewer are lived through there.
    stories = settings().max_examples // (3 if Engine.servers is None else 12)
    run_state_machine_as_test(
        Story, settings=settings(max_examples=stories, stateful_step_count=25)
    )
