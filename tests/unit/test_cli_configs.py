"""Configs listed and read through commands."""

from __future__ import annotations

import json
import re

import pytest

from bifrost_tui.cli import configs as configs_module
from bifrost_tui.display import MASK
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, by_hand, plain, planted, secret
from tests.unit.cli_support import Cli, act_as, days_ago, opened, the_database

pytestmark = pytest.mark.both_engines

FIELDS = {
    *("key", "type", "value", "mask", "state", "scope", "organization", "shadows", "integration"),
    *("fingerprint", "description", "updated_at", "updated_by", "version"),
}
VALUE = planted()[0]


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """Acme with one of everything; its secrets may turn up nowhere."""
    cli.secrets += planted()
    with opened(days_ago(100)) as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        add = repository.configs.add
        add(ALICE, GLOBAL_SCOPE, plain("REGION", "eu-1"))
        add(ALICE, GLOBAL_SCOPE, plain("TIMEOUT", "5"))
        add(ALICE, scope, ConfigDraft("TIMEOUT", ConfigType.INT, value="30"))
        add(ALICE, scope, ConfigDraft("DEBUG", ConfigType.BOOL, value="yes"))
        add(ALICE, scope, ConfigDraft("ROUTES", ConfigType.JSON, value='{"a": [1, 2.5, null]}'))
        add(ALICE, scope, secret("LATE", planted()[0], rotate_every_days=30))
        add(ALICE, scope, secret("PEM", planted()[1], integration="http_request"))
        add(ALICE, scope, secret("EMPTY", rotate_every_days=30))
    return cli


def test_json_has_every_field_and_real_types(filled: Cli) -> None:
    found = filled.configs("--org", "acme")
    assert list(found) == ["DEBUG", "EMPTY", "LATE", "PEM", "REGION", "ROUTES", "TIMEOUT"]
    assert all(set(view) >= FIELDS for view in found.values())
    assert {key: view["value"] for key, view in found.items()} == {
        "DEBUG": True,
        "EMPTY": None,
        "LATE": None,
        "PEM": None,
        "REGION": "eu-1",
        "ROUTES": {"a": [1, 2.5, None]},
        "TIMEOUT": 30,
    }
    assert {key: view["mask"] for key, view in found.items() if view["mask"]} == {
        "LATE": MASK,
        "PEM": MASK,
    }
    assert {key: view["state"] for key, view in found.items() if view["type"] == "secret"} == {
        "EMPTY": "needs_value",
        "LATE": "overdue",
        "PEM": "ok",
    }
    region, timeout, pem = found["REGION"], found["TIMEOUT"], found["PEM"]
    assert (region["scope"], region["organization"], region["shadows"]) == ("global", None, False)
    assert (timeout["scope"], timeout["organization"]) == ("organization", "Acme")
    assert timeout["shadows"] is True
    assert (pem["integration"], len(pem["fingerprint"])) == ("http_request", 8)
    assert pem["updated_at"].endswith("Z")
    assert (pem["updated_by"], pem["version"]) == ("alice", 1)


def test_own_global_and_filtered(filled: Cli) -> None:
    assert "REGION" not in filled.configs("--org", "Acme", "--own")
    assert list(filled.configs("--global")) == ["REGION", "TIMEOUT"]
    assert filled.configs("--global")["TIMEOUT"]["value"] == "5"
    assert list(filled.configs("--org", "Acme", "--filter", "type:secret is:needs_value")) == [
        "EMPTY"
    ]
    assert list(filled.configs("--org", "Acme", "--filter", "tim")) == ["TIMEOUT"]
    ran = filled("configs", "list", "--global", "--filter", "nothing_like_this")
    assert (ran.data, ran.err) == (b"", "There is no config here that fits.\n")


def test_due_ends_with_3_when_any_is(filled: Cli) -> None:
    ran = filled("configs", "list", "--org", "Acme", "--due", "--json", code=3)
    assert [view["key"] for view in ran.json] == ["LATE"]
    assert "LATE" in filled("configs", "list", "--org", "Acme", "--due", code=3).out
    ran = filled("configs", "list", "--global", "--due", "--json")
    assert ran.json == []
    both = ("--due", "--filter", "pem")
    assert filled("configs", "list", "--org", "Acme", *both).err == "Nothing is due.\n"


