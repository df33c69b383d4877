"""Making a database and opening it: the key fits and the schema is known, or nothing happens."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

import bifrost_tui.store.migrate
from bifrost_tui.crypto.master_key import MasterKey, load_master_keys
from bifrost_tui.errors import (
    BifrostError,
    DatabaseError,
    DatabaseMissingError,
    DatabaseNewerError,
    DatabaseNotOursError,
    MasterKeyError,
    MasterKeyMissingError,
    MasterKeyRefusedError,
    WrongMasterKeyError,
)
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.filters import ConfigFilter
from bifrost_tui.store.opening import (
    MISSING_KEY,
    create_repository,
    open_repository,
)
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.schema import REVISION
from bifrost_tui.store.views import GLOBAL_SCOPE, ChainReport, Scope, State
from tests.support import (
    ALICE,
    BOB,
    KEY,
    NEW_KEY,
    OTHER_KEY,
    START,
    HandClock,
    assert_nowhere,
    assert_silent,
    by_hand,
    counted_ids,
    database_path,
    events,
    listed,
    make_repository,
    make_settings,
    opened,
    plain,
    planted,
    secret,
)

PLANTED = planted()[0]


def key_id(key: str) -> str:
    return MasterKey(key.encode()).key_id


def keys_in_use(repository: Repository, access: Access) -> dict[str, int]:
    uses = repository.master_keys.uses(access)
    return {use.key_id: use.secrets for use in uses if use.opens or use.secrets}


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file beneath a folder: its mode and its bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def descriptors(path: Path) -> int:
    """Count how often this process holds a file of the database open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).startswith(str(path)) for link in links)


# Making one


def test_a_new_database_has_its_owner_and_is_told_of(settings: Settings, clock: HandClock) -> None:
    with create_repository(settings, ALICE, clock=clock, ids=counted_ids()) as repository:
        assert repository.notices == ()
        assert repository.key_id == key_id(KEY)
        assert repository.clock is clock
        assert [view.scope for view in repository.organizations.list(ALICE)] == [GLOBAL_SCOPE]
        assert listed(repository, ALICE, GLOBAL_SCOPE) == ()
        assert events(repository) == [("database.create", None, None, "done")]
        assert repository._context.chain.verify() == ChainReport(1, None)
        assert keys_in_use(repository, ALICE) == {key_id(KEY): 0}
        [member] = by_hand(repository, "SELECT actor, role, scope_id, created_at FROM member")
        assert member[:3] == ("alice", "owner", "all")
        assert member[3].startswith(START.date().isoformat())
        assert repository.organizations.list(BOB) == ()


def test_a_new_database_is_for_its_owner_alone(settings: Settings, home: Path) -> None:
    mask = os.umask(0)
    try:
        with create_repository(settings, ALICE) as repository:
            repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", PLANTED))
            folder = database_path(settings).parent
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
            assert modes == dict.fromkeys(("bifrost.db", "bifrost.db-wal", "bifrost.db-shm"), 0o600)
            assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(mask)
    assert_nowhere([KEY, PLANTED], [home])


def test_two_databases_share_nothing(home: Path, tmp_path: Path) -> None:
    prints, hashes = set(), set()
    for number in range(2):
        settings = make_settings(tmp_path / str(number))
        with create_repository(settings, ALICE, clock=HandClock(), ids=counted_ids()) as made:
            view = made.configs.add(ALICE, GLOBAL_SCOPE, secret("k", PLANTED))
            prints.add(view.fingerprint)
            hashes |= set(by_hand(made, "SELECT chain_hash FROM audit_event"))
    assert len(prints) == 2
    assert len(hashes) == 4


def test_a_key_is_made_where_there_is_none(home: Path) -> None:
    settings = load_settings({"HOME": str(home)})
    with create_repository(settings, ALICE, make_key=True) as repository:
        made = repository.key_id
    assert settings.key_file.stat().st_mode & 0o777 == 0o600
    found = load_settings({"HOME": str(home)}).key_source
    assert found is not None
    assert load_master_keys(found)[0].key_id == made
    with open_repository(load_settings({"HOME": str(home)}), ALICE) as repository:
        assert repository.key_id == made


def test_no_key_is_made_where_there_is_one(settings: Settings) -> None:
    with create_repository(settings, ALICE, make_key=True) as repository:
        assert repository.key_id == key_id(KEY)
    assert not settings.key_file.exists()


def test_no_key_is_made_unasked(home: Path) -> None:
    with pytest.raises(MasterKeyMissingError) as raised:
        create_repository(load_settings({"HOME": str(home)}), ALICE)
    assert str(raised.value) == MISSING_KEY
    assert files(home) == {}


