"""What most tests of screens ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.screens_support import World, a_world


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """Open the story, as it is before anything is done to it."""
    with a_world(home) as made:
        yield made
