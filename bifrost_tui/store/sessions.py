"""What is told of sessions themselves: the commands that were refused before they began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from bifrost_tui.store.access import EVERYWHERE, may_manage, role_in
from bifrost_tui.store.audit import REFUSED, Event
from bifrost_tui.store.schema import member

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access

COMMAND = "session.command"
"""A confined actor asked for a command that such sessions do not have."""


def tell_refused(repository: Repository, access: Access, command: str | None) -> None:
    """Tell the log that a command was refused.

    ``command`` is one of our own names, and ``None`` for all else: it could hold a secret.
    """
    context = repository._context
    details = {"command": command} if command is not None else None
    told = Event(COMMAND, outcome=REFUSED, details=details)
    context.database.write_rows(lambda connection: context.chain.append(connection, access, told))


def is_member(repository: Repository, access: Access, actor: str) -> bool | None:
    """Tell whether an actor is a member of anything; ``None`` where that is not for the asker."""

    def work(connection: Connection) -> bool | None:
        if not may_manage(role_in(connection, access, EVERYWHERE)):
            return None
        found = select(member.c.id).where(member.c.actor == actor).limit(1)
        return connection.execute(found).first() is not None

    return repository._context.database.read(work)
