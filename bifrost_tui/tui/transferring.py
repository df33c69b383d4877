"""What leads to exports and imports from a list, and what they agree on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.binding import Binding

from bifrost_tui.display import visible
from bifrost_tui.errors import AccessDeniedError, InvalidInputError
from bifrost_tui.origin import Origin

if TYPE_CHECKING:
    from bifrost_tui.store.incoming import Imported
    from bifrost_tui.store.views import Scope
    from bifrost_tui.tui.app import BifrostApp
    from bifrost_tui.tui.base import DataScreen

TRANSFER_KEY = Binding(
    "x",
    "transfer",
    "export, import",
    id="screen.transfer",
    tooltip="Export configs into a file, or import one",
)

Place = tuple[str | None, str]
"""An organization's name, ``None`` for global, and a key."""

_NO_FOLDER = (
    "This connection has no folder for files, so nothing is exported or imported here."
    " Whoever runs the host gives it one (--folder)."
)
_NOT_THEIRS = "Exporting and importing {where}are for owners and admins."


class Finished(NamedTuple):
    """What an import has come to."""

    words: str
    done: Imported
    waiting: frozenset[Place]
    """The secrets of it that need a value."""
    queue: bool
    """Whether they are to be given one now."""


def why_no_transfer(app: BifrostApp, *, managed: bool, where: str = "") -> str:
    """Say why the actor may neither export nor import, if that is so."""
    if not managed:
        return _NOT_THEIRS.format(where=f"in {visible(where)} " if where else "")
    origin = app.origin
    return _NO_FOLDER if origin.confined and origin.folder is None else ""


def open_transfer(
    screen: DataScreen[Any], scope: Scope | None, after: Callable[[], object]
) -> None:
    """Ask whether to export or to import; ``scope`` is the organization at hand."""
    from bifrost_tui.tui.screens.transfer import TransferScreen

    def chosen(way: str | None) -> None:
        if way == "export":
            from bifrost_tui.tui.screens.export import ExportScreen

            screen.app.push_screen(ExportScreen(scope), exported)
        elif way == "import":
            from bifrost_tui.tui.screens.import_file import ImportScreen

            screen.app.push_screen(ImportScreen(scope), imported)

    def exported(words: str | None) -> None:
        if words is not None:
            screen.say(words, "success")

    def imported(finished: Finished | None) -> None:
        if finished is None:
            return
        screen.say_once_shown(finished.words)
        after()
        if finished.queue:
            from bifrost_tui.store.views import Waiting
            from bifrost_tui.tui.queueing import queue_waiting

            waiting = finished.waiting
            queue_waiting(
                screen,
                Waiting.NEEDS_VALUE,
                after=after,
                only=lambda line: (line.scope.organization, line.key) in waiting,
            )

    screen.app.push_screen(TransferScreen(scope), chosen)


def host_path(screen: DataScreen[Any], name: str, command: str) -> Path:
    """Return the file that a name stands for; runs in a thread.

    Raises:
        AccessDeniedError: it is not for this session; that is told in the log.
        InvalidInputError: there can be no such file.

    """
    refused: AccessDeniedError | None = None
    try:
        return screen.bifrost.origin.path(name)
    except AccessDeniedError as error:
        refused = error
    except (OSError, RuntimeError, ValueError):
        # A home of nobody, a folder that is gone from beneath us.
        pass
    if refused is None:
        raise InvalidInputError("There can be no file of that name.", field="file")
    from bifrost_tui.store.sessions import tell_refused

    tell_refused(screen.repository, screen.access, command)
    raise refused


def file_stem(scope: Scope | None) -> str:
    """Return a file's name for what is exported: ``acme-dental``."""
    if scope is None:
        return "bifrost"
    name = re.sub(r"[^a-z0-9]+", "-", scope.name.casefold()).strip("-")
    return name[:60].strip("-") or "organization"


def here() -> str:
    """Return the folder in which the names of files begin, as it may be shown."""
    try:
        folder = Path.cwd()
    except OSError:
        return "the folder you are in"
    return shown_path(folder, Origin()).removesuffix("/.")


def shown_path(path: Path, origin: Origin) -> str:
    """Return a file's path as its user may see it: where the host keeps it is its own affair."""
    if origin.confined:
        return visible(path.name)
    try:
        return visible(f"~/{path.relative_to(Path.home())}")
    except (ValueError, RuntimeError):
        return visible(str(path))
