"""When the sources of descriptions were looked at, and what was there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_source_checks"
down_revision = "0009_declarations"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, one row for each server whose source was looked at."""
    op.create_table(
        "source_checks",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.Text(), nullable=True),
        sa.Column("due_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", name="pk_source_checks"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_source_checks_server_id", ondelete="CASCADE"),
    )
