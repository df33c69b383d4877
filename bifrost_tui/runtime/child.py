"""A command run as if it had been started directly, with a scrubber on what it writes.

It gets its values in its own environment, or on its standard input, and nowhere else. Where our
output is a terminal it gets one too, of its own: colours, prompts and keys stay as they are.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from typing import TYPE_CHECKING, NoReturn

from bifrost_tui.display import visible
from bifrost_tui.errors import CommandError
from bifrost_tui.runtime.child_signals import Child
from bifrost_tui.runtime.child_terminal import ChildTerminal
from bifrost_tui.runtime.relay import Flow, relay
from bifrost_tui.terminal import given_core_limit, harden_process

if TYPE_CHECKING:
    from bifrost_tui.scrubbing.scrubber import Scrubber

_STDIN, _STDOUT, _STDERR = range(3)

_TOO_LARGE = (
    "The values are too large together for an environment, or one of them is too large alone:"
    " give fewer of them, or the large ones with --file or --stdin."
)
_UNFIT = (
    "A variable or a word of the command cannot be handed over: it holds a NUL character or half a"
    " character."
)


def run_child(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    scrubber: Scrubber | None,
    stdin: bytes | None = None,
) -> int:
    """Run a command to its end and return its exit code, or minus the signal that ended it.

    Without a scrubber the command has our streams themselves. Signals to us go on to the command;
    what becomes of it decides. For the main thread alone.

    Raises:
        CommandError: the command cannot be started; nothing has been run.

    """
    with ExitStack() as stack:
        wiring = _Wiring(stack, scrubber, stdin)
        child = stack.enter_context(Child(wiring.terminal))
        stack.callback(wiring.close)
        if wiring.terminal is not None:
            stack.enter_context(wiring.terminal)
        process = child.started(lambda: _start(command, environ, wiring))
        wiring.close_far_ends()
        try:
            relay(child, outputs=wiring.outputs, inputs=wiring.inputs)
        except BaseException:
            # Nothing may run on with nobody to scrub what it writes.
            process.kill()
            process.wait()
            raise
        return process.wait()


def end_like(code: int) -> NoReturn:
    """End this process as the child has ended: with its exit code, or by the same signal."""
    if code >= 0:
        raise SystemExit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    harden_process()
    number = -code
    with suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError, ValueError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    # The first process of a container does not die of a signal.
    raise SystemExit(128 + number)


class _Wiring:
    """Which file each stream of the child is, and what flows between it and ours."""

    def __init__(self, stack: ExitStack, scrubber: Scrubber | None, stdin: bytes | None) -> None:
        self.files: list[FileIO | None] = [None, None, None]
        """The child's streams; ``None`` is our own."""
        self.outputs: list[Flow] = []
        self.inputs: list[Flow] = []
        self.terminal: ChildTerminal | None = None
        self._stack = stack
        self._far_ends: list[FileIO] = []
        own = [_identity(fileno) for fileno in range(3)]
        terminals = [fileno for fileno in range(3) if own[fileno] and os.isatty(fileno)]
        if scrubber is not None:
            if {_STDOUT, _STDERR} & {*terminals}:
                self._give_terminal(terminals, scrubber)
            self._give_pipes(own, terminals, scrubber)
        if stdin is not None:
            self._give_input(stdin)

    def close_far_ends(self) -> None:
        """Close what is the child's alone, once it has it: only then can a pipe end."""
        for file in self._far_ends:
            file.close()

    def close(self) -> None:
        """Let nothing pass any more."""
        for flow in self.outputs + self.inputs:
            flow.drop()

    def _give_terminal(self, terminals: list[int], scrubber: Scrubber) -> None:
        shown = next(fileno for fileno in terminals if fileno != _STDIN)
        keyboard = _STDIN if _STDIN in terminals else None
        try:
            made = ChildTerminal(shown=shown, keyboard=keyboard)
        except OSError as error:
            reason = visible(error.strerror or "unknown reason")
            raise CommandError(f"No terminal can be made for the command: {reason}.") from None
        self._stack.callback(made.hang_up)
        self.terminal = made
        for fileno in terminals:
            self.files[fileno] = made.far
        sink = _ours(shown, "w")
        made.output = Flow(made.near, sink, stream=scrubber.stream(), at_end=made.hang_up)
        self.outputs.append(made.output)
        if keyboard is not None:
            made.keys = Flow(_ours(keyboard, "r"), made.near, at_end=made.hang_up)
            self.inputs.append(made.keys)

    def _give_pipes(
        self, own: list[tuple[int, int] | None], terminals: list[int], scrubber: Scrubber
    ) -> None:
        for fileno in (_STDOUT, _STDERR):
            if own[fileno] is None or fileno in terminals:
                continue
            if fileno == _STDERR and own[_STDERR] == own[_STDOUT]:
                # Two pipes would not keep the order of what is written.
                self.files[_STDERR] = self.files[_STDOUT]
                continue
            near, far = self._pipe()
            self.files[fileno] = far
            self._far_ends.append(far)
            sink = _ours(fileno, "w")
            self.outputs.append(Flow(near, sink, stream=scrubber.stream(), at_end=near.close))

    def _give_input(self, data: bytes) -> None:
        far, near = self._pipe()
        self.files[_STDIN] = far
        self._far_ends.append(far)
        if data:
            os.set_blocking(near.fileno(), False)
            self.inputs.append(Flow(None, near, data=data, at_end=near.close))
        else:
            near.close()

    def _pipe(self) -> tuple[FileIO, FileIO]:
        """Return the reading and the writing end of a new pipe."""
        read, write = os.pipe()
        ends = FileIO(read, "r"), FileIO(write, "w")
        for end in ends:
            self._stack.callback(end.close)
        return ends


