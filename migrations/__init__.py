"""The history of the registry's tables, one file per change, run by `app.registry.upgrades`.

A file here never changes once released, holds for SQLite and PostgreSQL alike, and goes forward only: to go back,
restore a backup.
"""
