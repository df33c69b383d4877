"""How long a start takes: beside bare Textual apps, and beside other programs of its kind."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.support import (
    FIRST_KEY,
    ORGANIZATION,
    PROGRAM,
    Plan,
    Result,
    compared,
    database,
    environment,
    in_turn,
)
from tests.benchmarks.terminal import Terminal

GROUP = "start"
CONFIGS = 1_000

_READY = "the one label"
_APP = f"""
from textual.app import App
from textual.widgets import Label

class Bare(App):
    def compose(self):
        yield Label("{_READY}")

Bare().run()
"""
_IMPORTS = "import cryptography.fernet\nimport sqlmodel\n"
_HEAVY = ("textual", "sqlalchemy", "sqlmodel", "cryptography")
_PEERS = {"posting": "Collection is empty", "harlequin": "memory db"}
"""Other programs, and what is on their screen once they can be used."""


def benchmark(plan: Plan) -> list[Result]:
    """Measure, in turn, from the start of the process to what is on the screen."""
    folder = plan.data / "start"
    folder.mkdir(parents=True, exist_ok=True)
    bare, loaded = _script(folder, "bare", _APP), _script(folder, "loaded", _IMPORTS + _APP)
    away, ours = environment(folder), database(plan, CONFIGS)
    subjects: dict[str, Callable[[], float]] = {
        "bare": partial(_time_to, [sys.executable, bare], away, _READY),
        "frame": partial(_time_to, [PROGRAM], ours, "Bifrost TUI"),
        "loaded": partial(_time_to, [sys.executable, loaded], away, _READY),
        "list": partial(_time_to, [PROGRAM], ours, ORGANIZATION),
        "rows": partial(_time_to, [PROGRAM, "--org", ORGANIZATION], ours, FIRST_KEY),
    }
    missing = {name: "not installed" for name, path in plan.peers.items() if path is None}
    for name, path in plan.peers.items():
        if path is None:
            continue
        subjects[name] = partial(_time_to, [path], away, _PEERS[name])
        try:
            subjects[name]()
        except TimeoutError:
            missing[name] = "does not start here"
            del subjects[name]
    took = in_turn(plan.runs, subjects)
    results = [
        compared(GROUP, "first frame : bare Textual app", took["frame"], took["bare"], 1.25),
        compared(GROUP, "list : bare app with the imports", took["list"], took["loaded"], 1.15),
        compared(
            GROUP, "--org rows : bare app with the imports", took["rows"], took["loaded"], 1.15
        ),
    ]
    for name in plan.peers:
        if name in missing:
            results.append(Result(GROUP, name, note=missing[name]))
            continue
        results += [
            compared(GROUP, f"list : {name}", took["list"], took[name], 0.7),
            compared(GROUP, f"--org rows : {name}", took["rows"], took[name], 0.7),
        ]
    return [*results, *(_modules(option) for option in ("--version", "--help"))]


def _script(folder: Path, name: str, text: str) -> str:
    file = folder / f"{name}.py"
    file.write_text(text)
    return str(file)


def _time_to(command: Sequence[str], env: dict[str, str], wanted: str) -> float:
    with Terminal(command, env) as terminal:
        return terminal.wait(wanted)


def _modules(option: str) -> Result:
    """Count the heavy packages that an option which needs none of them loads."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bifrost_tui", option],
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = set(re.findall(r"\| +(\w+)", ran.stderr)) & set(_HEAVY)
    return Result(
        GROUP,
        f"{option}: heavy packages loaded",
        ratio=len(loaded),
        target=0,
        note=", ".join(sorted(loaded)) or "none",
    )
