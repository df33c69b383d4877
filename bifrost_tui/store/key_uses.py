"""Which master keys are in use, by their ids: what there is of each and what depends on it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bifrost_tui.store.access import require_all
from bifrost_tui.store.audit import Event
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import config, key_check


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One master key: by its id, what there is of it and what depends on it."""

    key_id: str
    at_hand: bool
    writes: bool
    secrets: int
    """How many secrets are encrypted under it."""
    opens: bool = True
    """Whether the database can be opened with it."""

    @property
    def missed(self) -> bool:
        """Whether secrets cannot be read for want of it."""
        return self.secrets > 0 and not self.at_hand


def key_uses(context: StoreContext, access: Access) -> tuple[KeyUse, ...]:
    """Return the keys at hand, newest first, then those that are in use and not at hand.

    Raises:
        AccessDeniedError: that takes an owner or an admin of all organizations.

    """

    def work(connection: Connection) -> tuple[set[str], dict[str, int]]:
        require_all(connection, access, "see which master keys are in use")
        return set(connection.scalars(select(key_check.c.key_id))), secrets_under(connection)

    known, secrets = context.guard(access, Event("key.status"), lambda: context.database.read(work))
    at_hand = context.keyring.key_ids
    missing = sorted((known | secrets.keys()) - set(at_hand))
    return tuple(
        KeyUse(
            key_id,
            key_id in at_hand,
            key_id == context.keyring.newest.key_id,
            secrets.get(key_id, 0),
            key_id in known,
        )
        for key_id in (*at_hand, *missing)
    )


def secrets_under(connection: Connection) -> dict[str, int]:
    """Count secrets by the id of the master key that they are encrypted under."""
    query = (
        select(config.c.key_id, func.count())
        .where(config.c.key_id.is_not(None))
        .group_by(config.c.key_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
