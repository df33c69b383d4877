"""Typed values: one canonical form, and errors that say where and never what."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import VALUE_LIMIT
from bifrost_tui.store.periods import checked_period
from bifrost_tui.store.values import (
    INT_DIGITS,
    JSON_DEPTH,
    ConfigType,
    canonical,
    checked_key,
    decoded,
    editable,
    preview,
)
from tests.support import assert_silent

STRING, INT, BOOL, JSON = ConfigType.STRING, ConfigType.INT, ConfigType.BOOL, ConfigType.JSON
PLANTED = "zQ7-nobody-else-writes-this"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
# Texts in which many characters are written with an escape.
escaped = st.text(st.sampled_from('ab"\\/\n\r\t\b\f\x01\x1f\x7fé\u2028🔑'))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | escaped
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


def refused(kind: ConfigType, text: str) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as raised:
        canonical(kind, text)
    error = raised.value
    assert error.field == "value"
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


@given(texts | escaped)
def test_a_string_is_kept_character_by_character(text: str) -> None:
    value = canonical(STRING, text)
    assert decoded(value) == text == editable(STRING, value)
    assert preview(STRING, value, cut=False) == text


@given(st.integers(-(10**30), 10**30), st.sampled_from(["", " ", "\t", "\n"]), st.booleans())
def test_an_int_is_kept(number: int, blank: str, plus: bool) -> None:
    sign = "+" if plus and number >= 0 else ""
    value = canonical(INT, f"{blank}{sign}{number}{blank}")
    assert value == str(number) == editable(INT, value) == preview(INT, value, cut=False)
    assert decoded(value) == number


def test_an_int_is_written_in_one_way() -> None:
    assert {canonical(INT, text) for text in ("7", "+7", "007", " 7 ", "7\n")} == {"7"}
    assert canonical(INT, "-0") == "0"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", "+-1", "1.0", "1e3", "0x1f", "1_000", "1,000", "1 2", "seven", "٣", "²"),
        *("NaN", "Infinity", "1\n2", "--1", "true"),
    ],
)
def test_what_is_no_int(text: str) -> None:
    assert "This is no int" in str(refused(INT, text))


def test_an_int_may_be_as_long_as_the_limit() -> None:
    longest = "9" * INT_DIGITS
    assert canonical(INT, longest) == longest
    assert str(INT_DIGITS) in str(refused(INT, longest + "9"))
    assert "more than" in str(refused(INT, "9" * 100_000))
    assert canonical(JSON, f"[{longest}]") == f"[{longest}]"
    assert "more than" in str(refused(JSON, f"[{longest}9]"))
    assert "more than" in str(refused(JSON, "9" * 100_000))


@pytest.mark.parametrize("word", ["true", "True", " YES ", "on", "1"])
def test_words_for_true(word: str) -> None:
    assert canonical(BOOL, word) == "true"
    assert decoded("true") is True


@pytest.mark.parametrize("word", ["false", "False", " NO ", "off", "0"])
def test_words_for_false(word: str) -> None:
    assert canonical(BOOL, word) == "false"
    assert decoded("false") is False


@pytest.mark.parametrize("text", ["", "2", "ja", "null", "tru", "true false", "ﬁ"])
def test_what_is_no_bool(text: str) -> None:
    assert "This is no bool" in str(refused(BOOL, text))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type too, and in the sign of a zero."""
    return repr(one) == repr(other) and one == other


@given(values, st.booleans(), st.sampled_from([None, 2, "\t"]))
@example(-0.0, True, None)
@example(5e-324, True, None)
@example(1.7976931348623157e308, True, None)
def test_json_is_kept(value: Any, ascii_only: bool, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    kept = canonical(JSON, text)
    assert same(decoded(kept), value)
    assert "\n" not in kept
    assert canonical(JSON, kept) == kept
    assert canonical(JSON, editable(JSON, kept)) == kept
    assert preview(JSON, kept, cut=False) == kept


@given(st.text() | st.text(st.sampled_from('{}[]",:\\u d8eE+-.0123\n\0truefalsnNaI'), max_size=40))
def test_json_is_what_python_takes_for_it_or_refused(text: str) -> None:
    kept = None
    with suppress(InvalidInputError):
        kept = canonical(JSON, text)
    if kept is not None:
        assert same(json.loads(text), decoded(kept))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("  ", 1, 3),
        ("{", 1, 2),
        ('{"a": 1,\n "b": }', 2, 7),
        ('{"a": 1,\n\n  "b" 2}', 3, 7),
        ("[1,\n2,\n3", 3, 2),
        ("[1] [2]", 1, 5),
        ("'a'", 1, 1),
        ('"a\nb"', 1, 3),
        ('"\\x41"', 1, 2),
        ("\ufeff{}", 1, 1),
        ("01", 1, 2),
        ("[1,]", 1, 4),
        ("{a: 1}", 1, 2),
        ("nul", 1, 1),
    ],
)
def test_the_place_of_an_error_in_json_is_told(text: str, line: int, column: int) -> None:
    error = refused(JSON, text)
    assert "This is no JSON" in str(error)
    assert error.line == line
    assert error.column is not None
    # One Python points at the comma, another behind it.
    assert abs(error.column - column) <= 1
    assert f"line {error.line}, column {error.column}" in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("NaN", "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ('{"a": Infinity}', "Infinity is no JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "names 'a' twice"),
        ('{"x": {"a": 1, "\\u0061": 1}}', "names 'a' twice"),
        ("0.1000000000000000055511151231257827", "would lose digits"),
        ("12345678901234567890.5", "would lose digits"),
        ("1e400", "would lose digits"),
        ("-1e400", "would lose digits"),
        ("1e-400", "would lose digits"),
        ("1e-99999999999999999999", "would lose digits"),
        ("0e99999999999999999999", "would lose digits"),
        ("1." + "0" * 5000 + "1", "would lose digits"),
        ('"\\ud800"', "lone surrogate"),
        ('{"\\udc00": 1}', "lone surrogate"),
        ('"\\ud800x\\udc00"', "lone surrogate"),
    ],
)
def test_json_that_would_not_come_back_as_it_was_is_refused(text: str, says: str) -> None:
    assert says in str(refused(JSON, text))


