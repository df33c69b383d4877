"""Reading the JSON that a Bifrost platform exports its configs as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

from bifrost_tui.display import counted, shorten, visible
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingScope
from bifrost_tui.store.uncollected import uncollected
from bifrost_tui.store.values import ConfigType
from bifrost_tui.transfer.platform_key import PlatformKey
from bifrost_tui.transfer.platform_rows import PlatformRow, Tell, incoming_scopes
from bifrost_tui.transfer.platform_values import parse_json
from bifrost_tui.transfer.strict import Wrong, check_parts

VERSION = "1.0"
"""The one version of the platform's export files that there is."""
VERSION_FIELD = "bifrost_export_version"

_FIELDS = frozenset(
    {
        VERSION_FIELD,
        "entity_type",
        "exported_at",
        "contains_encrypted_values",
        "item_count",
        "items",
    }
)
_OF_ITEMS = frozenset(
    {
        "key",
        "value",
        "config_type",
        "description",
        "organization_id",
        "organization_name",
        "integration_name",
    }
)
_START = 64 * 1024
_MOST_ITEMS = 1_000_000


def is_platform_export(data: bytes) -> bool:
    """Tell whether a file is one that a platform exported, by what stands at its beginning."""
    start = data[:_START].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"{") and b'"bifrost_export_version"' in start


def read_platform(
    data: bytes,
    key: PlatformKey | None = None,
    *,
    prefixed: bool = False,
    named: bool = False,
    tell: Tell | None = None,
) -> list[IncomingScope]:
    """Return the configs of a platform's export, the secrets opened with the platform's key.

    What is wrong with one config stands in its ``problem``. ``prefixed`` puts the integration
    before the keys that belong to one. ``named`` says that the caller names the organization that
    all of it goes into, so that the file need not. ``tell`` is given sentences about the file: what
    is not taken from it, and once for all what the key does not open.

    Raises:
        TransferError: it is no such file, or there are secrets and no key.

    """
    tell = tell or (lambda _sentence: None)
    with uncollected():
        text = _text(data)
        check_parts(text)
        parsed = _object(parse_json(text), "The file")
        items = _checked_head(parsed)
        rows, unknown = [], Counter[str]()
        for number, item in enumerate(items, 1):
            place = f"item {number}"
            fields = _object(item, f"The {place}")
            if not fields.keys() <= _OF_ITEMS:
                unknown.update(fields.keys() - _OF_ITEMS)
            rows.append(_row(fields, place, named=named))
        _unwrap(rows)
        _tell_unknown(parsed, unknown, tell)
        encrypted = parsed.get("contains_encrypted_values", False) is True
        return incoming_scopes(rows, key, encrypted=encrypted, prefixed=prefixed, tell=tell)


def _tell_unknown(parsed: Mapping[str, Any], unknown: Mapping[str, int], tell: Tell) -> None:
    """Say which fields are not taken."""
    for name in sorted(parsed.keys() - _FIELDS):
        tell(f"The field {_shown(name)} of the file is not taken: it is not known here.")
    for name, number in sorted(unknown.items()):
        tell(
            f"The field {_shown(name)} of {counted(number, 'config')} is not taken: it is not known"
            " here."
        )


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    # Raised outside the handler: the decoder's error holds the file.
    raise TransferError("The file is not UTF-8 text.")


def _object(value: object, what: str) -> Mapping[str, Any]:
    if isinstance(value, Wrong):
        raise TransferError(f"{what} cannot be read: {value.why}")
    if not isinstance(value, dict):
        raise TransferError(f"{what} is no JSON object.")
    return value


