"""The portable bundle as YAML, by the rules of YAML 1.2: ``no`` is a word and 1:30 is text.

The library's scanner and emitter do the work, event by event. What makes YAML dangerous or
ambiguous is refused: anchors, aliases, tags, merge keys, several documents, names that come twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml
from yaml import events

from bifrost_tui.display import visible
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.store.values import INT_DIGITS, JSON_DEPTH, ConfigType
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

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import ExportedConfig

# Without libyaml the library reads the same, slowly.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

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
            told = (error.problem or "it cannot be read").partition("'")[0].strip()
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
        if start.tags or start.version not in (None, (1, 2)):
            raise _RefusedError("the file has a directive, which a bundle has not", start)
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


class YamlWriter:
    """Writes a bundle as its parts come."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._emitter = _Emitter(_Legible(put), allow_unicode=True, width=2**30, line_break="\n")
        self._emit = self._emitter.emit

    def begin(self, facts: list[tuple[str, Any]]) -> None:
        """Write what stands before the scopes."""
        self._emitter.open()
        self._emit(events.DocumentStartEvent(explicit=False))
        self._begin_mapping()
        for name, value in facts:
            self._name(name)
            self._any(value)

    def begin_global(self) -> None:
        """Begin the configs of global."""
        self._name("global")
        self._begin_sequence()

    def end_global(self) -> None:
        """End them."""
        self._emit(_SEQUENCE_END)

    def begin_organizations(self) -> None:
        """Begin the organizations."""
        self._name("organizations")
        self._begin_sequence()

    def begin_organization(self, name: str) -> None:
        """Begin an organization and its configs."""
        self._begin_mapping()
        self._name("name")
        self._string(name)
        self._name("configs")
        self._begin_sequence()

    def config(self, config: ExportedConfig, secret: str | None = None) -> None:
        """Write a config; of a secret the value only where it is given."""
        kind = config.type
        self._begin_mapping()
        self._name("key")
        self._string(config.key)
        self._name("type")
        self._string(kind.value)
        self._name("value")
        if kind is ConfigType.SECRET:
            self._any(secret)
        elif kind is ConfigType.SECRET_REF:
            self._string(config.refers_to or "")
        else:
            self._any(json.loads(config.value or "null"))
        if config.description:
            self._name("description")
            self._string(config.description)
        if config.integration:
            self._name("integration")
            self._string(config.integration)
        if config.rotate_every_days:
            self._name("rotate_every_days")
            self._any(config.rotate_every_days)
        if config.partial_mask:
            self._name("partial_mask")
            self._any(value=True)
        self._emit(_MAPPING_END)

    def end_organization(self) -> None:
        """End an organization."""
        self._emit(_SEQUENCE_END)
        self._emit(_MAPPING_END)

    def end(self) -> None:
        """End the bundle."""
        self._emit(_SEQUENCE_END)
        self._emit(_MAPPING_END)
        self._emit(events.DocumentEndEvent(explicit=False))
        self._emitter.close()
        self._emitter.dispose()

    def _begin_mapping(self, *, flow: bool = False) -> None:
        self._emit(events.MappingStartEvent(None, None, True, flow_style=flow))

    def _begin_sequence(self, *, flow: bool = False) -> None:
        self._emit(events.SequenceStartEvent(None, None, True, flow_style=flow))

    def _name(self, name: str) -> None:
        self._emit(_plain(name) if _is_plain(name) else _quoted(name))

    def _string(self, text: str) -> None:
        if _is_plain(text):
            self._emit(_plain(text))
        elif _BLOCK.fullmatch(text) and text.isascii():
            self._emit(events.ScalarEvent(None, None, (False, True), text, style="|"))
        else:
            self._emit(_quoted(text))

    def _any(self, value: Any) -> None:
        """Write a JSON value."""
        if isinstance(value, str):
            self._string(value)
        elif isinstance(value, dict):
            self._begin_mapping(flow=not value)
            for name, inner in value.items():
                self._name(name)
                self._any(inner)
            self._emit(_MAPPING_END)
        elif isinstance(value, list):
            self._begin_sequence(flow=not value)
            for inner in value:
                self._any(inner)
            self._emit(_SEQUENCE_END)
        else:
            self._emit(_plain(json.dumps(value)))


_SEQUENCE_END = events.SequenceEndEvent()
_MAPPING_END = events.MappingEndEvent()

_WORD = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./()-]| (?=[A-Za-z0-9_./()-]))*+")
_WORDS_OF_YAML = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"))
_BLOCK = re.compile(r"(?:[!-~](?:[ -~]*+(?<! ))?\n)+", re.ASCII)
"""Lines that a block of text gives back as they are."""


def _is_plain(text: str) -> bool:
    """Tell whether a text needs no quotes, for a reader of YAML 1.1 either."""
    return _WORD.fullmatch(text) is not None and text.lower() not in _WORDS_OF_YAML


def _plain(text: str) -> Any:
    return events.ScalarEvent(None, None, (True, False), text)


def _quoted(text: str) -> Any:
    return events.ScalarEvent(None, None, (False, True), text, style='"')


class _Legible:
    """Takes the emitter's text; writes out what a terminal would obey or hide.

    Whatever is not ASCII stands in double quotes, where an escape means the same.
    """

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put

    def write(self, text: str) -> None:
        """Hand text on as bytes."""
        if not text.isascii():
            text = re.sub(r"[^ -~\n]", _escaped, text)
        self._put(text.encode())


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if visible(character) == character:
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
