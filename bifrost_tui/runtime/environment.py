"""What a command is given: values as environment variables, on its standard input, in files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bifrost_tui.display import counted
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.runtime.reader import Reading, missing
from bifrost_tui.runtime.values import text_of

LONGEST = 128 * 1024
"""The most bytes that Linux takes for one variable, its name and the final NUL included."""

OURS = "BIFROST_"
"""Variables with such names are for this program alone: no command gets one."""

_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What changes which code a program runs, where it finds it, or how a shell reads its script.
_DANGEROUS = frozenset(
    [
        "BASH_ENV",
        "BASHOPTS",
        "CDPATH",
        "CLASSPATH",
        "COMSPEC",
        "EDITOR",
        "ENV",
        "GCONV_PATH",
        "GLIBC_TUNABLES",
        "GLOBIGNORE",
        "HOME",
        "HOSTALIASES",
        "IFS",
        "JAVA_OPTS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "LESSCLOSE",
        "LESSOPEN",
        "LOCPATH",
        "LOGNAME",
        "MANPATH",
        "NLSPATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "OPENSSL_CONF",
        "OPENSSL_MODULES",
        "PAGER",
        "PATH",
        "PATHEXT",
        "PERL5DB",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "PROMPT_COMMAND",
        "PS0",
        "PS1",
        "PS2",
        "PS3",
        "PS4",
        "PWD",
        "RES_OPTIONS",
        "RUBYLIB",
        "RUBYOPT",
        "SHELL",
        "SHELLOPTS",
        "SSH_ASKPASS",
        "SSH_AUTH_SOCK",
        "SSLKEYLOGFILE",
        "TERM",
        "TERMCAP",
        "TERMINFO",
        "TERMINFO_DIRS",
        "TMPDIR",
        "TZDIR",
        "USER",
        "VISUAL",
        "XDG_CONFIG_DIRS",
        "XDG_CONFIG_HOME",
        "XDG_DATA_DIRS",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "_JAVA_OPTIONS",
        "GIT_ASKPASS",
        "GIT_DIR",
        "GIT_EDITOR",
        "GIT_EXEC_PATH",
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "GIT_PROXY_COMMAND",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_TEMPLATE_DIR",
    ]
)
_DANGEROUS_STARTS = ("BASH_FUNC_", "DYLD_", "GIT_CONFIG", "LD_", "MALLOC_", "NPM_CONFIG_", "PYTHON")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an organization's configs a command shall have, and how."""

    only: tuple[str, ...] = ()
    """Keys that become variables; none: all of them."""
    prefix: str = ""
    stdin: str | None = None
    """The key whose value stands on the command's standard input."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Keys whose values stand in private files, and where."""

    def __post_init__(self) -> None:
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise InvalidInputError(
                "A prefix has letters, digits and underscores, and begins with no digit.",
                field="prefix",
            )

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The keys whose values do not become variables."""
        return (*([self.stdin] if self.stdin else []), *self.files)

    @property
    def keys(self) -> tuple[str, ...] | None:
        """The keys to be read; ``None`` for all."""
        return tuple(dict.fromkeys((*self.only, *self.elsewhere))) if self.only else None


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """Values ready to be handed over."""

    variables: Mapping[str, str]
    stdin: bytes | None
    files: tuple[tuple[Path, bytes], ...]

    def __repr__(self) -> str:
        return f"<Given {counted(len(self.variables), 'variable')}>"


def prepared(reading: Reading, wanted: Wanted) -> Given:
    """Turn what was read into what is handed over.

    Raises:
        ConfigNotFoundError: a key that was named is not there.
        InvalidInputError: a name or a value cannot be handed over in this way, and what can.

    """
    for key in (*wanted.only, *wanted.elsewhere):
        if key not in reading.values:
            raise missing(key, reading.scope)
    keys = wanted.only or [key for key in reading.values if key not in wanted.elsewhere]
    names = {key: f"{wanted.prefix}{key}".upper() for key in keys if key not in wanted.elsewhere}
    _check_names(names, wanted.only)
    variables = {
        name: _checked(key, name, text_of(reading.values[key])) for key, name in names.items()
    }
    return Given(
        variables,
        None if wanted.stdin is None else _bytes(reading.values[wanted.stdin]),
        tuple((path, _bytes(reading.values[key])) for key, path in wanted.files.items()),
    )


def environment_for(variables: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command: this process's, nothing of ours, and the variables."""
    kept = {name: text for name, text in environ.items() if not name.startswith(OURS)}
    return {**kept, **variables}


def _check_names(names: Mapping[str, str], only: Collection[str]) -> None:
    taken: dict[str, str] = {}
    for key, name in names.items():
        if name in taken:
            raise InvalidInputError(
                f"{taken[name]} and {key} would both be the variable {name}. Name the one that is"
                " wanted with --only.",
                field="key",
            )
        taken[name] = key
    ours = sorted(name for name in taken if name.startswith(OURS))
    if ours:
        raise InvalidInputError(
            f"No command is given a variable {ours[0]}: what begins with {OURS} is for this"
            " program. Use --prefix, or --only without it.",
            field="key",
        )
    refused = [key for key in names if _is_dangerous(names[key]) and key not in only]
    if refused:
        raise InvalidInputError(
            f"{', '.join(sorted(refused))} would change how the command runs"
            f" ({', '.join(sorted(names[key] for key in refused))}). Use --prefix, or name what the"
            " command shall have with --only.",
            field="key",
        )


def _is_dangerous(name: str) -> bool:
    return name in _DANGEROUS or name.startswith(_DANGEROUS_STARTS)


def _checked(key: str, name: str, text: str) -> str:
    if "\0" in text:
        raise InvalidInputError(
            f"{key} holds a NUL, which no variable can. Hand it over with --stdin or --file.",
            field="key",
        )
    if len(name) + len(text.encode()) + 2 > LONGEST:
        raise InvalidInputError(
            f"{key} is too large for a variable (at most {LONGEST // 1024} kB). Hand it over with"
            " --stdin or --file.",
            field="key",
        )
    return text


def _bytes(value: object) -> bytes:
    return text_of(value).encode()
