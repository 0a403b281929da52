"""The service's error tree: every error a user can meet has a stable `code`.

`app.api.problems` maps codes to HTTP statuses; the command line maps them to exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class CausewayError(Exception):
    """Base of every error this service raises on purpose.

    `code` is stable and machine-readable; the message is one sentence for a person and never holds a secret,
    a file path of ours or an internal address.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        """Keep the sentence that is shown to the user."""
        super().__init__(message)
        self.message = message
