"""The program as a whole: how it starts, what it imports, how it fails and ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bifrost_tui import __version__
from bifrost_tui.cli.base import Command, Group, LazyGroup
from bifrost_tui.cli.main import program
from bifrost_tui.origin import Origin
from tests.support import planted
from tests.terminal.harness import TerminalSession
from tests.unit.cli_support import Cli, run_process, run_python

HEAVY = ("textual", "rich", "sqlalchemy", "sqlmodel", "cryptography", "alembic", "pydantic")


def modules(*args: str) -> set[str]:
    """Run the program and return the packages that it imported."""
    code = (
        "import sys, bifrost_tui.__main__ as program\n"
        f"sys.argv = ['bifrost-tui', *{list(args)!r}]\n"
        "try:\n    program.main()\nexcept SystemExit:\n    pass\n"
        "sys.stdout.flush()\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    ran = run_python(code)
    assert ran.err == "" or args in ((), ("--org", "Acme"))
    return set(ran.lines[-1].split()[1:])


def test_the_version_imports_nothing(home: Path) -> None:
    assert not modules("--version") & {*HEAVY, "click", "sqlite3", "ctypes"}
    ran = run_process("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"bifrost-tui {__version__}\n", "")


@pytest.mark.parametrize("args", [("--help",), ("configs", "--help"), ("configs", "set", "-h")])
def test_help_imports_little(home: Path, args: tuple[str, ...]) -> None:
    assert not modules(*args) & {*HEAVY, "sqlite3"}


def test_the_screens_start_without_click(home: Path) -> None:
    assert not modules() & {*HEAVY, "click"}


def test_a_list_imports_what_it_needs(cli: Cli) -> None:
    found = modules("configs", "list", "--global", "--json")
    assert {"click", "sqlalchemy", "cryptography"} <= found
    assert not found & {"sqlmodel", "pydantic", "alembic", "textual", "rich"}


def commands(
    found: click.Command = program, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, found
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None, name
            yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_has_help_with_an_example(cli: Cli, path: tuple[str, ...]) -> None:
    ran = cli(*path, "--help")
    assert re.search(r"^Examples?:\n  \S*.*bifrost-tui", ran.out, re.MULTILINE)
    assert max(map(len, ran.lines)) <= 100
    found = dict(commands())[path]
    assert isinstance(found, Command | Group)
    for parameter in found.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name


def test_the_examples_are_commands_that_exist() -> None:
    known = {path for path, _ in commands()}
    for _, found in commands():
        assert isinstance(found, Command | Group)
        for words in re.findall(r"bifrost-tui((?: [a-z]+)+)", found.example):
            path = tuple(words.split())
            assert any(path[:length] in known for length in (1, 2)), words


def test_the_short_helps_name_every_verb() -> None:
    assert isinstance(program, LazyGroup)
    for path, found in commands():
        if len(path) == 1 and isinstance(found, click.Group):
            for verb in found.list_commands(click.Context(found)):
                assert verb in program._lazy[path[0]] or path == ("key",)


def test_the_version_is_also_an_option(cli: Cli) -> None:
    assert cli("--theme", "light", "--version").out == f"bifrost-tui {__version__}\n"


def test_wrong_usage_repeats_no_argument(cli: Cli) -> None:
    cli.secrets += planted()
    for secret in planted():
        cli("configs", "get", "KEY", secret, "--global", code=2)
        cli("orgs", "list", f"--{secret}", code=2)
        cli("orgs", "list", f"-----BEGIN {secret}", code=2)
    assert "--josn" in cli("orgs", "list", "--josn", code=2).err


def test_options_of_the_screens_before_a_command_are_refused(cli: Cli) -> None:
    ran = cli("--org", "Acme", "configs", "list", code=2)
    assert "give --org after the command" in ran.err


def test_without_a_terminal_the_screens_say_so(cli: Cli) -> None:
    for args in ((), ("--org", "Acme")):
        ran = run_process(*args)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("bifrost-tui: The screens need a terminal")
    assert "no theme" not in cli("--theme", "pink", code=2).err


def test_the_screens_are_given_what_was_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bifrost_tui.cli import screens
    from bifrost_tui.tui import app

    given = []

    def run(settings: object, access: object, **options: object) -> int:
        given.append((settings.theme, access.actor, options))  # type: ignore[attr-defined]
        return 7

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(screens, "check_terminal", lambda: None)
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    cli(code=7)
    cli("--org", "Acme", "--theme", "light", "--no-mouse", "--no-wire", code=7)
    assert given == [
        ("dark", "alice", {"organization": None, "mouse": True, "wire": True, "origin": Origin()}),
        (
            "light",
            "alice",
            {"organization": "Acme", "mouse": False, "wire": False, "origin": Origin()},
        ),
    ]


BOOM = """
import sys
from bifrost_tui.store import opening

def boom(*_: object) -> None:
    value = "zQ7-nobody-else-writes-this"
    raise ValueError(f"the value is {value}")

opening.open_repository = boom
sys.argv = ["bifrost-tui", "orgs", "list"]
from bifrost_tui.__main__ import main
sys.exit(main())
"""


def test_an_unexpected_error_tells_its_class_and_place_only(cli: Cli) -> None:
    ran = run_python(BOOM)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("bifrost-tui: ValueError\n")
    assert "bifrost_tui.cli.orgs" in ran.err
    assert "zQ7" not in ran.err


def test_a_closed_pipe_is_quiet(cli: Cli) -> None:
    command = f"{sys.executable} -m bifrost_tui orgs list --with-global"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; {command} | head -c1"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told(cli: Cli) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bifrost_tui", "orgs", "list", "--with-global"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "bifrost-tui: Standard output could not be written: No space left on device.\n"
    )


def test_closed_streams_do_not_matter(cli: Cli) -> None:
    for redirection in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        command = f"{sys.executable} -m bifrost_tui orgs list --with-global {redirection}"
        assert subprocess.run(["bash", "-c", command], timeout=60, check=False).returncode == 0
    command = f"{sys.executable} -m bifrost_tui configs set A --global --type secret <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"Nothing was entered" in done.stderr


def test_an_encoding_without_the_mask_is_written_around(cli: Cli) -> None:
    cli("configs", "set", "KEY", "--global", "--type", "secret", stdin="a-value-of-mine")
    ran = run_process("configs", "list", "--global", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert "\\u2022" in ran.out
    ran = run_process("configs", "list", "--global", "--json", PYTHONIOENCODING="ascii")
    assert ran.json[0]["mask"] == "•" * 8


def test_ctrl_c_ends_with_130(cli: Cli) -> None:
    """While a pipe is being read: the value never comes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bifrost_tui", "configs", "set", "A", "--global", "--type", "int"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        # Opened, the database has its write-ahead log beside it.
        wal = cli.home / ".local/share/bifrost-tui/bifrost.db-wal"
        while not wal.exists():
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_a_table_fits_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    cli("configs", "set", "LONG", "--global", "--type", "string", "--value", "ü漢字" * 100)
    command = [sys.executable, "-m", "bifrost_tui", "configs", "list", "--global"]
    for width in (120, 60, 30):
        with TerminalSession(command, size=(width, 24)) as terminal:
            assert terminal.wait_exit() == 0
            lines = [line for line in terminal.lines if line]
            assert len(lines) == 2, terminal.screen_text()
            assert lines[1].endswith("…")
