"""Configs as they are changed: add, edit, delete; each with its event, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from bifrost_tui.display import visible
from bifrost_tui.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    InvalidInputError,
    ReferencedError,
)
from bifrost_tui.store import equals, references
from bifrost_tui.store.access import may_change
from bifrost_tui.store.audit import Event
from bifrost_tui.store.config_lists import type_of
from bifrost_tui.store.config_rotations import ConfigRotations
from bifrost_tui.store.config_rows import facts, schedule
from bifrost_tui.store.context import open_for_changes
from bifrost_tui.store.drafts import CheckedDraft, checked_draft
from bifrost_tui.store.fates import fate
from bifrost_tui.store.places import UNFILLED
from bifrost_tui.store.requests import Access, ConfigDraft
from bifrost_tui.store.schema import config
from bifrost_tui.store.summaries import count_change
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import ConfigView, Scope

if TYPE_CHECKING:
    from sqlmodel import Session

    from bifrost_tui.store.tables import Config


class ConfigChanges(ConfigRotations):
    """What can be done to configs."""

    def add(self, access: Access, scope: Scope, draft: ConfigDraft) -> ConfigView:
        """Add a config to a scope.

        Raises:
            InvalidInputError, AlreadyExistsError: a field cannot be saved as it is.

        """
        checked = checked_draft(draft)
        config_id = self._context.ids()

        def work(session: Session) -> None:
            from bifrost_tui.store.tables import Config

            connection = session.connection()
            here, _role = self._context.enter(connection, access, scope)
            open_for_changes(here, connection)
            self._free(connection, here, checked.key, None)
            now = self._tell(session, access, "config.add", here, checked.key, checked.type)
            row = Config(
                id=config_id,
                organization_id=None if scope.is_global else scope.id,
                scope_id=scope.id,
                key=checked.key,
                type=checked.type.value,
                created_at=now,
                created_by=access.actor,
                updated_at=now,
                updated_by=access.actor,
                version=1,
            )
            if checked.refers_to is not None:
                self._check_target(connection, here, checked)
            self._fill(connection, row, checked, now)
            session.add(row)
            self._settle(session, row, [checked.key])
            secret = checked.type is ConfigType.SECRET
            count_change(
                connection,
                scope.id,
                access,
                now,
                configs=1,
                secrets=int(secret),
                needs_value=int(secret and row.secret is None),
            )

        event = Event("config.add", scope, visible(draft.key)[:255])
        return self._saved(access, event, scope, config_id, work)

    def edit(
        self,
        access: Access,
        view: ConfigView,
        draft: ConfigDraft,
        *,
        carry_references: bool | None = None,
    ) -> ConfigView:
        """Change a config; a secret keeps its value unless the draft brings a new one.

        A secret with another key leaves its references behind, or takes them along:
        ``carry_references`` says which.

        Raises:
            ConflictError: it was changed since ``view`` was read.
            InvalidInputError, AlreadyExistsError: a field cannot be saved as it is.
            ReferencedError: references stand for it, and it was not said what becomes of them.

        """
        checked = checked_draft(draft)

        def work(session: Session) -> None:
            row, scope = self._fetch(session, access, view)
            connection = session.connection()
            was_secret = row.type == ConfigType.SECRET
            was_empty = was_secret and row.secret is None
            if checked.key != row.key:
                self._free(connection, scope, checked.key, row.id)
            before = facts(partial(getattr, row))
            if row.type != checked.type and draft.value is None and checked.value is not None:
                raise InvalidInputError("A new type needs a new value.", field="value")
            if (checked.refers_to, checked.integration) != (row.refers_to, row.integration):
                self._check_target(connection, scope, checked)
            carried = self._carried(connection, access, scope, row, checked, carry_references)
            now = self._context.now()
            self._fill(connection, row, checked, now)
            after = facts(partial(getattr, row))
            changed = [name for name, value in after.items() if value != before[name]]
            told = self._tell(
                session,
                access,
                "config.edit",
                scope,
                checked.key,
                checked.type,
                changed=changed,
                **({"old_key": before["key"]} if "key" in changed else {}),
            )
            row.updated_at, row.updated_by = told, access.actor
            row.version += 1
            self._carry(connection, access, carried, checked.key)
            self._settle(session, row, {view.key, checked.key})
            secret = checked.type is ConfigType.SECRET
            count_change(
                connection,
                view.scope.id,
                access,
                told,
                secrets=int(secret) - int(was_secret),
                needs_value=int(secret and row.secret is None) - int(was_empty),
            )

        event = Event("config.edit", view.scope, view.key)
        return self._saved(access, event, view.scope, view.id, work)

    def delete(self, access: Access, view: ConfigView) -> None:
        """Delete a config for good.

        Raises:
            ConflictError: it was changed since ``view`` was read.

        """

        def work(session: Session) -> None:
            row, scope = self._fetch(session, access, view)
            secret = row.type == ConfigType.SECRET
            now = self._tell(session, access, "config.delete", scope, row.key, type_of(row))
            empty = secret and row.secret is None
            connection, group = session.connection(), row.equal_group
            session.delete(row)
            session.flush()
            equals.leave(connection, group)
            references.settle(connection, scope.id, [row.key])
            count_change(
                connection,
                view.scope.id,
                access,
                now,
                configs=-1,
                secrets=-int(secret),
                needs_value=-int(empty),
            )

        self._write(access, Event("config.delete", view.scope, view.key), work)

    @staticmethod
    def _free(connection: Connection, scope: Scope, key: str, but_id: str | None) -> None:
        found = connection.execute(
            select(config.c.id).where(config.c.scope_id == scope.id, config.c.key == key)
        ).scalar_one_or_none()
        if found is not None and found != but_id:
            last = fate(connection, scope, key, found)
            raise AlreadyExistsError(
                f"{key} exists in {scope.name} already. Edit that one, or choose another key."
                f" It was last {last}.",
                field="key",
            )

    def _check_target(self, connection: Connection, scope: Scope, checked: CheckedDraft) -> None:
        if checked.refers_to is not None:
            references.check_target(connection, scope, checked.refers_to, checked.integration)

    def _carried(
        self,
        connection: Connection,
        access: Access,
        scope: Scope,
        row: Config,
        checked: CheckedDraft,
        carry: bool | None,
    ) -> list[references.Reference]:
        """Return the references that follow a secret to its new key.

        Raises:
            ReferencedError: it has some, and they cannot stay as they are unasked.
            AccessDeniedError: one of them is not the actor's to change.

        """
        if row.type != ConfigType.SECRET or (row.key, row.type) == (checked.key, checked.type):
            return []
        found = references.all_referring(connection, scope, row.key)
        if not found:
            return []
        named = references.named(found)
        if checked.type is not ConfigType.SECRET:
            raise ReferencedError(
                f"{row.key} stays a secret: {named} stand for it. Delete or change those first.",
                field="type",
                references=named,
            )
        if carry is None:
            raise ReferencedError(
                f"{named} stand for {row.key}. Say whether they are to follow it to"
                f" {checked.key}, or to be left and give nothing.",
                field="key",
                references=named,
            )
        if not carry:
            return []
        for reference in found:
            role = self._context.enter(connection, access, reference.scope)[1]
            if not may_change(role, access, reference.created_by):
                raise AccessDeniedError(
                    f"{access.actor} may not change {reference.key} in {reference.scope.name},"
                    f" which refers to {row.key}. Ask an admin, or leave the references."
                )
        return found

    def _carry(
        self,
        connection: Connection,
        access: Access,
        carried: Iterable[references.Reference],
        key: str,
    ) -> None:
        for reference in carried:
            details = {"type": ConfigType.SECRET_REF.value, "changed": ["refers_to"]}
            told = Event("config.edit", reference.scope, reference.key, details=details)
            now = self._context.chain.append(connection, access, told)
            references.point(connection, reference, key, now, access.actor)
            count_change(connection, reference.scope.id, access, now)

    def _fill(
        self, connection: Connection, row: Config, checked: CheckedDraft, now: datetime
    ) -> None:
        row.key = checked.key
        row.integration = checked.integration
        row.description = checked.description
        row.rotate_every_days = checked.rotate_every_days
        row.value, row.refers_to = checked.value, checked.refers_to
        row.dangling = None
        row.type = checked.type.value
        if checked.type is not ConfigType.SECRET:
            row.secret = row.key_id = row.fingerprint = row.hint = None
            row.secret_changed_at = row.unreadable_at = None
            self._regroup(connection, row, None)
        elif not checked.partial_mask:
            row.hint = None
        elif row.hint is None:
            # Nothing of a value that was entered to stay hidden is shown: the next one may be.
            row.hint = UNFILLED
        if checked.secret is not None:
            self._seal(connection, row, checked.secret, now)
        schedule(row)
