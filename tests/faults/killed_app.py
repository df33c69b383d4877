"""The program in a terminal, killed at a moment of a save; or the server of its database is."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import suppress
from functools import partial
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
from tests.faults.killing import By, Trigger
from tests.postgres import kill_server

_LOADED = (psycopg, app, screens, bifrost_tui.tui.screens.configurations)


def run(by: str, at: str, server: str = "") -> int:
    """Run the screens; counting begins where a form is about to be saved.

    ``by`` is what the moment is counted in and ``at`` its number; or ``measure``, and the file
    into which it is written how much a save is. With ``server`` all of its processes are killed.
    """
    moment = ("measure", 0) if by == "measure" else (by, int(at))
    trigger = Trigger(Path.home(), *moment, victim=partial(_kill, int(server)) if server else None)

    def begun(screen: Any) -> None:
        save = screen._save

        def saving(self: Any, *given: Any, **named: Any) -> None:
            if server and by == By.TIME and not trigger.begun:
                threading.Timer(int(at) / 1e6, _kill, [int(server)]).start()
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


def _kill(server: int) -> None:
    # Whoever waits for it may have been there first.
    with suppress(ProcessLookupError):
        kill_server(server)
