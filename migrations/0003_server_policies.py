"""What calls of a server are held to: the size of results, healing of numbers, the time a call may take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_server_policies"
down_revision = "0002_diagnostic_documents"


def upgrade() -> None:
    """Add the column; servers that are there have no policies of their own."""
    op.add_column("servers", sa.Column("policies", sa.JSON(), nullable=True))
