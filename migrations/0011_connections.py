"""Accounts that users connected, sealed, and users who are on their way to an authorization server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_connections"
down_revision = "0010_source_checks"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables: a connection per server, scheme and subject; an attempt per `state`."""
    op.create_table(
        "connections",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("scheme", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("is_broken", sa.Boolean(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=True),
        sa.Column("claimed_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "scheme", "subject", name="pk_connections"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_connections_server_id", ondelete="CASCADE"),
    )
    op.create_table(
        "connection_attempts",
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_connection_attempts"),
        sa.ForeignKeyConstraint(
            ["server_id"], ["servers.id"], name="fk_connection_attempts_server_id", ondelete="CASCADE"
        ),
    )
