"""``workflow run``: a workflow of a Python file, run for one organization."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import FAILED, Group
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.output import emit_json, say
from bifrost_tui.cli.session import opened
from bifrost_tui.errors import ParameterError, WorkflowError

if TYPE_CHECKING:
    from bifrost_tui.runtime.workflows import Workflow


@click.group(
    cls=Group, example="bifrost-tui workflow run charge.py:charge_card --org Acme --param amount=5"
)
def workflow() -> None:
    """Workflows: Python functions that read an organization's values while they run."""


@workflow.command(
    "run",
    example="bifrost-tui workflow run charge.py:charge_card --org Acme --param amount=5\n"
    'bifrost-tui workflow run sync.py:sync --org Acme --param tags=\'["a", "b"]\' | jq .result',
)
@click.argument("where", metavar="FILE.py:FUNCTION")
@click.option(
    "--org",
    "organization",
    metavar="NAME",
    required=True,
    shell_complete=complete_organization,
    help="The organization, in any case.",
)
@click.option(
    "--param",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter, made to fit its annotation; lists and dictionaries as JSON.",
)
@click.option("--integration", metavar="TYPE", help="Act for this integration.")
@click.option("--quiet", is_flag=True, help="Keep what it prints and logs to the execution's log.")
def run_workflow(
    where: str, organization: str, parameters: tuple[str, ...], integration: str | None, quiet: bool
) -> int:
    """Run a workflow and print its execution as JSON: status, result, error, logs.

    What it prints and logs meanwhile goes to standard error. Secrets that it read or set stand
    nowhere in any of that. Ends with 1 where the workflow failed.
    """
    from bifrost_tui.runtime.reader import Reader

    found = _load(where)
    try:
        fitted = found.parameters.fitted(_given(parameters), text=True)
    except ParameterError as error:
        raise click.BadParameter(error.message, param_hint="--param") from None
    _log_to_stderr(quiet)
    with opened() as session:
        reader = Reader(session.repository, session.access)
        execution = asyncio.run(
            found.run_with(
                reader,
                organization,
                fitted,
                integration=integration,
                behind={} if quiet else {"stdout": "stderr", "stderr": "stderr"},
            )
        )
    for notice in execution.notices:
        say(notice)
    problem = ""
    try:
        emit_json(execution.as_json())
    except RecursionError:
        problem = "The result is nested too deep to be written as JSON."
    if problem:
        raise WorkflowError(f"{problem} The workflow {execution.status.value}.")
    return 0 if execution.succeeded else FAILED


def _given(parameters: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in parameters:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise click.BadParameter("Give it as NAME=VALUE.", param_hint="--param")
        if name in given:
            raise click.BadParameter(f"{name} is given twice.", param_hint="--param")
        given[name] = value
    return given


def _load(where: str) -> Workflow[..., Any]:
    """Import a workflow from a file.

    Raises:
        WorkflowError: the file or the function is not there, or it is no workflow.

    """
    from bifrost_tui.runtime.workflows import Workflow

    name, separator, function = where.rpartition(":")
    if not separator or not function.isidentifier():
        raise click.BadParameter("Give it as FILE.py:FUNCTION.", param_hint="FILE.py:FUNCTION")
    file = Path(name)
    if not file.is_file():
        raise WorkflowError(f"There is no file {name}.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise WorkflowError(f"{name} is no Python file: its name ends in .py.")
    module = importlib.util.module_from_spec(spec)
    # As `python FILE` does: what stands beside the file can be imported.
    sys.path.insert(0, str(file.resolve().parent))
    sys.modules[spec.name] = module
    problem = ""
    try:
        # Standard output is for the execution alone.
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a user's file raises
        problem = f"{name} cannot be imported: {type(error).__name__}: {error}"
    if problem:
        raise WorkflowError(problem)
    found = getattr(module, function, None)
    if isinstance(found, Workflow):
        return found
    known = sorted(key for key, value in vars(module).items() if isinstance(value, Workflow))
    if found is not None:
        raise WorkflowError(
            f"{function} in {name} is no workflow: put @workflow above `async def {function}`."
        )
    there = f" There is: {', '.join(known)}." if known else ""
    raise WorkflowError(f"There is no {function} in {name}.{there}")


def _log_to_stderr(quiet: bool) -> None:
    """Let log records of level INFO and above be seen, and kept in the execution's log."""
    import logging

    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if not quiet:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)


__all__ = ["workflow"]
