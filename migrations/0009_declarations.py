"""Who declares a server in files, and what went wrong with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_declarations"
down_revision = "0008_shared_tokens"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the column, NULL for nobody, and the table."""
    op.add_column("servers", sa.Column("declared_by", sa.Text(), nullable=True))
    op.create_table(
        "conditions",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "code", name="pk_conditions"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_conditions_server_id", ondelete="CASCADE"),
    )
