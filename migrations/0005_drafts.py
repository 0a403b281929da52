"""Revisions that wait for a review, and the names that tools had before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_drafts"
down_revision = "0004_credentials"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the column, NULL where nothing waits, and the table."""
    op.add_column("servers", sa.Column("draft_revision", sa.Integer(), nullable=True))
    op.create_table(
        "former_tool_names",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("renamed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "name", name="pk_former_tool_names"),
        sa.ForeignKeyConstraint(
            ["server_id"], ["servers.id"], name="fk_former_tool_names_server_id", ondelete="CASCADE"
        ),
    )
