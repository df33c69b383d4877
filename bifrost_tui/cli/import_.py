"""Importing configs: always a preview first, then all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.asking import Ask, asker
from bifrost_tui.cli.base import FAILED, Command
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.importing import emit_preview, emit_result, tell_imported, tell_sums
from bifrost_tui.cli.options import file_argument, json_option
from bifrost_tui.cli.output import complain, say
from bifrost_tui.cli.platform_import import platform_options
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.cli.sources import Given, Source, read_source
from bifrost_tui.display import counted, shorten, visible
from bifrost_tui.errors import TransferError

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan
    from bifrost_tui.store.incoming import Imported, IncomingScope, OnConflict

_NAMED = 8
"""So many scopes of a file are named in a sentence."""


@click.command(
    "import",
    cls=Command,
    example="bifrost-tui import acme.json --dry-run\n"
    "bifrost-tui import acme.json --org 'Acme Europe' --create-orgs\n"
    "bifrost-tui import all.yaml --from Acme --on-conflict keep --yes\n"
    "bifrost-tui import .env --org Acme --secret '*KEY*' --secret '*TOKEN*'\n"
    "ssh old-host bifrost-tui export --portable - | bifrost-tui import - --create-orgs --yes\n"
    "bifrost-tui import all.age --create-orgs\n"
    "bifrost-tui import bifrost+postgresql://bifrost@db/bifrost --source-key-file platform.key",
)
@file_argument
@click.option(
    "--org",
    "organization",
    metavar="NAME",
    shell_complete=complete_organization,
    help="Import into this organization, whatever the file names.",
)
@click.option("--global", "is_global", is_flag=True, help="Import into global.")
@click.option(
    "--from",
    "only",
    metavar="NAME",
    help="Import only what the file has for one organization, or for 'global'.",
)
@click.option("--dotenv", is_flag=True, help="The file is a .env file, whatever its name.")
@click.option(
    "--secret",
    "secrets",
    metavar="GLOB",
    multiple=True,
    help="Of a .env file, the keys that become secrets: '*TOKEN*'; may be given several times.",
)
@click.option(
    "--plain",
    is_flag=True,
    help="Of a .env file, import as strings even what looks like a secret.",
)
@click.option("--create-orgs", is_flag=True, help="Add the organizations that are not here.")
@click.option(
    "--on-conflict",
    type=click.Choice(("overwrite", "keep")),
    help="What to do with configs that are here and different; else you are asked.",
)
@click.option(
    "--replace-secrets",
    is_flag=True,
    help="Give secrets that are here with another value the one of the file, if it has one.",
)
@click.option(
    "--passphrase-file",
    metavar="FILE",
    help="The passphrase of an encrypted bundle, in a file that only you can read; else you are"
    " asked.",
)
@click.option(
    "--identity",
    metavar="FILE",
    help="The secret key of an encrypted bundle: of age, or of OpenSSH without a passphrase.",
)
@platform_options
@click.option(
    "--dry-run", is_flag=True, help="Show what would be done; ends with 1 if it cannot be."
)
@click.option("--yes", is_flag=True, help="Import without being asked.")
@json_option
def import_(
    file: str,
    organization: str | None,
    is_global: bool,
    only: str | None,
    create_orgs: bool,
    on_conflict: str | None,
    replace_secrets: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Import configs from a file (- for standard input), after a preview.

    All of it is imported or, where anything is refused, nothing. A secret that is here keeps its
    value, and one that comes without a value waits for one.
    """
    if is_global and organization is not None:
        raise click.UsageError("Give --org NAME or --global, not both.")
    if [file, options["passphrase_file"], options["identity"]].count("-") > 1:
        raise click.UsageError("Only one thing can come from standard input.")
    if as_json and not (dry_run or yes):
        raise click.UsageError("--json asks nothing. Say --dry-run or --yes as well.")
    with asker(piped=file == "-") as ask:
        if ask is None and not (dry_run or yes):
            raise click.UsageError(
                "There is no terminal to ask at. Say --dry-run to see what would be done, or --yes"
                " to do it."
            )
        work = _Import(ask, on_conflict, replace_secrets, dry_run, yes, as_json)
        try:
            options["named"] = organization is not None
            directs = is_global or organization is not None
            asks = None if yes or as_json else ask
            source = read_source(Given(file, options, directs, asks, only_shown=dry_run))
            source = replace(
                source,
                scopes=directed(source.scopes, only, organization, into_global=is_global),
            )
            return work.run(source, create_organizations=create_orgs)
        except TransferError as error:
            told = error
        complain(told.message)
        for problem in told.problems[1:]:
            say(problem)
        return FAILED


