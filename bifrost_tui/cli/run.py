"""``run``: a command gets an organization's values; what it writes is scrubbed."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import click

from bifrost_tui.cli.base import Command, Start
from bifrost_tui.cli.completing import complete_key, complete_organization
from bifrost_tui.cli.output import say
from bifrost_tui.cli.session import opened
from bifrost_tui.display import counted, visible


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    example="bifrost-tui run --org Acme -- ./deploy.sh\n"
    "bifrost-tui run --org Acme --only stripe_key --integration stripe -- python charge.py\n"
    "bifrost-tui run --org Acme --file tls_key=/tmp/tls.pem -- nginx -g 'daemon off;'\n"
    "bifrost-tui run --org Acme --stdin db_password -- ./login.sh",
)
@click.option(
    "--org",
    "organization",
    metavar="NAME",
    required=True,
    shell_complete=complete_organization,
    help="The organization, in any case.",
)
@click.option(
    "--only",
    metavar="KEY",
    multiple=True,
    shell_complete=complete_key,
    help="Give this config and no other; may be repeated.",
)
@click.option("--integration", metavar="TYPE", help="Act for this integration.")
@click.option("--prefix", metavar="TEXT", default="", help="Begin each variable's name with this.")
@click.option(
    "--stdin",
    metavar="KEY",
    shell_complete=complete_key,
    help="Give this value on standard input instead.",
)
@click.option(
    "--file",
    "files",
    metavar="KEY=PATH",
    multiple=True,
    help="Give this value in a private file instead, gone after the run; may be repeated.",
)
@click.option("--no-mask", is_flag=True, help="Leave what the command writes as it is.")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND…", type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context,
    organization: str,
    only: tuple[str, ...],
    integration: str | None,
    prefix: str,
    stdin: str | None,
    files: tuple[str, ...],
    no_mask: bool,
    command: tuple[str, ...],
) -> None:
    """Run a command with an organization's effective values as environment variables.

    A variable has the name of its key in upper case. JSON stands there as JSON, a bool as true or
    false. Secrets in what the command writes become [REDACTED]. Exit code and signal are the
    command's own. Each secret that is handed over is an audit event.
    """
    start = ctx.obj if isinstance(ctx.obj, Start) else Start()
    from bifrost_tui.runtime.environment import Wanted, environment_for, prepared
    from bifrost_tui.runtime.reader import Purpose, Reader
    from bifrost_tui.store.audit import INJECT

    wanted = Wanted(only=only, prefix=prefix, stdin=stdin, files=_files(files))
    facts = {"execution": uuid4().hex, "command": visible(Path(command[0]).name)[:100]}
    purpose = Purpose(INJECT, integration, facts)
    with opened() as session:
        reader = Reader(session.repository, session.access)
        if wanted.keys is None:
            reading = reader.read_all(organization, purpose)
        else:
            reading = reader.read(organization, wanted.keys, purpose)
    given = prepared(reading, wanted)
    if reading.withheld:
        say(
            f"Left out, as bound to another integration: {', '.join(reading.withheld)}."
            " --integration gives them."
        )

    from bifrost_tui.runtime.child import end_like, run_child
    from bifrost_tui.scrubbing.scrubber import SHORTEST, Scrubber

    scrubber = None if no_mask else Scrubber()
    if scrubber is not None:
        for key in reading.secrets:
            scrubber.add(str(reading.values[key]))
        if short := scrubber.too_short:
            say(
                f"{counted(short, 'secret')} shorter than {SHORTEST} characters: not searched for"
                " in what the command writes."
            )
    with ExitStack() as stack:
        if given.files:
            from bifrost_tui.runtime.private_files import PrivateFiles

            private = stack.enter_context(PrivateFiles())
            for path, data in given.files:
                private.add(path, data)
            if private.on_disk:
                say("There is no memory-backed storage here: the files of --file are on a disk.")
        environ = environment_for(given.variables, {**os.environ, **start.cleared})
        code = run_child(command, environ, scrubber=scrubber, stdin=given.stdin)
    end_like(code)


def _files(given: tuple[str, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in given:
        key, separator, path = text.partition("=")
        if not (key and separator and path):
            raise click.BadParameter("Give it as KEY=PATH.", param_hint="--file")
        if key in files:
            raise click.BadParameter(f"{key} is named twice.", param_hint="--file")
        files[key] = Path(path)
    return files
