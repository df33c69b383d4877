"""The house: which room may use which, what the fronts give away, and how heavy a start is."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bifrost_tui.settings import KEY_VARIABLE, Settings
from bifrost_tui.store import requests, views
from bifrost_tui.store.audit import AuditChain
from bifrost_tui.store.config_changes import ConfigChanges
from bifrost_tui.store.everywhere import Everywhere
from bifrost_tui.store.organizations import Organizations
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.views import GLOBAL_SCOPE
from tests.support import ALICE, KEY, make_repository, secret

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bifrost_tui"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = [contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]]
MODULES = sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))

LONGEST = 400
"""The most lines of a module."""


# Who imports whom


def lint_imports(folder: Path) -> tuple[int, dict[str, str]]:
    """Check a folder's package against its contracts; return the exit code and each verdict."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = re.findall(r"^(.*) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE)
    assert verdicts, done.stdout + done.stderr
    return done.returncode, dict(verdicts)


def test_the_import_contracts_are_kept() -> None:
    code, verdicts = lint_imports(ROOT)
    assert verdicts == dict.fromkeys(CONTRACTS, "KEPT")
    assert code == 0


def source_modules(name: str) -> set[str]:
    [contract] = [
        contract
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract["name"] == name
    ]
    return set(contract["source_modules"])


def test_every_managing_command_is_kept_from_the_runtime() -> None:
    commands = {f"bifrost_tui.cli.{path.stem}" for path in (PACKAGE / "cli").glob("*.py")}
    given_values = {"run", "workflow", "export", "encrypting", "platform_export"}
    # These import commands by their names.
    given_values |= {"__init__", "main"}
    commands -= {f"bifrost_tui.cli.{name}" for name in given_values}
    assert commands <= source_modules("Screens and managing commands do not reach the runtime")
    assert "bifrost_tui.cli.import_" in commands


def test_every_module_of_files_but_those_that_encrypt_is_kept_from_the_runtime() -> None:
    modules = {f"bifrost_tui.transfer.{path.stem}" for path in (PACKAGE / "transfer").glob("*.py")}
    given_values = {"__init__", "sealing", "platform_writing"}
    modules -= {f"bifrost_tui.transfer.{name}" for name in given_values}
    assert modules == source_modules("Values go into encrypted files in two modules")


BREACHES = {
    "Rooms stand above what they use": ("crypto/derivation.py", "bifrost_tui.store.values"),
    "Screens and commands cannot decrypt": ("cli/__init__.py", "bifrost_tui.crypto.cipher"),
    "Screens and managing commands do not reach the runtime": (
        "cli/configs.py",
        "bifrost_tui.runtime.reader",
    ),
    "Values go into encrypted files in two modules": (
        "transfer/sealed.py",
        "bifrost_tui.runtime.exporting",
    ),
    "Tokens are for the runtime alone": ("cli/run.py", "bifrost_tui.store.stored"),
    "The runtime knows no screen and no command": ("runtime/values.py", "click"),
    "The cipher knows no database and no screen": ("crypto/derivation.py", "sqlalchemy"),
    "The scrubber knows no database and no key": ("scrubbing/forms.py", "sqlalchemy"),
    "The store knows no screen": ("store/views.py", "textual.app"),
    "Plaintext is read in one module that nothing here imports": (
        "store/opening.py",
        "bifrost_tui.crypto.reading",
    ),
}


BROKEN_WITH_IT = {
    # Screens and imports read bundles, and may not reach the runtime through that.
    "Values go into encrypted files in two modules": {
        "Screens and managing commands do not reach the runtime",
        "Plaintext is read in one module that nothing here imports",
    },
}


def test_every_contract_has_a_breach_to_be_caught() -> None:
    assert set(BREACHES) == set(CONTRACTS)


@pytest.mark.parametrize("name", BREACHES)
def test_a_broken_contract_is_caught(name: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "bifrost_tui", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file, imported = BREACHES[name]
    with (tmp_path / "bifrost_tui" / file).open("a") as module:
        # Inside a function: lazily imported is imported all the same.
        module.write(f"\n\ndef breach():\n    import {imported}\n")
    code, verdicts = lint_imports(tmp_path)
    assert code != 0
    broken = {broken for broken, verdict in verdicts.items() if verdict == "BROKEN"}
    assert broken == {name} | BROKEN_WITH_IT.get(name, set())


def names_in(path: Path) -> set[str]:
    """Return every name and attribute that a module uses."""
    tree = ast.parse(path.read_text(), str(path))
    return {
        name
        for node in ast.walk(tree)
        for name in (
            getattr(node, "id", None),
            getattr(node, "attr", None),
            node.name if isinstance(node, ast.alias) else None,
        )
        if isinstance(name, str)
    }


@pytest.mark.parametrize(
    ("name", "rooms"),
    [
        ("unseal", {"crypto"}),
        ("open_sealed", {"runtime"}),
        ("entered_bytes", {"store", "transfer"}),
        ("decrypt", {"crypto"}),
        ("_context", {"store", "crypto", "runtime"}),
        ("context_of", {"store", "runtime"}),
    ],
)
def test_what_leads_to_plaintext_is_named_in_its_room_alone(name: str, rooms: set[str]) -> None:
    using = {module.parts[1] for module in MODULES if name in names_in(ROOT / module)}
    assert using <= rooms


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("entered_bytes", {"sealed.py", "sealing.py"}),
        ("export_opened", {"sealing.py", "platform_writing.py"}),
        ("open_with_passphrase", {"sealed.py"}),
        ("open_with_keys", {"sealed.py"}),
    ],
)
def test_what_leads_to_plaintext_is_named_in_few_modules_of_bundles(
    name: str, modules: set[str]
) -> None:
    using = {module for module in MODULES if name in names_in(ROOT / module)}
    assert {module.name for module in using if module.parts[1] == "transfer"} == modules
    assert {module.parts[1] for module in using} <= {"store", "crypto", "runtime", "transfer"}


