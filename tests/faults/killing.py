"""Work that is killed at a chosen moment, in processes forked from one that is prepared.

Where nothing is said otherwise the kernel ends the process between two instructions, as ``kill -9``
does: nothing is unwound, closed, flushed or told.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from fcntl import ioctl
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from bifrost_tui.errors import BifrostError
from tests.postgres import kill_server
from tests.terminal.harness import Command, TerminalSession

ROOT = Path(__file__).parents[2]

KILLS = int(os.environ.get("FAULT_KILLS", "15"))
"""How many moments of each kind of work are tried; ``FAULT_KILLS=100`` tries a hundred."""

Begin = Callable[[], None]
"""What work calls where what may be killed begins."""


class By(StrEnum):
    """What a moment is counted in, from where the work begins."""

    STATEMENT = "statement"
    """The statement of that number is about to run: killed by SIGKILL."""
    TIME = "time"
    """So many microseconds have gone by: killed by a timer's signal, which nobody handles."""
    SIZE = "size"
    """A file is written beyond so many bytes: killed by SIGXFSZ, in the midst of writing it."""


_BEGUN, _NOW = b"begun\n", b"now\n"

KILLED = {
    By.STATEMENT: -signal.SIGKILL,
    By.TIME: -signal.SIGALRM,
    By.SIZE: -signal.SIGXFSZ,
}


@dataclass(frozen=True)
class Moment:
    """When to be killed."""

    by: By
    at: int


@dataclass(frozen=True)
class Ended:
    """How work ended, and how much it was where it was not killed."""

    code: int
    statements: int = 0
    microseconds: int = 0
    size: int = 0
    told: str = ""
    """What came of it where not the work was killed but its server: the kind of the error."""
    says: str = ""
    """What that error says."""

    def most(self, by: By) -> int:
        return {
            By.STATEMENT: self.statements,
            By.TIME: self.microseconds,
            By.SIZE: self.size,
        }[by]


def moments(
    whole: Ended, seed: str, times: int = KILLS, kinds: tuple[By, ...] = tuple(By)
) -> list[Moment]:
    """Return moments all over some work, the same ones for a seed; the kinds take turns."""
    source = random.Random(seed)
    found = []
    for number in range(times):
        by = kinds[number % len(kinds)]
        found.append(Moment(by, source.randint(1, max(1, whole.most(by)))))
    return found


class Forks:
    """A process that has imported what work needs, and forks for each piece of it."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults import killing; killing.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        self._send({"module": module})
        assert self._receive() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate(timeout=60)
        self._process.kill()
        self._process.wait()

    def run(
        self,
        home: Path | str,
        work: str,
        *arguments: Any,
        kill: Moment | None = None,
        server: int | None = None,
    ) -> Ended:
        """Run a function of the module, as ``work(begin, home, *arguments)``, and wait for it.

        It is killed at a moment; with ``server``, every process of that server is instead.
        """
        self._send(
            {
                "home": str(home),
                "work": work,
                "arguments": arguments,
                "kill": None if kill is None else [kill.by.value, kill.at],
                "server": server,
            }
        )
        code, told = self._receive()
        if kill is None or server is not None:
            assert code == 0, f"{work} ended with {code}"
        else:
            assert code in (0, KILLED[kill.by]), f"{work}, {kill}: ended with {code}"
        return Ended(code, **told)

    def start(self, work: str, terminal: str, env: Mapping[str, str], *arguments: Any) -> Forked:
        """Start a function of the module in a terminal; one at a time."""
        job = {"work": work, "terminal": terminal, "env": dict(env), "arguments": arguments}
        self._send(job)
        return Forked(self._receive(), self._process.stdout)

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Forked:
    """A process that was forked by another one, which tells how it ends."""

    def __init__(self, pid: int, told: IO[str] | None) -> None:
        assert told is not None
        self.pid = pid
        self._told = told
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended; ``None`` as long as it has not."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self._code is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._code = int(json.loads(self._told.readline()))
        return self._code

    def kill(self) -> None:
        """Kill it, if it is there yet."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)


class ForkedTerminal(TerminalSession):
    """A terminal with what is forked in it: a function's name and its arguments."""

    def __init__(self, forks: Forks, command: Sequence[str], **how: Any) -> None:
        self._forks = forks
        super().__init__(command, **how)

    def _start(
        self,
        command: Sequence[str | os.PathLike[str]],
        hang_up: str,
        env: Mapping[str, str] | None,
        cwd: Path | None,
    ) -> Command:
        work, *arguments = map(str, command)
        return self._forks.start(work, os.ttyname(self._slave), env or {}, *arguments)


# In the other process


def serve() -> None:
    """Fork for each line that comes, and answer how it ended."""
    answers = os.fdopen(os.dup(1), "w")
    # What work prints would be taken for an answer.
    os.dup2(2, 1)
    module = import_module(json.loads(sys.stdin.readline())["module"])
    prepare = getattr(module, "prepare", None)
    if prepare is not None:
        prepare()
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if "terminal" in job:
            pid = _in_terminal(module, job)
            print(pid, file=answers, flush=True)
            _, status = os.waitpid(pid, 0)
            answer: Any = os.waitstatus_to_exitcode(status)
        else:
            answer = _forked(module, job)
        print(json.dumps(answer), file=answers, flush=True)


