"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# A moment is kept as the engine keeps moments; the zone is UTC on every engine.
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "audit_event",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=True),
        sa.Column("organization", sa.String(length=255), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("chain_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_event")),
    )
    op.create_index(
        "ix_audit_event_organization_id_key",
        "audit_event",
        ["organization_id", "key", "action", "sequence"],
        unique=False,
    )
    op.create_table(
        "key_check",
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_key_check")),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("name_folded", sa.String(length=1024), nullable=False),
        sa.Column("archived_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("name_folded", name=op.f("uq_organization_name_folded")),
    )
    op.create_table(
        "scope_summary",
        sa.Column("scope_id", sa.String(length=32), nullable=False),
        sa.Column("configs", sa.BigInteger(), nullable=False),
        sa.Column("secrets", sa.BigInteger(), nullable=False),
        sa.Column("needs_value", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.Column("changed_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("scope_id", name=op.f("pk_scope_summary")),
    )
    op.create_table(
        "config",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=True),
        sa.Column("scope_id", sa.String(length=32), nullable=False),
        sa.Column(
            "key",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=True),
        sa.Column("fingerprint", sa.String(length=8), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("integration", sa.String(length=100), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("rotate_every_days", sa.Integer(), nullable=True),
        sa.Column("secret_changed_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("unreadable_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "scope_id = coalesce(organization_id, 'global')", name=op.f("ck_config_scope")
        ),
        sa.CheckConstraint(
            "type <> 'secret' OR value IS NULL", name=op.f("ck_config_secret_has_no_plain_value")
        ),
        sa.CheckConstraint(
            "type = 'secret' OR secret IS NULL", name=op.f("ck_config_plain_has_no_token")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_config_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config")),
    )
    op.create_index(
        "ix_config_due_at",
        "config",
        ["due_at", "scope_id"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_config_fingerprint",
        "config",
        ["fingerprint"],
        unique=False,
        sqlite_where=sa.text("fingerprint IS NOT NULL"),
        postgresql_where=sa.text("fingerprint IS NOT NULL"),
    )
    op.create_index("ix_config_key", "config", ["key"], unique=False)
    op.create_index("ix_config_key_id_scope_id", "config", ["key_id", "scope_id"], unique=False)
    op.create_index(
        "ix_config_unreadable_at",
        "config",
        ["unreadable_at", "scope_id"],
        unique=False,
        sqlite_where=sa.text("unreadable_at IS NOT NULL"),
        postgresql_where=sa.text("unreadable_at IS NOT NULL"),
    )
    op.create_index("uq_config_scope_id_key", "config", ["scope_id", "key"], unique=True)
    op.create_table(
        "member",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.String(length=32), nullable=True),
        sa.Column("scope_id", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "scope_id = coalesce(organization_id, 'all')", name=op.f("ck_member_scope")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_member_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
    )
    op.create_index("uq_member_actor_scope_id", "member", ["actor", "scope_id"], unique=True)
