"""What every change of a config has in common: its row, its event, the sealing of a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from bifrost_tui.clock import iso
from bifrost_tui.errors import AccessDeniedError, ConfigNotFoundError, ConflictError
from bifrost_tui.store import equals, reading, references
from bifrost_tui.store.access import may_change
from bifrost_tui.store.audit import Event
from bifrost_tui.store.config_questions import ConfigQuestions
from bifrost_tui.store.context import open_for_changes
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.fates import gone
from bifrost_tui.store.places import hint_context, seal_context, sealed_hint
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView, Scope

if TYPE_CHECKING:
    from sqlmodel import Session

    from bifrost_tui.store.tables import Config


class ConfigRows(ConfigQuestions):
    """The rows of configs as changes work on them."""

    def _write(self, access: Access, event: Event, work: Callable[[Session], object]) -> None:
        context = self._context
        context.guard(access, event, lambda: context.database.write(work))

    def _save(
        self,
        access: Access,
        event: Event,
        scope: Scope,
        config_id: str,
        work: Callable[[Session], object],
    ) -> ConfigView:
        """Change a config, and return what has become of it.

        That is read with the change and not after it: what fails then would be taken for a change
        that has failed.
        """
        found: list[Row[Any] | None] = []

        def both(session: Session) -> None:
            work(session)
            session.flush()
            connection = session.connection()
            query = self._query(connection, access, ConfigList(scope))
            found.append(reading.one(connection, query, config_id))

        self._write(access, event, both)
        return self._views(access, scope, [row for row in found if row is not None])[0]

    def _fetch(
        self, session: Session, access: Access, view: ConfigView, *, any_version: bool = False
    ) -> tuple[Config, Scope]:
        """Load the row that a change is for and its scope, when nothing stands against it.

        ``any_version``: what others have changed since ``view`` was read does not.
        """
        from bifrost_tui.store.tables import Config

        connection = session.connection()
        scope, role = self._context.enter(connection, access, view.scope)
        open_for_changes(scope, connection)
        row = session.get(Config, view.id)
        if row is None or row.scope_id != scope.id:
            raise gone(connection, view)
        if not may_change(role, access, row.created_by):
            raise AccessDeniedError(
                f"{access.actor} may change only what {access.actor} created in {scope.name};"
                f" {row.key} was created by {row.created_by}. Ask an admin."
            )
        # The moment too: after a restored backup numbers are given once more.
        same = (row.version, row.updated_at) == (view.version, view.updated_at)
        if not same and not any_version:
            renamed = f" It is called {row.key} now." if row.key != view.key else ""
            raise ConflictError(
                f"{view.key} in {scope.name} was changed by {row.updated_by} at"
                f" {iso(row.updated_at)}, after you opened it.{renamed} Nothing was saved.",
                by=row.updated_by,
                at=row.updated_at,
                deleted=False,
            )
        return row, scope

    def current(self, access: Access, view: ConfigView) -> ConfigView:
        """Return a config as it is now.

        Raises:
            ConflictError: it was deleted since ``view`` was read; by whom, and when.
            ConfigNotFoundError: it is not there, and no event tells of its end.

        """
        with suppress(ConfigNotFoundError):
            return self.get(access, view.scope, view.id)
        wanted = ConfigList(view.scope)
        raise self._reading(access, wanted, None, lambda connection, _: gone(connection, view))

    def _tell(
        self,
        session: Session,
        access: Access,
        action: str,
        scope: Scope,
        key: str,
        kind: ConfigType,
        **details: object,
    ) -> datetime:
        told = Event(action, scope, key, details={"type": kind.value, **details})
        return self._context.chain.append(session.connection(), access, told)

    @staticmethod
    def _settle(session: Session, row: Config, keys: Iterable[str]) -> None:
        """Bring what is kept about references into step with a row that has changed."""
        session.flush()
        connection = session.connection()
        references.settle(connection, row.scope_id, set(keys))
        if row.refers_to is not None:
            references.settle_one(connection, row.id)

    def _seal(
        self, connection: Connection, row: Config, secret: EnteredSecret, now: datetime
    ) -> None:
        self._context.check_key(connection)
        value, keyring = entered_bytes(secret), self._context.keyring
        # Never counted down, so that no older token of this row opens again.
        row.secret_version += 1
        sealed = keyring.seal(value, seal_context(row.scope_id, row.id, row.secret_version))
        row.secret, row.key_id = sealed.token, sealed.key_id
        if row.hint is not None:
            place = hint_context(row.scope_id, row.id, row.secret_version)
            row.hint = sealed_hint(keyring, value, place)
        row.fingerprint = self._context.root.fingerprint(value)
        row.secret_changed_at, row.unreadable_at = now, None
        group = equals.join(connection, keyring, row.id, row.fingerprint, value)
        self._regroup(connection, row, group)
        schedule(row)

    @staticmethod
    def _regroup(connection: Connection, row: Config, group: str | None) -> None:
        left, row.equal_group = row.equal_group, group
        if left is not None and left != group:
            equals.leave(connection, left, but=row.id)


def schedule(row: Config) -> None:
    """Set when a secret is due, from the age of its value and its period."""
    changed, period = row.secret_changed_at, row.rotate_every_days
    row.due_at = changed + timedelta(days=period) if changed and period else None


def facts(column: Callable[[str], Any]) -> dict[str, object]:
    """Return what an event may say has changed, by name, of a row whose columns it is given."""
    return {
        "key": column("key"),
        "type": column("type"),
        "value": column("value"),
        "refers_to": column("refers_to"),
        "secret": column("secret_version"),
        "partial_mask": column("hint") is not None,
        "integration": column("integration"),
        "description": column("description"),
        "rotate_every_days": column("rotate_every_days"),
    }
