"""The audit: who changed and called what. It only grows, and what is older than a week may be taken away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_audit"
down_revision = "0015_overridden_arguments"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table, and the triggers that keep it as it was written."""
    op.create_table(
        "audit",
        sa.Column("number", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("server", NAME, nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_namespace_number", "audit", ["namespace", "number"])
    if op.get_bind().dialect.name == "postgresql":
        _protect_on_postgresql()
    else:
        _protect_on_sqlite()


def _protect_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' AND OLD.at < now() - interval '7 days' THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the audit never changes'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )


def _protect_on_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit never changes'); END"
    )
    op.execute(
        "CREATE TRIGGER audit_is_never_emptied BEFORE DELETE ON audit WHEN OLD.at >= datetime('now', '-7 days') "
        "BEGIN SELECT RAISE(ABORT, 'the audit never changes'); END"
    )
