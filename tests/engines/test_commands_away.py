"""Commands and code whose server is away: one error that says so, and what runs goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui import config
from bifrost_tui.errors import DatabaseUnreachableError
from bifrost_tui.settings import DATABASE_VARIABLE
from tests.relay import Relay, a_relay
from tests.support import ALICE, Engine, assert_silent, plain, secret
from tests.unit.cli_support import Cli, make_cli, opened
from tests.unit.runtime_support import ACME, STRIPE, a_shop

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

VALUE = "zQ7-of-acme-nobody-else-writes-this"


@pytest.fixture
def relay(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    assert Engine.servers is not None
    with a_relay(Engine.servers.server) as relay:
        # What is opened by the environment is opened over a line that can be cut.
        monkeypatch.setenv(DATABASE_VARIABLE, relay.url(os.environ[DATABASE_VARIABLE]))
        yield relay


@pytest.fixture
def cli(relay: Relay, home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    cli = make_cli(home, monkeypatch)
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, acme, plain("region", "eu"))
        repository.configs.add(ALICE, acme, secret("token", VALUE))
    cli.secrets.append(VALUE)
    return cli


@pytest.mark.parametrize(
    "words",
    [
        "key status",
        "orgs list",
        "configs list --org Acme",
        "configs set region --org Acme --type string --value us",
        "audit verify",
        "run --org Acme -- true",
        "members list --org Acme",
    ],
)
def test_a_command_says_so_and_fails(cli: Cli, relay: Relay, words: str) -> None:
    relay.cut()
    ran = cli(*words.split(), code=1)
    assert ran.data == b""
    assert "cannot be reached. Check that it runs" in ran.err
    relay.mend()


def test_a_command_that_runs_goes_on(cli: Cli, relay: Relay) -> None:
    script = (
        "import os, sys; print('begun', flush=True); sys.stdin.readline();"
        "print(os.environ['REGION'], os.environ['TOKEN'])"
    )
    program = [sys.executable, "-m", "bifrost_tui", "run", "--org", "Acme", "--"]
    with subprocess.Popen(
        [*program, sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            relay.cut()
            out, err = process.communicate("\n", timeout=60)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
    assert (process.returncode, out) == (0, "eu [REDACTED]\n"), err
    assert VALUE not in err
    relay.mend()


async def test_code_gets_an_error_and_then_its_value_again(
    relay: Relay, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_shop(home, monkeypatch):
        assert await config.get("stripe_api_key", scope=ACME) == STRIPE
        relay.cut()
        with pytest.raises(DatabaseUnreachableError) as raised:
            await config.get("stripe_api_key", scope=ACME, default="none")
        assert_silent(raised.value, [STRIPE])
        relay.mend()
        assert await config.get("stripe_api_key", scope=ACME) == STRIPE
