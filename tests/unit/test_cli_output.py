"""Tables and JSON: aligned, fitting, and harmless."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.cli import output
from bifrost_tui.display import visible

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    found = io.BytesIO()
    monkeypatch.setattr(output, "emit", found.write)
    return found


@given(values)
def test_json_is_harmless_and_says_the_same(value: Any) -> None:
    shown = output.json_text(value)
    assert json.loads(shown) == value
    assert visible(shown) == shown


def test_json_stays_legible() -> None:
    assert output.json_text({"ü": "Ñandú 漢字 \x1b\u202e\U000e0001\n"}) == (
        '{"ü": "Ñandú 漢字 \\u001b\\u202e\\udb40\\udc01\\n"}'
    )


@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_an_array_is_an_object_a_line(written: io.BytesIO, number: int) -> None:
    objects = [{"n": index, "text": "x" * 50} for index in range(number)]
    output.emit_json_array(iter(objects))
    assert json.loads(written.getvalue()) == objects
    assert written.getvalue().count(b"\n") == (number + 2 if number else 1)


def test_columns_are_aligned_and_empty_ones_left_out(written: io.BytesIO) -> None:
    output.emit_table(
        ("NAME", "N", "EMPTY", "LAST"),
        [("a", "5", "", "x"), ("漢字", "1000", "", ""), ("e\u0301e\u0301", "", "", "z" * 300)],
        numbers=("N",),
    )
    assert written.getvalue().decode().split("\n") == [
        "NAME     N  LAST",
        "a        5  x",
        "漢字  1000",
        "e\u0301e\u0301          " + "z" * 300,
        "",
    ]


@given(st.lists(st.tuples(text, text, text), min_size=1, max_size=5), st.integers(1, 100))
def test_a_table_fits_any_width(rows: list[tuple[str, str, str]], width: int) -> None:
    found = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "emit", found.write)
        patch.setattr(output, "to_terminal", lambda: True)
        patch.setenv("COLUMNS", str(width))
        output.emit_table(("ONE", "TWO", "THREE"), rows)
    lines = found.getvalue().decode().removesuffix("\n").split("\n")
    assert len(lines) == len(rows) + 1
    assert all(output.cells(line) <= width for line in lines)
    assert all(visible(line) == line for line in lines)


def test_what_fits_is_not_shortened(written: io.BytesIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "to_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    output.emit_table(("KEY", "VALUE"), [("SHORT", "v" * 100), ("K" * 12, "w")])
    assert written.getvalue().decode().split("\n")[1:3] == [
        "SHORT         " + "v" * 25 + "…",
        "K" * 12 + "  w",
    ]
