"""Forced commands: what a client asks for is a command line of ours, or it is refused."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bifrost_tui.cli.base import Start
from bifrost_tui.cli.forced import ALLOWED
from bifrost_tui.cli.main import program
from bifrost_tui.crypto.master_key import write_key_file
from bifrost_tui.errors import AccessDeniedError, DatabaseMissingError
from bifrost_tui.origin import Origin
from bifrost_tui.settings import KEY_VARIABLE, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.actor import Access
from bifrost_tui.store.handover import Handover
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.views import ConfigView
from tests.support import ALICE, KEY, add_member, by_hand, secret
from tests.unit.cli_support import Cli, opened, run_process, the_database

pytestmark = pytest.mark.both_engines

HIDDEN = "zQ7-asked-for-by-mistake"


class Started(BaseException):
    """A program was started; nothing catches this."""


@pytest.fixture
def key_in_a_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns that file may name actors; where the database is a file, its owner may."""
    write_key_file(load_settings(os.environ).key_file, KEY)
    monkeypatch.delenv(KEY_VARIABLE)


@pytest.fixture
def forced(cli: Cli, key_in_a_file: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The environment of a forced command over SSH; Carol is a member of everything."""
    numbers = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
    before = {number: signal.getsignal(number) for number in numbers}
    monkeypatch.setenv("SSH_CONNECTION", "10.1.4.7 50022 10.1.4.1 22")
    with opened() as repository:
        add_member(repository, "carol", Role.OWNER)
    yield cli
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every way of starting a program an error that no command could hide."""

    def refuse(*_: Any, **__: Any) -> None:
        raise Started

    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, refuse)
    for name in ("system", "fork", "forkpty", "execv", "execve", "posix_spawn", "posix_spawnp"):
        monkeypatch.setattr(os, name, refuse)


def told(action: str = "session.command") -> list[tuple[Any, ...]]:
    return by_hand(
        the_database(),
        "SELECT actor, source, outcome, details FROM audit_event WHERE action = ?"
        " ORDER BY sequence",
        action,
    )


def ask(cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str, code: int = 0, **more: Any) -> Any:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", words)
    return cli("--actor", "carol", code=code, **more)


