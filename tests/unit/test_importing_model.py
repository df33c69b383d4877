"""Imports against a simple model: random content, random files, every choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store import importing_plan, importing_write, references
from bifrost_tui.store.bulk import BulkConfig, write_configs
from bifrost_tui.store.drafts import checked_draft
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.exporting import Export, ExportedConfig
from bifrost_tui.store.importing_plan import ImportPlan
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, OnConflict, Verdict
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Scope
from tests.support import (
    ALICE,
    assert_nowhere,
    assert_silent,
    by_hand,
    forms,
    make_repository,
    opened,
)

pytestmark = pytest.mark.both_engines

MARK = "zQ9-a-secret-that-is-planted"
HERE = (None, "Acme", "Bright")
KEYS = ("a", "b", "c", "d")
SECRETS = ("a", "b")
PLAIN = {
    ConfigType.STRING: ("", "text", 'q"\n\\'),
    ConfigType.INT: ("1", "007"),
    ConfigType.BOOL: ("true", "off"),
    ConfigType.JSON: ("{}", '{ "b": [1, null] }'),
}

descriptions = st.sampled_from(("", "words"))
integrations = st.sampled_from((None, None, "slack", "Slack"))
values = st.sampled_from((None, MARK, MARK + "-2"))


@st.composite
def drafts(draw: st.DrawFn, key: str) -> ConfigDraft:
    # What is a secret here and none in the file is refused, and then the file as a whole: rarely.
    often = [ConfigType.SECRET] if key in SECRETS else [*PLAIN, ConfigType.SECRET_REF]
    kind = draw(
        st.sampled_from([ConfigType.STRING, ConfigType.SECRET, *often * (60 // len(often))])
    )
    draft = ConfigDraft(key, kind, description=draw(descriptions), integration=draw(integrations))
    if kind is ConfigType.SECRET:
        value = draw(values)
        return replace(
            draft,
            secret=None if value is None else EnteredSecret(value),
            rotate_every_days=draw(st.sampled_from((None, 30))),
            partial_mask=draw(st.booleans()),
        )
    if kind is ConfigType.SECRET_REF:
        return replace(draft, value=draw(st.sampled_from([each for each in KEYS if each != key])))
    return replace(draft, value=draw(st.sampled_from(PLAIN[kind])))


@st.composite
def scopes_of(draw: st.DrawFn, names: tuple[str | None, ...]) -> dict[str | None, list[Any]]:
    found: dict[str | None, list[Any]] = {}
    for name in names:
        keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
        found[name] = [draw(drafts(key)) for key in keys]
    return found


class Spec(NamedTuple):
    """What the model knows of a config."""

    type: ConfigType
    value: str | None
    refers_to: str | None
    secret: str | None
    description: str
    integration: str | None
    days: int | None
    mask: bool


def spec_of(draft: ConfigDraft) -> Spec:
    checked = checked_draft(draft)
    secret = None if checked.secret is None else checked.secret._data.decode()
    return Spec(
        checked.type,
        checked.value,
        checked.refers_to,
        secret,
        checked.description,
        checked.integration,
        checked.rotate_every_days,
        checked.partial_mask,
    )


Content = dict[tuple[str | None, str], Spec]


def content_of(scopes: Mapping[str | None, list[ConfigDraft]]) -> Content:
    return {(name, each.key): spec_of(each) for name, found in scopes.items() for each in found}


def expected(here: Spec | None, there: Spec) -> tuple[Verdict, bool]:
    """Return what the model says of a config, and whether it asks what to do."""
    if here is None:
        return Verdict.NEW, False
    secret = ConfigType.SECRET
    if (here.type is secret) != (there.type is secret):
        return Verdict.REFUSED, False
    differs = here._replace(secret=None) != there._replace(secret=None)
    if there.secret is not None and here.secret is None:
        return Verdict.FILLED, differs
    if there.secret is not None and here.secret != there.secret:
        return Verdict.OTHER_VALUE, differs
    return (Verdict.DIFFERS if differs else Verdict.SAME), differs


def after(here: Spec | None, there: Spec, overwrite: bool, replace_secrets: bool) -> Spec:
    """Return what a config is, once it was imported."""
    verdict, differs = expected(here, there)
    if here is None:
        return there
    found = there._replace(secret=here.secret) if differs and overwrite else here
    takes = verdict is Verdict.FILLED or (verdict is Verdict.OTHER_VALUE and replace_secrets)
    return found._replace(secret=there.secret) if takes else found


@contextmanager
def database(content: Mapping[str | None, list[ConfigDraft]]) -> Iterator[Repository]:
    with TemporaryDirectory() as folder, make_repository(Path(folder)) as repository:
        for name, found in content.items():
            scope = GLOBAL_SCOPE if name is None else repository.organizations.add(ALICE, name)
            if found:
                write_configs(repository, ALICE, scope, map(BulkConfig, found))
        yield repository
        assert_nowhere([MARK], [Path(folder)])


def read(repository: Repository) -> tuple[Content, dict[str | None, Scope]]:
    """Return what an export gives, together with what stands in the tokens."""
    scopes: dict[str | None, Scope] = {}
    exported: list[tuple[Scope, ExportedConfig]] = []

    def consume(export: Export) -> None:
        for each in export.scopes:
            rows = list(export.rows(each.scope))
            assert [row.key for row in rows] == sorted(row.key for row in rows)
            assert len(rows) == each.count
            scopes[each.scope.organization] = each.scope
            exported.extend((each.scope, row) for row in rows)

    repository.exports.portable(ALICE, None, consume, form="portable")
    found: Content = {}
    for scope, row in exported:
        secret = None
        if row.type is ConfigType.SECRET:
            view = repository.configs.get_key(ALICE, scope, row.key)
            if not row.needs_value:
                data = opened(repository, view)
                assert data is not None
                secret = data.decode()
        found[scope.organization, row.key] = Spec(
            row.type,
            row.value,
            row.refers_to,
            secret,
            row.description,
            row.integration,
            row.rotate_every_days,
            row.partial_mask,
        )
    return found, scopes


def rows(repository: Repository, *tables: str) -> list[list[tuple[Any, ...]]]:
    return [
        by_hand(repository, f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in tables or ("config", "organization", "scope_summary", "audit_event")
    ]


def whole(repository: Repository, content: Content) -> None:
    """Check all that is kept beside the configs themselves."""
    asked = repository._context.database.read
    assert asked(recount) == []
    assert asked(references.miscounted) == 0
    assert repository._context.chain.verify().broken_at is None
    names = dict(by_hand(repository, "SELECT id, name FROM organization"))
    groups: dict[str, set[str]] = {}
    alone: list[str] = []
    for scope_id, key, group, due, changed, days in by_hand(
        repository,
        "SELECT scope_id, key, equal_group, due_at, secret_changed_at, rotate_every_days"
        " FROM config WHERE secret IS NOT NULL",
    ):
        secret = content[names.get(scope_id), key].secret
        assert secret is not None
        assert (due is not None) == (days is not None and changed is not None)
        if group is None:
            alone.append(secret)
        else:
            groups.setdefault(group, set()).add(secret)
    assert all(len(found) == 1 for found in groups.values())
    grouped = [secret for found in groups.values() for secret in found]
    assert len(alone) == len(set(alone))
    assert not set(alone) & set(grouped)
    assert len(grouped) == len(set(grouped))


incoming_names = (None, "ACME", "bright ", "New")
stored = {None: None, "ACME": "Acme", "bright ": "Bright", "New": "New"}


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """Let what is dealt with a few thousand at a time be two at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing_plan.chunks, "__defaults__", (2,))
        patch.setattr(importing_write, "_CHUNK", 2)
        yield


