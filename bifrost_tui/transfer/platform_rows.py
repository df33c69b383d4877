"""Configs of a Bifrost platform, from whichever source: what of ours they become.

Nothing is guessed and nothing falls open to global: what cannot be taken as it stands becomes a
:attr:`~bifrost_tui.store.incoming.IncomingConfig.problem` with every reason in it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bifrost_tui.display import counted, shorten, some_of, visible
from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.drafts import checked_draft
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, Untold
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.transfer.platform_key import (
    KEY_VARIABLE,
    PlatformKey,
    StoredSecretError,
    looks_stored,
)
from bifrost_tui.transfer.platform_values import RefusedError, kind_of, plain_text, stand_in

Tell = Callable[[str], None]
"""Takes a sentence about what was read, for people."""

_Whose = tuple[str | None, str | None]

_TYPES = {
    kind.value: kind
    for kind in (
        ConfigType.STRING,
        ConfigType.INT,
        ConfigType.BOOL,
        ConfigType.JSON,
        ConfigType.SECRET,
    )
}
"""How many configs a sentence names."""
_LONGEST_KEY = 255
_USUAL_KEY = re.compile(r"[A-Za-z0-9_]{1,255}").fullmatch
_UNTOLD = frozenset((Untold.PERIOD, Untold.MASK))


_NO_PROBLEMS: tuple[str, ...] = ()


@dataclass(slots=True, repr=False)
class PlatformRow:
    """A config as the platform keeps it, its value parsed and unwrapped."""

    key: str
    type: str
    value: Any
    description: str = ""
    organization: str | None = None
    organization_id: str | None = None
    """With neither this nor a name, it is global."""
    integration: str | None = None
    place: str = ""
    problems: tuple[str, ...] = _NO_PROBLEMS
    kind: ConfigType | None = field(init=False)
    """Its type in our words; ``None`` where there is none."""

    def __post_init__(self) -> None:
        self.kind = _TYPES.get(self.type) or _TYPES.get(self.type.strip().lower())

    def refuse(self, problem: str) -> None:
        """Add what is wrong with it."""
        self.problems += (problem,)

    def __repr__(self) -> str:
        return f"<PlatformRow {self.key!r}>"

    @property
    def told(self) -> str:
        """Its key and where it belongs, for messages."""
        scope = "global" if self.organization is None else self.organization
        return f"{shorten(visible(self.key), 60)} ({shorten(visible(scope), 60)})"


def incoming_scopes(
    rows: Sequence[PlatformRow],
    key: PlatformKey | None,
    *,
    encrypted: bool = True,
    prefixed: bool = False,
    tell: Tell | None = None,
    organizations: Sequence[tuple[str | None, str]] = (),
) -> list[IncomingScope]:
    """Return a platform's configs as an import takes them, secrets opened with its key.

    ``encrypted`` says that secrets are stored as the platform stores them; otherwise one that does
    not look so is taken as it stands. ``prefixed`` puts the integration before the keys that
    belong to one. ``organizations`` are (id, name) of those that come even without a config.

    Raises:
        TransferError: there are secrets to open, and no key.

    """
    tell = tell or (lambda _sentence: None)
    _need_key(rows, key)
    if prefixed:
        for row in rows:
            row.key = _prefixed(row)
    _tidy_descriptions(rows, tell)
    secrets = _open_secrets(rows, key, encrypted=encrypted, tell=tell)
    scopes: list[IncomingScope] = []
    for (name, identity), group in _grouped(rows, organizations).items():
        _find_collisions(group, prefixed=prefixed)
        configs = [_incoming(row, secrets.get(id(row))) for row in group]
        scopes.append(IncomingScope(_scope_name(name, identity), configs))
    return scopes


def _incoming(row: PlatformRow, secret: EnteredSecret | None) -> IncomingConfig:
    """Return a row as an import takes it, with all that is wrong with it."""
    kind, value = _draft(row)
    draft = ConfigDraft(_shown_key(row.key), kind, value, secret, row.integration, row.description)
    if row.problems or draft.key != row.key:
        _look_closer(row, draft)
    return IncomingConfig(draft, row.place, " ".join(row.problems), _UNTOLD)


def _need_key(rows: Sequence[PlatformRow], key: PlatformKey | None) -> None:
    if key is not None:
        return
    if number := sum(map(_is_stored, rows)):
        raise TransferError(
            f"{counted(number, 'secret')} cannot be opened without the key of the platform. Set"
            f" {KEY_VARIABLE}, or name a file that holds it with --source-key-file. Nothing was"
            " imported."
        )


def _is_stored(row: PlatformRow) -> bool:
    """Tell whether a row is a secret whose value has to be opened."""
    if row.kind is not ConfigType.SECRET or not isinstance(row.value, str):
        return False
    return looks_stored(row.value)


def _prefixed(row: PlatformRow) -> str:
    if not row.integration:
        return row.key
    prefix = re.sub(r"[^a-z0-9]+", "_", row.integration.lower()).strip("_")
    return f"{prefix}_{row.key}" if prefix else row.key


# Values


def _draft(row: PlatformRow) -> tuple[ConfigType, str | None]:
    """Return the type of a row and its plain value as text; what is wrong goes into the row."""
    kind = row.kind
    if kind is None:
        row.refuse(
            f"The type {shorten(visible(row.type), 40)!r} is none of string, int, bool, json and"
            " secret."
        )
        return ConfigType.STRING, ""
    if kind is ConfigType.SECRET:
        return kind, None
    if kind is ConfigType.STRING and type(row.value) is str:
        return kind, row.value
    try:
        return kind, plain_text(kind, row.value)
    except RefusedError as error:
        row.refuse(f"The value does not fit the type {kind}. {error}")
    return kind, stand_in(kind)


# Secrets


def _open_secrets(
    rows: Sequence[PlatformRow], key: PlatformKey | None, *, encrypted: bool, tell: Tell
) -> dict[int, EnteredSecret | None]:
    """Return the value of each row that is a secret and has one, by the row's identity."""
    opened: dict[int, EnteredSecret | None] = {}
    closed: list[PlatformRow] = []
    tried = 0
    for row in rows:
        if row.kind is not ConfigType.SECRET or row.value in (None, ""):
            continue
        try:
            if key is not None and _is_stored(row):
                tried += 1
                opened[id(row)] = key.opened(row.value)
            else:
                opened[id(row)] = _bare(row, encrypted=encrypted)
        except StoredSecretError:
            closed.append(row)
        except InvalidInputError as error:
            row.refuse(error.message)
    if closed:
        _tell_closed(closed, tried, tell)
    return opened


