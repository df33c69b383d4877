"""What an execution is: who runs what, for which organization, and what it must not give away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bifrost_tui.store.views import Scope

if TYPE_CHECKING:
    from bifrost_tui.runtime.capture import Capture
    from bifrost_tui.runtime.reader import Purpose, Reader
    from bifrost_tui.scrubbing.scrubber import Scrubber


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What a workflow is told about its execution."""

    organization: str
    """The name of the organization that it runs for."""
    actor: str
    """Who started it."""
    execution_id: str
    workflow_name: str
    integration: str | None = None
    """The integration that it acts for, where it was started for one."""


@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False, eq=False)
class Running:
    """An execution at work: its context, and how values reach it and leave it."""

    context: ExecutionContext
    scope: Scope
    reader: Reader
    scrubber: Scrubber
    capture: Capture

    def __repr__(self) -> str:
        return f"<Running {self.context.execution_id}>"

    def register(self, secret: str) -> None:
        """Make a secret one that nothing of this execution gives away."""
        # As plain text: the repr of what code is given is a mask, not a form of the value.
        self.scrubber.add(str(secret))

    def purpose(self, integration: str | None = None) -> Purpose:
        """Return what its reads are for."""
        from bifrost_tui.runtime.reader import Purpose

        context = self.context
        facts = {"execution": context.execution_id, "workflow": context.workflow_name}
        return Purpose(integration=integration or context.integration, facts=facts)


_running: ContextVar[Running | None] = ContextVar("bifrost_execution", default=None)


def current() -> Running | None:
    """Return the execution that the calling code belongs to; ``None`` outside of any."""
    return _running.get()


@contextmanager
def entered(running: Running) -> Iterator[None]:
    """Make an execution the current one of this task and of what it starts."""
    token = _running.set(running)
    try:
        yield
    finally:
        _running.reset(token)
