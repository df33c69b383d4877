"""A disk that is full, or can only be read: told in words, nothing is lost, and it goes on later.

The disks are real: small ones in memory, which root may mount. Where that is not allowed, the tests
with limits in ``test_unwritable.py`` say the same of the store.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

import bifrost_tui
from bifrost_tui.cli.main import program
from bifrost_tui.crypto.age_reading import new_identity
from bifrost_tui.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
)
from bifrost_tui.runtime import opened as runtime_opened
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.tui.screens.config_form import ConfigForm
from bifrost_tui.tui.screens.configurations import ConfigurationsScreen
from bifrost_tui.tui.screens.members import MembersScreen
from bifrost_tui.tui.screens.name_form import NameForm
from bifrost_tui.tui.screens.organizations import OrganizationsScreen
from bifrost_tui.tui.screens.rotate import RotateScreen
from bifrost_tui.tui.widgets.secret_field import SecretField
from tests.databases import SCHEME
from tests.faults import works
from tests.faults.disks import Disk, small_disk
from tests.faults.wholeness import assert_whole, rows_of, same_again, values_of
from tests.postgres import NOBODY, Server
from tests.support import (
    ALICE,
    KEY,
    HandClock,
    assert_nowhere,
    assert_silent,
    by_hand,
    counted_ids,
    database_path,
    forms,
    listed,
    make_repository,
    make_settings,
    plain,
    secret,
)
from tests.tui.screens_support import (
    TYPED,
    World,
    a_world,
    app_of,
    app_over,
    assert_no_plaintext,
    choose,
    go_to,
    go_to_field,
    paste,
    press,
    settled,
    status,
    write,
)
from tests.unit.cli_support import Cli, database_file, make_cli

HOWS = ("full", "read-only")
FORMS = (*HOWS, "broken")
SECRET = "zQ5-a-secret-that-is-on-the-disk"
LONG = "a text that takes some room " * 300


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with small_disk(tmp_path / "disk") as made:
            yield made
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture
def home(disk: Disk, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home on that disk."""
    folder = disk.folder / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@contextmanager
def writing_fails() -> Iterator[None]:
    """Let the system refuse to write beyond the first block of any file, as a broken disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing(disk: Disk, how: str, *open_ones: Repository) -> Iterator[None]:
    """Let a disk fail under open databases.

    One with files on it that are open to be written cannot be made read-only: they are closed, and
    are left as by somebody who was killed, with the log and what readers share beside it.
    """
    if how == "broken":
        with writing_fails():
            yield
        return
    if how == "read-only":
        path = open_ones[0]._context.database.path
        assert path is not None
        beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
        kept = [file.read_bytes() for file in beside]
        for each in open_ones:
            each._context.database.engine.dispose()
        for file, data in zip(beside, kept, strict=True):
            file.write_bytes(data)
    with disk.failing(how):
        yield


# Commands

READS: dict[str, tuple[str, ...]] = {
    "orgs list": ("orgs", "list"),
    "configs list": ("configs", "list", "--org", "Acme"),
    "configs get": ("configs", "get", "text", "--org", "Acme"),
    "audit list": ("audit", "list"),
    "audit verify": ("audit", "verify"),
    "key status": ("key", "status"),
}
WRITES: dict[str, tuple[str, ...]] = {
    "orgs add": ("orgs", "add", "New"),
    "configs set": ("configs", "set", "new", "--org", "Acme", "--type", "string", "--value", "x"),
    "configs set secret": ("configs", "set", "newer", "--org", "Acme", "--type", "secret"),
    "configs rotate": ("configs", "rotate", "token", "--org", "Acme"),
    "configs rename": ("configs", "rename", "text", "other", "--org", "Acme"),
    "configs delete": ("configs", "delete", "spare", "--org", "Acme", "--yes"),
    "import": ("import", "--org", "Acme", "--plain", "--yes", "in.env"),
    "members add": ("members", "add", "bob", "--org", "Acme"),
    "key rotate": ("key", "rotate"),
    "run": ("run", "--org", "Acme", "--", "touch", "ran"),
}
FILES: dict[str, tuple[str, ...]] = {
    "export portable": ("export", "--portable", "out.json"),
    "export encrypted": ("export", "--encrypted", "--recipient", new_identity()[1], "out.age"),
    "export dotenv": ("export", "--dotenv", "--org", "Acme", "out.env"),
    "audit export": ("audit", "export", "out.jsonl"),
    "backup": ("backup", "out.db"),
}
RESTORE: tuple[str, ...] = ("restore", "--overwrite", "--yes", "kept.db")


@pytest.fixture
def cli(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    made = make_cli(home, monkeypatch)
    made.secrets.append(SECRET)
    monkeypatch.chdir(home)
    made("orgs", "add", "Acme")
    made("configs", "set", "token", "--org", "Acme", "--type", "secret", stdin=SECRET)
    for key in ("text", "spare"):
        made("configs", "set", key, "--org", "Acme", "--type", "string", "--value", "x")
    (home / "in.env").write_text("A=1\nB=2\n")
    (home / "in.env").chmod(0o600)
    made("backup", "kept.db")
    return made


def fails(cli: Cli, *args: str) -> str:
    """Run what cannot be done: it ends with 1, in words; return them."""
    result = CliRunner().invoke(program, args, input=SECRET, prog_name="bifrost-tui")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1, result.output
    for form in forms(SECRET).values():
        assert form not in result.output.encode()
    assert "Traceback" not in result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("bifrost-tui: ")
    return last


def content(home: Path) -> dict[str, bytes]:
    """Return all files of a home, but the database, which tells of what was tried."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.startswith("bifrost.db")
    }


