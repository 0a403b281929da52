"""The issuers of access tokens that open the servers of a namespace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_issuers"
down_revision = "0006_server_changes"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, one issuer per namespace."""
    op.create_table(
        "issuers",
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("jwks_uri", sa.Text(), nullable=True),
        sa.Column("algorithms", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("namespace", name="pk_issuers"),
        sa.ForeignKeyConstraint(["namespace"], ["namespaces.name"], name="fk_issuers_namespace", ondelete="CASCADE"),
    )
