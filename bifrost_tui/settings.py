"""Where the database, the master key and the preferences come from."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bifrost_tui.display import counted
from bifrost_tui.errors import SettingsError

DATABASE_VARIABLE = "BIFROST_DATABASE_URL"
KEY_VARIABLE = "BIFROST_SECRET_KEY"
KEY_FILE_VARIABLE = "BIFROST_SECRET_KEY_FILE"
THEME_VARIABLE = "BIFROST_THEME"
LOCK_VARIABLE = "BIFROST_LOCK_AFTER"
CREDENTIAL = "bifrost_secret_key"
FROM_SYSTEMD = "systemd credential"

ThemeName = Literal["dark", "light", "terminal"]
THEMES: tuple[ThemeName, ...] = ("dark", "light", "terminal")

LOCK_AFTER = 10
"""Minutes without a key after which the screens lock, where nothing else is said."""
LONGEST_LOCK_AFTER = 24 * 60

_APPLICATION = "bifrost-tui"
_AN_EXAMPLE = "postgresql+psycopg://user@host/database"
_PREFERENCES = ("theme", "lock_after")


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where master keys are to be read: a variable's text, or a file."""

    name: str
    path: Path | None = None
    text: str | None = None

    def __repr__(self) -> str:
        return f"KeySource({self.name!r}, {self.path!s})"

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name} ({self.path})"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run of the program works with. The texts of keys do not show in its repr."""

    database_url: str
    database_from: str
    key_source: KeySource | None
    """The first source that is there; ``None`` where none is."""
    key_file: Path
    """Where a key file is made when there is none."""
    folder: Path
    """The user's settings folder."""
    theme: ThemeName
    lock_after: int
    """Minutes without a key after which the screens lock; 0 where they never do."""

    def __repr__(self) -> str:
        return f"Settings(database={shown_url(self.database_url)!r}, key={self.key_source!r})"

    @property
    def database_path(self) -> Path | None:
        """The database's file, where it is a file (SQLite)."""
        return sqlite_path(self.database_url)

    @property
    def owned_file(self) -> Path | None:
        """The file whose owner the installation is the account of: the database's.

        Where the database is no file, it is the master key's: whoever has both may do anything.
        Where no file holds the key, nobody can tell.
        """
        if (path := self.database_path) is not None:
            return path
        return self.key_source.path if self.key_source is not None else self.key_file


def sqlite_path(url: str) -> Path | None:
    """Return the file behind an SQLite URL, made absolute; ``None`` for other engines."""
    match = re.match(r"sqlite(?:\+pysqlite)?:///(.+)\Z", url, re.DOTALL)
    return _expanded(match.group(1), DATABASE_VARIABLE).absolute() if match else None


def _expanded(path: str, variable: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SettingsError(f"{variable} names the home of a user who does not exist.") from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise SettingsError(f"{path} cannot be looked for: {error.strerror}.") from None


_POSTGRES = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://(?:(?P<user>[^\s/?#@:]*)(?::[^\s/?#@]*)?@)?"
    r"(?P<hosts>[^\s/?#@]*)(?:/(?P<name>[^\s/?#@]*))?(?:\?(?P<parameters>[^\s#]*))?"
)
"""A URL as libpq takes it; in a name or a password, what has a meaning stands percent-encoded."""


def postgres_url(url: str) -> str | None:
    """Return a PostgreSQL URL as libpq takes it, password and all; ``None`` for other engines."""
    return f"postgresql:{url.partition(':')[2]}" if _POSTGRES.fullmatch(url) else None