@pytest.mark.parametrize("how", HOWS)
def test_commands_say_what_is_wrong_and_change_nothing(
    cli: Cli, disk: Disk, home: Path, how: str
) -> None:
    before = content(home), database_file().read_bytes()
    with disk.failing(how):
        for name, args in (WRITES | {"restore": RESTORE}).items():
            says = fails(cli, *args)
            if how == "full":
                assert "no room left" in says.lower(), (name, says)
            else:
                assert "cannot be opened. Check the rights of the file and its folder" in says
        for name, args in (READS | FILES).items():
            # To read takes some room too: for what readers share beside the log.
            words = fails(cli, *args)
            wanted = ("no room left",) if how == "full" else ("cannot be opened", "cannot be made")
            assert any(each in words for each in wanted), (name, words)
        # It says what it can find out without the database.
        assert "free" in cli("doctor", code=3 if how == "full" else 1).out
    assert (content(home), database_file().read_bytes()) == before
    for name, args in (READS | WRITES | FILES).items():
        ran = cli(*args, stdin=SECRET)
        assert name != "run" or (home / "ran").exists(), ran.err
    cli(*RESTORE)
    assert cli("audit", "verify").code == 0


def test_a_file_that_gets_full_while_it_is_written_is_not_there(
    cli: Cli, disk: Disk, home: Path
) -> None:
    for number in range(40):
        given = ("--org", "Acme", "--type", "string", "--value", LONG)
        cli("configs", "set", f"long{number}", *given)
    before = content(home)
    for name, args in FILES.items():
        if name == "audit export":
            # It holds no values, and is small.
            continue
        # Room for the database to be read, and not for the whole file.
        disk.fill(leave=100_000)
        says = fails(cli, *args)
        assert "No space left on device" in says or "no room left" in says, (name, says)
        disk.free()
        assert content(home) == before, name
    for args in FILES.values():
        cli(*args)


# Rotation of the master key, and an import


def test_a_rotation_that_fills_the_disk_goes_on_when_there_is_room(disk: Disk, home: Path) -> None:
    settings = make_settings(home)
    with make_repository(settings) as repository:
        works.fill(repository, 900)
        values = values_of(repository)
    with works.opened(make_settings(home, works.BOTH_KEYS)) as repository:
        disk.fill(leave=150_000)
        with pytest.raises(DatabaseFullError) as raised:
            works.rotate(repository)
        assert "secrets were re-encrypted and stay so; running it again goes on" in str(
            raised.value
        )
        assert_silent(raised.value, works.PLANTED)
        assert_whole(repository)
        assert values_of(repository) == values
        disk.free()
        works.rotate(repository)
        assert_whole(repository)
        assert values_of(repository) == values
    assert_nowhere(works.PLANTED, [home])


def test_an_import_that_fills_the_disk_has_not_happened(disk: Disk, home: Path) -> None:
    with make_repository(make_settings(home)) as repository:
        works.fill(repository, 300)
        before = rows_of(repository)
        disk.fill(leave=50_000)
        with pytest.raises(DatabaseFullError, match="free some room and try again"):
            works.bring(repository, works.incoming())
        assert rows_of(repository) == before
        disk.free()
        works.bring(repository, works.incoming())
        assert_whole(repository)
    assert_nowhere(works.PLANTED, [home])


