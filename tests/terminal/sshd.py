"""A real sshd for tests: on a port of its own, with keys that are thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bifrost_tui.cli.authorize import authorized_line, public_key
from tests.terminal.harness import PATIENCE, TerminalSession

_ADDRESS = "127.0.0.1"
_SEPARATED = Path("/run/sshd")
"""Where an sshd that runs as root leaves its rights; the package's own service makes it."""


def missing() -> str:
    """Say what keeps an sshd from running here; nothing where it can."""
    if not shutil.which("sshd", path=_path()):
        return "there is no sshd here (Debian: openssh-server)"
    for name in ("ssh", "ssh-keygen"):
        if not shutil.which(name):
            return f"there is no {name} here (Debian: openssh-client)"
    if os.geteuid() == 0 and not _SEPARATED.is_dir():
        return f"sshd has no {_SEPARATED} to run in"
    try:
        shell = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        return "this account has no name that one could log in by"
    if Path(shell).name in ("false", "nologin"):
        return "this account has no shell that sshd could start commands with"
    return ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Done:
    """How a command over SSH ended, and what it wrote."""

    code: int
    out: bytes
    err: str


class Sshd:
    """An sshd that lets this account in, each of its keys by a forced command.

    ``environ`` is what those commands find around them.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *options: str) -> None:
        self.folder = folder
        self._environ = dict(environ)
        self._authorized = folder / "authorized_keys"
        self._authorized.touch(0o600)
        self._log = folder / "sshd.log"
        _make_key(folder / "host_key")
        self.port = 0
        self._process = self._started(options)
        (folder / "known_hosts").write_text(
            f"[{_ADDRESS}]:{self.port} {(folder / 'host_key.pub').read_text()}"
        )

    def _started(self, options: Sequence[str]) -> subprocess.Popen[bytes]:
        sshd = shutil.which("sshd", path=_path())
        assert sshd is not None
        # Another process may take a free port before sshd does: then the next one.
        for _ in range(5):
            self.port = _free_port()
            file = self.folder / "sshd_config"
            file.write_text("\n".join((*self._settings(), *options, "")))
            with self._log.open("wb") as log:
                process = subprocess.Popen(
                    [sshd, "-D", "-e", "-f", str(file)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if _answers(process, self.port):
                return process
            process.kill()
            process.wait()
        raise AssertionError(f"sshd does not start: {self._log.read_text(errors='replace')}")

    def _settings(self) -> tuple[str, ...]:
        return (
            f"ListenAddress {_ADDRESS}",
            f"Port {self.port}",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self._authorized}",
            f"PidFile {self.folder / 'sshd.pid'}",
            "PubkeyAuthentication yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin forced-commands-only",
            # Folders of tests lie in one that everybody may write in.
            "StrictModes no",
            "UsePAM no",
            f"SetEnv {' '.join(f'{name}={value}' for name, value in self._environ.items())}",
            "Subsystem sftp internal-sftp",
            "AllowTcpForwarding yes",
            "LogLevel VERBOSE",
        )

    def log(self) -> str:
        """Return what sshd has written."""
        return self._log.read_text(errors="replace")

    def make_key(self, name: str) -> str:
        """Make a key of a name and return its public half, which nobody lets in yet."""
        _make_key(self.folder / name)
        return (self.folder / f"{name}.pub").read_text()

    def let_in(self, line: str) -> None:
        """Let a key in."""
        with self._authorized.open("a") as file:
            file.write(f"{line.strip()}\n")

    def let_in_actor(self, actor: str, *options: str) -> None:
        """Let a new key in that acts as an actor, whose name it has."""
        words = [sys.executable, "-m", "bifrost_tui", "--actor", actor, *options]
        self.let_in(authorized_line(words, public_key(self.make_key(actor).encode())))

    def client(self, name: str, *options: str, port: int | None = None) -> list[str]:
        """Return the words that call ssh with a key; options come before the host."""
        settings = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": f"[{_ADDRESS}]:{self.port}",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "ControlPath": "none",
            "LogLevel": "ERROR",
        }
        given = [word for item in settings.items() for word in ("-o", f"{item[0]}={item[1]}")]
        user = pwd.getpwuid(os.getuid()).pw_name
        where = ["-p", str(port or self.port), *options, f"{user}@{_ADDRESS}"]
        return ["ssh", "-F", "none", *given, "-i", str(self.folder / name), *where]

    def run(self, name: str, *words: str, stdin: bytes = b"", options: Sequence[str] = ()) -> Done:
        """Run what a client asks for, without a terminal."""
        done = subprocess.run(
            # After two dashes, words of ours are no options of ssh.
            [*self.client(name, *options), "--", *words],
            input=stdin,
            capture_output=True,
            env=_client_environ(),
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def broken_off(self, name: str, words: str, stdin: bytes, then: Callable[[], object]) -> None:
        """Send the beginning of an input, do something, and kill the client."""
        client = subprocess.Popen(
            [*self.client(name), "--", words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_client_environ(),
        )
        with client:
            assert client.stdin is not None
            client.stdin.write(stdin)
            client.stdin.flush()
            then()
            client.kill()

    def session(
        self,
        name: str,
        *words: str,
        size: tuple[int, int] = (80, 24),
        options: Sequence[str] = (),
        port: int | None = None,
    ) -> TerminalSession:
        """Open a session in a terminal."""
        command = [*self.client(name, "-tt", *options, port=port), "--", *words]
        return TerminalSession(command, size=size, env=_client_environ())

    def processes(self) -> dict[int, str]:
        """Return the processes of sessions by their ids: what sshd has started, and that in turn.

        Not among them are sshd's own.
        """
        children: dict[int, list[int]] = {}
        names: dict[int, str] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, IndexError):
                head, _, tail = stat.read_text().rpartition(")")
                number = int(stat.parent.name)
                names[number] = head.partition("(")[2]
                children.setdefault(int(tail.split()[1]), []).append(number)
        found: dict[int, str] = {}
        waiting = [self._process.pid]
        while waiting:
            inner = children.get(waiting.pop(), [])
            waiting += inner
            found.update({number: names[number] for number in inner})
        return {number: name for number, name in found.items() if not name.startswith("sshd")}

    def close(self) -> None:
        """End sshd and every session that it still has."""
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, 9)
        self._process.terminate()
        self._process.wait(PATIENCE)


def _client_environ() -> dict[str, str]:
    wanted = ("PATH", "HOME", "LANG")
    given = {name: os.environ[name] for name in wanted if name in os.environ}
    return {**given, "TERM": "xterm-256color"}


def _make_key(path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_ADDRESS, 0))
        return int(found.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((_ADDRESS, port), 1) as there:
            # Whoever it is, sshd says who it is first.
            return there.recv(4) == b"SSH-"
        time.sleep(0.01)
    return False