# What the fronts give away


def returns_of(front: type) -> Iterator[tuple[str, str]]:
    """Return the name of each public method and property, and what it says it returns."""
    for name, member in inspect.getmembers(front):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            assert member.fget is not None
            yield name, str(inspect.signature(member.fget).return_annotation)
        elif callable(member):
            yield name, str(inspect.signature(member).return_annotation)


@pytest.mark.parametrize(
    "front", [Repository, Organizations, ConfigChanges, Everywhere, AuditChain]
)
def test_no_public_call_returns_bytes_or_plaintext(front: type) -> None:
    found = dict(returns_of(front))
    assert len(found) > 1
    for name, returned in found.items():
        assert not re.search(r"bytes|EnteredSecret|Sealed|Keyring|MasterKey|Any|empty", returned), (
            name,
            returned,
        )
        assert not re.search(r"decrypt|plain|reveal|unseal|unmask|clear_?text|export", name)


@pytest.mark.parametrize("module", [views, requests])
def test_no_view_has_a_place_for_a_token_or_a_plaintext(module: ModuleType) -> None:
    """What is handed in may hold a value on its way; what is handed out has no field for one."""
    ways_in = {requests.ConfigDraft}
    found = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if is_dataclass(kind) and kind not in ways_in
    ]
    assert found
    for kind in found:
        for field in fields(kind):
            assert not re.search(r"bytes|EnteredSecret|Sealed|Any", str(field.type)), field
            assert field.name not in {"token", "secret", "plaintext", "hint"}, field


# How heavy a start is

HEAVY = {
    *("sqlalchemy", "sqlmodel", "pydantic", "alembic", "textual", "rich", "click"),
    *("cryptography", "sqlite3", "platformdirs", "asyncio", "email"),
}


def imported_by(script: str, **environ: str) -> set[str]:
    """Run a script in a Python of its own and return the packages that it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys, json; print(json.dumps([*sys.modules]))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **environ},
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_package_itself_imports_nothing_heavy() -> None:
    assert imported_by("import bifrost_tui") & HEAVY == set()
    assert imported_by("import bifrost_tui.settings, bifrost_tui.errors") & HEAVY == set()


def test_what_opens_a_database_imports_no_more_than_that() -> None:
    found = imported_by("import bifrost_tui.store.opening")
    assert found & HEAVY - {"sqlalchemy", "cryptography", "sqlite3", "asyncio", "email"} == set()
    assert {"sqlalchemy", "cryptography"} <= found


def test_a_list_is_shown_without_what_only_changes_need(settings: Settings, home: Path) -> None:
    with make_repository(settings) as repository:
        repository.configs.add(ALICE, GLOBAL_SCOPE, secret("k", "value"))
    script = """if True:
        from bifrost_tui.settings import load_settings
        from bifrost_tui.store.opening import open_repository
        from bifrost_tui.store.requests import Access, ConfigList
        from bifrost_tui.store.views import GLOBAL_SCOPE
        alice = Access("alice", "local")
        with open_repository(load_settings(), alice) as repository:
            assert len(repository.organizations.list(alice)) == 1
            wanted = ConfigList(GLOBAL_SCOPE)
            assert len(repository.configs.page(alice, wanted, offset=0, limit=9).rows) == 1
    """
    found = imported_by(script, HOME=str(home), **{KEY_VARIABLE: KEY})
    assert found & {"sqlmodel", "pydantic", "alembic", "textual", "rich", "click"} == set()


# What is shipped


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    pins = dict(
        re.findall(
            r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
        )
    )
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    direct = [Requirement(line) for group in groups for line in group]
    assert len(direct) > 10
    for requirement in direct:
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, requirement
        assert requirement.specifier.contains(pinned), (requirement, pinned)
    for requirement in (Requirement(line) for line in PROJECT["build-system"]["requires"]):
        assert requirement.specifier, requirement


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_can_be_read_in_one_sitting(module: Path) -> None:
    assert len((ROOT / module).read_text().splitlines()) <= LONGEST


def test_every_module_says_what_it_is_for() -> None:
    for module in MODULES:
        tree = ast.parse((ROOT / module).read_text())
        assert ast.get_docstring(tree), module


def test_the_migrations_are_where_the_program_looks_for_them() -> None:
    migrate = importlib.import_module("bifrost_tui.store.migrate")
    assert (migrate.SCRIPTS / "versions" / "0001_first.py").is_file()
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["bifrost_tui"]
