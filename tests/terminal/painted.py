"""A terminal that tells how each of its cells looks, with every attribute a style may have."""

from __future__ import annotations

from typing import Any, cast

import pyte

_ENDS = {
    "22": {"1", "2"},
    "23": {"3"},
    "24": {"4", "21"},
    "25": {"5", "6"},
    "27": {"7"},
    "28": {"8"},
    "29": {"9"},
    "54": {"51", "52"},
    "55": {"53"},
}
_SEEN_ON_BLANKS = {"4", "5", "6", "8", "9", "21", "51", "52", "53"}

Look = tuple[str, str, str, frozenset[str]]
"""A cell's character, the colours of it and behind it, and its attributes."""


class Painted(pyte.Screen):
    """pyte's screen, which keeps the attributes as a set where it has a flag for bold."""

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Skip what pyte does not know."""

    def select_graphic_rendition(self, *attrs: int) -> None:
        pen = self.cursor.attrs
        numbers = [str(number) for number in attrs] or ["0"]
        chosen = _attributes(pen)
        colours = {"3": pen.fg, "4": pen.bg}
        while numbers:
            number = numbers.pop(0)
            if number == "0":
                chosen, colours = set(), {"3": "default", "4": "default"}
            elif number in {"38", "48"}:
                count = {"2": 4, "5": 2}[numbers[0]]
                colours[number[0]] = ";".join(numbers[:count])
                del numbers[:count]
            elif number in {"39", "49"}:
                colours[number[0]] = "default"
            elif number in _ENDS:
                chosen -= _ENDS[number]
            elif 30 <= int(number) <= 47:
                colours[number[0]] = number[1]
            elif 90 <= int(number) <= 107:
                colours["3" if number[0] == "9" else "4"] = f"bright {number[-1]}"
            else:
                chosen.add(number)
        self.cursor.attrs = pen._replace(
            bold=cast("bool", frozenset(chosen)), fg=colours["3"], bg=colours["4"]
        )

    def looks(self) -> list[list[Look]]:
        """Return how every cell looks: what nobody can see on a blank is left out."""
        return [[_look(self.buffer[y][x]) for x in range(self.columns)] for y in range(self.lines)]

    def place(self) -> tuple[int, int, bool]:
        """Return where the cursor is, and whether it is hidden."""
        return min(self.cursor.x, self.columns - 1), self.cursor.y, self.cursor.hidden


def _attributes(cell: Any) -> set[str]:
    return set(cell.bold or ())


def _look(cell: Any) -> Look:
    attributes = frozenset(_attributes(cell))
    front = "own front" if cell.fg == "default" else cell.fg
    behind = "own back" if cell.bg == "default" else cell.bg
    if "7" in attributes:
        front, behind = behind, front
        attributes -= {"7"}
    if cell.data == " ":
        attributes &= _SEEN_ON_BLANKS
        if not attributes:
            front = ""
    return cell.data, front, behind, attributes
