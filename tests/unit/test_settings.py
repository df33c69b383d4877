"""Where the database, the key and the preferences come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bifrost_tui.errors import SettingsError
from bifrost_tui.settings import (
    DATABASE_VARIABLE,
    KEY_FILE_VARIABLE,
    LOCK_VARIABLE,
    THEME_VARIABLE,
    THEMES,
    Settings,
    load_settings,
    shown_url,
    sqlite_path,
)


def load(home: Path, **environ: str) -> Settings:
    return load_settings({"HOME": str(home), **environ})


def test_everything_has_its_place_beneath_home(home: Path) -> None:
    settings = load(home)
    assert settings.database_path == home / ".local/share/bifrost-tui/bifrost.db"
    assert settings.database_url == f"sqlite:///{settings.database_path}"
    assert settings.database_from == "the default"
    assert settings.folder == home / ".config/bifrost-tui"
    assert settings.key_file == settings.folder / "secret.key"
    assert settings.key_source is None
    assert settings.theme == "dark"
    assert settings.lock_after == 10
    assert list(home.iterdir()) == []


def test_the_environment_of_the_process_is_what_is_read(home: Path) -> None:
    assert load_settings() == load(home)


def test_the_xdg_variables_move_both_folders(home: Path) -> None:
    settings = load(home, XDG_DATA_HOME="/data", XDG_CONFIG_HOME="/settings")
    assert settings.database_path == Path("/data/bifrost-tui/bifrost.db")
    assert settings.key_file == Path("/settings/bifrost-tui/secret.key")


@pytest.mark.parametrize("value", ["", "relative/folder", "."])
def test_a_relative_xdg_folder_counts_as_unset(home: Path, value: str) -> None:
    assert load(home, XDG_DATA_HOME=value, XDG_CONFIG_HOME=value) == load(home)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/bifrost.db", "/var/lib/bifrost.db"),
        ("sqlite+pysqlite:////var/lib/bifrost.db", "/var/lib/bifrost.db"),
        ("sqlite:////srv/a b%20ü#c.db", "/srv/a b%20ü#c.db"),
    ],
)
def test_a_url_names_the_database(home: Path, url: str, path: str) -> None:
    settings = load(home, **{DATABASE_VARIABLE: url})
    assert settings.database_path == Path(path)
    assert settings.database_from == DATABASE_VARIABLE
    assert settings.database_url == f"sqlite:///{path}"


def test_a_relative_database_stays_where_it_was_when_the_folder_changes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(home, **{DATABASE_VARIABLE: "sqlite:///bifrost.db"})
    monkeypatch.chdir("/")
    assert settings.database_path == tmp_path / "bifrost.db"
    homely = load(home, **{DATABASE_VARIABLE: "sqlite:///~/bifrost.db"})
    assert homely.database_path == home / "bifrost.db"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is set and empty"),
        ("  ", "is set and empty"),
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:x.db", "names no file"),
        ("sqlite:////x.db?mode=ro", "parameters after a question mark"),
        ("postgresql://bifrost:hunter2/hunter2@db/bifrost", "percent-encoded"),
        ("postgresql+psycopg://bifrost:hunter2-hunter2@db/x#hunter2", "percent-encoded"),
        ("postgresql://bifrost:hunter2@hunter2@db/bifrost", "percent-encoded"),
        ("postgresql:hunter2", "percent-encoded"),
        ("postgresql+asyncpg://bifrost:hunter2@db/x", r"not supported \(postgresql\+asyncpg:\)"),
        ("mysql://bifrost:hunter2-hunter2@db/x", r"not supported \(mysql:\)"),
        ("hunter2-hunter2", "not supported"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(home: Path, url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        load(home, **{DATABASE_VARIABLE: url})
    assert DATABASE_VARIABLE in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/bifrost.db", "sqlite /var/lib/bifrost.db"),
        ("postgresql://bifrost:hunter2@db/x?password=hunter2", "postgresql x on db"),
        ("postgresql+psycopg://bifrost:hunt%40er2@db:5433/x", "postgresql x on db:5433"),
        (
            "postgres://one,two:5433/a%20b?target_session_attrs=any",
            "postgresql a b on one,two:5433",
        ),
        ("postgresql:///x?user=hunter2&host=/run/pg", "postgresql x on /run/pg"),
        ("postgresql://", "postgresql on this host"),
        ("postgresql://bifrost:hunt@er2@db/x#hunter2", "an unknown engine"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_only_sqlite_has_a_path() -> None:
    assert sqlite_path("postgresql:///x") is None
    assert sqlite_path("sqlite://") is None


def test_a_key_file_in_the_home_is_named_with_a_tilde(home: Path) -> None:
    source = load(home, **{KEY_FILE_VARIABLE: "~/my.key"}).key_source
    assert source is not None
    assert source.path == home / "my.key"
    assert str(source) == f"{KEY_FILE_VARIABLE} ({home / 'my.key'})"


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_is_chosen_by_variable_and_by_file(home: Path, theme: str) -> None:
    assert load(home, **{THEME_VARIABLE: theme}).theme == theme
    file = load(home).folder / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'theme = "{theme}"\n')
    assert load(home).theme == theme
    assert load(home, **{THEME_VARIABLE: "light"}).theme == "light"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'theme = "pink"', "there is no theme 'pink'"),
        (b"theme = 3", "there is no theme 3"),
        (b'theme = ["dark"]', "there is no theme"),
        (b'thema = "dark"', "'thema', which is no setting"),
        (b"theme =", "is no TOML"),
        (b'theme = "\xff"', "cannot be read as UTF-8 text"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_named(
    home: Path, content: bytes, says: str
) -> None:
    file = load(home).folder / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load(home)
    assert says in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_theme_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(SettingsError, match=f"{THEME_VARIABLE}: there is no theme ''"):
        load(home, **{THEME_VARIABLE: ""})
    (home / ".config/bifrost-tui/config.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(home)


@pytest.mark.parametrize(
    ("variable", "value"),
    [(DATABASE_VARIABLE, "sqlite:///~nobody-here/x.db"), (KEY_FILE_VARIABLE, "~nobody-here/x.key")],
)
def test_the_home_of_nobody_is_refused_with_the_variable(
    home: Path, variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=variable):
        load(home, **{variable: value})


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "CREDENTIALS_DIRECTORY"])
def test_a_folder_that_cannot_be_looked_into_is_told(home: Path, variable: str) -> None:
    with pytest.raises(SettingsError):
        load(home, **{variable: "/" + "x" * 300})


@pytest.mark.parametrize("minutes", [0, 1, 1440])
def test_the_lock_is_set_by_variable_and_by_file(home: Path, minutes: int) -> None:
    assert load(home, **{LOCK_VARIABLE: str(minutes)}).lock_after == minutes
    file = home / ".config/bifrost-tui/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'theme = "light"\nlock_after = {minutes}\n')
    assert load(home).lock_after == minutes
    assert load(home).theme == "light"
    assert load(home, **{LOCK_VARIABLE: "7"}).lock_after == 7


@pytest.mark.parametrize("given", ["-1", "1441", "1.5", '"soon"', "true", '""', "[5]"])
def test_a_time_to_lock_that_is_none_is_refused(home: Path, given: str) -> None:
    file = home / ".config/bifrost-tui/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"lock_after = {given}\n")
    with pytest.raises(
        SettingsError, match="lock_after is a whole number of minutes from 0"
    ) as bad:
        load(home)
    assert str(file) in bad.value.message
    with pytest.raises(SettingsError, match=LOCK_VARIABLE):
        load(home, **{LOCK_VARIABLE: given.strip('"')})