def _bare(row: PlatformRow, *, encrypted: bool) -> EnteredSecret | None:
    """Return the value of a secret that is not stored as a platform stores secrets."""
    if not isinstance(row.value, str):
        row.refuse(f"The secret is {kind_of(row.value)}, no text.")
        return None
    if encrypted:
        row.refuse("The secret is not encrypted as a platform encrypts secrets.")
        return None
    return EnteredSecret(row.value)


def _tell_closed(closed: Sequence[PlatformRow], tried: int, tell: Tell) -> None:
    """Say once which secrets the key does not open; each of them is refused."""
    all_of_them = len(closed) == tried
    why = "it is not the key they were stored under" if all_of_them else "these are damaged"
    if not all_of_them:
        why += ", or were stored under another key"
    names = some_of([row.told for row in closed])
    tell(f"The key does not open {len(closed):,} of {tried:,} secrets: {why}. {names}.")
    for row in closed:
        row.refuse("The platform's key does not open this secret.")


# Keys and scopes


def _shown_key(key: str) -> str:
    return key if _USUAL_KEY(key) else visible(key)[:_LONGEST_KEY]


def _grouped(
    rows: Sequence[PlatformRow], organizations: Sequence[tuple[str | None, str]]
) -> dict[_Whose, list[PlatformRow]]:
    """Return the rows by the name and the id of their organization.

    One that has only the name goes with those that have an id as well. Organizations of one name
    stay apart, and nothing of theirs is taken.
    """
    groups: dict[_Whose, list[PlatformRow]] = {(name, found): [] for found, name in organizations}
    for row in rows:
        whose = row.organization, row.organization_id
        if (group := groups.get(whose)) is None:
            group = groups[whose] = []
        group.append(row)
    identities: dict[str, list[str]] = defaultdict(list)
    for name, identity in groups:
        if name is not None and identity is not None:
            identities[name].append(identity)
    for name, found in identities.items():
        if nameless := groups.pop((name, None), None):
            groups[name, found[0]] += nameless
        if len(found) > 1:
            for row in (row for identity in found for row in groups[name, identity]):
                row.refuse("The platform has several organizations of this name: rename one there.")
    return groups


def _scope_name(name: str | None, identity: str | None) -> str | None:
    """Return the organization's name; its id where it has none, for it is not global."""
    return name if name is not None or identity is None else visible(identity)[:100]


def _find_collisions(rows: Sequence[PlatformRow], *, prefixed: bool) -> None:
    """Refuse rows of a scope that have one key: a platform has it unique in each integration."""
    if len({row.key for row in rows}) == len(rows):
        return
    found: dict[str, list[PlatformRow]] = defaultdict(list)
    for row in rows:
        found[row.key].append(row)
    for same in found.values():
        if len(same) == 1:
            continue
        names = sorted({row.integration or "" for row in same})
        if len(names) < len(same):
            problem = f"The key is there {len(same)} times."
        else:
            shown = " and ".join(shorten(visible(name), 60) or "no integration" for name in names)
            problem = f"The key is there for {shown}, and a key is unique here"
            problem += "." if prefixed else ": --integration-prefix puts the integration before it."
        for row in same:
            row.refuse(problem)


def _tidy_descriptions(rows: Sequence[PlatformRow], tell: Tell) -> None:
    """Put descriptions on one line; a platform lets them have several."""
    changed = 0
    for row in rows:
        if not row.description.isprintable():
            tidy = re.sub(r"[ \t]*[\r\n\t]+[ \t]*", " ", row.description)
            changed += tidy != row.description
            row.description = tidy
    if changed:
        tell(f"{counted(changed, 'description')} had several lines, which are put on one.")


def _look_closer(row: PlatformRow, draft: ConfigDraft) -> None:
    """Add what else is wrong with a config, so that every reason is told at once."""
    # With a value of its own: what is wrong with this one is said already.
    other = ConfigDraft(
        row.key,
        ConfigType.STRING,
        value="",
        integration=draft.integration,
        description=draft.description,
    )
    try:
        checked_draft(other)
    except InvalidInputError as error:
        row.refuse(error.message)
