"""``workflow run``: the execution as JSON, whatever becomes of the workflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import ALICE, secret
from tests.unit.cli_support import Cli, opened, run_process

pytestmark = pytest.mark.both_engines

VALUE = "zQ7-stripe-of-acme-nobody-else-writes"

FLOWS = """
import logging
import sys
from helper import suffix
from bifrost_tui import ExecutionContext, config, workflow

@workflow(name="charge_card")
async def charge(context: ExecutionContext, amount: int, tags: list[str] = [], note: str = ""):
    key = await config.get("stripe_api_key")
    print("charging", key)
    print("to stderr", key, file=sys.stderr)
    logging.getLogger("flows").info("with %s", key)
    return {"amount": amount, "tags": tags, "note": note, "key": key, "suffix": suffix}

@workflow
async def fails(context: ExecutionContext):
    raise ValueError(await config.get("stripe_api_key"))

@workflow
async def odd(context: ExecutionContext):
    return object()

@workflow
async def deep(context: ExecutionContext):
    found = []
    for _ in range(100_000):
        found = [found]
    return found

print("imported")

async def plain(context):
    pass
"""


@pytest.fixture
def flows(cli: Cli, tmp_path: Path) -> str:
    cli("orgs", "add", "Acme")
    with opened() as repository:
        scope = repository.organizations.find(ALICE, "Acme")
        repository.configs.add(ALICE, scope, secret("stripe_api_key", VALUE))
    cli.secrets.append(VALUE)
    (tmp_path / "helper.py").write_text("suffix = 'from beside it'\n")
    file = tmp_path / "flows.py"
    file.write_text(FLOWS)
    return str(file)


def workflow(*args: str) -> tuple[str, ...]:
    return ("workflow", "run", *args, "--org", "Acme")


def test_an_execution_is_printed_as_json(cli: Cli, flows: str) -> None:
    ran = run_process(
        *workflow(f"{flows}:charge", "--param", "amount=5", "--param", 'tags=["a", "b"]')
    )
    cli.search(ran)
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["status"] == "succeeded"
    assert found["workflow"] == "charge_card"
    assert found["organization"] == "Acme"
    assert found["error"] is None
    assert found["duration"] > 0
    assert found["result"] == {
        "amount": 5,
        "tags": ["a", "b"],
        "note": "",
        "key": "[REDACTED]",
        "suffix": "from beside it",
    }
    assert [(line["level"], line["message"]) for line in found["logs"]] == [
        ("stdout", "charging [REDACTED]"),
        ("stderr", "to stderr [REDACTED]"),
        ("info", "with [REDACTED]"),
    ]
    assert ran.err.splitlines() == [
        "imported",
        "charging [REDACTED]",
        "to stderr [REDACTED]",
        "INFO flows: with [REDACTED]",
    ]


def test_quiet_keeps_it_to_the_log(cli: Cli, flows: str) -> None:
    ran = run_process(*workflow(f"{flows}:charge", "--param", "amount=5", "--quiet"))
    cli.search(ran)
    assert ran.code == 0
    assert ran.err == "imported\n"
    assert len(ran.json["logs"]) == 3


@pytest.mark.parametrize(("function", "kind"), [("fails", "ValueError"), ("odd", "WorkflowError")])
def test_a_failing_workflow_ends_with_1(cli: Cli, flows: str, function: str, kind: str) -> None:
    ran = run_process(*workflow(f"{flows}:{function}"))
    cli.search(ran)
    assert ran.code == 1
    assert ran.json["status"] == "failed"
    assert ran.json["error"]["type"].endswith(kind)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("{}:charge",), 2, "needs the parameter amount"),
        (("{}:charge", "--param", "amount=x"), 2, "amount of charge_card does not fit"),
        (("{}:charge", "--param", "amount"), 2, "NAME=VALUE"),
        (("{}:charge", "--param", "amount=1", "--param", "amount=2"), 2, "twice"),
        (("{}:charge", "--param", "amount=1", "--param", "x=2"), 2, "no parameter x"),
        (("{}:nothing",), 1, "There is: charge, deep, fails, odd"),
        (("{}:plain",), 1, "no workflow: put @workflow above"),
        (("{}",), 2, "FILE.py:FUNCTION"),
        (("nowhere.py:charge",), 1, "There is no file nowhere.py"),
    ],
)
def test_what_cannot_be_run_is_told(
    cli: Cli, flows: str, args: tuple[str, ...], code: int, said: str
) -> None:
    ran = run_process(*workflow(*(arg.format(flows) for arg in args)))
    cli.search(ran)
    assert ran.code == code, ran.err
    assert said in " ".join(ran.err.split())
    assert ran.out == ""


def test_a_result_that_is_too_deep_is_told(cli: Cli, flows: str) -> None:
    ran = run_process(*workflow(f"{flows}:deep"))
    assert (ran.code, ran.out) == (1, "")
    assert "nested too deep" in ran.err
    assert "Traceback" not in ran.err


def test_a_file_that_cannot_be_imported_is_told(cli: Cli, flows: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import nowhere_at_all\n")
    ran = run_process(*workflow(f"{bad}:charge"))
    assert ran.code == 1
    assert "No module named 'nowhere_at_all'" in ran.err
    text = tmp_path / "flow.txt"
    text.write_text("")
    assert "no Python file" in run_process(*workflow(f"{text}:charge")).err


def test_a_database_that_does_not_open_is_told(cli: Cli, flows: str) -> None:
    ran = run_process(
        *workflow(f"{flows}:charge", "--param", "amount=5"), BIFROST_SECRET_KEY="x" * 40
    )
    assert ran.code == 1
    assert "does not fit" in ran.err
    assert ran.out == ""


def test_reads_are_in_the_log_with_the_execution(cli: Cli, flows: str) -> None:
    ran = run_process(*workflow(f"{flows}:charge", "--param", "amount=5"))
    from tests.support import by_hand
    from tests.unit.cli_support import the_database

    [(details,)] = by_hand(
        the_database(), "SELECT details FROM audit_event WHERE action = 'secret.read'"
    )
    assert json.loads(details) == {"execution": ran.json["id"], "workflow": "charge_card"}
