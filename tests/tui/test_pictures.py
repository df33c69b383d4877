"""The pictures of the README are what the app shows today."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_tui.settings import Settings
from tests.pictures import FOLDER, PICTURES, Picture, comparable, made_from, story, svg_of

_MAKE = "The screens have changed: run `python -m tests.pictures` and look at them."


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with story(tmp_path_factory.mktemp("story")) as settings:
        yield settings


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_a_picture_shows_what_the_app_shows(picture: Picture, told: Settings) -> None:
    kept = (FOLDER / f"{picture.name}.svg").read_text("utf-8")
    assert comparable(await svg_of(picture, told)) == comparable(kept), _MAKE
    assert made_from((FOLDER / f"{picture.name}.png").read_bytes(), kept), _MAKE


def test_every_picture_is_shown_in_the_readme() -> None:
    readme = (FOLDER.parent / "README.md").read_text("utf-8")
    shown = {path.stem for path in FOLDER.glob("*.png") if f"screenshots/{path.name}" in readme}
    assert {picture.name for picture in PICTURES} == shown
    assert {path.stem for path in FOLDER.iterdir()} == shown


def test_a_picture_of_another_screen_is_told(tmp_path: Path) -> None:
    kept = (FOLDER / "organizations.svg").read_text("utf-8")
    png = (FOLDER / "organizations.png").read_bytes()
    assert not made_from(png, kept.replace("Acme", "Acne"))