def test_a_key_file_that_came_meanwhile_is_kept(home: Path) -> None:
    settings = load_settings({"HOME": str(home)})
    settings.key_file.parent.mkdir(parents=True)
    settings.key_file.write_text(OTHER_KEY)
    with pytest.raises(MasterKeyRefusedError, match="exists"):
        create_repository(settings, ALICE, make_key=True)
    assert settings.key_file.read_text() == OTHER_KEY
    assert list(files(home)) == [".config/bifrost-tui/secret.key"]


def test_what_is_there_is_never_written_over(settings: Settings, home: Path) -> None:
    path = database_path(settings)
    path.parent.mkdir(parents=True)
    for content in (b"", b"something else"):
        path.write_bytes(content)
        with pytest.raises(DatabaseError, match=r"exists already\. Nothing was changed"):
            create_repository(settings, ALICE, make_key=True)
        assert path.read_bytes() == content
    path.unlink()
    path.symlink_to(home / "nowhere")
    with pytest.raises(DatabaseError, match="exists already"):
        create_repository(settings, ALICE)
    assert not (home / "nowhere").exists()


@pytest.mark.parametrize("step", ["prepare_storage", "_create", "run_migrations", "connect"])
@pytest.mark.parametrize("error", [RuntimeError("planned"), KeyboardInterrupt()])
def test_what_fails_on_the_way_leaves_nothing_and_can_be_done_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    settings = load_settings({"HOME": str(home)})
    module = f"bifrost_tui.store.{'migrate' if step == 'run_migrations' else 'opening'}"
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.{step}", fail)
        with pytest.raises(type(error)):
            create_repository(settings, ALICE, make_key=True)
    assert files(home) == {}
    assert descriptors(database_path(settings)) == 0
    create_repository(settings, ALICE, make_key=True).close()


def test_a_database_that_cannot_be_made_is_told_with_its_path(home: Path) -> None:
    (home / "file").write_text("")
    path = home / "file" / "bifrost.db"
    environ = {"HOME": str(home), DATABASE_VARIABLE: f"sqlite:///{path}"}
    with pytest.raises(DatabaseError) as raised:
        create_repository(load_settings(environ), ALICE, make_key=True)
    assert str(path) in str(raised.value)
    assert "cannot be made: File exists" in str(raised.value)
    assert files(home) == {"file": files(home)["file"]}


@pytest.mark.parametrize(
    "name", ["a b", "100%41", "what?", "a#b", "ü 🔑", "new\nline", "mode=ro&x", "~", "file:x"]
)
def test_a_database_may_stand_in_any_folder(home: Path, name: str) -> None:
    settings = load_settings(
        {"HOME": str(home), KEY_VARIABLE: KEY, "XDG_DATA_HOME": str(home / name)}
    )
    create_repository(settings, ALICE).close()
    made = [found for found in home.rglob("*") if found.is_file()]
    assert made == [home / name / "bifrost-tui" / "bifrost.db"]
    with open_repository(settings, ALICE) as repository:
        assert repository.configs.count(ALICE, ConfigList(GLOBAL_SCOPE)) == 0


# Opening one


def test_a_missing_database_is_not_made_by_looking_for_it(settings: Settings, home: Path) -> None:
    with pytest.raises(DatabaseMissingError) as raised:
        open_repository(settings, ALICE)
    assert str(database_path(settings)) in str(raised.value)
    assert "bifrost-tui setup" in str(raised.value)
    assert list(home.iterdir()) == []


def test_a_database_that_cannot_be_reached_is_told_with_its_path(home: Path) -> None:
    path = home / ("x" * 300) / "bifrost.db"
    environ = {"HOME": str(home), KEY_VARIABLE: KEY, DATABASE_VARIABLE: f"sqlite:///{path}"}
    for attempt in (open_repository, create_repository):
        with pytest.raises(DatabaseError, match="cannot be reached: File name too long") as raised:
            attempt(load_settings(environ), ALICE)
        assert str(path) in str(raised.value)


@pytest.fixture
def there(settings: Settings) -> Settings:
    """The settings of a database that holds a secret."""
    with make_repository(settings) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, acme, secret("k", PLANTED))
        repository.configs.add(ALICE, acme, plain("p", "plain"))
    return settings


def refused(settings: Settings, kind: type[BifrostError], home: Path) -> str:
    """Try to open, and return what is said; nothing may be written."""
    before = files(home)
    with pytest.raises(kind) as raised:
        open_repository(settings, ALICE)
    assert files(home) == before
    assert descriptors(database_path(settings)) == 0
    assert_silent(raised.value, [KEY, NEW_KEY, OTHER_KEY, PLANTED])
    return str(raised.value)


