"""Many configs at once: nothing about them differs from what one change at a time would leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    BifrostError,
    InvalidInputError,
    OrganizationNotFoundError,
)
from bifrost_tui.settings import KEY_VARIABLE, Settings
from bifrost_tui.store import bulk, bulk_rows
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import (
    BulkConfig,
    write_configs,
    write_organization,
)
from bifrost_tui.store.filters import parse_filter
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.replay import Damaged, Deed, replay
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope, Standing, State
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    KEY,
    START,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    counted_ids,
    events,
    listed,
    make_repository,
    make_settings,
    opened,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


def many(drafts: Iterator[ConfigDraft] | list[ConfigDraft]) -> Iterator[BulkConfig]:
    return (BulkConfig(draft) for draft in drafts)


def assert_whole(repository: Repository) -> None:
    assert repository._context.database.read(recount) == []
    report = repository._context.chain.verify()
    assert report.broken_at is None
    assert report.checked == len(events(repository))


def kept(repository: Repository) -> list[list[tuple[Any, ...]]]:
    """Return all that a refused call must not have changed."""
    return [
        by_hand(repository, f"SELECT * FROM {table} ORDER BY 1")
        for table in ("config", "organization", "scope_summary", "audit_event")
    ]


def test_secrets_open_in_their_places(repository: Repository, acme: Scope) -> None:
    values = {f"key_{number}": f"{text}{number}" for number, text in enumerate(planted())}
    write_configs(repository, ALICE, acme, many(secret(*pair) for pair in values.items()))
    views = listed(repository, ALICE, acme)
    assert [view.state for view in views] == [State.OK] * len(values)
    assert {view.key: opened(repository, view) for view in views} == {
        key: value.encode() for key, value in values.items()
    }


def test_no_value_is_left_anywhere(settings: Settings, home: Path) -> None:
    with make_repository(settings) as repository:
        drafts = [secret(f"key_{at}", value) for at, value in enumerate(planted())]
        write_organization(repository, ALICE, "Acme", many(drafts))
        at, access = repository.clock(), ALICE
        replay(repository, ALICE, [Deed(at, access, None, draft) for draft in drafts])
        assert_nowhere(planted(), [home])
    assert_nowhere(planted(), [home])


def test_a_config_is_as_one_that_was_added_alone(home: Path) -> None:
    drafts = [
        plain("text", "grün", integration="Slack", description="A colour."),
        ConfigDraft("number", ConfigType.INT, value="007"),
        ConfigDraft("switch", ConfigType.BOOL, value="yes"),
        ConfigDraft("object", ConfigType.JSON, value='{ "a": [1, 2] }'),
        secret("token", "value", integration="Stripe", rotate_every_days=90),
        secret("empty", rotate_every_days=30),
        secret("bare", "value"),
    ]
    rows = []
    for together in (True, False):
        folder = home / str(together)
        folder.mkdir()
        with make_repository(folder) as repository:
            scope = repository.organizations.add(ALICE, "Acme")
            if together:
                assert write_configs(repository, ALICE, scope, many(drafts)) == len(drafts)
            else:
                for draft in drafts:
                    repository.configs.add(ALICE, scope, draft)
            assert_whole(repository)
            rows.append((listed(repository, ALICE, scope), repository.organizations.list(ALICE)))
    assert rows[0] == rows[1]


def test_one_event_tells_them_all(repository: Repository, acme: Scope, clock: HandClock) -> None:
    add_member(repository, "bob", Role.ADMIN)
    clock.advance(hours=1)
    before = len(events(repository))
    write_configs(repository, BOB, acme, many([plain("a"), secret("b", "v"), secret("c")]))
    assert events(repository)[before:] == [("config.import", "Acme", None, "done")]
    [told] = by_hand(
        repository, "SELECT actor, source, details FROM audit_event ORDER BY sequence DESC LIMIT 1"
    )
    assert told == ("bob", "10.1.4.7", '{"count":3}')
    line = repository.organizations.list(ALICE)[1]
    assert (line.configs, line.secrets, line.attention.needs_value) == (3, 2, 1)
    assert (line.changed_by, line.changed_at) == ("bob", clock.now)


def test_times_and_actors_are_kept_where_they_are_known(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    long_ago = START - timedelta(days=100)
    draft = secret("token", "value", rotate_every_days=90)
    configs = [BulkConfig(draft, long_ago, "carol"), BulkConfig(plain("text"))]
    write_configs(repository, ALICE, acme, configs)
    text, token = listed(repository, ALICE, acme)
    assert token.secret_changed_at == token.created_at == token.updated_at == long_ago
    assert (token.created_by, token.updated_by, token.state) == ("carol", "carol", State.OVERDUE)
    assert token.due_at == long_ago + timedelta(days=90)
    assert (text.created_at, text.created_by) == (START, "alice")


def test_lists_are_paged_and_filtered_over_them(repository: Repository, acme: Scope) -> None:
    every = sorted(f"{name}_{number:04}" for name in ("stripe", "slack") for number in range(2500))
    drafts = [secret(key, "v") if key.endswith("7") else plain(key) for key in every]
    assert write_configs(repository, ALICE, acme, many(drafts)) == len(every)
    write_configs(repository, ALICE, GLOBAL_SCOPE, many([plain("slack_0000"), plain("zeta")]))
    wanted = ConfigList(acme)
    assert repository.configs.count(ALICE, wanted) == len(every) + 1
    page = repository.configs.page(ALICE, wanted, offset=4990, limit=100)
    assert [view.key for view in page.rows] == [*every[4990:], "zeta"]
    narrowed = ConfigList(acme, parse_filter("stripe 99 type:secret"))
    found = [key for key in every if "stripe" in key and "99" in key and key.endswith("7")]
    assert [view.key for view in listed(repository, ALICE, narrowed)] == found != []
    shadowing = listed(repository, ALICE, ConfigList(acme, parse_filter("is:shadows")))
    assert [(view.key, view.standing) for view in shadowing] == [("slack_0000", Standing.SHADOWS)]
    assert_whole(repository)


def test_they_are_taken_as_they_are_needed(
    repository: Repository, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, ahead = 0, []
    insert = bulk_rows.insert_rows

    def watched(context: Any, connection: Any, scope: Scope, rows: list[Any]) -> set[str]:
        ahead.append((taken, len(rows)))
        return insert(context, connection, scope, rows)

    def drafts() -> Iterator[ConfigDraft]:
        nonlocal taken
        for number in range(25):
            taken += 1
            yield plain(f"key_{number}")

    monkeypatch.setattr(bulk, "_CHUNK", 10)
    monkeypatch.setattr(bulk, "insert_rows", watched)
    write_configs(repository, ALICE, acme, many(drafts()))
    assert ahead == [(10, 10), (20, 10), (25, 5)]


@pytest.mark.parametrize("chunk", [2, 2000])
@pytest.mark.parametrize(
    "keys", [("a", "b", "a"), ("a", "a"), ("a", "b", "c", "d", "b"), ("a", "there"), ("there",)]
)
def test_a_key_is_refused_that_is_there_or_given_twice(
    repository: Repository,
    acme: Scope,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    chunk: int,
) -> None:
    monkeypatch.setattr(bulk, "_CHUNK", chunk)
    value = planted()[0]
    repository.configs.add(ALICE, acme, secret("there", value))
    before = kept(repository)
    with pytest.raises(AlreadyExistsError) as raised:
        write_configs(repository, ALICE, acme, many(secret(key, value) for key in keys))
    twice = "there" if "there" in keys else max(keys, key=keys.count)
    assert raised.value.field == "key"
    assert raised.value.message.startswith(f"{twice} exists in Acme already")
    assert_silent(raised.value, [value])
    assert kept(repository) == before


def test_one_that_cannot_be_saved_keeps_all_from_being_saved(
    repository: Repository, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_CHUNK", 1)
    before = kept(repository)
    with pytest.raises(InvalidInputError):
        write_configs(repository, ALICE, acme, many([plain("good"), plain("not good")]))
    with pytest.raises(InvalidInputError):
        write_organization(repository, ALICE, "Bright", many([plain("good"), plain("not good")]))
    assert kept(repository) == before


def test_nobody_imports_who_may_not(repository: Repository, acme: Scope) -> None:
    bright = repository.organizations.add(ALICE, "Bright")
    add_member(repository, "bob", Role.MEMBER, acme)
    add_member(repository, "carol", Role.ADMIN, acme)
    assert write_configs(repository, CAROL, acme, many([plain("a")])) == 1
    refused: list[tuple[Any, type[BifrostError]]] = [
        (lambda: write_configs(repository, BOB, acme, many([plain("b")])), AccessDeniedError),
        (
            lambda: write_configs(repository, CAROL, bright, many([plain("b")])),
            OrganizationNotFoundError,
        ),
        (
            lambda: write_configs(repository, CAROL, GLOBAL_SCOPE, many([plain("b")])),
            AccessDeniedError,
        ),
        (lambda: write_organization(repository, CAROL, "Coastal", many([])), AccessDeniedError),
        (lambda: replay(repository, CAROL, [Deed(START, BOB, "Coastal")]), AccessDeniedError),
    ]
    for call, error in refused:
        before = len(events(repository))
        with pytest.raises(error):
            call()
        [told] = events(repository)[before:]
        assert told[3] == "refused"
    assert [line.scope.name for line in repository.organizations.list(ALICE)] == [
        "Global",
        "Acme",
        "Bright",
    ]
    assert_whole(repository)


def test_nothing_is_imported_into_an_archived_organization(
    repository: Repository, acme: Scope
) -> None:
    repository.organizations.archive(ALICE, acme, 1)
    with pytest.raises(AccessDeniedError, match="archived"):
        write_configs(repository, ALICE, acme, many([plain("a")]))


def test_an_organization_comes_with_its_configs(repository: Repository) -> None:
    scope = write_organization(repository, ALICE, "  Acme ", many([plain("a"), secret("b", "v")]))
    assert scope == repository.organizations.find(ALICE, "acme")
    assert [view.key for view in listed(repository, ALICE, scope)] == ["a", "b"]
    assert events(repository)[-2:] == [
        ("organization.add", "Acme", None, "done"),
        ("config.import", "Acme", None, "done"),
    ]
    with pytest.raises(AlreadyExistsError) as raised:
        write_organization(repository, ALICE, "ACME", many([plain("a")]))
    assert raised.value.field == "name"
    assert_whole(repository)


_KILLED = """
import os, signal
from tests.support import ALICE, plain
from bifrost_tui.settings import load_settings
from bifrost_tui.store.bulk import BulkConfig, write_organization
from bifrost_tui.store.opening import open_repository

