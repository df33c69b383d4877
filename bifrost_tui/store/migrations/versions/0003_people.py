"""What those who left could read, passphrases of locked screens, indexes for the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Whoever listens is told that there is something to read, and nothing of what. A database has its
# channels to itself; its schemas have one each.
_TELL = """
CREATE FUNCTION bifrost_tell_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify(
        'bifrost_' || left(encode(sha256(convert_to(TG_TABLE_SCHEMA, 'UTF8')), 'hex'), 32), ''
    );
    RETURN NULL;
END
$$
"""

# Ordered by code point, whatever locale the database was made in.
_WORDS = {
    "audit_event": {
        "actor": 255,
        "source": 255,
        "action": 64,
        "organization_id": 32,
        "organization": 255,
        "key": 255,
        "outcome": 16,
        "chain_hash": 64,
    },
    "key_check": {"key_id": 8},
    "organization": {
        "id": 32,
        "name": 255,
        "name_folded": 1024,
        "created_by": 255,
        "updated_by": 255,
    },
    "scope_summary": {"scope_id": 32, "changed_by": 255},
    "config": {
        "id": 32,
        "organization_id": 32,
        "scope_id": 32,
        "type": 16,
        "key_id": 8,
        "fingerprint": 8,
        "integration": 100,
        "created_by": 255,
        "updated_by": 255,
        "dangling": 16,
        "equal_group": 32,
    },
    "member": {
        "id": 32,
        "organization_id": 32,
        "scope_id": 32,
        "actor": 255,
        "role": 16,
        "created_by": 255,
        "updated_by": 255,
    },
    "exposure": {"actor": 255, "config_id": 32},
    "presence": {"actor": 255, "verifier": 255},
}


def upgrade() -> None:
    """Make the tables and the indexes."""
    op.create_table(
        "exposure",
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("config_id", sa.String(32), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor", "config_id", name="pk_exposure"),
        sa.ForeignKeyConstraint(
            ["config_id"], ["config.id"], name="fk_exposure_config_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_exposure_config_id", "exposure", ["config_id"])
    op.create_table(
        "presence",
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("verifier", sa.String(255), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor", name="pk_presence"),
    )
    op.create_index("ix_member_scope_id", "member", ["scope_id", "actor"])
    for name in ("organization_id", "actor", "action", "at"):
        op.create_index(f"ix_audit_event_{name}", "audit_event", [name, "sequence"])
    has_key = sa.text("key IS NOT NULL")
    op.create_index(
        "ix_audit_event_key",
        "audit_event",
        ["key", "sequence"],
        sqlite_where=has_key,
        postgresql_where=has_key,
    )
    not_done = sa.text("outcome <> 'done'")
    op.create_index(
        "ix_audit_event_not_done",
        "audit_event",
        ["sequence"],
        sqlite_where=not_done,
        postgresql_where=not_done,
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _WORDS.items():
            changes = (
                f'ALTER "{name}" TYPE VARCHAR({length}) COLLATE "C"'
                for name, length in columns.items()
            )
            op.execute(f'ALTER TABLE "{table}" {", ".join(changes)}')
        op.execute(_TELL)
        op.execute(
            "CREATE TRIGGER tell_of_events AFTER INSERT ON audit_event"
            " FOR EACH STATEMENT EXECUTE FUNCTION bifrost_tell_of_events()"
        )
