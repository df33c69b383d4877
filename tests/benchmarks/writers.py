"""Changes a second with 1, 4 and 16 programs that write at once, beside the bare engine.

Every program rotates a secret of its own, again and again, for a while; each change is a commit
that is on the disk, with its audit event. The bare side gives the driver the very statements that
one such change consists of, recorded from it: the same reads, the same rows, the same commits.
What it leaves out is what we do around them: encryption, the chain's hashes, objects, checks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bifrost_tui.settings import load_settings
from bifrost_tui.store import engine as engine_module
from bifrost_tui.store import sqlite as sqlite_module
from bifrost_tui.store.engine import connect
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.postgres import PostgresDatabase
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.views import GLOBAL_SCOPE, ConfigView
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import Plan, Result, compared, environment, in_turn, say
from tests.postgres import running_server
from tests.support import secret

GROUP = "writers"
WRITERS = (1, 4, 16)

_ROOT = Path(__file__).parents[2]
_PATIENT = 120.0
_SEQUENCE = "sequence"
_DURABLE: dict[str, str] = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


def benchmark(plan: Plan) -> list[Result]:
    """Measure both engines, with a disk that is waited for; PostgreSQL also without."""
    results = []
    with ExitStack() as stack:
        places = [("SQLite", environment(plan.data, plan.data / "writers.db"))]
        kinds: list[tuple[str, dict[str, str]]]
        kinds = [("PostgreSQL", _DURABLE), ("PostgreSQL, fsync off", {})]
        for name, settings in kinds:
            if settings or not plan.quick:
                server = stack.enter_context(running_server(None, **settings))
                environ = environment(plan.data, plan.data / "unused")
                url = server.url(server.new_database(), scheme="postgresql+psycopg")
                places.append((name, {**environ, "BIFROST_DATABASE_URL": url}))
        for engine, environ in places:
            _fill(environ)
            results += [_measured(plan, engine, environ, writers) for writers in WRITERS]
    return results


def _fill(environ: dict[str, str]) -> None:
    access = Access(actor_name(), "local")
    with create_repository(load_settings(environ), access) as repository:
        for number in range(max(WRITERS)):
            repository.configs.add(access, GLOBAL_SCOPE, secret(f"k{number}", "first"))


def _measured(plan: Plan, engine: str, environ: dict[str, str], writers: int) -> Result:
    say(f"{engine}, {writers} at once")
    seconds = 1.5 if plan.quick else 3.0
    took = in_turn(
        max(plan.runs // 3, 2),
        {side: partial(_run, environ, side, writers, seconds) for side in ("ours", "bare")},
    )
    ours, bare = ([each[0] for each in took[side]] for side in ("ours", "bare"))
    longest = max(each[1] for each in took["ours"])
    name = f"{engine}, {writers} {'writer' if writers == 1 else 'writers'}"
    compare = compared(GROUP, name, ours, bare)
    rates = [1 / sorted(side)[len(side) // 2] for side in (ours, bare)]
    return compare.with_note(
        f"{rates[0]:,.0f} : {rates[1]:,.0f} commits/s, longest wait {longest:.2f} s"
    )


def _run(environ: dict[str, str], side: str, writers: int, seconds: float) -> tuple[float, float]:
    """Let programs write at once; return the seconds for a commit of all, and the longest one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.writers", side, str(writers), str(seconds)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, **environ, "PYTHONPATH": str(_ROOT)},
    )
    told = json.loads(done.stdout)
    return seconds / sum(each["commits"] for each in told), max(each["longest"] for each in told)


# What each program does


def main() -> None:
    """Start the programs, let them begin together, and print what each has done."""
    side, writers, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    engine_module.BUSY_SECONDS = _PATIENT
    # Forked, so that all but the first are there at once; each opens the database itself.
    forked = get_context("fork")
    together, told = forked.Barrier(writers), forked.SimpleQueue()
    running = [
        forked.Process(target=_program, args=(side, number, seconds, together, told))
        for number in range(writers)
    ]
    for process in running:
        process.start()
    results = [told.get() for _ in running]
    for process in running:
        process.join()
    print(json.dumps(results))


def _program(side: str, number: int, seconds: float, together: Any, told: Any) -> None:
    access = Access(actor_name(), "local")
    with ExitStack() as stack:
        settings = load_settings(os.environ)
        if side == "ours":
            repository = stack.enter_context(open_repository(settings, access))
            change = _ours(repository, access, number)
        else:
            statements = _recorded(access, number)
            change = stack.enter_context(_bare(settings.database_url, statements))
        change()
        together.wait(_PATIENT)
        told.put(_timed(change, seconds))


