"""What tests of every kind share: a repository to work with, planted secrets, and looking for them.

Nothing here knows a screen or a command.
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from bifrost_tui.crypto.cipher import Sealed
from bifrost_tui.crypto.reading import open_sealed
from bifrost_tui.settings import DATABASE_VARIABLE, KEY_VARIABLE, Settings, load_settings
from bifrost_tui.store.access import EVERYWHERE, Role
from bifrost_tui.store.engine import connect
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.postgres import PostgresDatabase
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft, ConfigList
from bifrost_tui.store.schema import member
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView, Scope
from tests.databases import Databases

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
"""When every test begins."""

KEY = "the-master-key-that-tests-are-run-with-01"
OTHER_KEY = "another-master-key-which-fits-nothing-002"
NEW_KEY = "the-master-key-that-comes-after-it-000003"

ALICE = Access("alice", "local")
"""The owner of every database that :func:`make_repository` makes."""
BOB = Access("bob", "10.1.4.7")
CAROL = Access("carol", "10.1.4.8")


class HandClock:
    """A clock that stands still until it is advanced by hand."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """Go on by a ``timedelta`` (``days=1``) and return the new moment."""
        self.now += timedelta(**by)
        return self.now


def counted_ids(start: int = 1) -> Callable[[], str]:
    """Return what gives one id after another, the same ones in every run."""
    numbers = count(start)
    return lambda: f"{next(numbers):032x}"


class Engine:
    """The engine that the test at hand is run on: SQLite, or the databases of a server."""

    servers: Databases | None = None

    @classmethod
    def environ(cls, home: Path) -> dict[str, str]:
        """Return the variables that name the database of a home: none where it is a file of it."""
        return {} if cls.servers is None else {DATABASE_VARIABLE: cls.servers.url(home)}


def move(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Let the environment be another home's, with a database of its own."""
    for name, value in {"HOME": str(home), **Engine.environ(home)}.items():
        monkeypatch.setenv(name, value)


def make_settings(home: Path, keys: str = KEY) -> Settings:
    """Return the settings of a user who has ``keys`` in the environment and nothing else."""
    return load_settings({"HOME": str(home), KEY_VARIABLE: keys, **Engine.environ(home)})


@cache
def _new_database() -> bytes:
    """Return a database just made, so that it is made once and then copied."""
    with TemporaryDirectory() as folder:
        settings = load_settings({"HOME": folder, KEY_VARIABLE: KEY})
        create_repository(settings, ALICE, clock=HandClock(), ids=lambda: "0" * 32).close()
        assert settings.database_path is not None
        return settings.database_path.read_bytes()


def make_repository(
    home: Path | Settings,
    access: Access = ALICE,
    *,
    clock: Callable[[], datetime] | None = None,
    ids: Callable[[], str] | None = None,
) -> Repository:
    """Open a new database whose owner is Alice. The caller closes it."""
    settings = home if isinstance(home, Settings) else make_settings(home)
    if (path := settings.database_path) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        path.touch(0o600, exist_ok=False)
        path.write_bytes(_new_database())
    return open_repository(settings, access, clock=clock or HandClock(), ids=ids or counted_ids())


def database_path(settings: Settings) -> Path:
    """Return the database's file."""
    assert settings.database_path is not None
    return settings.database_path


def add_member(repository: Repository, actor: str, role: Role, scope: Scope | None = None) -> None:
    """Make an actor a member of one organization, or of all of them and global."""
    context = repository._context
    now = context.now()
    row = {
        "id": context.ids(),
        "organization_id": scope.id if scope else None,
        "scope_id": scope.id if scope else EVERYWHERE,
        "actor": actor,
        "role": role.value,
        "created_at": now,
        "created_by": "test",
        "updated_at": now,
        "updated_by": "test",
        "version": 1,
    }
    context.database.write_rows(lambda connection: connection.execute(insert(member), [row]))


def plain(key: str, value: str = "a", **more: Any) -> ConfigDraft:
    """Return a draft of a string."""
    return ConfigDraft(key, ConfigType.STRING, value=value, **more)


def secret(key: str, value: str | None = None, **more: Any) -> ConfigDraft:
    """Return a draft of a secret; without a value it needs one."""
    entered = None if value is None else EnteredSecret(value)
    return ConfigDraft(key, ConfigType.SECRET, secret=entered, **more)


def listed(
    repository: Repository, access: Access, scope: Scope | ConfigList
) -> tuple[ConfigView, ...]:
    """Return the whole list of a scope."""
    wanted = ConfigList(scope) if isinstance(scope, Scope) else scope
    return repository.configs.page(access, wanted, offset=0, limit=1_000_000).rows


def by_hand(
    database: Path | Repository | Settings, statement: str, *values: object
) -> list[tuple[Any, ...]]:
    """Run SQL past the program, as somebody with the file in hand can, and commit it."""
    path: Any = database._context.database if isinstance(database, Repository) else database
    if isinstance(path, Settings):
        path = path.database_path or connect(path.database_url)
    if isinstance(path, PostgresDatabase):
        return _by_hand_there(path, statement, values)
    if not isinstance(path, Path):
        assert path.path is not None
        path = path.path
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


