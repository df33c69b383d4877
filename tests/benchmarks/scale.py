"""What a million configs cost beside a thousand: opening them, and every key in their list."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from tests.benchmarks.support import (
    FIRST_KEY,
    ORGANIZATION,
    PROGRAM,
    Plan,
    Result,
    compared,
    database,
    in_turn,
)
from tests.benchmarks.terminal import Terminal

GROUP = "scale"
FEW = 1_000

_COMMAND = (PROGRAM, "--org", ORGANIZATION)
_DOWN, _PAGE_DOWN = "\x1b[B", "\x1b[6~"
_KEYS = {"cursor": (_DOWN,), "page": (_PAGE_DOWN,)}
_QUIET = 0.1
_SAME = 1.15
"""What may still be called the same, of figures of some milliseconds on a machine at work."""


class _Opened(NamedTuple):
    time: float
    memory: float


def benchmark(plan: Plan) -> list[Result]:
    """Open both in turn, then press the same keys in both."""
    many = plan.many
    sizes = {"few": database(plan, FEW), "many": database(plan, many)}
    opened = in_turn(
        max(plan.runs // 2, 3), {name: partial(_open, env) for name, env in sizes.items()}
    )
    few, lots = opened["few"], opened["many"]
    names = f"{many:,} : {FEW:,}"
    results = [
        compared(GROUP, f"open, time, {names}", [o.time for o in lots], [o.time for o in few], 1.3),
        compared(
            GROUP,
            f"open, peak memory, {names}",
            [o.memory for o in lots],
            [o.memory for o in few],
            1.3,
            unit="MiB",
        ),
    ]
    with Terminal(_COMMAND, sizes["few"]) as small, Terminal(_COMMAND, sizes["many"]) as large:
        for terminal in (small, large):
            terminal.wait(FIRST_KEY)
            terminal.settle(1.0)
        for name, (key,) in _KEYS.items():
            presses = plan.presses if name == "cursor" else min(plan.presses, 20)
            took = in_turn(
                presses,
                {"few": partial(_press, small, key), "many": partial(_press, large, key)},
            )
            results.append(
                compared(GROUP, f"{name} key, {names}", took["many"], took["few"], _SAME)
            )
    return results


def _open(env: dict[str, str]) -> _Opened:
    with Terminal(_COMMAND, env) as terminal:
        took = terminal.wait(FIRST_KEY)
        terminal.settle(1.0)
        return _Opened(took, terminal.peak_memory() / 1024)


def _press(terminal: Terminal, key: str) -> float:
    """Press a key; return how long the screen went on changing."""
    pressed = terminal.send(key)
    return max(frame.at for frame in terminal.answer(_QUIET)) - pressed
