"""``run``: a command with an organization's values, and nothing of them in what it writes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, by_hand, plain, secret
from tests.unit.cli_support import Cli, Ran, opened, run_process, the_database

pytestmark = pytest.mark.both_engines

VALUE = "zQ7-stripe-of-acme nobody/else+writes"
SHARED = "zQ8-sentry-of-everyone-nobody-writes"
BOUND = "zQ9-bound-to-slack-and-to-nothing-else"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli("orgs", "add", "Acme")
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        add = repository.configs.add
        add(ALICE, GLOBAL_SCOPE, secret("sentry_dsn", SHARED))
        add(ALICE, GLOBAL_SCOPE, plain("region", "eu"))
        add(ALICE, scope, plain("region", "us"))
        add(ALICE, scope, ConfigDraft("booking", ConfigType.BOOL, "yes"))
        add(ALICE, scope, ConfigDraft("hours", ConfigType.JSON, '{ "mon": [8, 17] }'))
        add(ALICE, scope, secret("stripe_key", VALUE))
        add(ALICE, scope, secret("slack_token", BOUND, integration="Slack"))
    cli.secrets += [VALUE, SHARED, BOUND]
    return cli


def run(
    cli: Cli,
    *args: str,
    code: int = 0,
    stdin: bytes = b"",
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Ran:
    ran = run_process("run", "--org", "Acme", *args, stdin=stdin, **environ)
    cli.search(ran)
    assert ran.code == code, ran.err
    return ran


def shell(cli: Cli, script: str, *options: str, code: int = 0) -> Ran:
    return run(cli, *options, "--", "sh", "-c", script, code=code)


def injected() -> list[tuple[str, str, str]]:
    return by_hand(
        the_database(),
        "SELECT organization, key, outcome FROM audit_event"
        " WHERE action = 'secret.inject' ORDER BY key",
    )


def test_a_command_gets_the_effective_values(acme: Cli) -> None:
    script = (
        "import os, json; e = os.environ;"
        f"assert e['STRIPE_KEY'] == {VALUE!r};"
        f"assert e['SENTRY_DSN'] == {SHARED!r};"
        "assert 'SLACK_TOKEN' not in e;"
        "assert not [n for n in e if n.startswith('BIFROST_')];"
        "print(e['REGION'], e['BOOKING'], e['HOURS'], e['STRIPE_KEY'], e['TEXTUAL_X'])"
    )
    ran = run(acme, "--", sys.executable, "-c", script, environ={"TEXTUAL_X": "kept"})
    assert ran.out == 'us true {"mon":[8,17]} [REDACTED] kept\n'
    assert "bound to another integration: slack_token" in ran.err
    assert injected() == [("Acme", "sentry_dsn", "done"), ("Acme", "stripe_key", "done")]
    details = [
        json.loads(text)
        for (text,) in by_hand(
            the_database(), "SELECT details FROM audit_event WHERE action = 'secret.inject'"
        )
    ]
    assert len({found["execution"] for found in details}) == 1
    assert {found["command"] for found in details} == {Path(sys.executable).name}


def test_an_integration_gets_its_own(acme: Cli) -> None:
    ran = shell(acme, 'echo "$SLACK_TOKEN"', "--integration", "Slack")
    assert (ran.out, ran.err) == ("[REDACTED]\n", "")
    refused = shell(acme, "true", "--only", "slack_token", code=1)
    assert "bound to the integration Slack" in refused.err
    assert injected()[-1] == ("Acme", "stripe_key", "done")
    assert ("Acme", "slack_token", "refused") in injected()


def test_only_what_is_named_and_a_prefix(acme: Cli) -> None:
    ran = shell(acme, "env | grep -c -e STRIPE -e SENTRY -e REGION", "--only", "region", code=0)
    assert ran.out == "1\n"
    assert injected() == []
    ran = shell(acme, 'echo "$ACME_REGION"', "--prefix", "acme_")
    assert ran.out == "us\n"


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ('printf "%s" "$STRIPE_KEY"', "[REDACTED]"),
        ('printf "x%sy" "$STRIPE_KEY"; printf "%s" "$STRIPE_KEY" >&2', "x[REDACTED]y"),
        ('printf "\\033[31m%s\\033[0m\\n" "$STRIPE_KEY"', "\x1b[31m[REDACTED]\x1b[0m\n"),
    ],
)
def test_what_it_writes_is_scrubbed(acme: Cli, script: str, out: str) -> None:
    ran = shell(acme, script, "--only", "stripe_key")
    assert ran.out == out
    assert VALUE not in ran.err


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_base64_after_other_bytes_is_scrubbed(acme: Cli, before: str) -> None:
    ran = shell(acme, f'printf "{before}%s" "$STRIPE_KEY" | base64', "--only", "stripe_key")
    assert "[REDACTED]" in ran.out


_SLOWLY = """
import os, sys, time
out, err = sys.stdout.buffer, sys.stderr.buffer
for byte in os.environ["STRIPE_KEY"].encode():
    for stream in (out, err):
        stream.write(bytes([byte]))
        stream.flush()
