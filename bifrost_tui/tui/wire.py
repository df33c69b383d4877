"""What the terminal shows, cell by cell, so that only cells that change are sent to it.

Textual repaints whole regions, most of which stand there already, and names every colour anew for
each piece of text. Over SSH that is what is felt. Here an update is laid beside what the terminal
shows; what differs is sent, with the shortest moves of the cursor, and colours when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeGuard

from rich.cells import split_graphemes
from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from bifrost_tui.tui.wire_codes import PLAIN, are_narrow, is_sure, move, on_blanks, to_draw

_BEHIND = ""
"""The second cell of a wide character."""
_UNKNOWN = "\x00"
"""A cell of which is not known what the terminal shows."""

_BRIDGE = 4
"""How many cells may be sent again: the cursor goes past any number of them in four bytes."""


_FEW = 8
"""So many chunks are sent as they come; of more, those of one colour may be sent together."""


Update = LayoutUpdate | ChopsUpdate


class _Chunk(NamedTuple):
    """Neighbouring cells that one pen can draw."""

    x: int
    y: int
    cells: list[str]
    pen: str
    blanks: bool


class Wire:
    """The memory of one terminal."""

    def __init__(self) -> None:
        self.size = (0, 0)
        """Columns and lines of what is remembered."""
        self._characters: list[list[str]] = []
        self._pens: list[list[str]] = []
        self._pen: str | None = None
        self._cursor: tuple[int, int] | None = None
        self._runs: list[tuple[int, int, int]] = []
        """The line, the first cell and the end of what the drawing under way has changed."""

    def forget(self) -> None:
        """Take it that the terminal may show anything: its next drawing is sent as a whole."""
        self.size = (0, 0)
        self._pen = self._cursor = None

    def takes(self, update: object) -> TypeGuard[Update]:
        """Say whether this is one of the updates that are understood here."""
        return type(update) in {LayoutUpdate, ChopsUpdate}

    def drawn(self, update: Update, cursor: tuple[int, int], system: ColorSystem) -> str:
        """Return what makes the terminal show ``update``, with the cursor at (column, line).

        Raises:
            Exception: something is not as expected. The memory is of no use after that.

        """
        if isinstance(update, LayoutUpdate):
            size = (update.region.right, update.region.bottom)
            pieces = _of_layout(update)
        else:
            size = (max((*update.chop_ends[0], 0)), len(update.chops)) if update.chops else (0, 0)
            pieces = _of_chops(update)
        if size != self.size:
            self._resize(*size)
        self._runs = []
        for x, y, strips in pieces:
            self._put(x, y, *_cells(strips, system))
        text, self._pen = self._shortest(self._chunks(), cursor)
        self._cursor = cursor
        return text

    def _resize(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._characters = [[_UNKNOWN] * width for _ in range(height)]
        self._pens = [[PLAIN] * width for _ in range(height)]
        # A terminal that changes its size moves its cursor.
        self._cursor = None

    def _put(self, x: int, y: int, characters: list[str], pens: list[str]) -> None:
        """Take note of cells of one line from a column on, and of what differs in them."""
        end = x + len(characters)
        if end > self.size[0]:
            raise ValueError("a line is longer than the screen")
        shown, drawn = self._characters[y], self._pens[y]
        shown_here, drawn_here = shown[x:end], drawn[x:end]
        if shown_here == characters and drawn_here == pens:
            return
        differing = [
            at
            for at, (new, old, pen, was) in enumerate(
                zip(characters, shown_here, pens, drawn_here, strict=True), x
            )
            if new != old or pen != was
        ]
        # Half of a wide character goes with the other half.
        if x and shown[x] == _BEHIND:
            shown[x - 1] = _UNKNOWN
        if end < self.size[0] and shown[end] == _BEHIND:
            shown[end] = _UNKNOWN
        shown[x:end] = characters
        drawn[x:end] = pens
        start = last = differing[0]
        for at in differing:
            gap = at - last - 1
            if gap > _BRIDGE or (gap > 0 and not self._bridged(y, last + 1, at)):
                self._runs.append((y, start, last + 1))
                start = at
            last = at
        self._runs.append((y, start, last + 1))

    def _bridged(self, y: int, start: int, end: int) -> bool:
        """Say whether cells that stand there already are shorter than the way around them."""
        characters, pens = self._characters[y][start:end], self._pens[y][start:end]
        pen = self._pens[y][start - 1]
        return (
            all(map(is_sure, characters))
            and all(
                wanted == pen or (character == " " and wanted == on_blanks(pen))
                for character, wanted in zip(characters, pens, strict=True)
            )
            and len("".join(characters).encode()) <= len(move((start, y), end, y))
        )

    def _chunks(self) -> list[_Chunk]:
        """Return what is to be sent, each cell once: pieces of one drawing may overlap."""
        chunks: list[_Chunk] = []
        merged: list[tuple[int, int, int]] = []
        for run in sorted(self._runs):
            y, start, end = run
            if merged and merged[-1][0] == y and start <= merged[-1][2]:
                _, first, before = merged.pop()
                run = (y, first, max(end, before))  # noqa: PLW2901
            merged.append(run)
        for run in merged:
            self._divide(*run, chunks)
        return chunks

    def _divide(self, y: int, start: int, end: int, chunks: list[_Chunk]) -> None:
        """Divide cells of one line that are to be sent into chunks of one pen each."""
        characters, pens = self._characters[y], self._pens[y]
        # A wide character is sent with both of its cells.
        if characters[start] == _BEHIND:
            start -= 1
        if end < self.size[0] and characters[end] == _BEHIND:
            end += 1
        begin, pen = start, pens[start]
        blank = on_blanks(pen)
        blanks = characters[start] == " "
        for at in range(start + 1, end):
            wanted = pens[at]
            if wanted == pen:
                if blanks and characters[at] != " ":
                    blanks = False
                continue
            if characters[at] == " ":
                if wanted == blank:
                    continue
            elif blanks and on_blanks(wanted) == blank:
                pen, blanks = wanted, False
                continue
            chunks.append(_Chunk(begin, y, characters[begin:at], pen, blanks))
            begin, pen = at, wanted
            blank = on_blanks(pen)
            blanks = characters[at] == " "
        chunks.append(_Chunk(begin, y, characters[begin:end], pen, blanks))

    def _shortest(self, chunks: list[_Chunk], cursor: tuple[int, int]) -> tuple[str, str | None]:
        """Return the shorter of two ways to send chunks, and the pen after it."""
        way = self._sent(chunks, cursor)
        if len(chunks) <= _FEW:
            return way
        first: dict[str, int] = {}
        for chunk in chunks:
            first.setdefault(on_blanks(chunk.pen), len(first))
            first.setdefault(chunk.pen, len(first))
        by_colour = sorted(
            chunks, key=lambda chunk: (first[on_blanks(chunk.pen)], first[chunk.pen])
        )
        return min(way, self._sent(by_colour, cursor), key=lambda way: len(way[0]))

    def _sent(self, chunks: list[_Chunk], cursor: tuple[int, int]) -> tuple[str, str | None]:
        """Return what sends chunks in their order, and the pen after that."""
        out: list[str] = []
        pen, at = self._pen, self._cursor
        width = self.size[0]
        for x, y, cells, wanted, blanks in chunks:
            if at != (x, y):
                out.append(move(at, x, y))
            if wanted != pen:
                change, pen = to_draw(pen, wanted, blanks=blanks)
                out.append(change)
            text = "".join(cells)
            if len(text) == len(cells) and are_narrow(text):
                out.append(text)
            else:
                _spell(out, x, y, cells)
                if not is_sure(cells[-1] or cells[-2]):
                    at = None
                    continue
            # Behind the last column, terminals are of two minds about where the cursor is.
            end = x + len(cells)
            at = (end, y) if end < width else None
        out.append(move(at, *cursor))
        return "".join(out), pen


def _spell(out: list[str], x: int, y: int, cells: list[str]) -> None:
    """Send cells of which some are counted by terminals in their own way."""
    lost = False
    for column, cell in enumerate(cells, x):
        if cell != _BEHIND:
            if lost:
                out.append(move(None, column, y))
            out.append(cell)
            lost = not is_sure(cell)


def _of_layout(update: LayoutUpdate) -> Iterator[tuple[int, int, Iterable[Strip]]]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield update.region.x, y, strips


def _of_chops(update: ChopsUpdate) -> Iterator[tuple[int, int, Iterable[Strip]]]:
    """Choose the pieces that Textual writes itself, those that touch joined to one."""
    for y, first, end in update.spans:
        joined: list[Strip] = []
        begin = reached = -1
        for piece_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=True):
            if strip is None or x > end or piece_end <= first:
                continue
            if not (end > x >= first and piece_end <= end):
                strip = strip.crop(0, min(piece_end, end) - x)  # noqa: PLW2901
            if not strip.cell_length:
                continue
            if x != reached:
                if joined:
                    yield begin, y, joined
                joined, begin = [], x
            joined.append(strip)
            reached = x + strip.cell_length
        if joined:
            yield begin, y, joined


def _cells(strips: Iterable[Strip], system: ColorSystem) -> tuple[list[str], list[str]]:
    """Take strips apart into cells: characters, and the codes of what each is drawn with."""
    characters: list[str] = []
    pens: list[str] = []
    before = PLAIN
    for strip in strips:
        for text, style, _control in strip:
            if style is None:
                codes = PLAIN
            else:
                found = style._ansi
                codes = Strip.render_ansi(style, system) if found is None else found
            if are_narrow(text):
                characters += text
                if " " not in text:
                    pens += [codes] * len(text)
                else:
                    blank = on_blanks(codes)
                    pens += [blank if one == " " else codes for one in text]
            else:
                _split(text, codes, before, characters, pens)
            if text:
                before = codes
    return characters, pens


def _split(text: str, codes: str, before: str, characters: list[str], pens: list[str]) -> None:
    """Add a text in which characters are wide, or belong to the one before them.

    ``before`` is what the text before this one is drawn with.
    """
    for begin, end, width in split_graphemes(text)[0]:
        if width == 0:
            # It belongs to what is drawn before it; at the edge of a piece there is nothing.
            if characters:
                at = len(characters) - 1 - (characters[-1] == _BEHIND)
                if characters[at] == " ":
                    # It is no blank any more.
                    pens[at] = before
                characters[at] += text[begin:end]
            continue
        cell = text[begin:end]
        characters.append(cell)
        pens.append(on_blanks(codes) if cell == " " else codes)
        if width == 2:
            characters.append(_BEHIND)
            pens.append(codes)
