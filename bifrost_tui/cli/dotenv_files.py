"""The .env files of `import` and `export`: what is asked about them, and what is said."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from bifrost_tui.cli.exporting import host_file, progress, written
from bifrost_tui.cli.output import say, to_terminal
from bifrost_tui.cli.session import opened
from bifrost_tui.display import counted, some_of, visible_lines
from bifrost_tui.errors import TransferError

if TYPE_CHECKING:
    from bifrost_tui.cli.export_wanted import Wanted
    from bifrost_tui.cli.sources import Given
    from bifrost_tui.store.exporting import Export
    from bifrost_tui.store.incoming import IncomingScope
    from bifrost_tui.transfer.dotenv import Suspicion
    from bifrost_tui.transfer.dotenv_writing import Written

FORM = "dotenv"

_NAMED = 8
"""So many keys are named in a sentence."""


def is_dotenv(given: Given) -> bool:
    """Tell whether a file is one by its name, or is said to be one."""
    from bifrost_tui.transfer.dotenv import is_dotenv_name

    return bool(given.options.get("dotenv")) or is_dotenv_name(given.file)


def refuse_options(given: Given) -> None:
    """Refuse the options that are for .env files alone, where there is another one.

    Raises:
        click.UsageError: one of them was given.

    """
    for name in ("secrets", "plain"):
        if given.options.get(name):
            option = f"--{name.removesuffix('s')}"
            raise click.UsageError(f"{option} is for .env files. Say --dotenv if this is one.")


def read(data: bytes, given: Given, path: Path | None) -> list[IncomingScope]:
    """Read a .env file; ask whether what looks like a secret is one.

    Raises:
        click.UsageError: it was not said where its configs go, or what looks like a secret is one
            and there is nobody to ask.
        TransferError: it cannot be read as it stands, or the answer is no.

    """
    if not given.directed:
        raise click.UsageError("A .env file names no organization. Say --org NAME or --global.")
    _warn_of_readers(path)
    patterns: Sequence[str] = given.options.get("secrets") or ()
    scopes = _scopes(data, patterns)
    if given.options.get("plain"):
        return scopes
    from bifrost_tui.transfer.dotenv import suspected

    suspicion = suspected(scopes)
    if suspicion and _are_secrets(suspicion, given):
        return _scopes(data, (*patterns, *suspicion.patterns))
    return scopes


def _scopes(data: bytes, patterns: Sequence[str]) -> list[IncomingScope]:
    from bifrost_tui.transfer.dotenv import read_dotenv

    with progress("Reading") as step:
        return read_dotenv(data, None, secrets=patterns, progress=step)


def _warn_of_readers(path: Path | None) -> None:
    """Say that a file can be read by others: its secrets are no longer, once they are here."""
    if path is None:
        return
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            say(f"Others can read {path.name} (mode {mode:03o}). Run: chmod 600 {quote(path.name)}")


def _are_secrets(suspicion: Suspicion, given: Given) -> bool:
    keys = suspicion.keys
    verb = "looks like a secret" if len(keys) == 1 else "look like secrets"
    what = f"{counted(len(keys), 'key')} {verb}: {_named(keys)}."
    them = "it" if len(keys) == 1 else "them"
    options = " ".join(f"--secret {quote(pattern)}" for pattern in suspicion.patterns)
    how = f"Say {options} to import {them} as such, or --plain if everybody there may read {them}."
    if given.only_shown or given.options.get("secrets"):
        say(f"{what} {how}")
        return False
    if given.ask is None:
        raise click.UsageError(f"{what} {how}")
    say(what)
    answer = given.ask(f"Import {them} as secrets, plainly, or stop? [s/p/N] ").strip().lower()
    if answer not in ("s", "secrets", "p", "plainly"):
        raise TransferError("Nothing was imported.")
    return answer.startswith("s")


def _named(keys: Sequence[str]) -> str:
    return some_of(keys, most=_NAMED)


def export_dotenv(wanted: Wanted) -> None:
    """Write what an application of an organization would get, except for secrets.

    Raises:
        click.UsageError: it is not one scope that is wanted.

    """
    from bifrost_tui.transfer.dotenv_writing import write_dotenv

    if len(wanted.organizations) + wanted.is_global != 1:
        raise click.UsageError("A .env file is of one scope. Say --org NAME or --global.")
    if wanted.options["notation"] is not None:
        raise click.UsageError("--format is for --portable: a .env file has one notation.")
    inherited = not (wanted.is_global or wanted.options["own"])
    target = host_file(wanted.file, "export")
    with (
        written(target, force=wanted.force) as put,
        opened() as session,
        progress("Exporting") as step,
    ):
        write = _shown(put) if target is None and to_terminal() else put

        def consume(export: Export) -> Written:
            return write_dotenv(export, write)

        done = session.repository.exports.portable(
            session.access,
            wanted.scopes(session),
            consume,
            form=FORM,
            inherited=inherited,
            progress=step,
        )
    _tell(done)


def _shown(put: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return what writes for people to look at: a terminal would obey what a value may hold."""
    return lambda data: put(visible_lines(data.decode("utf-8")).encode("utf-8"))


def _tell(done: Written) -> None:
    origin = f", {done.inherited:,} of them inherited" if done.inherited else ""
    say(f"{counted(done.values, 'value')} exported{origin}.")
    if done.empty:
        what = "secret or reference is" if done.empty == 1 else "secrets and references are"
        say(f"{done.empty:,} {what} in it as a comment, without a value.")
    if keys := done.not_for_shells:
        say(
            f"{_named(keys)}: for dotenv readers alone. A shell stops at the line before"
            f" {'it' if len(keys) == 1 else 'them'}."
        )
    if keys := done.expanded:
        hold = "holds" if len(keys) == 1 else "hold"
        say(f"{_named(keys)} {hold} ${{...}}, which some dotenv readers put something else for.")
