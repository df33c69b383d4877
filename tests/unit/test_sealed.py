"""The encrypted bundle: what goes in comes out elsewhere, each secret told, nothing beside it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto import age_writing
from bifrost_tui.crypto.age_reading import new_identity, read_identities, read_recipients
from bifrost_tui.crypto.age_writing import PassphraseLock
from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    DatabaseError,
    InvalidInputError,
    OrganizationNotFoundError,
    TransferError,
)
from bifrost_tui.runtime.exporting import Opened, OpenedConfig, check_owner
from bifrost_tui.store.access import Role
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.entered import VALUE_LIMIT, EnteredSecret, same_entered
from bifrost_tui.store.exporting import ExportedScope
from bifrost_tui.store.incoming import IncomingScope, Verdict
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE, Scope
from bifrost_tui.transfer import sealing
from bifrost_tui.transfer.sealed import LockedBy, is_sealed, locked_by, read_sealed
from bifrost_tui.transfer.sealing import (
    BundleLock,
    WrittenBundle,
    to_recipients,
    under_passphrase,
    write_sealed,
)
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    events,
    make_repository,
    opened,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

WORDS = "zQ0-planted-correct-horse"
PASSPHRASE = EnteredSecret(WORDS)
ONE, PEM, ODD, CYRILLIC = planted()
PLANTED = [*planted(), WORDS]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a guess take no time."""
    monkeypatch.setattr(age_writing, "WORK_FACTOR", 4)


@pytest.fixture
def shop(repository: Repository) -> Repository:
    """Configs of every type, in global and in two organizations."""
    add = repository.configs.add
    add(ALICE, GLOBAL_SCOPE, secret("shared", ONE, integration="slack", description="of all"))
    add(ALICE, GLOBAL_SCOPE, plain("region", "eu"))
    zed = repository.organizations.add(ALICE, "Zed")
    acme = repository.organizations.add(ALICE, "acme")
    add(ALICE, acme, secret("tls", PEM, rotate_every_days=90))
    add(ALICE, acme, secret("odd", ODD, partial_mask=True))
    add(ALICE, acme, secret("empty", rotate_every_days=30))
    add(ALICE, acme, ConfigDraft("ref", ConfigType.SECRET_REF, "tls"))
    add(ALICE, acme, ConfigDraft("json", ConfigType.JSON, '{"b": [1, null], "a": 2.5}'))
    add(ALICE, acme, ConfigDraft("port", ConfigType.INT, "8443"))
    add(ALICE, acme, ConfigDraft("on", ConfigType.BOOL, "true"))
    add(ALICE, zed, secret("shared", CYRILLIC))
    return repository


BUNDLE = {
    "global": [
        {"key": "region", "type": "string", "value": "eu"},
        {
            "key": "shared",
            "type": "secret",
            "value": ONE,
            "description": "of all",
            "integration": "slack",
        },
    ],
    "organizations": [
        {
            "name": "acme",
            "configs": [
                {"key": "empty", "type": "secret", "value": None, "rotate_every_days": 30},
                {"key": "json", "type": "json", "value": {"b": [1, None], "a": 2.5}},
                {"key": "odd", "type": "secret", "value": ODD, "partial_mask": True},
                {"key": "on", "type": "bool", "value": True},
                {"key": "port", "type": "int", "value": 8443},
                {"key": "ref", "type": "secret_ref", "value": "tls"},
                {"key": "tls", "type": "secret", "value": PEM, "rotate_every_days": 90},
            ],
        },
        {"name": "Zed", "configs": [{"key": "shared", "type": "secret", "value": CYRILLIC}]},
    ],
}


def scope(repository: Repository, name: str, access: Access = ALICE) -> Scope:
    return repository.organizations.find(access, name)


def written(
    repository: Repository,
    scopes: Sequence[Scope] | None = None,
    *,
    access: Access = ALICE,
    lock: BundleLock | None = None,
    **more: Any,
) -> tuple[bytes, WrittenBundle]:
    found: list[bytes] = []
    lock = lock or under_passphrase(PASSPHRASE)
    made = write_sealed(repository, access, scopes, lock, found.append, **more)
    return b"".join(found), made


