"""A file on its way into the database: read, its form found, and planned; all of it in threads."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bifrost_tui.errors import BifrostError, InvalidInputError, TransferError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, PlanLine
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import Scope
from bifrost_tui.tui.import_cells import arranged, searched

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

    @property
    def file(self) -> str:
        """The file's own name, without the folder."""
        return Path(self.name).name


@dataclass(frozen=True, slots=True, repr=False)
class Read:
    """What a file holds."""

    form: str
    scopes: Sequence[IncomingScope]
    suspected: frozenset[str] = frozenset()
    """The keys of a ``.env`` file that look as if they were secrets."""
    notices: tuple[str, ...] = ()
    """Sentences about the file."""

    @property
    def secrets(self) -> frozenset[str]:
        """The keys that are read as secrets."""
        configs = (config for scope in self.scopes for config in scope.configs)
        return frozenset(
            config.draft.key for config in configs if config.draft.type is ConfigType.SECRET
        )

    @property
    def scope(self) -> str | None:
        """The one scope that there is something for; ``None`` where there are several."""
        names = {scope.organization or "Global" for scope in self.scopes if scope.configs}
        return names.pop() if len(names) == 1 else None


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """A file that was read, and what it would do."""

    request: ImportRequest
    read: Read
    plan: ImportPlan
    rows: Sequence[PlanLine]
    """The lines of the preview."""
    texts: Sequence[str]
    """What a filter looks for words in, a line each."""


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
    read = _READERS[form_of(data, path.name)]
    found = read(data, path, request, progress)
    return plan(repository, access, request, found, progress)


def form_of(data: bytes, name: str) -> str:
    """Tell what a file holds, by its content and its name."""
    from bifrost_tui.transfer.dotenv import is_dotenv_name
    from bifrost_tui.transfer.platform import is_platform_export
    from bifrost_tui.transfer.sealed import is_sealed

    if is_sealed(data):
        return ENCRYPTED
    if is_platform_export(data):
        return PLATFORM
    return DOTENV if is_dotenv_name(name) else PORTABLE


def _portable(data: bytes, path: Path, _: ImportRequest, progress: _Progress) -> Read:
    from bifrost_tui.transfer.portable import read_portable

    return Read(PORTABLE, read_portable(data, path.name, progress=progress))


def _encrypted(data: bytes, _: Path, request: ImportRequest, progress: _Progress) -> Read:
    from bifrost_tui.transfer.sealed import LockedBy, locked_by, read_sealed

    if locked_by(data) is not LockedBy.PASSPHRASE:
        raise TransferError(
            "The bundle is encrypted to public keys: bifrost-tui import --identity FILE opens it."
        )
    if request.passphrase is None:
        raise PassphraseWantedError("It is an encrypted bundle. Enter its passphrase.")
    return Read(ENCRYPTED, read_sealed(data, passphrase=request.passphrase, progress=progress))


def _dotenv(data: bytes, path: Path, request: ImportRequest, progress: _Progress) -> Read:
    from bifrost_tui.transfer.dotenv import read_dotenv, suspected

    if request.into is None:
        raise InvalidInputError(
            "A .env file names no organization. Choose the one at hand.", field="into"
        )
    scopes = read_dotenv(data, request.into.organization, progress=progress)
    looks = frozenset(suspected(scopes).keys)
    keys = looks if request.secrets is None else request.secrets
    scopes = [replace(scope, configs=_as_secrets(scope.configs, keys)) for scope in scopes]
    notices = (f"Others can read {path.name} on the host.",) if _is_open(path) else ()
    return Read(DOTENV, scopes, looks, notices)


def _is_open(path: Path) -> bool:
    with suppress(OSError):
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return False


def _as_secrets(configs: Sequence[IncomingConfig], keys: frozenset[str]) -> list[IncomingConfig]:
    """Make secrets of some of the strings of a ``.env`` file."""
    return [_as_secret(each) if each.draft.key in keys else each for each in configs]


def _as_secret(config: IncomingConfig) -> IncomingConfig:
    draft, secret, problem = config.draft, None, config.problem
    if draft.value:
        try:
            secret = EnteredSecret(draft.value)
        except InvalidInputError as error:
            problem = error.message
    draft = replace(draft, type=ConfigType.SECRET, value=None, secret=secret)
    return replace(config, draft=draft, problem=problem)


def _platform(data: bytes, _path: Path, _: ImportRequest, _progress: _Progress) -> Read:
    from bifrost_tui.transfer.platform import read_platform
    from bifrost_tui.transfer.platform_key import source_key

    notices: list[str] = []
    scopes = read_platform(data, source_key(), tell=notices.append)
    return Read(PLATFORM, scopes, notices=tuple(notices))


_READERS: dict[str, Callable[[bytes, Path, ImportRequest, _Progress], Read]] = {
    PORTABLE: _portable,
    ENCRYPTED: _encrypted,
    DOTENV: _dotenv,
    PLATFORM: _platform,
}


def plan(
    repository: Repository,
    access: Access,
    request: ImportRequest,
    read: Read,
    progress: _Progress,
) -> Prepared:
    """Plan what was read."""
    scopes = read.scopes
    if request.into is not None:
        # What holds nothing does not count where all is to go into one.
        scopes = [scope for scope in scopes if scope.configs] or scopes[:1]
    found = repository.imports.plan(
        access,
        scopes,
        into=request.into,
        create_organizations=request.create,
        form=read.form,
        progress=progress,
    )
    rows = arranged(found)
    return Prepared(request, read, found, rows, [searched(line) for line in rows])


def plan_again(
    repository: Repository, access: Access, old: Prepared, progress: _Progress
) -> Prepared:
    """Plan once more what was read before."""
    return plan(repository, access, old.request, old.read, progress)
