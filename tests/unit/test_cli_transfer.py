"""The commands export and import, with portable bundles."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bifrost_tui.cli import import_ as import_command
from bifrost_tui.cli.base import Start
from bifrost_tui.errors import TransferError
from bifrost_tui.origin import Origin
from bifrost_tui.store.access import Role
from bifrost_tui.transfer import files
from tests.support import ALICE, add_member, by_hand, events, plain, planted, secret
from tests.unit.cli_support import (
    Cli,
    Ran,
    act_as,
    days_ago,
    opened,
    run_process,
    the_database,
)
from tests.unit.test_cli_completion import offered

pytestmark = pytest.mark.both_engines

STRING = {"type": "string", "value": "x"}


@pytest.fixture
def full(cli: Cli) -> Cli:
    """Commands over two organizations and global, with a secret that has a value."""
    cli.secrets += planted()[:1]
    with opened(days_ago(3)) as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.organizations.add(ALICE, "Bright GmbH")
        repository.configs.add(ALICE, acme, plain("LIMIT", "7", description="How [bold]often[/]"))
        repository.configs.add(
            ALICE, acme, secret("API_KEY", planted()[0], integration="stripe", rotate_every_days=90)
        )
    cli("configs", "set", "SHARED", "--global", "--type", "bool", "--value", "yes")
    options = ("--type", "secret_ref", "--value", "API_KEY", "--integration", "stripe")
    cli("configs", "set", "REF", "--org", "Acme", *options)
    return cli


def bundle(path: Path, *scopes: tuple[str | None, dict[str, dict[str, Any]]]) -> str:
    """Write a bundle by hand; return where."""
    data: dict[str, Any] = {"bifrost_tui_bundle": 1, "program": "a test", "organizations": []}
    for name, found in scopes:
        listed = [{"key": key} | fields for key, fields in found.items()]
        if name is None:
            data["global"] = listed
        else:
            data["organizations"].append({"name": name, "configs": listed})
    path.write_text(json.dumps(data, indent=1))
    return str(path)


def contents() -> list[tuple[Any, ...]]:
    return by_hand(
        the_database(),
        "SELECT scope_id, key, type, value, version FROM config ORDER BY scope_id, key",
    )


def actions(cli: Cli) -> list[str]:
    return [each["action"] for each in cli("audit", "list", "--json", "--limit", "0").json]


# Export


@pytest.mark.parametrize("name", ["all.json", "all.yaml", "all.YML", "all"])
def test_an_export_and_its_import_give_the_same_bytes(full: Cli, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "first" / name, tmp_path / "second" / name
    first.parent.mkdir()
    second.parent.mkdir()
    assert full("export", "--portable", str(first)).err == "4 configs of 3 scopes exported.\n"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert [path.name for path in first.parent.iterdir()] == [name]
    assert first.read_bytes().startswith(b"{" if "." not in name or "json" in name else b"bifrost")
    for organization, key in (("Acme", "LIMIT"), ("Acme", "REF"), (None, "SHARED")):
        target = ("--org", organization) if organization else ("--global",)
        full("configs", "delete", key, *target, "--yes")
    assert "3 new, 1 same" in full("import", str(first), "--yes").err
    full("export", "--portable", str(second))
    assert second.read_bytes() == first.read_bytes()
    before = contents()
    assert "Everything is here already." in full("import", str(first), "--yes").err
    assert contents() == before


def test_a_whole_installation_moves(full: Cli, tmp_path: Path) -> None:
    data = full("export", "--portable", "-").data
    assert planted()[0].encode() not in data
    for name in ("Acme", "Bright GmbH"):
        full("orgs", "rename", name, f"Old {name}")
    ran = full("import", "-", "--create-orgs", "--yes", stdin=data)
    assert "2 new organizations: Acme, Bright GmbH." in ran.err
    assert "Imported: 2 organizations added, 3 configs added" in ran.err
    assert "1 secret needs a value.\n  bifrost-tui configs list --org Acme --needs-value" in ran.err
    assert list(full.configs("--org", "Acme", "--needs-value")) == ["API_KEY"]
    [made] = [
        each
        for each in full("configs", "list", "--org", "Acme", "--json").json
        if each["key"] == "LIMIT"
    ]
    assert made["description"] == "How [bold]often[/]"


def test_scopes_are_chosen_by_name(full: Cli) -> None:
    one = full("export", "--portable", "-", "--org", "acme").json
    assert "global" not in one
    assert [each["name"] for each in one["organizations"]] == ["Acme"]
    two = full("export", "--portable", "-", "--global", "--org", "Bright GmbH").json
    assert [each["key"] for each in two["global"]] == ["SHARED"]
    assert two["organizations"] == [{"name": "Bright GmbH", "configs": []}]
    assert (
        "no organization 'Nobody'"
        in full("export", "--portable", "-", "--org", "Nobody", code=1).err
    )


def test_archived_organizations_are_left_out_and_named(full: Cli) -> None:
    full("orgs", "archive", "Bright GmbH")
    ran = full("export", "--portable", "-")
    assert [each["name"] for each in ran.json["organizations"]] == ["Acme"]
    assert "1 archived organization left out: Bright GmbH." in ran.err


def test_an_admin_exports_what_is_managed_and_a_member_nothing(
    full: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        add_member(repository, "bob", Role.ADMIN, acme)
        add_member(repository, "dora", Role.MEMBER, acme)
    act_as(monkeypatch, "bob")
    exported = full("export", "--portable", "-").json
    assert "global" not in exported
    assert [each["name"] for each in exported["organizations"]] == ["Acme"]
    assert full("export", "--portable", "-", "--global", code=1).out == ""
    act_as(monkeypatch, "dora")
    assert full("export", "--portable", "-", code=1).out == ""
    assert full("export", "--portable", "-", "--org", "Acme", code=1).out == ""


def test_the_notation_can_be_said(full: Cli) -> None:
    assert full("export", "--portable", "-", "--format", "yaml").out.startswith(
        "bifrost_tui_bundle"
    )
    assert full("export", "--portable", "-").out.startswith("{")


def test_the_schema_is_printed(cli: Cli, full: Cli) -> None:
    schema = cli("export", "--schema").json
    jsonschema.Draft202012Validator(schema).validate(full("export", "--portable", "-").json)


def test_a_file_is_replaced_only_where_that_is_said(full: Cli, tmp_path: Path) -> None:
    target = tmp_path / "all.json"
    target.write_text("mine")
    assert "--force replaces it." in full("export", "--portable", str(target), code=1).err
    assert target.read_text() == "mine"
    assert "config.export" not in actions(full)
    full("export", "--portable", str(target), "--force")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads(target.read_text())["bifrost_tui_bundle"] == 1
    link = tmp_path / "link.json"
    link.symlink_to(target)
    full("export", "--portable", str(link), code=1)
    full("export", "--portable", str(link), "--force")
    assert not link.is_symlink()
    assert full("export", "--portable", str(tmp_path), "--force", code=1).err.endswith(
        "is a folder. Name a file.\n"
    )


def test_an_export_that_fails_leaves_no_file(
    full: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def no_room(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        ran = full("export", "--portable", str(folder / "a.json"), code=1)
    assert "No space left" in ran.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("ending", ["json", "yaml"])
@pytest.mark.parametrize("force", [False, True])
def test_a_killed_export_leaves_no_file(tmp_path: Path, ending: str, force: bool) -> None:
    target = tmp_path / f"a.{ending}"
    if force:
        target.write_text("before")
    code = f"""