def text_of(data: bytes) -> bytes:
    return bytes(pyrage.passphrase.decrypt(data, WORDS))


def read(data: bytes, passphrase: EnteredSecret | None = PASSPHRASE) -> list[IncomingScope]:
    return read_sealed(data, passphrase=passphrase)


def told(repository: Repository, *, but: int = 0) -> list[tuple[Any, ...]]:
    return events(repository)[but:]


@contextmanager
def refused(kind: type[BifrostError], match: str) -> Iterator[None]:
    """Expect an error that holds no value, nor do the frames that it comes through."""
    with pytest.raises(kind, match=match) as caught:
        yield
    assert_silent(caught.value, PLANTED)
    assert_no_frame_holds(caught.value, PLANTED)


def assert_no_frame_holds(error: BaseException | None, values: Sequence[str]) -> None:
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if "/tests/" not in frame.f_code.co_filename:
                held = repr(list(frame.f_locals.values()))
                for value in values:
                    assert value not in held, frame
                    assert repr(value)[1:-1] not in held, frame
            traceback = traceback.tb_next
        error = error.__context__


# What is written


def test_all_is_in_it_and_only_the_passphrase_opens_it(shop: Repository, home: Path) -> None:
    data, made = written(shop)
    found = json.loads(text_of(data))
    assert found.pop("bifrost_tui_bundle") == 1
    assert found.pop("program").startswith("bifrost-tui ")
    assert found == BUNDLE
    assert made == WrittenBundle(scopes=3, configs=10, secrets=4, empty=1, left_out=())
    assert is_sealed(data)
    assert locked_by(data) is LockedBy.PASSPHRASE
    (home / "bundle").write_bytes(data)
    assert_nowhere(PLANTED, [home])


def test_each_secret_is_told_and_each_scope(shop: Repository) -> None:
    before = len(told(shop))
    written(shop, [scope(shop, "Zed"), scope(shop, "Acme"), GLOBAL_SCOPE, scope(shop, "zed")])
    assert told(shop, but=before) == [
        ("secret.export", "Global", "shared", "done"),
        ("config.export", "Global", None, "done"),
        ("secret.export", "acme", "odd", "done"),
        ("secret.export", "acme", "tls", "done"),
        ("config.export", "acme", None, "done"),
        ("secret.export", "Zed", "shared", "done"),
        ("config.export", "Zed", None, "done"),
    ]
    [(details,)] = by_hand(
        shop,
        "SELECT details FROM audit_event WHERE organization = 'acme' AND key IS NULL"
        " AND action = 'config.export'",
    )
    assert json.loads(details) == {"count": 7, "form": "encrypted", "to": "a passphrase"}
    assert shop.log.verify(ALICE).broken_at is None


def test_the_log_says_to_which_keys(shop: Repository) -> None:
    secret_key, public = new_identity()
    lock = to_recipients(read_recipients([public]))
    data, _ = written(shop, [scope(shop, "Zed")], lock=lock)
    details = by_hand(shop, "SELECT details FROM audit_event ORDER BY sequence DESC LIMIT 1")
    assert json.loads(details[0][0])["to"] == public
    assert locked_by(data) is LockedBy.KEYS
    [one] = read_sealed(data, identities=read_identities(secret_key.encode()))
    assert one.organization == "Zed"


def test_the_same_content_is_the_same_text(shop: Repository) -> None:
    one, other = written(shop)[0], written(shop)[0]
    assert one != other
    assert text_of(one) == text_of(other)


def test_an_empty_database_is_a_bundle(repository: Repository) -> None:
    data, made = written(repository)
    assert (made.scopes, made.configs) == (1, 0)
    assert [one.configs for one in read(data)] == [[]]


def test_many_are_read_and_told_in_batches(repository: Repository) -> None:
    acme = repository.organizations.add(ALICE, "Acme")
    many = [BulkConfig(plain(f"a{number}")) for number in range(2500)]
    write_configs(repository, ALICE, acme, [*many, BulkConfig(secret("k", ONE))])
    steps: list[tuple[int, int]] = []
    data, made = written(repository, [acme], progress=lambda *step: steps.append(step))
    assert steps == [(1000, 2501), (2000, 2501), (2501, 2501)]
    assert made.configs == 2501
    assert len(json.loads(text_of(data))["organizations"][0]["configs"]) == 2501


