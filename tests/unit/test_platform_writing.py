"""Writing a platform's export: what comes back is what was there, and no secret leaves untold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bifrost_tui.errors import AccessDeniedError, BifrostError, TransferError
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType, canonical
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from bifrost_tui.transfer.platform import read_platform
from bifrost_tui.transfer.platform_key import PlatformKey
from bifrost_tui.transfer.platform_writing import WrittenPlatform, write_platform
from tests.support import (
    ALICE,
    BOB,
    add_member,
    assert_silent,
    by_hand,
    events,
    make_repository,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

KEY = PlatformKey("the-secret-key-of-the-platform-that-it-goes-to")
VALUE = "zQ7-nobody-else-writes-this"


def reference(key: str, target: str, **more: Any) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.SECRET_REF, value=target, **more)


def written(
    repository: Repository, scopes: Sequence[Scope] | None = None, access: Access = ALICE
) -> tuple[bytes, WrittenPlatform]:
    parts: list[bytes] = []
    made = write_platform(repository, access, scopes, KEY, parts.append)
    data = b"".join(parts)
    assert data.isascii()
    return data, made


def items_of(data: bytes) -> dict[tuple[str | None, str], dict[str, Any]]:
    return {(each["organization_name"], each["key"]): each for each in json.loads(data)["items"]}


def value_of(item: dict[str, Any]) -> str | None:
    if item["value"] is None:
        return None
    found = KEY.opened(item["value"])
    assert found is not None
    return entered_bytes(found).decode()


def test_every_type_is_written_as_the_platform_has_it(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme ünited")
    add = repository.configs.add
    add(ALICE, GLOBAL_SCOPE, plain("region", "eu\x7f-ü", description="Where"))
    add(ALICE, acme, ConfigDraft("seats", ConfigType.INT, "5"))
    add(ALICE, acme, ConfigDraft("active", ConfigType.BOOL, "true"))
    add(ALICE, acme, ConfigDraft("limits", ConfigType.JSON, '{"a": [1, 2.5]}'))
    add(ALICE, acme, ConfigDraft("word", ConfigType.JSON, '"text"'))
    add(ALICE, acme, ConfigDraft("wrapped", ConfigType.JSON, '{"value": 5}'))
    add(ALICE, acme, secret("stripe", VALUE, integration="Stripe", rotate_every_days=30))
    add(ALICE, acme, secret("empty"))
    data, made = written(repository)
    assert VALUE.encode() not in data
    head = json.loads(data)
    assert (head["bifrost_export_version"], head["entity_type"]) == ("1.0", "configs")
    assert head["contains_encrypted_values"] is True
    assert head["item_count"] == len(head["items"]) == 8
    found = items_of(data)
    assert found[None, "region"] == {
        "key": "region",
        "value": "eu\x7f-ü",
        "config_type": "string",
        "description": "Where",
        "organization_id": None,
        "organization_name": None,
        "integration_name": None,
    }
    of_acme = {key: each["value"] for (name, key), each in found.items() if name == "Acme ünited"}
    assert of_acme["seats"] == 5
    assert of_acme["active"] is True
    assert of_acme["limits"] == {"a": [1, 2.5]}
    assert of_acme["word"] == '"text"'
    assert of_acme["wrapped"] == '{"value":5}'
    assert of_acme["empty"] is None
    assert value_of(found["Acme ünited", "stripe"]) == VALUE
    assert found["Acme ünited", "stripe"]["integration_name"] == "Stripe"
    assert found["Acme ünited", "stripe"]["organization_id"] is not None
    assert (made.scopes, made.configs, made.secrets, made.empty, made.periods) == (2, 8, 1, 1, 1)


def test_references_become_secrets_with_the_value_that_they_stand_for(
    repository: Repository,
) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    bright = repository.organizations.add(ALICE, "Bright")
    add = repository.configs.add
    add(ALICE, GLOBAL_SCOPE, secret("stripe", "global-value"))
    add(ALICE, GLOBAL_SCOPE, secret("bound", "bound-value", integration="Slack"))
    add(ALICE, GLOBAL_SCOPE, reference("everywhere", "stripe"))
    add(ALICE, acme, secret("stripe", "own-value"))
    add(ALICE, acme, reference("a_payment", "stripe"))
    add(ALICE, acme, reference("slack", "bound", integration="SLACK"))
    add(ALICE, bright, reference("payment", "stripe"))
    add(ALICE, bright, reference("not_for_this", "stripe"))
    add(ALICE, bright, plain("stripe2", "x"))
    by_hand(repository, "UPDATE config SET refers_to = 'gone' WHERE key = 'payment'")
    by_hand(repository, "UPDATE config SET refers_to = 'bound' WHERE key = 'not_for_this'")
    data, made = written(repository)
    found = items_of(data)
    assert all(
        each["config_type"] == "secret" for (_, key), each in found.items() if key != "stripe2"
    )
    values = {name: value_of(each) for name, each in found.items() if name[1] != "stripe2"}
    assert values == {
        (None, "stripe"): "global-value",
        (None, "bound"): "bound-value",
        (None, "everywhere"): "global-value",
        ("Acme", "stripe"): "own-value",
        ("Acme", "a_payment"): "own-value",
        # What Acme gets for the global reference: its own secret.
        ("Acme", "everywhere"): "own-value",
        ("Acme", "slack"): "bound-value",
        ("Bright", "payment"): None,
        ("Bright", "not_for_this"): None,
    }
    assert made.references == 6
    assert made.dangling == ["not_for_this in Bright", "payment in Bright"]


def test_each_secret_has_its_event_and_the_form_is_told(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("stripe", VALUE))
    repository.configs.add(ALICE, acme, secret("empty"))
    before = len(events(repository))
    written(repository, [acme])
    told = events(repository)[before:]
    assert [(action, key) for action, _, key, _ in told] == [
        ("secret.export", "stripe"),
        ("config.export", None),
    ]
    [[details]] = by_hand(
        repository, "SELECT details FROM audit_event ORDER BY sequence DESC LIMIT 1"
    )
    assert json.loads(details) == {"form": "platform", "to": "a Bifrost platform", "count": 2}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_only_owners_write_one(repository: Repository, role: Role) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("stripe", VALUE))
    add_member(repository, "bob", role, acme)
    for access in (BOB, Access("alice", "10.0.0.1", confined=True)):
        with pytest.raises(AccessDeniedError) as caught:
            written(repository, [acme], access)
        assert_silent(caught.value, [VALUE])
    assert "secret.export" not in {action for action, *_ in events(repository)}


def test_a_secret_that_does_not_decrypt_lets_nothing_out(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("good", VALUE))
    repository.configs.add(ALICE, acme, secret("moved", "another-value"))
    by_hand(
        repository, "UPDATE config SET id = '0' || substr(id, 2, 30) || 'f' WHERE key = 'moved'"
    )
    parts: list[bytes] = []
    with pytest.raises(TransferError, match="moved in Acme does not decrypt") as caught:
        write_platform(repository, ALICE, None, KEY, parts.append)
    assert parts == []
    assert_silent(caught.value, [VALUE])


def test_what_cannot_be_told_is_not_written(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("stripe", VALUE))
    by_hand(
        repository,
        "CREATE TRIGGER deaf BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    parts: list[bytes] = []
    with pytest.raises(BifrostError) as caught:
        write_platform(repository, ALICE, None, KEY, parts.append)
    assert parts == []
    assert_silent(caught.value, [VALUE])


_TEXT = st.text(max_size=20).filter(lambda text: text.isprintable() and "\0" not in text)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "value"]), inner, max_size=2)
    ),
    max_leaves=6,
)
_VALUES = st.one_of(
    st.tuples(
        st.just(ConfigType.STRING), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    ).filter(lambda pair: "\0" not in pair[1]),
    st.tuples(st.just(ConfigType.INT), st.integers().map(str)),
    st.tuples(st.just(ConfigType.BOOL), st.sampled_from(["true", "false"])),
    st.tuples(st.just(ConfigType.JSON), _JSON.map(json.dumps)),
    st.tuples(
        st.just(ConfigType.SECRET),
        st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    ),
)
_CONFIGS = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True),
    st.tuples(_VALUES, _TEXT, st.none() | st.sampled_from(["Stripe", "HTTP request"])),
    max_size=6,
)


@settings(max_examples=15)
@given(st.dictionaries(st.sampled_from(["", "Acme", "Bright ünited"]), _CONFIGS, max_size=3))
def test_what_is_written_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    content: dict[str, dict[str, tuple[tuple[ConfigType, str | None], str, str | None]]],
) -> None:
    home = tmp_path_factory.mktemp("home")
    with make_repository(home) as repository:
        for name, configs in content.items():
            scope = repository.organizations.add(ALICE, name) if name else GLOBAL_SCOPE
            for key, ((kind, value), description, integration) in configs.items():
                is_secret = kind is ConfigType.SECRET
                draft = ConfigDraft(
                    key,
                    kind,
                    value=None if is_secret else value,
                    secret=EnteredSecret(value) if is_secret and value else None,
                    integration=integration,
                    description=description,
                )
                repository.configs.add(ALICE, scope, draft)
        data, _ = written(repository)
    said: list[str] = []
    found = {
        (scope.organization or "", each.draft.key): each
        for scope in read_platform(data, KEY, tell=said.append)
        for each in scope.configs
    }
    assert said == []
    assert set(found) == {(name, key) for name, configs in content.items() for key in configs}
    for (name, key), incoming in found.items():
        (kind, value), description, integration = content[name][key]
        draft = incoming.draft
        assert incoming.problem == ""
        assert draft.type is kind
        assert (draft.description, draft.integration) == (description.strip(), integration)
        if kind is ConfigType.SECRET:
            assert (draft.secret and entered_bytes(draft.secret).decode()) == value
        else:
            assert draft.value is not None
            assert canonical(kind, draft.value) == canonical(kind, value or "")