# Code that reads secrets


@pytest.mark.parametrize("how", HOWS)
async def test_code_is_told_and_reads_on_later(
    disk: Disk, home: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be told in the log is not read; what needs no telling is."""
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setattr(runtime_opened, "actor_name", lambda: ALICE.actor)
    with make_repository(make_settings(home)) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, acme, secret("token", SECRET))
        repository.configs.add(ALICE, acme, plain("text", "shown"))
        try:
            config = bifrost_tui.config

            async def read_often() -> None:
                # A log that was grown once has some room of its own.
                for _ in range(200):
                    await config.get("token", scope="Acme")

            assert await config.get("token", scope="Acme") == SECRET
            kind = DatabaseFullError if how == "full" else DatabaseReadOnlyError
            reader = runtime_opened.ready()
            assert reader is not None
            with failing(disk, how, repository, reader.repository):
                with pytest.raises(kind) as raised:
                    await read_often()
                assert_silent(raised.value, [SECRET])
                assert await config.get("text", scope="Acme") == "shown"
            assert await config.get("token", scope="Acme") == SECRET
        finally:
            runtime_opened.close()
        assert_whole(repository)


# Screens


@asynccontextmanager
async def running(world: World, within: str | None = "Acme Dental") -> AsyncIterator[Pilot[Any]]:
    app = app_over(world, organization=within)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    with a_world(home) as made:
        made.repository.warm_up()
        yield made
        assert_whole(made.repository)


def is_shown(pilot: Pilot[Any], kind: type[Screen[Any]]) -> bool:
    return isinstance(pilot.app.screen, kind)


def says(how: str) -> str:
    return {
        "full": "There is no room left for the database",
        "read-only": "cannot be written",
        "broken": "failed (SQLITE_IOERR_WRITE). Nothing was changed; check the disk.",
    }[how]


@pytest.mark.parametrize("how", FORMS)
async def test_the_form_of_a_config_keeps_everything(world: World, disk: Disk, how: str) -> None:
    async with running(world) as pilot:
        await press(pilot, "a")
        await write(pilot, "new")
        await choose(pilot, "type", "secret")
        await go_to_field(pilot, "value-secret")
        await paste(pilot, TYPED)
        await go_to_field(pilot, "description")
        await paste(pilot, LONG[:900])
        with failing(disk, how, world.repository):
            await press(pilot, "ctrl+s")
            assert "Not saved." in status(pilot)
            assert says(how) in status(pilot)
            # It is read as before: nothing says a moment later that it is back.
            assert not app_of(pilot).is_lost
            form = pilot.app.screen
            assert isinstance(form, ConfigForm)
            assert form.query_one("#key", Input).value == "new"
            assert form.query_one("#description", Input).value == LONG[:900].strip()
            assert not form.query_one(SecretField).is_empty
        await press(pilot, "ctrl+s")
        assert is_shown(pilot, ConfigurationsScreen)
    found = {key: value for (_, key), value in values_of_readable(world).items()}
    assert found["new"] == TYPED.encode()


def values_of_readable(world: World) -> dict[tuple[str, str], bytes | None]:
    by_hand(database_path(world.settings), "DELETE FROM config WHERE key = 'old_ftp_password'")
    found = values_of(world.repository)
    # As it was: counts are checked afterwards.
    by_hand(
        database_path(world.settings),
        "UPDATE scope_summary SET configs = configs - 1, secrets = secrets - 1"
        " WHERE scope_id = (SELECT id FROM organization WHERE name = 'Acme Dental')",
    )
    return found


@pytest.mark.parametrize("how", FORMS)
async def test_other_forms_keep_everything(world: World, disk: Disk, how: str) -> None:
    async with running(world) as pilot:
        await go_to(pilot, "stripe_api_key")
        await press(pilot, "r")
        await paste(pilot, TYPED)
        with failing(disk, how, world.repository):
            for _ in range(3):
                await press(pilot, "enter")
                if how == "full" and is_shown(pilot, ConfigurationsScreen):
                    # There was some room in the log.
                    await press(pilot, "r")
                    await paste(pilot, TYPED)
            assert says(how) in status(pilot)
            assert is_shown(pilot, RotateScreen)
            assert not pilot.app.screen.query_one(SecretField).is_empty
        await press(pilot, "enter")
        assert is_shown(pilot, ConfigurationsScreen)
        await press(pilot, "m")
        assert is_shown(pilot, MembersScreen)
        await press(pilot, "a")
        await write(pilot, "dora")
        with failing(disk, how, world.repository):
            await press(pilot, "enter")
            assert says(how) in status(pilot)
            assert pilot.app.screen.query(Input).first().value == "dora"
        await press(pilot, "enter")
        assert is_shown(pilot, MembersScreen)
    async with running(world, None) as pilot:
        await press(pilot, "a")
        await write(pilot, "Elm Street")
        with failing(disk, how, world.repository):
            await press(pilot, "enter")
            assert says(how) in status(pilot)
            assert is_shown(pilot, NameForm)
            assert pilot.app.screen.query_one("#name", Input).value == "Elm Street"
        await press(pilot, "enter")
        assert is_shown(pilot, OrganizationsScreen)


# Files that are changed under it


def test_a_log_that_is_gone_leaves_an_older_database_that_is_whole(
    tmp_path: Path, home: Path
) -> None:
    """As after a copy of the file alone: what stood in the log is missing, and nothing is half."""
    with make_repository(make_settings(home)) as repository:
        works.fill(repository, 30)
        path = database_path(make_settings(home))
        by_hand(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        before = same_again(repository)
        head = repository._context.chain.head()
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("new", SECRET))
        later = repository._context.chain.head()
        copy = tmp_path / "copy"
        other = database_path(make_settings(copy))
        other.parent.mkdir(parents=True)
        shutil.copy(path, other)
    with works.opened(make_settings(copy)) as repository:
        assert_whole(repository)
        assert same_again(repository) == before
        assert repository._context.chain.verify(head=head).broken_at is None
        # Only who has kept where the log ended can know.
        told = repository._context.chain.verify(head=later)
        assert told.why is not None
        assert "missing" in told.why


def test_a_file_that_is_cut_off_under_it_is_told_and_read_on_once_it_is_back(
    home: Path,
) -> None:
    with make_repository(make_settings(home)) as repository:
        works.fill(repository, 600)
        path = database_path(make_settings(home))
        by_hand(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        before = rows_of(repository)
        whole = path.read_bytes()
        repository._context.database.close()
        os.truncate(path, len(whole) // 2)
        for attempt in (
            lambda: rows_of(repository),
            lambda: listed(repository, ALICE, GLOBAL_SCOPE),
            lambda: repository.configs.add(ALICE, GLOBAL_SCOPE, secret("new", SECRET)),
        ):
            with pytest.raises(DatabaseError) as raised:
                attempt()
            assert isinstance(raised.value, DatabaseCorruptError)
            assert_silent(raised.value, [SECRET])
        path.write_bytes(whole)
        assert rows_of(repository) == before
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("new", SECRET))
        assert_whole(repository)


# A server's disk


def test_a_server_whose_disk_is_full_is_told(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database on a small disk of its own; what the server writes ahead is elsewhere."""
    try:
        with small_disk(postgres.folder / "small", 24) as disk:
            _fill_a_server(postgres, disk, tmp_path_factory.mktemp("home"))
    except LookupError as error:
        pytest.skip(str(error))


def _fill_a_server(server: Server, disk: Disk, home: Path) -> None:
    place = disk.folder / "place"
    place.mkdir(mode=0o700)
    shutil.chown(place, NOBODY)
    disk.folder.chmod(0o755)
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
        connection.execute(b"CREATE DATABASE on_a_small_disk TEMPLATE template0 TABLESPACE small")
    try:
        settings = works.settings_of(home, server.url("on_a_small_disk", scheme=SCHEME))
        with create_repository(settings, ALICE, clock=HandClock(), ids=counted_ids()) as repository:
            works.fill(repository, 60)
            before = rows_of(repository)
            disk.fill()
            with pytest.raises(DatabaseFullError) as raised:
                works.bring(repository, works.incoming())
            assert "has no room left (53100). Nothing was changed" in str(raised.value)
            assert_silent(raised.value, works.PLANTED)
            assert rows_of(repository) == before
            disk.free()
            works.bring(repository, works.incoming())
            assert_whole(repository)
    finally:
        server.drop("on_a_small_disk")
        with server.connect() as connection:
            connection.execute(b"DROP TABLESPACE small")
