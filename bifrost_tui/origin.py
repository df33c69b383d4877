"""Who this process acts for, and how far it may reach.

An actor is who has logged in, or who ``--actor`` names. The latter is for the account that owns the
database: its sshd names the operator of each key in a forced command. Whoever comes in like that
is *confined*: no program is started for them and no file of the host is theirs, except in a folder
that the forced command names.

It is decided once, before anything is opened, and handed on: nothing asks the environment again.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bifrost_tui.display import visible
from bifrost_tui.errors import AccessDeniedError, SettingsError
from bifrost_tui.terminal import actor_name

ACTOR_LIMIT = 255
ASKED_VARIABLE = "SSH_ORIGINAL_COMMAND"

_OVER_SSH = (ASKED_VARIABLE, "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts, as far as it was said when the program was started.

    ``actor`` is ``None`` where the login name counts. ``asked`` is the command that a confined
    client sent: text, which nothing but us may interpret.
    """

    actor: str | None = None
    confined: bool = False
    folder: Path | None = None
    asked: str = field(default="", repr=False)

    def path(self, given: str | os.PathLike[str]) -> Path:
        """Return the file of the host that a command names, if it is one that it may use.

        Who is confined stays in the folder of the forced command; there, a path begins in it. It
        neither leaves it nor passes through a link, and it is that of a plain file or of none yet.

        Raises:
            AccessDeniedError: it is another one, or there is no folder.

        """
        if self.folder is None and not self.confined:
            return Path(given).expanduser().absolute()
        if self.folder is None:
            raise AccessDeniedError(
                "Files of the host are not for this session. Write - instead of a path, for"
                " standard input or output."
            )
        path = _inside(self.folder, Path(given))
        if path is None:
            raise AccessDeniedError(
                "That path is not one of a plain file in the folder of this session. Give the name"
                " of a file in it, or - for standard input or output."
            )
        return path


def _inside(folder: Path, given: Path) -> Path | None:
    """Return a file of a folder, or one that could be made in it; ``None`` of anything else.

    Links are refused rather than followed: no session can have made one.
    """
    try:
        top = folder.resolve(strict=True)
        path = top / given
        inner = path.relative_to(top)
        if ".." in inner.parts or not inner.parts:
            return None
        # Nothing is made on the way to a file, either.
        on_the_way = (top.joinpath(*inner.parts[:depth]) for depth in range(1, len(inner.parts)))
        if not all(stat.S_ISDIR(step.lstat().st_mode) for step in on_the_way):
            return None
        return path if _is_plain(path) else None
    except (OSError, ValueError):
        return None


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True


def decide(
    actor: str | None,
    folder: Path | None,
    environ: Mapping[str, str],
    database: Callable[[], Path | None],
) -> Origin:
    """Say who acts, by the options before the command and the environment.

    ``database`` gives the file that the account has to own, :attr:`.Settings.owned_file`; it is
    asked only where an actor is named.

    Raises:
        AccessDeniedError: an actor is named by who does not own the database.
        SettingsError: an option cannot be used as it stands.

    """
    if actor is None:
        if folder is not None:
            raise SettingsError("--folder goes with --actor: it is for forced commands.")
        return Origin()
    checked_actor(actor, "--actor")
    if folder is not None and not (folder.is_absolute() and _is_folder(folder)):
        raise SettingsError("--folder: give the absolute path of a folder that is there.")
    _check_owner(database())
    confined = any(name in environ for name in _OVER_SSH)
    asked = environ.get(ASKED_VARIABLE, "").strip() if confined else ""
    return Origin(actor, confined, folder, asked)


def checked_actor(name: str, what: str) -> str:
    """Return an actor's name, if it can be one.

    Raises:
        SettingsError: it cannot.

    """
    if problem := actor_problem(name):
        raise SettingsError(f"{what}: {problem}")
    return name


def actor_problem(name: str) -> str:
    """Say why a name cannot be an actor's; nothing where it can."""
    if not name or name != name.strip() or len(name) > ACTOR_LIMIT or name.startswith("-"):
        return (
            f"A name has 1 to {ACTOR_LIMIT} characters, no blanks around it and no dash before it."
        )
    return "" if visible(name) == name else "A name has no characters that cannot be seen."


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _check_owner(database: Path | None) -> None:
    """Make sure that this account owns the database's file, or its key's, or could make it.

    Raises:
        AccessDeniedError: it does not.

    """
    if database is not None:
        try:
            if database.stat().st_uid == os.geteuid():
                return
        except FileNotFoundError:
            return
        except OSError:
            pass
    raise AccessDeniedError(
        "--actor is for the account that owns the database (of a PostgreSQL database, the file of"
        f" the master key); you are {actor_name()} by your login. Leave it out, or run this as that"
        " account."
    )


def lock_down(environ: MutableMapping[str, str], *variables: str) -> None:
    """Take from a confined process what would lead out of it: stopping it, and Python's prompt.

    ``variables`` are not for its client to set. It may be held down more than once.
    """
    if sys.flags.inspect or sys.flags.interactive:
        # Python would ask for code at its end, whatever we do until then; not so after this.
        with suppress(OSError, AttributeError, ValueError):
            sys.stderr.write("bifrost-tui: PYTHONINSPECT is set, and nothing starts with it.\n")
            sys.stderr.flush()
        os._exit(1)
    # It is looked at once more when Python ends.
    for name in ("PYTHONINSPECT", *variables):
        environ.pop(name, None)
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)


def named_over_ssh(arguments: list[str], environ: Mapping[str, str]) -> bool:
    """Tell from the bare arguments whether this is a forced command, before they are parsed.

    It is one where ``--actor`` comes first, as `members authorize` writes it.
    """
    named = bool(arguments) and arguments[0].partition("=")[0] == "--actor"
    return named and any(name in environ for name in _OVER_SSH)
