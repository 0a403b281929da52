"""PostgreSQL tells every instance of a changed server, in the transaction that changed it."""

from __future__ import annotations

from alembic import op

revision = "0006_server_changes"
down_revision = "0005_drafts"


def upgrade() -> None:
    """Create the trigger. A payload is at most 7,999 bytes: names that are longer make it an empty one."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE FUNCTION tell_of_server() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "DECLARE changed record; payload text; "
        "BEGIN "
        "IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF; "
        "payload := json_build_array(changed.namespace, changed.name)::text; "
        "PERFORM pg_notify('causeway_servers', CASE WHEN octet_length(payload) < 8000 THEN payload ELSE '' END); "
        "RETURN NULL; "
        "END $$"
    )
    op.execute(
        "CREATE TRIGGER servers_are_told AFTER INSERT OR UPDATE OR DELETE ON servers "
        "FOR EACH ROW EXECUTE FUNCTION tell_of_server()"
    )
