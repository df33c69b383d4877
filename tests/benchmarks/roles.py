"""What asking for roles adds to a page of a list: the page, beside the page that asks nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

from bifrost_tui.errors import AlreadyExistsError
from bifrost_tui.settings import load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.views import Scope
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import Plan, Result, compared, in_turn, organizations

GROUP = "roles"
ORGANIZATIONS = 1_000
_MANY = 100
"""How many organizations the busiest of the members is in."""
_PAGE = 100
_ROUNDS = 10
_ALLOWED = 1.1


def benchmark(plan: Plan) -> list[Result]:
    """Ask for the same page in turn: as the owner of all, as a member of one and of many."""
    owner = Access(actor_name(), "local")
    settings = load_settings(organizations(plan, plan.many, ORGANIZATIONS))
    with open_repository(settings, owner) as repository:
        views = [v for v in repository.organizations.list(owner) if not v.scope.is_global]
        scope = max(views, key=lambda view: view.configs).scope
        actors = {
            "an owner of all": owner,
            "a member of one organization": _member(repository, owner, "one", [scope]),
            f"a member of {_MANY}": _member(
                repository, owner, "many", [scope, *(view.scope for view in views[:_MANY])]
            ),
        }
        results = []
        for who, access in actors.items():
            page = partial(_page, repository, access, scope)
            took = in_turn(
                plan.presses,
                {"asked": partial(_timed, page), "unasked": partial(_unasked, page)},
            )
            name = f"a page of {_PAGE}, as {who}, roles asked : not asked"
            results.append(compared(GROUP, name, took["asked"], took["unasked"], _ALLOWED))
    return results


def _member(repository: Repository, owner: Access, name: str, scopes: list[Scope]) -> Access:
    for scope in dict.fromkeys(scopes):
        try:
            repository.members.add(owner, scope, name, Role.MEMBER)
        except AlreadyExistsError:
            # From an earlier run over the same data.
            continue
    return Access(name, "local")


def _page(repository: Repository, access: Access, scope: Scope) -> None:
    page = repository.configs.page(access, ConfigList(scope), offset=0, limit=_PAGE)
    assert len(page.rows) == _PAGE


def _timed(page: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(_ROUNDS):
        page()
    return (time.perf_counter() - start) / _ROUNDS


def _unasked(page: Callable[[], None]) -> float:
    with _no_roles():
        return _timed(page)


@contextmanager
def _no_roles() -> Iterator[None]:
    """Let everybody into everything, at no cost."""

    def enter(_self: object, _connection: object, _access: object, scope: Scope) -> object:
        return scope, Role.OWNER

    def everything(_connection: object, _access: object) -> None:
        return None

    with (
        patch.object(StoreContext, "enter", enter),
        patch("bifrost_tui.store.config_lists.seen_scopes", everything),
    ):
        yield
