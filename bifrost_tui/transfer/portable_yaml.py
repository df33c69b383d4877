"""The portable bundle as YAML, by the rules of YAML 1.2: ``no`` is a word and 1:30 is text.

The library's scanner does the work, event by event. What makes YAML dangerous or
ambiguous is refused: anchors, aliases, tags, merge keys, several documents, names that come twice.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import events

from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.store.values import INT_DIGITS, JSON_DEPTH
from bifrost_tui.transfer.bundle import Frame
from bifrost_tui.transfer.strict import (
    Progress,
    Wrong,
    exact_float,
    exact_int,
    incoming,
    named,
    no_constant,
)

# Without libyaml the library reads the same, slowly.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FIXED = hasattr(yaml, "CSafeLoader")
"""Whether the library's messages quote nothing of the text."""

_MOST_NODES = 600_000
"""How many parts one config may have: more do not fit into a value of 1 MiB."""
_DEEPEST = JSON_DEPTH + 8
_STEP = 1000

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|(?P<other>0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<none>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_DIRECTIVE = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])%")
_PADDED = re.compile(r"[-+]?0[0-9]")
_NUMERIC = frozenset("+-.0123456789")


class _RefusedError(Exception):
    """The text cannot be read on; caught before it leaves this module."""

    def __init__(self, why: str, event: Any) -> None:
        super().__init__(why)
        self.mark = event.start_mark


