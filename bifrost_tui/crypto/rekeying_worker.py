"""Re-encryption in processes of its own, for threads of one share one core.

A worker gets keys and tokens through its standard input and gives tokens back through its standard
output; of either nothing stands in an argument, in the environment or in a file. It ends when its
input does, and so with whoever started it.
"""

from __future__ import annotations

import json
import marshal
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

from bifrost_tui.crypto.rekeying import Done, Job, Rekeyer

_HEAD = 4
"""Bytes that say how long a message is."""
_GRACE = 2.0
"""Seconds that a worker has to end by itself."""
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline());"
    " from bifrost_tui.crypto.rekeying_worker import serve; serve()"
)
"""What a worker begins with: modules come from where they come from here, and nowhere else."""
_KEPT = ("LD_LIBRARY_PATH",)


class WorkerLostError(Exception):
    """A worker could not be started, or has ended before its time."""


class Worker:
    """Another process that re-encrypts; one batch at a time is on its way."""

    def __init__(self, rekeyer: Rekeyer) -> None:
        self._process = _started()
        try:
            self._send(rekeyer.parts(), json.dumps(sys.path).encode() + b"\n")
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Worker {self._process.pid}>"

    def give(self, jobs: list[Job]) -> None:
        """Give a batch to the worker, which has none.

        Raises:
            WorkerLostError: it has ended.

        """
        self._send(jobs)

    def take(self) -> list[Done]:
        """Wait for what became of the batch.

        Raises:
            WorkerLostError: it has ended.

        """
        with suppress(OSError, ValueError):
            done: list[Done] | None = _read(_pipe(self._process.stdout))
            if done is not None:
                return done
        raise WorkerLostError

    def close(self) -> None:
        """End the worker and wait until it has ended."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, message: Any, before: bytes = b"") -> None:
        with suppress(OSError, ValueError):
            _pipe(self._process.stdin).write(before)
            _write(_pipe(self._process.stdin), message)
            return
        raise WorkerLostError


def _started() -> subprocess.Popen[bytes]:
    with suppress(OSError, ValueError):
        return subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable or "", "-I", "-c", _BEGIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Nothing of ours: keys may stand there.
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            # Ctrl+C is for us, who tell it to end.
            start_new_session=True,
        )
    raise WorkerLostError


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # pragma: no cover
        raise WorkerLostError
    return pipe


def _write(pipe: IO[bytes], message: Any) -> None:
    data = marshal.dumps(message)
    pipe.write(len(data).to_bytes(_HEAD, "big"))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    """Return the next message; ``None`` at the end, also in the middle of one."""
    head = pipe.read(_HEAD)
    size = int.from_bytes(head, "big")
    data = pipe.read(size) if len(head) == _HEAD else b""
    # It comes from the process that we started, or that started us, and from nobody else.
    return marshal.loads(data) if size and len(data) == size else None  # noqa: S302


def serve() -> None:
    """Re-encrypt what comes, until nothing comes any more."""
    from bifrost_tui.terminal import harden_process

    harden_process()
    _end_with_parent()
    with suppress(OSError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
    # What is still buffered is for nobody.
    os._exit(0)


def _serve(given: IO[bytes], taken: IO[bytes]) -> None:
    if (parts := _read(given)) is None:
        return
    rekeyer = Rekeyer(*parts)
    while (jobs := _read(given)) is not None:
        _write(taken, rekeyer.run(jobs))


def _end_with_parent() -> None:
    """Let the system end this process with its parent, where it can: it may be in mid-batch."""
    if sys.platform == "linux":
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


_PR_SET_PDEATHSIG = 1
