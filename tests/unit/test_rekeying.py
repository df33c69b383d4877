"""The master key changed: everything under the newest one, and nothing else is otherwise."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.crypto.master_key import MasterKey
from bifrost_tui.crypto.rekeying_worker import Worker, WorkerLostError
from bifrost_tui.errors import (
    AccessDeniedError,
    DatabaseBusyError,
    DatabaseError,
    WrongMasterKeyError,
)
from bifrost_tui.store import rekeying, rekeying_rows
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.rekeying import RekeyFailure
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope, State
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    KEY,
    NEW_KEY,
    OTHER_KEY,
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

OLD, NEW, OTHER = (MasterKey(key.encode()).key_id for key in (KEY, NEW_KEY, OTHER_KEY))
KEPT = (
    "id, scope_id, key, type, value, secret_version, fingerprint, integration, description,"
    " rotate_every_days, secret_changed_at, due_at, unreadable_at, created_at, created_by,"
    " updated_at, updated_by, version, equal_group"
)


class Place:
    """A home whose database is opened with one key after another."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = HandClock()
        self.number = 0
        with make_repository(home, clock=self.clock, ids=self.ids):
            pass
        self.clock.advance(minutes=1)

    def ids(self) -> str:
        self.number += 1
        return f"{self.number:032x}"

    def opened(self, *keys: str, access: Access = ALICE) -> Repository:
        settings = make_settings(self.home, ",".join(keys))
        return open_repository(settings, access, clock=self.clock, ids=self.ids)


@pytest.fixture
def place(home: Path) -> Place:
    return Place(home)


@pytest.fixture
def acme(place: Place) -> Scope:
    """An organization with secrets under the old key, some global ones and other configs."""
    with place.opened(KEY) as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        for at, value in enumerate(planted()):
            repository.configs.add(ALICE, scope, secret(f"S{at}", value, partial_mask=at % 2 == 0))
            repository.configs.add(ALICE, GLOBAL_SCOPE, secret(f"S{at}", value))
        repository.configs.add(ALICE, scope, secret("EMPTY", partial_mask=True))
        repository.configs.add(ALICE, scope, secret("DUE", "due-value-01", rotate_every_days=1))
        repository.configs.add(ALICE, scope, plain("PLAIN"))
    place.clock.advance(days=3)
    return scope


def kept(repository: Repository) -> list[tuple[Any, ...]]:
    return by_hand(repository, f"SELECT {KEPT} FROM config ORDER BY id")


def stored(repository: Repository) -> list[tuple[Any, ...]]:
    return by_hand(repository, "SELECT id, secret, hint, key_id FROM config ORDER BY id")


def known(repository: Repository) -> set[str]:
    return {row[0] for row in by_hand(repository, "SELECT key_id FROM key_check")}


def details(repository: Repository) -> list[dict[str, Any]]:
    told = by_hand(
        repository,
        "SELECT details FROM audit_event WHERE action = 'key.rotate' ORDER BY sequence",
    )
    return [json.loads(text) for (text,) in told]


def damage(repository: Repository, key: str) -> None:
    by_hand(
        repository,
        "UPDATE config SET secret = 'gAAAAA' || secret WHERE key = ? AND scope_id <> 'global'",
        key,
    )


