"""What is sent to the terminal: only what changes, and the same screen as Textual draws itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from bifrost_tui.tui.wire import Wire
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
        return Style(color=front, bgcolor=back, meta=self.kind, **dict.fromkeys(flags, True))

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
