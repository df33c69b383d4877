"""What a key costs over SSH: bytes and time, against the same keys in a local terminal.

Starts an sshd on the loopback, opens the screens through a forced command, and presses keys one at
a time; then the same behind a line that is slowed to 100 ms there and back and 64 kbit/s each way.
With ``--no-wire``, where the program has that option, every scene is measured once more with it.

    python -m tests.benchmarks.ssh [--rounds N]

Written is a Markdown table. A cell holds, as medians over the keys: bytes that reached the
terminal, bytes that passed the line towards the client (its encryption included), milliseconds
from the key to the last byte. Trust the ratios: they are of one run.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shlex
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import FIRST_KEY, ORGANIZATION, Plan, compile_all, database, say
from tests.benchmarks.terminal import Terminal
from tests.terminal.sshd import Sshd, missing

ROUND_TRIP = 0.1
RATE = 64_000 / 8
_PIECE = 128
"""Bytes that pass a slow line at once: a 64th of a second."""
_AHEAD = 32 * 1024
"""Bytes that may wait before a slow line."""

_DOWN, _PAGE, _ESCAPE = "\x1b[B", "\x1b[6~", "\x1b"
_CONFIGS = 1000
SCENES = ("cursor", "page", "filter", "open form", "close form")


class Cost(NamedTuple):
    """What a key cost."""

    written: int
    line: int
    seconds: float


class _Direction:
    """One direction of a slow line: bytes leave at its rate, and arrive after its delay."""

    def __init__(self, source: socket.socket, sink: socket.socket, line: Line) -> None:
        self._source, self._sink, self._line = source, sink, line
        self._waiting: queue.Queue[tuple[float, bytes]] = queue.Queue(_AHEAD // _PIECE)
        self.passed = 0
        for work in (self._take, self._give):
            threading.Thread(target=work, daemon=True).start()

    def _take(self) -> None:
        free = 0.0
        with suppress(OSError):
            while data := self._source.recv(_AHEAD):
                self.passed += len(data)
                for start in range(0, len(data), _PIECE):
                    piece = data[start : start + _PIECE]
                    free = max(free, time.perf_counter())
                    free += len(piece) / self._line.rate if self._line.rate else 0
                    self._waiting.put((free + self._line.delay, piece))
        self._waiting.put((0, b""))

    def _give(self) -> None:
        with suppress(OSError):
            while True:
                due, piece = self._waiting.get()
                if not piece:
                    break
                time.sleep(max(due - time.perf_counter(), 0))
                self._sink.sendall(piece)
        for end in (self._sink, self._source):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Line:
    """A line to a port of this machine, which counts bytes; ``rate`` 0 is as fast as it goes."""

    port: int
    delay: float = 0.0
    rate: float = 0.0
    _towards_client: list[_Direction] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.entrance = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def passed(self) -> int:
        """How many bytes went to the client."""
        return sum(direction.passed for direction in self._towards_client)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Direction(client, server, self)
                self._towards_client.append(_Direction(server, client, self))


@dataclass
class Subject:
    """A way to the screens: how it is called, and what it is measured with."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    quiet: float
    line: Line | None = None

    def measure(self, rounds: int) -> dict[str, list[Cost]]:
        """Press every key, and return what each cost."""
        found: dict[str, list[Cost]] = {scene: [] for scene in SCENES}
        with Terminal(self.command, self.environ) as terminal:
            terminal.wait(FIRST_KEY)
            terminal.settle(max(1.0, self.quiet))
            for _ in range(rounds):
                for key in [_DOWN] * 6:
                    found["cursor"].append(self._press(terminal, key))
                for key in [_PAGE] * 3:
                    found["page"].append(self._press(terminal, key))
                self._press(terminal, "/")
                for key in "prod":
                    found["filter"].append(self._press(terminal, key))
                self._press(terminal, _ESCAPE)
                terminal.send("g")
                terminal.settle(self.quiet)
                found["open form"].append(self._press(terminal, "a"))
                found["close form"].append(self._press(terminal, _ESCAPE))
        return found

    def _press(self, terminal: Terminal, key: str) -> Cost:
        written, passed = terminal.written, self.line.passed if self.line else 0
        at = terminal.send(key)
        frames = terminal.answer(self.quiet)
        line = (self.line.passed if self.line else 0) - passed
        return Cost(terminal.written - written, line, frames[-1].at - at)


@contextmanager
def subjects(folder: Path) -> Iterator[list[Subject]]:
    """Give every way to the screens that is to be measured."""
    plan = Plan(runs=1, presses=1, quick=True, data=folder, peers={})
    made = database(plan, _CONFIGS)
    environ = {**made, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    home = folder / "sshd"
    home.mkdir()
    program = [sys.executable, "-m", "bifrost_tui"]
    helped = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True)
    has_wire = re.search(r"--no-wire\b", helped.stdout) is not None
    actor = actor_name()
    with ExitStack() as stack:
        sshd = Sshd(home, environ)
        stack.callback(sshd.close)
        sshd.let_in_actor(actor)
        fast = stack.enter_context(Line(sshd.port))
        slow = stack.enter_context(Line(sshd.port, ROUND_TRIP / 2, RATE))
        client = {name: environ[name] for name in ("HOME", "PATH", "LANG", "TERM")}
        found = []
        for options in [[], ["--no-wire"]] if has_wire else [[]]:
            words = [*options, "--org", ORGANIZATION]
            said = f" {' '.join(options)}" if options else ""
            found.append(Subject(f"local{said}", [*program, *words], environ, 0.2))
            for name, line, ssh, quiet in (
                ("ssh -t", fast, (), 0.25),
                ("ssh -t, slowed", slow, (), 0.6),
                ("ssh -tC, slowed", slow, ("-C",), 0.6),
            ):
                where = sshd.client(actor, "-tt", *ssh, port=line.entrance)
                command = [*where, "--", shlex.join(words)]
                found.append(Subject(f"{name}{said}", command, client, quiet, line))
        yield found


def table(measured: Mapping[str, Mapping[str, Sequence[Cost]]]) -> str:
    """Return the medians as a Markdown table."""
    lines = [f"| | {' | '.join(SCENES)} |", f"|---|{'---|' * len(SCENES)}"]
    for name, costs in measured.items():
        cells = []
        for scene in SCENES:
            middle = [statistics.median(part) for part in zip(*costs[scene], strict=True)]
            line = f" / {middle[1]:,.0f}" if middle[1] else ""
            cells.append(f"{middle[0]:,.0f}{line} B, {middle[2] * 1000:,.0f} ms")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ssh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="how often to press the keys")
    rounds = parser.parse_args().rounds
    if problem := missing():
        say(problem)
        return 1
    compile_all()
    with TemporaryDirectory(prefix="bifrost-tui-bench-") as name, subjects(Path(name)) as found:
        measured = {}
        for subject in found:
            say(f"measuring: {subject.name}")
            measured[subject.name] = subject.measure(rounds)
    print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
