"""A file on its way into the database: read, its form found, and planned; all of it in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bifrost_tui.errors import BifrostError, InvalidInputError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingScope, PlanLine
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.import_cells import arranged

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access

_Progress = Callable[[int, int], None]

PORTABLE, ENCRYPTED, DOTENV, PLATFORM = "portable", "encrypted", "dotenv", "platform"
FORMS = {
    PORTABLE: "portable bundle",
    ENCRYPTED: "encrypted bundle",
    DOTENV: ".env file",
    PLATFORM: "platform's configs",
}
"""What is read, as the log names it and as it is called."""


class PassphraseWantedError(BifrostError):
    """The file is encrypted, and no passphrase was given."""


@dataclass(frozen=True, slots=True, repr=False)
class ImportRequest:
    """Which file is to go where."""

    name: str
    """The file, as it was typed."""
    into: Scope | None
    """``None``: where the file says."""
    create: bool
    """Whether organizations that are not here are added."""
    passphrase: EnteredSecret | None = None
    secrets: frozenset[str] | None = None
    """The keys of a ``.env`` file that become secrets; without it, those that look like it."""


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """A file that was read, and what it would do."""

    request: ImportRequest
    form: str
    scopes: Sequence[IncomingScope]
    suggested: frozenset[str]
    """The keys of a ``.env`` file that look as if they were secrets."""
    plan: ImportPlan
    rows: Sequence[PlanLine]
    """The lines of the preview."""

    @property
    def secrets(self) -> frozenset[str]:
        """The keys that are read as secrets."""
        configs = (config for scope in self.scopes for config in scope.configs)
        return frozenset(
            config.draft.key for config in configs if config.draft.type is ConfigType.SECRET
        )


def prepare(
    repository: Repository,
    access: Access,
    request: ImportRequest,
    path: Path,
    progress: _Progress,
) -> Prepared:
    """Read a file and plan its import.

    Raises:
        BifrostError: it cannot be read, or planned.

    """
    from bifrost_tui.transfer.files import read_file

    data = read_file(path, follow=not access.confined)
    form = form_of(data, path.name)
    if form == ENCRYPTED and request.passphrase is None:
        raise PassphraseWantedError("It is an encrypted bundle. Enter its passphrase.")
    if form == DOTENV and request.into is None:
        raise InvalidInputError("A .env file names no organization. Choose one here.", field="into")
    scopes, suggested = _read(form, data, path.name, request, progress)
    return plan(repository, access, request, form, scopes, suggested, progress)


def form_of(data: bytes, name: str) -> str:
    """Tell what a file holds, by its content and its name."""
    return PORTABLE


def _read(
    form: str, data: bytes, name: str, request: ImportRequest, progress: _Progress
) -> tuple[list[IncomingScope], frozenset[str]]:
    from bifrost_tui.transfer.portable import read_portable

    return read_portable(data, name, progress=progress), frozenset()


def plan(
    repository: Repository,
    access: Access,
    request: ImportRequest,
    form: str,
    scopes: Sequence[IncomingScope],
    suggested: frozenset[str],
    progress: _Progress,
) -> Prepared:
    """Plan what was read."""
    found = repository.imports.plan(
        access,
        scopes,
        into=request.into,
        create_organizations=request.create,
        form=form,
        progress=progress,
    )
    return Prepared(request, form, scopes, suggested, found, arranged(found))


def plan_again(
    repository: Repository, access: Access, old: Prepared, progress: _Progress
) -> Prepared:
    """Plan once more what was read before."""
    return plan(repository, access, old.request, old.form, old.scopes, old.suggested, progress)
