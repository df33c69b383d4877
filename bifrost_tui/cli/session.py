"""Opening the database for one command, and the scope that its options name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bifrost_tui.origin import Origin
from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.terminal import actor_name, session_source

if TYPE_CHECKING:
    from bifrost_tui.store.actor import Access
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.views import Scope


@dataclass(frozen=True, slots=True)
class Session:
    """An open database, and who works with it."""

    settings: Settings
    access: Access
    repository: Repository


@dataclass(frozen=True, slots=True)
class Target:
    """The scope that a command is for, as its options name it."""

    organization: str | None

    @contextmanager
    def opened(self) -> Iterator[tuple[Session, Scope]]:
        """Open the database and find the scope."""
        from bifrost_tui.store.views import GLOBAL_SCOPE

        with opened() as session:
            if self.organization is None:
                yield session, GLOBAL_SCOPE
            else:
                yield (
                    session,
                    session.repository.organizations.find(session.access, self.organization),
                )


def this_origin() -> Origin:
    """Return who acts in the command at hand; there has to be one."""
    import click

    from bifrost_tui.cli.base import Start

    start = click.get_current_context().obj
    return start.origin if isinstance(start, Start) else Origin()


def this_access(origin: Origin | None = None) -> Access:
    """Return who runs this, and from where; by default, in the command at hand."""
    from bifrost_tui.store.actor import Access

    if origin is None:
        origin = this_origin()
    actor = actor_name() if origin.actor is None else origin.actor
    return Access(actor, session_source(os.environ), origin.confined)


@contextmanager
def opened(origin: Origin | None = None) -> Iterator[Session]:
    """Open the database of the settings; what that did to it is said on standard error."""
    from bifrost_tui.cli.output import say
    from bifrost_tui.store.uncollected import uncollected

    settings = load_settings()
    # Imports make no garbage, and looking for it takes a tenth of their time.
    with uncollected(freeze=True):
        from bifrost_tui.store.opening import open_repository
    access = this_access(origin)
    with open_repository(settings, access) as repository:
        for notice in repository.notices:
            say(notice)
        yield Session(settings, access, repository)
