"""Bundles through the database: what is exported and imported is exported the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from bifrost_tui.store.context import folded_name
from bifrost_tui.store.exporting import Export
from bifrost_tui.store.incoming import OnConflict
from bifrost_tui.store.repository import Repository
from bifrost_tui.transfer.portable import read_portable, write_portable
from tests.support import ALICE, by_hand, make_repository
from tests.unit.transfer_support import Bundle, bundles, written

pytestmark = pytest.mark.both_engines


def exported(repository: Repository, *, yaml: bool) -> bytes:
    data = bytearray()

    def consume(export: Export) -> None:
        write_portable(export, data.extend, yaml=yaml)

    repository.exports.portable(ALICE, None, consume, form="portable")
    return bytes(data)


def brought_in(repository: Repository, data: bytes) -> tuple[bool, int]:
    """Import a file; return whether there was nothing to do, and how many were changed."""
    plan = repository.imports.plan(
        ALICE, read_portable(data), create_organizations=True, form="portable"
    )
    assert list(plan.reasons()) == []
    nothing = plan.changes_nothing
    done = repository.imports.apply(ALICE, plan, on_conflict=OnConflict.OVERWRITE)
    return nothing, done.added + done.changed + done.organizations


def tidy(bundle: Bundle) -> Bundle:
    """Return what of a random bundle a database can hold: each key once, no circles."""
    found: Bundle = []
    seen: set[str] = set()
    for name, configs in bundle:
        if name is not None:
            if folded_name(name) in seen or len(name) > 60:
                continue
            seen.add(folded_name(name))
        once = {config.key: config for config in configs if config.refers_to != config.key}
        found.append((name, list(once.values())))
    return found


@pytest.mark.parametrize("as_yaml", [False, True], ids=["json", "yaml"])
@given(bundle=bundles().map(tidy))
@settings(max_examples=40)
def test_out_and_in_again_changes_no_byte(as_yaml: bool, bundle: Bundle) -> None:
    def new(use: Callable[[Repository], bytes]) -> bytes:
        with TemporaryDirectory() as home, make_repository(Path(home)) as repository:
            return use(repository)

    def first(repository: Repository) -> bytes:
        brought_in(repository, written(bundle))
        data = exported(repository, yaml=as_yaml)
        rows = "SELECT id, version, value FROM config ORDER BY id"
        before = by_hand(repository, rows)
        assert brought_in(repository, data) == (True, 0)
        assert by_hand(repository, rows) == before
        assert exported(repository, yaml=as_yaml) == data
        return data

    def second(repository: Repository) -> bytes:
        brought_in(repository, one)
        return exported(repository, yaml=as_yaml)

    one = new(first)
    assert new(second) == one
