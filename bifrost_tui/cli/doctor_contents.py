"""What the doctor looks at in an open database: secrets, references, keys and the audit chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bifrost_tui.cli.doctor_database import kept
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.findings import Finding, Level
from bifrost_tui.display import counted, some_of, visible

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access

_NAMED = 5


def contents(repository: Repository, access: Access) -> Iterator[Finding]:
    """Look at what an open database holds, as far as the actor may see it."""
    from bifrost_tui.store.checks import unreadable_secrets
    from bifrost_tui.store.keys import guessable_keys

    for key_id in guessable_keys(repository):
        yield Finding(
            "error",
            "key",
            f"Master key {key_id} can be guessed: it is a published example, or made of a handful"
            " of different characters.",
            "Make another: bifrost-tui key generate. Give it before the old one (new,old), and run"
            " bifrost-tui key rotate.",
        )
    if repository.log.may_verify(access):
        yield from _of_all(repository, access)
    else:
        yield Finding(
            "note",
            "audit",
            "The audit chain, the kept counts and the master keys in use were not checked: that"
            f" takes an owner or an admin of all organizations, which {visible(access.actor)} is"
            " not.",
            "Let one of them run bifrost-tui doctor.",
        )
    organizations = repository.organizations
    scopes = [
        view.scope
        for archived in (False, True)
        for view in organizations.list(access, archived=archived)
    ]
    unreadable: dict[str, int] = {}
    with progress("Opening secrets where they lie") as step:
        for at, scope in enumerate(scopes):
            step(at, len(scopes))
            unreadable[scope.name] = unreadable_secrets(repository, access, scope)
    yield from _wanting(
        "error", "unreadable", unreadable, "Give the key they were written with, or rotate them."
    )
    yield from _dangling(repository, access)
    # Archived ones want nothing: they are out of use.
    marks = {view.scope.name: view.attention for view in organizations.list(access)}
    for name, do in (
        ("overdue", "Rotate them: bifrost-tui configs list --all-orgs --due names them."),
        ("due", "Rotate them: bifrost-tui configs list --all-orgs --due names them."),
        ("needs_value", "Give them one: bifrost-tui configs rotate KEY."),
    ):
        numbers = {scope: getattr(marks[scope], name) for scope in marks}
        yield from _wanting("warning", name, numbers, do)


def _of_all(repository: Repository, access: Access) -> Iterator[Finding]:
    """Look at what belongs to no organization alone."""
    from bifrost_tui.store.checks import damaged_values
    from bifrost_tui.store.keys import key_uses

    yield from kept(repository, access)
    if wrong := damaged_values(repository, access):
        yield Finding(
            "error",
            "values",
            f"{counted(len(wrong), 'value')} {'is' if len(wrong) == 1 else 'are'} not of"
            f" {'its' if len(wrong) == 1 else 'their'} type: {some_of(wrong)}."
            " Something else than Bifrost TUI wrote into the database.",
            "Edit them: bifrost-tui configs set, or restore a backup.",
        )
    with progress("Checking the audit chain") as step:
        report = repository.log.verify(access, progress=step)
    if report.broken_at is not None:
        yield Finding(
            "error",
            "audit",
            f"The audit chain does not fit from event {report.broken_at} on"
            f" ({counted(report.checked, 'event')} before it fit). {report.why} The log was changed"
            " past Bifrost TUI.",
            "Keep a copy of the database as it is, and compare it with a backup.",
        )
    uses = key_uses(repository, access)
    newest = uses[0].key_id
    for use in uses:
        if use.at_hand and not use.writes and use.secrets:
            yield Finding(
                "note",
                "key",
                f"Master key {use.key_id} is an older one, and {counted(use.secrets, 'secret')}"
                f" {'is' if use.secrets == 1 else 'are'} still encrypted under it.",
                f"To be done with it: bifrost-tui key rotate, which encrypts them under {newest}.",
            )
        elif use.at_hand and not use.writes:
            yield Finding(
                "note",
                "key",
                f"Master key {use.key_id} is given, and no secret is encrypted under it.",
                "If no backup needs it, leave it out of what gives the keys.",
            )
        if use.missed:
            yield Finding(
                "error",
                "key",
                f"Master key {use.key_id} is not at hand, and"
                f" {counted(use.secrets, 'secret')} cannot be read without it.",
                "Give it after the newer one (new,old; in a key file one a line).",
            )


def _dangling(repository: Repository, access: Access) -> Iterator[Finding]:
    """Name the references that give nothing: the first few, and how many others there are."""
    from bifrost_tui.store.filters import ConfigFilter
    from bifrost_tui.store.requests import ConfigList

    wanted = ConfigFilter(states=frozenset({"dangling"}))
    total = 0
    named: list[str] = []
    for view in repository.organizations.list(access):
        if not (number := view.attention.dangling):
            continue
        total += number
        if (room := _NAMED - len(named)) > 0:
            asked = ConfigList(view.scope, wanted, own_only=True)
            rows = repository.configs.page(access, asked, offset=0, limit=room).rows
            named += [f"{view.scope.name} / {row.key} ({row.dangling})" for row in rows]
    if total:
        noun = "reference gives" if total == 1 else "references give"
        yield Finding(
            "error",
            "dangling",
            f"{total:,} {noun} nothing: {some_of(named, total)}.",
            "Add or fill the secrets, or choose others: bifrost-tui configs list --filter"
            " is:dangling names them.",
        )


_WORDS = {
    "unreadable": ("cannot be read", "cannot be read"),
    "overdue": ("is overdue for rotation", "are overdue for rotation"),
    "due": ("is due for rotation", "are due for rotation"),
    "needs_value": ("needs a value", "need a value"),
}


def _wanting(level: Level, check: str, numbers: Mapping[str, int], do: str) -> Iterator[Finding]:
    """Say how many secrets want something, and where: in the scopes with the most of them first."""
    wanting = sorted((-number, name) for name, number in numbers.items() if number)
    if not wanting:
        return
    total = -sum(number for number, _ in wanting)
    places = some_of([f"{name} ({-number})" for number, name in wanting])
    one, several = _WORDS[check]
    what = f"{counted(total, 'secret')} {one if total == 1 else several}: {places}."
    yield Finding(level, check, what, do)
