"""Configs: list and get; :mod:`.config_changes` and :mod:`.rotating` change them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli import config_changes, everywhere, rotating
from bifrost_tui.cli.base import FOUND, Group
from bifrost_tui.cli.options import for_target, for_target_or_all, json_option, key_argument
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
    from bifrost_tui.store.views import ConfigView, References

_PAGE = 200
_SORTED_PAGE = 20_000
_REFERENCES = 100
"""As many references are named; of more there is the number."""


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
    "bifrost-tui configs list --org Acme --due || echo 'something has to be rotated'\n"
    "bifrost-tui configs list --all-orgs --key STRIPE_KEY",
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
@click.option("--overdue", is_flag=True, help="Only overdue secrets; ends with 3 if any is.")
@click.option("--needs-value", is_flag=True, help="Only secrets without a value.")
@click.option("--reused", is_flag=True, help="Only secrets whose value another has too.")
@click.option("--key", metavar="KEY", help="With --all-orgs: how this key stands in each.")
@click.option(
    "--sort",
    type=click.Choice(("key", "integration", "age", "due")),
    help="What comes first; age: the oldest value.",
)
@json_option
@for_target_or_all
def list_configs(
    target: Target | None,
    own: bool,
    text: str,
    key: str | None,
    sort: str | None,
    as_json: bool,
    **states: bool,
) -> int:
    """List configs, with a mask for every secret.

    Of an organization the effective ones are listed: its own, and the global ones that it inherits.
    On a terminal, values are shortened to fit; into a pipe they are written whole, a row a line.

    With --all-orgs, one of --due, --overdue, --needs-value, --reused and --key says what is looked
    for in every organization; of what waits for a new value, only secrets that are yours to change.
    """
    wanted = [name for name, is_wanted in states.items() if is_wanted]
    if target is None:
        if own or text or sort:
            raise click.UsageError("--own, --filter and --sort are for one organization.")
        return everywhere.list_everywhere(wanted, key, as_json=as_json)
    if key is not None:
        raise click.UsageError(
            "--key is for --all-orgs. Use `configs get KEY`, or --filter with words of the key."
        )
    return _list_one(target, own, text, wanted, sort or "key", as_json=as_json)


def _list_one(
    target: Target, own: bool, text: str, states: list[str], sort: str, *, as_json: bool
) -> int:
    from bifrost_tui.errors import InvalidInputError
    from bifrost_tui.store.filters import Order, parse_filter
    from bifrost_tui.store.requests import ConfigList

    try:
        narrowed = parse_filter(" ".join([text, *(f"is:{state}" for state in states)]))
    except InvalidInputError as error:
        raise click.BadParameter(error.message, param_hint="--filter") from None
    found = 0

    def counting(views: Iterator[ConfigView]) -> Iterator[ConfigView]:
        nonlocal found
        for found, view in enumerate(views, 1):  # noqa: B007
            yield view

    with target.opened() as (session, scope):
        wanted = ConfigList(scope, narrowed, own_only=own, order=Order(sort))
        # Only a terminal has no use for the whole of a long value.
        views = counting(_views(session, wanted, whole=as_json or not to_terminal()))
        if as_json:
            emit_json_array(map(config_object, views))
        else:
            _emit_configs(views, session.repository.clock())
            if not found:
                only = states[0] if len(states) == 1 else ""
                say(everywhere.NONE.get(only, "There is no config here that fits."))
    return FOUND if found and not everywhere.CHECKS.isdisjoint(states) else 0


def _views(session: Session, wanted: ConfigList, *, whole: bool) -> Iterator[ConfigView]:
    """Return the lines of a list, a page at a time, each page sought by the last key before it."""
    from bifrost_tui.store.filters import Order
    from bifrost_tui.store.views import Anchor

    configs, access = session.repository.configs, session.access
    # In an order that no index has, each page is sorted anew.
    limit = _PAGE if wanted.order is Order.KEY else _SORTED_PAGE
    rows = configs.page(access, wanted, offset=0, limit=limit, whole_values=whole).rows
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
            limit=limit + 1,
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

    if view.refers_to is not None:
        return f"-> {view.refers_to}"
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
        "refers_to": view.refers_to,
        "dangling": view.dangling,
        "state": view.state.value,
        "scope": "global" if view.scope.is_global else "organization",
        "organization": view.scope.organization,
        "shadows": view.standing.value == "shadows",
        "integration": view.integration,
        "fingerprint": view.fingerprint,
        "reused": view.is_reused,
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
    """Print a config's value; of a secret its mask and facts, and what refers to it.

    A value is written exactly, without a newline that it does not have. Only on a terminal is it
    made harmless (control characters are written out) and its line ended.
    """
    from bifrost_tui.store.views import GLOBAL_SCOPE

    with target.opened() as (session, scope):
        configs = session.repository.configs
        view = configs.get_key(session.access, scope, key, own_only=own)
        found = configs.references(session.access, view, within=scope, shown=_REFERENCES)
    if as_json:
        uses = [
            {"organization": None if use.scope == GLOBAL_SCOPE.name else use.scope, "key": use.key}
            for use in found.first
        ]
        used = {"references": uses, "references_total": found.total} if view.is_secret else {}
        emit_json(config_object(view) | used)
    elif view.value is None:
        emit_facts(secret_facts(view, found))
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


def secret_facts(view: ConfigView, found: References) -> list[tuple[str, str]]:
    """Say all that may be known of a secret, or of a reference to one."""
    period = counted(view.rotate_every_days, "day") if view.rotate_every_days else ""
    where = {"own": "", "inherited": ", inherited", "shadows": ", shadows the global one"}
    return [
        ("key", view.key),
        ("type", view.type.value),
        ("value", view.mask or ""),
        ("stands for", view.refers_to or ""),
        ("dangling", view.dangling or ""),
        ("used by", config_changes.named_uses(found)),
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
