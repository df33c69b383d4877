"""Run the benchmarks: ``python -m tests.benchmarks [--quick] [--json]``.

Every figure is a ratio to something that was measured beside it, in turn, in the same run.
``--data`` keeps the databases: making a million configs takes minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import (
    audit_verify,
    filtering,
    lifecycle,
    platform_files,
    reading,
    rekeying,
    roles,
    scale,
    scrubbing,
    sealed,
    start,
    transfer,
    wire,
    writers,
)
from tests.benchmarks.support import Plan, Result, compile_all, say

_GROUPS = {
    "start": start,
    "scale": scale,
    "lifecycle": lifecycle,
    "filter": filtering,
    "read": reading,
    "scrub": scrubbing,
    "audit": audit_verify,
    "roles": roles,
    "transfer": transfer,
    "sealed": sealed,
    "platform": platform_files,
    "rekey": rekeying,
    "wire": wire,
    "writers": writers,
}


def main() -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    options = _options()
    with TemporaryDirectory(prefix="bifrost-tui-bench-") as folder:
        plan = Plan(
            runs=options.runs or (5 if options.quick else 15),
            presses=10 if options.quick else 40,
            quick=options.quick,
            data=options.data or Path(folder),
            peers={name: _installed(getattr(options, name)) for name in ("posting", "harlequin")},
        )
        compile_all()
        results: list[Result] = []
        for name in options.only or _GROUPS:
            say(f"measuring: {name}")
            results += _GROUPS[name].benchmark(plan)
    if options.json:
        print(json.dumps([asdict(result) | {"met": result.met} for result in results], indent=2))
    else:
        print(_table(results))
    return 1 if any(result.met is False for result in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer runs, and 100,000 for a million"
    )
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.add_argument("--runs", type=int, help="how often to measure each start")
    parser.add_argument("--only", nargs="+", choices=_GROUPS, help="only these groups")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the databases here")
    for name in ("posting", "harlequin"):
        parser.add_argument(f"--{name}", default=name, metavar="PATH", help=f"where {name} is")
    return parser.parse_args()


def _installed(command: str) -> str | None:
    return shutil.which(command)


def _table(results: list[Result]) -> str:
    rows = [("", "ratio", "best", "target", "met", "measured")]
    rows += [
        (
            f"{result.group}: {result.name}",
            _number(result.ratio),
            _number(result.best),
            _number(result.target),
            {True: "yes", False: "NO", None: ""}[result.met],
            result.note,
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in (0, 5) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
