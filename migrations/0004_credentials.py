"""Credentials for the APIs behind the servers, sealed; and whom a server's calls trust."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_credentials"
down_revision = "0003_server_policies"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, one credential per server and security scheme, and the column."""
    op.add_column("servers", sa.Column("certificate_authorities", sa.Text(), nullable=True))
    op.create_table(
        "credentials",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("scheme", NAME, nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "scheme", name="pk_credentials"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_credentials_server_id", ondelete="CASCADE"),
    )
