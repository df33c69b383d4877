"""A Bifrost platform's JSON export: read in every form, refused with every reason, written back."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_tui.errors import TransferError
from bifrost_tui.store.entered import entered_bytes
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.transfer.platform import is_platform_export, read_platform
from bifrost_tui.transfer.platform_key import (
    KEY_VARIABLE,
    PlatformKey,
    StoredSecretError,
    key_from_file,
    looks_stored,
    source_key,
)
from tests.support import (
    assert_silent,
    planted,
)

SECRET_KEY = "dev-secret-key-change-in-production-must-be-32-chars"
STORED = (
    "Z0FBQUFBQmxVX0VBQUFFQ0F3UUZCZ2NJQ1FvTERBME9ENkhTTjY2dDAyMFpqM3A5amlTaE5iLW04a00xdTZ5NkNPQlll"
    "YTRfUXNMX2UzRHNONUdvQTBIajlZZU9UYVJRa2c9PQ=="
)
KEY = PlatformKey(SECRET_KEY)
OTHER = PlatformKey("another-platform-has-another-secret-key")
ACME = {"organization_id": "6a5f0d0e-1111-4222-8333-444455556666", "organization_name": "Acme"}


def export(*items: dict[str, Any], **head: Any) -> bytes:
    """Return a platform's export of these items."""
    whole = {
        "bifrost_export_version": "1.0",
        "entity_type": "configs",
        "contains_encrypted_values": True,
        "items": list(items),
    }
    return json.dumps(whole | head).encode()


def item(key: str, value: Any, kind: str = "string", **more: Any) -> dict[str, Any]:
    """Return an item as the platform writes it."""
    fields = {"key": key, "value": value, "config_type": kind, "description": None}
    nothing = dict.fromkeys(("organization_id", "organization_name", "integration_name"))
    return fields | nothing | more


def read(*items: dict[str, Any], **options: Any) -> dict[str, IncomingConfig]:
    """Read items; return what becomes of each by its key, or scope and key outside global."""
    scopes = read_platform(export(*items), options.pop("key", KEY), **options)
    return {
        each.draft.key
        if scope.organization is None
        else f"{scope.organization}/{each.draft.key}": each
        for scope in scopes
        for each in scope.configs
    }


def value_of(config: IncomingConfig) -> str | None:
    """Return the secret that a config brings along."""
    return None if config.draft.secret is None else entered_bytes(config.draft.secret).decode()


# The key


def test_the_vector_opens_and_only_under_its_key() -> None:
    found = KEY.opened(STORED)
    assert found is not None
    assert entered_bytes(found) == b"sk_live_xxxxx"
    with pytest.raises(StoredSecretError) as caught:
        OTHER.opened(STORED)
    assert_silent(caught.value, [SECRET_KEY, "sk_live_xxxxx"])
    assert "sk_live" not in repr(found)
    assert SECRET_KEY not in repr(KEY)


@given(st.text(min_size=1, max_size=300))
def test_what_is_sealed_for_a_platform_opens_there(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    stored = KEY.sealed(data)
    assert looks_stored(stored)
    found = KEY.opened(stored)
    assert found is not None
    assert entered_bytes(found) == data


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "once", "empty", "not-ascii"])
def test_a_damaged_secret_does_not_open(damage: str) -> None:
    stored = {
        "cut": STORED[:-8],
        "flipped": STORED[:60] + ("A" if STORED[60] != "A" else "B") + STORED[61:],
        "text": "Z0FBQUFB",
        "once": "gAAAAABl",
        "empty": "Z",
        "not-ascii": "Z0FBQUFBé",
    }[damage]
    with pytest.raises(StoredSecretError) as caught:
        KEY.opened(stored)
    assert_silent(caught.value, ["sk_live_xxxxx"])


