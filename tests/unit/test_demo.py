"""What the demo is made of: a story that holds together, and as many configs as one asks for."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import bifrost_tui.demo
from bifrost_tui.demo import build_scale, build_story, create_story, story_began
from bifrost_tui.demo.scale import BIGGEST
from bifrost_tui.errors import AlreadyExistsError
from bifrost_tui.store.filters import parse_filter
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import ConfigList
from bifrost_tui.store.summaries import recount
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE, Attention, ConfigView, Standing, State
from tests.support import (
    ALICE,
    START,
    HandClock,
    by_hand,
    counted_ids,
    listed,
    make_repository,
    make_settings,
    opened,
)

pytestmark = pytest.mark.both_engines

# What scanners for leaked keys look for.
LIVE_KEYS = re.compile(
    r"(sk|rk|pk)_(live|test)_|AKIA|gh[pousr]_|xox[abpr]-|SG\.[\w-]{16}|\bAC[0-9a-f]{32}|sk-[\w-]{20}"
    r"|-----BEGIN|eyJ[\w-]{10}|[0-9a-f]{32}|hooks\.slack\.com"
)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    settings = make_settings(tmp_path_factory.mktemp("story"))
    with create_story(settings, ALICE, clock=HandClock()) as repository:
        yield repository


def everything(repository: Repository) -> list[ConfigView]:
    """Return every config of every organization, and of global."""
    lines = repository.organizations.list(ALICE)
    return [
        view
        for line in lines
        for view in listed(repository, ALICE, ConfigList(line.scope, own_only=True))
    ]


def told(repository: Repository) -> list[dict[str, Any]]:
    names = ("at", "actor", "source", "action", "organization", "key", "outcome", "details")
    rows = by_hand(repository, f"SELECT {','.join(names)} FROM audit_event ORDER BY sequence")
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_its_counts_and_its_chain_are_right(story: Repository) -> None:
    assert story._context.database.read(recount) == []
    report = story._context.chain.verify()
    assert (report.checked, report.broken_at) == (len(told(story)), None)
    assert report.checked > 500


def test_its_log_is_in_order_of_time_and_ends_before_now(story: Repository) -> None:
    times = [datetime.fromisoformat(event["at"]).replace(tzinfo=UTC) for event in told(story)]
    assert times == sorted(times)
    assert times[0] == story_began(HandClock())
    assert timedelta(hours=1) < START - times[-1] < timedelta(hours=8)


def test_every_row_is_what_its_events_made_of_it(story: Repository) -> None:
    """Version, times and actors of each config are those of the events that tell of it."""
    made: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in told(story):
        if event["action"] in ("config.add", "config.edit", "config.rotate"):
            made[event["organization"], event["key"]].append(event)
    views = everything(story)
    assert {(view.scope.name, view.key) for view in views} == set(made)
    for view in views:
        events = made[view.scope.name, view.key]
        first, last = events[0], events[-1]
        assert [event["action"] for event in events].count("config.add") == 1
        assert (first["action"], view.version) == ("config.add", len(events))
        assert (view.created_by, view.updated_by) == (first["actor"], last["actor"])
        for event, at in ((first, view.created_at), (last, view.updated_at)):
            assert datetime.fromisoformat(event["at"]).replace(tzinfo=UTC) == at
        prints = [json.loads(event["details"]).get("fingerprint") for event in events]
        if view.is_secret and len(events) > 1:
            assert prints[-1] == view.fingerprint
            assert len(set(prints)) == len(prints)


def test_who_did_it_and_when_is_believable(story: Repository) -> None:
    events = [event for event in told(story) if event["action"].startswith("config")]
    actors = Counter(event["actor"] for event in events)
    assert set(actors) == {"alice", "bob", "carol"}
    assert min(actors.values()) > len(events) / 5
    assert len({event["source"] for event in events}) >= 5
    hours = {datetime.fromisoformat(event["at"]).hour for event in events[:-2]}
    assert hours <= set(range(8, 18))


def test_a_dozen_customers_have_some_dozen_configs_each(story: Repository) -> None:
    first, *lines = story.organizations.list(ALICE)
    assert first.scope == GLOBAL_SCOPE
    assert len(lines) == 12
    assert all(20 <= line.configs <= 50 for line in lines), [line.configs for line in lines]
    assert all(line.secrets < line.configs / 2 for line in lines)
    assert {"Acme Dental", "Bright Logistics", "Coastal Realty"} < {
        line.scope.name for line in lines
    }
    assert [line.scope.name for line in lines if not line.scope.name.isascii()]
    ages = {START - line.changed_at for line in lines if line.changed_at}
    assert len(ages) == 12
    assert min(ages) < timedelta(hours=3)
    assert max(ages) > timedelta(days=40)


def test_some_customers_need_attention_and_most_do_not(story: Repository) -> None:
    found = {
        line.scope.name: line.attention
        for line in story.organizations.list(ALICE)
        if line.attention
    }
    assert found == {
        "Acme Dental": Attention(overdue=3, needs_value=1),
        "Coastal Realty": Attention(unreadable=1),
        "Dune Clinics": Attention(due=1),
        "Granite Legal": Attention(dangling=1),
        "Harbor Hotels": Attention(needs_value=2),
    }


def test_each_state_is_somewhere_and_is_found_by_its_filter(story: Repository) -> None:
    states = Counter(view.state for view in everything(story))
    assert states[State.OVERDUE] == states[State.NEEDS_VALUE] == 3
    assert states[State.DUE] == states[State.UNREADABLE] == 1
    dune = story.organizations.find(ALICE, "Dune Clinics")
    [due] = listed(story, ALICE, ConfigList(dune, parse_filter("is:due")))
    assert due.secret_changed_at is not None
    assert (START - due.secret_changed_at).days == due.rotate_every_days


def test_only_the_damaged_secret_does_not_open(story: Repository) -> None:
    before = len(told(story))
    closed = [
        (view.scope.name, view.key)
        for view in everything(story)
        if view.fingerprint and not opened(story, view)
    ]
    assert closed == [("Coastal Realty", "listing_feed_password")]
    # It was found long ago: nobody who opens a list is told of it as of news.
    assert len(told(story)) == before


def test_organizations_inherit_and_shadow(story: Repository) -> None:
    for line in story.organizations.list(ALICE)[1:]:
        standings = Counter(view.standing for view in listed(story, ALICE, line.scope))
        assert standings[Standing.INHERITED] > 5, line.scope.name
        assert standings[Standing.OWN] > 5, line.scope.name
    shadows = [view for view in listed(story, ALICE, acme(story)) if view.standing == "shadows"]
    assert {"sendgrid_key", "sendgrid_sender"} <= {view.key for view in shadows}


def acme(story: Repository) -> Any:
    return story.organizations.find(ALICE, "Acme Dental")


def test_some_values_are_kept_in_two_places(story: Repository) -> None:
    places = defaultdict(list)
    for view in everything(story):
        if view.fingerprint:
            places[view.fingerprint].append((view.scope.name, view.key))
    twice = sorted(found for found in places.values() if len(found) > 1)
    assert twice == [
        [("Bright Logistics", key), ("Coastal Realty", key)]
        for key in ("backup_passphrase", "stripe_webhook_secret")
    ]
    values = [
        opened(story, view) for view in everything(story) if view.key == "stripe_webhook_secret"
    ]
    assert len(values) == len(set(values)) + 1


def test_every_kind_of_config_is_there(story: Repository) -> None:
    views = everything(story)
    assert {view.type for view in views} == set(ConfigType)
    assert {
        "HTTP request",
        "Microsoft Graph",
        "OpenAI",
        "SendGrid",
        "Slack",
        "Stripe",
        "Twilio",
        None,
    } == {view.integration for view in views}
    assert [view.key for view in views if view.cut] == ["tail_numbers"]
    assert 0.4 < sum(bool(view.description) for view in views) / len(views) < 0.95
    assert max(len(opened(story, view) or b"") for view in views if view.fingerprint) > 5000
    assert any(b"\n" in (opened(story, view) or b"") for view in views if view.fingerprint)


def dump(repository: Repository) -> list[list[tuple[Any, ...]]]:
    """Return everything but what chance or the database's own root decides."""
    drawn = {"secret", "key_id", "fingerprint", "equal_group", "chain_hash", "details"}
    found = []
    for table in ("organization", "config", "scope_summary", "audit_event"):
        columns = [row[1] for row in by_hand(repository, f"PRAGMA table_info({table})")]
        kept = ",".join(column for column in columns if column not in drawn)
        found.append(by_hand(repository, f"SELECT {kept} FROM {table} ORDER BY 1"))
    return found


