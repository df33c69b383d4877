"""Encrypted bundles through commands: an installation moves, and no value is seen on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from bifrost_tui.cli.base import Start
from bifrost_tui.crypto import age_writing
from bifrost_tui.crypto.age_reading import new_identity
from bifrost_tui.origin import Origin
from bifrost_tui.settings import load_settings
from bifrost_tui.store.access import Role
from bifrost_tui.store.opening import create_repository
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE
from bifrost_tui.terminal import actor_name
from tests.support import (
    ALICE,
    KEY,
    add_member,
    assert_nowhere,
    by_hand,
    events,
    listed,
    make_repository,
    move,
    plain,
    planted,
    secret,
)
from tests.support import opened as opened_value
from tests.terminal.harness import TerminalSession, sweep
from tests.unit.cli_support import Cli, Ran, act_as, opened, run_python, the_database

pytestmark = pytest.mark.both_engines

WORDS = "zQ5-planted-correct-horse"
OTHER = "zQ6-planted-not-that-one"
FORCED = Start(origin=Origin("alice", confined=True))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a guess take no time."""
    monkeypatch.setattr(age_writing, "WORK_FACTOR", 4)


@pytest.fixture
def cli(cli: Cli) -> Cli:
    cli.secrets += [*planted(), WORDS, OTHER]
    one, pem, odd, cyrillic = planted()
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme Dental")
        zed = repository.organizations.add(ALICE, "Zed")
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", one))
        repository.configs.add(ALICE, acme, secret("tls", pem, description="theirs"))
        repository.configs.add(ALICE, acme, secret("odd", odd))
        repository.configs.add(ALICE, acme, secret("empty"))
        repository.configs.add(ALICE, acme, plain("url", "https://acme"))
        repository.configs.add(ALICE, zed, secret("shared", cyrillic))
    return cli


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder of whoever exports, apart from the home that is searched."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def private(file: Path, text: str) -> str:
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def words(tmp_path: Path) -> str:
    return private(tmp_path / "words", f"{WORDS}\n")


