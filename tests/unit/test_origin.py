"""Who acts and how far that reaches, decided by the options and the environment alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.errors import AccessDeniedError, BifrostError, SettingsError
from bifrost_tui.origin import Origin, checked_actor, decide, lock_down, named_over_ssh
from bifrost_tui.terminal import actor_name

SSH = {"SSH_CONNECTION": "10.1.4.7 50022 10.1.4.1 22"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database's file, owned by this account."""
    path = tmp_path / "bifrost.db"
    path.touch()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a forced command."""
    path = tmp_path / "transfer"
    path.mkdir()
    return path


@pytest.fixture
def signals() -> Iterator[None]:
    """Give the signals of stopping back as they were."""
    numbers = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("environ", "confined"),
    [
        ({}, False),
        ({"SSH_AUTH_SOCK": "/tmp/agent"}, False),
        (SSH, True),
        ({"SSH_CLIENT": ""}, True),
        ({"SSH_CONNECTION": ""}, True),
        ({"SSH_TTY": "/dev/pts/1"}, True),
        ({"SSH_ORIGINAL_COMMAND": ""}, True),
        ({"SSH_ORIGINAL_COMMAND": "orgs list"}, True),
    ],
)
def test_a_named_actor_is_confined_over_ssh(
    environ: dict[str, str], confined: bool, database: Path
) -> None:
    found = decide("alice", None, environ, lambda: database)
    assert (found.actor, found.confined) == ("alice", confined)
    # Without a name it is the login that counts, and its own shell that it came from.
    assert decide(None, None, environ, lambda: database) == Origin()


def test_what_was_asked_for_counts_over_ssh_alone(database: Path) -> None:
    asked = {**SSH, "SSH_ORIGINAL_COMMAND": " orgs list\n"}
    assert decide("alice", None, asked, lambda: database).asked == "orgs list"
    assert decide("alice", None, {**SSH, "SSH_ORIGINAL_COMMAND": " "}, lambda: database).asked == ""
    assert "orgs" not in repr(decide("alice", None, asked, lambda: database))


def test_the_database_has_to_be_this_accounts(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decide("alice", None, {}, lambda: database.with_name("none.db")).actor == "alice"
    with pytest.raises(AccessDeniedError, match=f"you are {actor_name()} by your login"):
        decide("alice", None, SSH, lambda: None)
    with pytest.raises(AccessDeniedError):
        decide("alice", None, {}, lambda: database / "below-a-file.db")
    monkeypatch.setattr(os, "geteuid", lambda: database.stat().st_uid + 1)
    with pytest.raises(AccessDeniedError, match="the account that owns the database"):
        decide("alice", None, {}, lambda: database)


@pytest.mark.parametrize(
    "name", ["", " ", "-rf", "--actor", " alice", "alice\n", "a\x1b[31mb", "a\u202eb", "x" * 256]
)
def test_names_that_no_actor_has(name: str, database: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        decide(name, None, {}, lambda: database)
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("name", ["alice", "Ålice Ö.", "o'hara", 'a "b"', "x" * 255, "a@b;$(c)"])
def test_names_that_one_may_have(name: str) -> None:
    assert checked_actor(name, "--actor") == name


def test_a_folder_has_to_be_there_and_beside_an_actor(database: Path, folder: Path) -> None:
    assert decide("alice", folder, {}, lambda: database).folder == folder
    for wrong in (Path("transfer"), folder / "none", database):
        with pytest.raises(SettingsError, match="--folder"):
            decide("alice", wrong, {}, lambda: database)
    with pytest.raises(SettingsError, match="--folder goes with --actor"):
        decide(None, folder, {}, lambda: database)


# Files of the host


def test_without_a_folder_no_path_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(AccessDeniedError, match="Write - instead"):
        Origin("alice", confined=True).path("export.json")
    # Who is not held to anything names any file.
    assert Origin().path(tmp_path / "x") == tmp_path / "x"
    assert Origin("alice").path("~/x") == Path.home() / "x"


def test_a_folder_holds_every_path(folder: Path) -> None:
    origin = Origin("alice", confined=True, folder=folder)
    (folder / "inner").mkdir()
    (folder / "there.json").touch()
    for given_path in ("new.json", "there.json", "inner/new.json", str(folder / "new.json")):
        assert origin.path(given_path) == folder / given_path
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "within").symlink_to(folder / "there.json")
    (folder / "out").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    for refused in (
        *("", ".", "..", "../x", "inner/../../x", "inner/../x", "/etc/passwd", "/", str(folder)),
        *("link", "within", "out/passwd", "out/new", "inner", "pipe", "there.json/x"),
        *("~/x/../../etc/passwd", "a\0b", "x" * 5000, f"{folder}-beside/x"),
    ):
        with pytest.raises(AccessDeniedError, match="folder of this session"):
            origin.path(refused)
    folder.rename(folder.with_name("gone"))
    with pytest.raises(AccessDeniedError):
        origin.path("new.json")


def test_a_folder_may_be_reached_by_a_link_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "by-link").symlink_to(folder)
    origin = Origin("alice", confined=True, folder=tmp_path / "by-link")
    assert origin.path("x") == folder / "x"


@given(st.text(st.characters(codec="utf-8"), max_size=40) | st.from_regex(r"[./~a\\ -]{1,20}"))
def test_no_text_leads_out_of_a_folder(text: str) -> None:
    folder = Path("/usr/lib").resolve()
    try:
        found = Origin("alice", confined=True, folder=folder).path(text)
    except BifrostError:
        return
    assert folder in Path(os.path.realpath(found)).parents


# The process


def test_a_confined_process_is_not_stopped_by_a_key(signals: None) -> None:
    environ = {"PYTHONINSPECT": "1", "_BIFROST_TUI_COMPLETE": "bash_source", "LANG": "C.UTF-8"}
    lock_down(environ, "_BIFROST_TUI_COMPLETE")
    assert environ == {"LANG": "C.UTF-8"}
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        assert signal.getsignal(number) is signal.SIG_IGN


def test_a_forced_command_is_known_by_its_first_word() -> None:
    assert named_over_ssh(["--actor", "alice"], SSH)
    assert named_over_ssh(["--actor=alice", "orgs"], SSH)
    assert not named_over_ssh(["--actor", "alice"], {})
    assert not named_over_ssh(["run", "--", "x", "--actor", "alice"], SSH)
    assert not named_over_ssh([], SSH)
