"""Idempotency keys: which requests were made, and what they were answered with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_idempotency_keys"
down_revision = "0012_api_keys"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, indexed by what is looked for when rows are removed."""
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("claimed_until", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_index("ix_idempotency_keys_namespace", "idempotency_keys", ["namespace"])
