"""Organizations through commands."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_tui.store import opening
from bifrost_tui.store.access import Role
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from tests.support import ALICE, BOB, add_member, by_hand, events, secret
from tests.unit.cli_support import Cli, act_as, days_ago, opened, the_database

pytestmark = pytest.mark.both_engines

FIELDS = {
    *("name", "scope", "configs", "secrets", "attention", "overdue", "due", "needs_value"),
    *("unreadable", "dangling", "archived", "updated_at", "updated_by", "version"),
}


def names(cli: Cli, *args: str) -> list[str]:
    return [view["name"] for view in cli("orgs", "list", "--json", *args).json]


def test_add_and_list(cli: Cli) -> None:
    assert cli("orgs", "list", "--json").json == []
    ran = cli("orgs", "add", "Globex")
    assert (ran.out, ran.err) == ("", "Added Globex.\n")
    cli("orgs", "add", "acme")
    assert names(cli) == ["acme", "Globex"]
    assert names(cli, "--with-global") == ["Global", "acme", "Globex"]
    first, *_ = cli("orgs", "list", "--json").json
    assert set(first) == FIELDS
    assert (first["scope"], first["configs"], first["attention"]) == ("organization", 0, 0)
    assert first["updated_at"].endswith("Z")
    assert first["updated_by"] == "alice"
    assert events(the_database())[-1] == ("organization.add", "acme", None, "done")


def test_list_tells_what_wants_attention(cli: Cli) -> None:
    with opened(days_ago(100)) as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("LATE", "x" * 20, rotate_every_days=30))
        repository.configs.add(ALICE, scope, secret("TODAY", "y" * 20, rotate_every_days=100))
        repository.configs.add(ALICE, scope, secret("EMPTY"))
    [view] = cli("orgs", "list", "--json").json
    assert {name: view[name] for name in ("configs", "secrets", "attention")} == {
        "configs": 3,
        "secrets": 3,
        "attention": 3,
    }
    assert (view["overdue"], view["due"], view["needs_value"], view["unreadable"]) == (1, 1, 1, 0)
    header, line = cli("orgs", "list").lines
    assert header.split() == ["NAME", "CONFIGS", "SECRETS", "CHANGED", "BY", "ATTENTION"]
    assert line.split(maxsplit=6)[:3] == ["Acme", "3", "3"]
    assert line.endswith("1 overdue, 1 due, 1 needs value")


def test_an_empty_list_is_words_on_standard_error(cli: Cli) -> None:
    ran = cli("orgs", "list")
    assert ran.data == b""
    assert "orgs add NAME" in ran.err


def test_rename_archive_restore(cli: Cli) -> None:
    cli("orgs", "add", "Acme")
    assert cli("orgs", "rename", "ACME", "Acme Inc").err == "Renamed Acme to Acme Inc.\n"
    cli("orgs", "archive", "acme inc")
    assert names(cli) == []
    assert names(cli, "--archived") == ["Acme Inc"]
    assert "archived already" in cli("orgs", "archive", "Acme Inc").err
    assert (
        "is archived"
        in cli(
            "configs", "set", "A", "--type", "int", "--value", "1", "--org", "Acme Inc", code=1
        ).err
    )
    cli("orgs", "restore", "Acme Inc")
    assert names(cli) == ["Acme Inc"]
    assert "not archived" in cli("orgs", "restore", "Acme Inc").err
    told = [event[0] for event in events(the_database())]
    assert told.count("organization.archive") == told.count("organization.restore") == 1


def test_a_name_that_is_taken_or_unfit_is_refused(cli: Cli) -> None:
    cli("orgs", "add", "Acme")
    assert cli("orgs", "add", "ACME", code=1).err.startswith("bifrost-tui: There is an organ")
    assert "empty" in cli("orgs", "add", " ", code=1).err
    assert "word of this program" in cli("orgs", "add", "global", code=1).err
    ran = cli("orgs", "add", "a\x1b]0;title\x07", code=1)
    assert "\x1b" not in ran.err
    assert "\\x1b" in ran.err
    assert names(cli) == ["Acme"]


def test_an_unknown_organization_is_an_error_in_one_line(cli: Cli) -> None:
    ran = cli("orgs", "rename", "Nope", "Other", code=1)
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("bifrost-tui: There is no organization 'Nope' for you.")


def test_a_stranger_sees_and_changes_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("orgs", "add", "Acme")
    cli("orgs", "add", "Globex")
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Globex")
        add_member(repository, BOB.actor, Role.MEMBER, scope)
    act_as(monkeypatch, "mallory")
    assert names(cli, "--with-global") == []
    known, unknown = (cli("orgs", "archive", name, code=1).err for name in ("Acme", "Nope"))
    assert known.replace("Acme", "Nope") == unknown
    act_as(monkeypatch, "bob")
    assert names(cli, "--with-global") == ["Globex"]
    assert "may not" in cli("orgs", "rename", "Globex", "Mine", code=1).err
    assert "may not" in cli("orgs", "add", "Mine", code=1).err


def test_the_log_says_who_and_from_where(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 50000 10.0.0.1 22")
    cli("orgs", "add", "Acme")
    query = "SELECT actor, source FROM audit_event ORDER BY sequence DESC LIMIT 1"
    assert by_hand(the_database(), query) == [("alice", "203.0.113.7")]


def test_what_opening_did_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrated(*args: Any, **options: Any) -> Repository:
        repository = open_repository(*args, **options)
        repository.notices = ("The database was brought from schema 0 to 1.", "A copy is kept.")
        return repository

    monkeypatch.setattr(opening, "open_repository", migrated)
    ran = cli("orgs", "list", "--json")
    assert ran.json == []
    assert ran.err == "The database was brought from schema 0 to 1.\nA copy is kept.\n"
