"""What is kept beside the configs is found anew, whatever stands there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto.cipher import Keyring, SealContext, Sealed
from bifrost_tui.store import derived
from bifrost_tui.store.derived import Kept, differing, expected_groups, put_right
from bifrost_tui.store.repository import Repository
from tests.support import ALICE, by_hand, planted, secret

pytestmark = pytest.mark.both_engines

PRINT = "0123abcd"


@dataclass(frozen=True)
class Line:
    """A row whose token is its value, and opens or does not."""

    id: str
    secret: str
    key_id: str
    equal_group: str | None
    scope_id: str = "global"
    secret_version: int = 1


class Opened:
    """A keyring that opens what is not locked."""

    def opens(self, sealed: Sealed, _place: SealContext) -> bool:
        return sealed.key_id == "here"

    def same(self, one: Sealed, _: SealContext, other: Sealed, __: SealContext) -> bool:
        return one.key_id == other.key_id == "here" and one.token == other.token


GROUPS = st.sampled_from([None, PRINT, f"{PRINT}-2", f"{PRINT}-3", "another"])
LINES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["here", "here", "lost"]), GROUPS),
    max_size=9,
)


@pytest.mark.sqlite
@given(LINES)
def test_groups_hold_what_is_equal_and_nothing_else(
    drawn: list[tuple[str, str, str | None]],
) -> None:
    lines = [Line(str(at), *each) for at, each in enumerate(drawn)]
    keyring = cast("Keyring", Opened())

    def after(before: list[Line]) -> list[Line]:
        wrong = expected_groups(keyring, PRINT, before)
        assert all(line.equal_group != wrong[line.id] for line in before if line.id in wrong)
        return [
            replace(line, equal_group=wrong[line.id]) if line.id in wrong else line
            for line in before
        ]

    put = after(lines)
    assert after(put) == put
    for line, was in zip(put, lines, strict=True):
        if line.key_id == "lost":
            assert line == was
            continue
        equal = [one for one in put if one.key_id == "here" and one.secret == line.secret]
        closed = {one.equal_group for one in put if one.key_id == "lost"}
        assert {one.equal_group for one in equal} == {line.equal_group}
        if len(equal) > 1:
            assert line.equal_group is not None
        elif line.equal_group is not None:
            assert line.equal_group in closed
        others = [one for one in put if one.key_id == "here" and one.secret != line.secret]
        assert line.equal_group is None or all(
            one.equal_group != line.equal_group for one in others
        )


def _some(repository: Repository) -> list[Any]:
    acme = repository.organizations.add(ALICE, "Acme")
    for number, value in enumerate([planted()[0]] * 3 + [planted()[1]] * 2 + ["alone-and-long"]):
        draft = secret(f"K{number}", value, rotate_every_days=30)
        repository.configs.add(ALICE, acme, draft)
    return _kept(repository)


def _kept(repository: Repository) -> list[Any]:
    return by_hand(
        repository, "SELECT id, equal_group, fingerprint, due_at FROM config ORDER BY id"
    )


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_every_chunk_is_looked_at(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(derived, "_ROWS", rows)
    before = _some(repository)
    assert [differing(repository, ALICE, kept) for kept in Kept] == [()] * len(Kept)
    told = len(events_of(repository))
    assert [put_right(repository, ALICE, kept) for kept in Kept] == [0] * len(Kept)
    assert len(events_of(repository)) == told
    by_hand(repository, "UPDATE config SET due_at = NULL, fingerprint = '00000000'")
    by_hand(repository, "UPDATE config SET equal_group = 'nothing'")
    assert len(differing(repository, ALICE, Kept.DUE)) == 6
    assert len(differing(repository, ALICE, Kept.FINGERPRINTS)) == 6
    for kept in Kept:
        put_right(repository, ALICE, kept)
    after = _kept(repository)
    assert [row[2:] for row in after] == [row[2:] for row in before]
    assert len({row[1] for row in after} - {None}) == 2
    assert [row[1] is None for row in after] == [row[1] is None for row in before]
    assert [differing(repository, ALICE, kept) for kept in Kept] == [()] * len(Kept)


def events_of(repository: Repository) -> list[Any]:
    return by_hand(repository, "SELECT sequence FROM audit_event")


def test_what_does_not_open_is_left(repository: Repository) -> None:
    _some(repository)
    by_hand(repository, "UPDATE config SET secret = 'A' || secret WHERE key = 'K1'")
    by_hand(repository, "UPDATE config SET fingerprint = 'ffffffff' WHERE key = 'K1'")
    before = by_hand(repository, "SELECT * FROM config WHERE key = 'K1'")
    assert differing(repository, ALICE, Kept.FINGERPRINTS) == ()
    for kept in Kept:
        put_right(repository, ALICE, kept)
    assert by_hand(repository, "SELECT * FROM config WHERE key = 'K1'") == before


def test_a_name_that_another_has_is_not_taken(repository: Repository) -> None:
    one, other = (repository.organizations.add(ALICE, name) for name in ("Acme", "Bright"))
    by_hand(repository, "UPDATE organization SET name_folded = 'x' WHERE id = ?", one.id)
    by_hand(repository, "UPDATE organization SET name_folded = 'acme' WHERE id = ?", other.id)
    assert set(differing(repository, ALICE, Kept.NAMES)) == {one.id, other.id}
    # The other one's is free only once its own is right.
    assert put_right(repository, ALICE, Kept.NAMES) >= 1
    put_right(repository, ALICE, Kept.NAMES)
    assert differing(repository, ALICE, Kept.NAMES) == ()
