"""References and integrations as code meets them: reads, writes, refusals and their events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui import ExecutionContext, config, workflow
from bifrost_tui.display import MASK
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    DanglingReferenceError,
    InvalidInputError,
    SecretNeedsValueError,
    SecretUnreadableError,
)
from bifrost_tui.runtime.reader import Purpose, Reader
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from tests.support import ALICE, assert_nowhere, assert_silent, by_hand, plain, secret
from tests.unit.runtime_support import ACME, BRIGHT, OTHER, SHARED, STRIPE, Shop, a_shop

pytestmark = pytest.mark.both_engines

NEW = "zQ5-the-value-after-the-rotation"
VALUES = (STRIPE, SHARED, OTHER, NEW)


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with a_shop(home, monkeypatch) as made:
        yield made
    assert_nowhere(VALUES, [home])


def reference(key: str, to: str, integration: str | None = None) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.SECRET_REF, to, integration=integration)


def last_event(shop: Shop) -> tuple[str, str, str, dict[str, str]]:
    [row] = by_hand(
        shop.repository,
        "SELECT organization, key, outcome, details FROM audit_event"
        " ORDER BY sequence DESC LIMIT 1",
    )
    return row[0], row[1], row[2], json.loads(row[3])


async def test_three_references_follow_the_rotation_of_one_secret(shop: Shop) -> None:
    for number in range(3):
        shop.add(ACME, reference(f"ref_{number}", "stripe_api_key"))
    keys = [f"ref_{number}" for number in range(3)]
    assert await config.get_many(keys, scope=ACME) == dict.fromkeys(keys, STRIPE)
    shop.rotate(ACME, "stripe_api_key", NEW)
    for key in keys:
        value = await config.get(key, scope=ACME)
        assert value == NEW
        assert repr(value) == f"'{MASK}'"


async def test_references_follow_the_cascade(shop: Shop) -> None:
    shop.add("Global", reference("everywhere", "sentry_dsn"))
    shop.add(ACME, reference("mine", "sentry_dsn"))
    assert await config.get("mine", scope=ACME) == SHARED
    assert await config.get("everywhere", scope=ACME) == SHARED
    shop.add(ACME, secret("sentry_dsn", NEW))
    assert await config.get("mine", scope=ACME) == NEW
    assert await config.get("everywhere", scope=ACME) == NEW
    assert await config.get("everywhere", scope=BRIGHT) == SHARED
    assert await config.get("everywhere", scope="global") == SHARED


async def test_a_read_through_a_reference_is_a_read_of_the_secret(shop: Shop) -> None:
    shop.add(ACME, reference("billing", "stripe_api_key"))
    await config.get("billing", scope=ACME)
    assert last_event(shop) == (ACME, "stripe_api_key", "done", {"reference": "billing"})
    shop.add(ACME, reference("dsn", "sentry_dsn"))
    await config.get("dsn", scope=ACME)
    expected = {"reference": "dsn", "from": "global"}
    assert last_event(shop) == (ACME, "sentry_dsn", "done", expected)


async def test_a_reference_that_gives_nothing_names_both_keys(shop: Shop) -> None:
    bulk = [
        reference("gone", "nowhere"),
        reference("plain", "region"),
        reference("chain", "gone"),
        reference("unfilled", "empty"),
        reference("slack", "slack_token"),
        reference("broken", "stripe_api_key"),
    ]
    write_configs(shop.repository, ALICE, shop.scopes[ACME], map(BulkConfig, bulk))
    by_hand(
        shop.repository,
        "UPDATE config SET secret = 'gAAAAAdamaged'"
        f" WHERE key = 'stripe_api_key' AND scope_id = '{shop.scopes[ACME].id}'",
    )
    for key, target, kind, says in (
        ("gone", "nowhere", DanglingReferenceError, "is not there"),
        ("plain", "region", DanglingReferenceError, "is a string and no secret"),
        ("chain", "gone", DanglingReferenceError, "is a reference itself"),
        ("unfilled", "empty", SecretNeedsValueError, "needs a value"),
        ("slack", "slack_token", AccessDeniedError, "bound to the integration Slack"),
        ("broken", "stripe_api_key", SecretUnreadableError, "does not decrypt"),
    ):
        with pytest.raises(kind) as raised:
            await config.get(key, "a default", scope=ACME)
        message = raised.value.message
        assert f"{key} in {ACME} refers to {target}, which" in message
        assert says in message
        assert_silent(raised.value, VALUES)
        outcome = "refused" if kind is AccessDeniedError else "failed"
        assert last_event(shop)[2] == outcome
        assert last_event(shop)[3]["reference"] == key


async def test_a_bound_secret_is_given_to_its_integration_alone(shop: Shop) -> None:
    shop.add(ACME, reference("hook", "slack_token", "slack"))
    with pytest.raises(AccessDeniedError, match="asked for none"):
        await config.get("hook", scope=ACME)
    with pytest.raises(AccessDeniedError, match="asked for Stripe"):
        await config.get("hook", scope=ACME, integration="Stripe")
    value = await config.get("hook", scope=ACME, integration="SLACK")
    assert value == "zQ6-bound-to-slack-alone"
    shop.add(ACME, reference("bound", "stripe_api_key", "Stripe"))
    with pytest.raises(AccessDeniedError, match="bound to the integration Stripe"):
        await config.get("bound", scope=ACME)
    assert await config.get("bound", scope=ACME, integration="stripe") == STRIPE


async def test_what_an_execution_reads_through_a_reference_is_scrubbed(shop: Shop) -> None:
    shop.add(ACME, reference("hook", "slack_token", "Slack"))

    async def tells(context: ExecutionContext) -> list[str]:
        return [await config.get("hook"), await config.get("hook", integration="Slack")]

    execution = await workflow(tells).run(organization=ACME, integration="Slack")
    assert execution.result == ["[REDACTED]", "[REDACTED]"]
    execution = await workflow(tells).run(organization=ACME)
    assert "bound to the integration Slack" in str(execution.as_json()["error"])


def test_a_command_gets_what_references_stand_for(shop: Shop) -> None:
    shop.add(ACME, reference("billing", "stripe_api_key"))
    shop.add(ACME, reference("hook", "slack_token", "Slack"))
    for view in ("empty",):
        found = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], view)
        shop.repository.configs.delete(ALICE, found)
    reader = Reader(shop.repository, ALICE)
    reading = reader.read_all(ACME, Purpose("secret.inject"))
    assert reading.values["billing"] == STRIPE
    assert "billing" in reading.secrets
    assert reading.withheld == ("hook", "slack_token")
    bound = reader.read_all(ACME, Purpose("secret.inject", integration="slack"))
    assert bound.values["hook"] == "zQ6-bound-to-slack-alone"


async def test_code_sets_a_reference(shop: Shop) -> None:
    await config.set("billing", "stripe_api_key", is_reference=True, scope=ACME)
    assert await config.get("billing", scope=ACME) == STRIPE
    await config.set("billing", "sentry_dsn", is_reference=True, scope=ACME)
    assert await config.get("billing", scope=ACME) == SHARED
    listed = await config.list(scope=ACME)
    assert listed["billing"] == MASK
    with pytest.raises(InvalidInputError, match="There is no secret nowhere"):
        await config.set("billing", "nowhere", is_reference=True, scope=ACME)
    with pytest.raises(InvalidInputError, match="either is_secret or is_reference"):
        await config.set("x", "y", True, is_reference=True, scope=ACME)
    with pytest.raises(InvalidInputError, match="give a str, not int"):
        await config.set("x", 1, is_reference=True, scope=ACME)


@pytest.mark.parametrize("is_secret", [True, False])
async def test_a_reference_is_not_overwritten_unasked(shop: Shop, is_secret: bool) -> None:
    shop.add(ACME, reference("billing", "stripe_api_key"))
    with pytest.raises(InvalidInputError, match="stands for the secret stripe_api_key"):
        await config.set("billing", NEW, is_secret, scope=ACME)
    assert await config.get("billing", scope=ACME) == STRIPE
    with pytest.raises(InvalidInputError, match="would lose its value"):
        await config.set("stripe_api_key", "sentry_dsn", is_reference=True, scope=ACME)
    await config.set(
        "billing", NEW if is_secret else "eu", is_secret, scope=ACME, replace_secret=True
    )
    assert await config.get("billing", scope=ACME) == (NEW if is_secret else "eu")


async def test_setting_a_secret_keeps_what_its_mask_shows(shop: Shop) -> None:
    shop.add(ACME, secret("shown", STRIPE, partial_mask=True))
    await config.set("shown", NEW, True, scope=ACME)
    view = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], "shown")
    assert view.mask == "zQ5-••••tion"
    await config.set("shown", STRIPE, True, scope=ACME, partial_mask=False)
    view = shop.repository.configs.get_key(ALICE, shop.scopes[ACME], "shown")
    assert view.mask == MASK
    with pytest.raises(BifrostError):
        await config.set("region", plain, scope=ACME)
