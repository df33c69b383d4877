"""Fixtures of the commands' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli_support import Cli, make_cli


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The commands over a new database, run by Alice, its owner."""
    return make_cli(home, monkeypatch)
