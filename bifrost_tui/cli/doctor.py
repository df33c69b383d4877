"""Doctor: one look at everything that can be wrong, each finding with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from bifrost_tui.cli.base import FAILED, FOUND, Command, Start
from bifrost_tui.cli.doctor_checks import examine
from bifrost_tui.cli.doctor_database import NotLookedError
from bifrost_tui.cli.findings import Finding, mended, told
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import complain, emit_json_array, emit_text, say
from bifrost_tui.cli.session import this_access
from bifrost_tui.display import counted, visible
from bifrost_tui.errors import SettingsError
from bifrost_tui.settings import load_settings


@click.command(
    cls=Command,
    example="bifrost-tui doctor\nbifrost-tui doctor --fix\n"
    "bifrost-tui doctor --json | jq -r '.[].what'",
)
@click.option(
    "--fix",
    is_flag=True,
    help="Mend what can be mended safely, and say what was done; the rest is left as it is.",
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, fix: bool, as_json: bool) -> int:
    """Check files, key, database, audit chain, secrets, disk and environment.

    Each finding has a level (error, warning, or note for what is no fault), says what was found and
    what to do. Every secret is opened where it lies, to see whether it can be, and no value is
    shown. Nothing is migrated, and without --fix nothing is changed.

    With --fix, modes of our own files and folders are set, files that were left over removed, and
    what the database keeps beside its rows (counts, due dates, fingerprints, indexes, ...) is found
    anew, each with an event in the audit log.

    Ends with 3 if anything was found and is left, with 1 if the database could not be looked at.
    """
    start = ctx.obj if isinstance(ctx.obj, Start) else Start()
    findings: list[Finding] = []
    problem = ""
    try:
        # Each is mended before the next look.
        findings.extend(mended(finding) if fix else finding for finding in _found(start))
    except NotLookedError as error:
        problem = error.message
    if as_json:
        emit_json_array(_object(finding) for finding in findings)
    else:
        emit_text("".join(map(_text, findings)))
    if problem:
        complain(problem)
        return FAILED
    left = [finding for finding in findings if not finding.fixed]
    if not as_json:
        say(_summary(left, fixed=len(findings) - len(left)))
    return FOUND if any(finding.level != "note" for finding in left) else 0


def _found(start: Start) -> Iterator[Finding]:
    try:
        yield from examine(load_settings(), this_access(), start.cleared)
    except SettingsError as error:
        yield Finding("error", "settings", *told(error))


def _summary(left: list[Finding], *, fixed: int) -> str:
    errors = sum(finding.level == "error" for finding in left)
    warnings = sum(finding.level == "warning" for finding in left)
    done = f"{fixed} mended. " if fixed else ""
    if errors or warnings:
        return f"{done}{counted(errors, 'error')}, {counted(warnings, 'warning')}."
    if any(finding.check == "audit" for finding in left):
        return f"{done}All is well, as far as you may look."
    return f"{done}All is well: files, key, database, audit chain, secrets, disk, environment."


def _object(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level,
        "check": finding.check,
        "what": finding.what,
        "do": finding.advice,
        "fixable": finding.fixable,
        "fixed": finding.fixed,
    }


def _text(finding: Finding) -> str:
    level = "mended" if finding.fixed else finding.level
    head = f"{level:8} {finding.check}: {visible(finding.what)}\n"
    return f"{head}{'':9}{visible(finding.advice)}\n" if finding.advice else head