import os, signal
from pathlib import Path
from bifrost_tui.whole_file import whole_file
with whole_file(Path({str(target)!r}), replace={force}) as put:
    put(b"x" * 1_000_000)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ([target.name] if force else [])
    if force:
        assert target.read_text() == "before"


def test_wrong_usage_ends_with_2(full: Cli, tmp_path: Path) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {"A": STRING}))
    for forms in ((), ("--portable", "--dotenv"), ("--encrypted", "--platform", "--portable")):
        ran = full("export", *forms, "a.json", code=2)
        assert "one of --portable, --encrypted, --dotenv and --platform." in ran.err
    full("export", "--portable", code=2)
    full("export", "--dotenv", "a", "--org", "Acme", "--format", "yaml", code=2)
    assert "There is no terminal to ask at." in full("import", file, code=2).err
    assert "--json asks nothing." in full("import", file, "--json", code=2).err
    full("import", file, "--org", "Acme", "--global", "--yes", code=2)
    full("import", code=2)
    full("import", file, "--on-conflict", "maybe", "--yes", code=2)


# Import


def test_a_preview_lists_what_would_change_and_changes_nothing(full: Cli, tmp_path: Path) -> None:
    file = bundle(
        tmp_path / "a.json",
        (None, {"SHARED": {"type": "bool", "value": True}}),
        (
            "Acme",
            {
                "API_KEY": {"type": "secret", "value": None},
                "LIMIT": {"type": "int", "value": 7},
                "NEW_KEY": {"type": "secret", "value": None},
                "OTHER": STRING,
            },
        ),
    )
    before, log = contents(), len(events(the_database()))
    ran = full("import", file, "--dry-run")
    rows = [line.split() for line in ran.lines]
    assert rows[0] == ["ORGANIZATION", "KEY", "TYPE", "WHAT", "PLACE"]
    assert [row[1] for row in rows[1:]] == ["API_KEY", "LIMIT", "NEW_KEY", "OTHER"]
    assert "new, needs a value" in ran.lines[3]
    assert "differs: integration, rotation" in ran.lines[1]
    assert "differs: type" in ran.lines[2]
    assert "5 configs: 2 new, 1 same, 2 differ.\n" in ran.err
    assert ran.err.endswith("Nothing was imported: this was a dry run.\n")
    found = full("import", file, "--dry-run", "--json").json
    assert found["possible"]
    assert found["imported"] is None
    assert found["counts"]["same"] == 1
    assert [(line["key"], line["verdict"]) for line in found["configs"]] == [
        *(("SHARED", "same"), ("API_KEY", "differs"), ("LIMIT", "differs")),
        *(("NEW_KEY", "new"), ("OTHER", "new")),
    ]
    assert contents() == before
    assert len(events(the_database())) == log