os.kill(os.getpid(), 9)
"""


def test_byte_by_byte_over_both_streams_and_killed(acme: Cli) -> None:
    ran = run(
        acme, "--only", "stripe_key", "--", sys.executable, "-c", _SLOWLY, code=-signal.SIGKILL
    )
    assert (ran.out, ran.err) == ("[REDACTED]", "[REDACTED]")


def test_a_child_killed_in_the_middle_of_a_secret_shows_nothing(acme: Cli) -> None:
    half = _SLOWLY.replace("encode():", "encode()[:20]:")
    ran = run(acme, "--only", "stripe_key", "--", sys.executable, "-c", half, code=-signal.SIGKILL)
    assert (ran.out, ran.err) == ("[REDACTED]", "[REDACTED]")


@pytest.mark.parametrize("code", [0, 1, 3, 130, 255])
def test_the_exit_code_is_the_commands(acme: Cli, code: int) -> None:
    shell(acme, f"exit {code}", code=code)


def test_a_signal_is_the_commands(acme: Cli) -> None:
    shell(acme, "kill -TERM $$", code=-signal.SIGTERM)


def test_standard_input_goes_through(acme: Cli) -> None:
    data = bytes(range(256)) * 1000
    ran = run(acme, "--", "sha256sum", stdin=data)
    assert ran.out.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_value_on_standard_input(acme: Cli) -> None:
    check = f"import sys; assert sys.stdin.read() == {VALUE!r}; print('same')"
    ran = run(acme, "--stdin", "stripe_key", "--", sys.executable, "-c", check)
    assert ran.out == "same\n"
    ran = shell(acme, 'echo "${STRIPE_KEY:-unset}"', "--stdin", "stripe_key")
    assert ran.out == "unset\n"


def test_a_value_in_a_private_file(acme: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tls.pem"
    check = (
        f"import os; p = {str(file)!r};"
        f"assert open(p).read() == {VALUE!r};"
        "s = os.stat(p); assert s.st_mode & 0o777 == 0o600, oct(s.st_mode); print(open(p).read())"
    )
    ran = run(acme, "--file", f"stripe_key={file}", "--", sys.executable, "-c", check)
    assert ran.out == "[REDACTED]\n"
    assert not os.path.lexists(file)
    file.write_text("mine")
    refused = run(acme, "--file", f"stripe_key={file}", "--", "true", code=1)
    assert str(file) in refused.err
    assert file.read_text() == "mine"


def test_unmasked_is_as_it_is(acme: Cli) -> None:
    done = run_process(
        "run", "--org", "Acme", "--no-mask", "--", "sh", "-c", 'printf "%s" "$STRIPE_KEY"'
    )
    assert done.out == VALUE


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "nothing"), "no config nothing in Acme"),
        (("--stdin", "nothing"), "no config nothing"),
        (("--prefix", "1"), "prefix"),
        (("--file", "stripe_key"), "KEY=PATH"),
        (("--file", "stripe_key=/nowhere/at/all/x"), "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_handed_over_is_told(acme: Cli, options: tuple[str, ...], said: str) -> None:
    ran = run_process("run", "--org", "Acme", *options, "--", "touch", str(acme.home / "ran"))
    acme.search(ran)
    assert ran.code in (1, 2)
    assert said in ran.err
    assert not (acme.home / "ran").exists()


def test_dangerous_names_are_refused(acme: Cli) -> None:
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, scope, plain("path", "/evil"))
    assert "path" in shell(acme, "true", code=1).err
    named = run(acme, "--only", "path", "--", "/bin/sh", "-c", 'echo "$PATH"')
    assert named.out == "/evil\n"
    assert shell(acme, 'echo "$X_PATH"', "--prefix", "x_").out == "/evil\n"


def test_a_secret_that_needs_a_value_is_told(acme: Cli) -> None:
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("empty"))
    assert "empty in Acme needs a value" in shell(acme, "true", code=1).err
    shell(acme, "true", "--only", "stripe_key")


def test_a_command_that_is_not_there_is_told(acme: Cli) -> None:
    ran = run(acme, "--", "no-such-command-here", code=1)
    assert "no-such-command-here" in ran.err
    assert "Traceback" not in ran.err


def test_a_short_secret_is_told(acme: Cli) -> None:
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("pin", "123"))
    ran = shell(acme, 'echo "$PIN"', "--only", "pin")
    assert ran.out == "123\n"
    assert "shorter than 4 characters" in ran.err


def test_values_are_in_no_process_list(acme: Cli) -> None:
    ran = shell(acme, "cat /proc/$PPID/cmdline /proc/$$/cmdline | tr '\\0' ' '")
    assert "bifrost" in ran.out
