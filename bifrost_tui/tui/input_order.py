"""Keys and pastes, obeyed one after another.

Textual hands each key at once to the widget that has the focus, and obeys bindings (Tab, Ctrl+S)
later, when the key has bubbled up. What arrives in one packet over a slow line then lands in the
wrong place: a secret typed right after Tab would go into the field before it, and be shown there.
Here the next key waits until the one before has had its effect.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from textual import events
from textual.message_pump import MessagePump

from bifrost_tui.tui.safe_app import ReturnT, SafeApp

_PATIENCE = 0.25
"""Seconds after which a key is taken for obeyed: its widget may have gone with its screen."""


class OrderedApp(SafeApp[ReturnT]):
    """An app that obeys input in the order in which it was typed."""

    def __init__(self) -> None:
        super().__init__()
        self._typed_ahead: deque[events.Key | events.Paste] = deque()
        self._obeying: object | None = None

    async def on_event(self, event: events.Event) -> None:
        """Let input wait for its turn."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed_ahead.append(event)
        if self._obeying is None:
            await self._obey_next()
        else:
            self.set_timer(_PATIENCE, lambda turn=self._obeying: self._obeyed(turn))

    async def _obey_next(self) -> None:
        event = self._typed_ahead.popleft()
        turn = self._obeying = object()
        way = self._way_up()
        await super().on_event(event)
        self._follow(way, turn, self._follow_effect)

    def _way_up(self) -> deque[MessagePump]:
        target = self.focused or self.screen
        return deque([target, *target.ancestors])

    def _follow(
        self, way: deque[MessagePump], turn: object, then: Callable[[object], object]
    ) -> None:
        """Go the way that the key goes, behind it: through each queue up to the app's."""
        while way:
            if way.popleft().call_later(self._follow, way, turn, then):
                return
        then(turn)

    def _follow_effect(self, turn: object) -> None:
        """Go it once more: a widget's own message, and the focus of what it opened, follow too."""
        self._follow(self._way_up(), turn, partial(self.call_later, self._obeyed))

    async def _obeyed(self, turn: Any) -> None:
        if turn is self._obeying:
            self._obeying = None
            if self._typed_ahead:
                await self._obey_next()
