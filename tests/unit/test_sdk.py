"""``config``: what code reads, sets, lists and deletes."""

from __future__ import annotations

import asyncio
import copy
import hmac
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bifrost_tui
from bifrost_tui import config
from bifrost_tui.display import MASK
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    ConfigNotFoundError,
    DatabaseError,
    InvalidInputError,
    OrganizationNotFoundError,
    SecretNeedsValueError,
    SecretUnreadableError,
)
from bifrost_tui.runtime import opened
from bifrost_tui.runtime.secret_text import SecretText
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from tests.support import ALICE, BOB, add_member, assert_nowhere, assert_silent, by_hand
from tests.unit.runtime_support import ACME, BRIGHT, OTHER, SHARED, STRIPE, Shop, a_shop

pytestmark = pytest.mark.both_engines

VALUES = (STRIPE, SHARED, OTHER)


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with a_shop(home, monkeypatch) as made:
        yield made
    assert_nowhere(VALUES, [home])


# Reading


async def test_reads_cascade_and_keep_their_types(shop: Shop) -> None:
    assert await config.get("region", scope=ACME) == "us"
    assert await config.get("region", scope=BRIGHT) == "eu"
    assert await config.get("region", scope="global") == "eu"
    assert await config.get("retries", scope=ACME) == 3
    assert await config.get("booking", scope=ACME) is True
    assert await config.get("hours", scope=ACME) == {"mon": [8, 17], "sat": None}
    assert await config.get("stripe_api_key", scope=ACME) == STRIPE
    assert await config.get("stripe_api_key", scope="acme dental") == STRIPE
    assert await config.get("stripe_api_key", scope=BRIGHT) == OTHER
    assert await config.get("sentry_dsn", scope=BRIGHT) == SHARED


async def test_a_secret_is_a_str_with_a_masked_repr(shop: Shop) -> None:
    value = await config.get("stripe_api_key", scope=ACME)
    assert isinstance(value, str)
    assert repr(value) == f"'{MASK}'"
    assert STRIPE not in repr([value, {"key": value}, (value,)])
    assert f"{value!r}" == f"'{MASK}'"
    assert f"Bearer {value}" == f"Bearer {STRIPE}"
    assert value + "/" == STRIPE + "/"
    assert value.encode() == STRIPE.encode()
    assert value == STRIPE
    assert hash(value) == hash(STRIPE)
    assert {value: 1}[STRIPE] == 1
    assert str(value) == STRIPE
    assert type(str(value)) is str
    assert json.dumps({"key": value}) == json.dumps({"key": STRIPE})
    assert "".join([value]) == STRIPE
    assert value.startswith("zQ7")
    assert hmac.new(value.encode(), b"body", "sha256").hexdigest()
    for twin in (copy.copy(value), copy.deepcopy({"a": value})["a"]):
        assert twin == STRIPE
        assert repr(twin) == repr(value)
    assert pickle.loads(pickle.dumps(value)) == STRIPE
    assert repr(pickle.loads(pickle.dumps(value))) == repr(value)


async def test_every_read_of_a_secret_is_one_event(shop: Shop) -> None:
    await config.get("region", scope=ACME)
    assert shop.reads() == []
    await config.get("stripe_api_key", scope=ACME)
    await config.get("stripe_api_key", scope=ACME)
    await config.get("sentry_dsn", scope=BRIGHT)
    assert shop.reads() == [
        (ACME, "stripe_api_key", "done"),
        (ACME, "stripe_api_key", "done"),
        (BRIGHT, "sentry_dsn", "done"),
    ]
    assert shop.repository._context.chain.verify().broken_at is None


async def test_the_history_of_a_secret_tells_its_changes_and_its_last_read(shop: Shop) -> None:
    for _ in range(5):
        await config.get("stripe_api_key", scope=ACME)
    shop.rotate(ACME, "stripe_api_key", OTHER)
    history = shop.repository.configs.history
    scope = shop.scopes[ACME]

    def told(limit: int) -> list[str]:
        return [event.action for event in history(ALICE, scope, "stripe_api_key", limit)]

    assert told(5) == ["config.rotate", "secret.read", "config.add"]
    assert told(2) == ["config.rotate", "secret.read"]
    assert told(1) == ["config.rotate"]
    await config.get("stripe_api_key", scope=ACME)
    assert told(3) == ["secret.read", "config.rotate", "config.add"]


@pytest.mark.sqlite
async def test_the_history_of_a_secret_is_found_along_its_index(shop: Shop) -> None:
    plans = [
        line[3]
        for clause in ("action = 'secret.read' ORDER BY sequence DESC LIMIT 1", "action IN ('a')")
        for line in by_hand(
            shop.repository,
            "EXPLAIN QUERY PLAN SELECT * FROM audit_event"
            f" WHERE organization_id = 'x' AND key = 'y' AND {clause}",
        )
    ]
    assert len(plans) == 2
    assert all("(organization_id=? AND key=? AND action=?)" in plan for plan in plans)


