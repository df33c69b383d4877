"""Commands for who came in by a forced command: which there are, and how one is asked for.

The client's text is split into words as a shell would, and that is all: nothing is expanded, joined
or started. The words are a command line of ours, or they are refused.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bifrost_tui.cli.base import Start
from bifrost_tui.errors import AccessDeniedError, BifrostError
from bifrost_tui.origin import decide, lock_down
from bifrost_tui.settings import load_settings

ALLOWED = ("orgs", "configs", "members", "audit", "export", "import", "lock")
"""The commands that a confined actor has, beside the screens."""

_OURSELVES = ("bifrost-tui", "bifrost")


def begun(before: Start, actor: str | None, folder: str | None) -> Start:
    """Take the options that say who acts, and hold a confined process down.

    Raises:
        AccessDeniedError, SettingsError: the options cannot be given, or not here.

    """
    if before.origin.actor is not None:
        if actor is not None or folder is not None:
            raise refused(before, None)
        return before
    path = Path(folder) if folder is not None else None
    origin = decide(actor, path, os.environ, lambda: load_settings().owned_file)
    if origin.confined:
        lock_down(os.environ)
    return replace(before, origin=origin)


def refused(start: Start, name: str | None) -> AccessDeniedError:
    """Return the error of a command that is refused, once that is told in the log.

    ``name`` is the command's, where it is one of ours.
    """
    # It is refused also where nothing can be told.
    with suppress(BifrostError, OSError):
        from bifrost_tui.cli.session import opened
        from bifrost_tui.store.sessions import tell_refused

        with opened(start.origin) as session:
            tell_refused(session.repository, session.access, name)
    return AccessDeniedError(
        f"Refused: {'that' if name is None else f'the command {name}'} is not for this connection."
        " It is for the screens (ssh -t) and for the commands that --help lists. Nothing was run."
    )


def run_asked(start: Start, run: Callable[[Sequence[str], Start], int]) -> int:
    """Run what the client asked for, as the actor that it has.

    Raises:
        AccessDeniedError: it is refused.

    """
    words: list[str] | None = None
    with suppress(ValueError):
        words = shlex.split(start.origin.asked)
    if words is None:
        # What was split may hold a secret; so may the words of the error.
        raise refused(start, None)
    if words and words[0] in _OURSELVES:
        del words[0]
    return run(words, replace(start, origin=replace(start.origin, asked="")))
