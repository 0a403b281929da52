"""What a namespace may hold, where that is less than others may."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_quotas"
down_revision = "0013_idempotency_keys"


def upgrade() -> None:
    """Add the column; without a value the gateway's settings hold."""
    op.add_column("namespaces", sa.Column("quota", sa.JSON(), nullable=True))
