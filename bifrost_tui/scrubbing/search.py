"""The search for every form of every value in one pass over a text.

An automaton looks for a short piece of each form. Only where it finds one is the text compared
with the forms themselves. Which piece stands for a form, and what else is in the text, decides how
long that takes and nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from bifrost_tui.scrubbing.follow import (
    APART,
    HEAD,
    LONGEST_BREAK,
    LongForm,
    agreement,
    before,
    unbroken,
)
from bifrost_tui.scrubbing.forms import SHORTEST, Closed, Forms

_PIECE = 8
_WINDOW = 16
"""The piece of a form is taken from as many of its first bytes."""
_BASE64_WINDOW = 48
"""The pieces of a form in base64 are taken from as many of its first characters."""
_OPENING = 4
_DFA_LIMIT = 64 * 1024 * 1024
"""The most bytes that the fast kind of automaton may take; the other kind is half as fast."""

_BREAKS = b"\r\n"
_COMMON = frozenset(b'abcdefghijklmnopqrstuvwxyz0123456789 .,:;=/-_"')
"""What most of a text is made of."""
_MANY = 1 << 32


class Found:
    """What was found in a text: places in it, and nothing of what stands there."""

    __slots__ = ("_base64_tail", "_end", "_literal_tail", "heads", "spans")

    def __init__(self, end: int) -> None:
        self.spans: list[tuple[int, int]] = []
        """From where to where forms were found, in no order."""
        self.heads: list[tuple[int, int, LongForm]] = []
        """Where the head of a long form ends, and how far behind its last line break that is."""
        self._end = end
        self._literal_tail = end
        self._base64_tail = (end, end, 0)

    def add_literal_tail(self, start: int) -> None:
        """Note from where on the text is the beginning of a form."""
        self._literal_tail = min(self._literal_tail, start)

    def add_base64_tail(self, start: int, end: int, count: int) -> None:
        """Note the same in base64: where the last of its characters ends, and how many they are."""
        self._base64_tail = min(self._base64_tail, (start, end, count))

    @property
    def tail(self) -> int:
        """From where on the text may turn out to be a form."""
        return min(self._literal_tail, self._base64_tail[0])

    @property
    def long_tails(self) -> list[tuple[int, int]]:
        """The tails that are too much of a form to be shown."""
        start, end, count = self._base64_tail
        tails = [(start, end)] if count >= SHORTEST else []
        if self._end - self._literal_tail >= SHORTEST:
            tails.append((self._literal_tail, self._end))
        return tails


class Heads(Closed):
    """The beginnings of forms, in order: a form, or as much of a long one as is searched for."""

    __slots__ = ("_heads", "_long", "openings", "size")

    def __init__(self, heads: dict[bytes, list[LongForm]]) -> None:
        self._heads = sorted(heads)
        self._long = {head: tuple(forms) for head, forms in heads.items() if forms}
        self.size = max(map(len, heads), default=0)
        self.openings = {head[: n + 1] for head in heads for n in range(_OPENING)}
        """The first bytes of all of them; of each also fewer."""

    def first(self, text: bytes) -> bytes:
        """Return the longest head that the text begins with, or nothing."""
        while len(text) >= SHORTEST and (after := bisect_right(self._heads, text)):
            head = self._heads[after - 1]
            same = agreement(head, text)
            if same == len(head):
                return head
            text = text[:same]
        return b""

    def long(self, head: bytes) -> tuple[LongForm, ...]:
        """Return the long forms that begin with the head."""
        return self._long.get(head, ())

    def begun(self, text: bytes) -> bool:
        """Tell whether the text is the beginning of a head, and not yet the whole of it."""
        after = bisect_right(self._heads, text)
        return after < len(self._heads) and self._heads[after].startswith(text)

    def agreement(self, text: bytes) -> int:
        """Return how many bytes agree with the head that agrees with the most."""
        after = bisect_right(self._heads, text)
        return max(agreement(head, text) for head in self._heads[max(0, after - 1) : after + 1])


class Search(Closed):
    """The search for one set of forms; it never changes, so that threads can share it."""

    __slots__ = ("_automaton", "_base64", "_literal", "_places")

    def __init__(
        self, literal: Heads, base64: Heads, pieces: dict[bytes, set[tuple[bool, int]]]
    ) -> None:
        self._literal = literal
        self._base64 = base64
        self._automaton = BytesAhoCorasick(
            list(pieces), matchkind=MatchKind.Standard, implementation=_kind(pieces)
        )
        self._places = [tuple(places) for places in pieces.values()]

    def find(self, text: bytes, *, tails: bool = True) -> Found:
        """Find all forms, and, where asked for, what may turn out to be one."""
        found = Found(len(text))
        seen: set[tuple[bool, int]] = set()
        for piece, at, _ in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for broken, offset in self._places[piece]:
                start = before(text, at, offset) if broken else at - offset
                if start >= 0:
                    seen.add((broken, start))
        if tails:
            self._add_short_tails(text, found)
        for broken, start in seen:
            (self._look_for_base64 if broken else self._look_for_literal)(text, start, found)
        return found

    def go_on(self, text: bytes, start: int) -> tuple[int, bool]:
        """Follow what was begun at ``start``, whatever the form.

        Return up to where the text agrees with a form, and whether it may go on to do so.
        """
        literal = text[start : start + self._literal.size]
        count = self._literal.agreement(literal)
        alive = start + count == len(text) and self._literal.begun(literal)
        if text[start] in _BREAKS:
            return start + count, alive
        lines = unbroken(text, start, self._base64.size)
        characters = self._base64.agreement(lines.characters)
        if lines.whole and self._base64.begun(lines.characters):
            alive = True
        return start + max(count, lines.length(characters)), alive

    def _look_for_literal(self, text: bytes, start: int, found: Found) -> None:
        here = text[start : start + self._literal.size]
        if head := self._literal.first(here):
            end = start + len(head)
            found.spans.append((start, end))
            found.heads += [(end, 0, form) for form in self._literal.long(head)]
        if start + len(here) == len(text) and self._literal.begun(here):
            found.add_literal_tail(start)

    def _look_for_base64(self, text: bytes, start: int, found: Found) -> None:
        lines = unbroken(text, start, self._base64.size)
        if head := self._base64.first(lines.characters):
            end = start + lines.length(len(head))
            found.spans.append((start, end))
            line = lines.line(len(head))
            found.heads += [(end, line, form) for form in self._base64.long(head)]
        if lines.whole and self._base64.begun(lines.characters):
            count = len(lines.characters)
            found.add_base64_tail(start, start + lines.length(count), count)

    def _add_short_tails(self, text: bytes, found: Found) -> None:
        """Note where a form may begin of which no piece is there yet; the first place is all."""
        last = max(0, len(text) - _WINDOW + 1)
        for start in _beginnings(text[last:], self._literal.openings):
            if self._literal.begun(text[last + start :]):
                found.add_literal_tail(last + start)
                break
        # Of more characters one of the pieces is there: in fewer, only one line break can be.
        last = max(0, len(text) - APART - LONGEST_BREAK)
        characters = text[last:].translate(None, _BREAKS)
        far = max(0, len(characters) - APART)
        for start in _beginnings(characters[far:], self._base64.openings):
            places = (at for at in range(last, len(text)) if text[at] not in _BREAKS)
            at = next(islice(places, far + start, None))
            lines = unbroken(text, at, self._base64.size)
            if lines.whole and self._base64.begun(lines.characters):
                count = len(lines.characters)
                found.add_base64_tail(at, at + lines.length(count), count)
                break


def _beginnings(text: bytes, openings: set[bytes]) -> Iterator[int]:
    for at in range(len(text)):
        if text[at : at + _OPENING] in openings:
            yield at


def _kind(pieces: dict[bytes, set[tuple[bool, int]]]) -> Implementation:
    states = sum(map(len, pieces))
    columns = 1 << len(set().union(*pieces)).bit_length()
    fits = 4 * states * columns <= _DFA_LIMIT
    return Implementation.DFA if fits else Implementation.ContiguousNFA


class Index(Closed):
    """The forms to search for, as they are added."""

    __slots__ = ("_base64", "_begun", "_literal", "_pieces")

    def __init__(self) -> None:
        self._literal: dict[bytes, list[LongForm]] = {}
        self._base64: dict[bytes, list[LongForm]] = {}
        self._pieces: dict[bytes, set[tuple[bool, int]]] = {}
        self._begun: dict[bytes, int] = {}

    def add(self, forms: Forms) -> None:
        """Add the forms of a value that is not among those added before."""
        for form in forms.literal:
            if head := _new_head(self._literal, form, broken=False):
                self._add_piece(head[:_WINDOW], broken=False)
        for form in forms.base64:
            if head := _new_head(self._base64, form, broken=True):
                # Line breaks that stand apart leave one of these parts whole, and one break at
                # most before it: two have room from 34 characters on, and then the second one
                # is in the last third of the first 48.
                size = min(len(head), _BASE64_WINDOW)
                parts = 3 if len(head) >= APART + 2 else 2
                for part in range(parts):
                    start, end = size * part // parts, size * (part + 1) // parts
                    self._add_piece(head[start:end], broken=True, place=start)

    def search(self) -> Search | None:
        """Return the search for all that was added, or nothing where that is nothing."""
        if not self._pieces:
            return None
        return Search(Heads(self._literal), Heads(self._base64), self._pieces)

    def _add_piece(self, window: bytes, *, broken: bool, place: int = 0) -> None:
        offset = self._choice(window)
        piece = window[offset : offset + _PIECE]
        if piece not in self._pieces:
            self._pieces[piece] = set()
            beginning = piece[:2]
            self._begun[beginning] = self._begun.get(beginning, 0) + 1
        self._pieces[piece].add((broken, place + offset))

    def _choice(self, window: bytes) -> int:
        """Choose a piece that begins like many, and not as most of any text does.

        The fewer bytes of a text may begin a piece, the faster the search.
        """
        pieces, begun = self._pieces, self._begun
        best, most = 0, -1
        for offset in range(max(1, len(window) - _PIECE + 1)):
            if window[offset : offset + _PIECE] in pieces:
                return offset
            many = begun.get(window[offset : offset + 2], 0)
            if window[offset] not in _COMMON:
                many += _MANY
            if many > most:
                best, most = offset, many
        return best


def _new_head(heads: dict[bytes, list[LongForm]], form: bytes, *, broken: bool) -> bytes:
    """Put a form where it belongs; return its head where that is not known yet, or nothing."""
    head = form[:HEAD]
    new = head not in heads
    long = heads.setdefault(head, [])
    if len(form) > HEAD and all(other.data != form for other in long):
        long.append(LongForm(form, broken=broken))
    return head if new else b""
