"""Changing the master key beside the bare loop: decrypt and encrypt each value, keys prepared.

The loop has one key before and one after, nothing to read or to write, and no event to tell.
Alone: ``python -m tests.benchmarks.rekeying [--configs N] [--quick]``.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.fernet import Fernet

from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.store.bulk import BulkConfig, write_organization
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.terminal import actor_name
from tests.benchmarks.support import (
    Plan,
    Result,
    compared,
    environment,
    in_turn,
    measured_alone,
    say,
)

GROUP = "rekey"
_MANY = 100_000
_FEWER = 20_000
_ORGANIZATIONS = 10
_KEYS = tuple(f"a-master-key-of-the-benchmark-number-{number:04}" for number in range(2))


def benchmark(plan: Plan, configs: int = _MANY) -> list[Result]:
    """Measure in turn: each rotation goes from one key to the other, and the next one back."""
    plan.data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="rekeying-", dir=plan.data) as folder:
        bench = _Bench(Path(folder) / "many", configs)
        loop = _loop(configs)
        say(f"re-encrypting {configs:,} secrets")
        took = in_turn(
            3 if plan.quick else 9,
            {
                "loop": partial(_timed, loop),
                "one": partial(bench.rotated, 0),
                "again": partial(_timed, loop),
                "both": partial(bench.rotated, 2),
            },
        )
        speed = configs / min(took["both"])
        results = [
            compared(
                GROUP,
                f"{configs:,} secrets in one process : bare loop",
                took["one"],
                took["loop"],
                1.2,
            ),
            compared(
                GROUP,
                f"{configs:,} secrets in two more processes : bare loop",
                took["both"],
                took["again"],
                1.0,
            ).with_note(f"{speed:,.0f} a second at best"),
        ]
        fewer = _Bench(Path(folder) / "fewer", _FEWER)
        for number, name in ((0, "one process"), (2, "two more")):
            say(f"measuring memory, {name}")
            some, all_of_it = (_peak(partial(each.rotated, number)) for each in (fewer, bench))
            results.append(
                Result(
                    GROUP,
                    f"memory: {configs:,} : {_FEWER:,} secrets, {name}",
                    ratio=all_of_it / some,
                    target=1.1,
                    note=f"{all_of_it / 1e6:.1f} : {some / 1e6:.1f} MB",
                )
            )
    return results


class _Bench:
    """A database of secrets, which are under one of two keys."""

    def __init__(self, folder: Path, configs: int) -> None:
        say(f"making {configs:,} secrets")
        folder.mkdir()
        self._folder = folder
        self._configs = configs
        self._access = Access(actor_name(), "local")
        self._keys = _KEYS
        with create_repository(self._settings(_KEYS[0]), self._access) as repository:
            each = configs // _ORGANIZATIONS
            for number in range(_ORGANIZATIONS):
                secrets = (
                    BulkConfig(_draft(at)) for at in range(number * each, (number + 1) * each)
                )
                write_organization(repository, self._access, f"Organization {number}", secrets)

    def _settings(self, keys: str) -> Settings:
        environ = environment(self._folder, self._folder / "bifrost.db")
        return load_settings({**environ, "BIFROST_SECRET_KEY": keys})

    def rotated(self, processes: int) -> float:
        """Bring everything under the other key; return the seconds that took."""
        self._keys = self._keys[::-1]
        with open_repository(self._settings(",".join(self._keys)), self._access) as repository:
            keys = repository.master_keys
            took = _timed(lambda: keys.rotate(self._access, processes=processes))
            [use] = [use for use in keys.uses(self._access) if use.secrets]
            assert use.writes
            assert use.secrets == self._configs
        return took


def _draft(number: int) -> ConfigDraft:
    return ConfigDraft(f"KEY_{number:06}", ConfigType.SECRET, secret=EnteredSecret(_value(number)))


def _value(number: int) -> str:
    return f"sk_live_{number * 2654435761 % 2**64:016x}"


def _loop(configs: int) -> Callable[[], object]:
    before, after = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    tokens = [before.encrypt(_value(number).encode()) for number in range(configs)]
    return lambda: [after.encrypt(before.decrypt(token)) for token in tokens]


def _peak(work: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _timed(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure this alone."""
    measured_alone(benchmark, _MANY, __doc__)


if __name__ == "__main__":
    main()
