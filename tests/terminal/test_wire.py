"""What is sent to the terminal: only what changes, and the same screen as Textual draws itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from bifrost_tui.tui.wire import Wire
from bifrost_tui.tui.wire_codes import are_narrow, is_sure, move, on_blanks, pen_of, to_draw
from tests.terminal.painted import Painted

Update = LayoutUpdate | ChopsUpdate

NO_WRAP = "\x1b[?7l"
FLAGS = (
    *("bold", "dim", "italic", "underline", "blink", "blink2", "reverse", "conceal", "strike"),
    *("underline2", "frame", "encircle", "overline"),
)
COLOURS = (
    *("#d5dbe0", "#12171c", "#9dd8d5", "red", "bright_blue", "color(7)", "color(200)", "default"),
    *(None, None),
)
# Words and blanks, and characters that are wide, or belong to the one before them, or both.
CHARACTERS = [*"aab   •─é", "世", "界", "한", "、", "🙂", "e\u0301", "世\u0323"]


class Maker:
    """Makes drawings at random: the same ones for the same number."""

    def __init__(self, seed: int, width: int, height: int, system: ColorSystem) -> None:
        self.random = Random(seed)
        # Styles keep their codes, and caches keep styles that are equal.
        self.kind = {"colours": system.name}
        self.width, self.height = width, height
        # Few styles, so that cells are the same by chance.
        self.styles = [None, *(self.style() for _ in range(3))]

    def style(self) -> Style:
        front, back = self.random.choices(COLOURS, k=2)
        flags = self.random.sample(FLAGS, self.random.choice((0, 0, 1, 2)))
        chosen: dict[str, Any] = dict.fromkeys(flags, True)
        return Style(color=front, bgcolor=back, meta=self.kind, **chosen)

    def strip(self, width: int) -> Strip:
        """Make a strip of just so many cells."""
        choose = self.random.choice
        segments = []
        for _ in range(choose((1, 2, 4))):
            text = "".join(self.random.choices(CHARACTERS, k=choose((1, 2, 5))))
            segments.append(Segment(text, choose(self.styles)))
        if choose((True, False)):
            segments.insert(1, Segment("\u0301", choose(self.styles)))
        return Strip(segments).adjust_cell_length(width, choose(self.styles))

    def full(self) -> LayoutUpdate:
        rows: list[Iterable[Strip]] = []
        for _ in range(self.height):
            cut = self.random.randint(0, self.width)
            rows.append([self.strip(length) for length in (cut, self.width - cut) if length])
        return LayoutUpdate(rows, Region(0, 0, self.width, self.height))

    def part(self) -> ChopsUpdate:
        chops: list[dict[int, Strip | None]] = []
        ends: list[list[int]] = []
        spans: list[tuple[int, int, int]] = []
        for y in range(self.height):
            cuts = sorted({0, self.width, *self.columns(self.random.randint(0, 3))})
            ends.append(cuts[1:])
            edges = sorted({*self.columns(self.random.choice((0, 2, 4)))})
            here = [(y, *edge) for edge in zip(edges[::2], edges[1::2], strict=False)]
            if not spans and y == self.height - 1:
                here = [(y, 0, self.width)]
            spans += here
            # Textual, too, renders nothing in a line that it will not draw.
            chops.append(
                {begin: self.strip(end - begin) if here else None for begin, end in pairwise(cuts)}
            )
        return ChopsUpdate(chops, spans, ends)

    def columns(self, count: int) -> list[int]:
        return [self.random.randint(0, self.width) for _ in range(count)]


@dataclass
class Both:
    """Two terminals of the same size: one fed by the layer, one by Textual itself."""

    width: int
    height: int
    system: ColorSystem = ColorSystem.TRUECOLOR
    wire: Wire = field(default_factory=Wire)
    sent: str = ""

    def __post_init__(self) -> None:
        name = self.system.name.lower().replace("eight_bit", "256")
        self.console = Console(color_system=name, force_terminal=True)  # type: ignore[arg-type]
        self.screens = [Painted(self.width, self.height) for _ in range(2)]
        self.streams = [pyte.Stream(screen) for screen in self.screens]
        self.feed(NO_WRAP)

    def feed(self, text: str) -> None:
        for stream in self.streams:
            stream.feed(text)

    def draw(self, update: Update, cursor: tuple[int, int]) -> None:
        """Draw in both ways, and compare."""
        self.sent = self.wire.drawn(update, cursor, self.system)
        self.streams[0].feed(self.sent)
        theirs = update.render_segments(self.console) + Control.move_to(*cursor).segment.text
        self.streams[1].feed(theirs)
        ours, right = self.screens
        assert ours.looks() == right.looks()
        assert ours.place() == right.place()

    def somewhere(self, random: Random) -> tuple[int, int]:
        return random.randrange(self.width), random.randrange(self.height)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        for screen in self.screens:
            screen.resize(height, width)


SIZES = st.tuples(st.integers(1, 24), st.integers(1, 5))
SYSTEMS = st.sampled_from([ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
STEPS = st.sampled_from(["full", "part", "part", "part", "again", "resize", "other", "lost"])


@given(SIZES, SYSTEMS, st.integers(0), st.lists(STEPS, min_size=1, max_size=12))
def test_it_always_looks_as_textual_draws_it(
    size: tuple[int, int], system: ColorSystem, seed: int, steps: list[str]
) -> None:
    both = Both(*size, system)
    make = Maker(seed, *size, system)
    last: Update = make.full()
    for step in steps:
        match step:
            case "full":
                last = make.full()
            case "part":
                last = make.part()
            case "again":
                place = both.somewhere(make.random)
                both.draw(last, place)
                both.draw(last, place)
                # Spans that share a piece repeat it, and may overwrite one another in it.
                if isinstance(last, LayoutUpdate):
                    assert both.sent == ""
            case "resize":
                size = make.random.randint(1, 24), make.random.randint(1, 5)
                both.resize(*size)
                both.wire.forget()
                make.width, make.height = size
                last = make.full()
            case "other":
                # Something else has written, the cursor's visibility among it.
                both.feed(make.random.choice(["\x1b[?25h", "\x1b[?25l", "\x1b[0;41mx\x1b[m"]))
                both.wire.forget()
            case _:
                both.feed("\x1b[H\x1b[mgone")
                both.wire.forget()
                last = make.full()
        both.draw(last, both.somewhere(make.random))


# What is sent


def drawn(wire: Wire, *rows: str, cursor: tuple[int, int] = (0, 0)) -> str:
    """Draw rows of text in the styles of their markup."""
    strips = [[Strip(list(Text.from_markup(row).render(Console())))] for row in rows]
    width = max(strip.cell_length for [strip] in strips)
    update = LayoutUpdate([*strips], Region(0, 0, width, len(rows)))
    return wire.drawn(update, cursor, ColorSystem.TRUECOLOR)


def test_only_what_differs_is_sent() -> None:
    wire = Wire()
    assert drawn(wire, "abcdefgh", "ijklmnop") == "\x1b[H\x1b[mabcdefgh\x1b[2Hijklmnop\x1b[H"
    assert drawn(wire, "abcdefgh", "ijklmnop") == ""
    assert drawn(wire, "abcdefgh", "ijkXmnop") == "\x1b[2;4HX\x1b[H"
    assert drawn(wire, "aBcDefgH", "ijkXmnop") == "\x1b[CBcDefgH\x1b[H"
    assert drawn(wire, "aBcDefgH", "ijkXmnop", cursor=(0, 1)) == "\r\n"
    wire.forget()
    assert drawn(wire, "aBcDefgH", "ijkXmnop").startswith("\x1b[H\x1b[maBcDefgH")


def test_a_colour_is_sent_when_it_changes() -> None:
    wire = Wire()
    drawn(wire, "[#010203]abc[/]         [#010203]def[/]", "[red]r[/]         ")
    # Blanks have no colour but the one behind them, and a pen is not put down between drawings.
    sent = drawn(wire, "[#010203]abX[/]         [#010203]Xef[/]", "[red]r[/]         ")
    assert sent == "\x1b[3G\x1b[38;2;1;2;3mX\x1b[9CX\r"
    assert drawn(wire, "[#010203]YbX[/]         [#010203]Xef[/]", "[red]r[/]         ") == "Y\r"


@pytest.mark.parametrize(
    ("before", "wanted", "blanks", "change"),
    [
        (None, "", False, "\x1b[m"),
        (None, "1;31", False, "\x1b[0;1;31m"),
        ("31", "32", False, "\x1b[32m"),
        ("31;44", "31;44", False, ""),
        ("31;44", "31", False, "\x1b[0;31m"),
        ("1;2;31;44", "2;31;44", False, "\x1b[22;2m"),
        ("4;21;31;44", "21;31;44", False, "\x1b[24;21m"),
        ("9;38;2;1;2;3", "38;2;1;2;3", False, "\x1b[0;38;2;1;2;3m"),
        # A blank shows what is behind it and nothing else.
        ("1;31;44", "44", True, ""),
        ("31;44", "45", True, "\x1b[45m"),
        ("4;31;44", "44", True, "\x1b[24m"),
        # A cursor in a field: what the text is drawn with, swapped.
        ("38;2;1;2;3;48;2;4;5;6", "48;2;1;2;3", True, "\x1b[7m"),
        ("1;38;2;1;2;3;48;2;4;5;6", "48;2;1;2;3", True, "\x1b[48;2;1;2;3m"),
    ],
)
def test_the_pen_is_changed_in_the_fewest_bytes(
    before: str | None, wanted: str, *, blanks: bool, change: str
) -> None:
    assert to_draw(before, wanted, blanks=blanks)[0] == change


def test_codes_that_are_not_known_are_refused() -> None:
    for codes in ("31;77", "38;9;1", "38", "x"):
        with pytest.raises((ValueError, LookupError)):
            pen_of(codes)
    assert pen_of("1;39;49").codes == "1"
    assert on_blanks("1;3;31;44") == "44"
    assert on_blanks("1;4;31;44") == "1;4;31;44"


@pytest.mark.parametrize(
    ("before", "to", "sent"),
    [
        (None, (0, 0), "\x1b[H"),
        (None, (0, 4), "\x1b[5H"),
        (None, (8, 4), "\x1b[5;9H"),
        ((8, 4), (8, 4), ""),
        ((8, 4), (7, 4), "\b"),
        ((8, 4), (9, 4), "\x1b[C"),
        ((8, 4), (0, 4), "\r"),
        ((8, 4), (0, 5), "\r\n"),
        ((8, 4), (8, 3), "\x1b[A"),
        ((8, 4), (60, 4), "\x1b[61G"),
    ],
)
def test_the_cursor_goes_the_shortest_way(
    before: tuple[int, int] | None, to: tuple[int, int], sent: str
) -> None:
    assert move(before, *to) == sent


def test_behind_characters_that_terminals_count_differently_it_goes_by_column() -> None:
    for cell in ("\u2764\ufe0f", "\U0001f469\u200d\U0001f527", "\U0001f642", "e\u0301"):
        assert not is_sure(cell)
        assert f"{cell}\x1b[1;" in drawn(Wire(), f"{cell}x")
    for cell in ("世", "한", "、", "ｱ", "é", "•", "─", "▌"):
        assert is_sure(cell)
    assert are_narrow("é•─▌ x")
    assert not are_narrow("世x")


def test_a_line_that_is_too_long_is_refused() -> None:
    wire = Wire()
    update = LayoutUpdate([[Strip([Segment("abc")])]], Region(0, 0, 2, 1))
    with pytest.raises(ValueError, match="longer"):
        wire.drawn(update, (0, 0), ColorSystem.TRUECOLOR)


def test_an_empty_screen_is_drawn() -> None:
    wire = Wire()
    assert wire.drawn(LayoutUpdate([], Region(0, 0, 0, 0)), (0, 0), ColorSystem.TRUECOLOR)
    assert wire.drawn(ChopsUpdate([], [], []), (0, 0), ColorSystem.TRUECOLOR) == ""