_TRIGGER = re.compile(
    r"CREATE TRIGGER (\w+) (\w+ \w+) ON (\w+)(?: WHEN (.+?))?\s+BEGIN SELECT RAISE\(.*END;?\Z",
    re.DOTALL,
)


def _by_hand_there(
    database: PostgresDatabase, statement: str, values: tuple[object, ...]
) -> list[tuple[Any, ...]]:
    with closing(database.open()) as connection:
        if trigger := _TRIGGER.match(statement):
            # What SQLite says in one statement takes a function here.
            name, when, table, condition = trigger.groups()
            condition = f" WHEN ({condition})" if condition else ""
            statement = (
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE ''no''; END';"
                f" CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW{condition}"
                f" EXECUTE FUNCTION {name}()"
            )
        elif dropped := re.fullmatch(r"DROP TRIGGER (\w+)", statement):
            statement = f"DROP FUNCTION {dropped[1]} CASCADE"
        if values:
            statement = statement.replace("%", "%%").replace("?", "%s")
        cursor = connection.execute(statement.encode(), values or None, prepare=False)
        if not cursor.description:
            return []
        return [tuple(_as_text(value) for value in row) for row in cursor.fetchall()]


def _as_text(value: Any) -> Any:
    """Return a moment as SQLite keeps it, and anything else as it is."""
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def opened(repository: Repository, view: ConfigView) -> bytes | None:
    """Decrypt a secret as only the runtime may."""
    [(token, key_id, scope_id, version)] = by_hand(
        repository,
        "SELECT secret, key_id, scope_id, secret_version FROM config WHERE id = ?",
        view.id,
    )
    context = seal_context(scope_id, view.id, version)
    return open_sealed(repository._context.keyring, Sealed(token, key_id), context)


def events(database: Path | Repository | Settings) -> list[tuple[Any, ...]]:
    """Return action, organization, key and outcome of every audit event, oldest first."""
    return by_hand(
        database,
        "SELECT action, organization, key, outcome FROM audit_event ORDER BY sequence",
    )


def planted() -> tuple[str, ...]:
    """Return secrets that stand nowhere else, to be looked for afterwards."""
    return (
        "zQ7-nobody-else-writes-this",
        "-----BEGIN PRIVATE KEY-----\nMIIEvPLANTEDqqqz0\n-----END PRIVATE KEY-----\n",
        "pa'ss\"wörd 100%/planted\\",
        "пароль-🔑-planted",
    )


def forms(value: str) -> dict[str, bytes]:
    """Return a value as it may turn up somewhere: as is, and as code writes it down."""
    data = value.encode()
    found = {
        "plain": data,
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        "percent": quote(value, safe="").encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "repr": repr(value)[1:-1].encode(),
    }
    for shift in range(3):
        # The characters that the value alone decides, wherever it stands in what is encoded.
        skipped = (0, 2, 3)[shift]
        kept = (len(data) + shift) * 8 // 6
        for name, encode in (("base64", b64encode), ("urlsafe", urlsafe_b64encode)):
            found[f"{name}+{shift}"] = encode(b"\0" * shift + data)[skipped:kept]
    return found


def assert_nowhere(values: Iterable[str], paths: Iterable[Path]) -> None:
    """Look for values, in every form, in files and in all that folders hold, names included.

    The tables of a home's database count as being in it, wherever they are.
    """
    wanted = [(form, data) for value in values for form, data in forms(value).items()]
    assert wanted
    paths = list(paths)
    if (servers := Engine.servers) is not None:
        tables = [table for path in paths for table in servers.contents(path).items()]
        for name, content in tables:
            for form, data in wanted:
                assert data not in content, f"{name} holds a planted value ({form})"
    for path in _files(paths):
        content = path.read_bytes()
        for form, data in wanted:
            assert data not in content, f"{path} holds a planted value ({form})"
            assert data not in bytes(path), f"the name {path} holds a planted value ({form})"


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        assert path.exists(), path
        if path.is_dir():
            yield from (inner for inner in sorted(path.rglob("*")) if inner.is_file())
        else:
            yield path


def assert_silent(error: BaseException, values: Iterable[str]) -> None:
    """Look for values in an exception: what it says and keeps, and every one that it hangs on to.

    Other exceptions are reached as its cause, its context, its attributes and as what the frames
    of its traceback hold.
    """
    wanted = [data for value in values for data in forms(value).values()]
    seen: dict[int, BaseException] = {}
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found
        held: list[Any] = [found.args, vars(found), str(found), repr(found)]
        held += [getattr(found, name, None) for name in ("object", "doc", "params", "statement")]
        text = repr(held).encode()
        for data in wanted:
            assert data not in text, f"{type(found).__name__} holds a planted value"
            assert data not in str(found).encode(errors="replace")
        waiting += [
            other
            for other in (found.__cause__, found.__context__, *_held(found.__traceback__))
            if isinstance(other, BaseException)
        ]
        waiting += [other for other in vars(found).values() if isinstance(other, BaseException)]


def _held(traceback: TracebackType | None) -> Iterator[Any]:
    while traceback is not None:
        # The frames of the test itself hold what it planted.
        if "/tests/" not in traceback.tb_frame.f_code.co_filename:
            yield from list(traceback.tb_frame.f_locals.values())
        traceback = traceback.tb_next
