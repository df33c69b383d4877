"""Backups: one state of everything, checked before it has its name; never a half one."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Table

from bifrost_tui.errors import AccessDeniedError, DatabaseError, TransferError
from bifrost_tui.settings import Settings
from bifrost_tui.store import backup as backups
from bifrost_tui.store import copying
from bifrost_tui.store.access import Role
from bifrost_tui.store.actor import Access
from bifrost_tui.store.backup_file import opened_backup
from bifrost_tui.store.opening import load_keyring, open_repository
from bifrost_tui.store.part_files import abandoned_parts, part_file, remove_abandoned
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.restoring import prepared
from bifrost_tui.store.schema import metadata
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.whole_file import ExportError, FileThereError
from tests.support import (
    ALICE,
    BOB,
    KEY,
    HandClock,
    add_member,
    assert_nowhere,
    by_hand,
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

VALUES = planted()


def fill(repository: Repository) -> None:
    """Write something into every table."""
    acme = repository.organizations.add(ALICE, "Acme")
    add_member(repository, "bob", Role.ADMIN)
    add_member(repository, "carol", Role.MEMBER, acme)
    for number, value in enumerate(VALUES):
        repository.configs.add(ALICE, acme, secret(f"secret_{number}", value, partial_mask=True))
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", VALUES[0]))
    repository.configs.add(ALICE, acme, secret("empty"))
    repository.configs.add(ALICE, acme, plain("text", "täxt\n'\"", description="ünï cödé"))
    repository.configs.add(ALICE, acme, ConfigDraft("ref", ConfigType.SECRET_REF, "secret_0"))
    by_hand(
        repository,
        "INSERT INTO presence (actor, verifier, updated_at) VALUES (?, ?, ?)",
        *("alice", "scrypt$x", "2026-03-01 09:30:00.000001"),
    )
    by_hand(
        repository,
        "INSERT INTO exposure (actor, config_id, secret_version, left_at)"
        " SELECT 'dave', id, secret_version, created_at FROM config WHERE key = 'shared'",
    )


def content(database: Path | Repository) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in the same way from every engine."""
    return {
        table.name: sorted(
            (tuple(map(_as_text, row)) for row in by_hand(database, _all_of(table))),
            key=lambda row: (row[0], repr(row)),
        )
        for table in metadata.sorted_tables
    }


def _all_of(table: Table) -> str:
    return f"SELECT {', '.join(column.name for column in table.columns)} FROM {table.name}"


def _as_text(value: object) -> object:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "kept here"
    folder.mkdir(mode=0o700)
    return folder / "100% a?b#c'.db"


@pytest.fixture
def filled(repository: Repository, home: Path, target: Path) -> Any:
    fill(repository)
    yield repository
    assert_nowhere(VALUES, [home, target.parent])


def alone(target: Path) -> bool:
    return names(target.parent) == [target.name]


