"""Overrides that pin and hide arguments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_overridden_arguments"
down_revision = "0014_quotas"


def upgrade() -> None:
    """Add the columns; the overrides that are there pin and hide nothing."""
    op.add_column("tool_overrides", sa.Column("pinned", sa.JSON(), nullable=True))
    op.add_column("tool_overrides", sa.Column("hidden", sa.JSON(), nullable=True))