async def test_many_are_read_in_one_transaction_or_none(shop: Shop) -> None:
    found = await config.get_many(["stripe_api_key", "region", "sentry_dsn"], scope=ACME)
    assert found == {"stripe_api_key": STRIPE, "region": "us", "sentry_dsn": SHARED}
    assert repr(found["stripe_api_key"]) == f"'{MASK}'"
    assert [key for _, key, _ in shop.reads()] == ["stripe_api_key", "sentry_dsn"] or [
        key for _, key, _ in shop.reads()
    ] == ["sentry_dsn", "stripe_api_key"]
    moments = by_hand(
        shop.repository, "SELECT DISTINCT at FROM audit_event WHERE action = 'secret.read'"
    )
    assert len(moments) == 1
    before = len(shop.reads())
    with pytest.raises(SecretNeedsValueError, match="empty in Acme Dental needs a value"):
        await config.get_many(["stripe_api_key", "empty"], scope=ACME)
    assert shop.reads()[before:] == [(ACME, "empty", "failed")]
    with pytest.raises(ConfigNotFoundError):
        await config.get_many(["region", "nothing"], scope=ACME)


async def test_nothing_is_cached(shop: Shop) -> None:
    assert await config.get("stripe_api_key", scope=ACME) == STRIPE
    shop.rotate(ACME, "stripe_api_key", "zQ5-the-new-one")
    assert await config.get("stripe_api_key", scope=ACME) == "zQ5-the-new-one"
    view = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], "stripe_api_key")
    shop.repository.configs.delete(ALICE, view)
    with pytest.raises(KeyError):
        await config.get("stripe_api_key", scope=ACME)


async def test_a_key_changes_from_secret_to_plain_and_back(shop: Shop) -> None:
    await config.get("stripe_api_key", scope=ACME)
    await config.set("stripe_api_key", "plain", scope=ACME, replace_secret=True)
    assert await config.get("stripe_api_key", scope=ACME) == "plain"
    assert not isinstance(await config.get("stripe_api_key", scope=ACME), SecretText)
    await config.set("stripe_api_key", STRIPE, is_secret=True, scope=ACME)
    reads = len(shop.reads())
    assert repr(await config.get("stripe_api_key", scope=ACME)) == f"'{MASK}'"
    assert len(shop.reads()) == reads + 1


async def test_a_missing_key_says_where_to_add_it(shop: Shop) -> None:
    with pytest.raises(ConfigNotFoundError) as caught:
        await config.get("nothing", scope=ACME)
    assert isinstance(caught.value, KeyError)
    said = str(caught.value)
    assert "nothing" in said
    assert ACME in said
    assert f"bifrost-tui configs set nothing --org '{ACME}'" in said
    with pytest.raises(ConfigNotFoundError, match="--global"):
        await config.get("nothing", scope="global")
    with pytest.raises(ConfigNotFoundError, match="letters"):
        await config.get("no such-key", scope=ACME)


@pytest.mark.parametrize("default", [None, "", 0, "text"])
async def test_a_default_is_honoured(shop: Shop, default: object) -> None:
    assert await config.get("nothing", default, scope=ACME) == default
    assert await config.get("no such-key", default=default, scope=ACME) == default
    assert await config.get("region", default, scope=ACME) == "us"


async def test_a_default_does_not_hide_a_secret_that_has_no_value(shop: Shop) -> None:
    with pytest.raises(SecretNeedsValueError):
        await config.get("empty", "default", scope=ACME)


async def test_what_does_not_decrypt_raises(shop: Shop) -> None:
    by_hand(
        shop.repository,
        "UPDATE config SET secret = 'gAAAAAdamaged' WHERE key = 'stripe_api_key'",
    )
    with pytest.raises(SecretUnreadableError, match="stripe_api_key in Acme Dental") as caught:
        await config.get("stripe_api_key", "default", scope=ACME)
    assert_silent(caught.value, VALUES)
    assert shop.reads() == [(ACME, "stripe_api_key", "failed")]
    by_hand(shop.repository, "UPDATE config SET key_id = 'ffffffff' WHERE key = 'sentry_dsn'")
    with pytest.raises(SecretUnreadableError, match="ffffffff, which is not at hand"):
        await config.get("sentry_dsn", scope=ACME)


async def test_a_token_of_another_row_does_not_open(shop: Shop) -> None:
    by_hand(
        shop.repository,
        "UPDATE config SET secret = (SELECT secret FROM config WHERE fingerprint ="
        " (SELECT max(fingerprint) FROM config WHERE key = 'stripe_api_key'))"
        " WHERE key = 'sentry_dsn'",
    )
    with pytest.raises(SecretUnreadableError):
        await config.get("sentry_dsn", scope=ACME)


