"""Importing: first what it would do, then all of it in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.audit import REFUSED, Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.importing_check import Checker, Refusals, Wanted
from bifrost_tui.store.importing_plan import ImportPlan, needs_choice
from bifrost_tui.store.importing_write import Choice, Writer
from bifrost_tui.store.incoming import Imported, IncomingScope, OnConflict
from bifrost_tui.store.requests import Access, Progress
from bifrost_tui.store.uncollected import uncollected
from bifrost_tui.store.views import Scope

ACTION = "config.import"


class Imports:
    """What a file holds, on its way into the database."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context

    def plan(
        self,
        access: Access,
        scopes: Sequence[IncomingScope],
        *,
        into: Scope | None = None,
        create_organizations: bool = False,
        form: str,
        progress: Progress | None = None,
    ) -> ImportPlan:
        """Say what an import would do with every config, and change nothing.

        Everything goes ``into`` one scope, where that is given; ``scopes`` then holds one. What the
        actor may not do stands among the plan's problems, and in the log. ``form`` names the kind
        of file in events.

        Raises:
            TransferError: the configs of several scopes are to go into one.

        """
        context = self._context
        if into is not None and len(scopes) != 1:
            raise TransferError(
                f"The file holds the configs of {len(scopes)} scopes, which cannot all go into"
                f" {into.name}. Import it as it is, or choose one of its organizations."
            )
        wanted = Wanted(into, create_organizations)
        step = counting(progress, sum(len(each.configs) for each in scopes))

        def work(connection: Connection) -> tuple[ImportPlan, Refusals]:
            checker = Checker(context, connection, access, wanted, step)
            found = checker.run(scopes)
            return ImportPlan(found, form, checker.problems), checker.refusals

        with uncollected():
            plan, refusals = context.database.read(work)
        self._tell(access, refusals, form)
        return plan

    def _tell(self, access: Access, refusals: Refusals, form: str) -> None:
        if not refusals.told:
            return
        told = [
            Event(ACTION, scope, None, REFUSED, {"form": form, "why": why})
            for scope, why in refusals.told
        ]
        chain = self._context.chain
        self._context.database.write_rows(
            lambda connection: chain.append(connection, access, *told)
        )

    def apply(
        self,
        access: Access,
        plan: ImportPlan,
        *,
        on_conflict: OnConflict | None = None,
        replace_secrets: bool = False,
        progress: Progress | None = None,
    ) -> Imported:
        """Do what was planned, as a whole or not at all; return what was done.

        ``replace_secrets`` gives secrets that are here with another value the one of the file.

        Raises:
            TransferError: the plan holds what cannot be imported.
            InvalidInputError: something differs, and it was not said what is done with it.
            ConflictError: what was planned upon has changed since; plan again.
            AccessDeniedError, OrganizationNotFoundError: it is no longer the actor's to import.

        """
        if not plan.possible:
            reasons = tuple(plan.reasons())
            raise TransferError(f"Nothing was imported. {reasons[0]}", reasons)
        if needs_choice(plan, on_conflict):
            raise InvalidInputError(
                f"{plan.differing:,} configs are here already and different. Say whether they are"
                " overwritten or kept.",
                field="on_conflict",
            )
        context = self._context
        choice = Choice(on_conflict is OnConflict.OVERWRITE, replace_secrets)
        step = counting(progress, len(plan.lines))
        scopes = {planned.scope.id: planned.scope for planned in plan._scopes}
        about = next(iter(scopes.values())) if len(scopes) == 1 else None

        def work(connection: Connection) -> Imported:
            with uncollected():
                return Writer(context, connection, access, plan, choice, step).run()

        return context.guard(
            access,
            Event(ACTION, about, details={"form": plan.form}),
            lambda: context.database.write_rows(work),
        )


def counting(progress: Progress | None, total: int) -> Callable[[int], object]:
    """Return what is told of every few more that are done, and tells the sum."""
    done = 0

    def step(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    step(0)
    return step