# Who may


def test_it_is_for_owners(shop: Repository) -> None:
    acme, zed = scope(shop, "acme"), scope(shop, "Zed")
    shop.members.add(ALICE, ALL_SCOPES, "bob", Role.ADMIN)
    shop.members.add(ALICE, acme, "carol", Role.OWNER)
    shop.members.add(ALICE, acme, "dave", Role.ADMIN)
    shop.members.add(ALICE, acme, "erin", Role.MEMBER)
    dave, erin, fred = (Access(name, "local") for name in ("dave", "erin", "fred"))
    for access, wanted in (
        (BOB, None),
        (BOB, [GLOBAL_SCOPE]),
        (BOB, [acme]),
        (CAROL, None),
        (CAROL, [GLOBAL_SCOPE]),
        (CAROL, [acme, GLOBAL_SCOPE]),
        (dave, [acme]),
        (erin, [acme]),
        (fred, None),
    ):
        for attempt in (
            lambda a, w: written(shop, w, access=a),
            lambda a, w: check_owner(shop, a, w),
        ):
            before = len(told(shop))
            with refused(AccessDeniedError, "owner|global"):
                attempt(access, wanted)
            [(action, _, key, outcome)] = told(shop, but=before)
            assert (action, key, outcome) == ("config.export", None, "refused")
    for access, wanted in ((CAROL, [zed]), (CAROL, [acme, zed]), (fred, [acme])):
        with refused(OrganizationNotFoundError, "There is no organization"):
            written(shop, wanted, access=access)
    check_owner(shop, CAROL, [acme])
    assert written(shop, [acme], access=CAROL)[1].secrets == 2
    assert not any(
        outcome == "done" and action == "secret.export" and where != "acme"
        for action, where, _, outcome in told(shop)
    )


def test_it_is_not_for_a_forced_command(shop: Repository) -> None:
    confined = replace(ALICE, confined=True)
    for attempt in (written, lambda r, **k: check_owner(r, scopes=None, **k)):
        before = len(told(shop))
        with refused(AccessDeniedError, "forced command"):
            attempt(shop, access=confined)
        assert told(shop, but=before) == [("config.export", None, None, "refused")]


def test_archived_organizations_are_left_out_and_said(shop: Repository) -> None:
    shop.organizations.archive(ALICE, scope(shop, "Zed"), 1)
    data, made = written(shop)
    assert made.left_out == ("Zed",)
    assert [one["name"] for one in json.loads(text_of(data))["organizations"]] == ["acme"]
    with refused(AccessDeniedError, "archived"):
        written(shop, [scope(shop, "Zed")])


# What is in the way


def test_every_secret_that_does_not_open_is_named_and_nothing_leaves(shop: Repository) -> None:
    by_hand(shop, "UPDATE config SET secret = 'gAAAAA' || substr(secret, 7) WHERE key = 'shared'")
    by_hand(shop, "UPDATE config SET key_id = 'deadbeef' WHERE key = 'tls'")
    by_hand(
        shop,
        "UPDATE config SET secret = (SELECT secret FROM config WHERE key = 'tls')"
        " WHERE key = 'odd'",
    )
    by_hand(shop, "UPDATE config SET secret_version = 7 WHERE key = 'shared'")
    before = len(told(shop))
    found: list[bytes] = []
    with pytest.raises(TransferError) as caught:
        write_sealed(shop, ALICE, None, under_passphrase(PASSPHRASE), found.append)
    assert_silent(caught.value, PLANTED)
    assert_no_frame_holds(caught.value, PLANTED)
    assert found == []
    assert caught.value.message.startswith("4 secrets cannot be exported, so nothing was.")
    assert [problem.partition(" does not decrypt")[0] for problem in caught.value.problems] == [
        *("shared in Global", "odd in acme", "tls in acme", "shared in Zed")
    ]
    assert "master key deadbeef, which is not at hand" in caught.value.problems[2]
    assert told(shop, but=before) == [
        ("secret.export", "Global", "shared", "failed"),
        ("secret.export", "acme", "odd", "failed"),
        ("secret.export", "acme", "tls", "failed"),
        ("secret.export", "Zed", "shared", "failed"),
    ]