def test_every_row_is_in_it_and_it_stands_alone(filled: Repository, target: Path) -> None:
    facts = filled.backups.make(ALICE, target)
    assert content(target) == content(filled)
    assert alone(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert by_hand(target, "PRAGMA journal_mode") == [("delete",)]
    assert alone(target)
    assert (facts.organizations, facts.configs, facts.secrets, facts.members) == (1, 8, 6, 3)
    head = filled.log.head(ALICE)
    assert (facts.head, facts.events) == (head, head.sequence)
    assert facts.key_ids == (filled.key_id,)
    assert KEY.encode() not in target.read_bytes()


def test_the_log_tells_of_it_before_it_is_made(filled: Repository, target: Path) -> None:
    before = filled.log.head(ALICE).sequence
    filled.backups.make(ALICE, target)
    assert events(target)[-1] == ("database.backup", None, None, "done")
    told = filled.log.get(ALICE, before + 1)
    assert dict(told.details) == {"file": str(target), "after": before}


def test_where_it_cannot_be_told_there_is_none(
    filled: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(filled._context.chain, "append", full)
    with pytest.raises(DatabaseError, match="no room"):
        filled.backups.make(ALICE, target)
    assert names(target.parent) == []


@pytest.mark.parametrize(
    ("access", "why"),
    [
        (Access("carol", "local"), "owner or an admin"),
        (Access("eve", "local"), "owner or an admin"),
        (Access("alice", "10.0.0.1", confined=True), "on the host"),
    ],
)
def test_it_is_for_owners_and_admins_of_all_on_the_host(
    filled: Repository, target: Path, access: Access, why: str
) -> None:
    with pytest.raises(AccessDeniedError, match=why):
        filled.backups.make(access, target)
    assert names(target.parent) == []
    assert events(filled)[-1] == ("database.backup", None, None, "refused")
    filled.backups.make(BOB, target)
    assert alone(target)


def test_it_replaces_nothing_unless_told(filled: Repository, target: Path) -> None:
    target.write_text("mine")
    with pytest.raises(FileThereError, match="already"):
        filled.backups.make(ALICE, target)
    assert target.read_text() == "mine"
    filled.backups.make(ALICE, target, replace=True)
    assert content(target) == content(filled)
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.sqlite
@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_the_database_itself_is_never_replaced(
    filled: Repository, settings: Settings, tmp_path: Path, end: str
) -> None:
    path = settings.database_path
    assert path is not None
    link = tmp_path / "link"
    link.symlink_to(path)
    names = [path.with_name(path.name + end), *([] if end else [link])]
    for name in names:
        with pytest.raises(FileThereError, match="database itself"):
            filled.backups.make(ALICE, name, replace=True)
    filled.configs.add(ALICE, GLOBAL_SCOPE, plain("still_works"))


def test_folders_and_devices_are_refused(filled: Repository, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(ExportError):
            filled.backups.make(ALICE, path, replace=True)
    with pytest.raises(ExportError, match="No such file"):
        filled.backups.make(ALICE, tmp_path / "nowhere" / "x")


@pytest.mark.sqlite
def test_others_write_while_it_is_made(
    filled: Repository, settings: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of the moment when it began, however much is written between two of its steps."""
    monkeypatch.setattr(copying, "_PAGES", 2)
    states: list[dict[str, Any]] = []
    with open_repository(settings, BOB, clock=HandClock()) as other:

        def step(_done: int, _total: int) -> None:
            if not states:
                states.append(content(filled))
            other.configs.add(BOB, GLOBAL_SCOPE, plain(f"key_{len(states)}", "x" * 3000))
            states.append({})

        facts = filled.backups.make(ALICE, target, copying=step)
        assert len(states) > 10
        assert content(target) == states[0]
        assert facts.configs == 8
        assert other.log.verify(ALICE).broken_at is None


def test_progress_is_told(filled: Repository, target: Path) -> None:
    steps: dict[str, list[tuple[int, int]]] = {"copying": [], "checking": []}
    filled.backups.make(
        ALICE,
        target,
        copying=lambda *step: steps["copying"].append(step),
        checking=lambda *step: steps["checking"].append(step),
    )
    for told in steps.values():
        done, total = told[-1]
        assert done == total > 0


@pytest.mark.parametrize("moment", ["copied", "opened_backup", "put_in_place"])
def test_what_fails_leaves_nothing_and_is_told(
    filled: Repository, target: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TransferError("the disk broke.")

    monkeypatch.setattr(backups, moment, fail)
    target.write_text("mine")
    with pytest.raises(TransferError, match="the disk broke"):
        filled.backups.make(ALICE, target, replace=True)
    assert target.read_text() == "mine"
    assert alone(target)
    assert events(filled)[-2:] == [
        ("database.backup", None, None, "done"),
        ("database.backup", None, None, "failed"),
    ]


@pytest.mark.sqlite
def test_a_disk_that_is_full_is_said(
    filled: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def small(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 5")
        return connection

    monkeypatch.setattr("bifrost_tui.store.copying.sqlite3.connect", small)
    with pytest.raises(TransferError, match="no room left"):
        filled.backups.make(ALICE, target)
    assert names(target.parent) == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3", "Event 3"),
        ("DELETE FROM audit_event WHERE sequence = 2", "Event 2"),
        ("UPDATE scope_summary SET configs = configs + 1", "counts"),
    ],
)
def test_a_database_that_does_not_fit_has_no_backup(
    filled: Repository, target: Path, statement: str, why: str
) -> None:
    by_hand(filled, statement)
    with pytest.raises(TransferError, match=rf"No backup was made: .*{why}.*doctor"):
        filled.backups.make(ALICE, target)
    assert names(target.parent) == []


@pytest.mark.sqlite
def test_what_nobody_of_us_made_is_in_no_backup(filled: Repository, target: Path) -> None:
    by_hand(filled, "CREATE TRIGGER t AFTER INSERT ON config BEGIN SELECT 1; END")
    with pytest.raises(TransferError, match="no Bifrost TUI put there"):
        filled.backups.make(ALICE, target)
    assert names(target.parent) == []


# Files on their way


def test_what_a_killed_one_left_is_removed_by_the_next(filled: Repository, target: Path) -> None:
    left = target.with_name(".bifrost-0123456789abcdef.part")
    for end in ("", "-journal", "-wal", "-shm"):
        left.with_name(left.name + end).write_bytes(b"x")
    with part_file(target.parent) as held:
        assert held.stat().st_mode & 0o777 == 0o600
        assert abandoned_parts(target.parent) == [left]
        filled.backups.make(ALICE, target)
        assert names(target.parent) == sorted([held.name, target.name])
    assert alone(target)


def test_only_files_of_ours_are_taken_for_left(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("x")
    (tmp_path / ".bifrost-link.part").symlink_to(other)
    (tmp_path / ".bifrost-folder.part").mkdir()
    os.mkfifo(tmp_path / ".bifrost-pipe.part")
    (tmp_path / "bifrost-a.part").write_text("x")
    assert remove_abandoned(tmp_path) == []
    assert len(names(tmp_path)) == 5
    assert remove_abandoned(tmp_path / "nowhere") == []


def test_where_files_cannot_be_held_none_is_taken_for_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("bifrost_tui.store.part_files.fcntl.flock", no_locks)
    with part_file(tmp_path) as path:
        assert path.exists()
        assert remove_abandoned(tmp_path) == []
    assert names(tmp_path) == []


# Round trips

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@pytest.mark.sqlite
@given(
    st.lists(st.tuples(_texts, _texts), max_size=4),
    st.lists(st.text("abcxyz", min_size=1, max_size=8), unique=True, max_size=3),
)
@hypothesis_settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(
    tmp_path: Path, values: list[tuple[str, str]], names: list[str]
) -> None:
    shutil.rmtree(tmp_path / "t", ignore_errors=True)
    homes = [tmp_path / "t" / name for name in ("one", "two")]
    for folder in homes:
        folder.mkdir(parents=True)
    file = tmp_path / "t" / "backup"
    with make_repository(homes[0]) as one:
        scopes = [GLOBAL_SCOPE, *(one.organizations.add(ALICE, name) for name in names)]
        for number, (text, value) in enumerate(values):
            scope = scopes[number % len(scopes)]
            one.configs.add(ALICE, scope, plain(f"text_{number}", text))
            one.configs.add(ALICE, scope, secret(f"secret_{number}", value))
        one.backups.make(ALICE, file)
        before = content(one)
    settings = make_settings(homes[1])
    with prepared(settings, ALICE, file, clock=HandClock()) as restoring:
        assert restoring.differences is None
        restoring.apply()
    with open_repository(settings, ALICE, clock=HandClock()) as two:
        after = content(two)
        assert after.pop("audit_event")[:-1] == before.pop("audit_event")
        assert after == before
        assert two.log.verify(ALICE).broken_at is None
        found = {
            view.key: opened(two, view)
            for scope in (GLOBAL_SCOPE, *(line.scope for line in two.organizations.list(ALICE)))
            for view in listed(two, ALICE, scope)
            if view.is_secret
        }
        assert found == {
            f"secret_{number}": value.encode() for number, (_, value) in enumerate(values)
        }


def test_a_backup_is_read_where_nothing_can_be_written(
    filled: Repository, settings: Settings, target: Path
) -> None:
    filled.backups.make(ALICE, target)
    target.chmod(0o400)
    target.parent.chmod(0o500)
    try:
        keyring = load_keyring(settings)
        place = target.parent.parent
        with opened_backup(target, keyring, HandClock(), ALICE, workplace=place) as backup:
            assert backup.facts.configs == 8
        assert alone(target)
    finally:
        target.parent.chmod(0o700)