def configs(name, until):
    for number in range(5000):
        if number == until:
            os.kill(os.getpid(), signal.SIGKILL)
        yield BulkConfig(plain(f"{name}_{number:04}"))

repository = open_repository(load_settings(), ALICE)
for name, until in (("whole", None), ("half", 4500)):
    write_organization(repository, ALICE, name, configs(name, until))
"""


def test_a_kill_in_the_middle_leaves_whole_organizations_only(home: Path) -> None:
    settings = make_settings(home)
    make_repository(settings).close()
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED],
        env={**os.environ, KEY_VARIABLE: KEY, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    if settings.database_path is not None:
        assert settings.database_path.with_name("bifrost.db-wal").exists()
    with open_repository(settings, ALICE) as repository:
        lines = repository.organizations.list(ALICE)
        assert [(line.scope.name, line.configs) for line in lines] == [
            ("Global", 0),
            ("whole", 5000),
        ]
        assert by_hand(repository, "SELECT count(*) FROM config") == [(5000,)]
        assert_whole(repository)
        write_organization(repository, ALICE, "half", many([plain("a")]))


def _life(repository: Repository, clock: HandClock) -> list[Deed]:
    """Live through some changes one call at a time, and return the deeds that they were."""
    deeds: list[Deed] = []
    views: dict[tuple[str | None, str], ConfigView] = {}
    scopes: dict[str | None, Scope] = {None: GLOBAL_SCOPE}

    def add(organization: str) -> None:
        clock.advance(days=1)
        scopes[organization] = repository.organizations.add(ALICE, organization)
        deeds.append(Deed(clock.now, ALICE, organization))

    def save(organization: str | None, draft: ConfigDraft, *, rotate: bool = False) -> None:
        clock.advance(hours=7)
        access, place = (ALICE, BOB)[len(deeds) % 2], (organization, draft.key)
        if place not in views:
            view = repository.configs.add(access, scopes[organization], draft)
        elif rotate:
            assert draft.secret is not None
            view = repository.configs.rotate(access, views[place], draft.secret)
        else:
            view = repository.configs.edit(access, views[place], draft)
        views[place] = view
        deeds.append(Deed(clock.now, access, organization, draft))

    save(None, plain("shared", "1"))
    add("Acme")
    save("Acme", secret("token", "one", rotate_every_days=90, integration="Stripe"))
    save("Acme", plain("shared", "2", description="Their own."))
    save("Acme", secret("empty"))
    add("Bright")
    save("Bright", secret("token", "one"))
    save("Acme", secret("token", "two", rotate_every_days=90, integration="Stripe"), rotate=True)
    save("Acme", secret("token", rotate_every_days=30, integration="Stripe"))
    save("Acme", plain("shared", "3", description="Their own.", integration="Slack"))
    save("Acme", secret("empty", "filled"), rotate=True)
    save("Bright", secret("token", "three", description="New."))
    save(None, plain("shared", "1"))
    return deeds


def test_a_replay_leaves_what_the_calls_themselves_left(home: Path) -> None:
    left = []
    deeds: list[Deed] = []
    for name in ("lived", "replayed"):
        folder = home / name
        folder.mkdir()
        clock = HandClock()
        with make_repository(folder, clock=clock, ids=counted_ids()) as repository:
            add_member(repository, "bob", Role.ADMIN)
            if name == "lived":
                deeds = _life(repository, clock)
            else:
                replay(repository, ALICE, deeds)
                clock.now = deeds[-1].at
            assert_whole(repository)
            lines = repository.organizations.list(ALICE)
            lists = [listed(repository, ALICE, line.scope) for line in lines]
            # What is random in a token is not the same; that it opens is.
            values = [
                opened(repository, view) for views in lists for view in views if view.fingerprint
            ]
            told = by_hand(repository, "SELECT * FROM audit_event ORDER BY sequence")
            left.append((lines, lists, values, told))
    assert len(deeds) == 13
    assert left[0] == left[1]


def test_a_replayed_damage_is_seen_and_told_once(repository: Repository) -> None:
    at = [START - timedelta(days=days) for days in (3, 2, 1)]
    replay(
        repository,
        ALICE,
        [
            Deed(at[0], ALICE, "Acme"),
            Deed(at[1], BOB, "Acme", secret("token", "value")),
            Deed(at[1], BOB, "Acme", secret("other", "value")),
            Deed(at[2], CAROL, "Acme", Damaged("token")),
        ],
    )
    scope = repository.organizations.find(ALICE, "Acme")
    before = events(repository)
    assert before[-1] == ("secret.unreadable", "Acme", "token", "failed")
    other, token = listed(repository, ALICE, scope)
    assert (other.state, token.state) == (State.OK, State.UNREADABLE)
    assert opened(repository, token) is None
    assert events(repository) == before
    assert repository.organizations.counts(ALICE, scope).attention.unreadable == 1
    assert_whole(repository)


def test_a_replay_changes_no_type(repository: Repository) -> None:
    before = kept(repository)
    with pytest.raises(InvalidInputError, match="another type"):
        replay(
            repository,
            ALICE,
            [Deed(START, ALICE, None, plain("a")), Deed(START, ALICE, None, secret("a", "v"))],
        )
    assert kept(repository) == before


def test_a_replay_does_not_write_over_what_is_there(repository: Repository) -> None:
    repository.configs.add(ALICE, GLOBAL_SCOPE, plain("a"))
    before = kept(repository)
    with pytest.raises(AlreadyExistsError):
        replay(repository, ALICE, [Deed(START, ALICE, None, plain("a", "b"))])
    assert kept(repository) == before


def test_ids_are_taken_from_where_they_are_given(repository: Repository) -> None:
    numbers = count(7)
    scope = write_organization(
        repository, ALICE, "Acme", many([plain("a")]), ids=lambda: f"id{next(numbers)}"
    )
    assert (scope.id, listed(repository, ALICE, scope)[0].id) == ("id7", "id8")