@pytest.mark.sqlite
def test_the_same_clock_and_seed_tell_the_same_story(home: Path, story: Repository) -> None:
    stories = []
    for seed in (1, 2):
        (home / str(seed)).mkdir()
        with make_repository(home / str(seed)) as repository:
            build_story(repository, ALICE, clock=HandClock(), seed=seed)
            stories.append(dump(repository))
    first, other = stories
    # The database itself was made by somebody else, at another time.
    assert [*first[:3], first[3][1:]] == [*dump(story)[:3], dump(story)[3][1:]]
    assert first != other
    assert [len(rows) for rows in first[:3]] == [len(rows) for rows in other[:3]]


@pytest.mark.sqlite
@pytest.mark.parametrize("hours", [0, 5.25, 11, 14.5, 23.9, 9000.7])
def test_the_story_counts_back_from_every_hour(home: Path, story: Repository, hours: float) -> None:
    now = START.replace(hour=0, minute=0) + timedelta(hours=hours)
    with create_story(make_settings(home), ALICE, clock=HandClock(now)) as repository:
        assert ages(repository, now) == ages(story, START)
        assert [line.attention for line in repository.organizations.list(ALICE)] == [
            line.attention for line in story.organizations.list(ALICE)
        ]
        times = [event["at"] for event in told(repository)]
        assert times == sorted(times)


