"""Keys and pastes, obeyed one after another.

Textual hands each key at once to the widget that has the focus, and obeys bindings (Tab, Ctrl+S)
later, when the key has bubbled up. What arrives in one packet over a slow line then lands in the
wrong place: a secret typed right after Tab would go into the field before it, and be shown there.
Here the next key waits until the one before has had its effect.
"""

from __future__ import annotations

from collections import deque

from textual import events
from textual.message_pump import MessagePump
from textual.timer import Timer

from bifrost_tui.tui.safe_app import SafeApp
from bifrost_tui.tui.wired_app import ReturnT

_GLANCE = 0.25
"""Seconds between two looks at a key that others wait behind."""
_PATIENCE = 20
"""Looks after which a widget that does not get to the key is passed by: it hangs."""


class OrderedApp(SafeApp[ReturnT]):
    """An app that obeys input in the order in which it was typed."""

    def __init__(self) -> None:
        super().__init__()
        self._typed_ahead: deque[events.Key | events.Paste] = deque()
        self._turn: _Turn | None = None
        self._watch: Timer | None = None

    @property
    def is_obeying(self) -> bool:
        """Whether a key has still to take its effect."""
        return self._turn is not None or bool(self._typed_ahead)

    async def on_event(self, event: events.Event) -> None:
        """Let input wait for its turn."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed_ahead.append(event)
        if self._turn is None:
            await self._obey_next()
        elif self._watch is None:
            self._watch = self.set_interval(_GLANCE, self._look)

    async def _obey_next(self) -> None:
        event = self._typed_ahead.popleft()
        turn = self._turn = _Turn(self, self._way_up())
        await super().on_event(event)
        self._follow(turn)

    def _way_up(self) -> deque[MessagePump]:
        target = self.focused or self.screen
        return deque([target, *target.ancestors])

    def _follow(self, turn: _Turn) -> None:
        """Go the way that the key goes, behind it: through each queue up to the app's.

        Then go it once more: a widget's own message, and the focus of what it opened, follow too.
        """
        if turn is not self._turn:
            return
        if not turn.way and not turn.again:
            turn.again = True
            turn.way = self._way_up()
        turn.looks = 0
        while turn.way:
            turn.at = turn.way.popleft()
            if turn.at.call_later(self._follow, turn):
                return
        self.call_later(self._obeyed, turn)

    async def _obeyed(self, turn: _Turn) -> None:
        if turn is not self._turn:
            return
        self._turn = None
        if self._typed_ahead:
            await self._obey_next()
        elif self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _look(self) -> None:
        """Go on where a widget has gone with the key in its queue, or hangs."""
        turn = self._turn
        if turn is None:
            return
        turn.looks += 1
        if not turn.at.is_running or turn.looks > _PATIENCE:
            # What still waits in a queue that hangs must find its turn over.
            self._turn = _Turn(self, turn.way, again=turn.again)
            self._follow(self._turn)


class _Turn:
    """One key on its way."""

    def __init__(self, at: MessagePump, way: deque[MessagePump], *, again: bool = False) -> None:
        self.at = at
        self.way = way
        self.again = again
        self.looks = 0
