"""Restoring a backup: what would be lost is said first, and a copy of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.asking import Ask, asker
from bifrost_tui.cli.backup import facts_lines, facts_object, named_file
from bifrost_tui.cli.base import FAILED, Command
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.options import file_argument, json_option
from bifrost_tui.cli.output import complain, emit_facts, emit_json, say
from bifrost_tui.cli.session import this_access
from bifrost_tui.clock import iso, utc_now
from bifrost_tui.display import age, counted, some_of, visible
from bifrost_tui.settings import load_settings

if TYPE_CHECKING:
    from bifrost_tui.store.backup_file import BackupFacts
    from bifrost_tui.store.differences import Compared, Differences, Losses
    from bifrost_tui.store.restoring import Restored, Restoring

_KINDS = ("organizations", "configs", "members")


@click.command(
    cls=Command,
    example="bifrost-tui restore /mnt/backups/bifrost.db\n"
    "bifrost-tui restore /mnt/backups/bifrost.db --overwrite",
)
@file_argument
@click.option("--overwrite", is_flag=True, help="Restore it over the database that is there.")
@click.option("--yes", is_flag=True, help="Overwrite without being asked.")
@json_option
def restore(file: str, overwrite: bool, yes: bool, as_json: bool) -> int:
    """Restore a backup into the database that the settings name, on either engine.

    Where there is no database yet, it is made. Where there is one, what would be lost is said and
    nothing is done, unless you say --overwrite; then a copy of what is there is kept beside it. It
    takes the backup's master key and, over a database, an owner of all organizations. It is an
    event in the log, which goes on from where the log of the backup ends.
    """
    path = named_file(file, "restore")
    if as_json and overwrite and not yes:
        raise click.UsageError("--json asks nothing. Say --yes as well.")
    from bifrost_tui.store.restoring import prepared

    with ExitStack() as stack:
        ask = stack.enter_context(asker(piped=False))
        with progress("Checking") as checking:
            restoring = stack.enter_context(
                prepared(load_settings(), this_access(), path, checking=checking)
            )
        for notice in restoring.notices:
            say(notice)
        differences = restoring.differences
        if differences is not None:
            if not as_json:
                _tell_differences(restoring.facts, differences)
            if not overwrite:
                return _left(restoring, differences, as_json=as_json)
            if not (yes or _wanted(ask)):
                say("Nothing was restored.")
                return FAILED
        with progress("Restoring") as step:
            restored = restoring.apply(step)
        _tell(restoring, restored, path, as_json=as_json)
    return 0


def _wanted(ask: Ask | None) -> bool:
    if ask is None:
        raise click.UsageError("There is no terminal to ask at. Say --yes to do it.")
    return ask("Overwrite this? [y/N] ").strip().lower() in ("y", "yes")


def _left(restoring: Restoring, differences: Differences, *, as_json: bool) -> int:
    """Say why nothing is restored; return the exit code."""
    if as_json:
        _emit(restoring, None)
    if not differences:
        say("What is in the backup is here. Nothing was changed.")
        return 0
    complain(
        f"There is a database here already ({restoring.shown}). --overwrite restores the backup"
        " over it, and keeps a copy of what is there. Nothing was changed."
    )
    return FAILED


def _tell(restoring: Restoring, restored: Restored, path: Path, *, as_json: bool) -> None:
    """Say what has been done, and what follows from it."""
    facts, differences = restoring.facts, restoring.differences
    if as_json:
        _emit(restoring, restored)
    else:
        lines = [line for line in facts_lines(facts) if line[0] not in ("events", "head")]
        kept = "" if restored.kept is None else str(restored.kept)
        emit_facts([*lines, ("head", str(restored.head)), ("kept", kept)])
    say(f"Restored {visible(path.name)}.")
    if facts.migrated_from is not None:
        say(f"It was brought from schema {facts.migrated_from} to that of this program.")
    if differences is not None and differences.events:
        say(
            f"Heads of the log that were noted elsewhere with a number above {differences.common}"
            f" hold no longer. Note the new one: {restored.head}"
        )
    for key_id, number in restored.missed.items():
        say(
            f"Master key {visible(key_id)} is not at hand: {counted(number, 'secret')} cannot be"
            " read without it."
        )
    for key_id, number in restored.older.items():
        say(
            f"{counted(number, 'secret')} {'is' if number == 1 else 'are'} under the older master"
            f" key {visible(key_id)}: bifrost-tui key rotate brings them under the newest."
        )
    if not restored.is_member:
        say(f"{this_access().actor} is no member in what was restored, and will see nothing.")


def _tell_differences(facts: BackupFacts, differences: Differences) -> None:
    """Say what there is here and not in the backup, and the other way round."""
    now = utc_now()
    lines = [
        ("backup ends", f"event {facts.head.sequence:,}{_when(facts.at, now)}"),
        ("log ends here", f"event {differences.head.sequence:,}"),
    ]
    if differences.events:
        first = differences.common + 1
        last = differences.head.sequence
        which = f"{first:,} to {last:,}" if last > first else f"{first:,}"
        lines.append(("lost", f"{counted(differences.events, 'event')}: {which}"))
    if differences.only_in_backup:
        number = differences.only_in_backup
        verb = "is" if number == 1 else "are"
        lines.append(("back", f"{counted(number, 'event')} {verb} only in the backup"))
    for kind in _KINDS:
        compared: Compared = getattr(differences, kind)
        lines += _lines(compared, kind.removesuffix("s"), now)
    emit_facts(lines)


def _lines(compared: Compared, noun: str, now: datetime) -> Iterator[tuple[str, str]]:
    for losses, title, verb in (
        (compared.added, "lost", "is only here|are only here"),
        (compared.changed, "lost", "was changed here|were changed here"),
        (compared.deleted, "back", "is only in the backup|are only in the backup"),
    ):
        if losses.count:
            one, several = verb.split("|")
            secrets = f" ({counted(losses.secrets, 'secret')})" if losses.secrets else ""
            what = f"{counted(losses.count, noun)}{secrets} {one if losses.count == 1 else several}"
            yield title, f"{what}: {_named(losses, now)}"


def _named(losses: Losses, now: datetime) -> str:
    told = []
    for lost in losses.named:
        by = f" ({lost.by}{_when(lost.at, now)})" if lost.by else ""
        told.append(f"{lost.name}{by}")
    return some_of(told, losses.count)


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    past = age(at, now)
    return ", now" if past == "now" else f", {past} ago"


def _emit(restoring: Restoring, restored: Restored | None) -> None:
    differences = restoring.differences
    emit_json(
        {
            "backup": facts_object(restoring.facts),
            "differences": None if differences is None else _object(differences),
            "restored": None
            if restored is None
            else {
                "head": str(restored.head),
                "overwritten": str(restored.overwritten) if restored.overwritten else None,
                "kept": str(restored.kept) if restored.kept else None,
                "is_member": restored.is_member,
                "missed": dict(restored.missed),
                "older": dict(restored.older),
            },
        }
    )


def _object(differences: Differences) -> dict[str, Any]:
    def losses(found: Losses) -> dict[str, Any]:
        return {
            "count": found.count,
            "secrets": found.secrets,
            "named": [
                {"name": one.name, "by": one.by, "at": iso(one.at) if one.at else None}
                for one in found.named
            ],
        }

    kinds: dict[str, Compared] = {kind: getattr(differences, kind) for kind in _KINDS}
    return {
        "head": str(differences.head),
        "common": differences.common,
        "events": differences.events,
        **{
            kind: {
                "added": losses(compared.added),
                "changed": losses(compared.changed),
                "deleted": losses(compared.deleted),
            }
            for kind, compared in kinds.items()
        },
    }