def _forked(module: Any, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    reading, writing = os.pipe()
    hearing, saying = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.close(saying)
        _child(module, job, writing, hearing)
    os.close(writing)
    os.close(hearing)
    by, at = job["kill"] or (None, 0)
    is_up = job["server"] is not None
    text, waits = b"", None
    while True:
        if not select.select([reading], [], [], waits)[0]:
            # The time has come.
            kill_server(job["server"])
            is_up, waits = False, None
            continue
        data = os.read(reading, 65536)
        if not data:
            break
        text += data
        if text == _BEGUN and is_up and by == By.TIME:
            waits = at / 1e6
        elif text.endswith(_NOW):
            kill_server(job["server"])
            is_up = False
            os.write(saying, _NOW)
    if is_up and by is not None:
        # It was done before its time.
        kill_server(job["server"])
    os.close(reading)
    os.close(saying)
    _, status = os.waitpid(pid, 0)
    last = text.rpartition(b"\n")[2]
    return os.waitstatus_to_exitcode(status), json.loads(last or "{}")


def _in_terminal(module: Any, job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        # A session leader's first terminal becomes its controlling one.
        terminal = os.open(job["terminal"], os.O_RDWR)
        for number in range(3):
            os.dup2(terminal, number)
        os.closerange(3, 256)
        ioctl(0, termios.TIOCSCTTY, 0)
        os.environ.clear()
        os.environ.update(job["env"])
        code = getattr(module, job["work"])(*job["arguments"])
    except BaseException:  # noqa: BLE001  as below
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _child(module: Any, job: dict[str, Any], writing: int, hearing: int) -> None:
    code = 1
    victim: Callable[[], None] | None = None
    if job["server"] is not None:

        def victim() -> None:
            os.write(writing, _NOW)
            os.read(hearing, len(_NOW))

    try:
        trigger = Trigger(Path(job["home"]), *(job["kill"] or (None, 0)), victim=victim)
        problem: BifrostError | None = None

        def begin() -> None:
            trigger.begin()
            os.write(writing, _BEGUN)

        with trigger.watching():
            try:
                getattr(module, job["work"])(begin, Path(job["home"]), *job["arguments"])
            except BifrostError as error:
                if victim is None:
                    raise
                problem = error
        told: dict[str, Any] = trigger.told()
        if problem is not None:
            told |= {"told": type(problem).__name__, "says": str(problem)}
        os.write(writing, json.dumps(told).encode())
        code = 0
    except BaseException:  # noqa: BLE001  a fork must not go on as its parent
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


class Trigger:
    """Kills this process at a moment, and measures where it does not."""

    def __init__(
        self,
        home: Path,
        by: str | None = None,
        at: int = 0,
        *,
        victim: Callable[[], None] | None = None,
    ) -> None:
        self._home = home
        self._victim = victim
        self._by = by
        self._at = at
        self._begun: int | None = None
        self._statements = 0
        # No core is dumped.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGALRM, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)

    def begin(self) -> None:
        """Begin to count."""
        if self._begun is not None:
            return
        if self._victim is not None:
            # Whoever kills the server has the time too.
            pass
        elif self._by == By.TIME:
            signal.setitimer(signal.ITIMER_REAL, self._at / 1e6)
        elif self._by == By.SIZE:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._at, hard))
        self._begun = time.monotonic_ns()

    @property
    def begun(self) -> bool:
        """Whether anything is counted yet."""
        return self._begun is not None

    def told(self) -> dict[str, int]:
        """Return how much it was."""
        assert self._begun is not None, "the work never began"
        sizes = [path.stat().st_size for path in self._home.rglob("*") if path.is_file()]
        return {
            "statements": self._statements,
            "microseconds": (time.monotonic_ns() - self._begun) // 1000,
            "size": max(sizes, default=0),
        }

    def _count(self, *_: Any) -> None:
        if self._begun is None:
            return
        self._statements += 1
        if self._by == By.STATEMENT and self._statements == self._at:
            if self._victim is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                self._victim()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count each statement that goes to a driver, commits and what is done past it included."""
        from sqlalchemy import Pool, event

        def trace(driver: Any, _record: Any, _proxy: Any) -> None:
            if hasattr(driver, "set_trace_callback"):
                driver.set_trace_callback(self._count)

        event.listen(Pool, "checkout", trace)
        self._count_exchanges()
        try:
            yield
        finally:
            event.remove(Pool, "checkout", trace)

    def _count_exchanges(self) -> None:
        """Count what goes to a PostgreSQL server and is waited for: statements and commits."""
        if "psycopg" not in sys.modules:
            return
        import psycopg

        wait = psycopg.Connection.wait

        def counted(connection: Any, *given: Any, **named: Any) -> Any:
            self._count()
            return wait(connection, *given, **named)

        psycopg.Connection.wait = counted  # type: ignore[assignment,method-assign]