def test_the_table_is_aligned_and_masks(filled: Cli) -> None:
    lines = filled("configs", "list", "--org", "Acme").lines
    header, rows = lines[0], lines[1:]
    assert header.split() == ["KEY", "TYPE", "SCOPE", "STATE", "INTEGRATION", "AGE", "VALUE"]
    column = header.index("VALUE")
    values = {row.split()[0]: row[column:] for row in rows}
    assert values == {
        "DEBUG": "true",
        "EMPTY": "",
        "LATE": MASK,
        "PEM": MASK,
        "REGION": "eu-1",
        "ROUTES": '{"a":[1,2.5,null]}',
        "TIMEOUT": "30",
    }
    words = {row.split()[0]: row.split()[2:4] for row in rows}
    assert words["REGION"][0] == "inherited"
    assert words["TIMEOUT"][0] == "shadows"
    assert words["LATE"] == ["own", "overdue"]


def test_text_of_the_database_is_never_obeyed(cli: Cli) -> None:
    text = "a\x1b[2Jb\u202ec\x07\n[/red]"
    with opened() as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("EVIL", text))
    by_hand(the_database(), "UPDATE config SET integration = ?, description = ?", text, text)
    for ran in (
        cli("configs", "list", "--global"),
        cli("configs", "list", "--global", "--json"),
        cli("configs", "get", "EVIL", "--global", "--json"),
    ):
        assert not set(ran.out) & set("\x1b\u202e\x07")
        assert "[/red]" in ran.out
    assert cli.configs("--global")["EVIL"]["value"] == text
    assert "a\\x1b[2Jb\\u202ec\\x07\\n[/red]" in cli("configs", "list", "--global").out


def test_values_are_whole_in_a_pipe_and_short_on_a_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("LONG", "ab " * 2000 + "end"))
    assert cli("configs", "list", "--global").lines[1].endswith("ab end")
    assert len(cli.configs("--global")["LONG"]["value"]) == 6003
    for module in ("configs", "output"):
        monkeypatch.setattr(f"bifrost_tui.cli.{module}.to_terminal", lambda: True)
    for width in (200, 80, 40, 20):
        monkeypatch.setenv("COLUMNS", str(width))
        header, line = cli("configs", "list", "--global").lines
        assert len(header) <= width
        assert len(line) <= width
        assert line.endswith("…")


def test_pages_make_one_list(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as repository:
        for number in range(11):
            repository.configs.add(ALICE, GLOBAL_SCOPE, plain(f"K{number:02}", str(number)))
    everything = [f"K{number:02}" for number in range(11)]
    for size in (1, 2, 5, 10, 11, 12):
        monkeypatch.setattr(configs_module, "_PAGE", size)
        assert list(cli.configs("--global")) == everything


def test_a_list_goes_on_when_its_last_line_is_deleted_meanwhile(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bifrost_tui.cli.session import Session
    from bifrost_tui.store.requests import ConfigList

    monkeypatch.setattr(configs_module, "_PAGE", 2)
    with opened() as repository:
        for key in "ABCDE":
            repository.configs.add(ALICE, GLOBAL_SCOPE, plain(key))
        session = Session(None, ALICE, repository)  # type: ignore[arg-type]
        views = configs_module._views(session, ConfigList(GLOBAL_SCOPE), whole=False)
        seen = [next(views).key, next(views).key]
        gone = repository.configs.get_key(ALICE, GLOBAL_SCOPE, "B")
        repository.configs.delete(ALICE, gone)
        assert seen + [view.key for view in views] == ["A", "B", "C", "D", "E"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("eu-1", b"eu-1"),
        ("", b""),
        ("two\nlines\n", b"two\nlines\n"),
        ("ümlaut \x1b[2J", "ümlaut \x1b[2J".encode()),
    ],
)
def test_get_writes_a_string_exactly(cli: Cli, value: str, written: bytes) -> None:
    with opened() as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("TEXT", value))
    assert cli("configs", "get", "TEXT", "--global").data == written
    assert cli("configs", "get", "TEXT", "--global", "--json").json["value"] == value


