"""Completion: what makes a shell complete commands, organizations and keys."""

from __future__ import annotations

import click

from bifrost_tui.cli.base import COMPLETION_VARIABLE, PROGRAM, Command
from bifrost_tui.cli.output import emit


@click.command(
    cls=Command,
    example="bifrost-tui completion bash > ~/.local/share/bash-completion/completions/bifrost-tui\n"
    "bifrost-tui completion zsh > ~/.zfunc/_bifrost-tui\n"
    "bifrost-tui completion fish > ~/.config/fish/completions/bifrost-tui.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, organizations and keys.

    Only what you see anyway is offered, and pressing Tab changes nothing.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, shell  # noqa: S101  the choices are click's own
    script = found(ctx.find_root().command, {}, PROGRAM, COMPLETION_VARIABLE).source()
    emit(script.strip().encode() + b"\n")
