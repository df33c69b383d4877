"""Questions over every organization of a million configs, beside the same over a thousand."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from bifrost_tui.settings import load_settings
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import PROGRAM, Plan, Result, compared, in_turn, organizations
from tests.benchmarks.terminal import Terminal

GROUP = "lifecycle"
FEW = 1_000
ORGANIZATIONS = 1_000

_LIST = "list of organizations"
_LISTED = "Alder Builders"
"""An organization that the first page of the list shows."""
_LONGEST = 0.05
"""How long a question may take, in seconds."""


def benchmark(plan: Plan) -> list[Result]:
    """Ask both databases in turn; both have a thousand organizations."""
    sizes = {
        "few": organizations(plan, FEW, ORGANIZATIONS),
        "many": organizations(plan, plan.many, ORGANIZATIONS),
    }
    names = f"{plan.many:,} : {FEW:,}"
    access = Access(actor_name(), "local")
    opened = in_turn(
        max(plan.runs // 2, 3), {name: partial(_open, environ) for name, environ in sizes.items()}
    )
    screen = f"organizations screen, {names}"
    results = [compared(GROUP, screen, opened["many"], opened["few"], 1.5)]
    with ExitStack() as stack:
        questions = {}
        for name, environ in sizes.items():
            repository = stack.enter_context(open_repository(load_settings(environ), access))
            questions[name] = _questions(repository, access)
        for what in questions["many"]:
            took = in_turn(
                plan.presses,
                {size: partial(_timed, asked[what][0]) for size, asked in questions.items()},
            )
            name, found = f"{what}, {names}", questions["many"][what][1]
            if what == _LIST:
                results.append(compared(GROUP, name, took["many"], took["few"], 1.5))
                continue
            compare = compared(GROUP, name, took["many"], took["few"])
            median = statistics.median(took["many"])
            limit = "within" if median <= _LONGEST else "NOT within"
            note = f"{found:,} lines in {median * 1000:.1f} ms, {limit} {_LONGEST * 1000:.0f} ms"
            results.append(compare.with_note(note))
    return results


def _questions(
    repository: Repository, access: Access
) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is asked, by name, and how many lines answer it."""
    path = repository._context.database.path
    assert path is not None
    common, referred = _most_common(path), _most_referred(path)
    target = repository.configs.get_key(access, GLOBAL_SCOPE, referred)
    everywhere, configs = repository.everywhere, repository.configs
    return {
        _LIST: (
            lambda: repository.organizations.list(access),
            len(repository.organizations.list(access)),
        ),
        "one key everywhere": (
            lambda: everywhere.key(access, common),
            len(everywhere.key(access, common)),
        ),
        "references of a global secret": (
            lambda: configs.references(access, target),
            configs.references(access, target).total,
        ),
        "groups of equal secrets": (
            lambda: everywhere.reused(access),
            sum(len(group.lines) for group in everywhere.reused(access)),
        ),
    }


def _most_common(path: Path) -> str:
    return _one(path, "SELECT key FROM config GROUP BY key ORDER BY count(*) DESC, key LIMIT 1")


def _most_referred(path: Path) -> str:
    return _one(
        path,
        "SELECT refers_to FROM config WHERE refers_to IN"
        " (SELECT key FROM config WHERE scope_id = 'global' AND type = 'secret')"
        " GROUP BY refers_to ORDER BY count(*) DESC LIMIT 1",
    )


def _one(path: Path, query: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        [(found,)] = connection.execute(query).fetchall()
    return str(found)


def _open(environ: dict[str, str]) -> float:
    with Terminal((PROGRAM,), environ) as terminal:
        took = terminal.wait(_LISTED)
        terminal.settle(1.0)
        return took


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
