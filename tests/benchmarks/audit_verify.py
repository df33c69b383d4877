"""Checking the audit chain beside the bare hashing of the same bytes, and the log's filters."""

from __future__ import annotations

import hmac
import shutil
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256

from bifrost_tui.clock import utc_now
from bifrost_tui.settings import load_settings
from bifrost_tui.store.audit import _START, Event, _bytes
from bifrost_tui.store.audit_filters import NO_AUDIT_FILTER, AuditFilter
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import Scope
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import Plan, Result, compared, environment, in_turn, say

GROUP = "audit"
_ORGANIZATIONS = 1_000
_KEYS = 5_000
_CHUNK = 10_000
_KEY = b"k" * 32
_LONGEST = 0.1
"""How long a page through a filter may take, in seconds."""


def benchmark(plan: Plan) -> list[Result]:
    """Measure in turn over one log; both sides hash every event with the hash before it."""
    folder = plan.data / f"audit-{plan.many}"
    environ = environment(folder, folder / "bifrost.db")
    access = Access(actor_name(), "local")
    settings = load_settings(environ)
    if not (folder / "bifrost.db").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        say(f"making a log of {plan.many:,} events")
        create_repository(settings, access).close()
        with open_repository(settings, access) as repository:
            _fill(repository, plan.many)
    with open_repository(settings, access) as repository:
        texts = _texts(repository)
        number = len(texts)
        took = in_turn(
            3 if plan.quick else 5,
            {
                "verify": partial(_timed, lambda: repository.log.verify(access)),
                "hash": partial(_timed, lambda: _hash(texts)),
            },
        )
        speed = number / statistics.median(took["verify"])
        results = [
            compared(
                GROUP, f"verify {number:,} events : bare hashing", took["verify"], took["hash"], 3.0
            ).with_note(f"{speed:,.0f} events a second")
        ]
        for name, wanted in _filters().items():
            results.append(_filtered(plan, repository, access, name, wanted))
    return results


def _fill(repository: Repository, number: int) -> None:
    """Write events as a year of use leaves them: most are reads by code."""
    context = repository._context
    told = 0
    scopes = [Scope(f"{at:032x}", f"Organization {at}") for at in range(_ORGANIZATIONS)]
    while told < number:
        events = [
            Event(
                "secret.read" if at % 10 else "config.edit",
                scopes[at * 7919 % _ORGANIZATIONS],
                f"key_{at * 104729 % _KEYS}",
                "done" if at % 997 else "refused",
                {"execution": f"{at:032x}", "workflow": "charge_card"},
            )
            for at in range(told, min(told + _CHUNK, number))
        ]
        access = Access(f"actor{told // _CHUNK % 7}", "10.1.4.7")
        context.database.write_rows(
            lambda connection: context.chain.append(connection, access, *events)  # noqa: B023
        )
        told += len(events)


def _texts(repository: Repository) -> list[bytes]:
    """Return the bytes that are hashed of each event."""
    chain = repository._context.chain
    found: list[bytes] = []
    while rows := chain._chunk(len(found), _CHUNK, None):
        found += map(_bytes, rows)
    return found


def _hash(texts: list[bytes]) -> None:
    previous = _START
    for text in texts:
        previous = hmac.new(_KEY, previous.encode() + b"\n" + text, sha256).hexdigest()


def _filters() -> dict[str, AuditFilter]:
    now = utc_now()
    return {
        "all": NO_AUDIT_FILTER,
        "one actor": AuditFilter(actor="actor3"),
        "an actor that is not there": AuditFilter(actor="nobody"),
        "several actions": AuditFilter(action="config.*"),
        "one organization": AuditFilter(scopes=(Scope(f"{7:032x}", "Organization 7"),)),
        "one key": AuditFilter(key="key_77"),
        "keys that begin so": AuditFilter(key="key_77*"),
        "refused": AuditFilter(outcome="refused"),
        "since a day": AuditFilter(since=now - timedelta(days=1)),
        "until a year ago": AuditFilter(until=now - timedelta(days=365)),
        "one key by one actor": AuditFilter(actor="actor3", key="key_78"),
    }


def _filtered(
    plan: Plan, repository: Repository, access: Access, name: str, wanted: AuditFilter
) -> Result:
    log = repository.log
    page = [_timed(lambda: log.page(access, wanted)) for _ in range(max(plan.presses // 4, 3))]
    count = _timed(lambda: log.count(access, wanted))
    found = log.count(access, wanted)
    median = statistics.median(page)
    limit = "within" if median <= _LONGEST else "NOT within"
    note = (
        f"{found:,} events: first page {median * 1000:.1f} ms, {limit} {_LONGEST * 1000:.0f} ms,"
        f" count {count * 1000:.1f} ms"
    )
    return Result(GROUP, f"filter: {name}", note=note)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
