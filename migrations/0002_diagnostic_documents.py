"""The document of a split description that a diagnostic is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_diagnostic_documents"
down_revision = "0001_servers"


def upgrade() -> None:
    """Add the column; what is stored already was said of the entry document."""
    op.add_column("diagnostics", sa.Column("document", sa.Text(), nullable=False, server_default=sa.text("''")))
