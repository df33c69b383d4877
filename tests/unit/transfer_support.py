"""Bundles for tests: random content, and what stands in for an export of a database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import strategies as st

from bifrost_tui.display import visible
from bifrost_tui.store.exporting import Export, ExportedConfig, ExportedScope
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope
from bifrost_tui.store.values import ConfigType, canonical
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from bifrost_tui.transfer.portable import read_portable, write_portable

Bundle = list[tuple[str | None, list[ExportedConfig]]]
"""Configs by scope: ``None`` is global, which comes first."""

ODD_TEXTS = (
    *("", " ", "no", "Yes", "on", "null", "~", "true", "5", "-7", "0x1F", "0o17", "017", "1_000"),
    *("1.5", "1e5", ".5", "5.", ".inf", "-.INF", ".nan", "1:30", "12:30:45", "2026-03-01", "="),
    *("<<", "- a", "? a", "a: b", "a:", ": a", "#a", "a #b", "&a", "*a", "!a", "!!str a", "%a"),
    *(
        "@a",
        "`a`",
        "'",
        '"',
        "it's",
        "|",
        ">",
        "[",
        "]",
        "{",
        "}",
        "[]",
        "{}",
        "---",
        "...",
        "--- a",
    ),
    *(
        "a\nb",
        "a\nb\n",
        "\n",
        "\n\na",
        "a\n\n",
        " a",
        "a ",
        "a \nb",
        " a\n b",
        "a\n  b\nc\n",
        "\ta",
    ),
    *("a\tb", "a\r\nb", "a\rb", "\x85", "a\x85b", "\u2028", "a\u2029b\n", "\ufeff", "\ufeffa"),
    *(
        "\x1b[31m",
        "\x07",
        "\x7f",
        "\x9b1m",
        "\u202e",
        "\u200b",
        "é",
        "日本",
        "😀",
        "\U000e0041",
        "\ufffe",
    ),
    *("a" * 200, "a b " * 60, "x\n" * 90, "\\", "\\n", "a\\", '\\"', "[bold]a[/]", "\x01" * 3),
)

texts = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.text(st.sampled_from("ab \n\t:#-'\"\\{}[],&*!|>%@`\x85\u2028é"), max_size=30),
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(ODD_TEXTS)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**60, 10**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
keys = st.text(st.sampled_from("ABCabc_019"), min_size=1, max_size=12)
lines = texts.map(lambda text: visible(text).strip()[:100])


@st.composite
def configs(draw: st.DrawFn) -> ExportedConfig:
    kind = draw(st.sampled_from(ConfigType))
    value = refers_to = days = None
    mask = False
    match kind:
        case ConfigType.STRING:
            value = canonical(kind, draw(texts))
        case ConfigType.INT:
            value = canonical(kind, str(draw(st.integers() | st.integers(10**80, 10**90))))
        case ConfigType.BOOL:
            value = draw(st.sampled_from(("true", "false")))
        case ConfigType.JSON:
            value = canonical(kind, json.dumps(draw(json_values)))
        case ConfigType.SECRET:
            days = draw(st.none() | st.integers(1, 36500))
            mask = draw(st.booleans())
        case ConfigType.SECRET_REF:
            refers_to = draw(keys)
    return ExportedConfig(
        key=draw(keys),
        type=kind,
        value=value,
        refers_to=refers_to,
        integration=draw(st.none() | lines.filter(bool)),
        description=draw(lines),
        rotate_every_days=days,
        partial_mask=mask,
        needs_value=False,
    )


scopes = st.lists(configs(), max_size=6)
organizations = st.lists(
    st.tuples(lines.map(str.strip).filter(bool), scopes), max_size=3, unique_by=lambda pair: pair[0]
)


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    inherited: Bundle = [(None, draw(scopes))] if draw(st.booleans()) else []
    return inherited + list(draw(organizations))


@dataclass(frozen=True)
class _Standing:
    """Stands in for an export."""

    bundle: Bundle

    @property
    def scopes(self) -> tuple[ExportedScope, ...]:
        return tuple(
            ExportedScope(_scope(number, name), len(found))
            for number, (name, found) in enumerate(self.bundle)
        )

    @property
    def total(self) -> int:
        return sum(len(found) for _, found in self.bundle)

    def rows(self, scope: Scope) -> Iterator[ExportedConfig]:
        number = next(at for at, each in enumerate(self.scopes) if each.scope.id == scope.id)
        return iter(self.bundle[number][1])


def _scope(number: int, name: str | None) -> Scope:
    return GLOBAL_SCOPE if name is None else Scope(f"{number:032x}", name)


def export_of(bundle: Bundle) -> Export:
    return cast("Export", _Standing(bundle))


def written(bundle: Bundle, *, yaml: bool = False) -> bytes:
    """Return a bundle as a file."""
    data = bytearray()
    write_portable(export_of(bundle), data.extend, yaml=yaml)
    return bytes(data)


def facts(scope: IncomingScope) -> tuple[str | None, list[tuple[Any, ...]]]:
    """Return all that was read of a scope."""
    return scope.organization, [_facts(config) for config in scope.configs]


def _facts(config: IncomingConfig) -> tuple[Any, ...]:
    draft = config.draft
    assert config.problem == "", config.problem
    assert draft.secret is None
    value = draft.value
    if draft.type not in (ConfigType.SECRET, ConfigType.SECRET_REF):
        value = canonical(draft.type, value or "")
    return (
        *(draft.key, draft.type, value, draft.integration, draft.description),
        *(draft.rotate_every_days, draft.partial_mask),
    )


def expected(bundle: Bundle) -> list[tuple[str | None, list[tuple[Any, ...]]]]:
    """Return what reading a bundle has to give."""
    return [
        (
            name,
            [
                (
                    *(one.key, one.type, one.value if one.refers_to is None else one.refers_to),
                    *(one.integration, one.description, one.rotate_every_days, one.partial_mask),
                )
                for one in found
            ],
        )
        for name, found in bundle
    ]


def read_problems(data: bytes, name: str = "") -> list[str]:
    """Return what is wrong with single configs of a file."""
    found: Sequence[IncomingScope] = read_portable(data, name)
    return [config.problem for scope in found for config in scope.configs]
