"""Encrypted bundles beside the bare work: select, decrypt, JSON, encrypt; and back.

To a key: a passphrase costs the same second on both sides, whatever there is to encrypt.
Alone: ``python -m tests.benchmarks.sealed [--configs N] [--quick]``.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyrage

from bifrost_tui.crypto.cipher import Sealed, unseal
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.sqlite import _PRAGMAS
from bifrost_tui.store.views import Scope
from bifrost_tui.transfer.sealed import read_identities, read_sealed
from bifrost_tui.transfer.sealing import read_recipients, to_recipients, write_sealed
from tests.benchmarks.support import Plan, Result, compared, in_turn, measured_alone, say
from tests.benchmarks.transfer import (
    ORGANIZATION,
    _Bench,
    _folder,
    _peak,
    _timed,
    _write_bare,
    bundle_of,
)

GROUP = "sealed"
_MANY = 100_000
_FEWER = 10_000
_SECRETS = 10
"""So many of a hundred configs are secrets."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SELECT = (
    "SELECT key, type, value, refers_to, integration, description, rotate_every_days, hint, secret,"
    " id, secret_version, key_id FROM config WHERE scope_id = ? ORDER BY key"
)


def benchmark(plan: Plan, configs: int = _MANY) -> list[Result]:
    """Measure in turn."""
    runs = 3 if plan.quick else 7
    with TemporaryDirectory(prefix="sealed-", dir=_folder(plan)) as folder:
        bench = _Bench(Path(folder))
        return [_exported(bench, configs, runs), _imported(bench, configs, runs), _memory(bench)]


_IDENTITY = pyrage.x25519.Identity.generate()
_PUBLIC = _IDENTITY.to_public()


def _exported(bench: _Bench, configs: int, runs: int) -> Result:
    say(f"exporting {configs:,} configs, encrypted")
    with bench.copy("full") as folder, bench.opened(folder) as (repository, scope):
        bench.bring(repository, bundle_of(configs, _SECRETS))
        file = folder / "bundle"
        with closing(sqlite3.connect(folder / "bifrost.db", isolation_level=None)) as connection:
            took = in_turn(
                runs,
                {
                    "ours": lambda: _timed(lambda: _export(bench, repository, scope, file)),
                    "bare": lambda: _timed(
                        lambda: _export_bare(connection, repository, scope, file)
                    ),
                },
            )
    name = f"export {configs:,} configs, {_SECRETS} % secrets : bare work"
    return compared(GROUP, name, took["ours"], took["bare"], 2.0)


def _export(bench: _Bench, repository: Repository, scope: Scope, file: Path) -> None:
    lock = to_recipients(read_recipients([str(_PUBLIC)]))
    with file.open("wb") as stream:
        write_sealed(repository, bench.access, [scope], lock, stream.write)


def _export_bare(
    connection: sqlite3.Connection, repository: Repository, scope: Scope, file: Path
) -> None:
    keyring = repository._context.keyring
    lines = []
    for row in connection.execute(_SELECT, (scope.id,)):
        key, kind, value, _refers, integration, description, days, _hint, secret = row[:9]
        line: dict[str, Any] = {"key": key, "type": kind}
        if secret is not None:
            place = seal_context(scope.id, row[9], row[10])
            found = unseal(keyring, Sealed(secret, row[11]), place)
            assert found is not None
            line["value"] = found.decode()
        else:
            line["value"] = None if value is None else json.loads(value)
        if description:
            line["description"] = description
        if integration is not None:
            line["integration"] = integration
        if days is not None:
            line["rotate_every_days"] = days
        lines.append(line)
    bundle = {"organizations": [{"name": ORGANIZATION, "configs": lines}]}
    file.write_bytes(pyrage.encrypt(_ENCODE(bundle).encode(), [_PUBLIC]))


def _imported(bench: _Bench, configs: int, runs: int) -> Result:
    say(f"importing {configs:,} configs, encrypted")
    data = pyrage.encrypt(bundle_of(configs, _SECRETS), [_PUBLIC])
    took = in_turn(
        runs, {"ours": lambda: _import(bench, data), "bare": lambda: _import_bare(bench, data)}
    )
    name = f"import {configs:,} configs, {_SECRETS} % secrets : bare work"
    return compared(GROUP, name, took["ours"], took["bare"], 2.0)


def _import(bench: _Bench, data: bytes) -> float:
    identities = read_identities(str(_IDENTITY).encode())

    def work() -> None:
        scopes = read_sealed(data, identities=identities)
        plan = repository.imports.plan(bench.access, scopes, form="encrypted")
        repository.imports.apply(bench.access, plan)

    with bench.copy() as folder, bench.opened(folder) as (repository, _scope):
        repository.imports  # noqa: B018  imported before the clock runs
        return _timed(work)


def _import_bare(bench: _Bench, data: bytes) -> float:
    with bench.copy() as folder, bench.opened(folder) as (repository, scope):
        context = repository._context
        with closing(sqlite3.connect(folder / "bifrost.db", isolation_level=None)) as connection:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            return _timed(
                lambda: _write_bare(connection, pyrage.decrypt(data, [_IDENTITY]), scope, context)
            )


def _memory(bench: _Bench) -> Result:
    """Compare what an export takes of memory with its file, which is held back until the commit."""
    say("measuring memory")
    with bench.copy() as folder, bench.opened(folder) as (repository, scope):
        bench.bring(repository, bundle_of(_FEWER, _SECRETS))
        file = folder / "bundle"
        peak = _peak(lambda: _export(bench, repository, scope, file))
        size = file.stat().st_size
    return Result(
        GROUP,
        f"memory: export of {_FEWER:,} configs : its file",
        ratio=peak / size,
        target=3.0,
        note=f"{peak / 1e6:.1f} : {size / 1e6:.1f} MB",
    )


def main() -> None:
    """Measure this alone."""
    measured_alone(benchmark, _MANY, __doc__)


if __name__ == "__main__":
    main()
