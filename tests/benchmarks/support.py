"""What every benchmark has in common: databases to open, runs in turn, and lines of a table."""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import sqlite3
import statistics
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import bifrost_tui
from bifrost_tui.clock import utc_now
from bifrost_tui.demo import build_scale
from bifrost_tui.demo.scale import BIGGEST
from bifrost_tui.settings import load_settings
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name

T = TypeVar("T")

_MASTER_KEY = "kkkbenchmark-key-0123456789abcdefghijklmnop"

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "bifrost-tui")
ORGANIZATION = BIGGEST
FIRST_KEY = "accounts_dev_"
"""How the first key of that organization begins, however many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How thoroughly to measure, where the data is, and which peers there are."""

    runs: int
    presses: int
    quick: bool
    data: Path
    peers: Mapping[str, str | None]

    @property
    def many(self) -> int:
        """How many configs are a great many."""
        return 100_000 if self.quick else 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table: how one thing compares with another that was measured beside it."""

    group: str
    name: str
    ratio: float | None = None
    best: float | None = None
    """The ratio of both sides' best runs, which other work on the machine disturbs least."""
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing was measured."""
        if self.target is None or self.ratio is None:
            return None
        return self.ratio <= self.target

    def with_note(self, note: str) -> Result:
        """Return the line with more to say."""
        return replace(self, note=f"{self.note}, {note}")


def compared(
    group: str,
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    target: float | None = None,
    *,
    unit: str = "ms",
) -> Result:
    """Compare runs that were made in turn, pair by pair: the machine is never quiet for long."""
    scale = 1000 if unit == "ms" else 1
    return Result(
        group,
        name,
        ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        best=min(ours) / min(theirs),
        target=target,
        note=f"{statistics.median(ours) * scale:,.0f} : {statistics.median(theirs) * scale:,.0f}"
        f" {unit}",
    )


def in_turn(runs: int, subjects: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure every subject once, then every one once more; a first round only warms the disk."""
    found: dict[str, list[T]] = {name: [] for name in subjects}
    for run in range(runs + 1):
        for name, measure in subjects.items():
            measured = measure()
            if run:
                found[name].append(measured)
    return found


def environment(folder: Path, database: Path | None = None) -> dict[str, str]:
    """Return what a measured command finds around it: nothing of whoever measures."""
    found = {
        "HOME": str(folder),
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    if database is not None:
        found["BIFROST_DATABASE_URL"] = f"sqlite:///{database}"
        found["BIFROST_SECRET_KEY"] = _MASTER_KEY
    return found


def database(plan: Plan, configs: int) -> dict[str, str]:
    """Make a database of one organization, where it is not there; return what opens it."""
    return _made(plan.data / f"configs-{configs}", configs, single=True)


def organizations(plan: Plan, configs: int, number: int) -> dict[str, str]:
    """Make a database of many organizations, where it is not there; return what opens it."""
    folder = plan.data / f"organizations-{number}-{configs}"
    return _made(folder, configs, organizations=number)


def _made(folder: Path, configs: int, **how: Any) -> dict[str, str]:
    ready = folder / "ready"
    environ = environment(folder, folder / "bifrost.db")
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        say(f"making {configs:,} configs")
        access = Access(actor_name(), "local")
        with create_repository(load_settings(environ), access) as repository:
            build_scale(repository, access, configs, clock=utc_now, **how)
        ready.touch()
    return environ


def keys_file(plan: Plan, configs: int) -> Path:
    """Write the keys of such a database into a file, a line each; return the file."""
    file = plan.data / f"configs-{configs}" / "keys"
    if not file.exists():
        database(plan, configs)
        with closing(sqlite3.connect(file.with_name("bifrost.db"))) as connection:
            keys = connection.execute("SELECT key FROM config ORDER BY key")
            file.write_text("".join(f"{key}\n" for (key,) in keys))
    return file


def compile_all() -> None:
    """Compile what is measured: without bytecode, a start takes three times as long."""
    for package in (Path(bifrost_tui.__file__).parent, Path(sysconfig.get_path("purelib"))):
        compileall.compile_dir(package, quiet=2)


def measured_alone(
    benchmark: Callable[[Plan, int], Sequence[Result]], configs: int, about: str | None
) -> None:
    """Run one benchmark as a program: of so many configs unless its options say otherwise."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--configs", type=int, default=configs)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bifrost-tui-bench-") as folder:
        plan = Plan(0, 0, options.quick, Path(folder), {})
        for result in benchmark(plan, options.configs):
            print(f"{result.name}: {result.ratio:.2f} (at most {result.target}); {result.note}")


def say(words: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"  … {words}", file=sys.stderr, flush=True)
