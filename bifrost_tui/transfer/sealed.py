"""Reading the encrypted bundle: an age file around the JSON of a portable one, secrets included.

What is opened goes straight into drafts, whose secrets have no way out. Nothing here gives it back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bifrost_tui.crypto.age_reading import (
    Identities,
    LockedBy,
    age_file,
    is_age,
    new_identity,
    open_with_keys,
    open_with_passphrase,
    read_identities,
)
from bifrost_tui.crypto.master_key import write_key_file
from bifrost_tui.errors import TransferError
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.incoming import IncomingScope
from bifrost_tui.transfer.portable import read_portable

if TYPE_CHECKING:
    from bifrost_tui.transfer.strict import Progress

__all__ = [
    "Identities",
    "LockedBy",
    "is_sealed",
    "locked_by",
    "make_identity_file",
    "read_identities",
    "read_sealed",
]


def is_sealed(data: bytes) -> bool:
    """Tell whether a file is an encrypted bundle, as far as that can be told from outside."""
    return is_age(data)


def locked_by(data: bytes) -> LockedBy:
    """Tell what opens an encrypted bundle.

    Raises:
        TransferError: its head is damaged, or asks for too much.

    """
    return age_file(data).locked_by


def read_sealed(
    data: bytes,
    *,
    passphrase: EnteredSecret | None = None,
    identities: Identities | None = None,
    progress: Progress | None = None,
) -> list[IncomingScope]:
    """Open an encrypted bundle and read it, by whichever of the two it is locked with.

    Raises:
        TransferError: it does not open, or what is inside cannot be read.

    """
    try:
        return _read(data, passphrase, identities, progress)
    except TransferError as error:
        kind, message, problems = type(error), error.message, error.problems
    # Anew: the other's traceback holds the frames in which the text was.
    raise kind(message, problems)


def _read(
    data: bytes,
    passphrase: EnteredSecret | None,
    identities: Identities | None,
    progress: Progress | None,
) -> list[IncomingScope]:
    file = age_file(data)
    if file.locked_by is LockedBy.PASSPHRASE:
        if passphrase is None:
            raise TransferError("The file is encrypted under a passphrase, which opens it alone.")
        text = open_with_passphrase(file, entered_bytes(passphrase))
    else:
        if identities is None:
            raise TransferError(
                "The file is encrypted to public keys: give the file of a secret key that belongs"
                " to one of them, with --identity FILE."
            )
        text = open_with_keys(file, identities)
    if not text.lstrip()[:1] == b"{":
        raise TransferError(
            "The file opens, and what is inside is no bundle of Bifrost TUI. `age -d` shows it."
        )
    return read_portable(text, ".json", secrets=True, progress=progress)


def make_identity_file(path: Path) -> str:
    """Write a new secret key into a new file, mode 0600, and return the public one.

    Raises:
        MasterKeyRefusedError: there is a file already, or it cannot be written.

    """
    secret, public = new_identity()
    write_key_file(path, f"# public key: {public}\n{secret}")
    return public