def elsewhere(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return the commands over another, empty database under another master key."""
    home = tmp_path / "elsewhere"
    home.mkdir(mode=0o700)
    move(monkeypatch, home)
    with make_repository(load_settings()) as repository:
        add_member(repository, actor_name(), Role.OWNER)
    return Cli(home, cli.secrets)


def values() -> dict[str, bytes | None]:
    """Return what stands in the database, by scope and key."""
    with opened() as repository:
        named = by_hand(repository, "SELECT name FROM organization")
        scopes = [repository.organizations.find(ALICE, name) for (name,) in named]
        return {
            f"{scope.name}/{view.key}": opened_value(repository, view)
            for scope in (GLOBAL_SCOPE, *scopes)
            for view in listed(repository, ALICE, ConfigList(scope, own_only=True))
            if view.fingerprint
        }


EXPECTED = {
    "Global/shared": planted()[0].encode(),
    "Acme Dental/tls": planted()[1].encode(),
    "Acme Dental/odd": planted()[2].encode(),
    "Zed/shared": planted()[3].encode(),
}


def test_a_whole_installation_moves(
    cli: Cli, out: Path, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = out / "all.age"
    before = len(events(the_database()))
    ran = cli("export", "--encrypted", "--passphrase-file", words, str(file))
    assert ran.out == ""
    assert "6 configs of 3 scopes exported." in ran.err
    assert "4 secrets with values: who has the file and the passphrase can read them." in ran.err
    assert "1 secret without a value" in ran.err
    assert [event[:3] for event in events(the_database())[before:]] == [
        ("secret.export", "Global", "shared"),
        ("config.export", "Global", None),
        ("secret.export", "Acme Dental", "odd"),
        ("secret.export", "Acme Dental", "tls"),
        ("config.export", "Acme Dental", None),
        ("secret.export", "Zed", "shared"),
        ("config.export", "Zed", None),
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in out.iterdir()] == ["all.age"]
    assert_nowhere(cli.secrets, [out])
    assert values() == EXPECTED
    there = elsewhere(cli, tmp_path, monkeypatch)
    options = ("--passphrase-file", words, "--create-orgs")
    assert values() == {}
    there("import", str(file), *options, "--dry-run")
    assert values() == {}
    there("import", str(file), *options, "--yes")
    assert values() == EXPECTED
    told = [event[:3] for event in events(the_database())]
    assert ("config.import", "Acme Dental", "tls") in told
    assert "Everything is here already" in there("import", str(file), *options, "--yes").err
    again = out / "again.age"
    there("export", "--encrypted", "--passphrase-file", words, str(again))
    texts = [pyrage.passphrase.decrypt(path.read_bytes(), WORDS) for path in (file, again)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("how", ["option", "file", "both"])
def test_to_keys(cli: Cli, out: Path, how: str) -> None:
    pairs = [cli("key", "pair", str(out / name)).out.strip() for name in ("one.key", "two.key")]
    cli.secrets += [(out / "one.key").read_text().splitlines()[1]]
    (out / "keys").write_text(f"# ours\n{pairs[0]}\n")
    options = {
        "option": ("--recipient", pairs[0]),
        "file": ("--recipients-file", str(out / "keys")),
        "both": ("--recipient", pairs[1], "--recipients-file", str(out / "keys")),
    }[how]
    ran = cli("export", "--encrypted", *options, "--org", "acme dental", "-")
    assert "2 secrets with values" in ran.err
    found = cli("import", "-", "--identity", str(out / "one.key"), "--dry-run", stdin=ran.data)
    assert "4 configs: 4 same" in found.err
    if how != "both":
        wrong = ("--identity", str(out / "two.key"))
        ran = cli("import", "-", *wrong, "--yes", stdin=ran.data, code=1)
        assert "other keys" in ran.err


def test_a_pair_of_keys_is_made_once(cli: Cli, out: Path) -> None:
    file = out / "my.key"
    ran = cli("key", "pair", str(file))
    public = ran.out.strip()
    assert public.startswith("age1")
    assert file.stat().st_mode & 0o777 == 0o600
    comment, identity = file.read_text().splitlines()
    assert comment == f"# public key: {public}"
    assert str(pyrage.x25519.Identity.from_str(identity).to_public()) == public
    assert identity not in ran.out + ran.err
    before = file.read_bytes()
    assert "exists" in cli("key", "pair", str(file), code=1).err
    assert file.read_bytes() == before


def test_wrong_usage(cli: Cli, out: Path, words: str) -> None:
    public = new_identity()[1]
    for args, why in (
        (("--encrypted", "--recipient", public, "--passphrase-file", words), "not both"),
        (("--portable", "--recipient", public), "go with --encrypted"),
        (("--portable", "--passphrase-file", words), "go with --encrypted"),
        (("--encrypted", "--format", "yaml"), "--format goes with --portable"),
    ):
        assert why in cli("export", *args, str(out / "x"), code=2).err
    ran = cli("import", "-", "--identity", "-", code=2)
    assert "Only one thing can come from standard input" in ran.err
    ran = cli("import", "-", "--passphrase-file", words, "--yes", stdin="{}", code=1)
    assert "not encrypted" in ran.err
    assert list(out.iterdir()) == []


def test_what_is_in_the_way_leaves_no_file(cli: Cli, out: Path, words: str, tmp_path: Path) -> None:
    file = str(out / "all.age")

    def refused(*args: str) -> str:
        err = cli("export", "--encrypted", *args, file, code=1).err
        assert list(out.iterdir()) == []
        return err

    bad = str(tmp_path / "bad")
    for text, why in (
        ("short\n", "12 characters or more"),
        ("", "is empty"),
        ("\n", "is empty"),
        (f"{WORDS}\n{OTHER}\n", "is a line of"),
        ("x" * 70_000, "over 64 KiB"),
    ):
        assert why in refused("--passphrase-file", private(Path(bad), text))
    (tmp_path / "bad").write_bytes(b"\xff" * 20)
    assert "not UTF-8" in refused("--passphrase-file", bad)
    Path(words).chmod(0o640)
    assert "open to others (mode 0640)" in refused("--passphrase-file", words)
    assert "no such file" in refused("--passphrase-file", str(tmp_path / "none"))
    assert "no plain file" in refused("--passphrase-file", str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no plain file" in refused("--passphrase-file", str(tmp_path / "pipe"))
    assert "Recipient 1 is no public key" in refused("--recipient", "age1-or-so")
    assert "no recipient" in refused("--recipients-file", private(tmp_path / "none", "# none\n"))
    identity = new_identity()[0]
    cli.secrets.append(identity)
    assert "is a secret key" in refused("--recipient", identity)
    Path(words).chmod(0o600)
    assert "no organization" in refused("--passphrase-file", words, "--org", "Nobody")
    by_hand(the_database(), "UPDATE config SET secret = 'gAAAAA' WHERE key = 'shared'")
    err = refused("--passphrase-file", words)
    assert "2 secrets cannot be exported, so nothing was." in err
    assert "shared in Global does not decrypt" in err
    assert "shared in Zed does not decrypt" in err


def test_standard_input_may_hold_the_passphrase(cli: Cli, out: Path) -> None:
    file = str(out / "all.age")
    cli("export", "--encrypted", "--passphrase-file", "-", file, stdin=f"{WORDS}\n")
    assert pyrage.passphrase.decrypt(Path(file).read_bytes(), WORDS)
    ran = cli("import", file, "--passphrase-file", "-", "--dry-run", stdin=WORDS)
    assert "6 same" in ran.err


def test_who_is_no_owner_is_not_asked(cli: Cli, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as repository:
        repository.members.add(ALICE, ALL_SCOPES, "bob", Role.ADMIN)
    act_as(monkeypatch, "bob")
    monkeypatch.setattr("bifrost_tui.cli.passphrases.new_passphrase", None)
    ran = cli("export", "--encrypted", str(out / "all.age"), code=1)
    assert "takes an owner of all organizations" in ran.err
    assert events(the_database())[-1] == ("config.export", None, None, "refused")
    cli("export", "--portable", str(out / "all.json"))
    assert [path.name for path in out.iterdir()] == ["all.json"]


def test_a_forced_command_imports_and_does_not_export(
    cli: Cli, out: Path, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = new_identity()[1]
    inside = Start(origin=Origin("alice", confined=True, folder=out))
    for start, file in ((FORCED, "-"), (inside, "all.age"), (inside, "-")):
        ran = cli("export", "--encrypted", "--recipient", public, file, start=start, code=1)
        assert "not exported over a forced command" in ran.err
        assert ran.data == b""
        assert events(the_database())[-1] == ("config.export", None, None, "refused")
    assert list(out.iterdir()) == []
    data = cli("export", "--encrypted", "--passphrase-file", words, "-").data
    (out / "all.age").write_bytes(data)
    private(out / "words", WORDS)
    private(tmp_path / "elsewhere.words", WORDS)
    cli("import", "all.age", "--passphrase-file", "words", "--yes", start=inside)
    cli("import", "-", "--passphrase-file", "words", "--yes", start=inside, stdin=data)
    for name in (words, "../words", "/etc/passwd"):
        ran = cli("import", "all.age", "--passphrase-file", name, "--yes", start=inside, code=1)
        assert str(tmp_path) not in ran.err
    (out / "link").symlink_to(tmp_path / "elsewhere.words")
    cli("import", "all.age", "--passphrase-file", "link", "--yes", start=inside, code=1)
    cli("import", "all.age", "--identity", "../words", "--yes", start=inside, code=1)
    cli("key", "pair", "x", start=inside, code=1)


def test_what_does_not_open_changes_nothing(
    cli: Cli, out: Path, words: str, tmp_path: Path
) -> None:
    data = cli("export", "--encrypted", "--passphrase-file", words, "-").data
    before = events(the_database())
    wrong = private(tmp_path / "wrong", OTHER)
    for stdin, file, why in (
        (data, wrong, "passphrase does not open"),
        (data[:-1], words, "damaged"),
        (data[:100], words, "damaged"),
        (data[:-1] + bytes([data[-1] ^ 1]), words, "damaged"),
        (data.replace(b" 4\n", b" 30\n", 1), words, "rounds of scrypt"),
    ):
        ran = cli("import", "-", "--passphrase-file", file, "--yes", stdin=stdin, code=1)
        assert why in ran.err
        assert ran.data == b""
    identity = private(tmp_path / "id", new_identity()[0])
    ran = cli("import", "-", "--identity", identity, "--yes", stdin=data, code=1)
    assert "Leave out --identity" in ran.err
    assert events(the_database()) == before


@pytest.mark.parametrize("after", [1, 3, 6])
def test_killed_in_the_middle_it_leaves_nothing(
    cli: Cli, out: Path, words: str, after: int
) -> None:
    """Killed outright, while values are being written into the cipher."""
    before = events(the_database())
    code = f"""if True:
        import os, signal, sys
        from bifrost_tui.__main__ import main
        from bifrost_tui.crypto import age_writing
        from bifrost_tui.transfer.portable_json import JsonWriter
        age_writing.WORK_FACTOR = 4
        real, done = JsonWriter.config, 0
        def config(self, *given):
            global done
            done += 1
            if done == {after}:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, *given)
        JsonWriter.config = config
        file = {str(out / "all.age")!r}
        sys.argv[1:] = ["export", "--encrypted", "--passphrase-file", {words!r}, file]
        sys.exit(main())
    """
    assert run_python(code).code == -signal.SIGKILL
    assert list(out.iterdir()) == []
    assert events(the_database()) == before
    cli.search(Ran(0, b"", ""))
    cli("export", "--encrypted", "--passphrase-file", words, str(out / "all.age"))


def test_without_a_terminal_nothing_is_asked(cli: Cli, out: Path, words: str) -> None:
    file = str(out / "all.age")
    cli("export", "--encrypted", "--passphrase-file", words, file)
    command = [sys.executable, "-m", "bifrost_tui"]
    for args in (["export", "--encrypted", f"{file}2"], ["import", file, "--yes"]):
        done = subprocess.run(
            [*command, *args],
            capture_output=True,
            timeout=60,
            check=False,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 1
        assert b"no terminal to ask at. Name a file that holds it" in done.stderr
    assert [path.name for path in out.iterdir()] == ["all.age"]


@pytest.mark.sqlite
def test_at_a_terminal_it_is_asked_for_and_not_shown(
    home: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setenv("TERM", "xterm-256color")
    me = Access(actor_name(), "local")
    value = planted()[0]
    with create_repository(load_settings(), me) as repository:
        repository.configs.add(me, GLOBAL_SCOPE, secret("k", value))
    file = str(out / "all.age")

    def run(*args: str, answers: tuple[tuple[str, str], ...], code: int = 0) -> str:
        command = [sys.executable, "-m", "bifrost_tui", *args]
        with TerminalSession(command, size=(110, 24), env=dict(os.environ)) as terminal:
            for question, typed in answers:
                terminal.wait_for(question)
                terminal.send(f"{typed}\r")
            assert terminal.wait_exit() == code, terminal.screen_text()
            assert sweep(terminal.raw, [WORDS, OTHER, value]) == []
            return terminal.screen_text()

    first, again = "A passphrase for the bundle (not shown)", "Once more (not shown)"
    asked = run("export", "--encrypted", file, answers=((first, WORDS), (again, OTHER)), code=1)
    assert "not the same" in asked
    assert "Nothing was entered" in run(
        "export", "--encrypted", file, answers=((first, ""),), code=1
    )
    short = (first, WORDS[:11]), (again, WORDS[:11])
    assert "12 characters" in run("export", "--encrypted", file, answers=short, code=1)
    assert list(out.iterdir()) == []
    assert "Name a file" in run("export", "--encrypted", "-", answers=(), code=2)
    run("export", "--encrypted", file, answers=((first, WORDS), (again, WORDS)))
    text = json.loads(pyrage.passphrase.decrypt(Path(file).read_bytes(), WORDS))
    assert text["global"] == [{"key": "k", "type": "secret", "value": value}]
    mine = "The passphrase of the bundle (not shown)"
    assert "does not open" in run("import", file, "--yes", answers=((mine, OTHER),), code=1)
    assert "here already" in run("import", file, answers=((mine, WORDS),))
    assert_nowhere([WORDS, OTHER, value], [home, out])
