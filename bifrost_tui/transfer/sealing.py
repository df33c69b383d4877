"""Writing the encrypted bundle: the one module of this room that reaches the runtime.

The JSON of a portable bundle, secrets with their values, goes into the cipher as it is written;
nothing of it is kept. What the cipher makes of it is held back until every secret's event is
committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bifrost_tui.crypto.age_reading import Recipients, read_recipients
from bifrost_tui.crypto.age_writing import KeyLock, Lock, PassphraseLock
from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.runtime.exporting import Opened, OpenedConfig, check_owner, export_opened
from bifrost_tui.store.actor import Access
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import Scope
from bifrost_tui.transfer.files import FILE_LIMIT
from bifrost_tui.transfer.portable import bundle_steps
from bifrost_tui.transfer.portable_json import JsonWriter

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import Export, ExportedConfig

__all__ = [
    "SHORTEST_PASSPHRASE",
    "BundleLock",
    "Recipients",
    "WrittenBundle",
    "check_owner",
    "read_recipients",
    "to_recipients",
    "under_passphrase",
    "write_sealed",
]

SHORTEST_PASSPHRASE = 12
"""The fewest characters of a passphrase that a bundle is encrypted under."""


@dataclass(frozen=True, slots=True)
class BundleLock:
    """What a bundle is locked with, and what the log says of that."""

    lock: Lock
    to: str
    opened_by: str
    """What opens it, in words."""


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """What an encrypted bundle holds."""

    scopes: int
    configs: int
    secrets: int
    empty: int
    """How many secrets travel without a value, for they need one."""
    left_out: tuple[str, ...]


def check_passphrase(passphrase: EnteredSecret) -> None:
    """Refuse a passphrase that is soon guessed.

    Raises:
        InvalidInputError: it is too short, or more than a line.

    """
    text = entered_bytes(passphrase).decode("utf-8")
    length, lines = len(text), len(text.splitlines())
    del text
    if lines > 1 or length < SHORTEST_PASSPHRASE:
        raise InvalidInputError(
            f"A passphrase for a bundle is a line of {SHORTEST_PASSPHRASE} characters or more:"
            " whoever has the file can guess as long as they like.",
            field="passphrase",
        )


def under_passphrase(passphrase: EnteredSecret) -> BundleLock:
    """Return the lock of a passphrase; it takes about a second.

    Raises:
        InvalidInputError: it is too short, or more than a line.

    """
    check_passphrase(passphrase)
    return BundleLock(PassphraseLock(entered_bytes(passphrase)), "a passphrase", "the passphrase")


def to_recipients(recipients: Recipients) -> BundleLock:
    """Return the lock that secret keys open, those of the public keys given."""
    keys = "its secret key" if len(recipients.names) == 1 else "one of the secret keys"
    return BundleLock(KeyLock(recipients), ", ".join(recipients.names), keys)


def write_sealed(
    repository: Repository,
    access: Access,
    scopes: Sequence[Scope] | None,
    lock: BundleLock,
    put: Callable[[bytes], object],
    progress: Callable[[int, int], object] | None = None,
) -> WrittenBundle:
    """Write an encrypted bundle of whole scopes; ``scopes`` is ``None`` for all that there is.

    Raises:
        AccessDeniedError, OrganizationNotFoundError: the actor may not; nothing was read.
        TransferError: a secret does not decrypt, or the bundle is larger than an import takes.

    """
    sealed: list[bytes] = []
    size = 0

    def keep(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > FILE_LIMIT:
            raise TransferError(
                f"The bundle is over {FILE_LIMIT >> 20} MiB, more than an import takes, and"
                " nothing was exported. Export fewer organizations at a time, with --org."
            )
        sealed.append(data)

    def consume(opened: Opened) -> WrittenBundle:
        lock.lock.seal(_text(opened), keep)
        return WrittenBundle(
            len(opened.scopes), opened.done, opened.secrets, opened.empty, opened.left_out
        )

    made = export_opened(repository, access, scopes, consume, to=lock.to, progress=progress)
    for data in sealed:
        put(data)
    return made


def _text(opened: Opened) -> Iterator[bytes]:
    """Write the bundle's JSON, a piece at a time."""
    waiting: list[bytes] = []
    # The same shape as what a portable bundle is made of, and the values beside.
    for _ in bundle_steps(cast("Export", opened), JsonWriter(waiting.append), _secret):
        yield b"".join(waiting)
        waiting.clear()
    yield b"".join(waiting)


def _secret(config: ExportedConfig) -> str | None:
    return cast("OpenedConfig", config).secret
