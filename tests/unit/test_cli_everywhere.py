"""Lists across organizations, and what a list of one is narrowed to and ordered by."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, add_member, plain, planted, secret
from tests.unit.cli_support import Cli, act_as, days_ago, opened

pytestmark = pytest.mark.both_engines

FIELDS = {
    *("key", "type", "state", "scope", "organization", "integration", "fingerprint"),
    *("equal_group", "rotate_every_days", "secret_changed_at", "due_at", "updated_at"),
    "updated_by",
}
EVERY = ("configs", "list", "--all-orgs")


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """Two organizations and global, with secrets of each state; none may turn up."""
    cli.secrets += planted()
    one, other, third, _ = planted()
    with opened(days_ago(100)) as repository:
        add = repository.configs.add
        globex = repository.organizations.add(ALICE, "Globex")
        acme = repository.organizations.add(ALICE, "Acme")
        add(ALICE, acme, secret("TOKEN", one, rotate_every_days=30, integration="slack"))
        add(ALICE, globex, secret("TOKEN", one, rotate_every_days=90))
        add(ALICE, globex, secret("EMPTY"))
        add(ALICE, GLOBAL_SCOPE, secret("ROOT", other, rotate_every_days=365))
        add(ALICE, acme, secret("SPARE", third))
        add(ALICE, acme, plain("REGION", "eu"))
    return cli


def found(cli: Cli, *args: str, code: int = 0) -> list[tuple[str | None, str]]:
    lines = cli(*EVERY, *args, "--json", code=code).json
    assert all(set(line) >= FIELDS for line in lines)
    return [(line["organization"], line["key"]) for line in lines]


def test_what_is_due_ends_with_3_for_cron(filled: Cli) -> None:
    due = [("Acme", "TOKEN"), ("Globex", "TOKEN")]
    assert found(filled, "--due", code=3) == due
    assert found(filled, "--overdue", code=3) == due
    ran = filled(*EVERY, "--overdue", code=3)
    assert ran.lines[0].split() == [
        *("ORGANIZATION", "KEY", "STATE", "INTEGRATION", "FINGERPRINT", "AGE", "BY")
    ]
    assert ran.lines[1].split()[:4] == ["Acme", "TOKEN", "overdue", "slack"]
    assert ran.lines[1].split()[-3:] == ["100", "d", "alice"]
    with opened() as repository:
        for name in ("Acme", "Globex"):
            view = repository.configs.get_key(
                ALICE, repository.organizations.find(ALICE, name), "TOKEN"
            )
            repository.configs.rotate(ALICE, view, EnteredSecret(planted()[0]))
    for option, words in (("--due", "Nothing is due."), ("--overdue", "Nothing is overdue.")):
        ran = filled(*EVERY, option)
        assert (ran.out, ran.err) == ("", f"{words}\n")
        assert filled(*EVERY, option, "--json").json == []


def test_what_needs_a_value(filled: Cli) -> None:
    assert found(filled, "--needs-value") == [("Globex", "EMPTY")]
    [line] = filled(*EVERY, "--needs-value", "--json").json
    assert (line["state"], line["fingerprint"], line["due_at"]) == ("needs_value", None, None)
    assert filled(*EVERY, "--needs-value").lines[1].split() == [
        *("Globex", "EMPTY", "needs", "value", "alice")
    ]


def test_groups_of_equal_secrets(filled: Cli) -> None:
    assert found(filled, "--reused") == [("Acme", "TOKEN"), ("Globex", "TOKEN")]
    lines = filled(*EVERY, "--reused", "--json").json
    assert lines[0]["equal_group"] is not None
    assert lines[0]["equal_group"] == lines[1]["equal_group"]
    ran = filled(*EVERY, "--reused")
    assert ran.lines[0].startswith("FINGERPRINT  ORGANIZATION  KEY")
    assert [line.split()[:3] for line in ran.lines[1:]] == [
        [lines[0]["fingerprint"], name, "TOKEN"] for name in ("Acme", "Globex")
    ]
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        repository.configs.delete(ALICE, repository.configs.get_key(ALICE, acme, "TOKEN"))
    assert filled(*EVERY, "--reused").err == "No two secrets have the same value.\n"


def test_how_one_key_stands(filled: Cli) -> None:
    def standing(key: str) -> list[tuple[Any, ...]]:
        lines = filled(*EVERY, "--key", key, "--json").json
        assert all(set(line) == FIELDS | {"standing", "shadows"} for line in lines)
        return [(line["organization"], line["standing"], line["scope"]) for line in lines]

    assert standing("TOKEN") == [
        ("Acme", "own", "organization"),
        ("Globex", "own", "organization"),
    ]
    assert standing("ROOT") == [
        (None, "own", "global"),
        ("Acme", "inherited", "global"),
        ("Globex", "inherited", "global"),
    ]
    assert standing("EMPTY") == [("Acme", "missing", None), ("Globex", "own", "organization")]
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, acme, plain("ROOT"))
    assert standing("ROOT")[1] == ("Acme", "shadows", "organization")
    ran = filled(*EVERY, "--key", "EMPTY")
    assert [line.split()[:2] for line in ran.lines] == [
        ["ORGANIZATION", "SCOPE"],
        ["Acme", "missing"],
        ["Globex", "own"],
    ]


def test_an_actor_is_told_of_what_is_theirs(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as repository:
        globex = repository.organizations.find(ALICE, "Globex")
        add_member(repository, "dave", Role.ADMIN, globex)
        add_member(repository, "erin", Role.MEMBER, globex)
    act_as(monkeypatch, "dave")
    assert found(filled, "--due", code=3) == [("Globex", "TOKEN")]
    assert found(filled, "--reused") == []
    assert found(filled, "--key", "TOKEN") == [("Globex", "TOKEN")]
    act_as(monkeypatch, "erin")
    assert found(filled, "--due") == []
    assert found(filled, "--key", "TOKEN") == [("Globex", "TOKEN")]
    act_as(monkeypatch, "mallory")
    assert found(filled, "--key", "TOKEN") == []
    assert filled(*EVERY, "--key", "TOKEN").err.startswith("There is no organization for you.")


@pytest.mark.parametrize(
    "args", [(), ("--due", "--overdue"), ("--reused", "--key", "K"), ("--due", "--key", "")]
)
def test_all_organizations_are_asked_just_one_thing(cli: Cli, args: tuple[str, ...]) -> None:
    assert (
        "--all-orgs takes just one of --due, --overdue, --needs-value, --reused and --key KEY."
        in cli(*EVERY, *args, code=2).err
    )


@pytest.mark.parametrize("args", [("--own",), ("--filter", "a"), ("--sort", "age")])
def test_what_is_for_one_organization_is_refused(cli: Cli, args: tuple[str, ...]) -> None:
    ran = cli(*EVERY, "--due", *args, code=2)
    assert "--own, --filter and --sort are for one organization." in ran.err


def test_one_target_is_given(cli: Cli) -> None:
    for args in ((), ("--all-orgs", "--global"), ("--org", "Acme", "--all-orgs")):
        ran = cli("configs", "list", "--due", *args, code=2)
        assert "Give one of --org NAME, --global and --all-orgs." in ran.err
    ran = cli("configs", "list", "--global", "--key", "K", code=2)
    assert "--key is for --all-orgs." in ran.err


# One organization


def test_one_organization_is_narrowed_by_state(filled: Cli) -> None:
    def keys(*args: str, code: int = 0) -> list[str]:
        return [each["key"] for each in filled("configs", "list", *args, "--json", code=code).json]

    assert keys("--org", "Acme", "--reused") == ["TOKEN"]
    assert keys("--org", "Acme", "--overdue", code=3) == ["TOKEN"]
    assert keys("--org", "Globex", "--needs-value") == ["EMPTY"]
    assert keys("--org", "Globex", "--reused", "--due", code=3) == ["TOKEN"]
    assert keys("--global", "--reused") == []
    for option, words in (
        ("--reused", "No two secrets have the same value."),
        ("--overdue", "Nothing is overdue."),
        ("--needs-value", "No secret needs a value."),
    ):
        assert filled("configs", "list", "--global", option).err == f"{words}\n"


def test_one_organization_is_sorted(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bifrost_tui.cli.configs._SORTED_PAGE", 2)
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        draft = ConfigDraft("ANY", ConfigType.STRING, value="x", integration="Asana")
        repository.configs.add(ALICE, acme, draft)
        repository.configs.add(ALICE, acme, secret("YOUNG", planted()[3], rotate_every_days=1))

    def keys(sort: str) -> list[str]:
        args = ("configs", "list", "--org", "Acme", "--sort", sort, "--json")
        return [each["key"] for each in filled(*args).json]

    assert keys("key") == ["ANY", "REGION", "ROOT", "SPARE", "TOKEN", "YOUNG"]
    assert keys("integration") == ["ANY", "TOKEN", "REGION", "ROOT", "SPARE", "YOUNG"]
    assert keys("due")[:3] == ["TOKEN", "YOUNG", "ROOT"]
    assert sorted(keys("due")) == keys("key")
    assert set(keys("age")[:3]) == {"ROOT", "SPARE", "TOKEN"}
    assert keys("age")[3:] == ["YOUNG", "REGION", "ANY"]
    assert "Invalid value" in filled("configs", "list", "--global", "--sort", "x", code=2).err
