"""The lock of the screens: when they lock, and the passphrase that opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bifrost_tui.cli.base import Group
from bifrost_tui.cli.entering import from_terminal, piped_text
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_facts, emit_json, say
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.display import visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.settings import lock_words

if TYPE_CHECKING:
    from bifrost_tui.store.entered import EnteredSecret


@click.group(
    cls=Group,
    example="bifrost-tui lock status\nbifrost-tui lock set\nBIFROST_LOCK_AFTER=5 bifrost-tui",
)
def lock() -> None:
    """Say when the screens lock, and choose the passphrase that opens them.

    After lock_after minutes without a key (10, in config.toml or BIFROST_LOCK_AFTER; 0 for never)
    the screens show nothing of the data. Enter opens them, or your passphrase where you set one.
    """


@lock.command("status", example="bifrost-tui lock status\nbifrost-tui lock status --json")
@json_option
def status(as_json: bool) -> None:
    """Say after which time your screens lock, and what opens them."""
    with opened() as session:
        there = session.repository.presence.is_set(session.access)
    minutes = session.settings.lock_after
    if as_json:
        emit_json(
            {
                "actor": session.access.actor,
                "lock_after": minutes,
                "opens": "passphrase" if there else "enter",
            }
        )
        return
    emit_facts(
        [
            ("actor", visible(session.access.actor)),
            ("locks", lock_words(minutes)),
            ("opens", "with the passphrase" if there else "with enter"),
        ]
    )


@lock.command(
    "set",
    example="bifrost-tui lock set\n"
    "pass show bifrost/lock | bifrost-tui lock set\n"
    'printf \'%s\\n%s\\n\' "$OLD" "$NEW" | bifrost-tui lock set',
)
def set_passphrase() -> None:
    """Set your passphrase, or another in its place.

    You are asked for it, without an echo. Through a pipe it is a line; where one is set already,
    that one's line comes before.
    """
    with opened() as session:
        current, new = _given(session, new=True)
        assert new is not None  # noqa: S101 - it was wanted
        session.repository.presence.set(session.access, new, current=current)
    say("The passphrase is changed." if current else "The passphrase is set.")
    minutes = session.settings.lock_after
    say(f"Your screens lock {lock_words(minutes)}, and it opens them.")


@lock.command(
    "clear", example="bifrost-tui lock clear\npass show bifrost/lock | bifrost-tui lock clear"
)
def clear() -> None:
    """Take your passphrase away; you are asked for it first. Enter then opens the screens."""
    with opened() as session:
        current, _ = _given(session, new=False)
        session.repository.presence.clear(session.access, current=current)
    say("The passphrase is gone. Enter opens the locked screens.")


def _given(session: Session, *, new: bool) -> tuple[EnteredSecret | None, EnteredSecret | None]:
    """Return the passphrase that is set, where one is, and a new one, where one is wanted."""
    there = session.repository.presence.is_set(session.access)
    return _asked(there, new) if from_terminal() else _piped(there, new)


def _asked(there: bool, new: bool) -> tuple[EnteredSecret | None, EnteredSecret | None]:
    from bifrost_tui.store.entered import same_entered

    current = _ask("The passphrase that is set (not shown): ") if there else None
    if not new:
        return current, None
    wanted = _ask("New passphrase (not shown): ")
    if not same_entered(wanted, _ask("Once more (not shown): ")):
        raise InvalidInputError(
            "The two are not the same. Nothing was changed.", field="passphrase"
        )
    return current, wanted


def _ask(question: str) -> EnteredSecret:
    from bifrost_tui.cli.prompting import ask_secret

    entered = ask_secret(question)
    if entered is None:
        raise InvalidInputError("Nothing was entered. Nothing was changed.", field="passphrase")
    return entered


def _piped(there: bool, new: bool) -> tuple[EnteredSecret | None, EnteredSecret | None]:
    from bifrost_tui.store.entered import EnteredSecret

    wanted = there + new
    lines = piped_text().removesuffix("\n").split("\n") if wanted else []
    if len(lines) != wanted:
        which = ["the passphrase that is set"] * there + ["the new one"] * new
        raise InvalidInputError(
            f"Give {', then '.join(which)}, each as a line. Nothing was changed.",
            field="passphrase",
        )
    entered = [EnteredSecret(line) for line in lines]
    return entered[0] if there else None, entered[-1] if new else None