def ages(repository: Repository, now: datetime) -> list[tuple[str, str, int, int]]:
    return [
        (view.scope.name, view.key, (now - view.created_at).days, (now - view.updated_at).days)
        for view in everything(repository)
    ]


def test_the_story_is_told_in_a_moment(home: Path) -> None:
    repository = make_repository(home)
    started = time.process_time()
    build_story(repository, ALICE, clock=HandClock())
    assert time.process_time() - started < 2
    repository.close()


def test_the_story_is_told_once(story: Repository) -> None:
    before = dump(story)
    with pytest.raises(AlreadyExistsError):
        build_story(story, ALICE, clock=HandClock())
    assert dump(story) == before


def test_nothing_in_it_looks_like_a_live_key(story: Repository) -> None:
    sources = sorted(Path(bifrost_tui.demo.__file__).parent.glob("*.py"))
    assert len(sources) >= 3
    for source in sources:
        assert not LIVE_KEYS.search(source.read_text("utf-8")), source
    for view in everything(story):
        assert not LIVE_KEYS.search(view.value or ""), view.key


class Scale:
    """A database of some thousand configs, and what was told while it was made."""

    def __init__(self, folder: Path, configs: int, **more: Any) -> None:
        self.repository = make_repository(folder, clock=HandClock(), ids=counted_ids())
        self.told: list[int] = []
        build_scale(
            self.repository, ALICE, configs, clock=HandClock(), progress=self.told.append, **more
        )
        self.lines = self.repository.organizations.list(ALICE)
        self.views = everything(self.repository)


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scale]:
    made = Scale(tmp_path_factory.mktemp("scale"), 4321, organizations=40)
    yield made
    made.repository.close()


