"""Making a great many things at once without looking for garbage among them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, freeze: bool = False) -> Iterator[None]:
    """Make many things without looking for garbage among them: there is none.

    With ``freeze`` what there is then is never looked through, and what comes after always is.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if freeze:
            gc.freeze()
        if freeze or collecting:
            gc.enable()
