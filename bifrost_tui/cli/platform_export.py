"""``export --platform``: the way back to a Bifrost platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.exporting import host_file, progress, written
from bifrost_tui.cli.output import say
from bifrost_tui.cli.platform_import import key_path
from bifrost_tui.cli.session import opened
from bifrost_tui.display import counted, some_of

if TYPE_CHECKING:
    from bifrost_tui.cli.export_wanted import Wanted
    from bifrost_tui.transfer.platform_writing import WrittenPlatform

_NAMED = 8


def platform_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option of this form."""
    return click.option(
        "--platform-key-file",
        metavar="FILE",
        help="With --platform: the platform's secret key, in a file that only you can read.",
    )(command)


def check_platform(form: str, options: Mapping[str, Any]) -> None:
    """Refuse options that do not go with the form."""
    if form != "platform":
        if options["platform_key_file"] is not None:
            raise click.UsageError("--platform-key-file goes with --platform.")
        return
    if options["platform_key_file"] is None:
        raise click.UsageError(
            "Name a file that holds the platform's secret key, with --platform-key-file FILE."
        )
    if options["notation"]:
        raise click.UsageError("--format is for --portable: a platform's export is JSON.")


def export_platform(wanted: Wanted) -> None:
    """Export what is wanted as a platform's JSON, secrets encrypted under its key."""
    target = host_file(wanted.file, "export")
    path = key_path(wanted.options["platform_key_file"])
    from bifrost_tui.runtime.exporting import check_owner
    from bifrost_tui.transfer.platform_key import SHORTEST, key_from_file
    from bifrost_tui.transfer.platform_writing import FORM, write_platform

    with written(target, force=wanted.force) as put, opened() as session:
        scopes = wanted.scopes(session)
        check_owner(session.repository, session.access, scopes, FORM)
        assert path is not None  # noqa: S101  see check_platform
        key = key_from_file(path, shortest=SHORTEST)
        with progress("Exporting") as step:
            made = write_platform(session.repository, session.access, scopes, key, put, step)
    from bifrost_tui.cli.export_wanted import tell_exported

    tell_exported(made.configs, made.scopes, made.left_out)
    _tell(made)


def _tell(made: WrittenPlatform) -> None:
    """Say what a platform's file has that is not as it was here."""
    say(
        f"{counted(made.secrets, 'secret')} encrypted under the platform's key, which its import"
        " asks for."
    )
    if made.references:
        say(
            f"{counted(made.references, 'reference')} became"
            f" {'a secret' if made.references == 1 else 'secrets'} with the value referred to:"
            " a platform has no references."
        )
    if made.dangling:
        say(f"Without a value among them: {some_of(made.dangling, most=_NAMED)}.")
    if made.empty:
        say(f"{counted(made.empty, 'secret')} without a value: to be filled in there.")
    if made.periods:
        say(f"{counted(made.periods, 'rotation period')} left out: a platform has none.")
    if made.scopes > 1:
        say(
            "Add the organizations on the platform before you import the file there: it takes"
            " configs of an organization that it does not have as global."
        )