def test_exactly_so_many_configs_are_made_and_half_are_in_one_place(scale: Scale) -> None:
    shares = {line.scope.name: line.configs for line in scale.lines}
    assert sum(shares.values()) == len(scale.views) == 4321
    assert len(shares) == 41
    assert shares[BIGGEST] == 4321 // 2
    assert 100 < shares["Global"] < 400
    others = sorted(share for name, share in shares.items() if name not in ("Global", BIGGEST))
    assert 0 < others[0] * 4 < others[-1]


def test_they_count_right_and_their_chain_verifies(scale: Scale) -> None:
    assert scale.repository._context.database.read(recount) == []
    assert scale.repository._context.chain.verify().broken_at is None
    imported = [event for event in told(scale.repository) if event["action"] == "config.import"]
    assert {event["organization"]: json.loads(event["details"]) for event in imported} == {
        line.scope.name: {"count": line.configs} for line in scale.lines
    }


def test_they_are_of_every_kind(scale: Scale) -> None:
    kinds = Counter(view.type for view in scale.views)
    assert set(kinds) == set(ConfigType)
    assert 0.28 < kinds[ConfigType.SECRET] / len(scale.views) < 0.32
    states = Counter(view.state for view in scale.views)
    assert all(states[state] for state in State if state is not State.UNREADABLE)
    assert not states[State.UNREADABLE]
    assert states[State.OVERDUE] < kinds[ConfigType.SECRET] / 10
    assert all(re.fullmatch(r"[a-z]+_[a-z]+_[a-z_]+_\d{4}", view.key) for view in scale.views)
    keys = [view.key for view in scale.views if view.scope.name == BIGGEST]
    assert keys == sorted(keys)
    assert all(
        opened(scale.repository, view)
        for view in scale.views[:500]
        if view.state is State.OK
        if view.is_secret
    )


def test_some_global_ones_are_inherited_and_some_are_shadowed(scale: Scale) -> None:
    biggest = scale.repository.organizations.find(ALICE, BIGGEST)
    standings = Counter(view.standing for view in listed(scale.repository, ALICE, biggest))
    assert standings[Standing.INHERITED] > 100
    assert standings[Standing.SHADOWS] >= 10
    # However many an organization gets, it gets none of these.
    shared = [view for view in scale.views if view.scope == GLOBAL_SCOPE]
    assert sum(view.key.endswith("_0000") for view in shared) == len(shared) // 2


@pytest.mark.parametrize(("configs", "calls"), [(4321, 101), (250, 125), (1, 1)])
def test_progress_is_told_at_every_percent(home: Path, configs: int, calls: int) -> None:
    made = Scale(home, configs, organizations=3)
    assert made.told == sorted(set(made.told))
    assert made.told[-1] == configs
    assert len(made.told) == calls
    steps = zip([0, *made.told], made.told, strict=False)
    assert all(later - earlier <= max(configs // 100, 1) for earlier, later in steps)
    made.repository.close()


@pytest.mark.sqlite
def test_the_same_seed_makes_the_same_ones(home: Path, scale: Scale) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        (home / name).mkdir()
        made = Scale(home / name, 4321, organizations=40, seed=seed)
        assert (made.views == scale.views) is (name == "same")
        made.repository.close()


@pytest.mark.sqlite
def test_one_organization_can_have_them_all(home: Path) -> None:
    made = Scale(home, 12_000, single=True)
    assert [(line.scope.name, line.configs) for line in made.lines] == [
        ("Global", 0),
        (BIGGEST, 12_000),
    ]
    assert len({view.key for view in made.views}) == 12_000
    made.repository.close()


@pytest.mark.parametrize("configs", [0, 1, 5])
def test_fewer_configs_than_organizations_can_be_made(home: Path, configs: int) -> None:
    made = Scale(home, configs, organizations=7)
    assert len(made.views) == configs
    made.repository.close()


def test_more_organizations_than_there_are_names_for_get_a_number(home: Path) -> None:
    made = Scale(home, 0, organizations=400)
    assert len({line.scope.name for line in made.lines}) == 401
    made.repository.close()
