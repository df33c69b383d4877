"""Operators over a real SSH: one account, a forced command for each key, and no way out of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.opening import open_repository
from tests.support import ALICE, KEY, add_member, by_hand, database_path, make_repository, secret
from tests.terminal.harness import (
    CTRL_C,
    CTRL_Z,
    ENTER,
    ESCAPE,
    PATIENCE,
    RIGHT,
    TAB,
    TerminalSession,
    sweep,
)
from tests.terminal.sshd import Done, Sshd, missing

_MISSING = missing()
pytestmark = [
    # One sshd for all of them.
    pytest.mark.xdist_group("sshd"),
    pytest.mark.skipif(bool(_MISSING), reason=_MISSING),
]

SAVE = "\x13"
OLD = "old-hook-value-Wq63Lm09-of-acme"
HALF = "half-entered-Tt93Rr58-never-saved"
FOLDER = "transfer"


class Host:
    """A host that is set up: a database with two operators, and an sshd that lets them in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        key = self.home / ".config" / "bifrost-tui" / "secret.key"
        key.parent.mkdir(mode=0o700, parents=True)
        key.touch(0o600)
        key.write_text(f"{KEY}\n")
        self.settings: Settings = load_settings({"HOME": str(self.home)})
        with make_repository(self.settings) as repository:
            add_member(repository, "bob", Role.MEMBER)
            acme = repository.organizations.add(ALICE, "Acme")
            repository.configs.add(ALICE, acme, secret("hook_key", OLD))
        environ = {"HOME": str(self.home), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        accepted = "AcceptEnv PYTHONINSPECT _BIFROST_TUI_COMPLETE"
        self.sshd = Sshd(folder, environ, accepted)
        (folder / FOLDER).mkdir()
        self.sshd.let_in_actor("alice")
        self.sshd.let_in_actor("bob", "--folder", str(folder / FOLDER))

    def events(self, after: int = 0) -> list[tuple[str, str, str, str, str]]:
        """Return actor, source, action, outcome and details of the events after one."""
        return [
            (str(actor), str(source), str(action), str(outcome), str(details))
            for actor, source, action, outcome, details in by_hand(
                database_path(self.settings),
                "SELECT actor, source, action, outcome, details FROM audit_event"
                " WHERE sequence > ? ORDER BY sequence",
                after,
            )
        ]

    def last(self) -> int:
        """Return the number of the last event."""
        return len(self.events())

    def of(self, actor: str) -> dict[int, str]:
        """Return the processes of an actor's sessions."""
        found = {}
        for number, name in self.sshd.processes().items():
            try:
                words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if actor.encode() in words:
                found[number] = name
        return found

    def wait_gone(self, actor: str) -> None:
        """Wait until none of an actor's sessions has a process."""
        deadline = time.monotonic() + PATIENCE
        while left := self.of(actor):
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The host that every test here logs in to."""
    made = Host(tmp_path_factory.mktemp("ssh"))
    try:
        yield made
    finally:
        made.sshd.close()


def press(session: TerminalSession, *keys: str, then: str) -> None:
    """Type, and wait until the screen says so."""
    for key in keys:
        session.send(key)
    session.wait_for(then)


def in_acme(session: TerminalSession, actor: str) -> None:
    """Wait for the first screen and open the organization."""
    session.wait_for(f"{actor} · ")
    session.wait_for("Acme")
    press(session, "\x1b[B", ENTER, then="hook_key")


def add(session: TerminalSession, key: str, value: str) -> None:
    """Add a string."""
    press(session, "a", then="Add a config to")
    press(session, key, then=key)
    press(session, TAB, TAB, value, then=value)
    press(session, SAVE, then=f"{key} in Acme is saved")


def test_two_operators_and_a_broken_connection(host: Host) -> None:
    sshd, before = host.sshd, host.last()
    with sshd.session("alice", size=(100, 30)) as alice, sshd.session("bob") as bob:
        in_acme(alice, "alice")
        in_acme(bob, "bob")
        # Where the host keeps its files is not on the screens.
        for session in (alice, bob):
            assert str(host.home).encode() not in session.raw
            assert b"bifrost.db" not in session.raw

        # One edits while the other looks.
        add(alice, "site_url", "https://acme.example")
        press(bob, ESCAPE, then="organization")
        press(bob, ENTER, then="site_url")

        # A connection breaks in the middle of a form, with a secret entered and not saved.
        press(bob, "a", then="Add a config to")
        press(bob, "half_done", TAB, *[RIGHT] * 4, then="[secret]")
        bob.send(TAB)
        bob.paste(HALF)
        bob.wait_for("fingerprint")
        bob.signal(signal.SIGKILL)
        # At once: nothing of what broke off holds the database.
        add(alice, "retries", "five")
        host.wait_gone("bob")
        assert host.of("alice")

        press(alice, "q", then="")
        assert alice.wait_exit() == 0
        assert alice.attributes_restored()
        modes = alice.private_modes()
        assert modes[1049] is False
        assert not any(modes.get(mode) for mode in (1000, 1002, 1003, 1006, 2004))
        host.wait_gone("alice")

    told = [event for event in host.events(before) if event[2].startswith("config.")]
    assert [event[:4] for event in told] == [
        ("alice", "127.0.0.1", "config.add", "done"),
        ("alice", "127.0.0.1", "config.add", "done"),
    ]
    # The other one can begin anew, and is told of under the other name.
    with sshd.session("bob") as again:
        in_acme(again, "bob")
        add(again, "region", "eu-north")
        press(again, "q", then="")
        assert again.wait_exit() == 0
    assert host.events(before)[-1][:4] == ("bob", "127.0.0.1", "config.add", "done")
    with open_repository(host.settings, ALICE) as repository:
        assert repository.log.verify(ALICE).broken_at is None

    planted = [HALF, OLD]
    for session in (alice, bob, again):
        assert sweep(session.raw, planted) == []
    for path in host.folder.rglob("*"):
        if path.is_file():
            assert sweep(path.read_bytes(), planted) == [], path


def test_no_key_of_the_screens_leads_to_a_shell(host: Host) -> None:
    with host.sshd.session("alice") as session:
        in_acme(session, "alice")
        [number] = host.of("alice")
        for key in (CTRL_Z, CTRL_C, "\x1c", "!", ":", "\x0f", "\x04", "\x18", "\x1a\x1a"):
            session.send(key)
        # The dialog that can hand a value to a command does not offer it here.
        press(session, "/", "hook", then="1 of")
        press(session, ENTER, "r", then="Rotate hook_key")
        press(session, "\x07", then="none over this connection")
        press(session, TAB, TAB, TAB, "touch evidence", CTRL_Z, then="Generate hook_key")
        assert list(host.of("alice")) == [number]
        assert sorted(host.of("alice").values()) == sorted(host.sshd.processes().values())
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        assert state in "SRD"
        assert not Path(f"/proc/{number}/task/{number}/children").read_text().strip()
        session.send(ESCAPE)
        session.wait_for(lambda shown: "Generate hook_key" not in shown.screen_text())
        session.send(ESCAPE)
        session.wait_for(lambda shown: "Rotate hook_key" not in shown.screen_text())
        session.send("q")
        assert session.wait_exit() == 0
    assert sweep(session.raw, [OLD]) == []


def test_a_prompt_can_be_left_and_not_stopped(host: Host) -> None:
    with host.sshd.session("alice", "configs delete hook_key --org Acme") as session:
        session.wait_for("hook_key")
        session.send(CTRL_Z)
        session.send(CTRL_C)
        assert session.wait_exit() == 130
        assert "Traceback" not in session.screen_text()
    with host.sshd.session("alice", "configs rotate hook_key --org Acme") as session:
        session.wait_for("not shown")
        session.send("\x1c")
        assert session.wait_exit() == 1
        assert "control character" in session.screen_text()
    host.wait_gone("alice")


def test_commands_that_manage_work(host: Host) -> None:
    sshd, before = host.sshd, host.last()
    listed = sshd.run("bob", "configs", "list", "--org", "Acme", "--json")
    assert (listed.code, listed.err) == (0, "")
    assert "hook_key" in {row["key"] for row in json.loads(listed.out)}
    # Quotes are the client's to write; the value comes on standard input.
    new = "piped-value-Vb71Kx44-of-a-script"
    given = sshd.run(
        "alice", "bifrost-tui configs set 'piped_key' --type secret --org Acme", stdin=new.encode()
    )
    assert given.code == 0, given.err
    assert host.events(before)[-1][:3] == ("alice", "127.0.0.1", "config.add")
    helped = sshd.run("alice", "--help")
    assert helped.code == 0
    assert b"  configs" in helped.out
    assert b"  workflow" not in helped.out
    screens = sshd.run("alice", "--org", "Acme")
    assert screens.code == 1
    assert "ssh the option -t" in screens.err
    with sshd.session("alice", "--org Acme") as session:
        session.wait_for("hook_key")
        session.send("q")
        assert session.wait_exit() == 0
    for done in (listed, given, helped, screens):
        assert not sweep(done.out + done.err.encode(), [OLD, new])


def test_half_a_value_is_not_taken_for_a_whole_one(host: Host) -> None:
    before = host.last()

    def reading() -> None:
        """Wait until the command has the database open and waits for the rest of its input."""
        deadline = time.monotonic() + PATIENCE
        while not any(_waits_for_input(number) for number in host.of("alice")):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    host.sshd.broken_off("alice", "configs rotate hook_key --org Acme", HALF.encode(), reading)
    host.wait_gone("alice")
    assert host.events(before) == []


def _waits_for_input(number: int) -> bool:
    try:
        call = Path(f"/proc/{number}/syscall").read_text().split()
        names = {str(file.readlink()) for file in Path(f"/proc/{number}/fd").iterdir()}
    except PermissionError:
        # It shows its inside to root alone; to others it is enough that it is there.
        return True
    except OSError:
        return False
    # Reading (0 on x86-64, 63 on arm64) from standard input.
    opened = any(name.endswith("bifrost.db") for name in names)
    return opened and call[0] in ("0", "63") and call[1] == "0x0"


def test_the_line_that_the_program_prints_lets_a_key_in(host: Host) -> None:
    before, name = host.last(), 'Pat "o\'hara" $(id)'
    with open_repository(host.settings, ALICE) as repository:
        add_member(repository, name, Role.OWNER)
    printed = subprocess.run(
        [sys.executable, "-m", "bifrost_tui", "members", "authorize", name],
        input=host.sshd.make_key("pat").encode(),
        capture_output=True,
        env={**os.environ, "HOME": str(host.home)},
        check=True,
        timeout=PATIENCE,
    )
    assert printed.stderr == b""
    host.sshd.let_in(printed.stdout.decode())
    assert host.sshd.run("pat", "orgs add Patience").code == 0
    assert host.events(before)[-1][:4] == (name, "127.0.0.1", "organization.add", "done")


REFUSED = [
    "sh",
    "run --org Acme -- touch {evidence}",
    "workflow run /tmp/flow.py:go --org Acme",
    "setup --make-key",
    "key generate --file {evidence}",
    "; touch {evidence}",
    "$(touch {evidence})",
    "`touch {evidence}`",
    "configs list --org Acme; touch {evidence}",
    "configs list --org $(touch {evidence})",
    "configs rotate hook_key --org Acme --generate 32 --to 'touch {evidence}'",
    "--actor owner orgs list",
    "--folder / orgs list",
    "scp -t {evidence}",
    "configs list --org 'Acme",
    "-c 'touch {evidence}'",
]


def test_everything_else_is_refused(host: Host) -> None:
    sshd, before = host.sshd, host.last()
    evidence = host.folder / "evidence"

    def asked(words: str) -> Done:
        return sshd.run("bob", words.format(evidence=evidence))

    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(REFUSED, pool.map(asked, REFUSED), strict=True))
    for words, done in answers.items():
        assert done.code in (1, 2), (words, done)
        assert done.out == b"", (words, done)
        assert "Traceback" not in done.err
        assert "bifrost-tui: " in done.err
    assert not evidence.exists()
    told = host.events(before)
    assert {event[:2] for event in told} == {("bob", "127.0.0.1")}
    assert {event[3] for event in told} == {"refused"}
    # An own command is named, anything else is not.
    commands = [event[4] for event in told if event[2] == "session.command"]
    assert sorted(details for details in commands if details != "{}") == sorted(
        f'{{"command":"{name}"}}' for name in ("key", "run", "setup", "workflow")
    )
    assert commands.count("{}") == 9
    assert [event[2] for event in told if event[2] != "session.command"] == ["secret.handover"]


def test_the_protocol_of_ssh_leads_nowhere_else(host: Host) -> None:
    sshd = host.sshd
    files = sshd.run("alice", "sftp", options=["-s"], stdin=b"\0\0\0\x05\x01\0\0\0\x03")
    assert files.code == 1
    assert files.out == b""
    forwarded = sshd.run("alice", options=["-W", f"127.0.0.1:{sshd.port}"])
    assert forwarded.code != 0
    assert b"SSH-" not in forwarded.out
    # Variables that a generous sshd takes from its clients.
    completed = sshd.run(
        "alice", "orgs", "list", options=["-o", "SetEnv=_BIFROST_TUI_COMPLETE=bash_source"]
    )
    assert completed.code == 0
    assert b"complete" not in completed.out
    with sshd.session("alice", options=["-o", "SetEnv=PYTHONINSPECT=1"]) as session:
        assert session.wait_exit() == 1
        assert "PYTHONINSPECT" in session.screen_text()
        assert ">>>" not in session.screen_text()
