"""The program that comes after this one: a copy of it with one more migration, to be run beside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import bifrost_tui
from bifrost_tui.settings import KEY_VARIABLE, Settings
from bifrost_tui.store.migrate import SCRIPTS
from bifrost_tui.store.schema import REVISION
from tests.support import KEY

NEXT_REVISION = f"{int(REVISION) + 1:04}"
NEXT = f"""
    from alembic import op
    import sqlalchemy as sa

    revision = "{NEXT_REVISION}"
    down_revision = "{REVISION}"

    def upgrade():
        op.add_column("config", sa.Column("colour", sa.String(9), server_default="red"))
        op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("INSERT INTO extra VALUES (7)")
"""


def next_scripts(folder: Path, more: str = "") -> Path:
    """Write the shipped migrations and the next one, which does ``more`` at its end."""
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    _write(folder, more)
    return folder


def _write(scripts: Path, more: str) -> None:
    name = f"{NEXT_REVISION}_next.py"
    (scripts / "versions" / name).write_text(dedent(NEXT) + indent(dedent(more), "    "))


class NextProgram:
    """The next program, as it is installed beside this one."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        package = folder / "bifrost_tui"
        source = Path(bifrost_tui.__file__).parent
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
        schema = package / "store" / "schema.py"
        text = schema.read_text()
        assert text.count(f'REVISION = "{REVISION}"') == 1
        schema.write_text(text.replace(f'REVISION = "{REVISION}"', f'REVISION = "{NEXT_REVISION}"'))
        _write(package / "store" / "migrations", more)

    def start(
        self, settings: Settings, home: Path, *arguments: str, **more: str
    ) -> subprocess.Popen[str]:
        """Run a command of it over a database."""
        return subprocess.Popen(
            [sys.executable, "-m", "bifrost_tui", *arguments],
            cwd=self.folder,
            env={
                **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                "HOME": str(home),
                KEY_VARIABLE: KEY,
                "BIFROST_DATABASE_URL": settings.database_url,
                # Before what is installed: its own package.
                "PYTHONPATH": str(self.folder),
                **more,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, settings: Settings, home: Path, *arguments: str) -> str:
        """Run a command of it to its end, and return what it said on both."""
        with self.start(settings, home, *arguments) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        return out + err
