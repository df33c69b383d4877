"""Importing: what a form of file has no room for stays as it is here."""

from __future__ import annotations

import pytest

from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, OnConflict, Untold, Verdict
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import listed, plain, secret

pytestmark = pytest.mark.both_engines

PLANTED = "planted-hunter2-swordfish"


def incoming(draft: ConfigDraft, *untold: Untold) -> list[IncomingScope]:
    return [IncomingScope("Acme", [IncomingConfig(draft, untold=frozenset(untold))])]


@pytest.mark.parametrize(
    ("untold", "fields"),
    [
        ((), ("description", "integration", "rotate_every_days", "partial_mask")),
        ((Untold.PERIOD, Untold.MASK), ("description", "integration")),
        ((Untold.DESCRIPTION, Untold.INTEGRATION), ("rotate_every_days", "partial_mask")),
        (tuple(Untold), ()),
    ],
)
def test_only_what_is_told_is_compared(
    repository: Repository, access: Access, untold: tuple[Untold, ...], fields: tuple[str, ...]
) -> None:
    acme = repository.organizations.add(access, "Acme")
    about = {"description": "Live", "integration": "stripe", "rotate_every_days": 90}
    repository.configs.add(access, acme, secret("S", PLANTED, partial_mask=True, **about))
    scopes = incoming(secret("S", PLANTED), *untold)
    plan = repository.imports.plan(access, scopes, form="dotenv")
    assert plan.lines[0].fields == fields
    assert plan.lines[0].verdict is (Verdict.DIFFERS if fields else Verdict.SAME)


@pytest.mark.parametrize(
    ("kind", "here", "there", "after"),
    [
        (ConfigType.INT, "5", " 5 ", ("int", "5")),
        (ConfigType.INT, "5", "6", ("int", "6")),
        (ConfigType.INT, "5", "five", ("string", '"five"')),
        (ConfigType.BOOL, "true", "off", ("bool", "false")),
        (ConfigType.BOOL, "true", "", ("string", '""')),
        (ConfigType.JSON, "[1]", "[ 1, 2 ]", ("json", "[1,2]")),
        (ConfigType.STRING, "a", "[1]", ("string", '"[1]"')),
        (ConfigType.SECRET_REF, "S", "S", ("string", '"S"')),
    ],
)
def test_a_string_takes_the_type_that_is_here(
    repository: Repository,
    access: Access,
    kind: ConfigType,
    here: str,
    there: str,
    after: tuple[str, str],
) -> None:
    acme = repository.organizations.add(access, "Acme")
    repository.configs.add(access, GLOBAL_SCOPE, secret("S"))
    repository.configs.add(access, acme, ConfigDraft("K", kind, here, description="Kept"))
    plan = repository.imports.plan(access, incoming(plain("K", there), *Untold), form="dotenv")
    repository.imports.apply(access, plan, on_conflict=OnConflict.OVERWRITE)
    view = listed(repository, access, acme)[0]
    assert (view.type, view.value, view.description) == (*after, "Kept")


def test_what_is_new_has_none_of_it(repository: Repository, access: Access) -> None:
    acme = repository.organizations.add(access, "Acme")
    plan = repository.imports.plan(access, incoming(plain("K", "5"), *Untold), form="dotenv")
    repository.imports.apply(access, plan)
    (view,) = listed(repository, access, acme)
    assert (view.type, view.description, view.integration) == ("string", "", None)
