"""The program itself, but its first rotation of the master key waits for Esc in the middle.

That is once its first batch is saved: then no machine is so fast that Esc comes too late.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from bifrost_tui.store.rekeying import MasterKeys, RekeyReport

PATIENCE = 60
BATCH = 1000
_rotate = MasterKeys.rotate
_waits = [True]


def _held(
    self: MasterKeys, *given: Any, progress: Any, stop: threading.Event, dry_run: bool, **more: Any
) -> RekeyReport:
    waits = not dry_run and _waits and _waits.pop()

    def told(done: int, total: int) -> None:
        progress(done, total)
        if waits and done:
            stop.wait(PATIENCE)

    how = {"progress": told, "stop": stop, "dry_run": dry_run, "batch": BATCH, **more}
    return _rotate(self, *given, **how)


if __name__ == "__main__":
    MasterKeys.rotate = _held  # type: ignore[method-assign, assignment]
    from bifrost_tui.__main__ import main

    sys.exit(main())