def test_what_to_know_of_a_config_is_said_below(full: Cli, tmp_path: Path) -> None:
    reference = {"type": "secret_ref", "value": "NOWHERE"}
    file = bundle(tmp_path / "a.json", ("Acme", {"TO": reference}))
    ran = full("import", file, "--dry-run")
    assert ran.lines[2] == "Mind:"
    assert ran.lines[3].startswith("  Acme / TO (line ")
    full("import", file, "--yes")


def test_what_differs_is_decided_by_an_option(full: Cli, tmp_path: Path) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {"LIMIT": STRING, "NEW": STRING}))
    before = contents()
    ran = full("import", file, "--yes", code=1)
    assert "1 config differs. Say --on-conflict overwrite" in ran.err
    assert contents() == before
    assert "1 config added, 1 kept" in full("import", file, "--yes", "--on-conflict", "keep").err
    assert full.configs("--org", "Acme")["LIMIT"]["value"] == "7"
    ran = full("import", file, "--yes", "--on-conflict", "overwrite")
    assert "1 overwritten, 1 as before" in ran.err
    assert full.configs("--org", "Acme")["LIMIT"]["value"] == "x"
    assert "Everything is here already" in full("import", file, "--yes").err


def test_a_secret_that_is_here_keeps_its_value(full: Cli, tmp_path: Path) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {"API_KEY": {"type": "secret", "value": None}}))
    statement = "SELECT secret, fingerprint FROM config WHERE key = 'API_KEY'"
    before = by_hand(the_database(), statement)
    options = ("--on-conflict", "overwrite", "--replace-secrets", "--yes")
    assert "1 overwritten" in full("import", file, *options).err
    assert by_hand(the_database(), statement) == before
    found = full.configs("--org", "Acme")["API_KEY"]
    assert (found["state"], found["integration"]) == ("ok", None)


def test_what_is_refused_is_said_with_its_place_and_nothing_is_imported(
    full: Cli, tmp_path: Path
) -> None:
    value = planted()[0]
    file = tmp_path / "a.yaml"
    file.write_text(
        "bifrost_tui_bundle: 1\nprogram: p\norganizations:\n- name: Acme\n  configs:\n"
        "  - {key: GOOD, type: string, value: x}\n"
        "  - {key: LIMIT, type: secret, value: null}\n"
        f"  - {{key: BAD, type: secret, value: {value}}}\n"
        '  - {key: "ODD\\e[2J", type: string, value: x}\n'
        "- name: Nobody\n  configs:\n  - {key: A, type: string, value: x}\n"
    )
    # The file itself holds the value, which is why it is refused.
    full.secrets.clear()
    before = contents()
    for options in (("--dry-run",), ("--yes",), ("--yes", "--on-conflict", "overwrite")):
        ran = full("import", str(file), *options, code=1)
        assert value not in ran.out + ran.err
        assert "\x1b" not in ran.out + ran.err
        assert "Acme / LIMIT (line 7): " in ran.out
        assert "Acme / BAD (line 8): It is a secret with a value" in ran.out
        assert "Acme / ODD\\x1b[2J (line 9): The key holds '\\x1b'." in ran.out
        assert "no organization 'Nobody'" in ran.out
        assert "Nothing can be imported." in ran.err
    found = full("import", str(file), "--dry-run", "--json", code=1)
    assert value not in found.out
    assert not found.json["possible"]
    assert {line["key"]: line["verdict"] for line in found.json["configs"]}["GOOD"] == "new"
    assert contents() == before


