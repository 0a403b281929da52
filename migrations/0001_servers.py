"""Namespaces, servers, their revisions with tools and diagnostics, and tool overrides."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_servers"
down_revision = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
IMMUTABLE = ("revisions", "tools", "diagnostics")


def upgrade() -> None:
    """Create the tables, and the triggers that keep a revision as it was written."""
    _create_namespaces()
    _create_servers()
    _create_revisions()
    _create_tools()
    _create_diagnostics()
    _create_tool_overrides()
    if op.get_bind().dialect.name == "postgresql":
        _refuse_updates_on_postgresql()
    else:
        _refuse_updates_on_sqlite()


def _create_namespaces() -> None:
    op.create_table(
        "namespaces",
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_namespaces"),
    )


def _create_servers() -> None:
    op.create_table(
        "servers",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("server_variables", sa.JSON(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("active_revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_servers"),
        sa.ForeignKeyConstraint(["namespace"], ["namespaces.name"], name="fk_servers_namespace", ondelete="CASCADE"),
        sa.UniqueConstraint("namespace", "name", name="uq_servers_namespace_name"),
    )


def _create_revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("id", ID, nullable=False),
        sa.Column("server_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("compiler_version", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("document_url", sa.Text(), nullable=True),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_revisions_server_id", ondelete="CASCADE"),
        sa.UniqueConstraint("server_id", "number", name="uq_revisions_server_id_number"),
    )


def _create_tools() -> None:
    op.create_table(
        "tools",
        sa.Column("revision_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", "position", name="pk_tools"),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name="fk_tools_revision_id", ondelete="CASCADE"),
        sa.UniqueConstraint("revision_id", "name", name="uq_tools_revision_id_name"),
    )


def _create_diagnostics() -> None:
    op.create_table(
        "diagnostics",
        sa.Column("revision_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", "position", name="pk_diagnostics"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.id"], name="fk_diagnostics_revision_id", ondelete="CASCADE"
        ),
    )


def _create_tool_overrides() -> None:
    op.create_table(
        "tool_overrides",
        sa.Column("server_id", ID, nullable=False),
        sa.Column("operation_key", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("annotations", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("server_id", "operation_key", name="pk_tool_overrides"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name="fk_tool_overrides_server_id", ondelete="CASCADE"),
    )


def _refuse_updates_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'a revision never changes'; END $$"
    )
    for table in IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER {table}_never_change BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_update()"
        )


def _refuse_updates_on_sqlite() -> None:
    for table in IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER {table}_never_change BEFORE UPDATE ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'a revision never changes'); END"
        )
