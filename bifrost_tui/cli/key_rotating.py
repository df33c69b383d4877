"""Changing the master key: everything is encrypted anew under the newest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import FAILED, Command
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_json, emit_table, say
from bifrost_tui.cli.session import opened
from bifrost_tui.cli.signals import stopped_between
from bifrost_tui.display import counted
from bifrost_tui.settings import KEY_FILE_VARIABLE, KEY_VARIABLE

if TYPE_CHECKING:
    from bifrost_tui.store.rekeying_report import RekeyReport

_SHOWN = 50
"""So many secrets that could not be re-encrypted are listed."""

HOW_TO_GIVE_TWO = (
    "To change it, make a new one (`bifrost-tui key generate --file NEW`) and give both, the new"
    f" one first: {KEY_VARIABLE}=new,old, or a line each in the file of {KEY_FILE_VARIABLE}. Then"
    " run `bifrost-tui key rotate`."
)


@click.command(
    "rotate",
    cls=Command,
    example="BIFROST_SECRET_KEY=new,old bifrost-tui key rotate --dry-run\n"
    "BIFROST_SECRET_KEY=new,old bifrost-tui key rotate",
)
@click.option("--dry-run", is_flag=True, help="Open every secret, say what would be, change none.")
@json_option
def rotate(dry_run: bool, as_json: bool) -> int:
    """Encrypt every secret under the newest master key, and let the old ones go.

    Give both keys, the new one first. Others can read and write meanwhile. It may be stopped at any
    time, also by a kill: run again, it goes on. Secrets that cannot be opened are named, and left
    as they are; then it ends with 1. It says at the end whether an old key can go. A key that is
    let go no longer opens the database; programs that still have nothing else cannot write.
    """
    label = "Checking" if dry_run else "Re-encrypting"
    with opened() as session:
        keys = session.repository.master_keys
        with stopped_between() as stopping, progress(label) as step:
            report = keys.rotate(
                session.access, dry_run=dry_run, progress=step, stop=stopping.event
            )
        single = sum(use.at_hand for use in keys.uses(session.access)) == 1
        source = str(session.settings.key_source)
    if as_json:
        emit_json(_object(report))
    elif report.failed:
        _emit_failed(report)
    _tell(report, source, single=single)
    if report.cancelled:
        return stopping.code
    return FAILED if report.failures or (report.needed and not dry_run) else 0


def _emit_failed(report: RekeyReport) -> None:
    emit_table(
        ("ORGANIZATION", "KEY", "WHY"),
        [(failure.scope.name, failure.key, failure.why) for failure in report.failed[:_SHOWN]],
    )
    if (more := report.failures - _SHOWN) > 0:
        say(f"{more:,} more are not listed; --json lists {len(report.failed):,} of all.")


def _tell(report: RekeyReport, source: str, *, single: bool) -> None:
    done, key = counted(report.re_encrypted, "secret"), report.key_id
    already = f"{report.already:,} {'was' if report.already == 1 else 'were'} already."
    if report.cancelled:
        what = "could be opened" if report.dry_run else f"re-encrypted under {key}"
        say(
            f"Stopped: {done} {what}, {report.left:,} left. Nothing is half done; run it again to"
            " go on."
        )
    elif single and not report.re_encrypted and not report.failures:
        say(f"Nothing to do: {key} is the only master key given, and every secret is under it.")
        say(HOW_TO_GIVE_TWO)
    elif report.dry_run:
        say(f"{done} would be re-encrypted under {key}; {already} Nothing was changed.")
    else:
        say(f"{done} re-encrypted under {key}; {already}")
    if report.failures:
        say(
            f"{counted(report.failures, 'secret')} cannot be re-encrypted, and"
            f" {'is' if report.failures == 1 else 'are'} as before. Give the key that is missing"
            " too, or give them new values or delete them; then run this again."
        )
    if not report.cancelled:
        _tell_keys(report, source)


def _tell_keys(report: RekeyReport, source: str) -> None:
    for key_id in report.needed:
        say(f"Keep key {key_id}: secrets are still encrypted under it.")
    for key_id in report.unused:
        if report.dry_run:
            say(f"Key {key_id} can go afterwards.")
        else:
            say(
                f"Key {key_id} can go: nothing is encrypted under it, and it no longer opens the"
                f" database. Take it out of {source}, here and wherever the database is used; keep"
                " a copy for as long as backups from before are kept."
            )


def _object(report: RekeyReport) -> dict[str, Any]:
    return {
        "key_id": report.key_id,
        "dry_run": report.dry_run,
        "cancelled": report.cancelled,
        "re_encrypted": report.re_encrypted,
        "already": report.already,
        "failures": report.failures,
        "left": report.left,
        "unused": list(report.unused),
        "needed": list(report.needed),
        "failed": [
            {
                "organization": failure.scope.organization,
                "key": failure.key,
                "why": failure.why,
            }
            for failure in report.failed
        ],
    }
