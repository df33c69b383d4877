"""Screens in a real terminal, killed while a form is saved: the old is there whole, or the new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.settings import KEY_VARIABLE
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.terminal import actor_name
from tests.faults.killing import KILLED, KILLS, By, Ended, ForkedTerminal, Forks, Moment, moments
from tests.faults.shelves import Files, Shelf
from tests.faults.wholeness import assert_whole, rows_of, values_of
from tests.postgres import Server, kill_server
from tests.support import (
    ALICE,
    KEY,
    add_member,
    assert_nowhere,
    secret,
)
from tests.terminal.harness import DOWN, ENTER, RIGHT, TAB, TerminalSession, sweep

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("killed_screens")]

FIRST = "zQ5-the-first-value-of-the-token"
SECOND = "zQ6-the-value-that-is-being-saved"
PLANTED = (FIRST, SECOND)
SAVE = "\x13"


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.faults.killed_app") as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Files | Shelf:
    home = tmp_path / "home"
    (tmp_path / "tmp").mkdir(mode=0o700)
    if request.param == "sqlite":
        return Files(home, fill)
    home.mkdir(mode=0o700)
    return Shelf(request.getfixturevalue("postgres"), home, fill)


def fill(repository: Repository) -> None:
    add_member(repository, actor_name(), Role.OWNER)
    acme = repository.organizations.add(ALICE, "Acme")
    repository.configs.add(ALICE, acme, secret("api_token", FIRST))


def start(
    forks: Forks, place: Files | Shelf, kill: Moment | None, told: Path, *server: str
) -> TerminalSession:
    arguments = ("measure", str(told)) if kill is None else (kill.by.value, str(kill.at), *server)
    environ = {
        "HOME": str(place.home),
        "TMPDIR": str(place.home.parent / "tmp"),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        KEY_VARIABLE: KEY,
        **place.environ,
    }
    return ForkedTerminal(forks, ["run", *arguments], size=(100, 30), env=environ)


def add(session: TerminalSession) -> None:
    """Save a new secret."""
    session.wait_for("api_token")
    session.send("a")
    session.wait_for("Add a config to")
    session.send("another" + TAB + RIGHT * 4 + TAB)
    session.wait_for("[secret]")
    session.paste(SECOND)
    session.wait_for("fingerprint")
    session.send(SAVE)


def rotate(session: TerminalSession) -> None:
    """Save a new value of the secret that is there."""
    session.wait_for("api_token")
    session.send("r")
    session.wait_for("Rotate api_token")
    session.paste(SECOND)
    session.wait_for("fingerprint")
    session.send(ENTER)


MEANWHILE = {"add": "another exists in Acme already", "rotate": "Another change came between"}
"""What is said where the value was saved, and nobody knew."""
SERVER_KILLS = KILLS if KILLS > 15 else 2
"""A server takes a second or two to come back."""
SAVES = {"add": (add, "another in Acme is saved"), "rotate": (rotate, "api_token in Acme is")}


def go_in(session: TerminalSession) -> None:
    session.wait_for("Acme")
    # Past global, which stands first.
    session.send(DOWN + ENTER)


def measured(
    forks: Forks, place: Files | Shelf, name: str, told: Path
) -> tuple[Ended, Mapping[str, Any]]:
    """Save without killing anything; return how much that was, and the rows before it."""
    keys, says = SAVES[name]
    place.put_back()
    with open_repository(place.settings(), ALICE) as repository:
        old = rows_of(repository)
    with start(forks, place, None, told) as session:
        go_in(session)
        keys(session)
        session.wait_for(says)
        session.send("q")
        assert session.wait_exit() == 0
    assert new_is_there(place, name)
    return Ended(0, **json.loads(told.read_text())), old


@pytest.mark.parametrize("name", SAVES)
def test_a_save_that_is_killed_is_the_old_or_the_new(
    forks: Forks, place: Files | Shelf, tmp_path: Path, name: str
) -> None:
    keys, says = SAVES[name]
    told = tmp_path / "told.json"
    whole, old = measured(forks, place, name, told)
    killed = saved = 0
    # Half of them by time: in what the screens do before and afterwards there is no statement.
    kinds: tuple[By, ...] = (By.STATEMENT, By.TIME, By.SIZE, By.TIME)
    times = KILLS
    if place.environ:
        kinds = (By.STATEMENT, By.TIME)
        times = KILLS if KILLS > 15 else 6
    every = moments(whole, name, times, kinds)
    for moment in every:
        place.put_back()
        with start(forks, place, moment, told) as session:
            go_in(session)
            keys(session)
            session.wait_for(lambda s: says in s.screen_text() or s.is_over)
            if says in session.screen_text():
                session.signal(9)
            code = session.wait_exit()
            assert code in (KILLED[moment.by], -9), (moment, session.screen_text())
            killed += code == KILLED[moment.by]
            assert sweep(session.evidence, PLANTED) == []
        assert_nowhere(PLANTED, [place.home, tmp_path / "tmp"])
        with open_repository(place.settings(), ALICE) as repository:
            assert_whole(repository)
            if rows_of(repository) == old:
                again(repository, name)
            else:
                saved += 1
        assert new_is_there(place, name)
    assert killed >= len(every) / 2
    print(f"{name}: {killed} of {len(every)} killed, {saved} saved")


REFUSED, UNKNOWN, BACK = "Not saved. ", "It is not known", "The database is reached again."


@pytest.mark.parametrize("name", SAVES)
def test_a_save_whose_server_is_killed_says_what_has_become_of_it(
    forks: Forks, server: Server, tmp_path: Path, name: str
) -> None:
    """Once the server is back, the same key saves what is still in the form; or says that it is."""
    keys, says = SAVES[name]
    told = tmp_path / "told.json"
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "tmp").mkdir(mode=0o700)
    place = Shelf(server, tmp_path / "home", fill)
    whole, old = measured(forks, place, name, told)
    ends = dict.fromkeys((says, REFUSED, UNKNOWN), 0)
    every = moments(whole, f"{name} server", SERVER_KILLS, (By.STATEMENT, By.TIME))
    # At its beginning, and where it is committed.
    every += [
        Moment(By.STATEMENT, at) for at in (2, *range(whole.statements - 2, whole.statements))
    ]
    for moment in every:
        place.put_back()
        with start(forks, place, moment, told, str(server.pid)) as session:
            go_in(session)
            keys(session)
            session.wait_for(lambda s: any(word in told_by(s) for word in ends))
            end = next(word for word in (UNKNOWN, REFUSED, says) if word in told_by(session))
            ends[end] += 1
            with suppress(ProcessLookupError):
                kill_server(server.pid)
            server.killed()
            server.start()
            with open_repository(place.settings(), ALICE) as repository:
                is_old = rows_of(repository) == old
            assert is_old == {says: False, REFUSED: True}.get(end, is_old), (moment, end)
            assert is_old or new_is_there(place, name)
            if end == REFUSED:
                session.wait_for(BACK)
            if end != says:
                # What was typed is in the form; nobody types it again.
                session.send(SAVE if name == "add" else ENTER)
                session.wait_for(says if is_old else MEANWHILE[name])
            session.signal(9)
            session.wait_exit()
            assert sweep(session.evidence, PLANTED) == []
        with open_repository(place.settings(), ALICE) as repository:
            assert_whole(repository)
            acme = repository.organizations.find(ALICE, "Acme")
            key = "another" if name == "add" else "api_token"
            # Once, and not twice.
            assert repository.configs.get_key(ALICE, acme, key).version == 1 + (name == "rotate")
        assert new_is_there(place, name)
    assert ends[REFUSED]
    assert_nowhere(PLANTED, [server.folder / "data", place.home, tmp_path / "tmp"])
    print(f"{name}, server killed: {ends}")


def told_by(session: TerminalSession) -> str:
    """Return what is on the screen, as if there were no borders and lines were not wrapped."""
    return " ".join(session.screen_text().replace("│", " ").split())


def again(repository: Repository, name: str) -> None:
    acme = repository.organizations.find(ALICE, "Acme")
    if name == "add":
        repository.configs.add(ALICE, acme, secret("another", SECOND))
    else:
        view = repository.configs.get_key(ALICE, acme, "api_token")
        repository.configs.rotate(Access(actor_name(), "local"), view, EnteredSecret(SECOND))


def new_is_there(place: Files | Shelf, name: str) -> bool:
    with open_repository(place.settings(), ALICE) as repository:
        assert_whole(repository)
        found = {key: value for (_, key), value in values_of(repository).items()}
    if name == "add":
        return found == {"api_token": FIRST.encode(), "another": SECOND.encode()}
    return found == {"api_token": SECOND.encode()}
