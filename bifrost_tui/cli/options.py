"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from bifrost_tui.cli.completing import complete_file, complete_key, complete_organization
from bifrost_tui.cli.session import Target

_organization = click.option(
    "--org",
    "organization",
    metavar="NAME",
    shell_complete=complete_organization,
    help="The organization, in any case.",
)
_global = click.option(
    "--global", "is_global", is_flag=True, help="The scope that every organization inherits."
)


def for_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --org and --global and, as its first argument, their target."""

    @_organization
    @_global
    @wraps(command)
    def with_target(organization: str | None, is_global: bool, **arguments: Any) -> Any:
        if is_global is (organization is not None):
            raise click.UsageError("Give either --org NAME or --global.")
        return command(Target(organization), **arguments)

    return with_target


def for_target_or_all(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --org, --global and --all-orgs; for the last its target is ``None``."""

    @_organization
    @_global
    @click.option("--all-orgs", is_flag=True, help="Every organization that you may see.")
    @wraps(command)
    def with_target(
        organization: str | None, is_global: bool, all_orgs: bool, **arguments: Any
    ) -> Any:
        if [organization is not None, is_global, all_orgs].count(True) != 1:
            raise click.UsageError("Give one of --org NAME, --global and --all-orgs.")
        return command(None if all_orgs else Target(organization), **arguments)

    return with_target


key_argument = click.argument("key", metavar="KEY", shell_complete=complete_key)
"""The key of a config, completed within the scope that was named before it."""

file_argument = click.argument("file", metavar="FILE", shell_complete=complete_file)
"""A file of the host, or - for standard input or output; the shell completes it."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON instead of text; times are in UTC."
)
