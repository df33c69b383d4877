"""Who asks. Apart from all else, so that the screens know it before anything is imported."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.origin import actor_problem


@dataclass(frozen=True, slots=True)
class Access:
    """An actor and where the actor came from (an SSH client's address, or ``local``).

    ``confined`` actors came in by a forced command: no program is started for them, and no file of
    the host is theirs to name.
    """

    actor: str
    source: str
    confined: bool = False


def checked_name(actor: str) -> str:
    """Return an actor's name, as a login or a forced command states it.

    Raises:
        InvalidInputError: it cannot be one.

    """
    if problem := actor_problem(actor):
        raise InvalidInputError(f"{problem} Give the name that they log in with.", field="actor")
    return actor
