"""Groups of equal secrets: kept with every change, confirmed on the values, never by chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.errors import AlreadyExistsError
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.replay import Deed, replay
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView, Scope
from tests.support import ALICE, by_hand, make_repository, plain, secret

pytestmark = pytest.mark.both_engines

Groups = set[frozenset[str]]


def groups(repository: Repository) -> Groups:
    """Return the keys of each group, as they are kept; each is named like its fingerprint."""
    found: dict[str, set[str]] = defaultdict(set)
    for group, fingerprint, scope_id, key in by_hand(
        repository,
        "SELECT equal_group, fingerprint, scope_id, key FROM config WHERE equal_group IS NOT NULL",
    ):
        assert group[:8] == fingerprint
        found[group].add(key if scope_id == "global" else f"acme/{key}")
    return {frozenset(keys) for keys in found.values()}


def group(*keys: str) -> frozenset[str]:
    return frozenset(keys)


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


@pytest.fixture
def add(repository: Repository) -> Callable[..., ConfigView]:
    """Add a secret of a key and value to global."""

    def added(key: str, value: str | None, scope: Scope = GLOBAL_SCOPE) -> ConfigView:
        return repository.configs.add(ALICE, scope, secret(key, value))

    return added


@pytest.fixture
def coinciding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value has the same fingerprint."""
    monkeypatch.setattr(DatabaseRoot, "fingerprint", lambda _self, _value: "c0c0c0c0")


def rotate(repository: Repository, view: ConfigView, value: str) -> ConfigView:
    return repository.configs.rotate(ALICE, view, EnteredSecret(value))


def test_what_is_added_joins_its_equals_in_any_scope(
    repository: Repository, acme: Scope, add: Callable[..., ConfigView]
) -> None:
    assert not add("a", "v").is_reused
    assert groups(repository) == set()
    assert add("b", "v", acme).is_reused
    assert groups(repository) == {group("a", "acme/b")}
    assert add("c", "v").is_reused
    add("d", "w")
    add("e", None)
    add("f", None)
    assert groups(repository) == {group("a", "acme/b", "c")}


def test_a_group_of_one_is_none(repository: Repository, add: Callable[..., ConfigView]) -> None:
    views = [add(key, "v") for key in "abc"]
    repository.configs.delete(ALICE, views[0])
    assert groups(repository) == {group("b", "c")}
    repository.configs.delete(ALICE, views[1])
    assert groups(repository) == set()


def test_a_rotation_leaves_one_group_and_joins_another(
    repository: Repository, add: Callable[..., ConfigView]
) -> None:
    views = {key: add(key, value) for key, value in zip("abcd", "vvww", strict=True)}
    moved = rotate(repository, views["b"], "w")
    assert groups(repository) == {group("b", "c", "d")}
    again = rotate(repository, moved, "w")
    assert groups(repository) == {group("b", "c", "d")}
    back = rotate(repository, again, "v")
    assert groups(repository) == {group("a", "b"), group("c", "d")}
    rotate(repository, back, "alone")
    assert groups(repository) == {group("c", "d")}


def test_an_edit_with_a_new_value_is_a_rotation(
    repository: Repository, add: Callable[..., ConfigView]
) -> None:
    views = [add(key, "v") for key in "abc"]
    edited = repository.configs.edit(ALICE, views[0], secret("a", "w", description="new"))
    assert groups(repository) == {group("b", "c")}
    repository.configs.edit(ALICE, edited, secret("renamed", "v"))
    assert groups(repository) == {group("b", "c", "renamed")}
    # Without one, the value stays, and so does the group.
    repository.configs.edit(ALICE, views[1], secret("b2"))
    assert groups(repository) == {group("b2", "c", "renamed")}


def test_what_is_no_secret_any_more_leaves_its_group(
    repository: Repository, add: Callable[..., ConfigView]
) -> None:
    views = [add(key, "v") for key in "abc"]
    repository.configs.edit(ALICE, views[0], plain("a", "v"))
    assert groups(repository) == {group("b", "c")}
    text = repository.configs.edit(ALICE, views[1], plain("b", "v"))
    assert groups(repository) == set()
    repository.configs.edit(ALICE, text, secret("b", "v"))
    assert groups(repository) == {group("b", "c")}


def test_what_was_filled_joins(repository: Repository, add: Callable[..., ConfigView]) -> None:
    empty = add("a", None)
    add("b", "v")
    rotate(repository, empty, "v")
    assert groups(repository) == {group("a", "b")}


def test_an_import_joins_what_is_there_and_what_comes_with_it(
    repository: Repository, acme: Scope, add: Callable[..., ConfigView]
) -> None:
    add("a", "v")
    add("b", "alone")
    drafts = [secret("c", "v"), secret("d", "w"), secret("e", "w"), plain("f", "v"), secret("g")]
    write_configs(repository, ALICE, acme, map(BulkConfig, drafts))
    assert groups(repository) == {group("a", "acme/c"), group("acme/d", "acme/e")}
    with pytest.raises(AlreadyExistsError):
        write_configs(
            repository, ALICE, acme, map(BulkConfig, [secret("h", "alone"), secret("c", "v")])
        )
    assert groups(repository) == {group("a", "acme/c"), group("acme/d", "acme/e")}


