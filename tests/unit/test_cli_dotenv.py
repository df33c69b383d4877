"""Commands: .env files in and out; what looks like a secret is never made readable unasked."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bifrost_tui.cli.asking import Ask
from tests.support import ALICE, BOB
from tests.unit.cli_support import Cli, act_as, make_cli

pytestmark = pytest.mark.both_engines

PLANTED = "planted-hunter2-swordfish"

ENV = f"""\
# of the shop
HOST=shop.example
PORT="80${{X}}"
STRIPE_KEY='{PLANTED}'
export SLACK_TOKEN={PLANTED}
EMPTY_TOKEN=
"""


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    made = make_cli(home, monkeypatch)
    made("orgs", "add", "Acme")
    made.secrets.append(PLANTED)
    return made


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(ENV)
    path.chmod(0o600)
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what has questions answered, and gives those that were asked."""

    def answered(*lines: str) -> list[str]:
        asked: list[str] = []
        given = iter(lines)

        def ask(question: str) -> str:
            asked.append(question)
            return next(given)

        @contextmanager
        def asker(*, piped: bool) -> Iterator[Ask | None]:
            yield ask

        monkeypatch.setattr("bifrost_tui.cli.import_.asker", asker)
        return asked

    return answered


def types(cli: Cli) -> dict[str, str]:
    return {key: view["type"] for key, view in cli.configs("--org", "Acme").items()}


SECRETS = {"STRIPE_KEY": "secret", "SLACK_TOKEN": "secret", "EMPTY_TOKEN": "secret"}
STRINGS = {"HOST": "string", "PORT": "string"}


def test_patterns_say_what_is_a_secret(cli: Cli, env: Path) -> None:
    ran = cli(
        "import", str(env), "--org", "Acme", "--secret", "*_key", "--secret", "*TOKEN", "--yes"
    )
    assert types(cli) == STRINGS | SECRETS
    assert "1 secret needs a value." in ran.err
    assert "look" not in ran.err
    assert cli("configs", "get", "PORT", "--org", "Acme", "--json").json["value"] == "80${X}"
    again = cli(
        "import", str(env), "--org", "Acme", "--secret", "*KEY", "--secret", "*TOKEN", "--yes"
    )
    assert "Everything is here already." in again.err


def test_without_a_terminal_it_has_to_be_said(cli: Cli, env: Path) -> None:
    ran = cli("import", str(env), "--org", "Acme", "--yes", code=2)
    assert (
        "2 keys look like secrets: STRIPE_KEY, SLACK_TOKEN. Say --secret '*KEY' --secret '*TOKEN*'"
        " to import them as such, or --plain if everybody there may read them." in ran.err
    )
    assert types(cli) == {}
    ran = cli("import", str(env), "--org", "Acme", "--dry-run")
    assert "2 keys look like secrets" in ran.err
    assert types(cli) == {}
    ran = cli("import", str(env), "--org", "Acme", "--secret", "STRIPE*", "--yes", "--dry-run")
    assert "1 key looks like a secret: SLACK_TOKEN. Say --secret '*TOKEN*'" in ran.err


def test_what_is_here_keeps_what_the_file_does_not_know(cli: Cli, env: Path) -> None:
    set_up = ("configs", "set", "--org", "Acme", "--description", "As agreed", "--type")
    secret = ("secret", "STRIPE_KEY", "--rotate-every", "90", "--integration", "stripe")
    for key, kind, value in (
        *(("PORT", "int", "81"), ("DEBUG", "bool", "true"), ("LIMITS", "json", '{"a": 1}')),
        *(("RATIO", "int", "5"), ("NAME", "string", "shop")),
    ):
        cli(*set_up, kind, key, "--value", value)
    cli(*set_up, *secret, stdin=PLANTED)
    before = cli.configs("--org", "Acme")
    env.write_text(
        f"PORT=81\nDEBUG=yes\nLIMITS='{{ \"a\":1 }}'\nRATIO=5\nNAME=shop\nSTRIPE_KEY={PLANTED}"
    )
    into = ("import", str(env), "--org", "Acme", "--secret", "*KEY", "--yes")
    assert "Everything is here already." in cli(*into).err
    env.write_text(f"PORT=82\nDEBUG=no\nLIMITS=[]\nRATIO=0.5\nNAME=none\nSTRIPE_KEY=o{PLANTED}")
    ran = cli(*into, "--on-conflict", "overwrite", "--replace-secrets")
    after = cli.configs("--org", "Acme")
    assert {key: (view["type"], view["value"]) for key, view in after.items()} == {
        "PORT": ("int", 82),
        "DEBUG": ("bool", False),
        "LIMITS": ("json", []),
        "RATIO": ("string", "0.5"),
        "NAME": ("string", "none"),
        "STRIPE_KEY": ("secret", None),
    }
    same = ("description", "integration")
    assert [[view[name] for name in same] for view in after.values()] == [
        [view[name] for name in same] for view in before.values()
    ]
    assert "1 secret rotated" in ran.err


