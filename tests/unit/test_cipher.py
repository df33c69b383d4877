"""Keys derived from keys, and tokens that open in one place only."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto.cipher import DatabaseRoot, Keyring, SealContext, Sealed
from bifrost_tui.crypto.derivation import derive, length_prefixed
from bifrost_tui.crypto.master_key import MasterKey
from bifrost_tui.crypto.reading import open_sealed
from bifrost_tui.crypto.verifier import RootSecret, open_verifier
from bifrost_tui.settings import KeySource
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.tables import Config
from bifrost_tui.store.values import ConfigType
from tests.support import KEY, NEW_KEY, OTHER_KEY, START, forms, make_settings, planted

INVALID = json.loads(
    Path(__file__).parent.with_name("data").joinpath("fernet_invalid.json").read_text()
)
VALUE = b"zQ7-nobody-else-writes-this"
PLACE = SealContext("scope", "row", "secret", 3)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
places = st.builds(SealContext, names, names, names, st.integers(0, 50))


def ring(*keys: str) -> Keyring:
    return Keyring([MasterKey(key.encode()) for key in keys])


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, written down once more."""
    key = hmac.new(salt or bytes(32), secret, sha256).digest()
    output, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.new(key, block + info + bytes([number]), sha256).digest()
        output += block
    return output[:length]


