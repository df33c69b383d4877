"""The audit log: list, show one event, export, verify the chain and note where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import FOUND, Group
from bifrost_tui.cli.completing import (
    complete_log_action,
    complete_log_actor,
    complete_organization,
)
from bifrost_tui.cli.exporting import host_file, progress, written
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import (
    complain,
    emit_facts,
    emit_json,
    emit_json_array,
    emit_table,
    emit_text,
    json_text,
    say,
)
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.clock import iso
from bifrost_tui.display import age, counted

if TYPE_CHECKING:
    from bifrost_tui.store.audit_filters import AuditFilter
    from bifrost_tui.store.views import AuditDetails

_PAGE = 500
_SHOWN = 50


@click.group(
    cls=Group,
    example="bifrost-tui audit list --org Acme --action 'config.*' --since 7d",
)
def audit() -> None:
    """Look at the audit log: who did what, when, from where, and how it ended; never a value.

    Owners and admins of an organization see what was done in it; those of all organizations see
    everything, and only they can verify the chain.
    """


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the filter and, as its first argument, what makes one."""

    @click.option(
        "--org",
        "organization",
        metavar="NAME",
        shell_complete=complete_organization,
        help="Only what was done in an organization.",
    )
    @click.option("--global", "is_global", is_flag=True, help="Only what was done in global.")
    @click.option(
        "--by",
        "actor",
        metavar="NAME",
        shell_complete=complete_log_actor,
        help="Only what one actor did.",
    )
    @click.option(
        "--action",
        metavar="NAME",
        shell_complete=complete_log_action,
        help="Only one action, or several: 'config.*'.",
    )
    @click.option("--key", metavar="KEY", help="Only one key, or several: 'stripe*'.")
    @click.option(
        "--outcome",
        type=click.Choice(("done", "refused", "failed")),
        help="Only what was done, refused, or failed.",
    )
    @click.option(
        "--since", metavar="WHEN", help="Not before: 7d or 12h ago, or 2026-03-01T09:30 (UTC)."
    )
    @click.option("--until", metavar="WHEN", help="Not after; a date means to its end.")
    @wraps(command)
    def with_filter(
        organization: str | None,
        is_global: bool,
        since: str | None,
        until: str | None,
        actor: str | None,
        action: str | None,
        key: str | None,
        outcome: str | None,
        **arguments: Any,
    ) -> Any:
        if is_global and organization is not None:
            raise click.UsageError("Give --org NAME or --global, not both.")

        def wanted(session: Session) -> AuditFilter:
            from bifrost_tui.store.audit_filters import AuditFilter
            from bifrost_tui.store.views import GLOBAL_SCOPE

            scopes = (GLOBAL_SCOPE,) if is_global else None
            now = session.repository.clock()
            moments = {
                "since": _moment("--since", since, now),
                "until": _moment("--until", until, now),
            }
            if organization is not None:
                scopes = (session.repository.organizations.find(session.access, organization),)
            return AuditFilter(actor, action, key, outcome, **moments, scopes=scopes)

        return command(wanted, **arguments)

    return with_filter


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    from bifrost_tui.errors import InvalidInputError
    from bifrost_tui.store.audit_filters import parse_when

    if text is None:
        return None
    try:
        return parse_when(text, now, option.removeprefix("--"))
    except InvalidInputError as error:
        raise click.BadParameter(error.message, param_hint=option) from None


@audit.command(
    "list",
    example="bifrost-tui audit list --org Acme --since 7d\n"
    "bifrost-tui audit list --by bob --action 'config.*' --outcome refused\n"
    "bifrost-tui audit list --key STRIPE_KEY --limit 0 --json | jq -r '.[].actor' | sort | uniq -c",
)
@filtered
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_SHOWN,
    show_default=True,
    help="So many events at most; 0 lists all.",
)
@json_option
def list_events(wanted: Callable[[Session], AuditFilter], limit: int, as_json: bool) -> None:
    """List events, newest first."""
    with opened() as session:
        narrowed = wanted(session)
        events = _events(session, narrowed)
        shown = islice(events, limit) if limit else events
        if as_json:
            emit_json_array(map(event_object, shown))
            return
        views = list(shown)
        left = session.repository.log.count(session.access, narrowed) - len(views)
        now = session.repository.clock()
    if not views:
        say("There is no event that fits.")
        return
    emit_table(
        ("NUMBER", "AGE", "ACTOR", "ACTION", "ORGANIZATION", "KEY", "OUTCOME", "FROM"),
        (
            (
                str(view.sequence),
                age(view.at, now),
                view.actor,
                view.action,
                view.organization or "",
                view.key or "",
                "" if view.outcome == "done" else view.outcome,
                view.source,
            )
            for view in views
        ),
        numbers=("NUMBER",),
    )
    if left > 0:
        say(f"{counted(left, 'event')} more; --limit 0 lists all.")


