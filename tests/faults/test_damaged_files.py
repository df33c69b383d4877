"""Files that are damaged, cut off, empty or something else: told in words, and left as they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bifrost_tui.errors import (
    BifrostError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseNotOursError,
)
from bifrost_tui.settings import Settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from tests.support import (
    ALICE,
    assert_silent,
    by_hand,
    counted_ids,
    database_path,
    listed,
    make_repository,
    make_settings,
    plain,
    planted,
    secret,
)

PLAIN, SECRET = planted()[0], planted()[2]
PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with a few pages in it."""
    settings = make_settings(tmp_path_factory.mktemp("whole"))
    with make_repository(settings) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        for number in range(60):
            repository.configs.add(ALICE, acme, secret(f"s{number}", SECRET, rotate_every_days=5))
            repository.configs.add(
                ALICE, GLOBAL_SCOPE, plain(f"p{number}", PLAIN, description="d" * 50)
            )
    content = database_path(settings).read_bytes()
    assert len(content) > 20 * PAGE
    return content


@pytest.fixture
def damaged(settings: Settings, whole: bytes) -> Settings:
    """The settings of that database, closed and not damaged yet."""
    path = database_path(settings)
    path.parent.mkdir(parents=True)
    path.write_bytes(whole)
    return settings


def everything(repository: Repository) -> list[Callable[[], object]]:
    """Return a call of every kind."""
    # By the id that it was given, for its row may be damaged too.
    acme = Scope(counted_ids()(), "Acme")
    return [
        lambda: repository.organizations.list(ALICE),
        lambda: repository.organizations.find(ALICE, "Acme"),
        lambda: repository.organizations.counts(ALICE, acme),
        lambda: listed(repository, ALICE, acme),
        lambda: listed(repository, ALICE, ConfigList(GLOBAL_SCOPE)),
        lambda: repository.configs.history(ALICE, acme, "s1"),
        lambda: repository.configs.inspect(ALICE, acme, None, EnteredSecret(SECRET)),
        lambda: repository.configs.add(ALICE, acme, plain("new", PLAIN)),
        lambda: repository.configs.rotate(
            ALICE, repository.configs.get_key(ALICE, acme, "s5"), EnteredSecret(SECRET)
        ),
        lambda: repository.configs.delete(ALICE, repository.configs.get_key(ALICE, acme, "s6")),
        lambda: repository.organizations.add(ALICE, "Bright"),
        repository._context.chain.verify,
    ]


def refused(settings: Settings, kind: type[DatabaseError]) -> str:
    """Try to open, and return what is said; the file stays as it is."""
    path = database_path(settings)
    before = path.read_bytes()
    with pytest.raises(kind) as raised:
        open_repository(settings, ALICE)
    assert type(raised.value) is kind
    assert path.read_bytes() == before
    assert [child.name for child in path.parent.iterdir()] == [path.name]
    assert_silent(raised.value, [PLAIN, SECRET])
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_an_empty_file_is_no_database_of_ours(damaged: Settings) -> None:
    database_path(damaged).write_bytes(b"")
    assert "was not made by Bifrost TUI" in refused(damaged, DatabaseNotOursError)


GARBAGE: list[Callable[[bytes], bytes]] = [
    lambda content: b"this is a text and no database\n" * 200,
    lambda content: bytes(random.Random(1).randbytes(3 * PAGE)),
    lambda content: b"\0" * len(content),
    lambda content: b"SQLite format 4\0" + content[16:],
    lambda content: content[:16] + b"\xff\xff" + content[18:],
]


@pytest.mark.parametrize("spoil", GARBAGE)
def test_a_file_that_is_no_database_is_told_so(
    damaged: Settings, spoil: Callable[[bytes], bytes]
) -> None:
    path = database_path(damaged)
    path.write_bytes(spoil(path.read_bytes()))
    said = refused(damaged, DatabaseCorruptError)
    assert "is no SQLite database, or its head is damaged" in said
    assert "Leave it as it is; check the path, or restore a backup" in said


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_told_as_damaged(damaged: Settings, share: float) -> None:
    path = database_path(damaged)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    said = refused(damaged, DatabaseCorruptError)
    assert "is damaged. Leave the file as it is and restore a backup" in said


def test_a_folder_is_no_database(damaged: Settings) -> None:
    path = database_path(damaged)
    path.unlink()
    path.mkdir()
    with pytest.raises(DatabaseError, match="cannot be opened") as raised:
        open_repository(damaged, ALICE)
    assert str(path) in str(raised.value)
    assert list(path.iterdir()) == []


@pytest.mark.parametrize("name", ["config", "audit_event", "scope_summary", "member", "key_check"])
def test_a_spoilt_page_is_told_as_damage_and_changes_nothing(damaged: Settings, name: str) -> None:
    """The first page of each table, one after another, with its head overwritten."""
    path = database_path(damaged)
    [(root,)] = by_hand(path, "SELECT rootpage FROM sqlite_master WHERE name = ?", name)
    content = bytearray(path.read_bytes())
    content[(root - 1) * PAGE : (root - 1) * PAGE + 8] = b"\xff" * 8
    path.write_bytes(content)
    told = []
    try:
        with open_repository(damaged, ALICE) as repository:
            for call in everything(repository):
                try:
                    call()
                except DatabaseCorruptError as error:
                    told.append(error)
    except DatabaseCorruptError as error:
        told.append(error)
    assert told
    for damage in told:
        assert_silent(damage, [PLAIN, SECRET])
        assert "is damaged. Leave the file as it is and restore a backup." in str(damage)
    # Nothing was written over what may still be saved.
    assert path.read_bytes()[(root - 1) * PAGE :][:PAGE] == content[(root - 1) * PAGE :][:PAGE]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_flipped_nothing_but_our_own_errors_comes_of_it(
    damaged: Settings, seed: int
) -> None:
    path = database_path(damaged)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 3, 20, 100])):
        # Half of the time into the head of a page, where it hurts most.
        page = chance.randrange(len(content) // PAGE)
        place = chance.randrange(16) if chance.random() < 0.5 else chance.randrange(PAGE)
        content[page * PAGE + place] = chance.randrange(256)
    path.write_bytes(content)
    try:
        with open_repository(damaged, ALICE) as repository:
            for call in everything(repository):
                try:
                    call()
                except BifrostError as error:
                    assert_silent(error, [SECRET])
    except BifrostError as error:
        assert_silent(error, [PLAIN, SECRET])


def test_a_write_ahead_log_of_nonsense_is_not_taken_for_changes(damaged: Settings) -> None:
    path = database_path(damaged)
    with open_repository(damaged, ALICE) as repository:
        before = listed(repository, ALICE, GLOBAL_SCOPE)
    wal: Path = path.with_name(path.name + "-wal")
    wal.write_bytes(random.Random(1).randbytes(5 * PAGE))
    with open_repository(damaged, ALICE) as repository:
        assert listed(repository, ALICE, GLOBAL_SCOPE) == before
        assert repository._context.chain.verify().broken_at is None
