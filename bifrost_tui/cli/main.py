"""The program's commands, and what becomes of everything that goes wrong in one of them."""

from __future__ import annotations

import sys
from typing import Any

import click

from bifrost_tui import __version__
from bifrost_tui.cli.base import (
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
from bifrost_tui.errors import BifrostError
from bifrost_tui.settings import THEMES

_COMMANDS = {
    "orgs": "Organizations: list, add, rename, archive, restore.",
    "configs": "Configs and secrets: list, get, set, rotate, rename, delete.",
    "run": "Run a command with an organization's values in its environment.",
    "workflow": "Workflows: run one of a Python file for an organization.",
    "key": "The master key: generate one, see which are in use.",
    "setup": "Make the database, without a terminal.",
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
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return WRONG_USAGE
        except click.UsageError as error:
            complain(usage_message(error))
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
            return FAILED
        return code if isinstance(code, int) else 0


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
@click.version_option(__version__, message="bifrost-tui %(version)s")
@click.pass_context
def program(
    ctx: click.Context,
    organization: str | None,
    theme: str | None,
    no_mouse: bool,
    no_wire: bool,
) -> int | None:
    """Write-only secrets at the keyboard: manage organizations' configs; no value is ever shown.

    Without a command, the screens open. Commands write data to standard output and words to
    standard error, and end with 0 (done), 1 (failed), 2 (wrong usage) or 3 (a check found
    something).
    """
    before = ctx.obj if isinstance(ctx.obj, Start) else Start()
    ctx.obj = Start(organization, theme, no_mouse, no_wire, before.cleared)
    if ctx.invoked_subcommand is None:
        from bifrost_tui.cli.screens import open_screens

        return open_screens(
            organization=organization, theme=theme, no_mouse=no_mouse, no_wire=no_wire
        )
    if ctx.invoked_subcommand != "demo" and (organization or theme or no_mouse or no_wire):
        raise click.UsageError(
            "--org, --theme, --no-mouse and --no-wire before a command are for the screens; give"
            f" --org after the command: {PROGRAM} {ctx.invoked_subcommand} ... --org NAME",
            ctx,
        )
    return None