def _events(session: Session, wanted: AuditFilter) -> Iterator[AuditDetails]:
    """Return events, newest first, a page at a time."""
    log, before = session.repository.log, None
    while page := log.page(session.access, wanted, before=before, limit=_PAGE):
        yield from page
        before = page[-1].sequence


def event_object(view: AuditDetails) -> dict[str, Any]:
    """Return an event as it stands in JSON."""
    return {
        "sequence": view.sequence,
        "at": iso(view.at),
        "actor": view.actor,
        "source": view.source,
        "action": view.action,
        "organization": view.organization,
        "key": view.key,
        "outcome": view.outcome,
        "details": dict(view.details),
    }


@audit.command("show", example="bifrost-tui audit show 134")
@click.argument("sequence", metavar="NUMBER", type=click.IntRange(min=1, max=2**60))
@json_option
def show(sequence: int, as_json: bool) -> None:
    """Print all about one event."""
    with opened() as session:
        view = session.repository.log.get(session.access, sequence)
    if as_json:
        emit_json(event_object(view) | {"chain_hash": view.chain_hash})
        return
    emit_facts(
        [
            ("number", str(view.sequence)),
            ("time", iso(view.at)),
            ("actor", view.actor),
            ("from", view.source),
            ("action", view.action),
            ("organization", view.organization or ""),
            ("key", view.key or ""),
            ("outcome", view.outcome),
            *((name, fact_text(value)) for name, value in view.details.items()),
            ("hash", view.chain_hash),
        ]
    )


def fact_text(value: Any) -> str:
    """Return a fact of an event as people read it."""
    return value if isinstance(value, str) else json_text(value)


@audit.command(
    "export",
    example="bifrost-tui audit export audit.jsonl\n"
    "bifrost-tui audit export - --org Acme --since 30d | gzip > acme.jsonl.gz",
)
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@filtered
def export(wanted: Callable[[Session], AuditFilter], file: str, force: bool) -> None:
    """Write events into a file (- for standard output), oldest first: a JSON object a line.

    The file is made with mode 0600, whole or not at all. Each line has the event's hash of the
    chain. That there was an export is an event too; it is not in the export.
    """
    target = host_file(file, "audit")
    with written(target, force=force) as write, opened() as session:
        total, events = session.repository.log.export(session.access, wanted(session))
        lines = (f"{json_text(exported_object(view))}\n".encode() for view in events)
        with progress("Exporting") as step:
            number = 0
            for number, line in enumerate(lines, 1):
                write(line)
                step(number, total)
    say(f"{counted(number, 'event')} exported.")


def exported_object(view: AuditDetails) -> dict[str, Any]:
    """Return an event as a line of an export: the moment as it was hashed, and the hash."""
    exact = view.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event_object(view) | {"at": exact, "chain_hash": view.chain_hash}


@audit.command(
    "verify",
    example="bifrost-tui audit verify\n"
    "bifrost-tui audit head > head.txt    # kept where nobody can change it\n"
    'bifrost-tui audit verify --from "$(cat head.txt)"',
)
@click.option(
    "--from",
    "head",
    metavar="HEAD",
    help="A head that was noted earlier: the log must still hold it, as it was.",
)
@json_option
def verify(head: str | None, as_json: bool) -> int:
    """Check every event of the log against the chain; ends with 3 if one does not fit.

    Says which is the first that was changed, removed, inserted or put elsewhere. A chain alone
    cannot know that its end has been cut off: note its head (`audit head`) now and then, keep it
    elsewhere, and give it with --from. The whole log is checked all the same, and the event that
    the head names must be in it, unchanged.
    """
    from bifrost_tui.errors import InvalidInputError
    from bifrost_tui.store.audit_lists import parse_head

    try:
        known = parse_head(head) if head is not None else None
    except InvalidInputError as error:
        raise click.BadParameter(error.message, param_hint="--from") from None
    with opened() as session, progress("Checking") as step:
        report = session.repository.log.verify(session.access, head=known, progress=step)
    if as_json:
        emit_json(
            {
                "checked": report.checked,
                "broken_at": report.broken_at,
                "why": report.why or None,
                "head": str(report.head) if report.head else None,
            }
        )
    if report.broken_at is not None:
        complain(report.why)
        say(f"{counted(report.checked, 'event')} before it fit.")
        return FOUND
    say(f"{counted(report.checked, 'event')} checked; all fit.")
    return 0


@audit.command("head", example="bifrost-tui audit head >> /mnt/elsewhere/heads")
def head() -> None:
    """Print where the log ends: a number and a hash, for `audit verify --from` later."""
    with opened() as session:
        found = session.repository.log.head(session.access)
    emit_text(f"{found}\n")
