"""Locate: where the database, the key and the settings are, or would be."""

from __future__ import annotations

import click

from bifrost_tui.cli.base import Command
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_facts, emit_json
from bifrost_tui.settings import load_settings, lock_words, shown_url


@click.command(
    cls=Command, example="bifrost-tui locate\nbifrost-tui locate --json | jq -r .database_file"
)
@json_option
def locate(as_json: bool) -> None:
    """Say where the database, the key and the settings are, or would be.

    Nothing is made and no key is read.
    """
    settings = load_settings()
    path, source = settings.database_path, settings.key_source
    # Of a server nothing is asked: it may be away, and this says where it is looked for.
    there = path.exists() if path is not None else None
    note = " (not made yet)" if there is False else ""
    if as_json:
        emit_json(
            {
                "database": shown_url(settings.database_url),
                "database_file": str(path) if path else None,
                "database_from": settings.database_from,
                "database_exists": there,
                "key_source": source.name if source else None,
                "key_file": str(source.path) if source and source.path else None,
                "new_key_file": str(settings.key_file),
                "settings_folder": str(settings.folder),
                "theme": settings.theme,
                "lock_after": settings.lock_after,
            }
        )
        return
    emit_facts(
        [
            ("database", shown_url(settings.database_url) + note),
            ("said by", settings.database_from),
            ("master key", str(source) if source else f"none yet; would be {settings.key_file}"),
            ("settings", str(settings.folder)),
            ("theme", settings.theme),
            ("locks", lock_words(settings.lock_after)),
        ]
    )
