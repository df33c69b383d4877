"""What a portable bundle holds, whatever its notation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from bifrost_tui.display import visible
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope
from bifrost_tui.transfer.strict import named

VERSION = 1
VERSION_FIELD = "bifrost_tui_bundle"
PROGRAM_FIELD = "program"

_NO_BUNDLE = "This is no portable bundle of Bifrost TUI: it has no field bifrost_tui_bundle."
_MOST_TOLD = 20


class Frame:
    """A bundle as it is read: its facts are checked, its scopes collected."""

    def __init__(self) -> None:
        self._scopes: list[IncomingScope] = []
        self._version = False
        self._problems: list[str] = []

    def set(self, name: str, value: Any, place: str) -> None:
        """Take a fact of the bundle as a whole.

        Raises:
            TransferError: it is of a version that cannot be read.

        """
        if name == VERSION_FIELD:
            self._check_version(value)
            self._version = True
        elif name == PROGRAM_FIELD:
            if not isinstance(value, str):
                self._problems.append(f"{place}: the program is no text.")
        else:
            self.unknown(name, "a portable bundle", place)

    def _check_version(self, value: Any) -> None:
        if type(value) is not int or value < 1:
            self.refuse("The version of the bundle is no whole number from 1 on.")
        if value > VERSION:
            self.refuse(
                f"This bundle was written by a newer Bifrost TUI: its version is {str(value)[:9]},"
                f" and this program reads {VERSION}. Update it."
            )

    def add(self, organization: str | None, configs: Sequence[IncomingConfig]) -> None:
        """Take the configs of one scope."""
        self._scopes.append(IncomingScope(organization, configs))

    def organization(self, name: Any, configs: Sequence[IncomingConfig] | None, place: str) -> None:
        """Take an organization as the file gives it."""
        if not isinstance(name, str) or not name.strip():
            self._problems.append(f"{place}: an organization has no name.")
        elif visible(name) != name:
            self._problems.append(
                f"{place}: the organization's name holds what cannot be seen in a line:"
                f" '{named(name)}'."
            )
        elif configs is None:
            self._problems.append(f"{place}: the organization '{named(name)}' has no configs.")
        else:
            self.add(name, configs)

    def unknown(self, name: str, what: str, place: str) -> None:
        """Note a field that a thing does not have; it is told once the version is known."""
        self._problems.append(f"{place}: there is a field '{named(name)}', which {what} has not.")

    def refuse(self, problem: str) -> NoReturn:
        """Refuse the file as a whole, now."""
        problem = problem[:1].upper() + problem[1:]
        raise TransferError(problem, (problem,))

    def scopes(self) -> list[IncomingScope]:
        """Return what was read.

        Raises:
            TransferError: it is no bundle, or not in order as a whole.

        """
        if not self._version:
            self.refuse(_NO_BUNDLE)
        if self._problems:
            problems = tuple(text[:1].upper() + text[1:] for text in self._problems[:_MOST_TOLD])
            raise TransferError(problems[0], problems)
        return self._scopes
