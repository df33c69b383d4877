"""Workflows: async functions that run for one organization and give nothing secret away."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from uuid import uuid4

from bifrost_tui.clock import iso
from bifrost_tui.display import counted
from bifrost_tui.errors import WorkflowError
from bifrost_tui.runtime import opened
from bifrost_tui.runtime.capture import BEHIND, Capture, LogLine, captured
from bifrost_tui.runtime.execution import ExecutionContext, Running, current, entered
from bifrost_tui.runtime.parameters import Parameters
from bifrost_tui.runtime.reader import Reader
from bifrost_tui.runtime.records import Scrubs, exception_text
from bifrost_tui.runtime.results import clean_result
from bifrost_tui.scrubbing.scrubber import SHORTEST, Scrubber
from bifrost_tui.store.views import Scope

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[Concatenate[ExecutionContext, P], Awaitable[R]]


class Status(StrEnum):
    """How an execution ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """Why an execution failed; scrubbed."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow, over. Nothing in it holds a secret that the run read or set."""

    id: str
    workflow: str
    organization: str
    actor: str
    integration: str | None
    status: Status
    result: Any
    """What the workflow returned, as JSON has it; ``None`` where it failed."""
    error: ExecutionError | None
    logs: tuple[LogLine, ...]
    notices: tuple[str, ...]
    """What its reader should know, such as secrets that are too short to be searched for."""
    started_at: str
    """ISO 8601 in UTC."""
    duration: float
    """Seconds."""

    @property
    def succeeded(self) -> bool:
        """Whether the workflow came to its end."""
        return self.status is Status.SUCCEEDED

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in JSON."""
        error = self.error
        return {
            "id": self.id,
            "workflow": self.workflow,
            "organization": self.organization,
            "actor": self.actor,
            "integration": self.integration,
            "status": self.status.value,
            "result": self.result,
            "error": error
            and {"type": error.type, "message": error.message, "traceback": error.traceback},
            "logs": [line.as_json() for line in self.logs],
            "notices": list(self.notices),
            "started_at": self.started_at,
            "duration": self.duration,
        }


class Workflow(Generic[P, R]):
    """An async function that can be run for an organization. Made by :func:`workflow`.

    Calling it calls the function itself, with a context of the caller's; :meth:`run` makes an
    execution.
    """

    def __init__(self, function: Function[P, R], name: str | None, integration: str | None) -> None:
        if isinstance(function, Workflow) or not callable(function):
            raise WorkflowError("@workflow stands above an async function, and once.")
        called = getattr(function, "__name__", type(function).__name__)
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise WorkflowError(
                f"{called} is a generator: a workflow returns its result. Collect what it yields"
                " and return that."
            )
        if not inspect.iscoroutinefunction(function):
            raise WorkflowError(f"{called} is no async function: write `async def {called}(…)`.")
        functools.update_wrapper(self, function)
        self._function = function
        self.name = name or called
        self.integration = integration
        self.parameters = Parameters(function, self.name)

    def __call__(
        self, context: ExecutionContext, /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]:
        """Call the function as it stands, as a test of it does."""
        return self._function(context, *args, **kwargs)

    async def run(
        self, *, organization: str, integration: str | None = None, **parameters: Any
    ) -> Execution:
        """Run the workflow for an organization; its failure is told by what is returned.

        Raises:
            ParameterError: the parameters do not fit.
            BifrostError: the database, the key or the organization cannot be used.

        """
        fitted = self.parameters.fitted(parameters)
        reader = await asyncio.to_thread(opened.reader)
        return await self.run_with(reader, organization, fitted, integration=integration)

    async def run_with(
        self,
        reader: Reader,
        organization: str,
        fitted: Mapping[str, Any],
        *,
        integration: str | None = None,
        behind: Mapping[str, str] = BEHIND,
    ) -> Execution:
        """Run it with an open reader and parameters that fit; prints go on to ``behind``."""
        find = reader.repository.organizations.find
        scope = await asyncio.to_thread(find, reader.access, organization)
        running = self._prepared(reader, scope, integration or self.integration, behind)
        clock = reader.repository.clock
        started, began = iso(clock()), time.perf_counter()
        result, error = await self._finished(running, fitted)
        context = running.context
        return Execution(
            id=context.execution_id,
            workflow=context.workflow_name,
            organization=context.organization,
            actor=context.actor,
            integration=context.integration,
            status=Status.FAILED if error else Status.SUCCEEDED,
            result=result,
            error=error,
            logs=running.capture.lines,
            notices=_notices(running),
            started_at=started,
            duration=round(time.perf_counter() - began, 6),
        )

    def _prepared(
        self, reader: Reader, scope: Scope, integration: str | None, behind: Mapping[str, str]
    ) -> Running:
        context = ExecutionContext(
            organization=scope.name,
            actor=reader.access.actor,
            execution_id=uuid4().hex,
            workflow_name=self.name,
            integration=integration,
        )
        scrubber, outer = Scrubber(), current()
        capture = Capture(
            scrubber,
            reader.repository.clock,
            behind=behind,
            outer=outer.capture if outer else None,
        )
        return Running(context, scope, reader, scrubber, capture)

    async def _finished(
        self, running: Running, fitted: Mapping[str, Any]
    ) -> tuple[Any, ExecutionError | None]:
        function: Callable[..., Awaitable[R]] = self._function
        with ExitStack() as stack:
            stack.enter_context(captured(running))
            stack.enter_context(entered(running))
            try:
                returned = await function(running.context, **fitted)
                return clean_result(returned, running.capture), None
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told
                return None, _told(error, running.capture)


def _told(error: BaseException, scrubber: Scrubs) -> ExecutionError:
    """Return what may be said of an exception. Our own frame, the outermost, is left out."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception's own text may fail
        message = ""
    if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
        error = error.with_traceback(error.__traceback__.tb_next)
    return ExecutionError(
        type=scrubber.scrub_text(name),
        message=scrubber.scrub_text(message),
        traceback=scrubber.scrub_text(exception_text(error)),
    )


def _notices(running: Running) -> tuple[str, ...]:
    notices = []
    if short := running.scrubber.too_short:
        was = "is" if short == 1 else "are"
        notices.append(
            f"{counted(short, 'secret')} {was} shorter than {SHORTEST} characters and not searched"
            " for in what this execution says."
        )
    if dropped := running.capture.dropped:
        notices.append(f"The first {counted(dropped, 'line')} of the log were let go.")
    return tuple(notices)


@overload
def workflow(function: Function[P, R], /) -> Workflow[P, R]: ...


@overload
def workflow(
    *, name: str | None = None, integration: str | None = None
) -> Callable[[Function[P, R]], Workflow[P, R]]: ...


def workflow(
    function: Function[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    integration: str | None = None,
) -> Workflow[P, R] | Callable[[Function[P, R]], Workflow[P, R]]:
    """Make a workflow of an async function that takes ``context: ExecutionContext`` first.

    ``name`` is the function's own where none is given; ``integration`` what it acts for.

    Raises:
        WorkflowError: it is no async function, or one whose parameters cannot be told.

    """
    if function is not None:
        return Workflow(function, name, integration)
    return lambda decorated: Workflow(decorated, name, integration)