@pytest.mark.parametrize(
    ("secret", "salt", "info", "output"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            (
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                "cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            "0b" * 22,
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_the_derivation_here_gives_the_vectors_of_rfc_5869(
    secret: str, salt: str, info: str, output: str
) -> None:
    expected = bytes.fromhex(output)
    given_ = [bytes.fromhex(text) for text in (secret, salt, info)]
    assert hkdf(given_[0], given_[1], given_[2], len(expected)) == expected


@given(st.binary(min_size=1, max_size=80), st.lists(names, max_size=5), st.integers(1, 100))
def test_keys_are_derived_by_rfc_5869_over_length_prefixed_context(
    secret: bytes, context: list[str], length: int
) -> None:
    info = b""
    for part in ["bifrost-tui", "1", *context]:
        data = part.encode()
        info += bytes([0, 0, 0, len(data)]) + data
    expected = hkdf(secret, b"", info, length)
    assert derive(secret, *context, length=length) == expected
    assert MasterKey(secret).derive(*context, length=length) == expected


def test_a_derived_key_stays_what_it_is() -> None:
    """Whoever changes the derivation makes every database unreadable."""
    assert MasterKey(KEY.encode()).key_id == "8aec34fd"
    token_key = MasterKey(KEY.encode()).derive(*PLACE.parts())
    assert token_key.hex() == "418a7c38816bd7b90273da1562542ba66eda7083583d3d8768c9b942b9835058"


@given(st.lists(names, max_size=4), st.lists(names, max_size=4))
def test_no_two_contexts_are_the_same_bytes(one: Sequence[str], other: Sequence[str]) -> None:
    assert (length_prefixed(tuple(one)) == length_prefixed(tuple(other))) == (one == other)


def test_moving_a_character_over_the_border_of_two_parts_changes_the_key() -> None:
    assert derive(b"secret", "1", "2x") != derive(b"secret", "12", "x")


@given(st.binary(max_size=200), places)
def test_a_token_opens_in_its_place(value: bytes, place: SealContext) -> None:
    keys = ring(KEY)
    sealed = keys.seal(value, place)
    assert open_sealed(keys, sealed, place) == value
    assert keys.opens(sealed, place)
    assert keys.holds(sealed, place, value)
    assert not keys.holds(sealed, place, value + b"x")


@given(places, places)
def test_a_token_opens_in_no_other_place(place: SealContext, other: SealContext) -> None:
    keys = ring(KEY)
    assert keys.opens(keys.seal(VALUE, place), other) == (place == other)


@pytest.mark.parametrize(
    "moved",
    [
        {"scope": "other"},
        {"row_id": "other"},
        {"field": "hint"},
        {"version": 2},
        {"version": 4},
        {"scope": "scoper", "row_id": "ow"},
    ],
)
def test_a_token_opens_in_no_neighbouring_place(moved: dict[str, Any]) -> None:
    keys = ring(KEY)
    sealed = keys.seal(VALUE, PLACE)
    assert not keys.opens(sealed, replace(PLACE, **moved))
    assert not keys.holds(sealed, replace(PLACE, **moved), VALUE)


def test_no_token_with_one_character_changed_opens() -> None:
    keys = ring(KEY)
    sealed = keys.seal(VALUE, PLACE)
    tried = 0
    for at, character in enumerate(sealed.token):
        for other in {*"AB_-=+/ \n\0é\ud800", chr(ord(character) ^ 1)} - {character}:
            token = sealed.token[:at] + other + sealed.token[at + 1 :]
            assert not keys.opens(replace(sealed, token=token), PLACE), (at, other)
            tried += 1
    assert tried > 11 * len(sealed.token)


def test_no_token_with_characters_gone_or_added_opens() -> None:
    keys = ring(KEY)
    sealed = keys.seal(VALUE, PLACE)
    for at in range(len(sealed.token)):
        for token in (
            sealed.token[:at],
            sealed.token[at + 1 :],
            sealed.token[:at] + sealed.token[at + 1 :],
            sealed.token[:at] + "\n" + sealed.token[at:],
            sealed.token[:at] + "=" + sealed.token[at:],
        ):
            assert not keys.opens(replace(sealed, token=token), PLACE), (at, token)


@pytest.mark.parametrize(
    "spell",
    [
        lambda token: b64encode(urlsafe_b64decode(token)).decode(),
        lambda token: token.rstrip("="),
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.encode(),
        lambda token: "",
    ],
)
def test_another_spelling_of_a_token_does_not_open(spell: Any) -> None:
    keys = ring(KEY)
    value = bytes(range(256))
    sealed = keys.seal(value, PLACE)
    token = spell(sealed.token)
    assert token != sealed.token
    assert not keys.opens(replace(sealed, token=token), PLACE)


@given(st.text(max_size=200))
def test_no_text_opens_or_raises(text: str) -> None:
    keys = ring(KEY)
    assert not keys.opens(Sealed(text, keys.newest.key_id), PLACE)


class SpecificationKey(MasterKey):
    """A master key that derives the key of the Fernet specification's vectors."""

    __slots__ = ("specified",)

    def __init__(self, specified: str) -> None:
        super().__init__(KEY.encode())
        self.specified = specified

    def derive(self, *context: str, length: int = 32) -> bytes:
        return urlsafe_b64decode(self.specified)


@pytest.mark.parametrize("vector", INVALID, ids=lambda vector: vector["desc"])
def test_the_invalid_tokens_of_the_specification_are_refused(vector: dict[str, Any]) -> None:
    keys = ring(KEY)
    assert not keys.opens(Sealed(vector["token"], keys.newest.key_id), PLACE)
    # Under the key that the vectors were made with too; what is wrong with two of them is their
    # age alone, and a secret at rest has none.
    keys = Keyring([SpecificationKey(vector["secret"])])
    sealed = Sealed(vector["token"], keys.newest.key_id)
    assert keys.opens(sealed, PLACE) == vector.get("time_only", False)


def test_the_first_key_writes_and_all_read() -> None:
    old, both = ring(KEY), ring(NEW_KEY, KEY)
    before = old.seal(VALUE, PLACE)
    after = both.seal(VALUE, PLACE)
    assert (before.key_id, after.key_id) == (both.key_ids[1], both.key_ids[0])
    assert both.newest.key_id == after.key_id != before.key_id
    assert both.opens(before, PLACE)
    assert both.opens(after, PLACE)
    assert not old.opens(after, PLACE)
    assert not ring(NEW_KEY).opens(before, PLACE)
    assert not ring(OTHER_KEY).opens(before, PLACE)


def test_a_token_opens_under_no_other_key_than_it_names() -> None:
    both = ring(NEW_KEY, KEY)
    sealed = both.seal(VALUE, PLACE)
    assert not both.opens(replace(sealed, key_id=both.key_ids[1]), PLACE)
    assert not both.opens(replace(sealed, key_id="00000000"), PLACE)


def test_equal_values_have_equal_fingerprints_in_one_database_only() -> None:
    one, other = RootSecret(b"1" * 32).keys(), RootSecret(b"2" * 32).keys()
    assert one.fingerprint(VALUE) == one.fingerprint(VALUE) != other.fingerprint(VALUE)
    assert one.fingerprint(VALUE) != one.fingerprint(VALUE + b"\n")
    assert len(one.fingerprint(b"")) == 8
    assert one.fingerprint(VALUE) != sha256(VALUE).hexdigest()[:8]


def test_a_link_of_the_chain_depends_on_all_that_it_is_made_of() -> None:
    root = DatabaseRoot(b"1" * 32)
    links = {
        root.link("0" * 64, b"event"),
        root.link("1" + "0" * 63, b"event"),
        root.link("0" * 64, b"Event"),
        DatabaseRoot(b"2" * 32).link("0" * 64, b"event"),
    }
    assert len(links) == 4
    assert {len(link) for link in links} == {64}


def test_a_verifier_opens_under_its_key_alone() -> None:
    root = RootSecret.new()
    verifier = root.seal(ring(KEY))
    reopened = open_verifier(ring(NEW_KEY, KEY), verifier)
    assert reopened is not None
    assert reopened.keys().fingerprint(VALUE) == root.keys().fingerprint(VALUE)
    assert open_verifier(ring(NEW_KEY), verifier) is None
    assert open_verifier(ring(NEW_KEY, KEY), root.seal(ring(OTHER_KEY))) is None
    assert open_verifier(ring(KEY), replace(verifier, token=verifier.token[:-4])) is None
    # One key's verifier under another key's name.
    renamed = replace(verifier, key_id=ring(NEW_KEY).newest.key_id)
    assert open_verifier(ring(NEW_KEY, KEY), renamed) is None


def test_roots_of_databases_are_random() -> None:
    prints = {RootSecret.new().keys().fingerprint(VALUE) for _ in range(50)}
    assert len(prints) == 50


@pytest.mark.parametrize("value", planted())
def test_nothing_that_holds_a_value_shows_it(value: str, tmp_path: Path) -> None:
    data = value.encode()
    keys = Keyring([MasterKey(data)])
    root = RootSecret(data)
    draft = ConfigDraft("key", ConfigType.SECRET, secret=EnteredSecret(value))
    row = Config(
        id="1",
        scope_id="global",
        key="key",
        type="secret",
        secret=value,
        hint=value,
        created_at=START,
        created_by="alice",
        updated_at=START,
        updated_by="alice",
    )
    for holder in (
        MasterKey(data),
        keys,
        keys.seal(data, PLACE),
        root,
        root.keys(),
        make_settings(tmp_path, value),
        make_settings(tmp_path, value).key_source,
        KeySource("BIFROST_SECRET_KEY", text=value),
        EnteredSecret(value),
        EnteredSecret(value).shape,
        draft,
        ConfigDraft("key", ConfigType.STRING, value=value),
        row,
    ):
        said = f"{holder} {holder!r} {holder!s} {[holder]}".encode()
        for form, looked_for in forms(value).items():
            assert looked_for not in said, (type(holder).__name__, form)
        assert urlsafe_b64encode(data) not in said
