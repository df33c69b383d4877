"""Text of the database on a terminal: nothing that a terminal would obey, hide or turn around."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from unicodedata import bidirectional, category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_tui.clock import iso
from bifrost_tui.display import age, counted, shorten, visible, visible_lines

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ANY = st.text(st.characters(codec=None))
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN", "B", "S"}


def drawn(character: str) -> bool:
    """Whether a terminal draws a character and does nothing else with it."""
    if character == " ":
        return True
    return category(character)[0] not in "CZ" and bidirectional(character) not in TURNING


def test_every_character_is_drawn_as_it_is_or_written_out() -> None:
    kept = 0
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        shown = visible(character)
        if shown == character:
            assert drawn(character), hex(code)
            kept += 1
        else:
            assert shown.isascii(), hex(code)
            assert shown.isprintable(), hex(code)
            assert shown[0] == "\\", hex(code)
    # Letters, marks, digits, punctuation and symbols of every script stay.
    assert kept > 140_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 100 % [bold]", "plain text, 100 % [bold]"),
        ("Zürich – Ærø — 東京 🔑", "Zürich – Ærø — 東京 🔑"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\r\n\tc\0", "a\\nb\\r\\n\\tc\\0"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\u2066x\u2069\u200f\u061c", "\\u2066x\\u2069\\u200f\\u061c"),
        ("a\u200bb\u200db\u2060\ufeff\u00adc", "a\\u200bb\\u200db\\u2060\\ufeff\\xadc"),
        ("a\u00a0b\u3000c\u2028d\u2029e", "a\\xa0b\\u3000c\\u2028d\\u2029e"),
        ("\ud800", "\\ud800"),
        ("\U000e0041\U0010ffff\ue000", "\\U000e0041\\U0010ffff\\ue000"),
        ("\u2800\u3164\ufe0f", "\\u2800\\u3164\\ufe0f"),
        ("", ""),
    ],
)
def test_what_is_seen(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("character", "\U000e0100\U000e01ef\u180b\u180d\u180f")
def test_a_mark_that_draws_nothing_is_written_out(character: str) -> None:
    """Two organizations with it and without it would look the same."""
    assert visible(f"Acme{character}") == f"Acme{ascii(character)[1:-1]}"


@given(ANY)
@example("\x1b[31m\u202e\n")
def test_what_is_seen_is_drawn_and_stays_so(text: str) -> None:
    shown = visible(text)
    assert all(map(drawn, shown))
    assert visible(shown) == shown
    assert "\n" not in shown


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_seen_unchanged(text: str) -> None:
    assert visible(text) == text


@given(ANY, ANY)
def test_characters_are_seen_one_by_one(one: str, other: str) -> None:
    assert visible(one + other) == visible(one) + visible(other)


@given(ANY)
def test_lines_keep_their_breaks_and_nothing_else(text: str) -> None:
    shown = visible_lines(text)
    assert shown.count("\n") == text.count("\n")
    assert [visible(line) for line in text.split("\n")] == shown.split("\n")


@given(ANY, st.integers(0, 30))
def test_a_shortened_text_fits_and_says_that_it_was_cut(text: str, length: int) -> None:
    cut = shorten(text, length)
    assert len(cut) <= max(length, 1)
    assert cut == text if len(text) <= length else cut == text[: max(length - 1, 0)] + "…"


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(days=1), "1 d"),
        (timedelta(days=364, hours=23), "364 d"),
        (timedelta(days=365), "1 y"),
        (timedelta(days=1200), "3 y"),
    ],
)
def test_an_age_is_said_in_one_unit(past: timedelta, said: str) -> None:
    assert age(NOW - past, NOW) == said


def test_things_are_counted_in_words() -> None:
    assert counted(1, "config") == "1 config"
    assert counted(0, "config") == "0 configs"
    assert counted(12345, "entry", "entries") == "12,345 entries"


def test_a_moment_is_written_in_utc() -> None:
    there = datetime.fromisoformat("2026-03-01T10:30:00.999999+01:00")
    assert iso(there) == "2026-03-01T09:30:00Z"