def test_a_wrong_key_is_told_with_both_ids_and_nothing_is_written(
    there: Settings, home: Path
) -> None:
    said = refused(make_settings(home, OTHER_KEY), WrongMasterKeyError, home)
    assert f"{KEY_VARIABLE} holds key {key_id(OTHER_KEY)}" in said
    assert f"the database was written with key {key_id(KEY)}" in said
    assert "Nothing was read or written" in said
    assert "give both, the new one first: new,old" in said
    said = refused(make_settings(home, f"{OTHER_KEY},{NEW_KEY}"), WrongMasterKeyError, home)
    assert f"{key_id(OTHER_KEY)}, {key_id(NEW_KEY)}" in said


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("", "the key is empty"),
        ("z" * 31, "31 characters, too few"),
        (f"{KEY},", "key 2 of"),
        (f"{KEY},{KEY}", "given twice"),
    ],
)
def test_a_key_that_is_none_opens_nothing(
    there: Settings, home: Path, keys: str, says: str
) -> None:
    said = refused(make_settings(home, keys), MasterKeyRefusedError, home)
    assert says in said
    assert KEY_VARIABLE in said
    assert "`bifrost-tui key generate`" in said or "Remove one" in said


def test_without_a_key_nothing_is_opened(there: Settings, home: Path) -> None:
    keyless = load_settings({"HOME": str(home)})
    assert refused(keyless, MasterKeyMissingError, home) == MISSING_KEY
    environ = {"HOME": str(home), "BIFROST_SECRET_KEY_FILE": str(home / "none")}
    assert "does not exist" in refused(load_settings(environ), MasterKeyMissingError, home)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE key_check SET token = substr(token, 2)",
        "UPDATE key_check SET token = ''",
        "UPDATE key_check SET token = x'ff'",
    ],
)
def test_a_damaged_verifier_is_told_apart_from_a_wrong_key(
    there: Settings, home: Path, damage: str
) -> None:
    by_hand(database_path(there), damage)
    said = refused(there, WrongMasterKeyError, home)
    assert "record of master key" in said
    assert key_id(KEY) in said
    assert "is damaged" in said


def test_a_verifier_of_another_database_does_not_fit(there: Settings, home: Path) -> None:
    with create_repository(make_settings(home / "other"), ALICE) as other:
        [(token,)] = by_hand(other, "SELECT token FROM key_check")
    by_hand(database_path(there), "UPDATE key_check SET token = ?", token)
    with open_repository(there, ALICE) as repository:
        # It opens, for the key is the same; that it is another root, the chain tells.
        assert repository._context.chain.verify() == ChainReport(0, 1)


def test_a_database_without_any_verifier_fits_no_key(there: Settings, home: Path) -> None:
    by_hand(database_path(there), "DELETE FROM key_check")
    assert "written with key unknown" in refused(there, WrongMasterKeyError, home)


def test_opening_a_database_again_writes_nothing(there: Settings, home: Path) -> None:
    before = files(home)
    with open_repository(there, ALICE) as repository:
        assert repository.notices == ()
    assert files(home) == before


# Changing the master key


@pytest.fixture
def acme(there: Settings) -> Scope:
    with open_repository(there, ALICE) as repository:
        return repository.organizations.find(ALICE, "Acme")


def test_a_new_key_is_let_in_by_an_old_one(there: Settings, home: Path, acme: Scope) -> None:
    both = make_settings(home, f"{NEW_KEY},{KEY}")
    for number in range(2):
        with open_repository(both, BOB) as repository:
            assert repository.key_id == key_id(NEW_KEY)
            # Once, however often it is opened.
            told = [action for action, *_ in events(repository)]
            assert told.count("key.add") == 1
            assert keys_in_use(repository, ALICE) == {key_id(KEY): 1, key_id(NEW_KEY): number}
            [view, _] = listed(repository, ALICE, acme)[-2:]
            assert opened(repository, view) == PLANTED.encode()
            repository.configs.add(ALICE, acme, secret(f"n{number}", PLANTED))
            assert repository._context.chain.verify().broken_at is None
    [(details, actor)] = by_hand(
        database_path(there), "SELECT details, actor FROM audit_event WHERE action = 'key.add'"
    )
    assert (details, actor) == (f'{{"key_id":"{key_id(NEW_KEY)}"}}', "bob")
    # Both ways round: the old key still opens what it wrote.
    with open_repository(make_settings(home, f"{KEY},{NEW_KEY}"), ALICE) as repository:
        assert {view.state for view in listed(repository, ALICE, acme)} == {State.OK}


