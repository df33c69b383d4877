"""Backups that are made and restored in processes that are killed."""

from __future__ import annotations

from pathlib import Path

import bifrost_tui.store.backup
import bifrost_tui.store.restoring
from bifrost_tui.settings import Settings
from bifrost_tui.store.restoring import prepared
from tests.faults.killing import Begin
from tests.faults.works import opened, settings_of
from tests.support import ALICE, HandClock

_LOADED = bifrost_tui.store.backup


def folder_of(home: Path) -> Path:
    """Return the folder that the backups of a home are in."""
    return home / "backups"


def old_backup(home: Path) -> Path:
    return folder_of(home) / "old.db"


def new_backup(home: Path) -> Path:
    return folder_of(home) / "new.db"


def backing_up(begin: Begin, home: Path, url: str | None = None) -> None:
    """Make a backup where there is none, and one more in place of another."""
    repository = opened(settings_of(home, url))
    begin()
    repository.backups.make(ALICE, new_backup(home))
    repository.backups.make(ALICE, old_backup(home), replace=True)


def restoring(begin: Begin, home: Path, url: str | None = None) -> None:
    """Restore the old backup into the database of a home, or of a server."""
    restore(settings_of(home, url), old_backup(home), begin)


def restore(settings: Settings, file: Path, begin: Begin = lambda: None) -> None:
    with prepared(settings, ALICE, file, clock=HandClock()) as found:
        begin()
        found.apply()
