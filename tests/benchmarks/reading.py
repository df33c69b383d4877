"""Reading a secret from code, its audit event committed, beside the bare work; and ``run``."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet

from bifrost_tui import config
from bifrost_tui.settings import load_settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import PROGRAM, Plan, Result, compared, environment, in_turn

GROUP = "read"
CONFIGS = 300
AT_ONCE = 100
IN_TURN = 20
ORGANIZATION = "Acme"

_IMPORTS = "import cryptography.fernet, sqlalchemy, click, os, subprocess"
_VALUE = "a-secret-of-ordinary-length-0123456789"


def benchmark(plan: Plan) -> list[Result]:
    """Measure in turn; both sides commit with full synchronisation on the same disk."""
    folder = plan.data / "reading"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environ = _database(folder)
    rounds = 20 if plan.quick else 60
    with _as_environment(environ), closing(_Bare(folder / "bare.db")) as bare, _Loop() as loop:
        took = in_turn(
            rounds,
            {
                "get": partial(_timed, lambda: loop.run(_gets(IN_TURN))),
                "bare": partial(_timed, lambda: bare.reads(IN_TURN)),
            },
        )
        many = in_turn(
            max(rounds // 6, 3),
            {
                "one call": partial(_timed, lambda: loop.run(_in_one_call())),
                "single": partial(_timed, lambda: loop.run(_gets(AT_ONCE))),
            },
        )
        loop.run(config.close())
    results = [
        compared(GROUP, f"config.get, {IN_TURN} times : bare work", took["get"], took["bare"], 3.0),
        compared(GROUP, f"{AT_ONCE} in one call : single", many["one call"], many["single"], 1.0),
    ]
    return [*results, _run(plan, environ)]


async def _gets(times: int) -> None:
    for at in range(times):
        await config.get(f"key_{at}", scope=ORGANIZATION)


async def _in_one_call() -> None:
    await config.get_many([f"key_{at}" for at in range(AT_ONCE)], scope=ORGANIZATION)


class _Loop:
    """One event loop for all that is measured: making one takes longer than a read."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def run(self, work: object) -> None:
        self._runner.run(work)  # type: ignore[arg-type]


class _Bare:
    """One SELECT, one Fernet decryption, one INSERT and COMMIT, with sqlite3 directly."""

    def __init__(self, file: Path) -> None:
        self._fernet = Fernet(Fernet.generate_key())
        self._connection = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE config (key TEXT PRIMARY KEY, secret TEXT)")
        self._connection.execute(
            "CREATE TABLE event (sequence INTEGER PRIMARY KEY, at TEXT, actor TEXT, key TEXT)"
        )
        self._connection.executemany(
            "INSERT INTO config VALUES (?, ?)",
            [(f"key_{at}", self._fernet.encrypt(_VALUE.encode())) for at in range(CONFIGS)],
        )

    def reads(self, times: int) -> None:
        connection = self._connection
        for at in range(times):
            connection.execute("BEGIN IMMEDIATE")
            [(token,)] = connection.execute(
                "SELECT secret FROM config WHERE key = ?", [f"key_{at}"]
            )
            self._fernet.decrypt(token)
            connection.execute(
                "INSERT INTO event (at, actor, key) VALUES (?, ?, ?)",
                ["2026-03-01T09:30:00", "alice", f"key_{at}"],
            )
            connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def _run(plan: Plan, environ: dict[str, str]) -> Result:
    program = [PROGRAM, "run", "--org", ORGANIZATION, "--only", "key_0", "--", "true"]
    bare = [sys.executable, "-c", f"{_IMPORTS}; subprocess.call(['true'])"]
    took = in_turn(
        plan.runs,
        {
            "run": partial(_timed, lambda: subprocess.run(program, env=environ, check=True)),
            "bare": partial(_timed, lambda: subprocess.run(bare, env=environ, check=True)),
        },
    )
    return compared(GROUP, "run -- true : true and the bare imports", took["run"], took["bare"])


def _timed(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


def _database(folder: Path) -> dict[str, str]:
    environ = environment(folder, folder / "bifrost.db")
    access = Access(actor_name(), "local")
    with create_repository(load_settings(environ), access) as repository:
        scope = repository.organizations.add(access, ORGANIZATION)
        for at in range(CONFIGS):
            draft = ConfigDraft(f"key_{at}", ConfigType.SECRET, secret=EnteredSecret(_VALUE))
            repository.configs.add(access, scope, draft)
    return environ


@contextmanager
def _as_environment(environ: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
