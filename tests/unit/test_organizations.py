"""Organizations: their names, their counts, and what becomes of archived ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AlreadyExistsError,
    BifrostError,
    DatabaseError,
    InvalidInputError,
    OrganizationNotFoundError,
)
from bifrost_tui.store.access import Role
from bifrost_tui.store.context import folded_name
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.organizations import LONGEST_NAME, checked_name
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.views import GLOBAL_SCOPE, Attention, OrganizationView, Scope, ScopeCounts
from tests.support import (
    ALICE,
    START,
    HandClock,
    assert_silent,
    by_hand,
    events,
    listed,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines


def listed_organizations(
    repository: Repository, *, archived: bool = False
) -> dict[str, OrganizationView]:
    found = repository.organizations.list(ALICE, archived=archived)
    return {view.scope.name: view for view in found}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Acme Dental", "Acme Dental"),
        ("  Acme\t\n", "Acme"),
        ("Zürich (é) #1 / [b] 100%", "Zürich (é) #1 / [b] 100%"),
        ("Zu\u0308rich", "Zürich"),
        ("東京", "東京"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
        ("globally", "globally"),
    ],
)
def test_a_name_is_kept_as_it_reads(repository: Repository, name: str, kept: str) -> None:
    scope = repository.organizations.add(ALICE, name)
    assert scope.name == kept
    assert repository.organizations.find(ALICE, name) == scope
    assert listed_organizations(repository)[kept].scope == scope


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "The name is empty"),
        (" \t\u3000", "The name is empty"),
        ("x" * (LONGEST_NAME + 1), "has 101 characters; 100 is the most"),
        ("a\nb", r"cannot be seen: a\\nb"),
        ("a\x1b[31m", r"cannot be seen: a\\x1b"),
        ("a\u202eb", "cannot be seen"),
        ("a\u200bb", "cannot be seen"),
        ("a\u00a0b", "cannot be seen"),
        ("a\ud800", "cannot be seen"),
        ("global", "is a word of this program"),
        (" GLOBAL ", "is a word of this program"),
        ("All", "is a word of this program"),
        ("ｇｌｏｂａｌ", "is a word of this program"),
    ],
)
def test_what_is_no_name(repository: Repository, name: str, says: str) -> None:
    scope = repository.organizations.add(ALICE, "Acme")
    before = events(repository)
    attempts: list[Callable[[], object]] = [
        lambda: repository.organizations.add(ALICE, name),
        lambda: repository.organizations.rename(ALICE, scope, 1, name),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInputError, match=says) as raised:
            attempt()
        assert raised.value.field == "name"
        assert visible(str(raised.value)) == str(raised.value)
    assert events(repository) == before


@pytest.mark.parametrize(
    "same",
    ["acme", "ACME ", "Straße", "STRASSE", "strasse", "Ｚürich", "ZU\u0308RICH", "ﬁrst", "FIRST"],
)
def test_a_name_is_there_once_in_any_spelling(repository: Repository, same: str) -> None:
    for name in ("Acme", "straSSe", "Zürich", "first"):
        repository.organizations.add(ALICE, name)
    other = repository.organizations.add(ALICE, "Other")
    attempts: list[Callable[[], object]] = [
        lambda: repository.organizations.add(ALICE, same),
        lambda: repository.organizations.rename(ALICE, other, 1, same),
    ]
    for attempt in attempts:
        with pytest.raises(AlreadyExistsError, match="There is an organization") as raised:
            attempt()
        assert raised.value.field == "name"
    assert repository.organizations.find(ALICE, same).name in ("Acme", "straSSe", "Zürich", "first")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(st.characters(codec=None), max_size=12))
@example("ẞ")
@example("ŉ")
@example("İ")
@example("a\0b")
def test_whatever_name_is_taken_is_found_and_taken_once(repository: Repository, name: str) -> None:
    try:
        scope = repository.organizations.add(ALICE, name)
    except (InvalidInputError, AlreadyExistsError):
        return
    for spelling in (name, scope.name, f" {name} ", unicodedata.normalize("NFD", name)):
        assert repository.organizations.find(ALICE, spelling) == scope
        with pytest.raises(AlreadyExistsError):
            repository.organizations.add(ALICE, spelling)
    assert visible(scope.name) == scope.name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_folded_name_fits_its_column_and_is_the_same_for_what_is_kept(name: str) -> None:
    try:
        kept = checked_name(name)
    except InvalidInputError:
        return
    assert folded_name(kept) == folded_name(name)
    # The longest expansion of one character under NFKC, folded.
    assert len(folded_name(kept)) <= 1024


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(st.characters(codec=None), max_size=12))
def test_looking_for_any_name_finds_one_or_says_so(repository: Repository, name: str) -> None:
    with pytest.raises(BifrostError) as raised:
        repository.organizations.find(ALICE, name)
    assert isinstance(raised.value, OrganizationNotFoundError | InvalidInputError)


@pytest.mark.postgresql
def test_a_character_that_no_server_takes_is_refused_in_our_words(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    for attempt in (
        lambda: repository.organizations.find(ALICE, "planted\0"),
        lambda: repository.configs.get_key(ALICE, acme, "planted\0"),
        lambda: repository.members.find(ALICE, acme, "planted\0"),
        lambda: repository.members.add(Access("bob\0", "local"), acme, "planted", Role.MEMBER),
    ):
        with pytest.raises(BifrostError) as raised:
            attempt()
        assert not isinstance(raised.value, DatabaseError)
        assert_silent(raised.value, ["planted"])
    with pytest.raises(InvalidInputError, match="NUL character"):
        repository.organizations.find(ALICE, "\0")
    assert repository.organizations.find(ALICE, "acme") == acme


def test_a_rename_keeps_everything_else(repository: Repository, clock: HandClock) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    view = repository.configs.add(ALICE, acme, secret("k", "value"))
    now = clock.advance(days=1)
    renamed = repository.organizations.rename(ALICE, acme, 1, "ACME")
    assert renamed == Scope(acme.id, "ACME")
    [after] = listed(repository, ALICE, renamed)
    assert (after.id, after.version, after.fingerprint) == (view.id, 1, view.fingerprint)
    assert repository.organizations.find(ALICE, "acme") == renamed
    assert listed_organizations(repository)["ACME"].version == 2
    assert events(repository)[-1] == ("organization.rename", "ACME", None, "done")
    [(details, at)] = by_hand(
        repository, "SELECT details, at FROM audit_event ORDER BY sequence DESC LIMIT 1"
    )
    assert (details, at[:10]) == ('{"old":"Acme"}', now.isoformat()[:10])


def test_global_is_no_organization(repository: Repository) -> None:
    before = events(repository)
    attempts: list[Callable[[], object]] = [
        lambda: repository.organizations.rename(ALICE, GLOBAL_SCOPE, 0, "World"),
        lambda: repository.organizations.archive(ALICE, GLOBAL_SCOPE, 0),
        lambda: repository.organizations.restore(ALICE, GLOBAL_SCOPE, 0),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInputError, match="Global is no organization"):
            attempt()
    assert events(repository) == before


def test_an_archived_organization_stands_in_a_list_of_its_own(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.organizations.add(ALICE, "bright")
    repository.configs.add(ALICE, acme, secret("k"))
    archived = repository.organizations.archive(ALICE, acme, 1)
    assert archived == Scope(acme.id, "Acme", archived=True)
    assert list(listed_organizations(repository)) == ["Global", "bright"]
    [(name, view)] = listed_organizations(repository, archived=True).items()
    assert (name, view.scope, view.version) == ("Acme", archived, 2)
    assert (view.configs, view.secrets, view.attention) == (1, 1, Attention(needs_value=1))
    assert repository.organizations.find(ALICE, "ACME") == archived
    with pytest.raises(AlreadyExistsError, match=r"organization 'Acme' \(archived\) already"):
        repository.organizations.add(ALICE, "acme")

    renamed = repository.organizations.rename(ALICE, archived, 2, "Apex")
    assert renamed.archived
    assert repository.organizations.restore(ALICE, renamed, 3) == Scope(acme.id, "Apex")
    assert list(listed_organizations(repository)) == ["Global", "Apex", "bright"]
    assert listed_organizations(repository, archived=True) == {}


def test_organizations_are_listed_by_name_whatever_its_case(repository: Repository) -> None:
    for name in ("zebra", "Émile", "Beta", "alpha", "ALPHA 2"):
        repository.organizations.add(ALICE, name)
    names = list(listed_organizations(repository))
    assert names == ["Global", "alpha", "ALPHA 2", "Beta", "zebra", "Émile"]


def test_the_counts_follow_every_change(repository: Repository, clock: HandClock) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    configs = repository.configs

    def counted() -> tuple[int, int, int, int]:
        counts = repository.organizations.counts(ALICE, acme)
        view = listed_organizations(repository)["Acme"]
        assert (view.configs, view.secrets) == (counts.own, counts.secrets)
        assert view.attention == counts.attention
        assert repository._context.database.read(recount) == []
        return (counts.effective, counts.own, counts.secrets, counts.attention.needs_value)

    assert counted() == (0, 0, 0, 0)
    configs.add(ALICE, GLOBAL_SCOPE, plain("shared"))
    assert counted() == (1, 0, 0, 0)
    own = configs.add(ALICE, acme, plain("shared"))
    assert counted() == (1, 1, 0, 0)
    own = configs.edit(ALICE, own, secret("shared"))
    assert counted() == (1, 1, 1, 1)
    own = configs.edit(ALICE, own, secret("other", "value"))
    assert counted() == (2, 1, 1, 0)
    own = configs.rotate(ALICE, own, EnteredSecret("new"))
    own = configs.edit(ALICE, own, secret("other"))
    assert counted() == (2, 1, 1, 0)
    own = configs.edit(ALICE, own, plain("other"))
    assert counted() == (2, 1, 0, 0)
    empty = configs.add(ALICE, acme, secret("empty"))
    assert counted() == (3, 2, 1, 1)
    configs.delete(ALICE, empty)
    assert counted() == (2, 1, 0, 0)
    empty = configs.add(ALICE, acme, secret("empty"))
    empty = configs.rotate(ALICE, empty, EnteredSecret("filled"))
    assert counted() == (3, 2, 1, 0)
    configs.delete(ALICE, empty)
    configs.delete(ALICE, own)
    assert counted() == (1, 0, 0, 0)


def test_a_miscount_is_found(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("k"))
    for column in ("configs", "secrets", "needs_value"):
        change = "UPDATE scope_summary SET {0} = {0} {1} 1 WHERE scope_id = ?"
        by_hand(repository, change.format(column, "+"), acme.id)
        assert repository._context.database.read(recount) == [acme.id]
        by_hand(repository, change.format(column, "-"), acme.id)
        assert repository._context.database.read(recount) == []


def test_the_last_change_of_a_scope_is_named(repository: Repository, clock: HandClock) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    view = listed_organizations(repository)["Acme"]
    assert (view.changed_at, view.changed_by) == (START, "alice")
    assert listed_organizations(repository)["Global"].changed_at is None
    now = clock.advance(hours=3)
    repository.configs.add(ALICE, acme, plain("k"))
    assert listed_organizations(repository)["Acme"].changed_at == now
    assert listed_organizations(repository)["Global"].changed_at is None


def test_what_wants_attention_is_counted_in_each_scope(
    repository: Repository, clock: HandClock
) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    for scope, period, number in ((acme, 1, 1), (acme, 2, 2), (acme, 9, 3), (GLOBAL_SCOPE, 1, 4)):
        repository.configs.add(
            ALICE, scope, secret(f"k{number}", "value", rotate_every_days=period)
        )
    repository.configs.add(ALICE, acme, secret("empty", rotate_every_days=1))
    repository.configs.add(ALICE, acme, secret("damaged", "value"))
    by_hand(repository, "UPDATE config SET secret = 'x' WHERE key = 'damaged'")
    clock.advance(days=2)
    listed(repository, ALICE, acme)
    found = listed_organizations(repository)
    assert found["Acme"].attention == Attention(overdue=1, due=1, needs_value=1, unreadable=1)
    assert found["Global"].attention == Attention(overdue=1)
    assert bool(found["Global"].attention)
    assert not Attention()
    assert repository.organizations.counts(ALICE, acme) == ScopeCounts(
        effective=6, own=5, secrets=5, attention=found["Acme"].attention
    )
