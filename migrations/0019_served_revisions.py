"""Until when revisions were served that are not any more: what was served lately is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_served_revisions"
down_revision = "0018_spent_states"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table; of what was served before nothing is known."""
    op.create_table(
        "served_revisions",
        sa.Column("revision_id", ID, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", name="pk_served_revisions"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.id"], name="fk_served_revisions_revision_id", ondelete="CASCADE"
        ),
    )
