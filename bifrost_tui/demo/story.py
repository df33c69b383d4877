"""A provider of managed services and its customers, as two years of work have left them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from string import Template, ascii_letters, digits

from bifrost_tui.clock import Clock
from bifrost_tui.demo.catalogue import (
    INT,
    KITS,
    LINES,
    LONG,
    PASSWORD,
    SECRET,
    TOKEN,
    WORKERS,
    Entry,
)
from bifrost_tui.demo.customers import CUSTOMERS, GLOBAL, Customer
from bifrost_tui.settings import Settings
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.opening import create_repository, open_repository
from bifrost_tui.store.replay import Damaged, Deed, members_at, replay
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.views import ALL_SCOPES, Role

_SET_UP_DAYS = (0, 0, 0, 1, 1, 4, 9)
"""How many days after it was added a customer got its configs: in a few sittings."""
_FOUND_DAYS = 2
"""How many days ago a damaged secret was found."""
_KEPT_ROTATIONS = 3
_LEAVES, _LEFT = "frank", timedelta(minutes=70)
_MEMBERS = {"bob": Role.ADMIN, "carol": Role.ADMIN, "dora": Role.MEMBER, _LEAVES: Role.MEMBER}
_TAKEN_OVER = "Taken over from the old system."

_LETTERS = ascii_letters + digits
_SHAPES = {TOKEN: (1, 40), PASSWORD: (1, 20), LINES: (24, 64), LONG: (96, 64)}
"""How many lines, of how many letters, the value of each kind of secret has."""


def story_began(clock: Clock) -> datetime:
    """Return the moment before the story's first; a database for it is best created then."""
    return clock() - timedelta(days=GLOBAL.since + 2)


def create_story(settings: Settings, access: Access, *, clock: Clock) -> Repository:
    """Make the database of the settings at the story's beginning, tell the story, and open it.

    Raises:
        MasterKeyError, DatabaseError: it could not be made, and this is why.

    """
    with create_repository(settings, access, clock=lambda: story_began(clock)) as repository:
        build_story(repository, access, clock=clock)
    return open_repository(settings, access, clock=clock)


def build_story(repository: Repository, access: Access, *, clock: Clock, seed: int = 1) -> None:
    """Fill a new database with a provider's customers, whose ages count back from the clock.

    The same clock and seed give the same story; only tokens and what the database's own root
    decides (fingerprints) differ. Where the database was created at :func:`story_began`, its log
    is in the order of time from the first event on.
    """
    now = clock()
    ids = Random(f"{seed}/ids")  # noqa: S311  ids of a demo need no strength

    def new_id() -> str:
        return f"{ids.getrandbits(128):032x}"

    people = members_at(repository, story_began(clock), new_id)
    for actor, role in _MEMBERS.items():
        if actor != access.actor:
            people.add(access, ALL_SCOPES, actor, role)
    deeds = [
        deed for customer in (GLOBAL, *CUSTOMERS) for deed in _Past(customer, now, seed).deeds()
    ]
    deeds.sort(key=lambda deed: deed.at)
    replay(repository, access, deeds, ids=new_id)
    if access.actor != _LEAVES:
        people = members_at(repository, now - _LEFT, new_id)
        view = people.find(access, ALL_SCOPES, _LEAVES)
        people.remove(access, people.removal(access, view))


