"""What a key costs in the table: time and bytes on the wire, against Textual's DataTable.

Runs each table in a real terminal (a pty of 120x36, truecolor), presses keys one at a time and
prints what each cost and its ratio to the DataTable's. Trust the ratios: they are of one run.

    python tests/benchmarks/table_wire.py [--json FILE] [--check]

``--check`` ends in 1 where a key takes longer to show, or more bytes, than half of what it takes
in the DataTable, or where it costs notably more over a million rows than over a thousand.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Static

from bifrost_tui.tui.widgets.paged_table import Column, PagedTable

WIDTH, HEIGHT = 120, 36
COLUMNS = (
    Column("key", "Key", 28),
    Column("type", "Type", 7),
    Column("value", "Value", 14),
    Column("scope", "Scope", 9),
    Column("integration", "Integration", 11),
    Column("fingerprint", "Fingerprint", 11),
    Column("age", "Age", 7, right=True),
    Column("by", "By", 6),
)
SUBJECTS = {"DataTable": 1_000, "PagedTable": 1_000, "PagedTable, a million": 1_000_000}
DOWN, UP, PAGE_DOWN = b"\x1b[B", b"\x1b[A", b"\x1b[6~"
# Every round is over rows not seen before; the cursor stays within what shows.
ROUNDS = (
    ("cursor", [DOWN] * 30),
    ("page", [PAGE_DOWN] * 4),
    ("cursor", [UP] * 30),
    ("page", [PAGE_DOWN] * 4),
)
REPEATS = 3
REPORT = b"\x1b[24~"
QUIET = 0.06  # no output for so long: the screen is done
PATIENCE = 2.0
COLOURS = {"$muted": "#a0a0a0", "$warning": "#ffa62b", "$accent": "#ffa62b"}


def cell(row: int, column: str) -> Text:
    """Return what both tables show, in the styles of the configurations screen."""
    match column:
        case "key":
            return Text(f"service_{row:07d}_api_key")
        case "type":
            return Text("secret" if row % 3 else "string", "$muted")
        case "value":
            return Text("••••••••" if row % 3 else "acct_1Jx and more")
        case "scope":
            return Text(("own", "inherited", "shadows")[row % 3], "$muted")
        case "integration":
            return Text("Stripe" if row % 4 == 0 else "")
        case "fingerprint":
            return Text(f"{row * 2654435761 % 2**32:08x}", "$muted")
        case "age":
            return Text(f"▲ {row % 99} d", "$warning") if row % 11 == 4 else Text(f"{row % 99} d")
        case _:
            return Text("alice" if row % 3 else "bob")


class Subject(App[None]):
    """One table, and a key that reports the processor time used so far."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [Binding("f12", "report", show=False)]
    CSS = "Static { height: 1; } DataTable { height: 1fr; }"

    def __init__(self, kind: str, total: int, report: IO[str]) -> None:
        super().__init__()
        self.kind, self.total, self.report_to = kind, total, report

    def compose(self) -> ComposeResult:
        yield Static("Acme Dental", markup=False)
        if self.kind == "DataTable":
            yield DataTable[Text](cursor_type="row")
        else:
            yield PagedTable[int](COLUMNS, cell)
        yield Static("enter open", markup=False)

    def on_mount(self) -> None:
        if self.kind == "DataTable":
            table = self.query_one(DataTable)
            for column in COLUMNS:
                table.add_column(column.title, width=column.width)
            for row in range(self.total):
                texts = [cell(row, column.name) for column in COLUMNS]
                for text, column in zip(texts, COLUMNS, strict=True):
                    text.style = COLOURS.get(str(text.style), text.style)
                    text.justify = "right" if column.right else "left"
                table.add_row(*texts)
        else:
            self.query_one(PagedTable).reset(self.total)

    def on_paged_table_page_wanted(self, wanted: PagedTable.PageWanted) -> None:
        rows = range(wanted.first_index, wanted.first_index + wanted.count)
        wanted.table.put_page(wanted.generation, wanted.page, rows)

    def on_ready(self) -> None:
        self.call_after_refresh(self.action_report)

    def action_report(self) -> None:
        print(time.process_time(), file=self.report_to, flush=True)


@dataclass
class Cost:
    """What one key costs: processor time, time until it shows, bytes on the wire."""

    cpu_ms: float
    shown_ms: float
    wire_bytes: float


