"""Configs one at a time: what is kept, what is refused, and what is known about a new value."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bifrost_tui.display import MASK
from bifrost_tui.errors import (
    AlreadyExistsError,
    ConfigNotFoundError,
    InvalidInputError,
)
from bifrost_tui.settings import Settings, shown_url
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.reading import PREVIEW
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType, preview
from bifrost_tui.store.views import GLOBAL_SCOPE, Dependents, Scope, SecretUse, Standing, State
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    START,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    database_path,
    events,
    listed,
    make_settings,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

PLANTED = planted()[0]


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


def details(repository: Repository) -> dict[str, Any]:
    """Return the details of the newest event."""
    [(text,)] = by_hand(
        repository, "SELECT details FROM audit_event ORDER BY sequence DESC LIMIT 1"
    )
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_new_config_is_what_was_entered(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    now = clock.advance(hours=1)
    view = repository.configs.add(
        ALICE,
        acme,
        ConfigDraft(
            "answer", ConfigType.INT, value=" 042 ", integration=" Deep ", description=" why \t"
        ),
    )
    assert (view.key, view.type, view.value, view.cut) == ("answer", ConfigType.INT, "42", False)
    assert (view.integration, view.description, view.rotate_every_days) == ("Deep", "why", None)
    assert (view.mask, view.fingerprint, view.state) == (None, None, State.OK)
    assert (
        (view.created_at, view.created_by) == (now, "alice") == (view.updated_at, view.updated_by)
    )
    assert (view.scope, view.standing, view.version) == (acme, Standing.OWN, 1)
    assert repository.configs.get(ALICE, acme, view.id) == view
    assert repository.configs.get_key(ALICE, acme, "answer") == view
    assert listed(repository, ALICE, acme) == (view,)


@pytest.mark.parametrize(
    ("draft", "field", "says"),
    [
        (plain(""), "key", "is empty"),
        (plain("a b"), "key", "a blank"),
        (plain("a", "b\0"), "value", "NUL"),
        (ConfigDraft("a", ConfigType.INT, value="x"), "value", "no int"),
        (ConfigDraft("a", ConfigType.INT), "value", "no int"),
        (ConfigDraft("a", ConfigType.JSON), "value", "no JSON"),
        (ConfigDraft("a", ConfigType.SECRET, value="plain"), "value", "no plain value"),
        (
            ConfigDraft("a", ConfigType.STRING, secret=EnteredSecret(PLANTED)),
            "type",
            "would keep a secret as plain string",
        ),
        (plain("a", integration="i" * 101), "integration", "more than 100"),
        (plain("a", integration="a\0"), "integration", "cannot be seen"),
        (plain("a", description="d" * 2001), "description", "more than 2000"),
        (plain("a", description="d\ud800"), "description", "cannot be seen"),
        (secret("a", rotate_every_days=0), "rotate_every_days", "1 to 36500"),
        (secret("a", rotate_every_days=36501), "rotate_every_days", "1 to 36500"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_leaves_nothing(
    repository: Repository, acme: Scope, draft: ConfigDraft, field: str, says: str
) -> None:
    kept = repository.configs.add(ALICE, acme, plain("kept"))
    told = events(repository)
    with pytest.raises(InvalidInputError, match=says) as added:
        repository.configs.add(ALICE, acme, draft)
    with pytest.raises(InvalidInputError, match=says) as edited:
        repository.configs.edit(ALICE, kept, draft)
    assert (added.value.field, edited.value.field) == (field, field)
    assert_silent(added.value, [PLANTED])
    assert listed(repository, ALICE, acme) == (kept,)
    assert events(repository) == told


def test_a_key_is_there_once_in_a_scope_and_once_in_every_other(
    repository: Repository, acme: Scope
) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    for scope in (acme, other, GLOBAL_SCOPE):
        repository.configs.add(ALICE, scope, plain("k", scope.name))
        repository.configs.add(ALICE, scope, plain("K", "another case"))
        with pytest.raises(AlreadyExistsError, match=f"k exists in {scope.name}") as raised:
            repository.configs.add(ALICE, scope, plain("k"))
        assert raised.value.field == "key"
    view = repository.configs.add(ALICE, acme, plain("free"))
    with pytest.raises(AlreadyExistsError):
        repository.configs.edit(ALICE, view, plain("k"))
    assert repository.configs.get_key(ALICE, acme, "k").value == '"Acme"'


def test_a_key_stands_for_the_own_config_else_for_the_global_one(
    repository: Repository, acme: Scope
) -> None:
    everywhere = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k", "global"))
    found = repository.configs.get_key(ALICE, acme, "k")
    assert found == replace(everywhere, standing=Standing.INHERITED)
    with pytest.raises(ConfigNotFoundError, match="k in Acme does not exist") as raised:
        repository.configs.get_key(ALICE, acme, "k", own_only=True)
    assert isinstance(raised.value, KeyError)
    assert str(raised.value) == raised.value.message

    own = repository.configs.add(ALICE, acme, plain("k", "own"))
    assert own.standing is Standing.SHADOWS
    assert repository.configs.get_key(ALICE, acme, "k") == own
    assert repository.configs.get_key(ALICE, GLOBAL_SCOPE, "k") == everywhere
    assert listed(repository, ALICE, acme) == (own,)

    repository.configs.delete(ALICE, own)
    assert repository.configs.get_key(ALICE, acme, "k") == found
    with pytest.raises(ConfigNotFoundError):
        repository.configs.get(ALICE, acme, own.id)


def test_no_scope_gives_another_ones_configs(repository: Repository, acme: Scope) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    for scope in (other, GLOBAL_SCOPE):
        with pytest.raises(ConfigNotFoundError):
            repository.configs.get(ALICE, scope, view.id)
        forged = replace(view, scope=scope)
        with pytest.raises(ConfigNotFoundError):
            repository.configs.delete(ALICE, forged)
        with pytest.raises(ConfigNotFoundError):
            repository.configs.edit(ALICE, forged, plain("k"))
        with pytest.raises(ConfigNotFoundError):
            repository.configs.rotate(ALICE, forged, EnteredSecret("new"))
        assert listed(repository, ALICE, scope) == ()
    assert listed(repository, ALICE, acme) == (view,)


def test_a_long_value_is_cut_in_lists_and_whole_where_it_is_opened(
    repository: Repository, acme: Scope
) -> None:
    texts = {"long": "é\n" * PREVIEW, "short": "é" * (PREVIEW - 2), "over": "é" * (PREVIEW - 1)}
    for key, text in texts.items():
        repository.configs.add(ALICE, acme, plain(key, text))
    for view in listed(repository, ALICE, acme):
        text = texts[view.key]
        assert view.value is not None
        assert view.cut == (view.key != "short")
        assert len(view.value) <= PREVIEW
        shown = preview(view.type, view.value, cut=view.cut)
        assert text.startswith(shown)
        assert len(shown) > PREVIEW // 2
        whole = repository.configs.get(ALICE, acme, view.id)
        assert (whole.value, whole.cut) == (json.dumps(text, ensure_ascii=False), False)
    page = repository.configs.page(ALICE, ConfigList(acme), offset=0, limit=9, whole_values=True)
    assert [json.loads(view.value or "") for view in page.rows] == [
        texts[view.key] for view in page.rows
    ]
    assert not any(view.cut for view in page.rows)


def test_an_edit_changes_what_it_says_and_tells_what_changed(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    before = repository.configs.add(ALICE, acme, plain("old_key", "one", description="first"))
    now = clock.advance(days=1)
    after = repository.configs.edit(
        ALICE, before, plain("new_key", "two", description="second", integration="Slack")
    )
    assert after == replace(
        before,
        key="new_key",
        value='"two"',
        description="second",
        integration="Slack",
        updated_at=now,
        version=2,
    )
    assert details(repository) == {
        "type": "string",
        "changed": ["key", "value", "integration", "description"],
        "old_key": "old_key",
    }
    repository.configs.edit(ALICE, after, plain("new_key", "two"))
    assert details(repository)["changed"] == ["integration", "description"]


def test_no_event_tells_a_value(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, plain("k", PLANTED, description="of the config"))
    view = repository.configs.edit(ALICE, view, plain("k", PLANTED + "2"))
    view = repository.configs.edit(ALICE, view, secret("k", PLANTED + "3"))
    view = repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED + "4"))
    repository.configs.delete(ALICE, view)
    told = repr(by_hand(repository, "SELECT * FROM audit_event"))
    assert PLANTED not in told
    assert "of the config" not in told


def test_an_edit_of_a_secret_without_a_value_keeps_the_one_it_has(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    before = repository.configs.add(ALICE, acme, secret("k", PLANTED, rotate_every_days=30))
    row = "SELECT secret, secret_version, key_id, fingerprint FROM config"
    kept = by_hand(repository, row)
    clock.advance(days=5)
    after = repository.configs.edit(
        ALICE, before, secret("renamed", description="new", rotate_every_days=10)
    )
    assert by_hand(repository, row) == kept
    assert after.fingerprint == before.fingerprint
    assert after.secret_changed_at == before.secret_changed_at == START
    assert after.due_at == START + timedelta(days=10)
    assert after.state is State.OK
    assert details(repository)["changed"] == ["key", "description", "rotate_every_days"]


def test_a_secret_is_due_on_the_last_day_of_its_period_and_overdue_from_the_next(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED, rotate_every_days=30))

    def state() -> State:
        [found] = listed(repository, ALICE, acme)
        assert repository.configs.get(ALICE, acme, view.id).state is found.state
        marks = repository.organizations.counts(ALICE, acme).attention
        assert (marks.due, marks.overdue) == (
            found.state is State.DUE,
            found.state is State.OVERDUE,
        )
        return found.state

    assert state() is State.OK
    clock.advance(days=30, microseconds=-1)
    assert state() is State.OK
    clock.advance(microseconds=1)
    assert state() is State.DUE
    clock.advance(days=1, microseconds=-1)
    assert state() is State.DUE
    clock.advance(microseconds=1)
    assert state() is State.OVERDUE
    repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    assert state() is State.OK


def test_a_secret_without_a_value_needs_one(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", rotate_every_days=1))
    assert (view.state, view.mask, view.fingerprint) == (State.NEEDS_VALUE, None, None)
    assert (view.secret_changed_at, view.due_at) == (None, None)
    assert repository.organizations.counts(ALICE, acme).attention.needs_value == 1
    view = repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED))
    assert (view.state, view.mask) == (State.OK, MASK)
    assert repository.organizations.counts(ALICE, acme).attention.needs_value == 0
    assert details(repository) == {
        "type": "secret",
        "fingerprint": view.fingerprint,
        "old_fingerprint": None,
    }


@pytest.mark.parametrize("kind", [kind for kind in ConfigType if kind is not ConfigType.SECRET])
def test_another_type_than_secret_needs_a_value_of_its_own(
    repository: Repository, acme: Scope, kind: ConfigType
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    number = repository.configs.add(ALICE, acme, ConfigDraft("n", ConfigType.INT, value="7"))
    with pytest.raises(InvalidInputError) as raised:
        repository.configs.edit(ALICE, view, ConfigDraft("k", kind))
    assert raised.value.field == "value"
    if kind is ConfigType.STRING:
        with pytest.raises(InvalidInputError, match="A new type needs a new value"):
            repository.configs.edit(ALICE, number, ConfigDraft("n", kind))
    assert listed(repository, ALICE, acme) == (view, number)


def test_nothing_of_a_secret_stays_when_it_becomes_plain(
    repository: Repository, acme: Scope
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED, rotate_every_days=3))
    [(token,)] = by_hand(repository, "SELECT secret FROM config")
    view = repository.configs.edit(ALICE, view, plain("k", "now plain"))
    assert (view.value, view.mask, view.fingerprint) == ('"now plain"', None, None)
    assert (view.secret_changed_at, view.due_at, view.rotate_every_days) == (None, None, None)
    [(kept,)] = by_hand(repository, "SELECT secret FROM config")
    assert kept is None
    # An old token cannot come back: the count of values goes on.
    view = repository.configs.edit(ALICE, view, secret("k"))
    assert view.state is State.NEEDS_VALUE
    view = repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    by_hand(repository, "UPDATE config SET secret = ?", token)
    assert repository.configs.get(ALICE, acme, view.id).state is State.UNREADABLE


def test_only_secrets_are_rotated(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, plain("k", "kept"))
    with pytest.raises(InvalidInputError, match="k is no secret") as raised:
        repository.configs.rotate(ALICE, view, EnteredSecret(PLANTED))
    assert raised.value.field == "type"
    assert listed(repository, ALICE, acme) == (view,)


@pytest.mark.sqlite
def test_what_is_deleted_is_overwritten_in_the_file(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, plain("k", PLANTED * 50))
    edited = repository.configs.add(ALICE, acme, plain("l", PLANTED * 50))
    path = repository._context.database.path
    assert path is not None
    repository.configs.delete(ALICE, view)
    repository.configs.edit(ALICE, edited, plain("l", "short"))
    repository.close()
    assert_nowhere([PLANTED], [path.parent])


def test_an_event_carries_the_name_that_its_organization_has_now(
    repository: Repository, acme: Scope
) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    repository.organizations.rename(ALICE, acme, 1, "Apex")
    repository.configs.add(ALICE, acme, plain("l"))
    view = repository.configs.rotate(ALICE, view, EnteredSecret("new"))
    view = repository.configs.edit(ALICE, view, secret("k2"))
    repository.configs.delete(ALICE, view)
    assert {name for action, name, _, _ in events(repository)[4:]} == {"Apex"}


def test_a_new_value_is_compared_with_what_the_actor_may_see(
    repository: Repository, acme: Scope
) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    add_member(repository, "carol", Role.MEMBER, acme)
    entered = EnteredSecret(PLANTED)

    report = repository.configs.inspect(ALICE, acme, view.id, entered)
    assert (report.fingerprint, report.same_as_before) == (view.fingerprint, True)
    assert (report.used_at, report.used_more) == ((), 0)
    report = repository.configs.inspect(ALICE, acme, None, entered)
    assert (report.same_as_before, report.used_at) == (False, (SecretUse("Acme", "k"),))

    for number in range(7):
        repository.configs.add(ALICE, other, secret(f"k{number}", PLANTED))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("g", PLANTED))
    report = repository.configs.inspect(ALICE, other, None, entered)
    assert report.used_at[0] == SecretUse("Bright", "k0")
    assert (len(report.used_at), report.used_more) == (5, 4)
    report = repository.configs.inspect(CAROL, acme, None, entered)
    assert (report.used_at, report.used_more) == ((SecretUse("Acme", "k"),), 0)

    report = repository.configs.inspect(ALICE, acme, view.id, EnteredSecret(PLANTED + "\n"))
    assert (report.same_as_before, report.used_at) == (False, ())


def test_equal_fingerprints_are_not_yet_equal_values(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    repository.configs.add(ALICE, acme, secret("same_print", "another"))
    repository.configs.add(ALICE, acme, secret("empty", "another"))
    by_hand(repository, "UPDATE config SET fingerprint = ?", view.fingerprint)
    by_hand(repository, "UPDATE config SET secret = NULL WHERE key = 'empty'")
    report = repository.configs.inspect(ALICE, acme, None, EnteredSecret(PLANTED))
    assert report.used_at == (SecretUse("Acme", "k"),)


def test_what_a_deletion_leaves_is_counted(repository: Repository, acme: Scope) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    third = repository.organizations.add(ALICE, "Coastal")
    everywhere = repository.configs.add(ALICE, GLOBAL_SCOPE, plain("k"))
    own = repository.configs.add(ALICE, acme, plain("k"))
    alone = repository.configs.add(ALICE, acme, plain("alone"))
    dependents = repository.configs.dependents
    assert dependents(ALICE, everywhere) == Dependents(inherits_instead=False, inheritors=2)
    assert dependents(ALICE, own) == Dependents(inherits_instead=True, inheritors=0)
    assert dependents(ALICE, alone) == Dependents(inherits_instead=False, inheritors=0)
    repository.configs.add(ALICE, other, plain("k"))
    repository.organizations.archive(ALICE, third, 1)
    assert dependents(ALICE, everywhere).inheritors == 0


def test_the_integrations_of_a_list_are_named_once(repository: Repository, acme: Scope) -> None:
    other = repository.organizations.add(ALICE, "Bright")
    for scope, key, integration in (
        (acme, "a", "slack"),
        (acme, "b", "slack"),
        (acme, "c", None),
        (GLOBAL_SCOPE, "d", "http_request"),
        (other, "e", "sendgrid"),
    ):
        repository.configs.add(ALICE, scope, plain(key, integration=integration))
    assert repository.configs.integrations(ALICE, acme) == ("http_request", "slack")
    assert repository.configs.integrations(ALICE, GLOBAL_SCOPE) == ("http_request",)


def test_the_history_of_a_key_is_that_of_one_scope_newest_first(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    add_member(repository, "bob", Role.ADMIN)
    view = repository.configs.add(ALICE, acme, secret("k", PLANTED))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", PLANTED))
    repository.configs.add(ALICE, acme, secret("other", PLANTED))
    now = clock.advance(days=2)
    view = repository.configs.rotate(BOB, view, EnteredSecret("new"))
    last, first = repository.configs.history(ALICE, acme, "k")
    assert (last.action, last.actor, last.source) == ("config.rotate", "bob", BOB.source)
    assert (last.at, first.at) == (now, START)
    assert (first.action, first.actor, first.organization) == ("config.add", "alice", "Acme")
    assert (last.key, last.outcome) == ("k", "done")
    assert last.sequence > first.sequence
    assert len(repository.configs.history(ALICE, GLOBAL_SCOPE, "k")) == 1
    assert len(repository.configs.history(ALICE, acme, "k", limit=1)) == 1
    assert repository.configs.history(ALICE, acme, "none") == ()


@pytest.mark.sqlite
def test_the_database_stands_where_the_settings_say(repository: Repository, home: Any) -> None:
    path = database_path(make_settings(home))
    assert repository._context.database.path == path
    assert repository.database_name == f"sqlite {path}"


@pytest.mark.postgresql
def test_the_database_is_named_as_the_settings_say(
    repository: Repository, settings: Settings
) -> None:
    assert repository._context.database.path is None
    assert repository.database_name == shown_url(settings.database_url)
    assert repository.database_name.startswith("postgresql test_")
