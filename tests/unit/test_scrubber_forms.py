"""In which forms a secret's value is looked for."""

from __future__ import annotations

import copy
import html
import json
import pickle
import shlex
import shutil
import subprocess
from base64 import b64encode, encodebytes
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.runtime.secret_text import SecretText
from bifrost_tui.scrubbing.forms import forms_of
from tests.unit.scrubber_support import base64_strings, written

SPECIAL = " a/<&>'\"\\\n\r\t~#:=+%é€😀\u2028\x00\x1b\x7f0Zz-_"

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC+/==\nshort\n-----END KEY-----\n"


@given(st.text(SPECIAL, min_size=4, max_size=30) | st.text(min_size=4, max_size=12))
def test_the_forms_are_those_of_the_slow_way(value: str) -> None:
    forms, slow = forms_of(value), written([value])
    assert forms.literal == slow.literal
    assert forms.base64 == slow.base64


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("pass word", "pass word"),
        ("one\ntwo", "one\r\ntwo"),
        ("one\r\ntwo", "one\ntwo"),
        ("one\r\ntwo\n", "one\r\ntwo\r\n"),
        ("word\n", "word"),
        ("word\r\n", "776f7264"),
        ("J/k?", "4a2f6b3f"),
        ("J/k?", "4A2F6B3F"),
        ("a/b ?~", "a%2Fb%20%3F~"),
        ("a/b ?~", "a%2fb%20%3f~"),
        ("a/b ?~", "a/b%20%3F~"),
        ("a/b ?~", "a%2Fb+%3F~"),
        ("it's (ok)", "it's%20(ok)"),
        ('say "é"', 'say \\"\\u00e9\\"'),
        ('say "é"', 'say \\"é\\"'),
        ('say "é"', 'say \\\\\\"\\\\u00e9\\\\\\"'),
        ("a/b/c", "a\\/b\\/c"),
        ("a/b/c", "a\\\\/b\\\\/c"),
        ("<a>&b", "\\u003ca\\u003e\\u0026b"),
        ("two\nlines", "two\\nlines"),
        ("two\nlines", "two\\\\nlines"),
        ("caf\x00é", "caf\\x00é"),
        ("caf\x00é", "caf\\x00\\xc3\\xa9"),
        ("it's", "it'\"'\"'s"),
        ("it's", "it'\\''s"),
        ("a b;$c", "a\\ b\\;\\$c"),
        ("#a ~b", "\\#a\\ ~b"),
        ("~root", "\\~root"),
        ("#a:~b", "\\#a:\\~b"),
        ("x\ny'\x1b\x01", "x\\ny\\'\\E\\001"),
        ("é\ny", "\\303\\251\\ny"),
        ("<a&b>'\"", "&lt;a&amp;b&gt;'\""),
        ("<a&b>'\"", "&lt;a&amp;b&gt;'&quot;"),
        ("<a&b>'\"", "&lt;a&amp;b&gt;&#x27;&quot;"),
        ("<a&b>'\"", "&lt;a&amp;b&gt;&#39;&#34;"),
        ("<a&b>'\"", "&lt;a&amp;b&gt;&apos;&quot;"),
        (PEM, "hkiG9w0BAQEFAASC+/=="),
        (PEM, "MIIEvQIBADANBgkq"),
    ],
)
def test_a_value_is_looked_for_as_it_is_often_written(value: str, form: str) -> None:
    assert form.encode() in forms_of(value).literal


@pytest.mark.parametrize("value", ["p&ss/wörd 'n' \"<x>\"", "#~:=~ \t\n\\", "a?b>c~~ÿÿ"])
def test_what_common_tools_write_is_among_the_forms(value: str) -> None:
    literal = forms_of(value).literal
    for form in (
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(json.dumps(value)[1:-1])[1:-1],
        html.escape(value),
        shlex.quote(value)[1:-1],
        repr(value)[1:-1],
        repr(value.encode())[2:-1],
    ):
        assert form.encode() in literal


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize(
    "value",
    [
        "#a:~b=~",
        "~x !",
        "é € x",
        "tab\tit's\\",
        "e\x1b\x7f\x01\n\r\a\b\f\v",
        'a,b{c}!^`%@+[*?]$;|&<>()"',
    ],
)
def test_what_bash_quotes_is_among_the_forms(value: str, locale: str) -> None:
    command = ["bash", "-c", 'printf %q "$1"', "bash", value]
    ran = subprocess.run(command, env={"LC_ALL": locale}, capture_output=True, check=True)
    quoted = ran.stdout
    inner = quoted[2:-1] if quoted.startswith(b"$'") else quoted
    assert inner in forms_of(value).literal


@given(st.binary(max_size=7), st.text(min_size=4, max_size=40), st.binary(max_size=7))
def test_base64_of_a_longer_text_holds_one_of_the_forms(
    before: bytes, value: str, after: bytes
) -> None:
    data = before + value.encode("utf-8", "surrogatepass") + after
    for altchars in (b"+/", b"-_"):
        found = b64encode(data, altchars)
        assert any(form in found for form in forms_of(value).base64)


def test_a_form_in_base64_holds_nothing_of_what_stands_beside_it() -> None:
    assert forms_of("word").base64 == {b"d29yZ", b"dvcm", b"3b3Jk"}
    assert set(base64_strings(b"word")) == {b"d29yZ", b"dvcm", b"3b3Jk"}
    assert encodebytes(b"..word") == b"Li53b3Jk\n"


def test_only_the_lines_of_several_that_look_random_stand_alone() -> None:
    literal = forms_of(PEM).literal
    assert b"short" not in literal
    assert b"-----BEGIN KEY-----" not in literal
    assert forms_of("0123456789abcdef\n0123456789abcde").literal >= {b"0123456789abcdef"}
    assert b"0123456789abcde" not in forms_of("0123456789abcdef\n0123456789abcde").literal


def test_what_would_be_found_everywhere_is_no_form() -> None:
    for value in ("ab", "abcd", "ab\n\n", "\n\n\n\n", "😀😀😀😀"):
        forms = forms_of(value)
        assert min(map(len, forms.literal | forms.base64)) >= 4
    assert b"6162" not in forms_of("ab\n\n").literal


def test_a_masked_text_is_looked_for_as_what_it_stands_for() -> None:
    forms = forms_of(SecretText("tell 'no' one"))
    assert forms.literal == forms_of("tell 'no' one").literal


def test_forms_show_nothing_and_are_neither_copied_nor_saved() -> None:
    forms = forms_of("tell-no-one")
    assert "tell" not in f"{forms!r}{forms}"
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError) as caught:
            take(forms)
        assert "tell" not in str(caught.value)


def test_half_a_character_is_no_error() -> None:
    assert b"key-\xed\xa0\x80" in forms_of("key-\ud800").literal
