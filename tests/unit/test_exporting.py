"""Exports: what leaves, who may take it, and that it is told first."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    DatabaseCorruptError,
    DatabaseError,
    OrganizationNotFoundError,
)
from bifrost_tui.store import exporting
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.exporting import Export, ExportedConfig
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    add_member,
    assert_nowhere,
    by_hand,
    events,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

Content = list[tuple[str, list[ExportedConfig]]]


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


def everything(export: Export) -> Content:
    return [(each.scope.name, list(export.rows(each.scope))) for each in export.scopes]


def exported(
    repository: Repository,
    scopes: Sequence[Scope] | None = None,
    access: Access = ALICE,
    **more: Any,
) -> Content:
    return repository.exports.portable(access, scopes, everything, form="portable", **more)


def test_configs_leave_as_they_are_and_secrets_without_a_value(
    repository: Repository, acme: Scope, home: Path
) -> None:
    value = planted()[0]
    for draft in (
        plain("text", "grün", description="A colour.", integration="slack"),
        ConfigDraft("object", ConfigType.JSON, '{ "a": [1] }'),
        secret("key", value, rotate_every_days=90, partial_mask=True),
        secret("empty", integration="Stripe"),
        ConfigDraft("ref", ConfigType.SECRET_REF, "key"),
    ):
        repository.configs.add(ALICE, acme, draft)
    string, hidden = ConfigType.STRING, ConfigType.SECRET
    nothing = (None, None)
    [(name, rows)] = exported(repository, [acme])
    assert name == "Acme"
    assert rows == [
        ExportedConfig("empty", hidden, None, None, "Stripe", "", None, False, True),
        ExportedConfig("key", hidden, *nothing, None, "", 90, True, False),
        ExportedConfig("object", ConfigType.JSON, '{"a":[1]}', *nothing, "", None, False, False),
        ExportedConfig("ref", ConfigType.SECRET_REF, None, "key", None, "", None, False, False),
        ExportedConfig("text", string, '"grün"', None, "slack", "A colour.", None, False, False),
    ]
    assert all(type(row.type) is ConfigType for row in rows)
    assert value not in repr(rows)
    assert_nowhere([value], [home])


def test_global_comes_first_and_archived_organizations_are_left_out(
    repository: Repository, acme: Scope
) -> None:
    zulu, bright = (repository.organizations.add(ALICE, name) for name in ("zulu", "Bright"))
    repository.organizations.archive(ALICE, zulu, 1)
    for scope in (acme, GLOBAL_SCOPE):
        repository.configs.add(ALICE, scope, plain("a"))
    told = len(events(repository))
    seen: list[Export] = []

    def consume(export: Export) -> str:
        seen.append(export)
        assert [(each.scope.name, each.count) for each in export.scopes] == [
            ("Global", 1),
            ("Acme", 1),
            ("Bright", 0),
        ]
        assert export.total == 2
        assert export.left_out == ("zulu",)
        return "made"

    assert repository.exports.portable(ALICE, None, consume, form="portable") == "made"
    assert len(seen) == 1
    assert [(*row[:2], row[3]) for row in events(repository)[told:]] == [
        ("config.export", "Global", "done"),
        ("config.export", "Acme", "done"),
        ("config.export", "Bright", "done"),
    ]
    [(details,)] = by_hand(
        repository,
        "SELECT details FROM audit_event WHERE action = 'config.export' AND organization = 'Acme'",
    )
    assert json.loads(details) == {"count": 1, "form": "portable"}
    assert [name for name, _ in exported(repository, [zulu, bright, zulu])] == ["zulu", "Bright"]


def test_who_may_export_what(repository: Repository, acme: Scope) -> None:
    bright = repository.organizations.add(ALICE, "Bright")
    add_member(repository, "bob", Role.MEMBER, acme)
    add_member(repository, "carol", Role.ADMIN, acme)
    add_member(repository, "carol", Role.MEMBER, bright)
    dave = Access("dave", "local")
    add_member(repository, "dave", Role.MEMBER)
    mallory = Access("mallory", "local")
    refused: list[tuple[Access, list[Scope] | None, type[BifrostError]]] = [
        (BOB, None, AccessDeniedError),
        (BOB, [acme], AccessDeniedError),
        (BOB, [GLOBAL_SCOPE], AccessDeniedError),
        (BOB, [bright], OrganizationNotFoundError),
        (CAROL, [acme, bright], AccessDeniedError),
        (CAROL, [acme, GLOBAL_SCOPE], AccessDeniedError),
        (dave, None, AccessDeniedError),
        (dave, [acme], AccessDeniedError),
        (mallory, None, AccessDeniedError),
        (mallory, [acme], OrganizationNotFoundError),
    ]
    for access, scopes, error in refused:
        before = len(events(repository))
        with pytest.raises(error):
            exported(repository, scopes, access)
        [told] = events(repository)[before:]
        assert (told[0], told[3]) == ("config.export", "refused")
    assert exported(repository, None, CAROL) == [("Acme", [])]
    assert exported(repository, [acme], CAROL) == [("Acme", [])]
    with pytest.raises(OrganizationNotFoundError):
        exported(repository, [Scope("0" * 32, "Nowhere")])


def test_nothing_leaves_untold(repository: Repository, acme: Scope) -> None:
    by_hand(
        repository,
        "CREATE TRIGGER untellable BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'no');"
        " END",
    )
    called: list[Export] = []
    with pytest.raises(DatabaseError):
        repository.exports.portable(ALICE, [acme], called.append, form="portable")
    assert called == []


def test_it_is_one_state_of_the_database(
    repository: Repository, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", 2)
    for number in range(6):
        repository.configs.add(ALICE, acme, plain(f"key_{number}"))
    late = repository.configs.get_key(ALICE, acme, "key_5")

    def consume(export: Export) -> list[str]:
        keys = []
        for row in export.rows(acme):
            if row.key == "key_0":
                repository.configs.delete(ALICE, late)
                repository.configs.add(ALICE, acme, plain("key_9"))
            keys.append(row.key)
        return keys

    keys = repository.exports.portable(ALICE, [acme], consume, form="portable")
    assert keys == [f"key_{number}" for number in range(6)]
    [(_, rows)] = exported(repository, [acme])
    assert [row.key for row in rows] == [*(f"key_{number}" for number in range(5)), "key_9"]


def test_progress_is_told_from_the_first_moment(
    repository: Repository, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", 2)
    for number in range(3):
        repository.configs.add(ALICE, acme, plain(f"key_{number}"))
    repository.configs.add(ALICE, GLOBAL_SCOPE, plain("a"))
    told: list[tuple[int, int]] = []
    exported(repository, progress=lambda *sums: told.append(sums))
    assert told == [(0, 4), (1, 4), (3, 4), (4, 4)]


def test_a_scope_that_was_not_asked_for_is_not_read(repository: Repository, acme: Scope) -> None:
    with pytest.raises(ValueError, match="not exported"):
        repository.exports.portable(
            ALICE, [acme], lambda export: list(export.rows(GLOBAL_SCOPE)), form="portable"
        )


def test_a_type_that_nobody_knows_is_an_error(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, plain("a"))
    by_hand(repository, "UPDATE config SET type = 'magic\x1b'")
    with pytest.raises(DatabaseCorruptError, match=r"a has a type .*: magic\\x1b"):
        exported(repository, [acme])


def test_rows_are_read_as_they_are_needed(repository: Repository, acme: Scope) -> None:
    def peak(number: int) -> int:
        drafts = (plain(f"k{number}_{at}", "x" * 1000) for at in range(number))
        write_configs(repository, ALICE, acme, map(BulkConfig, drafts))

        def consume(export: Export) -> int:
            return sum(1 for _ in export.rows(acme))

        tracemalloc.start()
        try:
            repository.exports.portable(ALICE, [acme], consume, form="portable")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    few, many = peak(1500), peak(6000)
    assert many < few * 1.5