def test_an_organization_s_configs_go_into_another_one(full: Cli, tmp_path: Path) -> None:
    file = bundle(
        tmp_path / "a.json", ("Elsewhere", {"A": STRING}), (None, {"B": STRING}), ("Empty", {})
    )
    assert (
        "which cannot all go into one. Choose with --from NAME: Elsewhere, global."
        in full("import", file, "--org", "Acme", "--yes", code=1).err
    )
    full("import", file, "--org", "Acme", "--from", "ELSEWHERE", "--yes")
    assert "A" in full.configs("--org", "Acme", "--own")
    full("import", file, "--org", "Bright GmbH", "--from", "global", "--yes")
    assert list(full.configs("--org", "Bright GmbH", "--own")) == ["B"]
    full("import", file, "--global", "--from", "Elsewhere", "--yes")
    assert "A" in full.configs("--global")
    full("import", file, "--from", "Elsewhere", "--org", "Made", "--create-orgs", "--yes")
    assert list(full.configs("--org", "Made", "--own")) == ["A"]
    ran = full("import", file, "--from", "No\x1b", "--yes", code=1)
    assert "nothing for 'No\\x1b'. It has: Elsewhere, Empty, global." in ran.err
    one = bundle(tmp_path / "b.json", ("Elsewhere", {"C": STRING}), (None, {}))
    full("import", one, "--org", "Acme", "--yes")
    assert "C" in full.configs("--org", "Acme", "--own")


def test_a_long_preview_is_cut_and_says_so(full: Cli, tmp_path: Path) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {f"K{at:03}": STRING for at in range(100)}))
    ran = full("import", file, "--dry-run")
    assert len(ran.lines) == 22
    assert "... 80 more" in ran.lines[-1]
    assert "--dry-run --json lists all." in ran.err
    assert len(full("import", file, "--dry-run", "--json").json["configs"]) == 100
    keys = {f"K{at:03}": STRING for at in range(30)}
    file = bundle(tmp_path / "b.json", *((f"Org {at:02}", keys) for at in range(30)))
    ran = full("import", file, "--dry-run", "--create-orgs")
    assert len(ran.lines) == 222
    assert "... 30 more" in ran.lines[-1]


def test_questions_are_asked_and_no_is_the_default(
    full: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {"LIMIT": STRING, "NEW": STRING}))
    before = contents()

    def answering(*answers: str, code: int) -> tuple[Ran, list[str]]:
        asked: list[str] = []
        left = list(answers)

        def answer(question: str) -> str:
            asked.append(question)
            return left.pop(0)

        monkeypatch.setattr("bifrost_tui.cli.asking.from_terminal", lambda: True)
        monkeypatch.setattr("bifrost_tui.cli.asking.answer", answer)
        ran = full("import", file, code=code)
        assert left == []
        return ran, asked

    for answers in (("",), ("s",), ("o", ""), ("keep", "n")):
        ran, asked = answering(*answers, code=1)
        assert asked[0] == "1 config differs: overwrite, keep or stop? [o/k/S] "
        assert ran.err.endswith("Nothing was imported.\n")
        assert contents() == before
    ran, asked = answering("K", "yes", code=0)
    assert asked[1] == "Import this? [y/N] "
    assert "1 config added, 1 kept" in ran.err
    ran, _ = answering("overwrite", "Y", code=0)
    assert "1 overwritten" in ran.err


