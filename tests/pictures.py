"""The pictures of the README, made from the running app: ``python -m tests.pictures``.

Each is an SVG and, from it, a PNG that carries the SVG's hash, so that a test can tell when
either no longer matches the screens. Fira Code must be installed to make them, not to check them.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from bifrost_tui.crypto.cipher import DatabaseRoot
from bifrost_tui.crypto.verifier import RootSecret
from bifrost_tui.demo import create_story
from bifrost_tui.settings import KEY_VARIABLE, KeySource, Settings, ThemeName, load_settings
from bifrost_tui.store.opening import open_repository
from bifrost_tui.store.requests import Access
from bifrost_tui.tui.app import BifrostApp
from tests.support import KEY, NEW_KEY, HandClock
from tests.tui.screens_support import press, settled

FOLDER = Path(__file__).parent.parent / "screenshots"
ALICE = Access("alice", "10.1.4.7")
_NOT_A_SECRET = "only-to-show-what-the-field-says"
_BUNDLE = {
    "bifrost_tui_bundle": 1,
    "program": "bifrost-tui 0.1.0",
    "organizations": [
        {
            "name": "Acme Dental",
            "configs": [
                {"key": "booking_url", "type": "string", "value": "https://book.acme.example"},
                {"key": "company_city", "type": "string", "value": "Portland"},
                {"key": "backup_retention_days", "type": "int", "value": 90},
                {"key": "mailgun_api_key", "type": "secret", "value": None},
                {"key": "reminder_api_key", "type": "secret_ref", "value": "mailgun_api_key"},
                {"key": "reminder_hours", "type": "json", "value": [24, 2]},
                {"key": "stripe_api_key", "type": "secret", "value": None, "integration": "Stripe"},
            ],
        }
    ],
}
"""Imported into the story: the staging system's configs, say."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Picture:
    """One picture: the keys that lead to it, from the list of organizations on."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (100, 28)
    theme: ThemeName = "dark"
    given: str = KEY
    """The master keys at hand."""


_ACME = ("j", "enter")
PICTURES = (
    Picture("organizations"),
    Picture("configurations", (*_ACME, *"Gkkkkkkkkkkk"), size=(120, 36)),
    Picture("filter", (*_ACME, "slash", *"stripe", "enter")),
    Picture("secret", (*_ACME, "slash", *"stripe_api", "enter", "r", *_NOT_A_SECRET)),
    Picture("add", (*_ACME, "a", *"new_relic_key", "tab", *["right"] * 4, "tab")),
    Picture("delete", (*_ACME, "slash", *"stripe_api", "enter", "d")),
    Picture("across", ("K", *"stripe_webhook_secret", "enter", "down")),
    Picture("members", ("m",)),
    Picture("remove", ("m", "j", "d")),
    Picture("audit", (*_ACME, "l")),
    Picture("import", (*_ACME, "x", "i", *"staging.json", "enter")),
    Picture("light", _ACME, theme="light"),
    # Last: it rotates.
    Picture(
        "queue",
        (
            *(*_ACME, "slash", *"is:overdue", "enter", "asterisk", "R"),
            *(*_NOT_A_SECRET, "enter", "tab", *_NOT_A_SECRET[5:]),
        ),
    ),
    # Behind all others: from then on the new key writes.
    Picture("master_keys", ("M",), size=(100, 20), given=f"{NEW_KEY},{KEY}"),
)


@contextmanager
def story(folder: Path) -> Iterator[Settings]:
    """Make the demo's story, with the same fingerprints every time."""
    environ = {"HOME": str(folder), KEY_VARIABLE: KEY}
    (folder / "staging.json").write_text(json.dumps(_BUNDLE, indent=2))
    with (
        chdir(folder),
        patch.object(RootSecret, "new", lambda: RootSecret(b"r" * DatabaseRoot.SIZE)),
    ):
        settings = load_settings(environ)
        create_story(settings, ALICE, clock=HandClock()).close()
        yield settings


async def svg_of(picture: Picture, settings: Settings) -> str:
    """Press a picture's keys and return the screen as SVG."""
    clock = HandClock()
    source = KeySource(KEY_VARIABLE, text=picture.given)
    shown = replace(settings, theme=picture.theme, key_source=source)
    app = BifrostApp(
        shown, ALICE, clock=clock, opener=lambda: open_repository(shown, ALICE, clock=clock)
    )
    # The path of the story is another one each time.
    app.shown_path = "~/…/bifrost.db"
    async with app.run_test(size=picture.size) as pilot:
        await settled(pilot)
        for key in picture.keys:
            await press(pilot, key)
        svg = app.export_screenshot(title="Bifrost TUI")
    app.close_database()
    return svg


def comparable(svg: str) -> str:
    """Return an SVG without what names each export anew."""
    return _CONTROL.sub("", re.sub(r"terminal-\d+", "terminal", svg))


def with_hash(png: bytes, svg: str) -> bytes:
    """Return a PNG that carries the hash of the SVG that it was made from."""
    text = b"svg\0" + _digest(svg).encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"tEXt" + text))
    return png[:33] + chunk + png[33:]


def made_from(png: bytes, svg: str) -> bool:
    """Tell whether a PNG was made from an SVG."""
    return b"tEXtsvg\0" + _digest(svg).encode() in png


def _digest(svg: str) -> str:
    return sha256(comparable(svg).encode()).hexdigest()


def make() -> None:
    """Write every picture."""
    import resvg_py

    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, story(Path(folder)) as settings:
        for picture in PICTURES:
            svg = comparable(asyncio.run(svg_of(picture, settings)))
            (FOLDER / f"{picture.name}.svg").write_text(svg, "utf-8")
            # The renderer knows fonts of the system only, and them by their family.
            local = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
            png = bytes(resvg_py.svg_to_bytes(svg_string=local, font_family="Fira Code"))
            (FOLDER / f"{picture.name}.png").write_bytes(with_hash(png, svg))
            sys.stderr.write(f"{picture.name}\n")


if __name__ == "__main__":
    make()
