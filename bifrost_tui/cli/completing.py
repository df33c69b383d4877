"""What the Tab key offers: organizations and keys that the actor sees anyway.

Pressing Tab changes nothing: no database is made or migrated, and nothing is asked for that could
be refused and told in the log. Where anything is wrong, nothing is offered; a server that does not
answer is not waited for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from bifrost_tui.cli.base import COMPLETION_VARIABLE
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.errors import BifrostError
from bifrost_tui.origin import decide
from bifrost_tui.settings import Settings, load_settings

if TYPE_CHECKING:
    from bifrost_tui.store.views import Scope

_OFFERED = 100

_PATIENCE = 2.0
"""Seconds after which a server has said nothing that is worth waiting for."""


def complete_organization(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[str]:
    """Offer the actor's organizations."""

    def names(session: Session) -> list[str]:
        from bifrost_tui.store.context import folded_name

        begun = folded_name(incomplete)
        return [
            _typed(view.scope.name)
            for view in session.repository.organizations.list(session.access)
            if not view.scope.is_global and folded_name(view.scope.name).startswith(begun)
        ][:_OFFERED]

    return _offered(ctx, names)


def complete_file(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Leave it to the shell, which knows the files."""
    return [CompletionItem(incomplete, type="file")]


def complete_key(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the keys of the scope that the options before name."""

    def keys(session: Session) -> list[str]:
        from bifrost_tui.store.requests import ConfigList

        scope = _scope(session, ctx)
        if scope is None:
            return []
        configs, wanted = session.repository.configs, ConfigList(scope)
        start = configs.position(session.access, wanted, incomplete)
        page = configs.page(session.access, wanted, offset=start, limit=_OFFERED)
        return [view.key for view in page.rows if view.key.startswith(incomplete)]

    return _offered(ctx, keys)


def complete_log_actor(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer who stands in the log, to whom the log is open."""
    return _offered(ctx, lambda session: _told(session, "actors", incomplete))


def complete_log_action(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the actions that stand in the log, to whom it is open."""
    return _offered(ctx, lambda session: _told(session, "actions", incomplete))


def _told(session: Session, what: str, begun: str) -> list[str]:
    log = session.repository.log
    if not log.may_list(session.access):
        return []
    names: tuple[str, ...] = getattr(log, what)(session.access)
    return [_typed(name) for name in names if name.startswith(begun)][:_OFFERED]


def _scope(session: Session, ctx: click.Context) -> Scope | None:
    """Return the scope of the options, if it is in the list of what the actor sees."""
    from bifrost_tui.store.context import folded_name

    name, is_global = ctx.params.get("organization"), bool(ctx.params.get("is_global"))
    if is_global is (name is not None):
        return None
    for view in session.repository.organizations.list(session.access):
        scope = view.scope
        if scope.is_global if is_global else folded_name(scope.name) == folded_name(str(name)):
            return scope
    return None


def _offered(ctx: click.Context, ask: Callable[[Session], list[str]]) -> list[str]:
    actor = ctx.find_root().params.get("actor")
    try:
        settings = load_settings()
        path = settings.database_path
        if path is not None:
            return _asked(settings, actor, ask) if path.exists() else []
        return _in_time(lambda: _asked(settings, actor, ask))
    except (BifrostError, OSError):
        return []


def _asked(settings: Settings, actor: str | None, ask: Callable[[Session], list[str]]) -> list[str]:
    from bifrost_tui.store.checks import is_current

    if not is_current(settings):
        return []
    origin = decide(actor, None, {}, lambda: settings.owned_file)
    with opened(origin) as session:
        return ask(session)


def _in_time(ask: Callable[[], list[str]]) -> list[str]:
    """Ask a server in a thread, which is left behind where it takes too long."""
    found: list[str] = []

    def work() -> None:
        with suppress(BifrostError, OSError):
            found.extend(ask())

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return [] if thread.is_alive() else found


def _typed(name: str) -> str:
    """Return a name as it has to stand on the command line; only bash leaves that to us."""
    if os.environ.get(COMPLETION_VARIABLE, "").startswith("bash"):
        return re.sub(r"([^\w@%+=:./-])", r"\\\1", name)
    return name
