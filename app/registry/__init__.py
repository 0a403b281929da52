"""The registry: servers, their immutable revisions and the overrides on their tools, in SQLite or PostgreSQL.

Open a `Database`, work in its transactions; what goes in and comes out are the frozen records of `records`.
"""

from __future__ import annotations

from app.registry.database import Database, Registry

__all__ = ["Database", "Registry"]
