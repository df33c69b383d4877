"""Authorize: the line of authorized_keys that lets an operator's key in, and nothing else with it.

The key is checked by its form alone: that it is one public key, of a kind and size that sshd takes.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
import shutil
import struct
import sys
from pathlib import Path

import click

from bifrost_tui.cli.base import PROGRAM, Command
from bifrost_tui.cli.entering import from_terminal
from bifrost_tui.cli.output import emit_text, say
from bifrost_tui.cli.session import opened, this_origin
from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import BifrostError, InvalidInputError
from bifrost_tui.origin import checked_actor

_LONGEST = 32 * 1024
_COMMENT = 100
_RSA_BITS = range(2048, 16384 + 1)
_POINTS = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""How many bytes a point of a curve takes, uncompressed."""

_PRIVATE = re.compile(rb"PRIVATE KEY|PuTTY-User-Key-File")
_OTHER_FORM = re.compile(rb"---- ?BEGIN")
_DAMAGED = "The key is damaged or cut off: it is not what its kind says."
_KINDS = "ssh-ed25519, ecdsa-sha2-…, ssh-rsa or a security key's sk-…"


@click.command(
    "authorize",
    cls=Command,
    example="bifrost-tui members authorize alice < alice.pub >> ~/.ssh/authorized_keys\n"
    "bifrost-tui members authorize bob --folder /srv/bifrost/bob < bob.pub",
)
@click.argument("actor", metavar="ACTOR")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the operator may export to and import from; without it, only pipes.",
)
def authorize(actor: str, folder: Path | None) -> None:
    """Print the line for authorized_keys that lets a public key in as ACTOR.

    The key comes on standard input. Its owner gets the screens and the commands that manage, as
    ACTOR; no shell, no other program, no file of the host and no forwarding. Nothing is changed:
    the line takes effect where the account's sshd reads it.
    """
    checked_actor(actor, "ACTOR")
    if folder is not None:
        if this_origin().confined:
            raise click.UsageError("--folder is for who runs the host: it names a folder of it.")
        if not folder.is_absolute() or not folder.is_dir():
            raise click.UsageError("--folder: give the absolute path of a folder that is there.")
    if from_terminal():
        raise click.UsageError("The public key comes on standard input: ... < key.pub")
    key = public_key(sys.stdin.buffer.read(_LONGEST + 1))
    words = [*program_words(), "--actor", actor]
    if folder is not None:
        words += ["--folder", str(folder)]
    emit_text(f"{authorized_line(words, key)}\n")
    _tell_membership(actor)


def _tell_membership(actor: str) -> None:
    """Say what is missing until the actor sees anything."""
    problem = ""
    try:
        with opened() as session:
            from bifrost_tui.store.sessions import is_member

            if is_member(session.repository, session.access, actor) is False:
                problem = (
                    f"{visible(actor)} is no member of anything yet, and will see nothing: add the"
                    f" name with `{PROGRAM} members add`."
                )
    except BifrostError as error:
        problem = f"Whether {visible(actor)} is a member could not be looked up. {error.message}"
    if problem:
        say(problem)


def authorized_line(words: list[str], key: str) -> str:
    """Return the line that runs a command for a key, quoted for the shell and then for sshd."""
    # Of a backslash sshd makes something only before a quote, and no word of the shell ends in one
    # that is not in quotes itself.
    command = shlex.join(words).replace('"', '\\"')
    return f'restrict,pty,command="{command}" {key}'


def program_words() -> list[str]:
    """Return the words that run this program, wherever they are run."""
    script = Path(sys.argv[0])
    if script.name == PROGRAM:
        found = script if script.parent != Path() else Path(shutil.which(PROGRAM) or script)
        if found.is_file():
            return [str(found.absolute())]
    return [sys.executable, "-m", "bifrost_tui"]


def public_key(data: bytes) -> str:
    """Return the one public key of a file, as a line.

    Raises:
        InvalidInputError: it is none, or none that may be let in. Nothing of it is repeated.

    """
    problem = _unlike_a_key(data)
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    if not problem and len(lines) != 1:
        problem = "Give exactly one public key: one line, as it stands in a .pub file."
    kind, body, comment = (*(lines or [""])[0].split(None, 2), "", "", "")[:3]
    problem = problem or _wrong_with(kind, body)
    if problem:
        raise InvalidInputError(problem, field="key")
    shown = shorten(visible(comment), _COMMENT)
    return f"{kind} {body} {shown}".rstrip()


def _unlike_a_key(data: bytes) -> str:
    if _PRIVATE.search(data):
        return (
            "That is a private key: it never leaves its owner's machine. Nothing of it was kept;"
            " give the file that ends in .pub. If it came over a network, make a new pair."
        )
    if _OTHER_FORM.search(data):
        return (
            "That is not a key as OpenSSH writes it in one line. `ssh-keygen -i -f FILE` makes one"
            " of it."
        )
    if len(data) > _LONGEST:
        return "That is too long for a public key."
    return ""


def _wrong_with(kind: str, body: str) -> str:
    """Say what is wrong with a key's kind and body; nothing where both are right."""
    if not _known(kind):
        return (
            f"The line does not begin with a kind of key that is let in: {_KINDS}. Options before"
            " the key are not taken over."
        )
    try:
        blob = base64.b64decode(body, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError, struct.error):
        return _DAMAGED
    if not fields or fields[0] != kind.encode("ascii"):
        return _DAMAGED
    return _wrong_within(kind, fields[1:])


def _known(kind: str) -> bool:
    curves = {f"ecdsa-sha2-{curve}" for curve in _POINTS}
    with_token = {"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}
    return kind in curves | with_token | {"ssh-ed25519", "ssh-rsa"}


def _wrong_within(kind: str, fields: list[bytes]) -> str:
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[1], "big").bit_length() if len(fields) == 2 else 0
        if bits not in _RSA_BITS:
            return f"An RSA key needs {_RSA_BITS[0]} to {_RSA_BITS[-1]} bits; this one has {bits}."
        return ""
    if kind.startswith("sk-"):
        # What the security key answers for: "ssh:", or that and a name.
        application = fields.pop() if fields else b""
        if not application.startswith(b"ssh:"):
            return _DAMAGED
    if "ed25519" in kind:
        return "" if [len(field) for field in fields] == [32] else _DAMAGED
    curve = kind.partition("@")[0].rpartition("-")[2]
    if len(fields) != 2 or fields[0] != curve.encode("ascii"):
        return _DAMAGED
    uncompressed = len(fields[1]) == _POINTS[curve] and fields[1][:1] == b"\x04"
    return "" if uncompressed else _DAMAGED


def _fields(blob: bytes) -> list[bytes]:
    """Split a blob into its fields, each with its length before it."""
    fields: list[bytes] = []
    at = 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4
        if at + length > len(blob):
            raise ValueError
        fields.append(blob[at : at + length])
        at += length
    return fields
