"""Writing the portable bundle as YAML, so that every reader of YAML reads the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml
from yaml import events

from bifrost_tui.display import visible
from bifrost_tui.store.values import ConfigType

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import ExportedConfig

# Without libyaml the library writes the same, slowly.
_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


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
