"""Who may call: hosts, origins and keys of our callers."""
