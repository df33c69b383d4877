"""The program's commands, and what becomes of everything that goes wrong in one of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from bifrost_tui import __version__
from bifrost_tui.cli.base import (
    COMPLETION_VARIABLE,
    FAILED,
    INTERRUPTED,
    PROGRAM,
    WRONG_USAGE,
    LazyGroup,
    Start,
    usage_message,
)
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.output import complain, say
from bifrost_tui.errors import BifrostError, TransferError
from bifrost_tui.origin import lock_down, named_over_ssh
from bifrost_tui.settings import THEMES

_COMMANDS = {
    "orgs": "Organizations: list, add, rename, archive, restore.",
    "configs": "Configs and secrets: list, get, set, rotate, rename, delete.",
    "members": "Members: list, add, role, remove, left, authorize, forget-passphrase.",
    "export": "Write configs into a file; values of secrets only where it is encrypted.",
    "import": "Take configs in from a file, after a preview.",
    "audit": "The audit log: list, show, export, verify, head.",
    "run": "Run a command with an organization's values in its environment.",
    "workflow": "Workflows: run one of a Python file for an organization.",
    "key": "The master key: generate one, see which are in use, change it.",
    "lock": "The lock of the screens and its passphrase: status, set, clear.",
    "setup": "Make the database, without a terminal.",
    "backup": "Write the whole database into a file, without the master key.",
    "restore": "Bring a backup into the database; says first what would be lost.",
    "doctor": "Check files, key, database and secrets.",
    "locate": "Say where the database, the key and the settings are.",
    "demo": "Open the screens over a throwaway database.",
    "completion": "Print what makes a shell complete commands and names.",
}


class Program(LazyGroup):
    """The whole command line; every error ends in a line on standard error and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line and leave the process."""
        sys.exit(self._run(*args, **extra))

    def _run(self, *args: Any, **extra: Any) -> int:
        extra["standalone_mode"] = False
        given = list(args[0]) if args and args[0] is not None else sys.argv[1:]
        if named_over_ssh(given, os.environ):
            # Before anything can end: by completions, which no shell of ours asks for, or wrongly.
            lock_down(os.environ, COMPLETION_VARIABLE)
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return WRONG_USAGE
        except click.UsageError as error:
            complain(usage_message(error))
            _tell_usage(error)
            if error.ctx is not None:
                say(f"Try: {error.ctx.command_path} --help")
            return WRONG_USAGE
        except click.Abort:
            return INTERRUPTED
        except click.ClickException as error:
            complain(error.format_message())
            return FAILED
        except BifrostError as error:
            complain(error.message)
            if isinstance(error, TransferError):
                # The message has said the first.
                for problem in error.problems[1:]:
                    say(problem)
            return FAILED
        return code if isinstance(code, int) else 0

    # What follows holds confined actors to their commands.

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands that there are for who acts."""
        names = super().list_commands(ctx)
        if isinstance(ctx.obj, Start) and ctx.obj.origin.confined:
            from bifrost_tui.cli.forced import ALLOWED

            return [name for name in names if name in ALLOWED]
        return names

    def invoke(self, ctx: click.Context) -> Any:
        """Say who acts, before anything is done in anybody's name."""
        start = ctx.obj if isinstance(ctx.obj, Start) else Start()
        given = ctx.params
        if start.origin.actor is not None or (given["actor"], given["folder"]) != (None, None):
            from bifrost_tui.cli.forced import begun

            start = begun(start, given["actor"], given["folder"])
        ctx.obj = start
        return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; who is confined has a few of them."""
        start = ctx.obj
        if isinstance(start, Start) and start.origin.confined:
            from bifrost_tui.cli.forced import ALLOWED, refused

            name = args[0]
            if start.origin.asked or name not in ALLOWED or name not in _COMMANDS:
                raise refused(start, name if name in _COMMANDS else None)
        return super().resolve_command(ctx, args)

    def run_as(self, words: Sequence[str], start: Start) -> int:
        """Run a command line within this one, as who acts already."""
        return self._run(list(words), prog_name=PROGRAM, obj=start)


def _tell_usage(error: click.UsageError) -> None:
    """Tell the log of a confined actor's words that are none of our commands."""
    ctx = error.ctx
    if ctx is not None and ctx.parent is None and isinstance(ctx.obj, Start):
        start: Start = ctx.obj
        if start.origin.confined:
            from bifrost_tui.cli.forced import refused

            refused(start, None)


@click.group(
    cls=Program,
    name=PROGRAM,
    lazy=_COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    example="bifrost-tui --org Acme\n"
    "bifrost-tui configs list --org Acme --json\n"
    "pass show acme/stripe | bifrost-tui configs rotate STRIPE_KEY --org Acme",
)
@click.option(
    "--org",
    "organization",
    metavar="NAME",
    shell_complete=complete_organization,
    help="Open the screens at an organization.",
)
@click.option("--theme", type=click.Choice(THEMES), help="The screens' colours.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
@click.option("--no-wire", is_flag=True, help="Send the terminal unchanged cells too.")
@click.option(
    "--actor",
    metavar="NAME",
    help="Act as NAME: for the account that owns the database, in a forced command over SSH.",
)
@click.option(
    "--folder",
    metavar="DIR",
    help="Where a forced command's actor may read and write files.",
)
@click.version_option(__version__, message="bifrost-tui %(version)s")
@click.pass_context
def program(
    ctx: click.Context,
    organization: str | None,
    theme: str | None,
    no_mouse: bool,
    no_wire: bool,
    actor: str | None,  # noqa: ARG001  # these two are taken before, by Program.invoke
    folder: str | None,  # noqa: ARG001
) -> int | None:
    """Write-only secrets at the keyboard: manage organizations' configs; no value is ever shown.

    Without a command, the screens open. Commands write data to standard output and words to
    standard error, and end with 0 (done), 1 (failed), 2 (wrong usage) or 3 (a check found
    something).
    """
    before: Start = ctx.obj
    start = ctx.obj = replace(
        before,
        organization=organization or before.organization,
        theme=theme or before.theme,
        no_mouse=no_mouse or before.no_mouse,
        no_wire=no_wire or before.no_wire,
    )
    if ctx.invoked_subcommand is None:
        if start.origin.asked:
            from bifrost_tui.cli.forced import run_asked

            return run_asked(start, program.run_as)
        from bifrost_tui.cli.screens import open_screens

        return open_screens(
            origin=start.origin,
            organization=start.organization,
            theme=start.theme,
            no_mouse=start.no_mouse,
            no_wire=start.no_wire,
        )
    if ctx.invoked_subcommand != "demo" and (organization or theme or no_mouse or no_wire):
        raise click.UsageError(
            "--org, --theme, --no-mouse and --no-wire before a command are for the screens; give"
            f" --org after the command: {PROGRAM} {ctx.invoked_subcommand} ... --org NAME",
            ctx,
        )
    return None
