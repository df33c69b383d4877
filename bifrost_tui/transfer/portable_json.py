"""The portable bundle as JSON: a config a line, so that versions of it compare line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from bifrost_tui.display import visible
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.store.values import ConfigType
from bifrost_tui.transfer.bundle import Frame
from bifrost_tui.transfer.strict import (
    Progress,
    Wrong,
    check_parts,
    exact_float,
    exact_int,
    incoming,
    named,
    no_constant,
    paired,
)

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import ExportedConfig

_STEP = 1000

_BLANKS = re.compile(r"[ \t\n\r]*+")
_NEXT = re.compile(r"[ \t\n\r]*+([,\]])[ \t\n\r]*+")


class _StopError(Exception):
    """The text cannot be read on from here; caught before it leaves this module."""

    def __init__(self, why: str, position: int) -> None:
        super().__init__(why)
        self.position = position


_decoder: Any = json.JSONDecoder(
    object_pairs_hook=paired,
    parse_float=exact_float,
    parse_int=exact_int,
    parse_constant=no_constant,
)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once


class JsonReader:
    """Reads a bundle, one config after another, so that little but the configs is kept."""

    def __init__(self, text: str, *, secrets: bool = False, progress: Progress | None) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._secrets = secrets
        self._progress = progress

    def read(self, frame: Frame) -> None:
        """Put everything that the text holds into a frame.

        Raises:
            TransferError: it is no JSON, or no bundle.

        """
        text = self._text
        check_parts(text)
        problem, position = "", 0
        try:
            self._bundle(frame)
        except _StopError as stop:
            problem, position = str(stop), stop.position
        except json.JSONDecodeError as error:
            problem, position = error.msg.partition(":")[0], error.pos
            problem = problem[:1].lower() + problem[1:]
        except StopIteration as stop:
            problem, position = "expecting value", stop.value
        except RecursionError:
            problem, position = "it is nested too deep", self._at
        # Raised outside the handlers: the parser's error holds the text.
        if problem:
            line = text.count("\n", 0, position) + 1
            column = position - text.rfind("\n", 0, position)
            raise TransferError(f"This is no JSON: {problem}, line {line}, column {column}.")

    def _bundle(self, frame: Frame) -> None:
        for name in self._names(frame):
            if name == "global":
                frame.add(None, self._configs(frame))
            elif name == "organizations":
                more = self._begins(frame, "organizations")
                while more:
                    self._organization(frame)
                    more = self._goes_on()
            else:
                frame.set(name, self._value(), self._place())
        if _BLANKS.match(self._text, self._at).end() != len(self._text):  # type: ignore[union-attr]
            raise _StopError("something follows the bundle", self._at)

    def _organization(self, frame: Frame) -> None:
        place, name, configs = self._place(), None, None
        for field in self._names(frame):
            if field == "configs":
                configs = self._configs(frame)
            elif field == "name":
                name = self._value()
            else:
                frame.unknown(field, "an organization", self._place())
                self._value()
        frame.organization(name, configs, place)

    def _names(self, frame: Frame) -> Iterator[str]:
        """Yield the names of an object; whoever takes one reads on behind its value."""
        text, seen = self._text, set()
        self._blanks()
        if text[self._at : self._at + 1] != "{":
            frame.refuse(f"{self._place()}: there has to be an object in braces.")
        self._at += 1
        self._blanks()
        if text[self._at : self._at + 1] == "}":
            self._at += 1
            return
        while True:
            if text[self._at : self._at + 1] != '"':
                raise _StopError("expecting property name enclosed in double quotes", self._at)
            name, self._at = _scan(text, self._at)
            if name in seen:
                frame.refuse(f"{self._place()}: an object names '{named(name)}' twice.")
            seen.add(name)
            self._blanks()
            if text[self._at : self._at + 1] != ":":
                raise _StopError("expecting ':' delimiter", self._at)
            self._at += 1
            self._blanks()
            yield name
            self._blanks()
            mark = text[self._at : self._at + 1]
            if mark not in (",", "}") or not mark:
                raise _StopError("expecting ',' delimiter", self._at)
            self._at += 1
            if mark == "}":
                return
            self._blanks()

    def _begins(self, frame: Frame, what: str) -> bool:
        """Step into an array; tell whether it has an item."""
        text = self._text
        self._blanks()
        if text[self._at : self._at + 1] != "[":
            frame.refuse(f"{self._place()}: {what} are a list, in brackets.")
        self._at += 1
        self._blanks()
        if text[self._at : self._at + 1] == "]":
            self._at += 1
            return False
        return True

    def _goes_on(self) -> bool:
        """Step over what stands behind an item; tell whether there is another one."""
        found = _NEXT.match(self._text, self._at)
        if found is None:
            raise _StopError("expecting ',' delimiter", self._at)
        self._at = found.end()
        return found.group(1) == ","

    def _configs(self, frame: Frame) -> list[IncomingConfig]:
        configs: list[IncomingConfig] = []
        if not self._begins(frame, "configs"):
            return configs
        text, secrets, progress = self._text, self._secrets, self._progress
        add, count, following = configs.append, text.count, _NEXT.match
        at, line, counted, mark = self._at, self._line, self._counted, ","
        while mark == ",":
            # One line after another, as the place of each is told.
            line += count("\n", counted, at)
            counted = at
            try:
                fields, at = _scan(text, at)
            except RecursionError:
                raise _StopError("it is nested too deep", at) from None
            if type(fields) is dict:
                add(incoming(fields, f"line {line}", secrets=secrets))
            elif isinstance(fields, Wrong):
                add(incoming({"key": fields}, f"line {line}"))
            else:
                frame.refuse(f"line {line}: a config is an object, in braces.")
            found = following(text, at)
            if found is None:
                raise _StopError("expecting ',' delimiter", at)
            mark, at = found[1], found.end()
            if progress is not None and len(configs) % _STEP == 0:
                progress(at, len(text))
        self._at, self._line, self._counted = at, line, counted
        return configs

    def _value(self) -> Any:
        value, self._at = _scan(self._text, self._at)
        return value

    def _blanks(self) -> None:
        self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]

    def _place(self) -> str:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return f"line {self._line}"


class JsonWriter:
    """Writes a bundle as its parts come."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._first = True

    def begin(self, facts: list[tuple[str, Any]]) -> None:
        """Write what stands before the scopes."""
        lines = [f"  {_quoted(name)}: {json.dumps(value)}" for name, value in facts]
        self._put(f"{{\n{_legible(f',{chr(10)}'.join(lines))}".encode())

    def begin_global(self) -> None:
        """Begin the configs of global."""
        self._put(b',\n  "global": [')
        self._first = True

    def end_global(self) -> None:
        """End them."""
        self._put(b"]" if self._first else b"\n  ]")

    def begin_organizations(self) -> None:
        """Begin the organizations."""
        self._put(b',\n  "organizations": [')
        self._some = False

    def begin_organization(self, name: str) -> None:
        """Begin an organization and its configs."""
        comma = "," if self._some else ""
        line = f'{comma}\n    {{"name": {_legible(_quoted(name))}, "configs": ['
        self._put(line.encode())
        self._first = self._some = True

    def config(self, config: ExportedConfig, secret: str | None = None) -> None:
        """Write a config; of a secret the value only where it is given."""
        line = config_line(config, secret)
        self._put(f"{'' if self._first else ','}\n    {line}".encode())
        self._first = False

    def end_organization(self) -> None:
        """End an organization."""
        self._put(b"]}" if self._first else b"\n    ]}")

    def end(self) -> None:
        """End the bundle."""
        self._put(b"\n  ]\n}\n" if self._some else b"]\n}\n")


def config_line(config: ExportedConfig, secret: str | None = None) -> str:
    """Return a config as an object on one line, its fields in their order.

    ``secret`` is the value of a secret, for a file that holds such; else it is null.
    """
    kind = config.type
    if kind is ConfigType.SECRET:
        value = "null" if secret is None else encode_basestring(secret)
    elif kind is ConfigType.SECRET_REF:
        value = encode_basestring(config.refers_to or "")
    else:
        value = config.value or "null"
    line = f'{{"key": "{config.key}", "type": "{kind.value}", "value": {value}'
    if config.description:
        line += f', "description": {encode_basestring(config.description)}'
    if config.integration:
        line += f', "integration": {encode_basestring(config.integration)}'
    if config.rotate_every_days:
        line += f', "rotate_every_days": {config.rotate_every_days}'
    if config.partial_mask:
        line += ', "partial_mask": true'
    return _legible(f"{line}}}")


def _quoted(text: str) -> str:
    return encode_basestring(text)


def _legible(text: str) -> str:
    """Write out what a terminal would obey or hide; that stands in strings alone."""
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(r"[^ -~\n]", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return character if visible(character) == character else json.dumps(character)[1:-1]
