"""Configs changed through commands: set, rotate, rename, delete."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_tui.display import MASK
from bifrost_tui.store.access import Role
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, BOB, add_member, events, plain, planted
from tests.support import opened as decrypted
from tests.unit.cli_support import Cli, act_as, opened, the_database

pytestmark = pytest.mark.both_engines

AT = ("--org", "Acme")


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """An empty Acme."""
    cli("orgs", "add", "Acme")
    return cli


def held(key: str) -> bytes | None:
    """Decrypt a secret of Acme as only the runtime may."""
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        return decrypted(repository, repository.configs.get_key(ALICE, scope, key))


def value(cli: Cli, key: str) -> Any:
    return cli("configs", "get", key, *AT, "--json").json["value"]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("string", "eu-1", "eu-1"),
        ("string", "", ""),
        ("string", "-5", "-5"),
        ("int", "-7", -7),
        ("int", "9" * 30, int("9" * 30)),
        ("bool", "off", False),
        ("json", '{"a": [1, "ü"]}', {"a": [1, "ü"]}),
    ],
)
def test_set_takes_a_plain_value(acme: Cli, kind: str, given: str, kept: Any) -> None:
    ran = acme("configs", "set", "A", *AT, "--type", kind, f"--value={given}")
    assert (ran.out, ran.err) == ("", f"Added A ({kind}) in Acme.\n")
    found = value(acme, "A")
    assert (found, type(found)) == (kept, type(kept))


def test_set_reads_a_plain_value_from_a_pipe_as_it_is(acme: Cli) -> None:
    acme("configs", "set", "A", *AT, "--type", "string", stdin="two\nlines\n")
    assert value(acme, "A") == "two\nlines\n"
    acme("configs", "set", "B", *AT, "--type", "json", stdin='{"a":\n 1}\n')
    assert value(acme, "B") == {"a": 1}


def test_an_empty_pipe_empties_nothing(acme: Cli) -> None:
    acme("configs", "set", "A", *AT, "--type", "string", "--value", "kept")
    assert "was empty" in acme("configs", "set", "A", *AT, code=1).err
    assert "was empty" in acme("configs", "set", "A", *AT, "--description", "d", code=1).err
    assert value(acme, "A") == "kept"
    acme("configs", "set", "A", *AT, "--value", "")
    assert value(acme, "A") == ""


@pytest.mark.parametrize(
    ("kind", "given"), [("int", "5.0"), ("bool", "maybe"), ("json", "{"), ("json", '{"a":NaN}')]
)
def test_a_value_that_is_none_of_its_type_is_refused(acme: Cli, kind: str, given: str) -> None:
    ran = acme("configs", "set", "A", *AT, "--type", kind, "--value", given, code=1)
    assert ran.err.startswith("bifrost-tui: ")
    assert ran.err.count("\n") == 1
    assert acme.configs(*AT) == {}


def test_text_that_is_not_utf8_is_refused(acme: Cli) -> None:
    for kind in ("string", "secret"):
        ran = acme("configs", "set", "A", *AT, "--type", kind, stdin=b"zQ7-\xff\xfe-nobody", code=1)
        assert "not UTF-8" in ran.err
        assert "zQ7" not in ran.err
    assert acme.configs(*AT) == {}


@pytest.mark.parametrize("number", range(len(planted())))
def test_a_secret_comes_through_a_pipe_byte_for_byte(acme: Cli, number: int) -> None:
    secret = planted()[number]
    acme.secrets.append(secret)
    ran = acme("configs", "set", "KEY", *AT, "--type", "secret", stdin=secret)
    assert "Added KEY (secret) in Acme." in ran.err
    assert held("KEY") == secret.encode()
    new = f" {secret}new\n"
    acme.secrets.append(new)
    ran = acme("configs", "rotate", "KEY", *AT, stdin=new)
    assert "starts with a blank and ends with a newline; it is kept as it is" in ran.err
    assert held("KEY") == new.encode()
    view = acme("configs", "get", "KEY", *AT, "--json").json
    assert (view["mask"], view["value"], view["version"]) == (MASK, None, 2)
    assert f"fingerprint {view['fingerprint']}" in ran.err


def test_a_secret_is_never_an_argument(acme: Cli) -> None:
    acme("configs", "set", "KEY", *AT, "--type", "secret", stdin="the-first-value-123")
    acme.secrets += planted()
    for secret in planted():
        # An option's value, of a new and of an existing config, and arguments too many.
        for args in (
            ("set", "NEW", *AT, "--type", "secret", "--value", secret),
            ("set", "KEY", *AT, "--value", secret),
            ("set", "KEY", *AT, secret),
            ("rotate", "KEY", *AT, "--value", secret),
            ("rotate", "KEY", secret, *AT),
            ("rotate", "KEY", *AT, f"--{secret}=x"),
            ("rotate", "KEY", *AT, f"-{secret}"),
        ):
            ran = acme("configs", *args, stdin="another-value", code=2)
            assert ran.err.startswith("bifrost-tui: ")
    assert "never an argument" in acme("configs", "rotate", "KEY", *AT, "--value", "x", code=2).err
    assert list(acme.configs(*AT)) == ["KEY"]
    assert held("KEY") == b"the-first-value-123"


def test_an_empty_or_oversized_secret_is_refused(acme: Cli) -> None:
    assert (
        "Nothing was entered" in acme("configs", "set", "KEY", *AT, "--type", "secret", code=1).err
    )
    acme("configs", "set", "KEY", *AT, "--type", "secret", stdin="the-first-value-123")
    assert "Nothing was entered" in acme("configs", "rotate", "KEY", *AT, code=1).err
    assert (
        "over 1 MiB"
        in acme("configs", "rotate", "KEY", *AT, stdin=b"x" * (1024 * 1024 + 1), code=1).err
    )
    assert held("KEY") == b"the-first-value-123"
    acme("configs", "rotate", "KEY", *AT, stdin=b"x" * 1024 * 1024)
    assert held("KEY") == b"x" * 1024 * 1024


def test_set_keeps_what_is_not_given(acme: Cli) -> None:
    acme.secrets.append(planted()[0])
    facts = ("--description", "for charges", "--integration", "stripe", "--rotate-every", "90")
    acme("configs", "set", "KEY", *AT, "--type", "secret", *facts, stdin=planted()[0])
    ran = acme("configs", "set", "KEY", *AT, "--no-value", "--description", "for refunds")
    assert ran.err == "Changed KEY (secret) in Acme.\n"
    view = acme.configs(*AT)["KEY"]
    assert (view["description"], view["integration"]) == ("for refunds", "stripe")
    assert (view["rotate_every_days"], view["version"]) == (90, 2)
    assert held("KEY") == planted()[0].encode()
    acme("configs", "set", "KEY", *AT, "--no-value", "--integration", "", "--rotate-every", "0")
    view = acme.configs(*AT)["KEY"]
    assert (view["integration"], view["rotate_every_days"], view["due_at"]) == (None, None, None)
    assert view["description"] == "for refunds"


def test_set_keeps_a_plain_value(acme: Cli) -> None:
    acme("configs", "set", "R", *AT, "--type", "json", "--value", '{"a":"\\u00fc"}')
    acme("configs", "set", "R", *AT, "--no-value", "--description", "routes")
    view = acme.configs(*AT)["R"]
    assert (view["value"], view["description"]) == ({"a": "ü"}, "routes")


def test_a_new_secret_without_a_value_needs_one(acme: Cli) -> None:
    ran = acme("configs", "set", "KEY", *AT, "--type", "secret", "--no-value")
    assert "it needs a value" in ran.err
    assert acme.configs(*AT)["KEY"]["state"] == "needs_value"
    acme.secrets.append(planted()[0])
    acme("configs", "rotate", "KEY", *AT, stdin=planted()[0])
    assert acme.configs(*AT)["KEY"]["state"] == "ok"


def test_another_type_takes_a_new_value(acme: Cli) -> None:
    acme("configs", "set", "A", *AT, "--type", "string", "--value", "5")
    for kind in ("int", "secret"):
        ran = acme("configs", "set", "A", *AT, "--type", kind, "--no-value", code=2)
        assert f"is to be {kind}: that takes a new value" in ran.err
    assert value(acme, "A") == "5"
    acme.secrets.append(planted()[0])
    acme("configs", "set", "A", *AT, "--type", "secret", stdin=planted()[0])
    assert acme.configs(*AT)["A"]["type"] == "secret"
    acme("configs", "set", "A", *AT, "--type", "int", "--no-value", code=2)
    assert held("A") == planted()[0].encode()
    acme("configs", "set", "A", *AT, "--type", "int", "--value", "6")
    assert value(acme, "A") == 6


@pytest.mark.parametrize(
    "args",
    [
        ("A", *AT, "--value", "1"),
        ("A", *AT, "--type", "int", "--no-value"),
        ("A", *AT, "--type", "int", "--value", "1", "--no-value"),
        ("A", *AT, "--type", "int", "--value", "1", "--rotate-every", "5"),
        ("A", *AT, "--type", "number", "--value", "1"),
        ("A", *AT, "--type", "secret", "--rotate-every", "-1"),
        ("A", "--type", "int", "--value", "1"),
    ],
)
def test_wrong_usage_of_set_saves_nothing(acme: Cli, args: tuple[str, ...]) -> None:
    acme("configs", "set", *args, code=2)
    assert acme.configs(*AT) == {}


def test_a_key_that_breaks_the_rule_is_refused(acme: Cli) -> None:
    ran = acme("configs", "set", "a b", *AT, "--type", "int", "--value", "1", code=1)
    assert "The key holds a blank." in ran.err


def test_the_same_value_is_told_and_kept(acme: Cli) -> None:
    acme.secrets.append(planted()[0])
    acme("configs", "set", "KEY", *AT, "--type", "secret", stdin=planted()[0])
    ran = acme("configs", "set", "OTHER", "--global", "--type", "secret", stdin=planted()[0])
    assert "the same value is in use as KEY in Acme" in ran.err
    ran = acme("configs", "rotate", "KEY", *AT, stdin=planted()[0])
    assert "the same value as before" in ran.err
    assert "Rotated KEY in Acme." in ran.err


def test_only_a_secret_is_rotated(acme: Cli) -> None:
    acme("configs", "set", "A", *AT, "--type", "int", "--value", "1")
    assert "is no secret" in acme("configs", "rotate", "A", *AT, stdin="x", code=1).err
    assert "does not exist" in acme("configs", "rotate", "NOPE", *AT, stdin="x", code=1).err


def test_changes_never_reach_what_is_inherited(acme: Cli) -> None:
    acme("configs", "set", "KEY", "--global", "--type", "secret", stdin="the-global-value-1")
    for args in (("rotate", "KEY"), ("rename", "KEY", "NEW"), ("delete", "KEY", "--yes")):
        ran = acme("configs", *args, *AT, stdin="another-value", code=1)
        assert "it inherits the global one" in ran.err
    # Setting it makes the organization's own, which shadows.
    acme("configs", "set", "KEY", *AT, "--type", "int", "--value", "1")
    assert acme.configs(*AT)["KEY"]["shadows"] is True
    assert acme.configs("--global")["KEY"]["version"] == 1


def test_rename_keeps_value_and_facts(acme: Cli) -> None:
    acme.secrets.append(planted()[0])
    acme("configs", "set", "KEY", *AT, "--type", "secret", "--description", "d", stdin=planted()[0])
    acme("configs", "set", "TEXT", *AT, "--type", "string", "--value", "a\nb")
    assert acme("configs", "rename", "KEY", "KEY2", *AT).err == "Renamed KEY to KEY2 in Acme.\n"
    acme("configs", "rename", "TEXT", "TEXT2", *AT)
    found = acme.configs(*AT)
    assert set(found) == {"KEY2", "TEXT2"}
    assert found["KEY2"]["description"] == "d"
    assert found["TEXT2"]["value"] == "a\nb"
    assert held("KEY2") == planted()[0].encode()
    assert "exists in Acme already" in acme("configs", "rename", "KEY2", "TEXT2", *AT, code=1).err
    assert "The key holds" in acme("configs", "rename", "KEY2", "a-b", *AT, code=1).err


def test_delete_takes_yes(acme: Cli) -> None:
    acme("configs", "set", "KEY", *AT, "--type", "secret", "--no-value")
    acme("configs", "set", "KEY", "--global", "--type", "int", "--value", "1")
    ran = acme("configs", "delete", "KEY", *AT, stdin="KEY\n", code=2)
    assert "deletes KEY (secret) in Acme for good. Acme then inherits the global KEY" in ran.err
    assert acme.configs(*AT)["KEY"]["type"] == "secret"
    ran = acme("configs", "delete", "KEY", "--global", code=2)
    assert "in Global for good" in ran.err
    assert acme("configs", "delete", "KEY", *AT, "--yes").err == "Deleted KEY in Acme.\n"
    assert acme.configs(*AT)["KEY"]["scope"] == "global"
    ran = acme("configs", "delete", "KEY", "--global", code=2)
    assert "1 organization will miss it" in ran.err
    acme("configs", "delete", "KEY", "--global", "--yes")
    assert acme.configs("--global") == {}
    assert "does not exist" in acme("configs", "delete", "KEY", *AT, "--yes", code=1).err


def test_a_change_in_between_is_a_conflict(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from bifrost_tui.cli import rotating

    acme("configs", "set", "KEY", *AT, "--type", "secret", stdin="the-first-value-123")
    acme.secrets.append(planted()[0])

    def entered(question: str) -> Any:
        with opened() as repository:
            scope = repository.organizations.find(ALICE, "Acme")
            view = repository.configs.get_key(ALICE, scope, "KEY")
            repository.configs.edit(ALICE, view, plain("KEY", "theirs"))
        return EnteredSecret(planted()[0])

    from bifrost_tui.store.entered import EnteredSecret

    monkeypatch.setattr(rotating, "entered_secret", entered)
    ran = acme("configs", "rotate", "KEY", *AT, code=1)
    assert "was changed by alice" in ran.err
    assert value(acme, "KEY") == "theirs"


def test_roles_are_the_stores(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    acme("configs", "set", "HERS", *AT, "--type", "int", "--value", "1")
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        add_member(repository, BOB.actor, Role.MEMBER, scope)
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("SHARED"))
    act_as(monkeypatch, "bob")
    acme("configs", "set", "MINE", *AT, "--type", "int", "--value", "1")
    assert "may change only what bob" in acme("configs", "delete", "HERS", *AT, "--yes", code=1).err
    assert (
        "may not"
        in acme("configs", "set", "A", "--global", "--type", "int", "--value", "1", code=1).err
    )
    assert [(event[0], event[3]) for event in events(the_database())][-2:] == [
        ("config.delete", "refused"),
        ("config.list", "refused"),
    ]