def _checked_head(parsed: Mapping[str, Any]) -> list[Any]:
    """Return the items of a file of the one kind and version that is understood."""
    problems = []
    version = parsed.get(VERSION_FIELD)
    if version is None:
        problems.append(f"The file has no {VERSION_FIELD}: it is no export of a platform.")
    elif version != VERSION:
        told = f" ({_shown(version)})" if isinstance(version, str) else ""
        problems.append(
            f"The file is of another version of the platform's exports{told}; {VERSION} is the one"
            " that is understood here."
        )
    entity = parsed.get("entity_type")
    if entity != "configs":
        told = f"{_shown(entity)}, not configs" if isinstance(entity, str) else "no configs"
        problems.append(f"The file holds {told}.")
    if not isinstance(parsed.get("contains_encrypted_values", False), bool):
        problems.append("contains_encrypted_values is neither true nor false.")
    given = parsed.get("items")
    items: list[Any] = given if isinstance(given, list) else []
    if not isinstance(given, list):
        problems.append("The file has no list of items.")
    elif len(items) > _MOST_ITEMS:
        problems.append(f"The file has more than {_MOST_ITEMS:,} items.")
    # Files made before there was a count, or by hand, say 0 or nothing.
    elif (count := parsed.get("item_count")) and count != len(items):
        problems.append(
            f"The file says another number of items than it has ({len(items):,}): it is not whole."
        )
    if problems:
        raise TransferError(problems[0], tuple(problems))
    return items


def _row(fields: Mapping[str, Any], place: str, *, named: bool) -> PlatformRow:
    """Return an item of the file; a field of a wrong type is a problem of that config."""
    get = fields.get
    key, kind, description = get("key"), get("config_type"), get("description")
    organization, identity = get("organization_name"), get("organization_id")
    integration, value = get("integration_name"), get("value", _NOTHING)
    usual = (
        (type(key), type(kind)) == (str, str)
        and (type(description), type(integration)) in _TEXTS
        and (type(organization), type(identity)) in _BOTH_OR_NONE
        and value is not _NOTHING
    )
    # Without half characters too, which no database takes.
    if usual and key and kind and (organization is None or _is_name(organization)):
        return PlatformRow(
            key, kind, value, description or "", organization, identity, integration or None, place
        )
    return _odd_row(fields, place, named=named)


def _is_name(text: str) -> bool:
    return text.isprintable() and bool(text.strip())


_NOTHING = object()
_TEXTS = frozenset(product((str, type(None)), repeat=2))
_BOTH_OR_NONE = frozenset({(str, str), (type(None), type(None))})


def _odd_row(fields: Mapping[str, Any], place: str, *, named: bool) -> PlatformRow:
    """Return an item that is not as a platform writes it, with what is wrong with it."""
    problems: list[str] = []

    def text(name: str, *, needed: bool = False) -> str | None:
        value = fields.get(name)
        if isinstance(value, str) and (value.strip() or not needed):
            return value
        if value is not None or needed:
            problems.append(f"{name} is no text." if value is not None else f"It has no {name}.")
        return None

    row = PlatformRow(
        key=text("key", needed=True) or "",
        type=text("config_type", needed=True) or "string",
        value=fields.get("value"),
        description=text("description") or "",
        organization=text("organization_name"),
        organization_id=text("organization_id"),
        integration=text("integration_name") or None,
        place=place,
    )
    if "value" not in fields:
        problems.append("It has no value.")
    # Only what names no organization at all is global.
    given = [fields.get("organization_id"), fields.get("organization_name")]
    if given != [None, None] and not (row.organization or "").strip():
        row.organization = None
        row.organization_id = row.organization_id or "an organization without a name"
        if not named:
            problems.append(
                "It belongs to an organization that the file does not name: say which one it is,"
                " with --from ID --org NAME."
            )
    elif row.organization is not None and not row.organization.isprintable():
        row.organization = visible(row.organization)
        problems.append("The name of its organization holds what cannot be seen.")
    row.problems = tuple(problems)
    return row


def _unwrap(rows: list[PlatformRow]) -> None:
    """Take values out of the ``{"value": …}`` that a platform keeps them in.

    JSON may look like that itself, so the other configs say whether the file wraps its values;
    where there are none, all have to look so.
    """
    telling = [row for row in rows if row.kind is not ConfigType.JSON and row.value is not None]
    if any(map(_is_wrapped, telling)) if telling else all(map(_is_wrapped, rows)):
        for row in filter(_is_wrapped, rows):
            row.value = row.value["value"]


def _is_wrapped(row: PlatformRow) -> bool:
    return isinstance(row.value, dict) and row.value.keys() == {"value"}


def _shown(name: str) -> str:
    return shorten(visible(name), 60)
