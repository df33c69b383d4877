"""The line that lets a key in: what sshd and the shell make of it, and what is never let in."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.cli.authorize import authorized_line, program_words, public_key
from bifrost_tui.cli.base import Start
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.origin import Origin
from tests.support import assert_silent
from tests.unit.cli_support import Cli

needs_ssh_keygen = pytest.mark.skipif(
    not shutil.which("ssh-keygen"), reason="there is no ssh-keygen here (Debian: openssh-client)"
)


def field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def line(kind: str, *fields: bytes, comment: str = "alice@laptop") -> str:
    blob = b"".join(map(field, (kind.encode(), *fields)))
    return f"{kind} {base64.b64encode(blob).decode()} {comment}"


ED25519 = line("ssh-ed25519", bytes(32))
RSA = line("ssh-rsa", b"\1\0\1", b"\0\x80" + bytes(255))
ECDSA = line("ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(64))
SK = line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
SK_ECDSA = line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\4" + bytes(64), b"ssh:work")
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEPLANTED\n-----END OPENSSH"


@pytest.mark.parametrize("key", [ED25519, RSA, ECDSA, SK, SK_ECDSA])
def test_keys_that_are_let_in(key: str) -> None:
    assert public_key(f"\n{key}\r\n\n".encode()) == key


@needs_ssh_keygen
@pytest.mark.parametrize(
    "kind", ["ed25519", "rsa -b 2048", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521"]
)
def test_keys_as_openssh_makes_them(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    words = ["ssh-keygen", "-q", "-N", "", "-C", 'it\'s "me"', "-f", str(file), "-t"]
    subprocess.run([*words, *kind.split()], check=True, timeout=60)
    made = file.with_name("key.pub").read_text()
    assert public_key(made.encode()) == made.strip()
    with pytest.raises(InvalidInputError, match="private key"):
        public_key(file.read_bytes())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PRIVATE, "private key"),
        (f"{ED25519}\n{PRIVATE}", "private key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "ssh-keygen -i"),
        ("", "exactly one"),
        (f"{ED25519}\n{RSA}", "exactly one"),
        ("x" * 40000, "too long"),
        (f'command="sh" {ED25519}', "Options before the key"),
        (f"no-pty {ED25519}", "Options before the key"),
        (f"@cert-authority {ED25519}", "Options before the key"),
        (line("ssh-dss", b"a", b"b", b"c", b"d"), "kind of key"),
        (line("ssh-ed25519-cert-v01@openssh.com", bytes(32)), "kind of key"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 AAAA alice", "damaged"),
        ("ssh-ed25519 not*base64 alice", "damaged"),
        (f"ssh-ed25519 {RSA.split()[1]}", "damaged"),
        (ED25519.replace("AAAAC3Nz", "AAAAC3Nz\x00"), "damaged"),
        (line("ssh-ed25519", bytes(31)), "damaged"),
        (line("ssh-ed25519", bytes(32), b"more"), "damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(64)), "damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(64)), "damaged"),
        (line("sk-ssh-ed25519@openssh.com", bytes(32), b"web:"), "damaged"),
        (line("ssh-rsa", b"\1\0\1", b"\x7f" + bytes(255)), "2047"),
        (line("ssh-rsa", b"\1\0\1"), "has 0"),
    ],
)
def test_what_is_no_key_to_let_in(data: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as caught:
        public_key(data.encode())
    assert_silent(caught.value, ["PLANTED", ED25519.split()[1], RSA.split()[1]])


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_text_is_a_key_by_accident(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        public_key(data)


def test_a_comment_is_drawn_and_not_obeyed() -> None:
    shown = public_key(f"{ED25519}\x1b[31m\u202e {'x' * 500}".encode())
    assert "\\x1b[31m\\u202e" in shown
    assert len(shown.split(" ", 2)[2]) == 100


# sshd and the shell: the two that read the line


def dequoted(text: str) -> str:
    """Take the command out of a line as sshd does: it knows an escaped quote and nothing else."""
    found = re.match(r'restrict,pty,command="((?:\\"|[^"])*)" ', text)
    assert found
    return found.group(1).replace('\\"', '"')


NAMES = ["alice", "o'hara", 'a "b" c', "$(id)", "`id`", "a\\", 'a\\"', "ä ö", "a;b|c&d", "!x", "*"]


@pytest.mark.parametrize("actor", NAMES)
def test_the_shell_passes_the_actor_on_as_it_is(actor: str) -> None:
    shown = authorized_line(["printf", "%s\\n", "--actor", actor], ED25519)
    done = subprocess.run(
        ["/bin/sh", "-c", dequoted(shown)], capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode().splitlines() == ["--actor", actor]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1))
def test_what_is_quoted_comes_back(actor: str) -> None:
    assert shlex.split(dequoted(authorized_line(["x", actor], ED25519))) == ["x", actor]


# The command


def test_the_line_runs_this_program(cli: Cli, tmp_path: Path) -> None:
    ran = cli("members", "authorize", "alice", stdin=f"{ED25519}\n")
    [shown] = ran.lines
    assert shown.endswith(f'" {ED25519}')
    assert shlex.split(dequoted(shown)) == [*program_words(), "--actor", "alice"]
    assert ran.err == ""
    again = cli("members", "authorize", "al ice", "--folder", str(tmp_path), stdin=ED25519)
    words = shlex.split(dequoted(again.lines[0]))
    assert words[-4:] == ["--actor", "al ice", "--folder", str(tmp_path)]
    assert "al ice is no member of anything yet" in again.err


def test_the_program_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bifrost-tui"
    script.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert program_words() == [str(script)]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["bifrost-tui"])
    assert program_words() == [str(script)]
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bifrost_tui" / "__main__.py")])
    assert program_words() == [sys.executable, "-m", "bifrost_tui"]


def test_a_private_key_is_refused_and_not_repeated(cli: Cli) -> None:
    ran = cli("members", "authorize", "alice", stdin=PRIVATE, code=1)
    assert "never leaves its owner's machine" in ran.err
    assert "PLANTED" not in ran.err + ran.out


def test_wrong_options(cli: Cli, tmp_path: Path) -> None:
    cli("members", "authorize", " alice", stdin=ED25519, code=1)
    cli("members", "authorize", "alice", "--folder", "here", stdin=ED25519, code=2)
    cli("members", "authorize", "alice", "--folder", str(tmp_path / "no"), stdin=ED25519, code=2)
    confined = Start(origin=Origin("alice", confined=True))
    folder = ("--folder", str(tmp_path))
    cli("members", "authorize", "bob", *folder, stdin=ED25519, code=2, start=confined)
    cli("members", "authorize", "bob", stdin=ED25519, start=confined)


def test_a_line_without_a_database_says_so(home: Path) -> None:
    ran = Cli(home)("members", "authorize", "alice", stdin=ED25519)
    assert ran.lines[0].endswith(ED25519)
    assert "could not be looked up" in ran.err