def test_the_key_comes_from_a_variable_or_from_a_file(tmp_path: Path) -> None:
    assert source_key(None, {}) is None
    from_variable = source_key(None, {KEY_VARIABLE: SECRET_KEY})
    file = tmp_path / "platform.key"
    file.write_text(SECRET_KEY + "\n")
    file.chmod(0o600)
    from_file = source_key(file, {KEY_VARIABLE: "the file goes first"})
    for found in (from_variable, from_file):
        assert found is not None
        assert found.opened(STORED) is not None


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (SECRET_KEY, 0o644, "is open to others"),
        (SECRET_KEY, 0o620, "is open to others"),
        ("", 0o600, "it is empty"),
        (" \n\n", 0o600, "it is empty"),
        (SECRET_KEY + "\n" + SECRET_KEY, 0o600, "more than one line"),
        ("short", 0o600, "has 5 characters"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: str, mode: int, said: str
) -> None:
    file = tmp_path / "platform.key"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(TransferError, match=said) as caught:
        key_from_file(file, shortest=32)
    assert_silent(caught.value, [SECRET_KEY])


def test_a_key_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="does not exist"):
        key_from_file(tmp_path / "none")
    with pytest.raises(TransferError, match="it is empty"):
        source_key(None, {KEY_VARIABLE: " "})


# Every form