def directed(
    scopes: list[IncomingScope], only: str | None, organization: str | None, *, into_global: bool
) -> list[IncomingScope]:
    """Return the scopes that are to be imported, each for where it is to go.

    Raises:
        TransferError: the file has no such scope, or several that would go into one.

    """
    if only is not None:
        scopes = _chosen(scopes, only)
    if organization is None and not into_global:
        return scopes
    filled = [scope for scope in scopes if scope.configs] or scopes[:1]
    if len(filled) != 1:
        names = ", ".join(_name(scope) for scope in filled[:_NAMED])
        raise TransferError(
            f"The file has the configs of {counted(len(filled), 'scope')}, which cannot all go into"
            f" one. Choose with --from NAME: {names}{', ...' if len(filled) > _NAMED else ''}."
            if filled
            else "The file holds nothing."
        )
    return [replace(filled[0], organization=organization)]


def _chosen(scopes: list[IncomingScope], only: str) -> list[IncomingScope]:
    from bifrost_tui.store.context import folded_name

    wanted = folded_name(only)
    found = [
        scope
        for scope in scopes
        if scope.organization is not None and folded_name(scope.organization) == wanted
    ]
    if not found and wanted == "global":
        found = [scope for scope in scopes if scope.organization is None]
    if not found:
        names = ", ".join(_name(scope) for scope in scopes[:_NAMED]) or "nothing"
        raise TransferError(
            f"The file has nothing for '{shorten(visible(only), 60)}'. It has: {names}"
            f"{', ...' if len(scopes) > _NAMED else ''}."
        )
    return found


def _name(scope: IncomingScope) -> str:
    return "global" if scope.organization is None else scope.organization


class _Import:
    """One import: its preview, what is asked, what is done."""

    def __init__(
        self,
        ask: Ask | None,
        on_conflict: str | None,
        replace_secrets: bool,
        dry_run: bool,
        yes: bool,
        as_json: bool,
    ) -> None:
        from bifrost_tui.store.incoming import OnConflict

        self._ask = ask
        self._on_conflict = OnConflict(on_conflict) if on_conflict else None
        self._replace_secrets = replace_secrets
        self._dry_run = dry_run
        self._yes = yes
        self._as_json = as_json

    def run(self, source: Source, *, create_organizations: bool) -> int:
        with opened() as session:
            with progress("Comparing") as step:
                plan = session.repository.imports.plan(
                    session.access,
                    source.scopes,
                    create_organizations=create_organizations,
                    form=source.form,
                    progress=step,
                )
            if not self._as_json:
                emit_preview(plan)
                tell_sums(plan, replace_secrets=self._replace_secrets)
            if not plan.possible:
                told = "Nothing can be imported."
                if plan.missing_organizations:
                    told += " --create-orgs adds the organizations that are not here."
                return self._end(plan, None, told, code=FAILED)
            if self._dry_run:
                return self._end(plan, None, "Nothing was imported: this was a dry run.")
            if plan.changes_nothing:
                return self._end(plan, None, "Everything is here already.")
            if not self._settled(plan):
                say("Nothing was imported.")
                return FAILED
            done = self._apply(session, plan)
        if not self._as_json:
            tell_imported(done, plan)
        return self._end(plan, done, "")

    def _end(self, plan: ImportPlan, done: Imported | None, told: str, code: int = 0) -> int:
        if self._as_json:
            emit_result(plan, done)
        elif told:
            say(told)
        return code

    def _settled(self, plan: ImportPlan) -> bool:
        """Ask what has to be asked; tell whether the import is wanted."""
        choice = self._choice(plan)
        if plan.differing and choice is None:
            return False
        self._on_conflict = choice
        if self._yes or self._ask is None:
            return True
        return self._ask("Import this? [y/N] ").strip().lower() in ("y", "yes")

    def _choice(self, plan: ImportPlan) -> OnConflict | None:
        from bifrost_tui.store.incoming import OnConflict

        if not plan.differing or self._on_conflict is not None:
            return self._on_conflict
        differ = "1 config differs" if plan.differing == 1 else f"{plan.differing:,} configs differ"
        if self._ask is None or self._as_json:
            raise TransferError(
                f"{differ}. Say --on-conflict overwrite to take"
                " what the file has, or --on-conflict keep."
            )
        words = {"o": OnConflict.OVERWRITE, "k": OnConflict.KEEP}
        words |= {choice.value: choice for choice in OnConflict}
        asked = f"{differ}: overwrite, keep or stop? [o/k/S] "
        return words.get(self._ask(asked).strip().lower())

    def _apply(self, session: Session, plan: ImportPlan) -> Imported:
        with progress("Importing") as step:
            return session.repository.imports.apply(
                session.access,
                plan,
                on_conflict=self._on_conflict,
                replace_secrets=self._replace_secrets,
                progress=step,
            )
