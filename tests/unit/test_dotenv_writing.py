"""Writing .env files: python-dotenv reads them back exactly, and no shell misreads them."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bifrost_tui.store.exporting import Export, ExportedConfig, ExportedScope
from bifrost_tui.store.values import ConfigType, canonical
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from bifrost_tui.transfer.dotenv import read_dotenv
from bifrost_tui.transfer.dotenv_writing import STOP, Written, write_dotenv

ACME = Scope("a", "Acme")
MARKER = "a-shell-ran-this"


@dataclass
class Rows:
    """What stands in for an export."""

    by_scope: dict[Scope, list[ExportedConfig]]

    @property
    def scopes(self) -> list[ExportedScope]:
        return [ExportedScope(scope, len(rows)) for scope, rows in self.by_scope.items()]

    def rows(self, scope: Scope) -> Iterator[ExportedConfig]:
        return iter(self.by_scope[scope])


def row(
    key: str,
    value: str | None = None,
    kind: ConfigType = ConfigType.STRING,
    description: str = "",
    refers_to: str | None = None,
) -> ExportedConfig:
    text = None if value is None else canonical(kind, value)
    return ExportedConfig(key, kind, text, refers_to, None, description, None, False, False)


def write(rows: list[ExportedConfig], *inherited: ExportedConfig) -> tuple[str, Written]:
    by_scope = {GLOBAL_SCOPE: list(inherited), ACME: rows} if inherited else {ACME: rows}
    parts: list[bytes] = []
    done = write_dotenv(cast("Export", Rows(by_scope)), parts.append)
    return b"".join(parts).decode(), done


def in_python(text: str) -> dict[str, str | None]:
    """Return what python-dotenv reads from a file, opened as it opens one."""
    stream = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    return dict(dotenv_values(stream=stream, interpolate=False))


def in_shell(text: str, folder: Path, *shell: str) -> tuple[dict[str, str] | None, str]:
    """Return what a shell exports to a command from a file, and what it complained of.

    A shell that ends with the error runs no command.
    """
    (folder / ".env").write_bytes(text.encode())
    script = 'set -a; . ./.env || :; exec "$0" -0'
    done = subprocess.run(
        [*shell, "-c", script, "/usr/bin/env"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert [path.name for path in folder.iterdir()] == [".env"], "a shell ran what is a value"
    if not done.stdout:
        return None, done.stderr.decode()
    pairs = (pair.partition("=") for pair in done.stdout.decode().split("\0") if pair)
    found = {name: value for name, _, value in pairs}
    for name in ("PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"):
        found.pop(name, None)
    return found, done.stderr.decode()


def test_the_look_of_a_file() -> None:
    text, done = write(
        [
            row("CORS", '{"origins":["https://a.example"]}', ConfigType.JSON, "Who may call"),
            row("DB_PASSWORD", None, ConfigType.SECRET_REF, "Of the database", "MASTER_PASSWORD"),
            row("DEBUG", "yes", ConfigType.BOOL),
            row("GREETING", "it's $5"),
            row("MOTD", "Welcome,\nall"),
            row("PORT", "8080", ConfigType.INT),
            row("QUOTE", "it's"),
            row("STRIPE_KEY", None, ConfigType.SECRET, "Live # key\x1b[31m"),
            row("TEMPLATE", "Hello ${NAME}"),
            row("URL", "https://acme.example/a?b=c"),
        ],
        row("PORT", "80", ConfigType.INT, "Shadowed"),
        row("REGION", "eu-central-1", description="Where it runs"),
    )
    assert text == (
        "# Acme\n"
        "# Who may call\n"
        """CORS='{"origins":["https://a.example"]}'\n"""
        "# Of the database\n"
        "# DB_PASSWORD stands for the secret MASTER_PASSWORD.\n"
        "# DB_PASSWORD=\n"
        "DEBUG=true\n"
        "MOTD='Welcome,\nall'\n"
        "PORT=8080\n"
        """QUOTE="it's"\n"""
        "# Live # key\\x1b[31m\n"
        "# STRIPE_KEY=\n"
        "TEMPLATE='Hello ${NAME}'\n"
        "URL='https://acme.example/a?b=c'\n"
        "# Global, inherited by Acme\n"
        "# Where it runs\n"
        "REGION=eu-central-1\n"
        f"{STOP}"
        """GREETING="it's $5"\n"""
    )
    assert done == Written(
        values=9, empty=2, inherited=1, not_for_shells=["GREETING"], expanded=["TEMPLATE"]
    )


# -- read back --------------------------------------------------------------------------------

KEYS = st.from_regex(r"V[A-Za-z0-9_]{0,8}|[0-9]{1,3}", fullmatch=True)
PIECES = st.sampled_from(
    [
        *("'", '"', "\\", "$", "`", "\n", "\r", "#", " ", "\t", "a", "{", "}", ";", ")", "(", "&"),
        *(f"$(touch {MARKER})", f"`touch {MARKER}`", f"; touch {MARKER} #", f"\ntouch {MARKER}\n"),
        *("${X}", "é", "\ufeff", "\x85", "\u2028", "\x0c", "\x1b", "\x7f", "\x81", "<<E", "!", "*"),
    ]
)
STRINGS = st.lists(PIECES).map("".join) | st.text().filter(lambda text: "\0" not in text)
STRINGS = STRINGS.filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner) | st.dictionaries(STRINGS, inner),
)
CONTENT = st.dictionaries(KEYS, STRINGS, max_size=6)


@settings(max_examples=100)
@given(CONTENT, st.dictionaries(KEYS, JSONS, max_size=4), st.lists(STRINGS, max_size=3))
@example({"VA": "a\\", "VB": "it's \\\\ $x"}, {"VC": "it's \\\\ $x `"}, [])
@example({"VA": "\r", "VB": "\r\n", "VC": "$\r'"}, {}, [])
def test_python_dotenv_reads_the_same(
    strings: dict[str, str], values: dict[str, object], descriptions: list[str]
) -> None:
    rows = [row(key, text) for key, text in strings.items()]
    rows += [row(f"J_{key}", json.dumps(each), ConfigType.JSON) for key, each in values.items()]
    rows += [row("S", None, ConfigType.SECRET, each) for each in descriptions]
    text, done = write(rows)
    found = in_python(text)
    assert {key: found[key] for key in strings} == strings
    assert {key: json.loads(found[f"J_{key}"] or "") for key in values} == values
    assert len(found) == len(strings) + len(values) == done.values
    (scope,) = read_dotenv(text.encode(), "Acme")
    assert {each.draft.key: each.draft.value for each in scope.configs} == found
    # JSON can always be written so that everybody reads it.
    assert all(not key.startswith("J_") for key in done.not_for_shells)
    # The same content, the same bytes.
    assert write(rows)[0] == text


@pytest.mark.parametrize("shell", [("sh",), ("bash",), ("bash", "--posix")])
@settings(max_examples=40, deadline=None)
@given(CONTENT, STRINGS)
@example({"VA": "a'b", "VB": f"it's $(touch {MARKER})", "VC": f"')\"; touch {MARKER} #"}, "")
@example({"VA": f"'$(touch {MARKER})", "VB": "x"}, f"\ntouch {MARKER}\n")
def test_a_shell_reads_the_same_or_stops(
    shell: tuple[str, ...], strings: dict[str, str], description: str
) -> None:
    rows = [row(key, text) for key, text in strings.items()]
    text, done = write([*rows, row("S", None, ConfigType.SECRET, description)])
    with TemporaryDirectory() as folder:
        found, complaint = in_shell(text, Path(folder), *shell)
    assert bool(complaint) == bool(done.not_for_shells)
    if found is None:
        assert done.not_for_shells
    else:
        expected = {key: text for key, text in strings.items() if key not in done.not_for_shells}
        assert found == expected


def test_what_only_dotenv_readers_read() -> None:
    _, done = write(
        [
            row("A", "it's $5"),
            row("B", "carriage\rreturn"),
            row("C", "back\\\\slashes $"),
            row("D", "it's"),
            row("E", "$5"),
            row("F", "ends in \\"),
            row("1G", "no name for a shell"),
        ]
    )
    assert done.not_for_shells == ["A", "B", "C", "1G"]