def test_everything_is_under_the_new_key_and_nothing_else_has_changed(
    place: Place, acme: Scope
) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        before, tokens = kept(repository), stored(repository)
        views = {scope: listed(repository, ALICE, scope) for scope in (acme, GLOBAL_SCOPE)}
        steps: list[tuple[int, int]] = []
        report = repository.master_keys.rotate(
            ALICE, batch=4, progress=lambda done, total: steps.append((done, total))
        )
        assert report == rekeying.RekeyReport(NEW, 9, 0, (), 0, (OLD,), ())
        assert report.ok
        assert steps == [(0, 9), (4, 9), (8, 9), (9, 9)]
        assert kept(repository) == before
        for (its_id, token, hint, key_id), was in zip(stored(repository), tokens, strict=True):
            assert its_id == was[0]
            assert (token is None) is (was[1] is None)
            assert token is None or (token != was[1] and key_id == NEW)
            assert bool(hint) is bool(was[2])
        for scope, was_listed in views.items():
            assert listed(repository, ALICE, scope) == was_listed
            for view in was_listed:
                if view.scope.id == scope.id and view.key[1:].isdecimal():
                    assert opened(repository, view) == planted()[int(view.key[1:])].encode()
        masks = {view.key: view.mask for view in views[acme]}
        assert masks["S0"] == "zQ7-••••this"
        assert known(repository) == {NEW}
        assert details(repository) == [
            {"key_id": NEW, "re_encrypted": number} for number in (4, 4, 1)
        ] + [{"key_id": NEW, "already": 0, "ended": [OLD], "failed": 0, "re_encrypted": 9}]
        assert repository._context.chain.verify().broken_at is None

        again = repository.master_keys.rotate(ALICE)
        assert (again.re_encrypted, again.already, again.unused) == (0, 9, (OLD,))
        assert again.ok
    assert_nowhere([*planted(), KEY, NEW_KEY], [place.home])
    with pytest.raises(WrongMasterKeyError, match=f"written with key {NEW}"):
        place.opened(KEY)
    with place.opened(NEW_KEY) as repository:
        assert listed(repository, ALICE, acme) == views[acme]
        [use] = repository.master_keys.uses(ALICE)
        assert (use.key_id, use.secrets, use.opens, use.at_hand) == (NEW, 9, True, True)


