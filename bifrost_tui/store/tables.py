"""The tables as SQLModel classes, for what changes one row. Columns stand in :mod:`.schema`.

No class shows a value, a token or a hint in its ``repr``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Table
from sqlmodel import Field, SQLModel

from bifrost_tui.store import schema


class _Row(SQLModel, metadata=schema.metadata):
    """What every table's class has: nothing of it is shown but its class."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __rich_repr__(self) -> Any:
        """Give Rich nothing either."""
        return iter(())


class Organization(_Row, table=True):
    """One tenant."""

    __table__: ClassVar[Table] = schema.organization

    id: str = Field(sa_column=schema.organization.c.id)
    name: str = Field(sa_column=schema.organization.c.name)
    name_folded: str = Field(sa_column=schema.organization.c.name_folded)
    archived_at: datetime | None = Field(default=None, sa_column=schema.organization.c.archived_at)
    created_at: datetime = Field(sa_column=schema.organization.c.created_at)
    created_by: str = Field(sa_column=schema.organization.c.created_by)
    updated_at: datetime = Field(sa_column=schema.organization.c.updated_at)
    updated_by: str = Field(sa_column=schema.organization.c.updated_by)
    version: int = Field(default=1, sa_column=schema.organization.c.version)


class Config(_Row, table=True):
    """A named, typed value in one scope."""

    __table__: ClassVar[Table] = schema.config

    id: str = Field(sa_column=schema.config.c.id)
    organization_id: str | None = Field(default=None, sa_column=schema.config.c.organization_id)
    scope_id: str = Field(sa_column=schema.config.c.scope_id)
    key: str = Field(sa_column=schema.config.c.key)
    type: str = Field(sa_column=schema.config.c.type)
    value: str | None = Field(default=None, sa_column=schema.config.c.value)
    secret: str | None = Field(default=None, sa_column=schema.config.c.secret)
    secret_version: int = Field(default=0, sa_column=schema.config.c.secret_version)
    key_id: str | None = Field(default=None, sa_column=schema.config.c.key_id)
    fingerprint: str | None = Field(default=None, sa_column=schema.config.c.fingerprint)
    hint: str | None = Field(default=None, sa_column=schema.config.c.hint)
    integration: str | None = Field(default=None, sa_column=schema.config.c.integration)
    description: str = Field(default="", sa_column=schema.config.c.description)
    rotate_every_days: int | None = Field(default=None, sa_column=schema.config.c.rotate_every_days)
    secret_changed_at: datetime | None = Field(
        default=None, sa_column=schema.config.c.secret_changed_at
    )
    due_at: datetime | None = Field(default=None, sa_column=schema.config.c.due_at)
    unreadable_at: datetime | None = Field(default=None, sa_column=schema.config.c.unreadable_at)
    refers_to: str | None = Field(default=None, sa_column=schema.config.c.refers_to)
    dangling: str | None = Field(default=None, sa_column=schema.config.c.dangling)
    equal_group: str | None = Field(default=None, sa_column=schema.config.c.equal_group)
    created_at: datetime = Field(sa_column=schema.config.c.created_at)
    created_by: str = Field(sa_column=schema.config.c.created_by)
    updated_at: datetime = Field(sa_column=schema.config.c.updated_at)
    updated_by: str = Field(sa_column=schema.config.c.updated_by)
    version: int = Field(default=1, sa_column=schema.config.c.version)


class Member(_Row, table=True):
    """An actor's standing in one organization, or in all of them."""

    __table__: ClassVar[Table] = schema.member

    id: str = Field(sa_column=schema.member.c.id)
    organization_id: str | None = Field(default=None, sa_column=schema.member.c.organization_id)
    scope_id: str = Field(sa_column=schema.member.c.scope_id)
    actor: str = Field(sa_column=schema.member.c.actor)
    role: str = Field(sa_column=schema.member.c.role)
    created_at: datetime = Field(sa_column=schema.member.c.created_at)
    created_by: str = Field(sa_column=schema.member.c.created_by)
    updated_at: datetime = Field(sa_column=schema.member.c.updated_at)
    updated_by: str = Field(sa_column=schema.member.c.updated_by)
    version: int = Field(default=1, sa_column=schema.member.c.version)