class YamlReader:
    """Reads a bundle, one config after another, so that little but the configs is kept."""

    def __init__(self, data: bytes, *, secrets: bool = False, progress: Progress | None) -> None:
        self._data = data
        self._secrets = secrets
        self._progress = progress
        self._nodes = 0

    def read(self, frame: Frame) -> None:
        """Put everything that the file holds into a frame.

        Raises:
            TransferError: it is no YAML, or no bundle, or has what a bundle has not.

        """
        problem = ""
        if found := _DIRECTIVE.search(self._data):
            # The library compares each with all before it, however many there are.
            line = _line(self._data, found.end())
            raise TransferError(f"There is a directive (%), which a bundle has not, line {line}.")
        try:
            self._data.decode("utf-8")
            parser = _Parser(self._data)
            try:
                self._next = parser.get_event
                self._stream(frame)
            finally:
                parser.dispose()
        except _RefusedError as refused:
            problem = f"{refused}{_where(refused.mark)}."
        except UnicodeDecodeError as error:
            problem = f"the file is not UTF-8 text, line {_line(self._data, error.start)}."
        except yaml.MarkedYAMLError as error:
            told = error.problem or "it cannot be read"
            if not _FIXED:
                told = told.partition("'")[0].strip()
            problem = f"this is no YAML: {told}{_where(error.problem_mark)}."
        except yaml.reader.ReaderError as error:
            line = _line(self._data, error.position)
            problem = f"this is no YAML: there is a character that it cannot hold, line {line}."
        except yaml.YAMLError:
            problem = "this is no YAML."
        # Raised outside the handlers: the library's errors may hold the text.
        if problem:
            raise TransferError(problem[:1].upper() + problem[1:])

    def _stream(self, frame: Frame) -> None:
        self._next()
        start = self._next()
        if type(start) is events.StreamEndEvent:
            raise _RefusedError("the file is empty", start)
        self._bundle(frame, self._next())
        self._next()
        end = self._next()
        if type(end) is not events.StreamEndEvent:
            raise _RefusedError("a second document begins, and a bundle is one", end)

    def _bundle(self, frame: Frame, event: Any) -> None:
        self._mapping(event, "the bundle")
        seen: set[str] = set()
        while (name := self._name(seen)) is not None:
            event = self._next()
            if name == "global":
                frame.add(None, self._configs(event))
            elif name == "organizations":
                self._sequence(event, "organizations")
                while type(event := self._next()) is not events.SequenceEndEvent:
                    self._organization(frame, event)
            else:
                frame.set(name, self._value(event, 0), _place(event))

    def _organization(self, frame: Frame, event: Any) -> None:
        self._mapping(event, "an organization")
        place, name, configs = _place(event), None, None
        seen: set[str] = set()
        while (field := self._name(seen)) is not None:
            event = self._next()
            if field == "configs":
                configs = self._configs(event)
            elif field == "name":
                name = self._value(event, 0)
            else:
                frame.unknown(field, "an organization", _place(event))
                self._value(event, 0)
        frame.organization(name, configs, place)

    def _configs(self, event: Any) -> list[IncomingConfig]:
        self._sequence(event, "configs")
        configs: list[IncomingConfig] = []
        while type(event := self._next()) is not events.SequenceEndEvent:
            self._nodes = 0
            self._mapping(event, "a config")
            fields = self._value(event, 0)
            if isinstance(fields, Wrong):
                fields = {"key": fields}
            configs.append(incoming(fields, _place(event), secrets=self._secrets))
            if self._progress is not None and len(configs) % _STEP == 0:
                self._progress(event.start_mark.index, len(self._data))
        return configs

    def _mapping(self, event: Any, what: str) -> None:
        _check(event)
        if type(event) is not events.MappingStartEvent:
            raise _RefusedError(f"{what} is a mapping of names to values", event)

    def _sequence(self, event: Any, what: str) -> None:
        _check(event)
        if type(event) is not events.SequenceStartEvent:
            raise _RefusedError(f"{what} are a list", event)

    def _name(self, seen: set[str]) -> str | None:
        """Return the next name of a mapping of the frame; ``None`` at its end."""
        event = self._next()
        if type(event) is events.MappingEndEvent:
            return None
        name = _key(event)
        if name in seen:
            raise _RefusedError(f"the name '{named(name)}' comes twice", event)
        seen.add(name)
        return name

    def _value(self, event: Any, depth: int) -> Any:
        """Return what an event begins, as JSON has it."""
        kind = type(event)
        if kind is events.ScalarEvent:
            if event.anchor is not None or event.tag is not None:
                _check(event)
            return _scalar(event)
        _check(event)
        self._nodes += 1
        if depth > _DEEPEST:
            raise _RefusedError("it is nested too deep", event)
        following = self._next
        if kind is events.SequenceStartEvent:
            items: list[Any] = []
            while type(event := following()) is not events.SequenceEndEvent:
                items.append(self._value(event, depth + 1))
                self._count(event)
            return items
        found: dict[str, Any] = {}
        twice: Wrong | None = None
        while type(event := following()) is not events.MappingEndEvent:
            name = _key(event)
            self._count(event)
            if name in found:
                twice = Wrong(f"An object names '{named(name)}' twice.")
            found[name] = self._value(following(), depth + 1)
        return twice or found

    def _count(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _RefusedError("a config has too many parts", event)


def _check(event: Any) -> None:
    """Refuse what a bundle never has."""
    if type(event) is events.AliasEvent:
        raise _RefusedError("there is an alias (*), which a bundle has not", event)
    if event.anchor is not None:
        raise _RefusedError("there is an anchor (&), which a bundle has not", event)
    if event.tag is not None:
        raise _RefusedError("there is a tag (!), which a bundle has not", event)


def _key(event: Any) -> str:
    _check(event)
    if type(event) is not events.ScalarEvent:
        raise _RefusedError("a name is text, and neither a list nor a mapping", event)
    if event.implicit[0] and event.value == "<<":
        raise _RefusedError("there is a merge key (<<), which a bundle has not", event)
    name = _scalar(event)
    if not isinstance(name, str):
        raise _RefusedError("a name is text: put it into quotes", event)
    return name


def _scalar(event: Any) -> Any:
    """Return what a scalar stands for by the core schema of YAML 1.2."""
    text: str = event.value
    if not event.implicit[0]:
        # In quotes, or a block of text.
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _NUMERIC:
        return text
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    if found.lastgroup == "int":
        if _PADDED.match(text):
            # Octal to one reader and decimal to another.
            return Wrong("A number begins with 0. Write it without, or in quotes if it is text.")
        return exact_int(text)
    if found.lastgroup == "other":
        return exact_int(text if len(text) > INT_DIGITS else str(int(text, 0)))
    if found.lastgroup == "float":
        return exact_float(text)
    return no_constant(text)


def _place(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _where(mark: Any) -> str:
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