class _Past:
    """What has been done for one customer."""

    def __init__(self, customer: Customer, now: datetime, seed: int) -> None:
        self._customer = customer
        self._name = None if customer is GLOBAL else customer.name
        self._now = now
        self._seed = seed
        self._words = {
            "slug": customer.slug,
            "domain": f"{customer.slug}.example",
            "name": customer.name,
            "city": customer.city,
        }
        # The youngest age in whole days that anything but the last change may have.
        self._quiet = int(customer.quiet) + 1

    def deeds(self) -> Iterator[Deed]:
        """Return everything that was done, in no order."""
        customer = self._customer
        random = self._random("start")
        if self._name is not None:
            yield Deed(self._at(random, customer.since + 1), self._somebody(random), self._name)
        kits = [(KITS[kit].integration, KITS[kit].entries) for kit in customer.kits]
        for integration, entries in (*kits, (None, customer.own)):
            for entry in entries:
                yield from self._entry(entry, integration)

    def _entry(self, entry: Entry, integration: str | None) -> Iterator[Deed]:
        random = self._random(entry.key)
        draft = ConfigDraft(
            entry.key,
            entry.type,
            integration=entry.integration or integration,
            description=entry.description,
            rotate_every_days=entry.every,
        )
        if entry.type is SECRET:
            yield from self._secret(entry, draft, random)
        else:
            yield from self._plain(entry, draft, random)

    def _plain(self, entry: Entry, draft: ConfigDraft, random: Random) -> Iterator[Deed]:
        customer = self._customer
        set_up = self._set_up(random)
        draft = replace(draft, value=Template(entry.value).safe_substitute(self._words))
        latest = entry.key == customer.latest
        edited = customer.quiet if latest else random.randint(self._quiet, set_up * 2)
        if edited >= set_up:
            yield self._deed(random, set_up, draft)
            return
        before = replace(draft, description="" if draft.description else _TAKEN_OVER)
        if entry.type is INT:
            before = replace(before, value=str(int(entry.value) * 2))
        yield self._deed(random, set_up, before)
        yield self._deed(random, edited, draft, customer.by if latest else None)

    def _secret(self, entry: Entry, draft: ConfigDraft, random: Random) -> Iterator[Deed]:
        customer = self._customer
        if entry.key in customer.empty:
            yield self._deed(random, self._quiet + 1, draft)
            return
        ages = self._ages(entry, random)
        for age in ages:
            same = customer.same.get(entry.key) if age == ages[-1] else None
            secret = _value(self._random(same, shared=True) if same else random, entry.value)
            yield self._deed(random, age, replace(draft, secret=secret))
        if entry.key in customer.damaged:
            at, finder = self._at(random, _FOUND_DAYS), self._somebody(random)
            yield Deed(at, finder, self._name, Damaged(entry.key))

    def _ages(self, entry: Entry, random: Random) -> list[int]:
        """Return how many days ago a secret got each of its values, oldest first."""
        set_up = self._set_up(random)
        period = entry.every or set_up
        age = self._customer.ages.get(entry.key)
        if age is None:
            # Rotated in good time; what has no period keeps the value that it began with.
            oldest = min(int(period * 0.85), set_up)
            age = set_up if entry.every is None else random.randint(self._quiet, oldest)
        ages = [min(age, set_up)]
        while entry.every and len(ages) < _KEPT_ROTATIONS:
            ages.append(ages[-1] + random.randint(period * 3 // 4, period))
        return [set_up, *(age for age in reversed(ages) if age < set_up)]

    def _deed(
        self, random: Random, days: float, draft: ConfigDraft, actor: str | None = None
    ) -> Deed:
        return Deed(self._at(random, days), self._somebody(random, actor), self._name, draft)

    def _set_up(self, random: Random) -> int:
        return self._customer.since - random.choice(_SET_UP_DAYS)

    def _at(self, random: Random, days: float) -> datetime:
        """Return a moment so many whole days ago, in working hours unless it was just now."""
        latest = self._now - timedelta(days=days)
        if days < 1:
            return latest
        at = latest.replace(
            hour=random.randint(8, 17), minute=random.randrange(60), second=random.randrange(60)
        )
        return at if at <= latest else at - timedelta(days=1)

    @staticmethod
    def _somebody(random: Random, actor: str | None = None) -> Access:
        worker = random.choice([one for one in WORKERS if actor in (None, one.name)])
        return Access(worker.name, random.choice(worker.sources))

    def _random(self, what: str, *, shared: bool = False) -> Random:
        """Return the chance of one thing alone: another line in a table changes nothing here."""
        whose = "" if shared else self._customer.name
        return Random(f"{self._seed}/{whose}/{what}")  # noqa: S311  values of a demo guard nothing


def _value(random: Random, kind: str) -> EnteredSecret:
    lines, letters = _SHAPES[kind]
    made = ("".join(random.choices(_LETTERS, k=letters)) for _ in range(lines))
    return EnteredSecret("\n".join(made))
