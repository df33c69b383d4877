"""`configs rotate` with a generated value, and with a command that takes it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bifrost_tui.store.generating import ALPHABETS
from tests.support import ALICE, assert_nowhere, by_hand, events, planted
from tests.support import opened as decrypted
from tests.unit.cli_support import Cli, act_as, opened, run_process, the_database
from tests.unit.test_cli_completion import offered

pytestmark = pytest.mark.both_engines

AT = ("--org", "Acme")
OLD = b"the-first-value-123"


@pytest.fixture
def acme(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Acme with one secret; commands run in a folder of their own."""
    cli("orgs", "add", "Acme")
    cli("configs", "set", "KEY", *AT, "--type", "secret", stdin=OLD)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return cli


def held(key: str = "KEY") -> bytes:
    """Decrypt a secret of Acme as only the runtime may."""
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        value = decrypted(repository, repository.configs.get_key(ALICE, scope, key))
    assert value is not None
    return value


def last_event() -> tuple[str, str, str]:
    [row] = by_hand(
        the_database(),
        "SELECT action, outcome, details FROM audit_event ORDER BY sequence DESC LIMIT 1",
    )
    action, outcome, details = row
    return action, outcome, details


@pytest.mark.parametrize("alphabet", [None, *ALPHABETS, "abcdef!"])
def test_a_value_is_generated_and_kept(acme: Cli, alphabet: str | None) -> None:
    more = () if alphabet is None else ("--alphabet", alphabet)
    ran = acme("configs", "rotate", "KEY", *AT, "--generate", "32", *more)
    value = held().decode()
    fingerprint = acme.configs(*AT)["KEY"]["fingerprint"]
    assert ran.err == (
        f"Generated: 32 characters; fingerprint {fingerprint}.\nRotated KEY in Acme.\n"
    )
    assert (ran.out, len(value)) == ("", 32)
    characters = ALPHABETS.get(alphabet or "alphanumeric", alphabet or "")
    assert set(value) <= set(characters)
    acme.secrets.append(value)
    acme.search(ran)


def test_a_generated_value_reaches_the_command_and_the_database(acme: Cli) -> None:
    command = "cat > got; echo done; echo $(cat got | base64) >&2"
    ran = acme("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", command)
    value = Path("got").read_bytes()
    assert held() == value
    assert re.fullmatch(rb"[A-Za-z0-9]{40}", value)
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[0] == "done"
    assert lines[1].startswith("[REDACTED]")
    assert lines[3] == "Rotated KEY in Acme. The command has taken the value."
    Path("got").unlink()
    acme.secrets.append(value.decode())
    acme.search(ran)
    action, outcome, details = last_event()
    assert (action, outcome) == ("config.rotate", "done")
    assert '"generated":true,"handed_over":true' in details
    assert "cat > got" not in details


@pytest.mark.parametrize("number", range(len(planted())))
def test_a_piped_value_is_handed_over_in_the_same_way(acme: Cli, number: int) -> None:
    secret = planted()[number]
    acme.secrets.append(secret)
    folder = Path.cwd()
    command = f"cat > {folder}/got"
    ran = acme("configs", "rotate", "KEY", *AT, "--to", command, stdin=secret)
    assert Path("got").read_bytes() == held() == secret.encode()
    assert "Received: " in ran.err
    assert '"generated"' not in last_event()[2]


def test_nothing_is_saved_when_the_command_fails(acme: Cli) -> None:
    command = "cat > got; cat got; printf ' oh no'; exit 3"
    ran = acme("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", command, code=1)
    value = Path("got").read_text()
    assert ran.err.splitlines()[0] == "[REDACTED] oh no"
    assert "bifrost-tui: The command failed with exit code 3. Nothing was saved" in ran.err
    assert value not in ran.err
    assert held() == OLD
    assert acme.configs(*AT)["KEY"]["version"] == 1
    assert last_event()[:2] == ("secret.handover", "failed")


def test_a_command_that_reads_nothing_is_refused(acme: Cli) -> None:
    ran = acme("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", "true", code=1)
    assert "without having read the whole value" in ran.err
    assert held() == OLD


