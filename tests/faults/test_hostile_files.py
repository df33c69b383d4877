"""Files that are wrong in any way end in a plan or a clear error: no traceback, no hang.

Some hundred files are tried in a run of the tests. ``FUZZ_SECONDS=300`` goes on for five minutes
a form, and ``FUZZ_SEED`` with other files.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyrage
import pytest
from click.testing import CliRunner, Result

from bifrost_tui.cli.main import program
from bifrost_tui.display import visible_lines
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.faults.mutations import mutated
from tests.support import ALICE, plain, secret
from tests.unit.cli_support import Cli, make_cli, opened

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
FILES = 60
"""How many files of a form are tried in a run of the tests."""
IN_EARNEST = ("--yes", "--on-conflict", "overwrite", "--replace-secrets")
LIMIT = 10.0
"""Seconds of this process's work for one file of at most some hundred kilobytes."""
MEMORY = 400 * 1024
"""The most kilobytes by which this process may grow."""

PLANTED = "planted/hunter2+swordfish/"
PLATFORM_KEY = "dev-secret-key-change-in-production-must-be-32-chars"


@dataclass
class Form:
    """A form of file: valid ones, and how they are imported."""

    ending: str
    files: list[bytes]
    options: list[str] = field(default_factory=list)
    wrap: Callable[[bytes], bytes] | None = None
    """What is done to a file once it is wrong."""


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The commands over a database with something of every kind in it."""
    made = make_cli(home, monkeypatch)
    about = {"description": "Live: {x} [y] #z", "integration": "stripe", "rotate_every_days": 90}
    with opened() as repository:
        acme = repository.organizations.add(ALICE, "Acme")
        repository.organizations.add(ALICE, "Zürich & Söhne")
        for scope in (GLOBAL_SCOPE, acme):
            for draft in (
                plain("NAME", 'it\'s "quoted" $5 ünïcode \\ \n#'),
                ConfigDraft("PORT", ConfigType.INT, "8080"),
                ConfigDraft("DEBUG", ConfigType.BOOL, "true", description="Whether it talks"),
                ConfigDraft("LIMITS", ConfigType.JSON, '{"a": [1, 2.5, null, {"b": "c"}]}'),
                secret("STRIPE_KEY", PLANTED, **about),
                secret("EMPTY"),
                ConfigDraft("PAY", ConfigType.SECRET_REF, "STRIPE_KEY", integration="stripe"),
            ):
                repository.configs.add(ALICE, scope, draft)
    return made


def portable(cli: Cli, folder: Path) -> Form:
    return Form(".json", [cli("export", "--portable", "-", "--format", "json").data])


def yaml(cli: Cli, folder: Path) -> Form:
    by_hand = b"bifrost_tui_bundle: 1\nglobal:\n- {key: A, type: json, value: [1, {b: ~}]}\n"
    exported = [
        cli("export", "--portable", "-", "--format", each).data for each in ("yaml", "json")
    ]
    return Form(".yaml", [*exported, by_hand])


def dotenv(cli: Cli, folder: Path) -> Form:
    by_hand = f"""export A='b c' # d\nB="e\\n\\"f\ng"\r\nAPI_TOKEN={PLANTED}\nC=${{D}}\nE="""
    exported = cli("export", "--dotenv", "-", "--org", "Acme").data
    return Form(".env", [exported, by_hand.encode()], ["--org", "New", "--secret", "*E*"])


def platform(cli: Cli, folder: Path) -> Form:
    key = folder / "platform.key"
    key.write_text(PLATFORM_KEY)
    key.chmod(0o600)
    exported = cli("export", "--platform", "-", "--platform-key-file", str(key)).data
    exported = exported.replace(b'"PAY"', b'"PAY_2"')
    item = {"organization_id": None, "organization_name": None, "integration_name": None}
    items = [
        {"key": "A", "value": "5", "config_type": "int", "description": None, **item},
        {"key": "B", "value": True, "config_type": "bool", "description": "b", **item},
        {"key": "C", "value": {"value": [1]}, "config_type": "json", "description": "", **item},
    ]
    head: dict[str, object] = {"bifrost_export_version": "1.0", "entity_type": "configs"}
    by_hand = json.dumps({**head, "contains_encrypted_values": True, "items": items}).encode()
    return Form(".json", [exported, by_hand], ["--source-key-file", str(key)])


