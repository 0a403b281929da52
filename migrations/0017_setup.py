"""The set-up of a gateway without an operator's key: the digest of the one token that makes the first key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_setup"
down_revision = "0016_audit"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, which has one row at most."""
    op.create_table(
        "setup",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_setup"),
    )
