"""References to secrets: what may be one, why one dangles, what refers to what, and renaming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    InvalidInputError,
    ReferencedError,
)
from bifrost_tui.store import references
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.filters import ConfigFilter, parse_filter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope, SecretUse, State
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    add_member,
    assert_nowhere,
    by_hand,
    listed,
    make_repository,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

VALUE = planted()[0]


@pytest.fixture
def repository(home: Path) -> Iterator[Repository]:
    with make_repository(home) as made:
        yield made
    assert_nowhere(planted(), [home])


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def bright(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Bright")


def reference(key: str, to: str, integration: str | None = None) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.SECRET_REF, to, integration=integration)


def add(repository: Repository, scope: Scope, *drafts: ConfigDraft) -> ConfigView:
    return [repository.configs.add(ALICE, scope, draft) for draft in drafts][-1]


def view_of(repository: Repository, scope: Scope, key: str) -> ConfigView:
    return repository.configs.get_key(ALICE, scope, key)


def why(repository: Repository, scope: Scope, key: str) -> str | None:
    """Return why a reference dangles, by every way of asking."""
    view = view_of(repository, scope, key)
    narrowed = ConfigList(scope, parse_filter("is:dangling"))
    found = [line.key for line in listed(repository, ALICE, narrowed)]
    assert (key in found) is (view.state is State.DANGLING) is (view.dangling is not None)
    return view.dangling


def counted(repository: Repository, scope: Scope) -> int:
    lines = {line.scope.id: line for line in repository.organizations.list(ALICE)}
    assert lines[scope.id].attention == repository.organizations.counts(ALICE, scope).attention
    return lines[scope.id].attention.dangling


# What may be a reference


def test_a_reference_shows_its_target_and_no_value(repository: Repository, acme: Scope) -> None:
    view = add(repository, acme, secret("stripe", VALUE), reference("billing", " stripe "))
    assert view.refers_to == "stripe"
    assert view.value is view.mask is view.fingerprint is view.dangling is None
    assert view.is_reference
    assert view.state is State.OK
    assert (counted(repository, acme), why(repository, acme, "billing")) == (0, None)
    kept = by_hand(repository, "SELECT value, secret, hint FROM config WHERE key = 'billing'")
    assert kept == [(None, None, None)]


@pytest.mark.parametrize(
    ("target", "says", "field"),
    [
        ("", "Choose the secret that it stands for", "value"),
        ("a b", "This is no key of a secret. The key holds a blank", "value"),
        ("billing", "billing cannot stand for itself", "value"),
        ("gone", "There is no secret gone in Acme and no global one. Add the secret", "value"),
        ("region", "region is a string; a reference stands for a secret", "value"),
        ("other", "other is a reference itself", "value"),
        (
            "slack",
            "slack is bound to the integration Slack. Give the reference that",
            "integration",
        ),
    ],
)
def test_what_is_no_secret_of_the_scope_is_refused(
    repository: Repository, acme: Scope, bright: Scope, target: str, says: str, field: str
) -> None:
    add(repository, acme, secret("stripe", VALUE), reference("other", "stripe"), plain("region"))
    add(repository, GLOBAL_SCOPE, secret("slack", VALUE, integration="Slack"))
    add(repository, bright, secret("gone", VALUE))
    with pytest.raises(InvalidInputError) as raised:
        add(repository, acme, reference("billing", target))
    assert says in raised.value.message
    assert raised.value.field == field
    assert [view.key for view in listed(repository, ALICE, ConfigList(acme, own_only=True))] == [
        "other",
        "region",
        "stripe",
    ]


def test_a_global_reference_stands_for_global_secrets(repository: Repository, acme: Scope) -> None:
    add(repository, acme, secret("stripe", VALUE))
    with pytest.raises(InvalidInputError, match="no secret stripe in Global"):
        add(repository, GLOBAL_SCOPE, reference("billing", "stripe"))


def test_only_secrets_that_fit_are_offered(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    add(repository, acme, secret("own", VALUE), secret("own_slack", VALUE, integration="Slack"))
    add(repository, GLOBAL_SCOPE, secret("shared"), secret("shared_slack", integration="slack"))
    add(repository, GLOBAL_SCOPE, secret("hidden", VALUE), plain("region"))
    add(repository, acme, plain("hidden"))
    add(repository, bright, secret("theirs", VALUE))

    def offered(integration: str, *words: str) -> list[str]:
        wanted = ConfigFilter(words, frozenset({ConfigType.SECRET}), offered_to=integration)
        return [view.key for view in listed(repository, ALICE, ConfigList(acme, wanted))]

    assert offered("") == ["own", "shared"]
    assert offered("SLACK") == ["own", "own_slack", "shared", "shared_slack"]
    assert offered("Stripe", "sha") == ["shared"]


# Why it dangles


def test_why_a_reference_dangles_follows_what_happens(repository: Repository, acme: Scope) -> None:
    configs = repository.configs
    add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    assert why(repository, acme, "billing") is None

    own = add(repository, acme, secret("stripe"))
    assert why(repository, acme, "billing") == "the secret stripe needs a value"
    assert counted(repository, acme) == 1
    own = configs.rotate(ALICE, own, secret("x", VALUE).secret)  # type: ignore[arg-type]
    assert why(repository, acme, "billing") is None

    bound = ConfigDraft("stripe", ConfigType.SECRET, integration="Stripe")
    own = configs.edit(ALICE, own, bound)
    assert why(repository, acme, "billing") == "the secret stripe is bound to another integration"
    billing = view_of(repository, acme, "billing")
    configs.edit(ALICE, billing, reference("billing", "stripe", "stripe"))
    assert why(repository, acme, "billing") is None

    configs.delete(ALICE, own)
    assert why(repository, acme, "billing") is None, "the global one is beneath"
    add(repository, acme, plain("stripe"))
    assert why(repository, acme, "billing") == "stripe is no secret"
    configs.delete(ALICE, view_of(repository, acme, "stripe"))
    configs.delete(ALICE, view_of(repository, GLOBAL_SCOPE, "stripe"))
    assert why(repository, acme, "billing") == "there is no secret stripe"
    assert counted(repository, acme) == 1
    add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    assert (why(repository, acme, "billing"), counted(repository, acme)) == (None, 0)


def test_a_damaged_secret_lets_its_references_dangle(repository: Repository, acme: Scope) -> None:
    add(repository, acme, secret("stripe", VALUE), reference("billing", "stripe"))
    by_hand(repository, "UPDATE config SET secret = 'gAAAAAdamaged' WHERE key = 'stripe'")
    listed(repository, ALICE, acme)
    assert why(repository, acme, "billing") == "the secret stripe does not decrypt"
    assert counted(repository, acme) == 1
    damaged = view_of(repository, acme, "stripe")
    repository.configs.rotate(ALICE, damaged, secret("x", VALUE).secret)  # type: ignore[arg-type]
    assert (why(repository, acme, "billing"), counted(repository, acme)) == (None, 0)


def test_an_inherited_reference_is_told_as_its_organization_sees_it(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    add(repository, GLOBAL_SCOPE, secret("stripe", VALUE), reference("billing", "stripe"))
    add(repository, acme, plain("stripe"))
    assert why(repository, acme, "billing") == "stripe is no secret"
    assert why(repository, bright, "billing") is None
    assert why(repository, GLOBAL_SCOPE, "billing") is None


def test_an_import_may_bring_what_dangles(repository: Repository, acme: Scope) -> None:
    write_configs(
        repository,
        ALICE,
        acme,
        map(BulkConfig, (reference("a", "s"), reference("b", "gone"), secret("s", VALUE))),
    )
    assert why(repository, acme, "a") is None
    assert why(repository, acme, "b") == "there is no secret gone"
    write_configs(repository, ALICE, GLOBAL_SCOPE, [BulkConfig(secret("gone", VALUE))])
    assert (why(repository, acme, "b"), counted(repository, acme)) == (None, 0)


# What refers to what


def test_what_refers_to_a_secret_is_named_in_all_organizations(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    shared = add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    add(repository, GLOBAL_SCOPE, reference("everywhere", "stripe"))
    add(repository, acme, secret("stripe", VALUE), reference("a2", "stripe"))
    add(repository, bright, reference("b1", "stripe"), reference("b2", "stripe"))
    found = repository.configs.references(ALICE, shared)
    assert found.first == (
        SecretUse("Global", "everywhere"),
        SecretUse("Bright", "b1"),
        SecretUse("Bright", "b2"),
    )
    own = repository.configs.references(ALICE, view_of(repository, acme, "stripe"))
    assert own.first == (SecretUse("Global", "everywhere"), SecretUse("Acme", "a2"))
    few = repository.configs.references(ALICE, shared, shown=1)
    assert (len(few.first), few.total, few.more) == (1, 3, 2)
    assert repository.configs.references(ALICE, view_of(repository, acme, "a2")).total == 0


def test_who_sees_one_organization_is_told_of_that_one(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    add_member(repository, "bob", Role.ADMIN, acme)
    add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    add(repository, acme, reference("a", "stripe"))
    add(repository, bright, reference("b", "stripe"))
    shared = repository.configs.get_key(BOB, acme, "stripe")
    found = repository.configs.references(BOB, shared, within=acme)
    assert [use.scope for use in found.first] == ["Acme"]
    assert found.total == 1
    with pytest.raises(AccessDeniedError):
        repository.configs.references(BOB, shared)
    theirs = view_of(repository, bright, "b")
    with pytest.raises(BifrostError):
        repository.configs.dependents(BOB, theirs)


def test_a_deletion_names_what_will_dangle(repository: Repository, acme: Scope) -> None:
    own = add(repository, acme, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    affected = repository.configs.dependents(ALICE, own)
    assert affected.references.first == (SecretUse("Acme", "billing"),)
    assert affected.references_dangle
    add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    affected = repository.configs.dependents(ALICE, own)
    assert affected.references.total == 1
    assert affected.inherits_instead
    assert not affected.references_dangle


# Renaming and other types


def test_a_rename_asks_what_becomes_of_references(
    repository: Repository, acme: Scope, bright: Scope
) -> None:
    shared = add(repository, GLOBAL_SCOPE, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    add(repository, bright, secret("stripe", VALUE), reference("billing", "stripe"))
    renamed = ConfigDraft("stripe_key", ConfigType.SECRET)
    with pytest.raises(ReferencedError) as raised:
        repository.configs.edit(ALICE, shared, renamed)
    assert raised.value.references == "Acme / billing"
    assert raised.value.field == "key"
    assert view_of(repository, GLOBAL_SCOPE, "stripe").version == 1

    repository.configs.edit(ALICE, shared, renamed, carry_references=True)
    carried = view_of(repository, acme, "billing")
    assert (carried.refers_to, carried.version, carried.state) == ("stripe_key", 2, State.OK)
    assert view_of(repository, bright, "billing").refers_to == "stripe", "it has its own"
    told = by_hand(
        repository, "SELECT organization, key FROM audit_event WHERE action = 'config.edit'"
    )
    assert sorted(told) == [("Acme", "billing"), ("Global", "stripe_key")]
    assert repository._context.chain.verify().broken_at is None


def test_references_can_be_left_behind(repository: Repository, acme: Scope) -> None:
    own = add(repository, acme, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    renamed = ConfigDraft("stripe_key", ConfigType.SECRET)
    repository.configs.edit(ALICE, own, renamed, carry_references=False)
    assert why(repository, acme, "billing") == "there is no secret stripe"
    assert view_of(repository, acme, "billing").version == 1


def test_what_is_not_the_actors_to_change_is_not_carried(
    repository: Repository, acme: Scope
) -> None:
    add_member(repository, "carol", Role.MEMBER, acme)
    own = repository.configs.add(CAROL, acme, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    renamed = ConfigDraft("stripe_key", ConfigType.SECRET)
    with pytest.raises(AccessDeniedError, match="may not change billing in Acme"):
        repository.configs.edit(CAROL, own, renamed, carry_references=True)
    assert view_of(repository, acme, "billing").refers_to == "stripe"
    assert view_of(repository, acme, "stripe").id == own.id


def test_a_secret_with_references_stays_one(repository: Repository, acme: Scope) -> None:
    own = add(repository, acme, secret("stripe", VALUE))
    add(repository, acme, reference("billing", "stripe"))
    for draft in (plain("stripe"), reference("stripe", "other")):
        with pytest.raises((ReferencedError, InvalidInputError)) as raised:
            repository.configs.edit(ALICE, own, draft, carry_references=True)
        assert "stays a secret" in raised.value.message or "There is no secret" in str(raised.value)
    assert view_of(repository, acme, "stripe").is_secret


def test_a_reference_becomes_something_else(repository: Repository, acme: Scope) -> None:
    view = add(repository, acme, secret("stripe", VALUE), reference("billing", "stripe"))
    changed = repository.configs.edit(ALICE, view, secret("billing", VALUE))
    assert (changed.refers_to, changed.is_secret, changed.is_reused) == (None, True, True)
    back = repository.configs.edit(ALICE, changed, reference("billing", "stripe"))
    assert (back.refers_to, back.fingerprint, back.is_reused) == ("stripe", None, False)
    plainly = repository.configs.edit(ALICE, back, plain("billing", "text"))
    assert (plainly.refers_to, plainly.value) == (None, '"text"')


# Everything at once


class Lives(RuleBasedStateMachine):
    """Configs come, go, and change; what is kept of references is what a look at all says."""

    KEYS = ("a", "b", "c")

    def __init__(self) -> None:
        super().__init__()
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        self.repository = make_repository(Path(self.folder.name))
        acme = self.repository.organizations.add(ALICE, "Acme")
        bright = self.repository.organizations.add(ALICE, "Bright")
        self.scopes = [GLOBAL_SCOPE, acme, bright]

    def teardown(self) -> None:
        self.repository.close()
        self.folder.cleanup()

    def own(self, place: int, key: str) -> ConfigView | None:
        try:
            return self.repository.configs.get_key(ALICE, self.scopes[place], key, own_only=True)
        except BifrostError:
            return None

    @rule(
        place=st.integers(0, 2),
        key=st.sampled_from(KEYS),
        kind=st.sampled_from(["secret", "empty", "bound", "plain", "ref a", "ref b", "ref c"]),
        carry=st.sampled_from([True, False, None]),
        bulk=st.booleans(),
    )
    def save(self, place: int, key: str, kind: str, carry: bool | None, bulk: bool) -> None:
        """Add a config, or make another of it."""
        match kind.split():
            case ["ref", target]:
                draft = reference(key, target, "Slack" if carry else None)
            case ["plain"]:
                draft = plain(key)
            case ["bound"]:
                draft = secret(key, f"v-{key}", integration="Slack")
            case _:
                draft = secret(key, f"v-{key}" if kind == "secret" else None)
        own, configs, scope = self.own(place, key), self.repository.configs, self.scopes[place]
        try:
            if own is not None:
                configs.edit(ALICE, own, draft, carry_references=carry)
            elif bulk:
                write_configs(self.repository, ALICE, scope, [BulkConfig(draft)])
            else:
                configs.add(ALICE, scope, draft)
        except InvalidInputError:
            pass

    @rule(place=st.integers(0, 2), key=st.sampled_from(KEYS))
    def delete(self, place: int, key: str) -> None:
        """Delete what is there."""
        if (own := self.own(place, key)) is not None:
            self.repository.configs.delete(ALICE, own)

    @precondition(lambda self: self.own(1, "a") is not None and self.own(1, "c") is None)
    @rule(carry=st.booleans())
    def rename(self, carry: bool) -> None:
        """Give a config another key."""
        own = self.own(1, "a")
        assert own is not None
        value = own.refers_to if own.is_reference else "x" if own.value else None
        try:
            draft = ConfigDraft("c", own.type, value, integration=own.integration)
            self.repository.configs.edit(ALICE, own, draft, carry_references=carry)
        except InvalidInputError:
            pass

    @invariant()
    def what_is_kept_is_what_is(self) -> None:
        """Look at every reference, and at the groups of equal secrets."""
        read = self.repository._context.database.read
        assert read(references.miscounted) == 0
        for scope in self.scopes:
            views = listed(self.repository, ALICE, ConfigList(scope, own_only=True))
            dangling = sum(view.state is State.DANGLING for view in views)
            assert counted(self.repository, scope) == dangling
            for view in views:
                if view.is_reference:
                    assert (view.dangling is None) is self.gives(scope, view)

    def gives(self, scope: Scope, view: ConfigView) -> bool:
        """Tell whether a reference gives something, by looking at what it refers to."""
        try:
            target = self.repository.configs.get_key(ALICE, scope, view.refers_to or "")
        except BifrostError:
            return False
        fits = target.integration in (None, view.integration)
        return target.is_secret and target.mask is not None and fits


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
