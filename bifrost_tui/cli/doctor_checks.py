"""What the doctor looks at, one function a subject; the database last, when the rest holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import BifrostError, MasterKeyError
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_FILE_VARIABLE, KEY_VARIABLE, Settings

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access

_DEBUGGING = (
    "PYTHONASYNCIODEBUG",
    "PYTHONBREAKPOINT",
    "PYTHONDEBUG",
    "PYTHONDEVMODE",
    "PYTHONDUMPREFS",
    "PYTHONDUMPREFSFILE",
    "PYTHONINSPECT",
    "PYTHONSTARTUP",
    "PYTHONTRACEMALLOC",
    "PYTHONVERBOSE",
)
_LEAST_FREE = 100 * 1024 * 1024
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    level: Literal["error", "warning", "note"]
    """A note is no fault: it says what was not looked at."""
    check: str
    what: str
    do: str


def examine(
    settings: Settings,
    access: Access,
    cleared: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """Look at everything and yield what is found."""
    yield from environment(settings, cleared, environ)
    yield from folders(settings)
    yield from files(settings)
    yield from disk(settings)
    yield from database(settings, access)


def environment(
    settings: Settings, cleared: Collection[str], environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Look for what lets others read along."""
    source = settings.key_source
    if source is not None and source.name == KEY_VARIABLE:
        yield Finding(
            "warning",
            "environment",
            f"The master key stands in {KEY_VARIABLE}: whatever runs as this user can read it from"
            " the shell that set it (/proc/PID/environ), and every program started there gets it.",
            f"Put it into a file of mode 0600, name that in {KEY_FILE_VARIABLE}, and unset it.",
        )
    found = sorted({*cleared, *(name for name in _DEBUGGING if environ.get(name))})
    if found:
        yield Finding(
            "warning",
            "environment",
            f"Debug variables are set: {', '.join(found)}. They can make programs write down what"
            " is typed, or run other code inside them.",
            f"Run: unset {' '.join(found)}",
        )


def folders(settings: Settings) -> Iterator[Finding]:
    """Look at who else gets at the folders."""
    path = settings.database_path
    ours = settings.database_from != DATABASE_VARIABLE
    for folder, private in (
        (path.parent if path else None, ours),
        (settings.folder, True),
    ):
        mode = _mode(folder)
        if folder is None or mode is None:
            continue
        # In a folder like /tmp nobody can replace what another user owns.
        if mode & 0o022 and not mode & 0o1000:
            yield Finding(
                "error",
                "folder",
                f"{folder} can be written by others (mode {mode & 0o777:04o}): they can replace"
                " what is in it.",
                f"Run: chmod {'700' if private else 'go-w'} {folder}",
            )
        elif mode & 0o077 and private:
            yield Finding(
                "warning",
                "folder",
                f"{folder} is open to others (mode {mode & 0o777:04o}).",
                f"Run: chmod 700 {folder}",
            )


def files(settings: Settings) -> Iterator[Finding]:
    """Look at who else can read the database and its copies, and at the settings file."""
    path = settings.database_path
    if path is not None and path.parent.is_dir():
        found = sorted(path.parent.glob(f"{_literal(path.name)}*"))
        for file in (file for file in found if file.is_file()):
            mode = _mode(file) or 0
            if mode & 0o077:
                yield Finding(
                    "error",
                    "file",
                    f"{file} is open to others (mode {mode & 0o777:04o}).",
                    f"Run: chmod 600 {file}",
                )
            if file.stat().st_uid not in (os.geteuid(), 0):
                yield Finding(
                    "warning",
                    "file",
                    f"{file} belongs to another user.",
                    f"Run as an administrator: chown {os.geteuid()} {file}",
                )
    mode = _mode(settings.folder / "config.toml") or 0
    if mode & 0o022:
        yield Finding(
            "warning",
            "file",
            f"{settings.folder / 'config.toml'} can be written by others.",
            f"Run: chmod 600 {settings.folder / 'config.toml'}",
        )


def disk(settings: Settings) -> Iterator[Finding]:
    """Look for room: a migration first makes a copy of the database."""
    path = settings.database_path
    if path is None or not path.parent.is_dir():
        return
    free = shutil.disk_usage(path.parent).free
    wanted = max(_LEAST_FREE, 2 * path.stat().st_size if path.exists() else 0)
    if free < wanted:
        yield Finding(
            "warning",
            "disk",
            f"{free // 2**20:,} MiB are free in {path.parent}; changes and the copy before a"
            f" migration want {wanted // 2**20:,}.",
            "Free some room.",
        )