@pytest.mark.parametrize("which", ["passphrase", "keys"])
def test_what_cannot_be_told_does_not_leave(shop: Repository, which: str) -> None:
    lock = to_recipients(read_recipients([new_identity()[1]])) if which == "keys" else None
    by_hand(
        shop,
        "CREATE TRIGGER untellable BEFORE INSERT ON audit_event WHEN NEW.key = 'tls'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    before = told(shop)
    found: list[bytes] = []
    with refused(DatabaseError, "refused"):
        write_sealed(shop, ALICE, None, lock or under_passphrase(PASSPHRASE), found.append)
    assert found == []
    assert told(shop) == before


@pytest.mark.parametrize("which", ["passphrase", "keys"])
def test_a_bundle_that_no_import_takes_is_not_written(
    shop: Repository, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = to_recipients(read_recipients([new_identity()[1]])) if which == "keys" else None
    monkeypatch.setattr(sealing, "FILE_LIMIT", 500)
    before = told(shop)
    with refused(TransferError, "more than an import takes"):
        written(shop, lock=lock)
    assert told(shop) == before


def test_nothing_is_put_before_the_commit(shop: Repository) -> None:
    """Seen from another connection, as another program sees it."""
    before = len(told(shop))

    def put(_: bytes) -> None:
        assert len(told(shop)) == before + 7

    write_sealed(shop, ALICE, None, under_passphrase(PASSPHRASE), put)


def test_what_cannot_be_put_was_told(shop: Repository) -> None:
    def full(_: bytes) -> None:
        raise TransferError("The disk is full.")

    before = len(told(shop))
    with refused(TransferError, "full"):
        write_sealed(shop, ALICE, None, under_passphrase(PASSPHRASE), full)
    assert len(told(shop)) == before + 7


@pytest.mark.parametrize("words", ["zQ0-elevench", "zQ0-two\nlines-of-it", "ж" * 11])
def test_a_short_passphrase_is_refused(words: str) -> None:
    if len(words) >= 12 and "\n" not in words:
        words = words[:11]
    with pytest.raises(InvalidInputError, match="12 characters or more") as caught:
        under_passphrase(EnteredSecret(words))
    assert_silent(caught.value, [words])
    assert_no_frame_holds(caught.value, [words])
    assert under_passphrase(EnteredSecret("ж" * 12)).to == "a passphrase"


# What is read


@pytest.mark.sqlite
def test_it_comes_in_whole_elsewhere(shop: Repository, tmp_path: Path) -> None:
    data, _ = written(shop)
    with make_repository(tmp_path / "other") as other:
        scopes = read(data)
        plan = other.imports.plan(ALICE, scopes, create_organizations=True, form="encrypted")
        assert plan.counts[Verdict.NEW] == 10
        other.imports.apply(ALICE, plan)
        acme = scope(other, "acme")
        assert opened(other, other.configs.get_key(ALICE, acme, "tls")) == PEM.encode()
        assert opened(other, other.configs.get_key(ALICE, acme, "odd")) == ODD.encode()
        again, _ = written(other)
        assert text_of(again) == text_of(data)
        plan = other.imports.plan(ALICE, read(again), form="encrypted")
        assert plan.counts[Verdict.SAME] == 10
        assert plan.changes_nothing
        assert_nowhere(PLANTED, [tmp_path / "other"])


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(st.lists(TEXTS, max_size=4), st.booleans())
def test_any_value_comes_back_as_it_was(values: list[str], keys: bool) -> None:
    secret_key, public = new_identity()
    lock = to_recipients(read_recipients([public])) if keys else under_passphrase(PASSPHRASE)
    configs = [
        OpenedConfig(f"k{at}", ConfigType.SECRET, None, None, None, "", None, False, False, value)
        for at, value in enumerate(values)
    ]
    scopes = (ExportedScope(GLOBAL_SCOPE, len(configs)),)
    inside = Opened(scopes, (), len(configs), _read=lambda *_: iter(configs))
    found: list[bytes] = []
    lock.lock.seal(sealing._text(inside), found.append)
    identities = read_identities(secret_key.encode())
    [one] = read_sealed(b"".join(found), passphrase=PASSPHRASE, identities=identities)
    for incoming, value in zip(one.configs, values, strict=True):
        assert incoming.problem == ""
        assert incoming.draft.secret is not None
        assert same_entered(incoming.draft.secret, EnteredSecret(value))


def sealed(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    found: list[bytes] = []
    PassphraseLock(WORDS.encode()).seal([data], found.append)
    return b"".join(found)


def one_config(value: str) -> bytes:
    """Return a bundle with one secret, on line 3."""
    return sealed(
        '{"bifrost_tui_bundle": 1,\n"global": [\n{"key": "k", "type": "secret", "value": '
        + value
        + "}]}"
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('""', "at least one character"),
        ('"' + "x" * (VALUE_LIMIT + 1) + '"', "over 1 MiB"),
        ('"zQ7\\ud800"', "half a character"),
        ("7", "text or null"),
        ('["zQ7-nobody-else-writes-this"]', "text or null"),
    ],
)
def test_a_value_that_is_none_is_told_by_its_place(value: str, why: str) -> None:
    [[config]] = [one.configs for one in read(one_config(value))]
    assert why in config.problem
    assert config.place == "line 3"
    assert config.draft.secret is None
    assert ONE not in repr(config) + config.problem


def test_a_value_is_nothing_but_an_entered_secret() -> None:
    gc.collect()
    [[config]] = [one.configs for one in read(one_config(json.dumps(ONE)))]
    assert isinstance(config.draft.secret, EnteredSecret)
    assert ONE not in repr([config, config.draft, config.draft.secret])
    assert config.draft.value is None
    [[config]] = [one.configs for one in read(one_config("null"))]
    assert config.draft.secret is None
    assert config.problem == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no bundle"),
        (ONE.encode(), "no bundle"),
        (f"- {ONE}".encode(), "no bundle"),
        (f'{{"a": "{ONE}"}}'.encode(), "no field bifrost_tui_bundle"),
        (f'{{"bifrost_tui_bundle": 1, "{ONE}'.encode(), "line 1"),
        (f'{{"bifrost_tui_bundle": 1, "global": [{{"value": "{ONE}"'.encode(), "line 1"),
        (b'{"bifrost_tui_bundle": 1, "x": "\xff' + ONE.encode(), "not UTF-8"),
        (f'{{"bifrost_tui_bundle": 2, "v": "{ONE}"}}'.encode(), "newer Bifrost TUI"),
        (b'{"bifrost_tui_bundle": 1, "global": ' + b"[" * 100_000, "brac|deep"),
    ],
)
def test_what_is_inside_may_be_anything(text: bytes, why: str) -> None:
    with refused(TransferError, why):
        read(sealed(text))


def test_what_does_not_open_is_told(shop: Repository) -> None:
    data, _ = written(shop)
    with refused(TransferError, "passphrase does not open"):
        read(data, EnteredSecret("another passphrase"))
    with refused(TransferError, "under a passphrase"):
        read(data, None)
    with refused(TransferError, "damaged"):
        read(data[:-1])
    secret_key, public = new_identity()
    data, _ = written(shop, lock=to_recipients(read_recipients([public])))
    with refused(TransferError, "--identity FILE"):
        read(data)
    with refused(TransferError, "other keys"):
        read_sealed(data, identities=read_identities(new_identity()[0].encode()))
    assert len(read_sealed(data, identities=read_identities(secret_key.encode()))) == 3


def test_a_member_made_past_the_program_is_asked_for_the_role_too(shop: Repository) -> None:
    add_member(shop, "gus", Role.OWNER, scope(shop, "acme"))
    gus = Access("gus", "local")
    assert written(shop, [scope(shop, "acme")], access=gus)[1].secrets == 2