def _ours(fileno: int, mode: str) -> FileIO:
    return FileIO(fileno, mode, closefd=False)


def _identity(fileno: int) -> tuple[int, int] | None:
    """Return which file a stream of ours is; nothing where it was closed when we were started."""
    # What was opened since may have taken the number of a closed stream.
    if (sys.__stdin__, sys.__stdout__, sys.__stderr__)[fileno] is None:
        return None
    try:
        found = os.fstat(fileno)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _start(
    command: Sequence[str], environ: Mapping[str, str], wiring: _Wiring
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = wiring.files
    terminal = wiring.terminal
    problem = ""
    try:
        with _given_core_limit():
            return subprocess.Popen(  # noqa: S603  # running the user's command is the purpose
                list(command),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environ,
                start_new_session=terminal is not None,
                # Safe, as no other thread runs here.
                preexec_fn=terminal.take_control if terminal else None,  # noqa: PLW1509
            )
    except OSError as error:
        problem = _why(command[0], error)
    except subprocess.SubprocessError:
        problem = "The command could not be given a terminal of its own."
    except ValueError:
        problem = _UNFIT
    # Raised outside the handlers: the error may hold a value.
    raise CommandError(problem)


def _why(name: str, error: OSError) -> str:
    name = visible(name)
    match error.errno:
        case errno.E2BIG:
            return _TOO_LARGE
        case errno.ENOENT if "/" in name and os.path.lexists(name):
            return f"{name} cannot be run: what interprets it (its first line) is not there."
        case errno.ENOENT | errno.ENOTDIR:
            return f"The command {name} was not found."
        case errno.EACCES | errno.EPERM:
            return f"{name} cannot be run: it is not an executable file, or not for this user."
        case errno.ENOEXEC:
            return f"{name} cannot be run: no program, nor a script whose first line begins #!."
    return f"{name} cannot be run: {visible(error.strerror or 'unknown reason')}."


@contextmanager
def _given_core_limit() -> Iterator[None]:
    """Let what is started meanwhile have the limit of core files that we were started with."""
    given = given_core_limit()
    ours = resource.getrlimit(resource.RLIMIT_CORE)
    if given is not None:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, given)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, ours)
