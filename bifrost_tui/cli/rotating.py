"""A secret's new value: entered or generated, kept, and handed to a command where one is named."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bifrost_tui.cli.base import FAILED, Command, Start
from bifrost_tui.cli.config_changes import NO_ARGUMENT, own_config, tell_value
from bifrost_tui.cli.entering import entered_secret
from bifrost_tui.cli.options import for_target, key_argument
from bifrost_tui.cli.output import say
from bifrost_tui.cli.session import Session, Target
from bifrost_tui.cli.signals import ended_tidily
from bifrost_tui.display import visible_lines
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.generating import (
    ALPHABETS,
    LONGEST,
    SHORTEST,
    USUAL_ALPHABET,
    generated,
)
from bifrost_tui.store.views import ConfigView

if TYPE_CHECKING:
    from bifrost_tui.store.entered import EnteredSecret

_LIMIT = 300


def _complete_alphabet(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the alphabets that have a name."""
    return [name for name in ALPHABETS if name.startswith(incomplete)]


class _Output:
    """What a command writes, on standard error; its control characters are written out."""

    def __init__(self) -> None:
        self._at_start = True

    def __call__(self, text: str) -> None:
        """Write the next piece."""
        # Without a standard error there is nobody to tell.
        with suppress(OSError):
            print(visible_lines(text), end="", file=sys.stderr, flush=True)  # noqa: T201
        self._at_start = text.endswith("\n")

    def end(self) -> None:
        """Let words begin on a line of their own."""
        if not self._at_start:
            self("\n")


@click.command(
    "rotate",
    cls=Command,
    example="bifrost-tui configs rotate STRIPE_KEY --org Acme\n"
    "pass show acme/stripe | tr -d '\\n' | bifrost-tui configs rotate STRIPE_KEY --org Acme\n"
    "bifrost-tui configs rotate HOOK_KEY --org Acme --generate 32 --alphabet hex\n"
    "bifrost-tui configs rotate HOOK_KEY --org Acme --generate 40 --to './set-webhook-key.sh'\n"
    "bifrost-tui configs rotate DB_PASSWORD --org Acme --generate 24 --to 'ssh db1 set-password'",
)
@key_argument
@click.option("--value", hidden=True)
@click.option(
    "--generate",
    "length",
    type=int,
    metavar="N",
    help=f"Make a random value of N characters ({SHORTEST} to {LONGEST}) and read none.",
)
@click.option(
    "--alphabet",
    metavar="NAME|CHARACTERS",
    shell_complete=_complete_alphabet,
    help=f"What it is made of: {', '.join(ALPHABETS)}, or the characters themselves;"
    f" {USUAL_ALPHABET} without this.",
)
@click.option(
    "--to",
    "command",
    metavar="COMMAND",
    help="Hand the value to this command's standard input; it is saved only if that exits 0.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    metavar="SECONDS",
    help=f"Stop that command after so long; {_LIMIT} without this.",
)
@for_target
def rotate(
    target: Target,
    key: str,
    value: str | None,
    length: int | None,
    alphabet: str | None,
    command: str | None,
    timeout: int | None,
) -> int:
    """Give a secret a new value.

    It is read from standard input, byte for byte; where that is a terminal, it is asked for without
    an echo, and a paste is taken whole. With --generate it is made, and nobody sees it.

    With --to a shell runs COMMAND, which gets the value on its standard input: no newline is added,
    and then the input ends. It has no terminal. What it writes goes to standard error without the
    value in it. If it fails, nothing is saved. COMMAND stands in the process list: write no secret
    into it.
    """
    if value is not None:
        raise click.UsageError(NO_ARGUMENT)
    if alphabet is not None and length is None:
        raise click.UsageError("--alphabet is for a value that --generate makes.")
    if timeout is not None and command is None:
        raise click.UsageError("--timeout is for the command of --to.")
    with target.opened() as (session, scope):
        view = own_config(session, scope, key)
        if not view.is_secret:
            raise InvalidInputError(
                f"{key} is no secret; only secrets are rotated. Change it with: configs set",
                field="type",
            )
        if command is not None:
            # Before anything is asked for that would then go nowhere.
            session.repository.configs.check_handover(session.access, view)
        if length is not None:
            secret: EnteredSecret | None = generated(length, alphabet or USUAL_ALPHABET)
        else:
            secret = entered_secret(f"New value of {key} in {scope.name} (not shown): ")
        if secret is None:
            say("Nothing was entered and nothing was changed.")
            return FAILED
        if length is None:
            tell_value(session, scope, view, secret)
        made = length is not None
        if command is None:
            new = session.repository.configs.rotate(session.access, view, secret, generated=made)
        else:
            new = _through(session, view, secret, command, timeout or _LIMIT, made)
    if made:
        say(f"Generated: {length} characters; fingerprint {new.fingerprint}.")
    taken = " The command has taken the value." if command is not None else ""
    say(f"Rotated {key} in {scope.name}.{taken}")
    return 0


def _through(
    session: Session,
    view: ConfigView,
    secret: EnteredSecret,
    command: str,
    limit: float,
    made: bool,
) -> ConfigView:
    from bifrost_tui.store.handover import Handover

    start = click.get_current_context().obj
    # The command gets what was taken out of our environment too: it is not ours to change.
    cleared = start.cleared if isinstance(start, Start) else {}
    output = _Output()
    handover = Handover(command, output, limit=limit, environ={**os.environ, **cleared})
    try:
        with ended_tidily():
            return session.repository.configs.rotate_through(
                session.access, view, secret, handover, generated=made
            )
    except (KeyboardInterrupt, SystemExit):
        output.end()
        say(
            "The command was stopped. Nothing was saved: where it has passed the value on already,"
            " rotate once more."
        )
        raise
    finally:
        output.end()
