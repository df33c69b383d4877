"""What every command has in common: its example, and that no argument is ever repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from bifrost_tui.origin import Origin

PROGRAM = "bifrost-tui"
COMPLETION_VARIABLE = "_BIFROST_TUI_COMPLETE"

FAILED = 1
WRONG_USAGE = 2
FOUND = 3
"""The exit code of a check that found something."""
INTERRUPTED = 130

_OPTION = re.compile(r"--?[a-z][a-z-]{0,24}")


@dataclass(frozen=True, slots=True)
class Start:
    """How the program was started: the options before the command, and the environment."""

    organization: str | None = None
    theme: str | None = None
    no_mouse: bool = False
    no_wire: bool = False
    cleared: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that were taken out of the environment before anything read them."""
    origin: Origin = field(default_factory=Origin)
    """Who acts, and how far that reaches."""


class Command(click.Command):
    """A command with an example in its help."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that are too many without repeating them: one may be a secret."""
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            ctx.fail(
                "There is an argument too many. (A secret's value is never an argument: pipe it,"
                " or leave it out and be asked.)"
            )
        return rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it is: click would wrap it."""
        _write_example(self.example, formatter)


class Group(click.Group):
    """A noun whose verbs are commands."""

    command_class = Command

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it is: click would wrap it."""
        _write_example(self.example, formatter)


class LazyGroup(Group):
    """A group whose commands are imported when they are used; their short helps stand here."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command, which calls the command by its own name."""
        if cmd_name not in self._lazy:
            return None
        # As PEP 8 has it: import_ for a name that Python keeps for itself.
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        found = getattr(import_module(f"bifrost_tui.cli.{name}"), name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' short helps without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name]) for name in self.list_commands(ctx)])


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    if not example:
        return
    with formatter.section("Example" if "\n" not in example else "Examples"):
        indent = " " * formatter.current_indent
        formatter.write("".join(f"{indent}{line}\n" for line in example.split("\n")))


def usage_message(error: click.UsageError) -> str:
    """Say what is wrong with a command line, without an argument that may be a secret."""
    if isinstance(error, click.NoSuchOption) and not _OPTION.fullmatch(error.option_name):
        # A PEM key, for example, begins like an option.
        return "There is no such option."
    return error.format_message()
