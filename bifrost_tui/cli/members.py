"""Members: who may see and change what."""

from __future__ import annotations

import click

from bifrost_tui.cli.authorize import authorize
from bifrost_tui.cli.base import Group


@click.group(cls=Group, example="bifrost-tui members authorize alice < alice.pub")
def members() -> None:
    """Say who may see and change what, and let their keys in."""


members.add_command(authorize)
