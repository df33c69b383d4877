"""Members through commands."""

from __future__ import annotations

import pytest

from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.terminal import actor_name
from tests.support import ALICE, BOB, events, listed, planted, secret
from tests.unit.cli_support import Cli, act_as, opened, the_database

pytestmark = pytest.mark.both_engines

PLANTED = planted()
FIELDS = {
    *("actor", "role", "organization", "created_at", "created_by", "updated_at", "updated_by"),
    "version",
}


@pytest.fixture
def acme(cli: Cli) -> None:
    cli("members", "remove", actor_name(), "--all-orgs", "--yes")
    cli("orgs", "add", "Acme")
    cli("members", "add", "bob", "--org", "acme")


def fill(cli: Cli) -> None:
    """Bob has created two secrets in Acme, one of which a reference stands for."""
    cli.secrets.extend(PLANTED)
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(BOB, scope, secret("API_KEY", PLANTED[0]))
        repository.configs.add(BOB, scope, secret("EMPTY"))
        repository.configs.add(ALICE, scope, secret("KEPT", PLANTED[1]))
    cli("configs", "set", "BILLING", "--org", "Acme", "--type", "secret_ref", "--value", "API_KEY")


def standing(cli: Cli, *args: str) -> list[tuple[str, str, str | None]]:
    found = cli("members", "list", "--json", *args).json
    return [(each["actor"], each["role"], each["organization"]) for each in found]


def test_add_list_and_change(cli: Cli, acme: None) -> None:
    assert standing(cli) == [("alice", "owner", None), ("bob", "member", "Acme")]
    assert set(cli("members", "list", "--json").json[0]) == FIELDS
    ran = cli("members", "role", "bob", "admin", "--org", "Acme")
    assert (ran.out, ran.err) == ("", "bob is an admin of Acme now.\n")
    ran = cli("members", "add", "carol", "--all-orgs", "--role", "owner")
    assert ran.err == "carol is an owner of all organizations now.\n"
    assert standing(cli, "--org", "Acme") == [
        *(("alice", "owner", None), ("carol", "owner", None), ("bob", "admin", "Acme")),
    ]
    assert standing(cli, "--all-orgs") == [("alice", "owner", None), ("carol", "owner", None)]
    header, first, *_ = cli("members", "list").lines
    assert header.split() == ["ACTOR", "ROLE", "ORGANIZATION", "SINCE", "BY"]
    assert first.split()[:4] == ["alice", "owner", "All", "organizations"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("add", "dave"), 2, "Give either --org NAME or --all-orgs."),
        (("add", "dave", "--org", "Acme", "--all-orgs"), 2, "Give either --org NAME or"),
        (("list", "--org", "Acme", "--all-orgs"), 2, "or neither"),
        (("add", "bob", "--org", "Acme"), 1, "bob is a member of Acme already"),
        (("add", " x", "--org", "Acme"), 1, "no blanks around it"),
        (("add", "dave", "--org", "Nope"), 1, "There is no organization 'Nope' for you"),
        (("add", "dave", "--org", "Acme", "--role", "king"), 2, "king"),
        (("role", "dave", "admin", "--org", "Acme"), 1, "dave is no member of Acme."),
        (("role", "alice", "admin", "--org", "Acme"), 1, "give --all-orgs"),
        (("role", "alice", "admin", "--all-orgs"), 1, "alice is the last owner"),
        (("remove", "alice", "--all-orgs", "--yes"), 1, "alice is the last owner"),
        (("remove", "bob", "--org", "Acme"), 2, "Say --yes to do it. Nothing was changed."),
        (("remove", "bob", "--org", "Acme", "--json", "--yes"), 2, "--json goes with --dry-run"),
        (("remove", "bob", "--org", "Acme", "--yes", "--hand-to", "eve"), 0, ""),
    ],
)
def test_what_is_refused(cli: Cli, acme: None, args: tuple[str, ...], code: int, says: str) -> None:
    before = standing(cli)
    ran = cli("members", *args, code=code)
    assert says in ran.err
    if code:
        assert standing(cli) == before


