"""Bifrost TUI: organizations' configuration and secrets, kept at the keyboard, never shown.

For code that reads what operators keep: ``from bifrost_tui import ExecutionContext, config,
workflow``. They are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bifrost_tui.runtime.execution import ExecutionContext
    from bifrost_tui.runtime.sdk import config
    from bifrost_tui.runtime.workflows import Execution, Workflow, workflow

__version__ = "0.1.0"

__all__ = ["Execution", "ExecutionContext", "Workflow", "__version__", "config", "workflow"]

_HOMES = {
    "Execution": "workflows",
    "ExecutionContext": "execution",
    "Workflow": "workflows",
    "config": "sdk",
    "workflow": "workflows",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"bifrost_tui.runtime.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
