"""Imports: what the preview says, what is done then, and who may."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import (
    AccessDeniedError,
    BifrostError,
    ConflictError,
    InvalidInputError,
    OrganizationNotFoundError,
    TransferError,
)
from bifrost_tui.store import importing_plan, importing_write
from bifrost_tui.store.access import Role
from bifrost_tui.store.importing_plan import ImportPlan
from bifrost_tui.store.incoming import (
    Imported,
    IncomingConfig,
    IncomingScope,
    OnConflict,
    PlanLine,
    Verdict,
)
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import KEY_RULE, ConfigType
from bifrost_tui.store.views import ALL_SCOPES, GLOBAL_SCOPE, Scope, State
from tests.support import (
    ALICE,
    BOB,
    CAROL,
    START,
    HandClock,
    add_member,
    assert_nowhere,
    assert_silent,
    by_hand,
    events,
    listed,
    opened,
    plain,
    planted,
    secret,
)

pytestmark = pytest.mark.both_engines

DAVE = Access("dave", "10.1.4.9")
VALUE, OTHER = planted()[0], planted()[2]


@pytest.fixture
def acme(repository: Repository) -> Scope:
    return repository.organizations.add(ALICE, "Acme")


def file(organization: str | None, *drafts: ConfigDraft, **places: str) -> IncomingScope:
    configs = [IncomingConfig(draft, place=places.get(draft.key, "")) for draft in drafts]
    return IncomingScope(organization, configs)


def planned(
    repository: Repository, *scopes: IncomingScope, access: Access = ALICE, **more: Any
) -> ImportPlan:
    return repository.imports.plan(access, scopes, form=more.pop("form", "portable"), **more)


def imported(
    repository: Repository, *scopes: IncomingScope, access: Access = ALICE, **more: Any
) -> Imported:
    create = more.pop("create_organizations", False)
    plan = planned(repository, *scopes, access=access, create_organizations=create)
    return repository.imports.apply(access, plan, **more)


def kept(repository: Repository, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a refused import must not have changed."""
    tables = {"config", "organization", "scope_summary", "audit_event", "exposure"}
    return {
        table: by_hand(repository, f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in sorted(tables - set(but))
    }


def details(repository: Repository, after: int = 0) -> list[tuple[Any, ...]]:
    rows = by_hand(
        repository,
        "SELECT action, organization, key, details FROM audit_event WHERE sequence > ?"
        " ORDER BY sequence",
        after,
    )
    return [(*row[:3], json.loads(row[3])) for row in rows]


def assert_whole(repository: Repository) -> None:
    assert repository._context.database.read(recount) == []
    assert repository._context.chain.verify().broken_at is None


def reference(key: str, target: str, **more: Any) -> ConfigDraft:
    return ConfigDraft(key, ConfigType.SECRET_REF, value=target, **more)


# The preview


def test_the_preview_says_what_becomes_of_each(repository: Repository, acme: Scope) -> None:
    for draft in (
        plain("differs", "old"),
        plain("same", "as it is"),
        secret("empty", rotate_every_days=30),
        secret("filled"),
        secret("own", VALUE),
        secret("other", VALUE),
    ):
        repository.configs.add(ALICE, acme, draft)
    plan = planned(
        repository,
        file(
            "acme",
            plain("same", "as it is"),
            plain("new"),
            plain("differs", "new", description="Why."),
            secret("own"),
            secret("other", OTHER),
            secret("filled", OTHER),
            secret("empty", rotate_every_days=60, partial_mask=True),
            secret("another"),
            new="line 3",
        ),
        file(None, plain("shared")),
        file("Bright", plain("new")),
        create_organizations=True,
    )

    def line(key: str, verdict: Verdict, organization: str | None = "Acme", **more: Any) -> Any:
        kind = more.pop("type", ConfigType.STRING)
        return PlanLine(organization, key, kind, verdict, **more)

    hidden = {"type": ConfigType.SECRET}
    assert list(plan.lines) == [
        line("shared", Verdict.NEW, None),
        line("another", Verdict.NEW, needs_value=True, **hidden),
        line("differs", Verdict.DIFFERS, fields=("value", "description")),
        line(
            "empty",
            Verdict.DIFFERS,
            needs_value=True,
            fields=("rotate_every_days", "partial_mask"),
            **hidden,
        ),
        line("filled", Verdict.FILLED, fields=("value",), **hidden),
        line("new", Verdict.NEW, place="line 3"),
        line("other", Verdict.OTHER_VALUE, fields=("value",), **hidden),
        line("own", Verdict.SAME, **hidden),
        line("same", Verdict.SAME),
        line("new", Verdict.NEW, "Bright"),
    ]
    assert plan.lines[-1] == plan.lines[9]
    assert plan.lines[1:3] == [plan.lines[1], plan.lines[2]]
    with pytest.raises(IndexError):
        _ = plan.lines[10]
    with pytest.raises(IndexError):
        _ = plan.lines[-11]
    assert plan.counts == {
        Verdict.NEW: 4,
        Verdict.SAME: 2,
        Verdict.FILLED: 1,
        Verdict.DIFFERS: 2,
        Verdict.OTHER_VALUE: 1,
        Verdict.REFUSED: 0,
    }
    assert (plan.need_value, plan.differing, plan.other_values, plan.refused) == (2, 2, 1, 0)
    assert plan.new_organizations == ("Bright",)
    assert plan.problems == ()
    assert plan.possible
    assert not plan.changes_nothing


def test_an_import_is_told_with_all_that_it_did(repository: Repository, acme: Scope) -> None:
    for draft in (plain("differs", "old"), secret("filled"), secret("other", VALUE)):
        repository.configs.add(ALICE, acme, draft)
    before = len(events(repository))
    plan = planned(
        repository,
        file(
            "Acme",
            plain("differs", "new"),
            plain("new"),
            secret("brought", VALUE),
            secret("filled", OTHER, description="d"),
            secret("other", OTHER),
        ),
        file("Bright", secret("empty")),
        create_organizations=True,
        form="encrypted",
    )
    done = repository.imports.apply(
        ALICE, plan, on_conflict=OnConflict.OVERWRITE, replace_secrets=True
    )
    assert done == Imported(
        organizations=1, added=3, changed=1, filled=1, rotated=1, kept=0, same=0, need_value=1
    )
    fingerprint = {
        value: repository._context.root.fingerprint(value.encode()) for value in (VALUE, OTHER)
    }
    facts = {"type": "secret", "form": "encrypted"}
    got = {**facts, "fingerprint": fingerprint[OTHER]}
    assert details(repository, before) == [
        (
            "config.import",
            "Acme",
            None,
            {"count": 5, "form": "encrypted", "added": 2, "changed": 1, "filled": 1, "rotated": 1},
        ),
        ("config.edit", "Acme", "differs", {**facts, "type": "string", "changed": ["value"]}),
        ("config.edit", "Acme", "filled", {**facts, "changed": ["description"]}),
        ("config.import", "Acme", "filled", got),
        ("config.rotate", "Acme", "other", {**got, "old_fingerprint": fingerprint[VALUE]}),
        ("config.import", "Acme", "brought", {**facts, "fingerprint": fingerprint[VALUE]}),
        ("organization.add", "Bright", None, {}),
        ("config.import", "Bright", None, {"count": 1, "form": "encrypted", "added": 1}),
    ]
    assert [row.state for row in listed(repository, ALICE, acme)] == [State.OK] * 5
    assert_whole(repository)


def test_what_differs_is_kept_when_it_is_said_so(repository: Repository, acme: Scope) -> None:
    view = repository.configs.add(ALICE, acme, plain("differs", "old"))
    empty = repository.configs.add(ALICE, acme, secret("empty"))
    other = repository.configs.add(ALICE, acme, secret("other", VALUE))
    incoming = file(
        "Acme",
        plain("differs", "new"),
        secret("empty", OTHER, description="new"),
        secret("other", OTHER, description="new"),
    )
    with pytest.raises(InvalidInputError, match="3 configs are here already") as raised:
        imported(repository, incoming)
    assert raised.value.field == "on_conflict"
    done = imported(repository, incoming, on_conflict=OnConflict.KEEP)
    assert done == Imported(kept=2, filled=1)
    assert repository.configs.get(ALICE, acme, view.id) == view
    assert repository.configs.get(ALICE, acme, other.id) == other
    filled = repository.configs.get(ALICE, acme, empty.id)
    assert filled.description == ""
    assert opened(repository, filled) == OTHER.encode()
    assert_whole(repository)


def test_where_nothing_changes_nothing_is_told(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, plain("a", "x"))
    repository.configs.add(ALICE, acme, secret("b", VALUE))
    before = kept(repository)
    incoming = file("Acme", plain("a", "x"), secret("b"))
    plan = planned(repository, incoming)
    assert plan.changes_nothing
    assert repository.imports.apply(ALICE, plan) == Imported(same=2)
    assert imported(repository, file("Acme", plain("a")), on_conflict=OnConflict.KEEP).kept == 1
    assert imported(repository, file("Acme")) == Imported()
    assert kept(repository) == before


def test_a_type_may_change_between_plain_ones(repository: Repository, acme: Scope) -> None:
    write = OnConflict.OVERWRITE
    imported(repository, file("Acme", secret("s", VALUE), plain("k", "x")))
    imported(repository, file("Acme", reference("k", "missing")), on_conflict=write)
    [view, _] = listed(repository, ALICE, acme)
    assert (view.type, view.refers_to, view.state) == (
        ConfigType.SECRET_REF,
        "missing",
        State.DANGLING,
    )
    imported(repository, file("Acme", reference("k", "s")), on_conflict=write)
    [view, _] = listed(repository, ALICE, acme)
    assert view.state is State.OK
    imported(repository, file("Acme", ConfigDraft("k", ConfigType.INT, "7")), on_conflict=write)
    [view, _] = listed(repository, ALICE, acme)
    assert (view.type, view.value, view.refers_to, view.state) == (
        ConfigType.INT,
        "7",
        None,
        State.OK,
    )
    assert (view.version, view.updated_by) == (4, "alice")
    told = [each for each in details(repository) if each[0] == "config.edit"]
    assert [each[3]["changed"] for each in told] == [
        ["type", "value", "refers_to"],
        ["refers_to"],
        ["type", "value", "refers_to"],
    ]


# What is refused

SECRET_HERE = "It is a secret here and a string in the file."
SECRET_THERE = "It is a string here and a secret in the file."


def _missing(name: str) -> str:
    return (
        f"There is no organization {name!r} for you. Create missing organizations, or import into"
        " another one."
    )


def test_all_that_is_wrong_is_said_at_once(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, secret("hidden", VALUE))
    repository.configs.add(ALICE, acme, plain("open", "x"))
    before = kept(repository)
    bad = IncomingConfig(plain("told", VALUE), place="line 9", problem="The reader found this.")
    plan = planned(
        repository,
        IncomingScope(
            "Acme",
            [
                IncomingConfig(plain("hidden", VALUE), place="line 1"),
                IncomingConfig(secret("open", VALUE), place="line 2"),
                IncomingConfig(plain("two words"), place="line 3"),
                IncomingConfig(ConfigDraft("number", ConfigType.INT, VALUE), place="line 4"),
                IncomingConfig(plain("good")),
                IncomingConfig(plain("twice")),
                IncomingConfig(plain("twice"), place="line 7"),
                IncomingConfig(reference("itself", "itself")),
                bad,
            ],
        ),
        file("Nowhere", plain("a")),
    )
    assert plan.refused == 8
    assert not plan.possible
    assert [line.verdict for line in plan.lines if line.key in ("good", "twice")] == [
        Verdict.NEW,
        Verdict.NEW,
        Verdict.REFUSED,
    ]
    with pytest.raises(TransferError) as raised:
        repository.imports.apply(ALICE, plan, on_conflict=OnConflict.OVERWRITE)
    mixed = "or give it another key in the file."
    assert raised.value.problems == (
        _missing("Nowhere"),
        f"Acme / hidden (line 1): {SECRET_HERE} Delete the secret first, {mixed}",
        "Acme / itself: itself cannot stand for itself. Choose a secret of another key.",
        "Acme / number (line 4): This is no int. Write a whole number in digits, such as 42 or -7.",
        f"Acme / open (line 2): {SECRET_THERE} Make it a secret here first, {mixed}",
        "Acme / told (line 9): The reader found this.",
        "Acme / twice (line 7): twice is given twice.",
        f"Acme / two words (line 3): The key holds a blank. {KEY_RULE}",
    )
    assert str(raised.value).startswith("Nothing was imported. There is no organization")
    assert_silent(raised.value, [VALUE])
    assert VALUE not in repr([plan, list(plan.lines), plan._scopes[0].entries])
    assert kept(repository) == before


def test_hostile_names_stay_on_their_line(repository: Repository) -> None:
    name = "\x1b[2J[red]\u202eAcme" + "x" * 200
    plan = planned(repository, file(name, plain("\x1b]0;k\x07")), create_organizations=True)
    [problem] = plan.problems
    [line] = plan.lines
    text = problem + str(line.organization) + line.key + line.why
    assert text.isprintable()
    assert len(str(line.organization)) == 100
    assert line.verdict is Verdict.REFUSED


@pytest.mark.parametrize("name", ["", "  ", "GLOBAL", "all", "x" * 101, "a\nb"])
def test_what_can_be_no_name_is_a_problem(repository: Repository, name: str) -> None:
    plan = planned(repository, file(name, plain("a")), create_organizations=True)
    assert len(plan.problems) == 1
    assert plan.new_organizations == ()
    with pytest.raises(TransferError):
        repository.imports.apply(ALICE, plan)


def test_names_are_compared_regardless_of_case(repository: Repository, acme: Scope) -> None:
    strasse = "Stra\u00dfe"
    imported(
        repository, file(" ACME ", plain("a")), file(strasse, plain("a")), create_organizations=True
    )
    assert [view.key for view in listed(repository, ALICE, acme)] == ["a"]
    plan = planned(repository, file("STRASSE", plain("a")))
    assert (plan.changes_nothing, plan.lines[0].organization) == (True, strasse)
    for twice in (("Acme", "acme"), ("New", "NEW"), (None, None)):
        plan = planned(
            repository,
            *[file(name, plain("a")) for name in twice],
            create_organizations=True,
        )
        assert len(plan.problems) == 1
        assert "is given twice" in plan.problems[0]


# Into another organization


def test_everything_goes_into_the_scope_that_is_given(repository: Repository, acme: Scope) -> None:
    plan = planned(repository, file("Somewhere else", plain("a")), into=acme)
    assert [line.organization for line in plan.lines] == ["Acme"]
    repository.imports.apply(ALICE, plan)
    plan = planned(repository, file("Somewhere else", plain("g")), into=GLOBAL_SCOPE)
    repository.imports.apply(ALICE, plan)
    views = listed(repository, ALICE, acme)
    assert [(view.key, view.scope.name) for view in views] == [("a", "Acme"), ("g", "Global")]
    for scopes in ([], [file(None), file("Acme")]):
        with pytest.raises(TransferError):
            planned(repository, *scopes, into=acme)


# Who may


def test_who_may_import_where(repository: Repository, acme: Scope) -> None:
    bright = repository.organizations.add(ALICE, "Bright")
    add_member(repository, "bob", Role.MEMBER, acme)
    add_member(repository, "carol", Role.ADMIN, acme)
    add_member(repository, "dave", Role.ADMIN)
    archived = repository.organizations.archive(ALICE, bright, 1)
    mallory = Access("mallory", "local")
    manager = "takes an owner or an admin"
    expected: list[tuple[Access, str | None, bool, str]] = [
        (BOB, "Acme", False, manager),
        (BOB, None, False, "may not see the global configs"),
        (CAROL, "Acme", False, ""),
        (CAROL, None, False, "may not see the global configs"),
        (CAROL, "Bright", False, "no organization 'Bright' for you"),
        (CAROL, "Nowhere", False, "no organization 'Nowhere' for you"),
        (CAROL, "Bright", True, "carol may not add Bright"),
        (CAROL, "Nowhere", True, "carol may not add Nowhere"),
        (DAVE, "Acme", False, ""),
        (DAVE, None, False, ""),
        (DAVE, "Bright", True, "archived"),
        (DAVE, "New", True, ""),
        (mallory, "Acme", True, "mallory may not add Acme"),
        (mallory, None, True, "may not see the global configs"),
    ]
    for access, name, create, problem in expected:
        before = kept(repository)
        plan = planned(
            repository, file(name, plain("a")), access=access, create_organizations=create
        )
        told = events(repository)[len(before["audit_event"]) :]
        if not problem:
            assert plan.problems == ()
            assert told == []
            continue
        assert len(plan.problems) == 1
        assert problem in plan.problems[0]
        assert [(line.verdict, line.why) for line in plan.lines] == [
            (Verdict.REFUSED, plan.problems[0])
        ]
        assert [(each[0], each[3]) for each in told] == [("config.import", "refused")]
        with pytest.raises(TransferError) as raised:
            repository.imports.apply(access, plan)
        assert raised.value.problems == plan.problems
        after = kept(repository)
        assert {**after, "audit_event": before["audit_event"]} == before
    assert archived.archived
    assert_whole(repository)


@pytest.mark.parametrize("create", [False, True])
def test_an_organization_that_is_not_seen_is_as_one_that_is_not_there(
    repository: Repository, acme: Scope, create: bool
) -> None:
    hidden = repository.organizations.add(ALICE, "Hidden")
    repository.configs.add(ALICE, hidden, plain("a"))
    add_member(repository, "carol", Role.ADMIN, acme)
    seen = []
    for name in ("Hidden", "Absent"):
        plan = planned(
            repository,
            file(name, plain("a"), secret("b", VALUE)),
            access=CAROL,
            create_organizations=create,
        )
        texts = [*plan.problems, *map(repr, plan.lines), repr(plan.counts)]
        told = details(repository)[-1]
        seen.append("\n".join([*texts, repr(told)]).replace(name, "?"))
    assert seen[0] == seen[1]


def test_the_owner_is_told_of_what_is_not_there_and_nothing_is_logged(
    repository: Repository,
) -> None:
    before = kept(repository)
    plan = planned(repository, file("Nowhere", plain("a")))
    assert len(plan.problems) == 1
    assert kept(repository) == before


# What was planned upon


def _edit(repository: Repository, scope: Scope) -> None:
    view = repository.configs.get_key(ALICE, scope, "differs")
    repository.configs.edit(ALICE, view, plain("differs", "by another"))


def _rotate(repository: Repository, scope: Scope) -> None:
    view = repository.configs.get_key(ALICE, scope, "empty")
    value = secret("any", VALUE).secret
    assert value is not None
    repository.configs.rotate(ALICE, view, value)


def _touch_same(repository: Repository, scope: Scope) -> None:
    view = repository.configs.get_key(ALICE, scope, "same")
    repository.configs.edit(ALICE, view, plain("same", "not any more"))


def _delete(repository: Repository, scope: Scope) -> None:
    repository.configs.delete(ALICE, repository.configs.get_key(ALICE, scope, "differs"))


def _replace(repository: Repository, scope: Scope) -> None:
    _delete(repository, scope)
    repository.configs.add(ALICE, scope, plain("differs", "old"))


def _add(repository: Repository, scope: Scope) -> None:
    repository.configs.add(ALICE, scope, plain("new"))


def _rename(repository: Repository, scope: Scope) -> None:
    repository.organizations.rename(ALICE, scope, 1, "Acme Ltd")


def _organization(repository: Repository, _scope: Scope) -> None:
    repository.organizations.add(ALICE, "BRIGHT")


def _archive(repository: Repository, scope: Scope) -> None:
    repository.organizations.archive(ALICE, scope, 1)


def _demote(repository: Repository, scope: Scope) -> None:
    by_hand(repository, "UPDATE member SET role = 'member' WHERE actor = 'dave'")


def _remove(repository: Repository, scope: Scope) -> None:
    by_hand(repository, "DELETE FROM member WHERE actor = 'dave'")


@pytest.mark.parametrize("chunk", [1, 500])
@pytest.mark.parametrize(
    ("meanwhile", "error"),
    [
        (_edit, ConflictError),
        (_rotate, ConflictError),
        (_touch_same, ConflictError),
        (_delete, ConflictError),
        (_replace, ConflictError),
        (_add, ConflictError),
        (_rename, ConflictError),
        (_organization, ConflictError),
        (_archive, AccessDeniedError),
        (_demote, AccessDeniedError),
        (_remove, OrganizationNotFoundError),
    ],
)
def test_what_has_changed_since_is_not_written_over(
    repository: Repository,
    acme: Scope,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Repository, Scope], None],
    error: type[BifrostError],
    chunk: int,
) -> None:
    monkeypatch.setattr(importing_plan.chunks, "__defaults__", (chunk,))
    monkeypatch.setattr(importing_write, "_CHUNK", chunk)
    add_member(repository, "dave", Role.OWNER)
    for draft in (plain("differs", "old"), plain("same", "x"), secret("empty")):
        repository.configs.add(ALICE, acme, draft)
    plan = planned(
        repository,
        file(
            "Acme",
            plain("a_first"),
            plain("differs", "new"),
            secret("empty", OTHER),
            plain("new"),
            plain("same", "x"),
        ),
        file("Bright", plain("a")),
        access=DAVE,
        create_organizations=True,
    )
    meanwhile(repository, acme)
    before = kept(repository)
    with pytest.raises(error) as raised:
        repository.imports.apply(DAVE, plan, on_conflict=OnConflict.OVERWRITE)
    assert_silent(raised.value, planted())
    after = kept(repository)
    if error is not ConflictError:
        [told] = events(repository)[len(before["audit_event"]) :]
        assert told[3] == "refused"
        del before["audit_event"], after["audit_event"]
    assert after == before
    assert_whole(repository)