def test_a_command_that_takes_too_long_is_stopped(acme: Cli) -> None:
    ran = acme(
        *("configs", "rotate", "KEY", *AT, "--generate", "40"),
        *("--to", "cat >/dev/null; exec sleep 300", "--timeout", "1"),
        code=1,
    )
    assert "did not end within 1 seconds and was stopped" in ran.err
    assert held() == OLD


def test_what_a_command_writes_never_drives_the_terminal(acme: Cli) -> None:
    command = r"cat >/dev/null; printf 'a\033]52;c;aGk=\007b\033[31m\r\nc\342\200\256d'"
    ran = acme("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", command)
    assert ran.err.startswith("a\\x1b]52;c;aGk=\\x07b\\x1b[31m\\r\nc\\u202ed\nGenerated: ")


def test_of_a_short_value_nothing_is_shown(acme: Cli) -> None:
    ran = acme("configs", "rotate", "KEY", *AT, "--to", "cat", stdin="abc")
    assert "(What it writes is not shown" in ran.err
    assert "abc" not in ran.err
    assert held() == b"abc"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--alphabet", "hex"), "--alphabet is for a value that --generate makes"),
        (("--timeout", "5"), "--timeout is for the command of --to"),
        (("--generate", "40", "--to", "cat", "--timeout", "0"), "--timeout"),
        (("--generate", "many"), "--generate"),
        (("--generate", "40", "--value", "x"), "never an argument"),
    ],
)
def test_wrong_usage_changes_nothing(acme: Cli, more: tuple[str, ...], said: str) -> None:
    assert said in acme("configs", "rotate", "KEY", *AT, *more, stdin="a-new-value", code=2).err
    assert held() == OLD


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--generate", "7"), "8 to 1024"),
        (("--generate", "10"), "takes 11 or more"),
        (("--generate", "15", "--alphabet", "hex"), "takes 16 or more"),
        (("--generate", "40", "--alphabet", "x"), "two different characters"),
        (("--generate", "40", "--alphabet", "a b"), "no blank"),
        (("--generate", "40", "--to", " "), "The command is empty"),
    ],
)
def test_what_cannot_be_generated_or_run_is_refused(
    acme: Cli, more: tuple[str, ...], said: str
) -> None:
    assert said in acme("configs", "rotate", "KEY", *AT, *more, code=1).err
    assert held() == OLD


def test_who_may_not_rotate_runs_nothing(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    act_as(monkeypatch, "mallory")
    acme("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", "touch ran; cat", code=1)
    assert not Path("ran").exists()


def test_only_a_secret_is_rotated(acme: Cli) -> None:
    acme("configs", "set", "A", *AT, "--type", "int", "--value", "1")
    args = ("configs", "rotate", "A", *AT, "--generate", "40", "--to", "touch ran; cat")
    assert "is no secret" in acme(*args, code=1).err
    assert not Path("ran").exists()


def test_the_value_is_in_no_argument_and_no_environment(acme: Cli) -> None:
    command = (
        "cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline > seen; cat > got; env > told"
    )
    ran = run_process("configs", "rotate", "KEY", *AT, "--generate", "40", "--to", command)
    assert ran.code == 0, ran.err
    value = Path("got").read_text()
    Path("got").unlink()
    assert held() == value.encode()
    assert_nowhere([value], [acme.home, Path.cwd()])
    assert "BIFROST" not in Path("told").read_text()
    assert value not in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_command_too(acme: Cli, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "bifrost_tui", "configs", "rotate", "KEY", *AT]
    command += ["--generate", "40", "--to", "cat >/dev/null; echo $$; exec sleep 300"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        child = int(process.stderr.readline())
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert "The command was stopped. Nothing was saved" in rest
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert held() == OLD
    assert [event[0] for event in events(the_database())][-1] == "secret.handover"


def test_the_alphabets_are_completed(acme: Cli) -> None:
    assert offered("configs rotate KEY --generate 32 --alphabet ") == [*ALPHABETS]
    assert offered("configs rotate KEY --generate 32 --alphabet u") == ["url-safe"]