def test_plain_is_plain(cli: Cli, env: Path) -> None:
    cli("import", str(env), "--org", "Acme", "--plain", "--dry-run")
    env.write_text("API_KEY=public-after-all\n")
    ran = cli("import", str(env), "--org", "Acme", "--plain", "--yes")
    assert "look" not in ran.err
    assert types(cli) == {"API_KEY": "string"}


@pytest.mark.parametrize("answer", ["s", "Secrets"])
def test_at_a_terminal_it_is_asked(
    cli: Cli, env: Path, answers: Callable[..., list[str]], answer: str
) -> None:
    asked = answers(answer, "y")
    ran = cli("import", str(env), "--org", "Acme")
    assert asked == ["Import them as secrets, plainly, or stop? [s/p/N] ", "Import this? [y/N] "]
    assert "2 keys look like secrets: STRIPE_KEY, SLACK_TOKEN." in ran.err
    assert types(cli) == STRINGS | SECRETS


def test_plainly_is_an_answer(cli: Cli, env: Path, answers: Callable[..., list[str]]) -> None:
    env.write_text("API_KEY=public-after-all\n")
    answers("p", "y")
    cli("import", str(env), "--org", "Acme")
    assert types(cli) == {"API_KEY": "string"}


@pytest.mark.parametrize("answer", ["", "n", "what"])
def test_any_other_answer_stops(
    cli: Cli, env: Path, answers: Callable[..., list[str]], answer: str
) -> None:
    answers(answer)
    ran = cli("import", str(env), "--org", "Acme", code=1)
    assert "Nothing was imported." in ran.err
    assert types(cli) == {}


def test_nothing_falls_open_to_global(cli: Cli, env: Path) -> None:
    ran = cli("import", str(env), "--plain", "--yes", code=2)
    assert "Say --org NAME or --global." in ran.err
    env.write_text("A=1\n")
    cli("import", str(env), "--global", "--yes")
    assert list(cli.configs("--global")) == ["A"]


@pytest.mark.parametrize("name", [".env", ".env.production", "shop.env", "SHOP.ENV"])
def test_a_file_is_known_by_its_name(cli: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("A=1\n")
    cli("import", str(path), "--org", "Acme", "--yes")
    assert types(cli) == {"A": "string"}


def test_a_file_of_any_name_and_a_pipe(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("A=1\n")
    cli("import", str(path), "--org", "Acme", "--yes", code=1)
    cli("import", str(path), "--dotenv", "--org", "Acme", "--yes")
    cli("import", "-", "--dotenv", "--org", "Acme", "--secret", "B", "--yes", stdin=f"B={PLANTED}")
    assert types(cli) == {"A": "string", "B": "secret"}


@pytest.mark.parametrize(("option", "value"), [("--plain", None), ("--secret", "*")])
def test_options_that_are_for_env_files_alone(
    cli: Cli, tmp_path: Path, option: str, value: str | None
) -> None:
    path = tmp_path / "bundle.json"
    path.write_text("{}")
    ran = cli("import", str(path), option, *([value] if value else []), "--yes", code=2)
    assert f"{option} is for .env files. Say --dotenv if this is one." in ran.err


def test_what_is_wrong_is_said_by_line(cli: Cli, env: Path) -> None:
    env.write_text(f"A=1\n{PLANTED}\nA='2'\n{PLANTED} = x y '\n")
    ran = cli("import", str(env), "--org", "Acme", "--yes", code=1)
    assert ran.err.splitlines() == [
        "bifrost-tui: This .env file cannot be imported. Line 2 has a key and no =.",
        "A is given in the lines 1, 3. Keep one.",
    ]
    env.write_text(f"GOOD=1\nbad/{PLANTED}=1\n")
    ran = cli("import", str(env), "--org", "Acme", "--yes", code=1)
    assert "(line 2)" in ran.out
    assert "What stands before the = is no key." in ran.out
    assert types(cli) == {}


def test_others_can_read_it(cli: Cli, env: Path) -> None:
    env.chmod(0o640)
    ran = cli("import", str(env), "--org", "Acme", "--dry-run")
    assert "Others can read .env (mode 640). Run: chmod 600 .env" in ran.err
    env.chmod(0o600)
    assert "Others" not in cli("import", str(env), "--org", "Acme", "--dry-run").err


# -- out --------------------------------------------------------------------------------------


@pytest.fixture
def filled(cli: Cli) -> Cli:
    cli("configs", "set", "REGION", "--type", "string", "--value", "eu", "--global")
    cli("configs", "set", "PORT", "--type", "int", "--value", "80", "--global")
    cli("configs", "set", "PORT", "--type", "int", "--value", "81", "--org", "Acme")
    cli("configs", "set", "NAME", "--type", "string", "--value", "it's ${A} $5", "--org", "Acme")
    cli("configs", "set", "STRIPE_KEY", "--type", "secret", "--org", "Acme", stdin=PLANTED)
    cli("configs", "set", "PAY", "--type", "secret_ref", "--value", "STRIPE_KEY", "--org", "Acme")
    return cli


def exported(data: bytes) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(data.decode()), interpolate=False))