def test_a_plan_is_carried_out_once(repository: Repository, acme: Scope) -> None:
    plan = planned(repository, file("Acme", plain("a")))
    repository.imports.apply(ALICE, plan)
    before = kept(repository)
    with pytest.raises(ConflictError, match=r"a in Acme was added by .*look again") as raised:
        repository.imports.apply(ALICE, plan)
    assert raised.value.__context__ is None
    assert kept(repository) == before


# Secrets


def test_secrets_come_in_whole(home: Path, repository: Repository) -> None:
    values = {f"key_{number}": value for number, value in enumerate(planted())}
    drafts = [secret(key, value, rotate_every_days=30) for key, value in values.items()]
    imported(repository, file("Acme", *drafts), create_organizations=True)
    acme = repository.organizations.find(ALICE, "Acme")
    views = listed(repository, ALICE, acme)
    assert {view.key: opened(repository, view) for view in views} == {
        key: value.encode() for key, value in values.items()
    }
    assert {view.due_at for view in views} == {START + timedelta(days=30)}
    assert_nowhere(planted(), [home])


def test_a_new_value_ends_what_was_exposed_and_sets_when_it_is_due(
    repository: Repository, acme: Scope, clock: HandClock
) -> None:
    add_member(repository, "bob", Role.MEMBER, acme)
    repository.configs.add(ALICE, acme, secret("key", VALUE, rotate_every_days=30))
    repository.configs.add(ALICE, acme, secret("twin", VALUE))
    members = repository.members
    members.remove(ALICE, members.removal(ALICE, members.find(ALICE, acme, "bob")))
    assert [each.secrets for each in members.left(ALICE)] == [2]
    clock.advance(days=31)
    assert listed(repository, ALICE, acme)[0].state is State.OVERDUE
    incoming = file("Acme", secret("key", OTHER, rotate_every_days=30))
    assert imported(repository, incoming) == Imported(kept=1)
    assert imported(repository, incoming, replace_secrets=True) == Imported(rotated=1)
    assert [each.secrets for each in members.left(ALICE)] == [1]
    view = listed(repository, ALICE, acme)[0]
    assert (view.state, view.is_reused) == (State.OK, False)
    assert view.secret_changed_at == clock.now
    assert opened(repository, view) == OTHER.encode()
    assert not listed(repository, ALICE, acme)[1].is_reused
    imported(
        repository,
        file("Acme", secret("key", rotate_every_days=7)),
        on_conflict=OnConflict.OVERWRITE,
    )
    view = listed(repository, ALICE, acme)[0]
    assert view.due_at is not None
    assert (view.due_at - clock.now).days == 7
    assert_whole(repository)


