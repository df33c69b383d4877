"""Screens in a real terminal, killed while a form is saved: the old is there whole, or the new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

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


def start(forks: Forks, place: Files | Shelf, kill: Moment | None, told: Path) -> TerminalSession:
    arguments = ("measure", str(told)) if kill is None else (kill.by.value, str(kill.at))
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


SAVES = {"add": (add, "another in Acme is saved"), "rotate": (rotate, "api_token in Acme is")}


def go_in(session: TerminalSession) -> None:
    session.wait_for("Acme")
    # Past global, which stands first.
    session.send(DOWN + ENTER)


@pytest.mark.parametrize("name", SAVES)
def test_a_save_that_is_killed_is_the_old_or_the_new(
    forks: Forks, place: Files | Shelf, tmp_path: Path, name: str
) -> None:
    keys, says = SAVES[name]
    told = tmp_path / "told.json"
    place.put_back()
    with open_repository(place.settings(), ALICE) as repository:
        old = rows_of(repository)
    with start(forks, place, None, told) as session:
        go_in(session)
        keys(session)
        session.wait_for(says)
        session.send("q")
        assert session.wait_exit() == 0
    whole = Ended(0, **json.loads(told.read_text()))
    assert new_is_there(place, name)

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
