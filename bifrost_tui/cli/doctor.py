"""Doctor: one look at everything that can be wrong, each finding with what to do about it."""

from __future__ import annotations

import click

from bifrost_tui.cli.base import FOUND, Command, Start
from bifrost_tui.cli.doctor_checks import Finding, examine, told
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_json_array, emit_text, say
from bifrost_tui.cli.session import this_access
from bifrost_tui.display import counted, visible
from bifrost_tui.errors import SettingsError
from bifrost_tui.settings import load_settings


@click.command(
    cls=Command, example="bifrost-tui doctor\nbifrost-tui doctor --json | jq -r '.[].what'"
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> int:
    """Check files, key, database, audit chain, secrets, disk and environment.

    Each finding has a level (error, warning, or note for what you may not look at), says what was
    found and what to do. Every secret is
    opened where it lies, to see whether it can be, and no value is shown. Nothing is migrated. Ends
    with 3 if anything was found.
    """
    start = ctx.obj if isinstance(ctx.obj, Start) else Start()
    try:
        findings = list(examine(load_settings(), this_access(), start.cleared))
    except SettingsError as error:
        findings = [Finding("error", "settings", *told(error))]
    if as_json:
        emit_json_array(_object(finding) for finding in findings)
    else:
        emit_text("".join(map(_text, findings)))
        errors = sum(finding.level == "error" for finding in findings)
        warnings = sum(finding.level == "warning" for finding in findings)
        if errors or warnings:
            say(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}.")
        elif findings:
            say("All is well, as far as you may look.")
        else:
            say("All is well: files, key, database, audit chain, secrets, disk, environment.")
    return FOUND if any(finding.level != "note" for finding in findings) else 0


def _object(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level,
        "check": finding.check,
        "what": finding.what,
        "do": finding.do,
    }


def _text(finding: Finding) -> str:
    head = f"{finding.level:8} {finding.check}: {visible(finding.what)}\n"
    return f"{head}{'':9}{visible(finding.do)}\n" if finding.do else head