def test_values_are_compared_and_not_fingerprints_alone(
    repository: Repository, acme: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(repository._context.root), "fingerprint", lambda _self, _value: "0" * 8
    )
    repository.configs.add(ALICE, acme, secret("a", VALUE))
    repository.configs.add(ALICE, acme, secret("b", VALUE))
    plan = planned(repository, file("Acme", secret("a", VALUE), secret("b", OTHER)))
    assert [line.verdict for line in plan.lines] == [Verdict.SAME, Verdict.OTHER_VALUE]
    by_hand(repository, "UPDATE config SET key_id = 'gone' WHERE key = 'a'")
    plan = planned(repository, file("Acme", secret("a", VALUE)))
    [line] = plan.lines
    assert line.verdict is Verdict.OTHER_VALUE
    assert "does not decrypt" in line.why
    assert repository.imports.apply(ALICE, plan, replace_secrets=True).rotated == 1
    assert opened(repository, listed(repository, ALICE, acme)[0]) == VALUE.encode()


def test_equal_secrets_are_found(repository: Repository, acme: Scope) -> None:
    repository.configs.add(ALICE, acme, secret("there", VALUE))
    imported(
        repository,
        file("Acme", secret("a", VALUE), secret("b", OTHER)),
        file("Bright", secret("c", OTHER), secret("alone", planted()[1])),
        create_organizations=True,
    )
    assert by_hand(repository, "SELECT key FROM config WHERE equal_group IS NULL") == [("alone",)]
    groups: dict[str, list[str]] = {}
    for group, key in by_hand(
        repository, "SELECT equal_group, key FROM config WHERE equal_group <> '' ORDER BY key"
    ):
        groups.setdefault(group, []).append(key)
    assert list(groups.values()) == [["a", "there"], ["b", "c"]]


