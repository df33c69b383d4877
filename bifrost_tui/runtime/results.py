"""What a workflow returns, as JSON and without a secret in it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from bifrost_tui.errors import WorkflowError
from bifrost_tui.runtime.records import Scrubs

_PATH_SHOWN = 80

_Put = Callable[[Any], None]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class _Place:
    """Where something stands in a result; its path is put together only to be told."""

    step: str
    above: _Place | None = None

    def path(self, scrubber: Scrubs) -> str:
        steps, place = [], self
        while place.above is not None:
            steps.append(place.step)
            place = place.above
        clean = scrubber.scrub_text("".join(["result", *reversed(steps)]))
        return clean if len(clean) <= _PATH_SHOWN else f"{clean[:_PATH_SHOWN]}…"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class _Task:
    """Something to be made clean, and where it then goes."""

    value: Any
    place: _Place
    put: _Put


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class _Done:
    """A container all of which is done; it was kept, so that its id was nobody else's."""

    value: Any


def clean_result(value: Any, scrubber: Scrubs) -> Any:
    """Return a result as JSON has it: objects, arrays, text, numbers; scrubbed, at any depth.

    Dataclasses and pydantic models become objects, tuples and sets arrays, bytes text.

    Raises:
        WorkflowError: something in it is no JSON, or holds itself; the path to it is named.

    """
    result: list[Any] = []
    # A list of what is to do, not recursion: a result may be nested deeper than Python's stack.
    todo: list[_Task | _Done] = [_Task(value, _Place(""), result.append)]
    within: set[int] = set()
    while todo:
        task = todo.pop()
        if isinstance(task, _Done):
            within.remove(id(task.value))
            continue
        inner = _clean(task, scrubber)
        if inner is None:
            continue
        if id(task.value) in within:
            raise WorkflowError(f"{task.place.path(scrubber)} holds itself; that is no JSON.")
        within.add(id(task.value))
        todo.append(_Done(task.value))
        todo.extend(inner)
    return result[0]


def _clean(task: _Task, scrubber: Scrubs) -> list[_Task] | None:
    """Put what a value becomes in its place; of a container, return what is to be put into it."""
    plain, place = _plain(task.value), task.place
    if isinstance(plain, dict):
        names = _names(plain, place, scrubber)
        made: dict[str, Any] = dict.fromkeys(names)
        task.put(made)
        return [
            _Task(inner, _Place(f".{name}", place), _into(made, name))
            for name, inner in zip(names, plain.values(), strict=True)
        ]
    if isinstance(plain, list | tuple | set | frozenset):
        items = list(plain) if isinstance(plain, list | tuple) else _ordered(plain)
        array: list[Any] = [None] * len(items)
        task.put(array)
        return [
            _Task(inner, _Place(f"[{index}]", place), _into(array, index))
            for index, inner in enumerate(items)
        ]
    if plain is None or isinstance(plain, bool):
        task.put(plain)
    elif isinstance(plain, str):
        task.put(scrubber.scrub_text(str(plain)))
    elif isinstance(plain, bytes | bytearray | memoryview):
        task.put(scrubber.scrub(bytes(plain)).decode("utf-8", "backslashreplace"))
    elif isinstance(plain, int | float):
        task.put(_number(plain, place, scrubber))
    else:
        raise WorkflowError(
            f"{place.path(scrubber)} is a {type(plain).__name__}, which is no JSON. Return text,"
            " numbers, true, false, None, or lists and dictionaries of them."
        )
    return None


def _plain(value: Any) -> Any:
    """Return what stands for a value in JSON, one step deep."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    return value


def _number(number: float, place: _Place, scrubber: Scrubs) -> Any:
    # Compared, not asked: an int may be larger than any float.
    if number != number or abs(number) == math.inf:
        raise WorkflowError(f"{place.path(scrubber)} is {number}, which is no JSON.")
    text = repr(number)
    clean = scrubber.scrub_text(text)
    return number if clean == text else clean


def _names(value: dict[Any, Any], place: _Place, scrubber: Scrubs) -> list[str]:
    """Return the names of an object's members; two that are the same once scrubbed stay two."""
    names: dict[str, None] = {}
    for key in value:
        if key is None or isinstance(key, bool):
            name = {None: "null", True: "true", False: "false"}[key]
        elif isinstance(key, str | int | float):
            name = scrubber.scrub_text(str(key))
        elif isinstance(key, bytes):
            name = scrubber.scrub(key).decode("utf-8", "backslashreplace")
        else:
            raise WorkflowError(
                f"{place.path(scrubber)} has a {type(key).__name__} as a key, which is no JSON."
            )
        wanted, count = name, 1
        while name in names:
            count += 1
            name = f"{wanted} ({count})"
        names[name] = None
    return list(names)


def _ordered(values: Iterable[Any]) -> list[Any]:
    """Return a set's members in an order that is the same in every run where there is one."""
    found = list(values)
    try:
        return sorted(found)
    except TypeError:
        return found


def _into(container: Any, place: Any) -> _Put:
    def put(value: Any) -> None:
        container[place] = value

    return put
