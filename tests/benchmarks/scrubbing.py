"""How fast secrets are taken out of a child's output: beside ``cat``, and beside ``re``."""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import string
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bifrost_tui.scrubbing.forms import forms_of
from bifrost_tui.scrubbing.scrubber import Scrubber
from tests.benchmarks.support import Plan, Result, compared, in_turn, say

GROUP = "scrub"
VALUES = 200

_MEGABYTE = 1024 * 1024
_SAMPLE = _MEGABYTE // 16
"""How much ``re`` is given: it takes seconds for a megabyte."""
_FASTER = 100

_FILTER = """
import json, os, sys
from bifrost_tui.scrubbing.scrubber import Scrubber

scrubber = Scrubber()
with open(sys.argv[1]) as values:
    for value in json.load(values):
        scrubber.add(value)
stream = scrubber.stream()
while data := os.read(0, 65536):
    sys.stdout.buffer.write(stream.feed(data))
sys.stdout.buffer.write(stream.finish())
sys.stdout.buffer.flush()
with open("/proc/self/status") as status:
    print(*(line for line in status if line.startswith("VmHWM")), file=sys.stderr)
"""


def benchmark(plan: Plan) -> list[Result]:
    """Measure pipes of three processes in turn, and the search alone on a smaller text."""
    folder = plan.data / "scrub"
    folder.mkdir(parents=True, exist_ok=True)
    random_ = random.Random(2025)
    values = _values(random_)
    (folder / "values").write_text(json.dumps(values))
    text = _text(random_, values)
    small, large = _file(folder, text, 10), _file(folder, text, 100)
    ours = [sys.executable, "-c", _FILTER, str(folder / "values")]
    took = in_turn(
        3 if plan.quick else 7,
        {
            "cat": partial(_pipe, large, ["cat"]),
            "scrubber": partial(_pipe, large, ours),
            "little": partial(_pipe, small, ours),
        },
    )
    seconds = {name: [run[0] for run in runs] for name, runs in took.items()}
    most = {name: [run[1] for run in runs] for name, runs in took.items()}
    memory = compared(
        GROUP,
        "most memory for 100 MB : for 10 MB",
        most["scrubber"],
        most["little"],
        1.1,
        unit="MB",
    )
    return [
        compared(GROUP, "100 MB through a pipe : cat", seconds["scrubber"], seconds["cat"], 8),
        memory,
        _beside_re(values, text),
    ]


def _values(random_: random.Random) -> list[str]:
    characters = string.ascii_letters + string.digits + "+/=!@#$%&*'\"<>"
    return ["".join(random_.choices(characters, k=random_.randint(20, 60))) for _ in range(VALUES)]


def _text(random_: random.Random, values: Sequence[str]) -> bytes:
    """Make a megabyte of a log in which a value stands now and then, in one form or another."""
    lines: list[bytes] = []
    size = 0
    while size < _MEGABYTE:
        said = b64encode(random_.randbytes(9))
        if not len(lines) % 500:
            forms = forms_of(random_.choice(values))
            said = random_.choice(sorted(forms.literal | forms.base64))
        lines.append(
            b"2025-01-01T12:34:56.789 INFO request %d took %d ms, path=/api/v1/%s, id=%s\n"
            % (
                random_.randrange(10**6),
                random_.randrange(1000),
                said,
                random_.randbytes(8).hex().encode(),
            )
        )
        size += len(lines[-1])
    return b"".join(lines)


def _file(folder: Path, text: bytes, megabytes: int) -> Path:
    file = folder / f"{megabytes}-mb"
    with file.open("wb") as made:
        for _ in range(megabytes):
            made.write(text)
    return file


def _pipe(file: Path, command: Sequence[str]) -> tuple[float, float]:
    """Pass a file through a command; return the seconds it took and its most memory in MB.

    The command has a processor of its own and the two ends share another: left to the system, the
    same pipe takes once or twice as long, by where it happens to put them.
    """
    ends, own = (lambda: _stay_on(0)), (lambda: _stay_on(1))
    begin = time.perf_counter()
    with (
        subprocess.Popen(
            ["cat", str(file)],
            stdout=subprocess.PIPE,
            preexec_fn=ends,  # noqa: PLW1509
        ) as producer,
        subprocess.Popen(
            command,
            stdin=producer.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=own,  # noqa: PLW1509
        ) as filtering,
        subprocess.Popen(
            ["cat"],
            stdin=filtering.stdout,
            stdout=subprocess.DEVNULL,
            preexec_fn=ends,  # noqa: PLW1509
        ) as reader,
    ):
        for process in (producer, filtering):
            if process.stdout:
                process.stdout.close()
        told = filtering.stderr.read() if filtering.stderr else b""
        reader.wait()
        took = time.perf_counter() - begin
    found = re.search(rb"VmHWM:\s*(\d+) kB", told)
    return took, int(found[1]) / 1024 if found else 0.0


def _stay_on(number: int) -> None:
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[number % len(processors)]})


def _beside_re(values: Sequence[str], text: bytes) -> Result:
    """Give ``re`` one sample, and the scrubber a hundred of them."""
    say("one re of all forms")
    forms = {form for value in values for form in _all_forms(value)}
    plain = re.compile(b"|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    scrubber = Scrubber()
    for value in values:
        scrubber.add(value)
    scrubber.scrub(b"")
    sample = text[:_SAMPLE]

    def theirs() -> float:
        begin = time.perf_counter()
        plain.sub(b"[REDACTED]", sample)
        return time.perf_counter() - begin

    def ours() -> float:
        stream = scrubber.stream()
        begin = time.perf_counter()
        for _ in range(_FASTER):
            stream.feed(sample)
        stream.finish()
        return time.perf_counter() - begin

    took = in_turn(3, {"ours": ours, "theirs": theirs})
    each, rate = statistics.median(took["theirs"]), statistics.median(took["ours"]) / _FASTER
    return compared(
        GROUP,
        f"{_FASTER} times the text : one re of {len(forms):,} forms",
        took["ours"],
        took["theirs"],
        1,
    ).with_note(f"{each / rate:,.0f} times as fast, {_SAMPLE / rate / 1e6:,.0f} MB/s")


def _all_forms(value: str) -> frozenset[bytes]:
    forms = forms_of(value)
    return forms.literal | forms.base64