def _timed(change: Callable[[], object], seconds: float) -> dict[str, float]:
    commits, longest = 0, 0.0
    began = last = time.perf_counter()
    while last - began < seconds:
        change()
        commits += 1
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return {"commits": commits, "longest": longest}


def _ours(repository: Repository, access: Access, number: int) -> Callable[[], object]:
    view = repository.configs.get_key(access, GLOBAL_SCOPE, f"k{number}")
    count = 0

    def change() -> ConfigView:
        nonlocal view, count
        count += 1
        view = repository.configs.rotate(access, view, EnteredSecret(f"{number} {count}"))
        return view

    return change


def _recorded(access: Access, number: int) -> list[tuple[Any, Any]]:
    """Return the statements of one change, as the driver was given them."""
    told: list[tuple[Any, Any]] = []
    with _recording(told), open_repository(load_settings(os.environ), access) as repository:
        change = _ours(repository, access, number)
        change()
        told.clear()
        change()
        return list(told)


@contextmanager
def _recording(told: list[tuple[Any, Any]]) -> Iterator[None]:
    """Note every statement that goes to a driver."""
    import sqlite3

    import psycopg

    class LiteCursor(sqlite3.Cursor):
        def execute(self, text: str, values: Any = ()) -> Any:
            told.append((text, values))
            return super().execute(text, values)

    class LiteConnection(sqlite3.Connection):
        def cursor(self, *_: Any) -> Any:
            return super().cursor(LiteCursor)

        def execute(self, text: str, values: Any = ()) -> Any:
            told.append((text, values))
            return super().execute(text, values)

        def commit(self) -> None:
            told.append(("COMMIT", ()))
            super().commit()

    class ServerCursor(psycopg.Cursor[Any]):
        def execute(  # type: ignore[override]
            self, text: Any, values: Any = None, **options: Any
        ) -> Any:
            told.append((text, values))
            return super().execute(text, values, **options)

    real_file, real_server = sqlite_module.open_file, PostgresDatabase.open

    def open_file(path: Path, seconds: float | None = None) -> sqlite3.Connection:
        plain = real_file(path, seconds)
        plain.close()
        return sqlite3.connect(
            path,
            timeout=_PATIENT,
            isolation_level=None,
            check_same_thread=False,
            factory=LiteConnection,
        )

    def open_server(database: PostgresDatabase) -> Any:
        made = real_server(database)
        made.cursor_factory = ServerCursor
        commit = made.commit

        def committing() -> None:
            told.append((b"COMMIT", None))
            commit()

        made.commit = committing  # type: ignore[method-assign]
        return made

    sqlite_module.open_file = open_file
    PostgresDatabase.open = open_server  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        sqlite_module.open_file = real_file
        PostgresDatabase.open = real_server  # type: ignore[method-assign]


@contextmanager
def _bare(url: str, statements: list[tuple[Any, Any]]) -> Iterator[Callable[[], object]]:
    """Give the driver those statements; only the number of the audit event goes on."""
    database = connect(url)
    opened: Any
    if isinstance(database, PostgresDatabase):
        opened = database.open()
    else:
        assert database.path is not None
        opened = sqlite_module.open_file(database.path)
        for pragma in sqlite_module._PRAGMAS:
            opened.execute(pragma)
    with closing(opened):
        server = isinstance(database, PostgresDatabase)
        yield partial(_replay, opened, statements, is_server=server)
    database.close()


def _replay(opened: Any, statements: list[tuple[Any, Any]], *, is_server: bool) -> None:
    last = 0
    for text, values in statements:
        words = text.decode() if isinstance(text, bytes) else str(text)
        given = values
        if words.startswith("INSERT INTO audit_event"):
            given = _numbered(words, values, last + 1)
        if is_server and given is None:
            cursor = opened.execute(text, prepare=False)
            continue
        cursor = opened.execute(text, given)
        if cursor.description:
            rows = cursor.fetchall()
            if words.startswith("SELECT audit_event.sequence"):
                last = rows[0][0]


def _numbered(words: str, values: Any, number: int) -> Any:
    if isinstance(values, dict):
        return {**values, _SEQUENCE: number}
    columns = words[words.index("(") + 1 : words.index(")")].replace(" ", "").split(",")
    place = columns.index(_SEQUENCE)
    return (*values[:place], number, *values[place + 1 :])


if __name__ == "__main__":
    main()
