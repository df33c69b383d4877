"""Configs as they are changed: set, rename, delete; :mod:`.rotating` gives new values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import click

from bifrost_tui.cli.base import FAILED, Command
from bifrost_tui.cli.entering import (
    answer,
    entered_secret,
    from_terminal,
    piped_text,
    tell_shape,
)
from bifrost_tui.cli.options import for_target, key_argument
from bifrost_tui.cli.output import say
from bifrost_tui.cli.session import Session, Target
from bifrost_tui.display import counted, some_of
from bifrost_tui.errors import ConfigNotFoundError, InvalidInputError, ReferencedError
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType, checked_key, editable
from bifrost_tui.store.views import ConfigView, References, Scope, SecretUse, Standing

if TYPE_CHECKING:
    from bifrost_tui.store.entered import EnteredSecret

NO_ARGUMENT = (
    "A secret's value is never an argument: arguments stand in the process list and in the shell's"
    " history. Pipe the value, or leave it out and be asked. Nothing was saved; if this was the"
    " real value, replace it where it comes from."
)
"""What is said where a secret's value was given as an argument."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What `set` is told besides the value; ``None`` leaves a fact as it is."""

    description: str | None
    integration: str | None
    rotate_every_days: int | None
    partial_mask: bool | None = None


@click.command(
    "set",
    cls=Command,
    example="bifrost-tui configs set RETRY_LIMIT --org Acme --type int --value 5\n"
    "bifrost-tui configs set STRIPE_KEY --org Acme --type secret --rotate-every 90\n"
    "bifrost-tui configs set TLS_KEY --org Acme --type secret < server.key\n"
    "bifrost-tui configs set STRIPE_KEY --org Acme --no-value --integration stripe\n"
    "bifrost-tui configs set BILLING_KEY --org Acme --type secret_ref --value STRIPE_KEY",
)
@key_argument
@click.option(
    "--type",
    "kind",
    type=click.Choice([kind.value for kind in ConfigType]),
    help="Needed for a new config; an existing one keeps its type.",
)
@click.option(
    "--value",
    metavar="V",
    help="The value; never for a secret. Of a secret_ref: the key of the secret it stands for.",
)
@click.option(
    "--no-value",
    is_flag=True,
    help="Keep the value, and read none; a new secret then needs one.",
)
@click.option("--description", metavar="TEXT", help="What it is for; '' for nothing.")
@click.option("--integration", metavar="NAME", help="What the secret belongs to; '' for any.")
@click.option(
    "--rotate-every",
    "rotate_every_days",
    type=click.IntRange(0),
    metavar="DAYS",
    help="Days after which a secret has to be rotated; 0 for never.",
)
@click.option(
    "--partial-mask/--no-partial-mask",
    default=None,
    help="Whether a secret's mask shows its first and last four characters, from its next value.",
)
@for_target
def set_config(
    target: Target,
    key: str,
    kind: str | None,
    value: str | None,
    no_value: bool,
    description: str | None,
    integration: str | None,
    rotate_every_days: int | None,
    partial_mask: bool | None,
) -> None:
    """Add a config, or change it: what is not given stays as it is.

    Without --value the value is read from standard input, byte for byte. Where that is a terminal,
    a secret is asked for without an echo; Enter alone keeps the value that it has. A newline at the
    end is part of a piped value: printf '%s' writes none.
    """
    if value is not None and kind == ConfigType.SECRET:
        raise click.UsageError(NO_ARGUMENT)
    if value is not None and no_value:
        raise click.UsageError("Give either --value or --no-value.")
    facts = _Facts(description, integration, rotate_every_days, partial_mask)
    with target.opened() as (session, scope):
        old = _existing(session, scope, checked_key(key))
        wanted = _wanted_type(key, kind, old)
        if wanted is not ConfigType.SECRET and rotate_every_days:
            raise click.UsageError(f"Only a secret is rotated, and {key} is to be {wanted}.")
        if wanted is not ConfigType.SECRET and partial_mask:
            raise click.UsageError(f"Only a secret has a mask, and {key} is to be {wanted}.")
        if wanted is ConfigType.SECRET:
            if value is not None:
                raise click.UsageError(NO_ARGUMENT)
            secret = None if no_value else entered_secret(_question(key, scope, old))
            if secret is None and old is not None and not old.is_secret:
                _needs_value(key, old, wanted)
            if secret is not None:
                tell_value(session, scope, old, secret)
            draft = _draft(key, wanted, old, facts, secret=secret)
        else:
            text = _plain_value(key, wanted, old, value, no_value)
            draft = _draft(key, wanted, old, facts, text=text)
        _save(session, scope, old, draft)


