"""The repository against a simple model of it, over many random stories of several actors."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

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

from bifrost_tui.display import MASK
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    BifrostError,
    ConflictError,
    OrganizationNotFoundError,
)
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.requests import Access, ConfigDraft, ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType, canonical
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    Anchor,
    Attention,
    ConfigView,
    Scope,
    ScopeCounts,
    Standing,
    State,
)
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    Engine,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    counted_ids,
    events,
    forms,
    listed,
    make_repository,
    opened,
)

pytestmark = pytest.mark.both_engines

MARK = "zQ7-planted-and-never-seen-again"
"""What every secret of these stories begins with."""
MARKS = [*forms(MARK).values()]

DAVE = Access("dave", "local")
MALLORY = Access("mallory", "10.9.9.9")
ACTORS = (ALICE, BOB, CAROL, DAVE, MALLORY)
"""Owner, admin, member of the first organization, member of all, nobody."""
EVERYWHERE = {"alice": Role.OWNER, "bob": Role.ADMIN, "dave": Role.MEMBER}

KEYS = ("a", "B", "a_1", "b", "z")
DAY = timedelta(days=1)
T = TypeVar("T")

PLAIN = {
    ConfigType.STRING: ("", "plain", 'q"\n\\'),
    ConfigType.INT: ("1", "-20"),
    ConfigType.BOOL: ("true", "off"),
    ConfigType.JSON: ("{}", '[1, {"a": null}]'),
}

actors = st.sampled_from(ACTORS)
# Most of what happens is allowed; the rest are attempts.
workers = st.sampled_from((ALICE, ALICE, BOB, CAROL, DAVE)) | actors
keys = st.sampled_from(KEYS)
# References have a model of their own.
types = st.sampled_from([*PLAIN, ConfigType.SECRET]) | st.just(ConfigType.SECRET)
places = st.integers(0, 3)
periods = st.sampled_from((None, 1, 2, 30))
secrets = st.sampled_from([MARK + end for end in ("", "-1", "\n", "-2\r\n ")])
integrations = st.sampled_from((None, "slack", "Slack"))


@dataclass(frozen=True)
class Row:
    """What the model knows of a config."""

    id: str
    scope_id: str
    key: str
    type: ConfigType
    value: str | None
    secret: str | None
    integration: str | None
    period: int | None
    changed_at: datetime | None
    created_by: str
    updated_by: str
    updated_at: datetime
    version: int

    @property
    def is_secret(self) -> bool:
        return self.type is ConfigType.SECRET

    @property
    def due_at(self) -> datetime | None:
        if self.changed_at is None or self.period is None:
            return None
        return self.changed_at + timedelta(days=self.period)

    def state(self, now: datetime) -> State:
        if self.is_secret and self.secret is None:
            return State.NEEDS_VALUE
        if self.due_at is not None and self.due_at <= now:
            return State.OVERDUE if self.due_at + DAY <= now else State.DUE
        return State.OK


class Story(RuleBasedStateMachine):
    """Random actions of random actors, each compared with what the model says must come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = HandClock()
        self.repository = make_repository(
            Path(self.folder.name), clock=self.clock, ids=counted_ids()
        )
        self.scopes: list[Scope] = [GLOBAL_SCOPE]
        self.rows: dict[str, Row] = {}
        self.told: list[tuple[str, str]] = [("database.create", "done")]
        self.seen: list[ConfigView] = []
        self.asked = 0

    @initialize()
    def begin(self) -> None:
        for name in ("Acme", "bright"):
            self.scopes.append(self.repository.organizations.add(ALICE, name))
            self.told.append(("organization.add", "done"))
        add_member(self.repository, "bob", Role.ADMIN)
        add_member(self.repository, "dave", Role.MEMBER)
        add_member(self.repository, "carol", Role.MEMBER, self.scopes[1])

    # What the model says

    def scope(self, place: int) -> Scope:
        return self.scopes[place % len(self.scopes)]

    def role(self, access: Access, scope: Scope) -> Role | None:
        if access == CAROL and scope == self.scopes[1]:
            return Role.MEMBER
        return EVERYWHERE.get(access.actor)

    def refusal(self, access: Access, scope: Scope) -> type[BifrostError] | None:
        if self.role(access, scope) is not None:
            return None
        return AccessDeniedError if scope.is_global else OrganizationNotFoundError

    def held(self, scope: Scope) -> dict[str, Row]:
        return {row.key: row for row in self.rows.values() if row.scope_id == scope.id}

    def effective(self, scope: Scope) -> list[Row]:
        found = self.held(GLOBAL_SCOPE) | self.held(scope)
        return [found[key] for key in sorted(found)]

    def attention(self, scope: Scope) -> Attention:
        states = Counter(row.state(self.clock.now) for row in self.held(scope).values())
        return Attention(states[State.OVERDUE], states[State.DUE], states[State.NEEDS_VALUE], 0)

    def attempt(
        self,
        action: str,
        call: Callable[[], T],
        expected: type[BifrostError] | None,
    ) -> T | None:
        """Do what must come out as ``expected``, and expect its one event, or its refusal's."""
        result = None
        if expected is None:
            result = call()
            self.told.append((action, "done"))
            self.look(result)
        else:
            with pytest.raises(expected) as raised:
                call()
            assert_silent(raised.value, [MARK])
            if issubclass(expected, AccessDeniedError | OrganizationNotFoundError):
                self.told.append((action, "refused"))
        self.events_agree()
        return result

    def events_agree(self) -> None:
        told = [(action, outcome) for action, _, _, outcome in events(self.repository)]
        assert told == self.told

    def look(self, *found: Any) -> None:
        """Look into what the repository returned for anything of a secret."""
        for thing in found:
            parts: list[Any] = [thing]
            if hasattr(thing, "__dataclass_fields__"):
                parts += [astuple(thing), *(getattr(thing, "rows", ()))]
            text = repr(parts).encode() + str(thing).encode() + pickle.dumps(parts)
            assert not any(mark in text for mark in MARKS)

    # What is done

    @rule(hours=st.sampled_from((1, 12, 24, 36)))
    def time_goes_by(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule(actor=actors)
    def add_organization(self, actor: Access) -> None:
        name = f"Organization {len(self.scopes)}"
        taken = len(self.scopes) > 3
        denied = actor not in (ALICE, BOB)
        scope = self.attempt(
            "organization.add",
            lambda: self.repository.organizations.add(actor, "ACME" if taken else name),
            AccessDeniedError if denied else AlreadyExistsError if taken else None,
        )
        if scope is not None:
            self.scopes.append(scope)

    @rule(
        actor=workers,
        place=places,
        key=keys,
        kind=types,
        number=st.integers(0, 9),
        value=secrets,
        period=periods,
        integration=integrations,
    )
    def add(
        self,
        actor: Access,
        place: int,
        key: str,
        kind: ConfigType,
        number: int,
        value: str,
        period: int | None,
        integration: str | None,
    ) -> None:
        scope = self.scope(place)
        draft = self.draft(key, kind, number, value, period, integration)
        taken = AlreadyExistsError if key in self.held(scope) else None
        view = self.attempt(
            "config.add",
            lambda: self.repository.configs.add(actor, scope, draft),
            self.refusal(actor, scope) or taken,
        )
        if view is not None:
            self.keep(view, self.filled(view.id, scope, draft, actor, None))

    def draft(
        self,
        key: str,
        kind: ConfigType,
        number: int,
        value: str,
        period: int | None,
        integration: str | None,
    ) -> ConfigDraft:
        """Make a draft; a secret of every third number brings no value."""
        if kind is ConfigType.SECRET:
            return ConfigDraft(
                key,
                kind,
                secret=EnteredSecret(value) if number % 3 else None,
                integration=integration,
                rotate_every_days=period,
            )
        texts = PLAIN[kind]
        return ConfigDraft(key, kind, value=texts[number % len(texts)], integration=integration)

    def filled(
        self, config_id: str, scope: Scope, draft: ConfigDraft, actor: Access, old: Row | None
    ) -> Row:
        is_secret = draft.type is ConfigType.SECRET
        kept = old if old is not None and old.is_secret and is_secret else None
        value, changed_at = (kept.secret, kept.changed_at) if kept else (None, None)
        if draft.secret is not None:
            value, changed_at = draft.secret._data.decode(), self.clock.now
        return Row(
            id=config_id,
            scope_id=scope.id,
            key=draft.key,
            type=draft.type,
            value=None if is_secret else canonical(draft.type, draft.value or ""),
            secret=value,
            integration=draft.integration,
            period=draft.rotate_every_days if is_secret else None,
            changed_at=changed_at,
            created_by=old.created_by if old else actor.actor,
            updated_by=actor.actor,
            updated_at=self.clock.now,
            version=old.version + 1 if old else 1,
        )

    def keep(self, view: ConfigView, row: Row) -> None:
        self.rows[row.id] = row
        self.seen.append(view)
        self.compare(view, row, self.scopes[[s.id for s in self.scopes].index(row.scope_id)])

    def pick(self, place: int, number: int, stale: bool) -> ConfigView:
        """Return a view: one of now, or one that was returned at any time."""
        rows = sorted(self.held(self.scope(place)).values(), key=lambda row: row.key)
        if stale or not rows:
            return self.seen[number % len(self.seen)]
        row = rows[number % len(rows)]
        return self.repository.configs.get(ALICE, self.scope(place), row.id)

    def objection(self, actor: Access, view: ConfigView) -> type[BifrostError] | None:
        """Return what stands against a change of what a view shows."""
        if refusal := self.refusal(actor, view.scope):
            return refusal
        row = self.rows.get(view.id)
        if row is None:
            # Whatever it was called by then.
            return ConflictError
        if self.role(actor, view.scope) is Role.MEMBER and row.created_by != actor.actor:
            return AccessDeniedError
        return ConflictError if row.version != view.version else None

    @precondition(lambda self: self.seen)
    @rule(
        actor=workers,
        place=places,
        number=st.integers(0, 50),
        stale=st.booleans(),
        key=st.none() | keys,
        kind=st.none() | types,
        value=secrets,
        period=periods,
        integration=integrations,
    )
    def edit(
        self,
        actor: Access,
        place: int,
        number: int,
        stale: bool,
        key: str | None,
        kind: ConfigType | None,
        value: str,
        period: int | None,
        integration: str | None,
    ) -> None:
        view = self.pick(place, number, stale)
        draft = self.draft(key or view.key, kind or view.type, number, value, period, integration)
        other = self.held(view.scope).get(draft.key)
        taken = AlreadyExistsError if other is not None and other.id != view.id else None
        after = self.attempt(
            "config.edit",
            lambda: self.repository.configs.edit(actor, view, draft),
            self.objection(actor, view) or taken,
        )
        if after is not None:
            self.keep(after, self.filled(view.id, view.scope, draft, actor, self.rows[view.id]))

    @precondition(lambda self: any(view.is_secret for view in self.seen))
    @rule(
        actor=workers, place=places, number=st.integers(0, 50), stale=st.booleans(), value=secrets
    )
    def rotate(self, actor: Access, place: int, number: int, stale: bool, value: str) -> None:
        view = self.pick(place, number, stale)
        if not view.is_secret:
            view = next(view for view in reversed(self.seen) if view.is_secret)
        after = self.attempt(
            "config.rotate",
            lambda: self.repository.configs.rotate(actor, view, EnteredSecret(value)),
            self.objection(actor, view),
        )
        if after is not None:
            now = self.clock.now
            row = replace(
                self.rows[view.id],
                secret=value,
                changed_at=now,
                updated_by=actor.actor,
                updated_at=now,
                version=view.version + 1,
            )
            self.keep(after, row)

    @precondition(lambda self: self.seen)
    @rule(actor=workers, place=places, number=st.integers(0, 50), stale=st.booleans())
    def delete(self, actor: Access, place: int, number: int, stale: bool) -> None:
        view = self.pick(place, number, stale)
        objection = self.objection(actor, view)
        self.attempt(
            "config.delete", lambda: self.repository.configs.delete(actor, view), objection
        )
        if objection is None:
            self.rows.pop(view.id)

    # What is asked

    @rule(
        actor=actors,
        place=places,
        offset=st.integers(0, 6),
        limit=st.integers(0, 6),
        index=st.none() | st.integers(0, 8),
        total=st.booleans(),
        own_only=st.booleans(),
    )
    def page(
        self,
        actor: Access,
        place: int,
        offset: int,
        limit: int,
        index: int | None,
        total: bool,
        own_only: bool,
    ) -> None:
        scope = self.scope(place)
        rows = self.effective(scope)
        if own_only:
            rows = [row for row in rows if row.scope_id == scope.id]
        anchor = None
        if index is not None and rows:
            anchor = Anchor(index % len(rows), rows[index % len(rows)].key)
        wanted = ConfigList(scope, own_only=own_only)
        if self.refusal(actor, scope):
            self.attempt(
                "config.list",
                lambda: self.repository.configs.count(actor, wanted),
                self.refusal(actor, scope),
            )
            return
        page = self.repository.configs.page(
            actor,
            wanted,
            offset=offset,
            limit=limit,
            anchor=anchor,
            total=len(rows) if total else None,
        )
        self.look(page)
        self.compare_all(page.rows, rows[offset : offset + limit], scope)
        assert self.repository.configs.count(actor, wanted) == len(rows)
        for key in KEYS:
            position = self.repository.configs.position(actor, wanted, key)
            assert position == sum(row.key < key for row in rows)

    @rule(
        place=places,
        state=st.sampled_from(
            [
                ("needs-value", lambda row, now: row.state(now) is State.NEEDS_VALUE),
                ("due", lambda row, now: row.due_at is not None and row.due_at <= now),
                ("overdue", lambda row, now: row.state(now) is State.OVERDUE),
                ("unreadable", lambda row, now: False),
            ]
        ),
    )
    def narrow(self, place: int, state: tuple[str, Callable[[Row, datetime], bool]]) -> None:
        scope = self.scope(place)
        found = ConfigList(scope, ConfigFilter(states=frozenset({state[0]})))
        rows = [row for row in self.effective(scope) if state[1](row, self.clock.now)]
        self.compare_all(listed(self.repository, ALICE, found), rows, scope)

    # What holds after everything

    def compare(self, view: ConfigView, row: Row, scope: Scope) -> None:
        inherited = row.scope_id != scope.id
        shadows = not inherited and not scope.is_global and row.key in self.held(GLOBAL_SCOPE)
        expected = {
            "id": row.id,
            "scope": GLOBAL_SCOPE if inherited else scope,
            "key": row.key,
            "type": row.type,
            "value": row.value,
            "cut": False,
            "mask": MASK if row.secret is not None else None,
            "state": row.state(self.clock.now),
            "standing": Standing.INHERITED
            if inherited
            else Standing.SHADOWS
            if shadows
            else Standing.OWN,
            "integration": row.integration,
            "rotate_every_days": row.period,
            "secret_changed_at": row.changed_at,
            "due_at": row.due_at,
            "created_by": row.created_by,
            "updated_by": row.updated_by,
            "updated_at": row.updated_at,
            "version": row.version,
        }
        assert {name: getattr(view, name) for name in expected} == expected
        assert (view.fingerprint is not None) == (row.secret is not None)

    def compare_all(self, views: tuple[ConfigView, ...], rows: list[Row], scope: Scope) -> None:
        assert [view.key for view in views] == [row.key for row in rows]
        for view, row in zip(views, rows, strict=True):
            self.compare(view, row, scope)

    @invariant()
    def the_kept_counts_and_the_organizations_agree(self) -> None:
        assert self.repository._context.database.read(recount) == []
        # Another actor after each step, and everybody at the end.
        self.asked = (self.asked + 1) % len(ACTORS)
        self.organizations_agree(ACTORS[self.asked])

    def organizations_agree(self, actor: Access) -> None:
        found = self.repository.organizations.list(actor)
        self.look(found)
        visible = [scope for scope in self.scopes if self.refusal(actor, scope) is None]
        visible.sort(key=lambda scope: (not scope.is_global, scope.name.casefold()))
        assert [view.scope for view in found] == visible
        for view in found:
            held = self.held(view.scope).values()
            assert view.configs == len(held)
            assert view.secrets == sum(row.is_secret for row in held)
            assert view.attention == self.attention(view.scope)

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.repository.close()
            self.folder.cleanup()

    def finish(self) -> None:
        """Compare everything, once the story has been told."""
        for actor in ACTORS:
            self.organizations_agree(actor)
        prints: dict[str, str] = {}
        for scope in self.scopes:
            rows = self.effective(scope)
            views = listed(self.repository, ALICE, scope)
            self.look(*views)
            self.compare_all(views, rows, scope)
            counts = self.repository.organizations.counts(ALICE, scope)
            held = self.held(scope).values()
            secret_count = sum(row.is_secret for row in held)
            assert counts == ScopeCounts(len(rows), len(held), secret_count, self.attention(scope))
            for view, row in zip(views, rows, strict=True):
                if row.secret is not None:
                    assert opened(self.repository, view) == row.secret.encode()
                    assert view.fingerprint is not None
                    prints.setdefault(row.secret, view.fingerprint)
                    assert prints[row.secret] == view.fingerprint
                assert self.repository.configs.get_key(ALICE, scope, row.key) == view
        assert len(set(prints.values())) == len(prints)
        self.events_agree()
        report = self.repository._context.chain.verify()
        assert (report.checked, report.broken_at) == (len(self.told), None)
        assert_nowhere([MARK], [Path(self.folder.name)])


@pytest.mark.timeout(400)
def test_the_repository_does_what_the_model_says() -> None:
    # A quarter of what other properties get: a story costs as much as many examples.
    # A server answers later than a file: fewer are lived through there.
    stories = settings().max_examples // (4 if Engine.servers is None else 16)
    run_state_machine_as_test(
        Story, settings=settings(max_examples=stories, stateful_step_count=25)
    )
