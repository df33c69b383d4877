"""Secrets taken out of what is passed on: of whole texts, and of a child's output as it comes."""

from __future__ import annotations

import re
import threading

from bifrost_tui.scrubbing.follow import Follower
from bifrost_tui.scrubbing.forms import SHORTEST, Closed, forms_of
from bifrost_tui.scrubbing.search import Found, Index, Search

__all__ = ["REDACTED", "SHORTEST", "ScrubbedStream", "Scrubber"]

REDACTED = "[REDACTED]"

_MARK = REDACTED.encode()
_CHUNK = 128 * 1024
_CUT_CHARACTER = re.compile(rb"(?<=" + re.escape(_MARK) + rb")[\x80-\xbf]+")


class Scrubber(Closed):
    """Replaces secrets, in any form that they may be written in, by ``[REDACTED]``.

    Forms that overlap or touch become one ``[REDACTED]``. Of a form over 1,024 bytes, that many
    are searched for, and from there on all that agrees with the form is replaced too. Threads may
    share a scrubber; what is added counts for everything that is not yet passed on.
    """

    __slots__ = ("_added", "_index", "_lock", "_search", "_short")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._added: set[str] = set()
        self._short: set[str] = set()
        self._index = Index()
        self._search: Search | None = None

    def add(self, value: str) -> bool:
        """Look for a value from now on; return False where it is too short to be looked for."""
        with self._lock:
            if len(value) < SHORTEST:
                self._short.add(value)
                return False
            if value not in self._added:
                self._index.add(forms_of(value))
                self._added.add(value)
                self._search = None
            return True

    @property
    def too_short(self) -> int:
        """How many different values were too short."""
        with self._lock:
            return len(self._short)

    def scrub(self, data: bytes) -> bytes:
        """Return a whole text without the secrets in it."""
        stream = self.stream()
        return stream.feed(data) + stream.end_of_text()

    def scrub_text(self, text: str) -> str:
        """Return a whole text without the secrets in it; the same object where it has none."""
        data = text.encode("utf-8", "surrogatepass")
        scrubbed = self.scrub(data)
        if scrubbed == data:
            return text
        # What agrees with a long form may end inside a character; the rest of that goes too.
        return _CUT_CHARACTER.sub(b"", scrubbed).decode("utf-8", "surrogatepass")

    def stream(self) -> ScrubbedStream:
        """Return what takes a text in pieces, however it is cut."""
        return ScrubbedStream(self)

    def search(self) -> Search | None:
        """Return the search for all values so far; for this package alone."""
        with self._lock:
            if self._search is None:
                self._search = self._index.search()
            return self._search


class ScrubbedStream(Closed):
    """A text on its way from a child to where it is shown; threads may share it.

    Only what may still turn out to be a secret is held back.
    """

    __slots__ = (
        "_agreed",
        "_done",
        "_followers",
        "_held",
        "_lock",
        "_open",
        "_paused",
        "_scrubber",
    )

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._lock = threading.Lock()
        self._held = b""
        self._done = 0
        """How much of what is held was shown, or is part of what was replaced."""
        self._open = False
        """Whether what came last was replaced: what touches it needs no second mark."""
        self._paused: int | None = None
        """From where on what is held was replaced before it was all there."""
        self._followers: list[Follower] = []
        self._agreed: list[tuple[int, int]] = []
        """What was followed and is not yet passed on; another search would not find it."""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what may be passed on now."""
        with self._lock:
            return b"".join(
                self._pass(data[start : start + _CHUNK]) for start in range(0, len(data), _CHUNK)
            )

    def pause(self) -> bytes:
        """Return what may be passed on when nothing has come for a while: nothing stays held.

        Four bytes of a secret or more are replaced although the rest is not there yet; fewer are
        shown, and what follows them is replaced if they turn out to begin a secret.
        """
        with self._lock:
            return self._pass(b"", all_of_it=True, tails=True) if self._held else b""

    def finish(self) -> bytes:
        """Return the rest; four bytes or more that begin a secret are replaced in it."""
        return self._end(tails=True)

    def end_of_text(self) -> bytes:
        """Return the rest of a text that is whole; for this package alone."""
        return self._end(tails=False)

    @property
    def holds(self) -> bool:
        """Whether something is held back that a pause would pass on."""
        with self._lock:
            return len(self._held) > self._done

    def _end(self, *, tails: bool) -> bytes:
        with self._lock:
            rest = self._pass(b"", all_of_it=True, tails=tails) if self._held else b""
            self._held, self._done, self._open = b"", 0, False
            self._paused, self._followers, self._agreed = None, [], []
            return rest

    def _pass(self, data: bytes, *, all_of_it: bool = False, tails: bool = False) -> bytes:
        search = self._scrubber.search()
        if search is None:
            return data
        text = self._held + data
        found = search.find(text)
        hold = min(found.tail, self._follow(text, found))
        if self._paused is not None:
            end, alive = search.go_on(text, self._paused)
            self._agreed.append((self._paused, end))
            if not alive:
                self._paused = None
        spans = [*found.spans, *self._agreed]
        if tails:
            spans += found.long_tails
            self._paused = min((start for start, _ in found.long_tails), default=None)
        passed = self._replace(text, spans, len(text) if all_of_it else hold)
        self._keep(text, hold)
        return passed

    def _follow(self, text: bytes, found: Found) -> int:
        """Follow the long forms; return from where on the text is to be held for them."""
        following = {follower.form: follower for follower in self._followers}
        for follower in self._followers:
            self._agreed.append((follower.at, follower.follow(text)))
        for end, line, form in sorted(found.heads, key=lambda head: head[0]):
            known = following.get(form)
            # Whoever has come further has fallen back to this beginning, or past it.
            if known is None or (not known.alive and known.at < end):
                following[form] = follower = Follower(form, end, line)
                self._agreed.append((end, follower.follow(text)))
        self._followers = [follower for follower in following.values() if follower.alive]
        return min((follower.at for follower in self._followers), default=len(text))

    def _replace(self, text: bytes, spans: list[tuple[int, int]], limit: int) -> bytes:
        """Return the text from where it is done up to the limit, the spans replaced.

        A span behind the limit is replaced too where nothing is left to wait for before it.
        """
        passed: list[bytes] = []
        at = self._done
        for start, end in sorted(spans):
            if start > max(limit, at):
                break
            if end <= at:
                continue
            if start > at:
                passed.append(text[at:start])
                self._open = False
            if not self._open:
                passed.append(_MARK)
                self._open = True
            at = end
        if at < limit:
            passed.append(text[at:limit])
            self._open = False
            at = limit
        self._done = at
        return b"".join(passed)

    def _keep(self, text: bytes, hold: int) -> None:
        self._agreed = [
            (start - hold, end - hold) for start, end in self._agreed if end > self._done
        ]
        self._held = text[hold:]
        self._done -= hold
        for follower in self._followers:
            follower.at -= hold
        if self._paused is not None:
            self._paused -= hold
