"""Organizations: list, add, rename, archive, restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.base import Group
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import emit_json_array, emit_table, say
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.clock import iso
from bifrost_tui.display import age

if TYPE_CHECKING:
    from bifrost_tui.store.views import Attention, OrganizationView

name_argument = click.argument("name", metavar="NAME", shell_complete=complete_organization)


@click.group(cls=Group, example="bifrost-tui orgs add Acme")
def orgs() -> None:
    """Organizations: list, add, rename, archive, restore.

    Names are looked for in any case. Nothing is ever deleted: an archived organization keeps all
    that it has and can be restored.
    """


@orgs.command(
    "list",
    example="bifrost-tui orgs list --json | jq -r '.[] | select(.attention > 0) | .name'",
)
@click.option("--archived", is_flag=True, help="The archived ones instead.")
@click.option("--with-global", is_flag=True, help="Begin with the global scope.")
@json_option
def list_organizations(archived: bool, with_global: bool, as_json: bool) -> None:
    """List the organizations that you are a member of, with what wants attention."""
    with opened() as session:
        views = [
            view
            for view in session.repository.organizations.list(session.access, archived=archived)
            if with_global or not view.scope.is_global
        ]
        now = session.repository.clock()
    if as_json:
        emit_json_array(map(organization_object, views))
        return
    if not views:
        none = "archived organization" if archived else "organization"
        say(f"There is no {none} for you. `bifrost-tui orgs add NAME` adds one.")
        return
    emit_table(
        ("NAME", "CONFIGS", "SECRETS", "CHANGED", "BY", "ATTENTION"),
        (
            (
                view.scope.name,
                str(view.configs),
                str(view.secrets),
                age(view.changed_at, now) if view.changed_at else "",
                view.changed_by or "",
                attention_words(view.attention),
            )
            for view in views
        ),
        numbers=("CONFIGS", "SECRETS"),
    )


def organization_object(view: OrganizationView) -> dict[str, Any]:
    """Return an organization as it stands in JSON."""
    marks = view.attention
    return {
        "name": view.scope.name,
        "scope": "global" if view.scope.is_global else "organization",
        "configs": view.configs,
        "secrets": view.secrets,
        "attention": marks.total,
        "overdue": marks.overdue,
        "due": marks.due,
        "needs_value": marks.needs_value,
        "unreadable": marks.unreadable,
        "dangling": marks.dangling,
        "archived": view.scope.archived,
        "updated_at": iso(view.changed_at) if view.changed_at else None,
        "updated_by": view.changed_by,
        "version": view.version,
    }


def attention_words(marks: Attention) -> str:
    """Say what wants attention: ``2 overdue, 1 needs value``."""
    counts = (
        (marks.unreadable, "unreadable"),
        (marks.dangling, "dangling"),
        (marks.overdue, "overdue"),
        (marks.due, "due"),
        (marks.needs_value, "needs value" if marks.needs_value == 1 else "need values"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count)


@orgs.command("add", example="bifrost-tui orgs add 'Acme Inc'")
@click.argument("name", metavar="NAME")
def add(name: str) -> None:
    """Add an organization."""
    with opened() as session:
        scope = session.repository.organizations.add(session.access, name)
    say(f"Added {scope.name}.")


@orgs.command("rename", example="bifrost-tui orgs rename Acme 'Acme Inc'")
@name_argument
@click.argument("new", metavar="NEW")
def rename(name: str, new: str) -> None:
    """Give an organization another name."""
    with opened() as session:
        view = _view(session, name)
        scope = session.repository.organizations.rename(
            session.access, view.scope, view.version, new
        )
    say(f"Renamed {view.scope.name} to {scope.name}.")


@orgs.command("archive", example="bifrost-tui orgs archive Acme")
@name_argument
def archive(name: str) -> None:
    """Take an organization out of use; nothing in it is lost."""
    with opened() as session:
        view = _view(session, name)
        if view.scope.archived:
            say(f"{view.scope.name} is archived already.")
            return
        session.repository.organizations.archive(session.access, view.scope, view.version)
    say(f"Archived {view.scope.name}. `bifrost-tui orgs restore` brings it back.")


@orgs.command("restore", example="bifrost-tui orgs restore Acme")
@name_argument
def restore(name: str) -> None:
    """Take an archived organization into use again."""
    with opened() as session:
        view = _view(session, name)
        if not view.scope.archived:
            say(f"{view.scope.name} is not archived.")
            return
        session.repository.organizations.restore(session.access, view.scope, view.version)
    say(f"Restored {view.scope.name}.")


def _view(session: Session, name: str) -> OrganizationView:
    """Return an organization's line, with the version that a change is for."""
    organizations = session.repository.organizations
    scope = organizations.find(session.access, name)
    lines = organizations.list(session.access, archived=scope.archived)
    return next(view for view in lines if view.scope.id == scope.id)
