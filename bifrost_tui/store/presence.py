"""Who is at the keyboard: the passphrase with which an actor opens a locked screen.

It is each actor's own and optional. It guards a screen that was left alone, and nothing else: no
secret is encrypted under it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from bifrost_tui.crypto.passphrase import fits, make_verifier
from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from bifrost_tui.store.access import EVERYWHERE, Role, may_manage, role_in, seen_scopes
from bifrost_tui.store.audit import REFUSED, Event
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import presence

if TYPE_CHECKING:
    from bifrost_tui.store.context import StoreContext

SHORTEST_PASSPHRASE = 8
LONGEST_PASSPHRASE = 1024

_SET = "presence.set"
_CLEAR = "presence.clear"
_PROVE = "presence.prove"
_FORGET = "presence.forget"


class Presence:
    """Sets, clears and checks the passphrases of locked screens. None is ever given back."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def is_set(self, access: Access) -> bool:
        """Tell whether the actor has a passphrase."""
        return self._verifier(access.actor) is not None

    def set(
        self, access: Access, entered: EnteredSecret, *, current: EnteredSecret | None = None
    ) -> None:
        """Give the actor a passphrase; where there is one, ``current`` has to be it.

        Raises:
            InvalidInputError: it cannot be one (``field`` is ``passphrase``), or ``current`` is
                not the one that is set.
            AccessDeniedError: the actor is nowhere a member.
            ConflictError: it was changed meanwhile.

        """
        data = _checked(entered)
        before = self._proven(access, current)
        verifier = make_verifier(data)

        def work(connection: Connection) -> None:
            self._unchanged(connection, access, before)
            if seen_scopes(connection, access) == frozenset():
                raise AccessDeniedError(
                    f"{access.actor} is a member of no organization, and has no screen to lock."
                )
            now = self._context.chain.append(connection, access, Event(_SET))
            row = {"verifier": verifier, "updated_at": now}
            if before is None:
                connection.execute(insert(presence).values(actor=access.actor, **row))
            else:
                connection.execute(update(presence).where(_of(access.actor)).values(**row))

        self._context.guard(access, Event(_SET), lambda: self._context.database.write_rows(work))

    def clear(self, access: Access, *, current: EnteredSecret | None) -> None:
        """Take the actor's passphrase away: Enter then opens the screen.

        Raises:
            InvalidInputError: ``current`` is not the one that is set.
            NotFoundError: none is set.
            ConflictError: it was changed meanwhile.

        """
        before = self._proven(access, current)
        if before is None:
            raise NotFoundError("No passphrase is set. Enter opens the locked screen.")

        def work(connection: Connection) -> None:
            self._unchanged(connection, access, before)
            self._context.chain.append(connection, access, Event(_CLEAR))
            connection.execute(delete(presence).where(_of(access.actor)))

        self._context.database.write_rows(work)

    def proves(self, access: Access, entered: EnteredSecret | None) -> bool:
        """Tell whether the actor proves to be there: with the passphrase, where one is set.

        A proof that fails is told in the log; one that succeeds is not.
        """
        verifier = self._verifier(access.actor)
        if verifier is None:
            return True
        if entered is not None and fits(verifier, _normal(entered)):
            return True
        refused = Event(_PROVE, outcome=REFUSED)
        self._context.database.write_rows(
            lambda connection: self._context.chain.append(connection, access, refused)
        )
        return False

    def forget(self, access: Access, actor: str) -> None:
        """Take the passphrase of somebody else away, who does not know it any more.

        Raises:
            AccessDeniedError: the one who asks is no owner or admin of all organizations, or asks
                for the own passphrase; only an owner may do it for an owner.
            NotFoundError: that actor has none.

        """
        event = Event(_FORGET, details={"actor": actor})

        def work(connection: Connection) -> None:
            mine = role_in(connection, access, EVERYWHERE)
            theirs = role_in(connection, Access(actor, ""), EVERYWHERE)
            if not may_manage(mine) or (theirs is Role.OWNER and mine is not Role.OWNER):
                raise AccessDeniedError(
                    f"{access.actor} may not take {visible(actor)}'s passphrase away: that takes"
                    " an owner of all organizations, or an admin of all where it is no owner's."
                )
            if actor == access.actor:
                raise AccessDeniedError(
                    "Your own passphrase goes with `bifrost-tui lock clear`, which asks for it."
                    " If you do not know it, another owner can take it away."
                )
            if not connection.execute(delete(presence).where(_of(actor))).rowcount:
                raise NotFoundError(f"{visible(actor)} has no passphrase.")
            self._context.chain.append(connection, access, event)

        self._context.guard(access, event, lambda: self._context.database.write_rows(work))

    def _verifier(self, actor: str) -> str | None:
        return self._context.database.read(lambda connection: _kept(connection, actor))

    def _proven(self, access: Access, current: EnteredSecret | None) -> str | None:
        """Return the verifier that ``current`` fits; ``None`` where no passphrase is set."""
        before = self._verifier(access.actor)
        if before is not None and not self.proves(access, current):
            problem = (
                "A passphrase is set already. Enter that one first."
                if current is None
                else "That is not the passphrase that is set. Nothing was changed."
            )
            raise InvalidInputError(problem, field="current")
        return before

    def _unchanged(self, connection: Connection, access: Access, before: str | None) -> None:
        if _kept(connection, access.actor) != before:
            raise ConflictError(
                "The passphrase was changed meanwhile. Nothing was changed; try again.",
                by=access.actor,
                at=None,
                deleted=False,
            )


def _of(actor: str) -> ColumnElement[bool]:
    return presence.c.actor == actor


def _kept(connection: Connection, actor: str) -> str | None:
    """Return an actor's verifier; a text whatever stands there, which then fits nothing."""
    found = connection.execute(select(presence.c.verifier).where(_of(actor))).first()
    return None if found is None else str(found.verifier)


def _normal(entered: EnteredSecret) -> bytes:
    """Return a passphrase as it is compared: keyboards compose an é in two ways."""
    return unicodedata.normalize("NFC", entered_bytes(entered).decode("utf-8")).encode("utf-8")


def _checked(entered: EnteredSecret) -> bytes:
    data = _normal(entered)
    characters = data.decode("utf-8")
    problem = ""
    if len(characters) < SHORTEST_PASSPHRASE:
        problem = f"A passphrase has at least {SHORTEST_PASSPHRASE} characters."
    elif len(characters) > LONGEST_PASSPHRASE:
        problem = f"A passphrase has at most {LONGEST_PASSPHRASE} characters."
    elif not characters.isprintable():
        problem = "A passphrase is one line that can be typed: no line breaks, no controls."
    elif characters.strip() != characters:
        problem = "A passphrase neither begins nor ends with a blank."
    if problem:
        raise InvalidInputError(problem, field="passphrase")
    return data
