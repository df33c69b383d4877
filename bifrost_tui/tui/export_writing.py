"""An export of the screens: which forms there are, and how one becomes a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope
from bifrost_tui.whole_file import whole_file

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import Export, ExportedConfig
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access

JSON, YAML, DOTENV = "portable JSON", "portable YAML", ".env"
ENDINGS = {JSON: ".json", YAML: ".yaml", DOTENV: ".env"}
"""The forms that screens write, each with the ending of its files."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be written, and where."""

    scope: Scope | None
    """``None`` for all that the actor manages."""
    form: str
    target: Path
    replace: bool


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    configs: int
    with_global: bool
    organizations: int
    secrets: int
    """They are named there, without their values."""
    left_out: tuple[str, ...]


class _Counted:
    """An export that counts its secrets while they are written."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self.scopes, self.total, self.left_out = export.scopes, export.total, export.left_out
        self.secrets = 0

    def rows(self, scope: Scope) -> Iterator[ExportedConfig]:
        for row in self._export.rows(scope):
            self.secrets += row.type is ConfigType.SECRET
            yield row


def _write(export: Export, form: str, put: Callable[[bytes], None]) -> None:
    # Reading tells how far it is; what is read is written at once.
    from bifrost_tui.transfer.portable import write_portable

    write_portable(export, put, yaml=form == YAML)


def write_export(
    repository: Repository,
    access: Access,
    wanted: ExportRequest,
    progress: Callable[[int, int], None],
) -> Exported:
    """Write a file, whole or not at all; runs in a thread.

    Raises:
        BifrostError: it is not theirs to export, or cannot be written.

    """

    def consume(export: Export) -> Exported:
        counted = _Counted(export)
        with whole_file(wanted.target, replace=wanted.replace) as put:
            # It is one to whoever writes: the same attributes, the same rows.
            _write(cast("Export", counted), wanted.form, put)
        with_global = any(each.scope.is_global for each in counted.scopes)
        organizations = len(counted.scopes) - with_global
        return Exported(
            counted.total, with_global, organizations, counted.secrets, tuple(counted.left_out)
        )

    scopes = None if wanted.scope is None else [wanted.scope]
    form = "dotenv" if wanted.form == DOTENV else "portable"
    return repository.exports.portable(access, scopes, consume, form=form, progress=progress)