def _existing(session: Session, scope: Scope, key: str) -> ConfigView | None:
    try:
        return session.repository.configs.get_key(session.access, scope, key, own_only=True)
    except ConfigNotFoundError:
        return None


def _wanted_type(key: str, kind: str | None, old: ConfigView | None) -> ConfigType:
    if kind is not None:
        return ConfigType(kind)
    if old is None:
        raise click.UsageError(f"{key} is new here: say with --type what it is to be.")
    return old.type


def _needs_value(key: str, old: ConfigView, wanted: ConfigType) -> NoReturn:
    raise click.UsageError(f"{key} is {old.type} and is to be {wanted}: that takes a new value.")


def _plain_value(
    key: str, wanted: ConfigType, old: ConfigView | None, value: str | None, no_value: bool
) -> str:
    if value is not None:
        return value
    if no_value or from_terminal():
        if old is None:
            raise click.UsageError(f"{key} is new here: give --value, or pipe the value.")
        text = _text_of(old)
        if old.type is not wanted or text is None:
            _needs_value(key, old, wanted)
        return text
    text = piped_text()
    if not text:
        # A pipe that failed is empty too, and must not empty what is there.
        raise InvalidInputError(
            "Standard input was empty and nothing was saved. Say --value '' for an empty value, or"
            " --no-value to keep the one that is there.",
            field="value",
        )
    return text


def _text_of(view: ConfigView) -> str | None:
    """Return a plain value as it is entered, and the key that a reference stands for."""
    if view.is_reference:
        return view.refers_to
    return None if view.value is None else editable(view.type, view.value)


def _draft(
    key: str,
    kind: ConfigType,
    old: ConfigView | None,
    facts: _Facts,
    *,
    text: str | None = None,
    secret: EnteredSecret | None = None,
) -> ConfigDraft:
    period = facts.rotate_every_days
    if period is None:
        period = old.rotate_every_days if old else None
    return ConfigDraft(
        key,
        kind,
        value=text,
        secret=secret,
        integration=_kept(facts.integration, old.integration if old else None),
        description=_kept(facts.description, old.description if old else "") or "",
        rotate_every_days=period or None,
        partial_mask=(old is not None and old.partial_mask)
        if facts.partial_mask is None
        else facts.partial_mask,
    )


def _kept(given: str | None, old: str | None) -> str | None:
    return old if given is None else given


def _save(session: Session, scope: Scope, old: ConfigView | None, draft: ConfigDraft) -> None:
    configs = session.repository.configs
    if old is None:
        view = configs.add(session.access, scope, draft)
    else:
        view = configs.edit(session.access, old, draft)
    said = "Added" if old is None else "Changed"
    needs = "; it needs a value" if view.is_secret and view.mask is None else ""
    say(f"{said} {view.key} ({view.type}) in {scope.name}{needs}.")


def _question(key: str, scope: Scope, old: ConfigView | None) -> str:
    if old is not None and old.mask is not None:
        return f"New value of {key} in {scope.name} (not shown; Enter alone keeps the old one): "
    return f"Value of {key} in {scope.name} (not shown): "


