"""What goes over the wire, with the layer that sends only what changes and without it.

Both programs run at once over one database, in terminals of the same size, and are given the same
keys. The time is that of whole screens, drawn in this process by the layer and by Textual.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import LayoutUpdate
from textual.pilot import Pilot
from textual.strip import Strip

from bifrost_tui.settings import load_settings
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.widgets.paged_table import PagedTable
from bifrost_tui.tui.wire import Wire
from tests.benchmarks.support import (
    FIRST_KEY,
    ORGANIZATION,
    Plan,
    Result,
    compared,
    database,
)
from tests.benchmarks.terminal import Terminal

GROUP = "wire"
CONFIGS = 1_000
SIZE = (120, 40)

_PROGRAM = [sys.executable, "-m", "bifrost_tui"]

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
    ("form: close, asked first", (_ESCAPE, _ESCAPE), None),
)


def benchmark(plan: Plan) -> list[Result]:
    """Measure bytes once, as they hardly vary, and times often."""
    return [*_bytes(plan), *_times(plan)]


def _bytes(plan: Plan) -> list[Result]:
    environ = database(plan, CONFIGS)
    with ExitStack() as stack:
        pair = [
            stack.enter_context(Terminal([*command, "--org", ORGANIZATION], environ, SIZE))
            for command in (_PROGRAM, [*_PROGRAM, "--no-wire"])
        ]
        for terminal in pair:
            terminal.wait(FIRST_KEY)
            terminal.settle(_QUIET)
        found = [_compared("start", [terminal.written for terminal in pair], None)]
        for name, keys, target in _STEPS:
            found.append(_compared(name, [_written(terminal, keys) for terminal in pair], target))
            if pair[0].frame().lines != pair[1].frame().lines:
                raise ValueError(f"after {name}, the screens are not the same")
    return found


def _written(terminal: Terminal, keys: Sequence[str]) -> float:
    """Return how much is written for a key, on average."""
    before = terminal.written
    for key in keys:
        terminal.send(key)
        terminal.answer(_QUIET)
    return (terminal.written - before) / len(keys)


def _compared(name: str, written: Sequence[float], target: float | None) -> Result:
    ours, theirs = written
    return compared(GROUP, f"bytes, {name}", [ours], [theirs], target, unit="bytes")


def _times(plan: Plan) -> list[Result]:
    """Compare how long a whole screen takes to become what is sent."""
    screens = asyncio.run(_screens(plan))
    found = []
    for name, before, after in (
        ("the same again", screens["list"], screens["list"]),
        ("another page", screens["list"], screens["page"]),
        ("a form over it", screens["page"], screens["form"]),
        ("the very first", None, screens["list"]),
    ):
        times: dict[str, list[float]] = {"layer": [], "Textual": []}
        for _ in range(plan.presses):
            draw = Wire().drawn
            if before is not None:
                draw(_fresh(before), (0, 0), ColorSystem.TRUECOLOR)
            for who, drawing in (
                ("layer", partial(draw, _fresh(after), (0, 0), ColorSystem.TRUECOLOR)),
                ("Textual", partial(_fresh(after).render_segments, Console())),
            ):
                began = time.perf_counter()
                drawing()
                times[who].append((time.perf_counter() - began) * 1000)
        note = " : ".join(f"{statistics.median(of):.2f}" for of in times.values())
        compare = compared(GROUP, f"whole screen, {name}", times["layer"], times["Textual"])
        found.append(replace(compare, note=f"{note} ms"))
    return found


async def _screens(plan: Plan) -> dict[str, LayoutUpdate]:
    """Return whole screens of the app."""
    settings = load_settings(database(plan, CONFIGS))
    app = BifrostApp(settings, Access(actor_name(), "local"), organization=ORGANIZATION)
    found: dict[str, LayoutUpdate] = {}
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: bool(app.screen.query(PagedTable)))
        for name, key, there in (
            ("list", "home", lambda: not app.screen.is_modal),
            ("page", "pagedown", lambda: not app.screen.is_modal),
            ("form", "a", lambda: app.screen.is_modal),
        ):
            await pilot.press(key)
            await _until(pilot, there)
            await pilot.pause()
            update = app.screen._compositor.render_full_update()
            found[name] = LayoutUpdate([list(strips) for strips in update.strips], update.region)
    app.close_database()
    return found


async def _until(pilot: Pilot[int], there: Callable[[], bool]) -> None:
    while not there():
        await pilot.pause(0.01)
    await pilot.app.workers.wait_for_complete()


def _fresh(update: LayoutUpdate) -> LayoutUpdate:
    """Return an update as it comes from the compositor: nothing of it has been drawn yet."""
    return LayoutUpdate(
        [[Strip(list(strip), strip.cell_length) for strip in strips] for strips in update.strips],
        update.region,
    )