async def test_a_bound_secret_is_given_to_its_integration_alone(shop: Shop) -> None:
    value = await config.get("slack_token", scope=ACME, integration="Slack")
    assert value == "zQ6-bound-to-slack-alone"
    assert await config.get("slack_token", scope=ACME, integration="slack") == value
    for integration in (None, "Stripe"):
        with pytest.raises(AccessDeniedError, match="bound to the integration Slack"):
            await config.get("slack_token", scope=ACME, integration=integration)
    assert [outcome for _, _, outcome in shop.reads()] == ["done", "done", "refused", "refused"]
    # A secret that is bound to none is for all.
    assert await config.get("stripe_api_key", scope=ACME, integration="Slack") == STRIPE


async def test_outside_of_an_execution_a_scope_is_needed(shop: Shop) -> None:
    with pytest.raises(BifrostError, match="scope="):
        await config.get("region")


async def test_an_unknown_organization_is_told(shop: Shop) -> None:
    with pytest.raises(OrganizationNotFoundError):
        await config.get("region", scope="Nobody")


async def test_who_is_no_member_reads_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    add_member(shop.repository, BOB.actor, Role.MEMBER, shop.scopes[BRIGHT])
    monkeypatch.setattr(opened, "actor_name", lambda: BOB.actor)
    assert await config.get("stripe_api_key", scope=BRIGHT) == OTHER
    for scope in (ACME, "Nobody"):
        with pytest.raises(OrganizationNotFoundError) as caught:
            await config.get("stripe_api_key", scope=scope)
        assert str(caught.value) == str(caught.value).replace(ACME, scope)
    with pytest.raises(AccessDeniedError):
        await config.get("region", scope="global")
    assert (ACME, "stripe_api_key", "refused") in shop.reads()


async def test_an_archived_organization_gives_nothing_out(shop: Shop) -> None:
    shop.repository.organizations.archive(ALICE, shop.scopes[ACME], 1)
    for key in ("region", "stripe_api_key"):
        with pytest.raises(AccessDeniedError, match="archived"):
            await config.get(key, scope=ACME)


async def test_without_its_event_no_value_is_handed_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await config.get("region", scope=ACME)
    by_hand(
        shop.repository,
        "CREATE TRIGGER no_events BEFORE INSERT ON audit_event"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    with pytest.raises(DatabaseError) as caught:
        await config.get("stripe_api_key", scope=ACME)
    assert_silent(caught.value, VALUES)
    assert await config.get("region", scope=ACME) == "us"


async def test_a_hundred_at_once(shop: Shop) -> None:
    values = await asyncio.gather(
        *(config.get("stripe_api_key", scope=(ACME, BRIGHT)[at % 2]) for at in range(100))
    )
    assert values == [STRIPE, OTHER] * 50
    assert len(shop.reads()) == 100
    assert shop.repository._context.chain.verify().broken_at is None


# Setting


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("text", ConfigType.STRING, '"text"'),
        ("", ConfigType.STRING, '""'),
        (True, ConfigType.BOOL, "true"),
        (7, ConfigType.INT, "7"),
        (1.5, ConfigType.JSON, "1.5"),
        (None, ConfigType.JSON, "null"),
        ({"a": [1, "ü"]}, ConfigType.JSON, '{"a":[1,"ü"]}'),
        (("a", 1), ConfigType.JSON, '["a",1]'),
    ],
)
async def test_a_value_is_kept_in_its_type(
    shop: Shop, value: object, kind: ConfigType, text: str
) -> None:
    await config.set("new", value, scope=ACME)
    view = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], "new")
    assert (view.type, view.value) == (kind, text)
    assert await config.get("new", scope=ACME) == (["a", 1] if value == ("a", 1) else value)


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), b"bytes", "half \ud800"])
async def test_what_json_cannot_say_is_refused(shop: Shop, value: object) -> None:
    with pytest.raises(InvalidInputError):
        await config.set("new", value, scope=ACME)
    assert await config.get("new", "nothing", scope=ACME) == "nothing"


async def test_a_secret_is_set_and_read(shop: Shop) -> None:
    await config.set("token", "zQ4-set-by-code\n", is_secret=True, scope=ACME)
    assert await config.get("token", scope=ACME) == "zQ4-set-by-code\n"
    await config.set("token", "zQ3-set-again", is_secret=True, scope=ACME)
    assert await config.get("token", scope=ACME) == "zQ3-set-again"
    with pytest.raises(InvalidInputError, match="a secret is text"):
        await config.set("token", 5, is_secret=True, scope=ACME)