def test_what_an_organization_gets(filled: Cli, tmp_path: Path) -> None:
    path = tmp_path / "acme.env"
    ran = filled("export", "--dotenv", str(path), "--org", "Acme")
    assert path.stat().st_mode & 0o777 == 0o600
    assert exported(path.read_bytes()) == {"REGION": "eu", "PORT": "81", "NAME": "it's ${A} $5"}
    assert "# STRIPE_KEY=\n" in path.read_text()
    assert "# PAY stands for the secret STRIPE_KEY.\n# PAY=\n" in path.read_text()
    assert ran.err.splitlines() == [
        "3 values exported, 1 of them inherited.",
        "2 secrets and references are in it as a comment, without a value.",
        "NAME: for dotenv readers alone. A shell stops at the line before it.",
        "NAME holds ${...}, which some dotenv readers put something else for.",
    ]
    event = filled("audit", "list", "--action", "config.export", "--json").json[0]
    assert event["details"] == {"count": 4, "form": "dotenv", "inherited": True}
    # Once more: the same content, the same bytes.
    assert filled("export", "--dotenv", "-", "--org", "Acme").data == path.read_bytes()


def test_one_scope_alone(filled: Cli) -> None:
    own = filled("export", "--dotenv", "-", "--own", "--org", "Acme")
    assert exported(own.data) == {"PORT": "81", "NAME": "it's ${A} $5"}
    assert exported(filled("export", "--dotenv", "-", "--global").data) == {
        "REGION": "eu",
        "PORT": "80",
    }


def test_there_and_back(filled: Cli, tmp_path: Path) -> None:
    path = tmp_path / "acme.env"
    filled("export", "--dotenv", str(path), "--own", "--org", "Acme")
    filled("import", str(path), "--org", "New", "--create-orgs", "--yes")
    again = filled("export", "--dotenv", "-", "--own", "--org", "New").out
    values = path.read_text().replace("# Acme", "# New").splitlines()
    assert [line for line in again.splitlines() if "=" in line and line[0] != "#"] == [
        line for line in values if "=" in line and line[0] != "#"
    ]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--org", "Acme", "--global"),
        ("--org", "Acme", "--org", "Acme"),
        ("--org", "Acme", "--format", "yaml"),
    ],
)
def test_it_is_of_one_scope(filled: Cli, options: tuple[str, ...]) -> None:
    filled("export", "--dotenv", "-", *options, code=2)
    filled("export", "--portable", "-", "--own", code=2)


def test_an_admin_of_the_organization_gets_what_it_inherits(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled("members", "add", BOB.actor, "--role", "admin", "--org", "Acme")
    filled("members", "add", "mel", "--role", "member", "--org", "Acme")
    for actor, code in ((BOB.actor, 0), ("mel", 1), ("stranger", 1), (ALICE.actor, 0)):
        act_as(monkeypatch, actor)
        ran = filled("export", "--dotenv", "-", "--org", "Acme", code=code)
        assert ("REGION=eu" in ran.out) is (code == 0)
        if actor != ALICE.actor:
            filled("export", "--dotenv", "-", "--global", code=1)


def test_a_terminal_is_never_given_a_sequence(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    filled("configs", "set", "ESC", "--type", "string", "--org", "Acme", "--value", "\x1b[31mred")
    monkeypatch.setattr("bifrost_tui.cli.dotenv_files.to_terminal", lambda: True)
    assert "ESC='\\x1b[31mred'\n" in filled("export", "--dotenv", "-", "--org", "Acme").out
