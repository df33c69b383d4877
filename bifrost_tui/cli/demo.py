"""Demo: the screens over a database with a story, or a great many configs, in it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bifrost_tui.cli.base import Command, Start
from bifrost_tui.cli.entering import from_terminal
from bifrost_tui.cli.output import emit_text, say, to_terminal
from bifrost_tui.cli.screens import check_terminal, open_screens
from bifrost_tui.cli.session import this_access
from bifrost_tui.cli.signals import ended_tidily
from bifrost_tui.clock import utc_now
from bifrost_tui.display import counted
from bifrost_tui.errors import DatabaseError
from bifrost_tui.settings import (
    DATABASE_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Settings,
    load_settings,
)

_MOST = 5_000_000


@click.command(
    cls=Command,
    example="bifrost-tui demo\n"
    "bifrost-tui --theme light demo --configs 100000\n"
    'eval "$(bifrost-tui demo --keep /tmp/demo.db < /dev/null)"',
)
@click.option(
    "--configs",
    type=click.IntRange(1, _MOST),
    metavar="N",
    help="So many made-up configs instead of the story.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep the database in FILE and its key in FILE.key.",
)
@click.pass_context
def demo(ctx: click.Context, configs: int | None, keep: Path | None) -> int:
    """Open the screens over a throwaway database with a key of its own.

    Your own database is not touched. With --keep the variables that open the demo again are
    written to standard output; without a terminal, --keep only makes it.
    """
    start = ctx.obj if isinstance(ctx.obj, Start) else Start()
    shown = keep is None or (from_terminal() and to_terminal())
    if shown:
        check_terminal()
    with ended_tidily(), _place(keep) as file:
        settings = _settings(file)
        _build(settings, configs)
        code = 0
        if shown:
            code = open_screens(
                origin=start.origin,
                organization=start.organization,
                theme=start.theme,
                no_mouse=start.no_mouse,
                no_wire=start.no_wire,
                settings=settings,
            )
    if keep is not None:
        say(f"The demo is kept in {file}, and its key in {_key_file(file)}. To open it again:")
        emit_text(_variables(settings))
    return code


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Give the file to make the database in, with its key beside it."""
    if keep is None:
        with TemporaryDirectory(prefix="bifrost-tui-demo-") as folder:
            file = Path(folder) / "demo.db"
            _make_key(file)
            yield file
        return
    file = keep.expanduser().absolute()
    for there in (file, _key_file(file)):
        if there.exists():
            raise DatabaseError(f"The file {there} exists already. Nothing was changed.")
    _make_key(file)
    yield file


def _make_key(file: Path) -> None:
    from bifrost_tui.store.keys import make_key_file

    make_key_file(_key_file(file))


def _key_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.key")


def _settings(file: Path) -> Settings:
    """Return the user's own preferences over the demo's database and key."""
    environ = {name: text for name, text in os.environ.items() if name != KEY_VARIABLE}
    environ[DATABASE_VARIABLE] = f"sqlite:///{file}"
    environ[KEY_FILE_VARIABLE] = str(_key_file(file))
    return load_settings(environ)


def _build(settings: Settings, configs: int | None) -> None:
    access = this_access()
    if configs is None:
        from bifrost_tui.demo import create_story

        create_story(settings, access, clock=utc_now).close()
        return
    from bifrost_tui.demo import build_scale
    from bifrost_tui.store.opening import create_repository

    with create_repository(settings, access) as repository, _progress(configs) as progress:
        build_scale(repository, access, configs, clock=utc_now, progress=progress)


@contextmanager
def _progress(configs: int) -> Iterator[Callable[[int], None] | None]:
    """Count on one line of a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return

    def show(done: int) -> None:
        click.echo(
            f"\rMaking {counted(configs, 'config')}: {done * 100 // configs} %", err=True, nl=False
        )

    try:
        yield show
    finally:
        click.echo(err=True)


def _variables(settings: Settings) -> str:
    key_file = str(settings.key_source.path if settings.key_source else "")
    lines = [
        f"export {DATABASE_VARIABLE}={shlex.quote(settings.database_url)}",
        f"export {KEY_FILE_VARIABLE}={shlex.quote(key_file)}",
    ]
    if KEY_VARIABLE in os.environ:
        # It would be found first, and it does not fit.
        lines.append(f"unset {KEY_VARIABLE}")
    return "".join(f"{line}\n" for line in lines)
