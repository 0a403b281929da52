"""Use cases: one per file, one transaction each; they know the registry and the way out, not HTTP."""
