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
    empty: int
    """Secrets, and in a ``.env`` file references: they stand there without a value."""
    left_out: tuple[str, ...]
    for_readers: int = 0
    """Values of a ``.env`` file that a shell does not read."""


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
        with whole_file(wanted.target, replace=wanted.replace) as put:
            return write(export, wanted.form, put)

    dotenv = wanted.form == DOTENV
    return repository.exports.portable(
        access,
        None if wanted.scope is None else [wanted.scope],
        consume,
        form="dotenv" if dotenv else "portable",
        # An application gets what is inherited, too.
        inherited=dotenv and wanted.scope is not None and not wanted.scope.is_global,
        progress=progress,
    )


def write(export: Export, form: str, put: Callable[[bytes], None]) -> Exported:
    """Write what is exported; reading tells how far it is, and what is read is written at once."""
    with_global = any(each.scope.is_global for each in export.scopes)
    organizations = len(export.scopes) - with_global
    if form == DOTENV:
        from bifrost_tui.transfer.dotenv_writing import write_dotenv

        done = write_dotenv(export, put)
        readers = len(done.not_for_shells)
        return Exported(done.values, with_global, organizations, done.empty, (), readers)
    from bifrost_tui.transfer.portable import write_portable

    counted = _Counted(export)
    # It is one to whoever writes: the same attributes, the same rows.
    write_portable(cast("Export", counted), put, yaml=form == YAML)
    return Exported(
        export.total, with_global, organizations, counted.secrets, tuple(export.left_out)
    )
