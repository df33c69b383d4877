"""Who asks. Apart from all else, so that the screens know it before anything is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """An actor and where the actor came from (an SSH client's address, or ``local``).

    ``confined`` actors came in by a forced command: no program is started for them, and no file of
    the host is theirs to name.
    """

    actor: str
    source: str
    confined: bool = False
