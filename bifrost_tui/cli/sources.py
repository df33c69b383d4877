"""Where an import comes from: a file or a pipe, told apart by what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bifrost_tui.cli import dotenv_files
from bifrost_tui.cli.asking import Ask
from bifrost_tui.cli.entering import hung_up
from bifrost_tui.cli.exporting import host_file, progress
from bifrost_tui.cli.session import this_origin
from bifrost_tui.errors import TerminalError, TransferError

if TYPE_CHECKING:
    from bifrost_tui.store.incoming import IncomingScope


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of where an import comes from."""

    file: str
    options: Mapping[str, Any]
    """The options that belong to single forms, by name."""
    directed: bool = False
    """Whether it says where everything goes."""
    ask: Ask | None = None
    """What asks a question; ``None`` where nothing is to be asked."""
    only_shown: bool = False
    """Whether nothing is going to be imported."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is imported."""

    form: str
    """What it is called in the log."""
    noun: str
    """What it is called in sentences: ``portable bundle``."""
    scopes: list[IncomingScope]


def _portable(data: bytes, given: Given) -> Source:
    from bifrost_tui.transfer.portable import read_portable

    with progress("Reading") as step:
        scopes = read_portable(data, given.file, progress=step)
    return Source("portable", "portable bundle", scopes)


def _dotenv(data: bytes, given: Given) -> Source:
    path = host_file(given.file, "import")
    return Source(dotenv_files.FORM, ".env file", dotenv_files.read(data, given, path))


def _sealed(data: bytes, given: Given) -> Source:
    from bifrost_tui.cli.passphrases import given_identities, given_passphrase
    from bifrost_tui.transfer.sealed import LockedBy, locked_by, read_sealed

    file, keys = given.options["passphrase_file"], given.options["identity"]
    passphrase = identities = None
    if locked_by(data) is LockedBy.PASSPHRASE:
        if keys is not None:
            raise TransferError(
                "The file is encrypted under a passphrase, not to a key. Leave out --identity."
            )
        passphrase = given_passphrase(file)
    elif keys is not None:
        identities = given_identities(keys)
    with progress("Reading") as step:
        scopes = read_sealed(data, passphrase=passphrase, identities=identities, progress=step)
    return Source("encrypted", "encrypted bundle", scopes)


def _platform(data: bytes, given: Given) -> Source:
    from bifrost_tui.cli.platform_import import read_export

    return Source("platform", "platform's export", read_export(data, given))


def _is_platform(data: bytes, given: Given) -> bool:
    from bifrost_tui.cli.platform_import import named_options
    from bifrost_tui.transfer.platform import is_platform_export

    found = is_platform_export(data)
    if not found and (names := named_options(given.options)):
        raise TransferError(
            f"The file is no export of a Bifrost platform. Leave out {' and '.join(names)}."
        )
    return found


def _database(given: Given) -> Source:
    from bifrost_tui.cli.platform_import import read_database

    return Source("platform", "platform's database", read_database(given))


def _is_sealed(data: bytes, given: Given) -> bool:
    from bifrost_tui.transfer.sealed import is_sealed

    found = is_sealed(data)
    if not found and (given.options["passphrase_file"] or given.options["identity"]):
        raise TransferError(
            "The file is not encrypted. Leave out --passphrase-file and --identity, if you trust"
            " it."
        )
    return found


_DATABASES = ("bifrost+postgresql:", "bifrost+postgres:")
"""How the URL of a platform's database begins."""

_READERS: tuple[tuple[Callable[[bytes, Given], bool], Callable[[bytes, Given], Source]], ...] = (
    (_is_sealed, _sealed),
    (_is_platform, _platform),
    (lambda _data, given: dotenv_files.is_dotenv(given), _dotenv),
    (lambda _data, _given: True, _portable),
)
"""What tells a form by what the file holds, and what reads it; the first that fits does."""


def read_source(given: Given) -> Source:
    """Read what is to be imported.

    Raises:
        TransferError: it cannot be read, or not as a whole.
        AccessDeniedError: the file is not for this session.

    """
    from bifrost_tui.transfer.files import read_file, read_standard_input

    if not dotenv_files.is_dotenv(given):
        dotenv_files.refuse_options(given)
    if given.file.lower().startswith(_DATABASES):
        return _database(given)
    path = host_file(given.file, "import")
    if path is None:
        data = read_standard_input()
        if hung_up():
            raise TerminalError("The connection ended before the file did. Nothing was imported.")
    else:
        data = read_file(path, follow=not this_origin().confined)
    return next(read for fits, read in _READERS if fits(data, given))(data, given)
