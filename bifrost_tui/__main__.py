"""The entry point: harden the process, then open the screens or run a command."""

from __future__ import annotations

import gc
import os
import sys

from bifrost_tui import __version__


def main() -> int:
    """Run the program and return its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"bifrost-tui {__version__}")  # noqa: T201
        return 0

    # Importing makes no garbage; what opens the database or the screens collects again.
    gc.disable()
    from bifrost_tui.terminal import clear_textual_environment, harden_process, install_hooks

    harden_process()
    given = dict(os.environ)
    clear_textual_environment(os.environ)
    install_hooks()
    cleared = {name: text for name, text in given.items() if name not in os.environ}
    try:
        # A shell that asks for completions gives no arguments either.
        if not arguments and "_BIFROST_TUI_COMPLETE" not in os.environ:
            return _open_screens()

        from bifrost_tui.cli.base import Start
        from bifrost_tui.cli.main import program

        program.main(arguments, prog_name="bifrost-tui", obj=Start(cleared=cleared))
    except KeyboardInterrupt:
        return 130
    finally:
        # At the end Python would look once more through all that was imported.
        gc.freeze()
    return 0


def _open_screens() -> int:
    from bifrost_tui.cli.output import complain
    from bifrost_tui.cli.screens import open_screens
    from bifrost_tui.errors import BifrostError
    from bifrost_tui.origin import Origin

    try:
        return open_screens(origin=Origin())
    except BifrostError as error:
        complain(error.message)
        return 1


if __name__ == "__main__":
    sys.exit(main())
