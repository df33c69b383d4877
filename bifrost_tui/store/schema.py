"""The tables, once. Lists are read straight from these; :mod:`.tables` maps classes onto them.

They stand apart from the classes so that a list can be on the screen before SQLModel is imported,
which takes longer than all the rest of a start.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

REVISION = "0003"
"""The newest schema that this program knows; the name of the last migration."""

VERSION_TABLE = "bifrost_schema"
"""Where the database's own schema version stands."""

GLOBAL = "global"
"""The ``scope_id`` of what belongs to every organization."""


class DamagedValueError(SQLAlchemyError):
    """What stands in a row is nothing that this program wrote there."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware of it on every engine."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        """Read a moment; what is none was written by something else, or is damaged."""
        read = super().result_processor(dialect, coltype)

        def checked(value: Any) -> Any:
            try:
                return read(value) if read else value
            except (TypeError, ValueError):
                pass
            # Raised outside the handler, whose error holds what stands there.
            raise DamagedValueError

        return checked

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Store UTC, without the zone where the engine keeps none."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """Give back an aware moment, in UTC."""
        if value is None:
            return None
        if not isinstance(value, datetime):
            # As PostgreSQL's driver gives what is beyond the moments of Python.
            raise TypeError
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _words(length: int) -> String:
    # Ordered by code point, and only ASCII in any case, on every engine and in every locale: pages
    # and leaps along indexes go by that, and this program orders so itself.
    return String(length).with_variant(String(length, "C"), "postgresql")


def _id() -> Column[str]:
    return Column("id", _words(32), primary_key=True)


def _written() -> list[Column[Any]]:
    return [
        Column("created_at", UtcDateTime, nullable=False),
        Column("created_by", _words(255), nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
        Column("updated_by", _words(255), nullable=False),
        Column("version", Integer, nullable=False),
    ]


organization = Table(
    "organization",
    metadata,
    _id(),
    Column("name", _words(255), nullable=False),
    # The name as it is compared: case-folded here, for no engine folds like another.
    Column("name_folded", _words(1024), nullable=False, unique=True),
    Column("archived_at", UtcDateTime),
    *_written(),
)

config = Table(
    "config",
    metadata,
    _id(),
    Column("organization_id", ForeignKey("organization.id")),
    # The organization, or "global": never NULL, so that one unique index serves every scope.
    Column("scope_id", _words(32), nullable=False),
    Column("key", _words(255), nullable=False),
    Column("type", _words(16), nullable=False),
    Column("value", Text),
    Column("secret", Text),
    # Counts the values that the secret has had; part of what its token is bound to.
    Column("secret_version", Integer, nullable=False),
    Column("key_id", _words(8)),
    Column("fingerprint", _words(8)),
    Column("hint", Text),
    Column("integration", _words(100)),
    Column("description", Text, nullable=False),
    Column("rotate_every_days", Integer),
    Column("secret_changed_at", UtcDateTime),
    # When the rotation period ends; derived, and kept so that an index can answer for it.
    Column("due_at", UtcDateTime),
    # When the token was found not to open although its master key is at hand.
    Column("unreadable_at", UtcDateTime),
    *_written(),
    # The key of the secret that a reference stands for.
    Column(
        "refers_to",
        _words(255),
        CheckConstraint(
            "CASE WHEN type = 'secret_ref' THEN refers_to IS NOT NULL AND value IS NULL"
            " ELSE refers_to IS NULL END",
            name="reference",
        ),
    ),
    # Why the reference gives nothing in its own scope; derived, kept with every change of what it
    # refers to, so that an index can count.
    Column("dangling", _words(16)),
    # What all secrets of one value share; NULL where no other has it. Confirmed on the values,
    # which fingerprints of eight characters are too short for.
    Column("equal_group", _words(32)),
    CheckConstraint("scope_id = coalesce(organization_id, 'global')", name="scope"),
    CheckConstraint("type <> 'secret' OR value IS NULL", name="secret_has_no_plain_value"),
    CheckConstraint("type = 'secret' OR secret IS NULL", name="plain_has_no_token"),
)
Index("uq_config_scope_id_key", config.c.scope_id, config.c.key, unique=True)
Index("ix_config_key", config.c.key)
for _name, _columns in (
    ("due_at", (config.c.due_at, config.c.scope_id)),
    ("unreadable_at", (config.c.unreadable_at, config.c.scope_id)),
    ("fingerprint", (config.c.fingerprint,)),
    ("refers_to", (config.c.refers_to, config.c.scope_id)),
    ("dangling", (config.c.dangling, config.c.scope_id)),
    ("equal_group", (config.c.equal_group, config.c.scope_id)),
    ("integration", (config.c.scope_id, config.c.integration, config.c.key)),
):
    # The migration says the same for PostgreSQL; saying it here would import its drivers.
    Index(f"ix_config_{_name}", *_columns, sqlite_where=text(f"{_name} IS NOT NULL"))
NEEDS_VALUE = text("type = 'secret' AND secret IS NULL")
"""What tells a secret without a value, in the words of its index: planners compare texts."""
Index("ix_config_needs_value", config.c.scope_id, config.c.key, sqlite_where=NEEDS_VALUE)
Index("ix_config_key_id_scope_id", config.c.key_id, config.c.scope_id)

scope_summary = Table(
    "scope_summary",
    metadata,
    # An organization's id, or "global". Counts are kept with every change: a list of a thousand
    # organizations must not count a million configs.
    Column("scope_id", _words(32), primary_key=True),
    Column("configs", BigInteger, nullable=False),
    Column("secrets", BigInteger, nullable=False),
    Column("needs_value", BigInteger, nullable=False),
    Column("changed_at", UtcDateTime),
    Column("changed_by", _words(255)),
)

member = Table(
    "member",
    metadata,
    _id(),
    Column("organization_id", ForeignKey("organization.id")),
    # The organization, or "all" of them and global.
    Column("scope_id", _words(32), nullable=False),
    Column("actor", _words(255), nullable=False),
    Column("role", _words(16), nullable=False),
    *_written(),
    CheckConstraint("scope_id = coalesce(organization_id, 'all')", name="scope"),
)
Index("uq_member_actor_scope_id", member.c.actor, member.c.scope_id, unique=True)
Index("ix_member_scope_id", member.c.scope_id, member.c.actor)

exposure = Table(
    "exposure",
    metadata,
    # A secret that somebody could read who is a member no longer. It waits for a new value as long
    # as the secret has the version that stands here.
    Column("actor", _words(255), primary_key=True),
    Column("config_id", _words(32), ForeignKey("config.id", ondelete="CASCADE"), primary_key=True),
    Column("secret_version", Integer, nullable=False),
    Column("left_at", UtcDateTime, nullable=False),
)
Index("ix_exposure_config_id", exposure.c.config_id)

presence = Table(
    "presence",
    metadata,
    # What opens an actor's locked screen: a passphrase, kept as what scrypt makes of it.
    Column("actor", _words(255), primary_key=True),
    Column("verifier", _words(255), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    # Given by the program, one after another without a gap: a missing number is a missing event.
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", _words(255), nullable=False),
    Column("source", _words(255), nullable=False),
    Column("action", _words(64), nullable=False),
    Column("organization_id", _words(32)),
    # The organization's name at that time: the log must be readable when it is gone.
    Column("organization", _words(255)),
    Column("key", _words(255)),
    Column("outcome", _words(16), nullable=False),
    Column("details", Text, nullable=False),
    Column("chain_hash", _words(64), nullable=False),
)
Index(
    "ix_audit_event_organization_id_key",
    audit_event.c.organization_id,
    audit_event.c.key,
    # Reads are many, changes are few: each is found without the others.
    audit_event.c.action,
    audit_event.c.sequence,
)
NOT_DONE = text("outcome <> 'done'")
"""What tells a refused or failed attempt, in the words of its index: planners compare texts."""
for _name in ("organization_id", "actor", "action", "at"):
    Index(f"ix_audit_event_{_name}", audit_event.c[_name], audit_event.c.sequence)
Index(
    "ix_audit_event_key",
    audit_event.c.key,
    audit_event.c.sequence,
    sqlite_where=text("key IS NOT NULL"),
)
Index("ix_audit_event_not_done", audit_event.c.sequence, sqlite_where=NOT_DONE)

key_check = Table(
    "key_check",
    metadata,
    # One row for each master key in use; its token is the database's root, sealed under that key.
    Column("key_id", _words(8), primary_key=True),
    Column("token", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
