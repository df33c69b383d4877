"""A workflow's parameters: which it takes, and what is given made to fit their annotations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bifrost_tui.display import visible
from bifrost_tui.errors import ParameterError, WorkflowError

RESERVED = ("organization", "integration")
"""Names that ``run`` itself takes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a workflow."""

    name: str
    required: bool


class Parameters:
    """The parameters of a workflow's function, its first one (the context) left out.

    Raises:
        WorkflowError: the function cannot be a workflow.

    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters:
            raise WorkflowError(
                f"{name} takes no context: its first parameter is `context: ExecutionContext`."
            )
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise WorkflowError(
                    f"{name} takes *{parameter.name}; a workflow names each of its parameters."
                )
        self.known = tuple(
            Parameter(parameter.name, parameter.default is parameter.empty)
            for parameter in parameters[1:]
        )
        for known in self.known:
            if known.name in RESERVED:
                raise WorkflowError(
                    f"{name} has a parameter {known.name}, which is what `run` is told; take"
                    f" it from the context (context.{known.name}) and drop the parameter."
                )
        for parameter in parameters[1:]:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise WorkflowError(
                    f"{name} takes {parameter.name} by position only; remove the `/`."
                )

    def fitted(self, given: Mapping[str, Any], *, text: bool = False) -> dict[str, Any]:
        """Return what was given, checked and converted by the annotations.

        ``text`` says that all of it is text, as from a command line: containers are then JSON.

        Raises:
            ParameterError: something is missing, unknown, or does not fit.

        """
        names = [parameter.name for parameter in self.known]
        takes = f"It takes: {', '.join(names)}." if names else "It takes none."
        unknown = [name for name in given if name not in names]
        if unknown:
            listed = ", ".join(visible(name)[:60] for name in unknown)
            raise ParameterError(f"{self._name} has no parameter {listed}. {takes}")
        absent = [
            parameter.name
            for parameter in self.known
            if parameter.required and parameter.name not in given
        ]
        if absent:
            raise ParameterError(f"{self._name} needs the parameter {', '.join(absent)}. {takes}")
        annotations = self._annotations()
        return {
            name: self._converted(name, value, annotations.get(name), text=text)
            for name, value in given.items()
        }

    def _annotations(self) -> dict[str, Any]:
        problem = ""
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except (NameError, TypeError, AttributeError) as error:
            problem = str(error)
        raise WorkflowError(f"An annotation of {self._name} cannot be understood: {problem}.")

    def _converted(self, name: str, value: Any, annotation: Any, *, text: bool) -> Any:
        if annotation is None or annotation is Any:
            return value
        from pydantic import PydanticUserError, TypeAdapter, ValidationError

        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        except (PydanticUserError, TypeError):
            raise WorkflowError(
                f"The annotation of {name} in {self._name} is none that a value can be checked by."
            ) from None
        found: list[str] = []
        attempts: list[Callable[[], Any]] = [lambda: adapter.validate_python(value)]
        if text:
            attempts.append(lambda: adapter.validate_json(value))
        for attempt in attempts:
            try:
                return attempt()
            except ValidationError as error:
                found = found or [
                    ".".join(map(str, problem["loc"]))
                    + (": " if problem["loc"] else "")
                    + problem["msg"]
                    for problem in error.errors(include_url=False, include_input=False)
                ]
        # Raised outside the handler: the validator's error quotes the value.
        raise ParameterError(f"The parameter {name} of {self._name} does not fit: {found[0]}.")
