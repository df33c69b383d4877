"""What an export is asked for, whatever form it has, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bifrost_tui.cli.exporting import host_file, progress, written
from bifrost_tui.cli.output import say
from bifrost_tui.cli.session import Session, opened
from bifrost_tui.display import counted

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import Export
    from bifrost_tui.store.views import Scope

Put = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported, and where to."""

    file: str
    force: bool
    organizations: Sequence[str]
    is_global: bool
    options: Mapping[str, Any]
    """The options that belong to single forms, by name."""

    def scopes(self, session: Session) -> list[Scope] | None:
        """Return the scopes that were named; ``None`` where none was."""
        from bifrost_tui.store.views import GLOBAL_SCOPE

        find = session.repository.organizations.find
        found = [GLOBAL_SCOPE] if self.is_global else []
        found += [find(session.access, name) for name in self.organizations]
        return found or None


def export_as(wanted: Wanted, form: str, write: Callable[[Export, Put], object]) -> None:
    """Export what is wanted by a function that writes it; say what there was.

    ``form`` is its name in the log.
    """
    target = host_file(wanted.file, "export")
    with (
        written(target, force=wanted.force) as put,
        opened() as session,
        progress("Exporting") as step,
    ):

        def consume(export: Export) -> tuple[int, int, tuple[str, ...]]:
            write(export, put)
            return export.total, len(export.scopes), export.left_out

        total, scopes, left_out = session.repository.exports.portable(
            session.access, wanted.scopes(session), consume, form=form, progress=step
        )
    tell_exported(total, scopes, left_out)


def tell_exported(total: int, scopes: int, left_out: Sequence[str]) -> None:
    """Say what was exported, and what was not."""
    say(f"{counted(total, 'config')} of {counted(scopes, 'scope')} exported.")
    if left_out:
        say(
            f"{counted(len(left_out), 'archived organization')} left out:"
            f" {', '.join(left_out)}. Restore one to export it."
        )
