"""What the tests of exports and imports share: a bundle to import, and where the screens are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot
from textual.screen import Screen

from bifrost_tui.origin import Origin
from bifrost_tui.store.requests import Access
from bifrost_tui.tui.app import BifrostApp
from bifrost_tui.tui.widgets.fields import LineInput
from tests.support import ALICE
from tests.tui.screens_support import (
    World,
    app_over,
    assert_no_plaintext,
    lines_of,
    press,
    screen_text,
    settled,
)

ACME = "Acme Dental"
ScreenT = TypeVar("ScreenT", bound=Screen[Any])


def config(key: str, kind: str, value: object = None, **more: object) -> dict[str, object]:
    """Return a config as a bundle has it."""
    return {"key": key, "type": kind, "value": value, **more}


def bundle(folder: Path, organizations: dict[str, list[dict[str, object]]], **more: object) -> Path:
    """Write a bundle into a folder."""
    content = {
        "bifrost_tui_bundle": 1,
        "program": "bifrost-tui 0.1.0",
        **more,
        "organizations": [
            {"name": name, "configs": configs} for name, configs in organizations.items()
        ],
    }
    path = folder / "acme.json"
    path.write_text(json.dumps(content))
    return path


@asynccontextmanager
async def running(
    world: World,
    *,
    access: Access = ALICE,
    origin: Origin | None = None,
    organization: str | None = ACME,
    size: tuple[int, int] = (100, 30),
) -> AsyncIterator[Pilot[Any]]:
    """Run the app, and look for plaintext at its end."""
    app = app_over(world, access=access, organization=organization)
    if origin is not None:
        app.origin = origin
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot
        assert_no_plaintext(app)
    assert app._exception is None


def shown(pilot: Pilot[Any], kind: type[ScreenT]) -> ScreenT:
    """Return the screen, which is of a kind."""
    screen = pilot.app.screen
    assert isinstance(screen, kind), (screen, text(pilot))
    return screen


def text(pilot: Pilot[Any]) -> str:
    """Return all that is on the screen."""
    app = pilot.app
    assert isinstance(app, BifrostApp)
    return screen_text(app)


def words(pilot: Pilot[Any]) -> str:
    """Return all that the topmost dialog or screen says, its lines joined as they were wrapped."""
    screen = pilot.app.screen
    dialog = next(iter(screen.query(".dialog")), None)
    left, width = (dialog.region.x, dialog.region.width) if dialog is not None else (0, 1000)
    app = pilot.app
    assert isinstance(app, BifrostApp)
    # Cells, as far as no character here is wide.
    lines = (line[left : left + width].strip(" │") for line in lines_of(app))
    return " ".join(word for line in lines for word in line.split())


async def enter_file(pilot: Pilot[Any], name: object) -> None:
    """Write a file's name into the form at hand, in place of what is there."""
    field = pilot.app.screen.query_one("#file", LineInput)
    field.value = str(name)
    field.cursor_position = len(field.value)
    await press(pilot, "enter")


def rows(pilot: Pilot[Any]) -> list[tuple[str, str, str]]:
    """Return the lines of the preview: verdict, organization and key."""
    from bifrost_tui.tui.screens.import_preview import ImportPreview

    return [
        (line.verdict.value, line.organization or "", line.key)
        for line in shown(pilot, ImportPreview)._shown
    ]
