"""A platform's export imported beside the bare work: parse, decrypt, encrypt, the same rows.

Alone: ``python -m tests.benchmarks.platform_files [--configs N]``.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bifrost_tui.crypto.platform import PlatformCipher
from bifrost_tui.store.sqlite import _PRAGMAS
from bifrost_tui.transfer.platform import read_platform
from bifrost_tui.transfer.platform_key import PlatformKey
from tests.benchmarks.support import Plan, Result, compared, in_turn, measured_alone, say
from tests.benchmarks.transfer import ORGANIZATION, _Bench, _timed, bundle_of, write_bare

GROUP = "platform"
_MANY = 100_000
_SECRETS = 10
_KEY = "a-platform-key-for-the-benchmark-alone"


def benchmark(plan: Plan, configs: int = _MANY) -> list[Result]:
    """Measure in turn; every import is into a new copy of a database of one organization."""
    runs = 3 if plan.quick else 7
    say(f"importing {configs:,} configs of a platform, {_SECRETS} % of them secrets")
    plan.data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="platform-", dir=plan.data) as folder:
        bench = _Bench(Path(folder))
        data = _export_of(configs)
        works = {"ours": partial(_import, bench, data), "bare": partial(_import_bare, bench, data)}
        took = in_turn(runs, works)
    name = f"import {configs:,} configs of a platform, {_SECRETS} % secrets : bare work"
    return [compared(GROUP, name, took["ours"], took["bare"], 2.0)]


def _export_of(configs: int) -> bytes:
    key = PlatformKey(_KEY)
    found = json.loads(bundle_of(configs, _SECRETS))["organizations"][0]["configs"]
    items = [
        {
            "key": one["key"],
            "value": key.sealed(one["value"].encode()) if one["type"] == "secret" else one["value"],
            "config_type": one["type"],
            "description": one.get("description"),
            "organization_id": "6f1c2c1e-6d0b-4f5b-9a59-1f0d5d1c7a10",
            "organization_name": ORGANIZATION,
            "integration_name": one.get("integration"),
        }
        for one in found
    ]
    return json.dumps(
        {
            "bifrost_export_version": "1.0",
            "entity_type": "configs",
            "contains_encrypted_values": True,
            "items": items,
        },
        indent=1,
    ).encode()


def _import(bench: _Bench, data: bytes) -> float:
    with bench.copy() as folder, bench.opened(folder) as (repository, _scope):
        imports = repository.imports  # imported before the clock runs

        def work() -> None:
            scopes = read_platform(data, PlatformKey(_KEY))
            plan = imports.plan(bench.access, scopes, form="platform")
            imports.apply(bench.access, plan)

        return _timed(work)


def _import_bare(bench: _Bench, data: bytes) -> float:
    with bench.copy() as folder, bench.opened(folder) as (repository, scope):
        context = repository._context

        def work(connection: sqlite3.Connection) -> None:
            cipher = PlatformCipher(_KEY)
            configs = json.loads(data)["items"]
            for found in configs:
                found["type"] = found.pop("config_type")
                found["description"] = found["description"] or ""
                found["integration"] = found.pop("integration_name")
                if found["type"] == "secret":
                    found["value"] = (cipher.unsealed(found["value"]) or b"").decode()
            write_bare(connection, configs, scope, context)

        with closing(sqlite3.connect(folder / "bifrost.db", isolation_level=None)) as connection:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            return _timed(lambda: work(connection))


def main() -> None:
    """Measure this alone."""
    measured_alone(benchmark, _MANY, __doc__)


if __name__ == "__main__":
    main()