def database(settings: Settings, access: Access) -> Iterator[Finding]:
    """Look into the database; what cannot be opened is itself the finding."""
    from bifrost_tui.store.checks import file_problems, is_current
    from bifrost_tui.store.opening import open_repository

    try:
        if settings.database_path is not None and not settings.database_path.exists():
            yield Finding(
                "error",
                "database",
                f"There is no database at {settings.database_path} yet.",
                "Run: bifrost-tui setup",
            )
            return
        current = is_current(settings)
        if problems := file_problems(settings):
            yield Finding(
                "error",
                "database",
                f"SQLite finds {counted(problems, 'problem')} in {settings.database_path}.",
                "Leave the file as it is and restore a backup.",
            )
            return
        if not current:
            yield Finding(
                "warning",
                "schema",
                "The database has an older schema; its contents were not looked at.",
                "The next command brings it up to date, after a backup copy. Then check again.",
            )
            return
        with open_repository(settings, access) as repository:
            yield from contents(repository, access)
    except MasterKeyError as error:
        yield Finding("error", "key", *told(error))
    except BifrostError as error:
        yield Finding("error", "database", *told(error))


def contents(repository: Repository, access: Access) -> Iterator[Finding]:
    """Look at what an open database holds, as far as the actor may see it."""
    from bifrost_tui.store.checks import unreadable_secrets

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
    unreadable = {
        scope.name: number
        for scope in scopes
        if (number := unreadable_secrets(repository, access, scope))
    }
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
    from bifrost_tui.store.checks import miscounted, missettled
    from bifrost_tui.store.keys import key_uses

    if wrong := miscounted(repository, access):
        yield Finding(
            "error",
            "counts",
            f"The kept counts of {counted(wrong, 'scope')} differ from their configs: something"
            " else than Bifrost TUI wrote into the database.",
            "Restore a backup, or find out what it was.",
        )
    if wrong := missettled(repository, access):
        yield Finding(
            "error",
            "references",
            f"{counted(wrong, 'reference')} {'is' if wrong == 1 else 'are'} kept as what"
            f" {'it is' if wrong == 1 else 'they are'} not: something else than Bifrost TUI wrote"
            " into the database.",
            "Restore a backup, or find out what it was.",
        )
    report = repository.log.verify(access)
    if report.broken_at is not None:
        yield Finding(
            "error",
            "audit",
            f"The audit chain does not fit from event {report.broken_at} on"
            f" ({counted(report.checked, 'event')} before it fit). {report.why} The log was changed"
            " past Bifrost TUI.",
            "Keep a copy of the database as it is, and compare it with a backup.",
        )
    for use in key_uses(repository, access):
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
        more = f" and {total - len(named)} more" if total > len(named) else ""
        noun = "reference gives" if total == 1 else "references give"
        yield Finding(
            "error",
            "dangling",
            f"{total:,} {noun} nothing: {', '.join(named)}{more}.",
            "Add or fill the secrets, or choose others: bifrost-tui configs list --filter"
            " is:dangling names them.",
        )


_WORDS = {
    "unreadable": ("cannot be read", "cannot be read"),
    "overdue": ("is overdue for rotation", "are overdue for rotation"),
    "due": ("is due for rotation", "are due for rotation"),
    "needs_value": ("needs a value", "need a value"),
}


def _wanting(
    level: Literal["error", "warning"], check: str, numbers: Mapping[str, int], do: str
) -> Iterator[Finding]:
    """Say how many secrets want something, and where: in the scopes with the most of them first."""
    wanting = sorted((-number, name) for name, number in numbers.items() if number)
    if not wanting:
        return
    total = -sum(number for number, _ in wanting)
    places = ", ".join(f"{name} ({-number})" for number, name in wanting[:_NAMED])
    more = f" and {len(wanting) - _NAMED} more" if len(wanting) > _NAMED else ""
    one, several = _WORDS[check]
    what = f"{counted(total, 'secret')} {one if total == 1 else several}: {places}{more}."
    yield Finding(level, check, what, do)


def told(error: BifrostError) -> tuple[str, str]:
    """Part a message into what happened and what to do, at its first sentence."""
    what, stop, do = error.message.partition(". ")
    return what + ("." if stop else ""), do or "Mend that and run bifrost-tui doctor again."


def _mode(path: Path | None) -> int | None:
    try:
        return path.stat().st_mode if path is not None else None
    except OSError:
        return None


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "[]*?" else character for character in name)
