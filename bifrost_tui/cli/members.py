"""Members: who may see and change what; added, given roles, removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.authorize import authorize
from bifrost_tui.cli.base import FAILED, Group
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.entering import answer, from_terminal
from bifrost_tui.cli.everywhere import emit_lines, line_object
from bifrost_tui.cli.leaving import emit_removal, removal_object, removal_words
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_json, emit_json_array, emit_table, say
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.clock import iso
from bifrost_tui.display import age

if TYPE_CHECKING:
    from bifrost_tui.store.views import MemberView, Scope

ROLES = ("owner", "admin", "member")
_ALL = 100_000_000

actor_argument = click.argument("actor", metavar="ACTOR")


@click.group(
    cls=Group,
    example="bifrost-tui members add alice --org Acme --role admin\n"
    "bifrost-tui members authorize alice < alice.pub",
)
def members() -> None:
    """Say who may see and change what, and let their keys in.

    Owners may do everything. Admins too, but for the roles of owners. Members see an organization,
    add configs, change and delete what they created, and read values in executions. A membership
    with --all-orgs counts in every organization and in global.
    """


def for_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --org and --all-orgs, one of which says where a membership counts."""

    @click.option(
        "--org",
        "organization",
        metavar="NAME",
        shell_complete=complete_organization,
        help="The organization, in any case.",
    )
    @click.option("--all-orgs", is_flag=True, help="All organizations, and global.")
    @wraps(command)
    def with_place(organization: str | None, all_orgs: bool, **arguments: Any) -> Any:
        if all_orgs is (organization is not None):
            raise click.UsageError("Give either --org NAME or --all-orgs.")
        return command(organization, **arguments)

    return with_place


def _place(session: Session, organization: str | None) -> Scope:
    from bifrost_tui.store.views import ALL_SCOPES

    if organization is None:
        return ALL_SCOPES
    return session.repository.organizations.find(session.access, organization)


def _role(name: str) -> Any:
    from bifrost_tui.store.access import Role

    return Role(name)


@members.command(
    "list", example="bifrost-tui members list --org Acme\nbifrost-tui members list --json"
)
@click.option(
    "--org",
    "organization",
    metavar="NAME",
    shell_complete=complete_organization,
    help="Who is a member there; those of all organizations too.",
)
@click.option("--all-orgs", is_flag=True, help="Only who is a member of all organizations.")
@json_option
def list_members(organization: str | None, all_orgs: bool, as_json: bool) -> None:
    """List the memberships that you may manage, or those of one organization."""
    if all_orgs and organization is not None:
        raise click.UsageError("Give --org NAME or --all-orgs, or neither.")
    with opened() as session:
        named = organization is not None or all_orgs
        scope = _place(session, organization) if named else None
        views = session.repository.members.list(session.access, scope)
        now = session.repository.clock()
    if as_json:
        emit_json_array(map(member_object, views))
        return
    header = ("ACTOR", "ROLE", "ORGANIZATION", "SINCE", "BY")
    emit_table(
        header,
        (
            (
                view.actor,
                view.role.value,
                view.scope.name,
                age(view.created_at, now),
                view.created_by,
            )
            for view in views
        ),
    )


def member_object(view: MemberView) -> dict[str, Any]:
    """Return a membership as it stands in JSON; ``organization`` is null for all of them."""
    from bifrost_tui.store.views import ALL_SCOPES

    return {
        "actor": view.actor,
        "role": view.role.value,
        "organization": None if view.scope == ALL_SCOPES else view.scope.name,
        "created_at": iso(view.created_at),
        "created_by": view.created_by,
        "updated_at": iso(view.updated_at),
        "updated_by": view.updated_by,
        "version": view.version,
    }


@members.command("add", example="bifrost-tui members add alice --org Acme --role admin")
@actor_argument
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="member",
    show_default=True,
    help="What they may do there.",
)
@for_place
def add(organization: str | None, actor: str, role: str) -> None:
    """Make an actor a member: the name that they log in with, or that --actor states."""
    with opened() as session:
        scope = _place(session, organization)
        view = session.repository.members.add(session.access, scope, actor, _role(role))
    say(f"{view.actor} is {_a(view)} now.")


