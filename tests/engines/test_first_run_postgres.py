"""The first run on PostgreSQL, and what finds its way by files elsewhere: where, who, Tab."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from click.testing import CliRunner

from bifrost_tui.cli import completing
from bifrost_tui.cli.main import program
from bifrost_tui.errors import AccessDeniedError, DatabaseUncertainError
from bifrost_tui.origin import decide
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_FILE_VARIABLE, KEY_VARIABLE, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.postgres import PostgresDatabase
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.setup import SetupScreen
from tests.databases import SCHEME, Databases
from tests.support import ALICE, BOB, KEY, HandClock, add_member, make_repository, plain
from tests.tui.screens_support import press, screen_text, settled
from tests.unit.cli_support import Cli, act_as

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


@pytest.fixture
def empty(databases: Databases, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a database with nothing in it, which the environment names."""
    url = databases.url(tmp_path / "nothing", empty=True)
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    return url


@pytest.fixture
def fresh(empty: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    act_as(monkeypatch, "alice")
    return Cli(home)


@pytest.fixture
def silent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that lets one in and then says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv(DATABASE_VARIABLE, f"{SCHEME}://alice@127.0.0.1:{port}/bifrost")
        yield


def test_the_command_makes_it_and_says_where(fresh: Cli, empty: str) -> None:
    name = empty.rpartition("/")[2].partition("?")[0]
    assert "There is nothing in the database" in fresh("orgs", "list", code=1).err
    assert "no master key" in fresh("setup", code=1).err
    ran = fresh("setup", "--make-key")
    assert f"postgresql {name} on" in ran.out
    key_file = load_settings().key_file
    assert key_file.exists()
    assert fresh("configs", "list", "--global", "--json").json == []
    kept = key_file.read_bytes()
    assert "has tables in it already" in fresh("setup", code=1).err
    assert key_file.read_bytes() == kept


def test_a_refused_setup_leaves_no_key(fresh: Cli, databases: Databases, empty: str) -> None:
    name = empty.rpartition("/")[2].partition("?")[0]
    with databases.server.connect(name) as connection:
        connection.execute("CREATE TABLE theirs (id integer)")
    assert "has tables in it already" in fresh("setup", "--make-key", code=1).err
    assert not load_settings().key_file.exists()


def test_a_setup_of_which_nobody_knows_keeps_its_key(
    fresh: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PostgresDatabase.write_rows

    def lost(self: PostgresDatabase, work: Any) -> Any:
        write(self, work)
        raise DatabaseUncertainError("It is not known whether it was saved.")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresDatabase, "write_rows", lost)
        assert "not known" in fresh("setup", "--make-key", code=1).err
    assert fresh("configs", "list", "--global", "--json").json == []


def test_locate_asks_no_server(silent: None, home: Path) -> None:
    ran = Cli(home)("locate", "--json").json
    assert ran["database_exists"] is None
    assert ran["database_file"] is None
    assert ran["database"].startswith("postgresql bifrost on 127.0.0.1:")
    assert "not made yet" not in Cli(home)("locate").out


async def test_the_screen_makes_it_and_says_where(
    empty: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    app = BifrostApp(settings, ALICE, clock=HandClock(), seconds=float)
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            assert isinstance(app.screen, SetupScreen)
            text = screen_text(app)
            assert "None" not in text
            assert "Database" in text
            assert f"postgresql {empty.rpartition('/')[2].partition('?')[0]} on" in text
            await press(pilot, "enter")
            assert isinstance(app.screen, OrganizationsScreen)
            assert "· key " in screen_text(app)
            assert "postgresql" in app.context_line().plain
    finally:
        app.close_database()
    assert settings.key_file.exists()


# Who may name an actor


def test_the_owner_of_the_key_names_actors(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ[DATABASE_VARIABLE]
    key = tmp_path / "key"
    key.write_text(KEY)
    ours = load_settings({"HOME": str(home), DATABASE_VARIABLE: url, KEY_FILE_VARIABLE: str(key)})
    assert decide("bob", None, {}, lambda: ours.owned_file).actor == "bob"
    monkeypatch.setattr(os, "geteuid", lambda: key.stat().st_uid + 1)
    with pytest.raises(AccessDeniedError, match="of a PostgreSQL database, the file"):
        decide("bob", None, {}, lambda: ours.owned_file)


def test_without_a_key_file_nobody_can_tell(home: Path) -> None:
    url = os.environ[DATABASE_VARIABLE]
    ours = load_settings({"HOME": str(home), DATABASE_VARIABLE: url, KEY_VARIABLE: KEY})
    assert ours.owned_file is None
    with pytest.raises(AccessDeniedError):
        decide("bob", None, {}, lambda: ours.owned_file)
    bare = load_settings({"HOME": str(home), DATABASE_VARIABLE: url})
    assert bare.owned_file == bare.key_file


# The Tab key


def offered(words: str) -> list[str]:
    result = CliRunner().invoke(
        program,
        prog_name="bifrost-tui",
        env={
            "_BIFROST_TUI_COMPLETE": "zsh_complete",
            "COMP_WORDS": f"bifrost-tui {words}",
            "COMP_CWORD": str(len(words.split(" "))),
        },
    )
    assert (result.exit_code, result.stderr) == (0, "")
    return [value for value in result.stdout.splitlines()[1::3] if value]


def test_names_and_keys_are_offered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    act_as(monkeypatch, ALICE.actor)
    with make_repository(load_settings()) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, acme, plain("ALPHA"))
        add_member(repository, BOB.actor, Role.ADMIN, acme)
    assert offered("configs list --org ") == ["Acme"]
    assert offered("configs get --org Acme ") == ["ALPHA"]


def test_an_empty_or_absent_database_offers_nothing(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert offered("configs list --org ") == []
    monkeypatch.setenv(DATABASE_VARIABLE, f"{SCHEME}://alice@127.0.0.1:1/none")
    assert offered("configs list --org ") == []


def test_a_server_that_says_nothing_is_not_waited_for(
    silent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(completing, "_PATIENCE", 0.05)
    before = monotonic()
    assert offered("configs list --org ") == []
    assert monotonic() - before < 4