def test_the_actor_is_the_named_one(forced: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(forced, monkeypatch, "orgs add 'Acme Dental'")
    assert told("organization.add") == [("carol", "10.1.4.7", "done", "{}")]
    assert (
        ask(forced, monkeypatch, "bifrost-tui orgs list --json").json[-1]["name"] == "Acme Dental"
    )
    assert ask(forced, monkeypatch, "bifrost orgs list").lines[-1].startswith("Acme Dental")
    assert told() == []


@pytest.mark.usefixtures("key_in_a_file")
def test_on_the_host_itself_the_actor_has_everything(cli: Cli) -> None:
    with opened() as repository:
        add_member(repository, "carol", Role.OWNER)
    cli("--actor", "carol", "orgs", "add", "Acme")
    assert told("organization.add") == [("carol", "local", "done", "{}")]
    assert "database" in cli("--actor", "carol", "locate").out


def test_an_actor_is_for_the_database_s_owner(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    ran = cli("--actor", "carol", "orgs", "list", code=1)
    assert "for the account that owns the database" in ran.err


@pytest.mark.parametrize(
    ("words", "details"),
    [
        ("run --org Acme -- sh", '{"command":"run"}'),
        ("workflow run x.py:f --org Acme", '{"command":"workflow"}'),
        ("setup --make-key", '{"command":"setup"}'),
        ("demo", '{"command":"demo"}'),
        ("locate", '{"command":"locate"}'),
        ("bifrost-tui completion bash", '{"command":"completion"}'),
        ("sh", "{}"),
        (HIDDEN, "{}"),
        (f"{HIDDEN} configs list", "{}"),
        ("--actor alice orgs list", "{}"),
        ("--folder / orgs list", "{}"),
        (f"--theme {HIDDEN}", "{}"),
        ("-c sh", "{}"),
        (f"orgs list '{HIDDEN}", "{}"),
        ("\\", "{}"),
    ],
)
def test_what_is_refused_is_told_once(
    words: str,
    details: str,
    forced: Cli,
    monkeypatch: pytest.MonkeyPatch,
    nothing_starts: None,
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", words)
    result = CliRunner().invoke(program, ["--actor", "carol"], prog_name="bifrost-tui")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert told() == [("carol", "10.1.4.7", "refused", details)]
    if (path := the_database().database_path) is not None:
        assert HIDDEN.encode() not in path.read_bytes()


def test_a_line_for_one_command_takes_no_other(
    forced: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forced("--actor", "carol", "orgs", "list", "--json").json == []
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "configs list --global")
    forced("--actor", "carol", "orgs", "list", "--json", code=1)
    # What such sessions do not have, a line does not give them.
    monkeypatch.delenv("SSH_ORIGINAL_COMMAND")
    forced("--actor", "carol", "run", "--org", "Acme", "--", "true", code=1)
    assert [row[3] for row in told()] == ['{"command":"orgs"}', '{"command":"run"}']


def test_refused_also_where_it_cannot_be_told(forced: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    load_settings().key_file.write_text("a-key-that-fits-no-database-of-these-tests")
    assert "Refused" in ask(forced, monkeypatch, "run -- sh", code=1).err


def test_help_lists_what_there_is(forced: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ask(forced, monkeypatch, "--help").out.partition("\nCommands:\n")[2].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    offered = [name for name in names if name != "bifrost-tui" and name != "pass"]
    assert offered
    assert set(offered) <= set(ALLOWED)
    assert "bifrost-tui" in ask(forced, monkeypatch, "--version").out


def test_the_screens_open_for_the_actor(forced: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_with: dict[str, Any] = {}

    def open_screens(**given_options: Any) -> int:
        opened_with.update(given_options)
        return 0

    monkeypatch.setattr("bifrost_tui.cli.screens.open_screens", open_screens)
    forced("--actor", "carol", "--theme", "light")
    assert opened_with["origin"] == Origin("carol", confined=True)
    ask(forced, monkeypatch, "--org Acme --no-mouse")
    assert opened_with["origin"] == Origin("carol", confined=True)
    assert (opened_with["organization"], opened_with["no_mouse"]) == ("Acme", True)


_WORDS = st.sampled_from(
    [
        *("sh", "run", "workflow", "demo", "key", "setup", "locate", "completion", "doctor"),
        *("--", "--org", "Acme", "--actor", "owner", "-c", ";", "&&", "|", "`id`", "$(id)", "$IFS"),
        *("configs", "list", "rotate", "hook_key", "--to", "--generate", "16", "--json", "'", '"'),
        *("orgs", "--help", "--global", "bifrost-tui", "../x", "/bin/sh", "\\", "\n", "*", "~"),
    ]
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_WORDS, max_size=9).map(" ".join) | st.text(max_size=30))
def test_no_text_starts_a_program(
    forced: Cli, monkeypatch: pytest.MonkeyPatch, nothing_starts: None, text: str
) -> None:
    used: set[str] = set()

    def import_module(name: str) -> Any:
        used.add(name)
        return importlib.import_module(name)

    monkeypatch.setattr("bifrost_tui.cli.base.import_module", import_module)
    monkeypatch.setattr("bifrost_tui.cli.screens.open_screens", lambda **_: 0)
    # The environment has no NUL and no half characters.
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", text.replace("\0", "").encode().decode("utf-8"))
    result = CliRunner().invoke(program, ["--actor", "carol"], prog_name="bifrost-tui", input=b"v")
    assert isinstance(result.exception, SystemExit | None)
    assert result.exit_code in (0, 1, 2, 3)
    assert used <= {f"bifrost_tui.cli.{name}" for name in ALLOWED}


# What else is closed to confined actors, whoever asks for it


CONFINED = Access("alice", "10.1.4.7", confined=True)


@pytest.fixture
def hook(forced: Cli) -> ConfigView:
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        return repository.configs.add(ALICE, acme, secret("hook_key", HIDDEN))


def test_no_command_takes_a_value(
    hook: ConfigView,
    forced: Cli,
    monkeypatch: pytest.MonkeyPatch,
    nothing_starts: None,
) -> None:
    from bifrost_tui.store.entered import EnteredSecret

    with opened() as repository:
        handover = Handover("touch evidence")
        entered = EnteredSecret("another-value-of-it")
        with pytest.raises(AccessDeniedError, match="No program is started"):
            repository.configs.rotate_through(CONFINED, hook, entered, handover)
    ran = ask(
        forced,
        monkeypatch,
        "configs rotate hook_key --org Acme --generate 32 --to 'touch evidence'",
        code=1,
    )
    assert "No program is started" in ran.err
    assert [row[:3] for row in told("secret.handover")] == [
        ("alice", "10.1.4.7", "refused"),
        ("carol", "10.1.4.7", "refused"),
    ]
    assert told("config.rotate") == []
    # Rotating without a command is what such sessions are for.
    ask(forced, monkeypatch, "configs rotate hook_key --org Acme --generate 32")
    assert [row[0] for row in told("config.rotate")] == ["carol"]


@pytest.mark.sqlite
def test_no_database_is_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    with pytest.raises(DatabaseMissingError) as caught:
        open_repository(load_settings(), CONFINED)
    assert str(home) not in caught.value.message
    with pytest.raises(AccessDeniedError):
        create_repository(load_settings(), CONFINED, make_key=True)
    assert not list(home.rglob("*"))


def test_completions_are_not_for_clients(forced: Cli) -> None:
    ran = run_process(
        "--actor",
        "carol",
        SSH_ORIGINAL_COMMAND="orgs list --json",
        _BIFROST_TUI_COMPLETE="bash_source",
    )
    assert (ran.code, ran.json) == (0, [])


@pytest.mark.parametrize("over_ssh", [True, False])
def test_a_value_without_a_client_is_only_half_a_value(
    hook: ConfigView, forced: Cli, monkeypatch: pytest.MonkeyPatch, over_ssh: bool
) -> None:
    if not over_ssh:
        monkeypatch.delenv("SSH_CONNECTION")
    before = told("config.rotate")
    process = subprocess.Popen(
        [sys.executable, "-m", "bifrost_tui", "configs", "rotate", "hook_key", "--org", "Acme"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"half-of-a-value")
        process.stdout.close()
        process.stderr.close()
        process.stdin.close()
        code = process.wait(60)
    assert (code == 0) is not over_ssh
    assert (told("config.rotate") == before) is over_ssh


def test_a_start_that_is_confined_cannot_be_named_anew(forced: Cli) -> None:
    start = Start(origin=Origin("carol", confined=True))
    forced("--actor", "alice", "orgs", "list", code=1, start=start)
    assert told() == [("carol", "10.1.4.7", "refused", "{}")]


def test_the_log_is_exported_to_a_pipe_or_into_the_folder_alone(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "transfer"
    folder.mkdir()
    inside = Start(origin=Origin("alice", confined=True, folder=folder))
    outside = Start(origin=Origin("alice", confined=True))
    before = len(told())
    for start, name in (
        *((outside, "log.jsonl"), (outside, "/etc/log.jsonl"), (inside, "../log.jsonl")),
        *((inside, str(tmp_path / "log.jsonl")), (inside, "/etc/passwd"), (inside, "a/b")),
    ):
        ran = cli("audit", "export", name, "--force", start=start, code=1)
        assert str(tmp_path) not in ran.err
        assert "standard input or output" in ran.err
        before += 1
        assert len(told()) == before
        assert told()[-1][2:] == ("refused", '{"command":"audit"}')
    assert not list(tmp_path.glob("*.jsonl"))
    cli("audit", "export", "log.jsonl", start=inside)
    assert (folder / "log.jsonl").stat().st_mode & 0o777 == 0o600
    ran = cli("audit", "export", "log.jsonl", start=inside, code=1)
    assert ran.err == "bifrost-tui: There is a file log.jsonl already. --force replaces it.\n"
    assert cli("audit", "export", "-", start=outside).data.count(b"\n") > 3
