"""What cannot be told does not happen: with a log that cannot be written nothing changes and no
secret is read. And what is told holds no value, of whatever type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.crypto.age_reading import new_identity
from bifrost_tui.errors import BifrostError, DatabaseError
from bifrost_tui.runtime.opened import close, reader
from bifrost_tui.runtime.reader import Purpose
from bifrost_tui.runtime.sdk import Config
from bifrost_tui.store.access import Role
from bifrost_tui.store.audit import INJECT
from bifrost_tui.store.bulk import BulkConfig, write_configs, write_organization
from bifrost_tui.store.incoming import Imported, IncomingConfig, IncomingScope, OnConflict
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.schema import VERSION_TABLE, metadata
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE, Scope
from bifrost_tui.transfer.sealing import read_recipients, to_recipients, write_sealed
from tests.support import (
    ALICE,
    BOB,
    KEY,
    assert_silent,
    by_hand,
    forms,
    make_repository,
    plain,
    secret,
)

pytestmark = pytest.mark.both_engines

VALUES = {
    "string": "zQ1-a-plain-string-nobody-writes",
    "int": "8675309867530912345",
    "json": "zQ2-inside-of-json",
    "secret": "zQ3-a-secret-nobody-else-writes",
    "rotated": "zQ4-its-next-value-nobody-writes",
    "coded": "zQ5-set-by-code-nobody-else-writes",
}
PUBLIC = new_identity()[1]
PURPOSE = Purpose(facts={"execution": "e1"})


class Shop:
    """Two organizations with a config of every type, and members."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.acme = repository.organizations.add(ALICE, "Acme")
        self.bright = repository.organizations.add(ALICE, "Bright")
        for scope in (self.acme, GLOBAL_SCOPE):
            for draft in self.drafts():
                repository.configs.add(ALICE, scope, draft)
        repository.members.add(ALICE, self.acme, "bob", Role.ADMIN)
        repository.configs.add(BOB, self.acme, secret("bobs", VALUES["secret"]))

    @staticmethod
    def drafts(end: str = "") -> list[ConfigDraft]:
        return [
            plain(f"text{end}", VALUES["string"]),
            ConfigDraft(f"number{end}", ConfigType.INT, VALUES["int"]),
            ConfigDraft(f"flag{end}", ConfigType.BOOL, "true"),
            ConfigDraft(f"json{end}", ConfigType.JSON, f'{{"in": ["{VALUES["json"]}"]}}'),
            secret(f"key{end}", VALUES["secret"]),
            secret(f"empty{end}"),
            ConfigDraft(f"ref{end}", ConfigType.SECRET_REF, f"key{end}"),
        ]

    def view(self, key: str, scope: Scope | None = None) -> Any:
        return self.repository.configs.get_key(ALICE, scope or self.acme, key)

    def entered(self) -> Any:
        return secret("any", VALUES["rotated"]).secret

    def others(self) -> list[ConfigDraft]:
        """Return what differs from what is here: plain values, a value to fill in, a new one."""
        return [
            plain("text", VALUES["string"] + "3"),
            secret("empty", VALUES["secret"], description="new"),
            secret("key", VALUES["rotated"]),
        ]

    def importing(self, drafts: list[ConfigDraft], name: str = "Bright") -> Imported:
        """Import into an organization, which is added where it is not there."""
        imports = self.repository.imports
        incoming = IncomingScope(name, [IncomingConfig(draft) for draft in drafts])
        plan = imports.plan(ALICE, [incoming], create_organizations=True, form="encrypted")
        return imports.apply(ALICE, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True)

    def removal(self) -> Any:
        members = self.repository.members
        return members.removal(ALICE, members.find(ALICE, self.acme, "bob"))


Step = Callable[[Shop], object]


def _adding(draft: ConfigDraft) -> Step:
    return lambda shop: shop.repository.configs.add(ALICE, shop.acme, draft)


