"""The demo: over a database of its own, thrown away or kept."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.cli import demo as demo_module
from bifrost_tui.settings import Settings
from tests.unit.cli_support import Cli, act_as


@pytest.fixture
def fresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    act_as(monkeypatch, "alice")
    monkeypatch.setattr("tempfile.tempdir", str(home))
    return Cli(home)


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the screens are opened with, in place of opening them."""
    opened: list[dict[str, Any]] = []

    def open_screens(**given: Any) -> int:
        settings: Settings = given["settings"]
        assert settings.database_path is not None
        assert settings.database_path.exists()
        opened.append(given)
        return 0

    monkeypatch.setattr(demo_module, "open_screens", open_screens)
    monkeypatch.setattr(demo_module, "check_terminal", lambda: None)
    return opened


def use(cli: Cli, ran_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the command said to set."""
    for line in ran_out.splitlines():
        word, text = shlex.split(line)
        if word == "unset":
            monkeypatch.delenv(text)
        else:
            monkeypatch.setenv(*text.split("=", 1))


def test_the_demo_is_thrown_away(
    fresh: Cli, screens: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The user's own things are neither needed nor touched.
    monkeypatch.setenv("BIFROST_SECRET_KEY", "x")
    monkeypatch.setenv("BIFROST_DATABASE_URL", "mysql://elsewhere")
    monkeypatch.setenv("BIFROST_THEME", "light")
    ran = fresh("--no-mouse", "--no-wire", "--theme", "terminal", "--org", "Acme Dental", "demo")
    [given] = screens
    assert (given["organization"], given["theme"]) == ("Acme Dental", "terminal")
    assert (given["no_mouse"], given["no_wire"]) == (True, True)
    assert given["settings"].theme == "light"
    assert ran.out == ""
    assert list(fresh.home.iterdir()) == []


def test_a_kept_demo_opens_again(
    fresh: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", "x" * 40)
    file = tmp_path / "a demo.db"
    ran = fresh("demo", "--keep", str(file))
    key_file = Path(f"{file}.key")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, key_file)] == [0o600, 0o600]
    assert key_file.read_text().strip() not in ran.out + ran.err
    use(fresh, ran.out, monkeypatch)
    organizations = fresh("orgs", "list", "--json").json
    assert len(organizations) > 5
    assert sum(view["attention"] for view in organizations) > 0
    before = (file.read_bytes(), key_file.read_bytes())
    assert "exists already" in fresh("demo", "--keep", str(file), code=1).err
    assert (file.read_bytes(), key_file.read_bytes()) == before


def test_a_demo_of_any_size(fresh: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = fresh("demo", "--configs", "1500", "--keep", str(tmp_path / "big.db"))
    use(fresh, ran.out, monkeypatch)
    organizations = fresh("orgs", "list", "--with-global", "--json").json
    assert sum(view["configs"] for view in organizations) == 1500
    fresh("demo", "--configs", "0", code=2)


def test_no_terminal_no_demo(fresh: Cli) -> None:
    assert "need a terminal" in fresh("demo", code=1).err
    assert list(fresh.home.iterdir()) == []