@given(
    scopes_of(HERE),
    scopes_of(incoming_names),
    st.sampled_from((True, True, True, True, False)),
    st.sampled_from((None, *OnConflict)),
    st.booleans(),
)
def test_an_import_does_what_the_model_says(
    here: dict[str | None, list[ConfigDraft]],
    there: dict[str | None, list[ConfigDraft]],
    create: bool,
    on_conflict: OnConflict | None,
    replace_secrets: bool,
) -> None:
    """The preview, the outcome, and that a second time nothing is left to do."""
    incoming = [
        IncomingScope(name, [IncomingConfig(draft) for draft in found])
        for name, found in there.items()
    ]
    before = content_of(here)
    wanted = {(stored[name], key): spec for (name, key), spec in content_of(there).items()}
    with database(here) as repository:
        kept = rows(repository)

        def plan() -> ImportPlan:
            return repository.imports.plan(
                ALICE, incoming, create_organizations=create, form="encrypted"
            )

        planned = plan()
        assert rows(repository) == kept
        assert planned.new_organizations == (("New",) if create else ())
        assert len(planned.problems) == (0 if create else 1)
        verdicts = {place: expected(before.get(place), spec) for place, spec in wanted.items()}
        if not create:
            verdicts |= {place: (Verdict.REFUSED, False) for place in wanted if place[0] == "New"}
        lines = list(planned.lines)
        assert [planned.lines[at] for at in range(len(lines))] == lines
        assert [(line.organization, line.key) for line in lines] == sorted(
            wanted, key=lambda place: ((place[0] or "").casefold(), place[1])
        )
        assert {(each.organization, each.key): each.verdict for each in lines} == {
            place: verdict for place, (verdict, _) in verdicts.items()
        }
        assert planned.differing == sum(asks for _, asks in verdicts.values())
        assert MARK not in repr(lines)
        arguments: dict[str, Any] = {"on_conflict": on_conflict, "replace_secrets": replace_secrets}
        if planned.refused or planned.problems or (planned.differing and on_conflict is None):
            refused = bool(planned.refused or planned.problems)
            event("refused" if refused else "not chosen")
            with pytest.raises(TransferError if refused else InvalidInputError) as raised:
                repository.imports.apply(ALICE, planned, **arguments)
            assert_silent(raised.value, [MARK])
            assert rows(repository) == kept
            return
        event("imported")
        with pytest.MonkeyPatch.context() as patch:
            # By the half as if they were too many for what is done about a few.
            patch.setattr(importing_write, "AT_ONCE", 500 * (len(lines) % 2))
            done = repository.imports.apply(ALICE, planned, **arguments)
        overwrite = on_conflict is OnConflict.OVERWRITE
        now = before | {
            place: after(before.get(place), spec, overwrite, replace_secrets)
            for place, spec in wanted.items()
        }
        found, _ = read(repository)
        assert found == now
        whole(repository, now)
        assert done.organizations == 1
        assert (
            done.added + done.changed + done.filled + done.rotated + done.kept + done.same
        ) == len(lines)
        assert done.added == planned.counts[Verdict.NEW]
        assert (
            done.need_value
            == planned.need_value
            == sum(
                now[place].type is ConfigType.SECRET and now[place].secret is None
                for place in wanted
            )
        )
        text = repr(rows(repository, "audit_event")).encode()
        assert not any(form in text for form in forms(MARK).values())
        kept = rows(repository)
        again = plan()
        assert not again.new_organizations
        if overwrite and replace_secrets:
            assert again.changes_nothing
        second = repository.imports.apply(ALICE, again, **arguments)
        assert (second.added, second.changed, second.filled, second.rotated) == (0, 0, 0, 0)
        assert rows(repository) == kept


@settings(max_examples=50)
@given(scopes_of(HERE))
def test_what_was_exported_comes_back_as_it_was(here: dict[str | None, list[ConfigDraft]]) -> None:
    """Export, an empty database, import, export: the same, secrets without their values."""
    with database(here) as repository:
        first, _ = read(repository)
    incoming = [
        IncomingScope(
            name,
            [
                IncomingConfig(replace(draft, secret=None))
                for draft in sorted(found, key=lambda each: each.key)
            ],
        )
        for name, found in here.items()
    ]
    with database({}) as repository:
        plan = repository.imports.plan(ALICE, incoming, create_organizations=True, form="portable")
        repository.imports.apply(ALICE, plan)
        second, _ = read(repository)
        assert second == {place: spec._replace(secret=None) for place, spec in first.items()}
        whole(repository, second)
