"""Importing a Bifrost platform's export and writing one, by the commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.transfer.platform_key import KEY_VARIABLE
from tests.support import ALICE, assert_nowhere, events, plain, secret
from tests.unit.cli_support import Cli, opened
from tests.unit.test_platform import ACME, SECRET_KEY, STORED, export, item

pytestmark = pytest.mark.both_engines

VALUE = "sk_live_xxxxx"


@pytest.fixture
def platform(cli: Cli) -> Cli:
    """The commands; neither the platform's key nor a value of its secrets may turn up."""
    cli.secrets.append(VALUE)
    return cli


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "platform.key"
    file.write_text(SECRET_KEY + "\n")
    file.chmod(0o600)
    return str(file)


def file_of(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "configs.json"
    file.write_bytes(data)
    return str(file)


def test_an_export_is_found_by_its_content_and_imported(
    platform: Cli, tmp_path: Path, key_file: str
) -> None:
    data = export(
        item("region", {"value": "eu"}),
        item("seats", {"value": "5"}, "int", **ACME),
        item("stripe", {"value": STORED}, "secret", integration_name="Stripe", **ACME),
    )
    platform("orgs", "add", "acme")
    ran = platform("import", "-", "--source-key-file", key_file, "--yes", stdin=data)
    assert "3 configs added" in ran.err
    acme = platform.configs("--org", "acme", "--own")
    assert (acme["seats"]["type"], acme["seats"]["value"]) == ("int", 5)
    assert (acme["stripe"]["state"], acme["stripe"]["integration"]) == ("ok", "Stripe")
    file = file_of(tmp_path, data)
    again = platform("import", file, "--source-key-file", key_file, "--yes")
    assert "Everything is here already." in again.err
    with opened() as repository:
        told = {action for action, *_ in events(repository)}
        assert "config.import" in told


def test_without_a_key_or_with_a_wrong_one_nothing_is_imported(
    platform: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(
        tmp_path, export(item("stripe", STORED, "secret"), item("seats", "five", "int", **ACME))
    )
    ran = platform("import", file, "--yes", code=1)
    assert "1 secret cannot be opened without the key of the platform" in ran.err
    monkeypatch.setenv(KEY_VARIABLE, "another-platform-has-another-secret-key")
    ran = platform("import", file, "--yes", code=1)
    # All reasons at once.
    assert "The key does not open 1 of 1 secrets" in ran.err
    assert "There is no organization 'Acme' for you" in ran.out
    assert "no whole number" in ran.out
    assert platform.configs("--global") == {}


def test_options_of_a_platform_do_not_go_with_other_files(
    platform: Cli, tmp_path: Path, key_file: str
) -> None:
    file = file_of(tmp_path, b'{"bifrost_tui_bundle": 1, "organizations": []}')
    ran = platform("import", file, "--source-key-file", key_file, "--yes", code=1)
    assert "no export of a Bifrost platform. Leave out --source-key-file" in ran.err
    ran = platform("import", file, "--integration-prefix", "--yes", code=1)
    assert "Leave out --integration-prefix" in ran.err


def test_a_key_file_that_others_can_read_is_refused(
    platform: Cli, tmp_path: Path, key_file: str
) -> None:
    Path(key_file).chmod(0o644)
    file = file_of(tmp_path, export(item("stripe", STORED, "secret")))
    ran = platform("import", file, "--source-key-file", key_file, "--yes", code=1)
    assert "is open to others" in ran.err
    ran = platform("export", "--platform", "-", "--platform-key-file", key_file, code=1)
    assert "is open to others" in ran.err
    assert ran.data == b""


def test_configs_of_an_organization_without_a_name_need_one(platform: Cli, tmp_path: Path) -> None:
    file = file_of(tmp_path, export(item("a", "1", organization_id="6a5f"), item("g", "2")))
    for more in ((), ("--create-orgs",), ("--global", "--from", "6a5f")):
        ran = platform("import", file, "--yes", *more, code=1)
        assert "that the file does not name" in ran.out
    assert platform.configs("--global") == {}
    platform("orgs", "add", "Acme")
    platform("import", file, "--from", "6a5f", "--org", "Acme", "--yes")
    assert set(platform.configs("--org", "Acme")) == {"a"}


def test_keys_of_several_integrations_get_a_prefix(platform: Cli, tmp_path: Path) -> None:
    file = file_of(
        tmp_path,
        export(
            item("client_id", "1", integration_name="HaloPSA"),
            item("client_id", "2", integration_name="Microsoft Partner"),
        ),
    )
    ran = platform("import", file, "--yes", code=1)
    assert "--integration-prefix" in ran.out
    platform("import", file, "--yes", "--integration-prefix")
    assert set(platform.configs("--global")) == {
        "halopsa_client_id",
        "microsoft_partner_client_id",
    }


def test_what_goes_to_a_platform_comes_back(platform: Cli, tmp_path: Path, key_file: str) -> None:
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.configs.add(ALICE, GLOBAL_SCOPE, plain("region", "eu"))
        repository.configs.add(ALICE, acme, secret("stripe", VALUE, rotate_every_days=30))
        repository.configs.add(ALICE, acme, secret("empty"))
        reference = ConfigDraft("payment", ConfigType.SECRET_REF, value="stripe")
        repository.configs.add(ALICE, acme, reference)
    file = tmp_path / "back.json"
    ran = platform("export", "--platform", str(file), "--platform-key-file", key_file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert_nowhere([VALUE, SECRET_KEY], [file])
    for said in (
        "4 configs of 2 scopes exported.",
        "2 secrets encrypted under the platform's key",
        "1 reference became a secret with the value referred to",
        "1 secret without a value",
        "1 rotation period left out",
        "Add the organizations on the platform before",
    ):
        assert said in ran.err
    assert len(json.loads(file.read_bytes())["items"]) == 4
    platform("orgs", "add", "Acme Europe")
    options = ("--source-key-file", key_file, "--from", "Acme", "--org", "Acme Europe", "--yes")
    platform("import", str(file), *options)
    found = platform.configs("--org", "Acme Europe", "--own")
    assert {key: each["type"] for key, each in found.items()} == {
        "empty": "secret",
        "payment": "secret",
        "stripe": "secret",
    }
    assert found["payment"]["fingerprint"] == found["stripe"]["fingerprint"]
    assert found["empty"]["state"] == "needs_value"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--platform", "-"), "with --platform-key-file FILE"),
        (("--portable", "-", "--platform-key-file", "x"), "--platform-key-file goes with"),
        (
            ("--platform", "-", "--platform-key-file", "x", "--format", "yaml"),
            "--format goes with --portable",
        ),
        (("--platform", "-", "--platform-key-file", "x", "--recipient", "y"), "with --encrypted"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    platform: Cli, options: tuple[str, ...], said: str
) -> None:
    assert said in platform("export", *options, code=2).err


def test_a_short_key_is_not_one_of_a_platform(platform: Cli, tmp_path: Path) -> None:
    file = tmp_path / "short.key"
    file.write_text("too-short")
    file.chmod(0o600)
    ran = platform("export", "--platform", "-", "--platform-key-file", str(file), code=1)
    assert "the key has 9 characters; a platform's has 32 or more" in ran.err


@pytest.mark.sqlite
def test_a_confined_session_reads_no_database_and_gives_no_secret_out(
    platform: Cli, tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("stripe", VALUE))
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 1 10.0.0.1 22")
    where = "bifrost+postgresql://bifrost@db/bifrost"
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", f"import {where} --yes")
    ran = platform("--actor", "alice", code=1)
    assert "Databases are not for this session" in ran.err
    folder = Path(key_file).parent
    asked = "export --platform out.json --platform-key-file platform.key"
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", asked)
    ran = platform("--actor", "alice", "--folder", str(folder), code=1)
    assert "not exported over a forced command" in ran.err
    assert not (folder / "out.json").exists()
    monkeypatch.delenv("SSH_ORIGINAL_COMMAND")
    with opened() as repository:
        told = [(action, outcome) for action, _, _, outcome in events(repository)]
    assert ("session.command", "refused") in told
    assert ("config.export", "refused") in told
    assert "secret.export" not in {action for action, _ in told}
