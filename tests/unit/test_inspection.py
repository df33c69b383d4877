"""No query has SQLAlchemy inspect a value: that fails while another thread imports its ORM."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import inspection

from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.filters import STATES, ConfigFilter, Order, parse_filter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft, ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Waiting
from tests.support import ALICE, BOB, add_member, plain, secret

pytestmark = pytest.mark.both_engines


def test_what_screens_ask_is_asked_without_inspection(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    add_member(repository, "bob", Role.MEMBER, acme)
    kept = repository.configs.add(ALICE, acme, secret("stripe", "value-one", rotate_every_days=1))
    repository.configs.add(ALICE, acme, ConfigDraft("ref", ConfigType.SECRET_REF, "stripe"))
    repository.configs.add(ALICE, GLOBAL_SCOPE, plain("region"))
    seen: list[object] = []
    inspect = inspection.inspect

    def watched(subject: Any, raiseerr: bool = True) -> Any:
        seen.append(subject)
        return inspect(subject, raiseerr)

    monkeypatch.setattr(inspection, "inspect", watched)
    for access in (ALICE, BOB):
        configs, everywhere = repository.configs, repository.everywhere
        organizations = repository.organizations
        organizations.list(access)
        organizations.counts(access, acme)
        filters = [parse_filter(f"is:{state}") for state in STATES]
        filters += [
            parse_filter("type:secret type:json integration:x word"),
            ConfigFilter(types=frozenset({ConfigType.SECRET}), offered_to=""),
        ]
        for wanted in filters:
            for order in Order:
                listed = ConfigList(acme, wanted, order=order)
                configs.page(access, listed, offset=0, limit=5)
                configs.count(access, listed)
                configs.position(access, listed, "stripe")
        configs.history(access, acme, "stripe")
        configs.integrations(access, acme)
        configs.references(access, kept)
        configs.dependents(access, kept)
        configs.inspect(access, acme, kept.id, EnteredSecret("value-one"))
        everywhere.key(access, "stripe")
        everywhere.reused(access)
        for what in Waiting:
            everywhere.waiting(access, what)
    assert seen == []
