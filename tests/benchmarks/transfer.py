"""Importing and exporting beside the bare work: parse, write the same rows, one commit.

Alone: ``python -m tests.benchmarks.transfer [--configs N]``.
"""

from __future__ import annotations

import gc
import json
import shutil
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from uuid import uuid4

from bifrost_tui.settings import load_settings
from bifrost_tui.store.exporting import Export
from bifrost_tui.store.incoming import IncomingScope
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import config
from bifrost_tui.store.sqlite import _PRAGMAS
from bifrost_tui.store.views import Scope
from bifrost_tui.terminal import actor_name
from bifrost_tui.transfer.portable import read_portable, write_portable
from tests.benchmarks.support import (
    Plan,
    Result,
    compared,
    environment,
    in_turn,
    measured_alone,
    say,
)

GROUP = "transfer"
ORGANIZATION = "Alder"
_MANY = 100_000
_FEWER = 10_000
_CHUNK = 2_000
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NAMES = [column.name for column in config.c]
_INSERT = f"INSERT INTO config ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
# Constants, and names of columns, which nobody gives.
_SELECT = (
    "SELECT key, type, value, refers_to, integration, description, rotate_every_days, hint, secret"
    " FROM config WHERE scope_id = ? ORDER BY key"
)


def benchmark(plan: Plan, configs: int = _MANY) -> list[Result]:
    """Measure in turn; every import is into a new copy of a database of one organization."""
    runs = 3 if plan.quick else 7
    with TemporaryDirectory(prefix="transfer-", dir=_folder(plan)) as folder:
        bench = _Bench(Path(folder))
        results = [_imported(bench, configs, runs), _imported(bench, configs, runs, secrets=10)]
        results += [_exported(bench, configs, runs), *_memory(bench)]
    return results


def _folder(plan: Plan) -> Path:
    plan.data.mkdir(parents=True, exist_ok=True)
    return plan.data


class _Bench:
    """Databases to import into and to export from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.access = Access(actor_name(), "local")
        self._empty = folder / "empty"
        self._empty.mkdir()
        with create_repository(self._settings(self._empty), self.access) as repository:
            repository.organizations.add(self.access, ORGANIZATION)

    @staticmethod
    def _settings(folder: Path) -> Any:
        return load_settings(environment(folder, folder / "bifrost.db"))

    @contextmanager
    def copy(self, name: str = "copy") -> Iterator[Path]:
        """Make a copy of the database without configs."""
        folder = self.folder / name
        shutil.copytree(self._empty, folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def opened(self, folder: Path) -> Iterator[tuple[Repository, Scope]]:
        """Open a copy."""
        with open_repository(self._settings(folder), self.access) as repository:
            yield repository, repository.organizations.find(self.access, ORGANIZATION)

    def bring(self, repository: Repository, bundle: bytes) -> None:
        """Import a bundle as it is imported everywhere."""
        imports = repository.imports
        plan = imports.plan(self.access, _incoming(bundle), form="encrypted")
        imports.apply(self.access, plan)


def bundle_of(configs: int, secrets: int = 0) -> bytes:
    """Return a bundle of configs in every plain type; so many of a hundred are secrets."""
    return json.dumps(
        {
            "bifrost_tui_bundle": 1,
            "program": "bifrost-tui",
            "organizations": [
                {"name": ORGANIZATION, "configs": [_config(at, secrets) for at in range(configs)]}
            ],
        },
        ensure_ascii=False,
        indent=1,
    ).encode()


def _config(at: int, secrets: int) -> dict[str, Any]:
    found: dict[str, Any] = {"key": f"service_{at:07}_endpoint"}
    if at % 100 < secrets:
        value = f"sk_live_{at * 7919 % 1_000_003:07}_{at:024}"
        return found | {"type": "secret", "value": value, "rotate_every_days": 90}
    kinds: tuple[tuple[str, Any], ...] = (
        ("string", f"https://service-{at}.example.com/api/v2/endpoint?region=eu-{at % 7}"),
        ("int", at * 37),
        ("bool", at % 2 == 0),
        ("json", {"retries": at % 5, "hosts": [f"a{at}", f"b{at}"], "ratio": 0.25}),
    )
    kind, value = kinds[0] if at % 10 < 7 else kinds[at % 10 - 6]
    found |= {"type": kind, "value": value, "description": f"Where service {at} is reached."}
    return found | ({"integration": "http_request"} if at % 3 == 0 else {})


def _incoming(bundle: bytes) -> list[IncomingScope]:
    return read_portable(bundle, secrets=True)


# Import


def _imported(bench: _Bench, configs: int, runs: int, secrets: int = 0) -> Result:
    say(f"importing {configs:,} configs, {secrets} % of them secrets")
    bundle = bundle_of(configs, secrets)
    took = in_turn(
        runs,
        {
            "ours": partial(_import, bench, bundle),
            "bare": partial(_import_bare, bench, bundle),
        },
    )
    what = f", {secrets} % secrets" if secrets else ""
    name = f"import {configs:,} configs{what} : bare work"
    return compared(GROUP, name, took["ours"], took["bare"], 2.0)


def _import(bench: _Bench, bundle: bytes) -> float:
    with bench.copy() as folder, bench.opened(folder) as (repository, _scope):
        repository.imports  # noqa: B018  imported before the clock runs
        return _timed(lambda: bench.bring(repository, bundle))


def _import_bare(bench: _Bench, bundle: bytes) -> float:
    with bench.copy() as folder, bench.opened(folder) as (repository, scope):
        context = repository._context
        with closing(sqlite3.connect(folder / "bifrost.db", isolation_level=None)) as connection:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            return _timed(lambda: _write_bare(connection, bundle, scope, context))


def _write_bare(connection: sqlite3.Connection, bundle: bytes, scope: Scope, context: Any) -> None:
    write_bare(connection, json.loads(bundle)["organizations"][0]["configs"], scope, context)


def write_bare(
    connection: sqlite3.Connection, configs: list[dict[str, Any]], scope: Scope, context: Any
) -> None:
    """Write configs, as a bundle has them, into the table: nothing but that, in one commit."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    now, due = moment.isoformat(" "), (moment + timedelta(days=90)).isoformat(" ")
    actor = "alice"

    def row(found: dict[str, Any]) -> tuple[Any, ...]:
        its_id, value = uuid4().hex, found["value"]
        token = key_id = fingerprint = text = changed = its_due = None
        version = 0
        if found["type"] == "secret":
            data, version, changed, its_due = value.encode(), 1, now, due
            sealed = context.keyring.seal(data, seal_context(scope.id, its_id, 1))
            token, key_id = sealed.token, sealed.key_id
            fingerprint = context.root.fingerprint(data)
        else:
            text = _ENCODE(value)
        return (
            *(its_id, scope.id, scope.id, found["key"], found["type"], text, token, version),
            *(key_id, fingerprint, None, found.get("integration"), found.get("description", "")),
            *(found.get("rotate_every_days"), changed, its_due, None, now, actor, now, actor, 1),
            *(None, None, None),
        )

    connection.execute("BEGIN IMMEDIATE")
    for start in range(0, len(configs), _CHUNK):
        connection.executemany(_INSERT, [row(found) for found in configs[start : start + _CHUNK]])
    connection.execute("COMMIT")


