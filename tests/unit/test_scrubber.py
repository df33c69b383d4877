"""Secrets are taken out of what is passed on, in whatever pieces and forms it comes."""

from __future__ import annotations

import copy
import os
import pickle
import random
import sys
import threading
from base64 import b64encode, encodebytes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bifrost_tui.scrubbing import follow, scrubber, search
from bifrost_tui.scrubbing.scrubber import REDACTED, SHORTEST, ScrubbedStream, Scrubber
from tests.unit.scrubber_support import MARK, SlowStream, Written, reference, written

WORDS = "correct-horse-battery-staple-x"
MOST_HELD = 1023 + 33 * 16
BREAKS = (b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\n" * 16, b"\n" * 17)

slow = settings(
    max_examples=max(150, settings().max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def scrubber_for(*values: str) -> Scrubber:
    made = Scrubber()
    for value in values:
        made.add(value)
    return made


def cut(text: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut a text into pieces of these sizes, over and over again."""
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        yield text[at : at + size]
        at, turn = at + size, turn + 1


def streamed(stream: ScrubbedStream, text: bytes, sizes: list[int]) -> bytes:
    return b"".join(stream.feed(piece) for piece in cut(text, sizes)) + stream.finish()


@contextmanager
def heads_of(size: int) -> Iterator[None]:
    """Search for fewer bytes of a long form, so that more forms are long."""
    with patch.object(follow, "HEAD", size), patch.object(search, "HEAD", size):
        yield


# Values and texts made of one another

LETTERS = st.sampled_from(["ab", "abc", "xyz019", "ab\n", "a'\"<&/ \\é😀\r\n", "Zk9+/=_-"])
FRESH = LETTERS.flatmap(lambda letters: st.text(letters, min_size=4, max_size=80))
SIZES = st.lists(st.integers(1, 40) | st.just(1), min_size=1, max_size=5)


@st.composite
def value_lists(draw: st.DrawFn) -> list[str]:
    """Values of which some share beginnings, overlap, or hold one another."""
    values = draw(st.lists(FRESH, min_size=1, max_size=3))
    for _ in range(draw(st.integers(0, 2))):
        one, other = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        start, end = draw(st.integers(0, 8)), draw(st.integers(4, 40))
        values.append(draw(st.sampled_from([one[start:end], one[:end] + other, one[start:] * 2])))
    return [value for value in values if len(value) >= SHORTEST]


def wrapped(data: bytes, first: int, width: int, line_break: bytes) -> bytes:
    """Put line breaks in: after the first few characters, and then after every ``width``."""
    lines = [data[at : at + width] for at in range(first, len(data), width)]
    return line_break.join([data[:first], *lines] if first else lines)


@st.composite
def pieces(draw: st.DrawFn, forms: Written) -> bytes:
    """A form, a part of one, one with a wrong byte, one in wrapped base64, or anything else."""
    literal, base64 = sorted(forms.literal), sorted(forms.base64)
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return draw(st.binary(max_size=6) | st.sampled_from([b"\n", b"ab", b"a", b"=", b"\r\n"]))
    form = draw(st.sampled_from(base64 if kind > 4 else literal))
    if kind > 4:
        around = st.text("AZaz09+/", max_size=70).map(str.encode)
        form = (draw(around) if draw(st.booleans()) else b"") + form
        first, width = draw(st.integers(0, 40)), draw(st.sampled_from([31, 32, 33, 48, 64, 76]))
        form = wrapped(form, first, width, draw(st.sampled_from(BREAKS)))
    start, end = draw(st.integers(0, 12)), draw(st.integers(1, len(form)))
    if kind == 1 or kind == 5:
        return form[:end]
    if kind == 2:
        return form[start : start + end]
    if kind == 3:
        return form[: end - 1] + draw(st.sampled_from([b"a", b"\n", b"\xff", b""])) + form[end:]
    return form


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Values, and a text in which they may stand."""
    values = draw(value_lists().filter(bool))
    return values, b"".join(draw(st.lists(pieces(written(values)), max_size=7)))


# The same as the slow way, however it is cut


@slow
@given(cases(), SIZES)
@example((["abcdef", "defxyz"], b"abcdefxyz abcdef defxy"), [1])
@example((["aaaa"], b"a" * 50), [3])
@example((["\n\n\n\n", "abcd"], b"Y\n\n\n\nYWJ\n"), [1])
@example((["abcdef"], b"Y\nWJ"), [1])
def test_a_text_comes_out_as_the_slow_way_makes_it(
    case: tuple[list[str], bytes], sizes: list[int]
) -> None:
    values, text = case
    forms, made = written(values), scrubber_for(*values)
    assert made.scrub(text) == reference(text, forms)
    assert streamed(made.stream(), text, sizes) == reference(text, forms, ended=True)


@slow
@given(cases(), SIZES)
@example((["abababababababababababababababababababababababababac"], b"ab" * 40 + b"ac"), [7])
def test_so_does_one_with_long_forms(case: tuple[list[str], bytes], sizes: list[int]) -> None:
    values, text = case
    with heads_of(36):
        made = scrubber_for(*values)
        whole, passed = made.scrub(text), streamed(made.stream(), text, sizes)
    assert whole == reference(text, written(values), head=36)
    assert passed == reference(text, written(values), head=36, ended=True)


@slow
@given(
    cases(),
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([36, 1024]),
)
@example((["abcdefghij"], b"abcdefgXabcdefghij abc"), [(5, True), (1, False)], 1024)
@example((["abcdabcZ", "dabcYYYY"], b"abcdabcYYQ"), [(7, True), (1, True)], 1024)
@example((["\nabcdef"], b"\nabcZm9v"), [(4, True), (1, False)], 1024)
@example((["aaaa", "aaab"], b"aaaa"), [(1, True)], 1024)
@example((["aaaa", "aaaaaaaa"], b"61616161FhYW"), [(1, True)], 1024)
@example((["\nYWJxxxx", "abcdef"], b"\nYWJjZ!"), [(4, True), (1, False)], 1024)
@example((["\n\n\n\nQRST", "abcd"], b"Y\n\n\n\nQRX"), [(5, True), *[(1, False)] * 3], 1024)
@example((["abcdef"], b"YWJjZG!"), [(4, True), *[(1, False)] * 3], 1024)
@example(([WORDS], b64encode(WORDS.encode()) + b"\n"), [(1, False)], 36)
def test_what_is_passed_on_and_what_is_held_is_known_at_every_step(
    case: tuple[list[str], bytes], steps: list[tuple[int, bool]], head: int
) -> None:
    values, text = case
    with heads_of(head):
        fast, slowly = scrubber_for(*values).stream(), SlowStream(written(values), head)
        for turn, piece in enumerate(cut(text, [size for size, _ in steps])):
            assert fast.feed(piece) == slowly.feed(piece)
            if steps[turn % len(steps)][1]:
                assert fast.pause() == slowly.pause()
                assert not fast.holds
        assert fast.finish() == slowly.finish()


@slow
@given(cases(), st.integers(0, 200), st.integers(1, 9))
def test_a_value_that_is_added_midway_counts_from_there_on(
    case: tuple[list[str], bytes], when: int, size: int
) -> None:
    values, text = case
    made = scrubber_for(*values[:-1])
    fast, slowly = made.stream(), SlowStream(written(values[:-1]))
    passed, expected = [], []
    for at, piece in enumerate(cut(text, [size])):
        if at == when * len(text) // size // 200:
            made.add(values[-1])
            slowly.add(written(values))
        passed.append(fast.feed(piece))
        expected.append(slowly.feed(piece))
    assert passed == expected
    assert fast.finish() == slowly.finish()


def test_a_stream_knows_what_was_added_after_it_was_made() -> None:
    made = Scrubber()
    stream = made.stream()
    assert stream.feed(b"hunter2 and hun") == b"hunter2 and hun"
    made.add("hunter2")
    assert stream.feed(b" hun") == b" "
    made.add("hunting")
    assert stream.feed(b"ting hunter2 ") == b"[REDACTED] [REDACTED] "


# What leaves nothing of a secret


@slow
@given(cases(), SIZES)
def test_no_form_is_left_between_the_marks(case: tuple[list[str], bytes], sizes: list[int]) -> None:
    values, text = case
    forms, made = written(values), scrubber_for(*values)
    for passed in (made.scrub(text), streamed(made.stream(), text, sizes)):
        for part in passed.split(MARK):
            assert not any(form in part for form in forms.literal | forms.base64)


@slow
@given(
    st.text("abcdefgh'\"/\n", min_size=8, max_size=60).filter(lambda value: len({*value}) > 3),
    st.integers(0, 10**6),
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)
def test_a_pause_anywhere_shows_less_than_four_bytes(
    value: str, which: int, sizes: list[int], line_break: bytes
) -> None:
    forms = written([value])
    literal, base64 = sorted(forms.literal), sorted(forms.base64)
    lines = [wrapped(form, which % 40, 32, line_break) for form in base64]
    form = [*literal, *lines][which % (len(literal) + len(lines))]
    stream = scrubber_for(value).stream()
    passed = [stream.feed(b"\xff~") + stream.pause()]
    passed += [stream.feed(piece) + stream.pause() for piece in cut(form, sizes)]
    passed += [stream.feed(b"~\xff"), stream.finish()]
    shown = b"".join(passed)
    assert shown.startswith(b"\xff~")
    assert shown.endswith(b"~\xff")
    for part in shown[2:-2].split(MARK):
        assert len(part.translate(None, b"\r\n") if form in lines else part) < SHORTEST


@given(st.binary(max_size=300), SIZES)
def test_what_holds_no_secret_comes_out_as_it_is(text: bytes, sizes: list[int]) -> None:
    made = scrubber_for("\u2603 not in there \u2603", "nor this one, surely")
    assert made.scrub(text) == text
    assert streamed(made.stream(), text, sizes) == text
    assert Scrubber().scrub(text) == text
    assert streamed(Scrubber().stream(), text, sizes) == text


# Text


@given(st.text(st.characters() | st.characters(categories=["Cs"]), max_size=60))
def test_text_without_secrets_is_the_same_object(text: str) -> None:
    assert scrubber_for("\u2603not in there\u2603").scrub_text(text) is text


def test_half_a_character_beside_a_secret_survives() -> None:
    assert scrubber_for("hunter2").scrub_text("\ud800hunter2\udfff") == "\ud800[REDACTED]\udfff"
    assert scrubber_for("key\ud800").scrub_text("a key\ud800 b") == "a [REDACTED] b"


@pytest.mark.parametrize("other", ["è", "\ud801", "a"])
@pytest.mark.parametrize("length", [1021, 1022, 1023, 1030])
def test_what_agrees_with_a_long_value_may_end_inside_a_character(length: int, other: str) -> None:
    value = "x" * length + "é\ud800é" * 20
    made, whole = scrubber_for(value), value.encode("utf-8", "surrogatepass")
    for agrees in ("", "é", "é\ud800", "é\ud800é"):
        text = "x" * length + agrees + other + "é!"
        data = text.encode("utf-8", "surrogatepass")
        same = next(n for n in range(len(data), -1, -1) if whole.startswith(data[:n]))
        rest = data[same:].lstrip(bytes(range(0x80, 0xC0))).decode("utf-8", "surrogatepass")
        assert made.scrub_text(text) == (REDACTED + rest if same >= 1024 else text)


# Values and marks


def test_values_that_are_too_short_are_counted() -> None:
    made = Scrubber()
    assert [made.add(value) for value in ("", "abc", "abc", "éé", "abcd", "abcd", "ééé€")] == [
        *[False] * 4,
        *[True] * 3,
    ]
    assert made.too_short == 3
    assert made.scrub(b"abc abcd") == b"abc [REDACTED]"


def test_what_touches_or_overlaps_becomes_one_mark() -> None:
    made = scrubber_for("abcdef", "defghi", "xyz12")
    assert REDACTED.encode() == MARK
    assert made.scrub(b"abcdefghixyz12abcdef.xyz12") == b"[REDACTED].[REDACTED]"
    stream = made.stream()
    assert [stream.feed(bytes([byte])) for byte in b"abcdefxyz12 "] == [
        *[b""] * 5,
        MARK,
        *[b""] * 5,
        b" ",
    ]


def test_the_longest_of_several_values_leaves_no_tail() -> None:
    made = scrubber_for("secret", "secret-long", "secret-longer")
    assert made.scrub(b"secret-longer secret-longe secret") == b"[REDACTED] [REDACTED]e [REDACTED]"


def test_a_value_in_wrapped_base64_is_found_wherever_it_stands() -> None:
    value = "correct-horse-battery-staple-and-some-more-of-it"
    made, forms = scrubber_for(value), written([value])
    for before in range(120):
        data = b"\xf7" * before + value.encode() + b"\xf7" * 20
        for text in (encodebytes(data), wrapped(b64encode(data), before % 64, 64, b"\r\n")):
            left = made.scrub(text)
            assert left == reference(text, forms)
            assert left.count(MARK) == 1
            assert len(text) - len(left) + len(MARK) >= (8 * len(value) - 10) // 6


@pytest.mark.parametrize("length", [19, 24, 25, 26, 34, 36, 37, 70])
def test_a_value_in_base64_is_found_wherever_it_is_broken_and_cut(length: int) -> None:
    value = (WORDS * 3)[length % 5 :][:length]
    made, form = scrubber_for(value), b64encode(value.encode())[: 8 * length // 6]
    for first in range(1, 48):
        for width in (32, 33, 40):
            text = wrapped(form, first, width, b"\r\n" * 8)
            assert made.scrub(text) == MARK
            for at in (first, first + 1, first + 16, first + 24, first + 47, len(text) - 1):
                assert streamed(made.stream(), text, [at, len(text)]) == MARK


@pytest.mark.parametrize(
    ("first", "width", "line_break", "found"),
    [
        (1, 32, b"\n", True),
        (31, 32, b"\r\n", True),
        (7, 33, b"\n" * 16, True),
        (7, 33, b"\n" * 17, False),
        (1, 31, b"\n", False),
        (0, 31, b"\n", False),
    ],
)
def test_line_breaks_in_base64_stand_apart(
    first: int, width: int, line_break: bytes, found: bool
) -> None:
    value = "correct-horse-battery-staple-and-some-more-of-that-and-so-on"
    text = wrapped(b64encode(value.encode()), first, width, line_break)
    assert (scrubber_for(value).scrub(text) == MARK) is found


# What is held back


def test_a_prompt_appears_at_once() -> None:
    stream = scrubber_for("hunter2hunter2", "Password123").stream()
    steps = [b"Password: ", b"Continue with hunter2", b"? ", b"Passwo", b"rk"]
    assert [(stream.feed(step), stream.holds) for step in steps] == [
        (b"Password: ", False),
        (b"Continue with ", True),
        (b"hunter2? ", False),
        (b"", True),
        (b"Passwork", False),
    ]


def test_what_is_a_secret_already_is_replaced_at_once() -> None:
    stream = scrubber_for("hunter2", "hunter2-and-more").stream()
    assert (stream.feed(b"> hunter2"), stream.holds) == (b"> " + MARK, False)
    assert (stream.feed(b"-and"), stream.holds) == (b"", True)
    assert stream.feed(b"-less") == b"-and-less"
    assert stream.feed(b" hunter2-and-more") == b" " + MARK


def test_a_pause_ends_the_wait() -> None:
    stream = scrubber_for("hunter2hunter2").stream()
    assert stream.feed(b"> hu") == b"> "
    assert (stream.pause(), stream.holds) == (b"hu", False)
    assert (stream.feed(b"nter"), stream.holds) == (b"", True)
    assert (stream.pause(), stream.holds) == (MARK, False)
    assert (stream.pause(), stream.holds) == (b"", False)
    assert stream.feed(b"2hunter2!") == b"!"
    assert stream.feed(b" hunter2") == b" "
    assert (stream.pause(), stream.holds) == (MARK, False)
    assert (stream.feed(b"h"), stream.holds) == (b"", False)
    assert (stream.feed(b"Hi"), stream.holds) == (b"Hi", False)
    assert stream.finish() == b""


def test_what_was_shown_in_a_pause_is_not_shown_again() -> None:
    stream = scrubber_for("hunter2").stream()
    assert stream.feed(b"hun") == b""
    assert stream.pause() == b"hun"
    assert stream.feed(b"g") == b"g"
    assert stream.feed(b" hun") == b" "
    assert stream.pause() == b"hun"
    assert stream.feed(b"ter2") == MARK


def test_the_end_hides_what_was_killed_in_the_middle() -> None:
    made = scrubber_for("hunter2hunter2")
    for text, rest in ((b"hunt", MARK), (b"hun", b"hun"), (b"", b"")):
        stream = made.stream()
        assert stream.feed(b"x " + text) == b"x "
        assert stream.finish() == rest
        assert not stream.holds
        assert stream.finish() == b""
        assert made.scrub(b"x " + text) == b"x " + text
    encoded = b64encode(b"hunter2hunter2")[:8] + b"\n"
    assert streamed(made.stream(), encoded, [3]) == MARK + b"\n"


def test_after_the_end_a_stream_begins_anew() -> None:
    stream = scrubber_for("hunter2").stream()
    assert stream.feed(b"hunter2") + stream.finish() == MARK
    assert stream.feed(b"hunter2") + stream.finish() == MARK
    assert stream.feed(b"hunte") + stream.pause() + stream.finish() == MARK
    assert stream.feed(b"r2") + stream.finish() == b"r2"
    assert stream.feed(b"hunte") + stream.pause() + stream.finish() == MARK
    assert stream.feed(b"hunX") + stream.finish() == b"hunX"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("aaaa", b"a" * 300_000),
        ("a" * 3000, b"a" * 6_000),
        ("ab" * 2000 + "c", b"ab" * 3_500),
        ("z" * 3000, b64encode(b"z" * 5_000)),
        ("z" * 3000, wrapped(b64encode(b"z" * 5_000), 5, 32, b"\r\n" * 8)),
        ("z" * 3000, b"enp6" * 9 + b"\n" * 100_000),
        ("x" + "\n" * 3000, b"x" + b"\n" * 100_000),
    ],
    ids=range(7),
)
def test_what_is_held_does_not_grow_with_the_text(value: str, text: bytes) -> None:
    stream = scrubber_for(value).stream()
    for piece in cut(text, [997]):
        stream.feed(piece)
        assert len(stream._held) <= MOST_HELD
        assert len(stream._followers) <= 20
        assert len(stream._agreed) <= 20
    stream.feed(b"!!")
    assert stream._held == b""
    assert stream._followers == []


# Long values


LONG = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=2**20))


@pytest.fixture(scope="module")
def for_long() -> Scrubber:
    return scrubber_for(LONG, "short-one")


def test_a_value_of_a_megabyte_is_followed_to_where_it_differs(for_long: Scrubber) -> None:
    data = LONG.encode()
    for form in (data, data.hex().encode(), encodebytes(b"\xff" + data)[2:-3]):
        for size in (1060, 1061, 5_000, len(form)):
            text = b"<" + form[:size] + b"\xff>"
            for sizes in ([len(text)], [65_536], [1_000, 65_537]):
                left = streamed(for_long.stream(), text, sizes)
                assert left[:200] == b"<[REDACTED]\xff>"
        text = b"<" + form[:1000] + b">"
        assert for_long.scrub(text) == text


def test_a_long_value_takes_little_room(for_long: Scrubber) -> None:
    found = for_long.search()
    assert found is not None
    assert len(found._places) < 200
    stream = for_long.stream()
    assert stream.feed(LONG[:1023].encode()) == b""
    assert stream.feed(LONG[1023:2000].encode()) == MARK
    assert not stream.holds
    assert len(stream._held) < 10


A, ABC, LINE = "a" * 1200, "abc" * 400, "0123456789abcdef" * 4
AGAIN = [
    (A + "XYZ" * 50, "a" * 1210 + "XYZ" * 50 + "."),
    (A + "XYZ" * 50, "a" * 1700 + "XYZ" * 20 + "XZ"),
    (ABC + "X" * 50, ABC + "abc" * 20 + "abX" + ABC + "X" * 40),
    (ABC + "X" * 50, "c" + ABC[:-3] + "a" + ABC + "X" * 51),
    (LINE * 18 + "end", LINE * 40 + "en"),
    (LINE * 18 + "end", "9" + LINE * 17 + LINE[:63] + LINE * 19),
]


@pytest.mark.parametrize("case", range(len(AGAIN)))
def test_a_long_value_that_repeats_itself_is_followed(case: int) -> None:
    value, text = AGAIN[case]
    made, forms = scrubber_for(value), written([value])
    forms = Written(frozenset({value.encode()}), forms.base64)
    for data in (text.encode(), wrapped(b64encode(text.encode()), 40, 64, b"\n")):
        expected = reference(data, forms, ended=True)
        # Told apart before they are compared: a diff of such texts takes minutes.
        same = [streamed(made.stream(), data, [size]) == expected for size in (61, 5000)]
        assert same == [True, True]


@pytest.mark.parametrize(
    ("first", "width", "line_break"),
    [(40, 31, b"\n"), (5, 31, b"\n"), (5, 32, b"\n"), (38, 32, b"\n" * 16), (38, 32, b"\n" * 17)],
)
@pytest.mark.parametrize("size", [1, 50, 500])
def test_line_breaks_stand_apart_in_a_long_form_too(
    first: int, width: int, line_break: bytes, size: int
) -> None:
    value = "correct-horse-battery-staple-and-some-more-of-that-and-so-on-and-so-forth"
    text = wrapped(b64encode(value.encode()), first, width, line_break)
    with heads_of(36):
        passed = streamed(scrubber_for(value).stream(), text, [size])
    assert passed == reference(text, written([value]), head=36, ended=True)


def test_what_is_followed_behind_something_that_is_held_is_not_forgotten() -> None:
    value, lines = bytes(range(100, 127)).decode() + "x" * 40, "\n" * 16
    inner = b64encode(value.encode()).decode()
    with heads_of(36):
        stream = scrubber_for(value, lines + inner[1:50]).stream()
        assert stream.feed((inner[0] + lines + inner[1:30]).encode()) == b""
        assert stream.feed(b"!!") == inner[:1].encode() + MARK + b"!!"


# Threads, and what is told


def test_threads_may_share_a_scrubber() -> None:
    made, values = Scrubber(), [f"value-{n:05}-" + "x" * (n % 7) for n in range(60)]
    problems: list[Exception] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a thread raises
            problems.append(error)

    def add(part: list[str]) -> None:
        for value in part:
            made.add(value)
            assert made.scrub(f"<{value}>".encode()) == b"<[REDACTED]>"

    threads = [
        threading.Thread(target=run, args=(lambda part=values[n::4]: add(part),)) for n in range(4)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not problems
    assert made.scrub("".join(values).encode()) == MARK


@pytest.mark.parametrize("kind", ["scrubber", "stream", "search"])
def test_nothing_shows_a_value_and_nothing_can_be_saved(kind: str) -> None:
    made = scrubber_for("tell-no-one", "no!")
    stream = made.stream()
    stream.feed(b"tell-no")
    thing = {"scrubber": made, "stream": stream, "search": made.search()}[kind]
    assert "tell" not in f"{thing!r}{thing}"
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError) as caught:
            take(thing)
        assert "tell" not in str(caught.value)


def test_text_in_large_pieces_is_searched_in_smaller_ones() -> None:
    value = os.urandom(20).hex()
    text = b"." * (scrubber._CHUNK - 20) + value.encode() + b"." * scrubber._CHUNK
    assert scrubber_for(value).scrub(text) == text.replace(value.encode(), MARK)
    with patch.object(scrubber, "_CHUNK", 3):
        assert scrubber_for(value).scrub(text[-300_000:][: len(text) // 2]) == text[-300_000:][
            : len(text) // 2
        ].replace(value.encode(), MARK)


@pytest.mark.parametrize("limit", [0, 2**40])
def test_either_kind_of_automaton_finds_the_same(limit: int) -> None:
    with patch.object(search, "_DFA_LIMIT", limit):
        assert scrubber_for("hunter2", "two\nlines").scrub(b"hunter2 two\\nlines") == b"%b %b" % (
            MARK,
            MARK,
        )
