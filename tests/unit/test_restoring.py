"""Restoring: whole or not at all, nothing unsaid, nothing that is no backup of this database."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    ConflictError,
    DatabaseError,
    DatabaseFullError,
    MasterKeyMissingError,
    TransferError,
)
from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.store import copying, sqlite
from bifrost_tui.store import restoring as store_restoring
from bifrost_tui.store.access import Role
from bifrost_tui.store.actor import Access
from bifrost_tui.store.audit import AuditChain
from bifrost_tui.store.engine import connect
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.live import EVERYTHING, Changes
from bifrost_tui.store.migrate import SCRIPTS, run_migrations
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.restoring import Restored, prepared
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from tests.databases import Databases
from tests.support import (
    ALICE,
    BOB,
    KEY,
    NEW_KEY,
    OTHER_KEY,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    counted_ids,
    events,
    make_settings,
    opened,
    plain,
    secret,
)
from tests.unit.test_backup import VALUES, content, fill, names
from tests.unit.test_migrations import copy_common_rows

pytestmark = pytest.mark.both_engines

KEY_ID = "8aec34fd"
"""The id of the master key of all tests."""
LATER = "zQ9-written-after-the-backup"


@pytest.fixture
def backup(repository: Repository, home: Path, tmp_path: Path) -> Iterator[Path]:
    """A backup, after which the database has gone on."""
    fill(repository)
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    target = folder / "a.db"
    repository.backups.make(ALICE, target)
    yield target
    assert_nowhere([*VALUES, LATER], [home, folder])


def scope_of(repository: Repository, name: str = "Acme") -> Scope:
    return repository.organizations.find(ALICE, name)


def go_on(repository: Repository) -> None:
    """Add, change and delete what the backup has otherwise."""
    acme = scope_of(repository)
    bright = repository.organizations.add(ALICE, "Bright")
    repository.configs.add(ALICE, bright, secret("later", LATER))
    view = repository.configs.get_key(BOB, acme, "secret_1")
    repository.configs.rotate(BOB, view, EnteredSecret(LATER))
    repository.configs.delete(BOB, repository.configs.get_key(BOB, acme, "text"))
    add_member(repository, "erin", Role.OWNER)


def restore(settings: Settings, file: Path, access: Access = ALICE) -> Restored:
    with prepared(settings, access, file, clock=HandClock()) as restoring:
        return restoring.apply()


def same_but_the_log(database: Repository, file: Path) -> None:
    """Every row is as in the backup, and the log goes on with the restore."""
    here, there = content(database), content(file)
    log, before = here.pop("audit_event"), there.pop("audit_event")
    assert here == there
    assert log[: len(before)] == before
    assert [row[4] for row in log[len(before) :]] == ["database.restore"]
    report = database.log.verify(ALICE)
    assert (report.checked, report.broken_at) == (len(log), None)


def kept_in(folder: Path) -> list[str]:
    return [name for name in names(folder) if "before-restore" in name or "part" in name]


def fresh(tmp_path: Path, keys: str = KEY) -> Settings:
    home = tmp_path / "other"
    home.mkdir(exist_ok=True)
    return load_settings({"HOME": str(home), "BIFROST_SECRET_KEY": keys})


# Where nothing is


def test_it_makes_the_database_where_there_is_none(backup: Path, tmp_path: Path) -> None:
    settings = fresh(tmp_path)
    path = settings.database_path
    assert path is not None
    with prepared(settings, BOB, backup, clock=HandClock()) as restoring:
        assert restoring.differences is None
        assert not path.exists()
        done = restoring.apply()
    assert (done.overwritten, done.kept, done.is_member, dict(done.missed)) == (
        None,
        None,
        True,
        {},
    )
    assert names(path.parent) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with open_repository(settings, ALICE, clock=HandClock()) as repository:
        same_but_the_log(repository, backup)
        assert by_hand(repository, "PRAGMA journal_mode") == [("wal",)]
        assert repository.log.head(ALICE) == done.head
        for number, value in enumerate(VALUES):
            view = repository.configs.get_key(ALICE, scope_of(repository), f"secret_{number}")
            assert opened(repository, view) == value.encode()


def test_who_is_no_member_in_it_is_told(backup: Path, tmp_path: Path) -> None:
    assert not restore(fresh(tmp_path), backup, Access("eve", "local")).is_member


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_what_was_left_of_another_file_is_not_made_a_part_of_it(
    backup: Path, tmp_path: Path, end: str
) -> None:
    settings = fresh(tmp_path)
    path = settings.database_path
    assert path is not None
    path.parent.mkdir(parents=True)
    path.with_name(path.name + end).write_bytes(b"of a database that is gone")
    with pytest.raises(DatabaseError, match="what belonged to one"):
        restore(settings, backup)
    assert names(path.parent) == [path.name + end]


def test_it_takes_the_master_key(backup: Path, tmp_path: Path) -> None:
    home = tmp_path / "keyless"
    home.mkdir()
    with pytest.raises(MasterKeyMissingError, match="not in the backup"):
        restore(load_settings({"HOME": str(home)}), backup)
    with pytest.raises(TransferError, match=r"master key is not at hand.*made under key"):
        restore(fresh(tmp_path, OTHER_KEY), backup)
    assert not fresh(tmp_path).database_path.exists()  # type: ignore[union-attr]


# Where something is


def test_what_would_be_lost_is_said(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    ended = repository.log.head(ALICE).sequence
    go_on(repository)
    before = content(repository)
    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        found = restoring.differences
    assert found is not None
    assert (found.common, found.events, found.only_in_backup) == (ended, 4, 0)
    told = {
        (kind, what): [(lost.name, lost.by) for lost in getattr(getattr(found, kind), what).named]
        for kind in ("organizations", "configs", "members")
        for what in ("added", "changed", "deleted")
    }
    assert {place: named for place, named in told.items() if named} == {
        ("organizations", "added"): [("Bright", "alice")],
        ("configs", "added"): [("Bright / later", "alice")],
        ("configs", "changed"): [("Acme / secret_1", "bob")],
        ("configs", "deleted"): [("Acme / text", "bob")],
        ("members", "added"): [("All organizations / erin", "test")],
    }
    assert (found.configs.changed.secrets, found.configs.deleted.secrets) == (1, 0)
    assert content(repository) == before


def test_many_are_counted_and_a_few_named(
    repository: Repository, settings: Settings, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost_tui.store.differences._CHUNK", 3)
    for number in range(20):
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"more_{number}"))
    with prepared(settings, ALICE, backup) as restoring:
        found = restoring.differences
    assert found is not None
    assert found.configs.added.count == 20
    assert len(found.configs.added.named) == 5
    assert not found.configs.changed.count
    assert not found.configs.deleted.count


def test_where_all_is_here_nothing_differs(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    with prepared(settings, ALICE, backup) as restoring:
        assert restoring.differences is not None
        assert not restoring.differences


def test_it_takes_the_place_of_all_that_was_there(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    go_on(repository)
    before, head = content(repository), repository.log.head(ALICE)
    beside = settings.database_path or backup
    stem = beside.name if settings.database_path else "bifrost"
    done = restore(settings, backup)
    same_but_the_log(repository, backup)
    assert done.kept is not None
    assert done.kept.name == f"{stem}.before-restore.20260301-093000.bak"
    assert done.kept.stat().st_mode & 0o777 == 0o600
    assert content(done.kept) == before
    assert kept_in(beside.parent) == [done.kept.name]
    assert done.overwritten == head
    told = repository.log.get(ALICE, done.head.sequence)
    assert dict(told.details) == {
        "file": str(backup),
        "head": str(repository.log.get(ALICE, done.head.sequence - 1).sequence)
        + f":{repository.log.get(ALICE, done.head.sequence - 1).chain_hash}",
        "overwritten": str(head),
        "kept": str(done.kept),
    }
    # And back again: what was kept is a backup too.
    again = restore(settings, done.kept)
    assert again.kept is not None
    assert again.kept.name == done.kept.name.replace(".bak", ".2.bak")
    same_but_the_log(repository, done.kept)


def test_old_heads_hold_up_to_where_both_are_the_same(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    common = repository.log.head(ALICE)
    go_on(repository)
    late = repository.log.head(ALICE)
    done = restore(settings, backup)
    assert repository.log.verify(ALICE, head=common).broken_at is None
    assert repository.log.verify(ALICE, head=done.head).broken_at is None
    why = f"event {done.head.sequence}, by alice at 2026-03-01T09:30:00Z, took a log that ended at"
    missing = repository.log.verify(ALICE, head=late)
    assert missing.broken_at is not None
    assert why in missing.why
    for number in range(9):
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"after_{number}"))
    other = repository.log.verify(ALICE, head=late)
    assert other.broken_at == late.sequence
    assert why in other.why
    # A log that was changed has no such excuse.
    by_hand(repository, "UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3")
    assert "restored" not in repository.log.verify(ALICE, head=late).why


def test_whoever_has_it_open_goes_on_with_what_was_restored(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    go_on(repository)
    acme = scope_of(repository)
    gone = repository.configs.get_key(ALICE, scope_of(repository, "Bright"), "later")
    rotated = repository.configs.get_key(ALICE, acme, "secret_1")
    restore(settings, backup)
    assert [line.scope.name for line in repository.organizations.list(ALICE)] == ["Global", "Acme"]
    with pytest.raises(BifrostError):
        repository.configs.edit(ALICE, gone, plain("later"))
    with pytest.raises(ConflictError):
        repository.configs.rotate(ALICE, rotated, EnteredSecret(LATER))
    view = repository.configs.get_key(ALICE, acme, "secret_1")
    assert opened(repository, view) == VALUES[1].encode()


def test_a_number_that_is_given_once_more_is_a_conflict(
    repository: Repository, settings: Settings, backup: Path, clock: HandClock
) -> None:
    view = repository.configs.get_key(ALICE, GLOBAL_SCOPE, "shared")
    clock.advance(hours=1)
    mine = repository.configs.rotate(ALICE, view, EnteredSecret(LATER))
    restore(settings, backup)
    clock.advance(hours=1)
    theirs = repository.configs.rotate(ALICE, view, EnteredSecret(LATER + "!"))
    assert mine.version == theirs.version
    with pytest.raises(ConflictError):
        repository.configs.rotate(ALICE, mine, EnteredSecret(LATER))


@pytest.mark.sqlite
def test_who_watches_reads_everything_again(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    watch = repository.watch()
    go_on(repository)
    with open_repository(settings, BOB, clock=HandClock()) as other:
        others = other.watch()
        restore(settings, backup)
        assert watch.tick() == others.tick() == EVERYTHING
        assert watch.tick() == Changes()
        # Further than it was before, within one look.
        restore(settings, backup)
        for number in range(20):
            repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"x{number}"))
        assert others.tick() == EVERYTHING
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("last"))
        assert others.tick() == Changes(frozenset({"global"}))


@pytest.mark.parametrize(
    "access", [BOB, Access("eve", "local"), Access("alice", "10.0.0.1", confined=True)]
)
def test_over_a_database_it_is_for_owners_of_all_on_the_host(
    repository: Repository, settings: Settings, backup: Path, access: Access
) -> None:
    go_on(repository)
    before = content(repository)
    with pytest.raises(AccessDeniedError):
        restore(settings, backup, access)
    if not access.confined:
        assert events(repository)[-1] == ("database.restore", None, None, "refused")
        assert content(repository)["config"] == before["config"]
    assert kept_in((settings.database_path or backup).parent) == []


def test_what_others_change_after_it_was_compared_is_not_lost(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        repository.configs.add(BOB, GLOBAL_SCOPE, secret("meanwhile", LATER))
        with pytest.raises(ConflictError, match=r"1 event.*Nothing was restored"):
            restoring.apply()
    assert repository.configs.get_key(ALICE, GLOBAL_SCOPE, "meanwhile").version == 1
    assert kept_in((settings.database_path or backup).parent) == []


MOMENTS = ("copied", "put_in_place", "clear_tables", "copy_tables", "count_rows")


@pytest.mark.parametrize("moment", range(15))
def test_what_fails_in_the_middle_has_not_happened(
    repository: Repository,
    settings: Settings,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: int,
) -> None:
    go_on(repository)
    before = content(repository)
    left = [moment]

    def failing(work: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return work(*args, **kwargs)

        return counted

    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        for name in MOMENTS:
            monkeypatch.setattr(store_restoring, name, failing(getattr(store_restoring, name)))
        monkeypatch.setattr(copying, "_putting", failing(copying._putting))
        monkeypatch.setattr(AuditChain, "append", failing(AuditChain.append))
        with pytest.raises(KeyboardInterrupt):
            restoring.apply()
        monkeypatch.undo()
    assert content(repository) == before
    assert kept_in((settings.database_path or backup).parent) == []
    assert repository.log.verify(ALICE).broken_at is None
    restore(settings, backup)
    same_but_the_log(repository, backup)


@pytest.mark.sqlite
def test_a_disk_that_is_full_leaves_what_was(
    repository: Repository, settings: Settings, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on(repository)
    before = content(repository)
    pragmas = (*sqlite._PRAGMAS, "PRAGMA max_page_count = 1")
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)
    monkeypatch.setattr(store_restoring, "clear_tables", lambda _: None)
    # Twice the rows need room that is not there.
    monkeypatch.setattr(store_restoring, "copy_tables", _grow)
    with pytest.raises(DatabaseFullError, match=r"bifrost\.db"):
        restore(settings, backup)
    assert content(repository) == before
    assert kept_in((settings.database_path or backup).parent) == []


def _grow(_source: Connection, target: Connection, _progress: object) -> None:
    target.exec_driver_sql("CREATE TABLE more (text TEXT)")
    for _ in range(100):
        target.exec_driver_sql("INSERT INTO more VALUES (zeroblob(100000))")


def test_a_log_that_was_changed_is_no_reason_to_go_without(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    go_on(repository)
    by_hand(repository, "UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3")
    before = content(repository)
    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        assert restoring.differences
        done = restoring.apply()
    same_but_the_log(repository, backup)
    assert done.kept is not None
    assert content(done.kept) == before


def test_a_file_becomes_a_database_on_a_server(
    repository: Repository, backup: Path, databases: Databases, tmp_path: Path
) -> None:
    url = databases.url(tmp_path / "on a server", empty=True)
    settings = load_settings(
        {"HOME": str(tmp_path), "BIFROST_SECRET_KEY": KEY, "BIFROST_DATABASE_URL": url}
    )
    try:
        with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
            assert restoring.differences is None
            done = restoring.apply()
        assert (done.overwritten, done.kept) == (None, None)
        with open_repository(settings, ALICE, clock=HandClock()) as there:
            same_but_the_log(there, backup)
            view = there.configs.get_key(ALICE, scope_of(there), "secret_0")
            assert opened(there, view) == VALUES[0].encode()
            # And home again.
            file = backup.with_name("from a server.db")
            there.backups.make(ALICE, file)
            assert content(file) == content(there)
        with prepared(settings, ALICE, file, clock=HandClock()) as restoring:
            assert not restoring.differences
    finally:
        databases.release()


# What is no backup of it


def refused(settings: Settings, file: Path, why: str) -> None:
    with pytest.raises(TransferError, match=why) as raised:
        restore(settings, file)
    assert "Nothing was changed" in raised.value.message
    assert_silent(raised.value, VALUES)


@pytest.fixture
def untouched(repository: Repository, settings: Settings, backup: Path) -> Iterator[None]:
    before = content(repository)
    yield
    assert content(repository) == before
    assert kept_in((settings.database_path or backup).parent) == []


@pytest.mark.usefixtures("untouched")
def test_files_that_are_none(settings: Settings, backup: Path, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(backup)
    os.mkfifo(pipe)
    refused(settings, link, "it is a link")
    refused(settings, pipe, "no plain file")
    refused(settings, tmp_path, "no plain file")
    refused(settings, Path("/dev/zero"), "no plain file")
    refused(settings, tmp_path / "nowhere", "No such file")
    text = tmp_path / "text"
    for data in (b"", b"SQLite format 3\0", b"x" * 5000):
        text.write_bytes(data)
        refused(settings, text, "no backup of Bifrost TUI")
    other = tmp_path / "other.db"
    by_hand(other, "CREATE TABLE config (id INTEGER)")
    refused(settings, other, "no backup of Bifrost TUI")
    huge = tmp_path / "huge"
    shutil.copy(backup, huge)
    os.truncate(huge, 1 << 42)
    refused(settings, huge, "damaged or was cut off")


@pytest.mark.usefixtures("untouched")
def test_files_that_were_cut(settings: Settings, backup: Path, tmp_path: Path) -> None:
    whole, cut = backup.read_bytes(), tmp_path / "cut"
    for length in (99, 100, 4096, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        cut.write_bytes(whole[:length])
        refused(settings, cut, "damaged|no backup")


@pytest.mark.sqlite
def test_files_with_other_bytes(
    repository: Repository, settings: Settings, backup: Path, tmp_path: Path
) -> None:
    """Whatever becomes of a byte: it is refused, or the bytes are of no consequence."""
    chance = random.Random(7)
    whole, other = backup.read_bytes(), tmp_path / "other"
    before = content(repository)
    found = 0
    for _ in range(60):
        at = chance.randrange(len(whole))
        other.write_bytes(
            whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :]
        )
        try:
            with prepared(settings, ALICE, other, clock=HandClock()):
                pass
        except BifrostError as error:
            assert_silent(error, VALUES)
            found += 1
    assert found
    assert content(repository) == before


@pytest.mark.sqlite
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3", "Event 3"),
        ("DELETE FROM audit_event WHERE sequence = 4", "Event 4"),
        ("UPDATE audit_event SET sequence = 900 WHERE sequence = 3", "Event 3"),
        ("DELETE FROM audit_event", "log is empty"),
        ("DELETE FROM config WHERE key = 'shared'", "its parts do not fit|counts"),
        ("DELETE FROM config WHERE key = 'text'", "counts"),
        ("UPDATE config SET scope_id = 'x', organization_id = 'x' WHERE key = 'text'", "parts"),
        ("DELETE FROM key_check", "master key is not at hand"),
        ("UPDATE key_check SET token = 'x'", "master key is not at hand"),
        ("UPDATE bifrost_schema SET version_num = '9999'", "newer Bifrost TUI"),
        ("UPDATE bifrost_schema SET version_num = ''", "no backup"),
        ("DROP TABLE exposure", "tables are not"),
        ("ALTER TABLE config ADD COLUMN more TEXT", "tables are not"),
        ("CREATE TABLE more (id INTEGER)", "no Bifrost TUI put there"),
        ("CREATE VIEW v AS SELECT 1", "no Bifrost TUI put there"),
        ("CREATE TRIGGER t AFTER INSERT ON config BEGIN SELECT 1; END", "no Bifrost TUI put"),
    ],
)
def test_backups_that_were_changed_by_hand(
    settings: Settings, backup: Path, statement: str, why: str
) -> None:
    by_hand(backup, statement)
    refused(settings, backup, why)


@pytest.mark.usefixtures("untouched")
def test_a_backup_that_is_changed_after_it_was_checked(settings: Settings, backup: Path) -> None:
    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        os.utime(backup, ns=(1, 1))
        with pytest.raises(TransferError, match="changed or replaced just now"):
            restoring.apply()
    with prepared(settings, ALICE, backup, clock=HandClock()) as restoring:
        backup.unlink()
        with pytest.raises(TransferError, match="changed or replaced just now"):
            restoring.apply()


@pytest.mark.usefixtures("untouched")
def test_backups_of_another_database(settings: Settings, tmp_path: Path) -> None:
    other = load_settings({"HOME": str(tmp_path / "another"), "BIFROST_SECRET_KEY": KEY})
    file = tmp_path / "of another"
    from bifrost_tui.store.opening import create_repository

    with create_repository(other, ALICE) as repository:
        repository.backups.make(ALICE, file)
    refused(settings, file, "is another database")


@pytest.mark.sqlite
def test_a_database_in_use_is_no_backup(
    repository: Repository, settings: Settings, backup: Path, tmp_path: Path
) -> None:
    path = settings.database_path
    assert path is not None
    refused(settings, path, "the database itself")
    repository.configs.add(ALICE, GLOBAL_SCOPE, plain("in_the_wal"))
    copy = tmp_path / "copy.db"
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    refused(settings, copy, "a database in use")


@pytest.mark.sqlite
def test_over_a_damaged_database_nothing_is_restored(
    repository: Repository, settings: Settings, backup: Path
) -> None:
    repository.close()
    path = settings.database_path
    assert path is not None
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    refused(settings, backup, "is damaged. Move that away")
    path.unlink()
    restore(settings, backup)
    with open_repository(settings, ALICE, clock=HandClock()) as again:
        same_but_the_log(again, backup)


# Older ones


def as_first_schema(backup: Path, tmp_path: Path) -> Path:
    """Return a backup that the first version of the program could have made."""
    scripts, older = tmp_path / "first migration", tmp_path / "older.db"
    later = shutil.ignore_patterns("__pycache__", "0002*", "0003*")
    shutil.copytree(SCRIPTS, scripts, ignore=later)
    older.touch(0o600)
    database = connect(f"sqlite:///{older}")
    database.write_rows(lambda connection: run_migrations(connection, scripts))
    database.close()
    copy_common_rows(backup, older)
    return older


def test_an_older_backup_is_brought_up_on_a_copy(
    repository: Repository, settings: Settings, backup: Path, tmp_path: Path
) -> None:
    acme = scope_of(repository)
    repository.configs.delete(ALICE, repository.configs.get_key(ALICE, acme, "ref"))
    newer = backup.with_name("b.db")
    repository.backups.make(ALICE, newer)
    older = as_first_schema(newer, tmp_path)
    before = older.read_bytes()
    workplace = (settings.database_path or older).parent
    with prepared(settings, ALICE, older, clock=HandClock()) as restoring:
        assert restoring.facts.migrated_from == "0001"
        assert len([name for name in names(workplace) if name.endswith(".part")]) == 1
        restoring.apply()
    assert older.read_bytes() == before
    assert not [name for name in names(workplace) if ".part" in name or "schema" in name]
    assert [event[0] for event in events(repository)[-2:]] == [
        "database.migrate",
        "database.restore",
    ]
    assert repository.log.verify(ALICE).broken_at is None
    view = repository.configs.get_key(ALICE, acme, "secret_0")
    assert opened(repository, view) == VALUES[0].encode()
    assert view.is_reused
    by_hand(older, "UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3")
    refused(settings, older, "Event 3")


def test_a_backup_under_an_older_key_is_restored_with_both(
    repository: Repository, home: Path, backup: Path
) -> None:
    both = make_settings(home, f"{NEW_KEY},{KEY}")
    after = open_repository(both, ALICE, clock=HandClock(), ids=counted_ids(5000))
    after.master_keys.rotate(ALICE)
    with pytest.raises(TransferError, match="master key is not at hand"):
        restore(make_settings(home, NEW_KEY), backup)
    done = restore(both, backup)
    [(old, number)] = done.older.items()
    assert (dict(done.missed), old, number) == ({}, KEY_ID, len(VALUES) + 1)
    with after:
        # Under the new key it goes on writing, which the backup knows nothing of.
        view = after.configs.add(ALICE, GLOBAL_SCOPE, secret("after", LATER))
        assert opened(after, view) == LATER.encode()
    with open_repository(both, ALICE, clock=HandClock()) as again:
        view = again.configs.get_key(ALICE, scope_of(again), "secret_0")
        assert opened(again, view) == VALUES[0].encode()