@pytest.mark.parametrize(
    "text", ["1.0", "1.50", "1E5", "100e-2", "-0.0", "0.1", '"\\ud83d\\udd11"']
)
def test_json_that_comes_back_with_equal_value_is_kept(text: str) -> None:
    assert decoded(canonical(JSON, text)) == json.loads(text)


def nested(depth: int, inner: str = "") -> str:
    return "[" * depth + inner + "]" * depth


def mixed(depth: int, inner: str = "1") -> str:
    for number in range(depth):
        inner = f'{{"a": {inner}}}' if number % 2 else f"[0, {inner}]"
    return inner


@pytest.mark.parametrize("build", [nested, mixed])
def test_json_may_be_nested_to_the_limit(build: Callable[[int], str]) -> None:
    assert JSON_DEPTH == 100
    kept = canonical(JSON, build(100))
    assert decoded(kept) == json.loads(build(100))
    for depth in (101, 102, 500):
        assert "nested more than 100 deep" in str(refused(JSON, build(depth)))


def test_json_nested_without_end_is_refused() -> None:
    for text in (nested(100_000), "[" * 100_000, '{"a":' * 100_000, '[{"a":' * 50_000):
        assert "nested more than 100 deep" in str(refused(JSON, text))


@pytest.mark.parametrize("kind", [STRING, INT, BOOL, JSON])
def test_a_lone_surrogate_is_refused(kind: ConfigType) -> None:
    assert "lone surrogate" in str(refused(kind, PLANTED + "\ud800"))


def test_a_string_holds_no_nul() -> None:
    assert "NUL" in str(refused(STRING, "a\0b"))
    assert decoded(canonical(JSON, '"a\\u0000b"')) == "a\0b"


@pytest.mark.parametrize("character", ["a", "é", "🔑"])
def test_a_value_may_have_as_many_bytes_as_the_limit(character: str) -> None:
    fitting = character * (VALUE_LIMIT // len(character.encode()))
    assert decoded(canonical(STRING, fitting)) == fitting
    assert "over 1 MiB" in str(refused(STRING, fitting + "a"))
    assert decoded(canonical(JSON, f'"{fitting[:-2]}"')) == fitting[:-2]
    assert "over 1 MiB" in str(refused(JSON, f'"{fitting}"'))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INT, PLANTED),
        (BOOL, PLANTED),
        (JSON, PLANTED),
        (JSON, f'{{"{PLANTED}": }}'),
        (JSON, f'"{PLANTED}'),
        (JSON, f'"{PLANTED}\\ud800"'),
        (JSON, f'"{PLANTED}\\q"'),
        (JSON, f'["{PLANTED}", NaN]'),
        (JSON, f'["{PLANTED}", {nested(200)}]'),
        (JSON, f'["{PLANTED}", 1e400]'),
        (JSON, f'["{PLANTED}", {"9" * 2000}]'),
        (STRING, PLANTED + "\0"),
        (STRING, PLANTED + "\udfff"),
        (STRING, PLANTED * 50_000),
    ],
)
def test_no_error_holds_what_was_entered(kind: ConfigType, text: str) -> None:
    assert_silent(refused(kind, text), [PLANTED])


@given(texts | escaped | st.text("\x01\x1f\\", max_size=8))
@example("\x01" * 5)
@example("\\" * 5)
def test_a_string_cut_anywhere_is_shown_as_far_as_it_goes(text: str) -> None:
    value = canonical(STRING, text)
    for length in range(len(value) + 1):
        shown = preview(STRING, value[:length], cut=True)
        assert text.startswith(shown)
        # No more than the one escape that was cut through is missing.
        written = len(json.dumps(shown, ensure_ascii=False)) - 1
        assert length - written < 6 or length == 0


@given(values)
def test_json_cut_anywhere_is_shown_as_it_is(value: Any) -> None:
    kept = canonical(JSON, json.dumps(value))
    for length in range(len(kept)):
        assert preview(JSON, kept[:length], cut=True) == kept[:length]


@given(st.from_regex(r"[A-Za-z0-9_]{1,255}", fullmatch=True))
def test_a_key_that_keeps_the_rule_is_kept(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "is empty"),
        ("a" * 256, "has 256 characters"),
        ("a b", "holds a blank"),
        ("a-b", "holds '-'"),
        ("schlüssel", r"holds '\xfc'"),
        ("a\n", r"holds '\n'"),
        ("\x1b[31m", r"holds '\x1b'"),
        ("a\ud800", r"holds '\ud800'"),
        ("٣", "holds "),
    ],
)
def test_a_key_that_breaks_the_rule_is_refused(key: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        checked_key(key)
    assert says in str(raised.value)
    assert str(raised.value).isascii()
    assert raised.value.field == "key"


@pytest.mark.parametrize(
    ("text", "days"), [("", None), (" ", None), ("1", 1), (" 090 ", 90), ("36500", 36500)]
)
def test_a_period_is_a_number_of_days_or_none(text: str, days: int | None) -> None:
    assert checked_period(text) == days


@pytest.mark.parametrize("text", ["0", "-1", "36501", "1.5", "9" * 5000, "٣", "²", "ninety", "1 2"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(InvalidInputError, match="1 to 36500") as raised:
        checked_period(text)
    assert raised.value.field == "rotate_every_days"
