"""Who asks. Apart from all else, so that the screens know it before anything is imported."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_tui.display import visible
from bifrost_tui.errors import InvalidInputError

LONGEST_ACTOR = 255
"""The most characters of an actor's name."""


@dataclass(frozen=True, slots=True)
class Access:
    """An actor and where the actor came from (an SSH client's address, or ``local``)."""

    actor: str
    source: str


def checked_actor(name: str) -> str:
    """Return an actor's name, as a login or a forced command states it.

    Raises:
        InvalidInputError: it is empty, too long, begins like an option, or has outer blanks or
            what cannot be seen.

    """
    problem = ""
    if not name.strip():
        problem = "The actor's name is empty."
    elif len(name) > LONGEST_ACTOR:
        problem = f"The actor's name has {len(name)} characters; {LONGEST_ACTOR} is the most."
    elif visible(name) != name:
        problem = f"The actor's name holds a character that cannot be seen: {visible(name)[:60]}"
    elif name != name.strip():
        problem = "The actor's name begins or ends with a blank."
    elif name.startswith("-"):
        problem = "An actor's name does not begin with a hyphen: it would read like an option."
    if problem:
        raise InvalidInputError(problem, field="actor")
    return name
