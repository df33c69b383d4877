"""Exporting configs: the forms of files that there are, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from bifrost_tui.cli.base import Command
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.dotenv_files import export_dotenv
from bifrost_tui.cli.encrypting import check_options, sealing_options
from bifrost_tui.cli.export_wanted import Wanted, export_as
from bifrost_tui.cli.options import file_argument
from bifrost_tui.cli.output import emit_text
from bifrost_tui.cli.platform_export import check_platform, platform_option


def _portable(wanted: Wanted) -> None:
    from bifrost_tui.transfer.portable import YAML_ENDINGS, write_portable

    notation = wanted.options["notation"]
    named = wanted.file.lower().endswith(YAML_ENDINGS)
    yaml = named if notation is None else notation == "yaml"
    export_as(wanted, "portable", lambda export, put: write_portable(export, put, yaml=yaml))


def _encrypted(wanted: Wanted) -> None:
    from bifrost_tui.cli.encrypting import export_encrypted

    export_encrypted(wanted)


def _platform(wanted: Wanted) -> None:
    from bifrost_tui.cli.platform_export import export_platform

    export_platform(wanted)


FORMS: Mapping[str, Callable[[Wanted], None]] = {
    "portable": _portable,
    "encrypted": _encrypted,
    "dotenv": export_dotenv,
    "platform": _platform,
}
"""What makes each form of file, by the flag that asks for it."""


def _print_schema(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    if not given or ctx.resilient_parsing:
        return
    from bifrost_tui.transfer.portable import schema_text

    emit_text(schema_text())
    ctx.exit()


@click.command(
    "export",
    cls=Command,
    example="bifrost-tui export --portable acme.json --org Acme\n"
    "bifrost-tui export --portable all.yaml\n"
    "bifrost-tui export --portable - --global | jq '.global[].key'\n"
    "bifrost-tui export --encrypted all.age\n"
    "bifrost-tui export --dotenv .env --org Acme\n"
    "bifrost-tui export --platform configs.json --platform-key-file platform.key",
)
@file_argument
@click.option(
    "--portable",
    is_flag=True,
    help="Everything but the values of secrets; JSON, or YAML where FILE ends in .yaml or .yml.",
)
@click.option(
    "--encrypted",
    is_flag=True,
    help="Everything, values of secrets too, encrypted with age: under a passphrase that is asked"
    " for, or to public keys. For owners.",
)
@click.option(
    "--dotenv",
    is_flag=True,
    help="What one organization gets, as a .env file; secrets are in it as comments, empty.",
)
@click.option("--own", is_flag=True, help="With --dotenv: only its own configs, none inherited.")
@click.option(
    "--platform",
    is_flag=True,
    help="What a Bifrost platform imports, secrets encrypted under its key. For owners.",
)
@click.option(
    "--org",
    "organizations",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_organization,
    help="An organization; may be given several times.",
)
@click.option("--global", "is_global", is_flag=True, help="The scope that all inherit.")
@click.option(
    "--format",
    "notation",
    type=click.Choice(("json", "yaml")),
    help="With --portable: write this, whatever FILE ends in.",
)
@sealing_options
@platform_option
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of the portable bundle, and end.",
)
def export(
    file: str,
    organizations: tuple[str, ...],
    is_global: bool,
    force: bool,
    **options: Any,
) -> None:
    """Write configs into a file (- for standard output).

    Without --org and --global it is everything that you manage, archived organizations left out.
    The file is made with mode 0600, whole or not at all. Every export is an event in the log.
    """
    chosen = [name for name in FORMS if options.pop(name)]
    if len(chosen) != 1:
        *flags, last = (f"--{name}" for name in FORMS)
        raise click.UsageError(f"Say what to write: one of {', '.join(flags)} and {last}.")
    [form] = chosen
    if form != "portable" and options["notation"] is not None:
        raise click.UsageError("--format goes with --portable.")
    if form != "dotenv" and options["own"]:
        raise click.UsageError("--own goes with --dotenv. A bundle never has what is inherited.")
    check_options(form, options)
    check_platform(form, options)
    FORMS[form](Wanted(file, force, organizations, is_global, options))