CHANGES: dict[str, Step] = {
    **{f"add {draft.type.value} {draft.key}": _adding(draft) for draft in Shop.drafts("_new")[:-1]},
    "edit string": lambda s: s.repository.configs.edit(
        ALICE, s.view("text"), plain("text", VALUES["string"] + "2")
    ),
    "edit int": lambda s: s.repository.configs.edit(
        ALICE, s.view("number"), ConfigDraft("number", ConfigType.INT, VALUES["int"] + "7")
    ),
    "edit json": lambda s: s.repository.configs.edit(
        ALICE, s.view("json"), ConfigDraft("json", ConfigType.JSON, f'["{VALUES["json"]}"]')
    ),
    "make a secret of a string": lambda s: s.repository.configs.edit(
        ALICE, s.view("text"), secret("text", VALUES["string"])
    ),
    "rename a secret": lambda s: s.repository.configs.edit(
        ALICE, s.view("key"), secret("key2"), carry_references=True
    ),
    "rotate": lambda s: s.repository.configs.rotate(ALICE, s.view("key"), s.entered()),
    "fill": lambda s: s.repository.configs.rotate(ALICE, s.view("empty"), s.entered()),
    "rotate global": lambda s: s.repository.configs.rotate(
        ALICE, s.view("key", GLOBAL_SCOPE), s.entered()
    ),
    "delete a string": lambda s: s.repository.configs.delete(ALICE, s.view("text")),
    "delete a secret": lambda s: s.repository.configs.delete(ALICE, s.view("key")),
    "write many": lambda s: write_configs(
        s.repository, ALICE, s.bright, [BulkConfig(draft) for draft in s.drafts()[:-1]]
    ),
    "write an organization": lambda s: write_organization(
        s.repository, ALICE, "Written", [BulkConfig(draft) for draft in s.drafts()[:-1]]
    ),
    "add an organization": lambda s: s.repository.organizations.add(ALICE, "New"),
    "rename an organization": lambda s: s.repository.organizations.rename(
        ALICE, s.bright, 1, "Else"
    ),
    "archive": lambda s: s.repository.organizations.archive(ALICE, s.bright, 1),
    "add a member": lambda s: s.repository.members.add(ALICE, ALL_SCOPES, "carol", Role.ADMIN),
    "change a role": lambda s: s.repository.members.change(
        ALICE, s.repository.members.find(ALICE, s.acme, "bob"), Role.OWNER
    ),
    "remove a member": lambda s: s.repository.members.remove(ALICE, s.removal()),
    "remove a member, keeping what was created": lambda s: s.repository.members.remove(
        ALICE, s.removal(), hand_to="alice"
    ),
    "import": lambda s: s.importing(s.drafts("_new")),
    "import over what is here": lambda s: s.importing(s.others(), "Acme"),
    "import another organization": lambda s: s.importing(s.drafts(), "Brought"),
    "export": lambda s: s.repository.exports.portable(
        ALICE, None, lambda export: None, form="portable"
    ),
    "export the log": lambda s: s.repository.log.export(ALICE),
}
READS: dict[str, Step] = {
    "a secret": lambda s: reader().read(s.acme, ["key"], PURPOSE),
    "an inherited secret": lambda s: reader().read(s.bright, ["key"], PURPOSE),
    "through a reference": lambda s: reader().read(s.acme, ["ref"], PURPOSE),
    "several": lambda s: reader().read(s.acme, ["text", "key", "bobs"], PURPOSE),
    "all, for a command": lambda s: reader().read_all(s.acme, Purpose(INJECT)),
    "one without a value": lambda s: reader().read(s.acme, ["empty"], PURPOSE),
    "all, into an encrypted bundle": lambda s: write_sealed(
        s.repository, ALICE, None, to_recipients(read_recipients([PUBLIC])), lambda _: None
    ),
}
CODE: dict[str, Callable[[Config], Any]] = {
    "get": lambda c: c.get("key", scope="Acme"),
    "get with a default": lambda c: c.get("key", "none", scope="Acme"),
    "get many": lambda c: c.get_many(["text", "key"], scope="Acme"),
    "set": lambda c: c.set("coded", VALUES["coded"], scope="Acme"),
    "set a secret": lambda c: c.set("coded", VALUES["coded"], is_secret=True, scope="Acme"),
    "set anew": lambda c: c.set("key", VALUES["coded"], is_secret=True, scope="Acme"),
    "delete": lambda c: c.delete("text", scope="Acme"),
}
UNFILLED = {"all, for a command", "one without a value"}
"""Reads that fail by themselves, which is told too."""


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("BIFROST_SECRET_KEY", KEY)
    monkeypatch.setattr("bifrost_tui.runtime.opened.actor_name", lambda: ALICE.actor)
    with make_repository(home) as repository:
        try:
            yield Shop(repository)
        finally:
            close()


def content(shop: Shop) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: sorted(by_hand(shop.repository, f"SELECT * FROM {name}"), key=repr)
        for name in (*metadata.tables, VERSION_TABLE)
    }


@contextmanager
def untellable(shop: Shop) -> Iterator[None]:
    """Let the log be unwritable; afterwards everything is as it was."""
    before = content(shop)
    by_hand(
        shop.repository,
        "CREATE TRIGGER untellable BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'no');"
        " END",
    )
    try:
        yield
        assert content(shop) == before
    finally:
        by_hand(shop.repository, "DROP TRIGGER untellable")


@pytest.mark.parametrize("name", [*CHANGES, *READS])
def test_a_change_or_a_read_that_cannot_be_told_is_refused(shop: Shop, name: str) -> None:
    step = (CHANGES | READS)[name]
    with untellable(shop), pytest.raises(DatabaseError) as raised:
        step(shop)
    assert_silent(raised.value, VALUES.values())
    told = len(content(shop)["audit_event"])
    if name in UNFILLED:
        with pytest.raises(BifrostError):
            step(shop)
    else:
        step(shop)
    assert len(content(shop)["audit_event"]) > told


@pytest.mark.parametrize("name", CODE)
async def test_code_neither_changes_nor_reads_what_cannot_be_told(shop: Shop, name: str) -> None:
    config = Config()
    with untellable(shop), pytest.raises(DatabaseError) as raised:
        await CODE[name](config)
    assert_silent(raised.value, VALUES.values())
    told = len(content(shop)["audit_event"])
    await CODE[name](config)
    assert len(content(shop)["audit_event"]) > told


async def test_no_event_holds_a_value_of_any_type(shop: Shop) -> None:
    """Every step one after another, as far as it goes; then the log is searched."""
    done = 0
    for step in (*READS.values(), *CHANGES.values(), *READS.values()):
        try:
            step(shop)
            done += 1
        except BifrostError:
            pass  # what an earlier step has taken away
    for ask in CODE.values():
        try:
            await ask(Config())
            done += 1
        except BifrostError:
            pass
    assert done > 30
    rows = content(shop)["audit_event"]
    assert {"config.add", "config.rotate", "secret.read", "secret.inject", "member.remove"} <= {
        row[4] for row in rows
    }
    text = repr(rows).encode()
    for kind, value in VALUES.items():
        for form, data in forms(value).items():
            assert data not in text, f"an event holds the {kind} ({form})"
    assert shop.repository.log.verify(ALICE).broken_at is None
