"""A great many configs over some hundred organizations, to see how lists and changes bear it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count, product
from random import Random
from typing import NamedTuple

from bifrost_tui.clock import Clock
from bifrost_tui.store.bulk import BulkConfig, write_configs, write_organization
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE

BIGGEST = "Northwind Holdings"
"""The organization that has half of all configs, or all of them."""

GLOBAL_MOST = 400
"""The most configs that global gets."""

_ENVIRONMENTS = ("dev", "prod", "qa", "staging", "test")
_ACTORS = ("alice", "bob", "carol", "dave", "erin")
_PERIODS = (None, 90, 180, 365)


class _Service(NamedTuple):
    name: str
    integration: str | None


class _Purpose(NamedTuple):
    name: str
    type: ConfigType
    value: str


# All three lists stand in the order of their names, so that keys come in their own order.
_SERVICES = (
    *(_Service(name, None) for name in ("accounts", "analytics", "archive", "audit", "auth")),
    _Service("azure", "Microsoft Graph"),
    *(_Service(name, None) for name in ("backup", "billing", "booking", "catalog", "cdn", "chat")),
    *(_Service(name, "HTTP request") for name in ("claims", "crm", "customs")),
    *(_Service(name, None) for name in ("delivery", "devices", "dns", "documents")),
    *(_Service(name, "HTTP request") for name in ("erp", "exports", "fleet", "forms")),
    _Service("graph", "Microsoft Graph"),
    *(_Service(name, None) for name in ("helpdesk", "hr", "imports", "inventory", "invoices")),
    *(_Service(name, None) for name in ("leads", "ledger", "loyalty")),
    _Service("mail", "SendGrid"),
    *(_Service(name, None) for name in ("maps", "media", "metrics", "monitoring")),
    _Service("openai", "OpenAI"),
    *(_Service(name, None) for name in ("orders", "payroll")),
    _Service("phone", "Twilio"),
    *(_Service(name, None) for name in ("reports", "search", "shipping")),
    _Service("slack", "Slack"),
    _Service("stripe", "Stripe"),
    *(_Service(name, None) for name in ("tickets", "vpn", "warehouse", "website")),
)
_PURPOSES = (
    _Purpose("api_key", ConfigType.SECRET, ""),
    _Purpose("base_url", ConfigType.STRING, "https://{service}-{number}.example.net/v2"),
    _Purpose("bucket", ConfigType.STRING, "{service}-{number}-archive"),
    _Purpose("client_secret", ConfigType.SECRET, ""),
    _Purpose("enabled", ConfigType.BOOL, "true"),
    _Purpose("endpoint", ConfigType.STRING, "/api/{service}/{number}"),
    _Purpose("host", ConfigType.STRING, "{service}{number}.internal.example"),
    _Purpose("options", ConfigType.JSON, '{"retries":[1,2,5],"service":"{service}"}'),
    _Purpose("password", ConfigType.SECRET, ""),
    _Purpose("port", ConfigType.INT, "8443"),
    _Purpose("region", ConfigType.STRING, "eu-central-{number}"),
    _Purpose("retries", ConfigType.INT, "5"),
    _Purpose("sender", ConfigType.STRING, "{service}@example.org"),
    _Purpose("shared_token", ConfigType.SECRET_REF, ""),
    _Purpose("signing_key", ConfigType.SECRET, ""),
    _Purpose("timeout_seconds", ConfigType.INT, "30"),
    _Purpose("token", ConfigType.SECRET, ""),
    _Purpose("username", ConfigType.STRING, "svc_{service}"),
    _Purpose("verify_tls", ConfigType.BOOL, "false"),
    _Purpose("webhook_secret", ConfigType.SECRET, ""),
    _Purpose("zone", ConfigType.STRING, "{service}.example.com"),
)


_REUSED = 0.004
"""As many of the secrets have a value that others have too."""
_A_VALUE_FOR = 2500
"""There is one such value for as many configs."""
_OWN_COMMON = 0.75
"""As many of the organizations have the common key; the others inherit it."""


class _Pattern(NamedTuple):
    """What all configs have in common whose keys differ in their number only."""

    key: str
    type: ConfigType
    value: str
    integration: str | None


_COMMON = _Pattern("wireless_prod_passphrase_", ConfigType.SECRET, "", None)
"""The key that most scopes have; it comes after all others."""
_EVERYONES = _Pattern("wireless_dev_passphrase_", ConfigType.SECRET, "", None)
"""The global secret that each organization refers to."""

_PATTERNS = tuple(
    _Pattern(
        f"{service.name}_{environment}_{purpose.name}_",
        purpose.type,
        purpose.value.replace("{service}", service.name),
        service.integration,
    )
    for service, environment, purpose in product(_SERVICES, _ENVIRONMENTS, _PURPOSES)
)

_FIRST = (
    *("Alder", "Amber", "Beacon", "Birch", "Canyon", "Cedar", "Cobalt", "Copper", "Delta"),
    *("Evergreen", "Falcon", "Garnet", "Harvest", "Indigo", "Juniper", "Lakeside", "Maple"),
    *("Meridian", "Orchard", "Pioneer", "Quartz", "River", "Summit", "Willow"),
)
_SECOND = (
    *("Builders", "Clinics", "Consulting", "Dental", "Electric", "Farms", "Foods", "Freight"),
    *("Hotels", "Insurance", "Legal", "Logistics", "Motors", "Optics", "Realty", "Schools"),
)


def build_scale(
    repository: Repository,
    access: Access,
    configs: int,
    *,
    organizations: int = 300,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
    seed: int = 1,
    single: bool = False,
) -> None:
    """Write that many configs: half into one organization, the rest unevenly into the others.

    Every organization is one transaction, so one that is there is whole. ``progress`` is told how
    many configs have been made, at every percent. ``single`` gives all of them to the one.

    One key is nearly everywhere, one global secret is referred to from each organization, and some
    secrets have the same value.
    """
    random = Random(seed)  # noqa: S311  values of a demo guard nothing
    make = _Maker(clock(), random, configs, progress)
    plan = _plan(configs, 1 if single else organizations)
    shared = configs - sum(plan.values())
    if shared:
        write_configs(
            repository, access, GLOBAL_SCOPE, make.configs(shared, shared=True), ids=make.id
        )
    for name, share in plan.items():
        write_organization(repository, access, name, make.configs(share), ids=make.id)


def _plan(configs: int, organizations: int) -> dict[str, int]:
    """Return how many configs each organization gets; what is missing in all is global."""
    if organizations <= 1:
        return {BIGGEST: configs}
    shared = min(GLOBAL_MOST, configs // 20)
    biggest = configs // 2
    others = organizations - 1
    rest = configs - shared - biggest
    # Shares fall off slowly, as sizes of customers do.
    weights = [1 / (rank + 5) for rank in range(others)]
    whole = sum(weights)
    shares = [int(rest * weight / whole) for weight in weights]
    for rank in range(rest - sum(shares)):
        shares[rank % others] += 1
    return {BIGGEST: biggest, **dict(zip(_names(), shares, strict=False))}


def _names() -> Iterator[str]:
    """Return names of organizations without an end, none of them twice."""
    for round_ in count(1):
        for second, first in product(_SECOND, _FIRST):
            yield f"{first} {second}" if round_ == 1 else f"{first} {second} {round_}"


class _Maker:
    """Makes configs one after another, the same ones for the same seed and moment."""

    def __init__(
        self,
        now: datetime,
        random: Random,
        total: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._now = now
        self._random = random
        self._progress = progress
        self._total = total
        self._step = self._next = max(total // 100, 1)
        self._made = 0
        # The last secret of each integration in the scope at hand.
        self._last: dict[str | None, str] = {}
        # Whether there is a secret for everyone, and whether the scope at hand refers to it.
        self._is_shared = self._refers = False
        values = max(total // _A_VALUE_FOR, 1)
        self._reused = [f"{random.getrandbits(160):040x}" for _ in range(values)]
        # Ids that ascend are put at the end of their index.
        self._ids = count()
        self._id_start = f"{random.getrandbits(64):016x}"

    def id(self) -> str:
        """Return the next id."""
        return f"{self._id_start}{next(self._ids):016x}"

    def configs(self, number: int, *, shared: bool = False) -> Iterator[BulkConfig]:
        """Make configs for one scope, in the order of their keys.

        Every other ``shared`` one has a key that no organization gets, and is inherited by all.
        """
        start = self._random.randrange(len(_PATTERNS))
        self._last.clear()
        self._refers = shared or not self._is_shared
        before, suffix = -1, 0
        for index in range(number):
            # Spread evenly over all patterns; where there are more configs, numbered.
            place = (index * len(_PATTERNS) + start) // number
            suffix = suffix + 1 if place == before else index % 2 if shared else 1
            before = place
            pattern = _PATTERNS[place]
            if index == number - 1 and (shared or self._random.random() < _OWN_COMMON):
                pattern, suffix = _COMMON, 1
            elif shared and index == (number - 2) // 2 * 2:
                pattern, suffix, self._is_shared = _EVERYONES, 0, True
            yield self._config(pattern, suffix)
            self._made += 1
            if self._progress is not None and self._made in (self._next, self._total):
                self._progress(self._made)
                self._next += self._step

    def _config(self, pattern: _Pattern, number: int) -> BulkConfig:
        # Scaled by hand: a million choices take seconds.
        chance = self._random.random
        key = f"{pattern.key}{number:04}"
        by = _ACTORS[int(chance() * len(_ACTORS))]
        if pattern.type is ConfigType.SECRET_REF:
            # One in five hundred refers to a secret that is gone.
            target = self._last.get(pattern.integration) if chance() < 0.998 else None
            if not self._refers:
                target, self._refers = f"{_EVERYONES.key}0000", True
            draft = ConfigDraft(
                key, pattern.type, value=target or f"{key}_gone", integration=pattern.integration
            )
            return BulkConfig(draft, self._now - timedelta(chance() * 800), by)
        if pattern.type is not ConfigType.SECRET:
            value = pattern.value.replace("{number}", str(number))
            draft = ConfigDraft(key, pattern.type, value=value, integration=pattern.integration)
            return BulkConfig(draft, self._now - timedelta(chance() * 800), by)
        self._last[pattern.integration] = key
        every = _PERIODS[int(chance() * len(_PERIODS))]
        # One in twenty is overdue.
        days = chance() * (every * 1.05 if every else 800)
        needs_value = chance() < 0.005 and pattern is not _EVERYONES
        draft = ConfigDraft(
            key,
            pattern.type,
            secret=None if needs_value else EnteredSecret(self._value()),
            integration=pattern.integration,
            rotate_every_days=every,
        )
        return BulkConfig(draft, self._now - timedelta(days), by)

    def _value(self) -> str:
        chance = self._random.random
        if chance() < _REUSED:
            return self._reused[int(chance() * len(self._reused))]
        return f"{self._random.getrandbits(160):040x}"
