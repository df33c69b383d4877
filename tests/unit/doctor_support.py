"""What tests of the doctor share: a user with whom all is well, and the doctor's findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.cli.base import Start
from tests.support import ALICE, plain, planted, secret
from tests.unit.cli_support import Cli, act_as, opened


def make_well(home: Path, monkeypatch: pytest.MonkeyPatch, *, key: bool = True) -> Cli:
    """Return a user with a key file and a database with a secret in it, and nothing wrong."""
    act_as(monkeypatch, "alice")
    for name in ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONSTARTUP", "PYTHONTRACEMALLOC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LD_PRELOAD", "LD_AUDIT", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    # Not what is on the machine that runs the tests.
    shared = home / "shm"
    shared.mkdir(mode=0o700)
    monkeypatch.setattr("bifrost_tui.cli.doctor_host._SHARED_MEMORY", shared)
    monkeypatch.setattr("bifrost_tui.cli.doctor_host._places", list)
    monkeypatch.setattr("bifrost_tui.cli.doctor_host.given_core_limit", lambda: (0, 0))
    monkeypatch.setattr("bifrost_tui.cli.doctor_files._MOUNTS", home / "no-mounts")
    cli = Cli(home, [planted()[0]])
    cli("setup", *(["--make-key"] if key else []))
    with opened() as repository:
        scope = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("KEY", planted()[0]))
        repository.configs.add(ALICE, scope, plain("PLAIN"))
    return cli


def found(cli: Cli, *, start: Start | None = None) -> dict[str, Any]:
    """Return the findings by their check; each check has found one thing here."""
    findings = cli("doctor", "--json", code=3, start=start).json
    for finding in findings:
        assert set(finding) == {"level", "check", "what", "do", "fixable", "fixed"}
        assert finding["fixed"] is False
        assert finding["level"] in ("error", "warning")
        assert finding["what"].endswith(".")
        assert finding["do"]
        assert finding["fixable"] is finding["do"].startswith("bifrost-tui doctor --fix mends this")
    checks = {finding["check"]: finding for finding in findings}
    assert len(checks) == len(findings)
    return checks


def fixed(cli: Cli, *, code: int = 0) -> list[tuple[str, bool]]:
    """Mend what can be mended; return each finding's check, and whether it is mended."""
    findings = cli("doctor", "--fix", "--json", code=code).json
    for finding in findings:
        assert finding["do"].startswith("Done: ") is finding["fixed"]
        assert finding["fixable"] or not finding["fixed"]
    return [(finding["check"], finding["fixed"]) for finding in findings]
