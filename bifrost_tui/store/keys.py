"""Master keys as commands see them: made, written into a file, and counted; never read back."""

from __future__ import annotations

from pathlib import Path

from bifrost_tui.crypto.master_key import generate_master_key, load_master_keys, write_key_file
from bifrost_tui.settings import KeySource
from bifrost_tui.store.key_uses import KeyUse
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access

__all__ = ["KeyUse", "key_uses", "make_key_file", "new_master_key"]


def new_master_key() -> str:
    """Return a new random master key, for standard output or a file and nothing else."""
    return generate_master_key()


def make_key_file(path: Path) -> str:
    """Write a new master key into a new file, mode 0600, and return the key's id.

    Raises:
        MasterKeyRefusedError: there is a file already, or it cannot be written.

    """
    write_key_file(path, generate_master_key())
    return load_master_keys(KeySource("key file", path=path))[0].key_id


def key_uses(repository: Repository, access: Access) -> tuple[KeyUse, ...]:
    """Return the keys at hand, newest first, then those that are in use and not at hand.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """
    return repository.master_keys.uses(access)


def guessable_keys(repository: Repository) -> tuple[str, ...]:
    """Return the ids of the keys at hand that others could guess, or have read somewhere."""
    return repository._context.keyring.guessable