def test_without_the_old_key_its_secrets_are_unreadable_and_the_list_opens(
    there: Settings, home: Path, acme: Scope
) -> None:
    open_repository(make_settings(home, f"{NEW_KEY},{KEY}"), ALICE).close()
    with open_repository(make_settings(home, NEW_KEY), ALICE) as repository:
        repository.configs.add(ALICE, acme, secret("new", PLANTED))
        before = events(repository)
        old, new, text = listed(repository, ALICE, acme)
        assert (old.key, old.state) == ("k", State.UNREADABLE)
        assert (new.key, new.state) == ("new", State.OK)
        assert (text.key, text.value) == ("p", '"plain"')
        assert opened(repository, old) is None
        # The fingerprint is the database's, not the key's.
        assert old.fingerprint == new.fingerprint
        assert repository.organizations.counts(ALICE, acme).attention.unreadable == 1
        assert repository.organizations.list(ALICE)[1].attention.unreadable == 1
        unreadable = ConfigFilter(states=frozenset({"unreadable"}))
        assert listed(repository, ALICE, ConfigList(acme, unreadable)) == (old,)
        # A key that is only away is no damage: nothing is noted.
        assert events(repository) == before
        # It cannot be edited into another key unseen, but it can be given a new value.
        kept = repository.configs.edit(ALICE, old, secret("k", description="still old"))
        assert kept.state is State.UNREADABLE
        fresh = repository.configs.rotate(ALICE, kept, EnteredSecret("fresh"))
        assert (fresh.state, opened(repository, fresh)) == (State.OK, b"fresh")
        assert repository.organizations.counts(ALICE, acme).attention.unreadable == 0
    # With the old key back, there is nothing that it would be needed for.
    with open_repository(there, ALICE) as repository:
        assert keys_in_use(repository, ALICE) == {key_id(KEY): 0, key_id(NEW_KEY): 2}


def test_the_old_key_back_reads_its_secrets_again(there: Settings, home: Path, acme: Scope) -> None:
    open_repository(make_settings(home, f"{NEW_KEY},{KEY}"), ALICE).close()
    with open_repository(make_settings(home, NEW_KEY), ALICE) as repository:
        assert listed(repository, ALICE, acme)[0].state is State.UNREADABLE
    with open_repository(make_settings(home, f"{NEW_KEY},{KEY}"), ALICE) as repository:
        view = listed(repository, ALICE, acme)[0]
        assert (view.state, opened(repository, view)) == (State.OK, PLANTED.encode())


def test_two_processes_let_the_same_key_in_once(
    there: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second read the verifiers before the first wrote its own."""
    both = make_settings(home, f"{NEW_KEY},{KEY}")
    first: list[Repository] = []
    began: list[bool] = []
    add = bifrost_tui.store.opening._add_verifier

    def after_another(*given: object) -> None:
        if not began:
            began.append(True)
            first.append(open_repository(both, ALICE))
        add(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("bifrost_tui.store.opening._add_verifier", after_another)
    with open_repository(both, ALICE) as second:
        assert [action for action, *_ in events(second)].count("key.add") == 1
    first[0].close()


# Databases of others


@pytest.mark.parametrize(
    ("statements", "kind", "says"),
    [
        (["UPDATE bifrost_schema SET version_num = '9999'"], DatabaseNewerError, "newer Bifrost"),
        (
            [f"UPDATE bifrost_schema SET version_num = '{REVISION}x'"],
            DatabaseNewerError,
            "update the",
        ),
        (["UPDATE bifrost_schema SET version_num = '0000'"], DatabaseNotOursError, "schema '0000'"),
        (["DELETE FROM bifrost_schema"], DatabaseNotOursError, "was not made by Bifrost TUI"),
        (["INSERT INTO bifrost_schema VALUES ('0')"], DatabaseNotOursError, "was not made by"),
        (["DROP TABLE bifrost_schema"], DatabaseNotOursError, "check BIFROST_DATABASE_URL"),
        (
            ["DROP TABLE bifrost_schema", "CREATE TABLE bifrost_schema (x)"],
            DatabaseError,
            "Nothing was changed",
        ),
    ],
)
def test_a_schema_that_is_not_known_is_refused_and_left_as_it_is(
    there: Settings, home: Path, statements: list[str], kind: type[DatabaseError], says: str
) -> None:
    for statement in statements:
        by_hand(database_path(there), statement)
    said = refused(there, kind, home)
    assert says in said
    assert str(database_path(there)) in said


def test_a_database_of_another_program_is_left_as_it_is(settings: Settings, home: Path) -> None:
    path = database_path(settings)
    path.parent.mkdir(parents=True)
    for statements in (
        [],
        ["CREATE TABLE config (id, key)", "INSERT INTO config VALUES (1, 'x')"],
        ["PRAGMA journal_mode = WAL", "CREATE TABLE alembic_version (version_num)"],
    ):
        path.unlink(missing_ok=True)
        path.touch()
        for statement in statements:
            by_hand(path, statement)
        said = refused(settings, DatabaseNotOursError, home)
        assert "was not made by Bifrost TUI. Nothing in it was changed" in said
        assert str(path) in said


def test_the_key_is_asked_for_before_the_database_is_touched(there: Settings, home: Path) -> None:
    database_path(there).write_bytes(b"no database at all")
    with pytest.raises(MasterKeyError):
        open_repository(replace(there, key_source=None), ALICE)
