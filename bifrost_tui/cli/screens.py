"""Opening the screens. Nothing here may import click: this is how the program mostly starts."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace

from bifrost_tui.cli.session import this_access
from bifrost_tui.origin import Origin
from bifrost_tui.settings import Settings, checked_theme, load_settings
from bifrost_tui.terminal import mouse_wanted, require_terminal


def check_terminal() -> None:
    """Make sure that the screens can be drawn.

    Raises:
        TerminalError: they cannot, and this is why.

    """
    require_terminal(sys.stdin, sys.stdout, sys.stderr, os.environ)


def open_screens(
    *,
    origin: Origin,
    organization: str | None = None,
    theme: str | None = None,
    no_mouse: bool = False,
    no_wire: bool = False,
    settings: Settings | None = None,
) -> int:
    """Open the screens and return their exit code.

    Raises:
        TerminalError, SettingsError: they cannot be opened, and this is why.

    """
    check_terminal()
    if settings is None:
        settings = load_settings()
    if theme is not None:
        settings = replace(settings, theme=checked_theme(theme, "--theme"))
    # Importing makes no garbage; the app collects again once the database is open.
    gc.disable()
    from bifrost_tui.tui.app import run

    return run(
        settings,
        this_access(origin),
        origin=origin,
        organization=organization,
        mouse=mouse_wanted(os.environ, no_mouse),
        wire=not no_wire,
    )