def encrypted(cli: Cli, folder: Path, *, inside: bool = False) -> Form:
    identity = pyrage.x25519.Identity.generate()
    key = folder / "identity.txt"
    key.write_text(str(identity))
    key.chmod(0o600)
    options = ["--identity", str(key)]
    recipient = str(identity.to_public())
    sealed = cli("export", "--encrypted", "-", "--recipient", recipient).data
    if not inside:
        return Form(".age", [sealed], options)
    opened = pyrage.decrypt(sealed, [identity])

    def wrap(data: bytes) -> bytes:
        return bytes(pyrage.encrypt(data, [identity.to_public()]))

    return Form(".age", [opened], options, wrap)


def inside_encrypted(cli: Cli, folder: Path) -> Form:
    return encrypted(cli, folder, inside=True)


FORMS = (portable, yaml, dotenv, platform, encrypted, inside_encrypted)


@pytest.mark.timeout(max(120, 2 * SECONDS + 60))
@pytest.mark.parametrize("form_of", FORMS, ids=[form.__name__ for form in FORMS])
def test_a_hostile_file_ends_in_a_plan_or_a_clear_error(
    cli: Cli, tmp_path: Path, form_of: Callable[[Cli, Path], Form]
) -> None:
    form = form_of(cli, tmp_path)
    for data in form.files:
        assert attempt(form, data, tmp_path, exact=True), run(form, data, tmp_path).output
    source = random.Random(SEED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + SECONDS
    planned = done = tried = 0
    while tried < FILES or time.monotonic() < end:
        state = source.getstate()
        wrong, in_place = mutated(source.choice(form.files), form.files, source)
        try:
            if attempt(form, wrong, tmp_path, exact=in_place):
                planned += 1
                if source.random() < 0.3:
                    assert attempt(form, wrong, tmp_path, exact=in_place, how=IN_EARNEST)
                    done += 1
        except BaseException:
            # What to try again.
            (tmp_path / f"found{form.ending}").write_bytes(wrong)
            print(f"file {tried} of seed {SEED}: {tmp_path}/found{form.ending} {state[0]}")
            raise
        tried += 1
    print(f"{form_of.__name__}: {tried} files, {planned} could be imported, {done} were")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def attempt(
    form: Form, data: bytes, folder: Path, *, exact: bool, how: Sequence[str] = ("--dry-run",)
) -> bool:
    """Try to import a file; return whether there was a plan that could be done.

    ``exact`` says that no part of it was moved: then no value has become a name.
    """
    begun = time.process_time()
    result = run(form, data, folder, how)
    took = time.process_time() - begun
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError("no clear error") from result.exception
    assert took < LIMIT, f"{took:.1f} seconds"
    assert "Traceback" not in result.stderr
    assert result.exit_code in (0, 1), result.stderr
    # What a terminal would obey has no way to it.
    assert visible_lines(result.output) == result.output
    if exact:
        assert PLANTED not in result.output
    if result.stdout:
        assert json.loads(result.stdout)["possible"] is (result.exit_code == 0)
    else:
        assert result.exit_code == 1
        # After what there is to say of the file, if anything.
        assert any(line.startswith("bifrost-tui: ") for line in result.stderr.splitlines())
    return result.exit_code == 0


def run(form: Form, data: bytes, folder: Path, how: Sequence[str] = ("--dry-run",)) -> Result:
    """Import a file, or say what that would do."""
    path = folder / f"hostile{form.ending}"
    path.write_bytes(data if form.wrap is None else form.wrap(data))
    path.chmod(0o600)
    command = ["import", str(path), *form.options, *how, "--json", "--create-orgs"]
    return CliRunner().invoke(program, command, prog_name="bifrost-tui")