def tell_value(
    session: Session, scope: Scope, old: ConfigView | None, secret: EnteredSecret
) -> None:
    """Say what was received and where else that value is; nothing of the value itself."""
    report = session.repository.configs.inspect(
        session.access, scope, old.id if old else None, secret
    )
    tell_shape(secret.shape, report.fingerprint)
    if report.same_as_before:
        say("Mind that it is the same value as before.")
    if report.used_at:
        say(f"Mind that the same value is in use as {_places(report.used_at, report.used_more)}.")


def own_config(session: Session, scope: Scope, key: str) -> ConfigView:
    """Return the config of just this scope; changes never reach through to what is inherited."""
    view = session.repository.configs.get_key(session.access, scope, key)
    if view.standing is Standing.INHERITED:
        raise ConfigNotFoundError(
            f"{scope.name} has no {key} of its own, it inherits the global one. Nothing was"
            " changed; say --global to change that one."
        )
    return view


@click.command(
    "rename",
    cls=Command,
    example="bifrost-tui configs rename STRIPE STRIPE_KEY --org Acme --carry-references",
)
@key_argument
@click.argument("new", metavar="NEW")
@click.option(
    "--carry-references/--leave-references",
    "carry",
    default=None,
    help="Whether references to the secret follow it to its new key.",
)
@for_target
def rename(target: Target, key: str, new: str, carry: bool | None) -> None:
    """Give a config another key; its value and its facts stay.

    Where references stand for it, say what becomes of them; without a word they are named, and
    nothing is changed.
    """
    with target.opened() as (session, scope):
        view = own_config(session, scope, key)
        facts = _Facts(None, None, None)
        draft = _draft(checked_key(new), view.type, view, facts, text=_text_of(view))
        try:
            session.repository.configs.edit(session.access, view, draft, carry_references=carry)
        except ReferencedError as error:
            raise InvalidInputError(
                f"{error.message} Say --carry-references or --leave-references.", field="key"
            ) from None
    say(f"Renamed {key} to {new} in {scope.name}.")


@click.command(
    "delete", cls=Command, example="bifrost-tui configs delete STRIPE_KEY --org Acme --yes"
)
@key_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@for_target
def delete(target: Target, key: str, yes: bool) -> int:
    """Delete a config for good.

    On a terminal it asks first, and a secret's key has to be typed; without one it takes --yes.
    """
    with target.opened() as (session, scope):
        view = own_config(session, scope, key)
        told = _consequence(session, scope, view)
        if not yes and not from_terminal():
            raise click.UsageError(f"{told} Say --yes to do it. Nothing was deleted.")
        if not yes and not _agreed(told, view):
            say("Nothing was deleted.")
            return FAILED
        session.repository.configs.delete(session.access, view)
    say(f"Deleted {key} in {scope.name}.")
    return 0


def _consequence(session: Session, scope: Scope, view: ConfigView) -> str:
    told = f"This deletes {view.key} ({view.type}) in {scope.name} for good."
    affected = session.repository.configs.dependents(session.access, view)
    if affected.inherits_instead:
        told += f" {scope.name} then inherits the global {view.key}."
    elif affected.inheritors:
        told += f" {counted(affected.inheritors, 'organization')} will miss it."
    if affected.references.total:
        fate = "will dangle" if affected.references_dangle else "will stand for the global one"
        told += f" References that {fate}: {named_uses(affected.references)}."
    return told


def named_uses(found: References) -> str:
    """Name what refers to a secret: the first few, and the number of the others."""
    return _places(found.first, found.more)


def _places(uses: Sequence[SecretUse], more: int) -> str:
    return some_of([f"{use.key} in {use.scope}" for use in uses], len(uses) + more)


def _agreed(told: str, view: ConfigView) -> bool:
    say(told)
    if view.is_secret:
        return answer(f"Type {view.key} to delete it: ") == view.key
    return answer("Delete it? [y/N] ").strip().lower() in ("y", "yes")
