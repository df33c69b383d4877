"""The commands of the audit log."""

from __future__ import annotations

import json
import os
import pty
import stat
from pathlib import Path

import pytest

from bifrost_tui.cli import exporting
from bifrost_tui.cli.output import OutputError
from bifrost_tui.store.access import Role
from tests.support import ALICE, add_member, by_hand, events, planted
from tests.unit.cli_support import Cli, act_as, days_ago, opened, run_process, the_database
from tests.unit.test_cli_completion import offered

pytestmark = pytest.mark.both_engines


@pytest.fixture
def told(cli: Cli) -> Cli:
    cli.secrets += planted()[:1]
    with opened(days_ago(10)) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.organizations.add(ALICE, "Bright")
        add_member(repository, "bob", Role.ADMIN, acme)
        add_member(repository, "dora", Role.MEMBER, acme)
    cli("configs", "set", "API_KEY", "--org", "Acme", "--type", "secret", stdin=planted()[0])
    cli("configs", "set", "LIMIT", "--org", "Acme", "--type", "int", "--value", "7")
    cli("configs", "set", "SHARED", "--global", "--type", "string", "--value", "x")
    cli("configs", "delete", "LIMIT", "--org", "Acme", "--yes")
    return cli


def actions(cli: Cli, *args: str) -> list[str]:
    return [event["action"] for event in cli("audit", "list", "--json", *args).json]


def test_events_are_listed_newest_first_with_their_facts(told: Cli) -> None:
    found = told("audit", "list", "--json").json
    assert [event["sequence"] for event in found] == list(range(len(found), 0, -1))
    assert found[0] == {
        "sequence": found[0]["sequence"],
        "at": found[0]["at"],
        "actor": "alice",
        "source": found[0]["source"],
        "action": "config.delete",
        "organization": "Acme",
        "key": "LIMIT",
        "outcome": "done",
        "details": {"type": "int"},
    }
    lines = told("audit", "list").lines
    assert lines[0].split() == ["NUMBER", "AGE", "ACTOR", "ACTION", "ORGANIZATION", "KEY", "FROM"]
    assert lines[1].split()[:6] == [
        *(str(len(found)), "now", "alice", "config.delete", "Acme", "LIMIT"),
    ]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--org", "acme", "--since", "1d"), ["config.delete", "config.add", "config.add"]),
        (("--global",), ["config.add"]),
        (("--key", "LIMIT"), ["config.delete", "config.add"]),
        (("--key", "lim*"), ["config.delete", "config.add"]),
        (("--action", "config.*", "--limit", "2"), ["config.delete", "config.add"]),
        (("--action", "organization.add", "--until", "9d"), ["organization.add"] * 2),
        (("--by", "bob"), []),
        (("--outcome", "refused"), []),
        (("--since", "2020-01-01", "--until", "2020-01-02"), []),
    ],
)
def test_filters_narrow_the_list(told: Cli, args: tuple[str, ...], expected: list[str]) -> None:
    assert actions(told, *args) == expected


def test_a_short_list_says_how_much_is_left(told: Cli) -> None:
    assert "events more; --limit 0 lists all." in told("audit", "list", "--limit", "2").err
    assert len(told("audit", "list", "--limit", "2").lines) == 3
    assert told("audit", "list", "--limit", "0").err == ""
    assert told("audit", "list", "--by", "nobody").err == "There is no event that fits.\n"


@pytest.mark.parametrize(
    "args",
    [
        ("list", "--org", "Acme", "--global"),
        ("list", "--since", "soon"),
        ("list", "--outcome", "maybe"),
        ("list", "--limit", "-1"),
        ("show", "zero"),
        ("verify", "--from", "12"),
    ],
)
def test_wrong_usage_ends_with_2(told: Cli, args: tuple[str, ...]) -> None:
    told("audit", *args, code=2)


def test_one_event_is_shown_with_its_facts_and_hash(told: Cli) -> None:
    last = told("audit", "list", "--json").json[0]["sequence"]
    found = told("audit", "show", str(last), "--json").json
    [(chain_hash,)] = by_hand(
        the_database(), "SELECT chain_hash FROM audit_event WHERE sequence = ?", last
    )
    assert found["chain_hash"] == chain_hash
    facts = dict(line.split(maxsplit=1) for line in told("audit", "show", str(last)).lines)
    assert facts["type"] == "int"
    assert facts["hash"] == chain_hash
    assert told("audit", "show", "9999", code=1).err == (
        "bifrost-tui: There is no event 9999 for you in the log.\n"
    )


