"""What the terminal shows, cell by cell, so that only cells that change are sent to it.

Textual repaints whole regions, most of which stand there already, and names every colour anew for
each piece of text. Over SSH that is what is felt. Here an update is laid beside what the terminal
shows; what differs is sent, with the shortest moves of the cursor, and colours when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import _is_single_cell_widths, split_graphemes
from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from bifrost_tui.tui.wire_codes import PLAIN, change_of_pen, is_sure, move, on_blanks

_BEHIND = ""
"""The second cell of a wide character."""
_UNKNOWN = "\x00"
"""A cell of which is not known what the terminal shows."""

_BRIDGE = 8
"""How many cells may stand between two that differ so that they are looked at together."""

Cells = tuple[list[str], list[str]]
"""Characters, and the codes of what they are drawn with, as two lists of the same length."""


class Wire:
    """The memory of one terminal."""

    def __init__(self) -> None:
        self.size = (0, 0)
        """Columns and lines of what is remembered."""
        self._characters: list[list[str]] = []
        self._pens: list[list[str]] = []
        self._pen: str | None = None
        self._cursor: tuple[int, int] | None = None
        self._out: list[str] = []

    def forget(self) -> None:
        """Take it that the terminal may show anything: its next drawing is sent as a whole."""
        self.size = (0, 0)
        self._pen = self._cursor = None

    def drawn(
        self, update: LayoutUpdate | ChopsUpdate, cursor: tuple[int, int], system: ColorSystem
    ) -> str:
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
        self._out = []
        for x, y, strips in pieces:
            self._put(x, y, _cells(strips, system))
        self._out.append(move(self._cursor, *cursor))
        self._cursor = cursor
        return "".join(self._out)

    def _resize(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._characters = [[_UNKNOWN] * width for _ in range(height)]
        self._pens = [[PLAIN] * width for _ in range(height)]
        # A terminal that changes its size moves its cursor.
        self._cursor = None

    def _put(self, x: int, y: int, cells: Cells) -> None:
        """Draw cells of one line from a column on, as far as they differ."""
        characters, pens = cells
        width = self.size[0]
        if x + len(characters) > width:
            raise ValueError("a line is longer than the screen")
        end = x + len(characters)
        shown, drawn = self._characters[y], self._pens[y]
        shown_here, drawn_here = shown[x:end], drawn[x:end]
        if shown_here == characters and drawn_here == pens:
            return
        differing = [
            at
            for at, (new, old, pen, was) in enumerate(
                zip(characters, shown_here, pens, drawn_here, strict=True)
            )
            if new != old or pen != was
        ]
        # Half of a wide character goes with the other half.
        if x and shown[x] == _BEHIND != characters[0]:
            shown[x - 1] = _UNKNOWN
        if end < width and shown[end] == _BEHIND:
            shown[end] = _UNKNOWN
        shown[x:end] = characters
        drawn[x:end] = pens
        start = last = differing[0]
        for at in differing[1:]:
            gap = at - last - 1
            if gap and (gap > _BRIDGE or not self._bridged(x, y, cells, last + 1, at)):
                self._run(x, y, cells, start, last + 1)
                start = at
            last = at
        self._run(x, y, cells, start, last + 1)

    def _bridged(self, x: int, y: int, cells: Cells, start: int, end: int) -> bool:
        """Say whether cells that stand there already are shorter than the way around them."""
        characters, pens = cells
        gap = "".join(characters[start:end])
        pen = pens[start - 1]
        if not all(map(is_sure, gap)) or len(gap) != end - start:
            return False
        same = all(
            pens[at] == pen or (gap[at - start] == " " and pens[at] == on_blanks(pen))
            for at in range(start, end)
        )
        return same and len(gap.encode()) <= len(move((x + start, y), x + end, y))

    def _run(self, x: int, y: int, cells: Cells, start: int, end: int) -> None:
        """Send neighbouring cells."""
        characters, pens = cells
        out = self._out
        # A wide character is sent with both of its cells.
        if characters[start] == _BEHIND:
            start -= 1
        if end < len(characters) and characters[end] == _BEHIND:
            end += 1
        out.append(move(self._cursor, x + start, y))
        text = "".join(characters[start:end])
        sure = len(text) == end - start and _is_single_cell_widths(text)
        pen = self._pen
        if sure:
            begun = start
            blanks = None if pen is None else on_blanks(pen)
            for at in range(start, end):
                wanted = pens[at]
                if wanted != pen and (wanted != blanks or characters[at] != " "):
                    if at > begun:
                        out.append(text[begun - start : at - start])
                        begun = at
                    out.append(change_of_pen(pen, wanted))
                    pen = wanted
                    blanks = on_blanks(pen)
            out.append(text[begun - start :])
            self._pen = pen
            self._arrive(x + end, y)
            return
        self._cursor = (x + start, y)
        for at in range(start, end):
            character, wanted = characters[at], pens[at]
            if character == _BEHIND:
                continue
            if self._cursor is None:
                out.append(move(None, x + at, y))
            if pen is None or (wanted != pen and (character != " " or wanted != on_blanks(pen))):
                out.append(change_of_pen(pen, wanted))
                pen = wanted
            out.append(character)
            if is_sure(character):
                wide = at + 1 < end and characters[at + 1] == _BEHIND
                self._arrive(x + at + 1 + wide, y)
            else:
                # Terminals may count its cells in their own way.
                self._cursor = None
        self._pen = pen

    def _arrive(self, x: int, y: int) -> None:
        # Behind the last column, terminals are of two minds about where the cursor is.
        self._cursor = (x, y) if x < self.size[0] else None


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


def _cells(strips: Iterable[Strip], system: ColorSystem) -> Cells:
    """Take strips apart into cells."""
    characters: list[str] = []
    pens: list[str] = []
    for strip in strips:
        for text, style, _control in strip:
            if style is None:
                codes = PLAIN
            else:
                found = style._ansi
                codes = Strip.render_ansi(style, system) if found is None else found
            if _is_single_cell_widths(text):
                characters += text
                if " " not in text:
                    pens += [codes] * len(text)
                    continue
                blank = on_blanks(codes)
                if text.isspace():
                    pens += [blank] * len(text)
                else:
                    pens += [blank if one == " " else codes for one in text]
            else:
                _split(text, codes, characters, pens)
    return characters, pens


def _split(text: str, codes: str, characters: list[str], pens: list[str]) -> None:
    """Add a text in which characters are wide, or belong to the one before them."""
    for begin, end, width in split_graphemes(text)[0]:
        if width == 0:
            # It belongs to what is drawn before it; at the edge of a piece there is nothing.
            if characters:
                at = len(characters) - 1 - (characters[-1] == _BEHIND)
                characters[at] += text[begin:end]
            continue
        cell = text[begin:end]
        characters.append(cell)
        pens.append(on_blanks(codes) if cell == " " else codes)
        if width == 2:
            characters.append(_BEHIND)
            pens.append(codes)
