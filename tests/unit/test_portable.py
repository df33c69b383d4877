"""The portable bundle: what is written is read again, and files that are hostile end in words."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bifrost_tui import __version__
from bifrost_tui.errors import TransferError
from bifrost_tui.store.exporting import ExportedConfig
from bifrost_tui.store.values import ConfigType, canonical
from bifrost_tui.transfer.portable import is_yaml, read_portable, schema
from tests.support import assert_silent
from tests.unit.transfer_support import (
    ODD_TEXTS,
    Bundle,
    bundles,
    expected,
    facts,
    read_problems,
    written,
)

HIDDEN = "zQ7-a-value-in-a-file"
NOTATIONS = pytest.mark.parametrize("as_yaml", [False, True], ids=["json", "yaml"])


def one(
    value: str | None = '"x"', kind: ConfigType = ConfigType.STRING, **more: Any
) -> ExportedConfig:
    facts: dict[str, Any] = {
        "key": "KEY",
        "type": kind,
        "value": value,
        "refers_to": None,
        "integration": None,
        "description": "",
        "rotate_every_days": None,
        "partial_mask": False,
        "needs_value": False,
    }
    return ExportedConfig(**facts | more)


SMALL: Bundle = [
    (None, [one("5", ConfigType.INT, description="How often")]),
    (
        "Acme",
        [
            one(None, ConfigType.SECRET, rotate_every_days=90, partial_mask=True),
            one(None, ConfigType.SECRET_REF, key="REF", refers_to="KEY", integration="stripe"),
            one('{"a":[1,null]}', ConfigType.JSON, key="J"),
        ],
    ),
    ("Empty", []),
]


# Round trips


@NOTATIONS
@given(bundle=bundles())
def test_what_is_written_is_read_again(as_yaml: bool, bundle: Bundle) -> None:
    data = written(bundle, yaml=as_yaml)
    assert is_yaml(data) is as_yaml
    assert [facts(scope) for scope in read_portable(data)] == expected(bundle)
    assert written(bundle, yaml=as_yaml) == data


@NOTATIONS
@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_texts_come_back_exactly(as_yaml: bool, text: str) -> None:
    value = canonical(ConfigType.STRING, text)
    kept = canonical(ConfigType.JSON, json.dumps({text: [text]}))
    bundle: Bundle = [("Acme", [one(value), one(kept, ConfigType.JSON, key="J")])]
    assert [facts(scope) for scope in read_portable(written(bundle, yaml=as_yaml))] == expected(
        bundle
    )


@given(bundle=bundles())
def test_other_readers_read_the_same(bundle: Bundle) -> None:
    parsed = json.loads(written(bundle))
    assert yaml.safe_load(json.dumps(parsed)) is not None
    # Words that older YAML takes for booleans or dates are in quotes for it.
    loaded = yaml.load(written(bundle, yaml=True), Loader=yaml.BaseLoader)
    assert [each["name"] for each in loaded["organizations"]] == [
        each["name"] for each in parsed["organizations"]
    ]


@given(value=st.sampled_from(ODD_TEXTS))
def test_a_reader_of_older_yaml_reads_text_as_text(value: str) -> None:
    bundle: Bundle = [("Acme", [one(canonical(ConfigType.STRING, value))])]
    loaded = yaml.safe_load(written(bundle, yaml=True))
    assert loaded["organizations"][0]["configs"][0]["value"] == value


@given(bundle=bundles())
@settings(max_examples=30)
def test_every_bundle_fits_the_schema(bundle: Bundle) -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(written(bundle)))


def test_the_schema_is_one_and_refuses_what_the_reader_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    for bad in (
        {"key": "A", "type": "string", "value": 1},
        {"key": "A", "type": "int", "value": "1"},
        {"key": "A", "type": "bool", "value": "yes"},
        {"key": "A", "type": "secret", "value": "x"},
        {"key": "A", "type": "secret_ref", "value": None},
        {"key": "A b", "type": "string", "value": ""},
        {"key": "A", "type": "string"},
        {"key": "A", "type": "text", "value": ""},
        {"key": "A", "type": "string", "value": "", "more": 1},
        {"key": "A", "type": "string", "value": "", "rotate_every_days": 9},
        {"key": "A", "type": "secret", "value": None, "rotate_every_days": "9"},
        {"key": "A", "type": "secret", "value": None, "partial_mask": 1},
    ):
        data = {"bifrost_tui_bundle": 1, "program": "p", "global": [bad]}
        assert not validator.is_valid(data), bad
        [problem] = read_problems(json.dumps(data).encode())
        assert problem.endswith(".")
        assert read_problems(yaml.safe_dump(data).encode()) == [problem]


def test_the_form_of_the_json_is_a_config_a_line() -> None:
    assert written(SMALL).decode() == (
        "{\n"
        '  "bifrost_tui_bundle": 1,\n'
        f'  "program": "bifrost-tui {__version__}",\n'
        '  "global": [\n'
        '    {"key": "KEY", "type": "int", "value": 5, "description": "How often"}\n'
        "  ],\n"
        '  "organizations": [\n'
        '    {"name": "Acme", "configs": [\n'
        '    {"key": "KEY", "type": "secret", "value": null, "rotate_every_days": 90,'
        ' "partial_mask": true},\n'
        '    {"key": "REF", "type": "secret_ref", "value": "KEY", "integration": "stripe"},\n'
        '    {"key": "J", "type": "json", "value": {"a":[1,null]}}\n'
        "    ]},\n"
        '    {"name": "Empty", "configs": []}\n'
        "  ]\n"
        "}\n"
    )


def test_no_character_that_a_terminal_obeys_is_written() -> None:
    odd = "".join(text for text in ODD_TEXTS if not text.isascii()) + "\x1b\x7f\x9b"
    bundle: Bundle = [("Acme", [one(canonical(ConfigType.STRING, odd))])]
    for data in (written(bundle), written(bundle, yaml=True)):
        for character in "\x1b\x7f\x9b\u202e\u200b\u2028\ufeff":
            assert character not in data.decode()
        assert "日本" in data.decode()


# What is refused


def bundle_text(config: str = "", *, inside: str = "", version: str = "1") -> bytes:
    return (
        f'{{"bifrost_tui_bundle": {version}, "program": "p",\n"global": [\n{config}]{inside}}}'
    ).encode()


def config_text(value: str, kind: str = "json", more: str = "") -> str:
    return f'{{"key": "A", "type": "{kind}", "value": {value}{more}}}'


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (config_text('{"a": 1, "a": 2}'), "An object names 'a' twice."),
        (config_text("1", more=', "key": "B"'), "An object names 'key' twice."),
        (config_text("NaN"), "NaN is no JSON. Use null, or a string."),
        (config_text("[-Infinity]"), "-Infinity is no JSON. Use null, or a string."),
        (config_text("0.1234567890123456789"), "A number would lose digits."),
        (config_text("1e999"), "A number would lose digits."),
        (config_text("9" * 1001), "A number has more than 1000 digits."),
        (config_text("9" * 1001, "int"), "A number has more than 1000 digits."),
        (config_text("[" * 500 + "]" * 500), None),
        (config_text("1", "nothing"), "There is no type 'nothing'."),
        (config_text("1", more=', "more": 1'), "It has a field 'more'"),
        (config_text("1", more=', "\\u001b[1m": 1'), "It has a field '\\x1b[1m'"),
        (config_text('"5"', "int"), "Its value is text; that of an int is a whole number"),
        (config_text("5.0", "int"), "Its value is a number with a fraction;"),
        (config_text("true", "int"), "Its value is true or false;"),
        (config_text("null", "string"), "Its value is null; that of a string is text"),
        (config_text("[]", "bool"), "Its value is a list;"),
        (config_text("{}", "secret_ref"), "Its value is an object;"),
        (config_text(f'"{HIDDEN}"', "secret"), "a portable bundle holds none: write null"),
        (config_text("1", more=', "description": 5'), "Its description is no text."),
        (config_text("1", more=', "integration": []'), "Its integration is no text."),
        (config_text("null", "secret", ', "rotate_every_days": "9"'), "Its rotate_every_days"),
        (config_text("null", "secret", ', "rotate_every_days": true'), "Its rotate_every_days"),
        (config_text("null", "secret", ', "partial_mask": 1'), "Its partial_mask is neither"),
        (config_text("1", more=', "partial_mask": true'), "Only a secret has"),
        ('{"key": "A", "type": "int"}', "It has no value; that of a secret is null."),
        ('{"type": "int", "value": 1}', "It has no key, or one that is no text."),
        ('{"key": "A", "value": 1}', "It has no type"),
        ('{"key": "A b", "type": "int", "value": 1}', "The key holds a blank."),
        ('{"key": "\\u001b[2J", "type": "int", "value": 1}', "The key holds '\\x1b'."),
        ('{"key": "\\ud800", "type": "int", "value": 1}', "The key holds '\\ud800'."),
        ("{}", "It has no key"),
    ],
)
def test_what_is_wrong_with_a_config_is_said_of_it(config: str, problem: str | None) -> None:
    data = bundle_text(f"{config_text('1')},\n{config}")
    [scope] = read_portable(data)
    first, second = scope.configs
    assert first.problem == ""
    assert (first.place, second.place) == ("line 3", "line 4")
    if problem is not None:
        assert problem in second.problem
        assert second.problem.endswith(".")
        assert HIDDEN not in second.problem
    key = second.draft.key
    assert len(key) <= 255
    assert key.isprintable()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty."),
        (b"hello", "The bundle is a mapping"),
        (b"[]", "has to be an object"),
        (b"{}", "no portable bundle of Bifrost TUI"),
        (b'{"a": 1}', "no portable bundle of Bifrost TUI"),
        (bundle_text(version="2"), "written by a newer Bifrost TUI: its version is 2"),
        (bundle_text(version="9" * 500), "written by a newer Bifrost TUI"),
        (bundle_text(version='"1"'), "no whole number"),
        (bundle_text(version="true"), "no whole number"),
        (bundle_text(version="0"), "no whole number"),
        (b'{"more": [], "bifrost_tui_bundle": 2}', "written by a newer Bifrost TUI"),
        (b'{"bifrost_tui_bundle": 1, "bifrost_tui_bundle": 1}', "twice"),
        (bundle_text(inside=', "more": 1'), "a field 'more', which a portable bundle has not"),
        (bundle_text(inside=', "global": []'), "names 'global' twice"),
        (bundle_text(inside=', "organizations": {}'), "organizations are a list"),
        (bundle_text(inside=', "organizations": [1]'), "has to be an object"),
        (bundle_text(inside=', "organizations": [{"configs": []}]'), "has no name"),
        (bundle_text(inside=', "organizations": [{"name": "A"}]'), "'A' has no configs"),
        (
            bundle_text(inside=', "organizations": [{"name": "A\\u001b", "configs": []}]'),
            "cannot be seen in a line: 'A\\x1b'.",
        ),
        (
            bundle_text(inside=', "organizations": [{"name": "A", "configs": [], "x": 1}]'),
            "a field 'x', which an organization has not",
        ),
        (bundle_text("1"), "a config is an object"),
        (bundle_text() + b" x", "something follows"),
        (bundle_text("{} {}"), "expecting ',' delimiter, line 3, column 3"),
        (bundle_text(f'{{"key": "{HIDDEN}\n"}}'), "invalid control character"),
        (bundle_text(f'{{"key": "{HIDDEN}'), "line 3"),
        (bundle_text("[" * 100_000), "nested too deep"),
        (b"{" + b'"a":{' * 100_000, "nested too deep"),
        (bundle_text("," * 16_000_001), "too many parts"),
        (bundle_text().replace(b'"p"', b'"\xff"'), "not UTF-8 text, line 1"),
        ("{}".encode("utf-16"), "not UTF-8 text"),
    ],
    ids=range(30),
)
def test_a_json_file_that_is_none_of_ours_is_refused_in_words(data: bytes, message: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TransferError) as caught:
        read_portable(data)
    assert message.lower() in caught.value.message.lower()
    assert caught.value.message.endswith(".")
    assert_silent(caught.value, [HIDDEN])
    assert time.monotonic() - begun < 20


def yaml_text(value: str, kind: str = "json") -> bytes:
    return (
        f"bifrost_tui_bundle: 1\nprogram: p\nglobal:\n- key: A\n  type: {kind}\n  value: {value}\n"
    ).encode()


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *(
            ("no", "no"),
            ("Yes", "Yes"),
            ("on", "on"),
            ("1:30", "1:30"),
            ("2026-03-01", "2026-03-01"),
        ),
        *(
            ("~", None),
            ("", None),
            ("null", None),
            ("TRUE", True),
            ("False", False),
            ("tRue", "tRue"),
        ),
        *(("0o17", 15), ("0x1F", 31), ("+5", 5), ("-0", 0), ("1_000", "1_000"), ("0b11", "0b11")),
        *((".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("'5'", "5"), ('"\\x41"', "A"), ("=", "=")),
        *(
            ("[1, {a: b}]", [1, {"a": "b"}]),
            ("|\n    a\n    b", "a\nb\n"),
            (">-\n    a\n    b", "a b"),
        ),
    ],
)
def test_yaml_is_read_by_the_core_schema_of_its_version_1_2(value: str, meant: Any) -> None:
    [scope] = read_portable(yaml_text(value))
    [config] = scope.configs
    assert config.problem == ""
    assert json.loads(config.draft.value or "") == meant


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        *(("017", "begins with 0"), (".inf", "is no JSON"), (".NaN", "is no JSON")),
        *(("0.1234567890123456789", "lose digits"), ("9" * 1001, "1000 digits")),
        *(("0x" + "f" * 999, "1000 digits"), ("0x" + "f" * 5000, "1000 digits")),
        ("{a: 1, a: 2}", "names 'a' twice"),
    ],
)
def test_what_yaml_has_and_json_has_not_is_said_of_the_config(value: str, problem: str) -> None:
    [found] = read_problems(yaml_text(value))
    assert problem in found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (yaml_text("&a 1"), "there is an anchor (&), which a bundle has not, line 6, column 10"),
        (yaml_text("*a"), "there is an alias (*)"),
        (yaml_text("!!python/object:os.system 1"), "there is a tag (!)"),
        (yaml_text("! 1"), "there is a tag (!)"),
        (yaml_text("!!binary aGk="), "there is a tag (!)"),
        (yaml_text("[&a [1], *a]"), "there is an anchor (&)"),
        (yaml_text("{<<: {a: 1}}"), "there is a merge key (<<)"),
        (yaml_text("{1: a}"), "a name is text: put it into quotes"),
        (yaml_text("{[a]: b}"), "a name is text, and neither a list nor a mapping"),
        (yaml_text("{? {a: b} : c}"), "a name is text, and neither"),
        (yaml_text("1") + b"---\na: 1\n", "a second document begins"),
        (
            b"%YAML 1.1\n---\n" + yaml_text("1"),
            "is a directive (%), which a bundle has not, line 1.",
        ),
        (
            b"%TAG ! tag:x,2000:\n---\n" + yaml_text("1"),
            "is a directive (%), which a bundle has not, line 1.",
        ),
        (yaml_text("1") + b"...\n%TAG ! x:\n---\na: 1\n", "is a directive (%)"),
        (yaml_text("1") + b"program: q\n", "'program' comes twice, line 7, column 1"),
        (yaml_text("[" * 5000), "nested too deep"),
        (yaml_text("{a: " * 5000), "nested too deep"),
        (yaml_text("\n" + "".join(f"{' ' * at}- \n" for at in range(3, 400))), "nested too deep"),
        (yaml_text("\n    " + "- " * 5000), "nested too deep"),
        (yaml_text("[" + "0," * 700_000 + "]"), "too many parts"),
        (yaml_text(f'"{HIDDEN}'), "This is no YAML"),
        (yaml_text(f"[{HIDDEN}"), "This is no YAML"),
        (yaml_text(f"%{HIDDEN}"), "This is no YAML"),
        (yaml_text(f'"{HIDDEN}\\q"'), "This is no YAML"),
        (yaml_text(f"{HIDDEN}\x1b"), "a character that it cannot hold, line 6"),
        (yaml_text("\t1\n\tb: 2"), "This is no YAML"),
        (yaml_text("1").replace(b"1", b"2", 1), "written by a newer Bifrost TUI"),
        (b"# nothing\n", "the file is empty"),
        (b"a: \xff\n", "not UTF-8 text, line 1"),
        (b"- a\n", "the bundle is a mapping"),
        (b"global: 5\n", "configs are a list"),
        (b"global: [5]\n", "a config is a mapping"),
    ],
    ids=range(32),
)
def test_a_yaml_file_that_is_none_of_ours_is_refused_in_words(data: bytes, message: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TransferError) as caught:
        read_portable(data)
    assert message.lower() in caught.value.message.lower()
    assert caught.value.message.endswith(".")
    assert_silent(caught.value, [HIDDEN])
    assert time.monotonic() - begun < 20


def test_the_notation_is_told_by_the_ending_or_by_how_it_begins() -> None:
    assert is_yaml(b"{}", "a.YML")
    assert not is_yaml(b"a: 1", "a.json")
    assert not is_yaml(b"\xef\xbb\xbf \n {", "a")
    assert is_yaml(b"bifrost_tui_bundle: 1")
    [scope] = read_portable(b"\xef\xbb\xbf" + bundle_text(config_text("1")))
    assert len(scope.configs) == 1
    [scope] = read_portable(b"\xef\xbb\xbf" + yaml_text("1"))
    assert len(scope.configs) == 1


def test_several_problems_of_the_whole_file_are_said_at_once() -> None:
    data = bundle_text(inside=', "b": 1, "organizations": [{"name": 5, "configs": [], "c": {}}]')
    with pytest.raises(TransferError) as caught:
        read_portable(data)
    assert len(caught.value.problems) == 3
    assert caught.value.message == caught.value.problems[0]


def test_values_of_secrets_are_taken_where_they_may_travel() -> None:
    data = bundle_text(
        f"{config_text(json.dumps(HIDDEN), 'secret')},{config_text('null', 'secret')},"
        f"{config_text('5', 'secret')},{config_text(json.dumps(''), 'secret')}"
    )
    [scope] = read_portable(data, secrets=True)
    full, empty, wrong, short = scope.configs
    assert full.draft.secret is not None
    assert HIDDEN not in repr(full)
    assert empty.draft.secret is None
    assert empty.problem == ""
    assert wrong.problem == "The value of a secret is text or null."
    assert short.problem.startswith("Nothing was entered.")


# Speed and size


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 3_000_000,
        bundle_text(" " * 3_000_000 + "{}" + " " * 3_000_000),
        bundle_text(config_text('"' + "\\\\" * 1_000_000 + '"')),
        bundle_text(config_text('"' + "\\u00e9" * 300_000 + '"', "string")),
        bundle_text("{" + ",".join(f'"{at}": 1' for at in range(300_000)) + "}"),
        bundle_text(config_text("[" + ",".join(["9" * 1000] * 2000) + "]")),
        yaml_text("a" * 3_000_000),
        yaml_text("|\n" + "    a\n" * 300_000),
        yaml_text("1" + " #" * 500_000),
        yaml_text("{" + ", ".join(f"k{at}: 1" for at in range(50_000)) + "}"),
        b"#\n" * 1_000_000,
        b"".join(b"%%TAG !a%d! tag:x\n" % at for at in range(100_000)) + b"---\na: 1\n",
        yaml_text("[" + '"a", ' * 100_000),
    ],
    ids=range(13),
)
def test_no_file_takes_more_time_than_its_length_asks_for(data: bytes) -> None:
    begun = time.process_time()
    outcome(data)
    assert time.process_time() - begun < 10


def outcome(data: bytes, name: str = "") -> str:
    """Read a file; return how that ended, which is in one of two ways."""
    refused = None
    try:
        read_portable(data, name)
    except TransferError as error:
        refused = error
    if refused is None:
        return ""
    assert refused.message.endswith(".")
    assert refused.message.isprintable()
    assert refused.__cause__ is None
    assert refused.__context__ is None
    return refused.message


@NOTATIONS
def test_whoever_waits_is_told_how_far_it_is(as_yaml: bool) -> None:
    told: list[tuple[int, int]] = []
    data = written([("Acme", [one(key=f"K{at}") for at in range(3500)])], yaml=as_yaml)
    read_portable(data, progress=lambda done, total: told.append((done, total)))
    assert len(told) == 3
    assert told == sorted(told)
    assert all(0 < done <= total == len(data) for done, total in told)


# Mutations

_PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u",
        b"\\ud800",
        b"null",
        b"true",
        b"1e9",
    ),
    *(
        b"- ",
        b"? ",
        b"&a ",
        b"*a",
        b"!!a ",
        b"<<: ",
        b"|\n",
        b">+2\n",
        b"---\n",
        b"...\n",
        b"%YAML",
    ),
    *(b"\n", b"\t", b" ", b"\r", b"\0", b"\x1b", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff"),
    *(b"\xef\xbb\xbf", b"NaN", b"-", b".", b"0", b"0x", b"'", b"#", b"@", b"`", b"9" * 40),
    *(b'"key"', b'"value"', b"bifrost_tui_bundle", b"organizations", b"configs", b"name"),
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a file with a few things done to it."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.choice((1, 1, 2, 5, 40)))
        kind = chance.randrange(5)
        if kind == 0:
            found[at:at] = chance.choice(_PIECES)
        elif kind == 1:
            del found[at:end]
        elif kind == 2 and at < len(found):
            found[at] = chance.randrange(256)
        elif kind == 3:
            found[at:at] = found[at:end] * chance.choice((1, 2, 50))
        else:
            other = chance.randrange(len(found) + 1)
            found[at:end] = found[other : other + end - at]
    return bytes(found)


@NOTATIONS
def test_mutated_files_end_in_words_or_are_read(as_yaml: bool) -> None:
    """``BIFROST_TEST_FUZZ_SECONDS=300 pytest -k mutated`` goes on for minutes."""
    seconds = float(os.environ.get("BIFROST_TEST_FUZZ_SECONDS", "0"))
    chance = random.Random(time.time_ns() if seconds else 7)
    odd: Bundle = [
        (
            "Odd",
            [
                one(canonical(ConfigType.STRING, text), key=f"K{at}")
                for at, text in enumerate(ODD_TEXTS)
            ],
        )
    ]
    files = [written(SMALL, yaml=as_yaml), written(odd, yaml=as_yaml)]
    done, begun = 0, time.monotonic()
    while done < 1500 or time.monotonic() - begun < seconds:
        data = mutated(chance.choice(files), chance)
        started = time.monotonic()
        outcome(data)
        assert time.monotonic() - started < 30, data
        done += 1


@given(
    data=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_end_in_words(data: bytes) -> None:
    for name in ("a.json", "a.yaml", ""):
        outcome(data, name)


def test_reading_needs_memory_for_the_configs_and_little_else() -> None:
    code = """
import resource
from bifrost_tui.transfer.portable import read_portable
config = b'{"key": "A", "type": "string", "value": "' + b"x" * 60 + b'"},\\n'
data = b'{"bifrost_tui_bundle": 1, "program": "p", "global": [' + config * 100_000 + b"1"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_portable(data)
except Exception as error:
    print(type(error).__name__, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    name, used = done.stdout.split()
    assert name == "TransferError"
    assert int(used) < 120_000
