"""The commands backup and restore: what they say, what they ask, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bifrost_tui.cli.asking import Ask
from bifrost_tui.cli.base import Start
from bifrost_tui.origin import Origin
from bifrost_tui.store.access import Role
from tests.support import ALICE, add_member, by_hand, events, plain
from tests.unit.cli_support import Cli, act_as, database_file, opened, run_process

VALUE = "zQ6-in-a-backup-and-nowhere-to-be-seen"


@pytest.fixture
def filled(cli: Cli) -> Cli:
    cli.secrets.append(VALUE)
    cli("orgs", "add", "Acme")
    cli("configs", "set", "STRIPE", "--org", "Acme", "--type", "secret", stdin=VALUE)
    return cli


@pytest.fixture
def file(filled: Cli) -> Path:
    return filled.home / "backup.db"


def go_on(cli: Cli) -> None:
    cli("orgs", "add", "Bright")
    cli("configs", "set", "NEW", "--org", "Acme", "--type", "string", stdin="x")
    cli("configs", "delete", "STRIPE", "--org", "Acme", "--yes")


def test_a_backup_says_what_is_in_it_and_what_is_not(filled: Cli, file: Path) -> None:
    ran = filled("backup", str(file))
    facts = dict(line.split(maxsplit=1) for line in ran.lines if not line.startswith("last event"))
    assert facts["file"] == str(file)
    assert (facts["organizations"], facts["configs"], facts["secrets"]) == ("1", "1", "1")
    assert facts["head"] == filled("audit", "head").out.strip()
    assert "is NOT in it" in ran.err
    assert file.stat().st_mode & 0o777 == 0o600
    told = filled("backup", str(file), "--force", "--json").json
    assert told["file"] == str(file)
    assert (told["secrets"], told["events"], len(told["key_ids"])) == (1, facts_events(told), 1)


def facts_events(told: dict[str, object]) -> int:
    return int(str(told["head"]).partition(":")[0])


def test_what_cannot_be_backed_up_to(filled: Cli, file: Path) -> None:
    assert "Name a file" in filled("backup", "-", code=2).err
    assert "Name a file" in filled("restore", "-", code=2).err
    file.write_text("mine")
    assert "--force replaces it" in filled("backup", str(file), code=1).err
    assert "is a folder" in filled("backup", str(filled.home), code=1).err
    assert "database itself" in filled("backup", str(database_file()), "--force", code=1).err
    assert file.read_text() == "mine"
    assert not [event for event in events(database_file()) if event[0] == "database.backup"]


def test_members_make_none_and_restore_none(
    filled: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as repository:
        add_member(repository, "bob", Role.ADMIN)
        add_member(repository, "carol", Role.MEMBER)
    act_as(monkeypatch, "carol")
    assert "owner or an admin" in filled("backup", str(file), code=1).err
    assert not file.exists()
    act_as(monkeypatch, "bob")
    filled("backup", str(file))
    assert "takes an owner" in filled("restore", str(file), "--overwrite", "--yes", code=1).err


def test_who_is_confined_has_neither(filled: Cli, file: Path) -> None:
    filled("backup", str(file))
    start = Start(origin=Origin("alice", confined=True, folder=filled.home))
    for command in ("backup", "restore"):
        assert "Refused" in filled(command, "backup.db", code=1, start=start).err
    listed = filled("--help", start=start).out
    assert "restore " not in listed.partition("Commands")[2].replace("archive, restore", "")


def test_without_overwrite_it_says_what_would_be_lost(filled: Cli, file: Path) -> None:
    filled("backup", str(file))
    assert "is here. Nothing was changed" in filled("restore", str(file)).err
    before = by_hand(database_file(), "SELECT count(*) FROM audit_event")
    go_on(filled)
    ran = filled("restore", str(file), code=1)
    assert "--overwrite restores the backup over it" in ran.err
    for words in (
        "3 events",
        "1 organization is only here: Bright (alice, now)",
        "1 config is only here: Acme / NEW (alice, now)",
        "1 config (1 secret) is only in the backup: Acme / STRIPE (alice, now)",
    ):
        assert words in ran.out
    told = filled("restore", str(file), "--json", code=1).json
    assert told["restored"] is None
    assert told["differences"]["configs"]["deleted"]["named"][0]["name"] == "Acme / STRIPE"
    assert by_hand(database_file(), "SELECT count(*) FROM audit_event") == [(before[0][0] + 3,)]


def test_it_overwrites_when_told_and_keeps_a_copy(filled: Cli, file: Path) -> None:
    filled("backup", str(file))
    common = filled("audit", "head").out.strip()
    go_on(filled)
    late = filled("audit", "head").out.strip()
    assert "Say --yes" in filled("restore", str(file), "--overwrite", code=2).err
    assert (
        "--json asks nothing" in filled("restore", str(file), "--overwrite", "--json", code=2).err
    )
    ran = filled("restore", str(file), "--overwrite", "--yes")
    kept = Path(next(line for line in ran.lines if line.startswith("kept")).split(maxsplit=1)[1])
    assert kept.parent == database_file().parent
    assert kept.stat().st_mode & 0o777 == 0o600
    head = filled("audit", "head").out.strip()
    assert f"Note the new one: {head}" in ran.err
    assert f"number above {common.partition(':')[0]} hold no longer" in ran.err
    assert list(filled.configs("--org", "Acme")) == ["STRIPE"]
    assert filled("audit", "verify", "--from", common).code == 0
    assert "A backup was restored" in filled("audit", "verify", "--from", late, code=3).err
    told = filled("restore", str(kept), "--overwrite", "--yes", "--json").json
    assert told["restored"]["kept"].endswith(".bak")
    assert list(filled.configs("--org", "Acme")) == ["NEW"]


@pytest.mark.parametrize(
    ("answer", "done"), [("y", True), ("YES ", True), ("", False), ("n", False)]
)
def test_it_asks_at_a_terminal(
    filled: Cli, file: Path, monkeypatch: pytest.MonkeyPatch, answer: str, done: bool
) -> None:
    asked: list[str] = []

    @contextmanager
    def asker(*, piped: bool) -> Iterator[Ask]:
        def ask(question: str) -> str:
            asked.append(question)
            return answer

        yield ask

    monkeypatch.setattr("bifrost_tui.cli.restore.asker", asker)
    filled("backup", str(file))
    go_on(filled)
    ran = filled("restore", str(file), "--overwrite", code=0 if done else 1)
    assert asked == ["Overwrite this? [y/N] "]
    assert ("Nothing was restored" in ran.err) is not done
    assert ("NEW" in filled.configs("--org", "Acme")) is not done


def test_where_there_is_none_it_is_made(
    filled: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled("backup", str(file))
    database_file().rename(filled.home / "gone")
    act_as(monkeypatch, "eve")
    ran = filled("restore", str(file))
    assert "eve is no member in what was restored" in ran.err
    act_as(monkeypatch, ALICE.actor)
    assert list(filled.configs("--org", "Acme")) == ["STRIPE"]
    assert database_file().stat().st_mode & 0o777 == 0o600


def test_the_key_of_the_backup_is_wanted(
    filled: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled("backup", str(file))
    database_file().rename(filled.home / "gone")
    monkeypatch.delenv("BIFROST_SECRET_KEY")
    assert "not in the backup" in filled("restore", str(file), code=1).err
    monkeypatch.setenv("BIFROST_SECRET_KEY", "some-other-key-that-is-long-enough-000")
    assert "its master key is not at hand" in filled("restore", str(file), code=1).err
    assert not database_file().exists()


def test_processes_do_it_too(filled: Cli, file: Path) -> None:
    assert run_process("backup", str(file)).code == 0
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, acme, plain("LATER"))
    assert run_process("restore", str(file)).code == 1
    ran = run_process("restore", str(file), "--overwrite", "--yes")
    assert ran.code == 0, ran.err
    filled.search(ran)


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.write_bytes(b"\0" * 5000),
        lambda file: by_hand(file, "UPDATE audit_event SET actor = 'x' WHERE sequence = 2"),
        lambda file: file.unlink(),
    ],
)
def test_what_is_no_backup_is_refused(filled: Cli, file: Path, damage: Damage) -> None:
    filled("backup", str(file))
    before = database_file().read_bytes()
    damage(file)
    ran = filled("restore", str(file), "--overwrite", "--yes", code=1)
    assert "cannot be restored" in ran.err
    assert database_file().read_bytes() == before
