"""Passphrases of locked screens: kept as verifiers, changed with the one that is set, told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto import passphrase
from bifrost_tui.crypto.passphrase import fits, make_verifier
from bifrost_tui.errors import AccessDeniedError, ConflictError, InvalidInputError, NotFoundError
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret, same_entered
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    events,
    make_repository,
)

pytestmark = pytest.mark.both_engines

MINE = "zQ7 planted: correct horse"
OTHER = "zQ8-planted-the-next-one"
WRONG = "zQ9-planted-not-the-one"


@pytest.fixture
def repository(home: Path) -> Iterator[Repository]:
    with make_repository(home, clock=HandClock()) as repository:
        yield repository
    assert_nowhere([MINE, OTHER, WRONG], [home])


def told(repository: Repository) -> list[tuple[str, str]]:
    return [
        (action, outcome)
        for action, _, _, outcome in events(repository)
        if action.startswith("presence.")
    ]


def entered(text: str) -> EnteredSecret:
    return EnteredSecret(text)


def test_without_a_passphrase_being_there_is_enough(repository: Repository) -> None:
    assert not repository.presence.is_set(ALICE)
    assert repository.presence.proves(ALICE, None)
    assert told(repository) == []


def test_a_passphrase_opens_and_nothing_else_does(repository: Repository) -> None:
    presence = repository.presence
    presence.set(ALICE, entered(MINE))
    assert presence.is_set(ALICE)
    assert not presence.is_set(BOB)
    assert presence.proves(ALICE, entered(MINE))
    assert told(repository) == [("presence.set", "done")]
    assert not presence.proves(ALICE, entered(WRONG))
    assert not presence.proves(ALICE, None)
    assert told(repository)[1:] == [("presence.prove", "refused")] * 2
    assert repository.log.verify(ALICE).broken_at is None


def test_it_is_changed_and_cleared_with_the_one_that_is_set(repository: Repository) -> None:
    presence = repository.presence
    presence.set(ALICE, entered(MINE))
    for current in (None, entered(WRONG)):
        with pytest.raises(InvalidInputError) as refused:
            presence.set(ALICE, entered(OTHER), current=current)
        assert refused.value.field == "current"
        assert_silent(refused.value, [MINE, OTHER, WRONG])
        with pytest.raises(InvalidInputError):
            presence.clear(ALICE, current=current)
    assert presence.proves(ALICE, entered(MINE))
    presence.set(ALICE, entered(OTHER), current=entered(MINE))
    assert presence.proves(ALICE, entered(OTHER))
    assert not presence.proves(ALICE, entered(MINE))
    presence.clear(ALICE, current=entered(OTHER))
    assert not presence.is_set(ALICE)
    with pytest.raises(NotFoundError):
        presence.clear(ALICE, current=None)
    assert told(repository)[-1] == ("presence.clear", "done")
    assert ("presence.set", "refused") not in told(repository)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seven77", "at least 8"),
        ("x" * 1025, "at most 1024"),
        ("two lines\nof it all", "one line"),
        ("with\tsome tabs", "one line"),
        (" begins blank", "blank"),
    ],
)
def test_what_nobody_can_type_is_refused(repository: Repository, text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        repository.presence.set(ALICE, entered(text))
    assert refused.value.field == "passphrase"
    assert_silent(refused.value, [text])
    assert not repository.presence.is_set(ALICE)


def test_an_accent_may_be_composed_in_either_way(repository: Repository) -> None:
    repository.presence.set(ALICE, entered("café crème"))
    assert repository.presence.proves(ALICE, entered("cafe\u0301 cre\u0300me"))


def test_who_is_nowhere_a_member_sets_none(repository: Repository) -> None:
    with pytest.raises(AccessDeniedError):
        repository.presence.set(BOB, entered(MINE))
    assert told(repository) == [("presence.set", "refused")]
    assert by_hand(repository, "SELECT * FROM presence") == []


def test_a_change_in_between_is_not_written_over(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    presence = repository.presence

    def slowly(data: bytes) -> str:
        monkeypatch.setattr("bifrost_tui.store.presence.make_verifier", make_verifier)
        presence.set(ALICE, entered(OTHER))
        return make_verifier(data)

    monkeypatch.setattr("bifrost_tui.store.presence.make_verifier", slowly)
    with pytest.raises(ConflictError):
        presence.set(ALICE, entered(MINE))
    assert presence.proves(ALICE, entered(OTHER))


def test_a_colleague_who_forgot_it_is_helped_by_whoever_may(repository: Repository) -> None:
    presence = repository.presence
    add_member(repository, "bob", Role.ADMIN)
    add_member(repository, "carol", Role.MEMBER)
    for access in (ALICE, BOB, CAROL):
        presence.set(access, entered(MINE))
    for access, actor in ((CAROL, "bob"), (BOB, "alice"), (ALICE, "alice"), (BOB, "bob")):
        with pytest.raises(AccessDeniedError):
            presence.forget(access, actor)
    assert told(repository)[-1] == ("presence.forget", "refused")
    presence.forget(BOB, "carol")
    presence.forget(ALICE, "bob")
    assert not presence.is_set(BOB)
    assert not presence.is_set(CAROL)
    assert presence.is_set(ALICE)
    assert told(repository)[-1] == ("presence.forget", "done")
    with pytest.raises(NotFoundError, match="bob has no passphrase"):
        presence.forget(ALICE, "bob")


def test_an_event_that_cannot_be_written_opens_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.presence.set(ALICE, entered(MINE))

    def fail(*_: object) -> None:
        raise OSError("no log")

    monkeypatch.setattr(type(repository._context.chain), "append", fail)
    with pytest.raises(OSError, match="no log"):
        repository.presence.clear(ALICE, current=entered(MINE))
    assert repository.presence.is_set(ALICE)
    with pytest.raises(OSError, match="no log"):
        repository.presence.proves(ALICE, entered(WRONG))


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "scrypt",
        "scrypt$15$8$1$only",
        "scrypt$x$8$1$AAAA$AAAA",
        "scrypt$15$8$1$AAAA$AAAA",
        "scrypt$40$8$1$AAAA$" + "A" * 43 + "=",
        "scrypt$0$8$1$AAAA$" + "A" * 43 + "=",
        "scrypt$15$8$1$é$é",
        "argon2$15$8$1$AAAA$" + "A" * 43 + "=",
    ],
)
def test_nothing_fits_a_damaged_verifier(repository: Repository, damaged: str) -> None:
    repository.presence.set(ALICE, entered(MINE))
    by_hand(repository, "UPDATE presence SET verifier = ?", damaged)
    assert repository.presence.is_set(ALICE)
    assert not repository.presence.proves(ALICE, entered(MINE))


def test_a_verifier_says_how_it_was_made() -> None:
    words = make_verifier(b"something long").split("$")
    assert words[:4] == ["scrypt", "15", "8", "1"]
    assert len(words) == 6
    assert make_verifier(b"something long") != make_verifier(b"something long")


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_verifier_fits_its_passphrase_alone(one: bytes, other: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "_COST", 2)
        verifier = make_verifier(one)
    assert fits(verifier, one)
    assert fits(verifier, other) is (one == other)


def test_two_entries_are_compared_without_a_way_out() -> None:
    assert same_entered(entered(MINE), entered(MINE))
    assert not same_entered(entered(MINE), entered(OTHER))


def test_an_actor_without_a_row_is_nobody_special(repository: Repository) -> None:
    assert repository.presence.proves(Access("nobody", "local"), entered(WRONG))