def test_an_admin_sees_the_log_of_the_organization_and_a_member_none(
    told: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    act_as(monkeypatch, "bob")
    assert {event["organization"] for event in told("audit", "list", "--json").json} == {"Acme"}
    assert "no organization 'Bright'" in told("audit", "list", "--org", "Bright", code=1).err
    for verb in ("verify", "head"):
        assert "owner or an admin of all organizations" in told("audit", verb, code=1).err
    act_as(monkeypatch, "dora")
    for args in (("list",), ("list", "--org", "Acme"), ("export", "-"), ("show", "1")):
        assert "may not see the audit log" in told("audit", *args, code=1).err
    assert told("key", "status", code=1).err.startswith("bifrost-tui: dora may not see which")
    doctor = told("doctor", "--json", code=3).json
    # The other notes are of the machine that the tests run on, and of its server.
    notes = {finding["check"] for finding in doctor if finding["level"] == "note"}
    assert notes - {"core files", "engine"} == {"audit"}


def test_tab_offers_who_and_what_stands_in_the_log(
    told: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(events(the_database()))
    assert "config.delete" in offered("audit list --action config")
    assert offered("audit list --by al") == ["alice"]
    act_as(monkeypatch, "dora")
    assert offered("audit list --by al") == []
    assert len(events(the_database())) == before


# Export


def test_an_export_is_written_whole_for_its_owner_alone(told: Cli) -> None:
    target = told.home / "audit.jsonl"
    before = told("audit", "list", "--json", "--limit", "0").json
    ran = told("audit", "export", str(target))
    assert ran.out == ""
    assert ran.err == f"{len(before)} events exported.\n"
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [event["sequence"] for event in before][::-1]
    rows = by_hand(the_database(), "SELECT sequence, chain_hash FROM audit_event")
    assert {(line["sequence"], line["chain_hash"]) for line in lines} < set(rows)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in told.home.iterdir() if path.is_file()) == ["audit.jsonl"]
    [event] = told("audit", "list", "--json", "--limit", "1").json
    assert (event["action"], event["details"]) == ("audit.export", {"events": len(before)})


def test_an_export_replaces_no_file_unasked(told: Cli) -> None:
    target = told.home / "audit.jsonl"
    target.write_text("mine")
    assert "already. --force replaces it." in told("audit", "export", str(target), code=1).err
    assert target.read_text() == "mine"
    assert "audit.export" not in actions(told)
    told("audit", "export", str(target), "--force", "--org", "Acme")
    assert {json.loads(line)["organization"] for line in target.read_text().splitlines()} == {
        "Acme"
    }
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_an_export_goes_to_standard_output(told: Cli) -> None:
    lines = told("audit", "export", "-", "--key", "LIMIT").lines
    assert [json.loads(line)["action"] for line in lines] == ["config.add", "config.delete"]


def test_an_export_that_fails_leaves_nothing(
    told: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = told.home / "none" / "audit.jsonl"
    assert "cannot be made: No such file" in told("audit", "export", str(nowhere), code=1).err
    monkeypatch.setattr(os, "fsync", _no_room)
    target = tmp_path / "here" / "audit.jsonl"
    target.parent.mkdir()
    assert "No space left" in told("audit", "export", str(target), code=1).err
    assert list(target.parent.iterdir()) == []


def _no_room(_file: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def export() -> None:
        with exporting.written(target, force=False) as write:
            write(b"ours")
            target.write_text("theirs")

    with pytest.raises(exporting.ExportError, match="File exists"):
        export()
    assert target.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_links_a_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(_from: object, _to: object, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with exporting.written(tmp_path / "out", force=False) as write:
        write(b"x" * 1_000_000)
    assert (tmp_path / "out").stat().st_size == 1_000_000


def test_an_export_to_a_full_disk_fails_with_a_message(told: Cli) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OutputError), Path("/dev/full").open("w") as full:
        _to(full, told)


def _to(full: object, told: Cli) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", full)
        with exporting.written(None, force=False) as write:
            write(b"x" * 10_000_000)


# Verify


def test_a_whole_log_verifies(told: Cli) -> None:
    number = len(told("audit", "list", "--json", "--limit", "0").json)
    assert told("audit", "verify").err == f"{number} events checked; all fit.\n"
    head = told("audit", "head").out.strip()
    assert head.startswith(f"{number}:")
    assert told("audit", "verify", "--json").json == {
        "checked": number,
        "broken_at": None,
        "why": None,
        "head": head,
    }
    told("configs", "set", "MORE", "--global", "--type", "string", "--value", "x")
    told("audit", "verify", "--from", head)


def test_what_was_changed_is_named_and_ends_with_3(told: Cli) -> None:
    by_hand(the_database(), "UPDATE audit_event SET actor = 'eve' WHERE sequence = 3")
    ran = told("audit", "verify", code=3)
    assert ran.err == (
        "bifrost-tui: Event 3: it, or what stood before it, was changed.\n2 events before it fit.\n"
    )
    assert told("audit", "verify", "--json", code=3).json["broken_at"] == 3
    audit = [f for f in told("doctor", "--json", code=3).json if f["check"] == "audit"]
    assert "from event 3 on" in audit[0]["what"]


def test_a_cut_off_end_is_found_from_a_head(told: Cli) -> None:
    head = told("audit", "head").out.strip()
    by_hand(the_database(), "DELETE FROM audit_event WHERE sequence > 4")
    told("audit", "verify")
    ran = told("audit", "verify", "--from", head, code=3)
    number = int(head.partition(":")[0])
    assert f"the log ends at 4, the head names {number}: {number - 4} events" in ran.err


def test_progress_is_drawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_AFTER", 0.0)
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w") as terminal:
            monkeypatch.setattr("sys.stderr", terminal)
            with exporting.progress("Checking") as step:
                for done in (0, 500, 500, 1000):
                    step(done, 1000)
            written = b""
            # A terminal gives in parts what was written into it.
            while not written.endswith(b"\x1b[K"):
                written += os.read(master, 10_000)
    finally:
        os.close(master)
    drawn = written.decode()
    assert drawn.count("Checking") == 3
    assert f"{'#' * 15}{'.' * 15}   50 %  500 of 1,000" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_into_a_pipe_there_is_no_progress(told: Cli) -> None:
    ran = run_process("audit", "verify")
    assert ran.code == 0
    assert "#" not in ran.err
    assert "all fit" in ran.err