def test_what_changed_since_the_preview_is_not_imported(
    full: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bundle(tmp_path / "a.json", ("Acme", {"LIMIT": STRING, "NEW": STRING}))
    settled = import_command._Import._settled

    def meanwhile(self: Any, plan: Any) -> bool:
        with opened() as repository:
            acme = repository.organizations.find(ALICE, "Acme")
            repository.configs.add(ALICE, acme, plain("NEW", "theirs"))
        return settled(self, plan)

    monkeypatch.setattr(import_command._Import, "_settled", meanwhile)
    full("import", file, "--yes", "--on-conflict", "overwrite", code=1)
    found = full.configs("--org", "Acme")
    assert (found["NEW"]["value"], found["LIMIT"]["value"]) == ("theirs", "7")


def test_tab_offers_organizations_and_files(full: Cli) -> None:
    assert offered("imp") == ["import"]
    assert offered("export --portable --org a") == ["Acme"]
    assert offered("import x.json --org br") == ["Bright GmbH"]
    for words in ("import ac", "export --portable ac"):
        assert file_wanted(words)


def file_wanted(words: str) -> bool:
    """Tell whether the shell is told to offer files."""
    ran = run_process(
        _BIFROST_TUI_COMPLETE="bash_complete",
        COMP_WORDS=f"bifrost-tui {words}",
        COMP_CWORD=str(len(words.split())),
    )
    return ran.out == f"file,{words.rsplit(maxsplit=1)[-1]}\n"


# Hostile files


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    bundle(folder / "real.json", ("Acme", {"A": STRING}))
    (folder / "link").symlink_to("real.json")
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    with (folder / "huge").open("wb") as file:
        file.truncate(files.FILE_LIMIT + 1)
    (folder / "empty").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipe", "pipe is a pipe. Name a plain file"),
        ("socket", "The file socket cannot be read: No such device or address."),
        ("loop", "Too many levels of symbolic links"),
        ("huge", "The file huge is over 256 MiB."),
        ("empty", "The file is empty."),
        ("none", "The file none cannot be read: No such file or directory."),
        ("", "is a folder."),
        ("real.json/x", "Not a directory"),
        ("\0", "cannot be read: it has no such name."),
        ("\x1b[2J", "The file \\x1b[2J cannot be read"),
        ("/dev/zero", "zero is a device."),
        ("/dev/tty", ""),
    ],
)
def test_only_plain_files_are_read(full: Cli, odd_files: Path, name: str, message: str) -> None:
    ran = full("import", str(odd_files / name), "--dry-run", code=1)
    assert message in ran.err
    assert "\x1b" not in ran.err


def test_a_link_is_followed_by_who_may_read_the_file_anyway(full: Cli, odd_files: Path) -> None:
    full("import", str(odd_files / "link"), "--dry-run")


def test_a_file_that_grows_is_not_read_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "FILE_LIMIT", 100)
    file = tmp_path / "a.json"
    file.write_bytes(b"x" * 101)
    with pytest.raises(TransferError, match="over 256 MiB"):
        files.read_file(file)
    real = os.fstat

    def smaller(handle: int) -> os.stat_result:
        found = list(real(handle))
        found[stat.ST_SIZE] = 0
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", smaller)
    with pytest.raises(TransferError, match="over 256 MiB"):
        files.read_file(file)


def test_too_much_on_standard_input_is_refused(full: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_LIMIT", 100)
    ran = full("import", "-", "--dry-run", stdin=b"x" * 101, code=1)
    assert "Standard input is over 256 MiB" in ran.err
    assert "The file is empty" in full("import", "-", "--dry-run", stdin=b"", code=1).err


def test_who_is_confined_stays_in_the_folder(full: Cli, odd_files: Path, tmp_path: Path) -> None:
    origin = Origin("alice", confined=True, folder=odd_files)
    inside, outside = Start(origin=origin), Start(origin=Origin("alice", confined=True))
    full("import", "real.json", "--dry-run", start=inside)
    full("import", "-", "--dry-run", stdin=(odd_files / "real.json").read_bytes(), start=outside)
    outer = bundle(tmp_path / "outer.json", ("Acme", {"A": STRING}))
    (odd_files / "deep").symlink_to(tmp_path)
    for name in ("link", "../outer.json", outer, "deep/outer.json", "pipe", ".", "/etc/passwd"):
        before = actions(full).count("session.command")
        ran = full("import", name, "--dry-run", code=1, start=inside)
        assert "not one of a plain file in the folder" in ran.err
        assert full("export", "--portable", name, "--force", code=1, start=inside).out == ""
        assert actions(full).count("session.command") == before + 2
    assert (
        "Files of the host are not for this session"
        in full("import", "real.json", "--dry-run", code=1, start=outside).err
    )
    full("export", "--portable", "mine.json", start=inside)
    assert stat.S_IMODE((odd_files / "mine.json").stat().st_mode) == 0o600
    assert full("export", "--portable", "-", start=outside).json["bifrost_tui_bundle"] == 1


def test_a_link_that_comes_between_is_not_followed(odd_files: Path) -> None:
    with pytest.raises(TransferError, match="symbolic links"):
        files.read_file(odd_files / "link", follow=False)
    assert files.read_file(odd_files / "link") == (odd_files / "real.json").read_bytes()


def test_a_file_that_came_over_a_connection_that_broke_is_not_imported(
    full: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bifrost_tui.cli.sources.hung_up", lambda: True)
    data = full("export", "--portable", "-", "--format", "yaml").data
    ran = full("import", "-", "--yes", stdin=data[: len(data) // 2], code=1)
    assert ran.err == (
        "bifrost-tui: The connection ended before the file did. Nothing was imported.\n"
    )