def test_what_is_replayed_is_grouped_as_it_has_become(repository: Repository) -> None:
    at = repository.clock()
    told: list[tuple[str | None, ConfigDraft | None]] = [
        ("Acme", None),
        ("Acme", secret("a", "v")),
        (None, secret("b", "v")),
        ("Acme", secret("c", "v")),
        ("Acme", secret("c", "another")),
    ]
    replay(repository, ALICE, [Deed(at, ALICE, *each) for each in told])
    assert groups(repository) == {group("acme/a", "b")}


@pytest.mark.usefixtures("coinciding")
def test_values_whose_fingerprints_coincide_are_never_in_one_group(
    repository: Repository, acme: Scope, add: Callable[..., ConfigView]
) -> None:
    views = {key: add(key, value) for key, value in zip("abcdef", "uvuvwx", strict=True)}
    assert groups(repository) == {group("a", "c"), group("b", "d")}
    rotate(repository, views["e"], "v")
    assert groups(repository) == {group("a", "c"), group("b", "d", "e")}
    rotate(repository, views["c"], "x")
    assert groups(repository) == {group("c", "f"), group("b", "d", "e")}
    write_configs(repository, ALICE, acme, map(BulkConfig, [secret("g", "u"), secret("h", "y")]))
    assert groups(repository) == {group("c", "f"), group("b", "d", "e"), group("a", "acme/g")}
    names = by_hand(repository, "SELECT DISTINCT equal_group FROM config ORDER BY 1")
    assert [name for (name,) in names if name] == ["c0c0c0c0", "c0c0c0c0-2", "c0c0c0c0-3"]
    assert len(repository.everywhere.reused(ALICE)) == 3


def test_what_does_not_open_is_equal_to_nothing(
    repository: Repository, acme: Scope, add: Callable[..., ConfigView]
) -> None:
    views = [add(key, "v") for key in "ab"]
    by_hand(repository, "UPDATE config SET secret = 'gAAAAAdamaged'")
    add("c", "v")
    assert groups(repository) == {group("a", "b")}
    add("d", "v")
    write_configs(repository, ALICE, acme, [BulkConfig(secret("e", "v"))])
    assert groups(repository) == {group("a", "b"), group("c", "d", "acme/e")}
    rotate(repository, views[0], "v")
    assert groups(repository) == {group("a", "c", "d", "acme/e")}


# Against a model

KEYS = st.sampled_from("abcde")
VALUES = st.sampled_from(("u", "v", "w", None))
DEEDS = st.one_of(
    st.tuples(st.just("add"), KEYS, VALUES),
    st.tuples(st.just("edit"), KEYS, VALUES),
    st.tuples(st.just("rotate"), KEYS, st.sampled_from("uvw")),
    st.tuples(st.just("plain"), KEYS, st.just("u")),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("import"), KEYS, VALUES),
)


@pytest.mark.parametrize("characters", [8, 0])
@settings(max_examples=60)
@given(deeds=st.lists(DEEDS, max_size=14))
def test_groups_are_those_of_a_simple_model(characters: int, deeds: list[Any]) -> None:
    whole = DatabaseRoot.fingerprint

    def short(root: DatabaseRoot, value: bytes) -> str:
        return whole(root, value)[:characters].ljust(8, "0")

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseRoot, "fingerprint", short)
        with make_repository(Path(folder)) as repository:
            model: dict[str, str | None] = {}
            views: dict[str, ConfigView] = {}
            for deed, key, value in deeds:
                _do(repository, model, views, deed, key, value)
                wanted: dict[str, set[str]] = defaultdict(set)
                for name, held in model.items():
                    if held is not None:
                        wanted[held].add(name)
                assert groups(repository) == {
                    frozenset(names) for names in wanted.values() if len(names) > 1
                }


def _do(
    repository: Repository,
    model: dict[str, str | None],
    views: dict[str, ConfigView],
    deed: str,
    key: str,
    value: str | None,
) -> None:
    """Do something to the repository and to the model: what secret each key holds, if any."""
    configs = repository.configs
    is_new = key not in views
    if is_new is not (deed in ("add", "import")):
        return
    match deed:
        case "add":
            views[key] = configs.add(ALICE, GLOBAL_SCOPE, secret(key, value))
        case "import":
            twin = secret(f"{key}2", value)
            drafts = [secret(key, value), *([] if twin.key in views else [twin])]
            write_configs(repository, ALICE, GLOBAL_SCOPE, map(BulkConfig, drafts))
            for draft in drafts:
                views[draft.key] = configs.get_key(ALICE, GLOBAL_SCOPE, draft.key)
                model[draft.key] = value
        case "edit":
            views[key] = configs.edit(ALICE, views[key], secret(key, value))
            value = model[key] if value is None else value
        case "rotate" if views[key].type is ConfigType.SECRET:
            views[key] = rotate(repository, views[key], str(value))
        case "rotate":
            return
        case "plain":
            views[key] = configs.edit(ALICE, views[key], plain(key, str(value)))
            value = None
        case "delete":
            configs.delete(ALICE, views.pop(key))
            del model[key]
            return
    model[key] = value
