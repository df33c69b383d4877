"""The terminal and the process around the screens: checked and hardened before anything is drawn.

Only the standard library is imported here, so that the entry point can call this first: Textual
reads its environment variables when it is imported, and not again.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import TextIO

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError, TerminalError

_PR_SET_DUMPABLE = 4

_core_limit: list[tuple[int, int]] = []
"""What :func:`harden_process` has found each time; the first is what the process was given."""

# A terminal that gets the kitty keyboard protocol wrong cannot be used at all without this one,
# and all it can do is to leave that protocol alone. Colours follow COLORTERM, TERM and NO_COLOR.
_HARMLESS = frozenset({"TEXTUAL_DISABLE_KITTY_KEY"})

# It makes asyncio log the arguments of slow calls.
_ASYNCIO_DEBUG = "PYTHONASYNCIODEBUG"

_WITHOUT_TERMINAL = "or use a command such as `bifrost-tui configs list --org NAME` without one"
_TERMINAL = "start bifrost-tui in a terminal"
_SSH_TERMINAL = "give ssh the option -t"
_NO_TERMINAL_TYPES = frozenset({"", "dumb", "unknown"})


def harden_process() -> None:
    """Keep the memory of this process out of core dumps and from other processes of this user.

    What the system refuses is left as it is: none of this may stop the program.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        # The hard limit stays: a command that we run gets back the limit that it would have had.
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        _core_limit.append((soft, hard))
    if sys.platform == "linux":
        # Importing ctypes takes 3 ms. It also keeps /proc/<pid>/environ, where the master key may
        # stand, from everyone but root.
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def given_core_limit() -> tuple[int, int] | None:
    """Return the limit of core files that this process was started with, if it was lowered."""
    return _core_limit[0] if _core_limit else None


def clear_textual_environment(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that make Textual log, take pictures, press keys or swap its driver.

    Call it before Textual is imported.
    """
    for name in list(environ):
        textual = name == "TEXTUAL" or name.startswith("TEXTUAL_")
        if (textual and name not in _HARMLESS) or name == _ASYNCIO_DEBUG:
            del environ[name]


def require_terminal(
    stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None, environ: Mapping[str, str]
) -> None:
    """Make sure that the screens can be drawn; they are drawn on standard error, in UTF-8.

    Raises:
        TerminalError: no screen can be drawn here; it says why and what to do.

    """
    start = _SSH_TERMINAL if "SSH_ORIGINAL_COMMAND" in environ else _TERMINAL
    for name, stream in (("input", stdin), ("output", stdout), ("error", stderr)):
        if not _is_terminal(stream):
            raise TerminalError(
                f"The screens need a terminal and standard {name} is not one:"
                f" {start}, {_WITHOUT_TERMINAL}."
            )
    kind = environ.get("TERM", "")
    if kind.lower() in _NO_TERMINAL_TYPES:
        said = f"is {visible(kind)}" if kind else "is not set"
        raise TerminalError(
            f"The terminal cannot draw the screens, its type (TERM) {said}:"
            f" set TERM, for example to xterm-256color, {_WITHOUT_TERMINAL}."
        )
    encoding = getattr(stderr, "encoding", None) or "unknown"
    if not _is_utf8(encoding):
        raise TerminalError(
            f"The screens are written in UTF-8 and standard error is in {visible(encoding)}:"
            f" unset PYTHONIOENCODING or set it to utf-8, {_WITHOUT_TERMINAL}."
        )


def _is_terminal(stream: TextIO | None) -> bool:
    if stream is None:
        return False
    try:
        return os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def mouse_wanted(environ: Mapping[str, str], no_mouse: bool) -> bool:
    """Say whether to track the mouse: never over SSH.

    A connection that breaks leaves the tracking on, and the user's own shell then fills with what
    each movement sends.
    """
    return not (no_mouse or environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def session_source(environ: Mapping[str, str]) -> str:
    """Return where the actor comes from: an address, ``ssh`` where that is not known, or ``local``.

    It goes into the audit log, so nothing but an address is taken over from the environment.
    """
    connection = environ.get("SSH_CONNECTION")
    if connection is None:
        return "ssh" if environ.get("SSH_TTY") else "local"
    import ipaddress

    # A zone may be any text at all and names an interface of this host, not the client.
    first = connection.partition(" ")[0].partition("%")[0]
    try:
        address = ipaddress.ip_address(first)
    except ValueError:
        return "ssh"
    return str(getattr(address, "ipv4_mapped", None) or address)


def actor_name() -> str:
    """Return the login name of who runs this, by user id: LOGNAME and USER may say anything."""
    import pwd

    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name or f"uid {number}"
    except KeyError:
        return f"uid {number}"


def failure(error: BaseException) -> str:
    """Say what failed and where, one fact a line, with nothing that could be a value.

    The message of an exception is left out, as it may quote what was typed; only a BifrostError's
    is meant for users and never holds a value. Named are classes, modules, lines and functions.
    """
    lines = [_headline(error)]
    lines += [f"  at {place}" for place in _places(error.__traceback__)]
    seen = {id(error)}
    while (cause := _cause(error)) is not None and id(cause) not in seen:
        seen.add(id(cause))
        lines.append(f"  because of {_class_name(cause)}")
        lines += [f"    at {place}" for place in _places(cause.__traceback__)]
        error = cause
    return "\n".join(lines)


def _headline(error: BaseException) -> str:
    return visible(str(error)) if isinstance(error, BifrostError) else _class_name(error)


def _class_name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ in {"builtins", "__main__"}:
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _places(traceback: TracebackType | None) -> list[str]:
    """Return our own frames and the innermost one, outermost first, at most eight."""
    places: list[str] = []
    while traceback is not None:
        frame = traceback.tb_frame
        module = str(frame.f_globals.get("__name__", "?"))
        if re.match(r"bifrost_tui(\.|\Z)", module) or traceback.tb_next is None:
            places.append(f"{module}:{traceback.tb_lineno} in {frame.f_code.co_qualname}")
        traceback = traceback.tb_next
    return places[-8:]


def install_hooks(report: Callable[[str], None] | None = None) -> None:
    """Make Python's last resorts keep to :func:`failure`: no message, no source line, no repr.

    They speak for exceptions that nothing caught, in the main thread, in others and in finalizers,
    and for warnings. ``report`` takes what they say; standard error by default.
    """
    say = _to_standard_error if report is None else report

    def uncaught(
        kind: type[BaseException], error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            say(f"bifrost-tui: {failure(error or kind())}")

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not SystemExit:
            say(f"A thread failed: {failure(arguments.exc_value or arguments.exc_type())}")

    def unraisable(arguments: sys.UnraisableHookArgs) -> None:
        say(f"A finalizer failed: {failure(arguments.exc_value or arguments.exc_type())}")

    def warning(
        message: Warning | str,  # noqa: ARG001
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001
        line: str | None = None,  # noqa: ARG001
    ) -> None:
        say(f"A warning: {category.__qualname__} at {visible(filename)}:{lineno}")

    sys.excepthook = uncaught
    sys.unraisablehook = unraisable
    threading.excepthook = in_thread
    warnings.showwarning = warning


def _to_standard_error(text: str) -> None:
    # While the program ends, standard error may be closed or gone.
    with suppress(AttributeError, OSError, ValueError):
        print(text, file=sys.stderr)  # noqa: T201
