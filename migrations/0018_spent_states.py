"""States that clients brought back and that count once, such as the confirmation of a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_spent_states"
down_revision = "0017_setup"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, indexed by what is looked for when rows are removed."""
    op.create_table(
        "spent_states",
        sa.Column("state", NAME, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_spent_states"),
    )
    op.create_index("ix_spent_states_expires_at", "spent_states", ["expires_at"])
