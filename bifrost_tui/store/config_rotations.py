"""Secrets as they get new values: entered, or generated, and handed to a command before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from bifrost_tui.clock import iso
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    ConflictError,
    HandoverError,
    InvalidInputError,
    UnsavedHandoverError,
)
from bifrost_tui.store.audit import FAILED, HANDOVER, Event
from bifrost_tui.store.config_rows import ConfigRows
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import Access
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView

if TYPE_CHECKING:
    from sqlmodel import Session

    from bifrost_tui.store.handover import Handover


NO_PROGRAM = (
    "No program is started for a connection like this one, so no command can take a value. Nothing"
    " was saved."
)
"""Why a confined actor hands nothing over."""


class _RehearsedError(Exception):
    """A change could be made, and is not; caught before it leaves this module."""


class ConfigRotations(ConfigRows):
    """How a secret gets a new value."""

    def rotate(
        self, access: Access, view: ConfigView, secret: EnteredSecret, *, generated: bool = False
    ) -> ConfigView:
        """Give a secret a new value; ``generated`` tells the log that nobody has entered it.

        Raises:
            ConflictError: it was changed since ``view`` was read.

        """
        facts = _facts(generated=generated)
        return self._saved(
            access,
            Event("config.rotate", view.scope, view.key),
            view.scope,
            view.id,
            lambda session: self._rotate(session, access, view, secret, facts),
        )

    def rotate_through(
        self,
        access: Access,
        view: ConfigView,
        secret: EnteredSecret,
        handover: Handover,
        *,
        generated: bool = False,
    ) -> ConfigView:
        """Hand a new value to a command and save it when the command has ended well.

        Before the command runs, the change is tried out and taken back. What others have changed
        beside the value meanwhile is kept. The command's text goes into no log: it may hold a
        secret itself.

        Raises:
            AccessDeniedError: no command is run for this actor.
            ConflictError: it was changed since ``view`` was read; the command was not run.
            CommandError: the command cannot be run; a :class:`HandoverError`: it failed.
                Nothing was saved.
            UnsavedHandoverError: the command has taken the value, and it could not be saved.

        """
        from bifrost_tui.store.handover import hand_over

        self.check_handover(access, view)
        facts = _facts(generated=generated, handed_over=True)
        based_on = self._rehearsed(access, view, secret, facts)
        try:
            hand_over(secret, handover)
        except (HandoverError, KeyboardInterrupt, SystemExit):
            self._tell_failure(access, view, generated=generated)
            raise
        event = Event("config.rotate", view.scope, view.key)
        try:
            return self._saved(
                access,
                event,
                view.scope,
                view.id,
                lambda session: self._rotate(session, access, view, secret, facts, based_on),
            )
        except BifrostError as error:
            why = error.message
        self._tell_failure(access, view, generated=generated)
        again = "makes and hands over another value" if generated else "hands the value over again"
        raise UnsavedHandoverError(
            f"The command has taken a value of {view.key} that could not be saved: the two sides"
            f" differ now. {why} Rotate it once more when it can be saved: that {again}."
        )

    def check_handover(self, access: Access, view: ConfigView) -> None:
        """Make sure that a command may be run for an actor.

        Raises:
            AccessDeniedError: the actor is confined, and no program is started for it.

        """
        if access.confined:
            refusal = AccessDeniedError(NO_PROGRAM)
            self._write(access, Event(HANDOVER, view.scope, view.key), _raiser(refusal))

    def _rehearsed(
        self, access: Access, view: ConfigView, secret: EnteredSecret, facts: dict[str, object]
    ) -> int:
        """Make the change and take it back; return which value the secret has."""
        based_on = 0

        def work(session: Session) -> None:
            nonlocal based_on
            based_on = self._rotate(session, access, view, secret, facts)
            raise _RehearsedError

        with suppress(_RehearsedError):
            self._write(access, Event("config.rotate", view.scope, view.key), work)
        return based_on

    def _rotate(
        self,
        session: Session,
        access: Access,
        view: ConfigView,
        secret: EnteredSecret,
        facts: dict[str, object],
        based_on: int | None = None,
    ) -> int:
        """Give a secret a new value in the transaction at hand; return which one it had.

        ``based_on`` is the value that it must still have, whatever else was changed.
        """
        row, scope = self._fetch(session, access, view, any_version=based_on is not None)
        if row.type != ConfigType.SECRET:
            raise InvalidInputError(
                f"{row.key} is no secret; only secrets are rotated. Edit it instead.", field="type"
            )
        had = row.secret_version
        if based_on not in (None, had):
            raise ConflictError(
                f"{row.key} in {scope.name} was given another value by {row.updated_by} at"
                f" {iso(row.updated_at)}. Nothing was saved over it.",
                by=row.updated_by,
                at=row.updated_at,
                deleted=False,
            )
        filled, old = row.secret is None, row.fingerprint
        connection = session.connection()
        self._seal(connection, row, secret, self._context.now())
        told = self._tell(
            session,
            access,
            "config.rotate",
            scope,
            row.key,
            ConfigType.SECRET,
            fingerprint=row.fingerprint,
            old_fingerprint=old,
            **facts,
        )
        row.updated_at, row.updated_by = told, access.actor
        row.version += 1
        self._settle(session, row, [row.key])
        count_change(connection, view.scope.id, access, told, needs_value=-int(filled))
        return had

    def _tell_failure(self, access: Access, view: ConfigView, *, generated: bool) -> None:
        """Tell the log that a command was given a value which is not kept, if it can be told."""
        told = Event(HANDOVER, view.scope, view.key, FAILED, _facts(generated=generated))
        chain = self._context.chain
        with suppress(BifrostError):
            self._context.database.write_rows(
                lambda connection: chain.append(connection, access, told)
            )


def _raiser(error: BifrostError) -> Callable[[object], None]:
    def refuse(_session: object) -> None:
        raise error

    return refuse


def _facts(**facts: bool) -> dict[str, object]:
    """Return of some facts those that hold."""
    return {name: True for name, holds in facts.items() if holds}
