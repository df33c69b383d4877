"""What every screen of ours has: questions asked in the background, a status line, honest keys."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from rich.text import Text
from textual import events, on
from textual.binding import ActiveBinding, Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.timer import Timer

from bifrost_tui.errors import (
    BifrostError,
    DatabaseInterruptedError,
    DatabaseUncertainError,
    DatabaseUnreachableError,
)
from bifrost_tui.tui.widgets.lines import Status

if TYPE_CHECKING:
    from bifrost_tui.store.actor import Access
    from bifrost_tui.store.live import Changes
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.tui.app import BifrostApp

T = TypeVar("T")

LABEL_WIDTH = 14
"""The room of the labels at the left of facts and fields."""


STAYS = "What shows is as it was; trying again …"
LOST = f"The database cannot be reached. {STAYS}"
REACHED = "The database is reached again."

LOCK_KEY = Binding(
    "ctrl+l", "app.lock_now", "lock", id="app.lock", tooltip="Lock the screens now", show=False
)
"""For dialogs too: keys of the app do not come through them."""


WAITS_FOR = 1.0
"""Seconds after which it is said that a change waits."""
WAITING = "Waiting: another program is changing the database. Nothing is lost."


class Answered(Message):
    """A question asked in the background has its answer; ``deliver`` hands it over."""

    def __init__(self, deliver: Callable[[], object]) -> None:
        super().__init__()
        self.deliver = deliver


class DataScreen(Screen[ScreenResultType]):
    """A screen over the repository.

    Threads only post messages: what they found is handed over on the screen's own turn.
    """

    AUTO_FOCUS: ClassVar[str | None] = None
    BINDINGS: ClassVar[list[BindingType]] = []

    _missed: Changes | None = None
    _said_lost: Text | None = None
    """What the status line says of a database that cannot be reached, if it says that."""
    _said_unknown: Text | None = None
    """What it says of a change of which nobody knows whether it was saved."""
    _done_words = ""
    """What is said to be done once the list shows it."""
    _unanswered: tuple[Callable[[], None], ...] = ()
    _asked = 0
    _pending_look: Timer | None = None

    @property
    def bifrost(self) -> BifrostApp:
        """The app, as what it is."""
        return cast("BifrostApp", self.app)

    @property
    def repository(self) -> Repository:
        """The open database."""
        return self.bifrost.repository

    @property
    def access(self) -> Access:
        """Who is at the keyboard."""
        return self.bifrost.access

    def ask(
        self,
        question: Callable[[], T],
        answer: Callable[[T], object],
        *,
        problem: Callable[[BifrostError], object] | None = None,
        again: bool = False,
    ) -> None:
        """Ask in a thread; hand over the answer, or the error where it is one of ours.

        ``again`` asks once more when a database that could not be reached is reached again.
        """
        # A thread has a context of its own, which knows no app: a screen that closes meanwhile
        # could not be asked for the repository any more.
        context = copy_context()

        def lost(error: BifrostError) -> None:
            if again and isinstance(error, DatabaseUnreachableError):
                asking = partial(self.ask, question, answer, problem=problem, again=True)
                self._unanswered += (asking,)
            self._failed_to_ask(error, problem or self.tell_problem)

        def work() -> None:
            try:
                found = context.run(question)
            except BifrostError as error:
                failed = error
                self._post_answer(lambda: lost(failed))
            else:
                self._post_answer(lambda: answer(found))

        self._asked += 1
        if self._pending_look is None:
            self._pending_look = self.set_timer(WAITS_FOR, self._look_what_it_waits_for)
        self.run_worker(work, thread=True, group=f"ask-{id(self)}")

    def _post_answer(self, answer: Callable[[], object]) -> None:
        def deliver() -> None:
            self._no_longer_waits()
            answer()

        self.post_message(Answered(deliver))

    def _look_what_it_waits_for(self) -> None:
        """Say so when a change waits for others, who may hold the database for a while."""
        self._pending_look = None
        if not self._asked or not self.bifrost.is_open:
            return
        # It has begun to wait a little after it was asked for.
        if self.repository.is_waiting(WAITS_FOR / 2):
            if self.query(Status):
                self.say(WAITING, "warning")
        else:
            self._pending_look = self.set_timer(WAITS_FOR, self._look_what_it_waits_for)

    def _no_longer_waits(self) -> None:
        self._asked -= 1
        if not self._asked and self._pending_look is not None:
            self._pending_look.stop()
            self._pending_look = None
        for status in self.query(Status):
            if status.said.plain.endswith(WAITING):
                status.clear()

    def _failed_to_ask(
        self, error: BifrostError, problem: Callable[[BifrostError], object]
    ) -> None:
        line = self._status_line
        before = line.said if line else None
        problem(error)
        if not isinstance(error, DatabaseUnreachableError):
            return
        line = self._status_line
        if line is not None and line.said is not before:
            # What is not known stays to be read; what is over goes.
            if isinstance(error, DatabaseUncertainError):
                self._said_unknown = line.said
            else:
                self._said_lost = line.said
        self.bifrost.database_lost()

    @property
    def _status_line(self) -> Status | None:
        return next(iter(self.query(Status)), None) if self.is_attached else None

    def database_lost(self) -> None:
        """Say that the database cannot be reached, and go on showing what shows."""
        line = self._status_line
        if line is None or self._says_more(line):
            return
        line.say(LOST, "error")
        self._said_lost = line.said

    def _says_more(self, line: Status) -> bool:
        """Tell whether a status line says in its own words that the database is lost."""
        own = (self._said_lost, self._said_unknown)
        return any(words is not None and line.said is words for words in own)

    def database_reached(self) -> None:
        """Say that it is reached again, and read anew what shows; what was typed stays."""
        if not self.is_attached:
            return
        line, lost = self._status_line, self._said_lost
        self._said_lost = None
        if line is not None and lost is not None and line.said is lost:
            line.say(REACHED, "success")
        self.read_anew()

    def read_anew(self) -> None:
        """Read again all that shows; reads of the time before may have failed."""
        from bifrost_tui.store.live import EVERYTHING

        self.ask_unanswered()
        self.tell_changes(EVERYTHING)

    def ask_unanswered(self) -> None:
        """Ask again what was asked in vain and is to be asked again."""
        unanswered, self._unanswered = self._unanswered, ()
        for ask in unanswered:
            ask()

    @on(Answered)
    def _hand_over(self, message: Answered) -> None:
        message.stop()
        if self.bifrost.may_deliver(self):
            message.deliver()
        else:
            self.bifrost.hold_back(lambda: self.post_message(message))

    def tell_changes(self, changes: Changes) -> None:
        """Take what others changed; a screen that nothing shows of takes it when it shows again."""
        if self.is_hidden:
            self._missed = changes if self._missed is None else self._missed | changes
        else:
            self.data_changed(changes)

    @property
    def is_hidden(self) -> bool:
        """Whether another screen that is no dialog stands before this one."""
        stack = self.app.screen_stack
        above = stack[stack.index(self) + 1 :] if self in stack else []
        return any(not screen.is_modal for screen in above)

    def data_changed(self, changes: Changes) -> None:
        """Follow what others changed; screens know what of it they show."""

    @on(events.ScreenResume)
    def _catch_up(self) -> None:
        if (missed := self._missed) is not None and not self.is_hidden:
            self._missed = None
            self.data_changed(missed)

    def say(self, words: str, kind: str = "") -> None:
        """Put words into the status line."""
        self.query_one(Status).say(words, kind)

    def say_once_shown(self, words: str) -> None:
        """Say that something is done, as soon as the list that is being read shows it.

        Not before: a key that is pressed at that word means the line that it speaks of.
        """
        self._done_words = words

    def say_done(self) -> None:
        """Say what is done, now that the list shows it."""
        words, self._done_words = self._done_words, ""
        if words:
            self.say(words, "success")

    def after_done(self, words: str) -> str:
        """Return words against showing the list, behind what is done and was not said yet."""
        done, self._done_words = self._done_words, ""
        return f"{done.rstrip('.')}. {words}" if done else words

    def tell_problem(self, error: BifrostError) -> None:
        """Show an error in the status line; a read that was cut short is none."""
        away = isinstance(error, DatabaseUnreachableError)
        if away and not isinstance(error, DatabaseUncertainError):
            line = self._status_line
            if self._done_words or line is None or not self._says_more(line):
                what = error.message.partition(". ")[0].rstrip(".")
                self.say(self.after_done(f"{what}. {STAYS}"), "error")
        elif not isinstance(error, DatabaseInterruptedError):
            self.say(self.after_done(error.message), "error")

    def say_not_done(self, what: str, error: BifrostError) -> None:
        """Say ``what`` was not done and why; where nobody knows whether it was, only that."""
        unknown = isinstance(error, DatabaseUncertainError)
        self.say(error.message if unknown else f"{what} {error.message}", "error")

    def why_not(self, action: str) -> str:
        """Say why a greyed key does nothing here; screens know their own."""
        return ""

    def key_words(self, action: str, words: str) -> str:
        """Return what a key is called now; screens know where that changes."""
        return words

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys that work here, each called as it is now."""
        found = super().active_bindings
        for key, active in found.items():
            binding = active.binding
            words = self.key_words(binding.action.rpartition(".")[2], binding.description)
            if words != binding.description:
                found[key] = active._replace(binding=replace(binding, description=words))
        return found

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey a key out where there is a reason."""
        return None if self.why_not(action) else True

    def explain_key(self, key: str) -> None:
        """Give the reason when a greyed key is pressed; the app calls it, in the order typed."""
        active = self.active_bindings.get(key)
        if active is not None and not active.enabled:
            reason = self.why_not(active.binding.action.partition(".")[2] or active.binding.action)
            if reason:
                self.say(reason)


class DataModal(ModalScreen[ScreenResultType], DataScreen[ScreenResultType]):
    """A dialog over the repository."""

    BINDINGS: ClassVar[list[BindingType]] = [LOCK_KEY]


def labelled(pairs: list[tuple[str, Text | str]], width: int = LABEL_WIDTH) -> Text:
    """Lay out facts as lines of a dim label and a value."""
    lines = Text()
    for label, value in pairs:
        if lines:
            lines.append("\n")
        lines.append(f"{label:<{width}}", "$muted")
        lines.append_text(value if isinstance(value, Text) else Text(value))
    return lines


def context_line(screen: DataScreen[Any]) -> Text:
    """Say who works against what: ``alice · sqlite ~/…/bifrost.db · key 7f3a``."""
    return screen.bifrost.context_line()
