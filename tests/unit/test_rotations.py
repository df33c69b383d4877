"""Secrets that get a value through a command: saved when it ends well, and only then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    CommandError,
    ConflictError,
    DatabaseFullError,
    HandoverError,
    InvalidInputError,
    UnsavedHandoverError,
)
from bifrost_tui.store import generating
from bifrost_tui.store.access import Role
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.handover import Handover
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView, Scope
from tests.support import (
    ALICE,
    BOB,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    events,
    opened,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

OLD, NEW, THEIRS = b"the-old-value-0001", planted()[0], "theirs-and-not-ours-1"


@pytest.fixture
def acme(repository: Repository) -> Scope:
    scope = repository.organizations.add(ALICE, "Acme")
    add_member(repository, BOB.actor, Role.ADMIN, scope)
    return scope


@pytest.fixture
def view(repository: Repository, acme: Scope) -> ConfigView:
    return repository.configs.add(ALICE, acme, secret("KEY", OLD.decode(), description="d"))


def details(repository: Repository) -> tuple[str, str, dict[str, Any]]:
    """Return action, outcome and details of the last event."""
    [(action, outcome, text)] = by_hand(
        repository,
        "SELECT action, outcome, details FROM audit_event ORDER BY sequence DESC LIMIT 1",
    )
    return action, outcome, json.loads(text)


def through(
    repository: Repository,
    view: ConfigView,
    command: str | Handover,
    *,
    access: Access = ALICE,
    entered: EnteredSecret | None = None,
    generated: bool = False,
) -> ConfigView:
    wanted = Handover(command) if isinstance(command, str) else command
    value = entered or EnteredSecret(NEW)
    return repository.configs.rotate_through(access, view, value, wanted, generated=generated)


def meanwhile(folder: Path, work: Callable[[], object]) -> Handover:
    """Return a command in whose course something else is done."""

    def told(_text: str) -> None:
        work()
        (folder / "go").touch()

    wait = f"while ! [ -e '{folder / 'go'}' ]; do sleep 0.01; done"
    return Handover(f"cat > '{folder / 'got'}'; echo ready; {wait}", told)


def test_a_value_that_the_command_took_is_saved(
    repository: Repository, view: ConfigView, tmp_path: Path, clock: HandClock
) -> None:
    clock.advance(days=3)
    new = through(repository, view, f"cat > '{tmp_path / 'got'}'", generated=True)
    assert (tmp_path / "got").read_bytes() == NEW.encode()
    assert opened(repository, new) == NEW.encode()
    assert (new.version, new.updated_by, new.secret_changed_at) == (2, "alice", clock.now)
    action, outcome, told = details(repository)
    assert (action, outcome) == ("config.rotate", "done")
    assert told == {
        "type": "secret",
        "generated": True,
        "handed_over": True,
        "fingerprint": new.fingerprint,
        "old_fingerprint": view.fingerprint,
    }
    # Trying it out before has left no event.
    assert [event[0] for event in events(repository)].count("config.rotate") == 1
    assert repository._context.chain.verify().broken_at is None


def test_a_generated_value_is_told_as_one(repository: Repository, view: ConfigView) -> None:
    new = repository.configs.rotate(ALICE, view, generating.generated(), generated=True)
    assert details(repository)[2]["generated"] is True
    assert "handed_over" not in details(repository)[2]
    repository.configs.rotate(ALICE, new, EnteredSecret(NEW))
    assert "generated" not in details(repository)[2]


def test_an_entered_value_is_not_told_as_generated(
    repository: Repository, view: ConfigView
) -> None:
    through(repository, view, "cat >/dev/null")
    assert details(repository)[2]["handed_over"] is True
    assert "generated" not in details(repository)[2]


def test_a_secret_without_a_value_gets_one(repository: Repository, acme: Scope) -> None:
    empty = repository.configs.add(ALICE, acme, secret("EMPTY"))
    wanting = "SELECT needs_value FROM scope_summary WHERE scope_id = ?"
    assert by_hand(repository, wanting, acme.id) == [(1,)]
    assert opened(repository, through(repository, empty, "cat >/dev/null")) == NEW.encode()
    assert by_hand(repository, wanting, acme.id) == [(0,)]


@pytest.mark.parametrize("command", ["exit 3", "cat >/dev/null; kill $$", "true"])
def test_nothing_is_saved_when_the_command_fails(
    repository: Repository, view: ConfigView, command: str
) -> None:
    with pytest.raises(HandoverError) as caught:
        through(repository, view, f"{command}", generated=True)
    assert_silent(caught.value, [NEW])
    assert opened(repository, view) == OLD
    assert repository.configs.get(ALICE, view.scope, view.id) == view
    assert details(repository) == ("secret.handover", "failed", {"generated": True})
    assert repository._context.chain.verify().broken_at is None


def test_a_command_that_cannot_be_run_leaves_no_event(
    repository: Repository, view: ConfigView
) -> None:
    before = events(repository)
    with pytest.raises(CommandError, match="is empty"):
        through(repository, view, " ")
    assert events(repository) == before
    assert opened(repository, view) == OLD


def test_a_command_that_is_interrupted_is_told(repository: Repository, view: ConfigView) -> None:
    def told(_text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        through(repository, view, Handover("echo ready; cat >/dev/null; sleep 300", told))
    assert opened(repository, view) == OLD
    assert details(repository)[:2] == ("secret.handover", "failed")


# What is refused before the command runs


def not_run(
    repository: Repository, view: ConfigView, folder: Path, access: Access = ALICE
) -> BifrostError:
    """Return the error that kept a command from being run."""
    with pytest.raises(BifrostError) as caught:
        through(repository, view, f"cat > '{folder / 'ran'}'", access=access)
    assert not (folder / "ran").exists()
    assert not isinstance(caught.value, HandoverError | UnsavedHandoverError)
    assert_silent(caught.value, [NEW])
    return caught.value


def test_who_may_not_rotate_hands_nothing_over(
    repository: Repository, acme: Scope, view: ConfigView, tmp_path: Path
) -> None:
    add_member(repository, "dora", Role.MEMBER, acme)
    error = not_run(repository, view, tmp_path, Access("dora", "local"))
    assert isinstance(error, AccessDeniedError)
    assert details(repository)[:2] == ("config.rotate", "refused")


def test_an_archived_organization_hands_nothing_over(
    repository: Repository, acme: Scope, view: ConfigView, tmp_path: Path
) -> None:
    repository.organizations.archive(ALICE, acme, 1)
    assert "is archived" in not_run(repository, view, tmp_path).message


def test_a_conflict_is_told_before_anything_is_handed_over(
    repository: Repository, view: ConfigView, tmp_path: Path
) -> None:
    repository.configs.edit(BOB, view, secret("KEY", description="other"))
    assert isinstance(not_run(repository, view, tmp_path), ConflictError)


def test_only_a_secret_is_handed_over(repository: Repository, acme: Scope, tmp_path: Path) -> None:
    view = repository.configs.add(ALICE, acme, plain("PLAIN"))
    assert isinstance(not_run(repository, view, tmp_path), InvalidInputError)


def test_without_an_event_nothing_is_handed_over(
    repository: Repository, view: ConfigView, tmp_path: Path
) -> None:
    by_hand(
        repository,
        "CREATE TRIGGER no_more BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    not_run(repository, view, tmp_path)
    assert opened(repository, view) == OLD


# What others do while it runs


def test_facts_that_another_changes_meanwhile_are_kept(
    repository: Repository, view: ConfigView, tmp_path: Path
) -> None:
    def edit() -> None:
        draft = ConfigDraft("KEY2", ConfigType.SECRET, description="theirs", rotate_every_days=30)
        repository.configs.edit(BOB, view, draft)

    new = through(repository, view, meanwhile(tmp_path, edit))
    assert (new.key, new.description, new.rotate_every_days) == ("KEY2", "theirs", 30)
    assert new.version == 3
    assert opened(repository, new) == (tmp_path / "got").read_bytes() == NEW.encode()


def unsaved(
    repository: Repository,
    view: ConfigView,
    folder: Path,
    work: Callable[[], object],
    generated: bool = False,
) -> str:
    """Return what is said when a value was handed over and could not be saved."""
    with pytest.raises(UnsavedHandoverError) as caught:
        through(repository, view, meanwhile(folder, work), generated=generated)
    assert_silent(caught.value, [NEW, THEIRS])
    assert (folder / "got").read_bytes() == NEW.encode()
    assert details(repository)[:2] == ("secret.handover", "failed")
    return caught.value.message


@pytest.mark.parametrize("made", [True, False])
def test_a_value_that_another_gave_it_meanwhile_stays(
    repository: Repository, view: ConfigView, tmp_path: Path, made: bool
) -> None:
    def rotate() -> None:
        repository.configs.rotate(BOB, view, EnteredSecret(THEIRS))

    said = unsaved(repository, view, tmp_path, rotate, generated=made)
    assert opened(repository, view) == THEIRS.encode()
    assert "The command has taken a value of KEY that could not be saved" in said
    assert "given another value by bob" in said
    assert ("makes and hands over another value" in said) is made
    assert ("hands the value over again" in said) is not made


def test_a_value_for_a_secret_that_is_gone_is_told(
    repository: Repository, view: ConfigView, tmp_path: Path
) -> None:
    said = unsaved(repository, view, tmp_path, lambda: repository.configs.delete(BOB, view))
    assert "was deleted by bob" in said


def test_rights_that_were_taken_away_meanwhile_are_told(
    repository: Repository, acme: Scope, view: ConfigView, tmp_path: Path
) -> None:
    def archive() -> None:
        repository.organizations.archive(ALICE, acme, 1)

    assert "is archived" in unsaved(repository, view, tmp_path, archive)
    assert opened(repository, view) == OLD


def test_a_database_that_fails_meanwhile_is_told(
    repository: Repository,
    view: ConfigView,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise DatabaseFullError("There is no room left for the database.")

    def fill() -> None:
        monkeypatch.setattr(repository._context.database.__class__, "write", full)
        monkeypatch.setattr(repository._context.database.__class__, "write_rows", full)

    with pytest.raises(UnsavedHandoverError, match="no room left") as caught:
        through(repository, view, meanwhile(tmp_path, fill))
    assert_silent(caught.value, [NEW])


def test_neither_value_nor_command_is_in_a_file(
    repository: Repository, view: ConfigView, home: Path
) -> None:
    token = "zQ5-a-token-in-the-command"
    value = generating.generated(40)
    command = f": {token}; cat >/dev/null"
    through(repository, view, command, entered=value, generated=True)
    new = repository.configs.get(ALICE, view.scope, view.id)
    kept = opened(repository, new)
    assert kept is not None
    with pytest.raises(HandoverError):
        through(repository, new, f"{command}; exit 4")
    assert_nowhere([kept.decode(), token, NEW], [home])
