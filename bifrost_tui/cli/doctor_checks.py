"""The doctor's round: the host first, so that what is mended there hides nothing that follows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from bifrost_tui.cli.doctor_database import database
from bifrost_tui.cli.doctor_files import disk, files, folders, left_over
from bifrost_tui.cli.doctor_host import environment, left_by_runs
from bifrost_tui.cli.findings import Finding
from bifrost_tui.settings import Settings

if TYPE_CHECKING:
    from bifrost_tui.store.requests import Access


def examine(
    settings: Settings,
    access: Access,
    cleared: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """Look at everything and yield what is found, each before the next look.

    Raises:
        NotLookedError: the database cannot be looked at now.

    """
    yield from environment(settings, cleared, environ)
    yield from left_by_runs(environ)
    yield from folders(settings)
    yield from files(settings)
    yield from left_over(settings)
    yield from disk(settings)
    yield from database(settings, access)