def test_members_may_not_look(cli: Cli, acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
    act_as(monkeypatch, "bob")
    for args in (("list",), ("list", "--org", "Acme"), ("add", "eve", "--org", "Acme")):
        ran = cli("members", *args, code=1)
        assert "that takes an owner or an admin" in ran.err
        assert events(the_database())[-1][3] == "refused"
    assert "Nothing that somebody who left" in cli("members", "left").err


def test_remove_says_what_goes_first(cli: Cli, acme: None) -> None:
    fill(cli)
    before = events(the_database())
    ran = cli("members", "remove", "bob", "--org", "Acme", "--dry-run")
    assert [line.split() for line in ran.lines] == [
        ["ORGANIZATION", "KEY", "MISSED", "BY"],
        ["Acme", "API_KEY", "BILLING", "in", "Acme"],
        ["Acme", "EMPTY"],
    ]
    assert ran.err == (
        "This removes bob from Acme. 2 secrets that bob created there will be deleted for good."
        " Or say --hand-to OTHER to keep them. bob could read 2 secrets.\n"
    )
    found = cli("members", "remove", "bob", "--org", "Acme", "--dry-run", "--json").json
    assert found == {
        "actor": "bob",
        "role": "member",
        "loses": 1,
        "secrets": [
            {
                "key": "API_KEY",
                "scope": "organization",
                "organization": "Acme",
                "references": [{"organization": "Acme", "key": "BILLING"}],
                "falls_back": False,
                "inheritors": [],
            },
            {
                "key": "EMPTY",
                "scope": "organization",
                "organization": "Acme",
                "references": [],
                "falls_back": False,
                "inheritors": [],
            },
        ],
        "archived": 0,
        "readable": 2,
        "heirs": ["alice"],
    }
    assert events(the_database()) == before

    ran = cli("members", "remove", "bob", "--org", "Acme", "--yes")
    assert ran.err == (
        "bob is no member of Acme any more.\n"
        "Rotate what bob could read: bifrost-tui members left bob\n"
    )
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        assert [view.key for view in listed(repository, ALICE, scope)] == ["BILLING", "KEPT"]


def test_what_they_could_read_is_listed_until_it_is_rotated(cli: Cli, acme: None) -> None:
    fill(cli)
    assert "Nothing that somebody who left could read" in cli("members", "left").err
    ran = cli("members", "remove", "bob", "--org", "Acme", "--yes", "--hand-to", "alice")
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        assert {view.created_by for view in listed(repository, ALICE, scope)} == {"alice"}
    [each] = cli("members", "left", "--json").json
    assert (each["actor"], each["secrets"]) == ("bob", 2)
    assert each["left_at"].endswith("Z")
    header, line = cli("members", "left").lines
    assert (header.split(), line.split()[0]) == (["ACTOR", "LEFT", "SECRETS"], "bob")
    keys = [line["key"] for line in cli("members", "left", "bob", "--json").json]
    assert keys == ["API_KEY", "KEPT"]
    cli("configs", "rotate", "KEPT", "--org", "Acme", "--generate", "32")
    header, line = cli("members", "left", "bob").lines
    assert line.split()[:2] == ["Acme", "API_KEY"]
    cli("configs", "delete", "API_KEY", "--org", "Acme", "--yes")
    ran = cli("members", "left", "bob")
    assert (ran.out, ran.err) == ("", "Nothing that bob could read is left as it was.\n")


def test_a_membership_beside_another_takes_nothing_along(cli: Cli, acme: None) -> None:
    fill(cli)
    cli("members", "add", "bob", "--all-orgs", "--role", "admin")
    ran = cli("members", "remove", "bob", "--org", "Acme", "--dry-run")
    assert ran.out == ""
    assert "bob stays a member there by another membership; no secret goes." in ran.err
    cli("members", "remove", "bob", "--org", "Acme", "--yes")
    assert standing(cli)[1] == ("bob", Role.ADMIN.value, None)


def test_a_passphrase_that_was_forgotten(cli: Cli, acme: None) -> None:
    with opened() as repository:
        repository.presence.set(BOB, EnteredSecret(PLANTED[0]))
    cli.secrets.append(PLANTED[0])
    ran = cli("members", "forget-passphrase", "bob")
    assert ran.err == "bob has no passphrase any more.\n"
    assert events(the_database())[-1][0] == "presence.forget"
    assert "bob has no passphrase." in cli("members", "forget-passphrase", "bob", code=1).err
    assert "lock clear" in cli("members", "forget-passphrase", "alice", code=1).err