@pytest.mark.parametrize("key", ["stripe_api_key", "sentry_dsn"])
async def test_plain_text_over_a_secret_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(InvalidInputError, match="is_secret=True") as caught:
        await config.set(key, "zQ2-typed-as-plain", scope=ACME)
    assert_silent(caught.value, ["zQ2-typed-as-plain"])
    assert await config.get(key, scope=ACME) in VALUES


async def test_a_value_read_as_a_secret_is_not_kept_as_plain(shop: Shop) -> None:
    value = await config.get("stripe_api_key", scope=ACME)
    with pytest.raises(InvalidInputError, match="read as a secret"):
        await config.set("copy", value, scope=ACME)
    await config.set("copy", value, is_secret=True, scope=ACME)
    assert await config.get("copy", scope=ACME) == STRIPE


async def test_a_write_touches_one_scope(shop: Shop) -> None:
    await config.set("region", "ap", scope=BRIGHT)
    assert await config.get("region", scope=BRIGHT) == "ap"
    assert await config.get("region", scope=ACME) == "us"
    assert await config.get("region", scope="global") == "eu"


async def test_what_else_is_known_of_a_config_stays(shop: Shop) -> None:
    await config.set(
        "token",
        "zQ1-a-token",
        is_secret=True,
        scope=ACME,
        integration="Slack",
        description="Posts.",
        rotate_every_days=30,
    )
    await config.set("token", "zQ1-another-token", is_secret=True, scope=ACME)
    view = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], "token")
    assert (view.integration, view.description, view.rotate_every_days) == ("Slack", "Posts.", 30)


async def test_setting_at_once_loses_nothing(shop: Shop) -> None:
    await asyncio.gather(*(config.set(f"key_{at}", at, scope=ACME) for at in range(20)))
    await asyncio.gather(*(config.set("same", at, scope=ACME) for at in range(4)))
    listed = await config.list(scope=ACME)
    assert [listed[f"key_{at}"] for at in range(20)] == list(range(20))
    assert listed.same in range(4)


# Listing and deleting


async def test_a_list_has_masks_for_secrets(shop: Shop) -> None:
    listed = await config.list(scope=ACME)
    assert listed == {
        "booking": True,
        "empty": MASK,
        "hours": {"mon": [8, 17], "sat": None},
        "region": "us",
        "retries": 3,
        "sentry_dsn": MASK,
        "slack_token": MASK,
        "stripe_api_key": MASK,
    }
    assert listed.region == "us"
    assert "stripe_api_key" in listed
    with pytest.raises(AttributeError):
        _ = listed.nothing
    assert shop.reads() == []


async def test_a_long_list_is_whole(shop: Shop) -> None:
    many = (BulkConfig(bifrost_draft(f"k{at:04}")) for at in range(1201))
    write_configs(shop.repository, ALICE, shop.scopes[BRIGHT], many)
    listed = await config.list(scope=BRIGHT)
    assert [key for key in listed if key.startswith("k")] == [f"k{at:04}" for at in range(1201)]


def bifrost_draft(key: str) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.STRING, "x" * 300)


async def test_deleting_touches_one_scope(shop: Shop) -> None:
    assert await config.delete("region", scope=ACME) is True
    assert await config.get("region", scope=ACME) == "eu"
    assert await config.delete("region", scope=ACME) is False
    assert await config.get("region", scope="global") == "eu"


# Opening


async def test_a_wrong_key_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", "x" * 40)
    with pytest.raises(BifrostError, match="does not fit"):
        await config.get("region", scope=ACME)


async def test_closing_lets_other_settings_count(shop: Shop, tmp_path: Path) -> None:
    await config.get("region", scope=ACME)
    await config.close()
    await config.close()
    assert await config.get("region", scope=ACME) == "us"


_FORKING = """
import os, pwd
from bifrost_tui.runtime import opened
opened.actor_name = lambda: "alice"
first = opened.reader()
child = os.fork()
if child == 0:
    own = opened.reader() is not first
    chain = opened.reader().repository._context.chain
    os._exit(0 if own and chain.verify().broken_at is None else 1)
assert os.waitpid(child, 0)[1] == 0
assert opened.reader() is first
"""


def test_a_forked_process_opens_its_own(shop: Shop) -> None:
    done = subprocess.run([sys.executable, "-c", _FORKING], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_face_of_the_package() -> None:
    assert bifrost_tui.ExecutionContext.__name__ == "ExecutionContext"
    assert bifrost_tui.workflow is not None
    with pytest.raises(AttributeError):
        _ = bifrost_tui.nothing


def test_the_sdk_is_light() -> None:
    code = (
        "import sys; from bifrost_tui import config, workflow, ExecutionContext;"
        " print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'textual', 'rich', 'sqlmodel', 'pydantic', 'click', 'alembic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