def shown_url(url: str) -> str:
    """Return a database as people may read it: of a URL neither user, password nor parameters."""
    if path := sqlite_path(url):
        return f"sqlite {path}"
    if (found := _POSTGRES.fullmatch(url)) is None:
        return "an unknown engine"
    from urllib.parse import parse_qsl, unquote

    hosts, name = found["hosts"], unquote(found["name"] or "")
    for parameter, value in parse_qsl(found["parameters"] or ""):
        # The folder that the server's socket is in.
        hosts = value if parameter == "host" else hosts
    return " ".join(("postgresql", *([name] if name else ()), "on", hosts or "this host"))


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Find the database, the master key and the preferences.

    Nothing is created and no key is read: a later step may only need one of them.

    Raises:
        SettingsError: a variable or the settings file cannot be used.

    """
    environ = os.environ if environ is None else environ
    folder = _folder(environ, "XDG_CONFIG_HOME", ".config")
    data = _folder(environ, "XDG_DATA_HOME", ".local/share")
    url = environ.get(DATABASE_VARIABLE, "")
    if DATABASE_VARIABLE in environ and not url.strip():
        raise SettingsError(f"{DATABASE_VARIABLE} is set and empty. Unset it, or give a URL.")
    key_file, file = folder / "secret.key", folder / "config.toml"
    both = THEME_VARIABLE in environ and LOCK_VARIABLE in environ
    preferences = {} if both else _preferences(file)
    return Settings(
        database_url=_checked_url(url) if url else f"sqlite:///{data / 'bifrost.db'}",
        database_from=DATABASE_VARIABLE if url else "the default",
        key_source=_key_source(environ, key_file),
        key_file=key_file,
        folder=folder,
        theme=checked_theme(*_said(environ, THEME_VARIABLE, preferences, "theme", file)),
        lock_after=_checked_minutes(
            *_said(environ, LOCK_VARIABLE, preferences, "lock_after", file)
        ),
    )


def _folder(environ: Mapping[str, str], variable: str, beneath_home: str) -> Path:
    """Return a folder of ours where the system wants it.

    By the XDG rules at once where they hold; platformdirs, whose import takes as long as all the
    rest of this module, knows the other systems.
    """
    if sys.platform.startswith(("darwin", "win")):
        return _foreign_folder(variable)
    base = environ.get(variable, "")
    if not Path(base).is_absolute():
        base = str(Path(environ.get("HOME") or Path.home()) / beneath_home)
    return Path(base) / _APPLICATION


def _foreign_folder(variable: str) -> Path:
    import platformdirs

    if variable == "XDG_CONFIG_HOME":
        return platformdirs.user_config_path(_APPLICATION, appauthor=False)
    return platformdirs.user_data_path(_APPLICATION, appauthor=False)


def _checked_url(url: str) -> str:
    if re.match(r"sqlite(\+pysqlite)?:", url):
        path = sqlite_path(url)
        if path is None or str(path).endswith(":memory:") or path.name.startswith("file:"):
            raise SettingsError(
                f"{DATABASE_VARIABLE} names no file. Write it as sqlite:////absolute/path.db"
            )
        if "?" in url:
            raise SettingsError(
                f"{DATABASE_VARIABLE} has parameters after a question mark; SQLite takes none here."
            )
        return f"sqlite:///{path}"
    if re.match(r"postgres(ql)?(\+psycopg)?:", url):
        if _POSTGRES.fullmatch(url):
            return url
        # What stands in it is not quoted: any part of it may be that of a password.
        raise SettingsError(
            f"{DATABASE_VARIABLE} is no URL of a PostgreSQL database. Write it as {_AN_EXAMPLE}; in"
            " a user, a password or a name, signs such as @ : / ? # stand percent-encoded (%40)."
        )
    scheme = re.match(r"[a-zA-Z0-9+]{1,40}:", url)
    raise SettingsError(
        f"{DATABASE_VARIABLE} names an engine that is not supported"
        f"{' (' + scheme.group(0) + ')' if scheme else ''}. Write it as sqlite:////absolute/path.db"
        f" or {_AN_EXAMPLE}"
    )


def _key_source(environ: Mapping[str, str], key_file: Path) -> KeySource | None:
    if KEY_VARIABLE in environ:
        return KeySource(KEY_VARIABLE, text=environ[KEY_VARIABLE])
    if KEY_FILE_VARIABLE in environ:
        return KeySource(
            KEY_FILE_VARIABLE, path=_expanded(environ[KEY_FILE_VARIABLE], KEY_FILE_VARIABLE)
        )
    if credentials := environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(credentials) / CREDENTIAL
        if _is_there(path):
            return KeySource(FROM_SYSTEMD, path=path)
    return KeySource("key file", path=key_file) if _is_there(key_file) else None


def _preferences(file: Path) -> dict[str, object]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{file} cannot be read as UTF-8 text.") from None
    import tomllib

    try:
        preferences = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is no TOML: {error}.") from None
    if unknown := sorted(set(preferences) - set(_PREFERENCES)):
        raise SettingsError(
            f"{file} sets {unknown[0]!r}, which is no setting. It knows: {', '.join(_PREFERENCES)}."
        )
    return preferences


def _said(
    environ: Mapping[str, str],
    variable: str,
    preferences: Mapping[str, object],
    name: str,
    file: Path,
) -> tuple[object, str]:
    """Return what was set, and where; a variable goes before the file."""
    if variable in environ:
        return environ[variable], variable
    return preferences.get(name, {"theme": "dark", "lock_after": LOCK_AFTER}[name]), str(file)


def _checked_minutes(given: object, origin: str) -> int:
    """Return the minutes after which the screens lock."""
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,6}", given):
        given = int(given)
    # A TOML true is an int to Python.
    if type(given) is int and 0 <= given <= LONGEST_LOCK_AFTER:
        return given
    raise SettingsError(
        f"{origin}: lock_after is a whole number of minutes from 0 (never) to"
        f" {LONGEST_LOCK_AFTER}, not {given!r}."
    )


def checked_theme(name: object, origin: str) -> ThemeName:
    """Return a theme's name, or say which there are.

    Raises:
        SettingsError: there is no theme of that name.

    """
    if name in THEMES:
        return name
    raise SettingsError(f"{origin}: there is no theme {name!r}. There are: {', '.join(THEMES)}.")


def lock_words(minutes: int) -> str:
    """Say when the screens lock: ``after 10 minutes without a key``, or ``never``."""
    return f"after {counted(minutes, 'minute')} without a key" if minutes else "never"
