"""What goes over the wire, with the layer that sends only what changes and without it.

Both programs run at once over one database, in terminals of the same size, and are given the same
keys. The time is that of whole screens, drawn in this process by the layer and by Textual.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.color import ColorSystem
from textual._compositor import LayoutUpdate
from textual.strip import Strip

from bifrost_tui.settings import load_settings
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.wire import Wire
from tests.benchmarks.support import (
    FIRST_KEY,
    ORGANIZATION,
    PROGRAM,
    Plan,
    Result,
    compared,
    database,
)
from tests.benchmarks.terminal import Terminal

GROUP = "wire"
CONFIGS = 1_000
SIZE = (120, 40)

_DOWN, _PAGE_DOWN, _ESCAPE = "\x1b[B", "\x1b[6~", "\x1b"
_QUIET = 0.3

_STEPS: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("cursor key", (_DOWN,) * 8, 0.4),
    ("page", (_PAGE_DOWN,) * 4, 0.4),
    ("filter: open", ("/",), None),
    ("filter: letter", tuple("accounts"), 1 / 6),
    ("filter: close", (_ESCAPE,), None),
    ("form: open", ("a",), 1 / 6),
    ("form: letter", tuple("a_new_key"), 1 / 6),
    ("form: close", (_ESCAPE + "", _ESCAPE), None),
)


def benchmark(plan: Plan) -> list[Result]:
    """Measure bytes once, since they hardly vary, and times often."""
    return [*_bytes(plan), *_times(plan)]


def _bytes(plan: Plan) -> Iterator[Result]:
    environ = database(plan, CONFIGS)
    command = [PROGRAM, "--org", ORGANIZATION]
    with (
        Terminal(command, environ, size=SIZE) as ours,
        Terminal([PROGRAM, "--no-wire", *command[1:]], environ, size=SIZE) as theirs,
    ):
        for terminal in (ours, theirs):
            terminal.wait(FIRST_KEY)
            terminal.settle(_QUIET)
        yield _compared("start", ours.written, theirs.written, None)
        for name, keys, target in _STEPS:
            sizes = [_written(terminal, keys) for terminal in (ours, theirs)]
            yield _compared(name, *sizes, target)
            if ours.frame().lines != theirs.frame().lines:
                raise ValueError(f"after {name}, the screens are not the same")


def _written(terminal: Terminal, keys: tuple[str, ...]) -> float:
    """Return how much is written for a key, on average."""
    before = terminal.written
    for key in keys:
        terminal.send(key)
        terminal.answer(_QUIET)
    return (terminal.written - before) / len(keys)


def _compared(name: str, ours: float, theirs: float, target: float | None) -> Result:
    return compared(GROUP, f"bytes, {name}", [ours], [theirs], target, unit="bytes")


def _times(plan: Plan) -> list[Result]:
    """Compare how long a whole screen takes to become what is sent."""
    updates = asyncio.run(_screens(plan))
    found = []
    for name, before, after in (
        ("the same again", 0, 0),
        ("another page", 0, 1),
        ("a form over it", 1, 2),
        ("the very first", None, 0),
    ):
        ours, theirs = [], []
        for _ in range(plan.presses):
            wire = Wire()
            if before is not None:
                wire.drawn(_fresh(updates[before]), (0, 0), ColorSystem.TRUECOLOR)
            update = _fresh(updates[after])
            ours.append(_timed(lambda: wire.drawn(update, (0, 0), ColorSystem.TRUECOLOR)))  # noqa: B023
            theirs.append(_timed(lambda: _fresh(updates[after]).render_segments(_console())))  # noqa: B023
        found.append(compared(GROUP, f"whole screen, {name}", ours, theirs))
    return found
