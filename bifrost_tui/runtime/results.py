"""What a workflow returns, as JSON and without a secret in it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from bifrost_tui.errors import WorkflowError
from bifrost_tui.runtime.scrubber import Scrubber

_PATH_SHOWN = 80

_Put = Callable[[Any], None]
_Task = tuple[Any, str, _Put, tuple[int, ...]]


def clean_result(value: Any, scrubber: Scrubber) -> Any:
    """Return a result as JSON has it: objects, arrays, text, numbers; scrubbed, at any depth.

    Dataclasses and pydantic models become objects, tuples and sets arrays, bytes text.

    Raises:
        WorkflowError: something in it is no JSON, or holds itself; the path to it is named.

    """
    result: list[Any] = []
    # A list of what is to do, not recursion: a result may be nested deeper than Python's stack.
    todo: list[_Task] = [(value, "result", result.append, ())]
    while todo:
        value, path, put, above = todo.pop()
        if id(value) in above:
            raise WorkflowError(f"{_shown(path, scrubber)} holds itself; that is no JSON.")
        _clean(value, path, put, above, scrubber, todo)
    return result[0]


def _clean(
    value: Any,
    path: str,
    put: _Put,
    above: tuple[int, ...],
    scrubber: Scrubber,
    todo: list[_Task],
) -> None:
    plain = _plain(value)
    if plain is None or isinstance(plain, bool):
        put(plain)
    elif isinstance(plain, str):
        put(scrubber.scrub_text(str(plain)))
    elif isinstance(plain, bytes | bytearray | memoryview):
        put(scrubber.scrub(bytes(plain)).decode("utf-8", "backslashreplace"))
    elif isinstance(plain, int | float):
        put(_number(plain, path, scrubber))
    elif isinstance(plain, dict):
        names = _names(plain, path, scrubber)
        made: dict[str, Any] = dict.fromkeys(names)
        put(made)
        for name, inner in zip(names, plain.values(), strict=True):
            todo.append((inner, f"{path}.{name}", _into(made, name), (*above, id(value))))
    elif isinstance(plain, list | tuple | set | frozenset):
        items = list(plain) if isinstance(plain, list | tuple) else _ordered(plain)
        array: list[Any] = [None] * len(items)
        put(array)
        for index, inner in enumerate(items):
            todo.append((inner, f"{path}[{index}]", _into(array, index), (*above, id(value))))
    else:
        raise WorkflowError(
            f"{_shown(path, scrubber)} is a {type(plain).__name__}, which is no JSON. Return text,"
            " numbers, true, false, None, or lists and dictionaries of them."
        )


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


def _number(number: float, path: str, scrubber: Scrubber) -> Any:
    # Compared, not asked: an int may be larger than any float.
    if number != number or abs(number) == math.inf:
        raise WorkflowError(f"{_shown(path, scrubber)} is {number}, which is no JSON.")
    text = repr(number)
    clean = scrubber.scrub_text(text)
    return number if clean == text else clean


def _names(value: dict[Any, Any], path: str, scrubber: Scrubber) -> list[str]:
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
                f"{_shown(path, scrubber)} has a {type(key).__name__} as a key, which is no JSON."
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


def _shown(path: str, scrubber: Scrubber) -> str:
    clean = scrubber.scrub_text(path)
    return clean if len(clean) <= _PATH_SHOWN else f"{clean[:_PATH_SHOWN]}…"