@pytest.mark.sqlite
def test_old_tokens_are_not_left_in_the_files(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        tokens = [token.encode() for _, token, hint, _ in stored(repository) if token]
        assert repository.master_keys.rotate(ALICE).ok
        for file in place.home.rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            assert not any(token in content for token in tokens), file


def test_a_dry_run_changes_nothing_and_says_the_same(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        damage(repository, "S1")
        before = kept(repository), stored(repository), known(repository)
        told = len(events(repository))
        dry = repository.master_keys.rotate(ALICE, dry_run=True, batch=2)
        after = kept(repository), stored(repository), known(repository)
        assert (after, len(events(repository))) == (before, told)
        assert dry.dry_run
        assert dry.failed == (
            RekeyFailure(acme, "S1", "its ciphertext is damaged or belongs elsewhere; rotate it"),
        )
        assert repository.master_keys.rotate(ALICE) == replace(dry, dry_run=False)


def test_what_does_not_open_is_left_as_it_is_and_named(place: Place, acme: Scope) -> None:
    with place.opened(OTHER_KEY, KEY) as repository:
        for scope in (acme, GLOBAL_SCOPE):
            repository.configs.add(ALICE, scope, secret("ELSEWHERE", "under-another-key-01"))
    with place.opened(NEW_KEY, KEY) as repository:
        damage(repository, "S1")
        left = "SELECT * FROM config WHERE key = 'ELSEWHERE' OR (key = 'S1' AND scope_id <> ?)"
        before = by_hand(repository, left, "global")
        assert len(before) == 3
        report = repository.master_keys.rotate(ALICE, batch=3)
        absent = f"it was written under master key {OTHER}, which is not at hand"
        assert report.failed == (
            RekeyFailure(acme, "ELSEWHERE", absent),
            RekeyFailure(acme, "S1", "its ciphertext is damaged or belongs elsewhere; rotate it"),
            RekeyFailure(GLOBAL_SCOPE, "ELSEWHERE", absent),
        )
        assert (report.re_encrypted, report.already, report.failures) == (8, 0, 3)
        assert (report.unused, set(report.needed)) == ((), {OLD, OTHER})
        assert not report.ok
        assert by_hand(repository, left, "global") == before
        assert known(repository) == {OLD, NEW, OTHER}
        assert events(repository)[-1] == ("key.rotate", None, None, "failed")
    with place.opened(NEW_KEY, KEY, OTHER_KEY) as repository:
        view = next(view for view in listed(repository, ALICE, acme) if view.key == "S1")
        repository.configs.rotate(ALICE, view, EnteredSecret("a-new-value-of-it"))
        report = repository.master_keys.rotate(ALICE)
        assert (report.re_encrypted, report.already) == (2, 9)
        assert set(report.unused) == {OLD, OTHER}
        assert known(repository) == {NEW}


def test_names_are_limited_and_counts_are_not(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "MOST_NAMED", 2)
    with place.opened(OTHER_KEY, KEY) as repository:
        repository.configs.add(ALICE, acme, secret("ELSEWHERE", "under-another-key-01"))
    with place.opened(NEW_KEY, KEY) as repository:
        for key in ("S0", "S1", "S2"):
            damage(repository, key)
        for dry in (True, False):
            report = repository.master_keys.rotate(ALICE, dry_run=dry, batch=1)
            assert (report.failures, len(report.failed)) == (4, 2)


def test_many_that_do_not_open_are_tried_twice_and_no_more(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        by_hand(repository, "UPDATE config SET secret = 'gAAAAA' || secret WHERE secret <> ''")
        steps: list[int] = []
        report = repository.master_keys.rotate(
            ALICE, batch=2, progress=lambda done, _: steps.append(done)
        )
        assert (report.re_encrypted, report.failures, len(report.failed)) == (0, 9, 9)
        assert steps == [0, 2, 4, 6, 8, 9]


def test_with_one_key_there_is_nothing_to_do(place: Place, acme: Scope) -> None:
    with place.opened(KEY) as repository:
        before = stored(repository)
        report = repository.master_keys.rotate(ALICE)
        assert report == rekeying.RekeyReport(OLD, 0, 9, (), 0, (), ())
        assert stored(repository) == before
        assert known(repository) == {OLD}


def test_a_key_that_somebody_is_about_to_write_with_stays(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        place.clock.advance(minutes=1)
        with place.opened(OTHER_KEY, KEY) as theirs:
            report = repository.master_keys.rotate(ALICE)
            assert report.unused == (OLD,)
            assert known(repository) == {NEW, OTHER}
            theirs.configs.add(ALICE, acme, secret("LATER", "under-another-key-02"))
        # One that came before and that nothing is under is let go, at hand or not.
    with place.opened(NEW_KEY, OTHER_KEY) as repository:
        assert repository.master_keys.rotate(ALICE).unused == (OTHER,)
        assert known(repository) == {NEW}


# Others, meanwhile


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, at: int = 1) -> None:
    """Let something happen between the reading of a batch and its writing."""
    put, number = rekeying._Rotation._put, 0

    def acting(self: Any, batch: Any, done: Any) -> int:
        nonlocal number
        number += 1
        if number == at:
            act()
        return put(self, batch, done)

    monkeypatch.setattr(rekeying._Rotation, "_put", acting)


def test_what_others_change_between_reading_and_writing_is_theirs(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.opened(NEW_KEY, KEY) as repository, place.opened(KEY) as theirs:

        def act() -> None:
            views = {view.key: view for view in listed(theirs, BOB, acme)}
            theirs.configs.rotate(BOB, views["S0"], EnteredSecret("zQ7-a-value-of-meanwhile"))
            theirs.configs.delete(BOB, views["S1"])
            theirs.configs.edit(BOB, views["S2"], secret("S2", description="now hidden"))
            theirs.configs.add(BOB, acme, secret("A_NEW_ONE", "zQ7-added-meanwhile"))

        add_member(repository, "bob", Role.OWNER)
        between(monkeypatch, act)
        report = repository.master_keys.rotate(ALICE)
        assert (report.re_encrypted, report.already, report.failures) == (9, 0, 0)
        views = {view.key: view for view in listed(repository, ALICE, acme)}
        assert "S1" not in {key for key, view in views.items() if view.scope.id == acme.id}
        assert opened(repository, views["S0"]) == b"zQ7-a-value-of-meanwhile"
        assert opened(repository, views["A_NEW_ONE"]) == b"zQ7-added-meanwhile"
        assert opened(repository, views["S2"]) == planted()[2].encode()
        [(hint,)] = by_hand(repository, "SELECT hint FROM config WHERE id = ?", views["S2"].id)
        assert hint is None
        assert {row[3] for row in stored(repository) if row[1]} == {NEW}
        assert known(repository) == {NEW}
        assert repository._context.chain.verify().broken_at is None


def test_more_than_a_batch_of_others_is_walked_once_more(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.opened(NEW_KEY, KEY) as repository, place.opened(KEY) as theirs:
        place.number = 0x0FFF
        added = [BulkConfig(secret(f"N{at}", f"zQ7-value-{at}")) for at in range(5)]
        first = {row[0] for row in stored(repository)}
        # Before all that there are: the walk has passed them.
        ids = iter(f"-{at:031x}" for at in range(5))
        between(
            monkeypatch,
            lambda: write_configs(theirs, ALICE, acme, added, ids=lambda: next(ids)),
            at=3,
        )
        report = repository.master_keys.rotate(ALICE, batch=3)
        assert (report.re_encrypted, report.already, report.ok) == (14, 0, True)
        assert len({row[0] for row in stored(repository)} - first) == 5
        assert known(repository) == {NEW}


def test_who_only_has_the_old_key_cannot_write_once_it_is_let_go(place: Place, acme: Scope) -> None:
    with place.opened(KEY) as theirs, place.opened(KEY, NEW_KEY) as both:
        views = {view.key: view for view in listed(theirs, ALICE, acme)}
        with place.opened(NEW_KEY, KEY) as repository:
            assert repository.master_keys.rotate(ALICE).ok
            before = stored(repository)
            refused = f"{OLD}, which it would write with, no longer opens the database"
            for program in (theirs, both):
                configs, value = program.configs, secret("X", "zQ7-a-value-that-is-refused")
                for work in (
                    lambda: configs.add(ALICE, acme, value),  # noqa: B023
                    lambda: configs.rotate(ALICE, views["S0"], EnteredSecret("zQ7-refused")),  # noqa: B023
                    lambda: write_configs(program, ALICE, acme, [BulkConfig(value)]),  # noqa: B023
                    lambda: program.master_keys.rotate(ALICE),  # noqa: B023
                ):
                    with pytest.raises(WrongMasterKeyError, match=refused):
                        work()
            assert stored(repository) == before
            # What needs no key goes on, and who has both keys reads.
            theirs.configs.add(ALICE, acme, plain("MORE"))
            assert {view.state for view in listed(both, ALICE, acme)} <= {
                State.OK,
                State.NEEDS_VALUE,
                State.OVERDUE,
            }
            # Nothing was marked as damaged by who could not read it.
            listed(theirs, ALICE, acme)
            marked = by_hand(repository, "SELECT unreadable_at FROM config")
            assert set(marked) == {(None,)}
        # With both it may be opened again, and writes under the one that comes first.
    with place.opened(KEY, NEW_KEY) as back:
        assert known(back) == {OLD, NEW}
        assert back.master_keys.rotate(ALICE).unused == (NEW,)


def test_it_ends_after_the_batch_at_hand_and_goes_on(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        stop = threading.Event()
        report = repository.master_keys.rotate(
            ALICE, batch=2, stop=stop, progress=lambda done, _: stop.set() if done >= 4 else None
        )
        assert report.cancelled
        assert not report.ok
        assert (report.re_encrypted, report.left, report.failures) == (4, 5, 0)
        assert (report.unused, report.needed) == ((), (OLD,))
        assert known(repository) == {NEW, OLD}
        assert [row[3] for row in stored(repository) if row[1]].count(NEW) == 4
        assert details(repository)[-1] == {"key_id": NEW, "left": 5, "re_encrypted": 4}
        dry = repository.master_keys.rotate(ALICE, dry_run=True, stop=stop, batch=2)
        assert (dry.cancelled, dry.re_encrypted, dry.left, dry.already) == (True, 0, 5, 4)
        report = repository.master_keys.rotate(ALICE)
        assert (report.re_encrypted, report.already, report.ok) == (5, 4, True)


def test_an_error_says_how_far_it_is(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise DatabaseBusyError("Another program holds the database.")

    with place.opened(NEW_KEY, KEY) as repository:
        for at, said in ((1, ""), (2, r" Before that, 3 secrets were .* running it again goes on")):
            with monkeypatch.context() as patched:
                between(patched, busy, at=at)
                with pytest.raises(DatabaseBusyError, match=f"the database\\.{said}") as caught:
                    repository.master_keys.rotate(ALICE, batch=3)
                assert bool(said) is ("Before that" in caught.value.message)
        report = repository.master_keys.rotate(ALICE)
        assert (report.re_encrypted, report.already) == (6, 3)


# Who may


def test_it_is_for_owners_of_all_organizations_on_the_host(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        add_member(repository, "bob", Role.ADMIN)
        add_member(repository, "carol", Role.OWNER, acme)
        before = stored(repository)
        confined = replace(ALICE, confined=True)
        for access, dry in ((BOB, False), (BOB, True), (CAROL, False), (confined, False)):
            with pytest.raises(AccessDeniedError):
                repository.master_keys.rotate(access, dry_run=dry)
            assert events(repository)[-1] == ("key.rotate", None, None, "refused")
        assert stored(repository) == before
        assert len(repository.master_keys.uses(BOB)) == 2
        with pytest.raises(AccessDeniedError):
            repository.master_keys.uses(CAROL)


def test_who_is_an_owner_no_longer_does_not_go_on(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        between(
            monkeypatch,
            lambda: by_hand(repository, "UPDATE member SET role = 'admin' WHERE actor = 'alice'"),
            at=2,
        )
        with pytest.raises(AccessDeniedError):
            repository.master_keys.rotate(ALICE, batch=3)
        assert [row[3] for row in stored(repository) if row[1]].count(NEW) == 3


# Other processes


@pytest.mark.parametrize("number", [1, 2])
def test_other_processes_do_the_same(place: Place, acme: Scope, number: int) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        added = [BulkConfig(secret(f"N{at}", f"zQ7-value-{at}")) for at in range(200)]
        with place.opened(KEY) as theirs:
            write_configs(theirs, ALICE, acme, added)
        damage(repository, "S1")
        before = kept(repository)
        report = repository.master_keys.rotate(ALICE, batch=20, processes=number)
        assert (report.re_encrypted, report.failures) == (208, 1)
        assert kept(repository) == before
        for view in listed(repository, ALICE, acme):
            if view.key.startswith("N"):
                assert opened(repository, view) == f"zQ7-value-{view.key[1:]}".encode()


@pytest.mark.parametrize("lost", ["start", "give", "take"])
def test_when_the_others_are_lost_it_goes_on_alone(
    place: Place, acme: Scope, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Worker] = []

    class Lossy(Worker):
        def __init__(self, rekeyer: Any) -> None:
            if lost == "start" and made:
                raise WorkerLostError
            super().__init__(rekeyer)
            made.append(self)
            self.given = 0

        def give(self, jobs: Any) -> None:
            self.given += 1
            if lost == "give" and self.given == len(made):
                raise WorkerLostError
            super().give(jobs)

        def take(self) -> Any:
            if lost == "take" and self.given == len(made):
                self._process.kill()
            return super().take()

    monkeypatch.setattr(rekeying_rows, "Worker", Lossy)
    with place.opened(NEW_KEY, KEY) as repository:
        report = repository.master_keys.rotate(ALICE, batch=1, processes=2)
        assert (report.re_encrypted, report.ok) == (9, True)
        assert len(made) == (1 if lost == "start" else 2)
    assert all(worker._process.returncode is not None for worker in made)


@pytest.mark.sqlite
def test_others_help_where_there_is_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = rekeying_rows.MANY - 1, rekeying_rows.MANY
    for cores, number in ((1, 0), (2, 2), (8, 2)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid, cores=cores: set(range(cores)))
        assert rekeying_rows.processes_for(few) == 0
        assert rekeying_rows.processes_for(many) == number
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert rekeying_rows.processes_for(many) == 2


def test_a_batch_of_long_values_is_short(
    place: Place, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying_rows, "_STREAMED", 1)
    monkeypatch.setattr(rekeying_rows, "BATCH_BYTES", 150)
    with place.opened(NEW_KEY, KEY) as repository:
        steps: list[int] = []
        report = repository.master_keys.rotate(ALICE, progress=lambda done, _: steps.append(done))
        assert report.ok
        assert len(steps) > 5
        assert steps[-1] == 9


@pytest.mark.sqlite
def test_a_reader_does_not_keep_it_waiting_at_its_end(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:

        def reading(_connection: Any) -> None:
            report: list[Any] = []
            thread = threading.Thread(
                target=lambda: report.append(repository.master_keys.rotate(ALICE))
            )
            thread.start()
            thread.join()
            assert report[0].ok

        repository._context.database.read(reading)


@pytest.mark.sqlite
def test_a_write_that_is_refused_is_told(place: Place, acme: Scope) -> None:
    with place.opened(NEW_KEY, KEY) as repository:
        by_hand(
            repository,
            "CREATE TRIGGER stop BEFORE UPDATE ON config BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        with pytest.raises(DatabaseError) as caught:
            repository.master_keys.rotate(ALICE)
        assert "Before that" not in caught.value.message
