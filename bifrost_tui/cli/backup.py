"""Backing up: the whole database into one file, while others go on working."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import Command
from bifrost_tui.cli.exporting import host_file, progress
from bifrost_tui.cli.options import file_argument, json_option
from bifrost_tui.cli.output import emit_facts, emit_json, say
from bifrost_tui.cli.session import opened
from bifrost_tui.clock import iso
from bifrost_tui.display import visible
from bifrost_tui.whole_file import FileThereError, check_target

if TYPE_CHECKING:
    from bifrost_tui.store.backup_file import BackupFacts


@click.command(
    cls=Command,
    example="bifrost-tui backup /mnt/backups/bifrost-$(date +%F).db\n"
    "bifrost-tui backup --force /mnt/backups/bifrost.db",
)
@file_argument
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@json_option
def backup(file: str, force: bool, as_json: bool) -> None:
    """Write the whole database into a file: for owners and admins of all organizations.

    Others go on reading and writing meanwhile; the file has one state. It is made with mode 0600
    and has its name only when it has been checked to be whole. The master key is not in it:
    without that key none of its secrets opens. Every backup is an event in the log.
    """
    target = named_file(file, "backup")
    check_target(target)
    if not force and os.path.lexists(target):
        raise FileThereError(
            f"There is a file {visible(target.name)} already. --force replaces it."
        )
    with (
        opened() as session,
        progress("Copying") as copying,
        progress("Checking") as checking,
    ):
        facts = session.repository.backups.make(
            session.access, target, replace=force, copying=copying, checking=checking
        )
    tell_backup(target, facts, as_json)


def named_file(file: str, command: str) -> Path:
    """Return the file of the host that a command names.

    Raises:
        UsageError: it names none.
        AccessDeniedError: it is not for this session; that is told in the log.

    """
    path = host_file(file, command)
    if path is None:
        raise click.UsageError(
            "Name a file: a backup is checked from its first byte to its last, which a pipe is not"
            " there for."
        )
    return path


def tell_backup(path: Path, facts: BackupFacts, as_json: bool) -> None:
    """Say what is in a backup that was made."""
    if as_json:
        emit_json({"file": str(path), **facts_object(facts)})
    else:
        emit_facts([("file", str(path)), *facts_lines(facts)])
    say(
        f"The master key ({', '.join(facts.key_ids)}) is NOT in it. Keep that elsewhere: without it"
        " none of these secrets opens."
    )


def facts_lines(facts: BackupFacts) -> list[tuple[str, str]]:
    """Return what is in a backup as lines for people."""
    return [
        ("organizations", f"{facts.organizations:,}"),
        ("configs", f"{facts.configs:,}"),
        ("secrets", f"{facts.secrets:,}"),
        ("members", f"{facts.members:,}"),
        ("events", f"{facts.events:,}"),
        ("last event", iso(facts.at) if facts.at else ""),
        ("head", str(facts.head)),
    ]


def facts_object(facts: BackupFacts) -> dict[str, Any]:
    """Return what is in a backup as it stands in JSON."""
    return {
        "organizations": facts.organizations,
        "configs": facts.configs,
        "secrets": facts.secrets,
        "members": facts.members,
        "events": facts.events,
        "at": iso(facts.at) if facts.at else None,
        "head": str(facts.head),
        "key_ids": list(facts.key_ids),
    }
