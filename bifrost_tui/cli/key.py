"""The master key: generate one, see which are in use, change it; and keys for bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import FOUND, Group
from bifrost_tui.cli.key_rotating import rotate
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit, emit_json_array, emit_table, say, to_terminal
from bifrost_tui.cli.session import opened
from bifrost_tui.display import counted
from bifrost_tui.settings import KEY_FILE_VARIABLE

if TYPE_CHECKING:
    from bifrost_tui.store.keys import KeyUse


@click.group(cls=Group, example="bifrost-tui key status")
def key() -> None:
    """Generate, count and change master keys, from which the key of every secret is derived.

    A master key is named by eight characters from which nothing of it can be learnt.
    """


@key.command(
    "generate",
    example="bifrost-tui key generate --file ~/bifrost.key\n"
    "bifrost-tui key generate | systemd-creds encrypt --name=bifrost_secret_key - key.cred",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write it into a new file, mode 0600.",
)
def generate(path: Path | None) -> None:
    """Make a new master key: into a file, or into a pipe.

    It is not shown on a terminal, and a file that exists is never overwritten.
    """
    if path is None and to_terminal():
        raise click.UsageError(
            "A master key is not shown on a terminal. Write it into a file with --file PATH, or"
            " pipe it to the program that keeps it."
        )
    from bifrost_tui.store.keys import make_key_file, new_master_key

    if path is None:
        emit(f"{new_master_key()}\n".encode("ascii"))
        return
    path = path.expanduser().absolute()
    key_id = make_key_file(path)
    say(f"Wrote a new master key, {key_id}, to {path}. Keep a copy where the database is not.")
    say(f"To use it: export {KEY_FILE_VARIABLE}={path}")


@key.command(
    "pair",
    example="bifrost-tui key pair ~/bundles.key\n"
    "bifrost-tui export --encrypted --recipient age1... all.age\n"
    "bifrost-tui import --identity ~/bundles.key all.age",
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
def pair(path: Path) -> None:
    """Make a pair of keys for encrypted bundles.

    The secret key goes into FILE, which is new, with mode 0600 and as age(1) has its identities;
    the public one is printed. Bundles that are encrypted to it open with that file alone.
    """
    from bifrost_tui.transfer.sealed import make_identity_file

    path = path.expanduser().absolute()
    public = make_identity_file(path)
    emit(f"{public}\n".encode("ascii"))
    say(f"Wrote the secret key to {path}. Keep a copy: nothing else opens bundles for this one.")


@key.command("status", example="bifrost-tui key status --json")
@json_option
def status(as_json: bool) -> int:
    """Say which master keys are at hand and how many secrets each of them encrypts.

    Ends with 3 if a secret is encrypted under a key that is not at hand.
    """
    from bifrost_tui.store.keys import key_uses

    with opened() as session:
        uses = key_uses(session.repository, session.access)
        source = str(session.settings.key_source)
    if as_json:
        emit_json_array(_object(use, source) for use in uses)
    else:
        emit_table(
            ("KEY", "AT HAND", "WRITES", "SECRETS", "SOURCE"),
            (
                (
                    use.key_id,
                    "yes" if use.at_hand else "no",
                    "yes" if use.writes else "no",
                    str(use.secrets),
                    source if use.at_hand else "",
                )
                for use in uses
            ),
            numbers=("SECRETS",),
        )
    missed = [use for use in uses if use.missed]
    for use in missed:
        say(f"Key {use.key_id} is not at hand: {use.secrets} of the secrets cannot be read.")
    _tell_next(uses)
    return FOUND if missed else 0


def _tell_next(uses: tuple[KeyUse, ...]) -> None:
    """Say what can be done about the keys at hand."""
    at_hand = [use for use in uses if use.at_hand]
    old = [use for use in at_hand if not use.writes]
    for use in old:
        if not use.secrets and not use.opens:
            say(f"Key {use.key_id} is not needed any more: nothing is encrypted under it.")
    if waiting := sum(use.secrets for use in old):
        say(
            f"{counted(waiting, 'secret')} under an old key: `bifrost-tui key rotate` encrypts"
            f" {'it' if waiting == 1 else 'them'} under {at_hand[0].key_id}."
        )
    elif any(use.opens for use in old):
        say("An old key still opens the database: `bifrost-tui key rotate` lets it go.")


key.add_command(rotate)


def _object(use: KeyUse, source: str) -> dict[str, Any]:
    return {
        "key_id": use.key_id,
        "at_hand": use.at_hand,
        "writes": use.writes,
        "secrets": use.secrets,
        "source": source if use.at_hand else None,
    }
