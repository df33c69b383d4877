"""Importing from a Bifrost platform: its export, or its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.output import say
from bifrost_tui.cli.session import opened, this_origin
from bifrost_tui.errors import AccessDeniedError

if TYPE_CHECKING:
    from bifrost_tui.cli.sources import Given
    from bifrost_tui.store.incoming import IncomingScope
    from bifrost_tui.transfer.platform_key import PlatformKey


def platform_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of this form."""
    for option in (
        click.option(
            "--integration-prefix",
            "prefixed",
            is_flag=True,
            help="From a platform: put the integration before the keys that belong to one, where"
            " several integrations have the same key.",
        ),
        click.option(
            "--source-key-file",
            metavar="FILE",
            help="From a platform: its secret key, in a file that only you can read; else"
            " BIFROST_SOURCE_SECRET_KEY.",
        ),
    ):
        command = option(command)
    return command


def named_options(options: Mapping[str, Any]) -> list[str]:
    """Return which options of this form were given."""
    names = {"source_key_file": "--source-key-file", "prefixed": "--integration-prefix"}
    return [name for option, name in names.items() if options.get(option)]


def read_export(data: bytes, given: Given) -> list[IncomingScope]:
    """Read a platform's export."""
    from bifrost_tui.transfer.platform import read_platform

    options = given.options
    return read_platform(
        data,
        _key(options),
        prefixed=options["prefixed"],
        named=options["named"],
        tell=say,
    )


def read_database(given: Given) -> list[IncomingScope]:
    """Read a platform's database.

    Raises:
        AccessDeniedError: the session came in by a forced command; that is told in the log.

    """
    if this_origin().confined:
        from bifrost_tui.store.sessions import tell_refused

        with opened() as session:
            tell_refused(session.repository, session.access, "import")
        raise AccessDeniedError("Databases are not for this session. Import a file.")
    from bifrost_tui.transfer.platform_database import read_platform_database

    with progress("Reading") as step:
        return read_platform_database(
            given.file,
            _key(given.options),
            prefixed=given.options["prefixed"],
            tell=say,
            progress=step,
        )


def _key(options: Mapping[str, Any]) -> PlatformKey | None:
    from bifrost_tui.transfer.platform_key import source_key

    return source_key(key_path(options["source_key_file"]))


def key_path(file: str | None) -> Path | None:
    """Return the file of a key, where this session may use it."""
    return None if file is None else this_origin().path(file)
