"""A secret on its way in: what is told about it, and that nothing gives it back."""

from __future__ import annotations

import copy
import inspect
import pickle
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.display import MASK
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import VALUE_LIMIT, EnteredSecret, entered_bytes

SECRET = "zQ7-nobody-else-writes-this"
BLANKS = " \t\u00a0"
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def pem(name: str, newline: str = "\n") -> str:
    return newline.join([f"-----BEGIN {name}-----", "MIIB", f"-----END {name}-----", ""])


@pytest.mark.parametrize(
    "say",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "{:>60}".format,
        lambda it: f"{it}",
        lambda it: "%s %r" % (it, it),  # noqa: UP031
        lambda it: str(dir(it)),
        lambda it: repr([it]),
        lambda it: str(it.shape),
    ],
)
def test_saying_it_says_no_part_of_it(say: Callable[[EnteredSecret], str]) -> None:
    said = say(EnteredSecret(SECRET))
    assert said
    assert not any(SECRET[at : at + 4] in said for at in range(len(SECRET) - 3))


def test_its_mask_is_the_one_of_every_secret() -> None:
    assert MASK in repr(EnteredSecret("x")) == repr(EnteredSecret(SECRET))


@pytest.mark.parametrize(
    "take",
    [
        copy.copy,
        copy.deepcopy,
        vars,
        iter,
        len,
        bytes,
        memoryview,
        lambda it: it.__getstate__(),
        lambda it: it + "",
        *(lambda it, p=protocol: pickle.dumps(it, p) for protocol in range(6)),
    ],
)
def test_it_has_no_way_out(take: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as raised:
        take(EnteredSecret(SECRET))
    assert SECRET not in str(raised.value)


def test_it_offers_nothing_public_that_holds_the_value() -> None:
    secret = EnteredSecret(SECRET)
    for name, found in inspect.getmembers(secret):
        if not name.startswith("_"):
            assert SECRET not in repr(found), name


@given(texts)
def test_it_holds_what_was_entered_byte_for_byte(text: str) -> None:
    assert entered_bytes(EnteredSecret(text)) == text.encode()
    assert entered_bytes(EnteredSecret.from_bytes(text.encode())) == text.encode()


@given(texts, texts)
def test_it_grows_and_shrinks_at_its_end_and_stays_itself(text: str, more: str) -> None:
    secret = EnteredSecret(text)
    longer = secret.plus(more)
    assert entered_bytes(longer) == (text + more).encode()
    for kept in range(len(more) - 1, -1, -1):
        shorter = longer.without_last()
        assert shorter is not None
        assert entered_bytes(shorter) == (text + more[:kept]).encode()
        longer = shorter
    assert entered_bytes(secret) == text.encode()


def test_nothing_is_left_without_the_last_character() -> None:
    assert EnteredSecret("é").without_last() is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Nothing was entered"),
        ("a" * (VALUE_LIMIT + 1), "over 1 MiB"),
        ("é" * (VALUE_LIMIT // 2 + 1), "over 1 MiB"),
        (SECRET + "\ud800", "lone surrogate"),
    ],
)
def test_what_cannot_be_a_value_is_refused_without_saying_it(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as raised:
        EnteredSecret(text)
    assert raised.value.field == "value"
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    assert SECRET not in repr(vars(raised.value)) + repr(raised.value.args)


def test_bytes_that_are_no_text_are_refused_without_saying_them() -> None:
    with pytest.raises(InvalidInputError, match="not UTF-8") as raised:
        EnteredSecret.from_bytes(SECRET.encode() + b"\xff")
    assert raised.value.__context__ is None
    assert SECRET not in repr(vars(raised.value)) + repr(raised.value.args)


def test_a_value_may_be_as_long_as_the_limit_and_no_longer() -> None:
    secret = EnteredSecret("a" * VALUE_LIMIT)
    with pytest.raises(InvalidInputError, match="over 1 MiB"):
        secret.plus("a")


@given(texts)
def test_its_shape_agrees_with_python(text: str) -> None:
    shape = EnteredSecret(text).shape
    body = text.rstrip("\r\n")
    assert shape.starts_blank == text[0].isspace()
    assert shape.ends_with_newline == (text[-1] in "\r\n")
    assert shape.ends_blank == (body != "" and body[-1].isspace())
    assert shape.lines == len(body.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@given(st.text("ab", min_size=1), st.text(BLANKS), st.text(BLANKS), st.sampled_from(["", "\n"]))
def test_blanks_around_a_value_are_told(core: str, before: str, after: str, end: str) -> None:
    shape = EnteredSecret(before + core + after + end).shape
    told = (shape.starts_blank, shape.ends_blank, shape.ends_with_newline, shape.lines)
    assert told == (bool(before), bool(after), bool(end), 1)


@given(st.integers(1, 3000), st.sampled_from("aé😀"))
def test_only_the_class_of_its_length_is_told(length: int, character: str) -> None:
    told = EnteredSecret(character * length).shape.length
    limits = [(16, "under 16"), (32, "16-31"), (64, "32-63"), (1024, "64+")]
    expected = next((words for limit, words in limits if length < limit), "over 1 kB")
    assert told.startswith(expected)


@given(st.lists(st.text("ab", min_size=1), min_size=3), st.sampled_from(["\n", "\r\n", "\r"]))
def test_doubled_line_breaks_are_told_and_single_ones_are_not(
    lines: list[str], newline: str
) -> None:
    for end in ("", newline):
        assert not EnteredSecret(newline.join(lines) + end).shape.double_spaced
        doubled = EnteredSecret((newline * 2).join(lines) + end * 2).shape
        assert doubled.double_spaced
        assert doubled.lines == 2 * len(lines) - 1


@pytest.mark.parametrize("text", ["a\n\nb", "a\n\nb\nc\n\nd", "\n\n\n\n", "a\n\n\n\nb\n\nc"])
def test_a_text_with_some_empty_lines_is_not_double_spaced(text: str) -> None:
    assert not EnteredSecret(text).shape.double_spaced


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (pem("PRIVATE KEY"), "PEM private key"),
        (pem("RSA PRIVATE KEY", "\r\n"), "PEM private key"),
        (pem("OPENSSH PRIVATE KEY"), "PEM private key"),
        (pem("CERTIFICATE"), "PEM certificate"),
        ("Bag Attributes\n" + pem("CERTIFICATE") + "\n \n", "PEM certificate"),
        (pem("PRIVATE KEY") + pem("CERTIFICATE"), "PEM certificate"),
        (pem("PUBLIC KEY"), "PEM public key"),
        (pem("PGP PRIVATE KEY BLOCK"), "PEM PGP private key"),
        (pem("DH PARAMETERS"), "PEM"),
        (pem("PRIVATE KEY").replace("END", "EMD"), ""),
        (pem("PRIVATE KEY").replace("BEGIN", "BEGAN"), ""),
        (pem("PRIVATE KEY") + "more", ""),
        ('{"a": 1}', "looks like JSON"),
        ("\n [1, 2]\n", "looks like JSON"),
        ("[", ""),
        ("{]", ""),
        ("[section] and", ""),
        ("hunter2", ""),
        ("  ", ""),
    ],
)
def test_what_it_looks_like_is_told(text: str, kind: str) -> None:
    assert EnteredSecret(text).shape.kind == kind


@pytest.mark.parametrize(
    "part", ["-----BEGIN A-----\n", "-----END A-----\n", "] ", "[", "\n", " \n\t", "a\n\n"]
)
def test_the_shape_of_the_longest_value_takes_no_time(part: str) -> None:
    secret = EnteredSecret("[" + part * (VALUE_LIMIT // len(part) - 1))
    started = time.perf_counter()
    assert secret.shape.length == "over 1 kB"
    assert time.perf_counter() - started < 2