@members.command("role", example="bifrost-tui members role alice owner --all-orgs")
@actor_argument
@click.argument("role", metavar="ROLE", type=click.Choice(ROLES))
@for_place
def change_role(organization: str | None, actor: str, role: str) -> None:
    """Give a member another role."""
    with opened() as session:
        scope = _place(session, organization)
        view = session.repository.members.find(session.access, scope, actor)
        view = session.repository.members.change(session.access, view, _role(role))
    say(f"{view.actor} is {_a(view)} now.")


def _a(view: MemberView) -> str:
    article = "a" if view.role.value == "member" else "an"
    return f"{article} {view.role.value} of {_named(view)}"


def _named(view: MemberView) -> str:
    from bifrost_tui.store.views import ALL_SCOPES

    return "all organizations" if view.scope == ALL_SCOPES else view.scope.name


@members.command(
    "remove",
    example="bifrost-tui members remove bob --org Acme --dry-run\n"
    "bifrost-tui members remove bob --all-orgs --hand-to alice --yes",
)
@actor_argument
@click.option(
    "--hand-to",
    metavar="OTHER",
    help="Keep the secrets that the member created there, as this member's.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would go, and what would miss it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@for_place
def remove(
    organization: str | None,
    actor: str,
    hand_to: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove a member, with the secrets that they created there.

    What goes and what will miss it is said first. With --hand-to, those secrets stay and are
    another member's. What the member could read is listed by `members left` until it is rotated.
    """
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run.")
    with opened() as session:
        scope = _place(session, organization)
        view = session.repository.members.find(session.access, scope, actor)
        removal = session.repository.members.removal(session.access, view)
        if dry_run:
            if as_json:
                emit_json(removal_object(removal))
            else:
                emit_removal(removal)
                say(removal_words(removal, hand_to, _named(view)))
            return 0
        told = removal_words(removal, hand_to, _named(view))
        if not yes and not from_terminal():
            raise click.UsageError(f"{told} Say --yes to do it. Nothing was changed.")
        if not yes:
            emit_removal(removal)
            say(told)
            if answer("Remove them? [y/N] ").strip().lower() not in ("y", "yes"):
                say("Nothing was changed.")
                return FAILED
        session.repository.members.remove(session.access, removal, hand_to=hand_to)
    say(f"{actor} is no member of {_named(view)} any more.")
    if removal.readable:
        say(f"Rotate what {actor} could read: bifrost-tui members left {actor}")
    return 0


@members.command("left", example="bifrost-tui members left\nbifrost-tui members left bob --json")
@click.argument("actor", metavar="[ACTOR]", required=False)
@json_option
def left(actor: str | None, as_json: bool) -> None:
    """List who left while what they could read still has its value; of one, those secrets.

    A secret goes from the list when it is rotated or deleted. In the screens, `Rotate all that
    those who left could read` brings them into the rotation queue.
    """
    from bifrost_tui.store.views import Waiting

    with opened() as session:
        now = session.repository.clock()
        if actor is not None:
            lines = session.repository.everywhere.waiting(
                session.access, Waiting.EXPOSED, left=actor, limit=_ALL
            )
            if as_json:
                emit_json_array(map(line_object, lines))
            elif lines:
                emit_lines(lines, now, grouped=False)
            else:
                say(f"Nothing that {actor} could read is left as it was.")
            return
        leavers = session.repository.members.left(session.access)
    if as_json:
        emit_json_array(
            {"actor": each.actor, "left_at": iso(each.left_at), "secrets": each.secrets}
            for each in leavers
        )
    elif leavers:
        rows = ((each.actor, age(each.left_at, now), str(each.secrets)) for each in leavers)
        emit_table(("ACTOR", "LEFT", "SECRETS"), rows, numbers=("SECRETS",))
    else:
        say("Nothing that somebody who left could read is left as it was.")


@members.command("forget-passphrase", example="bifrost-tui members forget-passphrase bob")
@actor_argument
def forget_passphrase(actor: str) -> None:
    """Take the passphrase of an actor's lock away, who does not know it any more.

    Their screens open with Enter then, until they set another one. Owners and admins of all
    organizations may do it; for an owner, owners.
    """
    with opened() as session:
        session.repository.presence.forget(session.access, actor)
    say(f"{actor} has no passphrase any more.")


members.add_command(authorize)
