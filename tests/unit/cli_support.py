"""Running commands in tests: every run is searched for the secrets that it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bifrost_tui.cli.base import Start
from bifrost_tui.cli.main import program
from bifrost_tui.clock import utc_now
from bifrost_tui.settings import Settings, load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.repository import Repository
from bifrost_tui.terminal import actor_name
from tests.support import (
    ALICE,
    KEY,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    database_path,
    forms,
    make_repository,
)


@dataclass
class Ran:
    """What a command wrote, and how it ended."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Cli:
    """The commands, run by Alice. What stands in ``secrets`` may turn up nowhere."""

    home: Path
    secrets: list[str] = field(default_factory=list)

    def __call__(
        self, *args: str, stdin: bytes | str = b"", code: int = 0, start: Start | None = None
    ) -> Ran:
        result = CliRunner().invoke(program, args, input=stdin, prog_name="bifrost-tui", obj=start)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            assert_silent(result.exception, self.secrets)
            raise result.exception
        ran = Ran(result.exit_code, result.stdout_bytes, result.stderr)
        self.search(ran)
        assert ran.code == code, f"{ran.code}: {ran.out}{ran.err}"
        return ran

    def search(self, ran: Ran) -> None:
        for secret in self.secrets:
            for form, data in forms(secret).items():
                assert data not in ran.data, f"a planted value ({form}) on standard output"
                assert data not in ran.err.encode(), f"a planted value ({form}) on standard error"
        if self.secrets:
            assert_nowhere(self.secrets, [self.home])

    def configs(self, *args: str) -> dict[str, dict[str, Any]]:
        """Return the objects of a list, by key."""
        return {view["key"]: view for view in self("configs", "list", *args, "--json").json}


def make_cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return commands over a new database that Alice owns."""
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    act_as(monkeypatch, ALICE.actor)
    with make_repository(load_settings()) as repository:
        # Processes act as who runs the tests.
        add_member(repository, actor_name(), Role.OWNER)
    return Cli(home)


def days_ago(days: int) -> HandClock:
    return HandClock(utc_now() - timedelta(days=days))


def database_file() -> Path:
    return database_path(load_settings())


def the_database() -> Settings:
    """Return what names the database, for what is done to it by hand."""
    return load_settings()


def run_process(*args: str, stdin: bytes = b"", **environ: str) -> Ran:
    """Run the program as a process of its own, in this environment."""
    return _process([sys.executable, "-m", "bifrost_tui", *args], stdin, environ)


def run_python(code: str, **environ: str) -> Ran:
    return _process([sys.executable, "-c", code], b"", environ)


def _process(command: list[str], stdin: bytes, environ: dict[str, str]) -> Ran:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def opened(clock: HandClock | None = None) -> Repository:
    """Open the database past the commands."""
    return open_repository(load_settings(), ALICE, clock=clock or utc_now)


def act_as(monkeypatch: pytest.MonkeyPatch, actor: str) -> None:
    monkeypatch.setattr("bifrost_tui.cli.session.actor_name", lambda: actor)
