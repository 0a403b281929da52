"""What the operator is told: log lines, request records and metrics. Nothing here decides what is answered."""
