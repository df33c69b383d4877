"""One line of a table: where its columns are, and how its cells become few runs of one style.

Every run costs some forty bytes on the wire, so blanks take the style of what stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from bifrost_tui.display import ELLIPSIS, visible

Run = tuple[str, Style]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    ``width`` is what it has at least; ``grow`` its share of the room left over, up to
    ``max_width`` (0: no limit). Where the room does not hold every column, those with ``drop``
    go, 1 first; a column with 0 stays. ``gap`` is the blank between it and the next.
    """

    name: str
    title: str
    width: int
    grow: int = 0
    drop: int = 0
    right: bool = False
    max_width: int = 0
    gap: int = 2


def lay_out(columns: Sequence[Column], room: int) -> list[tuple[Column, int]]:
    """Return the columns that fit into ``room`` cells, in order, each with its width."""
    kept = list(range(len(columns)))

    def spare() -> int:
        widths = sum(columns[at].width + columns[at].gap for at in kept)
        return room - widths + columns[kept[-1]].gap

    if not kept:
        return []
    losable = (at for at in kept if columns[at].drop)
    for victim in sorted(losable, key=lambda at: (columns[at].drop, -at)):
        if len(kept) == 1 or spare() >= 0:
            break
        kept.remove(victim)
    if (left := spare()) >= 0:
        return _grown([columns[at] for at in kept], left)
    return _squeezed([columns[at] for at in kept], room)


def _grown(columns: Sequence[Column], spare: int) -> list[tuple[Column, int]]:
    widths = [column.width for column in columns]

    def takers() -> list[int]:
        return [
            at
            for at, column in enumerate(columns)
            if column.grow and (not column.max_width or widths[at] < column.max_width)
        ]

    while spare and (growing := takers()):
        shares = sum(columns[at].grow for at in growing)
        offered = spare
        for at in growing:
            # At least one cell each: the last few are not a whole share of anybody's.
            share = min(max(offered * columns[at].grow // shares, 1), spare)
            if limit := columns[at].max_width:
                share = min(share, limit - widths[at])
            widths[at] += share
            spare -= share
    return list(zip(columns, widths, strict=True))


def _squeezed(columns: Sequence[Column], room: int) -> list[tuple[Column, int]]:
    placed = []
    for column in columns:
        if room <= 0:
            break
        placed.append((column, min(column.width, room)))
        room -= column.width + column.gap
    return placed


def text_runs(text: Text, base: Style, resolve: Callable[[str | Style], Style]) -> Iterator[Run]:
    """Yield the runs of ``text`` over ``base``, control characters written out."""
    plain = text.plain
    if text.style:
        base += resolve(text.style)
    if not text.spans:
        yield visible(plain), base
        return
    marks = {0, len(plain)}
    for span in text.spans:
        marks.update((span.start, span.end))
    for start, end in pairwise(sorted(mark for mark in marks if 0 <= mark <= len(plain))):
        style = base
        for span in text.spans:
            if span.start <= start and end <= span.end:
                style += resolve(span.style)
        yield visible(plain[start:end]), style


def fit(runs: Iterable[Run], width: int, base: Style, *, right: bool = False) -> list[Run]:
    """Cut ``runs`` to ``width`` cells, with an ellipsis, or fill them up with blanks."""
    if width < 1:
        return []
    kept = list(runs)
    used = sum(cell_len(text) for text, _ in kept)
    if used > width:
        kept, used = _cut(kept, width)
    if used == width:
        return kept
    blank = (" " * (width - used), base)
    return [blank, *kept] if right else [*kept, blank]


def _cut(runs: Iterable[Run], width: int) -> tuple[list[Run], int]:
    used = 0
    kept: list[Run] = []
    for text, style in runs:
        size = cell_len(text)
        if used + size >= width:
            # Half of a wide character is a blank, which would part the ellipsis from the text.
            rest = set_cell_size(text, width - 1 - used).rstrip(" ") + ELLIPSIS
            return [*kept, (rest, style)], used + cell_len(rest)
        kept.append((text, style))
        used += size
    return kept, used


def line(
    lead: Sequence[Run],
    placed: Iterable[tuple[Column, int]],
    cell: Callable[[Column], Iterable[Run]],
    width: int,
    ground: Style,
) -> Strip:
    """Draw ``lead`` and then what ``cell`` gives for each column; ``ground`` fills the rest."""
    runs = list(lead)
    used = sum(cell_len(text) for text, _ in runs)
    gap = 0
    for column, size in placed:
        runs.append((" " * gap, ground))
        runs += fit(cell(column), size, ground, right=column.right)
        used += gap + size
        gap = column.gap
    runs.append((" " * (width - used), ground))
    return Strip(join(runs), max(used, width)).adjust_cell_length(max(width, 0))


def join(runs: Iterable[Run]) -> list[Segment]:
    """Make segments of ``runs``, as few as show the same."""
    segments: list[Segment] = []
    text = ""
    style = Style.null()
    for more, other in runs:
        if not more:
            continue
        if not text:
            text, style = more, other
        elif (
            other is style or other == style or (not more.strip(" ") and _same_blank(style, other))
        ):
            text += more
        elif not text.strip(" ") and _same_blank(style, other):
            text, style = text + more, other
        else:
            segments.append(Segment(text, style))
            text, style = more, other
    if text:
        segments.append(Segment(text, style))
    return segments


@lru_cache(maxsize=1024)
def _same_blank(one: Style, other: Style) -> bool:
    return one.bgcolor == other.bgcolor and not (_marks_blanks(one) or _marks_blanks(other))


def _marks_blanks(style: Style) -> bool:
    return bool(
        style.reverse or style.underline or style.underline2 or style.strike or style.overline
    )
