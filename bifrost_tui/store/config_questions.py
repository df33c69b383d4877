"""Questions about one config: its history, what refers to it, where a value is kept already."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from bifrost_tui.crypto.cipher import Sealed
from bifrost_tui.store import audit
from bifrost_tui.store.access import managed_scopes, seen_scopes
from bifrost_tui.store.config_lists import ConfigLists
from bifrost_tui.store.dialects import among
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.narrowing import ListQuery
from bifrost_tui.store.places import seal_context
from bifrost_tui.store.references import references
from bifrost_tui.store.requests import Access, ConfigList
from bifrost_tui.store.schema import GLOBAL, config, organization
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import (
    GLOBAL_SCOPE,
    NO_REFERENCES,
    AuditView,
    ConfigView,
    Dependents,
    References,
    Scope,
    SecretReport,
    SecretUse,
)

_SHOWN = 5
"""As many places are named; of the others there is the number."""


class ConfigQuestions(ConfigLists):
    """What can be asked about configs."""

    def history(
        self, access: Access, scope: Scope, key: str, limit: int = 3
    ) -> tuple[AuditView, ...]:
        """Return a key's last audit events in one scope, newest first.

        There is none for who may not see the log of that scope.
        """

        def work(connection: Connection, _query: ListQuery) -> tuple[AuditView, ...]:
            managed = managed_scopes(connection, access)
            if managed is not None and scope.id not in managed:
                return ()
            return audit.recent(connection, scope, key, limit)

        return self._reading(access, ConfigList(scope), None, work)

    def integrations(self, access: Access, scope: Scope) -> tuple[str, ...]:
        """Return the integrations that configs of a scope, or its inherited ones, belong to."""
        column = config.c.integration

        def work(connection: Connection, _query: ListQuery) -> tuple[str, ...]:
            found = connection.scalars(
                select(column)
                .where(config.c.scope_id.in_([scope.id, GLOBAL]), column.is_not(None))
                .distinct()
                .order_by(column)
                .limit(200)
            )
            return tuple(name for name in found if name)

        return self._reading(access, ConfigList(scope), None, work)

    def dependents(self, access: Access, view: ConfigView, shown: int = _SHOWN) -> Dependents:
        """Return what will miss a config when it is deleted."""

        def work(connection: Connection, query: ListQuery) -> Dependents:
            found = references(connection, view.scope, view.key, query.seen, shown)
            if not view.scope.is_global:
                beneath = connection.execute(
                    select(config.c.type).where(
                        config.c.scope_id == GLOBAL, config.c.key == view.key
                    )
                ).scalar()
                dangle = bool(found.total) and beneath != ConfigType.SECRET
                return Dependents(beneath is not None, 0, found, dangle)
            everyone = connection.execute(
                select(func.count())
                .select_from(organization)
                .where(organization.c.archived_at.is_(None))
            ).scalar_one()
            shadowing = connection.execute(
                select(func.count())
                .select_from(config)
                .join(organization, organization.c.id == config.c.scope_id)
                .where(config.c.key == view.key, organization.c.archived_at.is_(None))
            ).scalar_one()
            return Dependents(False, everyone - shadowing, found, bool(found.total))

        return self._reading(access, ConfigList(view.scope), None, work)

    def references(
        self, access: Access, view: ConfigView, *, within: Scope | None = None, shown: int = _SHOWN
    ) -> References:
        """Return what refers to a secret; of a global one, in every organization.

        Only scopes that the actor may see are named and counted. ``within`` is the organization in
        whose list it stands.
        """
        if not view.is_secret:
            return NO_REFERENCES
        # An inherited secret is asked about by some who may not see all of global.
        asked_in = within if within is not None and view.scope.is_global else view.scope
        return self._reading(
            access,
            ConfigList(asked_in),
            None,
            lambda connection, query: references(
                connection, view.scope, view.key, query.seen, shown
            ),
        )

    def inspect(
        self, access: Access, scope: Scope, config_id: str | None, entered: EnteredSecret
    ) -> SecretReport:
        """Say what is known about a new value: its fingerprint, and where it is already kept.

        Only scopes that the actor may see are named. A match of fingerprints is confirmed on the
        values themselves.
        """
        context = self._context
        value = entered_bytes(entered)
        fingerprint = context.root.fingerprint(value)

        def work(connection: Connection, _query: ListQuery) -> SecretReport:
            seen = seen_scopes(connection, access)
            rows = connection.execute(
                select(config, organization.c.name)
                .outerjoin(organization, organization.c.id == config.c.organization_id)
                .where(
                    config.c.fingerprint == fingerprint,
                    config.c.secret.is_not(None),
                    *([] if seen is None else [among(config.c.scope_id, sorted(seen))]),
                )
                .order_by(config.c.scope_id != scope.id, organization.c.name, config.c.key)
                .limit(200)
            ).all()
            equal = [
                row
                for row in rows
                if context.keyring.holds(
                    Sealed(row.secret, row.key_id),
                    seal_context(row.scope_id, row.id, row.secret_version),
                    value,
                )
            ]
            uses = [
                SecretUse(row.name or GLOBAL_SCOPE.name, row.key)
                for row in equal
                if row.id != config_id
            ]
            return SecretReport(
                fingerprint=fingerprint,
                same_as_before=len(uses) != len(equal),
                used_at=tuple(uses[:_SHOWN]),
                used_more=max(len(uses) - _SHOWN, 0),
            )

        return self._reading(access, ConfigList(scope), None, work)