class Terminal:
    """A program in a pty, its keys and what it writes."""

    def __init__(self, subject: str) -> None:
        self.screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        report, write = os.pipe()
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TEXTUAL") and name != "NO_COLOR"
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--subject", subject, "--report-to", str(write)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            pass_fds=(write,),
            start_new_session=True,
            env=environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(inside)
        os.close(write)
        self.reports = os.fdopen(report)
        self.wait_for_report()
        self.drain(0.5)

    def drain(self, quiet: float = QUIET, patience: float = 0) -> tuple[int, float]:
        """Read until nothing comes; return the number of bytes and when the last came.

        The first byte may take ``patience``.
        """
        count, last = 0, time.perf_counter()
        while select.select([self.screen], [], [], quiet if count else max(quiet, patience))[0]:
            try:
                count += len(os.read(self.screen, 1 << 16))
            except OSError:  # Linux's word for the end of a pty
                break
            last = time.perf_counter()
        return count, last

    def wait_for_report(self) -> float:
        """Return the processor time reported, reading the screen meanwhile."""
        while not select.select([self.reports], [], [], 0)[0]:
            self.drain(0.01)
        if not (line := self.reports.readline()):
            raise RuntimeError("the table ended before it was measured")
        return float(line)

    def cpu(self) -> float:
        """Ask the program for its processor time."""
        os.write(self.screen, REPORT)
        used = self.wait_for_report()
        self.drain()
        return used

    def press(self, keys: list[bytes]) -> Cost:
        """Press ``keys`` one after another, each when the last has shown."""
        before = self.cpu()
        sizes, times = [], []
        for key in keys:
            start = time.perf_counter()
            os.write(self.screen, key)
            size, last = self.drain(patience=PATIENCE)
            sizes.append(size)
            times.append(last - start)
        asked = self.cpu()
        asking = self.cpu() - asked
        used = asked - before - asking
        return Cost(
            1000 * used / len(keys), 1000 * statistics.median(times), statistics.mean(sizes)
        )

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reports.close()
        os.close(self.screen)


def measured() -> dict[str, dict[str, Cost]]:
    """Measure every table, turn about, so that a busy machine is busy for all of them."""
    with contextlib.ExitStack() as stack:
        terminals = {}
        for subject in SUBJECTS:
            terminals[subject] = Terminal(subject)
            stack.callback(terminals[subject].close)
        found: dict[str, dict[str, list[Cost]]] = {subject: {} for subject in SUBJECTS}
        for name, keys in ROUNDS * REPEATS:
            for subject, terminal in terminals.items():
                found[subject].setdefault(name, []).append(terminal.press(keys))
    return {
        subject: {name: _best(costs) for name, costs in by_name.items()}
        for subject, by_name in found.items()
    }


def _best(costs: list[Cost]) -> Cost:
    # What else ran can only have added time, never taken any away.
    return Cost(
        min(cost.cpu_ms for cost in costs),
        min(cost.shown_ms for cost in costs),
        statistics.mean(cost.wire_bytes for cost in costs),
    )


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--check", action="store_true", help="end in 1 where the target is missed")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    parser.add_argument("--report-to", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        with os.fdopen(options.report_to, "w") as report:
            Subject(options.subject, SUBJECTS[options.subject], report).run()
        return 0

    figures = measured()
    base, small, large = figures.values()
    print(f"{'':24}{'key':8}{'CPU ms':>8}{'':7}{'bytes':>8}{'':7}{'shown ms':>9}")
    for subject, costs in figures.items():
        for key, cost in costs.items():
            of = base[key]
            print(
                f"{subject:24}{key:8}{cost.cpu_ms:8.2f}{cost.cpu_ms / of.cpu_ms:6.2f}x"
                f"{cost.wire_bytes:8.0f}{cost.wire_bytes / of.wire_bytes:6.2f}x"
                f"{cost.shown_ms:9.1f}{cost.shown_ms / of.shown_ms:6.2f}x"
            )
    if options.json:
        plain = {
            subject: {key: asdict(cost) for key, cost in costs.items()}
            for subject, costs in figures.items()
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n")
    missed = [
        f"{key}: {what}"
        for key in base
        for what, figure, limit in (
            ("time", small[key].shown_ms, base[key].shown_ms / 2),
            ("bytes", small[key].wire_bytes, base[key].wire_bytes / 2),
            ("time over a million", large[key].cpu_ms, small[key].cpu_ms * 1.2),
            ("bytes over a million", large[key].wire_bytes, small[key].wire_bytes * 1.1),
        )
        if figure > limit
    ]
    for miss in missed:
        print(f"target missed: {miss}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
