"""The master key changed over random rows, keys and damage, while others write and it is ended."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bifrost_tui.crypto.master_key import MasterKey
from bifrost_tui.errors import WrongMasterKeyError
from bifrost_tui.store import rekeying
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from tests.support import (
    ALICE,
    KEY,
    NEW_KEY,
    OTHER_KEY,
    HandClock,
    add_member,
    assert_nowhere,
    by_hand,
    counted_ids,
    listed,
    make_repository,
    make_settings,
    opened,
    secret,
)

pytestmark = pytest.mark.both_engines

MARK = "zQ7-planted-and-never-seen-again"
OLDER_KEY = "the-master-key-that-came-even-before-it-04"
KEYS = {"old": KEY, "older": OLDER_KEY, "absent": OTHER_KEY, "new": NEW_KEY}
IDS = {name: MasterKey(key.encode()).key_id for name, key in KEYS.items()}
UNTOUCHED = "version, secret_version, fingerprint, updated_at, secret_changed_at, equal_group"


class KilledError(Exception):
    """Stands for a process that is no more."""


@dataclass(frozen=True)
class Row:
    """A secret as it is planted."""

    scope: int
    value: str | None
    mask: bool
    key: str
    damaged: bool


rows = st.builds(
    Row,
    st.integers(0, 2),
    st.none() | st.sampled_from([MARK + end for end in ("", "-1", "-2\n", "-long" * 200)]),
    st.booleans(),
    st.sampled_from(["old", "old", "older", "absent", "new"]),
    st.sampled_from([False, False, False, True]),
)
actions = st.tuples(
    st.sampled_from(["rotate", "edit", "delete", "add", "kill", "killed after", "stop", "nothing"]),
    st.integers(0, 50),
)


class Story:
    """A database, what is known of it, and somebody who works on it meanwhile."""

    def __init__(self, home: Path, planted: list[Row]) -> None:
        self.home = home
        self.clock = HandClock()
        self.ids = counted_ids()
        self.number = 0
        self.values: dict[str, str] = {}
        """What each secret holds that has a value and can be opened, by id."""
        self.lost: dict[str, str] = {}
        """Why each other one cannot be, by id."""
        self.touched: set[str] = set()
        self.stop = threading.Event()
        with make_repository(home, clock=self.clock, ids=self.ids) as repository:
            self.scopes = [GLOBAL_SCOPE]
            for name in ("Acme", "bright"):
                self.scopes.append(repository.organizations.add(ALICE, name))
            add_member(repository, "bob", Role.OWNER)
        for name in ("older", "absent", "old", "new"):
            self.clock.advance(minutes=1)
            with self.opened(*dict.fromkeys((name, "old"))) as repository:
                for row in planted:
                    if row.key == name:
                        self.plant(repository, row)

    def opened(self, *names: str) -> Repository:
        keys = ",".join(KEYS[name] for name in names)
        return open_repository(
            make_settings(self.home, keys), ALICE, clock=self.clock, ids=self.ids
        )

    def add(self, repository: Repository, scope: Scope, value: str | None, **more: Any) -> str:
        self.number += 1
        added = repository.configs.add(ALICE, scope, secret(f"K{self.number}", value, **more))
        if value is not None:
            self.values[added.id] = value
        return added.id

    def plant(self, repository: Repository, row: Row) -> None:
        its_id = self.add(repository, self.scopes[row.scope], row.value, partial_mask=row.mask)
        if row.value is None:
            return
        if row.damaged:
            by_hand(repository, "UPDATE config SET secret = 'g' || secret WHERE id = ?", its_id)
        if row.key != "new" and (row.damaged or row.key == "absent"):
            self.lost[its_id] = "absent" if row.key == "absent" else "damaged"
        if its_id in self.lost or row.damaged:
            self.values.pop(its_id)

    def act(self, theirs: Repository, action: str, which: int) -> None:
        """Do what somebody does meanwhile who has the old key only."""
        if action == "add":
            self.touched.add(self.add(theirs, self.scopes[which % 3], f"{MARK}-{which}"))
        if action not in ("rotate", "edit", "delete"):
            return
        views = [view for scope in self.scopes for view in self.own(theirs, scope)]
        if not views:
            return
        view = views[which % len(views)]
        self.touched.add(view.id)
        if action == "delete":
            theirs.configs.delete(ALICE, view)
        elif action == "edit":
            theirs.configs.edit(ALICE, view, secret(view.key, description=f"edited {which}"))
        else:
            value = f"{MARK}+{which}"
            theirs.configs.rotate(ALICE, view, EnteredSecret(value))
            self.values[view.id] = value
            self.lost.pop(view.id, None)
        if action == "delete":
            self.values.pop(view.id, None)
            self.lost.pop(view.id, None)

    @staticmethod
    def own(repository: Repository, scope: Scope) -> list[ConfigView]:
        return [view for view in listed(repository, ALICE, scope) if view.scope.id == scope.id]

    def facts(self, repository: Repository) -> dict[str, tuple[Any, ...]]:
        found = by_hand(repository, f"SELECT id, {UNTOUCHED} FROM config")
        return {row[0]: row[1:] for row in found if row[0] not in self.touched}

    def masks(self, repository: Repository) -> dict[str, str | None]:
        return {
            view.id: view.mask
            for scope in self.scopes
            for view in self.own(repository, scope)
            if view.id in self.values and view.id not in self.touched
        }

    def check(self, repository: Repository, report: rekeying.RekeyReport) -> None:
        """Compare what is there, and what was told of it, with what is known."""
        found = by_hand(
            repository, "SELECT id, key_id FROM config WHERE secret IS NOT NULL ORDER BY id"
        )
        under = {its_id for its_id, key_id in found if key_id == IDS["new"]}
        assert report.re_encrypted + report.already == len(under)
        assert report.failures == len(found) - len(under) == len(report.failed)
        assert {its_id for its_id, _ in found} - under == self.lost.keys()
        named = {view.id: view for scope in self.scopes for view in self.own(repository, scope)}
        told = {(failure.scope.id, failure.key): failure.why for failure in report.failed}
        assert told.keys() == {(named[each].scope.id, named[each].key) for each in self.lost}
        for its_id, why in self.lost.items():
            said = told[named[its_id].scope.id, named[its_id].key]
            assert ("not at hand" in said) is (why == "absent")
        for its_id, value in self.values.items():
            assert opened(repository, named[its_id]) == value.encode()
        assert repository._context.chain.verify().broken_at is None
        counts = {use.key_id: use.secrets for use in repository.master_keys.uses(ALICE)}
        needed = {key_id for key_id, number in counts.items() if number} - {IDS["new"]}
        assert set(report.needed) == needed
        known = {row[0] for row in by_hand(repository, "SELECT key_id FROM key_check")}
        assert known == {IDS["new"]} | needed
        assert report.ok is not bool(needed)


@given(
    st.lists(rows, max_size=12),
    st.lists(actions, max_size=6),
    st.integers(1, 5),
)
@settings(max_examples=12)
def test_every_value_reads_and_the_counts_add_up(
    planted: list[Row], meanwhile: list[tuple[str, int]], batch: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        home = Path(folder)
        story = Story(home, planted)
        waiting = list(meanwhile)
        put = rekeying._Rotation._put

        def acting(self: Any, batch: Any, done: Any) -> int:
            action, which = waiting.pop(0) if waiting else ("nothing", 0)
            if action == "kill":
                raise KilledError
            story.act(theirs, action, which)
            found = put(self, batch, done)
            if action == "killed after":
                raise KilledError
            if action == "stop":
                story.stop.set()
            return found

        patched.setattr(rekeying._Rotation, "_put", acting)
        with story.opened("new", "old", "older") as repository, story.opened("old") as theirs:
            facts, masks = story.facts(repository), story.masks(repository)
            while True:
                story.stop.clear()
                try:
                    report = repository.master_keys.rotate(ALICE, batch=batch, stop=story.stop)
                except KilledError:
                    continue
                if not report.cancelled:
                    break
            story.check(repository, report)
            still = story.facts(repository)
            assert still == {its_id: facts[its_id] for its_id in still}
            assert masks.items() >= story.masks(repository).items()
            waiting.clear()
            again = repository.master_keys.rotate(ALICE, batch=batch)
            assert again.re_encrypted == 0
            story.check(repository, again)
            if IDS["old"] not in report.needed:
                with pytest.raises(WrongMasterKeyError):
                    theirs.configs.add(ALICE, GLOBAL_SCOPE, secret("LATE", f"{MARK}-late"))
                with pytest.raises(WrongMasterKeyError):
                    story.opened("old")
        assert_nowhere([MARK], [home])
