"""References, integrations and partial masks through commands."""

from __future__ import annotations

import pytest

from bifrost_tui.display import MASK
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, plain, planted, secret
from tests.unit.cli_support import Cli, opened

pytestmark = pytest.mark.both_engines

VALUE = planted()[0]
PARTLY = "sk-pNOBODY-nobody-z789"


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """Acme with a secret, two references to it and one to nothing."""
    cli.secrets += (*planted(), "NOBODY-nobody")
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("SHARED", VALUE))
        drafts = [
            secret("STRIPE", VALUE, integration="Stripe"),
            secret("MAIL", planted()[1]),
            plain("REGION", "eu"),
            *(
                ConfigDraft(key, ConfigType.SECRET_REF, target, integration=integration)
                for key, target, integration in (
                    ("BILLING", "STRIPE", "stripe"),
                    ("GONE", "NOWHERE", None),
                    ("HOOK", "SHARED", None),
                    ("POST", "MAIL", None),
                )
            ),
        ]
        write_configs(repository, ALICE, acme, map(BulkConfig, drafts))
    return cli


def at_acme(filled: Cli, *args: str, stdin: bytes = b"", code: int = 0) -> tuple[str, str]:
    """Return what a command over Acme's configs wrote, and what it said."""
    ran = filled("configs", *args, "--org", "Acme", stdin=stdin, code=code)
    return ran.out, ran.err


def test_a_reference_is_set_by_the_key_of_a_secret(filled: Cli) -> None:
    _, said = at_acme(filled, "set", "COPY", "--type", "secret_ref", "--value", "MAIL")
    assert said == "Added COPY (secret_ref) in Acme.\n"
    assert filled.configs("--org", "Acme")["COPY"]["refers_to"] == "MAIL"
    at_acme(filled, "set", "COPY", stdin=b"SHARED")
    assert filled.configs("--org", "Acme")["COPY"]["refers_to"] == "SHARED"
    at_acme(filled, "set", "COPY", "--no-value", "--description", "why")
    kept = filled.configs("--org", "Acme")["COPY"]
    assert (kept["refers_to"], kept["description"], kept["value"]) == ("SHARED", "why", None)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("NOWHERE", "There is no secret NOWHERE in Acme and no global one. Add the secret first"),
        ("REGION", "REGION is a string; a reference stands for a secret"),
        ("BILLING", "BILLING is a reference itself"),
        ("STRIPE", "STRIPE is bound to the integration Stripe"),
    ],
)
def test_what_is_no_secret_is_refused(filled: Cli, target: str, says: str) -> None:
    command = ("set", "COPY", "--type", "secret_ref", "--value", target)
    _, said = at_acme(filled, *command, code=1)
    assert says in said
    assert "COPY" not in filled.configs("--org", "Acme")


def test_lists_say_what_references_stand_for(filled: Cli) -> None:
    found = filled.configs("--org", "Acme")
    assert (found["BILLING"]["type"], found["BILLING"]["state"]) == ("secret_ref", "ok")
    assert (found["GONE"]["state"], found["GONE"]["dangling"]) == (
        "dangling",
        "there is no secret NOWHERE",
    )
    assert list(filled.configs("--org", "Acme", "--filter", "is:dangling")) == ["GONE"]
    assert {key for key, view in found.items() if view["reused"]} == {"SHARED", "STRIPE"}
    assert set(filled.configs("--org", "Acme", "--filter", "is:reused")) == {"SHARED", "STRIPE"}
    [line] = [line for line in filled("configs", "list", "--org", "Acme").lines if "HOOK" in line]
    assert line.split() == ["HOOK", "secret_ref", "own", "ok", "now", "->", "SHARED"]
    acme = next(org for org in filled("orgs", "list", "--json").json if org["name"] == "Acme")
    assert acme["attention"] == 1


def test_get_tells_references_both_ways(filled: Cli) -> None:
    out, _ = at_acme(filled, "get", "STRIPE")
    assert "BILLING in Acme" in out
    out, _ = at_acme(filled, "get", "GONE")
    assert "stands for  NOWHERE" in out
    assert "dangling    there is no secret NOWHERE" in out
    ran = filled("configs", "get", "SHARED", "--global", "--json")
    assert ran.json["references"] == [{"organization": "Acme", "key": "HOOK"}]
    assert ran.json["references_total"] == 1
    assert "references" not in filled("configs", "get", "HOOK", "--org", "Acme", "--json").json


def test_a_rename_takes_references_along_when_told(filled: Cli) -> None:
    _, said = at_acme(filled, "rename", "MAIL", "SMTP", code=1)
    assert "Acme / POST stand for MAIL" in said
    assert "Say --carry-references or --leave-references." in said
    assert "MAIL" in filled.configs("--org", "Acme")
    at_acme(filled, "rename", "MAIL", "SMTP", "--carry-references")
    assert filled.configs("--org", "Acme")["POST"]["refers_to"] == "SMTP"
    at_acme(filled, "rename", "SMTP", "MAIL", "--leave-references")
    assert filled.configs("--org", "Acme")["POST"]["state"] == "dangling"
    at_acme(filled, "rename", "POST", "LETTER")
    assert filled.configs("--org", "Acme")["LETTER"]["refers_to"] == "SMTP"


def test_a_deletion_names_what_will_dangle(filled: Cli) -> None:
    _, said = at_acme(filled, "delete", "MAIL", code=2)
    assert "References that will dangle: POST in Acme." in said
    at_acme(filled, "delete", "MAIL", "--yes")
    assert filled.configs("--org", "Acme")["POST"]["state"] == "dangling"


def test_a_partial_mask_is_asked_for_and_begins_with_the_next_value(filled: Cli) -> None:
    at_acme(filled, "set", "MAIL", "--no-value", "--partial-mask")
    assert filled.configs("--org", "Acme")["MAIL"]["mask"] == MASK
    at_acme(filled, "rotate", "MAIL", stdin=PARTLY.encode())
    assert filled.configs("--org", "Acme")["MAIL"]["mask"] == "sk-p••••z789"
    at_acme(filled, "set", "MAIL", stdin=b"short-value")
    assert filled.configs("--org", "Acme")["MAIL"]["mask"] == MASK
    at_acme(filled, "set", "MAIL", stdin=PARTLY.encode())
    at_acme(filled, "rename", "MAIL", "SMTP", "--carry-references")
    assert filled.configs("--org", "Acme")["SMTP"]["mask"] == "sk-p••••z789"
    at_acme(filled, "set", "SMTP", "--no-value", "--no-partial-mask")
    assert filled.configs("--org", "Acme")["SMTP"]["mask"] == MASK
    _, said = at_acme(filled, "set", "REGION", "--value", "x", "--partial-mask", code=2)
    assert "Only a secret has a mask" in said