# Export


def _exported(bench: _Bench, configs: int, runs: int) -> Result:
    say(f"exporting {configs:,} configs")
    with bench.copy("full") as folder, bench.opened(folder) as (repository, scope):
        bench.bring(repository, bundle_of(configs, 10))
        file = folder / "bundle"
        with closing(sqlite3.connect(folder / "bifrost.db", isolation_level=None)) as connection:
            took = in_turn(
                runs,
                {
                    "ours": lambda: _timed(lambda: _export(bench, repository, scope, file)),
                    "bare": lambda: _timed(lambda: _export_bare(connection, scope, file)),
                },
            )
    name = f"export {configs:,} configs : bare work"
    return compared(GROUP, name, took["ours"], took["bare"], 2.0)


def _export(bench: _Bench, repository: Repository, scope: Scope, file: Path) -> None:
    def write(export: Export) -> None:
        with file.open("wb") as written:
            write_portable(export, partial(_put, written))

    repository.exports.portable(bench.access, [scope], write, form="portable")


def _put(written: BinaryIO, data: bytes) -> None:
    written.write(data)


def _export_bare(connection: sqlite3.Connection, scope: Scope, file: Path) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for row in connection.execute(_SELECT, (scope.id,)):
            key, kind, value, _refers, integration, description, days, _hint, _secret = row
            line = {"key": key, "type": kind}
            line["value"] = None if value is None else json.loads(value)
            if description:
                line["description"] = description
            if integration is not None:
                line["integration"] = integration
            if days is not None:
                line["rotate_every_days"] = days
            lines.write(_ENCODE(line))


# Memory


def _memory(bench: _Bench) -> list[Result]:
    """Compare what both take of memory for ten times as many configs; linear is ten."""
    say("measuring memory")
    peaks: dict[str, list[int]] = {"import": [], "export": []}
    for number in (_MANY, _FEWER):
        bundle = bundle_of(number, 10)
        with bench.copy() as folder, bench.opened(folder) as (repository, scope):
            peaks["import"].append(_peak(lambda: bench.bring(repository, bundle)))  # noqa: B023
            file = folder / "bundle"
            peaks["export"].append(_peak(lambda: _export(bench, repository, scope, file)))  # noqa: B023
    return [
        Result(
            GROUP,
            f"memory: {name} {_MANY:,} : {_FEWER:,} configs",
            ratio=many / fewer,
            target={"import": 12.0, "export": 1.5}[name],
            note=f"{many / 1e6:.1f} : {fewer / 1e6:.1f} MB",
        )
        for name, (many, fewer) in peaks.items()
    ]


def _peak(work: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure this alone."""
    measured_alone(benchmark, _MANY, __doc__)


if __name__ == "__main__":
    main()