# References


def test_references_that_will_give_nothing_are_told_of(repository: Repository, acme: Scope) -> None:
    for draft in (secret("empty"), plain("text"), secret("bound", VALUE, integration="slack")):
        repository.configs.add(ALICE, acme, draft)
    repository.configs.add(ALICE, GLOBAL_SCOPE, secret("shared", VALUE))
    plan = planned(
        repository,
        file(
            "Acme",
            reference("r1", "empty"),
            reference("r2", "text"),
            reference("r3", "bound"),
            reference("r4", "bound", integration="Slack"),
            reference("r5", "shared"),
            reference("r6", "brought"),
            reference("r7", "brought_globally"),
            reference("r8", "nowhere"),
            reference("r9", "brought_empty"),
            secret("brought", VALUE),
            secret("brought_empty"),
        ),
        file(None, secret("brought_globally", VALUE), reference("g", "brought")),
    )
    assert {line.key: line.why for line in plan.lines if line.why} == {
        "g": "It will give nothing: there is no secret brought.",
        "r1": "It will give nothing: the secret empty needs a value.",
        "r2": "It will give nothing: text is no secret.",
        "r3": "It will give nothing: the secret bound is bound to another integration.",
        "r8": "It will give nothing: there is no secret nowhere.",
        "r9": "It will give nothing: the secret brought_empty needs a value.",
    }
    told = {line.key for line in plan.lines if line.why}
    repository.imports.apply(ALICE, plan)
    rows = by_hand(repository, "SELECT key FROM config WHERE dangling IS NOT NULL")
    assert {key for (key,) in rows} == told


