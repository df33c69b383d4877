"""Filtering as one types: beside fzf over the same keys, and whether a letter ever waits."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.support import (
    FIRST_KEY,
    ORGANIZATION,
    PROGRAM,
    Plan,
    Result,
    compared,
    database,
    environment,
    keys_file,
    say,
)
from tests.benchmarks.terminal import HEIGHT, Frame, Terminal

GROUP = "filter"
FEW = 1_000

_WORDS = ("in", "pa", "st", "to", "we")
_WORD = "stripe"
_BETWEEN = 0.04
"""Seconds between two letters of somebody who types fast."""
_QUIET = 0.4
_KEYS_WIDTH = 30
_BACKSPACE = "\x7f"
_SAME_ECHO = 1.3


class _Subject(NamedTuple):
    """A program with a filter, and where on the screen it answers."""

    terminal: Terminal
    list: slice
    field: int
    prompt: str
    number: str
    """How it writes the number of matches."""


class _Answer(NamedTuple):
    list: float
    """Until the lines on the screen are those of the answer."""
    all: float
    """Until the number of matches stands there too."""


_PARTS: dict[str, Callable[[_Answer], float]] = {
    "lines": lambda answer: answer.list,
    "lines and number": lambda answer: answer.all,
}


def benchmark(plan: Plan) -> list[Result]:
    """Type into both filters in turn, a letter at a time and then fast."""
    if shutil.which("fzf") is None:
        return [Result(GROUP, "fzf", note="not installed")]
    results: list[Result] = []
    for configs in sorted({100_000, plan.many}):
        say(f"filtering {configs:,} keys")
        results += _beside_fzf(plan, configs)
    return [*results, _fast(plan)]


def _beside_fzf(plan: Plan, configs: int) -> list[Result]:
    file = keys_file(plan, configs)
    keys = file.read_text().splitlines()
    # What is looked for is the same: a part of the key, not letters somewhere in it.
    command = f"exec fzf --exact < {shlex.quote(str(file))}"
    with (
        Terminal([PROGRAM, "--org", ORGANIZATION], database(plan, configs)) as ours,
        Terminal(["sh", "-c", command], environment(plan.data)) as fzf,
    ):
        mine = _ready(ours)
        fzf.wait(f"{configs}/{configs}")
        fzf.settle()
        place = slice(HEIGHT - 12, HEIGHT - 2)
        theirs = _Subject(fzf, place, HEIGHT - 1, "> ", f"{{}}/{configs}")
        took: dict[str, list[_Answer]] = {"ours": [], "fzf": []}
        for word in _WORDS:
            before = configs
            for end in range(1, len(word) + 1):
                found = sum(word[:end] in key for key in keys)
                if found == before:
                    raise ValueError(f"{word!r} tells nothing: its letters find the same.")
                before = found
                took["ours"].append(_type(mine, word[end - 1], found))
                took["fzf"].append(_type(theirs, word[end - 1], found))
            for subject in (mine, theirs):
                _erase(subject, len(word))
    return [
        compared(
            GROUP,
            f"a letter, {what}, {configs:,} keys : fzf",
            [pick(answer) for answer in took["ours"]],
            [pick(answer) for answer in took["fzf"]],
        )
        for what, pick in _PARTS.items()
    ]


def _ready(terminal: Terminal) -> _Subject:
    terminal.wait(FIRST_KEY)
    terminal.settle(1.0)
    terminal.send("/")
    frame = terminal.watch(lambda frame: any("/ " in line for line in frame.lines[:3]))[-1]
    row = next(i for i, line in enumerate(frame.lines) if "/ " in line)
    terminal.settle()
    return _Subject(terminal, slice(4, 14), row, "/ ", " {:,} of ")


def _type(subject: _Subject, letter: str, found: int) -> _Answer:
    terminal = subject.terminal
    pressed = terminal.send(letter)
    number = subject.number.format(found)
    frames = terminal.watch(number)
    at = frames[-1].at
    # The number may come first.
    frames += terminal.settle(_QUIET)
    lines = _since(frames, subject.list)
    if lines == frames[0].at:
        lines = at  # the same as before: only the number tells that they are the answer
    return _Answer(lines - pressed, max(lines, at) - pressed)


def _erase(subject: _Subject, letters: int) -> None:
    terminal = subject.terminal
    terminal.send(_BACKSPACE * letters)
    terminal.wait(lambda frame: frame.lines[subject.field].rstrip().endswith(subject.prompt[0]))
    terminal.settle(_QUIET)


def _since(frames: list[Frame], rows: slice) -> float:
    """Return since when the keys in some rows have been those that are there at the end."""

    def keys(frame: Frame) -> list[str]:
        return [line[:_KEYS_WIDTH] for line in frame.lines[rows]]

    since, last = frames[-1].at, keys(frames[-1])
    for frame in reversed(frames):
        if keys(frame) != last:
            break
        since = frame.at
    return since


def _fast(plan: Plan) -> Result:
    """Type a word fast: each letter must show at once while the lists of those before are read."""
    rounds = 2 if plan.quick else 6
    echoes: dict[int, list[float]] = {FEW: [], plan.many: []}
    with (
        Terminal([PROGRAM, "--org", ORGANIZATION], database(plan, FEW)) as small,
        Terminal([PROGRAM, "--org", ORGANIZATION], database(plan, plan.many)) as large,
    ):
        subjects = {FEW: _ready(small), plan.many: _ready(large)}
        for _ in range(rounds):
            for configs, subject in subjects.items():
                echoes[configs] += _type_fast(subject)
    worst = {configs: max(found) * 1000 for configs, found in echoes.items()}
    result = compared(
        GROUP,
        f"echo of letters typed fast, {plan.many:,} : {FEW:,}",
        echoes[plan.many],
        echoes[FEW],
        _SAME_ECHO,
    )
    return result.with_note(f"slowest {worst[plan.many]:.0f} : {worst[FEW]:.0f} ms")


def _type_fast(subject: _Subject) -> list[float]:
    terminal = subject.terminal
    pressed = []
    for letter in _WORD:
        pressed.append(terminal.send(letter))
        terminal.until(pressed[-1] + _BETWEEN)
    whole = subject.prompt + _WORD
    frames = terminal.watch(lambda frame: whole in frame.lines[subject.field])
    found = []
    for number, at in enumerate(pressed, 1):
        shown = subject.prompt + _WORD[:number]
        found.append(next(f.at for f in frames if shown in f.lines[subject.field]) - at)
    terminal.settle(_QUIET)
    _erase(subject, len(_WORD))
    return found
