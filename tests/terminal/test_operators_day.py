"""An operator's day by keyboard alone, in a real terminal; then every byte is searched.

What was planted is looked for in all that was written to the terminal, on the screen and in the
scrollback, in the database with its write-ahead log, in every other file of the home and of the
temporary folder, in the process's own command line and in what the commands print.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui.settings import load_settings
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.terminal import actor_name
from tests.support import opened
from tests.terminal.harness import TerminalSession, sweep

TYPED = "hunter2-typed-by-hand-0815"
FIRST = "first-value-Zx81Qy77-of-the-day"
SECOND = "second-value-Kp40Vm12-rotated"
PEM_LINES = [
    f"MIIEvQIBADANBgkqh{number:02d}kiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" for number in range(26)
]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *PEM_LINES, "-----END PRIVATE KEY-----", ""])
ABANDONED = "abandoned-draft-Tt93Rr58-never-saved"
PLANTED = [TYPED, FIRST, SECOND, PEM, ABANDONED]

ENTER, ESC, TAB, DOWN, RIGHT = "\r", "\x1b", "\t", "\x1b[B", "\x1b[C"
SAVE = "\x13"


def _new_user(tmp_path: Path) -> dict[str, str]:
    """A new user's environment, over SSH, with folders of its own for home and temporary files."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir(mode=0o700)
    return {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "SSH_CONNECTION": "10.1.4.7 50022 10.1.4.1 22",
        # Whoever debugs Textual has these set; they would write every key to a file.
        "TEXTUAL_LOG": str(tmp_path / "tmp" / "textual.log"),
        "TEXTUAL": "debug,devtools",
    }


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the day."""
    return _new_user(tmp_path_factory.mktemp("day"))


class Day:
    """The keys of the day, each waited for on the screen."""

    def __init__(self, session: TerminalSession) -> None:
        self.session = session

    def press(self, *keys: str, then: str) -> None:
        """Type, and wait until the screen says so."""
        for key in keys:
            self.session.send(key)
        self.session.wait_for(then)

    def gone(self, what: str) -> None:
        """Wait until something is no longer on the screen."""
        self.session.wait_for(lambda session: what not in session.screen_text())

    def add(self, key: str, kind: str, *value: str, shown: str) -> None:
        """Add a config of a type; ``shown`` is what its line then says."""
        steps = ["string", "int", "bool", "json", "secret"].index(kind)
        self.press("a", then="Add a config to")
        self.press(key, then=key)
        self.press(TAB, *[RIGHT] * steps, then=f"[{kind}]")
        self.session.send(TAB)
        for part in value:
            self.session.send(part)
        self.press(SAVE, then=f"{key} in Acme Dental is saved")
        self.session.wait_for(shown)


def _the_day(session: TerminalSession) -> None:
    day = Day(session)
    session.wait_for("Nothing is set up yet")
    day.press(ENTER, then="Created, with the master key")

    day.press("a", then="Add an organization")
    day.press("Acme Dental", ENTER, then="Acme Dental is saved")
    day.press(ENTER, then="0 configs")

    day.add("site_url", "string", "https://acme.example", shown="https://acme.")
    day.add("retries", "int", "5", shown="int")
    day.add("sandbox", "bool", RIGHT, shown="true")
    day.add("limits", "json", '{"rate": [1, 2]}', shown='{"rate":[1,2]}')
    day.add("typed_password", "secret", TYPED, shown="typed_password")

    # A PEM, pasted whole: many lines, its newline at the end kept and said.
    day.press("a", then="Add a config to")
    day.press("tls_key", TAB, *[RIGHT] * 4, then="[secret]")
    session.send(TAB)
    session.paste(PEM)
    session.wait_for("28 lines")
    session.wait_for("PEM private key")
    session.wait_for("ends with a newline")
    day.press(SAVE, then="tls_key in Acme Dental is saved")

    day.add("api_token", "secret", FIRST, shown="api_token")

    # Something entered and thrown away.
    day.press("a", then="Add a config to")
    day.press("half_done", TAB, *[RIGHT] * 4, then="[secret]")
    session.send(TAB)
    session.paste(ABANDONED)
    session.wait_for("fingerprint")
    day.press(ESC, then="Not saved yet")
    session.send(ESC)
    day.gone("Add a config to")

    # Found by a filter, looked at, rotated.
    day.press("/", "api_tok", then="1 of 7")
    session.send(ENTER)
    day.press(ENTER, then="Value since")
    session.send(ESC)
    day.gone("Value since")
    day.press("r", then="Rotate api_token")
    session.paste(FIRST)
    session.wait_for("the same value as before")
    day.press("\x15", then="nothing entered yet")
    session.paste(SECOND)
    session.wait_for("fingerprint")
    day.press(ENTER, then="api_token in Acme Dental is rotated")
    session.wait_for("1 of 7")
    session.send(ESC)
    day.gone("1 of 7")

    # Deleted: the focus is on Cancel, and a secret wants its key.
    day.press("/", "typed_pass", then="1 of 7")
    session.send(ENTER)
    day.press("d", then="Type the key to delete it")
    day.press("typed_passwor", ENTER, then="That is not its key")
    day.press("d", ENTER, then="typed_password in Acme Dental is deleted")
    session.wait_for("0 of 6")
    session.send(ESC)
    day.gone("0 of 6")
    session.send("q")
    assert session.wait_exit() == 0


@pytest.fixture(scope="module")
def over(environ: dict[str, str]) -> Iterator[TerminalSession]:
    """The day, lived through, its terminal still there to be searched."""
    command = [sys.executable, "-m", "bifrost_tui"]
    with TerminalSession(command, size=(100, 30), env=environ) as session:
        session.wait_for("Nothing is set up yet")
        arguments = Path(f"/proc/{session.pid}/cmdline")
        _the_day(session)
        assert not arguments.exists() or not sweep(arguments.read_bytes(), PLANTED)
        yield session


def _files(environ: dict[str, str]) -> dict[str, bytes]:
    roots = (Path(environ["HOME"]), Path(environ["TMPDIR"]))
    return {
        str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.xdist_group("day")
def test_a_day_leaves_no_value_anywhere(over: TerminalSession, environ: dict[str, str]) -> None:
    # Searching works: what is shown by right is found in the same bytes.
    assert sweep(over.evidence, ["https://acme.example"])
    assert sweep(over.evidence, PLANTED) == []

    files = _files(environ)
    home = Path(environ["HOME"])
    assert {Path(name).relative_to(home).name for name in files if name.startswith(str(home))} == {
        "bifrost.db",
        "secret.key",
    }
    assert not [name for name in files if name.startswith(environ["TMPDIR"])]
    for name, data in files.items():
        assert sweep(data, PLANTED) == [], name

    # The terminal was given back, and its scrollback holds nothing of the screens.
    assert over.attributes_restored()
    modes = over.private_modes()
    assert modes[1049] is False
    assert not any(modes.get(mode) for mode in (1000, 1002, 1003, 1006, 2004))
    assert "Acme" not in over.screen_text()
    # Over SSH the mouse is the terminal's own.
    assert 1000 not in modes

    settings = load_settings(environ)
    me = Access(actor_name(), "10.1.4.7")
    with open_repository(settings, me) as repository:
        scope = repository.organizations.find(me, "acme dental")
        rows = repository.configs.page(me, ConfigList(scope), offset=0, limit=50).rows
        kinds = {row.key: row.type for row in rows}
        assert kinds == {
            "api_token": ConfigType.SECRET,
            "limits": ConfigType.JSON,
            "retries": ConfigType.INT,
            "sandbox": ConfigType.BOOL,
            "site_url": ConfigType.STRING,
            "tls_key": ConfigType.SECRET,
        }
        plain = {row.key: row.value for row in rows if not row.is_secret}
        assert plain == {
            "limits": '{"rate":[1,2]}',
            "retries": "5",
            "sandbox": "true",
            "site_url": '"https://acme.example"',
        }
        by_key = {row.key: row for row in rows}
        assert opened(repository, by_key["api_token"]) == SECOND.encode()
        assert opened(repository, by_key["tls_key"]) == PEM.encode()
        report = repository._context.chain.verify()
        assert report.broken_at is None
        # Made, one organization, seven added, one rotated, one deleted.
        assert report.checked == 11
        history = repository.configs.history(me, scope, "api_token")
        assert {event.source for event in history} == {"10.1.4.7"}


@pytest.mark.xdist_group("day")
def test_what_commands_print_of_the_day_holds_no_value(
    over: TerminalSession, environ: dict[str, str]
) -> None:
    for words in (
        ["configs", "list", "--org", "Acme Dental", "--json"],
        ["configs", "get", "tls_key", "--org", "Acme Dental", "--json"],
        ["configs", "get", "api_token", "--org", "Acme Dental"],
        ["doctor", "--json"],
        ["key", "status", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "bifrost_tui", *words],
            env=environ,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 3), done.stderr.decode()
        assert done.stdout
        assert sweep(done.stdout + done.stderr, PLANTED) == []


def test_a_terminal_lost_under_a_form_leaves_no_value(tmp_path: Path) -> None:
    environ = _new_user(tmp_path)
    command = [sys.executable, "-m", "bifrost_tui"]
    with TerminalSession(command, env=environ) as session:
        day = Day(session)
        session.wait_for("Nothing is set up yet")
        day.press(ENTER, then="Created")
        day.press(ENTER, then="0 configs")
        day.press("a", then="Add a config to")
        day.press("doomed", TAB, *[RIGHT] * 4, then="[secret]")
        session.send(TAB)
        session.paste(PEM)
        session.wait_for("28 lines")
        session.hangup()
        session.wait_exit()
        assert sweep(session.evidence, PLANTED) == []
    for name, data in _files(environ).items():
        assert sweep(data, PLANTED) == [], name
