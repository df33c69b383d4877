"""The program in a terminal, killed at a moment of a save."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg

import bifrost_tui.store.postgres
import bifrost_tui.tui.screens.configurations
import bifrost_tui.tui.screens.organizations
from bifrost_tui.__main__ import main
from bifrost_tui.cli import screens
from bifrost_tui.tui import app
from bifrost_tui.tui.screens import config_form, rotate
from tests.faults.killing import Trigger

_LOADED = (psycopg, app, screens, bifrost_tui.tui.screens.configurations)


def run(by: str, at: str) -> int:
    """Run the screens; counting begins where a form is about to be saved.

    ``by`` is what the moment is counted in and ``at`` its number; or ``measure``, and the file
    into which it is written how much a save is.
    """
    trigger = Trigger(Path.home(), *(("measure", 0) if by == "measure" else (by, int(at))))

    def begun(screen: Any) -> None:
        save = screen._save

        def saving(self: Any, *given: Any, **named: Any) -> None:
            trigger.begin()
            save(self, *given, **named)

        screen._save = saving
        leave = screen.dismiss

        def saved(self: Any, *given: Any) -> Any:
            if by == "measure" and trigger.begun:
                Path(at).write_text(json.dumps(trigger.told()))
            return leave(self, *given)

        screen.dismiss = saved

    begun(config_form.ConfigForm)
    begun(rotate.RotateScreen)
    sys.argv[:] = ["bifrost-tui"]
    with trigger.watching():
        return main()
