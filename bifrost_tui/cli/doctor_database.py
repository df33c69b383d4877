"""What the doctor looks at in the database, and how what is found there is mended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from bifrost_tui.cli.doctor_files import open_key_file
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.findings import Finding, Level, told
from bifrost_tui.cli.output import say
from bifrost_tui.display import counted, visible
from bifrost_tui.errors import (
    BifrostError,
    DatabaseBusyError,
    DatabaseInterruptedError,
    DatabaseUnreachableError,
    MasterKeyError,
)
from bifrost_tui.settings import Settings

if TYPE_CHECKING:
    from bifrost_tui.store.checks import Due, FileProblems
    from bifrost_tui.store.derived import Kept
    from bifrost_tui.store.repository import Repository
    from bifrost_tui.store.requests import Access
    from bifrost_tui.store.troubles import Mend

_LARGE = 256 * 1024 * 1024
_NO_LOOK = (DatabaseBusyError, DatabaseInterruptedError, DatabaseUnreachableError)


class NotLookedError(BifrostError):
    """The database could not be looked at now; that is no finding about it."""


def database(settings: Settings, access: Access) -> Iterator[Finding]:
    """Look into the database; what cannot be opened is itself the finding.

    Raises:
        NotLookedError: it cannot be looked at now.

    """
    problem = ""
    try:
        yield from _database(settings, access)
    except _NO_LOOK as error:
        problem = error.message
    except MasterKeyError as error:
        # Else it was told already.
        if not open_key_file(settings):
            yield Finding("error", "key", *told(error))
    except BifrostError as error:
        yield Finding("error", "database", *told(error))
    if problem:
        raise NotLookedError(problem)


def _database(settings: Settings, access: Access) -> Iterator[Finding]:
    from bifrost_tui.cli.doctor_contents import contents
    from bifrost_tui.store.checks import due_migrations, file_problems
    from bifrost_tui.store.opening import open_repository

    path = settings.database_path
    if path is not None and not path.exists():
        yield Finding(
            "error", "database", f"There is no database at {path} yet.", "Run: bifrost-tui setup"
        )
        return
    due = due_migrations(settings)
    if path is not None:
        if path.stat().st_size > _LARGE and sys.stderr is not None and sys.stderr.isatty():
            say(f"Looking through all of {path} ({path.stat().st_size // 2**20:,} MiB) ...")
        if (problems := file_problems(settings)).number:
            finding = _damaged(settings, access, problems)
            yield finding
            if file_problems(settings).number:
                return
    if due is not None:
        yield _older(settings, due)
        return
    with open_repository(settings, access) as repository:
        yield from _engine(repository, access)
        yield from contents(repository, access)


def _damaged(settings: Settings, access: Access, problems: FileProblems) -> Finding:
    many = counted(problems.number, "problem")
    if problems.indexes_only:
        return Finding(
            "error",
            "database",
            f"SQLite finds {many} in {settings.database_path}, all of them in indexes: the rows"
            " are whole.",
            "Have a look at the disk: files do not change by themselves.",
            partial(_reindex, settings, access),
        )
    return Finding(
        "error",
        "database",
        f"SQLite finds {many} in {settings.database_path}.",
        "Leave the file as it is and restore a backup.",
    )


def _reindex(settings: Settings, access: Access) -> str:
    from bifrost_tui.store.engine_checks import mend_engine
    from bifrost_tui.store.opening import open_repository
    from bifrost_tui.store.troubles import Mend

    with open_repository(settings, access) as repository:
        mend_engine(repository, access, Mend.REINDEX)
    return "Done: every index was made anew."


def _older(settings: Settings, due: Due) -> Finding:
    if not due.steps:
        return Finding(
            "error",
            "schema",
            f"The database has schema {visible(due.revision)!r}, which no Bifrost TUI wrote.",
            "Restore a backup.",
        )
    copy = ", after a copy of the file beside it," if settings.database_path else ""
    return Finding(
        "warning",
        "schema",
        f"The database has an older schema, {due.revision}; its contents were not looked at.",
        f"The next command brings it up to date{copy} and says so: {' '.join(due.steps)} Then check"
        " again.",
    )


def _engine(repository: Repository, access: Access) -> Iterator[Finding]:
    from bifrost_tui.store.engine_checks import troubles

    managed = repository.log.may_verify(access)
    for trouble in troubles(repository):
        mend = trouble.mend if managed else None
        yield Finding(
            trouble.level,
            trouble.check,
            trouble.what,
            trouble.do or "An owner or an admin of all organizations: bifrost-tui doctor --fix"
            if mend is None
            else trouble.do,
            None if mend is None else partial(_mend_engine, repository, access, mend),
        )


def _mend_engine(repository: Repository, access: Access, mend: Mend) -> str:
    from bifrost_tui.store.engine_checks import mend_engine
    from bifrost_tui.store.troubles import Mend

    mend_engine(repository, access, mend)
    return {
        Mend.LOG_MODE: "Done: it keeps a write-ahead log now.",
        Mend.CHECKPOINT: "Done: the log was moved into the database and emptied.",
        Mend.INDEXES: "Done: they were made.",
        Mend.REINDEX: "Done: every index was made anew.",
    }[mend]


_ELSE = ": something else than Bifrost TUI wrote into the database"


def kept(repository: Repository, access: Access) -> Iterator[Finding]:
    """Compare what is kept beside the configs with what follows from them."""
    from bifrost_tui.store.derived import Kept, differing

    with progress("Comparing what is kept with the configs") as step:
        for at, what in enumerate(Kept):
            step(at, len(Kept))
            if not (number := len(differing(repository, access, what))):
                continue
            level, check, text = _words(what, number)
            mend = partial(_put_right, repository, access, what)
            yield Finding(level, check, text, "Find out what it was.", mend)


def _words(what: Kept, number: int) -> tuple[Level, str, str]:
    from bifrost_tui.store.derived import Kept

    one = number == 1
    are, have, its = ("is", "has", "its") if one else ("are", "have", "their")
    secrets = counted(number, "secret")
    match what:
        case Kept.COUNTS:
            scopes = counted(number, "scope")
            return (
                "error",
                "counts",
                f"The kept counts of {scopes} differ from their configs{_ELSE}.",
            )
        case Kept.DUE:
            text = f"{secrets} {are} kept as due at another time than {its} age and period say"
            return "error", "due dates", f"{text}{_ELSE}."
        case Kept.REFERENCES:
            they = "it is" if one else "they are"
            text = f"{counted(number, 'reference')} {are} kept as what {they} not"
            return "error", "references", f"{text}{_ELSE}."
        case Kept.FINGERPRINTS:
            values = "its value" if one else "their values"
            text = f"{secrets} {have} another fingerprint than {values}"
            return "error", "fingerprints", f"{text}{_ELSE}."
        case Kept.GROUPS:
            text = f"{secrets} {are} not kept in the right group of equal values{_ELSE}, or a value"
            return "warning", "equal values", f"{text} could not be read when it was compared."
        case Kept.NAMES:
            names = "its name" if one else "their names"
            text = f"{counted(number, 'organization')} cannot be found by {names}"
            return "error", "names", f"{text}{_ELSE}."


def _put_right(repository: Repository, access: Access, what: Kept) -> str:
    from bifrost_tui.store.derived import put_right

    return f"Done: {counted(put_right(repository, access, what), 'row')} put right."
