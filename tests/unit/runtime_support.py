"""A repository as code works with it, opened by the SDK itself; afterwards it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.runtime import opened
from bifrost_tui.settings import load_settings
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from tests.support import ALICE, KEY, by_hand, make_repository, plain, secret

ACME, BRIGHT = "Acme Dental", "Bright Logistics"
STRIPE = "zQ7-stripe-of-acme-nobody-else-writes"
SHARED = "zQ8-sentry-of-everyone-nobody-writes"
OTHER = "zQ9-stripe-of-bright-nobody-else-has"


@dataclass
class Shop:
    """What operators keep: two organizations and global."""

    repository: Repository
    scopes: dict[str, Scope]

    def add(self, organization: str, draft: ConfigDraft) -> None:
        self.repository.configs.add(ALICE, self.scopes[organization], draft)

    def rotate(self, organization: str, key: str, value: str) -> None:
        entered = secret("any", value).secret
        assert entered is not None
        view = self.repository.configs.get_key(ALICE, self.scopes[organization], key)
        self.repository.configs.rotate(ALICE, view, entered)

    def reads(self) -> list[tuple[Any, ...]]:
        """Return organization, key and outcome of the reads in the log."""
        return by_hand(
            self.repository,
            "SELECT organization, key, outcome FROM audit_event"
            " WHERE action = 'secret.read' ORDER BY sequence",
        )


@contextmanager
def a_shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setattr(opened, "actor_name", lambda: ALICE.actor)
    with make_repository(load_settings()) as repository:
        scopes = {name: repository.organizations.add(ALICE, name) for name in (ACME, BRIGHT)}
        shop = Shop(repository, {**scopes, "Global": GLOBAL_SCOPE})
        shop.add("Global", plain("region", "eu"))
        shop.add("Global", ConfigDraft("retries", ConfigType.INT, "3"))
        shop.add("Global", secret("sentry_dsn", SHARED))
        shop.add(ACME, plain("region", "us"))
        shop.add(ACME, ConfigDraft("booking", ConfigType.BOOL, "true"))
        shop.add(ACME, ConfigDraft("hours", ConfigType.JSON, '{"mon": [8, 17], "sat": null}'))
        shop.add(ACME, secret("stripe_api_key", STRIPE))
        shop.add(ACME, secret("empty"))
        shop.add(ACME, secret("slack_token", "zQ6-bound-to-slack-alone", integration="Slack"))
        shop.add(BRIGHT, secret("stripe_api_key", OTHER))
        try:
            yield shop
        finally:
            opened.close()