# Progress


def test_progress_is_told_from_the_first_moment(repository: Repository, acme: Scope) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    repository.configs.add(ALICE, acme, plain("key_1", "x"))
    scopes = [
        file("Acme", *[plain(f"key_{number}", "x") for number in range(1200)]),
        file("Bright", plain("a")),
        file(None, plain("a")),
    ]
    plan = repository.imports.plan(
        ALICE, scopes, create_organizations=True, form="portable", progress=progress
    )
    assert told[0] == (0, 1202)
    assert told[-1] == (1202, 1202)
    assert told == sorted(told)
    assert len(told) > 3
    told.clear()
    repository.imports.apply(ALICE, plan, progress=progress)
    assert (told[0], told[-1]) == ((0, 1202), (1202, 1202))
    assert told == sorted(told)


def test_an_import_that_is_stopped_has_not_happened(repository: Repository, acme: Scope) -> None:
    plan = planned(repository, file("Acme", *[plain(f"key_{number}") for number in range(10)]))
    before = kept(repository)

    def stop(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repository.imports.apply(ALICE, plan, progress=stop)
    assert kept(repository) == before
    assert repository.imports.apply(ALICE, plan).added == 10


def test_a_member_everywhere_may_not(repository: Repository) -> None:
    repository.members.add(ALICE, ALL_SCOPES, "bob", Role.MEMBER)
    plan = planned(
        repository,
        file(None, plain("a")),
        file("New", plain("a")),
        access=BOB,
        create_organizations=True,
    )
    assert len(plan.problems) == 2
