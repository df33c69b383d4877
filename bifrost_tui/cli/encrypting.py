"""``export --encrypted``: what it asks for, and how it says what it has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.exporting import host_file, progress, written
from bifrost_tui.cli.output import say, to_terminal
from bifrost_tui.cli.session import opened
from bifrost_tui.display import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bifrost_tui.cli.export_wanted import Wanted
    from bifrost_tui.transfer.sealing import BundleLock


def sealing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of this form."""
    for option in (
        click.option(
            "--recipients-file",
            metavar="FILE",
            help="With --encrypted: to the public keys in a file, one a line.",
        ),
        click.option(
            "--recipient",
            "recipients",
            metavar="KEY",
            multiple=True,
            help="With --encrypted: to a public key, age1... or ssh-ed25519 ...; may be repeated.",
        ),
        click.option(
            "--passphrase-file",
            metavar="FILE",
            help="With --encrypted: the passphrase, in a file that only you can read (- for"
            " standard input).",
        ),
    ):
        command = option(command)
    return command


def check_options(form: str, options: Mapping[str, Any]) -> None:
    """Refuse options that do not go with the form, or with each other."""
    keys = bool(options["recipients"] or options["recipients_file"])
    if form != "encrypted" and (keys or options["passphrase_file"]):
        raise click.UsageError(
            "--passphrase-file, --recipient and --recipients-file go with --encrypted."
        )
    if keys and options["passphrase_file"]:
        raise click.UsageError(
            "Give a passphrase, or public keys with --recipient and --recipients-file, not both."
        )


def export_encrypted(wanted: Wanted) -> None:
    """Export what is wanted with the values of its secrets, encrypted."""
    options = wanted.options
    target = host_file(wanted.file, "export")
    if target is None and to_terminal():
        raise click.UsageError("An encrypted bundle is not shown on a terminal. Name a file.")
    from bifrost_tui.transfer.sealing import check_owner, write_sealed

    with written(target, force=wanted.force) as put, opened() as session:
        scopes = wanted.scopes(session)
        check_owner(session.repository, session.access, scopes)
        lock = _lock(options)
        with progress("Exporting") as step:
            made = write_sealed(session.repository, session.access, scopes, lock, put, step)
    from bifrost_tui.cli.export_wanted import tell_exported

    tell_exported(made.configs, made.scopes, made.left_out)
    say(
        f"{counted(made.secrets, 'secret')} with {'its value' if made.secrets == 1 else 'values'}:"
        f" who has the file and {lock.opened_by} can read {'it' if made.secrets == 1 else 'them'}."
    )
    if made.empty:
        say(f"{counted(made.empty, 'secret')} without a value: needed here as well.")


def _lock(options: Mapping[str, Any]) -> BundleLock:
    from bifrost_tui.transfer.sealing import read_recipients, to_recipients, under_passphrase

    lines = list(options["recipients"])
    if (file := options["recipients_file"]) is not None:
        lines += _lines(file)
    if options["recipients"] or file is not None:
        return to_recipients(read_recipients(lines))
    from bifrost_tui.cli.passphrases import new_passphrase

    return under_passphrase(new_passphrase(options["passphrase_file"]))


def _lines(file: str) -> list[str]:
    from bifrost_tui.transfer.files import read_file, read_standard_input

    path = host_file(file, "export")
    data = read_standard_input() if path is None else read_file(path)
    return data.decode("utf-8", "replace").splitlines()
