"""Access tokens that the instances of one database share, sealed, and who is asking for the next one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_shared_tokens"
down_revision = "0007_issuers"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, one row for each token of a server."""
    op.create_table(
        "shared_tokens",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("asked_by", sa.Text(), nullable=True),
        sa.Column("asked_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("server_id", "name", name="pk_shared_tokens"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_shared_tokens_server_id", ondelete="CASCADE"),
    )