def test_get_of_other_types_and_of_what_is_inherited(filled: Cli) -> None:
    at = ("--org", "Acme")
    assert filled("configs", "get", "TIMEOUT", *at).data == b"30"
    assert filled("configs", "get", "TIMEOUT", "--global").data == b"5"
    assert filled("configs", "get", "DEBUG", *at).data == b"true"
    assert json.loads(filled("configs", "get", "ROUTES", *at).data) == {"a": [1, 2.5, None]}
    assert filled("configs", "get", "REGION", *at).data == b"eu-1"
    assert filled("configs", "get", "REGION", *at, "--json").json["scope"] == "global"
    ran = filled("configs", "get", "REGION", *at, "--own", code=1)
    assert ran.err.startswith("bifrost-tui: REGION in Acme does not exist")


def test_get_on_a_terminal_is_harmless(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("TEXT", "a\x1b[2J\nb"))
    monkeypatch.setattr("bifrost_tui.cli.configs.to_terminal", lambda: True)
    assert cli("configs", "get", "TEXT", "--global").data == b"a\\x1b[2J\nb\n"


def test_get_of_a_secret_gives_its_mask_and_facts(filled: Cli) -> None:
    ran = filled("configs", "get", "LATE", "--org", "Acme")
    facts = dict(re.split("  +", line, maxsplit=1) for line in ran.lines)
    assert facts["value"] == MASK
    assert facts["state"] == "overdue"
    assert facts["scope"] == "Acme"
    assert len(facts["fingerprint"]) == 8
    assert facts["rotate every"] == "30 days"
    view = filled("configs", "get", "LATE", "--org", "Acme", "--json").json
    assert set(view) >= FIELDS
    assert (view["value"], view["mask"], view["type"]) == (None, MASK, "secret")
    empty = filled("configs", "get", "EMPTY", "--org", "Acme")
    assert MASK not in empty.out
    assert "needs value" in empty.out


def test_a_secret_that_does_not_open_keeps_no_other_line_away(filled: Cli) -> None:
    by_hand(the_database(), "UPDATE config SET secret = 'nonsense' WHERE key = 'PEM'")
    found = filled.configs("--org", "Acme")
    assert found["PEM"]["state"] == "unreadable"
    assert len(found) == 7
    assert "unreadable" in filled("configs", "list", "--org", "Acme").out
    assert "unreadable" in filled("configs", "get", "PEM", "--org", "Acme").out


@pytest.mark.parametrize(
    "args",
    [
        ("configs", "list"),
        ("configs", "list", "--global", "--org", "Acme"),
        ("configs", "list", "--global", "--filter", "colour:red"),
        ("configs", "list", "--global", "--filter", "type:secret is:nothing"),
        ("configs", "list", "--global", "--no-such-option"),
        ("configs", "get", "--global"),
        ("configs",),
        ("configs", "frobnicate"),
    ],
)
def test_wrong_usage_ends_with_2(cli: Cli, args: tuple[str, ...]) -> None:
    ran = cli(*args, code=2)
    assert ran.out == ""
    assert ran.err


def test_errors_end_with_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no organization 'Nope'" in cli("configs", "list", "--org", "Nope", code=1).err
    ran = cli("configs", "get", "NOPE", "--global", code=1)
    assert ran.err == "bifrost-tui: NOPE in Global does not exist (any more).\n"
    act_as(monkeypatch, "mallory")
    assert "may not see" in cli("configs", "list", "--global", code=1).err
    monkeypatch.setenv("BIFROST_SECRET_KEY", "x" * 40)
    assert "does not fit" in cli("configs", "list", "--global", code=1).err
    monkeypatch.setenv("BIFROST_SECRET_KEY", "short")
    assert "too few" in cli("configs", "list", "--global", code=1).err
    monkeypatch.setenv("BIFROST_DATABASE_URL", "mysql://user:hunter2@host/db")
    ran = cli("configs", "list", "--global", code=1)
    assert "not supported" in ran.err
    assert "hunter2" not in ran.err
