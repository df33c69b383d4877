"""References to secrets, groups of equal secrets, and indexes for what lists are narrowed to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REFERENCE = (
    "CASE WHEN type = 'secret_ref' THEN refers_to IS NOT NULL AND value IS NULL"
    " ELSE refers_to IS NULL END"
)


def upgrade() -> None:
    """Add the columns and make the indexes.

    Groups of equal secrets are found afterwards, with the master key: fingerprints of eight
    characters coincide in large databases.
    """
    collation = ' COLLATE "C"' if op.get_bind().dialect.name == "postgresql" else ""
    # As SQL: no engine adds a check to a column that is there, and SQLite to no table.
    op.execute(
        f"ALTER TABLE config ADD COLUMN refers_to VARCHAR(255){collation}"
        f" CONSTRAINT ck_config_reference CHECK ({REFERENCE})"
    )
    op.add_column("config", sa.Column("dangling", sa.String(16), nullable=True))
    op.add_column("config", sa.Column("equal_group", sa.String(32), nullable=True))
    for name, columns in (
        ("refers_to", ["refers_to", "scope_id"]),
        ("dangling", ["dangling", "scope_id"]),
        ("equal_group", ["equal_group", "scope_id"]),
        ("integration", ["scope_id", "integration", "key"]),
    ):
        filled = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_config_{name}",
            "config",
            columns,
            unique=False,
            sqlite_where=filled,
            postgresql_where=filled,
        )
    empty = sa.text("type = 'secret' AND secret IS NULL")
    op.create_index(
        "ix_config_needs_value",
        "config",
        ["scope_id", "key"],
        unique=False,
        sqlite_where=empty,
        postgresql_where=empty,
    )
