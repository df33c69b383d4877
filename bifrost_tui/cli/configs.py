"""Configs: list and get; :mod:`.config_changes` and :mod:`.rotating` change them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli import config_changes, rotating
from bifrost_tui.cli.base import FOUND, Group
from bifrost_tui.cli.options import for_target, json_option, key_argument
from bifrost_tui.cli.output import (
    emit,
    emit_facts,
    emit_json,
    emit_json_array,
    emit_table,
    emit_text,
    say,
    to_terminal,
)
from bifrost_tui.cli.session import Session, Target
from bifrost_tui.clock import iso
from bifrost_tui.display import age, counted, visible_lines

if TYPE_CHECKING:
    from bifrost_tui.store.requests import ConfigList
    from bifrost_tui.store.views import ConfigView

_PAGE = 200


@click.group(cls=Group, example="bifrost-tui configs list --org Acme")
def configs() -> None:
    """Configs and secrets of one organization (--org NAME) or of all (--global).

    A secret's value can be set and rotated. It is never shown, and never an argument.
    """


configs.add_command(config_changes.set_config)
configs.add_command(rotating.rotate)
configs.add_command(config_changes.rename)
configs.add_command(config_changes.delete)


@configs.command(
    "list",
    example="bifrost-tui configs list --org Acme --filter 'stripe type:secret is:overdue'\n"
    "bifrost-tui configs list --org Acme --json | jq -r '.[].key'\n"
    "bifrost-tui configs list --org Acme --due || echo 'something has to be rotated'",
)
@click.option("--own", is_flag=True, help="Leave out what is inherited from global.")
@click.option(
    "--filter",
    "text",
    metavar="TEXT",
    default="",
    help="Words of the key, type:, is: and integration:, as in the screens.",
)
@click.option("--due", is_flag=True, help="Only secrets due or overdue; ends with 3 if any is.")
@json_option
@for_target
def list_configs(target: Target, own: bool, text: str, due: bool, as_json: bool) -> int:
    """List configs, with a mask for every secret.

    Of an organization the effective ones are listed: its own, and the global ones that it inherits.
    On a terminal, values are shortened to fit; into a pipe they are written whole, a row a line.
    """
    from bifrost_tui.errors import InvalidInputError
    from bifrost_tui.store.filters import parse_filter
    from bifrost_tui.store.requests import ConfigList

    try:
        narrowed = parse_filter(f"{text} is:due" if due else text)
    except InvalidInputError as error:
        raise click.BadParameter(error.message, param_hint="--filter") from None
    found = 0

    def counting(views: Iterator[ConfigView]) -> Iterator[ConfigView]:
        nonlocal found
        for found, view in enumerate(views, 1):  # noqa: B007
            yield view

    with target.opened() as (session, scope):
        wanted = ConfigList(scope, narrowed, own_only=own)
        # Only a terminal has no use for the whole of a long value.
        views = counting(_views(session, wanted, whole=as_json or not to_terminal()))
        if as_json:
            emit_json_array(map(config_object, views))
        else:
            _emit_configs(views, session.repository.clock())
            if not found:
                say("Nothing is due." if due else "There is no config here that fits.")
    return FOUND if due and found else 0


def _views(session: Session, wanted: ConfigList, *, whole: bool) -> Iterator[ConfigView]:
    """Return the lines of a list, a page at a time, each page sought by the last key before it."""
    from bifrost_tui.store.views import Anchor

    configs, access = session.repository.configs, session.access
    rows = configs.page(access, wanted, offset=0, limit=_PAGE, whole_values=whole).rows
    count = 0
    while rows:
        yield from rows
        count += len(rows)
        last = rows[-1].key
        # The last line is asked for again: another operator may have deleted it since.
        rows = configs.page(
            access,
            wanted,
            offset=count - 1,
            limit=_PAGE + 1,
            anchor=Anchor(count - 1, last),
            whole_values=whole,
        ).rows
        rows = rows[rows[0].key == last :] if rows else rows


def _emit_configs(views: Iterator[ConfigView], now: datetime) -> None:
    rows = [
        (
            view.key,
            view.type.value,
            view.standing.value,
            view.state.value.replace("_", " "),
            view.integration or "",
            age(view.secret_changed_at or view.updated_at, now),
            value_text(view),
        )
        for view in views
    ]
    if rows:
        header = ("KEY", "TYPE", "SCOPE", "STATE", "INTEGRATION", "AGE", "VALUE")
        emit_table(header, rows)


def value_text(view: ConfigView) -> str:
    """Return a value as a table shows it; for a secret its mask."""
    from bifrost_tui.store.values import preview

    if view.value is None:
        return view.mask or ""
    return preview(view.type, view.value, cut=view.cut)


def config_object(view: ConfigView) -> dict[str, Any]:
    """Return a config as it stands in JSON; ``value`` is null for a secret."""
    from bifrost_tui.store.values import decoded

    return {
        "key": view.key,
        "type": view.type.value,
        "value": None if view.value is None else decoded(view.value),
        "mask": view.mask,
        "state": view.state.value,
        "scope": "global" if view.scope.is_global else "organization",
        "organization": view.scope.organization,
        "shadows": view.standing.value == "shadows",
        "integration": view.integration,
        "fingerprint": view.fingerprint,
        "description": view.description,
        "rotate_every_days": view.rotate_every_days,
        "secret_changed_at": _moment(view.secret_changed_at),
        "due_at": _moment(view.due_at),
        "created_at": iso(view.created_at),
        "created_by": view.created_by,
        "updated_at": iso(view.updated_at),
        "updated_by": view.updated_by,
        "version": view.version,
    }


def _moment(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


@configs.command(
    "get",
    example="bifrost-tui configs get RETRY_LIMIT --org Acme\n"
    "bifrost-tui configs get STRIPE_KEY --org Acme --json",
)
@key_argument
@click.option("--own", is_flag=True, help="Only the organization's own, nothing inherited.")
@json_option
@for_target
def get(target: Target, key: str, own: bool, as_json: bool) -> None:
    """Print a config's value; of a secret, its mask and facts.

    A value is written exactly, without a newline that it does not have. Only on a terminal is it
    made harmless (control characters are written out) and its line ended.
    """
    with target.opened() as (session, scope):
        view = session.repository.configs.get_key(session.access, scope, key, own_only=own)
    if as_json:
        emit_json(config_object(view))
    elif view.value is None:
        emit_facts(secret_facts(view))
    else:
        _emit_value(view)


def _emit_value(view: ConfigView) -> None:
    from bifrost_tui.store.values import decoded

    value = view.value or ""
    text = str(decoded(value)) if view.type.value == "string" else value
    if to_terminal():
        emit_text(f"{visible_lines(text.removesuffix(chr(10)))}\n")
    else:
        emit(text.encode())


def secret_facts(view: ConfigView) -> list[tuple[str, str]]:
    """Say all that may be known of a secret."""
    period = counted(view.rotate_every_days, "day") if view.rotate_every_days else ""
    where = {"own": "", "inherited": ", inherited", "shadows": ", shadows the global one"}
    return [
        ("key", view.key),
        ("type", view.type.value),
        ("value", view.mask or ""),
        ("state", view.state.value.replace("_", " ")),
        ("scope", view.scope.name + where[view.standing.value]),
        ("integration", view.integration or ""),
        ("fingerprint", view.fingerprint or ""),
        ("description", view.description),
        ("value set", _moment(view.secret_changed_at) or ""),
        ("rotate every", period),
        ("due", _moment(view.due_at) or ""),
        ("created", f"{iso(view.created_at)} by {view.created_by}"),
        ("changed", f"{iso(view.updated_at)} by {view.updated_by}"),
        ("version", str(view.version)),
    ]