@pytest.mark.parametrize(
    ("kind", "given_as", "text"),
    [
        ("string", "a b", "a b"),
        ("string", "", ""),
        ("string", "5", "5"),
        ("STRING", "upper", "upper"),
        ("int", "5", "5"),
        ("int", " -7 ", "-7"),
        ("int", 5, "5"),
        ("int", 12345678901234567890, "12345678901234567890"),
        ("bool", "true", "true"),
        ("bool", "False", "false"),
        ("bool", True, "true"),
        ("bool", False, "false"),
        ("json", {"a": [1, 2.5, None]}, '{"a": [1, 2.5, null]}'),
        ("json", '{"a": 1}', '{"a": 1}'),
        ("json", "[1, 2]", "[1, 2]"),
        ("json", '"text"', '"text"'),
        ("json", [], "[]"),
        ("json", None, "null"),
        ("json", 5, "5"),
        ("json", True, "true"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_typed_values_come_natively_as_strings_and_wrapped(
    kind: str, given_as: Any, text: str, wrapped: bool
) -> None:
    given_value = {"value": given_as} if wrapped else given_as
    [config] = read(item("k", given_value, kind)).values()
    assert config.problem == ""
    assert config.draft.type == kind.lower()
    assert config.draft.value == text
    assert config.draft.secret is None


def test_json_that_looks_wrapped_is_told_by_the_others() -> None:
    bare = read(item("a", "text"), item("j", {"value": 5}, "json"))
    assert bare["j"].draft.value == '{"value": 5}'
    wrapped = read(item("a", {"value": "text"}), item("j", {"value": {"value": 5}}, "json"))
    assert wrapped["j"].draft.value == '{"value": 5}'
    assert wrapped["a"].draft.value == "text"


def test_secrets_come_as_entered_secrets_and_as_nothing_else() -> None:
    found = read(
        item("stripe", STORED, "secret", description="Charges cards"),
        item("wrapped", {"value": STORED}, "secret", integration_name="Stripe", **ACME),
        item("empty", None, "secret"),
        item("blank", "", "secret"),
        item("sealed_empty", KEY.sealed(b""), "secret"),
    )
    assert value_of(found["stripe"]) == "sk_live_xxxxx"
    assert found["stripe"].draft.description == "Charges cards"
    assert value_of(found["Acme/wrapped"]) == "sk_live_xxxxx"
    assert found["Acme/wrapped"].draft.integration == "Stripe"
    assert value_of(found["empty"]) is value_of(found["blank"]) is None
    assert value_of(found["sealed_empty"]) is None
    assert not any(config.problem for config in found.values())
    assert "sk_live" not in repr(found) + repr([each.draft for each in found.values()])


def test_secrets_that_a_file_says_are_not_encrypted_are_taken_as_they_stand() -> None:
    clear = item("clear", "zQ7-in-the-clear", "secret")
    [scope] = read_platform(export(clear, contains_encrypted_values=False))
    assert value_of(scope.configs[0]) == "zQ7-in-the-clear"
    # What looks encrypted is, whatever the file says: it is never stored as a value.
    with pytest.raises(TransferError, match="1 secret cannot be opened without the key"):
        read_platform(export(item("s", STORED, "secret"), contains_encrypted_values=False))
    [refused] = read(clear).values()
    assert refused.problem == "The secret is not encrypted as a platform encrypts secrets."
    assert refused.draft.secret is None


def test_scopes_are_told_apart_and_nothing_falls_open_to_global() -> None:
    found = read(
        item("g", "1"),
        item("a", "2", **ACME),
        item("named", "3", organization_name="Acme"),
        item("other", "4", organization_id="x", organization_name="Bright"),
    )
    assert set(found) == {"g", "Acme/a", "Acme/named", "Bright/other"}
    nameless = read(
        item("id_alone", "1", organization_id="6a5f0d0e"),
        item("empty_name", "1", organization_name=""),
        item("empty_id", "1", organization_id=""),
        item("number", "1", organization_id=7),
    )
    assert all("/" in name for name in nameless)
    assert all("that the file does not name" in each.problem for each in nameless.values())


def test_names_that_cannot_be_seen_are_refused() -> None:
    found = read(
        item("half", "1", organization_name="Ac\ud800me"),
        item("escape", "1", organization_name="\x1b[31mAcme"),
    )
    assert set(found) == {"Ac\\ud800me/half", "\\x1b[31mAcme/escape"}
    assert all("holds what cannot be seen" in each.problem for each in found.values())


def test_two_organizations_of_one_name_are_not_made_one() -> None:
    scopes = read_platform(
        export(
            item("a", "1", organization_id="1", organization_name="Acme"),
            item("b", "2", organization_id="2", organization_name="Acme"),
        ),
    )
    assert [scope.organization for scope in scopes] == ["Acme", "Acme"]
    assert all("several organizations of this name" in s.configs[0].problem for s in scopes)


# What cannot be taken


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("int", "five", "It is a text that is no whole number."),
        ("int", "5.0", "It is a text that is no whole number."),
        ("int", 5.5, "It is a number, no whole number."),
        ("int", True, "It is true or false, no whole number."),
        ("int", "9" * 1001, "It has more than 1000 digits."),
        ("int", None, "There is none."),
        ("bool", "yes", "It is neither true nor false."),
        ("bool", 1, "It is neither true nor false."),
        ("string", 5, "It is a number, no text."),
        ("string", None, "There is none."),
        ("string", ["a"], "It is a list, no text."),
        ("json", "{not json", "It is a text that is no JSON."),
        ("float", "1.5", "The type 'float' is none of"),
        ("secret", 5, "The secret is a number, no text."),
        ("secret", ["x"], "The secret is a list, no text."),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, value: Any, said: str) -> None:
    [config] = read(item("k", value, kind)).values()
    assert said in config.problem


def test_every_reason_is_told_at_once() -> None:
    [config] = read(
        item("bad key\x1b[31m", "five", "int", description="d" * 3000, organization_id="7")
    ).values()
    for said in ("no whole number", "does not name", "The key holds a blank"):
        assert said in config.problem
    assert "\x1b" not in config.draft.key
    [long] = read(item("k" * 256, "text")).values()
    assert "has 256 characters" in long.problem


def test_a_key_that_several_integrations_have_is_refused_or_prefixed() -> None:
    items = (
        item("client_id", "1", integration_name="HaloPSA", **ACME),
        item("client_id", "2", integration_name="Microsoft Partner", **ACME),
        item("client_id", "3", integration_name="HaloPSA"),
    )
    found = read_platform(export(*items), KEY)
    [acme, everywhere] = found
    assert everywhere.organization is None
    assert everywhere.configs[0].problem == ""
    for config in acme.configs:
        assert config.problem == (
            "The key is there for HaloPSA and Microsoft Partner, and a key is unique here:"
            " --integration-prefix puts the integration before it."
        )
    prefixed = read(*items, prefixed=True)
    assert {name: each.draft.integration for name, each in prefixed.items()} == {
        "Acme/halopsa_client_id": "HaloPSA",
        "Acme/microsoft_partner_client_id": "Microsoft Partner",
        "halopsa_client_id": "HaloPSA",
    }
    assert not any(each.problem for each in prefixed.values())


def test_a_key_that_is_there_twice_is_refused_twice() -> None:
    [scope] = read_platform(export(item("k", "1"), item("k", "2"), item("l", "3")), KEY)
    problems = [config.problem for config in scope.configs]
    assert problems == ["The key is there 2 times."] * 2 + [""]
    assert [config.place for config in scope.configs] == ["item 1", "item 2", "item 3"]


def test_a_wrong_key_is_told_once_for_all_and_every_secret_is_refused() -> None:
    said: list[str] = []
    items = [item(f"s{number}", STORED, "secret") for number in range(7)]
    found = read(*items, item("plain", "x"), key=OTHER, tell=said.append)
    [sentence] = said
    assert sentence == (
        "The key does not open 7 of 7 secrets: it is not the key they were stored under."
        " s0 (global), s1 (global), s2 (global), s3 (global), s4 (global) and 2 more."
    )
    refused = [name for name, config in found.items() if config.problem]
    assert refused == [f"s{number}" for number in range(7)]
    assert not any(config.draft.secret for config in found.values())


def test_one_damaged_secret_among_others_is_named() -> None:
    said: list[str] = []
    found = read(
        item("good", STORED, "secret"),
        item("bad", STORED[:-12], "secret", **ACME),
        tell=said.append,
    )
    assert value_of(found["good"]) == "sk_live_xxxxx"
    assert found["Acme/bad"].problem == "The platform's key does not open this secret."
    assert "1 of 2 secrets: these are damaged" in said[0]
    assert "bad (Acme)" in said[0]


def test_secrets_that_cannot_be_values_here_are_refused() -> None:
    found = read(
        item("binary", KEY.sealed(b"\xff\xfe"), "secret"),
        item("big", KEY.sealed(b"x" * (1024 * 1024 + 1)), "secret"),
    )
    assert "not UTF-8" in found["binary"].problem
    assert "over 1 MiB" in found["big"].problem


def test_fields_that_are_not_known_are_not_taken_and_said() -> None:
    said: list[str] = []
    data = export(
        item("a", "1", colour="red"), item("b", "1", colour="\x1b[31m"), made_by="someone"
    )
    [scope] = read_platform(data, KEY, tell=said.append)
    assert [config.problem for config in scope.configs] == ["", ""]
    assert said == [
        "The field made_by of the file is not taken: it is not known here.",
        "The field colour of 2 configs is not taken: it is not known here.",
    ]


def test_descriptions_of_several_lines_are_put_on_one() -> None:
    said: list[str] = []
    found = read(
        item("a", "1", description="one\n  two\r\nthree"),
        item("b", "1", description="\x1b]0;title\x07"),
        tell=said.append,
    )
    assert found["a"].draft.description == "one two three"
    assert said == ["1 description had several lines, which are put on one."]
    # Not made harmless but refused, by the rule that every draft is held to.
    assert found["b"].draft.description == "\x1b]0;title\x07"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "This is no JSON"),
        (b"{", "This is no JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "The file is no JSON object."),
        (b"null", "The file is no JSON object."),
        (b'{"items": []}', "no bifrost_export_version"),
        (export(bifrost_export_version="2.0"), r"another version .*\(2.0\); 1.0 is the one"),
        (export(bifrost_export_version=1.0), "another version"),
        (export(entity_type="tables"), "The file holds tables, not configs."),
        (export(items={}), "no list of items"),
        (export(contains_encrypted_values="yes"), "neither true nor false"),
        (export(item("a", "1"), item_count=2), "another number of items than it has"),
        (export({}, 5), "The item 2 is no JSON object"),  # type: ignore[arg-type]
        (export()[:-1] + b', "items": []}', "names 'items' twice"),
        (b'{"bifrost_export_version":"1.0","a":' + b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_export_is_refused_as_a_whole(data: bytes, said: str) -> None:
    with pytest.raises(TransferError) as caught:
        read_platform(data, KEY)
    assert re.search(said, "\n".join((caught.value.message, *caught.value.problems)))
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("item", "times", "said"),
    [(b"{},", 1_000_000, "more than 1,000,000 items"), (b"[],", 9_000_000, "too many parts")],
)
def test_a_file_of_too_many_parts_is_refused_before_it_fills_the_memory(
    item: bytes, times: int, said: str
) -> None:
    data = export().replace(b'"items": []', b'"items": [' + item * times + b"{}]")
    with pytest.raises(TransferError, match=said):
        read_platform(data)


def test_every_fault_of_the_head_is_told() -> None:
    with pytest.raises(TransferError) as caught:
        read_platform(b'{"bifrost_export_version": "9", "entity_type": "tables"}')
    assert len(caught.value.problems) == 3


def test_what_json_may_not_hold_is_refused_where_it_stands() -> None:
    def raw(value: str, kind: str = "json") -> str:
        data = export(item("k", "@@@", kind)).replace(b'"@@@"', value.encode())
        [scope] = read_platform(data, KEY)
        return scope.configs[0].problem

    assert "twice" in raw('{"a": 1, "a": 2}')
    assert "lose digits" in raw("[0.12345678901234567890123]")
    assert "no JSON" in raw("[NaN]")
    assert "1000 digits" in raw("9" * 1001, "int")
    assert "1000 digits" in raw("[" + "9" * 5000 + "]")
    assert raw("[" * 200 + "]" * 200) == ""  # told by the rule of every JSON value
    assert raw("[1.50, 2e3]") == ""


def test_errors_hold_nothing_of_the_file() -> None:
    values = planted()
    for value in values:
        whole = export(item("k", value, "secret")).decode()
        for data in (whole[:-2], whole + "x", whole.replace('"items"', '"items" 5')):
            with pytest.raises(TransferError) as caught:
                read_platform(data.encode(), KEY)
            assert_silent(caught.value, values)
        [scope] = read_platform(whole.encode(), KEY)
        assert value not in scope.configs[0].problem


def test_an_export_is_told_by_its_beginning() -> None:
    assert is_platform_export(export())
    assert is_platform_export(b'\xef\xbb\xbf\n {"bifrost_export_version":"3"')
    assert not is_platform_export(b'{"bifrost_tui_bundle": 1}')
    assert not is_platform_export(b"KEY=bifrost_export_version")


@given(st.binary(max_size=200))
@example(b'{"bifrost_export_version": "1.0"}')
def test_any_bytes_end_in_an_error_or_in_scopes(data: bytes) -> None:
    with suppress(TransferError):
        read_platform(data, KEY)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    [
        "key",
        "value",
        "config_type",
        "description",
        "organization_id",
        "organization_name",
        "integration_name",
        "x",
    ]
)
_KINDS = st.sampled_from(["string", "int", "bool", "json", "secret", "SECRET", "x"])


@given(st.lists(st.dictionaries(_FIELDS, _ANY | _KINDS | st.just(STORED), max_size=8), max_size=5))
def test_items_of_any_fields_end_in_problems_or_in_drafts(items: list[dict[str, Any]]) -> None:
    for scope in read_platform(export(*items), KEY):
        for config in scope.configs:
            fields = next(
                each for number, each in enumerate(items, 1) if config.place == f"item {number}"
            )
            unbound = fields.get("organization_id") is fields.get("organization_name") is None
            assert (scope.organization is None) == unbound
            assert config.draft.key.isprintable()
