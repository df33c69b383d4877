"""Setup: the database of the settings, made without a terminal."""

from __future__ import annotations

import click

from bifrost_tui.cli.base import Command
from bifrost_tui.cli.output import emit_facts, say
from bifrost_tui.cli.session import this_access
from bifrost_tui.errors import MasterKeyMissingError
from bifrost_tui.settings import KEY_FILE_VARIABLE, KEY_VARIABLE, load_settings, shown_url


@click.command(
    cls=Command,
    example="bifrost-tui setup --make-key\n"
    "BIFROST_SECRET_KEY_FILE=/run/keys/bifrost bifrost-tui setup",
)
@click.option("--make-key", is_flag=True, help="Make a key file where there is no key yet.")
def setup(make_key: bool) -> None:
    """Make the database, with you as its owner, and say what is where.

    Nothing that exists is changed. `bifrost-tui locate` says beforehand where things would be.
    """
    settings = load_settings()
    if settings.key_source is None and not make_key:
        raise MasterKeyMissingError(
            f"There is no master key. Say --make-key to make one in {settings.key_file}, or set"
            f" {KEY_VARIABLE} or {KEY_FILE_VARIABLE}."
        )
    from bifrost_tui.store.opening import create_repository

    access = this_access()
    with create_repository(settings, access, make_key=make_key) as repository:
        key_id = repository.key_id
    made = settings.key_source is None
    emit_facts(
        [
            ("database", shown_url(settings.database_url)),
            ("master key", str(settings.key_file) if made else str(settings.key_source)),
            ("key id", key_id),
            ("owner", access.actor),
        ]
    )
    if made:
        say("Keep a copy of the key file where the database is not: without it no secret opens.")
