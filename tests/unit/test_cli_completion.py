"""The Tab key: scripts, names and keys, and never anything for who is no member."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from bifrost_tui.cli.main import program
from bifrost_tui.store import migrate
from bifrost_tui.store.access import Role
from tests.support import ALICE, BOB, add_member, by_hand, events, plain, secret
from tests.unit.cli_support import Cli, act_as, opened, run_process, the_database

pytestmark = pytest.mark.both_engines


@pytest.fixture
def filled(cli: Cli) -> Cli:
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme Inc")
        globex = repository.organizations.add(ALICE, "Globex")
        for scope in (acme, globex):
            repository.configs.add(ALICE, scope, plain("ALPHA"))
            repository.configs.add(ALICE, scope, secret("BETA", "a-value-of-beta"))
        add_member(repository, BOB.actor, Role.MEMBER, globex)
    return cli


def offered(words: str, *, shell: str = "zsh") -> list[str]:
    """Return what is offered for the last word."""
    before = words.split(" ")[:-1]
    result = CliRunner().invoke(
        program,
        prog_name="bifrost-tui",
        env={
            "_BIFROST_TUI_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": f"bifrost-tui {words}",
            "COMP_CWORD": str(len(before) + 1),
        },
    )
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    if shell == "bash":
        return [line.partition(",")[2] for line in lines if line]
    return [value for value in lines[1::3] if value]


def test_commands_and_options() -> None:
    assert offered("con") == ["configs"]
    assert sorted(offered("configs r")) == ["rename", "rotate"]
    assert "--rotate-every" in offered("configs set K --")


def test_organizations_and_keys(filled: Cli) -> None:
    assert offered("configs list --org ") == ["Acme Inc", "Globex"]
    assert offered("configs list --org aCM") == ["Acme Inc"]
    assert offered("configs list --org aCM", shell="bash") == ["Acme\\ Inc"]
    assert offered("orgs archive g") == offered("--org g") == ["Globex"]
    assert offered("configs get --org globex ") == ["ALPHA", "BETA"]
    assert offered("configs get --org globex B") == ["BETA"]
    assert offered("configs get --org globex b") == []
    assert offered("configs get --org Nope ") == []
    assert offered("configs get --global ") == []
    assert offered("configs get ") == []


def test_nothing_for_who_is_no_member(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = events(the_database())
    act_as(monkeypatch, "bob")
    assert offered("configs list --org ") == ["Globex"]
    assert offered("configs get --org Acme ") == []
    assert offered("configs get --global ") == []
    assert offered("configs get --org globex A") == ["ALPHA"]
    act_as(monkeypatch, "mallory")
    assert offered("configs list --org ") == []
    assert offered("configs get --org Globex ") == []
    assert events(the_database()) == before


def test_tab_makes_and_migrates_nothing(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(the_database(), "UPDATE bifrost_schema SET version_num = '0000'")
    migrations = []

    def upgrade(*given: object) -> tuple[str, ...]:
        migrations.append(given)
        return ()

    monkeypatch.setattr(migrate, "upgrade", upgrade)
    assert offered("configs list --org ") == []
    assert migrations == []
    monkeypatch.setenv("BIFROST_SECRET_KEY", "short")
    assert offered("configs list --org ") == []
    gone = filled.home / "nowhere" / "none.db"
    monkeypatch.setenv("BIFROST_DATABASE_URL", f"sqlite:///{gone}")
    assert offered("configs list --org ") == []
    assert not gone.parent.exists()
    monkeypatch.setenv("BIFROST_DATABASE_URL", "")
    assert offered("configs list --org ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(cli: Cli, shell: str, tmp_path: Path) -> None:
    script = cli("completion", shell).out
    assert f"_BIFROST_TUI_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        file = tmp_path / "script"
        file.write_text(script)
        subprocess.run([shell, "-n", file], check=True)


def test_another_shell_is_wrong_usage(cli: Cli) -> None:
    cli("completion", "csh", code=2)
    cli("completion", code=2)


def test_the_program_itself_answers_the_shell(filled: Cli) -> None:
    ran = run_process(
        _BIFROST_TUI_COMPLETE="bash_complete", COMP_WORDS="bifrost-tui conf", COMP_CWORD="1"
    )
    assert (ran.code, ran.out, ran.err) == (0, "plain,configs\n", "")
